//! The one that writes the ledger and tells the observer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ledger::{
    DatasetRecord, IndexCache, Ledger, Loss, ProblemRecord, RunId, Scope, Severity, Status,
};
use crate::model::error::{Code, Error, Result};
use crate::verify::{self, Verification};

use super::build::Outcome;
use super::inbox::Inbox;
use super::scan::{Observer, Origin, Scan, Summary};

/// Outcomes committed in one transaction.
pub(super) const BATCH: usize = 64;

/// So many datasets of a project are not removed every day.
const MANY: u64 = 10;

/// What flows from walking and building to the writer.
pub(super) enum Event {
    /// A dataset is to be built: it will be finished or dropped.
    Found,
    /// One that was found is not built, for the run ends.
    Dropped,
    /// Nothing has come of a path for so long.
    Slow(PathBuf, Duration),
    /// No more will be found; whether all there is was.
    WalkEnded {
        is_complete: bool,
    },
    /// A dataset, by its ID, that is there but not to be built.
    LeftOut(String),
    /// A dataset, by its ID, that waits because of a file.
    Waits(String, PathBuf),
    Unchanged(Box<DatasetRecord>),
    Retracted(String),
    /// A dataset that was found was built, refused or failed.
    Finished(Box<Outcome>),
    Problem(Error),
}

/// The one that writes the ledger and tells the observer.
pub(super) struct Writer<'a> {
    ledger: Option<(&'a mut Ledger, RunId)>,
    observer: &'a mut dyn Observer,
    summary: Summary,
    records: Vec<DatasetRecord>,
    unchanged: Vec<String>,
    unread: Vec<PathBuf>,
    cache: Option<IndexCache>,
    /// Packed indexes by the IDs of their datasets.
    indexes: Vec<(String, Vec<u8>)>,
    verify: Option<&'a verify::Scope>,
    /// IDs, digests of the stores, and what verifying them found.
    verified: Vec<(String, String, Verification)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        ledger: Option<(&'a mut Ledger, RunId)>,
        cache: Option<IndexCache>,
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
            cache,
            indexes: Vec::new(),
            verify,
            verified: Vec::new(),
        }
    }

    /// Takes all events, and then marks what is gone.
    pub(super) fn run(
        mut self,
        scan: &Scan,
        mut events: Inbox<Event>,
        stop: &AtomicBool,
    ) -> Result<Summary> {
        // Those who send are not waited for: a file system may keep them for ever.
        let (mut in_hand, mut dropped, mut walked) = (0_u64, 0_u64, None);
        while walked.is_none() || in_hand > 0 {
            let Ok(event) = events.next(Duration::MAX) else { break };
            match event {
                Event::Found => {
                    in_hand += 1;
                    self.observer.found();
                }
                Event::Dropped => {
                    in_hand -= 1;
                    dropped += 1;
                }
                Event::Slow(path, waited) => self.observer.slow(&path, waited),
                Event::WalkEnded { is_complete } => walked = Some(is_complete),
                Event::LeftOut(id) => self.take_left_out(id)?,
                Event::Waits(id, file) => {
                    self.observer.waits(&id, &file);
                    self.take_left_out(id)?;
                }
                Event::Unchanged(record) => self.take_unchanged(*record)?,
                Event::Retracted(instance_id) => self.take_retracted(&instance_id),
                Event::Finished(outcome) => {
                    in_hand -= 1;
                    self.take_outcome(*outcome)?;
                }
                Event::Problem(problem) => self.take_problem(&scan.origin, &problem)?,
            }
        }
        self.commit()?;
        if dropped > 0 && !stop.load(Ordering::Relaxed) {
            self.take_problem(&scan.origin, &not_come_to(dropped))?;
        }
        // What was not come to is not gone.
        if walked == Some(true) && dropped == 0 && !stop.load(Ordering::Relaxed) {
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
        let Outcome { record, verification, indexes, .. } = outcome;
        self.indexes.extend(indexes.map(|indexes| (record.instance_id.clone(), indexes)));
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
        self.put_indexes();
        self.verified.clear();
        self.records.clear();
        self.unchanged.clear();
        Ok(())
    }

    /// Keeps indexes for later runs; the run goes on without where that is not possible.
    fn put_indexes(&mut self) {
        let indexes = std::mem::take(&mut self.indexes);
        if let Some(cache) = self.cache.as_mut().filter(|_| !indexes.is_empty())
            && let Err(problem) = cache.put(&indexes)
        {
            self.observer.problem(Severity::Warning, &problem);
            self.cache = None;
        }
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

fn not_come_to(datasets: u64) -> Error {
    let message =
        format!("too many files hang: {datasets} datasets that were found are left as they were");
    Error::new(Code::Timeout, message).with_hint(
        "see that the file system answers, then scan again; raise --timeout if it is slow",
    )
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
