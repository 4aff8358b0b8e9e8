//! What becomes of one mutant: indexed or refused, and its store as libnetcdf reads the file, or not.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vzarr_publish::combine::Limits;
use vzarr_publish::drs::Drs;
use vzarr_publish::index;
use vzarr_publish::ledger::{DatasetRecord, Gone, PartKind, Severity, WrittenFile};
use vzarr_publish::model::byte_size::ByteSize;
use vzarr_publish::model::error::{Code, Error};
use vzarr_publish::model::format::Form;
use vzarr_publish::model::on_overlap::OnOverlap;
use vzarr_publish::model::on_static_mismatch::OnStaticMismatch;
use vzarr_publish::model::portability::Portability;
use vzarr_publish::pipeline::build::Outcome;
use vzarr_publish::pipeline::placement::Sites;
use vzarr_publish::pipeline::scan::{self, Observer, Origin, Scan};
use vzarr_publish::verify::{self, Mode, Published, Scope, Written};

use crate::memory;

/// Of a project whose files may hold any variables under any name.
const DIRECTORY: &str = "E3SM/1_0/historical/1deg/atmos/native/model-output/mon/ens1/v1";

const SCOPE: Scope = Scope { mode: Mode::All, sample: 0, seed: 0, http: false };

/// How verifying calls data that a reader of the store cannot decode and says so: neither can libnetcdf, or it takes
/// a chunk that ends early for a whole one. Of records that were not counted it takes the mark for their number, see
/// `docs/design/008-netcdf-classic.md`; others than these findings count.
const UNREADABLE: [&str; 4] = [
    "neither the store can be read",
    "the store cannot be read: the size of a decoded chunk is",
    "the store cannot be read: invalid byte range",
    " in the store, [4294967295",
];

/// Whoever is told how far it got, in case it gets no further.
pub trait Progress {
    fn begins(&mut self, stage: &str);
    /// `index` or `build` ended after so many microseconds and so many bytes held at most.
    fn took(&mut self, stage: &str, microseconds: u128, bytes: usize);
}

/// Where mutants become files and stores.
pub struct Place {
    file: PathBuf,
    scan: Arc<Scan>,
}

/// How it ended: a word, and what there is to say about it.
pub type Verdict = (&'static str, String);

impl Place {
    pub fn new(top: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let directory = top.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let file = directory.join("file.nc");
        let limits = Limits {
            contiguous_chunk: "1KiB".parse::<ByteSize>()?,
            max_reencode: 100,
            on_overlap: OnOverlap::default(),
            on_static_mismatch: OnStaticMismatch::default(),
            codecs: Portability::default(),
        };
        let scan = Scan {
            origin: Origin::Trees(vec![file.clone()]),
            drs: Drs::builtin()?,
            frequencies: None,
            sites: Sites::default(),
            limits,
            form: Form::default(),
            jobs: 1,
            io_depth: 1,
            timeout: None,
            max_memory: u64::MAX,
            index_cache: None,
            force: false,
            min_age: Duration::ZERO,
            accept_gone: false,
            reports_unchanged: false,
            dry_run: false,
            checksums: false,
            verify: None,
        };
        Ok(Self { file, scan: Arc::new(scan) })
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
        let verdict = match fs::write(&self.file, bytes) {
            Ok(()) => self.build_and_compare(progress),
            Err(error) => ("failed", format!("cannot write: {error}")),
        };
        _ = fs::remove_file(&self.file);
        verdict
    }

    fn build_and_compare(&self, progress: &mut impl Progress) -> Verdict {
        progress.begins("build");
        let start = Instant::now();
        let (built, most) = memory::most_held(|| self.build());
        progress.took("build", start.elapsed().as_micros(), most);
        let record = match built {
            Err(message) => return ("failed", message),
            Ok(record) => record,
        };
        match record.error {
            Some(error) if error.code == Code::Internal.as_str() => {
                return ("panic", error.message);
            }
            Some(error) => return ("unbuilt", format!("{} {}", error.code, error.message)),
            None => {}
        }
        progress.begins("compare");
        let verdict = catch_unwind(AssertUnwindSafe(|| compare(&record)));
        if let Some(store) = &record.store {
            store.files().for_each(|written| _ = fs::remove_file(&written.path));
        }
        verdict.unwrap_or(("reader-panic", String::new()))
    }

    /// Scans the file as `vzarr-publish scan` does.
    fn build(&self) -> Result<DatasetRecord, String> {
        let mut seen = Seen::default();
        scan::scan(&self.scan, None, &mut seen, &Arc::default()).map_err(|error| error.to_string())?;
        seen.record.ok_or_else(|| seen.problems.join("; "))
    }
}

/// What a scan of one dataset says.
#[derive(Default)]
struct Seen {
    record: Option<DatasetRecord>,
    problems: Vec<String>,
}

impl Observer for Seen {
    fn finished(&mut self, outcome: &Outcome) {
        self.record = Some(outcome.record.clone());
    }

    fn problem(&mut self, _: Severity, problem: &Error) {
        self.problems.push(problem.to_string());
    }

    fn found(&mut self) {}
    fn slow(&mut self, _: &Path, _: Duration) {}
    fn unchanged(&mut self, _: &DatasetRecord) {}
    fn waits(&mut self, _: &str, _: &Path) {}
    fn retracted(&mut self, _: &str) {}
    fn gone(&mut self, _: &Gone) {}
}

fn compare(record: &DatasetRecord) -> Verdict {
    let Some(store) = &record.store else { return ("failed", "no store".to_owned()) };
    let parts = |kind| store.parts.iter().filter(move |part| part.kind == kind);
    let published = Published {
        instance_id: &record.instance_id,
        manifest: store.manifest.as_ref().map(written),
        segments: parts(PartKind::Segment).map(|part| written(&part.written)).collect(),
        seams: parts(PartKind::Seams).map(|part| written(&part.written)).next(),
        artefacts: Vec::new(),
        files: record.files.iter().map(|file| (&file.source, file.steps.clone())).collect(),
    };
    let verification = verify::verify(&published, &SCOPE);
    let is_unlike = |finding: &&Error| {
        finding.code() == Code::Different
            && !UNREADABLE.iter().any(|unreadable| finding.message().contains(unreadable))
    };
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

/// Whether texts differ by NULs, by bytes that are not UTF-8, or by what lies behind them: the crate `netcdf`
/// ends them at the first NUL, puts U+FFFD for bytes that are not UTF-8, and reads on behind texts of a fixed
/// length that fill it, where libnetcdf puts no NUL; netCDF4-python reads them as the store has them.
fn is_of_text(finding: &Error) -> bool {
    let message = finding.message();
    let both = |rest: &'static str, of_theirs| {
        let (ours, theirs) = message.split_once(rest)?;
        let begin = ours.find(" is ")? + " is ".len();
        Some((ours[begin..].to_owned(), theirs.trim_end_matches(of_theirs).to_owned()))
    };
    let values = both(", after the file it would be ", "")
        .or_else(|| both(" in the store, ", " in the file"));
    values.is_some_and(|(ours, theirs)| {
        let [own, other] = [&ours, &theirs].map(|text| text.trim_end_matches(['"', ']']));
        let is_text = ours.starts_with('"') || ours.starts_with("[\"");
        // What is UTF-8 up to a NUL need not be so behind it, and is Latin-1 in the store then.
        let as_latin1: String = other.trim_start_matches('"').bytes().map(char::from).collect();
        // Some messages show values as JSON has them, others escape more.
        let shown = [format!("\"{as_latin1}"), format!("\"{}", as_latin1.escape_debug())];
        let is_begun = own.starts_with(other) || shown.iter().any(|shown| own.starts_with(shown));
        is_text && (other.contains('\u{fffd}') || other.starts_with(own) || is_begun)
    })
}

fn written(file: &WrittenFile) -> Written<'_> {
    Written { path: &file.path, target: &file.path, url: None, digest: &file.digest }
}
