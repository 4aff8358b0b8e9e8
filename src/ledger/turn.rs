//! Taking turns: of several scans of trees with one ledger, one runs.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::file;
use crate::emit::directory;
use crate::model::error::{Code, Error, Result};

/// How often to look whether another is done.
const PAUSE: Duration = Duration::from_millis(200);

/// The turn of this process, which ends with it, however that ends.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Takes the turn for the ledger at `ledger`, waiting at most `patience` for it; none where another
    /// process has it still.
    pub fn take(ledger: &Path, patience: Option<Duration>) -> Result<Option<Self>> {
        let ledger = file::absolute(ledger)?;
        let path = lock_path(&ledger);
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Code::Ledger, format!("cannot lock the ledger: {error}"))
                .in_file(&ledger)
                .with_hint("choose another place with `--ledger FILE`")
        };
        if let Some(directory) = path.parent() {
            directory::create_all(directory).map_err(|error| failed(&error))?;
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = open.map_err(|error| failed(&error))?;
        let begin = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { _lock: lock })),
                Err(Errno::AGAIN) if begin.elapsed() < patience.unwrap_or_default() => {
                    thread::sleep(PAUSE);
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(failed(&error)),
            }
        }
    }
}

/// Beside the ledger, for the ledger itself is SQLite's to lock.
fn lock_path(ledger: &Path) -> PathBuf {
    let mut path = OsString::from(ledger);
    path.push(".lock");
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_until_it_is_done() {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("state/ledger.sqlite");
        let take = |patience| Turn::take(&ledger, patience).unwrap();
        let turn = take(None).unwrap();
        assert!(take(None).is_none());
        assert!(take(Some(Duration::from_millis(300))).is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| take(Some(Duration::from_mins(1))).is_some());
            thread::sleep(Duration::from_millis(100));
            drop(turn);
            assert!(waiting.join().unwrap());
        });
        assert!(take(None).is_some());
    }
}
