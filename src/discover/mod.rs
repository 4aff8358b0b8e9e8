//! Walking published trees: which datasets are there, and of which files.

mod candidate;
mod separate;
mod start;
mod walk;

pub use candidate::{Candidate, SourceFile};
pub use walk::walk;
