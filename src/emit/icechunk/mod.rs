//! The dataset as an Icechunk repository: Zarr V3 with references in manifests that readers fetch as they need
//! them, for datasets that are too large for one reference file, and with a history.
//!
//! Format: <https://icechunk.io/en/stable/spec/>, version 2. Chunks of the source files are virtual chunks in
//! named containers (see [`containers`]), so that a replica changes one line of the configuration; inlined
//! arrays and seams are native chunks. A repository says what [`reference_json`](super::reference_json) says,
//! but for the keys of chunks. See `docs/design/014-icechunk.md`.

mod containers;
mod content;
mod repository;
mod stage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use self::containers::Container;
use self::content::Content;
use self::repository::{Repository, Tip};
use self::stage::Stage;
use super::reference_json::Locations;
use super::seal::{self, hex};
use super::temporary::TemporaryDirectory;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::VirtualDataset;

/// What a repository refers to, and what it takes in.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The source files and the seams; where readers find the file of seams does not matter.
    pub locations: Locations<'a>,
    /// Where the file of seams is now, if there is one: its chunks go into the repository.
    pub seam_path: Option<&'a Path>,
    /// When each source file was modified, in nanoseconds since 1970; only [`Checksums::LastModified`] asks.
    pub modified: &'a [i64],
}

/// What readers check before they trust a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Nothing: copies of files may have other times.
    #[default]
    None,
    /// That the server tells no later modification than there was.
    LastModified,
}

impl fmt::Display for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::LastModified => "last-modified",
        })
    }
}

impl FromStr for Checksums {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::None, Self::LastModified]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected none or last-modified instead of `{text}`"))
    }
}

/// How a repository is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many snapshots it keeps, the newest among them. With fewer than two, readers would lose what they
    /// read when it changes.
    pub keep: usize,
    /// What readers check.
    pub checksums: Checksums,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep: 3, checksums: Checksums::None }
    }
}

/// A repository that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256, in hexadecimal digits, of what it says: documents, references, bytes, and where its
    /// containers are. That of files would differ, since the IDs in them are random.
    pub digest: String,
    /// Bytes of all its files.
    pub size: u64,
    /// Chunks that are byte ranges of source files.
    pub reference_count: u64,
    /// ID of the newest snapshot.
    pub snapshot: String,
    /// Whether it was there already, and got no new snapshot.
    pub unchanged: bool,
}

/// A repository that is complete, where nobody meets it; dropped, it is gone.
#[derive(Debug)]
pub struct Prepared {
    /// None where what is published stays as it is.
    stage: Option<Stage>,
    artefact: Artefact,
}

impl Prepared {
    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.stage.as_ref().map_or(&self.artefact.path, Stage::path)
    }

    /// What it will be.
    #[must_use]
    pub fn artefact(&self) -> &Artefact {
        &self.artefact
    }

    /// Puts it in its place. Readers go on with the snapshot that they opened.
    pub fn publish(self) -> Result<Artefact> {
        self.stage.map(Stage::publish).transpose()?;
        Ok(self.artefact)
    }
}

/// Whether readers of Icechunk can follow `locations`; an error of code `unsupported` says why not.
pub fn check(locations: &[String]) -> Result<()> {
    locations.iter().try_for_each(|location| containers::check(location))
}

/// Writes `dataset` to the repository at `target`: a new one, or a new snapshot of what is there, or nothing
/// where that says the same. The directory of `target` must exist.
pub fn write(
    target: &Path,
    dataset: &VirtualDataset,
    sources: &Sources,
    options: &Options,
) -> Result<Artefact> {
    prepare(target, dataset, sources, options)?.publish()
}

/// Writes what [`write`] would put at `target`, and leaves that as it is until the result is published.
pub fn prepare(
    target: &Path,
    dataset: &VirtualDataset,
    sources: &Sources,
    options: &Options,
) -> Result<Prepared> {
    if options.keep < 2 {
        return Err(Error::new(
            Code::Configuration,
            format!("an Icechunk repository that keeps {} snapshots", options.keep),
        )
        .with_hint("keep 2 at least: readers go on with the one before"));
    }
    let is_there = target.symlink_metadata().is_ok();
    let (known, tip) = if is_there {
        let repository = Repository::open(target, target).map_err(not_readable)?;
        let tip = repository.tip().map_err(not_readable)?;
        if tip.content.is_none() {
            return Err(not_ours(target));
        }
        let has_rubbish = repository.has_rubbish(options.keep)?;
        (repository.containers(), Some((tip, has_rubbish)))
    } else {
        (Vec::new(), None)
    };
    let content = Content::new(dataset, sources, known.clone(), options.checksums)?;
    let content_digest = content.digest()?;
    let unchanged = tip.as_ref().is_some_and(|(tip, _)| {
        tip.content.as_ref() == Some(&content_digest) && known == content.containers
    });
    let stage = match &tip {
        Some((_, false)) if unchanged => None,
        _ => Some(Stage::new(target)?),
    };
    if let Some(stage) = &stage {
        let repository = if is_there {
            Repository::open(stage.path(), target)?
        } else {
            Repository::create(stage.path(), target)?
        };
        fill(repository, &content, (!unchanged).then_some(&content_digest), options.keep)?;
    }
    let place = stage.as_ref().map_or(target, Stage::path);
    let Tip { snapshot, .. } = Repository::open(place, target)?.tip()?;
    let artefact = Artefact {
        path: target.to_owned(),
        digest: said(&content_digest, &content.containers),
        size: match &stage {
            Some(stage) => stage.tidy()?,
            None => stage::size(target).map_err(|error| Error::io(&error, "read", target))?,
        },
        reference_count: content.reference_count(),
        snapshot,
        unchanged,
    };
    Ok(Prepared { stage, artefact })
}

/// Makes the repository say `content` unless it does, where there is no `digest` of it, and leaves nothing in
/// it that nobody needs.
fn fill(
    mut repository: Repository,
    content: &Content,
    digest: Option<&String>,
    keep: usize,
) -> Result<()> {
    if let Some(digest) = digest {
        repository = repository.configure(&content.containers, Some(content))?;
        repository.commit(content, digest)?;
    }
    if repository.has_rubbish(keep)? { repository.prune(keep) } else { Ok(()) }
}

/// [`Artefact::digest`] of the repository at `path`; none where it is not there or not of this program.
pub fn digest(path: &Path) -> Result<Option<String>> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let repository = Repository::open(path, path)?;
    let content = repository.tip()?.content;
    Ok(content.map(|content| said(&content, &repository.containers())))
}

/// Removes the repository at `path`: at once for readers, then for good.
pub fn remove(path: &Path) -> Result<()> {
    let (parent, _) = seal::place(path)?;
    let explain = |error| seal::explain(&error, parent, path);
    let away = TemporaryDirectory::take(path).map_err(explain)?;
    super::directory::sync(parent).map_err(explain)?;
    drop(away);
    Ok(())
}

/// Lets the containers of the repository at `path` whose URL begins with `old` begin with `new`, in all
/// snapshots. Returns the digest that it has then.
pub fn relocate(path: &Path, old: &str, new: &str) -> Result<String> {
    let repository = Repository::open(path, path)?;
    let Some(content) = repository.tip()?.content else { return Err(not_ours(path)) };
    let containers = repository.containers().into_iter().map(|Container { name, prefix }| {
        match prefix.strip_prefix(old) {
            Some(rest) => (true, Container { name, prefix: format!("{new}{rest}") }),
            None => (false, Container { name, prefix }),
        }
    });
    let (is_moved, containers): (Vec<bool>, Vec<Container>) = containers.unzip();
    if !is_moved.contains(&true) {
        let message =
            format!("no container of the repository begins with `{}`", old.escape_debug());
        return Err(Error::new(Code::Configuration, message).in_file(path));
    }
    let stage = Stage::new(path)?;
    Repository::open(stage.path(), path)?.configure(&containers, None)?;
    stage.tidy()?;
    stage.publish()?;
    Ok(said(&content, &containers))
}

/// What stands for the content and the places of containers.
fn said(content: &str, containers: &[Container]) -> String {
    let mut hash = Sha256::new_with_prefix(content);
    for Container { name, prefix } in containers {
        hash.update(format!("\n{name} {prefix}"));
    }
    hex(hash)
}

fn not_readable(error: Error) -> Error {
    error.with_hint("remove the directory: the repository is then made anew, without its history")
}

fn not_ours(path: &Path) -> Error {
    Error::new(Code::Io, "an Icechunk repository that this program did not write")
        .in_file(path)
        .with_hint("move it away, or write the stores elsewhere with --output-dir DIR")
}
