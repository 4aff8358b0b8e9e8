//! A virtual dataset becomes a store: [`reference_json`] writes the manifest, [`seal`] puts it in
//! its place at once or not at all.

pub(crate) mod attributes;
pub mod checksums;
pub mod directory;
mod encode;
#[cfg(feature = "icechunk")]
pub mod icechunk;
pub mod reference_json;
pub mod relocation;
pub mod seal;
pub mod seams;
#[cfg_attr(
    not(feature = "icechunk"),
    allow(dead_code, reason = "directories are for repositories")
)]
mod temporary;
mod zarr_v2;
mod zarr_v3;

pub use attributes::not_kept;
