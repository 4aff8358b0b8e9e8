//! Attributes as netCDF shows them.

use crate::index::hdf5::attribute::Attribute;
use crate::index::hdf5::dataset::Dataset;
use crate::index::hdf5::datatype::NetcdfView;
use crate::index::hdf5::file::File;
use crate::index::hdf5::global_heap::GlobalHeap;
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::error::{Error, Result};

/// Attributes that netCDF writes for itself and never shows.
const HIDDEN: [&str; 12] = [
    "CLASS",
    "DIMENSION_LIST",
    "NAME",
    "REFERENCE_LIST",
    "_Format",
    "_IsNetcdf4",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_SuperblockVersion",
    "_nc3_strict",
    "_NCCOPY",
];

/// The attributes that netCDF shows. It passes over those of a type that it does not know, unless
/// the file defines that type elsewhere.
pub(super) fn shown(
    file: &File,
    heap: &GlobalHeap,
    attributes: &[Attribute],
    may_define_types: bool,
) -> Result<Attributes> {
    let is_shown = |attribute: &&Attribute| {
        let is_known = match attribute.datatype().netcdf_view() {
            NetcdfView::Known => true,
            NetcdfView::IfDefined => may_define_types,
            NetcdfView::Never => false,
        };
        is_known && !HIDDEN.contains(&attribute.name.as_str())
    };
    let shown = attributes.iter().filter(is_shown);
    shown.map(|attribute| Ok((attribute.name.clone(), attribute.value(file, heap)?))).collect()
}

/// The text of the attribute `name`.
pub(super) fn text_of(
    file: &File,
    heap: &GlobalHeap,
    dataset: &Dataset,
    name: &str,
) -> Result<Option<String>> {
    let value = dataset.attribute(name).map(|attribute| attribute.value(file, heap)).transpose()?;
    Ok(value.and_then(|value| value.as_text().map(str::to_owned)))
}

/// The integers of the attribute `name`.
pub(super) fn integers(
    file: &File,
    heap: &GlobalHeap,
    dataset: &Dataset,
    name: &str,
) -> Result<Option<Vec<i64>>> {
    match dataset.attribute(name).map(|attribute| attribute.value(file, heap)).transpose()? {
        Some(AttributeValue::Int(ids)) => Ok(Some(ids)),
        Some(_) => Err(Error::corrupt(format!("attribute `{name}` is not made of integers"))),
        None => Ok(None),
    }
}
