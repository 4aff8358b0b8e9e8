//! Walking published trees, or reading mapfiles: which datasets are there, and of which files.

mod candidate;
mod listed;
pub mod mapfile;
mod places;
mod separate;
mod start;
mod walk;

pub use candidate::{Candidate, Checksums, SourceFile};
pub use listed::of_mapfiles;
pub use walk::{of_directories, walk};
