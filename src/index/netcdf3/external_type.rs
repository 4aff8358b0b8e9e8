//! The types of elements, and elements of the header as values.

use crate::model::attribute::AttributeValue;
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Error, Result};

/// `nc_type`: the external types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NcType {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
    UByte,
    UShort,
    UInt,
    Int64,
    UInt64,
}

impl NcType {
    pub(super) fn new(code: u32, version: u8) -> Result<Self> {
        Ok(match code {
            1 => Self::Byte,
            2 => Self::Char,
            3 => Self::Short,
            4 => Self::Int,
            5 => Self::Float,
            6 => Self::Double,
            7 if version == 5 => Self::UByte,
            8 if version == 5 => Self::UShort,
            9 if version == 5 => Self::UInt,
            10 if version == 5 => Self::Int64,
            11 if version == 5 => Self::UInt64,
            _ => {
                return Err(Error::corrupt(format!("there is no type {code} in CDF-{version}")));
            }
        })
    }

    pub(super) fn dtype(self) -> DataType {
        match self {
            // Order means nothing in one byte; this is the one that other formats have.
            Self::Byte => DataType::Int(1, ByteOrder::Little),
            Self::UByte => DataType::UInt(1, ByteOrder::Little),
            Self::Char => DataType::Text(1),
            Self::Short => DataType::Int(2, ByteOrder::Big),
            Self::Int => DataType::Int(4, ByteOrder::Big),
            Self::Int64 => DataType::Int(8, ByteOrder::Big),
            Self::UShort => DataType::UInt(2, ByteOrder::Big),
            Self::UInt => DataType::UInt(4, ByteOrder::Big),
            Self::UInt64 => DataType::UInt(8, ByteOrder::Big),
            Self::Float => DataType::Float(4, ByteOrder::Big),
            Self::Double => DataType::Float(8, ByteOrder::Big),
        }
    }

    /// Bytes of one element.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Byte | Self::Char | Self::UByte => 1,
            Self::Short | Self::UShort => 2,
            Self::Int | Self::Float | Self::UInt => 4,
            Self::Double | Self::Int64 | Self::UInt64 => 8,
        }
    }

    /// The fill value that netCDF takes where a variable names none: `NC_FILL_BYTE` and so on.
    pub(super) fn default_fill(self) -> Vec<u8> {
        match self {
            Self::Byte => (-127i8).to_be_bytes().to_vec(),
            Self::Char => vec![0],
            Self::Short => (-32_767i16).to_be_bytes().to_vec(),
            Self::Int => (-2_147_483_647i32).to_be_bytes().to_vec(),
            Self::Float => 9.969_21e36_f32.to_be_bytes().to_vec(),
            Self::Double => 9.969_209_968_386_869e36_f64.to_be_bytes().to_vec(),
            Self::UByte => vec![255],
            Self::UShort => 65_535u16.to_be_bytes().to_vec(),
            Self::UInt => 4_294_967_295u32.to_be_bytes().to_vec(),
            Self::Int64 => (-9_223_372_036_854_775_806i64).to_be_bytes().to_vec(),
            Self::UInt64 => 18_446_744_073_709_551_614u64.to_be_bytes().to_vec(),
        }
    }

    /// The elements in `bytes` as an attribute value.
    pub(super) fn attribute_value(self, bytes: &[u8]) -> AttributeValue {
        use AttributeValue::{Double, Float, Int, UInt};
        match self {
            Self::Char => AttributeValue::Text(text(bytes)),
            Self::Byte => Int(numbers(bytes, |b| i8::from_be_bytes(b).into())),
            Self::Short => Int(numbers(bytes, |b| i16::from_be_bytes(b).into())),
            Self::Int => Int(numbers(bytes, |b| i32::from_be_bytes(b).into())),
            Self::Int64 => Int(numbers(bytes, i64::from_be_bytes)),
            Self::UByte => UInt(numbers(bytes, |b| u8::from_be_bytes(b).into())),
            Self::UShort => UInt(numbers(bytes, |b| u16::from_be_bytes(b).into())),
            Self::UInt => UInt(numbers(bytes, |b| u32::from_be_bytes(b).into())),
            Self::UInt64 => UInt(numbers(bytes, u64::from_be_bytes)),
            Self::Float => Float(numbers(bytes, f32::from_be_bytes)),
            Self::Double => Double(numbers(bytes, f64::from_be_bytes)),
        }
    }
}

fn numbers<const SIZE: usize, T>(bytes: &[u8], from: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks::<SIZE>().0.iter().map(|&element| from(element)).collect()
}

/// Text as netCDF4-python shows it, without any NUL. The format prescribes UTF-8; what is not, is
/// from the days of Latin-1.
fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::cdf::{Cdf, indexed};
    use super::super::header::NC_ATTRIBUTE;
    use super::*;

    #[test]
    fn attributes_of_every_type() {
        let header = Cdf::new(5, 0)
            .absent()
            .list(NC_ATTRIBUTE, 16)
            .attr("byte", 1, 3, &[1, 0xff, 3])
            .attr("char", 2, 4, b"ab\0\0")
            .attr("short", 3, 1, &(-2i16).to_be_bytes())
            .attr("int", 4, 1, &(-3i32).to_be_bytes())
            .attr("float", 5, 1, &1.5f32.to_be_bytes())
            .attr("double", 6, 2, [0.5f64, -0.0].map(f64::to_be_bytes).as_flattened())
            .attr("ubyte", 7, 1, &[200])
            .attr("ushort", 8, 1, &[0xff, 0xff])
            .attr("uint", 9, 1, &[0xff; 4])
            .attr("int64", 10, 1, &i64::MIN.to_be_bytes())
            .attr("uint64", 11, 1, &[0xff; 8])
            .attr("utf8", 2, 3, "é!".as_bytes())
            .attr("latin1", 2, 2, b"\xe9!")
            .attr("within", 2, 3, b"a\0b")
            .attr("empty", 2, 0, b"")
            .attr("none", 5, 0, b"")
            .absent();
        let attributes = indexed(&header.bytes).unwrap().attributes;
        let text = |text: &str| AttributeValue::Text(text.into());
        let expected = [
            ("byte", AttributeValue::Int(vec![1, -1, 3])),
            ("char", text("ab")),
            ("short", AttributeValue::Int(vec![-2])),
            ("int", AttributeValue::Int(vec![-3])),
            ("float", AttributeValue::Float(vec![1.5])),
            ("double", AttributeValue::Double(vec![0.5, -0.0])),
            ("ubyte", AttributeValue::UInt(vec![200])),
            ("ushort", AttributeValue::UInt(vec![65_535])),
            ("uint", AttributeValue::UInt(vec![u32::MAX.into()])),
            ("int64", AttributeValue::Int(vec![i64::MIN])),
            ("uint64", AttributeValue::UInt(vec![u64::MAX])),
            ("utf8", text("é!")),
            ("latin1", text("é!")),
            ("within", text("ab")),
            ("empty", text("")),
            ("none", AttributeValue::Float(Vec::new())),
        ];
        assert_eq!(attributes.iter().count(), expected.len());
        for ((name, value), (expected_name, expected)) in attributes.iter().zip(&expected) {
            assert_eq!(name, *expected_name);
            assert!(value.same(expected), "{name}: {value:?}");
        }
    }
}
