//! `verify`: from the ledger to the stores, and back to the ledger.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::emit::seal;
use crate::ledger::{
    ArtefactRecord, DatasetRecord, FileRecord, Filter, Ledger, PartKind, RunId, Status, WrittenFile,
};
use crate::model::error::{Code, Error, Result};
use crate::model::format::Format;
use crate::verify::{self, Outcome, Published, Scope, Verification, Written};

/// Which stores to verify, and how.
#[derive(Debug)]
pub struct Verify {
    /// Dataset IDs with version; none means every store of the ledger.
    pub ids: Vec<String>,
    /// How much of each store.
    pub scope: Scope,
    /// Whether files are compared with their checksums, as far as these are known.
    pub checksums: bool,
}

/// Whoever watches.
pub trait Observer {
    /// There are so many stores to verify.
    fn begins(&mut self, stores: usize);
    /// A store was verified, or was found not to be as its files.
    fn finished(&mut self, instance_id: &str, verification: &Verification);
    /// There is nothing to verify under an ID.
    fn problem(&mut self, problem: &Error);
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Stores of which all that was compared is equal.
    pub verified: u64,
    /// Stores of which something differs.
    pub different: u64,
    /// Stores of which something could not be compared.
    pub incomplete: u64,
    /// IDs without a store.
    pub unknown: u64,
    /// Chunks compared.
    pub chunks: u64,
    /// Decoded bytes compared.
    pub bytes: u64,
}

impl Summary {
    /// Stores that were looked at.
    #[must_use]
    pub fn stores(&self) -> u64 {
        self.verified + self.different + self.incomplete
    }

    fn count(&mut self, verification: &Verification) {
        match verification.outcome() {
            Outcome::Verified => self.verified += 1,
            Outcome::Different => self.different += 1,
            Outcome::Incomplete => self.incomplete += 1,
        }
        self.chunks += verification.chunks;
        self.bytes += verification.bytes;
    }
}

/// Verifies stores one after the other and records each result under `run`.
pub fn verify(
    task: &Verify,
    ledger: &mut Ledger,
    run: RunId,
    observer: &mut dyn Observer,
) -> Result<Summary> {
    let ids = if task.ids.is_empty() { all_stores(ledger)? } else { task.ids.clone() };
    observer.begins(ids.len());
    let mut summary = Summary::default();
    for id in &ids {
        match published(ledger, id) {
            Ok(record) => {
                let mut verification = of_record(&record, &task.scope);
                if task.checksums {
                    verification.findings.extend(wrong_checksums(&record));
                }
                summary.count(&verification);
                if let Some(store) = &record.store {
                    let found = (&task.scope, &verification);
                    ledger.record_verification(run, id, store.digest(), found)?;
                }
                observer.finished(id, &verification);
            }
            Err(error) if error.code() == Code::Ledger => return Err(error),
            Err(error) => {
                summary.unknown += 1;
                observer.problem(&error);
            }
        }
    }
    Ok(summary)
}

fn all_stores(ledger: &Ledger) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    ledger.list(&Filter::default(), |record| {
        if record.store.is_some() && record.status != Status::Gone {
            ids.push(record.instance_id);
        }
        Ok(())
    })?;
    Ok(ids)
}

/// The dataset called `id`, which has a store.
fn published(ledger: &Ledger, id: &str) -> Result<DatasetRecord> {
    let missing = |message: String| {
        Error::new(Code::NotFound, message)
            .in_file(ledger.path())
            .with_hint("`vzarr-publish list` names the datasets and says which are built")
    };
    match ledger.dataset(id)? {
        None => Err(missing(format!("the ledger has no dataset `{}`", id.escape_debug()))),
        Some(record) if record.store.is_none() => {
            Err(missing(format!("{id} is {} and has no store", record.status)))
        }
        Some(record) => Ok(record),
    }
}

fn wrong_checksums(record: &DatasetRecord) -> impl Iterator<Item = Error> {
    record.files.iter().filter_map(|FileRecord { source, checksum, .. }| {
        let wrong = seal::wrong_checksum(&source.path, checksum.as_ref()?)?;
        Some(wrong.in_file(&source.path))
    })
}

fn of_record(record: &DatasetRecord, scope: &Scope) -> Verification {
    let Some(store) = &record.store else { return Verification::default() };
    let parts = |kind| store.parts.iter().filter(move |part| part.kind == kind);
    let published = Published {
        instance_id: &record.instance_id,
        manifest: store.manifest.as_ref().map(written),
        segments: parts(PartKind::Segment).map(|part| written(&part.written)).collect(),
        seams: parts(PartKind::Seams).map(|part| written(&part.written)).next(),
        artefacts: store.artefacts.iter().map(of_artefact).collect(),
        files: record.files.iter().map(|file| (&file.source, file.steps.clone())).collect(),
    };
    guarded(&published, scope)
}

fn of_artefact(artefact: &ArtefactRecord) -> (Format, Written<'_>) {
    let ArtefactRecord { format, path, url, digest, .. } = artefact;
    (*format, Written { path, target: path, url: url.as_deref(), digest })
}

/// Verifies one store. A defect of a reader, met by it, is no reason to leave others unverified.
pub(super) fn guarded(published: &Published, scope: &Scope) -> Verification {
    catch_unwind(AssertUnwindSafe(|| verify::verify(published, scope))).unwrap_or_else(|_| {
        let message = "a reader gave up with a panic, shown above";
        let finding = Error::new(Code::NotVerified, message).in_file(published.instance_id);
        Verification { findings: vec![finding], ..Verification::default() }
    })
}

fn written(file: &WrittenFile) -> Written<'_> {
    Written { path: &file.path, target: &file.path, url: file.url.as_deref(), digest: &file.digest }
}
