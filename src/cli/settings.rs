//! Settings resolved from the command line, the configuration file and the environment, in this
//! order of precedence.

use std::collections::HashSet;
use std::env;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::combine::Limits;
use crate::discover::mapfile;
use crate::drs::SettingsFile;
use crate::model::byte_size::ByteSize;
use crate::model::error::{Code, Error, Result};
use crate::model::format::{Form, Formats, Thresholds};
use crate::model::icechunk;
use crate::pipeline::scan::{Origin, Scan};
use crate::pipeline::shard_file::Shard;
use crate::verify::{Mode, SAMPLE, Scope};

use super::args::{BuildArgs, LedgerArgs, ScanArgs, WalkArgs};
use super::node::Node;

/// Small enough to be fetched for a single time step, large enough not to cost a request each.
const CONTIGUOUS_CHUNK: ByteSize = ByteSize::mebibytes(4);

/// Ten-year monthly files in chunks of 37 steps need 7.5 %.
const MAX_REENCODE: u8 = 20;

/// Enough for a parallel file system to answer many at once; on a local disk it costs nothing.
const IO_DEPTH: usize = 32;

/// Longer than a busy file system takes for the metadata of a file.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Room for the indexes of about a million files.
const INDEX_CACHE: ByteSize = ByteSize::mebibytes(4096);

const LEDGER_NAME: &str = "vzarr-publish/vzarr-ledger.sqlite";

/// Everything that `scan` needs.
#[derive(Debug)]
pub struct ScanSettings {
    /// What to scan and how.
    pub scan: Arc<Scan>,
    /// Path of the ledger.
    pub ledger: PathBuf,
    /// How long to wait for another scan.
    pub wait: Option<Duration>,
    /// Where the report goes.
    pub report: Option<PathBuf>,
}

impl ScanSettings {
    /// Resolves the arguments of `scan`.
    pub fn resolve(args: ScanArgs) -> Result<Self> {
        let origin = origin(&args)?;
        let WalkArgs {
            newer_than: _,
            min_age,
            wait,
            data_root,
            output_dir,
            build,
            force,
            accept_gone,
            report,
            ledger,
        } = args.walk;
        let Node { file, drs, sites, frequencies, .. } =
            Node::resolve(&build, data_root, output_dir.as_deref())?;
        let form = form(&build, &file)?;
        let contiguous_chunk = build.contiguous_chunk.or(file.contiguous_chunk);
        let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let reading = &build.reading;
        let index_cache = reading.index_cache.or(file.index_cache).unwrap_or(INDEX_CACHE).bytes();
        // The ledger of a shard does not last.
        let keeps_indexes = !reading.no_index_cache && !matches!(origin, Origin::Shard(_));
        let index_cache = keeps_indexes.then_some(index_cache);
        let jobs = build.jobs.or(file.jobs).map_or_else(processors, NonZeroUsize::get);
        let ledger = match (&origin, ledger.ledger) {
            // What a configuration names is the ledger of the node.
            (Origin::Shard(shard), named) => named.unwrap_or_else(|| shard.ledger()),
            (_, named) => ledger_path(LedgerArgs { ledger: named.or(file.ledger) })?,
        };
        let force = force || matches!(&origin, Origin::Shard(shard) if shard.header.force);
        let settings = Self {
            scan: Arc::new(Scan {
                origin,
                drs,
                frequencies,
                sites,
                limits: Limits {
                    contiguous_chunk: contiguous_chunk.unwrap_or(CONTIGUOUS_CHUNK),
                    max_reencode: build.max_reencode.or(file.max_reencode).unwrap_or(MAX_REENCODE),
                    on_overlap: build.on_overlap.or(file.on_overlap).unwrap_or_default(),
                    on_static_mismatch: build
                        .on_static_mismatch
                        .or(file.on_static_mismatch)
                        .unwrap_or_default(),
                    codecs: build.codecs.or(file.codecs).unwrap_or_default(),
                },
                form,
                jobs,
                io_depth: reading.io_depth.or(file.io_depth).map_or(IO_DEPTH, NonZeroUsize::get),
                timeout: reading
                    .timeout
                    .or(file.timeout)
                    .map_or(Some(TIMEOUT), |span| (!span.is_zero()).then_some(span)),
                max_memory: max_memory(reading.max_memory.or(file.max_memory)),
                index_cache,
                force,
                min_age: min_age.unwrap_or_default(),
                accept_gone,
                reports_unchanged: report.is_some(),
                dry_run: args.dry_run,
                checksums: args.checksums,
                verify: args.verify.map(|mode| scope(&mode, args.seed)).transpose()?,
            }),
            ledger,
            wait,
            report,
        };
        if let Origin::Shard(shard) = &settings.scan.origin {
            shard.check_settings(&settings.scan)?;
        }
        Ok(settings)
    }
}

fn origin(args: &ScanArgs) -> Result<Origin> {
    if !args.map.is_empty() {
        return mapfiles(&args.map).map(Origin::Mapfiles);
    }
    if let Some(shard) = &args.shard {
        return Shard::read(&absolute(shard)?).map(|shard| Origin::Shard(Box::new(shard)));
    }
    let paths = args.paths.iter().map(|path| absolute(path)).collect::<Result<_>>()?;
    let since = args.walk.newer_than.and_then(|span| SystemTime::now().checked_sub(span));
    Ok(match since {
        None => Origin::Trees(paths),
        Some(since) => Origin::NewInTrees(paths, since),
    })
}

/// The mapfiles that `maps` stand for, each once.
pub fn mapfiles(maps: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut mapfiles = Vec::new();
    for map in maps {
        mapfiles.extend(mapfile::expand(&absolute(map)?)?);
    }
    let mut met = HashSet::new();
    mapfiles.retain(|mapfile| met.insert(mapfile.clone()));
    Ok(mapfiles)
}

/// The IDs of the datasets that `maps` list.
pub fn listed_datasets(maps: &[PathBuf]) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for map in mapfiles(maps)? {
        ids.extend(mapfile::read(&map)?.into_keys());
    }
    Ok(ids)
}

/// The bound that was asked for, or half of the memory of this machine.
fn max_memory(asked: Option<ByteSize>) -> u64 {
    let half = || {
        let system = rustix::system::sysinfo();
        let bytes = u64::from(system.mem_unit).checked_mul(system.totalram);
        bytes.map(|bytes| bytes / 2)
    };
    asked.map(ByteSize::bytes).or_else(half).unwrap_or(u64::MAX)
}

/// What form stores have.
fn form(args: &BuildArgs, file: &SettingsFile) -> Result<Form> {
    let choices = if args.format.is_empty() { &file.format } else { &args.format };
    let usual = Thresholds::default();
    let thresholds = Thresholds {
        parquet: file.parquet_above.unwrap_or(usual.parquet),
        icechunk: file.icechunk_above.unwrap_or(usual.icechunk),
    };
    let formats = Formats::resolve(choices, thresholds)?;
    let usual = icechunk::Options::default();
    let keep = args.icechunk_keep.or(file.icechunk_keep).map_or(usual.keep, Into::into);
    if keep < icechunk::FEWEST_KEPT {
        let message = format!("icechunk_keep is {keep}, and must be 2 at least");
        return Err(Error::new(Code::Configuration, message)
            .with_hint("readers go on with the snapshot before the newest"));
    }
    let icechunk = icechunk::Options {
        keep,
        checksums: args.icechunk_checksums.or(file.icechunk_checksums).unwrap_or_default(),
    };
    Ok(Form { v3_only: args.v3_only || file.v3_only.unwrap_or_default(), formats, icechunk })
}

/// How much of each store is verified before it is published.
fn scope(mode: &str, seed: Option<u64>) -> Result<Scope> {
    if !cfg!(feature = "netcdf") {
        return Err(without_libnetcdf());
    }
    let mode = if mode == "all" { Mode::All } else { Mode::Sample };
    if mode == Mode::All && seed.is_some() {
        let message = "--seed chooses the chunks of a sample, and --verify=all compares all";
        return Err(Error::new(Code::Configuration, message)
            .with_hint("leave out one of them, or say --verify=sample"));
    }
    Ok(Scope { mode, sample: SAMPLE, seed: seed.unwrap_or_else(any_seed), http: false })
}

/// How to get a program that can verify.
#[must_use]
pub fn without_libnetcdf() -> Error {
    Error::new(Code::Unsupported, "this vzarr-publish was built without libnetcdf").with_hint(
        "install libnetcdf (Debian: libnetcdf-dev) and build with `cargo install --path . --features \
         netcdf`",
    )
}

/// Another sample each time, so that in the long run all is looked at.
#[must_use]
pub fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() ^ u64::from(now.subsec_nanos())
}

/// The ledger that was asked for, or the one in the XDG state directory.
pub fn ledger_path(args: LedgerArgs) -> Result<PathBuf> {
    if let Some(path) = args.ledger {
        return Ok(path);
    }
    let directory = |variable| env::var_os(variable).map(PathBuf::from);
    let state = directory("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| directory("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join(LEDGER_NAME)).ok_or_else(|| {
        Error::new(Code::Configuration, "neither XDG_STATE_HOME nor HOME tells where the ledger is")
            .with_hint("name it by --ledger FILE")
    })
}

/// Links are kept as they are: URLs follow the published paths.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(&error, "find", path))
}
