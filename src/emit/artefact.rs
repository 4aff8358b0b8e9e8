//! What a store has beside its manifest: the same dataset in other forms, each a directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::set;
use crate::model::format::Format;

/// The metadata of a set in Parquet; kerchunk's readers know no other name.
pub const METADATA: &str = ".zmetadata";

/// What the metadata of a set of ours begin with.
const BEGIN: &str = "{\"metadata\":{\".zgroup\":{\"zarr_format\":2},";

/// A form of a store that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Where it is.
    pub path: PathBuf,
    /// What tells it from others.
    pub digest: String,
    /// Bytes of its files.
    pub size: u64,
    /// Byte ranges that it refers to.
    pub reference_count: u64,
    /// The state of an Icechunk repository that it is.
    pub snapshot: Option<String>,
    /// Whether it was there already, and was left alone.
    pub unchanged: bool,
}

/// Where the artefact of this `format` belongs that goes with the manifest at `manifest`.
#[must_use]
pub fn path(manifest: &Path, format: Format) -> PathBuf {
    manifest.with_extension(format.extension())
}

/// Whether what is at `path` is as it was written.
#[must_use]
pub fn is_intact(format: Format, path: &Path, digest: &str) -> bool {
    match format {
        Format::Json => false,
        Format::Parquet | Format::Icechunk => set::digest_of(path).is_ok_and(|it| it == digest),
    }
}

/// Whether what is at `path` has so many bytes.
#[must_use]
pub fn has_size(format: Format, path: &Path, size: u64) -> bool {
    match format {
        Format::Json => false,
        Format::Parquet | Format::Icechunk => set::size_of(path).is_ok_and(|found| found == size),
    }
}

/// Whether what is at the place of an artefact was written by this program, as far as its form tells.
#[must_use]
pub fn is_ours(format: Format, path: &Path) -> bool {
    let is_directory = || fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    match format {
        Format::Parquet if is_directory() => {
            fs::read(path.join(METADATA)).is_ok_and(|found| found.starts_with(BEGIN.as_bytes()))
        }
        Format::Json | Format::Parquet | Format::Icechunk => false,
    }
}

/// Removes the artefact at `path`. Tells whether it was there.
#[must_use]
pub fn remove(format: Format, path: &Path) -> bool {
    match format {
        Format::Json => false,
        Format::Parquet | Format::Icechunk => set::remove(path),
    }
}
