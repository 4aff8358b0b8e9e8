//! The verbs. [`scan`] reads as a recipe: discover, [`plan`], [`build`], record.

pub mod build;
pub mod placement;
pub mod plan;
pub mod scan;
mod store;
