//! What the ledger says about datasets, stores, files and problems.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::path_text;
use crate::discover::SourceFile;
use crate::model::error::Error;
use crate::model::format::Format;
use crate::model::multihash::Multihash;
use crate::model::verdict::{Cost, Verdict};

/// A dataset version: what it is, what became of it, and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRecord {
    /// Dataset ID with version, and what tells this store from others of the same dataset.
    pub instance_id: String,
    /// Dataset ID with version, under which it is published.
    pub dataset_id: String,
    /// Instance ID without version.
    pub master_id: String,
    /// Project, such as `CMIP6`.
    pub project: String,
    /// Version as the directory says, such as `v20190308`.
    pub version: String,
    /// Whether the directory names a version at all.
    pub versioned: bool,
    /// The version directory.
    pub directory: PathBuf,
    /// The time that the store covers.
    pub period: Option<Period>,
    /// What became of it.
    pub status: Status,
    /// Why there is no store; given exactly when it was refused or failed.
    pub error: Option<ProblemRecord>,
    /// Text that changes when the same files would give another manifest.
    pub recipe: String,
    /// The files in the order of time; those of which the store has nothing come last.
    pub files: Vec<FileRecord>,
    /// The store on disk.
    pub store: Option<StoreRecord>,
    /// Variables in the order of the store.
    pub variables: Vec<VariableRecord>,
    /// What did not keep it from being built, but should be known.
    pub warnings: Vec<ProblemRecord>,
    /// What its files could do better, which the store makes up for.
    pub notes: Vec<ProblemRecord>,
    /// What verifying its store found the last time; recording the dataset forgets it.
    pub verification: Option<VerificationRecord>,
    /// The last time that the store was replaced because files of the same names are others.
    pub replacement: Option<Replacement>,
    /// The latest later version of the dataset; only told, never recorded.
    pub superseded_by: Option<String>,
}

impl DatasetRecord {
    /// Where its store may be advertised, and the manifest's digest there; none where there is no store
    /// of the whole, nobody could reach it, or nobody knows it by a published ID.
    #[must_use]
    pub fn advertisable(&self) -> Option<(&str, &str)> {
        let is_there = !matches!(self.status, Status::Gone | Status::Retracted);
        let store = self.store.as_ref().filter(|store| is_there && self.versioned && !store.local);
        let manifest = store?.manifest.as_ref()?;
        Some((manifest.url.as_deref()?, &manifest.digest))
    }

    /// The other forms of its store that may be advertised, with their URLs: none where the store itself may
    /// not be.
    pub fn advertisable_artefacts(&self) -> impl Iterator<Item = (&ArtefactRecord, &str)> {
        let store = self.store.as_ref().filter(|_| self.advertisable().is_some());
        let artefacts = store.map_or(&[][..], |store| store.artefacts.as_slice());
        artefacts.iter().filter_map(|artefact| Some((artefact, artefact.url.as_deref()?)))
    }

    /// The manifest of its store, if there is one of the whole.
    #[must_use]
    pub fn manifest(&self) -> Option<&WrittenFile> {
        self.store.as_ref()?.manifest.as_ref()
    }

    fn parts_of(&self, kind: PartKind) -> impl Iterator<Item = String> {
        let stores = self.store.iter();
        stores.flat_map(move |store| store.parts_of(kind)).map(path_text::to_text)
    }

    /// The short form that `list --json` prints.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        Listing {
            id: &self.instance_id,
            dataset_id: &self.dataset_id,
            status: self.status,
            superseded_by: self.superseded_by.as_deref(),
            changed_in_place: self.replacement.as_ref(),
            reason: self.error.as_ref().map(ProblemRecord::reason),
            manifest: self.manifest().map(|manifest| path_text::to_text(&manifest.path)),
            url: self.manifest().and_then(|manifest| manifest.url.as_deref()),
            segments: self.parts_of(PartKind::Segment).collect(),
            seams: self.parts_of(PartKind::Seams).next(),
            artefacts: self.store.iter().flat_map(|store| &store.artefacts).collect(),
            files: self.files.iter().map(|file| path_text::to_text(&file.source.path)).collect(),
            variables: &self.variables,
            verified: self.verification.as_ref(),
        }
    }
}

/// One line of `list --json`; paths are as [`path_text`] writes them.
#[derive(Clone, Debug, Serialize)]
pub struct Listing<'a> {
    /// The instance ID.
    pub id: &'a str,
    /// The ID under which the dataset is published.
    pub dataset_id: &'a str,
    /// What became of the dataset.
    pub status: Status,
    /// The latest later version.
    pub superseded_by: Option<&'a str>,
    /// The last time that the store was replaced because files of the same names are others.
    pub changed_in_place: Option<&'a Replacement>,
    /// Why there is no store, see [`ProblemRecord::reason`].
    pub reason: Option<String>,
    /// Path of the manifest.
    pub manifest: Option<String>,
    /// Where the manifest is published.
    pub url: Option<&'a str>,
    /// Paths of the manifests of parts of the dataset, in the order of time, where one regular grid
    /// cannot hold all files.
    pub segments: Vec<String>,
    /// Path of the file with chunks encoded anew, if there is one.
    pub seams: Option<String>,
    /// Paths of the store in other forms, by form.
    #[serde(serialize_with = "serialize_artefacts")]
    pub artefacts: Vec<&'a ArtefactRecord>,
    /// Paths of the files in the order of time.
    pub files: Vec<String>,
    /// Verdicts by name of the variable.
    #[serde(serialize_with = "serialize_variables")]
    pub variables: &'a [VariableRecord],
    /// What verifying the store found the last time.
    pub verified: Option<&'a VerificationRecord>,
}

/// A NetCDF file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The file as it was when it was indexed.
    pub source: SourceFile,
    /// Its checksum, as the mapfile had it.
    pub checksum: Option<Multihash>,
    /// The time steps of the file that the store has; none where there is no store or no time.
    pub steps: Option<Range<u64>>,
    /// Its attribute `tracking_id`.
    pub tracking_id: Option<String>,
}

impl From<SourceFile> for FileRecord {
    fn from(source: SourceFile) -> Self {
        Self { source, checksum: None, steps: None, tracking_id: None }
    }
}

/// A variable of a store, how it got into it, and what that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRecord {
    /// Its name.
    pub name: String,
    /// How it got into the store.
    pub verdict: Verdict,
    /// What that takes.
    pub cost: Cost,
}

/// What was written for a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRecord {
    /// The manifest of the whole; none where only segments can hold the dataset.
    pub manifest: Option<WrittenFile>,
    /// Whether it refers to local paths, and so must never be advertised.
    pub local: bool,
    /// Number of byte ranges it refers to.
    pub reference_count: u64,
    /// Bytes of data copied into it.
    pub inlined_bytes: u64,
    /// Whether its manifest is Zarr V3 alone, with the chunk keys that V3 has by default.
    pub v3_only: bool,
    /// What belongs to it beside the manifest.
    pub parts: Vec<PartRecord>,
    /// The same dataset in other forms.
    pub artefacts: Vec<ArtefactRecord>,
    /// When it was written; the ledger tells it, for it knows what was there before.
    pub times: Option<StoreTimes>,
}

/// A store in another form than that of its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtefactRecord {
    /// The form.
    pub format: Format,
    /// Where it is.
    pub path: PathBuf,
    /// Where it is published, if a data root covers it.
    pub url: Option<String>,
    /// What tells it from others of the form.
    pub digest: String,
    /// Bytes of its files.
    pub size: u64,
    /// Number of byte ranges it refers to.
    pub reference_count: u64,
    /// The state of an Icechunk repository that it is.
    pub snapshot: Option<String>,
    /// When it was written; the ledger tells it.
    pub times: Option<StoreTimes>,
}

/// When a store was written, in UTC as ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreTimes {
    /// When the dataset got its first store.
    pub created_at: String,
    /// When it got this one.
    pub updated_at: String,
}

/// The time that a store covers, as ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first time step.
    pub start: String,
    /// Its last time step.
    pub end: String,
}

/// That a store took the place of another, because files of the same names are others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replacement {
    /// When, in UTC as ISO 8601; the ledger tells it.
    pub at: String,
    /// The digest of the store before.
    pub old_digest: String,
    /// The digest of the store since.
    pub new_digest: String,
}

/// What the publisher is to be told about a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// By which it is acknowledged.
    pub id: i64,
    /// Whether the store is to be added, or replaced; otherwise it is to be removed.
    pub adds: bool,
    /// Where the manifest is, or was.
    pub url: String,
    /// Whether the publisher is known to have it.
    pub acknowledged: bool,
    /// Other forms of the store that the publisher may have, and that are there no more, with their URLs.
    pub withdrawn: Vec<(Format, String)>,
}

/// A file that belongs to a store beside its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// What it is.
    pub kind: PartKind,
    /// The file.
    pub written: WrittenFile,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is published, if a data root covers it.
    pub url: Option<String>,
    /// SHA-256 of its content in hexadecimal digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// What a part of a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// The manifest of some of the files, in both Zarr formats; in the order of time.
    Segment,
    /// Chunks encoded anew.
    Seams,
}

impl PartKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Seams => "seams",
        }
    }
}

impl StoreRecord {
    /// Paths of the parts of this kind, in order.
    pub fn parts_of(&self, kind: PartKind) -> impl Iterator<Item = &Path> {
        self.parts
            .iter()
            .filter(move |part| part.kind == kind)
            .map(|part| part.written.path.as_path())
    }

    /// All files of the store, what others refer to behind them.
    pub fn files(&self) -> impl Iterator<Item = &WrittenFile> {
        self.manifest.iter().chain(self.parts.iter().map(|part| &part.written))
    }

    /// The artefact of this form.
    #[must_use]
    pub fn artefact(&self, format: Format) -> Option<&ArtefactRecord> {
        self.artefacts.iter().find(|artefact| artefact.format == format)
    }

    /// Paths of all that belongs to it.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let artefacts = self.artefacts.iter().map(|artefact| artefact.path.as_path());
        self.files().map(|file| file.path.as_path()).chain(artefacts)
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.files().next()?.path.parent()
    }

    /// The digest by which the store is told from one built anew.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.files().next().map_or("", |written| &written.digest)
    }
}

/// What verifying a store found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerificationRecord {
    /// When it was found, in UTC as ISO 8601.
    pub at: String,
    /// The version of this program that did it.
    pub version: String,
    /// `sample` or `all`.
    pub mode: String,
    /// Whether byte ranges were fetched from their URLs.
    pub http: bool,
    /// `verified`, `different` or `incomplete`.
    pub outcome: String,
    /// Chunks that were compared.
    pub chunks: u64,
    /// Decoded bytes that were compared.
    pub bytes: u64,
    /// The first difference, or the first thing that could not be compared.
    pub first_difference: Option<String>,
}

/// An error or warning as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemRecord {
    /// The stable word for what went wrong.
    pub code: String,
    /// The file or directory concerned.
    #[serde(serialize_with = "path_text::serialize_option")]
    pub path: Option<PathBuf>,
    /// The variable concerned.
    pub variable: Option<String>,
    /// What was wrong.
    pub message: String,
    /// A way out.
    pub hint: Option<String>,
}

impl ProblemRecord {
    /// All but the way out on one line, the code first, so that programs can match it:
    /// ``truncated: `/data/tas.nc`: variable `tas`: the file ends early``.
    #[must_use]
    pub fn reason(&self) -> String {
        let path = self.path.as_deref().map(|path| format!("`{}`", path_text::to_text(path)));
        let variable = self.variable.as_ref().map(|name| format!("variable `{name}`"));
        let parts = [Some(self.code.clone()), path, variable, Some(self.message.clone())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

impl From<&Error> for ProblemRecord {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            path: error.path().map(Path::to_owned),
            variable: error.variable().map(str::to_owned),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// Whether there are runs that came to no end, because they were killed or could not use the ledger any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interruption {
    /// None.
    #[default]
    Never,
    /// One, but another has looked at datasets since and come to its end.
    Once,
    /// One, and none since has come to its end.
    Lately,
}

/// A dataset that was not found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Dataset ID with version.
    pub instance_id: String,
    /// Where it was.
    #[serde(serialize_with = "path_text::serialize")]
    pub directory: PathBuf,
    /// The manifest that may still be on disk.
    #[serde(serialize_with = "path_text::serialize_option")]
    pub manifest: Option<PathBuf>,
}

/// Datasets of a project that were not found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The project.
    pub project: String,
    /// How many were not found.
    pub lost: u64,
    /// Of how many.
    pub known: u64,
}

/// What was done with a ledger since a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The ledger does not know that run.
    Unknown,
    /// Nothing.
    Nothing,
    /// The last run since has not ended: it is at work, or was killed.
    Unfinished,
    /// The last run since ended with this exit code.
    Ended(u8),
}

/// What a run looked at, to tell a dataset that is gone from one that was not looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// Directories that were walked completely.
    pub roots: &'a [PathBuf],
    /// Directories among them that could not be read: what they hold is unknown, not gone.
    pub unread: &'a [PathBuf],
    /// Projects that were looked for; none means all.
    pub projects: &'a [String],
}

/// Which datasets to list; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those of which a later version is known.
    pub superseded: bool,
    /// Not those of which the publisher is known to have the store as it is.
    pub unadvertised: bool,
    /// Only those published under one of these IDs, or with one of them for their own; none means all.
    pub ids: Vec<String>,
    /// Only those of this project.
    pub project: Option<String>,
    /// Only those whose directory is this one or below it.
    pub below: Option<PathBuf>,
}

/// How many datasets a run built, left alone, refused, ...
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Stores written.
    pub built: u64,
    /// Datasets that had not changed since an earlier run, whatever their status.
    pub unchanged: u64,
    /// Datasets of which no store could equal the files.
    pub refused: u64,
    /// Datasets that could not be read or written.
    pub failed: u64,
    /// Datasets that were not found again.
    pub gone: u64,
}

/// What became of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its store exists.
    Built,
    /// Read and understood, but no store could equal the files.
    Refused,
    /// Could not be read or written.
    Failed,
    /// No longer found where it was.
    Gone,
    /// Not to be built or advertised any more.
    Retracted,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Built, Self::Refused, Self::Failed, Self::Gone, Self::Retracted];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Retracted => "retracted",
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something was not done.
    Error,
    /// All was done, but there is something to know.
    Warning,
    /// All was done, at a cost that other files would save.
    Note,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As `{name: verdict}`, in the order of the store.
fn serialize_variables<S: Serializer>(
    variables: &[VariableRecord],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let verdicts = variables.iter().map(|variable| (&variable.name, variable.verdict.as_str()));
    serializer.collect_map(verdicts)
}

/// As `{format: path}`.
fn serialize_artefacts<S: Serializer>(
    artefacts: &[&ArtefactRecord],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let paths = artefacts.iter().map(|it| (it.format.as_str(), path_text::to_text(&it.path)));
    serializer.collect_map(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    #[test]
    fn an_error_keeps_all_its_details() {
        let error = Error::new(Code::UnitsDiffer, "`K` and `degC`")
            .in_file("/data/b.nc")
            .of_variable("tas")
            .with_hint("fix the units");
        assert_eq!(
            serde_json::to_value(ProblemRecord::from(&error)).unwrap(),
            serde_json::json!({
                "code": "units-differ",
                "path": "/data/b.nc",
                "variable": "tas",
                "message": "`K` and `degC`",
                "hint": "fix the units",
            })
        );
    }

    #[test]
    fn words_in_json_are_the_words_in_the_ledger() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for severity in [Severity::Error, Severity::Warning] {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
    }
}
