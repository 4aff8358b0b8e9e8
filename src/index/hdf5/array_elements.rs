//! What fixed and extensible arrays have in common: elements that stand for chunks, blocks, and
//! bitmaps of pages.

use super::checksum;
use super::chunk_grid::{ElementOrder, Grid};
use super::cursor::Cursor;
use super::file::File;
use super::found_chunks::FoundChunks;
use crate::model::array::Chunk;
use crate::model::error::{Error, Result};

/// The elements of a fixed or extensible array, which become chunks.
pub struct Elements<'a> {
    file: &'a File<'a>,
    order: ElementOrder,
    chunk_bytes: u64,
    found: &'a mut FoundChunks,
    /// Elements that the header counts: libhdf5 takes those behind for never written.
    pub count: u64,
}

impl<'a> Elements<'a> {
    /// No elements yet, of an index of `grid`, which become chunks that are `found`.
    pub fn new(file: &'a File<'a>, grid: &Grid, found: &'a mut FoundChunks) -> Result<Self> {
        let order = ElementOrder::of(grid)?;
        let chunk_bytes = grid.chunk_bytes()?;
        Ok(Self { file, order, chunk_bytes, found, count: u64::MAX })
    }

    /// Takes the elements in `bytes`, of `size` bytes each, the first being number `first`: an
    /// address or, if chunks are filtered, address, size and filter mask.
    pub fn take(&mut self, bytes: &[u8], size: usize, first: u64) -> Result<()> {
        let address_size = usize::from(self.file.superblock().widths.offset);
        for (number, element) in (first..).zip(bytes.chunks_exact(size)) {
            let mut at = self.file.cursor(element);
            let Some(address) = at.address()? else { continue };
            if number >= self.count {
                let message = format!("chunk {number} of an index that counts {}", self.count);
                return Err(Error::corrupt(message));
            }
            let (size, filter_mask) = if size == address_size {
                (self.chunk_bytes, 0)
            } else {
                let width = size.checked_sub(address_size + 4);
                let width = width.ok_or_else(|| Error::corrupt("an element is too short"))?;
                (at.uint(width)?, at.u32()?)
            };
            let index = self.order.chunk_of(number)?;
            let offset = self.file.position(address)?;
            self.found.push(Chunk { index, offset, size, filter_mask, trailing: 0 })?;
        }
        Ok(())
    }

    /// Checks that the header at `at` is that of an array of elements this knows, and gives the
    /// bytes of one.
    pub fn element_size(at: &mut Cursor) -> Result<usize> {
        let (filtered, size) = (at.u8()?, at.u8()?);
        if filtered > 1 || size == 0 {
            return Err(Error::corrupt("an array index has elements of unknown kind"));
        }
        Ok(size.into())
    }
}

/// A prefix, `count` elements, and a checksum.
pub fn block_bytes(
    file: &File,
    address: u64,
    prefix: u64,
    count: u64,
    element_size: usize,
) -> Result<Vec<u8>> {
    let len = count
        .checked_mul(element_size as u64)
        .and_then(|len| len.checked_add(prefix + 4))
        .ok_or_else(|| Error::corrupt("a chunk index is larger than any file"))?;
    let mut bytes = Vec::new();
    file.source().read_into(&mut bytes, file.position(address)?, len)?;
    Ok(bytes)
}

/// A page: elements and a checksum.
pub struct Page {
    /// Where it lies.
    pub address: u64,
    /// Number of its first element.
    pub first: u64,
    /// Number of its elements.
    pub count: u64,
}

/// Bytes of a page of `count` elements.
#[must_use]
pub fn page_size(count: u64, element_size: usize) -> u64 {
    count.saturating_mul(element_size as u64).saturating_add(4)
}

/// Hands the elements of `pages` to `elements`.
pub fn read_pages(
    file: &File,
    pages: &[Page],
    element_size: usize,
    elements: &mut Elements,
) -> Result<()> {
    let pieces = pages
        .iter()
        .map(|page| Ok((file.position(page.address)?, page_size(page.count, element_size))));
    let pieces = pieces.collect::<Result<Vec<_>>>()?;
    file.source().read_pieces(&pieces, |number, bytes| {
        let content = checksum::verified(bytes, "page of an array index")?;
        elements.take(content, element_size, pages[number].first)
    })
}

/// Bit `number` of a bitmap whose bits count from the most significant of each byte.
#[must_use]
pub fn is_set(bitmap: &[u8], number: u64) -> bool {
    let byte = bitmap.get(usize::try_from(number / 8).unwrap_or(usize::MAX)).copied().unwrap_or(0);
    byte & (0x80 >> (number % 8)) != 0
}
