//! The verbs. [`scan`] reads as a recipe: discover, [`plan`], [`build`], record.
//! `verify`, which needs the feature `netcdf`, goes from the ledger to the stores and back.

pub mod advertise;
pub mod build;
pub mod catalog;
mod decide;
pub mod ledger_check;
mod leftovers;
pub mod placement;
pub mod plan;
pub mod relocate;
pub mod retract;
pub mod scan;
mod store;
mod verifier;
#[cfg(feature = "netcdf")]
pub mod verify;
mod writer;
