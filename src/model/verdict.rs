//! What became of each variable of a dataset.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

/// How a variable is carried by a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// By byte ranges in the source files.
    Virtual,
    /// By its values, in the manifest itself.
    Inlined,
    /// By byte ranges in the source files, but for chunks that had to be encoded anew.
    Seamed,
    /// By byte ranges in the source files, in several manifests of which each has some of the files:
    /// no array can hold them all.
    Segmented,
}

impl Verdict {
    /// The stable word for this verdict.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Inlined => "inlined",
            Self::Seamed => "seamed",
            Self::Segmented => "segmented",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What carrying a variable takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Byte ranges in the source files and in the file of the seams.
    pub references: u64,
    /// Stored bytes of its chunks in the source files.
    pub stored_bytes: u64,
    /// Bytes that are in the manifest itself: of values, and of chunks encoded anew as encoded.
    pub inlined_bytes: u64,
    /// Stored bytes of the chunks that are encoded anew.
    pub reencoded_bytes: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.references += other.references;
        self.stored_bytes += other.stored_bytes;
        self.inlined_bytes += other.inlined_bytes;
        self.reencoded_bytes += other.reencoded_bytes;
    }
}
