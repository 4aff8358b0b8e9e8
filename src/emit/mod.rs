//! A virtual dataset becomes a store: [`reference_json`] writes the manifest, [`seal`] puts it in
//! its place at once or not at all. Other forms of it, see [`artefact`], are directories, for which
//! [`set`] does that.

pub mod artefact;
pub(crate) mod attributes;
pub mod checksums;
pub mod directory;
mod encode;
#[cfg(feature = "icechunk")]
pub mod icechunk;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod reference_json;
mod references;
pub mod relocation;
pub mod requests;
pub mod seal;
pub mod seams;
pub mod set;
mod temporary;
mod zarr_v2;
mod zarr_v3;

pub use attributes::not_kept;
