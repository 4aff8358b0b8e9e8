//! Where chunks lie: one of the indexes of appendix C, or the version 1 B-tree.

use super::btree_v1;
use super::btree_v2;
use super::cursor::Cursor;
use super::extensible_array;
use super::file::File;
use super::fixed_array;
use super::layout::ChunkIndex;
use crate::model::array::{Chunk, grid_shape, product};
use crate::model::error::{Code, Error, Result};

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
    fn number(&self, place: &[u64]) -> Result<u64> {
        let grid_shape = grid_shape(self.shape, self.chunk_shape);
        if place.len() != grid_shape.len() || place.iter().zip(&grid_shape).any(|(p, n)| p >= n) {
            return Err(Error::corrupt(format!("a chunk lies at {place:?} of {grid_shape:?}")));
        }
        let strides = row_major_strides(&grid_shape);
        Ok(place.iter().zip(strides).map(|(place, stride)| place * stride).sum())
    }
}

/// The chunks of the `index` at `address`, by ascending number.
pub fn chunks(
    file: &File,
    address: Option<u64>,
    index: ChunkIndex,
    grid: &Grid,
) -> Result<Vec<Chunk>> {
    let Some(address) = address.filter(|_| !grid.shape.contains(&0)) else {
        return Ok(Vec::new());
    };
    if product(&grid_shape(grid.shape, grid.chunk_shape)).is_none() {
        return Err(Error::corrupt("the dataset has more than 2^64 chunks"));
    }
    let mut chunks = match index {
        ChunkIndex::BTreeV1 => btree_v1::chunks(file, address, grid)?,
        ChunkIndex::Single(filtered) => {
            let offset = file.position(address)?;
            let (size, filter_mask) = filtered.map_or_else(|| Ok((grid.chunk_bytes()?, 0)), Ok)?;
            vec![Chunk { index: 0, offset, size, filter_mask }]
        }
        ChunkIndex::Implicit => implicit(file, address, grid)?,
        ChunkIndex::FixedArray => {
            let mut elements = Elements::new(file, grid)?;
            fixed_array::read(file, address, &mut elements)?;
            elements.chunks
        }
        ChunkIndex::ExtensibleArray => {
            let mut elements = Elements::new(file, grid)?;
            extensible_array::read(file, address, &mut elements)?;
            elements.chunks
        }
        ChunkIndex::BTreeV2 { filtered } => btree_v2_chunks(file, address, filtered, grid)?,
    };
    // Most indexes are in order, so this costs one pass.
    chunks.sort_unstable_by_key(|chunk| chunk.index);
    check(file, &chunks)?;
    if grid.unfiltered_edges {
        mark_edges(&mut chunks, grid);
    }
    Ok(chunks)
}

/// All chunks, one after the other, over the grid that the dataset may grow to.
fn implicit(file: &File, address: u64, grid: &Grid) -> Result<Vec<Chunk>> {
    let too_far = || Error::corrupt("the chunks exceed the file");
    let size = grid.chunk_bytes()?;
    let start = file.position(address)?;
    let order = ElementOrder::of(grid)?;
    let count = product(&grid_shape(grid.stored_shape, grid.chunk_shape)).ok_or_else(too_far)?;
    let end = count.checked_mul(size).and_then(|len| len.checked_add(start));
    if size == 0 || end.is_none_or(|end| end > file.source().len()) {
        return Err(too_far());
    }
    let strides = row_major_strides(&grid_shape(grid.stored_shape, grid.chunk_shape));
    let lengths = grid_shape(grid.stored_shape, grid.chunk_shape);
    (0..count)
        .map(|number| {
            let place: Vec<u64> =
                strides.iter().zip(&lengths).map(|(stride, n)| number / stride % n).collect();
            let offset = order.element_of(&place).checked_mul(size);
            let offset = offset.and_then(|offset| offset.checked_add(start)).ok_or_else(too_far)?;
            Ok(Chunk { index: grid.number(&place)?, offset, size, filter_mask: 0 })
        })
        .collect()
}

/// Records of type 10: address and place of a chunk; of type 11: with size and filter mask between.
fn btree_v2_chunks(file: &File, address: u64, filtered: bool, grid: &Grid) -> Result<Vec<Chunk>> {
    let kind = if filtered { btree_v2::FILTERED_CHUNKS } else { btree_v2::CHUNKS };
    let rank = grid.shape.len();
    let fixed = usize::from(file.superblock().widths.offset) + 8 * rank;
    let records = btree_v2::records(file, address, kind)?;
    let mut chunks = Vec::new();
    for record in records.iter() {
        let mut at = file.cursor(record);
        let offset = file.position(at.defined_address("a chunk")?)?;
        let (size, filter_mask) = if filtered {
            let width = record.len().checked_sub(fixed + 4);
            let width = width.ok_or_else(|| Error::corrupt("a chunk record is too short"))?;
            (at.uint(width)?, at.u32()?)
        } else {
            (grid.chunk_bytes()?, 0)
        };
        let place = (0..rank).map(|_| at.u64()).collect::<Result<Vec<_>>>()?;
        chunks.push(Chunk { index: grid.number(&place)?, offset, size, filter_mask });
    }
    Ok(chunks)
}

/// Each chunk lies within the file, and no two have the same number.
fn check(file: &File, chunks: &[Chunk]) -> Result<()> {
    let len = file.source().len();
    for chunk in chunks {
        if chunk.offset.checked_add(chunk.size).is_none_or(|end| end > len) {
            return Err(Error::new(
                Code::Truncated,
                format!(
                    "chunk {} has {} bytes at byte {}, but the file ends at byte {len}",
                    chunk.index, chunk.size, chunk.offset
                ),
            )
            .with_hint("compare size and checksum with the source and transfer the file again"));
        }
    }
    match chunks.windows(2).find(|pair| pair[0].index == pair[1].index) {
        Some(pair) => Err(Error::corrupt(format!("chunk {} is stored twice", pair[0].index))),
        None => Ok(()),
    }
}

/// Says of the chunks that reach over the edge of the dataset that no filter was applied.
fn mark_edges(chunks: &mut [Chunk], grid: &Grid) {
    let lengths = grid_shape(grid.shape, grid.chunk_shape);
    let strides = row_major_strides(&lengths);
    for chunk in chunks {
        let over_the_edge = (0..lengths.len()).any(|dimension| {
            let place = chunk.index / strides[dimension] % lengths[dimension];
            (place + 1) * grid.chunk_shape[dimension] > grid.stored_shape[dimension]
        });
        if over_the_edge {
            chunk.filter_mask = u32::MAX;
        }
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
struct ElementOrder {
    /// What each dimension's place counts for.
    strides: Vec<u64>,
    /// Chunks along each dimension at most; `None` without bound.
    lengths: Vec<Option<u64>>,
}

impl ElementOrder {
    fn of(grid: &Grid) -> Result<Self> {
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

    fn place_of(&self, element: u64) -> Vec<u64> {
        let place = |(stride, length): (&u64, &Option<u64>)| {
            let place = element / stride.max(&1);
            length.map_or(place, |length| place % length.max(1))
        };
        self.strides.iter().zip(&self.lengths).map(place).collect()
    }

    fn element_of(&self, place: &[u64]) -> u64 {
        place.iter().zip(&self.strides).map(|(place, stride)| place.saturating_mul(*stride)).sum()
    }
}

/// The elements of a fixed or extensible array, which become chunks.
pub struct Elements<'a> {
    file: &'a File<'a>,
    grid: &'a Grid<'a>,
    order: ElementOrder,
    chunk_bytes: u64,
    /// The chunks so far.
    chunks: Vec<Chunk>,
}

impl<'a> Elements<'a> {
    fn new(file: &'a File<'a>, grid: &'a Grid<'a>) -> Result<Self> {
        let order = ElementOrder::of(grid)?;
        Ok(Self { file, grid, order, chunk_bytes: grid.chunk_bytes()?, chunks: Vec::new() })
    }

    /// Takes the elements in `bytes`, of `size` bytes each, the first being number `first`: an
    /// address or, if chunks are filtered, address, size and filter mask.
    pub fn take(&mut self, bytes: &[u8], size: usize, first: u64) -> Result<()> {
        let address_size = usize::from(self.file.superblock().widths.offset);
        for (number, element) in (first..).zip(bytes.chunks_exact(size)) {
            let mut at = self.file.cursor(element);
            let Some(address) = at.address()? else { continue };
            let (size, filter_mask) = if size == address_size {
                (self.chunk_bytes, 0)
            } else {
                let width = size.checked_sub(address_size + 4);
                let width = width.ok_or_else(|| Error::corrupt("an element is too short"))?;
                (at.uint(width)?, at.u32()?)
            };
            let index = self.grid.number(&self.order.place_of(number))?;
            let offset = self.file.position(address)?;
            self.chunks.push(Chunk { index, offset, size, filter_mask });
        }
        Ok(())
    }

    /// Checks that the header at `at` is that of an array of elements this knows, and gives the
    /// bytes of one.
    pub fn element_size(at: &mut Cursor) -> Result<usize> {
        let (filtered, size) = (at.u8()?, at.u8()?);
        if filtered > 1 || size == 0 {
            return Err(Error::corrupt("an array index has elements of unknown kind"));
        }
        Ok(size.into())
    }
}
