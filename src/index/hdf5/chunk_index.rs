//! Where chunks lie: one of the indexes of appendix C, or the version 1 B-tree.

use super::array_elements::Elements;
use super::btree_v1;
use super::btree_v2::{self, Ascending};
use super::chunk_grid::{ElementOrder, Grid, row_major_strides};
use super::extensible_array;
use super::file::File;
use super::fixed_array;
use super::found_chunks::FoundChunks;
use super::layout::Index;
use crate::model::array::{Chunk, grid_shape, product};
use crate::model::chunks::Chunks;
use crate::model::error::{Error, Result};

/// The chunks of the `index` at `address`, by ascending number.
pub fn chunks(file: &File, address: Option<u64>, index: Index, grid: &Grid) -> Result<Chunks> {
    let Some(address) = address.filter(|_| !grid.shape.contains(&0)) else {
        return Ok(Chunks::default());
    };
    if product(&grid_shape(grid.shape, grid.chunk_shape)).is_none() {
        return Err(Error::corrupt("the dataset has more than 2^64 chunks"));
    }
    let mut found = FoundChunks::new(file, grid)?;
    match index {
        Index::BTreeV1 => btree_v1::read(file, address, grid, &mut found)?,
        Index::Single(filtered) => {
            if product(&grid_shape(grid.stored_shape, grid.chunk_shape)) != Some(1) {
                return Err(Error::corrupt("its only chunk does not hold all elements"));
            }
            let offset = file.position(address)?;
            let (size, filter_mask) = filtered.map_or_else(|| Ok((grid.chunk_bytes()?, 0)), Ok)?;
            found.push(Chunk { index: 0, offset, size, filter_mask, trailing: 0 })?;
        }
        Index::Implicit => read_implicit(file, address, grid, &mut found)?,
        Index::FixedArray => {
            fixed_array::read(file, address, &mut Elements::new(file, grid, &mut found)?)?;
        }
        Index::ExtensibleArray => {
            extensible_array::read(file, address, &mut Elements::new(file, grid, &mut found)?)?;
        }
        Index::BTreeV2 { filtered } => read_btree_v2(file, address, filtered, grid, &mut found)?,
    }
    found.into_chunks()
}

/// All chunks, one after the other, over the grid that the dataset may grow to.
fn read_implicit(file: &File, address: u64, grid: &Grid, found: &mut FoundChunks) -> Result<()> {
    let too_far = || Error::corrupt("the chunks exceed the file");
    let size = grid.chunk_bytes()?;
    let start = file.position(address)?;
    let order = ElementOrder::of(grid)?;
    let count = product(&grid_shape(grid.stored_shape, grid.chunk_shape)).ok_or_else(too_far)?;
    let end = count.checked_mul(size).and_then(|len| len.checked_add(start));
    if size == 0 || end.is_none_or(|end| end > file.source().len()) {
        return Err(too_far());
    }
    let lengths = grid_shape(grid.stored_shape, grid.chunk_shape);
    let strides = row_major_strides(&lengths);
    let axes = grid.axes();
    for number in 0..count {
        let place: Vec<u64> =
            strides.iter().zip(&lengths).map(|(stride, n)| number / stride % n).collect();
        let mut index = 0;
        for (axis, &place) in axes.iter().zip(&place) {
            index += axis.weight_of_place(place)?;
        }
        let offset = order.element_of(&place).checked_mul(size);
        let offset = offset.and_then(|offset| offset.checked_add(start)).ok_or_else(too_far)?;
        found.push(Chunk { index, offset, size, filter_mask: 0, trailing: 0 })?;
    }
    Ok(())
}

/// Records of type 10: address and place of a chunk; of type 11: with size and filter mask between.
fn read_btree_v2(
    file: &File,
    address: u64,
    filtered: bool,
    grid: &Grid,
    found: &mut FoundChunks,
) -> Result<()> {
    let kind = if filtered { btree_v2::FILTERED_CHUNKS } else { btree_v2::CHUNKS };
    let axes = grid.axes();
    let fixed = usize::from(file.superblock().widths.offset) + 8 * axes.len();
    let full = grid.chunk_bytes()?;
    let mut order = Ascending::default();
    btree_v2::records(file, address, kind, &mut |record, is_first| {
        let mut at = file.cursor(record);
        let offset = file.position(at.defined_address("a chunk")?)?;
        let (size, filter_mask) = if filtered {
            let width = record.len().checked_sub(fixed + 4);
            let width = width.ok_or_else(|| Error::corrupt("a chunk record is too short"))?;
            (at.uint(width)?, at.u32()?)
        } else {
            (full, 0)
        };
        let mut index = 0;
        for axis in &axes {
            index += axis.weight_of_place(at.u64()?)?;
        }
        order.check(index, is_first)?;
        found.push(Chunk { index, offset, size, filter_mask, trailing: 0 })
    })
}
