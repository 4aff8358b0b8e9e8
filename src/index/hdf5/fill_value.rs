//! Fill value messages (sections IV.A.2.e and IV.A.2.f): what unwritten places hold.

use super::cursor::Cursor;
use crate::model::array::Fill;
use crate::model::error::{Error, Result};

const WRITTEN_NEVER: u8 = 1;

/// Reads the fill value message `at` of a dataset whose elements have `size` bytes.
///
/// libhdf5 leaves a reader's buffer as it was where a chunk is missing and the fill value is
/// undefined or never written; that is [`Fill::Undefined`] here.
pub fn read(mut at: Cursor, size: u64) -> Result<Fill> {
    let version = at.version("fill value message", &[1, 2, 3])?;
    let (written, defined) = if version == 3 {
        let flags = at.u8()?;
        if flags & 0x10 != 0 {
            return Ok(Fill::Undefined);
        }
        (flags >> 2 & 3, flags & 0x20 != 0)
    } else {
        at.skip(1)?;
        let written = at.u8()?;
        let defined = at.u8()? != 0;
        if version == 2 && !defined {
            return Ok(Fill::Undefined);
        }
        (written, true)
    };
    if written == WRITTEN_NEVER {
        return Ok(Fill::Undefined);
    }
    if defined { value(&mut at, size) } else { zeros(size) }
}

/// Reads the message that files before HDF5 1.6 have.
pub fn read_old(mut at: Cursor, size: u64) -> Result<Fill> {
    value(&mut at, size)
}

/// The fill value of a dataset without such a message, or with one that gives no value.
pub fn zeros(size: u64) -> Result<Fill> {
    let size =
        u16::try_from(size).map_err(|_| Error::unsupported("an element of more than 64 KiB"))?;
    Ok(Fill::Value(vec![0; size.into()]))
}

fn value(at: &mut Cursor, size: u64) -> Result<Fill> {
    let stored = u64::from(at.u32()?);
    if stored == 0 {
        return zeros(size);
    }
    if stored != size {
        return Err(Error::corrupt(format!(
            "the fill value has {stored} bytes but an element has {size}"
        )));
    }
    Ok(Fill::Value(at.take(usize::try_from(stored).unwrap_or(usize::MAX))?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Widths;
    use super::*;

    fn fill(message: &[u8]) -> Result<Fill> {
        read(Cursor::new(message, Widths { offset: 8, length: 8 }), 4)
    }

    #[test]
    fn the_three_versions() {
        let value = Fill::Value(vec![1, 2, 3, 4]);
        assert_eq!(fill(&[1, 2, 2, 1, 4, 0, 0, 0, 1, 2, 3, 4]).unwrap(), value);
        assert_eq!(fill(&[2, 2, 2, 1, 4, 0, 0, 0, 1, 2, 3, 4]).unwrap(), value);
        assert_eq!(fill(&[3, 0x2a, 4, 0, 0, 0, 1, 2, 3, 4]).unwrap(), value);
    }

    #[test]
    fn default_is_zero_and_never_written_is_undefined() {
        assert_eq!(fill(&[3, 0x0a]).unwrap(), Fill::Value(vec![0; 4]));
        assert_eq!(fill(&[1, 2, 2, 0, 0, 0, 0, 0]).unwrap(), Fill::Value(vec![0; 4]));
        assert_eq!(fill(&[2, 2, 2, 0]).unwrap(), Fill::Undefined);
        assert_eq!(fill(&[3, 0x1a]).unwrap(), Fill::Undefined);
        assert_eq!(fill(&[3, 0x26, 4, 0, 0, 0, 1, 2, 3, 4]).unwrap(), Fill::Undefined);
    }

    #[test]
    fn a_value_of_another_size_is_corrupt() {
        assert!(fill(&[3, 0x2a, 2, 0, 0, 0, 1, 2]).is_err());
    }
}
