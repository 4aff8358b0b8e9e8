//! Groups: the links to their members (sections IV.A.2.c and IV.A.2.r).

use super::btree_v2::{self, Ascending};
use super::checksum;
use super::cursor::Cursor;
use super::file::File;
use super::fractal_heap::FractalHeap;
use super::link::Link;
use super::object_header::{self, Message};
use super::symbol_table;
use crate::model::error::{Error, Result};

/// The links of the group with these `messages`: by creation where that is recorded, else by name.
pub fn links(file: &File, messages: &[Message]) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for message in messages {
        let at = file.cursor(&message.body);
        match message.kind {
            object_header::SYMBOL_TABLE => links.extend(symbol_table::links(file, at)?),
            object_header::LINK => links.push(Link::read(at)?),
            object_header::LINK_INFO => links.extend(dense_links(file, at)?),
            _ => {}
        }
    }
    links.sort_by(|a, b| a.creation_order.cmp(&b.creation_order).then_with(|| a.name.cmp(&b.name)));
    // The order of two would depend on who reads them, and the names of dimensions without scales on that.
    let is_one = |pair: &[Link]| {
        pair[0].creation_order.is_some() && pair[0].creation_order == pair[1].creation_order
    };
    match links.windows(2).find(|pair| is_one(pair)) {
        Some(pair) => {
            let [a, b] = [&pair[0], &pair[1]].map(|link| link.name.escape_debug());
            Err(Error::corrupt(format!(
                "`{a}` and `{b}` have the same place in the order of creation"
            )))
        }
        None => Ok(links),
    }
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
    let mut links = Vec::new();
    let mut order = Ascending::default();
    btree_v2::records(file, names, btree_v2::LINK_NAMES, &mut |record, is_first| {
        let mut at = file.cursor(record);
        let hash = at.u32()?;
        order.check(hash.into(), is_first)?;
        let link = Link::read(file.cursor(&heap.object(at.take(at.remaining())?)?))?;
        // What is not UTF-8 is told as that.
        if !link.name.contains(char::REPLACEMENT_CHARACTER) {
            checksum::check_name(link.name.as_bytes(), hash)?;
        }
        links.push(link);
        Ok(())
    })?;
    Ok(links)
}
