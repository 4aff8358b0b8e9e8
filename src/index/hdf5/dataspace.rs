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
