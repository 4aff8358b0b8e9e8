//! The report: a line of JSON for each dataset and each problem.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::ledger::{DatasetRecord, Gone, Listing, ProblemRecord, Severity, VariableRecord};
use crate::model::error::{Error, Result};

/// One line of the report.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    /// A dataset and what became of it.
    Dataset(Box<DatasetLine<'a>>),
    /// Something that belongs to no dataset.
    Problem(ProblemLine<'a>),
    /// A dataset that is no longer there.
    Gone(&'a Gone),
}

/// A dataset and what became of it.
#[derive(Debug, Serialize)]
struct DatasetLine<'a> {
    /// As in `list --json`.
    #[serde(flatten)]
    listing: Listing<'a>,
    /// Whether it is as it was at an earlier scan.
    unchanged: bool,
    /// Whether it refers to local paths.
    local: Option<bool>,
    /// Byte ranges that the store refers to.
    references: Option<u64>,
    /// Bytes of data copied into the store.
    inlined_bytes: Option<u64>,
    /// What each variable of the store takes.
    #[serde(serialize_with = "costs")]
    costs: &'a [VariableRecord],
    /// Why there is no store.
    error: Option<&'a ProblemRecord>,
    /// What else should be known.
    warnings: &'a [ProblemRecord],
    /// What the files could do better.
    notes: &'a [ProblemRecord],
}

impl<'a> DatasetLine<'a> {
    /// The line of a dataset.
    fn of(record: &'a DatasetRecord, unchanged: bool) -> Self {
        let store = record.store.as_ref();
        Self {
            listing: record.listing(),
            unchanged,
            local: store.map(|store| store.local),
            references: store.map(|store| store.reference_count),
            inlined_bytes: store.map(|store| store.inlined_bytes),
            costs: &record.variables,
            error: record.error.as_ref(),
            warnings: &record.warnings,
            notes: &record.notes,
        }
    }
}

fn costs<S: Serializer>(
    variables: &[VariableRecord],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(variables.iter().map(|variable| (&variable.name, variable.cost)))
}

/// Something that belongs to no dataset.
#[derive(Debug, Serialize)]
struct ProblemLine<'a> {
    /// How bad it is.
    severity: Severity,
    /// What it is.
    problem: &'a ProblemRecord,
}

/// Where the report goes.
pub struct Report {
    out: Option<(PathBuf, Box<dyn Write>)>,
    error: Option<Error>,
}

impl Report {
    /// A report to `path`, `-` being standard output; without a path there is none.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let out: Option<(PathBuf, Box<dyn Write>)> = match path {
            None => None,
            Some(path) if path == Path::new("-") => Some((path.into(), Box::new(io::stdout()))),
            Some(path) => {
                let file = File::create(path).map_err(|error| Error::io(&error, "create", path))?;
                Some((path.into(), Box::new(BufWriter::new(file))))
            }
        };
        Ok(Self { out, error: None })
    }

    /// Adds a dataset, `unchanged` since an earlier scan or not.
    pub fn dataset(&mut self, record: &DatasetRecord, unchanged: bool) {
        // Most scans have no report, and see many datasets.
        if self.out.is_some() {
            self.add(&Line::Dataset(Box::new(DatasetLine::of(record, unchanged))));
        }
    }

    /// Adds something that belongs to no dataset.
    pub fn problem(&mut self, severity: Severity, problem: &ProblemRecord) {
        self.add(&Line::Problem(ProblemLine { severity, problem }));
    }

    /// Adds a dataset that is no longer there.
    pub fn gone(&mut self, gone: &Gone) {
        self.add(&Line::Gone(gone));
    }

    /// Adds a line. A failure is remembered and returned at the end: it must not stop the scan.
    fn add(&mut self, line: &Line) {
        let Some((path, out)) = &mut self.out else {
            return;
        };
        let written = serde_json::to_writer(&mut *out, line)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"));
        if let Err(error) = written {
            self.error = Some(Error::io(&error, "write the report", path));
            self.out = None;
        }
    }

    /// Completes the report.
    pub fn close(mut self) -> Result<()> {
        if let Some((path, mut out)) = self.out.take() {
            out.flush().map_err(|error| Error::io(&error, "write the report", &path))?;
        }
        self.error.map_or(Ok(()), Err)
    }
}
