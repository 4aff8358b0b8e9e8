//! `scan`: from directory trees to stores and a ledger.
//!
//! One thread walks and plans, a pool of workers builds, and the calling thread alone writes the
//! ledger and reports. Bounded channels between them keep memory flat.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rayon::ThreadPool;

use crate::combine::Limits;
use crate::discover::{self, Candidate};
use crate::drs::{Drs, FrequencyFilter};
use crate::ledger::{Counts, DatasetRecord, Gone, Ledger, RunId, Severity};
use crate::model::error::{Code, Error, Result};
use crate::verify;

use super::build::{Job, Outcome, Workshop};
use super::decide::{Decision, Known, decide};
use super::placement::Sites;
use super::verifier::Verifier;
use super::writer::{BATCH, Event, Writer};

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
    /// Number of worker threads.
    pub jobs: usize,
    /// Whether to build what did not change.
    pub force: bool,
    /// How old the files of a dataset must be.
    pub min_age: Duration,
    /// Whether to believe that most datasets of a project are gone.
    pub accept_gone: bool,
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
}

impl Origin {
    /// The paths, whatever they are.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::Trees(paths) | Self::NewInTrees(paths, _) | Self::Mapfiles(paths) => paths,
        }
    }

    /// Paths of which all is known once the scan is complete. No dataset lies below a mapfile, so that
    /// none is gone because the mapfiles do not list it.
    pub(super) fn complete(&self) -> &[PathBuf] {
        match self {
            Self::Trees(paths) | Self::Mapfiles(paths) => paths,
            Self::NewInTrees(..) => &[],
        }
    }
}

/// Whoever watches a scan. All calls come from one thread.
pub trait Observer {
    /// A dataset was found; others may follow.
    fn found(&mut self);
    /// A dataset was found to be as it was.
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
    scan: &Scan,
    ledger: Option<(&mut Ledger, RunId)>,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Summary> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(scan.jobs)
        .build()
        .map_err(|error| Error::new(Code::Internal, format!("cannot start workers: {error}")))?;
    let known = match &ledger {
        Some((ledger, run)) => {
            let interruption = ledger.interruption_before(*run)?;
            Some(Known { ledger: Ledger::open_read_only(ledger.path())?, interruption })
        }
        None => None,
    };
    let verifier = scan.verify.map(Verifier::new).transpose()?;
    let workshop = Workshop {
        drs: &scan.drs,
        sites: &scan.sites,
        limits: scan.limits,
        dry_run: scan.dry_run,
        checksums: scan.checksums,
        verifier: verifier.as_ref(),
    };
    let (jobs, jobs_in) = sync_channel::<Job>(2 * scan.jobs);
    let (events, events_in) = sync_channel::<Event>(BATCH);
    let (workshop, pool) = (&workshop, &pool);
    let jobs_in = &Mutex::new(jobs_in);
    let is_over = &AtomicBool::new(false);
    let is_stopped = &|| stop.load(Ordering::Relaxed) || is_over.load(Ordering::Relaxed);
    thread::scope(|threads| {
        for _ in 0..scan.jobs {
            let events = events.clone();
            threads.spawn(move || build_all(jobs_in, workshop, pool, &events, is_stopped));
        }
        threads.spawn(move || walk_and_plan(scan, known.as_ref(), &jobs, &events, is_stopped));
        let writer = Writer::new(ledger, observer, scan.verify.as_ref());
        let summary = writer.run(scan, events_in, stop);
        // After an error of the writer nothing would be recorded any more.
        is_over.store(true, Ordering::Relaxed);
        summary
    })
}

/// Builds one dataset after the other, each on the threads of `pool`, until there are no more.
fn build_all(
    jobs: &Mutex<Receiver<Job>>,
    workshop: &Workshop,
    pool: &ThreadPool,
    events: &SyncSender<Event>,
    is_stopped: &(dyn Fn() -> bool + Sync),
) {
    while let Some(job) = jobs.lock().ok().and_then(|jobs| jobs.recv().ok()) {
        if !is_stopped() {
            let outcome = pool.install(|| workshop.build(job));
            // The writer is gone only after an error that it reports itself.
            let _ = events.send(Event::Finished(Box::new(outcome)));
        }
    }
}

fn walk_and_plan(
    scan: &Scan,
    known: Option<&Known>,
    jobs: &SyncSender<Job>,
    events: &SyncSender<Event>,
    is_stopped: &(dyn Fn() -> bool + Sync),
) {
    let found = |found: Result<Candidate>| {
        if is_stopped() {
            return ControlFlow::Break(());
        }
        // Whoever receives them is gone only after an error that it reports itself.
        match found.map_or_else(Decision::Problem, |it| decide(scan, known, it)) {
            Decision::LeftOut(id) => drop(events.send(Event::LeftOut(id))),
            Decision::Waits(id, file) => drop(events.send(Event::Waits(id, file))),
            Decision::Same(record) => drop(events.send(Event::Unchanged(record))),
            Decision::Retracted(id) => drop(events.send(Event::Retracted(id))),
            Decision::Problem(problem) => drop(events.send(Event::Problem(problem))),
            Decision::Build(job) => {
                let _ = events.send(Event::Found);
                let _ = jobs.send(*job);
            }
        }
        ControlFlow::Continue(())
    };
    match &scan.origin {
        Origin::Trees(roots) => discover::walk(roots, None, &scan.drs, found),
        Origin::NewInTrees(roots, since) => {
            discover::walk(roots, Some(*since), &scan.drs, found);
        }
        Origin::Mapfiles(mapfiles) => discover::of_mapfiles(mapfiles, &scan.drs, found),
    }
}
