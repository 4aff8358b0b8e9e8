//! One open HDF5 file: its bytes and what its superblock says about reading them.

use bytes::Bytes;

use super::cursor::Cursor;
use super::shared_messages::SharedMessages;
use super::superblock::Superblock;
use crate::index::source::Source;
use crate::model::error::{Error, Result};

/// An HDF5 file.
pub struct File<'a> {
    source: &'a Source<'a>,
    superblock: Superblock,
    shared_messages: SharedMessages,
}

impl<'a> File<'a> {
    /// The file in `source`, described by `superblock`, which shares no messages so far as known.
    #[must_use]
    pub fn new(source: &'a Source<'a>, superblock: Superblock) -> Self {
        Self { source, superblock, shared_messages: SharedMessages::default() }
    }

    /// The same file with these `shared_messages`.
    #[must_use]
    pub fn with_shared_messages(self, shared_messages: SharedMessages) -> Self {
        Self { shared_messages, ..self }
    }

    /// What the superblock says.
    #[must_use]
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Messages kept once for many objects.
    #[must_use]
    pub fn shared_messages(&self) -> &SharedMessages {
        &self.shared_messages
    }

    /// The bytes of the file.
    #[must_use]
    pub fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// A cursor at the start of `bytes`.
    #[must_use]
    pub fn cursor<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor::new(bytes, self.superblock.widths)
    }

    /// The place in the file that `address` names.
    pub fn position(&self, address: u64) -> Result<u64> {
        address
            .checked_add(self.superblock.base)
            .ok_or_else(|| Error::corrupt(format!("the address {address} is out of range")))
    }

    /// `len` bytes at `address`.
    pub fn bytes(&self, address: u64, len: u64) -> Result<Bytes> {
        self.source.bytes(self.position(address)?, len)
    }

    /// Up to `len` bytes at `address`, fewer at the end of the file.
    pub fn bytes_up_to(&self, address: u64, len: u64) -> Result<Bytes> {
        self.source.bytes_up_to(self.position(address)?, len)
    }

    /// Place and length of up to `len` bytes at `address`, fewer at the end of the file.
    pub fn piece_up_to(&self, address: u64, len: u64) -> Result<(u64, u64)> {
        let position = self.position(address)?;
        Ok((position, len.min(self.source.len().saturating_sub(position))))
    }
}
