//! Reading of compressed bytes, front to back.

use crate::model::error::{Error, Result};

/// What is left of some compressed bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte as a number.
    pub fn byte(&mut self) -> Result<usize> {
        self.array().map(|[byte]| usize::from(byte))
    }

    /// A size of four bytes, the most significant one first.
    pub fn size_be(&mut self) -> Result<usize> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    /// A size of four bytes, the least significant one first.
    pub fn size_le(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }
}

fn ends_early() -> Error {
    Error::corrupt("a compressed chunk ends early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    #[test]
    fn bytes_are_taken_from_the_front_until_there_are_no_more() {
        let mut stream = Stream::new(&[1, 0, 0, 0, 0, 0, 0, 2, 3, 4, 5]);
        assert_eq!(stream.size_le().unwrap(), 1);
        assert_eq!(stream.size_be().unwrap(), 2);
        assert_eq!(stream.byte().unwrap(), 3);
        assert_eq!(stream.take(3).unwrap_err().code(), Code::Corrupt);
        assert!(!stream.is_empty());
        assert_eq!(stream.take(2).unwrap(), [4, 5]);
        assert!(stream.is_empty());
        assert_eq!(stream.byte().unwrap_err().code(), Code::Corrupt);
        assert_eq!(stream.take(0).unwrap(), [0; 0]);
    }
}
