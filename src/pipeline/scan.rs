//! `scan`: from directory trees to stores and a ledger.
//!
//! One thread walks, one plans, many read files, others build stores and wait for the disk, and the calling
//! thread alone writes the ledger and reports. Bounds on what is in hand keep memory flat.
//!
//! No thread is waited for that a file system may keep for ever: see `watch`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use rayon::ThreadPool;

use crate::combine::Limits;
use crate::drs::{Drs, FrequencyFilter};
use crate::ledger::{Counts, DatasetRecord, Gone, IndexCache, Ledger, RunId, Severity};
use crate::model::error::{Code, Error, Result};
use crate::model::format::Form;
use crate::verify;

use super::attempt::Attempt;
use super::build::{Outcome, Unfinished, Workshop};
use super::decide::Known;
use super::inbox::Inbox;
use super::placement::Sites;
use super::readers::{Bounds, Readers, open_files};
use super::shard_file::Shard;
use super::turns::{Seat, Turns};
use super::verifier::Verifier;
use super::walk::{Planning, Walk};
use super::watch::{Watch, spawn};
use super::writer::{BATCH, Event, Writer};

/// Stores in hand for each that is computed: the others wait for the disk, which makes the names and bytes of
/// several certain at once.
const BUILDERS: usize = 8;

/// Of the files that may be open, so many to one store in hand: it needs some four, and readers are beside it.
const FILES: u64 = 16;

/// What to scan and how.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct Scan {
    /// What to look through.
    pub origin: Origin,
    /// The projects to look for.
    pub drs: Drs,
    /// The frequencies whose datasets are built; all without one.
    pub frequencies: Option<FrequencyFilter>,
    /// Where stores go.
    pub sites: Sites,
    /// How far combining may go.
    pub limits: Limits,
    /// What form stores have.
    pub form: Form,
    /// Datasets that are computed at once; others wait for the disk meanwhile.
    pub jobs: usize,
    /// Number of files that are read at once.
    pub io_depth: usize,
    /// How long to wait for the file system, if not for ever.
    pub timeout: Option<Duration>,
    /// Bytes of memory that the indexes of datasets in hand may take.
    pub max_memory: u64,
    /// Bytes that indexes may take on disk, from which datasets are put together again when few of their
    /// files change; none are kept without.
    pub index_cache: Option<u64>,
    /// Whether to build what did not change.
    pub force: bool,
    /// How old the files of a dataset must be.
    pub min_age: Duration,
    /// Whether to believe that most datasets of a project are gone.
    pub accept_gone: bool,
    /// Whether the observer wants all that is known of datasets that did not change.
    pub reports_unchanged: bool,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// Whether files that are indexed are compared with their checksums, as far as these are known.
    pub checksums: bool,
    /// How much of each store is verified before it is published, if any.
    pub verify: Option<verify::Scope>,
}

/// Where datasets come from.
#[derive(Debug)]
pub enum Origin {
    /// Trees, version directories or files.
    Trees(Vec<PathBuf>),
    /// The same, but only directories to which files were added since.
    NewInTrees(Vec<PathBuf>, SystemTime),
    /// Mapfiles.
    Mapfiles(Vec<PathBuf>),
    /// Datasets of trees that were walked before.
    Shard(Box<Shard>),
}

impl Origin {
    /// The paths, whatever they are.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::Trees(paths) | Self::NewInTrees(paths, _) | Self::Mapfiles(paths) => paths,
            Self::Shard(shard) => &shard.header.roots,
        }
    }

    /// Paths of which all is known once the scan is complete. No dataset lies below a mapfile, so that
    /// none is gone because the mapfiles do not list it.
    pub(super) fn complete(&self) -> &[PathBuf] {
        match self {
            Self::Trees(paths) | Self::Mapfiles(paths) => paths,
            Self::NewInTrees(..) | Self::Shard(_) => &[],
        }
    }
}

/// Whoever watches a scan. All calls come from one thread.
pub trait Observer {
    /// A dataset was found; others may follow.
    fn found(&mut self);
    /// Nothing has come from the file system for so long, and it is still waited for.
    fn slow(&mut self, path: &Path, waited: Duration);
    /// A dataset was found to be as it was; files and store of `record` are told where
    /// [`Scan::reports_unchanged`].
    fn unchanged(&mut self, record: &DatasetRecord);
    /// A dataset was found of which a file is too young, and was left alone.
    fn waits(&mut self, instance_id: &str, file: &Path);
    /// A dataset was found that is retracted, and was left alone.
    fn retracted(&mut self, instance_id: &str);
    /// A dataset was built, refused or failed.
    fn finished(&mut self, outcome: &Outcome);
    /// Something outside all datasets is wrong.
    fn problem(&mut self, severity: Severity, problem: &Error);
    /// A dataset known before is no longer there.
    fn gone(&mut self, gone: &Gone);
}

/// How a scan went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Datasets by what became of them.
    pub counts: Counts,
    /// Whether every dataset has its store and every directory could be read.
    pub is_clean: bool,
}

/// Scans, with records in `ledger` under its run; without one nothing is known and recorded. Once `stop` is
/// set, the datasets in hand are finished and recorded, and no others are begun.
pub fn scan(
    scan: &Arc<Scan>,
    ledger: Option<(&mut Ledger, RunId)>,
    observer: &mut dyn Observer,
    stop: &Arc<AtomicBool>,
) -> Result<Summary> {
    let (known, cache) = match (&ledger, scan.index_cache) {
        (Some((ledger, run)), None) => (Some(Known::of(ledger, *run, None)?), None),
        (Some((ledger, run)), Some(most)) => {
            let cache = cache(ledger, most, observer);
            (Some(Known::of(ledger, *run, cache.as_ref())?), cache)
        }
        (None, _) => (None, None),
    };
    let (events, events_in) = sync_channel::<Event>(BATCH);
    let watch = watch(scan, &events)?;
    let most = usize::try_from(open_files() / FILES).unwrap_or(usize::MAX);
    let most_builders = BUILDERS.saturating_mul(scan.jobs).min(most).max(1);
    let bounds = Bounds {
        depth: scan.io_depth,
        in_memory: scan.jobs,
        datasets: scan.io_depth.saturating_add(most_builders).saturating_add(scan.jobs),
        memory: scan.max_memory,
    };
    let crew = Crew {
        scan: Arc::clone(scan),
        readers: Readers::start(bounds, Arc::clone(&watch), Arc::clone(stop))?,
        turns: Turns::new(scan.jobs),
        pool: Arc::new(pool(scan.jobs)?),
        verifier: scan.verify.map(Verifier::new).transpose()?.map(Arc::new),
        keeps_indexes: cache.is_some(),
        watch,
        events,
        stop: Arc::clone(stop),
        is_over: Arc::default(),
        most_builders,
        builders: Arc::new(AtomicUsize::new(1)),
    };
    crew.start(known)?;
    let writer = Writer::new(ledger, cache, observer, scan.verify.as_ref());
    let summary = writer.run(scan, Inbox::new(events_in), stop);
    // After an error of the writer nothing would be recorded any more.
    crew.is_over.store(true, Ordering::Relaxed);
    crew.readers.close();
    summary
}

/// Watches over what the scan waits for, with as much patience as it has.
pub(super) fn watch(scan: &Scan, events: &SyncSender<Event>) -> Result<Arc<Watch>> {
    let events = events.clone();
    Watch::start(scan.timeout, move |path, waited| {
        let _ = events.send(Event::Slow(path.to_owned(), waited));
    })
}

/// The cache of indexes of `ledger`; a scan does without one that cannot be used.
fn cache(ledger: &Ledger, most: u64, observer: &mut dyn Observer) -> Option<IndexCache> {
    let cache = IndexCache::open(ledger.path(), most);
    cache.map_err(|problem| observer.problem(Severity::Warning, &problem)).ok()
}

fn pool(jobs: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|error| Error::new(Code::Internal, format!("cannot start workers: {error}")))
}

/// Those who walk, read and build, and what they share.
#[derive(Clone)]
struct Crew {
    scan: Arc<Scan>,
    readers: Readers,
    turns: Arc<Turns>,
    pool: Arc<ThreadPool>,
    verifier: Option<Arc<Verifier>>,
    keeps_indexes: bool,
    watch: Arc<Watch>,
    events: SyncSender<Event>,
    stop: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    /// Threads that build, at most and now.
    most_builders: usize,
    builders: Arc<AtomicUsize>,
}

impl Crew {
    fn start(&self, known: Option<Known>) -> Result<()> {
        self.start_builder()?;
        let (crew, builder) = (self.clone(), self.clone());
        Walk {
            scan: Arc::clone(&self.scan),
            watch: Arc::clone(&self.watch),
            events: self.events.clone(),
            is_stopped: Box::new(move || crew.is_stopped()),
        }
        .start(Planning {
            known,
            build: Box::new(move |job, indexes| {
                builder.send(Event::Found);
                builder.readers.add(job, indexes);
            }),
        })
    }

    fn start_builder(&self) -> Result<()> {
        let crew = self.clone();
        spawn("build", move || crew.build_all())
    }

    /// One more, for the next dataset, unless there are as many as may be.
    fn start_another_builder(&self) {
        let one_more = |builders| (builders < self.most_builders).then_some(builders + 1);
        let is_wanted =
            self.builders.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        if is_wanted && let Err(error) = self.start_builder() {
            // Those that there are do the work, too.
            log::warn!("{error}");
        }
    }

    /// Whether nothing else is to be begun.
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.is_over.load(Ordering::Relaxed)
            || self.readers.are_lost()
    }

    fn send(&self, event: Event) {
        // The writer is gone only after an error that it reports itself.
        let _ = self.events.send(event);
    }

    /// Builds one dataset after the other until there are no more.
    fn build_all(&self) {
        while let Some((ready, somebody_waits)) = self.readers.next_ready() {
            if self.is_stopped() {
                self.send(Event::Dropped);
                continue;
            }
            if !somebody_waits {
                self.start_another_builder();
            }
            let workshop = self.workshop();
            let seat = Seat::at(&self.turns);
            let given_up = {
                let (crew, unfinished) = (self.clone(), Unfinished::of(&ready.job));
                let seat = Arc::clone(&seat);
                move |error: Error| {
                    seat.give_up();
                    crew.replace_builder(unfinished.with(&error));
                }
            };
            // Reading all data takes as long as it takes.
            let watched = (!workshop.reads_data())
                .then(|| self.watch.begin(&ready.job.candidate.directory, given_up));
            let attempt = Attempt::new(watched, seat);
            let outcome = workshop.build_guarded(ready, &attempt);
            if !attempt.end() {
                // Another thread does this one's work by now.
                return;
            }
            self.send(Event::Finished(Box::new(outcome)));
        }
    }

    fn workshop(&self) -> Workshop<'_> {
        let Scan { origin, drs, sites, limits, form, min_age, dry_run, checksums, .. } =
            &*self.scan;
        Workshop {
            drs,
            sites,
            limits: *limits,
            form: *form,
            dry_run: *dry_run,
            checksums: *checksums,
            compares_files: *checksums
                || !min_age.is_zero()
                || matches!(origin, Origin::Mapfiles(_)),
            keeps_indexes: self.keeps_indexes,
            verifier: self.verifier.as_deref(),
            pool: &self.pool,
        }
    }

    /// Puts another thread in the place of one that hangs.
    fn replace_builder(&self, outcome: Outcome) {
        self.send(Event::Finished(Box::new(outcome)));
        if let Err(error) = self.start_builder() {
            self.send(Event::Problem(error));
        }
    }
}
