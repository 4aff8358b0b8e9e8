//! Where chunks lie: the version 1 B-tree (section III.A.1), and the indexes that are none
//! (appendix C).

use super::cursor::Cursor;
use super::file::File;
use super::layout::ChunkIndex;
use crate::model::array::{Chunk, grid_shape, product};
use crate::model::error::{Code, Error, Result};

const CHUNK_NODE: u8 = 1;

/// The grid that chunks are numbered by.
pub struct Grid<'a> {
    /// Length of the dataset along each dimension.
    pub shape: &'a [u64],
    /// Length of a chunk along each dimension.
    pub chunk_shape: &'a [u64],
    /// Bytes of an element.
    pub element_size: u64,
}

impl Grid<'_> {
    /// Bytes of a chunk before filters.
    fn chunk_bytes(&self) -> Result<u64> {
        product(self.chunk_shape)
            .and_then(|elements| elements.checked_mul(self.element_size))
            .ok_or_else(|| Error::corrupt("a chunk has more than 2^64 bytes"))
    }
}

/// The chunks of the `index` at `address`, by ascending number.
pub fn chunks(
    file: &File,
    address: Option<u64>,
    index: ChunkIndex,
    grid: &Grid,
) -> Result<Vec<Chunk>> {
    if let ChunkIndex::Other(name) = index {
        return Err(Error::unsupported(format!("a chunk index of the {name} kind"))
            .with_hint("rewrite the file with `nccopy` or `h5repack --low=0 --high=1`"));
    }
    let Some(address) = address.filter(|_| !grid.shape.contains(&0)) else {
        return Ok(Vec::new());
    };
    let mut chunks = match index {
        ChunkIndex::Single(filtered) => {
            let offset = file.position(address)?;
            let (size, filter_mask) = filtered.map_or_else(|| Ok((grid.chunk_bytes()?, 0)), Ok)?;
            vec![Chunk { index: 0, offset, size, filter_mask }]
        }
        ChunkIndex::Implicit => implicit(file, address, grid)?,
        ChunkIndex::BTreeV1 | ChunkIndex::Other(_) => BTree::new(file, grid).read(address)?,
    };
    // Nodes are in order as HDF5 writes them, so this costs one pass.
    chunks.sort_unstable_by_key(|chunk| chunk.index);
    check(file, &chunks)?;
    Ok(chunks)
}

/// All chunks, one after the other.
fn implicit(file: &File, address: u64, grid: &Grid) -> Result<Vec<Chunk>> {
    let size = grid.chunk_bytes()?;
    let count = product(&grid_shape(grid.shape, grid.chunk_shape));
    let start = file.position(address)?;
    let end = count.and_then(|n| n.checked_mul(size)).and_then(|len| len.checked_add(start));
    let fits = end.is_some_and(|end| end <= file.source().len());
    let count = count.filter(|_| fits && size > 0);
    let count = count.ok_or_else(|| Error::corrupt("the chunks exceed the file"))?;
    Ok((0..count)
        .map(|index| Chunk { index, offset: start + index * size, size, filter_mask: 0 })
        .collect())
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

/// A walk over a version 1 B-tree of chunks.
struct BTree<'a> {
    file: &'a File<'a>,
    grid: &'a Grid<'a>,
    /// Row-major weight of each dimension of the chunk grid.
    strides: Vec<u64>,
    grid_shape: Vec<u64>,
    node_size: u64,
    /// Nodes that the file has room for; a tree with more leads back to itself.
    nodes_left: u64,
    chunks: Vec<Chunk>,
}

impl<'a> BTree<'a> {
    fn new(file: &'a File<'a>, grid: &'a Grid<'a>) -> Self {
        let widths = file.superblock().widths;
        let key = 8 + 8 * (grid.shape.len() as u64 + 1);
        let most = 2 * u64::from(file.superblock().chunk_k);
        let address = u64::from(widths.offset);
        let node_size = 8 + 2 * address + most * (key + address) + key;
        let grid_shape = grid_shape(grid.shape, grid.chunk_shape);
        Self {
            file,
            grid,
            strides: strides(&grid_shape),
            grid_shape,
            node_size,
            // The last node of a file may be cut off behind its last entry.
            nodes_left: file.source().len() / (8 + 2 * address + key) + 1,
            chunks: Vec::new(),
        }
    }

    fn read(mut self, root: u64) -> Result<Vec<Chunk>> {
        if product(&self.grid_shape).is_none() {
            return Err(Error::corrupt("the dataset has more than 2^64 chunks"));
        }
        // One buffer per level, reused from node to node.
        let mut buffers = Vec::new();
        self.node(root, None, &mut buffers)?;
        Ok(self.chunks)
    }

    fn node(&mut self, address: u64, level: Option<u8>, buffers: &mut Vec<Vec<u8>>) -> Result<()> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| Error::corrupt("a chunk B-tree leads back to itself"))?;
        let file = self.file;
        let mut buffer = buffers.pop().unwrap_or_default();
        file.read_up_to(&mut buffer, address, self.node_size)?;
        let mut at = file.cursor(&buffer);
        at.signature(b"TREE")?;
        let (kind, found) = (at.u8()?, at.u8()?);
        if kind != CHUNK_NODE || level.is_some_and(|level| level != found) {
            return Err(Error::corrupt("a chunk B-tree has a node of the wrong kind"));
        }
        let count = at.u16()?;
        at.address()?;
        at.address()?;
        for _ in 0..count {
            let (size, filter_mask) = (at.u32()?, at.u32()?);
            if let Some(below) = found.checked_sub(1) {
                at.skip(8 * (self.grid.shape.len() + 1))?;
                let child = at.defined_address("a node of a chunk B-tree")?;
                self.node(child, Some(below), buffers)?;
            } else {
                let index = self.chunk_number(&mut at)?;
                let offset = file.position(at.defined_address("a chunk")?)?;
                self.chunks.push(Chunk { index, offset, size: size.into(), filter_mask });
            }
        }
        buffers.push(buffer);
        Ok(())
    }

    /// The row-major number of the chunk whose first element the key `at` gives.
    fn chunk_number(&self, at: &mut Cursor) -> Result<u64> {
        let mut number = 0;
        for (dimension, &length) in self.grid.chunk_shape.iter().enumerate() {
            let first = at.u64()?;
            let place = first / length;
            if first % length != 0 || place >= self.grid_shape[dimension] {
                return Err(Error::corrupt(format!(
                    "a chunk starts at element {first} of dimension {dimension}, \
                     which has {} elements in chunks of {length}",
                    self.grid.shape[dimension]
                )));
            }
            number += place * self.strides[dimension];
        }
        at.skip(8)?;
        Ok(number)
    }
}

fn strides(grid_shape: &[u64]) -> Vec<u64> {
    let mut strides = vec![1u64; grid_shape.len()];
    for dimension in (1..grid_shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].saturating_mul(grid_shape[dimension]);
    }
    strides
}
