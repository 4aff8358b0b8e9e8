//! A repository takes shape where nobody meets it, and gets into its place at once or not at all.
//!
//! The crate writes files without synchronising them, replaces `repo`, which says what all others mean, and
//! deletes what it frees. None of that is for a directory with readers. So it works on a copy: a directory of
//! hard links with a hidden name. All other files have names of their own and never change; the copy is
//! published by moving its new ones over, synchronised, then `repo` by one rename. Only then what no snapshot
//! needs any more is removed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::emit::directory;
use crate::emit::seal::{self, Failure, Written};
use crate::emit::temporary::TemporaryDirectory;
use crate::model::error::Result;

use super::turn::{Turn, overtaken};

/// The file that says which others are the repository.
pub(super) const REPO: &str = "repo";

/// Copies of former `repo` files, which the crate keeps and nobody needs: the store can be made anew.
const OVERWRITTEN: &str = "overwritten";

/// Chunks that are not in a file of the dataset.
pub(super) const CHUNKS: &str = "chunks";

/// What there is beside `repo`, in the order of removal: a killed removal leaves what tells of the rest.
const KINDS: [&str; 4] = [CHUNKS, "manifests", "transactions", "snapshots"];

/// A copy of a repository to work on; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Stage {
    temporary: TemporaryDirectory,
    target: PathBuf,
    turn: Turn,
    /// The files that the repository had, if there was one.
    before: Option<BTreeSet<PathBuf>>,
}

impl Stage {
    /// A copy of the repository at `target`, or an empty directory where there is none, for whose `turn` it is.
    pub(super) fn new(target: &Path, turn: Turn) -> Result<Self> {
        let (parent, name) = seal::place(target)?;
        let explain = |error: io::Error| seal::explain(&error, parent, target);
        let temporary = TemporaryDirectory::create(parent, name).map_err(explain)?;
        let is_there = target.symlink_metadata().is_ok();
        let before = is_there.then(|| files(target)).transpose().map_err(explain)?;
        let objects =
            |files: BTreeSet<PathBuf>| files.into_iter().filter(|it| is_object(it)).collect();
        let before = before.map(objects);
        let stage = Self { temporary, target: target.to_owned(), turn, before };
        stage.before.iter().flatten().try_for_each(|file| stage.copy(file)).map_err(explain)?;
        Ok(stage)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.temporary.path()
    }

    fn copy(&self, file: &Path) -> io::Result<()> {
        let (from, to) = (self.target.join(file), self.path().join(file));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        // Not every file system has hard links.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ()))
    }

    /// Puts the copy in the place of the repository.
    pub(super) fn publish(self) -> Result<()> {
        let (parent, _) = seal::place(&self.target)?;
        let (parent, target) = (parent.to_owned(), self.target.clone());
        self.put_in_place(&parent).map_err(|failure| match failure {
            Failure::System(error) => seal::explain(&error, &parent, &target),
            Failure::Content(error) => error,
        })
    }

    /// Removes what nobody needs, and gives the number of bytes of the rest.
    pub(super) fn tidy(&self) -> Result<u64> {
        let tidied = match fs::remove_dir_all(self.path().join(OVERWRITTEN)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => size(self.path()),
        };
        let (parent, _) = seal::place(&self.target)?;
        tidied.map_err(|error| seal::explain(&error, parent, &self.target))
    }

    fn put_in_place(self, parent: &Path) -> Written<()> {
        let files = files(self.path())?;
        let Some(before) = &self.before else {
            sync(self.path(), &files)?;
            // Another that came first is not replaced: a directory with files in it never is.
            return match fs::rename(self.path(), &self.target) {
                Ok(()) => Ok(directory::sync(parent)?),
                Err(error) if is_taken(&error) => Err(overtaken(&self.target).into()),
                Err(error) => Err(error.into()),
            };
        };
        self.turn.check(&self.target)?;
        let new: BTreeSet<PathBuf> =
            files.difference(before).filter(|file| *file != Path::new(REPO)).cloned().collect();
        sync(self.path(), &new)?;
        let repo = File::open(self.path().join(REPO))?;
        repo.sync_all()?;
        Turn::keep(&repo);
        // Chunks come when what tells of them is there for certain: alone, they would not be noticed.
        let (chunks, others): (BTreeSet<_>, _) =
            new.into_iter().partition(|file| file.starts_with(CHUNKS));
        for moved in [others, chunks] {
            for file in &moved {
                let to = self.target.join(file);
                if let Some(parent) = to.parent() {
                    directory::create_all(parent)?;
                }
                fs::rename(self.path().join(file), to)?;
            }
            directories(&moved).iter().try_for_each(|it| directory::sync(&self.target.join(it)))?;
        }
        self.turn.check(&self.target)?;
        fs::rename(self.path().join(REPO), self.target.join(REPO))?;
        directory::sync(&self.target)?;
        // Of what is not freed here nothing is lost: the next change frees it.
        for kind in KINDS {
            let freed: Vec<_> =
                before.difference(&files).filter(|file| file.starts_with(kind)).collect();
            for file in &freed {
                let _ = fs::remove_file(self.target.join(file));
            }
            if !freed.is_empty() {
                let _ = directory::sync(&self.target.join(kind));
            }
        }
        self.temporary.remove();
        Ok(())
    }
}

/// Makes certain that the repository at `target` is the one that it is: whoever put it there may have been killed
/// before it was.
pub(super) fn make_certain(target: &Path) -> Result<()> {
    let (parent, _) = seal::place(target)?;
    [target, parent]
        .into_iter()
        .try_for_each(directory::sync)
        .map_err(|error| seal::explain(&error, parent, target))
}

/// Whether a directory cannot be renamed because there is one with files under the name.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Whether `file` is one of a repository. Others, such as what NFS keeps of deleted files, are left alone.
pub(super) fn is_object(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    let is_id = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_in_kind = file.parent().is_some_and(|kind| KINDS.iter().any(|it| kind == Path::new(it)));
    file == Path::new(REPO) || (is_in_kind && is_id)
}

/// The files below `top`, by their paths from there.
pub(super) fn files(top: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(top.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else {
                files.insert(path);
            }
        }
    }
    Ok(files)
}

/// Bytes of all files below `top`.
pub(super) fn size(top: &Path) -> io::Result<u64> {
    let sizes = files(top)?.into_iter().map(|file| Ok(fs::symlink_metadata(top.join(file))?.len()));
    sizes.sum()
}

/// Makes `files` below `top` certain, and the directories that they are in.
fn sync(top: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    files.iter().try_for_each(|file| File::open(top.join(file))?.sync_all())?;
    directories(files).iter().try_for_each(|it| directory::sync(&top.join(it)))
}

/// The directories of `files` and those above them.
fn directories(files: &BTreeSet<PathBuf>) -> BTreeSet<&Path> {
    files.iter().flat_map(|file| file.ancestors().skip(1)).collect()
}
