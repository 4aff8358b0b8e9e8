//! Shared object header messages (sections III.I and IV.A.2.p): what many objects have in common,
//! kept once in a fractal heap.
//!
//! The indexes that find equal messages serve writers; a reader needs only the heaps.

use bytes::Bytes;

use super::checksum;
use super::cursor::Cursor;
use super::file::File;
use super::fractal_heap::FractalHeap;
use super::object_header;
use crate::model::error::{Error, Result};

/// Bytes of the ID of a shared message in its heap.
pub const HEAP_ID: usize = 8;
/// Bytes of an index in the master table before its two addresses.
const INDEX_PREFIX: u64 = 1 + 1 + 2 + 4 + 2 + 2 + 2;

/// The master table: which heap holds the shared messages of which kind.
#[derive(Clone, Debug, Default)]
pub struct SharedMessages {
    indexes: Vec<Index>,
}

#[derive(Clone, Copy, Debug)]
struct Index {
    /// Bit *i* set: the index is for messages of kind *i*.
    kinds: u16,
    heap: Option<u64>,
}

impl SharedMessages {
    /// Reads the table that the shared message table message `message` leads to.
    pub fn read(file: &File, mut message: Cursor) -> Result<Self> {
        message.version("shared message table message", &[0])?;
        let address = message.defined_address("the shared message table")?;
        let count = message.u8()?;
        let index = INDEX_PREFIX + 2 * u64::from(file.superblock().widths.offset);
        let table = file.bytes(address, 4 + u64::from(count) * index + 4)?;
        let mut at = file.cursor(checksum::verified(&table, "shared message table")?);
        at.signature(b"SMTB")?;
        Ok(Self { indexes: (0..count).map(|_| Index::read(&mut at)).collect::<Result<_>>()? })
    }

    /// The shared message of `kind` with the heap ID `id`.
    pub fn message(&self, file: &File, kind: u16, id: &[u8]) -> Result<Bytes> {
        let heap = self.heap(kind).ok_or_else(|| {
            Error::corrupt(format!("the file has no heap for shared messages of kind {kind:#x}"))
        })?;
        FractalHeap::open(file, heap)?.object(id)
    }

    fn heap(&self, kind: u16) -> Option<u64> {
        // Fill value messages old and new share one place.
        let kind =
            if kind == object_header::FILL_VALUE_OLD { object_header::FILL_VALUE } else { kind };
        let bit = 1u16.checked_shl(kind.into())?;
        self.indexes.iter().find(|index| index.kinds & bit != 0)?.heap
    }
}

impl Index {
    fn read(at: &mut Cursor) -> Result<Self> {
        at.version("shared message index", &[0])?;
        at.skip(1)?;
        let kinds = at.u16()?;
        at.skip(4 + 2 + 2 + 2)?;
        at.address()?;
        Ok(Self { kinds, heap: at.address()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(indexes: &[(u16, Option<u64>)]) -> SharedMessages {
        let indexes = indexes.iter().map(|&(kinds, heap)| Index { kinds, heap }).collect();
        SharedMessages { indexes }
    }

    #[test]
    fn each_kind_has_the_heap_of_its_index() {
        let found = messages(&[(1 << 3 | 1 << 1, Some(100)), (1 << 5, Some(200)), (1 << 12, None)]);
        assert_eq!(found.heap(object_header::DATATYPE), Some(100));
        assert_eq!(found.heap(object_header::DATASPACE), Some(100));
        assert_eq!(found.heap(object_header::FILL_VALUE), Some(200));
        assert_eq!(found.heap(object_header::FILL_VALUE_OLD), Some(200));
        assert_eq!(found.heap(object_header::ATTRIBUTE), None);
        assert_eq!(found.heap(object_header::FILTER_PIPELINE), None);
        assert_eq!(found.heap(u16::MAX), None);
    }

    #[test]
    fn a_file_without_the_table_shares_nothing() {
        assert_eq!(SharedMessages::default().heap(object_header::DATATYPE), None);
    }
}
