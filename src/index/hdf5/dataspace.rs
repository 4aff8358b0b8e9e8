//! Dataspace messages (section IV.A.2.b): the shape of a dataset or attribute.

use super::cursor::Cursor;
use crate::model::error::{Error, Result};

/// The shape of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dataspace {
    /// No element at all.
    Null,
    /// A single element, or an array.
    Simple {
        /// Length along each dimension, slowest first; empty for a single element.
        shape: Vec<u64>,
        /// How far each dimension may grow; `None` without bound.
        maximum: Vec<Option<u64>>,
    },
}

impl Dataspace {
    /// Reads the message `at`.
    pub fn read(at: Cursor) -> Result<Self> {
        let (mut shape, mut maximum) = (Vec::new(), Vec::new());
        let rank = dimensions(at, |length, most| {
            shape.push(length);
            maximum.push(most);
        })?;
        Ok(rank.map_or(Self::Null, |_| Self::Simple { shape, maximum }))
    }
}

/// What counts of the dataspace of an attribute. A file has hundreds, so that nothing is allocated for it.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Dimensions: 0 for a single element, or none at all.
    pub rank: usize,
    /// `None` where 64 bits do not hold it.
    count: Option<u64>,
}

impl Extent {
    /// Reads the message `at`.
    pub fn read(at: Cursor) -> Result<Self> {
        let mut count = Some(1_u64);
        let rank = dimensions(at, |length, _| {
            count = count.and_then(|count| count.checked_mul(length));
        })?;
        Ok(rank.map_or(Self { rank: 0, count: Some(0) }, |rank| Self { rank, count }))
    }

    /// Number of elements.
    pub fn element_count(&self) -> Result<u64> {
        self.count.ok_or_else(|| Error::corrupt("a dataspace has more than 2^64 elements"))
    }
}

/// Hands length and maximum of each dimension to `take`, slowest first. Returns their number, or nothing for a
/// dataspace without elements.
fn dimensions(mut at: Cursor, mut take: impl FnMut(u64, Option<u64>)) -> Result<Option<usize>> {
    let version = at.version("dataspace message", &[1, 2])?;
    let rank = usize::from(at.u8()?);
    let flags = at.u8()?;
    if version == 1 {
        at.skip(5)?;
    } else if at.u8()? == 2 {
        return Ok(None);
    }
    // All maxima follow all lengths.
    let mut lengths = at.clone();
    at.skip(rank * usize::from(at.widths().length))?;
    for _ in 0..rank {
        let length = lengths.length()?;
        let most = if flags & 1 != 0 { at.bounded_length()? } else { Some(length) };
        if most.is_some_and(|most| length > most) {
            return Err(Error::corrupt("a dimension is longer than it may become"));
        }
        take(length, most);
    }
    Ok(Some(rank))
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Widths;
    use super::*;

    const NO_BOUND: u64 = u64::MAX;

    /// A message of version 2 with these lengths, and maxima where there are any.
    fn message(kind: u8, lengths: &[u64], maxima: &[u64]) -> Vec<u8> {
        let rank = u8::try_from(lengths.len()).unwrap();
        let mut bytes = vec![2, rank, u8::from(!maxima.is_empty()), kind];
        bytes.extend(lengths.iter().chain(maxima).flat_map(|length| length.to_le_bytes()));
        bytes
    }

    fn cursor(bytes: &[u8]) -> Cursor<'_> {
        Cursor::new(bytes, Widths { offset: 8, length: 8 })
    }

    #[test]
    fn datasets_and_attributes_are_read_alike() {
        for (kind, lengths, maxima, count) in [
            (0, &[][..], &[][..], Some(1)),
            (1, &[3], &[], Some(3)),
            (1, &[3, 4], &[3, NO_BOUND], Some(12)),
            (1, &[0, 5], &[NO_BOUND, 5], Some(0)),
            (1, &[1 << 32, 1 << 32], &[], None),
        ] {
            let bytes = message(kind, lengths, maxima);
            let extent = Extent::read(cursor(&bytes)).unwrap();
            assert_eq!((extent.rank, extent.element_count().ok()), (lengths.len(), count));
            let dataspace = Dataspace::read(cursor(&bytes)).unwrap();
            let most = |(at, length): (usize, &u64)| match maxima.get(at) {
                Some(&NO_BOUND) => None,
                most => Some(*most.unwrap_or(length)),
            };
            let maximum = lengths.iter().enumerate().map(most).collect();
            assert_eq!(dataspace, Dataspace::Simple { shape: lengths.to_vec(), maximum });
            // Cut anywhere, it is an error for both.
            for end in 0..bytes.len() {
                assert!(Extent::read(cursor(&bytes[..end])).is_err());
                assert!(Dataspace::read(cursor(&bytes[..end])).is_err());
            }
        }
        let null = message(2, &[], &[]);
        assert_eq!(Dataspace::read(cursor(&null)).unwrap(), Dataspace::Null);
        assert_eq!(Extent::read(cursor(&null)).unwrap().element_count().unwrap(), 0);
        let too_long = message(1, &[4], &[3]);
        assert!(Extent::read(cursor(&too_long)).is_err());
        assert!(Dataspace::read(cursor(&too_long)).is_err());
    }
}
