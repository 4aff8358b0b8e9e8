//! Arguments of `shard`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{BuildArgs, LedgerArgs, data_root, span};

/// Arguments of `shard`.
#[derive(Debug, Args)]
#[command(after_help = "\
Walks the trees once, and records in the ledger all that needs no building: what did not change, what is gone, what fits no
DRS. What does need it is dealt out to files in DIR, balanced by the number and size of files, with a ledger beside each.
docs/slurm.md has the rest, and scripts for Slurm.

Example:
  vzarr-publish shard /data/CMIP6 --config esg.yaml --shards 64 --out /scratch/vzarr/2026-11-25
  vzarr-publish scan --shard /scratch/vzarr/2026-11-25/shard-0001.jsonl --config esg.yaml   # each, anywhere
  vzarr-publish ledger merge --shards /scratch/vzarr/2026-11-25

Exit codes:
  0  the shards are written, or there is nothing to build
  1  they are, but some directories could not be read, or the like
  2  the command line or the configuration is wrong
  3  nothing could be done: the ledger is unusable, or a scan is at work with it, or no path exists")]
pub struct ShardArgs {
    /// Trees, version directories or files.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write at most N shards; fewer where there are fewer directories to look into.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9999))]
    pub shards: u16,
    /// Write them to DIR, which is made where it is missing, and must be empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// As with `scan`: look only at directories to which a file was added in the last SPAN.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub newer_than: Option<Duration>,
    /// As with `scan`: leave datasets alone while a file of them was written less than SPAN ago.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub min_age: Option<Duration>,
    /// Wait so long for another scan of trees with the same ledger to end, such as 30m.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub wait: Option<Duration>,
    /// Serve files below `FS_PREFIX` as `URL_PREFIX`; without any, stores refer to local paths.
    #[arg(long, value_name = "FS_PREFIX=URL_PREFIX", value_parser = data_root)]
    pub data_root: Vec<(PathBuf, String)>,
    /// Where the stores go, if not beside the NetCDF files.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub build: BuildArgs,
    /// Build datasets that did not change, too.
    #[arg(long)]
    pub force: bool,
    /// Believe it where ten or more datasets of a project, and most of them, are not found any more.
    #[arg(long)]
    pub accept_gone: bool,
    /// Write a line of JSON for each dataset that is not dealt, and each problem, to FILE (`-` for standard
    /// output).
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}
