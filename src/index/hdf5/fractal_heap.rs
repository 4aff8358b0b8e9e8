//! Fractal heaps (section III.G): where dense links and attributes are kept.
//!
//! Objects lie in direct blocks. The blocks form a table of rows, each `width` blocks wide; the
//! first two rows have blocks of the starting size and each further row doubles it. Rows whose
//! blocks would exceed the greatest direct size hold indirect blocks, tables of the same form.

use bytes::Bytes;

use super::btree_v2;
use super::checksum;
use super::cursor::{Cursor, width_for};
use super::file::File;
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
    /// Rows of the root indirect block; 0 where the root is a direct block.
    root_rows: u64,
    checksums: bool,
    huge_objects: Option<u64>,
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
        let size = 26 + 12 * u64::from(widths.length) + 3 * u64::from(widths.offset);
        let prefix = file.bytes(address, 10)?;
        if prefix.get(7..9).is_some_and(|filter_len| filter_len != [0, 0]) {
            return Err(Error::unsupported("a fractal heap with filters"));
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
            root_rows,
            checksums: flags & 2 != 0,
            huge_objects,
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
        let root =
            self.root.ok_or_else(|| Error::corrupt("an empty heap is asked for an object"))?;
        let (mut block, mut rows) = (root, self.root_rows);
        let (mut start, mut size) = (0, self.table.starting_size);
        while rows > 0 {
            let child = self.child(block, rows, start, offset)?;
            (block, rows, start, size) = (child.address, child.rows, child.start, child.size);
        }
        self.check_direct_block(block, start, size)?;
        let within = offset - start;
        if within.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::corrupt("an object exceeds its heap block"));
        }
        let address = block.checked_add(within);
        self.file.bytes(address.ok_or_else(|| Error::corrupt("a heap block is out of range"))?, len)
    }

    /// The child of the indirect block at `address` that holds the heap's byte `offset`.
    fn child(&self, address: u64, rows: u64, start: u64, offset: u64) -> Result<Child> {
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
                return Ok(Child {
                    address: self.entry(address, start, entry)?,
                    rows: if direct { 0 } else { self.table.rows_of(size).ok_or_else(outside)? },
                    start: row_start + column * size,
                    size,
                });
            }
            row_start = row_end;
        }
        Err(outside())
    }

    /// The address in `entry` of the indirect block at `address`.
    fn entry(&self, address: u64, start: u64, entry: u64) -> Result<u64> {
        let prefix = self.block_prefix(address, *b"FHIB", start)?;
        let width = u64::from(self.file.superblock().widths.offset);
        let place = address + prefix + entry * width;
        let bytes = self.file.bytes(place, width)?;
        self.file.cursor(&bytes).defined_address("a heap block")
    }

    fn check_direct_block(&self, address: u64, start: u64, size: u64) -> Result<()> {
        self.block_prefix(address, *b"FHDB", start)?;
        if !self.checksums {
            return Ok(());
        }
        // The checksum field lies behind the prefix and counts as zero.
        let mut block = self.file.bytes(address, size)?.to_vec();
        let widths = self.file.superblock().widths;
        let at = 5 + usize::from(widths.offset) + self.offset_width;
        let Some(field) = block.get_mut(at..at + 4) else {
            return Err(Error::corrupt("a heap block is too small"));
        };
        let stored = [field[0], field[1], field[2], field[3]];
        field.fill(0);
        if checksum::lookup3(&block) == u32::from_le_bytes(stored) {
            return Ok(());
        }
        Err(Error::corrupt("the checksum of a heap block does not match"))
    }

    /// Checks the start of a block and gives its length.
    fn block_prefix(&self, address: u64, signature: [u8; 4], start: u64) -> Result<u64> {
        let widths = self.file.superblock().widths;
        let len = 5 + u64::from(widths.offset) + self.offset_width as u64;
        let prefix = self.file.bytes(address, len)?;
        let mut at = self.file.cursor(&prefix);
        at.signature(&signature)?;
        at.version("fractal heap block", &[0])?;
        at.address()?;
        if at.uint(self.offset_width)? == start {
            return Ok(len);
        }
        Err(Error::corrupt("a heap block is not where its heap says"))
    }

    /// An object outside the heap's blocks: the ID holds its place, or a number that a B-tree
    /// turns into one.
    fn huge(&self, mut at: Cursor) -> Result<Bytes> {
        let widths = self.file.superblock().widths;
        let direct = usize::from(widths.offset) + usize::from(widths.length);
        if at.remaining() >= direct {
            let address = at.defined_address("a huge object")?;
            return self.file.bytes(address, at.length()?);
        }
        let number = at.uint(at.remaining().min(widths.length.into()))?;
        let tree = self.huge_objects.ok_or_else(|| Error::corrupt("huge objects have no index"))?;
        let records = btree_v2::records(self.file, tree, btree_v2::HUGE_OBJECTS)?;
        for record in records.iter() {
            let mut at = self.file.cursor(record);
            let address = at.defined_address("a huge object")?;
            let len = at.length()?;
            if at.length()? == number {
                return self.file.bytes(address, len);
            }
        }
        Err(Error::corrupt("a huge object is missing from its index"))
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

struct Child {
    address: u64,
    rows: u64,
    start: u64,
    size: u64,
}
