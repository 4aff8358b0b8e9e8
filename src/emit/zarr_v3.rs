//! Zarr V3 metadata.
//!
//! Specification: <https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html>. Chunk keys are mostly
//! those of V2, so that both formats share one set of references. xarray takes the CF `_FillValue`
//! from the attributes there, in an encoding of its own.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::model::array::{Fill, Values};
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::codec::{Codec, Shuffling};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Error, Result};
use crate::model::virtual_dataset::{Body, VirtualArray};

use super::attributes::{self, Members};
use super::encode::base64;

/// The `zarr.json` document of a group.
#[derive(Serialize)]
pub struct Group<'a> {
    zarr_format: u8,
    node_type: &'static str,
    attributes: Members<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consolidated_metadata: Option<Consolidated<'a>>,
}

/// The documents of all arrays of a group, as zarr-python has them there.
#[derive(Serialize)]
struct Consolidated<'a> {
    kind: &'static str,
    must_understand: bool,
    #[serde(serialize_with = "by_name")]
    metadata: &'a [Array<'a>],
}

fn by_name<S: Serializer>(arrays: &[Array], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(arrays.iter().map(|array| (array.name, array)))
}

/// The document of a group; with the documents of its arrays, if there are to be any.
pub fn group<'a>(attributes: &'a Attributes, arrays: Option<&'a [Array<'a>]>) -> Group<'a> {
    Group {
        zarr_format: 3,
        node_type: "group",
        attributes: Members::of(attributes),
        consolidated_metadata: arrays.map(|metadata| Consolidated {
            kind: "inline",
            must_understand: false,
            metadata,
        }),
    }
}

/// How chunks are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As in V2: `0.0.0`.
    V2,
    /// As V3 has it by default: `c/0/0/0`.
    Default,
}

/// The `zarr.json` document of an array.
#[derive(Serialize)]
pub struct Array<'a> {
    #[serde(skip)]
    name: &'a str,
    zarr_format: u8,
    node_type: &'static str,
    shape: &'a [u64],
    data_type: Value,
    chunk_grid: Value,
    chunk_key_encoding: Value,
    fill_value: Value,
    codecs: Vec<Value>,
    attributes: Members<'a>,
    dimension_names: &'a [String],
    storage_transformers: [(); 0],
}

/// The document of `array`, stored in chunks of `chunk_shape` through `codecs`, which are called by `keys`.
pub fn array<'a>(
    array: &'a VirtualArray,
    chunk_shape: &[u64],
    codecs: &[Codec],
    keys: Keys,
) -> Array<'a> {
    let (encoding, separator) = match keys {
        Keys::V2 => ("v2", "."),
        Keys::Default => ("default", "/"),
    };
    let serializer = match (array.dtype, array.dtype.byte_order()) {
        (DataType::String, _) => json!({"name": "vlen-utf8"}),
        (_, None) => json!({"name": "bytes"}),
        (_, Some(order)) => json!({"name": "bytes", "configuration": {"endian": endian(order)}}),
    };
    let codecs = codecs.iter().map(|codec| codec_json(*codec));
    Array {
        name: &array.name,
        zarr_format: 3,
        node_type: "array",
        shape: &array.shape,
        data_type: data_type(array.dtype),
        chunk_grid: chunk_grid(array, chunk_shape),
        chunk_key_encoding: json!({
            "name": encoding,
            "configuration": {"separator": separator},
        }),
        fill_value: fill_value(array),
        codecs: std::iter::once(serializer).chain(codecs).collect(),
        attributes: array_attributes(array),
        dimension_names: &array.dimensions,
        storage_transformers: [],
    }
}

/// A regular grid or, where chunks differ in length along the first dimension, a rectilinear one:
/// <https://github.com/zarr-developers/zarr-extensions/tree/main/chunk-grids/rectilinear>.
fn chunk_grid(array: &VirtualArray, chunk_shape: &[u64]) -> Value {
    if array.is_regular() {
        return json!({"name": "regular", "configuration": {"chunk_shape": chunk_shape}});
    }
    let others = array.grid().into_iter().zip(chunk_shape).skip(1);
    let others = others.map(|(count, length)| json!([[length, count]]));
    let shapes: Vec<Value> = [run_lengths(&array.edges())].into_iter().chain(others).collect();
    json!({"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}})
}

/// Equal neighbours as `[value, count]`.
fn run_lengths(edges: &[u64]) -> Value {
    let runs = edges.chunk_by(|a, b| a == b).filter_map(|run| Some((run.first()?, run.len())));
    runs.map(|(edge, count)| if count == 1 { json!(edge) } else { json!([edge, count]) }).collect()
}

fn endian(order: ByteOrder) -> &'static str {
    match order {
        ByteOrder::Little => "little",
        ByteOrder::Big => "big",
    }
}

fn data_type(dtype: DataType) -> Value {
    let bits = |size: u8| u32::from(size) * 8;
    match dtype {
        DataType::Int(size, _) => json!(format!("int{}", bits(size))),
        DataType::UInt(size, _) => json!(format!("uint{}", bits(size))),
        DataType::Float(size, _) => json!(format!("float{}", bits(size))),
        DataType::Text(size) => {
            json!({"name": "null_terminated_bytes", "configuration": {"length_bytes": size}})
        }
        DataType::String => json!("string"),
    }
}

fn codec_json(codec: Codec) -> Value {
    match codec {
        Codec::Shuffle(size) => {
            json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": size}})
        }
        Codec::Zlib(level) => json!({"name": "numcodecs.zlib", "configuration": {"level": level}}),
        Codec::Zstd(level) => {
            json!({"name": "zstd", "configuration": {"level": level, "checksum": false}})
        }
        Codec::Bzip2(level) => json!({"name": "numcodecs.bz2", "configuration": {"level": level}}),
        Codec::Blosc(blosc) => json!({"name": "blosc", "configuration": {
            "cname": blosc.cname,
            "clevel": blosc.clevel,
            "shuffle": match blosc.shuffle {
                Shuffling::None => "noshuffle",
                Shuffling::Bytes => "shuffle",
                Shuffling::Bits => "bitshuffle",
            },
            "typesize": blosc.typesize,
            "blocksize": blosc.blocksize,
        }}),
        Codec::Fletcher32 => json!({"name": "numcodecs.fletcher32", "configuration": {}}),
    }
}

/// Checks that leaving out a `_FillValue` of text, which [`array`] does, hides nothing.
///
/// xarray refuses a whole Zarr V3 group with such a fill value. Among characters, NUL (an empty text
/// here) does no harm: it is what text is padded with, and decoding strips it anyway.
pub fn check_text_fill(array: &VirtualArray) -> Result<()> {
    let fill = match array.attributes.get("_FillValue").and_then(AttributeValue::as_text) {
        Some("") if array.dtype != DataType::String => return Ok(()),
        Some(fill) => fill,
        None => return Ok(()),
    };
    let occurs = match &array.body {
        Body::Inline(Values::Strings(strings)) => strings.iter().any(|string| string == fill),
        Body::Inline(Values::Bytes(bytes)) => {
            bytes.chunks(fill.len()).any(|element| element == fill.as_bytes())
        }
        Body::Virtual { .. } => true,
    };
    if !occurs {
        return Ok(());
    }
    Err(Error::unsupported(format!("text equal to its `_FillValue`, {fill:?}, in Zarr"))
        .with_hint("remove the attribute, or write the values as they are meant"))
}

/// What missing chunks hold; without any the value is of no concern, but the format wants one.
fn fill_value(array: &VirtualArray) -> Value {
    match (&array.fill, array.dtype) {
        (_, DataType::String) | (Fill::Undefined, DataType::Text(_)) => json!(""),
        (Fill::Value(bytes), DataType::Text(_)) => base64(bytes).into(),
        (Fill::Value(bytes), dtype) => attributes::element_json(bytes, dtype),
        (Fill::Undefined, _) => json!(0),
    }
}

fn array_attributes(array: &VirtualArray) -> Members<'_> {
    let attributes = Members::of(&array.attributes);
    // xarray refuses a whole group with a `_FillValue` of text, see `check_text_fill`.
    let is_text = matches!(array.dtype, DataType::Text(_) | DataType::String);
    match array.attributes.get("_FillValue").filter(|_| !is_text) {
        Some(value) => attributes.with_last("_FillValue", cf_fill_value(value)),
        None => attributes,
    }
}

/// `_FillValue` as xarray reads it from Zarr V3: numbers with a fraction as base64 of a
/// little-endian 64-bit number, others plain.
fn cf_fill_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Float(numbers) if numbers.len() == 1 => {
            base64(&f64::from(numbers[0]).to_le_bytes()).into()
        }
        AttributeValue::Double(numbers) if numbers.len() == 1 => {
            base64(&numbers[0].to_le_bytes()).into()
        }
        value => attributes::value_json(value),
    }
}
