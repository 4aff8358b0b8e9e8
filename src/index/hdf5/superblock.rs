//! The superblock (section II.A): where the file's structure begins.

use super::checksum;
use super::cursor::{Cursor, Widths};
use crate::index::source::Source;
use crate::model::error::{Code, Error, Result};

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Children per leaf and inner node that version 0 assumes for chunk B-trees (section II.A).
const DEFAULT_CHUNK_K: u16 = 32;
/// Longest superblock: version 1 with 8-byte addresses.
const LONGEST: u64 = 100 + 40;

/// What the superblock says.
#[derive(Clone, Copy, Debug)]
pub struct Superblock {
    /// Version of the superblock.
    pub version: u8,
    /// Place of the superblock in the file; all addresses count from there.
    pub base: u64,
    /// Widths of addresses and lengths.
    pub widths: Widths,
    /// Half the number of children of a chunk B-tree node.
    pub chunk_k: u16,
    /// Address of the root group's object header.
    pub root: u64,
    /// Address of the object header that says more.
    pub extension: Option<u64>,
}

/// The place of the superblock: at the start or, behind a user block, at 512 bytes or a power of
/// two beyond.
pub fn find(source: &Source) -> Result<Option<u64>> {
    let mut at = 0;
    while at + 8 <= source.len() {
        if source.bytes(at, 8)? == SIGNATURE[..] {
            return Ok(Some(at));
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    Ok(None)
}

/// Reads the superblock at `base`.
pub fn read(source: &Source, base: u64) -> Result<Superblock> {
    let bytes = source.bytes_up_to(base, LONGEST)?;
    let unknown_widths = Widths { offset: 8, length: 8 };
    let version = *bytes.get(8).ok_or_else(|| Error::corrupt("the superblock ends early"))?;
    match version {
        0 | 1 => read_v0_v1(source, base, Cursor::new(&bytes, unknown_widths), version),
        2 | 3 => read_v2_v3(source, base, &bytes, version),
        _ => Err(Error::unsupported(format!("version {version} of the HDF5 superblock"))),
    }
}

fn read_v0_v1(source: &Source, base: u64, mut at: Cursor, version: u8) -> Result<Superblock> {
    at.skip(8 + 5)?;
    let widths = widths(at.u8()?, at.u8()?)?;
    at.skip(1 + 2 + 2 + 4)?;
    let mut chunk_k = DEFAULT_CHUNK_K;
    if version == 1 {
        chunk_k = at.u16()?;
        at.skip(2)?;
    }
    let rest = source.bytes_up_to(base + at.position() as u64, LONGEST)?;
    let mut at = Cursor::new(&rest, widths);
    let stored_base = at.defined_address("the file")?;
    at.address()?;
    let end = at.defined_address("the end of file")?;
    if at.address()?.is_some() {
        return Err(Error::unsupported("a driver information block (split or family files)"));
    }
    at.length()?;
    let root = at.defined_address("the root group")?;
    check_end(source, base, stored_base, end)?;
    Ok(Superblock { version, base, widths, chunk_k, root, extension: None })
}

fn read_v2_v3(source: &Source, base: u64, bytes: &[u8], version: u8) -> Result<Superblock> {
    let mut at = Cursor::new(bytes, Widths { offset: 8, length: 8 });
    at.skip(9)?;
    let widths = widths(at.u8()?, at.u8()?)?;
    let len = 12 + 4 * usize::from(widths.offset) + 4;
    let block = bytes.get(..len).ok_or_else(|| Error::corrupt("the superblock ends early"))?;
    let mut at = Cursor::new(checksum::verified(block, "superblock")?, widths);
    at.skip(11)?;
    let open_for_writing = at.u8()? & 1 != 0;
    if open_for_writing && version == 3 {
        return Err(Error::corrupt("the file is marked as still open for writing").with_hint(
            "wait for the writer to finish; if it crashed, check the file and run `h5clear -s`",
        ));
    }
    let stored_base = at.defined_address("the file")?;
    let extension = at.address()?;
    let end = at.defined_address("the end of file")?;
    let root = at.defined_address("the root group")?;
    check_end(source, base, stored_base, end)?;
    Ok(Superblock { version, base, widths, chunk_k: DEFAULT_CHUNK_K, root, extension })
}

fn widths(offset: u8, length: u8) -> Result<Widths> {
    if [2, 4, 8].contains(&offset) && [2, 4, 8].contains(&length) {
        return Ok(Widths { offset, length });
    }
    Err(Error::unsupported(format!("addresses of {offset} and lengths of {length} bytes")))
}

/// The stored end of file counts from the start of the file as it was written; a user block added
/// or removed since moves it.
fn check_end(source: &Source, base: u64, stored_base: u64, end: u64) -> Result<()> {
    let moved = end.checked_sub(stored_base).and_then(|len| len.checked_add(base));
    let end = moved.ok_or_else(|| Error::corrupt("the end of file lies before its start"))?;
    if end <= source.len() {
        return Ok(());
    }
    Err(Error::new(
        Code::Truncated,
        format!("the file was written with {end} bytes but has {}", source.len()),
    )
    .with_hint("the transfer was cut short, or the writer still works on it: transfer it again"))
}
