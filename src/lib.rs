//! Publish-time virtual Zarr for the Earth System Grid Federation.
//!
//! The modules are layers, lowest first; each uses only those above it in this list:
//! [`model`] nouns, [`drs`] names and places, [`discover`] walking trees, [`index`] the bytes of
//! one file, [`combine`] many files into one dataset or a refusal, [`emit`] writing stores,
//! [`verify`] reading stores back, [`ledger`] what was done, [`advertise`] what the publisher is told,
//! [`pipeline`] the verbs, [`cli`] the command line.

pub mod advertise;
pub mod cli;
pub mod combine;
pub mod discover;
pub mod drs;
pub mod emit;
pub mod index;
pub mod ledger;
pub mod model;
pub mod pipeline;
pub mod verify;
