//! How chunks are numbered: row-major over the grid that a dataset has, and, within array indexes,
//! over the grid that it may grow to.

use crate::model::array::{grid_shape, product};
use crate::model::error::{Error, Result};

/// The grid that chunks are numbered by.
pub struct Grid<'a> {
    /// Length of the variable along each dimension: that of the dataset, or more where netCDF shows
    /// more.
    pub shape: &'a [u64],
    /// Length of the dataset along each dimension.
    pub stored_shape: &'a [u64],
    /// How far the dataset may grow along each dimension; `None` without bound.
    pub maximum: &'a [Option<u64>],
    /// Length of a chunk along each dimension.
    pub chunk_shape: &'a [u64],
    /// Bytes of an element.
    pub element_size: u64,
    /// Whether chunks that reach over the edge of the dataset are stored without filters.
    pub unfiltered_edges: bool,
}

impl Grid<'_> {
    /// Bytes of a chunk before filters.
    pub fn chunk_bytes(&self) -> Result<u64> {
        product(self.chunk_shape)
            .and_then(|elements| elements.checked_mul(self.element_size))
            .ok_or_else(|| Error::corrupt("a chunk has more than 2^64 bytes"))
    }

    /// The row-major number of the chunk at `place` of the grid.
    pub fn number(&self, place: &[u64]) -> Result<u64> {
        let grid_shape = grid_shape(self.shape, self.chunk_shape);
        if place.len() != grid_shape.len() || place.iter().zip(&grid_shape).any(|(p, n)| p >= n) {
            return Err(Error::corrupt(format!("a chunk lies at {place:?} of {grid_shape:?}")));
        }
        let strides = row_major_strides(&grid_shape);
        Ok(place.iter().zip(strides).map(|(place, stride)| place * stride).sum())
    }
}

/// What each dimension's place counts for in a row-major number.
#[must_use]
pub fn row_major_strides(grid_shape: &[u64]) -> Vec<u64> {
    let mut strides = vec![1u64; grid_shape.len()];
    for dimension in (1..grid_shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].saturating_mul(grid_shape[dimension].max(1));
    }
    strides
}

/// How the elements of an array index are numbered: over the grid that the dataset may grow to,
/// not the one it has, with an unlimited dimension put first.
pub struct ElementOrder {
    /// What each dimension's place counts for.
    strides: Vec<u64>,
    /// Chunks along each dimension at most; `None` without bound.
    lengths: Vec<Option<u64>>,
}

impl ElementOrder {
    /// The numbering of the elements of an index of `grid`.
    pub fn of(grid: &Grid) -> Result<Self> {
        let lengths: Vec<Option<u64>> = grid
            .maximum
            .iter()
            .zip(grid.chunk_shape)
            .map(|(maximum, &chunk)| maximum.map(|maximum| maximum.div_ceil(chunk)))
            .collect();
        let mut strides = vec![0; lengths.len()];
        let mut stride = 1u64;
        for (dimension, length) in lengths.iter().enumerate().rev() {
            if let Some(length) = length {
                strides[dimension] = stride;
                stride = stride
                    .checked_mul((*length).max(1))
                    .ok_or_else(|| Error::corrupt("a chunk index has more than 2^64 elements"))?;
            }
        }
        let mut unlimited = (0..lengths.len()).filter(|&dimension| lengths[dimension].is_none());
        if let Some(dimension) = unlimited.next() {
            strides[dimension] = stride;
        }
        if unlimited.next().is_some() {
            return Err(Error::corrupt("an array index has two unlimited dimensions"));
        }
        Ok(Self { strides, lengths })
    }

    /// The place in the grid of the chunk of `element`.
    #[must_use]
    pub fn place_of(&self, element: u64) -> Vec<u64> {
        let place = |(stride, length): (&u64, &Option<u64>)| {
            let place = element / stride.max(&1);
            length.map_or(place, |length| place % length.max(1))
        };
        self.strides.iter().zip(&self.lengths).map(place).collect()
    }

    /// The element of the chunk at `place` of the grid.
    #[must_use]
    pub fn element_of(&self, place: &[u64]) -> u64 {
        place.iter().zip(&self.strides).map(|(place, stride)| place.saturating_mul(*stride)).sum()
    }
}
