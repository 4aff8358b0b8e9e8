//! The metadata documents that a store must have for what libnetcdf shows of the files, in the
//! encoding that `docs/reading.md` describes; written from that description, not from the code that
//! writes stores.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::DataType;

/// Attributes of the group, or of an array in Zarr V2 but for `_ARRAY_DIMENSIONS`.
pub fn plain(attributes: &Attributes) -> Map<String, Value> {
    let shown = attributes.iter().filter(|(name, value)| match *name {
        "_FillValue" => false,
        // It masks nothing that is not NaN already, and JSON has no NaN.
        "missing_value" => !is_all_nan(value),
        _ => true,
    });
    shown.map(|(name, value)| (name.to_owned(), json_of(value))).collect()
}

/// Attributes of an array in Zarr V2.
pub fn of_v2_array(attributes: &Attributes, dimensions: &[String]) -> Map<String, Value> {
    let mut shown = plain(attributes);
    shown.insert("_ARRAY_DIMENSIONS".to_owned(), json!(dimensions));
    shown
}

/// Attributes of an array in Zarr V3, where `_FillValue` is one of them in xarray's encoding.
pub fn of_v3_array(attributes: &Attributes, dtype: DataType) -> Map<String, Value> {
    let mut shown = plain(attributes);
    let fill = attributes.get("_FillValue").and_then(|fill| match (fill, dtype) {
        (_, DataType::Text(_) | DataType::String) => None,
        (AttributeValue::Float(fill), _) if fill.len() == 1 => {
            Some(json!(BASE64_STANDARD.encode(f64::from(fill[0]).to_le_bytes())))
        }
        (AttributeValue::Double(fill), _) if fill.len() == 1 => {
            Some(json!(BASE64_STANDARD.encode(fill[0].to_le_bytes())))
        }
        (fill, _) => Some(json_of(fill)),
    });
    if let Some(fill) = fill {
        shown.insert("_FillValue".to_owned(), fill);
    }
    shown
}

/// `fill_value` of an array in Zarr V2, which is the `_FillValue` of the files or null.
pub fn v2_fill(attributes: &Attributes, dtype: DataType) -> Value {
    match (attributes.get("_FillValue"), dtype) {
        (None, _) | (_, DataType::Text(_) | DataType::String) => Value::Null,
        (Some(value), _) => json_of(value),
    }
}

/// One value is itself, several are a list; what JSON cannot hold is text.
fn json_of(value: &AttributeValue) -> Value {
    let mut list: Vec<Value> = match value {
        AttributeValue::Text(text) => return json!(text),
        AttributeValue::Strings(texts) => texts.iter().map(|text| json!(text)).collect(),
        AttributeValue::Int(numbers) => numbers.iter().map(|number| json!(number)).collect(),
        AttributeValue::UInt(numbers) => numbers.iter().map(|number| json!(number)).collect(),
        AttributeValue::Float(numbers) => {
            numbers.iter().map(|&number| real(number.into())).collect()
        }
        AttributeValue::Double(numbers) => numbers.iter().map(|&number| real(number)).collect(),
    };
    if list.len() == 1 { list.remove(0) } else { list.into() }
}

fn real(number: f64) -> Value {
    match number {
        _ if number.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(number),
    }
}

fn is_all_nan(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Float(numbers) => numbers.iter().all(|number| number.is_nan()),
        AttributeValue::Double(numbers) => numbers.iter().all(|number| number.is_nan()),
        _ => false,
    }
}

/// What an array is in Zarr V2, but for its fill value and the settings of compressors that decoding
/// does not need, told from its V3 document; none where V2 cannot hold it.
pub fn v2_structure(v3: &Value) -> Option<Value> {
    let is_regular = v3["chunk_grid"]["name"] == "regular";
    let chunks = v3["chunk_grid"]["configuration"].get("chunk_shape").filter(|_| is_regular)?;
    let mut codecs = v3["codecs"].as_array()?.iter();
    let serializer = codecs.next()?;
    let is_text = serializer["name"] == "vlen-utf8";
    let order = if serializer["configuration"]["endian"] == "big" { '>' } else { '<' };
    let filters = is_text.then(|| json!(["vlen-utf8", null])).into_iter();
    Some(json!({
        "zarr_format": 2,
        "shape": v3["shape"],
        "chunks": chunks,
        "dtype": numpy_type(&v3["data_type"], order)?,
        "order": "C",
        "codecs": filters.chain(codecs.map(v2_codec)).collect::<Vec<_>>(),
    }))
}

/// The same of a V2 document.
pub fn structure(v2: &Value) -> Value {
    let filters = v2["filters"].as_array().map_or(&[][..], Vec::as_slice);
    let compressor = Some(&v2["compressor"]).filter(|compressor| !compressor.is_null());
    let codec = |codec: &Value| json!([codec["id"], codec["elementsize"]]);
    json!({
        "zarr_format": v2["zarr_format"],
        "shape": v2["shape"],
        "chunks": v2["chunks"],
        "dtype": v2["dtype"],
        "order": v2["order"],
        "codecs": filters.iter().chain(compressor).map(codec).collect::<Vec<_>>(),
    })
}

fn numpy_type(data_type: &Value, order: char) -> Option<String> {
    let Some(name) = data_type.as_str() else {
        let length = data_type["configuration"]["length_bytes"].as_u64()?;
        return (data_type["name"] == "null_terminated_bytes").then(|| format!("|S{length}"));
    };
    if name == "string" {
        return Some("|O".to_owned());
    }
    let (kind, bits) = name.split_at(name.find(|c: char| c.is_ascii_digit())?);
    let kind = match kind {
        "int" => 'i',
        "uint" => 'u',
        "float" => 'f',
        _ => return None,
    };
    let size = bits.parse::<u32>().ok()? / 8;
    Some(format!("{}{kind}{size}", if size == 1 { '|' } else { order }))
}

fn v2_codec(v3: &Value) -> Value {
    let name = v3["name"].as_str().unwrap_or_default();
    let id = name.strip_prefix("numcodecs.").unwrap_or(name);
    json!([id, v3["configuration"]["elementsize"]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::ByteOrder;

    #[test]
    fn attributes_are_encoded_as_the_documentation_says() {
        let mut attributes = Attributes::default();
        attributes.push("_FillValue", AttributeValue::Float(vec![1e20]));
        attributes.push("missing_value", AttributeValue::Float(vec![f32::NAN]));
        attributes.push("valid_range", AttributeValue::Double(vec![0.0, f64::INFINITY]));
        attributes.push("flag", AttributeValue::Int(vec![1]));
        let v3 = of_v3_array(&attributes, DataType::Float(4, ByteOrder::Little));
        let expected = json!({
            "_FillValue": "AAAAgB2vFUQ=", "valid_range": [0.0, "Infinity"], "flag": 1,
        });
        assert_eq!(Value::from(v3), expected);
        let v2 = of_v2_array(&attributes, &["x".to_owned()]);
        let expected = json!({
            "_ARRAY_DIMENSIONS": ["x"], "valid_range": [0.0, "Infinity"], "flag": 1,
        });
        assert_eq!(Value::from(v2), expected);
        let fill = v2_fill(&attributes, DataType::Float(4, ByteOrder::Little));
        assert_eq!(fill, json!(f64::from(1e20f32)));
    }

    #[test]
    fn both_formats_describe_one_array() {
        let v3 = json!({
            "shape": [4, 3], "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 3]}},
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "big"}},
                {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
                {"name": "numcodecs.zlib", "configuration": {"level": 1}},
            ],
        });
        let mut v2 = json!({
            "zarr_format": 2, "shape": [4, 3], "chunks": [1, 3], "dtype": ">f4", "order": "C",
            "filters": [{"id": "shuffle", "elementsize": 4}], "compressor": {"id": "zlib", "level": 9},
        });
        assert_eq!(v2_structure(&v3), Some(structure(&v2)));
        v2["filters"][0]["elementsize"] = json!(8);
        assert_ne!(v2_structure(&v3), Some(structure(&v2)));
    }
}
