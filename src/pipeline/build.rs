//! Building the store of one dataset, or finding out why there can be none.

use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use crate::combine::{self, Combined, SourceIndex};
use crate::discover::{Candidate, SourceFile};
use crate::drs::{Dataset, Drs};
use crate::emit;
use crate::emit::reference_json::{self, Contents};
use crate::emit::seal::{self, Failure, Sealed};
use crate::index;
use crate::ledger::{DatasetRecord, ProblemRecord, Status, StoreRecord};
use crate::model::byte_size::ByteSize;
use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Verdict;

use super::placement::{Placement, Sites};
use super::plan;

/// A dataset to be built.
#[derive(Debug)]
pub struct Job {
    /// What was found on disk.
    pub candidate: Candidate,
    /// Where its store goes.
    pub placement: Placement,
    /// What the ledger knows of it.
    pub known: Option<DatasetRecord>,
}

/// What building needs beside the job.
#[derive(Clone, Copy, Debug)]
pub struct Workshop<'a> {
    /// The projects and their syntax.
    pub drs: &'a Drs,
    /// Where stores go.
    pub sites: &'a Sites,
    /// Most bytes of the chunks that data in one piece are cut into.
    pub contiguous_chunk: ByteSize,
    /// Whether nothing is to be written.
    pub dry_run: bool,
}

/// What became of a dataset.
#[derive(Debug)]
pub struct Outcome {
    /// All there is to say about it.
    pub record: DatasetRecord,
    /// Whether a manifest that no longer fits the files was removed.
    pub withdrawn: bool,
}

/// A store and what it holds.
struct Store {
    sealed: Option<Sealed>,
    contents: Contents,
    variables: Vec<(String, Verdict)>,
    files: Vec<SourceFile>,
}

impl Workshop<'_> {
    /// Builds the store of `job`. Errors go into the record: they end this dataset, not the run.
    #[must_use]
    pub fn build(&self, job: Job) -> Outcome {
        let Job { mut candidate, placement, known } = job;
        let mut warnings = std::mem::take(&mut candidate.warnings);
        warnings.extend(self.sites.warning(&candidate.directory, &placement));
        let built = self.store(&mut candidate, &placement, &mut warnings);
        let mut record = blank_record(&candidate, &placement, &warnings);
        let mut withdrawn = false;
        match built {
            Ok(store) => {
                record.files = store.files;
                record.variables = store.variables;
                record.store =
                    store.sealed.map(|sealed| store_record(sealed, store.contents, &placement));
            }
            Err(error) => {
                let refused = error.code().is_refusal();
                record.status = if refused { Status::Refused } else { Status::Failed };
                record.error = Some(ProblemRecord::from(&error));
                if let Some(known) = known {
                    withdrawn = self.keep_or_withdraw(known, &mut record);
                }
            }
        }
        Outcome { record, withdrawn }
    }

    fn store(
        &self,
        candidate: &mut Candidate,
        placement: &Placement,
        warnings: &mut Vec<Error>,
    ) -> Result<Store> {
        let mut unreachable = std::mem::take(&mut candidate.unreachable).into_iter();
        if let Some(error) = unreachable.next() {
            warnings.extend(unreachable);
            return Err(error);
        }
        let data_variable = data_variable(self.drs, candidate)
            .map_err(|error| error.in_file(&candidate.directory))?;
        let sources = index_files(&candidate.files, warnings)?;
        let combined = combine::combine(sources, &data_variable, self.contiguous_chunk)
            .map_err(|error| error.in_file(&candidate.directory))?;
        let directory = &candidate.directory;
        let lost = emit::not_kept(&combined.dataset).into_iter();
        warnings.extend(lost.map(|warning| warning.in_file(directory)));
        let (sealed, contents) = self
            .emit(&combined, &candidate.dataset, placement)
            .map_err(|error| error.in_file(&candidate.directory))?;
        let arrays = &combined.dataset.arrays;
        let variables = arrays.iter().map(|array| (array.name.clone(), array.verdict())).collect();
        let files = in_order(&candidate.files, &combined);
        Ok(Store { sealed, contents, variables, files })
    }

    fn emit(
        &self,
        combined: &Combined,
        dataset: &Dataset,
        placement: &Placement,
    ) -> Result<(Option<Sealed>, Contents)> {
        let locations = combined.sources.iter().map(|path| self.sites.location(path, dataset));
        let locations = locations.collect::<Result<Vec<_>>>()?;
        if self.dry_run {
            let contents = reference_json::write(&combined.dataset, &locations, &mut io::sink());
            return match contents {
                Ok(contents) => Ok((None, contents)),
                Err(Failure::Content(error)) => Err(error),
                Err(Failure::System(error)) => Err(Error::new(Code::Internal, error.to_string())),
            };
        }
        if self.sites.output_dir.is_some() {
            create_parent(&placement.manifest)?;
        }
        let (sealed, contents) = seal::seal(&placement.manifest, |out| {
            reference_json::write(&combined.dataset, &locations, out)
        })?;
        Ok((Some(sealed), contents))
    }

    /// Keeps the store of an earlier run while the files are those it was built from; otherwise
    /// removes its manifest, which would lead readers to wrong bytes. Tells whether it did.
    fn keep_or_withdraw(&self, known: DatasetRecord, record: &mut DatasetRecord) -> bool {
        let code = record.error.as_ref().map_or("", |error| error.code.as_str());
        let unseen = record.files.is_empty()
            && [Code::PermissionDenied, Code::Io].iter().any(|unseen| unseen.as_str() == code);
        let still_fits = unseen || plan::same_files(&known, &record.files);
        let Some(store) = known.store else {
            return false;
        };
        if still_fits || self.dry_run {
            record.store = Some(store);
            return false;
        }
        // Only what this program wrote, as it wrote it, is its to remove.
        let is_ours = seal::digest_of(&store.manifest).is_ok_and(|digest| digest == store.digest);
        let removed = is_ours && fs::remove_file(&store.manifest).is_ok();
        if !removed && store.manifest.try_exists().unwrap_or(true) {
            record.store = Some(store);
        }
        removed
    }
}

/// The variable that the dataset is about.
fn data_variable(drs: &Drs, candidate: &Candidate) -> Result<String> {
    let Some(first) = candidate.files.first() else {
        return Err(Error::new(Code::NotFound, "the directory holds no NetCDF file"));
    };
    let name = first.path.file_name().unwrap_or_default();
    drs.variable(&candidate.dataset, name).map_err(|error| error.in_file(&first.path))
}

/// Indexes all files. The first error is returned, the others are added to `warnings`, so that
/// every bad file is named.
fn index_files(files: &[SourceFile], warnings: &mut Vec<Error>) -> Result<Vec<SourceIndex>> {
    let indexed: Vec<Result<SourceIndex>> = files.par_iter().map(index_file).collect();
    let mut sources = Vec::with_capacity(files.len());
    let mut errors = Vec::new();
    for result in indexed {
        match result {
            Ok(source) => sources.push(source),
            Err(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    match errors.next() {
        None => Ok(sources),
        Some(first) => {
            warnings.extend(errors);
            Err(first)
        }
    }
}

fn index_file(file: &SourceFile) -> Result<SourceIndex> {
    let index = index::index_file(&file.path)?;
    let found = SourceFile::of(&file.path)?;
    if found == *file && index.size == file.size {
        return Ok(SourceIndex { path: file.path.clone(), index });
    }
    Err(Error::new(Code::Io, "the file changed while it was read")
        .in_file(&file.path)
        .with_hint("scan again when the transfer is complete"))
}

/// `files` in the order of time.
fn in_order(files: &[SourceFile], combined: &Combined) -> Vec<SourceFile> {
    let by_path = |path| files.iter().find(|file| &file.path == path).cloned();
    combined.sources.iter().filter_map(by_path).collect()
}

fn create_parent(manifest: &Path) -> Result<()> {
    let Some(parent) = manifest.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).map_err(|error| Error::io(&error, "create the directory", parent))
}

fn blank_record(candidate: &Candidate, placement: &Placement, warnings: &[Error]) -> DatasetRecord {
    let Candidate { dataset, directory, files, .. } = candidate;
    DatasetRecord {
        instance_id: dataset.instance_id(),
        master_id: dataset.master_id.clone(),
        project: dataset.project.clone(),
        version: dataset.version.clone(),
        versioned: dataset.versioned,
        directory: directory.clone(),
        status: Status::Built,
        error: None,
        recipe: placement.recipe.clone(),
        files: files.clone(),
        store: None,
        variables: Vec::new(),
        warnings: warnings.iter().map(ProblemRecord::from).collect(),
        verification: None,
    }
}

fn store_record(sealed: Sealed, contents: Contents, placement: &Placement) -> StoreRecord {
    StoreRecord {
        manifest: sealed.path,
        url: placement.url.clone(),
        local: placement.local,
        digest: sealed.digest,
        size: sealed.size,
        reference_count: contents.references,
        inlined_bytes: contents.inlined_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NetCDF classic file with nothing in it.
    const EMPTY: &[u8] = b"CDF\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn a_file_that_changes_while_it_is_read_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tas.nc");
        fs::write(&path, EMPTY).unwrap();
        let as_walked = SourceFile::of(&path).unwrap();
        assert!(index_file(&as_walked).is_ok());
        let before = SourceFile { mtime_ns: as_walked.mtime_ns - 1, ..as_walked };
        let error = index_file(&before).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::Io, Some(path.as_path())));
    }
}
