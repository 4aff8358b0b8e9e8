//! A published store, read back through its own references by an implementation of Zarr that is
//! not ours (`zarrs`), against the NetCDF files as libnetcdf reads them, bit for bit.
//!
//! What is verified must not vouch for itself: this module uses nothing of `index`, `combine` and
//! `emit`. See `docs/design/009-verify.md`.
//!
//! All but the words for the outcome and [`references`] needs the cargo feature `netcdf`.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::discover::SourceFile;
use crate::model::error::{Code, Error};
use crate::model::format::Format;

#[cfg(feature = "netcdf")]
mod cells;
#[cfg(feature = "netcdf")]
mod comparison;
#[cfg(any(feature = "netcdf", feature = "icechunk"))]
mod digest;
#[cfg(feature = "netcdf")]
mod documents;
#[cfg(feature = "netcdf")]
mod expected;
#[cfg(feature = "netcdf")]
mod fletcher32;
#[cfg(feature = "netcdf")]
mod http;
#[cfg(all(feature = "netcdf", feature = "icechunk"))]
mod icechunk;
#[cfg(feature = "netcdf")]
mod lost;
#[cfg(all(feature = "netcdf", feature = "parquet"))]
mod parquet;
#[cfg(feature = "netcdf")]
mod ranges;
#[cfg(feature = "netcdf")]
mod readback;
pub mod references;
#[cfg(feature = "icechunk")]
pub mod repository;
#[cfg(feature = "netcdf")]
mod sampling;
#[cfg(feature = "netcdf")]
mod sources;
#[cfg(feature = "netcdf")]
mod store;
#[cfg(feature = "netcdf")]
mod times;
#[cfg(feature = "netcdf")]
mod witness;

#[cfg(feature = "netcdf")]
pub use comparison::verify;

/// Random chunks of each virtual variable that a sample has unless told otherwise.
pub const SAMPLE: u64 = 10;

/// A store as the ledger knows it.
#[derive(Clone, Debug)]
pub struct Published<'a> {
    /// Its dataset ID with version.
    pub instance_id: &'a str,
    /// The manifest of the whole, if there is one.
    pub manifest: Option<Written<'a>>,
    /// Manifests of some of the files each, in the order of time, if there are any.
    pub segments: Vec<Written<'a>>,
    /// The file with chunks encoded anew, if there is one.
    pub seams: Option<Written<'a>>,
    /// The same in other forms, each a directory.
    pub artefacts: Vec<(Format, Written<'a>)>,
    /// The NetCDF files in the order of time, as they were when they were indexed, and the time steps
    /// of each that the store has; none means all.
    pub files: Vec<(&'a SourceFile, Option<Range<u64>>)>,
}

impl Published<'_> {
    /// All files of the store, what others refer to behind them.
    #[cfg(feature = "netcdf")]
    fn written(&self) -> impl Iterator<Item = &Written<'_>> {
        self.manifest.iter().chain(&self.segments).chain(&self.seams)
    }
}

/// A file of a store.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Where it is once it is published; findings name this.
    pub target: &'a Path,
    /// Where it is published, if it is.
    pub url: Option<&'a str>,
    /// SHA-256 of its content in hexadecimal digits.
    pub digest: &'a str,
}

/// How much of a store is compared, and by which way.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Which chunks.
    pub mode: Mode,
    /// For [`Mode::Sample`], random chunks of each virtual variable.
    pub sample: u64,
    /// Where the random chunks come from: the same seed chooses the same chunks.
    pub seed: u64,
    /// Whether byte ranges are fetched from their URLs instead of the local files.
    pub http: bool,
}

/// Which chunks of virtual variables are compared; inlined ones always are, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The first and the last chunk of every file, and some at random.
    Sample,
    /// Every chunk.
    All,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::All => "all",
        }
    }
}

/// What comparing a store came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was compared is equal.
    Verified,
    /// Something is not as in the files, or not as the ledger says.
    Different,
    /// Nothing was found to differ, but something could not be compared.
    Incomplete,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Different => "different",
            Self::Incomplete => "incomplete",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was compared, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Chunks of the store that were compared.
    pub chunks: u64,
    /// Decoded bytes that were compared.
    pub bytes: u64,
    /// [`Code::Different`] and [`Code::NotVerified`] in the order they were met.
    pub findings: Vec<Error>,
}

impl Verification {
    /// What the findings come to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let has = |code| self.findings.iter().any(|finding| finding.code() == code);
        match (has(Code::Different), self.findings.is_empty()) {
            (true, _) => Outcome::Different,
            (false, true) => Outcome::Verified,
            (false, false) => Outcome::Incomplete,
        }
    }

    /// The finding that the outcome rests on.
    #[must_use]
    pub fn first(&self) -> Option<&Error> {
        let different = |finding: &&Error| finding.code() == Code::Different;
        self.findings.iter().find(different).or(self.findings.first())
    }
}

/// Something of the store that is not as it should be.
#[cfg(feature = "netcdf")]
fn different(message: impl Into<String>) -> Error {
    Error::new(Code::Different, message)
}

/// Something of the store that cannot be compared.
#[cfg(feature = "netcdf")]
fn not_verified(message: impl Into<String>) -> Error {
    Error::new(Code::NotVerified, message)
}
