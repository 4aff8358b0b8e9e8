//! Where chunks lie: one of the indexes of appendix C, or the version 1 B-tree.

use super::array_elements::Elements;
use super::btree_v1;
use super::btree_v2;
use super::chunk_grid::{ElementOrder, Grid, row_major_strides};
use super::extensible_array;
use super::file::File;
use super::fixed_array;
use super::layout::Index;
use crate::model::array::{Chunk, grid_shape, product};
use crate::model::chunks::Chunks;
use crate::model::error::{Code, Error, Result};

/// The chunks of the `index` at `address`, by ascending number.
pub fn chunks(file: &File, address: Option<u64>, index: Index, grid: &Grid) -> Result<Chunks> {
    let Some(address) = address.filter(|_| !grid.shape.contains(&0)) else {
        return Ok(Chunks::default());
    };
    if product(&grid_shape(grid.shape, grid.chunk_shape)).is_none() {
        return Err(Error::corrupt("the dataset has more than 2^64 chunks"));
    }
    let mut chunks = match index {
        Index::BTreeV1 => btree_v1::chunks(file, address, grid)?,
        Index::Single(filtered) => {
            let offset = file.position(address)?;
            let (size, filter_mask) = filtered.map_or_else(|| Ok((grid.chunk_bytes()?, 0)), Ok)?;
            vec![Chunk { index: 0, offset, size, filter_mask, trailing: 0 }]
        }
        Index::Implicit => implicit(file, address, grid)?,
        Index::FixedArray => {
            let mut elements = Elements::new(file, grid)?;
            fixed_array::read(file, address, &mut elements)?;
            elements.into_chunks()
        }
        Index::ExtensibleArray => {
            let mut elements = Elements::new(file, grid)?;
            extensible_array::read(file, address, &mut elements)?;
            elements.into_chunks()
        }
        Index::BTreeV2 { filtered } => btree_v2_chunks(file, address, filtered, grid)?,
    };
    // Most indexes are in order, so this costs one pass.
    chunks.sort_unstable_by_key(|chunk| chunk.index);
    check(file, &chunks, grid)?;
    if grid.is_filtered && grid.unfiltered_edges {
        mark_edges(&mut chunks, grid);
    }
    Ok(chunks.into())
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
    let lengths = grid_shape(grid.stored_shape, grid.chunk_shape);
    let strides = row_major_strides(&lengths);
    let axes = grid.axes();
    (0..count)
        .map(|number| {
            let place: Vec<u64> =
                strides.iter().zip(&lengths).map(|(stride, n)| number / stride % n).collect();
            let mut index = 0;
            for (axis, &place) in axes.iter().zip(&place) {
                index += axis.weight_of_place(place)?;
            }
            let offset = order.element_of(&place).checked_mul(size);
            let offset = offset.and_then(|offset| offset.checked_add(start)).ok_or_else(too_far)?;
            Ok(Chunk { index, offset, size, filter_mask: 0, trailing: 0 })
        })
        .collect()
}

/// Records of type 10: address and place of a chunk; of type 11: with size and filter mask between.
fn btree_v2_chunks(file: &File, address: u64, filtered: bool, grid: &Grid) -> Result<Vec<Chunk>> {
    let kind = if filtered { btree_v2::FILTERED_CHUNKS } else { btree_v2::CHUNKS };
    let axes = grid.axes();
    let fixed = usize::from(file.superblock().widths.offset) + 8 * axes.len();
    let mut chunks = Vec::new();
    btree_v2::records(file, address, kind, &mut |record| {
        let mut at = file.cursor(record);
        let offset = file.position(at.defined_address("a chunk")?)?;
        let (size, filter_mask) = if filtered {
            let width = record.len().checked_sub(fixed + 4);
            let width = width.ok_or_else(|| Error::corrupt("a chunk record is too short"))?;
            (at.uint(width)?, at.u32()?)
        } else {
            (grid.chunk_bytes()?, 0)
        };
        let mut index = 0;
        for axis in &axes {
            index += axis.weight_of_place(at.u64()?)?;
        }
        chunks.push(Chunk { index, offset, size, filter_mask, trailing: 0 });
        Ok(())
    })?;
    Ok(chunks)
}

/// Each chunk lies within the file and, if unfiltered, has its full size; no two have the same
/// number.
fn check(file: &File, chunks: &[Chunk], grid: &Grid) -> Result<()> {
    let full = grid.chunk_bytes()?;
    if let Some(chunk) = chunks.iter().find(|chunk| !grid.is_filtered && chunk.size != full) {
        let Chunk { index, size, .. } = chunk;
        return Err(Error::corrupt(format!("chunk {index} holds {size} bytes instead of {full}")));
    }
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
        None => check_apart(chunks),
    }
}

/// No two chunks have bytes in common.
fn check_apart(chunks: &[Chunk]) -> Result<()> {
    let overlap = |first: &Chunk, second: &Chunk| first.offset + first.size > second.offset;
    // Mostly they lie in the order of their numbers.
    if !chunks.windows(2).any(|pair| overlap(&pair[0], &pair[1])) {
        return Ok(());
    }
    let mut by_place: Vec<&Chunk> = chunks.iter().collect();
    by_place.sort_unstable_by_key(|chunk| chunk.offset);
    match by_place.windows(2).find(|pair| overlap(pair[0], pair[1])) {
        Some(pair) => Err(Error::corrupt(format!(
            "chunks {} and {} have bytes in common, from byte {} on",
            pair[0].index, pair[1].index, pair[1].offset
        ))),
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
