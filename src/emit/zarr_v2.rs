//! Zarr V2 metadata, for readers such as kerchunk's xarray backend.
//!
//! Specification: <https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html>. xarray takes
//! `fill_value` for the CF `_FillValue` there, so it is null where the files have none, and
//! `_FillValue` is not repeated among the attributes.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::codec::Codec;
use crate::model::dtype::DataType;
use crate::model::virtual_dataset::VirtualArray;

use super::attributes::{self, Members};

/// The `.zgroup` document.
pub fn group() -> Value {
    json!({"zarr_format": 2})
}

/// A `.zarray` document.
#[derive(Serialize)]
pub struct Array<'a> {
    zarr_format: u8,
    shape: &'a [u64],
    chunks: &'a [u64],
    dtype: String,
    order: &'static str,
    fill_value: Value,
    filters: Option<Vec<Value>>,
    compressor: Option<Value>,
    dimension_separator: &'static str,
}

/// The `.zarray` document of `array`, stored in chunks of `chunk_shape` through `codecs`.
pub fn array<'a>(array: &'a VirtualArray, chunk_shape: &'a [u64], codecs: &[Codec]) -> Array<'a> {
    let mut filters: Vec<Value> = codecs.iter().map(|codec| codec_json(*codec)).collect();
    // Readers expect compression in its own place where it is the last step.
    let compressor = match codecs.last() {
        Some(Codec::Zlib(_) | Codec::Zstd(_) | Codec::Bzip2(_) | Codec::Blosc(_)) => filters.pop(),
        _ => None,
    };
    if array.dtype == DataType::String {
        filters.insert(0, json!({"id": "vlen-utf8"}));
    }
    let dtype = match array.dtype {
        DataType::String => "|O".to_owned(),
        dtype => dtype.to_string(),
    };
    Array {
        zarr_format: 2,
        shape: &array.shape,
        chunks: chunk_shape,
        dtype,
        order: "C",
        fill_value: fill_value(array),
        filters: (!filters.is_empty()).then_some(filters),
        compressor,
        dimension_separator: ".",
    }
}

/// The `.zattrs` document of `array`.
pub fn array_attributes(array: &VirtualArray) -> Members<'_> {
    Members::of(&array.attributes).with_last("_ARRAY_DIMENSIONS", json!(array.dimensions))
}

fn codec_json(codec: Codec) -> Value {
    match codec {
        Codec::Shuffle(size) => json!({"id": "shuffle", "elementsize": size}),
        Codec::Zlib(level) => json!({"id": "zlib", "level": level}),
        Codec::Zstd(level) => json!({"id": "zstd", "level": level}),
        Codec::Bzip2(level) => json!({"id": "bz2", "level": level}),
        Codec::Blosc(blosc) => json!({
            "id": "blosc",
            "cname": blosc.cname,
            "clevel": blosc.clevel,
            "shuffle": blosc.shuffle as u8,
            "blocksize": blosc.blocksize,
        }),
        Codec::Fletcher32 => json!({"id": "fletcher32"}),
    }
}

/// That of text is left out: xarray from 2025.11 to 2026.7 does not open such a store.
fn fill_value(array: &VirtualArray) -> Value {
    match (array.attributes.get("_FillValue"), array.dtype) {
        (None, _) | (_, DataType::Text(_) | DataType::String) => Value::Null,
        (Some(value), _) => attributes::value_json(value),
    }
}
