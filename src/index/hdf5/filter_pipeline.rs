//! Filter pipeline messages (section IV.A.2.l): what chunks went through when written.

use std::borrow::Cow;

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
    // Whether a filter may be skipped is for writers; a mask tells which chunks skipped it.
    at.skip(2)?;
    let count = at.u16()?;
    let padded = if version == 1 { name_len.next_multiple_of(8) } else { name_len };
    let name = at.take(padded)?.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = (id >= FIRST_NAMED && !name.is_empty()).then(|| String::from_utf8_lossy(name));
    let client_data = (0..count).map(|_| at.u32()).collect::<Result<Vec<_>>>()?;
    if version == 1 && count % 2 == 1 {
        at.skip(4)?;
    }
    Ok(Filter { id, client_data, name_in_file: name.map(Cow::into_owned) })
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Widths;
    use super::*;

    fn pipeline(message: &[u8]) -> Result<Vec<Filter>> {
        read(Cursor::new(message, Widths { offset: 8, length: 8 }))
    }

    #[test]
    fn both_versions() {
        // Shuffle and deflate with one parameter each; version 1 names and pads them.
        let v1 = pipeline(
            b"\x01\x02\0\0\0\0\0\0\
              \x02\0\x08\0\x01\0\x01\0shuffle\0\x04\0\0\0\0\0\0\0\
              \x01\0\x08\0\x01\0\x01\0deflate\0\x06\0\0\0\0\0\0\0",
        );
        let v2 = pipeline(b"\x02\x02\x02\0\x01\0\x01\0\x04\0\0\0\x01\0\x01\0\x01\0\x06\0\0\0");
        let expected = [Filter::new(Filter::SHUFFLE, &[4]), Filter::new(Filter::DEFLATE, &[6])];
        assert_eq!(v1.unwrap(), expected);
        assert_eq!(v2.unwrap(), expected);
    }

    #[test]
    fn unknown_filters_keep_number_name_and_parameters() {
        let v2 =
            pipeline(b"\x02\x01\x34\x12\x06\0\x01\0\x02\0magic\0\x07\0\0\0\x08\0\0\0").unwrap();
        assert_eq!(v2[0].to_string(), "magic (4660)");
        assert_eq!(v2[0].client_data, [7, 8]);
        assert!(pipeline(b"\x02\x01\x34\x12\xff\0\x01\0\x02\0magic").is_err());
        assert!(pipeline(b"\x03\x01").is_err());
    }
}
