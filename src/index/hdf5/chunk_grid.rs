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
    /// Whether chunks go through filters.
    pub is_filtered: bool,
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

    /// The dimensions of the grid.
    #[must_use]
    pub fn axes(&self) -> Vec<Axis> {
        let counts = grid_shape(self.shape, self.chunk_shape);
        let lengths = self.chunk_shape.iter().zip(&counts).zip(row_major_strides(&counts));
        lengths.map(|((&length, &count), stride)| Axis { length, count, stride }).collect()
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

/// A dimension of the chunk grid. What its parts add to a chunk's row-major number fits in 64 bits,
/// for [`super::chunk_index::chunks`] has counted the chunks.
pub struct Axis {
    /// Elements of a chunk.
    length: u64,
    /// Chunks.
    count: u64,
    /// What a chunk counts for in the row-major number.
    stride: u64,
}

impl Axis {
    /// What the chunk at `place` adds to its row-major number.
    #[inline]
    pub fn weight_of_place(&self, place: u64) -> Result<u64> {
        if place < self.count {
            return Ok(place * self.stride);
        }
        Err(self.outside(format_args!("chunk {place}")))
    }

    /// What the chunk that starts at element `first` adds to its row-major number.
    #[inline]
    pub fn weight_of_element(&self, first: u64) -> Result<u64> {
        // Most chunks start with the array or are one element long, which saves a division.
        let place = match (first, self.length) {
            (0, _) | (_, 1) => first,
            (first, length) => first / length,
        };
        if place * self.length == first && place < self.count {
            return Ok(place * self.stride);
        }
        Err(self.outside(format_args!("a chunk that starts at element {first}")))
    }

    #[cold]
    fn outside(&self, what: std::fmt::Arguments) -> Error {
        let Self { count, length, .. } = self;
        Error::corrupt(format!("{what} of a dimension that has {count} chunks of {length}"))
    }
}

/// How the elements of an array index are numbered: over the grid that the dataset may grow to,
/// not the one it has, with an unlimited dimension put first.
pub struct ElementOrder {
    axes: Vec<Axis>,
    /// What each dimension's place counts for.
    strides: Vec<u64>,
    /// Chunks along each dimension at most; without bound, as many as can be counted.
    lengths: Vec<u64>,
    /// Elements below have the number of their chunk: all those of a dataset that may grow along its first
    /// dimension only, else none.
    same_below: u64,
}

impl ElementOrder {
    /// The numbering of the elements of an index of `grid`.
    pub fn of(grid: &Grid) -> Result<Self> {
        let lengths: Vec<Option<u64>> = grid
            .maximum
            .iter()
            .zip(grid.chunk_shape)
            .map(|(maximum, &chunk)| maximum.map(|maximum| maximum.div_ceil(chunk).max(1)))
            .collect();
        let mut strides = vec![0; lengths.len()];
        let mut stride = 1u64;
        for (dimension, length) in lengths.iter().enumerate().rev() {
            if let Some(length) = length {
                strides[dimension] = stride;
                stride = stride
                    .checked_mul(*length)
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
        let lengths: Vec<u64> =
            lengths.into_iter().map(|length| length.unwrap_or(u64::MAX)).collect();
        let axes = grid.axes();
        let grows_along_first = axes.iter().zip(&lengths).skip(1).all(|(axis, n)| axis.count == *n);
        let count = axes.first().map_or(1, |axis| axis.count * axis.stride);
        let same_below = if grows_along_first { count } else { 0 };
        Ok(Self { axes, strides, lengths, same_below })
    }

    /// The row-major number of the chunk of `element` in the grid that the dataset has.
    #[inline]
    pub fn chunk_of(&self, element: u64) -> Result<u64> {
        // Which saves two divisions for each dimension.
        if element < self.same_below { Ok(element) } else { self.chunk_of_any(element) }
    }

    fn chunk_of_any(&self, element: u64) -> Result<u64> {
        let mut number = 0;
        for ((axis, stride), length) in self.axes.iter().zip(&self.strides).zip(&self.lengths) {
            number += axis.weight_of_place(element / stride % length)?;
        }
        Ok(number)
    }

    /// The element of the chunk at `place` of the grid.
    #[must_use]
    pub fn element_of(&self, place: &[u64]) -> u64 {
        place.iter().zip(&self.strides).map(|(place, stride)| place.saturating_mul(*stride)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dataset of 4 x 6 elements in chunks of 2 x 2.
    fn grid(maximum: &[Option<u64>]) -> Grid<'_> {
        Grid {
            shape: &[4, 6],
            stored_shape: &[4, 6],
            maximum,
            chunk_shape: &[2, 2],
            element_size: 4,
            is_filtered: false,
            unfiltered_edges: false,
        }
    }

    #[test]
    fn places_and_first_elements_add_up_to_row_major_numbers() {
        let axes = grid(&[Some(4), Some(6)]).axes();
        assert_eq!(axes[0].weight_of_place(1).unwrap() + axes[1].weight_of_place(2).unwrap(), 5);
        assert_eq!(
            axes[0].weight_of_element(2).unwrap() + axes[1].weight_of_element(4).unwrap(),
            5
        );
        assert!(axes[0].weight_of_place(2).is_err());
        for outside in [1, 4, u64::MAX] {
            assert!(axes[0].weight_of_element(outside).is_err());
        }
    }

    #[test]
    fn elements_run_over_the_greatest_grid_with_the_unlimited_dimension_first() {
        let chunks = |maximum: &[Option<u64>], elements: &[u64]| -> Vec<u64> {
            let order = ElementOrder::of(&grid(maximum)).unwrap();
            elements.iter().map(|&element| order.chunk_of(element).unwrap()).collect()
        };
        assert_eq!(chunks(&[Some(4), Some(6)], &[0, 1, 2, 3, 4, 5]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(chunks(&[Some(8), Some(10)], &[0, 1, 2, 5, 6, 7]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(chunks(&[None, Some(10)], &[0, 1, 2, 5, 6, 7]), [0, 1, 2, 3, 4, 5]);
        // Columns of up to five chunks follow each other.
        assert_eq!(chunks(&[Some(10), None], &[0, 5, 10, 1, 6, 11]), [0, 1, 2, 3, 4, 5]);
        let order = ElementOrder::of(&grid(&[Some(10), None])).unwrap();
        assert_eq!(order.element_of(&[1, 2]), 11);
        assert!(order.chunk_of(2).is_err());
        assert!(ElementOrder::of(&grid(&[None, None])).is_err());
    }
}
