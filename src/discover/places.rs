//! Where each dataset was met.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;

use super::candidate::Candidate;
use crate::model::error::{Code, Error, Result};

/// The directory of each dataset met so far.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, PathBuf>);

impl Places {
    /// `found`, unless its dataset was met before.
    pub(super) fn first(&mut self, found: Candidate) -> Result<Candidate> {
        match self.0.entry(found.dataset.instance_id()) {
            Entry::Occupied(first) => {
                let id = first.key();
                let first = first.get().to_string_lossy();
                let message = format!("`{id}` is in `{}` already", first.escape_debug());
                Err(Error::new(Code::DuplicateId, message)
                    .in_file(found.directory)
                    .with_hint("keep one of the two, or scan one of them only"))
            }
            Entry::Vacant(place) => {
                place.insert(found.directory.clone());
                Ok(found)
            }
        }
    }
}
