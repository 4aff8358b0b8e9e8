//! Object headers (section IV.A): the messages that describe a group, dataset or datatype.

use std::collections::HashSet;

use bytes::Bytes;

use super::checksum;
use super::cursor::Cursor;
use super::file::File;
use super::shared_messages;
use crate::model::error::{Error, Result};

/// Dataspace message.
pub const DATASPACE: u16 = 0x01;
/// Link info message.
pub const LINK_INFO: u16 = 0x02;
/// Datatype message.
pub const DATATYPE: u16 = 0x03;
/// Fill value message of old files.
pub const FILL_VALUE_OLD: u16 = 0x04;
/// Fill value message.
pub const FILL_VALUE: u16 = 0x05;
/// Link message.
pub const LINK: u16 = 0x06;
/// External data files message.
pub const EXTERNAL_FILES: u16 = 0x07;
/// Data layout message.
pub const LAYOUT: u16 = 0x08;
/// Filter pipeline message.
pub const FILTER_PIPELINE: u16 = 0x0b;
/// Attribute message.
pub const ATTRIBUTE: u16 = 0x0c;
/// Shared message table message.
pub const SHARED_MESSAGE_TABLE: u16 = 0x0f;
/// Object header continuation message.
pub const CONTINUATION: u16 = 0x10;
/// Symbol table message.
pub const SYMBOL_TABLE: u16 = 0x11;
/// B-tree 'K' values message.
pub const BTREE_K: u16 = 0x13;
/// Driver info message.
pub const DRIVER_INFO: u16 = 0x14;
/// Attribute info message.
pub const ATTRIBUTE_INFO: u16 = 0x15;
/// Metadata cache image message, the highest kind known.
pub const CACHE_IMAGE: u16 = 0x18;

/// Flag of a message that only refers to its content.
pub const SHARED: u8 = 1 << 1;
const FAIL_IF_UNKNOWN: u8 = 1 << 7;

/// One message of an object header.
#[derive(Clone, Debug)]
pub struct Message {
    /// What the message describes, such as [`DATASPACE`].
    pub kind: u16,
    /// Place among the messages by time of creation, where the header records it.
    pub creation_order: Option<u16>,
    /// Content, with sharing resolved.
    pub body: Bytes,
}

/// All messages of the object header at `address`, continuations included.
pub fn read(file: &File, address: u64) -> Result<Vec<Message>> {
    let messages = if file.bytes(address, 4)? == b"OHDR"[..] {
        read_v2(file, address)?
    } else {
        read_v1(file, address)?
    };
    messages.into_iter().map(|raw| raw.resolve(file, address)).collect()
}

/// A message before sharing is resolved.
struct Raw {
    kind: u16,
    flags: u8,
    creation_order: Option<u16>,
    body: Bytes,
}

impl Raw {
    fn resolve(self, file: &File, header: u64) -> Result<Message> {
        let Self { kind, flags, creation_order, mut body } = self;
        if kind > CACHE_IMAGE && flags & FAIL_IF_UNKNOWN != 0 {
            return Err(Error::unsupported(format!("object header message {kind:#x}")));
        }
        if flags & SHARED != 0 {
            body = shared(file, kind, &body, header)?;
        }
        Ok(Message { kind, creation_order, body })
    }
}

/// The message of `kind` that the shared message `reference` stands for (section IV.A.2, shared
/// message format): that of a committed datatype, or one in a heap.
pub fn shared(file: &File, kind: u16, reference: &[u8], header: u64) -> Result<Bytes> {
    let mut at = file.cursor(reference);
    let version = at.version("shared message", &[1, 2, 3])?;
    let place = at.u8()?;
    if version == 3 && place == 1 {
        let id = at.take(shared_messages::HEAP_ID)?;
        return file.shared_messages().message(file, kind, id);
    }
    if version == 1 {
        at.skip(6)?;
    }
    let address = at.defined_address("a shared message")?;
    if address == header {
        return Err(Error::corrupt("a shared message refers to its own object"));
    }
    let raw = if file.bytes(address, 4)? == b"OHDR"[..] {
        read_v2(file, address)?
    } else {
        read_v1(file, address)?
    };
    raw.into_iter()
        .find(|message| message.kind == kind && message.flags & SHARED == 0)
        .map(|message| message.body)
        .ok_or_else(|| Error::corrupt("a shared message refers to an object without it"))
}

/// The blocks of a header that are still to be read, each once.
struct Blocks {
    pending: Vec<(u64, u64)>,
    seen: HashSet<u64>,
}

impl Blocks {
    fn new() -> Self {
        Self { pending: Vec::new(), seen: HashSet::new() }
    }

    fn push(&mut self, mut continuation: Cursor) -> Result<()> {
        let address = continuation.defined_address("an object header continuation")?;
        let len = continuation.length()?;
        if !self.seen.insert(address) {
            return Err(Error::corrupt("an object header continues in a circle"));
        }
        self.pending.push((address, len));
        Ok(())
    }
}

/// Version 1 (section IV.A.1.a).
fn read_v1(file: &File, address: u64) -> Result<Vec<Raw>> {
    let prefix = file.bytes(address, 16)?;
    let mut at = file.cursor(&prefix);
    at.version("object header", &[1])?;
    // Behind it a number of messages, which libhdf5 does not go by.
    at.skip(7)?;
    let first = file.bytes(file_offset(address, 16)?, at.u32()?.into())?;
    let mut messages = Vec::new();
    let mut blocks = Blocks::new();
    read_block_v1(file, &first, &mut messages, &mut blocks)?;
    while let Some((address, len)) = blocks.pending.pop() {
        let block = file.bytes(address, len)?;
        read_block_v1(file, &block, &mut messages, &mut blocks)?;
    }
    Ok(messages)
}

fn read_block_v1(
    file: &File,
    block: &Bytes,
    messages: &mut Vec<Raw>,
    blocks: &mut Blocks,
) -> Result<()> {
    let mut at = file.cursor(block);
    while at.remaining() >= 8 {
        let kind = at.u16()?;
        let size = usize::from(at.u16()?);
        let flags = at.u8()?;
        at.skip(3)?;
        let start = at.position();
        at.skip(size)?;
        let body = block.slice(start..start + size);
        if kind == CONTINUATION {
            blocks.push(file.cursor(&body))?;
        }
        messages.push(Raw { kind, flags, creation_order: None, body });
    }
    Ok(())
}

/// Version 2 (section IV.A.1.b).
fn read_v2(file: &File, address: u64) -> Result<Vec<Raw>> {
    let prefix = file.bytes_up_to(address, 34)?;
    let mut at = file.cursor(&prefix);
    at.signature(b"OHDR")?;
    at.version("object header", &[2])?;
    let flags = at.u8()?;
    if flags & 0x20 != 0 {
        at.skip(16)?;
    }
    if flags & 0x10 != 0 {
        at.skip(4)?;
    }
    let size = at.uint(1 << (flags & 3))?;
    let start = at.position();
    let len = size.checked_add(start as u64 + 4).ok_or_else(too_large)?;
    let tracks_order = flags & 4 != 0;
    let mut messages = Vec::new();
    let mut blocks = Blocks::new();
    let first = file.bytes(address, len)?;
    read_block_v2(file, &first, start, tracks_order, &mut messages, &mut blocks)?;
    while let Some((address, len)) = blocks.pending.pop() {
        let block = file.bytes(address, len)?;
        file.cursor(&block).signature(b"OCHK")?;
        read_block_v2(file, &block, 4, tracks_order, &mut messages, &mut blocks)?;
    }
    Ok(messages)
}

/// The messages of `block` from `start` to its checksum; a gap too small for a message may precede
/// the checksum.
fn read_block_v2(
    file: &File,
    block: &Bytes,
    start: usize,
    tracks_order: bool,
    messages: &mut Vec<Raw>,
    blocks: &mut Blocks,
) -> Result<()> {
    let mut at = file.cursor(checksum::verified(block, "object header")?);
    at.skip(start)?;
    let prefix = if tracks_order { 6 } else { 4 };
    while at.remaining() >= prefix {
        let kind = u16::from(at.u8()?);
        let size = usize::from(at.u16()?);
        let flags = at.u8()?;
        let creation_order = if tracks_order { Some(at.u16()?) } else { None };
        let start = at.position();
        at.skip(size)?;
        let body = block.slice(start..start + size);
        if kind == CONTINUATION {
            blocks.push(file.cursor(&body))?;
        }
        messages.push(Raw { kind, flags, creation_order, body });
    }
    Ok(())
}

fn file_offset(address: u64, len: u64) -> Result<u64> {
    address.checked_add(len).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::corrupt("an object header is larger than any file")
}
