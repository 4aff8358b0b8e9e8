//! Version 2 B-trees (section III.A.2): sorted records that name links, attributes and huge
//! objects.

use std::collections::HashSet;

use super::checksum;
use super::cursor::{Cursor, width_for};
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

/// The records of a tree, in order.
pub struct Records {
    bytes: Vec<u8>,
    record_size: usize,
}

impl Records {
    /// The bytes of each record.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.record_size)
    }
}

/// All records of the tree at `address`, which must be of type `kind`.
pub fn records(file: &File, address: u64, kind: u8) -> Result<Records> {
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
    let records = Records { bytes: Vec::new(), record_size: record_size.max(1) };
    let Some(root) = root else { return Ok(records) };
    let levels = levels(node_size, record_size as u64, depth, widths.offset.into())?;
    let mut tree = Tree { file, kind, node_size, levels, seen: HashSet::new(), records };
    tree.node(root, count, depth.into())?;
    Ok(tree.records)
}

/// How the nodes of one level are laid out.
struct Level {
    /// Bytes of the number of records in a child.
    count_width: usize,
    /// Bytes of the number of records below a child.
    total_width: usize,
}

/// The layout of each level from the leaves up, derived as HDF5 does: a node holds as many records
/// as its size allows, and counts are as wide as the greatest possible count needs.
fn levels(node_size: u64, record_size: u64, depth: u16, address: u64) -> Result<Vec<Level>> {
    let room = node_size.checked_sub(NODE_OVERHEAD).filter(|_| record_size > 0);
    let room = room.ok_or_else(|| Error::corrupt("a version 2 B-tree has nodes without room"))?;
    let leaf_most = room / record_size;
    let count_width = width_for(leaf_most);
    let mut levels = vec![Level { count_width, total_width: 0 }];
    let (mut most_below, mut total_width) = (leaf_most, 0);
    for _ in 0..depth {
        levels.push(Level { count_width, total_width });
        let pointer = address + count_width as u64 + total_width as u64;
        let most = room.saturating_sub(pointer) / (record_size + pointer);
        most_below = (most + 1)
            .checked_mul(most_below)
            .and_then(|below| below.checked_add(most))
            .ok_or_else(|| Error::corrupt("a version 2 B-tree is deeper than any file"))?;
        total_width = width_for(most_below);
    }
    Ok(levels)
}

struct Tree<'a> {
    file: &'a File<'a>,
    kind: u8,
    node_size: u64,
    levels: Vec<Level>,
    seen: HashSet<u64>,
    records: Records,
}

impl Tree<'_> {
    /// Collects the records of the node at `address` and below, in order.
    fn node(&mut self, address: u64, count: u64, depth: usize) -> Result<()> {
        if !self.seen.insert(address) {
            return Err(Error::corrupt("a version 2 B-tree leads back to itself"));
        }
        let node = self.file.bytes_up_to(address, self.node_size)?;
        let used = self.used_bytes(count, depth)?;
        let block = node.get(..used).ok_or_else(|| Error::corrupt("a B-tree node is too full"))?;
        let mut at = self.file.cursor(checksum::verified(block, "B-tree node")?);
        at.signature(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        at.version("B-tree node", &[0])?;
        if at.u8()? != self.kind {
            return Err(Error::corrupt("a version 2 B-tree has a node of another type"));
        }
        let record_size = self.records.record_size;
        let records = at.take(usize::try_from(count).unwrap_or(usize::MAX) * record_size)?;
        let Some(below) = depth.checked_sub(1) else {
            self.records.bytes.extend_from_slice(records);
            return Ok(());
        };
        // Child i holds what sorts before record i.
        let mut records = records.chunks_exact(record_size);
        for _ in 0..=count {
            let (child, child_count) = self.child(&mut at, depth)?;
            self.node(child, child_count, below)?;
            self.records.bytes.extend_from_slice(records.next().unwrap_or_default());
        }
        Ok(())
    }

    fn child(&self, at: &mut Cursor, depth: usize) -> Result<(u64, u64)> {
        let level = self.level(depth)?;
        let address = at.defined_address("a B-tree node")?;
        let count = at.uint(level.count_width)?;
        at.uint(level.total_width)?;
        Ok((address, count))
    }

    /// Bytes of a node that are in use; its checksum follows them directly.
    fn used_bytes(&self, count: u64, depth: usize) -> Result<usize> {
        let mut used = NODE_OVERHEAD + count * self.records.record_size as u64;
        if depth > 0 {
            let level = self.level(depth)?;
            let address = usize::from(self.file.superblock().widths.offset);
            let pointer = address + level.count_width + level.total_width;
            used += (count + 1) * pointer as u64;
        }
        usize::try_from(used).map_err(|_| Error::corrupt("a B-tree node is too large"))
    }

    fn level(&self, depth: usize) -> Result<&Level> {
        self.levels.get(depth).ok_or_else(|| Error::corrupt("a B-tree node lies too deep"))
    }
}
