//! Where each dataset was met.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::candidate::Candidate;
use crate::model::error::{Code, Error, Result};

/// The directory of each dataset met so far, in a few bytes: there may be millions.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// For the hash of each ID, the number of its directory.
    met: HashMap<[u8; 32], usize>,
    directories: Directories,
}

impl Places {
    /// `found`, unless its dataset was met before.
    pub(super) fn first(&mut self, found: Candidate) -> Result<Candidate> {
        let id = found.dataset.instance_id();
        match self.met.entry(Sha256::digest(&id).into()) {
            Entry::Vacant(place) => {
                place.insert(self.directories.push(&found.directory));
                Ok(found)
            }
            Entry::Occupied(first) => {
                let first = self.directories.get(*first.get());
                let first = first.to_string_lossy();
                let message = format!("`{id}` is in `{}` already", first.escape_debug());
                Err(Error::new(Code::DuplicateId, message)
                    .in_file(found.directory)
                    .with_hint("keep one of the two, or scan one of them only"))
            }
        }
    }
}

/// Paths that begin like the one before, as those of a walk do: each is kept without what it
/// shares with that.
#[derive(Debug, Default)]
struct Directories {
    own: Vec<u8>,
    /// Bytes shared with the path before, and where the own begin.
    parts: Vec<(usize, usize)>,
    last: Vec<u8>,
}

impl Directories {
    /// After so many paths one is kept whole, so that none takes long to put together.
    const WHOLE: usize = 64;

    /// Keeps `path`, and returns its number.
    fn push(&mut self, path: &Path) -> usize {
        let (number, path) = (self.parts.len(), path.as_os_str().as_bytes());
        let shared = self.last.iter().zip(path).take_while(|(one, other)| one == other).count();
        let shared = if number.is_multiple_of(Self::WHOLE) { 0 } else { shared };
        self.parts.push((shared, self.own.len()));
        self.own.extend_from_slice(&path[shared..]);
        path.clone_into(&mut self.last);
        number
    }

    /// The path with this `number`.
    fn get(&self, number: usize) -> PathBuf {
        let mut path = Vec::new();
        for at in number - number % Self::WHOLE..=number {
            let Some((shared, begin)) = self.parts.get(at).copied() else { continue };
            let end = self.parts.get(at + 1).map_or(self.own.len(), |(_, next)| *next);
            path.truncate(shared);
            path.extend_from_slice(self.own.get(begin..end).unwrap_or_default());
        }
        OsStr::from_bytes(&path).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_back_and_take_little() {
        let path = |number: usize| PathBuf::from(format!("/data/CMIP6/{}/v{number}", number / 10));
        let mut directories = Directories::default();
        for number in 0..1000 {
            assert_eq!(directories.push(&path(number)), number);
        }
        directories.push(Path::new("/else"));
        assert!((0..1000).all(|number| directories.get(number) == path(number)));
        assert_eq!(directories.get(1000), Path::new("/else"));
        assert!(directories.own.len() < 10 * 1000, "{}", directories.own.len());
    }
}
