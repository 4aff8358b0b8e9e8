//! What the publisher is told about a store: a STAC asset, a patch for a catalogue, an entry of a
//! publication record.

mod asset;
mod item;
mod patch;
mod publication_record;

pub use asset::{Asset, Site, artefact_key, asset_key};
pub use item::{Collection, catalog, item};
pub use patch::{Change, patch};
pub use publication_record::{Form, annotate, dataset_id};
