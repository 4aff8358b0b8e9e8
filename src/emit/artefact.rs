//! What a store has beside its manifest: the same dataset in other forms, each a directory.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::reference_json::Locations;
use super::set::{self, PreparedSet, SealedSet};
use crate::model::error::{Code, Error, Result};
use crate::model::format::Format;
use crate::model::icechunk::Options;
use crate::model::virtual_dataset::VirtualDataset;

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

/// What an artefact refers to, and what it takes in.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The source files and the seams.
    pub locations: Locations<'a>,
    /// Where the file of seams is now, if there is one: an Icechunk repository takes in its chunks.
    pub seam_path: Option<&'a Path>,
    /// When each source file was modified, in nanoseconds since 1970.
    pub modified: &'a [i64],
}

/// An artefact that is complete, where nobody meets it; dropped, it is gone.
#[derive(Debug)]
pub enum Prepared {
    /// Files in a directory, and how many byte ranges they refer to.
    Set(PreparedSet, u64),
    /// A repository.
    #[cfg(feature = "icechunk")]
    Icechunk(super::icechunk::Prepared),
}

impl Prepared {
    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Set(set, _) => set.path(),
            #[cfg(feature = "icechunk")]
            Self::Icechunk(repository) => repository.path(),
        }
    }

    /// Where it will be, and its digest.
    #[must_use]
    pub fn sealed(&self) -> (&Path, &str) {
        match self {
            Self::Set(set, _) => (&set.sealed().path, &set.sealed().digest),
            #[cfg(feature = "icechunk")]
            Self::Icechunk(repository) => {
                (&repository.artefact().path, &repository.artefact().digest)
            }
        }
    }

    /// Puts it in its place.
    pub fn publish(self) -> Result<Artefact> {
        match self {
            Self::Set(set, reference_count) => {
                let SealedSet { path, digest, size, unchanged } = set.publish()?;
                Ok(Artefact { path, digest, size, reference_count, snapshot: None, unchanged })
            }
            #[cfg(feature = "icechunk")]
            Self::Icechunk(repository) => repository.publish(),
        }
    }
}

/// Writes `dataset` in this `format`, to be put at `target`.
#[cfg_attr(
    not(all(feature = "parquet", feature = "icechunk")),
    allow(unused_variables, reason = "what every form needs together")
)]
pub fn prepare(
    format: Format,
    target: &Path,
    dataset: &VirtualDataset,
    sources: &Sources,
    options: &Options,
) -> Result<Prepared> {
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let (set, references) = super::parquet::prepare(target, dataset, sources.locations)?;
            Ok(Prepared::Set(set, references))
        }
        #[cfg(feature = "icechunk")]
        Format::Icechunk => {
            super::icechunk::prepare(target, dataset, sources, options).map(Prepared::Icechunk)
        }
        // Nobody can ask for it.
        _ => Err(Error::new(Code::Internal, format!("{format} is not written beside a manifest"))
            .in_file(target)),
    }
}

/// Writes the artefact at `from` with other locations of files, to be put at `target`; none where that cannot
/// be done. `relocated` gives the location for the one that was, `locations` are all that there are.
#[cfg_attr(
    not(all(feature = "parquet", feature = "icechunk")),
    allow(unused_variables, reason = "what every form needs together")
)]
pub fn relocate(
    (format, from, reference_count): (Format, &Path, u64),
    target: &Path,
    locations: &[&str],
    relocated: &mut dyn FnMut(&str) -> io::Result<String>,
) -> Result<Option<Prepared>> {
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let set = super::parquet::relocate(from, target, relocated)?;
            Ok(Some(Prepared::Set(set, reference_count)))
        }
        #[cfg(feature = "icechunk")]
        Format::Icechunk if from == target => {
            let repository = super::icechunk::relocate(from, locations, reference_count)?;
            Ok(repository.map(Prepared::Icechunk))
        }
        _ => Ok(None),
    }
}

/// Whether this `format` can refer to `locations`; an error of code `unsupported` says why not.
#[cfg_attr(
    not(all(feature = "parquet", feature = "icechunk")),
    allow(unused_variables, reason = "what every form needs together")
)]
pub fn check(format: Format, locations: &[String]) -> Result<()> {
    match format {
        #[cfg(feature = "icechunk")]
        Format::Icechunk => super::icechunk::check(locations),
        _ => Ok(()),
    }
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
        Format::Parquet => set::digest_of(path).is_ok_and(|it| it == digest),
        #[cfg(feature = "icechunk")]
        Format::Icechunk => super::icechunk::digest(path).is_ok_and(|it| it == Some(digest.into())),
        #[cfg(not(feature = "icechunk"))]
        Format::Icechunk => false,
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
        #[cfg(feature = "icechunk")]
        Format::Icechunk if is_directory() => {
            super::icechunk::digest(path).is_ok_and(|it| it.is_some())
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
