//! The verbs. [`scan`] reads as a recipe: discover, [`plan`], [`build`], record; [`shard`] is its first half.
//! `verify`, which needs the feature `netcdf`, goes from the ledger to the stores and back.

pub mod advertise;
mod attempt;
pub mod build;
pub mod catalog;
mod decide;
mod inbox;
pub mod ledger_check;
mod leftovers;
pub mod placement;
pub mod plan;
mod readers;
pub mod relocate;
pub mod retract;
pub mod scan;
pub mod shard;
pub mod shard_file;
mod store;
mod turns;
mod verifier;
#[cfg(feature = "netcdf")]
pub mod verify;
mod walk;
mod watch;
mod writer;
