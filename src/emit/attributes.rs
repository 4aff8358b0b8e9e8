//! Attributes and fill values as JSON.
//!
//! JSON has no NaN and no infinity; strict readers refuse files that hold them. Fill values have
//! their own encodings in both Zarr formats; other attributes show such a number as text.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error};
use crate::model::virtual_dataset::VirtualDataset;

/// The members of an object: all attributes but `_FillValue`, which each Zarr format keeps in its own way,
/// and a `missing_value` of NaN, which says nothing: what it would mask is NaN already.
pub struct Members<'a> {
    attributes: &'a Attributes,
    /// A member at the end, in place of any attribute of this name.
    last: Option<(&'static str, Value)>,
}

impl<'a> Members<'a> {
    pub fn of(attributes: &'a Attributes) -> Self {
        Self { attributes, last: None }
    }

    pub fn with_last(self, name: &'static str, value: Value) -> Self {
        Self { last: Some((name, value)), ..self }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = self.last.as_ref();
        let kept = self.attributes.iter().filter(|(name, value)| {
            *name != "_FillValue"
                && !(*name == "missing_value" && is_nan(value))
                && last.is_none_or(|(last, _)| last != name)
        });
        let kept = kept.map(|(name, value)| (name, Shown::Attribute(value)));
        serializer.collect_map(kept.chain(last.map(|(name, value)| (*name, Shown::Json(value)))))
    }
}

/// A value of an object.
enum Shown<'a> {
    Attribute(&'a AttributeValue),
    Json(&'a Value),
}

impl Serialize for Shown<'_> {
    /// A single value is itself; several are a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Attribute(value) => match value {
                AttributeValue::Text(text) => text.serialize(serializer),
                AttributeValue::Strings(texts) => list(texts, serializer),
                AttributeValue::Int(numbers) => list(numbers, serializer),
                AttributeValue::UInt(numbers) => list(numbers, serializer),
                AttributeValue::Float(numbers) => {
                    let numbers: Vec<_> = numbers.iter().map(|n| Number((*n).into())).collect();
                    list(&numbers, serializer)
                }
                AttributeValue::Double(numbers) => {
                    let numbers: Vec<_> = numbers.iter().map(|n| Number(*n)).collect();
                    list(&numbers, serializer)
                }
            },
        }
    }
}

fn list<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    match items {
        [item] => item.serialize(serializer),
        items => serializer.collect_seq(items),
    }
}

/// A number, or the name that both Zarr formats give to what JSON cannot hold.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(number) = *self;
        if number.is_nan() {
            serializer.serialize_str("NaN")
        } else if number.is_infinite() {
            serializer.serialize_str(if number > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            serializer.serialize_f64(number)
        }
    }
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
    json!(Shown::Attribute(value))
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
        DataType::Float(8, _) => json!(Number(f64::from_bits(bits))),
        DataType::Float(4, _) => {
            json!(Number(f32::from_le_bytes([word[0], word[1], word[2], word[3]]).into()))
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
