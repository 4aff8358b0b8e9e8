//! The command line as typed.

mod ledger;
mod publication;
mod reading;
mod scan;
mod shard;

use std::num::NonZeroUsize;
use std::path::PathBuf;

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
pub use scan::{ScanArgs, WalkArgs};
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
#[derive(Debug, Default, Args)]
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
