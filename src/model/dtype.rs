//! Data types of array elements.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The type of an array's elements: those that a netCDF variable in the root group can have and a
/// Zarr reader can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// Signed integer of 1, 2, 4 or 8 bytes.
    Int(u8, ByteOrder),
    /// Unsigned integer of 1, 2, 4 or 8 bytes.
    UInt(u8, ByteOrder),
    /// IEEE 754 number of 2, 4 or 8 bytes.
    Float(u8, ByteOrder),
    /// Fixed number of bytes of text per element; netCDF `char` is one byte.
    Text(u32),
    /// Text of any length per element (netCDF `string`).
    String,
}

impl DataType {
    /// Bytes of one element, or `None` where elements differ in length.
    #[must_use]
    pub fn size(self) -> Option<u64> {
        match self {
            Self::Int(size, _) | Self::UInt(size, _) | Self::Float(size, _) => Some(size.into()),
            Self::Text(size) => Some(size.into()),
            Self::String => None,
        }
    }

    /// The byte order, for types that have one.
    #[must_use]
    pub fn byte_order(self) -> Option<ByteOrder> {
        match self {
            Self::Int(size, order) | Self::UInt(size, order) | Self::Float(size, order)
                if size > 1 =>
            {
                Some(order)
            }
            _ => None,
        }
    }

    /// The same type with its bytes in little-endian order.
    #[must_use]
    pub fn to_little_endian(self) -> Self {
        match self {
            Self::Int(size, _) => Self::Int(size, ByteOrder::Little),
            Self::UInt(size, _) => Self::UInt(size, ByteOrder::Little),
            Self::Float(size, _) => Self::Float(size, ByteOrder::Little),
            other => other,
        }
    }
}

impl fmt::Display for DataType {
    /// The name numpy gives the type, such as `<f4`, `|i1`, `|S8`; `string` for text of any length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.byte_order() {
            Some(ByteOrder::Little) => '<',
            Some(ByteOrder::Big) => '>',
            None => '|',
        };
        match self {
            Self::Int(size, _) => write!(f, "{order}i{size}"),
            Self::UInt(size, _) => write!(f, "{order}u{size}"),
            Self::Float(size, _) => write!(f, "{order}f{size}"),
            Self::Text(size) => write!(f, "|S{size}"),
            Self::String => f.write_str("string"),
        }
    }
}
