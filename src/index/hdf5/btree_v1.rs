//! The version 1 B-tree of chunks (section III.A.1).

use super::chunk_grid::{Axis, Grid};
use super::cursor::Cursor;
use super::file::File;
use crate::model::array::Chunk;
use crate::model::error::{Error, Result};

const NODE_TYPE: u8 = 1;

/// The chunks of the tree whose root is at `address`, in the order of the tree.
pub fn chunks(file: &File, address: u64, grid: &Grid) -> Result<Vec<Chunk>> {
    let mut tree = BTree::new(file, grid);
    // Level by level, so that all nodes of a level are read in one batch.
    let mut nodes = vec![Branch { address, keys: None }];
    while !nodes.is_empty() {
        nodes = tree.read_level(&nodes)?;
    }
    Ok(tree.chunks)
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
    chunks: Vec<Chunk>,
}

impl<'a> BTree<'a> {
    fn new(file: &'a File<'a>, grid: &Grid) -> Self {
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
            chunks: Vec::new(),
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
        let last = at.take(self.entry_size - usize::from(self.file.superblock().widths.offset))?;
        let keys: Vec<&[u8]> = entries.clone().chain([last]).collect();
        self.check_order(&keys, branch)?;
        if level > 0 {
            for (entry, next) in entries.zip(&keys[1..]) {
                let mut at = self.file.cursor(entry);
                at.skip(8 + 8 * (self.axes.len() + 1))?;
                let address = at.defined_address("a node of a chunk B-tree")?;
                below.push(Branch { address, keys: Some([entry.into(), (*next).into()]) });
            }
            return Ok(());
        }
        self.chunks.reserve(count);
        for entry in entries {
            let chunk = self.chunk(self.file.cursor(entry))?;
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// The keys of a node increase, up to that behind its last entry, and lie between those that lead to it:
    /// libhdf5 halves its way to a chunk, and takes one that it does not meet there for never written.
    fn check_order(&self, keys: &[&[u8]], branch: &Branch) -> Result<()> {
        let is_in_order = |(a, b): (&[u8], &[u8])| self.first(a).lt(self.first(b));
        let is_within = match (&branch.keys, keys) {
            (Some([from, to]), [first, .., last, _]) => {
                self.first(from).le(self.first(first)) && is_in_order((last, to))
            }
            (Some([from, to]), [first, _]) => {
                self.first(from).le(self.first(first)) && is_in_order((first, to))
            }
            _ => true,
        };
        if is_within && keys.windows(2).all(|pair| is_in_order((pair[0], pair[1]))) {
            return Ok(());
        }
        Err(Error::corrupt("the chunks of a B-tree are not in order"))
    }

    /// Where the chunk of a key starts, along each dimension and within an element.
    fn first<'k>(&self, key: &'k [u8]) -> impl Iterator<Item = u64> + use<'k> {
        let words = key.get(8..).unwrap_or_default().as_chunks::<8>().0;
        words.iter().take(self.axes.len() + 1).map(|word| u64::from_le_bytes(*word))
    }

    /// The chunk that an entry of a leaf stands for: size, filter mask, first element along each
    /// dimension and within an element, address.
    fn chunk(&self, mut at: Cursor) -> Result<Chunk> {
        let (size, filter_mask) = (at.u32()?, at.u32()?);
        let mut index = 0;
        for axis in &self.axes {
            index += axis.weight_of_element(at.u64()?)?;
        }
        // libhdf5 looks for chunks that start with an element, and finds no other.
        if at.u64()? != 0 {
            return Err(Error::corrupt("a chunk starts within an element"));
        }
        let offset = self.file.position(at.defined_address("a chunk")?)?;
        Ok(Chunk { index, offset, size: size.into(), filter_mask, trailing: 0 })
    }
}
