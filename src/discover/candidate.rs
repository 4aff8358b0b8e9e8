//! What a walk finds.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use crate::drs::Dataset;
use crate::model::error::{Error, Result};
use crate::model::multihash::Multihash;

/// The NetCDF files of a dataset, in a directory that the DRS recognises.
#[derive(Debug)]
pub struct Candidate {
    /// What the directory, and where it holds several the names of files, say about the dataset.
    pub dataset: Dataset,
    /// Where it is: absolute, symbolic links not resolved.
    pub directory: PathBuf,
    /// The NetCDF files, sorted by name. May be empty where all are unreachable.
    pub files: Vec<SourceFile>,
    /// Why files of the dataset could not be looked at. A store made of the others would be
    /// incomplete.
    pub unreachable: Vec<Error>,
    /// What is odd but does no harm.
    pub warnings: Vec<Error>,
    /// The checksums of the files, as far as a mapfile gives them.
    pub checksums: Checksums,
}

/// Checksums by path.
pub type Checksums = BTreeMap<PathBuf, Multihash>;

/// A NetCDF file as the file system knows it; of a symbolic link, the file it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// Where it is: absolute, symbolic links not resolved.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its number in the file system.
    pub inode: u64,
}

impl SourceFile {
    /// The file at `path` as it is now.
    pub fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| Error::io(&error, "stat", path))?;
        Ok(Self::as_in(path.to_owned(), &metadata))
    }

    /// The file at `path`, of which the system says `metadata`.
    #[must_use]
    pub fn as_in(path: PathBuf, metadata: &Metadata) -> Self {
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        Self { path, size: metadata.len(), mtime_ns: nanoseconds(mtime), inode: metadata.ino() }
    }

    /// The same of what the system says in its own form.
    pub(super) fn as_in_stat(path: PathBuf, stat: &Stat) -> Self {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mtime = (stat.st_mtime, stat.st_mtime_nsec);
        Self { path, size, mtime_ns: nanoseconds(mtime), inode: stat.st_ino }
    }
}

fn nanoseconds((seconds, nanoseconds): (i64, i64)) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
