//! The extensible array index (appendix C): one element per chunk along an unlimited dimension.
//!
//! The first elements lie in the index block. The others lie in data blocks, which belong to super
//! blocks: super block *u* has 2^(u/2) data blocks of 2^((u+1)/2) times the least number of
//! elements. The index block holds the addresses of the data blocks of the first super blocks
//! itself; the others are blocks of their own. Large data blocks are cut into pages.

use super::array_elements::{self, Elements, Page, block_bytes, is_set, page_size};
use super::checksum;
use super::file::File;
use crate::model::error::{Error, Result};

/// Hands the elements of the array whose header is at `address` to `elements`.
pub fn read(file: &File, address: u64, elements: &mut Elements) -> Result<()> {
    let Some((array, index_block)) = Array::read(file, address)? else { return Ok(()) };
    elements.count = array.count;
    let mut blocks = Blocks::default();
    array.index_block(index_block, elements, &mut blocks)?;
    array.super_blocks(&mut blocks)?;
    array.data_blocks(blocks, elements)
}

/// The blocks that are still to be read.
#[derive(Default)]
struct Blocks {
    super_blocks: Vec<SuperBlock>,
    data_blocks: Vec<DataBlock>,
}

struct SuperBlock {
    address: u64,
    /// Data blocks, and elements of each.
    shape: (u64, u64),
    /// Number of the first element.
    first: u64,
}

struct DataBlock {
    address: u64,
    /// Number of the first element.
    first: u64,
    /// Number of elements.
    count: u64,
    /// Where the block has pages, those that were written.
    pages: Option<Vec<u64>>,
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

    /// Hands the elements of the index block to `elements`, and names the other `blocks`.
    fn index_block(
        &self,
        address: u64,
        elements: &mut Elements,
        blocks: &mut Blocks,
    ) -> Result<()> {
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
            let (count, in_block) = self.shape(number)?;
            if first >= self.count {
                break;
            }
            if number < self.direct_super_blocks {
                for block in 0..count {
                    let first = first + block * in_block;
                    blocks.data_blocks.extend(at.address()?.map(|address| DataBlock {
                        address,
                        first,
                        count: in_block,
                        pages: None,
                    }));
                }
            } else if let Some(address) = at.address()? {
                blocks.super_blocks.push(SuperBlock { address, shape: (count, in_block), first });
            }
            first = first.saturating_add(count * in_block);
        }
        Ok(())
    }

    /// Reads the super blocks, which name more data blocks.
    fn super_blocks(&self, blocks: &mut Blocks) -> Result<()> {
        let super_blocks = std::mem::take(&mut blocks.super_blocks);
        let pieces = super_blocks.iter().map(|block| {
            Ok((self.file.position(block.address)?, self.super_block_size(block.shape)?))
        });
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        self.file.source().read_pieces(&pieces, |number, bytes| {
            self.super_block(bytes, &super_blocks[number], &mut blocks.data_blocks)
        })
    }

    /// Pages of each data block in a super block; none where they hold no more than one.
    fn pages(&self, in_block: u64) -> u64 {
        if in_block > self.page { in_block / self.page } else { 0 }
    }

    /// Bytes of the bitmap of a super block: the bits of all its data blocks follow each other, but
    /// room is kept for whole bytes of each.
    fn bitmap_len(&self, (count, in_block): (u64, u64)) -> Option<u64> {
        count.checked_mul(self.pages(in_block).div_ceil(8))
    }

    fn super_block_size(&self, shape: (u64, u64)) -> Result<u64> {
        let address_size = u64::from(self.file.superblock().widths.offset);
        let overhead = 6 + address_size + self.offset_width + 4;
        self.bitmap_len(shape)
            .zip(shape.0.checked_mul(address_size))
            .and_then(|(bitmap, pointers)| pointers.checked_add(bitmap)?.checked_add(overhead))
            .ok_or_else(|| Error::corrupt("an extensible array is larger than any file"))
    }

    fn super_block(
        &self,
        bytes: &[u8],
        &SuperBlock { shape, first, .. }: &SuperBlock,
        data_blocks: &mut Vec<DataBlock>,
    ) -> Result<()> {
        let mut at = self.file.cursor(checksum::verified(bytes, "extensible array super block")?);
        at.signature(b"EASB")?;
        at.version("extensible array super block", &[0])?;
        at.skip(1)?;
        at.address()?;
        let offset = at.uint(usize::try_from(self.offset_width).unwrap_or(0))?;
        // Offsets do not count the elements of the index block.
        if offset != first - self.in_index_block {
            return Err(Error::corrupt("a super block is not where its array says"));
        }
        // The block was read whole, so that its parts fit in memory.
        let bitmap_len = self.bitmap_len(shape).and_then(|len| usize::try_from(len).ok());
        let bitmap = at.take(bitmap_len.unwrap_or(usize::MAX))?;
        let (count, in_block) = shape;
        let pages = self.pages(in_block);
        for block in 0..count {
            let first = first + block * in_block;
            let Some(address) = at.address()?.filter(|_| first < self.count) else { continue };
            let written = (0..pages).filter(|page| is_set(bitmap, block * pages + page));
            data_blocks.push(DataBlock {
                address,
                first,
                count: in_block,
                pages: (pages > 0).then(|| written.collect()),
            });
        }
        Ok(())
    }

    /// Hands the elements of the data blocks to `elements`.
    fn data_blocks(&self, blocks: Blocks, elements: &mut Elements) -> Result<()> {
        let address_size = u64::from(self.file.superblock().widths.offset);
        let prefix = 6 + address_size + self.offset_width;
        let size = |block: &DataBlock| {
            let own = if block.pages.is_some() { 0 } else { block.count };
            page_size(own, self.element_size).saturating_add(prefix)
        };
        let blocks = blocks.data_blocks;
        let pieces =
            blocks.iter().map(|block| Ok((self.file.position(block.address)?, size(block))));
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        self.file.source().read_pieces(&pieces, |number, bytes| {
            let content = checksum::verified(bytes, "extensible array data block")?;
            let mut at = self.file.cursor(content);
            at.signature(b"EADB")?;
            at.version("extensible array data block", &[0])?;
            at.skip(1)?;
            at.address()?;
            // What libhdf5 stores as the block's offset depends on who named the block; it never
            // reads it back.
            at.skip(usize::try_from(self.offset_width).unwrap_or(0))?;
            elements.take(at.take(at.remaining())?, self.element_size, blocks[number].first)
        })?;
        let pages = blocks.iter().flat_map(|block| self.pages_of(block, prefix));
        array_elements::read_pages(
            self.file,
            &pages.collect::<Vec<_>>(),
            self.element_size,
            elements,
        )
    }

    /// The pages of `block` that were written, which follow its prefix and checksum.
    fn pages_of(&self, block: &DataBlock, prefix: u64) -> impl Iterator<Item = Page> {
        let size = page_size(self.page, self.element_size);
        let (first, start) = (block.first, block.address.saturating_add(prefix + 4));
        block.pages.iter().flatten().map(move |&number| Page {
            address: start.saturating_add(number.saturating_mul(size)),
            first: first + number * self.page,
            count: self.page,
        })
    }
}
