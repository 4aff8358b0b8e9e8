//! The fixed array index (appendix C): one element per chunk that there can ever be.

use super::array_elements::{self, Elements, Page, block_bytes, is_set, page_size};
use super::checksum;
use super::file::File;
use crate::model::error::{Error, Result};

/// Hands the elements of the array whose header is at `address` to `elements`.
pub fn read(file: &File, address: u64, elements: &mut Elements) -> Result<()> {
    let widths = file.superblock().widths;
    let len = 12 + u64::from(widths.length) + u64::from(widths.offset);
    let header = file.bytes(address, len)?;
    let mut at = file.cursor(checksum::verified(&header, "fixed array header")?);
    at.signature(b"FAHD")?;
    at.version("fixed array", &[0])?;
    let element_size = Elements::element_size(&mut at)?;
    let page_bits = u32::from(at.u8()?);
    let count = at.length()?;
    let Some(block) = at.address()? else { return Ok(()) };
    let page = 1u64.checked_shl(page_bits).filter(|_| page_bits > 0);
    let page = page.ok_or_else(|| Error::corrupt("a fixed array has pages of no size"))?;
    let prefix = 6 + u64::from(widths.offset);
    if count <= page {
        let bytes = block_bytes(file, block, prefix, count, element_size)?;
        check_prefix(file, &bytes)?;
        let content = checksum::verified(&bytes, "fixed array")?;
        return elements.take(content.get(to_usize(prefix)..).unwrap_or_default(), element_size, 0);
    }
    let pages = count.div_ceil(page);
    let bitmap_len = pages.div_ceil(8);
    let bytes = file.bytes(block, prefix + bitmap_len + 4)?;
    check_prefix(file, &bytes)?;
    let bitmap = checksum::verified(&bytes, "fixed array")?;
    let bitmap = bitmap.get(to_usize(prefix)..).unwrap_or_default();
    let first_page = block + prefix + bitmap_len + 4;
    let pages = (0..pages).filter(|&number| is_set(bitmap, number)).map(|number| Page {
        address: first_page.saturating_add(number.saturating_mul(page_size(page, element_size))),
        first: number * page,
        count: page.min(count - number * page),
    });
    array_elements::read_pages(file, &pages.collect::<Vec<_>>(), element_size, elements)
}

fn check_prefix(file: &File, block: &[u8]) -> Result<()> {
    let mut at = file.cursor(block);
    at.signature(b"FADB")?;
    at.version("fixed array data block", &[0]).map(drop)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
