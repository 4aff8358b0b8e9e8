//! Reading of little-endian fields one after the other.

use crate::model::error::{Error, Result};

/// Widths of file addresses and lengths, which each file chooses for itself (section II.A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Bytes of a file address ("size of offsets").
    pub offset: u8,
    /// Bytes of a length ("size of lengths").
    pub length: u8,
}

/// A place in a run of bytes.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    widths: Widths,
}

impl<'a> Cursor<'a> {
    /// The start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], widths: Widths) -> Self {
        Self { bytes, at: 0, widths }
    }

    /// Widths of addresses and lengths.
    #[must_use]
    pub fn widths(&self) -> Widths {
        self.widths
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.ends_early(count))?;
        self.at += count;
        Ok(taken)
    }

    #[cold]
    fn ends_early(&self, count: usize) -> Error {
        let missing = count - self.remaining().min(count);
        let len = self.bytes.len();
        Error::corrupt(format!("a structure of {len} bytes ends {missing} bytes too early"))
    }

    /// Passes over `count` bytes.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    /// Passes over padding up to a multiple of `unit` bytes from the start.
    pub fn align(&mut self, unit: usize) -> Result<()> {
        self.skip(self.at.next_multiple_of(unit) - self.at)
    }

    /// An unsigned integer of `width` bytes, at most 8.
    #[inline]
    pub fn uint(&mut self, width: usize) -> Result<u64> {
        if width == 8 { self.u64() } else { self.narrow_uint(width) }
    }

    // Nearly all files have eight.
    #[cold]
    fn narrow_uint(&mut self, width: usize) -> Result<u64> {
        let mut word = [0; 8];
        let Some(low) = word.get_mut(..width) else {
            return Err(Error::unsupported(format!("an integer of {width} bytes")));
        };
        low.copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(word))
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A length.
    #[inline]
    pub fn length(&mut self) -> Result<u64> {
        self.uint(self.widths.length.into())
    }

    /// A length that may be without bound, which has all bits set.
    pub fn bounded_length(&mut self) -> Result<Option<u64>> {
        let width = usize::from(self.widths.length);
        let length = self.uint(width)?;
        Ok((length != all_bits(width)).then_some(length))
    }

    /// A file address relative to the base address; all bits set means that there is none.
    #[inline]
    pub fn address(&mut self) -> Result<Option<u64>> {
        let width = usize::from(self.widths.offset);
        let address = self.uint(width)?;
        let none = if width == 8 { u64::MAX } else { all_bits(width) };
        Ok((address != none).then_some(address))
    }

    /// A file address that must be there.
    #[inline]
    pub fn defined_address(&mut self, of: &str) -> Result<u64> {
        self.address()?.ok_or_else(|| undefined(of))
    }

    /// Checks the four letters that open a structure.
    pub fn signature(&mut self, signature: &[u8; 4]) -> Result<()> {
        if self.take(4)? == signature {
            return Ok(());
        }
        let name = String::from_utf8_lossy(signature);
        Err(Error::corrupt(format!("the signature `{name}` is missing")))
    }

    /// Checks a version number against those that this reader knows.
    pub fn version(&mut self, of: &str, known: &[u8]) -> Result<u8> {
        let version = self.u8()?;
        if known.contains(&version) {
            return Ok(version);
        }
        Err(Error::unsupported(format!("version {version} of the {of}")))
    }
}

#[cold]
fn undefined(of: &str) -> Error {
    Error::corrupt(format!("the address of {of} is undefined"))
}

/// The greatest number of `width` bytes, 1 to 8.
fn all_bits(width: usize) -> u64 {
    u64::MAX >> (64 - 8 * width.clamp(1, 8))
}

/// Bytes that hold any number up to `limit`, as HDF5 counts them.
#[must_use]
pub fn width_for(limit: u64) -> usize {
    (limit.max(1).ilog2() / 8 + 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: Widths = Widths { offset: 4, length: 8 };

    #[test]
    fn fields_follow_each_other() {
        let bytes = [1, 2, 0, 0xff, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0, 0, 0, 0];
        let mut cursor = Cursor::new(&bytes, WIDTHS);
        assert_eq!(cursor.u8().unwrap(), 1);
        assert_eq!(cursor.u16().unwrap(), 2);
        assert_eq!(cursor.address().unwrap(), None);
        assert_eq!(cursor.length().unwrap(), 9);
        assert!(cursor.u8().is_err());
    }

    #[test]
    fn widths_as_hdf5_counts_them() {
        assert_eq!([0, 1, 255, 256, 65535, 65536].map(width_for), [1, 1, 1, 2, 2, 3]);
    }
}
