//! Building the store of one dataset, or finding out why there can be none.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::combine::{self, Combined, Coverage, Datasets, Limits, SourceIndex};
use crate::discover::{Candidate, SourceFile};
use crate::drs::{Dataset, Drs, NamedVariable};
use crate::emit::{self, checksums, seal, seams::Seams};
use crate::index::packed;
use crate::ledger::{
    DatasetRecord, FileRecord, Interruption, Period, ProblemRecord, Replacement, Status,
    StoreRecord, VariableRecord, WrittenFile,
};
use crate::model::error::{Code, Error, Result};
use crate::model::format::Form;
use crate::model::portability::Portability;
use crate::model::verdict::{Cost, Verdict};
use crate::verify::Verification;

use super::attempt::Attempt;
use super::leftovers;
use super::placement::{Placement, Sites};
use super::plan;
use super::readers::{Indexed, Ready, unstable};
use super::store::{self, StoreWriter, WrittenStore};
use super::verifier::Verifier;

/// A dataset to be built.
#[derive(Debug)]
pub struct Job {
    /// What was found on disk.
    pub candidate: Candidate,
    /// Where its store goes.
    pub placement: Placement,
    /// What the ledger knows of it.
    pub known: Option<DatasetRecord>,
    /// Whether there may be more of it on disk than the ledger knows.
    pub interruption: Interruption,
}

/// What building needs beside the job.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct Workshop<'a> {
    /// The projects and their syntax.
    pub drs: &'a Drs,
    /// Where stores go.
    pub sites: &'a Sites,
    /// How far combining may go.
    pub limits: Limits,
    /// What form stores have.
    pub form: Form,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// Whether files are compared with their checksums, as far as these are known.
    pub checksums: bool,
    /// Whether files were compared with anything when they were found: with a mapfile, or with their age.
    pub compares_files: bool,
    /// Whether indexes are to be kept for later runs.
    pub keeps_indexes: bool,
    /// What verifies each store before it is published, if anything.
    pub verifier: Option<&'a Verifier>,
    /// Threads that compare data with their checksums.
    pub pool: &'a ThreadPool,
}

/// What became of a dataset.
#[derive(Debug)]
pub struct Outcome {
    /// All there is to say about it.
    pub record: DatasetRecord,
    /// Whether a manifest that no longer fits the files was removed.
    pub withdrawn: bool,
    /// What verifying the store found, if that was asked for.
    pub verification: Option<Verification>,
    /// The indexes of the files, packed, where they are to be kept.
    pub indexes: Option<Vec<u8>>,
}

/// A dataset that may not come to an end.
pub(super) struct Unfinished {
    record: DatasetRecord,
    store: Option<StoreRecord>,
}

impl Unfinished {
    /// What is known of `job` before it is built.
    pub(super) fn of(job: &Job) -> Self {
        let Job { candidate, placement, known, .. } = job;
        let store = known.as_ref().and_then(|known| known.store.clone());
        Self { record: blank_record(candidate, placement, &candidate.warnings), store }
    }

    /// What became of it: this `error`. The store of an earlier run is left as it is: whether it fits the
    /// files is for the next scan to tell.
    pub(super) fn with(self, error: &Error) -> Outcome {
        let Self { record, store } = self;
        let error = Some(ProblemRecord::from(error));
        let record = DatasetRecord { status: Status::Failed, error, store, ..record };
        Outcome { record, withdrawn: false, verification: None, indexes: None }
    }
}

/// A store and what it holds.
struct Store {
    /// What was written, unless nothing was to be.
    written: Option<StoreRecord>,
    variables: Vec<VariableRecord>,
    files: Vec<FileRecord>,
    period: Option<Period>,
    notes: Vec<ProblemRecord>,
    verification: Option<Verification>,
}

impl Workshop<'_> {
    /// Whether it reads more than metadata and the few chunks that are encoded anew.
    pub(super) fn reads_data(&self) -> bool {
        let verifies = self.limits.codecs == Portability::Portable || self.verifier.is_some();
        verifies || self.checksums
    }

    /// Builds the store of a dataset, and publishes it if it is still wanted by then. A defect of this program
    /// ends this dataset, not the run.
    pub(super) fn build_guarded(&self, ready: Ready, attempt: &Attempt) -> Outcome {
        let unfinished = Unfinished::of(&ready.job);
        catch_unwind(AssertUnwindSafe(|| self.build(ready, attempt))).unwrap_or_else(|_| {
            let message = "building the store made this program fail, which is a defect of it";
            unfinished.with(&Error::new(Code::Internal, message))
        })
    }

    /// Builds the store of a dataset. Errors go into the record: they end this dataset, not the run.
    fn build(&self, ready: Ready, attempt: &Attempt) -> Outcome {
        let Ready { job, mut files, .. } = ready;
        let Job { mut candidate, placement, known, interruption } = job;
        let has_leftovers = interruption != Interruption::Never && !self.dry_run;
        let mut warnings = std::mem::take(&mut candidate.warnings);
        warnings.extend(self.sites.warning(&candidate, &placement));
        as_read(&mut candidate, &mut files, self.compares_files);
        let indexes = self.keeps_indexes.then(|| pack(&candidate, &files, attempt)).flatten();
        let built = self.store(&mut candidate, files, (&placement, attempt), &mut warnings);
        let mut record = blank_record(&candidate, &placement, &warnings);
        let mut withdrawn = false;
        let mut verification = None;
        match built {
            Ok(store) => {
                record.files = store.files;
                record.period = store.period;
                record.variables = store.variables;
                record.notes = store.notes;
                verification = store.verification;
                // What differs is an error; this could not be compared.
                let unknown = verification.iter().flat_map(|it| &it.findings);
                record.warnings.extend(unknown.map(ProblemRecord::from));
                record.store = store.written;
                record.replacement = known.as_ref().and_then(|known| replacement(known, &record));
                record.warnings.extend(record.replacement.as_ref().map(changed_in_place));
                // Parts that the store has no more; one written elsewhere is left alone.
                if let (Some(before), Some(now)) =
                    (known.and_then(|known| known.store), &record.store)
                    && before.directory() == now.directory()
                {
                    store::remove(&before, Some(now));
                }
                if has_leftovers {
                    leftovers::remove(&placement.manifest, record.store.as_ref());
                }
            }
            Err(error) => {
                let refused = error.code().is_refusal();
                record.status = if refused { Status::Refused } else { Status::Failed };
                record.error = Some(ProblemRecord::from(&error));
                let known = known.as_ref();
                if !known.is_some_and(|known| still_fits(known, &candidate.files, &record)) {
                    // Of a killed run, whose files the ledger does not know or knows as they were before.
                    withdrawn = has_leftovers && leftovers::remove(&placement.manifest, None);
                }
                if let Some(known) = known {
                    withdrawn |= self.keep_or_withdraw(known, &candidate.files, &mut record);
                }
            }
        }
        Outcome { record, withdrawn, verification, indexes }
    }

    fn store(
        &self,
        candidate: &mut Candidate,
        indexed: Vec<Result<Indexed>>,
        (placement, attempt): (&Placement, &Attempt),
        warnings: &mut Vec<Error>,
    ) -> Result<Store> {
        let mut unreachable = std::mem::take(&mut candidate.unreachable).into_iter();
        if let Some(error) = unreachable.next() {
            warnings.extend(unreachable);
            return Err(error);
        }
        let named = named_variable(self.drs, candidate)
            .map_err(|error| error.in_file(&candidate.directory))?;
        if self.checksums {
            self.pool.install(|| check_checksums(candidate, warnings))?;
        }
        let sources = sources(indexed, warnings)?;
        let mut combined = self
            .combine(named, sources, attempt)
            .map_err(|error| error.in_file(&candidate.directory))?;
        let directory = &candidate.directory;
        let coverages = combined.coverages.iter();
        warnings.extend(
            coverages.filter_map(|coverage| misnamed(self.drs, &candidate.dataset, coverage)),
        );
        let lost = std::mem::take(&mut combined.warnings).into_iter();
        let datasets = combined.datasets.as_slice();
        let mut not_kept: Vec<Error> = datasets.iter().flat_map(emit::not_kept).collect();
        not_kept.dedup_by_key(|warning| warning.to_string());
        let lost = lost.chain(not_kept);
        warnings.extend(lost.map(|warning| warning.in_file(directory)));
        let Self { sites, form, .. } = *self;
        let writer = StoreWriter { sites, dataset: &candidate.dataset, placement, form };
        let files = in_order(candidate, &combined);
        let written = if self.dry_run {
            writer.rehearse(&combined, attempt).map(|(seams, notes)| (None, seams, notes, None))
        } else {
            let written = writer.write(&combined, &files, self.verifier, attempt);
            written.map(|WrittenStore { record, seams, notes, verification }| {
                (Some(record), seams, notes, verification)
            })
        };
        let (written, seams, of_form, verification) =
            written.map_err(|error| error.in_file(&candidate.directory))?;
        let variables = variables(&combined.datasets, &seams);
        let of_form = of_form.into_iter().map(|note| note.in_file(&candidate.directory));
        combined.notes.extend(of_form);
        let notes = combined.notes.iter().map(ProblemRecord::from).collect();
        let period = period(&combined.coverages);
        Ok(Store { written, variables, files, period, notes, verification })
    }

    /// All files as one dataset, or as segments.
    fn combine(
        &self,
        named: NamedVariable,
        sources: Vec<SourceIndex>,
        attempt: &Attempt,
    ) -> Result<Combined> {
        let turn = attempt.turn();
        let data_variable = data_variable(named, &sources);
        let combined = combine::combine(sources, &data_variable, self.limits)?;
        drop(turn);
        if self.limits.codecs == Portability::Portable {
            let (datasets, sources) = (combined.datasets.as_slice(), store::paths(&combined));
            self.pool.install(|| checksums::verify(datasets, &sources))?;
        }
        Ok(combined)
    }

    /// Keeps the store of an earlier run while it fits; otherwise removes its manifest, which would lead
    /// readers to wrong bytes. Tells whether it did.
    fn keep_or_withdraw(
        &self,
        known: &DatasetRecord,
        files: &[SourceFile],
        record: &mut DatasetRecord,
    ) -> bool {
        let Some(store) = &known.store else {
            return false;
        };
        if self.dry_run || still_fits(known, files, record) {
            record.store = Some(store.clone());
            return false;
        }
        let removed = store::remove(store, None);
        let is_there = |written: &WrittenFile| written.path.try_exists().unwrap_or(true);
        if !removed && store.files().next().is_some_and(is_there) {
            record.store = Some(store.clone());
        }
        removed
    }
}

/// Whether the store of an earlier run is still right, though building it anew failed as `record` says: its
/// files are those that it was built from, or cannot be seen at the moment. Where others have come, and
/// only the disk is full or closed, it is right as far as it goes.
fn still_fits(known: &DatasetRecord, files: &[SourceFile], record: &DatasetRecord) -> bool {
    let code = record.error.as_ref().map_or("", |error| error.code.as_str());
    let may_pass = [Code::PermissionDenied, Code::Io].iter().any(|it| it.as_str() == code);
    let is_as_it_was = |file: &FileRecord| {
        SourceFile::of(&file.source.path).is_ok_and(|found| found == file.source)
    };
    plan::same_files(known, files)
        || may_pass && (files.is_empty() || known.files.iter().all(is_as_it_was))
}

/// The variable that the dataset is about, by its directory or the names of its files.
fn named_variable(drs: &Drs, candidate: &Candidate) -> Result<NamedVariable> {
    let Some(first) = candidate.files.first() else {
        return Err(Error::new(Code::NotFound, "the directory holds no NetCDF file"));
    };
    let name = first.path.file_name().unwrap_or_default();
    drs.variable(&candidate.dataset, name).map_err(|error| error.in_file(&first.path))
}

/// The name in the files of the variable that the dataset is about: of several that may be meant, the one
/// with most values, of which the others are mostly coordinates.
fn data_variable(named: NamedVariable, sources: &[SourceIndex]) -> String {
    let variables = sources.first().map_or(&[][..], |source| &source.index.variables);
    let largest = || {
        let size =
            |shape: &[u64]| shape.iter().fold(1_u64, |size, length| size.saturating_mul(*length));
        // Of the same size, the first.
        let largest = variables.iter().rev().max_by_key(|variable| size(&variable.shape));
        largest.map_or_else(String::new, |variable| variable.name.clone())
    };
    let is_there = |name: &str| variables.iter().any(|variable| variable.name == name);
    match named {
        NamedVariable::Exact(name) => name,
        NamedVariable::Similar(name) if is_there(&name) => name,
        NamedVariable::Similar(name) => {
            Some(name.replace('-', "_")).filter(|name| is_there(name)).unwrap_or_else(largest)
        }
        NamedVariable::Any => largest(),
    }
}

/// Compares files with their checksums. The first error is returned, the others are added to `warnings`.
fn check_checksums(candidate: &Candidate, warnings: &mut Vec<Error>) -> Result<()> {
    let wrong = candidate.checksums.par_iter().filter_map(|(path, checksum)| {
        seal::wrong_checksum(path, checksum).map(|error| error.in_file(path))
    });
    let mut wrong = wrong.collect::<Vec<_>>().into_iter();
    let first = wrong.next();
    warnings.extend(wrong);
    first.map_or(Ok(()), Err)
}

/// Takes down files that were read as they were read: they may have changed since they were found. Where that
/// was compared with something else, the change is an error; the checksum of what was there is dropped.
fn as_read(candidate: &mut Candidate, indexed: &mut [Result<Indexed>], was_compared: bool) {
    for (file, indexed) in candidate.files.iter_mut().zip(indexed) {
        match indexed {
            Ok(read) if read.file != *file && was_compared => *indexed = Err(unstable(&file.path)),
            Ok(read) if read.file != *file => {
                candidate.checksums.remove(&file.path);
                file.clone_from(&read.file);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// The indexes of files, of which one at least was read, to be kept.
fn pack(candidate: &Candidate, indexed: &[Result<Indexed>], attempt: &Attempt) -> Option<Vec<u8>> {
    if !indexed.iter().flatten().any(|indexed| indexed.is_new) {
        return None;
    }
    let entries = indexed
        .iter()
        .flatten()
        .map(|Indexed { file, index, .. }| (file, candidate.checksums.get(&file.path), index));
    let _turn = attempt.turn();
    packed::pack(entries)
}

/// What all files hold. The first error is returned, the others are added to `warnings`, so that
/// every bad file is named.
fn sources(indexed: Vec<Result<Indexed>>, warnings: &mut Vec<Error>) -> Result<Vec<SourceIndex>> {
    let mut sources = Vec::with_capacity(indexed.len());
    let mut errors = Vec::new();
    for result in indexed {
        match result {
            Ok(Indexed { file, index, .. }) => sources.push(SourceIndex { path: file.path, index }),
            Err(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    match errors.next() {
        None => Ok(sources),
        Some(first) => {
            warnings.extend(errors.filter(|error| error.code() != Code::OutOfMemory));
            Err(first)
        }
    }
}

/// How each variable gets into the store.
fn variables(datasets: &Datasets, seams: &Seams) -> Vec<VariableRecord> {
    let Some(first) = datasets.as_slice().first() else { return Vec::new() };
    let records = first.arrays.iter().enumerate().map(|(place, array)| {
        let mut cost = Cost::default();
        let mut verdict = array.verdict();
        for array in datasets.as_slice().iter().filter_map(|dataset| dataset.arrays.get(place)) {
            cost += seams.cost_of(array);
            if matches!(datasets, Datasets::Segments(_)) && array.verdict() != Verdict::Inlined {
                verdict = Verdict::Segmented;
            }
        }
        VariableRecord { name: array.name.clone(), verdict, cost }
    });
    records.collect()
}

/// The files of `candidate` in the order of time; those that were left out come last.
fn in_order(candidate: &Candidate, combined: &Combined) -> Vec<FileRecord> {
    let mut left_out: BTreeMap<&Path, FileRecord> = candidate
        .files
        .iter()
        .map(|file| (file.path.as_path(), file_record(candidate, file)))
        .collect();
    let mut records = Vec::with_capacity(candidate.files.len());
    for combine::Source { path, steps, tracking_id } in &combined.sources {
        let record = left_out.remove(path.as_path());
        records.extend(record.map(|record| FileRecord {
            steps: steps.clone(),
            tracking_id: tracking_id.clone(),
            ..record
        }));
    }
    let left_out = left_out.into_values();
    records.extend(left_out.map(|record| FileRecord { steps: Some(0..0), ..record }));
    records
}

fn file_record(candidate: &Candidate, file: &SourceFile) -> FileRecord {
    let checksum = candidate.checksums.get(&file.path).cloned();
    FileRecord { checksum, ..file.clone().into() }
}

/// What took place if files of `known` were replaced by others of the same names, and the store with them.
fn replacement(known: &DatasetRecord, record: &DatasetRecord) -> Option<Replacement> {
    let (old, new) = (known.store.as_ref()?.digest(), record.store.as_ref()?.digest());
    let by_path: HashMap<&Path, &FileRecord> =
        known.files.iter().map(|file| (file.source.path.as_path(), file)).collect();
    let is_another = |file: &FileRecord| {
        by_path.get(file.source.path.as_path()).is_some_and(|before| {
            let stamp = |file: &FileRecord| (file.source.size, file.source.mtime_ns);
            let checksums = before.checksum.as_ref().zip(file.checksum.as_ref());
            stamp(before) != stamp(file) || checksums.is_some_and(|(before, now)| before != now)
        })
    };
    (old != new && record.files.iter().any(is_another)).then(|| Replacement {
        at: String::new(),
        old_digest: old.to_owned(),
        new_digest: new.to_owned(),
    })
}

fn changed_in_place(replacement: &Replacement) -> ProblemRecord {
    let Replacement { old_digest, new_digest, .. } = replacement;
    let message = format!(
        "files were replaced by others of the same names under the same version: the store was {old_digest} \
         and is {new_digest}"
    );
    let hint = "publish replaced files as a new version, so that readers can tell";
    ProblemRecord::from(&Error::new(Code::ChangedInPlace, message).with_hint(hint))
}

/// From the first time of all files to the last.
fn period(coverages: &[Coverage]) -> Option<Period> {
    let date = |coverage: &Coverage, instants: &[_]| coverage.calendar.date(*instants.first()?);
    let start = coverages.iter().filter_map(|it| date(it, &it.starts)).min()?;
    let end = coverages.iter().filter_map(|it| date(it, &it.ends)).max()?;
    Some(Period { start: start.rfc3339()?, end: end.rfc3339()? })
}

/// A warning where the name of a file gives another time range than its steps.
fn misnamed(drs: &Drs, dataset: &Dataset, coverage: &Coverage) -> Option<Error> {
    let Coverage { path, calendar, starts, ends } = coverage;
    let name = drs.file_name(dataset, path.file_name()?.to_str()?).ok()?;
    let range = name.time_range?;
    if range.agrees_with(*calendar, starts, ends) {
        return None;
    }
    let shown = |instants: &[_]| Some(calendar.date(*instants.first()?)?.to_string());
    let message = format!(
        "the name says {range}, but the times go from {} to {}",
        shown(starts)?,
        shown(ends)?
    );
    Some(Error::new(Code::TimeRange, message).in_file(path))
}

fn blank_record(candidate: &Candidate, placement: &Placement, warnings: &[Error]) -> DatasetRecord {
    let Candidate { dataset, directory, files, .. } = candidate;
    DatasetRecord {
        instance_id: dataset.instance_id(),
        dataset_id: dataset.dataset_id(),
        master_id: dataset.master_id(),
        project: dataset.project.clone(),
        version: dataset.version.clone(),
        versioned: dataset.versioned,
        directory: directory.clone(),
        period: None,
        status: Status::Built,
        error: None,
        recipe: placement.recipe.clone(),
        files: files.iter().map(|file| file_record(candidate, file)).collect(),
        store: None,
        variables: Vec::new(),
        warnings: warnings.iter().map(ProblemRecord::from).collect(),
        notes: Vec::new(),
        verification: None,
        replacement: None,
        superseded_by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::Checksums;
    use crate::drs::Drs;
    use crate::model::array::{FileFormat, FileIndex, ReadCost};
    use crate::model::attribute::Attributes;
    use crate::model::multihash::Multihash;

    const DIRECTORY: &str = "/d/CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20200101";

    fn found(mtime_ns: i64) -> SourceFile {
        SourceFile { path: format!("{DIRECTORY}/pr.nc").into(), size: 1, mtime_ns, inode: 1 }
    }

    fn read(file: SourceFile) -> Indexed {
        let index = FileIndex {
            format: FileFormat::Netcdf3(1),
            size: file.size,
            dimensions: Vec::new(),
            attributes: Attributes::default(),
            variables: Vec::new(),
            groups: Vec::new(),
            refused: Vec::new(),
            cost: ReadCost::default(),
        };
        Indexed { file, index, is_new: true }
    }

    /// What becomes of a file that was found, with a checksum, and read as this one.
    fn taken(as_read_file: SourceFile, was_compared: bool) -> (Candidate, Result<Indexed>) {
        let sum = Multihash::of_sha256(&"1".repeat(64));
        let mut candidate = Candidate {
            dataset: Drs::builtin().unwrap().dataset(Path::new(DIRECTORY)).unwrap(),
            directory: DIRECTORY.into(),
            files: vec![found(1)],
            unreachable: Vec::new(),
            warnings: Vec::new(),
            checksums: Checksums::from([(found(1).path, sum)]),
        };
        let mut indexed = vec![Ok(read(as_read_file))];
        as_read(&mut candidate, &mut indexed, was_compared);
        (candidate, indexed.remove(0))
    }

    #[test]
    fn a_file_that_changed_since_it_was_found_loses_the_checksum_of_what_was_there() {
        let (candidate, indexed) = taken(found(2), false);
        assert!(indexed.is_ok() && candidate.checksums.is_empty());
        assert_eq!(candidate.files, [found(2)]);
        assert_eq!(taken(found(1), false).0.checksums.len(), 1);
    }

    #[test]
    fn where_it_was_compared_the_change_is_an_error() {
        let (candidate, indexed) = taken(found(2), true);
        assert_eq!(indexed.unwrap_err().code(), Code::Unstable);
        assert_eq!(candidate.files, [found(1)]);
        assert!(taken(found(1), true).1.is_ok());
    }
}
