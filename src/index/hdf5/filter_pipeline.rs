//! Filter pipeline messages (section IV.A.2.l): what chunks went through when written.

use super::cursor::Cursor;
use crate::model::codec::Filter;
use crate::model::error::Result;

/// Filters with a lower number are known to everyone and carry no name in version 2.
const FIRST_NAMED: u16 = 256;

/// Reads the message `at`.
pub fn read(mut at: Cursor) -> Result<Vec<Filter>> {
    let version = at.version("filter pipeline message", &[1, 2])?;
    let count = at.u8()?;
    if version == 1 {
        at.skip(6)?;
    }
    (0..count).map(|_| filter(&mut at, version)).collect()
}

fn filter(at: &mut Cursor, version: u8) -> Result<Filter> {
    let id = at.u16()?;
    let named = version == 1 || id >= FIRST_NAMED;
    let name_len = if named { usize::from(at.u16()?) } else { 0 };
    at.skip(2)?;
    let count = at.u16()?;
    at.skip(if version == 1 { name_len.next_multiple_of(8) } else { name_len })?;
    let client_data = (0..count).map(|_| at.u32()).collect::<Result<Vec<_>>>()?;
    if version == 1 && count % 2 == 1 {
        at.skip(4)?;
    }
    Ok(Filter { id, client_data })
}
