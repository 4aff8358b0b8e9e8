//! Groups: the links to their members (sections IV.A.2.c, IV.A.2.g and IV.A.2.r).

use super::btree_v2;
use super::cursor::Cursor;
use super::file::File;
use super::fractal_heap::FractalHeap;
use super::object_header::{self, Message};
use super::symbol_table;
use crate::model::error::{Error, Result};

/// A named member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name within the group.
    pub name: String,
    /// What it leads to.
    pub target: Target,
    /// Place among the links by time of creation, where the group records it.
    pub creation_order: Option<u64>,
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The object header at this address.
    Object(u64),
    /// A path in this or another file (soft, external or user-defined link).
    Elsewhere,
}

/// The links of the group with these `messages`: by creation where that is recorded, else by name.
pub fn links(file: &File, messages: &[Message]) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for message in messages {
        let at = file.cursor(&message.body);
        match message.kind {
            object_header::SYMBOL_TABLE => links.extend(symbol_table::links(file, at)?),
            object_header::LINK => links.push(link(at)?),
            object_header::LINK_INFO => links.extend(dense_links(file, at)?),
            _ => {}
        }
    }
    links.sort_by(|a, b| a.creation_order.cmp(&b.creation_order).then_with(|| a.name.cmp(&b.name)));
    Ok(links)
}

/// Whether `messages` are those of a group.
#[must_use]
pub fn is_group(messages: &[Message]) -> bool {
    let kinds = [object_header::SYMBOL_TABLE, object_header::LINK_INFO];
    messages.iter().any(|message| kinds.contains(&message.kind))
}

/// Links kept in a fractal heap, named by a version 2 B-tree.
fn dense_links(file: &File, mut message: Cursor) -> Result<Vec<Link>> {
    message.version("link info message", &[0])?;
    let flags = message.u8()?;
    if flags & 1 != 0 {
        message.skip(8)?;
    }
    let (heap, names) = (message.address()?, message.address()?);
    let (Some(heap), Some(names)) = (heap, names) else {
        return Ok(Vec::new());
    };
    let heap = FractalHeap::open(file, heap)?;
    let records = btree_v2::records(file, names, btree_v2::LINK_NAMES)?;
    records
        .iter()
        .map(|record| {
            let id = record.get(4..).unwrap_or_default();
            link(file.cursor(&heap.object(id)?))
        })
        .collect()
}

/// A link message (section IV.A.2.g).
fn link(mut at: Cursor) -> Result<Link> {
    at.version("link message", &[1])?;
    let flags = at.u8()?;
    let kind = if flags & 8 != 0 { at.u8()? } else { 0 };
    let creation_order = if flags & 4 != 0 { Some(at.u64()?) } else { None };
    if flags & 0x10 != 0 {
        at.skip(1)?;
    }
    let len = at.uint(1 << (flags & 3))?;
    let len = usize::try_from(len).map_err(|_| Error::corrupt("a link's name is too long"))?;
    let name = String::from_utf8_lossy(at.take(len)?).into_owned();
    let target = match kind {
        0 => Target::Object(at.defined_address("a linked object")?),
        _ => Target::Elsewhere,
    };
    Ok(Link { name, target, creation_order })
}
