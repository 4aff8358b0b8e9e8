//! Attributes and fill values as JSON.
//!
//! JSON has no NaN and no infinity; strict readers refuse files that hold them. Fill values have
//! their own encodings in both Zarr formats; other attributes show such a number as text.

use serde_json::{Map, Value, json};

use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error};
use crate::model::virtual_dataset::VirtualDataset;

/// `attributes` but `_FillValue`, which each Zarr format keeps in its own way, and a
/// `missing_value` of NaN, which says nothing: what it would mask is NaN already.
pub fn plain(attributes: &Attributes) -> Map<String, Value> {
    let kept = attributes.iter().filter(|(name, value)| {
        *name != "_FillValue" && !(*name == "missing_value" && is_nan(value))
    });
    kept.map(|(name, value)| (name.to_owned(), value_json(value))).collect()
}

/// Attributes of `dataset` that a store shows otherwise than the files do.
#[must_use]
pub fn not_kept(dataset: &VirtualDataset) -> Vec<Error> {
    let of_arrays = dataset.arrays.iter().map(|array| (Some(&array.name), &array.attributes));
    let mut warnings = Vec::new();
    for (array, attributes) in of_arrays.chain([(None, &dataset.attributes)]) {
        for (name, value) in attributes.iter() {
            let (format, shown) = match name {
                "_FillValue" if is_text(value) => ("Zarr", "left out"),
                "_FillValue" => continue,
                "missing_value" if is_nan(value) => ("JSON", "left out"),
                _ if has_no_json(value) => ("JSON", "shown as text"),
                "scale_factor" | "add_offset" if matches!(value, AttributeValue::Float(_)) => {
                    ("JSON", "of double precision there")
                }
                _ => continue,
            };
            let changes = match shown {
                "of double precision there" => "so that readers unpack in double precision",
                _ => "which changes no value of the array",
            };
            let message = format!(
                "{format} cannot hold attribute `{name}`, {value}: it is {shown}, {changes}"
            );
            let warning = Error::new(Code::AttributeNotKept, message);
            warnings.push(match array {
                Some(array) => warning.of_variable(array),
                None => warning,
            });
        }
    }
    warnings
}

fn is_text(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Text(_) | AttributeValue::Strings(_))
}

fn has_no_json(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Float(numbers) => !numbers.iter().all(|number| number.is_finite()),
        AttributeValue::Double(numbers) => !numbers.iter().all(|number| number.is_finite()),
        _ => false,
    }
}

fn is_nan(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Float(numbers) => numbers.iter().all(|number| number.is_nan()),
        AttributeValue::Double(numbers) => numbers.iter().all(|number| number.is_nan()),
        _ => false,
    }
}

/// A single value is itself; several are a list.
pub fn value_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => json!(text),
        AttributeValue::Strings(texts) => list(texts, |text| json!(text)),
        AttributeValue::Int(numbers) => list(numbers, |number| json!(number)),
        AttributeValue::UInt(numbers) => list(numbers, |number| json!(number)),
        AttributeValue::Float(numbers) => list(numbers, |number| number_json((*number).into())),
        AttributeValue::Double(numbers) => list(numbers, |number| number_json(*number)),
    }
}

fn list<T>(items: &[T], json: impl Fn(&T) -> Value) -> Value {
    match items {
        [item] => json(item),
        items => items.iter().map(json).collect(),
    }
}

/// A number, or the name that both Zarr formats give to what JSON cannot hold.
pub fn number_json(number: f64) -> Value {
    if number.is_nan() {
        json!("NaN")
    } else if number.is_infinite() {
        json!(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(number)
    }
}

/// The bytes of one element that `value` stands for in an array of type `dtype`; `None` where it
/// has another type or is not a single value.
pub fn element_bytes(value: &AttributeValue, dtype: DataType) -> Option<Vec<u8>> {
    let mut bytes = match (value, dtype) {
        (AttributeValue::Int(v), DataType::Int(size, _)) => {
            single(v)?.to_le_bytes()[..size.into()].to_vec()
        }
        (AttributeValue::UInt(v), DataType::UInt(size, _)) => {
            single(v)?.to_le_bytes()[..size.into()].to_vec()
        }
        (AttributeValue::Float(v), DataType::Float(4, _)) => single(v)?.to_le_bytes().to_vec(),
        (AttributeValue::Double(v), DataType::Float(8, _)) => single(v)?.to_le_bytes().to_vec(),
        (AttributeValue::Text(text), DataType::Text(1)) if text.is_empty() => vec![0],
        (AttributeValue::Text(text), DataType::Text(1)) if text.len() == 1 => text.clone().into(),
        _ => return None,
    };
    if dtype.byte_order() == Some(ByteOrder::Big) {
        bytes.reverse();
    }
    Some(bytes)
}

fn single<T>(values: &[T]) -> Option<&T> {
    match values {
        [value] => Some(value),
        _ => None,
    }
}

/// The number that the bytes of one element stand for, as JSON; bytes of text are left to the
/// caller.
pub fn element_json(bytes: &[u8], dtype: DataType) -> Value {
    let mut word = [0; 8];
    let size = bytes.len().min(8);
    word[..size].copy_from_slice(&bytes[..size]);
    if dtype.byte_order() == Some(ByteOrder::Big) {
        word[..size].reverse();
    }
    let bits = u64::from_le_bytes(word);
    let unused_bits = 64 - 8 * size.max(1);
    match dtype {
        DataType::Int(..) => json!(bits.cast_signed() << unused_bits >> unused_bits),
        DataType::UInt(..) => json!(bits),
        DataType::Float(8, _) => number_json(f64::from_bits(bits)),
        DataType::Float(4, _) => {
            number_json(f32::from_le_bytes([word[0], word[1], word[2], word[3]]).into())
        }
        _ => json!(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(value_json(&AttributeValue::Int(vec![1])).to_string(), "1");
        assert_eq!(value_json(&AttributeValue::Double(vec![1.0])).to_string(), "1.0");
        let value = value_json(&AttributeValue::Float(vec![1e20]));
        assert_eq!(value.to_string(), "1.0000000200408773e+20");
        let value = value_json(&AttributeValue::Double(vec![f64::NAN, f64::NEG_INFINITY]));
        assert_eq!(value.to_string(), r#"["NaN","-Infinity"]"#);
    }

    #[test]
    fn elements_round_trip_in_both_byte_orders() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let dtype = DataType::Int(2, order);
            let bytes = element_bytes(&AttributeValue::Int(vec![-999]), dtype).unwrap();
            assert_eq!(element_json(&bytes, dtype), json!(-999));
            let dtype = DataType::Float(4, order);
            let bytes = element_bytes(&AttributeValue::Float(vec![1e20]), dtype).unwrap();
            assert_eq!(element_json(&bytes, dtype), json!(f64::from(1e20f32)));
        }
    }
}
