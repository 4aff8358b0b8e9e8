//! Fractal heaps (section III.G): where dense links and attributes are kept.
//!
//! Objects lie in direct blocks. The blocks form a table of rows, each `width` blocks wide; the
//! first two rows have blocks of the starting size and each further row doubles it. Rows whose
//! blocks would exceed the greatest direct size hold indirect blocks, tables of the same form.
//!
//! Direct blocks and huge objects, not indirect blocks, may have gone through filters.

use std::cell::RefCell;

use bytes::Bytes;

use super::btree_v2;
use super::checksum;
use super::cursor::{Cursor, width_for};
use super::file::File;
use super::filter_pipeline;
use crate::index::filter::Decoder;
use crate::model::codec::Filter;
use crate::model::dtype::DataType;
use crate::model::error::{Error, Result};

/// An open fractal heap.
pub struct FractalHeap<'a> {
    file: &'a File<'a>,
    table: Table,
    /// Bytes of an offset into the heap.
    offset_width: usize,
    /// Bytes of the length of a managed object.
    length_width: usize,
    id_len: usize,
    root: Option<u64>,
    /// How the root is stored where it is a filtered direct block.
    root_stored: Option<Stored>,
    /// Rows of the root indirect block; 0 where the root is a direct block.
    root_rows: u64,
    checksums: bool,
    huge_objects: Option<u64>,
    filters: Vec<Filter>,
    /// Direct blocks read before: objects are asked for in the order of their names.
    kept: RefCell<Kept>,
}

/// Most bytes of direct blocks that are kept, beside the one read last.
const MOST_KEPT: usize = 1 << 20;

/// Direct blocks, each with its place in the heap.
#[derive(Default)]
struct Kept {
    blocks: Vec<(u64, Bytes)>,
    size: usize,
}

impl Kept {
    /// The block that holds the heap's byte `offset`.
    fn block_of(&self, offset: u64) -> Option<&(u64, Bytes)> {
        self.blocks.iter().find(|(start, bytes)| {
            offset.checked_sub(*start).is_some_and(|within| within < bytes.len() as u64)
        })
    }

    fn push(&mut self, start: u64, bytes: Bytes) {
        if self.size + bytes.len() > MOST_KEPT {
            *self = Self::default();
        }
        self.size += bytes.len();
        self.blocks.push((start, bytes));
    }
}

/// How something filtered is stored.
#[derive(Clone, Copy)]
struct Stored {
    size: u64,
    filter_mask: u32,
}

impl Stored {
    fn read(at: &mut Cursor) -> Result<Self> {
        Ok(Self { size: at.length()?, filter_mask: at.u32()? })
    }
}

/// The doubling table.
#[derive(Clone, Copy)]
struct Table {
    width: u64,
    starting_size: u64,
    max_direct_size: u64,
}

impl Table {
    /// Size of the blocks in `row`.
    fn block_size(&self, row: u64) -> Option<u64> {
        let doublings = u32::try_from(row.saturating_sub(1)).ok()?;
        self.starting_size.checked_mul(1u64.checked_shl(doublings)?)
    }

    /// Rows that hold direct blocks.
    fn direct_rows(&self) -> u64 {
        u64::from(self.max_direct_size.ilog2().saturating_sub(self.starting_size.ilog2())) + 2
    }

    /// Rows of an indirect block that stands for `size` bytes of the heap.
    fn rows_of(&self, size: u64) -> Option<u64> {
        let first_row = self.starting_size.checked_mul(self.width)?;
        Some(u64::from(size.ilog2().checked_sub(first_row.ilog2())?) + 1)
    }
}

impl<'a> FractalHeap<'a> {
    /// Reads the header of the heap at `address`.
    pub fn open(file: &'a File<'a>, address: u64) -> Result<Self> {
        let widths = file.superblock().widths;
        let mut size = 26 + 12 * u64::from(widths.length) + 3 * u64::from(widths.offset);
        let prefix = file.bytes(address, 9)?;
        let mut at = file.cursor(&prefix);
        at.skip(7)?;
        let filters_len = at.u16()?;
        if filters_len > 0 {
            size += u64::from(widths.length) + 4 + u64::from(filters_len);
        }
        let header = file.bytes(address, size)?;
        let mut at = file.cursor(checksum::verified(&header, "fractal heap header")?);
        at.signature(b"FRHP")?;
        at.version("fractal heap", &[0])?;
        let id_len = usize::from(at.u16()?);
        at.skip(2)?;
        let flags = at.u8()?;
        let max_object = u64::from(at.u32()?);
        at.length()?;
        let huge_objects = at.address()?;
        at.length()?;
        at.address()?;
        for _ in 0..8 {
            at.length()?;
        }
        let table = Table {
            width: at.u16()?.into(),
            starting_size: at.length()?,
            max_direct_size: at.length()?,
        };
        let heap_bits = at.u16()?;
        at.skip(2)?;
        let root = at.address()?;
        let root_rows = at.u16()?.into();
        let (mut root_stored, mut filters) = (None, Vec::new());
        if filters_len > 0 {
            root_stored = Some(Stored::read(&mut at)?);
            filters = filter_pipeline::read(at)?;
        }
        if !table.starting_size.is_power_of_two()
            || !table.max_direct_size.is_power_of_two()
            || !table.width.is_power_of_two()
        {
            return Err(Error::corrupt("a fractal heap's table is not made of powers of two"));
        }
        Ok(Self {
            file,
            table,
            offset_width: usize::from(heap_bits).div_ceil(8),
            length_width: width_for(table.max_direct_size).min(width_for(max_object)),
            id_len,
            root,
            root_stored,
            root_rows,
            checksums: flags & 2 != 0,
            huge_objects,
            filters,
            kept: RefCell::default(),
        })
    }

    /// The object with the heap ID `id`; bytes beyond the ID's length are ignored.
    pub fn object(&self, id: &[u8]) -> Result<Bytes> {
        let id = id.get(..self.id_len).ok_or_else(|| Error::corrupt("a heap ID is too short"))?;
        let mut at = self.file.cursor(id);
        let flags = at.u8()?;
        match flags >> 4 & 3 {
            0 => {
                let offset = at.uint(self.offset_width)?;
                let len = at.uint(self.length_width)?;
                self.managed(offset, len)
            }
            1 => self.huge(at),
            2 => self.tiny(flags, at),
            _ => Err(Error::corrupt("a heap ID is of unknown type")),
        }
    }

    /// An object within a direct block.
    fn managed(&self, offset: u64, len: u64) -> Result<Bytes> {
        self.file.source().account_for(len)?;
        if let Some(block) = self.kept.borrow().block_of(offset) {
            return object_of(block, offset, len);
        }
        object_of(&self.direct_block(offset)?, offset, len)
    }

    /// The direct block that holds the heap's byte `offset`: its place in the heap, and its bytes from its
    /// prefix on, with filters undone.
    fn direct_block(&self, offset: u64) -> Result<(u64, Bytes)> {
        let root =
            self.root.ok_or_else(|| Error::corrupt("an empty heap is asked for an object"))?;
        let mut block = Block {
            address: root,
            stored: self.root_stored,
            rows: self.root_rows,
            start: 0,
            size: self.table.starting_size,
        };
        while block.rows > 0 {
            block = self.child(&block, offset)?;
        }
        let bytes = match block.stored {
            None => self.file.bytes(block.address, block.size)?,
            Some(stored) => self.unfiltered(block.address, stored, block.size)?,
        };
        self.check_prefix(&bytes, *b"FHDB", block.start)?;
        if self.checksums {
            self.check_checksum(&bytes)?;
        }
        self.kept.borrow_mut().push(block.start, bytes.clone());
        Ok((block.start, bytes))
    }

    /// The child of the indirect block `parent` that holds the heap's byte `offset`.
    fn child(&self, parent: &Block, offset: u64) -> Result<Block> {
        let &Block { rows, start, .. } = parent;
        let outside = || Error::corrupt("an object lies outside its heap");
        let mut row_start = start;
        for row in 0..rows {
            let size = self.table.block_size(row).ok_or_else(outside)?;
            let row_size = size.checked_mul(self.table.width).ok_or_else(outside)?;
            let row_end = row_start.checked_add(row_size).ok_or_else(outside)?;
            if offset < row_end {
                let column = (offset - row_start) / size;
                let entry = row * self.table.width + column;
                let direct = row < self.table.direct_rows();
                let (address, stored) = self.entry(parent, entry, direct)?;
                return Ok(Block {
                    address,
                    stored,
                    rows: if direct { 0 } else { self.table.rows_of(size).ok_or_else(outside)? },
                    start: row_start + column * size,
                    size,
                });
            }
            row_start = row_end;
        }
        Err(outside())
    }

    /// The address in `entry` of the indirect block `parent` and, for filtered direct blocks, how
    /// the block is stored.
    fn entry(&self, parent: &Block, entry: u64, direct: bool) -> Result<(u64, Option<Stored>)> {
        let prefix = self.file.bytes(parent.address, self.prefix_len())?;
        self.check_prefix(&prefix, *b"FHIB", parent.start)?;
        let widths = self.file.superblock().widths;
        let narrow = u64::from(widths.offset);
        let filtered = !self.filters.is_empty();
        let wide = narrow + if filtered { u64::from(widths.length) + 4 } else { 0 };
        // Entries of direct blocks come first.
        let wide_before = entry.min(self.table.direct_rows() * self.table.width);
        let before = wide_before * wide + (entry - wide_before) * narrow;
        let place = parent.address + self.prefix_len() + before;
        let bytes = self.file.bytes(place, if direct { wide } else { narrow })?;
        let mut at = self.file.cursor(&bytes);
        let address = at.defined_address("a heap block")?;
        let stored = if direct && filtered { Some(Stored::read(&mut at)?) } else { None };
        Ok((address, stored))
    }

    /// The `size` bytes that were filtered and stored at `address`.
    fn unfiltered(&self, address: u64, stored: Stored, size: u64) -> Result<Bytes> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut decoder = Decoder::default();
        decoder.bytes = self.file.bytes(address, stored.size)?.to_vec();
        decoder.undo(&self.filters, stored.filter_mask, DataType::Text(1), size)?;
        Ok(decoder.bytes.into())
    }

    fn check_checksum(&self, block: &[u8]) -> Result<()> {
        // It lies behind the prefix.
        let at = usize::try_from(self.prefix_len()).unwrap_or(usize::MAX);
        let stored = block.get(at..).and_then(<[u8]>::first_chunk::<4>);
        let stored = stored.map(|stored| u32::from_le_bytes(*stored));
        match checksum::lookup3_without_checksum(block, at) {
            None => Err(Error::corrupt("a heap block is too small")),
            found if found == stored => Ok(()),
            _ => Err(Error::corrupt("the checksum of a heap block does not match")),
        }
    }

    /// Bytes of the start of a block.
    fn prefix_len(&self) -> u64 {
        5 + u64::from(self.file.superblock().widths.offset) + self.offset_width as u64
    }

    /// Checks that `prefix` starts the block of the heap that begins at its byte `start`.
    fn check_prefix(&self, prefix: &[u8], signature: [u8; 4], start: u64) -> Result<()> {
        let mut at = self.file.cursor(prefix);
        at.signature(&signature)?;
        at.version("fractal heap block", &[0])?;
        at.address()?;
        if at.uint(self.offset_width)? == start {
            return Ok(());
        }
        Err(Error::corrupt("a heap block is not where its heap says"))
    }

    /// An object outside the heap's blocks: the ID holds its place, or a number that a B-tree
    /// turns into one.
    fn huge(&self, mut at: Cursor) -> Result<Bytes> {
        let widths = self.file.superblock().widths;
        let (offset, length) = (usize::from(widths.offset), usize::from(widths.length));
        let filtered = !self.filters.is_empty();
        let direct = offset + length + if filtered { 4 + length } else { 0 };
        if at.remaining() >= direct {
            return self.huge_at(&mut at);
        }
        let number = at.uint(at.remaining().min(length))?;
        let tree = self.huge_objects.ok_or_else(|| Error::corrupt("huge objects have no index"))?;
        let kind = if filtered { btree_v2::FILTERED_HUGE_OBJECTS } else { btree_v2::HUGE_OBJECTS };
        let mut object = None;
        btree_v2::records(self.file, tree, kind, &mut |record, _| {
            let mut at = self.file.cursor(record);
            at.skip(direct)?;
            if at.length()? == number {
                object = Some(self.huge_at(&mut self.file.cursor(record))?);
            }
            Ok(())
        })?;
        object.ok_or_else(|| Error::corrupt("a huge object is missing from its index"))
    }

    /// The huge object whose place is given `at`.
    fn huge_at(&self, at: &mut Cursor) -> Result<Bytes> {
        let address = at.defined_address("a huge object")?;
        if self.filters.is_empty() {
            return self.file.bytes(address, at.length()?);
        }
        let stored = Stored::read(at)?;
        self.unfiltered(address, stored, at.length()?)
    }

    /// An object within its ID.
    fn tiny(&self, flags: u8, mut at: Cursor) -> Result<Bytes> {
        let mut len = usize::from(flags & 0x0f);
        // IDs too long for four bits of length use twelve.
        if self.id_len > 17 {
            len = len << 8 | usize::from(at.u8()?);
        }
        Ok(Bytes::copy_from_slice(at.take(len + 1)?))
    }
}

/// The object of `len` bytes at the heap's byte `offset`, which lies in the direct block that begins at its byte
/// `start`.
fn object_of((start, block): &(u64, Bytes), offset: u64, len: u64) -> Result<Bytes> {
    let start = usize::try_from(offset - start).unwrap_or(usize::MAX);
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
    end.filter(|&end| end <= block.len())
        .map(|end| block.slice(start..end))
        .ok_or_else(|| Error::corrupt("an object exceeds its heap block"))
}

/// A direct or indirect block.
struct Block {
    address: u64,
    stored: Option<Stored>,
    rows: u64,
    start: u64,
    size: u64,
}
