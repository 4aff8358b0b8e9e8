//! What became of each variable of a dataset.

use std::fmt;

/// How a variable is carried by a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// By byte ranges in the source files.
    Virtual,
    /// By its values, in the manifest itself.
    Inlined,
    /// By byte ranges in the source files, but for chunks that a file fills only in part though
    /// another follows: those are cut and encoded anew.
    Seamed,
}

impl Verdict {
    /// The stable word for this verdict.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Inlined => "inlined",
            Self::Seamed => "seamed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
