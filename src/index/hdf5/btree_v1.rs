//! The version 1 B-tree of chunks (section III.A.1).

use std::slice::ChunksExact;

use super::chunk_grid::{Axis, Grid};
use super::cursor::Cursor;
use super::file::File;
use super::found_chunks::FoundChunks;
use crate::model::array::Chunk;
use crate::model::error::{Error, Result};

const NODE_TYPE: u8 = 1;

/// Reads the tree whose root is at `address`, whose chunks are added to those `found`.
pub fn read(file: &File, address: u64, grid: &Grid, found: &mut FoundChunks) -> Result<()> {
    let mut tree = BTree::new(file, grid, found);
    // Level by level, so that all nodes of a level are read in one batch.
    let mut nodes = vec![Branch { address, keys: None }];
    while !nodes.is_empty() {
        nodes = tree.read_level(&nodes)?;
    }
    Ok(())
}

/// What leads to a node.
struct Branch {
    address: u64,
    /// Its key, and the one behind it; none lead to the root.
    keys: Option<[Box<[u8]>; 2]>,
}

/// A walk over a version 1 B-tree of chunks.
struct BTree<'a> {
    file: &'a File<'a>,
    axes: Vec<Axis>,
    node_size: u64,
    /// Bytes of a key and the address that follows it.
    entry_size: usize,
    /// Nodes that the file has room for; a tree with more leads back to itself.
    nodes_left: u64,
    /// The level of the nodes to be read; known from the root on.
    level: Option<u8>,
    found: &'a mut FoundChunks,
}

impl<'a> BTree<'a> {
    fn new(file: &'a File<'a>, grid: &Grid, found: &'a mut FoundChunks) -> Self {
        let widths = file.superblock().widths;
        let key = 8 + 8 * (grid.shape.len() as u64 + 1);
        let most = 2 * u64::from(file.superblock().chunk_k);
        let address = u64::from(widths.offset);
        Self {
            file,
            axes: grid.axes(),
            entry_size: 8 + 8 * (grid.shape.len() + 1) + usize::from(widths.offset),
            node_size: 8 + 2 * address + most * (key + address) + key,
            // The last node of a file may be cut off behind its last entry.
            nodes_left: file.source().len() / (8 + 2 * address + key) + 1,
            level: None,
            found,
        }
    }

    /// Reads `nodes` of one level and returns those below: none, if these were leaves.
    fn read_level(&mut self, nodes: &[Branch]) -> Result<Vec<Branch>> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(nodes.len() as u64)
            .ok_or_else(|| Error::corrupt("a chunk B-tree leads back to itself"))?;
        let file = self.file;
        let pieces = nodes.iter().map(|node| file.piece_up_to(node.address, self.node_size));
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        let mut below = Vec::new();
        file.source().read_pieces(&pieces, |number, node| {
            self.node(file.cursor(node), &nodes[number], &mut below)
        })?;
        self.level = self.level.and_then(|level| level.checked_sub(1));
        Ok(below)
    }

    /// Takes the chunks of the node `at`, which `branch` led to, or the nodes `below` it.
    fn node(&mut self, mut at: Cursor, branch: &Branch, below: &mut Vec<Branch>) -> Result<()> {
        at.signature(b"TREE")?;
        let (kind, level) = (at.u8()?, at.u8()?);
        if kind != NODE_TYPE || *self.level.get_or_insert(level) != level {
            return Err(Error::corrupt("a chunk B-tree has a node of the wrong kind"));
        }
        let count = usize::from(at.u16()?);
        at.address()?;
        at.address()?;
        let entries = at.take(count * self.entry_size)?.chunks_exact(self.entry_size);
        let behind =
            at.take(self.entry_size - usize::from(self.file.superblock().widths.offset))?;
        let (Some(first), Some(last)) = (entries.clone().next(), entries.clone().next_back())
        else {
            return Ok(());
        };
        // libhdf5 halves its way to a chunk, and takes one that it does not meet there for never written. So the
        // keys of a node increase, up to that behind its last entry, and lie between those that lead to it.
        let is_within = branch.keys.as_ref().is_none_or(|[from, to]| {
            self.first(from).le(self.first(first)) && self.is_before(last, to)
        });
        if !(is_within && self.is_before(last, behind)) {
            return Err(out_of_order());
        }
        if level > 0 { self.branches(entries, behind, below) } else { self.leaf(entries) }
    }

    /// Takes what the `entries` of a node lead to: the nodes `below`.
    fn branches(
        &self,
        entries: ChunksExact<u8>,
        behind: &[u8],
        below: &mut Vec<Branch>,
    ) -> Result<()> {
        let next = entries.clone().skip(1).chain([behind]);
        for (entry, next) in entries.zip(next) {
            if !self.is_before(entry, next) {
                return Err(out_of_order());
            }
            let mut at = self.file.cursor(entry);
            at.skip(8 + 8 * (self.axes.len() + 1))?;
            let address = at.defined_address("a node of a chunk B-tree")?;
            below.push(Branch { address, keys: Some([entry.into(), next.into()]) });
        }
        Ok(())
    }

    /// Takes the chunks that the `entries` of a leaf stand for.
    fn leaf(&mut self, entries: ChunksExact<u8>) -> Result<()> {
        // The numbers of chunks run as their keys do.
        let mut least = 0;
        for entry in entries {
            let chunk = self.chunk(entry)?;
            if chunk.index < least {
                return Err(out_of_order());
            }
            least = chunk.index.saturating_add(1);
            self.found.push(chunk)?;
        }
        Ok(())
    }

    /// Whether the chunk of a key starts before that of another.
    fn is_before(&self, one: &[u8], other: &[u8]) -> bool {
        self.first(one).lt(self.first(other))
    }

    /// Where the chunk of a key starts, along each dimension and within an element.
    fn first<'k>(&self, key: &'k [u8]) -> impl Iterator<Item = u64> + use<'k> {
        let words = key.get(8..).unwrap_or_default().as_chunks::<8>().0;
        words.iter().take(self.axes.len() + 1).map(|word| u64::from_le_bytes(*word))
    }

    /// The chunk that an entry of a leaf stands for: size, filter mask, first element along each
    /// dimension and within an element, address.
    fn chunk(&self, entry: &[u8]) -> Result<Chunk> {
        let mut at = self.file.cursor(entry);
        let (size, filter_mask) = (at.u32()?, at.u32()?);
        let firsts = at.take(8 * self.axes.len())?.as_chunks::<8>().0;
        let mut index = 0;
        for (axis, first) in self.axes.iter().zip(firsts) {
            index += axis.weight_of_element(u64::from_le_bytes(*first))?;
        }
        // libhdf5 looks for chunks that start with an element, and finds no other.
        if at.u64()? != 0 {
            return Err(Error::corrupt("a chunk starts within an element"));
        }
        let offset = self.file.position(at.defined_address("a chunk")?)?;
        Ok(Chunk { index, offset, size: size.into(), filter_mask, trailing: 0 })
    }
}

#[cold]
fn out_of_order() -> Error {
    Error::corrupt("the chunks of a B-tree are not in order")
}
