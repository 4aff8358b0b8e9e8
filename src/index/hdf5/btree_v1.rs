//! The version 1 B-tree of chunks (section III.A.1).

use super::chunk_grid::{Grid, row_major_strides};
use super::cursor::Cursor;
use super::file::File;
use crate::model::array::{Chunk, grid_shape};
use crate::model::error::{Error, Result};

const NODE_TYPE: u8 = 1;

/// The chunks of the tree whose root is at `address`, in the order of the tree.
pub fn chunks(file: &File, address: u64, grid: &Grid) -> Result<Vec<Chunk>> {
    BTree::new(file, grid).read(address)
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
            strides: row_major_strides(&grid_shape),
            grid_shape,
            node_size,
            // The last node of a file may be cut off behind its last entry.
            nodes_left: file.source().len() / (8 + 2 * address + key) + 1,
            chunks: Vec::new(),
        }
    }

    fn read(mut self, root: u64) -> Result<Vec<Chunk>> {
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
        if kind != NODE_TYPE || level.is_some_and(|level| level != found) {
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
