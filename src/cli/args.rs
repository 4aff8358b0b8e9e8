//! The command line as typed.

mod ledger;
mod publication;
mod reading;
mod shard;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::model::byte_size::ByteSize;
use crate::model::format::FormatChoice;
use crate::model::icechunk::Checksums;
use crate::model::on_overlap::OnOverlap;
use crate::model::on_static_mismatch::OnStaticMismatch;
use crate::model::portability::Portability;
use crate::model::span::span;

pub use ledger::{BackupArgs, CheckLedgerArgs, ExportArgs, LedgerCommand, MergeArgs};
pub use publication::{
    AdvertiseArgs, AnnotateArgs, CatalogArgs, DigestArgs, GcArgs, RelocateArgs, RetractArgs,
    SiteArgs,
};
pub use reading::ReadingArgs;
pub use shard::ShardArgs;

/// Publishes virtual Zarr stores of the NetCDF datasets of an ESGF data node.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES_AND_EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say more; twice for every file.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

const EXAMPLES_AND_EXIT_CODES: &str = "\
Examples:
  vzarr-publish scan /data/CMIP6 --config ~/.esg/esg.yaml
  vzarr-publish check /submission/CMIP7
  vzarr-publish list --status refused
  vzarr-publish verify
  vzarr-publish show CMIP6.CMIP.INM.INM-CM5-0.historical.r1i1p1f1.Amon.rlds.gr1.v20190610
  vzarr-publish inspect rlds_Amon_INM-CM5-0_historical_r1i1p1f1_gr1_185001-194912.nc

Exit codes:
  0  every dataset is built or unchanged; every store is verified
  1  some datasets were refused or failed, or some directories could not be read;
     some stores differ from their files or could not be verified
  2  the command line or the configuration is wrong
  3  nothing could be done: the ledger is unusable, or no path exists, or no store;
     or this program was built without libnetcdf, which verify needs
  130, 143  a scan was asked to stop (SIGINT, SIGTERM), and recorded what it did";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the stores of all datasets below some directories.
    Scan(Box<ScanArgs>),
    /// Walk trees, and deal out what is to be built to scans on several hosts.
    Shard(ShardArgs),
    /// Say what would become of the datasets below some directories, and write nothing.
    Check(CheckArgs),
    /// Read stores back and compare them with the NetCDF files, bit for bit.
    Verify(VerifyArgs),
    /// Say what the publisher is to be told about stores, or that it was told.
    Advertise(AdvertiseArgs),
    /// Put the store of a dataset into its publication record.
    Annotate(AnnotateArgs),
    /// Write a static STAC catalogue of all stores.
    Catalog(CatalogArgs),
    /// Take datasets back: they are not built any more, and their stores are withdrawn.
    Retract(RetractArgs),
    /// Remove the stores of datasets that are gone or retracted.
    Gc(GcArgs),
    /// Give stores other URLs, without opening a NetCDF file.
    Relocate(RelocateArgs),
    /// Print a digest of each store that is the same on every node with the same data.
    Digest(DigestArgs),
    /// List the datasets in the ledger.
    List(ListArgs),
    /// Show all that the ledger knows about one dataset.
    Show(ShowArgs),
    /// Check, export, merge or back up the ledger.
    Ledger {
        /// What to do with it.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Show what one NetCDF file holds and how.
    Inspect(InspectArgs),
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
#[command(after_help = SCAN_EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct ScanArgs {
    /// Trees, version directories or files.
    #[arg(required_unless_present_any = ["map", "shard"], conflicts_with_all = ["map", "shard"],
          value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Build the datasets that mapfiles list, of the files listed and no others: a mapfile, a directory
    /// of them, or a text file with the path of one in each line; repeatable.
    #[arg(long, value_name = "FILE|DIR|LIST")]
    pub map: Vec<PathBuf>,
    /// Build the datasets that FILE of `vzarr-publish shard` lists, with the settings that it was called with. The
    /// ledger is the one beside FILE; another that is named, and not there yet, begins as a copy of it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "newer_than", "accept_gone"])]
    pub shard: Option<PathBuf>,
    /// Look only at directories to which a file was added in the last SPAN, such as 7d, 12h or 30m. What was
    /// rewritten in place elsewhere, and what is gone, is left to a scan without this.
    #[arg(long, value_name = "SPAN", conflicts_with = "map", value_parser = span)]
    pub newer_than: Option<Duration>,
    /// Leave datasets alone while a file of them was written less than SPAN ago, such as 10m, for it may still
    /// be transferred; by default none waits.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub min_age: Option<Duration>,
    /// Wait so long for another scan of trees with the same ledger to end, such as 30m; without this, the
    /// scan ends at once, with exit code 0.
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

/// What is built, and how far combining may go.
#[derive(Debug, Default, Args)]
pub struct BuildArgs {
    /// Settings: our own YAML file, or the publisher's `esg.yaml`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look only for datasets of this project; repeatable.
    #[arg(long, value_name = "PROJECT")]
    pub project: Vec<String>,
    /// Also know the project of this file, or those of the files in this directory; repeatable.
    #[arg(long, value_name = "FILE|DIR")]
    pub project_file: Vec<PathBuf>,
    /// Warn of facets that are not in the controlled vocabularies in DIR, such as a checkout of
    /// `CMIP6_CVs`.
    #[arg(long, value_name = "DIR")]
    pub cv: Option<PathBuf>,
    /// Cut data that are stored uncompressed in one piece into chunks of at most BYTES, such as 4MiB
    /// (the default), 8M or 65536.
    #[arg(long, value_name = "BYTES")]
    pub contiguous_chunk: Option<ByteSize>,
    /// Encode chunks at the seams of files anew while they make up at most PERCENT of a dataset's
    /// stored bytes (default 20), or at most 16 MiB; with 0 never.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_reencode: Option<u8>,
    /// Where two files have the same time steps, keep those of the file that begins first, or
    /// last, or refuse the dataset (the default).
    #[arg(long, value_name = "first|last|refuse")]
    pub on_overlap: Option<OnOverlap>,
    /// Where a variable without time differs among the files, take it from the first, or refuse the
    /// dataset (the default).
    #[arg(long, value_name = "first|refuse")]
    pub on_static_mismatch: Option<OnStaticMismatch>,
    /// Give stores a codec for every filter of the files (faithful, the default), or leave out a
    /// fletcher32 checksum at the end of chunks, so that readers without that codec can open them
    /// (portable). The checksums are verified instead, which reads such datasets whole, once.
    #[arg(long, value_name = "faithful|portable")]
    pub codecs: Option<Portability>,
    /// Write stores in other forms, too: parquet, icechunk, or auto, which is those that this program was
    /// built with, each for stores with so many references that it is worth it. The manifest in JSON is
    /// always there, and alone by default; repeatable, or several with commas between.
    #[arg(long, value_name = "json|parquet|icechunk|auto", value_delimiter = ',')]
    pub format: Vec<FormatChoice>,
    /// Write manifests of Zarr V3 alone, with the chunk keys that V3 has by default, as
    /// `VirtualiZarr` needs them; kerchunk's engine, which the usual line of readers names, does not open these.
    #[arg(long)]
    pub v3_only: bool,
    /// Keep N snapshots of each Icechunk repository (default 3, at least 2), the newest among them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    pub icechunk_keep: Option<u16>,
    /// Have readers of Icechunk check that no source file was modified since (last-modified), or
    /// nothing (none, the default), for replicas whose files have other times.
    #[arg(long, value_name = "none|last-modified")]
    pub icechunk_checksums: Option<Checksums>,
    /// Compute N datasets at once, by default one per processor; others wait for the disk meanwhile.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
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

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// Trees, version directories or files.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub build: BuildArgs,
    /// Print a line of JSON for each dataset and problem, as `scan --report` has them.
    #[arg(long)]
    pub json: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  Before data are submitted, see what would become of them:
    vzarr-publish check /submission/CMIP7
  Whether all would be one store without anything encoded anew:
    vzarr-publish check /submission/CMIP7 --max-reencode 0
  Whether all facets are in the controlled vocabularies:
    vzarr-publish check /submission/CMIP6 --cv ~/CMIP6_CVs
  Datasets with something to be done better:
    vzarr-publish check /submission/CMIP7 --json | jq -r 'select(.notes != []) | .id'";

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// Dataset IDs with version; without any, every store of the ledger.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Of each virtual variable, compare N chunks at random beside the first and the last of every
    /// file (10 by default). Inlined variables are always compared whole.
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub sample: Option<u64>,
    /// Compare everything.
    #[arg(long)]
    pub all: bool,
    /// Choose the same random chunks as another run with this seed; by default others every time.
    #[arg(long, value_name = "S", conflicts_with = "all")]
    pub seed: Option<u64>,
    /// Read the NetCDF files whole, and compare them with the checksums that mapfiles gave them.
    #[arg(long)]
    pub checksums: bool,
    /// Fetch manifests and byte ranges from their URLs, and compare them with the local files, too.
    #[arg(long)]
    pub http: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  Look into every store, as a cron job would:
    vzarr-publish verify --quiet
  Compare one store completely:
    vzarr-publish verify --all CMIP6.CMIP.INM.INM-CM5-0.historical.r1i1p1f1.Amon.rlds.gr1.v20190610
  See what the data node really serves:
    vzarr-publish verify --http --sample 3

Exit codes:
  0  all stores are verified
  1  some differ, or something could not be compared, or an ID has no store
  2  the command line is wrong
  3  nothing could be done: no ledger, no store, or a program built without libnetcdf";

/// The ledger to use.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// The ledger; by default `vzarr-publish/vzarr-ledger.sqlite` in the XDG state directory.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

const STATUSES: [&str; 6] = ["built", "refused", "failed", "gone", "retracted", "superseded"];

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vzarr-publish list --status refused
  vzarr-publish list --json | jq -r 'select(.manifest) | .url'")]
pub struct ListArgs {
    /// Print one JSON object per dataset instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Only datasets of this status; `superseded` are those of which a later version was found.
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub status: Option<String>,
    /// Only datasets of this project.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vzarr-publish show CMIP6.CMIP.INM.INM-CM5-0.historical.r1i1p1f1.Amon.rlds.gr1.v20190610")]
pub struct ShowArgs {
    /// Dataset ID with version.
    #[arg(value_name = "INSTANCE_ID")]
    pub instance_id: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vzarr-publish inspect tas_Amon_INM-CM5-0_historical_r1i1p1f1_gr1_185001-194912.nc
  vzarr-publish inspect --json --chunks tas.nc | jq '.variables[0].chunks[0]'")]
pub struct InspectArgs {
    /// A NetCDF file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// List every chunk.
    #[arg(long, requires = "json")]
    pub chunks: bool,
}

fn data_root(text: &str) -> Result<(PathBuf, String), String> {
    match text.split_once('=') {
        Some((path, url)) if !path.is_empty() && !url.is_empty() => {
            Ok((PathBuf::from(path), url.to_owned()))
        }
        _ => Err("expected FS_PREFIX=URL_PREFIX, such as /data=https://node.org/data".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
