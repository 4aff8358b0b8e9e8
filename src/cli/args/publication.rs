//! Arguments of the verbs that speak with the publisher.

use std::path::PathBuf;

use clap::Args;

use super::LedgerArgs;

/// Arguments of `advertise`.
#[derive(Debug, Args)]
#[command(after_help = ADVERTISE_EXAMPLES)]
pub struct AdvertiseArgs {
    /// Dataset IDs with version; without any, and without --map, all that is to be told.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// The datasets of mapfiles: a mapfile, a directory of them, or a text file with the path of one in
    /// each line; repeatable.
    #[arg(long, value_name = "FILE|DIR|LIST")]
    pub map: Vec<PathBuf>,
    /// Tell what was acknowledged already, too.
    #[arg(long)]
    pub all: bool,
    /// Also write `DIR/DATASET_ID.json` for each dataset to add, for `esgpublish --json`.
    #[arg(long, value_name = "DIR")]
    pub emit_json: Option<PathBuf>,
    /// The data are first published elsewhere: patches add an alternate of this data node.
    #[arg(long)]
    pub replica: bool,
    /// The items of the catalogue as they are, `DIR/DATASET_ID.json`: patches then fit them exactly.
    #[arg(long, value_name = "DIR")]
    pub items: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub site: SiteArgs,
    /// Record that the publisher has what the lines of FILE say (`-` for standard input), as they were
    /// printed; nothing is told.
    #[arg(long, value_name = "FILE", conflicts_with_all =
        ["ids", "map", "all", "emit_json", "replica", "items"])]
    pub ack: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

const ADVERTISE_EXAMPLES: &str = "\
Prints a line of JSON for each store that was built, changed or withdrawn since it was last acknowledged,
with the asset of the STAC item and an RFC 6902 patch.

Examples:
  Publish one mapfile with its store:
    vzarr-publish scan --map X.map --config ~/.esg/esg.yaml
    vzarr-publish advertise --map X.map --all --emit-json . > sent.jsonl
    esgpublish --map X.map --json DATASET_ID.json && vzarr-publish advertise --ack sent.jsonl
  Patches for a catalogue that has the items already:
    vzarr-publish advertise | jq -c '{collection, item: .dataset_id, patch}'";

/// Who serves the stores.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// Settings: our own YAML file, or the publisher's `esg.yaml`, whose `data_node` is used.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data node; by default that of --config, or the host of the store's URL.
    #[arg(long, value_name = "NAME")]
    pub data_node: Option<String>,
    /// The media type of stores; by default application/vnd.zarr+kerchunk.
    #[arg(long, value_name = "TYPE")]
    pub media_type: Option<String>,
}

/// Arguments of `catalog`.
#[derive(Debug, Args)]
#[command(after_help = "\
For data nodes without an API: catalog.json, a collection for each project, and an item for each dataset.

Example:
  vzarr-publish catalog /srv/www/stac --config ~/.esg/esg.yaml")]
pub struct CatalogArgs {
    /// The directory of the catalogue, which has nothing else in it.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub site: SiteArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `annotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the lines that `advertise` would, to be acknowledged by `advertise --ack`.

Example:
  esgmkpubrec --map-data X.json --out-file rec.json
  vzarr-publish annotate --pub-rec rec.json --out with.json && esgindexpub --pub-rec with.json")]
pub struct AnnotateArgs {
    /// The records that esgmkpubrec wrote.
    #[arg(long, value_name = "IN")]
    pub pub_rec: PathBuf,
    /// Where they go with the store; without a store they are the same.
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    /// For indexes of Solr and Globus: name the URL alone, and add it to the URLs of the dataset.
    #[arg(long)]
    pub legacy: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub site: SiteArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `retract`.
#[derive(Debug, Args)]
#[command(after_help = "\
A retracted dataset is not built again, whether or not it is known yet, until it is reinstated. `advertise`
then tells that its store is to be removed.

Examples:
  vzarr-publish retract CMIP6.CMIP.INM.INM-CM5-0.historical.r1i1p1f1.Amon.rlds.gr1.v20190610
  vzarr-publish retract --map mapfiles/ --keep-store")]
pub struct RetractArgs {
    /// Dataset IDs with version, as `.v20190610` or `#20190610`; `|DATA_NODE` may follow.
    #[arg(value_name = "ID", required_unless_present_any = ["map", "list"])]
    pub ids: Vec<String>,
    /// The datasets of mapfiles: a mapfile, a directory of them, or a text file with the path of one in
    /// each line; repeatable.
    #[arg(long, value_name = "FILE|DIR|LIST")]
    pub map: Vec<PathBuf>,
    /// A text file with a dataset ID in each line.
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Leave the stores on disk.
    #[arg(long)]
    pub keep_store: bool,
    /// Take the retraction back; the next scan builds the datasets.
    #[arg(long, conflicts_with = "keep_store")]
    pub reinstate: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
#[command(after_help = "\
Only files that this program wrote are removed, and only as it wrote them; never a NetCDF file.

Example:
  vzarr-publish gc --dry-run")]
pub struct GcArgs {
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `relocate`.
#[derive(Debug, Args)]
#[command(after_help = "\
No NetCDF file is opened: the locations in the stores are replaced.

Examples:
  The data node has a new name:
    vzarr-publish relocate --config ~/.esg/esg.yaml
  Stores for a replica that has the files at other URLs:
    vzarr-publish relocate --data-root /data=https://replica.org/data --output-dir /tmp/for-replica")]
pub struct RelocateArgs {
    /// Dataset IDs with version; without any, all that have a store.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Settings with the data roots: our own YAML file, or the publisher's `esg.yaml`.
    #[arg(long, value_name = "FILE", required_unless_present = "data_root")]
    pub config: Option<PathBuf>,
    /// Serve files below `FS_PREFIX` as `URL_PREFIX`.
    #[arg(long, value_name = "FS_PREFIX=URL_PREFIX", value_parser = super::data_root)]
    pub data_root: Vec<(PathBuf, String)>,
    /// Write the stores below DIR, in a tree like that of the datasets, for another site: those here, and
    /// what the ledger knows of them, stay as they are.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}

/// Arguments of `digest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Two nodes have the same data, in stores built alike, where their digests are the same.

Example:
  vzarr-publish digest > here && ssh replica vzarr-publish digest | diff here -")]
pub struct DigestArgs {
    /// Dataset IDs with version; without any, all that have a store.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub ledger: LedgerArgs,
}
