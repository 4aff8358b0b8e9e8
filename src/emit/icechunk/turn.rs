//! Taking turns: of several processes that write to one repository, one does.
//!
//! The lock is on the file `repo` itself, so that nothing stays behind. What replaces it is locked before it is
//! in place: who waits for the old one meets that. Not every file system has locks, and some only within one
//! host, so who is about to replace `repo` looks whether it is still the one that was copied.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::stage::REPO;
use crate::model::error::{Code, Error, Result};

/// How often to look whether another is done, and how long.
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 20 } else { 60 });

const HINT: &str = "scan again, and let one ledger at a time write to a directory of stores";

/// The turn to write to a repository, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// What is to be replaced. Open, it is told from all others; none where there is no repository.
    repo: Option<File>,
}

impl Turn {
    /// Waits for the turn to write to the repository at `target`.
    pub(super) fn take(target: &Path) -> Result<Self> {
        let path = target.join(REPO);
        let begin = Instant::now();
        loop {
            // Over NFS only what may be written can be locked.
            let writable = OpenOptions::new().read(true).write(true).open(&path);
            let Ok(repo) = writable.or_else(|_| File::open(&path)) else {
                return Ok(Self { repo: None });
            };
            match flock(&repo, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::AGAIN) if begin.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(Errno::AGAIN) => {
                    let message = "another process is writing to this Icechunk repository";
                    return Err(Error::new(Code::Io, message).in_file(target).with_hint(HINT));
                }
                // Else it was replaced meanwhile.
                _ if is_at(&repo, &path).unwrap_or(true) => return Ok(Self { repo: Some(repo) }),
                _ => {}
            }
        }
    }

    /// An error where `repo` at `target` is not the one any more that the turn was taken for.
    pub(super) fn check(&self, target: &Path) -> Result<()> {
        match &self.repo {
            Some(repo) if is_at(repo, &target.join(REPO)).unwrap_or(false) => Ok(()),
            _ => Err(overtaken(target)),
        }
    }

    /// Keeps others from `repo`, which is about to be put in place, until it is closed.
    pub(super) fn keep(repo: &File) {
        // Without locks, see above.
        let _ = flock(repo, FlockOperation::NonBlockingLockExclusive);
    }
}

/// That another process wrote to the repository at `target` in the meantime.
pub(super) fn overtaken(target: &Path) -> Error {
    let message = "another process has written to this Icechunk repository in the meantime";
    Error::new(Code::Io, message).in_file(target).with_hint(HINT)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (file, path) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((file.dev(), file.ino()) == (path.dev(), path.ino()))
}
