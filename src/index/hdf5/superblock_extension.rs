//! The superblock extension (section II.C): an object header that says what the superblock has no
//! field for.

use super::file::File;
use super::object_header;
use super::shared_messages::SharedMessages;
use super::superblock;
use crate::index::source::Source;
use crate::model::error::{Error, Result};

/// Opens the file in `source` whose superblock is at `position`, as superblock and extension
/// describe it.
pub fn open<'a>(source: &'a Source<'a>, position: u64) -> Result<File<'a>> {
    let mut superblock = superblock::read(source, position)?;
    let file = File::new(source, superblock);
    let Some(address) = superblock.extension else { return Ok(file) };
    let mut shared_messages = SharedMessages::default();
    for message in object_header::read(&file, address)? {
        match message.kind {
            object_header::BTREE_K => {
                let mut at = file.cursor(&message.body);
                at.version("B-tree K values message", &[0])?;
                superblock.chunk_k = at.u16()?;
            }
            object_header::SHARED_MESSAGE_TABLE => {
                shared_messages = SharedMessages::read(&file, file.cursor(&message.body))?;
            }
            object_header::DRIVER_INFO => {
                return Err(Error::unsupported("a driver information message"));
            }
            object_header::CACHE_IMAGE => {
                return Err(Error::unsupported("a metadata cache image"));
            }
            _ => {}
        }
    }
    Ok(File::new(source, superblock).with_shared_messages(shared_messages))
}
