//! The extensible array index (appendix C): one element per chunk along an unlimited dimension.
//!
//! The first elements lie in the index block. The others lie in data blocks, which belong to super
//! blocks: super block *u* has 2^(u/2) data blocks of 2^((u+1)/2) times the least number of
//! elements. The index block holds the addresses of the data blocks of the first super blocks
//! itself; the others are blocks of their own. Large data blocks are cut into pages.

use super::array_elements::{Elements, block_bytes, is_set};
use super::checksum;
use super::file::File;
use crate::model::error::{Error, Result};

/// Hands the elements of the array whose header is at `address` to `elements`.
pub fn read(file: &File, address: u64, elements: &mut Elements) -> Result<()> {
    let Some((array, index_block)) = Array::read(file, address)? else { return Ok(()) };
    array.index_block(index_block, elements)
}

/// What the header says.
struct Array<'a> {
    file: &'a File<'a>,
    element_size: usize,
    /// Elements in the index block.
    in_index_block: u64,
    /// Elements of the smallest data block, a power of two.
    least: u64,
    /// Super blocks whose data blocks the index block names itself.
    direct_super_blocks: u32,
    /// Super blocks that there can be.
    super_blocks: u32,
    /// Most elements of a page.
    page: u64,
    /// Bytes of a block's offset in the array.
    offset_width: u64,
    /// Elements that were ever set; what lies beyond need not be read.
    count: u64,
}

impl<'a> Array<'a> {
    /// Reads the header; `None` of an array that was never written.
    fn read(file: &'a File<'a>, address: u64) -> Result<Option<(Self, u64)>> {
        let widths = file.superblock().widths;
        let len = 16 + 6 * u64::from(widths.length) + u64::from(widths.offset);
        let header = file.bytes(address, len)?;
        let mut at = file.cursor(checksum::verified(&header, "extensible array header")?);
        at.signature(b"EAHD")?;
        at.version("extensible array", &[0])?;
        let element_size = Elements::element_size(&mut at)?;
        let bits = u32::from(at.u8()?);
        let in_index_block = at.u8()?.into();
        let (least, least_pointers) = (u64::from(at.u8()?), u64::from(at.u8()?));
        let page_bits = u32::from(at.u8()?);
        for _ in 0..4 {
            at.length()?;
        }
        let count = at.length()?;
        at.length()?;
        let index_block = at.address()?;
        if !least.is_power_of_two() || !least_pointers.is_power_of_two() || page_bits >= 64 {
            return Err(Error::corrupt("an extensible array is not made of powers of two"));
        }
        let super_blocks = bits.checked_sub(least.ilog2()).filter(|_| bits <= 64);
        let super_blocks = super_blocks
            .map(|blocks| blocks + 1)
            .ok_or_else(|| Error::corrupt("an extensible array has no super block"))?;
        let direct_super_blocks = (2 * least_pointers.ilog2()).min(super_blocks);
        let array = Self {
            file,
            element_size,
            in_index_block,
            least,
            direct_super_blocks,
            super_blocks,
            page: 1 << page_bits,
            offset_width: bits.div_ceil(8).into(),
            count,
        };
        Ok(index_block.map(|block| (array, block)))
    }

    /// Data blocks of super block `number`, and elements of each.
    fn shape(&self, number: u32) -> Result<(u64, u64)> {
        let blocks = 1u64.checked_shl(number / 2);
        let elements = 1u64.checked_shl(number.div_ceil(2)).and_then(|n| n.checked_mul(self.least));
        blocks
            .zip(elements)
            .filter(|(blocks, elements)| blocks.checked_mul(*elements).is_some())
            .ok_or_else(|| Error::corrupt("an extensible array has more than 2^64 elements"))
    }

    fn index_block(&self, address: u64, elements: &mut Elements) -> Result<()> {
        let address_size = u64::from(self.file.superblock().widths.offset);
        let mut data_blocks = 0;
        for number in 0..self.direct_super_blocks {
            data_blocks += self.shape(number)?.0;
        }
        let pointers = data_blocks + u64::from(self.super_blocks - self.direct_super_blocks);
        let prefix = 6 + address_size;
        let len = prefix + self.in_index_block * self.element_size as u64 + pointers * address_size;
        let bytes = block_bytes(self.file, address, len, 0, 0)?;
        let mut at = self.file.cursor(checksum::verified(&bytes, "extensible array index block")?);
        at.signature(b"EAIB")?;
        at.version("extensible array index block", &[0])?;
        at.skip(1)?;
        at.address()?;
        let own = usize::try_from(self.in_index_block).unwrap_or(usize::MAX);
        elements.take(at.take(own.saturating_mul(self.element_size))?, self.element_size, 0)?;
        let mut first = self.in_index_block;
        for number in 0..self.super_blocks {
            let (blocks, in_block) = self.shape(number)?;
            if first >= self.count {
                break;
            }
            if number < self.direct_super_blocks {
                for block in 0..blocks {
                    if let Some(address) = at.address()? {
                        self.data_block(
                            address,
                            in_block,
                            first + block * in_block,
                            None,
                            elements,
                        )?;
                    }
                }
            } else if let Some(address) = at.address()? {
                self.super_block(address, (blocks, in_block), first, elements)?;
            }
            first = first.saturating_add(blocks * in_block);
        }
        Ok(())
    }

    fn super_block(
        &self,
        address: u64,
        (blocks, in_block): (u64, u64),
        first: u64,
        elements: &mut Elements,
    ) -> Result<()> {
        let address_size = u64::from(self.file.superblock().widths.offset);
        let pages = if in_block > self.page { in_block / self.page } else { 0 };
        // The bits of all data blocks follow each other; room is kept for whole bytes of each.
        let bitmap_len = blocks.checked_mul(pages.div_ceil(8));
        let prefix = 6 + address_size + self.offset_width;
        let too_large = || Error::corrupt("an extensible array is larger than any file");
        let len = blocks
            .checked_mul(address_size)
            .zip(bitmap_len)
            .and_then(|(pointers, bitmap)| pointers.checked_add(bitmap)?.checked_add(prefix))
            .ok_or_else(too_large)?;
        let bytes = block_bytes(self.file, address, len, 0, 0)?;
        let mut at = self.file.cursor(checksum::verified(&bytes, "extensible array super block")?);
        at.signature(b"EASB")?;
        at.version("extensible array super block", &[0])?;
        at.skip(1)?;
        at.address()?;
        let offset = at.uint(usize::try_from(self.offset_width).unwrap_or(0))?;
        // Offsets do not count the elements of the index block.
        if offset != first - self.in_index_block {
            return Err(Error::corrupt("a super block is not where its array says"));
        }
        let bitmap_len = bitmap_len.and_then(|len| usize::try_from(len).ok());
        let bitmap = at.take(bitmap_len.ok_or_else(too_large)?)?;
        for block in 0..blocks {
            let first = first + block * in_block;
            if let Some(address) = at.address()?.filter(|_| first < self.count) {
                let pages = (pages > 0).then_some((bitmap, block * pages));
                self.data_block(address, in_block, first, pages, elements)?;
            }
        }
        Ok(())
    }

    /// A data block of `count` elements; of one with pages, `pages` tells which were written: bits
    /// of a bitmap from a first one on.
    fn data_block(
        &self,
        address: u64,
        count: u64,
        first: u64,
        pages: Option<(&[u8], u64)>,
        elements: &mut Elements,
    ) -> Result<()> {
        let address_size = u64::from(self.file.superblock().widths.offset);
        let prefix = 6 + address_size + self.offset_width;
        let in_prefix_block = if pages.is_some() { 0 } else { count };
        let bytes = block_bytes(self.file, address, prefix, in_prefix_block, self.element_size)?;
        let content = checksum::verified(&bytes, "extensible array data block")?;
        let mut at = self.file.cursor(content);
        at.signature(b"EADB")?;
        at.version("extensible array data block", &[0])?;
        at.skip(1)?;
        at.address()?;
        // What libhdf5 stores as the block's offset depends on who named the block; it never reads
        // it back.
        at.skip(usize::try_from(self.offset_width).unwrap_or(0))?;
        let Some((bitmap, first_bit)) = pages else {
            return elements.take(at.take(at.remaining())?, self.element_size, first);
        };
        let mut start = address + prefix + 4;
        for number in 0..count / self.page {
            if is_set(bitmap, first_bit + number) {
                let bytes = block_bytes(self.file, start, 0, self.page, self.element_size)?;
                let content = checksum::verified(&bytes, "extensible array page")?;
                elements.take(content, self.element_size, first + number * self.page)?;
            }
            start = start.saturating_add(self.page * self.element_size as u64 + 4);
        }
        Ok(())
    }
}
