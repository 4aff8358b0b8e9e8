//! Dataspace messages (section IV.A.2.b): the shape of a dataset or attribute.

use super::cursor::Cursor;
use crate::model::array::product;
use crate::model::error::{Error, Result};

/// The shape of a dataset or attribute.
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
    pub fn read(mut at: Cursor) -> Result<Self> {
        let version = at.version("dataspace message", &[1, 2])?;
        let rank = usize::from(at.u8()?);
        let flags = at.u8()?;
        if version == 1 {
            at.skip(5)?;
        } else if at.u8()? == 2 {
            return Ok(Self::Null);
        }
        let shape = lengths(&mut at, rank)?;
        let maximum = if flags & 1 != 0 {
            (0..rank).map(|_| at.bounded_length()).collect::<Result<_>>()?
        } else {
            shape.iter().copied().map(Some).collect()
        };
        let exceeds =
            |(length, most): (&u64, &Option<u64>)| most.is_some_and(|most| *length > most);
        if shape.iter().zip(&maximum).any(exceeds) {
            return Err(Error::corrupt("a dimension is longer than it may become"));
        }
        Ok(Self::Simple { shape, maximum })
    }

    /// Number of elements.
    pub fn element_count(&self) -> Result<u64> {
        match self {
            Self::Null => Ok(0),
            Self::Simple { shape, .. } => product(shape)
                .ok_or_else(|| Error::corrupt("a dataspace has more than 2^64 elements")),
        }
    }
}

fn lengths(at: &mut Cursor, rank: usize) -> Result<Vec<u64>> {
    (0..rank).map(|_| at.length()).collect()
}
