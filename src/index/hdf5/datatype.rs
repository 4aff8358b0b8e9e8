//! Datatype messages (section IV.A.2.d): the type of the elements of a dataset or attribute.

use super::cursor::Cursor;
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Error, Result};

/// The type of the elements of a dataset or attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// A number as every netCDF reader knows it.
    Number(DataType),
    /// Text of a fixed number of bytes.
    FixedString(u32),
    /// Text of any length, in the global heap.
    VariableString,
    /// The address of another object of the file.
    ObjectReference,
    /// A sequence of any length, in the global heap.
    Sequence(Box<Datatype>),
    /// A class of types that cannot be a variable here; its name, for messages.
    Other(&'static str),
}

impl Datatype {
    /// Reads the message `at`.
    pub fn read(mut at: Cursor) -> Result<Self> {
        let class_and_version = at.u8()?;
        let (class, version) = (class_and_version & 0x0f, class_and_version >> 4);
        if !(1..=5).contains(&version) {
            return Err(Error::unsupported(format!("version {version} of the datatype message")));
        }
        let bits = at.uint(3)?;
        let size = at.u32()?;
        let kind = bits & 0x0f;
        Ok(match class {
            0 => Self::Number(fixed_point(&mut at, bits, size)?),
            1 => Self::Number(floating_point(&mut at, bits, size)?),
            2 => Self::Other("time"),
            3 => Self::FixedString(size),
            4 => Self::Other("bit field"),
            5 => Self::Other("opaque"),
            6 => Self::Other("compound"),
            7 if kind == 0 => Self::ObjectReference,
            7 => Self::Other("region reference"),
            8 => Self::Other("enumeration"),
            9 if kind == 1 => Self::VariableString,
            9 => Self::Sequence(Box::new(Self::read(at)?)),
            10 => Self::Other("array"),
            11 => Self::Other("complex"),
            _ => return Err(Error::unsupported(format!("datatype class {class}"))),
        })
    }

    /// The type of a netCDF variable with such elements.
    pub fn as_variable(&self) -> Result<DataType> {
        match self {
            Self::Number(dtype) => Ok(*dtype),
            Self::FixedString(1) => Ok(DataType::Text(1)),
            Self::VariableString => Ok(DataType::String),
            Self::FixedString(size) => {
                Err(Error::unsupported(format!("a variable of fixed strings of {size} bytes")))
            }
            Self::ObjectReference => Err(Error::unsupported("a variable of object references")),
            Self::Sequence(_) => Err(Error::unsupported("a variable of variable-length sequences")),
            Self::Other(class) => {
                Err(Error::unsupported(format!("a variable of the {class} datatype class")))
            }
        }
    }
}

fn fixed_point(at: &mut Cursor, bits: u64, size: u32) -> Result<DataType> {
    let order = if bits & 1 == 0 { ByteOrder::Little } else { ByteOrder::Big };
    let (offset, precision) = (at.u16()?, at.u16()?);
    let bytes = match size {
        1 | 2 | 4 | 8 if offset == 0 && u32::from(precision) == 8 * size => size.to_le_bytes()[0],
        _ => {
            return Err(Error::unsupported(format!(
                "an integer of {precision} bits at bit {offset} of {size} bytes"
            )));
        }
    };
    let signed = bits & 8 != 0;
    Ok(if signed { DataType::Int(bytes, order) } else { DataType::UInt(bytes, order) })
}

/// Only the IEEE 754 formats are numbers to every reader.
fn floating_point(at: &mut Cursor, bits: u64, size: u32) -> Result<DataType> {
    let order = match (bits & 1, bits >> 6 & 1) {
        (0, 0) => ByteOrder::Little,
        (1, 0) => ByteOrder::Big,
        _ => return Err(Error::unsupported("VAX byte order")),
    };
    let sign = bits >> 8 & 0xff;
    let (offset, precision) = (at.u16()?, at.u16()?);
    let (exponent_at, exponent_size) = (at.u8()?, at.u8()?);
    let (mantissa_at, mantissa_size) = (at.u8()?, at.u8()?);
    let exponent_bias = at.u32()?;
    let format = (precision, sign, exponent_at, exponent_size, mantissa_size, exponent_bias);
    let bytes = match (size, format) {
        (2, (16, 15, 10, 5, 10, 15)) => 2,
        (4, (32, 31, 23, 8, 23, 127)) => 4,
        (8, (64, 63, 52, 11, 52, 1023)) => 8,
        _ => 0,
    };
    if bytes == 0 || offset != 0 || mantissa_at != 0 {
        return Err(Error::unsupported(format!(
            "a floating-point format of {size} bytes that is not IEEE 754"
        )));
    }
    Ok(DataType::Float(bytes, order))
}
