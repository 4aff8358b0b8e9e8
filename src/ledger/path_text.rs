//! Paths as text, without loss.
//!
//! A path is bytes, a ledger column and a JSON string are Unicode. Valid UTF-8 is kept as it is;
//! other bytes become `\xHH` and a backslash `\\`, so that every path has exactly one text and the
//! text gives the path back. Neither `/` nor the order of components is touched: the text of a
//! directory is the beginning of the texts of what it holds.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// The one text of `path`, in its one spelling (no `//`, `/./` or final `/`).
#[must_use]
pub fn to_text(path: &Path) -> String {
    let path: PathBuf = path.components().collect();
    let mut text = String::with_capacity(path.as_os_str().len());
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, r"\x{byte:02x}");
        }
    }
    text
}

/// The path whose text is `text`. A backslash that [`to_text`] did not write stands for itself.
#[must_use]
pub fn from_text(text: &str) -> PathBuf {
    if !text.contains('\\') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => match from_hex(*high, *low) {
                Some(byte) => (byte, after),
                None => (first, &rest[1..]),
            },
            _ => (first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    OsString::from_vec(bytes).into()
}

fn from_hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(path))
}

// The signature is serde's.
#[expect(clippy::ref_option)]
pub(super) fn serialize_option<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_deref().map(to_text).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &[u8]) -> PathBuf {
        OsString::from_vec(bytes.to_vec()).into()
    }

    #[test]
    fn every_path_comes_back() {
        for bytes in [
            b"/data/CMIP6/tas.nc".as_slice(),
            "/daten/\u{fc}bung\n.nc".as_bytes(),
            b"/data/\xff\xfe.nc",
            b"/data/\xc3.nc",
            br"/data/\xff.nc",
            br"/data/\\.nc",
            br"/data/\",
            b"relative/a.nc",
            b"/",
        ] {
            let path = path(bytes);
            assert_eq!(from_text(&to_text(&path)), path, "{path:?}");
        }
    }

    #[test]
    fn different_paths_have_different_texts() {
        assert_eq!(to_text(&path(b"/a/\xff")), r"/a/\xff");
        assert_eq!(to_text(&path(br"/a/\xff")), r"/a/\\xff");
    }

    #[test]
    fn one_path_has_one_text() {
        assert_eq!(to_text(Path::new("/data//CMIP6/./tas/")), "/data/CMIP6/tas");
    }

    #[test]
    fn a_stray_backslash_stands_for_itself() {
        for text in [r"/a/\", r"/a/\x", r"/a/\xf", r"/a/\xzz", r"/a/\n"] {
            assert_eq!(from_text(text), PathBuf::from(text));
        }
    }
}
