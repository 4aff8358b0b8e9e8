//! Link messages (section IV.A.2.g): the name of a member and what it leads to.

use super::cursor::Cursor;
use crate::model::error::{Error, Result};

/// A named member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name within the group.
    pub name: String,
    /// What it leads to.
    pub target: Target,
    /// Place among the links by time of creation, where the group records it.
    pub creation_order: Option<u64>,
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The object header at this address.
    Object(u64),
    /// A path in this or another file (soft, external or user-defined link).
    Elsewhere,
}

impl Link {
    /// Reads the message `at`.
    pub fn read(mut at: Cursor) -> Result<Self> {
        at.version("link message", &[1])?;
        let flags = at.u8()?;
        let kind = if flags & 8 != 0 { at.u8()? } else { 0 };
        let creation_order = if flags & 4 != 0 { Some(at.u64()?) } else { None };
        if flags & 0x10 != 0 {
            at.skip(1)?;
        }
        let len = at.uint(1 << (flags & 3))?;
        let len = usize::try_from(len).map_err(|_| Error::corrupt("a link's name is too long"))?;
        let name = String::from_utf8_lossy(at.take(len)?).into_owned();
        let target = match kind {
            0 => Target::Object(at.defined_address("a linked object")?),
            _ => Target::Elsewhere,
        };
        Ok(Self { name, target, creation_order })
    }
}
