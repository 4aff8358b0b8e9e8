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
    /// Names for integers of this type.
    Enumeration(DataType),
    /// A class of types that cannot be a variable here; its name, for messages.
    Other(&'static str),
}

/// Whether netCDF-C shows an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetcdfView {
    /// Always.
    Known,
    /// Only if the file defines its type, by name or by a variable.
    IfDefined,
    /// It passes over it.
    Never,
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
        let address = u32::from(at.widths().offset);
        Ok(match class {
            0 => Self::Number(fixed_point(&mut at, bits, size)?),
            1 => Self::Number(floating_point(&mut at, bits, size)?),
            2 => Self::Other("time"),
            3 if size == 0 => return Err(Error::corrupt("a string type of no bytes")),
            3 => Self::FixedString(size),
            4 => Self::Other("bit field"),
            5 => Self::Other("opaque"),
            6 => Self::Other("compound"),
            7 if kind == 0 && size != address => return Err(wrong_size("a reference", size)),
            7 if kind == 0 => Self::ObjectReference,
            7 if kind == 1 => Self::Other("region reference"),
            7 => Self::Other("reference of HDF5 1.12"),
            8 => Self::enumeration(at)?,
            9 if size != 4 + address + 4 => {
                return Err(wrong_size("a value of variable length", size));
            }
            9 if kind == 1 => Self::VariableString,
            9 => Self::Sequence(Box::new(Self::read(at)?)),
            10 => Self::Other("array"),
            11 => Self::Other("complex"),
            _ => return Err(Error::unsupported(format!("datatype class {class}"))),
        })
    }

    /// An enumeration begins with the type of its values; the names that follow are of no concern.
    fn enumeration(at: Cursor) -> Result<Self> {
        match Self::read(at)? {
            Self::Number(dtype @ (DataType::Int(..) | DataType::UInt(..))) => {
                Ok(Self::Enumeration(dtype))
            }
            _ => Err(Error::corrupt("an enumeration of other than integers")),
        }
    }

    /// Whether netCDF-C shows an attribute of this type.
    #[must_use]
    pub fn netcdf_view(&self) -> NetcdfView {
        match self {
            Self::ObjectReference | Self::Other("region reference" | "reference of HDF5 1.12") => {
                NetcdfView::Never
            }
            Self::Sequence(_) | Self::Enumeration(_) | Self::Other("opaque" | "compound") => {
                NetcdfView::IfDefined
            }
            // What becomes of 16-bit numbers depends on how netCDF-C was built; they and the other
            // classes are left to be refused.
            _ => NetcdfView::Known,
        }
    }

    /// The type of a netCDF variable with such elements.
    pub fn as_variable(&self) -> Result<DataType> {
        match self {
            // NetCDF readers show the integers, and the names beside them.
            Self::Number(dtype) | Self::Enumeration(dtype) => Ok(*dtype),
            Self::FixedString(1) => Ok(DataType::Text(1)),
            Self::FixedString(_) | Self::VariableString => Ok(DataType::String),
            Self::ObjectReference => Err(Error::unsupported("a variable of object references")),
            Self::Sequence(_) => Err(Error::unsupported("a variable of variable-length sequences")),
            Self::Other(class) => {
                Err(Error::unsupported(format!("a variable of the {class} datatype class")))
            }
        }
    }
}

fn wrong_size(what: &str, size: u32) -> Error {
    Error::corrupt(format!("{what} of {size} bytes"))
}

fn fixed_point(at: &mut Cursor, bits: u64, size: u32) -> Result<DataType> {
    // A single byte has no order, whatever the file says.
    let is_big = bits & 1 == 1 && size > 1;
    let order = if is_big { ByteOrder::Big } else { ByteOrder::Little };
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

/// The most significant bit of the mantissa is not stored and always set.
const IMPLIED: u64 = 2;

/// Only the IEEE 754 formats are numbers to every reader.
fn floating_point(at: &mut Cursor, bits: u64, size: u32) -> Result<DataType> {
    let order = match (bits & 1, bits >> 6 & 1) {
        (0, 0) => ByteOrder::Little,
        (1, 0) => ByteOrder::Big,
        _ => return Err(Error::unsupported("VAX byte order")),
    };
    let (normalization, sign) = (bits >> 4 & 3, bits >> 8 & 0xff);
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
    if bytes == 0 || offset != 0 || mantissa_at != 0 || normalization != IMPLIED {
        return Err(Error::unsupported(format!(
            "a floating-point format of {size} bytes that is not IEEE 754"
        )));
    }
    Ok(DataType::Float(bytes, order))
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Widths;
    use super::*;

    fn datatype(message: &[u8]) -> Result<Datatype> {
        Datatype::read(Cursor::new(message, Widths { offset: 8, length: 8 }))
    }

    #[test]
    fn netcdf_passes_over_attributes_of_types_it_does_not_know() {
        let view =
            |class: u8| datatype(&[0x10 | class, 0, 0, 0, 8, 0, 0, 0]).unwrap().netcdf_view();
        assert_eq!(view(3), NetcdfView::Known);
        assert_eq!([5, 6].map(view), [NetcdfView::IfDefined; 2]);
        assert_eq!(view(7), NetcdfView::Never);
    }

    #[test]
    fn a_float_without_its_leading_bit_is_refused() {
        let float = |normalization: u8| {
            let bits = [0x11, normalization << 4, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0];
            datatype(&[&bits[..], &[23, 8, 0, 23, 127, 0, 0, 0]].concat())
        };
        assert_eq!(float(2).unwrap(), Datatype::Number(DataType::Float(4, ByteOrder::Little)));
        for normalization in [0, 1, 3] {
            assert!(float(normalization).is_err());
        }
    }

    #[test]
    fn references_and_sequences_have_the_size_that_they_take() {
        let sequence =
            |size, of: u8| datatype(&[0x19, 0, 0, 0, size, 0, 0, 0, 0x17, 0, 0, 0, of, 0, 0, 0]);
        assert!(sequence(16, 8).is_ok());
        assert!(sequence(8, 8).is_err() && sequence(16, 4).is_err());
    }

    #[test]
    fn a_single_byte_has_no_order() {
        let integer = |order, size: u8| {
            let message = [0x10, order, 0, 0, size, 0, 0, 0, 0, 0, 8 * size, 0];
            datatype(&message).unwrap().as_variable().unwrap()
        };
        assert_eq!(integer(1, 1), integer(0, 1));
        assert_eq!(integer(1, 2), DataType::UInt(2, ByteOrder::Big));
    }

    #[test]
    fn enumerations_are_the_integers_they_are_made_of() {
        let prefix = [0x38, 1, 0, 0, 2, 0, 0, 0];
        let shorts = [0x30, 8, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0, b'a', 0, 1, 0];
        let found = datatype(&[&prefix[..], &shorts].concat()).unwrap();
        assert_eq!(found.as_variable().unwrap(), DataType::Int(2, ByteOrder::Little));
        assert_eq!(found.netcdf_view(), NetcdfView::IfDefined);
        let strings = [0x33, 0, 0, 0, 2, 0, 0, 0];
        assert!(datatype(&[&prefix[..], &strings].concat()).is_err());
    }

    #[test]
    fn fixed_strings_of_more_than_one_byte_are_strings() {
        let string = |size| datatype(&[0x13, 0, 0, 0, size, 0, 0, 0]);
        assert_eq!(string(1).unwrap().as_variable().unwrap(), DataType::Text(1));
        assert_eq!(string(5).unwrap().as_variable().unwrap(), DataType::String);
        assert!(string(0).is_err());
    }
}
