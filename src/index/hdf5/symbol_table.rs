//! Old-style groups: a version 1 B-tree of symbol table nodes (sections III.A.1, III.B to III.D).

use std::collections::HashSet;

use bytes::Bytes;

use super::cursor::Cursor;
use super::file::File;
use super::link::{Link, Target};
use crate::model::error::{Error, Result};

const GROUP_NODE: u8 = 0;
const SOFT_LINK: u32 = 2;

/// The links of the group that the symbol table message `message` describes.
pub fn links(file: &File, mut message: Cursor) -> Result<Vec<Link>> {
    let btree = message.defined_address("a group's B-tree")?;
    let heap = message.defined_address("a group's local heap")?;
    let mut reader =
        Reader { file, names: local_heap(file, heap)?, seen: HashSet::new(), links: Vec::new() };
    reader.node(btree, None)?;
    Ok(reader.links)
}

/// The data segment of a local heap (section III.D).
fn local_heap(file: &File, address: u64) -> Result<Bytes> {
    let header = file.bytes_up_to(address, 32)?;
    let mut at = file.cursor(&header);
    at.signature(b"HEAP")?;
    at.version("local heap", &[0])?;
    at.skip(3)?;
    let size = at.length()?;
    at.length()?;
    file.bytes(at.defined_address("a local heap's data")?, size)
}

struct Reader<'a> {
    file: &'a File<'a>,
    names: Bytes,
    seen: HashSet<u64>,
    links: Vec<Link>,
}

impl Reader<'_> {
    /// A node of the B-tree, one level below its parent.
    fn node(&mut self, address: u64, level: Option<u8>) -> Result<()> {
        if !self.seen.insert(address) {
            return Err(Error::corrupt("a group's B-tree leads back to itself"));
        }
        let file = self.file;
        let header = file.bytes_up_to(address, 24)?;
        let mut at = file.cursor(&header);
        at.signature(b"TREE")?;
        let (kind, found) = (at.u8()?, at.u8()?);
        if kind != GROUP_NODE || level.is_some_and(|level| level != found) {
            return Err(Error::corrupt("a group's B-tree has a node of the wrong kind"));
        }
        let count = u64::from(at.u16()?);
        at.address()?;
        at.address()?;
        let start = address + at.position() as u64;
        let widths = file.superblock().widths;
        let entry = u64::from(widths.length) + u64::from(widths.offset);
        let entries = file.bytes(start, count * entry)?;
        let mut at = file.cursor(&entries);
        for _ in 0..count {
            at.length()?;
            let child = at.defined_address("a node of a group's B-tree")?;
            match found.checked_sub(1) {
                Some(below) => self.node(child, Some(below))?,
                None => self.symbols(child)?,
            }
        }
        Ok(())
    }

    /// A symbol table node (section III.B) with its entries (section III.C).
    fn symbols(&mut self, address: u64) -> Result<()> {
        let header = self.file.bytes(address, 8)?;
        let mut at = self.file.cursor(&header);
        at.signature(b"SNOD")?;
        at.version("symbol table node", &[1])?;
        at.skip(1)?;
        let count = u64::from(at.u16()?);
        let size = 2 * u64::from(self.file.superblock().widths.offset) + 24;
        let entries = self.file.bytes(address + 8, count * size)?;
        let mut at = self.file.cursor(&entries);
        for _ in 0..count {
            let name = at.address()?;
            let header = at.address()?;
            let cache = at.u32()?;
            at.skip(4)?;
            let mut scratch = self.file.cursor(at.take(16)?);
            let name = self.text(name)?;
            let target = match header {
                _ if cache == SOFT_LINK => Target::Path(self.text(Some(scratch.u32()?.into()))?),
                Some(address) => Target::Object(address),
                None => Target::Elsewhere,
            };
            self.links.push(Link { name, target, creation_order: None });
        }
        Ok(())
    }

    /// The name or path at `offset` of the local heap.
    fn text(&self, offset: Option<u64>) -> Result<String> {
        let start = offset.and_then(|offset| usize::try_from(offset).ok());
        let bytes = start.and_then(|start| self.names.get(start..));
        let bytes = bytes.ok_or_else(|| Error::corrupt("a link's name lies outside its heap"))?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}
