//! Arguments of `ledger`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{LedgerArgs, span};

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Find out whether the ledger is whole, and the stores are as it says.
    Check(CheckLedgerArgs),
    /// Write all that the ledger knows, or a table of datasets.
    Export(ExportArgs),
    /// Take the datasets of other ledgers into this one, as after a scan in shards.
    Merge(MergeArgs),
    /// Copy the ledger, also while a scan writes to it.
    Backup(BackupArgs),
}

/// Arguments of `ledger check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vzarr-publish ledger check
  vzarr-publish ledger check --quick

Exit codes:
  0  the ledger is whole, and the stores are as it says
  1  something is not, and was said
  2  the command line is wrong
  3  nothing could be done: there is no ledger, or it cannot be read")]
pub struct CheckLedgerArgs {
    /// Compare the sizes of the files alone, and read none.
    #[arg(long)]
    pub quick: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `ledger export`.
#[derive(Debug, Args)]
#[command(after_help = "\
docs/ledger.md says what is in the lines and the columns.

Examples:
  vzarr-publish ledger export --csv datasets.csv
  vzarr-publish ledger export --json | jq -r 'select(.type == \"dataset\") | .store.url'")]
pub struct ExportArgs {
    /// Write everything, a JSON object a line.
    #[arg(long, required_unless_present = "csv", conflicts_with = "csv")]
    pub json: bool,
    /// Write a table with a row for each dataset, for spreadsheets.
    #[arg(long)]
    pub csv: bool,
    /// Where it goes, whole or not at all; by default to standard output.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `ledger merge`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each of the others is merged whole or not at all, and stays as it is; merging it again changes nothing. Where
two ledgers have different stores of a dataset, the one that was built last counts, and a warning names both.
Of a dataset that was dealt from this ledger to a shard, what became of it there counts.

Examples:
  vzarr-publish scan /data/CMIP6/CMIP --ledger a.sqlite         # on one host
  vzarr-publish scan /data/CMIP6/ScenarioMIP --ledger b.sqlite  # on another
  vzarr-publish ledger merge a.sqlite b.sqlite
  vzarr-publish ledger merge --shards /scratch/vzarr/2026-11-25   # after scans of all shards

Exit codes:
  0  all are merged
  1  some are, others could not be, or a shard is not complete
  2  the command line is wrong
  3  none could be merged, or a scan is at work with this ledger")]
pub struct MergeArgs {
    /// Other ledgers.
    #[arg(required_unless_present = "shards", value_name = "OTHER")]
    pub others: Vec<PathBuf>,
    /// The ledgers of all shards in DIR, the `--out` of `vzarr-publish shard`. A shard whose scan has not ended is
    /// an error; what it did until then is merged.
    #[arg(long, value_name = "DIR", conflicts_with = "others")]
    pub shards: Option<PathBuf>,
    /// Wait so long for a scan of trees with the ledger to end, such as 30m; without this, nothing is merged while
    /// one is at work.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub wait: Option<Duration>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `ledger backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is of one moment, also while a scan writes, and is a ledger itself.

Example:
  vzarr-publish ledger backup /backup/vzarr-ledger-$(date +%F).sqlite")]
pub struct BackupArgs {
    /// Where the copy goes; nothing may be there.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}
