//! Nouns shared by all layers. Nothing here reads or writes a file.

pub mod array;
pub mod attribute;
pub mod byte_size;
pub mod calendar;
pub mod chunks;
pub mod codec;
pub mod dtype;
pub mod dyadic;
pub mod error;
pub mod format;
pub mod frequency;
pub mod icechunk;
pub mod multihash;
pub mod on_overlap;
pub mod on_static_mismatch;
pub mod portability;
pub mod span;
pub mod time_units;
pub mod verdict;
pub mod virtual_dataset;
