//! What is to be done about a dataset that was found: by its age, its frequency, and what the ledger knows.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::discover::{Candidate, SourceFile};
use crate::emit::{artefact, seal};
use crate::index::packed::{self, Packed};
use crate::ledger::{
    ArtefactRecord, DatasetRecord, FileRecord, IndexCache, Interruption, Ledger, RunId, Status,
    WrittenFile,
};
use crate::model::error::{Code, Error, Result};

use super::build::Job;
use super::leftovers;
use super::plan::{self, Plan};
use super::scan::Scan;

/// What is to be done about what was found.
pub(super) enum Decision {
    /// Its frequency is not wanted.
    LeftOut(String),
    /// This file of it is too young.
    Waits(String, PathBuf),
    /// It is as it was; of the record, what belongs to it as a whole, or all where it is reported.
    Same(Box<DatasetRecord>, Box<Candidate>),
    /// It is retracted.
    Retracted(String),
    /// It is to be built; of some files these indexes are known.
    Build(Box<Job>, Vec<Packed>),
    /// Nothing can be done.
    Problem(Error),
}

/// What is known from earlier runs.
pub(super) struct Known {
    ledger: Ledger,
    interruption: Interruption,
    cache: Option<IndexCache>,
}

impl Known {
    /// What `ledger`, before `run`, and `cache` know, through connections of its own: planning reads beside
    /// the writer.
    pub(super) fn of(ledger: &Ledger, run: RunId, cache: Option<&IndexCache>) -> Result<Self> {
        let interruption = ledger.interruption_before(run)?;
        let cache = cache.map(IndexCache::again).transpose()?;
        Ok(Self { ledger: Ledger::open_read_only(ledger.path())?, interruption, cache })
    }

    /// The indexes that are kept of files of a dataset.
    fn indexes(&self, instance_id: &str) -> Vec<Packed> {
        let packed = self.cache.as_ref().and_then(|cache| cache.get(instance_id));
        packed.and_then(|packed| packed::unpack(&packed)).unwrap_or_default()
    }
}

/// Decides about `candidate`.
pub(super) fn decide(scan: &Scan, known: Option<&Known>, candidate: Box<Candidate>) -> Decision {
    let instance_id = candidate.dataset.instance_id();
    if scan.frequencies.as_ref().is_some_and(|filter| !filter.keeps(&candidate.dataset)) {
        return Decision::LeftOut(instance_id);
    }
    if let Some(young) = candidate.files.iter().find(|file| is_young(file, scan.min_age)) {
        return Decision::Waits(instance_id, young.path.clone());
    }
    compared(scan, known, candidate).unwrap_or_else(Decision::Problem)
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
fn compared(
    scan: &Scan,
    before: Option<&Known>,
    mut candidate: Box<Candidate>,
) -> Result<Decision> {
    let mut known = None;
    let interruption = before.map_or(Interruption::Never, |known| known.interruption);
    if let Some(Known { ledger, .. }) = before {
        let dataset_id = candidate.dataset.dataset_id();
        if ledger.is_retracted(&dataset_id)? {
            if interruption != Interruption::Never && !ledger.keeps_store(&dataset_id)? {
                let placement = scan.sites.place(&candidate, scan.limits, scan.form);
                leftovers::remove(&placement.manifest, None);
            }
            return Ok(Decision::Retracted(candidate.dataset.instance_id()));
        }
        known = ledger.outline(&candidate.dataset.instance_id())?;
    }
    if let Some(known) = &known {
        check_place(known, &candidate)?;
        for (path, checksum) in plan::known_checksums(known, &candidate.files) {
            candidate.checksums.entry(path).or_insert(checksum);
        }
    }
    let placement = scan.sites.place(&candidate, scan.limits, scan.form);
    let is_intact = |known: &DatasetRecord| {
        known.store.as_ref().is_some_and(|store| {
            let has_size = |written: &WrittenFile| {
                fs::metadata(&written.path).is_ok_and(|found| found.len() == written.size)
            };
            let is_whole = |it: &ArtefactRecord| artefact::has_size(it.format, &it.path, it.size);
            store.directory() == placement.manifest.parent()
                && store.files().all(has_size)
                && store.artefacts.iter().all(is_whole)
        })
    };
    let decision = {
        let found = (candidate.files.as_slice(), &candidate.checksums);
        plan::plan(known.as_ref(), found, &placement.recipe, is_intact)
    };
    Ok(match (decision, known) {
        (Plan::Same, Some(known)) if !scan.force && candidate.unreachable.is_empty() => {
            if let (Interruption::Lately, Some(directory)) =
                (interruption, placement.manifest.parent())
            {
                seal::clean(directory);
            }
            let whole = whole(before.filter(|_| scan.reports_unchanged), &known)?;
            let outline = || DatasetRecord { files: Vec::new(), store: None, ..known };
            Decision::Same(Box::new(whole.unwrap_or_else(outline)), candidate)
        }
        (_, known) => {
            let known = known.map(|known| whole(before, &known)).transpose()?.flatten();
            // Whoever asks for a store anew wants what the files hold, whatever was kept of them.
            let before = before.filter(|_| known.is_some() && !scan.force);
            let instance_id = candidate.dataset.instance_id();
            let indexes = before.map_or_else(Vec::new, |before| before.indexes(&instance_id));
            let candidate = *candidate;
            Decision::Build(Box::new(Job { candidate, placement, known, interruption }), indexes)
        }
    })
}

/// All that the ledger knows of the dataset of which it knows `outline`.
fn whole(before: Option<&Known>, outline: &DatasetRecord) -> Result<Option<DatasetRecord>> {
    before.map_or(Ok(None), |Known { ledger, .. }| ledger.dataset(&outline.instance_id))
}

/// A dataset has one place. One that the ledger knows elsewhere may have moved; while it is still
/// there as well, the one found now is a copy, and must not take the other's row in the ledger.
fn check_place(known: &DatasetRecord, candidate: &Candidate) -> Result<()> {
    let (there, here) = (&known.directory, &candidate.directory);
    let same = || matches!((there.canonicalize(), here.canonicalize()), (Ok(a), Ok(b)) if a == b);
    // The directory alone says nothing: files may have moved into one below it.
    let is_there = |file: &FileRecord| file.source.path.try_exists().unwrap_or(true);
    let remains = || there.is_dir() && (known.files.is_empty() || known.files.iter().any(is_there));
    if there == here || known.status == Status::Gone || !remains() || same() {
        return Ok(());
    }
    Err(Error::new(
        Code::DuplicateId,
        format!("{} is in the ledger with `{}`", known.instance_id, there.display()),
    )
    .in_file(here)
    .with_hint("keep one of the two, or give the copy a ledger of its own by --ledger"))
}
