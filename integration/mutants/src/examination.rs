//! What becomes of one mutant: indexed or refused, and its store as libnetcdf reads the file, or not.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use vzarr_publish::combine::Limits;
use vzarr_publish::discover::{Candidate, Checksums, SourceFile};
use vzarr_publish::drs::{Dataset, Drs};
use vzarr_publish::index;
use vzarr_publish::ledger::{DatasetRecord, PartKind, WrittenFile};
use vzarr_publish::model::byte_size::ByteSize;
use vzarr_publish::model::error::{Code, Error};
use vzarr_publish::model::on_overlap::OnOverlap;
use vzarr_publish::model::on_static_mismatch::OnStaticMismatch;
use vzarr_publish::model::portability::Portability;
use vzarr_publish::pipeline::build::{Job, Workshop};
use vzarr_publish::pipeline::placement::Sites;
use vzarr_publish::verify::{self, Mode, Published, Scope, Written};

use crate::memory;

/// Of a project whose files may hold any variables under any name.
const DIRECTORY: &str = "E3SM/1_0/historical/1deg/atmos/native/model-output/mon/ens1/v1";

const SCOPE: Scope = Scope { mode: Mode::All, sample: 0, seed: 0, http: false };

/// How verifying calls data that neither libnetcdf nor a reader of the store can decode.
const NEITHER: &str = "neither the store can be read";

/// Whoever is told how far it got, in case it gets no further.
pub trait Progress {
    fn begins(&mut self, stage: &str);
    /// `index` or `build` ended after so many microseconds and so many bytes held at most.
    fn took(&mut self, stage: &str, microseconds: u128, bytes: usize);
}

/// Where mutants become files and stores.
pub struct Place {
    directory: PathBuf,
    drs: Drs,
    dataset: Dataset,
    limits: Limits,
}

/// How it ended: a word, and what there is to say about it.
pub type Verdict = (&'static str, String);

impl Place {
    pub fn new(top: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let directory = top.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let drs = Drs::builtin()?;
        let dataset = drs.dataset(&directory)?;
        let limits = Limits {
            contiguous_chunk: "1KiB".parse::<ByteSize>()?,
            max_reencode: 100,
            on_overlap: OnOverlap::default(),
            on_static_mismatch: OnStaticMismatch::default(),
            codecs: Portability::default(),
        };
        Ok(Self { directory, drs, dataset, limits })
    }

    pub fn examine(&self, bytes: Vec<u8>, progress: &mut impl Progress) -> Verdict {
        progress.begins("index");
        let start = Instant::now();
        let guarded = || catch_unwind(|| index::index(&bytes).map(drop));
        let (indexed, most) = memory::most_held(guarded);
        progress.took("index", start.elapsed().as_micros(), most);
        match indexed {
            Err(_) => return ("panic", "while indexing".to_owned()),
            Ok(Err(error)) => return ("refused", format!("{} {}", error.code(), error.message())),
            Ok(Ok(())) => {}
        }
        // Another file for each: HDF5 knows files by their number, and may still hold one that it gave up.
        let path = self.directory.join("file.nc");
        let verdict = match fs::write(&path, bytes) {
            Ok(()) => self.build_and_compare(&path, progress),
            Err(error) => ("failed", format!("cannot write: {error}")),
        };
        _ = fs::remove_file(&path);
        verdict
    }

    fn build_and_compare(&self, path: &Path, progress: &mut impl Progress) -> Verdict {
        progress.begins("build");
        let start = Instant::now();
        let guarded = || catch_unwind(AssertUnwindSafe(|| self.build(path)));
        let (built, most) = memory::most_held(guarded);
        progress.took("build", start.elapsed().as_micros(), most);
        let record = match built {
            Err(_) => return ("panic", "while building".to_owned()),
            Ok(Err(message)) => return ("failed", message),
            Ok(Ok(record)) => record,
        };
        if let Some(error) = record.error {
            return ("unbuilt", format!("{} {}", error.code, error.message));
        }
        progress.begins("compare");
        let verdict = catch_unwind(AssertUnwindSafe(|| compare(&record)));
        if let Some(store) = &record.store {
            store.files().for_each(|written| _ = fs::remove_file(&written.path));
        }
        verdict.unwrap_or(("reader-panic", String::new()))
    }

    fn build(&self, path: &Path) -> Result<DatasetRecord, String> {
        let source = SourceFile::of(path).map_err(|error| error.to_string())?;
        let sites = Sites::default();
        let candidate = Candidate {
            dataset: self.dataset.clone(),
            directory: self.directory.clone(),
            files: vec![source],
            unreachable: Vec::new(),
            warnings: Vec::new(),
            checksums: Checksums::new(),
        };
        let placement = sites.place(&candidate, self.limits);
        let workshop = Workshop {
            drs: &self.drs,
            sites: &sites,
            limits: self.limits,
            dry_run: false,
            checksums: false,
            verifier: None,
        };
        Ok(workshop.build(Job { candidate, placement, known: None }).record)
    }
}

fn compare(record: &DatasetRecord) -> Verdict {
    let Some(store) = &record.store else { return ("failed", "no store".to_owned()) };
    let parts = |kind| store.parts.iter().filter(move |part| part.kind == kind);
    let published = Published {
        instance_id: &record.instance_id,
        manifest: store.manifest.as_ref().map(written),
        segments: parts(PartKind::Segment).map(|part| written(&part.written)).collect(),
        seams: parts(PartKind::Seams).map(|part| written(&part.written)).next(),
        parquet: None,
        files: record.files.iter().map(|file| (&file.source, file.steps.clone())).collect(),
    };
    let verification = verify::verify(&published, &SCOPE);
    let is_unlike = |finding: &&Error| finding.code() == Code::Different && !finding.message().contains(NEITHER);
    let unlike = verification.findings.iter().find(is_unlike);
    let said = |finding: &Error| {
        let variable = finding.variable().map(|name| format!("`{}`: ", name.escape_debug()));
        format!("{}{}", variable.unwrap_or_default(), finding.message())
    };
    match (unlike, verification.first()) {
        (Some(finding), _) if is_of_text(finding) => ("equal but for text", String::new()),
        (Some(finding), _) => ("different", said(finding)),
        (None, Some(finding)) => ("unread", said(finding)),
        (None, None) => ("equal", String::new()),
    }
}

/// Whether the values of a text attribute differ by its NULs, or by bytes that are not UTF-8: the crate
/// `netcdf` ends it at the first, and puts U+FFFD for the others; netCDF4-python reads it as the store has it.
fn is_of_text(finding: &Error) -> bool {
    let message = finding.message();
    let values = message.strip_prefix("attribute `").and_then(|rest| {
        let (_, values) = rest.split_once("` is \"")?;
        values.split_once("\", after the file it would be \"")
    });
    values.is_some_and(|(ours, theirs)| {
        let theirs = theirs.trim_end_matches('"');
        theirs.contains('\u{fffd}') || ours.starts_with(theirs)
    })
}

fn written(file: &WrittenFile) -> Written<'_> {
    Written { path: &file.path, target: &file.path, url: None, digest: &file.digest }
}
