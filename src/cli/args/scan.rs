//! Arguments of `scan`, and those that `shard`, its first half, has as well.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{BuildArgs, LedgerArgs, data_root, span};

/// Arguments of `scan`.
#[derive(Debug, Default, Args)]
#[command(after_help = SCAN_EXAMPLES)]
pub struct ScanArgs {
    /// Trees, version directories or files.
    #[arg(required_unless_present_any = ["map", "shard"], conflicts_with_all = ["map", "shard"],
          value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Build the datasets that mapfiles list, of the files listed and no others: a mapfile, a directory
    /// of them, or a text file with the path of one in each line; repeatable.
    #[arg(long, value_name = "FILE|DIR|LIST", conflicts_with = "newer_than")]
    pub map: Vec<PathBuf>,
    /// Build the datasets that FILE of `vzarr-publish shard` lists, with the settings that it was called with. The
    /// ledger is the one beside FILE; another that is named, and not there yet, begins as a copy of it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "newer_than", "accept_gone"])]
    pub shard: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub walk: WalkArgs,
    /// Build and report, but write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Verify each store before it is published, by a sample of its chunks or by all; one that differs
    /// from its files is not published. Needs libnetcdf, as the command `verify` does.
    #[arg(long, value_name = "sample|all", num_args = 0..=1, require_equals = true,
          default_missing_value = "sample", value_parser = ["sample", "all"],
          conflicts_with = "dry_run")]
    pub verify: Option<String>,
    /// Verify the same random chunks as another run with this seed; by default others every time.
    #[arg(long, value_name = "S", requires = "verify")]
    pub seed: Option<u64>,
    /// Read files that are indexed whole, and compare them with the checksums of mapfiles; one that differs
    /// fails its dataset.
    #[arg(long)]
    pub checksums: bool,
}

/// What is looked at, what is built of it, and where it goes.
#[derive(Debug, Default, Args)]
pub struct WalkArgs {
    /// Look only at directories to which a file was added in the last SPAN, such as 7d, 12h or 30m. What was
    /// rewritten in place elsewhere, and what is gone, is left to a scan without this.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub newer_than: Option<Duration>,
    /// Leave datasets alone while a file of them was written less than SPAN ago, such as 10m, for it may still
    /// be transferred; by default none waits.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub min_age: Option<Duration>,
    /// Wait so long for another scan of trees with the same ledger to end, such as 30m; without this, the
    /// scan ends at once, with exit code 0, and `shard` with 3.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub wait: Option<Duration>,
    /// Serve files below `FS_PREFIX` as `URL_PREFIX`; without any, stores refer to local paths.
    #[arg(long, value_name = "FS_PREFIX=URL_PREFIX", value_parser = data_root)]
    pub data_root: Vec<(PathBuf, String)>,
    /// Write the stores below DIR, in a tree like that of the datasets, instead of beside the
    /// NetCDF files.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub build: BuildArgs,
    /// Build datasets that did not change, too.
    #[arg(long)]
    pub force: bool,
    /// Believe it where ten or more datasets of a project, and most of them, are not found any more:
    /// without this, they are left as they were, for a file system may not be mounted.
    #[arg(long)]
    pub accept_gone: bool,
    /// Write a line of JSON for each dataset and problem to FILE (`-` for standard output).
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

const SCAN_EXAMPLES: &str = "\
Examples:
  Build every CMIP6 dataset, with the URLs that the publisher gives:
    vzarr-publish scan /data/CMIP6 --config ~/.esg/esg.yaml
  State the URLs here:
    vzarr-publish scan /data/CMIP6 --data-root /data=https://node.org/thredds/fileServer/data
  Look every hour at what is new, and once a week at everything:
    vzarr-publish scan /data --newer-than 3h
    vzarr-publish scan /data --wait 2h
  Build one shard of many (vzarr-publish shard --help):
    vzarr-publish scan --shard /scratch/vzarr/shard-0001.jsonl --config ~/.esg/esg.yaml
  Build what is about to be published:
    vzarr-publish scan --map mapfiles/ --config ~/.esg/esg.yaml
  A project of your own, described in a file (docs/projects.md):
    vzarr-publish scan /data/MYMIP --project-file /etc/vzarr/MYMIP.yaml
  Try one dataset of a read-only archive:
    vzarr-publish scan /data/CMIP6/CMIP/INM/INM-CM5-0 --output-dir /tmp/stores --dry-run";
