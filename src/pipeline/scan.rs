//! `scan`: from directory trees to stores and a ledger.
//!
//! One thread walks and plans, a pool of workers builds, and the calling thread alone writes the
//! ledger and reports. Bounded channels between them keep memory flat.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::ThreadPool;

use crate::combine::Limits;
use crate::discover::{self, Candidate, SourceFile};
use crate::drs::{Drs, FrequencyFilter};
use crate::ledger::{
    Counts, DatasetRecord, FileRecord, Gone, Ledger, Loss, ProblemRecord, RunId, Scope, Severity,
    Status, WrittenFile,
};
use crate::model::error::{Code, Error, Result};
use crate::verify::{self, Verification};

use super::build::{Job, Outcome, Workshop};
use super::placement::Sites;
use super::plan::{self, Plan};
use super::verifier::Verifier;

/// Outcomes committed in one transaction.
const BATCH: usize = 64;

/// So many datasets of a project are not removed every day.
const MANY: u64 = 10;

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
    fn complete(&self) -> &[PathBuf] {
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

/// What flows from walking and building to the writer.
enum Event {
    Found,
    /// A dataset, by its ID, that is there but not to be built.
    LeftOut(String),
    /// A dataset, by its ID, that waits because of a file.
    Waits(String, PathBuf),
    Unchanged(Box<DatasetRecord>),
    Retracted(String),
    Finished(Box<Outcome>),
    Problem(Error),
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
    // Planning reads beside the writer, which sees its own connection only.
    let known = match &ledger {
        Some((ledger, _)) => Some(Ledger::open_read_only(ledger.path())?),
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
    known: Option<&Ledger>,
    jobs: &SyncSender<Job>,
    events: &SyncSender<Event>,
    is_stopped: &(dyn Fn() -> bool + Sync),
) {
    let found = |found: Result<Candidate>| {
        if is_stopped() {
            return ControlFlow::Break(());
        }
        // Whoever receives them is gone only after an error that it reports itself.
        match found.map_or_else(Planned::Problem, |candidate| planned(scan, known, candidate)) {
            Planned::LeftOut(id) => drop(events.send(Event::LeftOut(id))),
            Planned::Waits(id, file) => drop(events.send(Event::Waits(id, file))),
            Planned::Same(record) => drop(events.send(Event::Unchanged(record))),
            Planned::Retracted(id) => drop(events.send(Event::Retracted(id))),
            Planned::Problem(problem) => drop(events.send(Event::Problem(problem))),
            Planned::Build(job) => {
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

/// What is to be done about what was found.
enum Planned {
    /// Its frequency is not wanted.
    LeftOut(String),
    /// This file of it is too young.
    Waits(String, PathBuf),
    Same(Box<DatasetRecord>),
    Retracted(String),
    Build(Box<Job>),
    Problem(Error),
}

fn planned(scan: &Scan, ledger: Option<&Ledger>, candidate: Candidate) -> Planned {
    let instance_id = candidate.dataset.instance_id();
    if scan.frequencies.as_ref().is_some_and(|filter| !filter.keeps(&candidate.dataset)) {
        return Planned::LeftOut(instance_id);
    }
    if let Some(young) = candidate.files.iter().find(|file| is_young(file, scan.min_age)) {
        return Planned::Waits(instance_id, young.path.clone());
    }
    compared(scan, ledger, candidate).unwrap_or_else(Planned::Problem)
}

/// Whether the file was written less than `min_age` ago, so that it may not be complete.
fn is_young(file: &SourceFile, min_age: Duration) -> bool {
    let since = SystemTime::now()
        .checked_sub(min_age)
        .and_then(|limit| limit.duration_since(UNIX_EPOCH).ok());
    let limit = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    !min_age.is_zero() && limit.is_some_and(|limit| file.mtime_ns > limit)
}

/// What is to be done about a dataset, after what the ledger knows of it.
fn compared(scan: &Scan, ledger: Option<&Ledger>, mut candidate: Candidate) -> Result<Planned> {
    let mut known = None;
    if let Some(ledger) = ledger {
        if ledger.is_retracted(&candidate.dataset.dataset_id())? {
            return Ok(Planned::Retracted(candidate.dataset.instance_id()));
        }
        known = ledger.dataset(&candidate.dataset.instance_id())?;
    }
    if let Some(known) = &known {
        check_place(known, &candidate)?;
        for (path, checksum) in plan::known_checksums(known, &candidate.files) {
            candidate.checksums.entry(path).or_insert(checksum);
        }
    }
    let placement = scan.sites.place(&candidate, scan.limits);
    let is_intact = |known: &DatasetRecord| {
        known.store.as_ref().is_some_and(|store| {
            let has_size = |written: &WrittenFile| {
                fs::metadata(&written.path).is_ok_and(|found| found.len() == written.size)
            };
            store.directory() == placement.manifest.parent() && store.files().all(has_size)
        })
    };
    let decision = {
        let found = (candidate.files.as_slice(), &candidate.checksums);
        plan::plan(known.as_ref(), found, &placement.recipe, is_intact)
    };
    Ok(match (decision, known) {
        (Plan::Same, Some(known)) if !scan.force && candidate.unreachable.is_empty() => {
            Planned::Same(Box::new(known))
        }
        (_, known) => Planned::Build(Box::new(Job { candidate, placement, known })),
    })
}

/// A dataset has one place. One that the ledger knows elsewhere may have moved; while it is still
/// there as well, the one found now is a copy, and must not take the other's row in the ledger.
fn check_place(known: &DatasetRecord, candidate: &Candidate) -> Result<()> {
    let (there, here) = (&known.directory, &candidate.directory);
    let same = || matches!((there.canonicalize(), here.canonicalize()), (Ok(a), Ok(b)) if a == b);
    // The directory alone says nothing: files may have moved into one below it.
    let is_there = |file: &FileRecord| file.source.path.try_exists().unwrap_or(true);
    let remains = there.is_dir() && (known.files.is_empty() || known.files.iter().any(is_there));
    if there == here || known.status == Status::Gone || !remains || same() {
        return Ok(());
    }
    Err(Error::new(
        Code::DuplicateId,
        format!("{} is in the ledger with `{}`", known.instance_id, there.display()),
    )
    .in_file(here)
    .with_hint("keep one of the two, or give the copy a ledger of its own by --ledger"))
}

/// The one that writes the ledger and tells the observer.
struct Writer<'a> {
    ledger: Option<(&'a mut Ledger, RunId)>,
    observer: &'a mut dyn Observer,
    summary: Summary,
    records: Vec<DatasetRecord>,
    unchanged: Vec<String>,
    unread: Vec<PathBuf>,
    verify: Option<&'a verify::Scope>,
    /// IDs, digests of the stores, and what verifying them found.
    verified: Vec<(String, String, Verification)>,
}

impl<'a> Writer<'a> {
    fn new(
        ledger: Option<(&'a mut Ledger, RunId)>,
        observer: &'a mut dyn Observer,
        verify: Option<&'a verify::Scope>,
    ) -> Self {
        let summary = Summary { is_clean: true, ..Summary::default() };
        Self {
            ledger,
            observer,
            summary,
            records: Vec::new(),
            unchanged: Vec::new(),
            unread: Vec::new(),
            verify,
            verified: Vec::new(),
        }
    }

    fn run(mut self, scan: &Scan, events: Receiver<Event>, stop: &AtomicBool) -> Result<Summary> {
        for event in events {
            match event {
                Event::Found => self.observer.found(),
                Event::LeftOut(id) => self.take_left_out(id)?,
                Event::Waits(id, file) => {
                    self.observer.waits(&id, &file);
                    self.take_left_out(id)?;
                }
                Event::Unchanged(record) => self.take_unchanged(*record)?,
                Event::Retracted(instance_id) => self.take_retracted(&instance_id),
                Event::Finished(outcome) => self.take_outcome(*outcome)?,
                Event::Problem(problem) => self.take_problem(&scan.origin, &problem)?,
            }
        }
        self.commit()?;
        // What was not come to is not gone.
        if !stop.load(Ordering::Relaxed) {
            self.finish(scan)?;
        }
        Ok(self.summary)
    }

    fn take_unchanged(&mut self, record: DatasetRecord) -> Result<()> {
        self.observer.unchanged(&record);
        self.summary.counts.unchanged += 1;
        self.summary.is_clean &= record.status == Status::Built;
        self.unchanged.push(record.instance_id);
        self.commit_full_batch()
    }

    fn take_retracted(&mut self, instance_id: &str) {
        self.observer.retracted(instance_id);
        self.summary.counts.unchanged += 1;
    }

    /// One that was built before is not gone.
    fn take_left_out(&mut self, id: String) -> Result<()> {
        self.unchanged.push(id);
        self.commit_full_batch()
    }

    fn take_outcome(&mut self, outcome: Outcome) -> Result<()> {
        self.observer.finished(&outcome);
        let counts = &mut self.summary.counts;
        match outcome.record.status {
            Status::Built => counts.built += 1,
            Status::Refused => counts.refused += 1,
            Status::Failed | Status::Gone | Status::Retracted => counts.failed += 1,
        }
        self.summary.is_clean &= outcome.record.status == Status::Built;
        let Outcome { record, verification, .. } = outcome;
        if let (Some(verification), Some(store)) = (verification, &record.store) {
            let digest = store.digest().to_owned();
            self.verified.push((record.instance_id.clone(), digest, verification));
        }
        self.records.push(record);
        self.commit_full_batch()
    }

    /// Files in a tree that belong to no dataset are worth a warning; what could not be read may hide one,
    /// and what a mapfile lists is meant to be published.
    fn take_problem(&mut self, origin: &Origin, problem: &Error) -> Result<()> {
        let severity = match (origin, problem.code()) {
            (Origin::Mapfiles(_), _) => Severity::Error,
            (_, Code::Unrecognised | Code::DrsMismatch) => Severity::Warning,
            _ => Severity::Error,
        };
        if severity == Severity::Error {
            self.summary.is_clean = false;
            self.unread.extend(problem.path().map(PathBuf::from));
        }
        self.observer.problem(severity, problem);
        if let Some((ledger, run)) = &mut self.ledger {
            ledger.record_problems(*run, severity, &[ProblemRecord::from(problem)])?;
        }
        Ok(())
    }

    fn commit_full_batch(&mut self) -> Result<()> {
        if self.records.len() + self.unchanged.len() < BATCH { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<()> {
        if let Some((ledger, run)) = &mut self.ledger {
            if !self.records.is_empty() {
                ledger.record(*run, &self.records)?;
            }
            if !self.unchanged.is_empty() {
                ledger.touch(*run, &self.unchanged)?;
            }
            if let Some(scope) = self.verify {
                for (id, digest, verification) in &self.verified {
                    ledger.record_verification(*run, id, digest, (scope, verification))?;
                }
            }
        }
        self.verified.clear();
        self.records.clear();
        self.unchanged.clear();
        Ok(())
    }

    fn finish(&mut self, scan: &Scan) -> Result<()> {
        let Some((ledger, run)) = &mut self.ledger else {
            return Ok(());
        };
        let scope = Scope {
            roots: scan.origin.complete(),
            unread: &self.unread,
            projects: scan.drs.selection(),
        };
        let mut losses = ledger.losses(*run, &scope)?;
        losses.retain(|loss| !scan.accept_gone && is_suspicious(loss));
        let kept: Vec<String> = losses.iter().map(|loss| loss.project.clone()).collect();
        let gone = ledger.mark_gone(*run, &scope, &kept)?;
        ledger.drop_stale_problems(*run, &scope)?;
        for loss in &losses {
            let problem = ProblemRecord::from(&too_many_gone(loss));
            ledger.record_problems(*run, Severity::Error, std::slice::from_ref(&problem))?;
            self.observer.problem(Severity::Error, &too_many_gone(loss));
            self.summary.is_clean = false;
        }
        self.summary.counts.gone = gone.len() as u64;
        for gone in &gone {
            self.observer.gone(gone);
        }
        Ok(())
    }
}

/// A file system that is not mounted looks like one whose datasets are gone; told to the publisher, that
/// would take everything out of the catalogue.
fn is_suspicious(loss: &Loss) -> bool {
    loss.lost >= MANY && 2 * loss.lost > loss.known
}

fn too_many_gone(loss: &Loss) -> Error {
    let Loss { project, lost, known } = loss;
    let message = format!(
        "{lost} of {known} datasets of {project} were not found; they are left as they were"
    );
    Error::new(Code::NotFound, message).with_hint(
        "see that all file systems are mounted; if the datasets were removed, scan with --accept-gone",
    )
}
