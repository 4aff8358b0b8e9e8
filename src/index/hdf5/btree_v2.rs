//! Version 2 B-trees (section III.A.2): sorted records that name links, attributes, huge
//! objects and chunks.

use super::checksum;
use super::cursor::width_for;
use super::file::File;
use crate::model::error::{Error, Result};

/// Type of the tree that finds huge heap objects by number.
pub const HUGE_OBJECTS: u8 = 1;
/// Type of the tree that finds huge heap objects with filters by number.
pub const FILTERED_HUGE_OBJECTS: u8 = 2;
/// Type of the tree that finds links by name.
pub const LINK_NAMES: u8 = 5;
/// Type of the tree that finds attributes by name.
pub const ATTRIBUTE_NAMES: u8 = 8;
/// Type of the tree of chunks without filters.
pub const CHUNKS: u8 = 10;
/// Type of the tree of chunks with filters.
pub const FILTERED_CHUNKS: u8 = 11;

/// Signature, version, type and checksum of a node.
const NODE_OVERHEAD: u64 = 4 + 1 + 1 + 4;

/// Hands each record of the tree at `address`, which must be of type `kind`, to `take`, and whether it is the
/// first of a node. Records of inner nodes come before those below them.
pub fn records(
    file: &File,
    address: u64,
    kind: u8,
    take: &mut dyn FnMut(&[u8], bool) -> Result<()>,
) -> Result<()> {
    let widths = file.superblock().widths;
    let header = file.bytes(address, 22 + u64::from(widths.offset) + u64::from(widths.length))?;
    let mut at = file.cursor(checksum::verified(&header, "B-tree header")?);
    at.signature(b"BTHD")?;
    at.version("version 2 B-tree", &[0])?;
    if at.u8()? != kind {
        return Err(Error::corrupt("a version 2 B-tree is of the wrong type"));
    }
    let node_size = u64::from(at.u32()?);
    let record_size = usize::from(at.u16()?);
    let depth = at.u16()?;
    at.skip(2)?;
    let root = at.address()?;
    let count = u64::from(at.u16()?);
    let total = at.length()?;
    let Some(root) = root else { return Ok(()) };
    let levels = levels(node_size, record_size as u64, depth, widths.offset.into())?;
    // The last node of a file may be cut off behind its last record.
    let nodes_left = file.source().len() / node_size + 1;
    let mut tree = Tree { file, kind, node_size, record_size, nodes_left };
    let mut nodes = vec![Node { address: root, count }];
    // Level by level, so that all nodes of a level are read in one batch.
    let mut taken = 0;
    let mut counted = |record: &[u8], is_first: bool| {
        taken += 1;
        take(record, is_first)
    };
    for level in levels.iter().rev() {
        nodes = tree.read_level(&nodes, level, &mut counted)?;
    }
    // libhdf5 goes by either, here or there.
    if taken == total {
        return Ok(());
    }
    let message = format!("a version 2 B-tree has {taken} records, its header says {total}");
    Err(Error::corrupt(message))
}

/// Whether the records of each node ascend, without which libhdf5 does not find them.
#[derive(Default)]
pub struct Ascending(u64);

impl Ascending {
    /// Checks the next record, which goes by `key`.
    pub fn check(&mut self, key: u64, is_first_of_node: bool) -> Result<()> {
        let before = std::mem::replace(&mut self.0, key);
        if is_first_of_node || before <= key {
            return Ok(());
        }
        Err(Error::corrupt("the records of a version 2 B-tree are not in order"))
    }
}

/// How the nodes of one level are laid out.
struct Level {
    /// What is said of each child; nothing, of leaves.
    child: Option<ChildWidths>,
}

/// Bytes of the fields that name a child beside its address.
#[derive(Clone, Copy)]
struct ChildWidths {
    /// Of its number of records.
    count: usize,
    /// Of the number of records in it and below.
    total: usize,
}

/// The layout of each level from the leaves up, derived as HDF5 does: a node holds as many records
/// as its size allows, and counts are as wide as the greatest possible count needs.
fn levels(node_size: u64, record_size: u64, depth: u16, address: u64) -> Result<Vec<Level>> {
    let room = node_size.checked_sub(NODE_OVERHEAD).filter(|_| record_size > 0);
    let room = room.ok_or_else(|| Error::corrupt("a version 2 B-tree has nodes without room"))?;
    let leaf_most = room / record_size;
    let count = width_for(leaf_most);
    let mut levels = vec![Level { child: None }];
    let (mut most_below, mut total) = (leaf_most, 0);
    for _ in 0..depth {
        levels.push(Level { child: Some(ChildWidths { count, total }) });
        let pointer = address + count as u64 + total as u64;
        let most = room.saturating_sub(pointer) / (record_size + pointer);
        most_below = (most + 1)
            .checked_mul(most_below)
            .and_then(|below| below.checked_add(most))
            .ok_or_else(|| Error::corrupt("a version 2 B-tree is deeper than any file"))?;
        total = width_for(most_below);
    }
    Ok(levels)
}

/// A node to be read.
struct Node {
    address: u64,
    /// Its records.
    count: u64,
}

struct Tree<'a> {
    file: &'a File<'a>,
    kind: u8,
    node_size: u64,
    record_size: usize,
    /// Nodes that the file has room for; a tree with more leads back to itself.
    nodes_left: u64,
}

impl Tree<'_> {
    /// Takes the records of `nodes` and returns the nodes below them.
    fn read_level(
        &mut self,
        nodes: &[Node],
        level: &Level,
        take: &mut dyn FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<Vec<Node>> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(nodes.len() as u64)
            .ok_or_else(|| Error::corrupt("a version 2 B-tree leads back to itself"))?;
        let pieces = nodes.iter().map(|node| self.file.piece_up_to(node.address, self.node_size));
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        let mut below = Vec::new();
        self.file.source().read_pieces(&pieces, |number, bytes| {
            self.node(bytes, nodes[number].count, level, take, &mut below)
        })?;
        Ok(below)
    }

    /// Takes the `count` records of the node in `bytes`, and the nodes `below` it.
    fn node(
        &self,
        bytes: &[u8],
        count: u64,
        level: &Level,
        take: &mut dyn FnMut(&[u8], bool) -> Result<()>,
        below: &mut Vec<Node>,
    ) -> Result<()> {
        let used = self.used_bytes(count, level)?;
        let block = bytes.get(..used).ok_or_else(|| Error::corrupt("a B-tree node is too full"))?;
        let mut at = self.file.cursor(checksum::verified(block, "B-tree node")?);
        at.signature(if level.child.is_some() { b"BTIN" } else { b"BTLF" })?;
        at.version("B-tree node", &[0])?;
        if at.u8()? != self.kind {
            return Err(Error::corrupt("a version 2 B-tree has a node of another type"));
        }
        for number in 0..count {
            take(at.take(self.record_size)?, number == 0)?;
        }
        let Some(widths) = level.child else { return Ok(()) };
        for _ in 0..=count {
            let address = at.defined_address("a B-tree node")?;
            let count = at.uint(widths.count)?;
            at.uint(widths.total)?;
            below.push(Node { address, count });
        }
        Ok(())
    }

    /// Bytes of a node that are in use; its checksum follows them directly.
    fn used_bytes(&self, count: u64, level: &Level) -> Result<usize> {
        let records = count.checked_mul(self.record_size as u64);
        let children = level.child.map_or(Some(0), |widths| {
            let address = usize::from(self.file.superblock().widths.offset);
            (count.checked_add(1)?).checked_mul((address + widths.count + widths.total) as u64)
        });
        records
            .zip(children)
            .and_then(|(records, children)| {
                records.checked_add(children)?.checked_add(NODE_OVERHEAD)
            })
            .and_then(|used| usize::try_from(used).ok())
            .ok_or_else(|| Error::corrupt("a B-tree node is too large"))
    }
}
