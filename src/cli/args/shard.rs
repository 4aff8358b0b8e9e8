//! Arguments of `shard`.

use std::path::PathBuf;

use clap::Args;

use super::WalkArgs;

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
    #[command(flatten)]
    #[allow(missing_docs)]
    pub walk: WalkArgs,
}
