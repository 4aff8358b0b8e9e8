//! The dataset as an Icechunk repository: Zarr V3 with references in manifests that readers fetch as they need
//! them, for datasets that are too large for one reference file, and with a history.
//!
//! Format: <https://icechunk.io/en/stable/spec/>, version 2. Chunks of the source files are virtual chunks in
//! named containers (see `containers`), so that a replica changes one line of the configuration; inlined
//! arrays and seams are native chunks. A repository says what [`reference_json`](super::reference_json) says,
//! but for the keys of chunks. See `docs/design/014-icechunk.md`.

mod containers;
mod content;
mod repository;
mod stage;
#[cfg(test)]
mod tests;
mod turn;

use std::path::Path;

use sha2::{Digest, Sha256};

use self::containers::Container;
use self::content::Content;
use self::repository::{Repository, Tip};
use self::stage::Stage;
use self::turn::Turn;
use super::artefact::{Artefact, Sources};
use super::seal::hex;
use crate::model::error::{Code, Error, Result};
use crate::model::icechunk::{FEWEST_KEPT, Options};
use crate::model::virtual_dataset::VirtualDataset;

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
        match self.stage {
            Some(stage) => stage.publish()?,
            None => stage::make_certain(&self.artefact.path)?,
        }
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

/// Writes what [`write()`] would put at `target`, and leaves that as it is until the result is published.
pub fn prepare(
    target: &Path,
    dataset: &VirtualDataset,
    sources: &Sources,
    options: &Options,
) -> Result<Prepared> {
    if options.keep < FEWEST_KEPT {
        return Err(Error::new(
            Code::Configuration,
            format!("an Icechunk repository that keeps {} snapshots", options.keep),
        )
        .with_hint("keep 2 at least: readers go on with the one before"));
    }
    let turn = Turn::take(target)?;
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
        _ => Some(Stage::new(target, turn)?),
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
        snapshot: Some(snapshot),
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

/// Writes the repository at `path` with the files at `locations`, of `reference_count` references, to be put
/// in its place; its snapshots stay, and all lead there. None where it has several containers, or where
/// the files are not all in one directory, so that what they share was another part of their old URLs.
pub fn relocate(path: &Path, locations: &[&str], reference_count: u64) -> Result<Option<Prepared>> {
    let turn = Turn::take(path)?;
    let tip = Repository::open(path, path)?;
    let (known, Tip { snapshot, content }) = (tip.containers(), tip.tip()?);
    let Some(content) = content else { return Err(not_ours(path)) };
    let prefix = containers::shared_directory(locations)?;
    let ([Container { name, prefix: old }], Some(prefix)) = (&known[..], prefix) else {
        return Ok(None);
    };
    // An earlier snapshot may have had files elsewhere, too, so that the container lies above these.
    if containers::last_name(old) != containers::last_name(prefix) {
        return Ok(None);
    }
    let containers = [Container { name: name.clone(), prefix: prefix.to_owned() }];
    let stage = Stage::new(path, turn)?;
    Repository::open(stage.path(), path)?.configure(&containers, None)?;
    let artefact = Artefact {
        path: path.to_owned(),
        digest: said(&content, &containers),
        size: stage.tidy()?,
        reference_count,
        snapshot: Some(snapshot),
        unchanged: false,
    };
    Ok(Some(Prepared { stage: Some(stage), artefact }))
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
