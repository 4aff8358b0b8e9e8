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
    pub creation_order: Option<i64>,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The object header at this address.
    Object(u64),
    /// A path in this file (soft link).
    Path(String),
    /// Another file, or what a plugin makes of it (external or user-defined link).
    Elsewhere,
}

impl Link {
    /// Reads the message `at`.
    pub fn read(mut at: Cursor) -> Result<Self> {
        at.version("link message", &[1])?;
        let flags = at.u8()?;
        let kind = if flags & 8 != 0 { at.u8()? } else { 0 };
        let creation_order = if flags & 4 != 0 { Some(at.u64()?.cast_signed()) } else { None };
        if flags & 0x10 != 0 {
            at.skip(1)?;
        }
        let len = at.uint(1 << (flags & 3))?;
        let len = usize::try_from(len).map_err(|_| Error::corrupt("a link's name is too long"))?;
        let name = String::from_utf8_lossy(at.take(len)?).into_owned();
        let target = match kind {
            0 => Target::Object(at.defined_address("a linked object")?),
            1 => {
                let len = usize::from(at.u16()?);
                Target::Path(String::from_utf8_lossy(at.take(len)?).into_owned())
            }
            _ => Target::Elsewhere,
        };
        Ok(Self { name, target, creation_order })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Widths;
    use super::*;

    fn link(message: &[u8]) -> Result<Link> {
        Link::read(Cursor::new(message, Widths { offset: 8, length: 8 }))
    }

    #[test]
    fn hard_soft_and_external_links() {
        let hard = link(b"\x01\x00\x01x\x60\0\0\0\0\0\0\0").unwrap();
        assert_eq!((hard.name.as_str(), hard.target), ("x", Target::Object(0x60)));
        let soft = link(b"\x01\x08\x01\x01s\x02\0/x").unwrap();
        assert_eq!(soft.target, Target::Path("/x".into()));
        let external = link(b"\x01\x08\x40\x01e\x04\0\0f\0x").unwrap();
        assert_eq!(external.target, Target::Elsewhere);
        assert!(link(b"\x01\x08\x01\x01s\xff\0/x").is_err());
    }
}
