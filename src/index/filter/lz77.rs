//! What the compressors of the LZ77 family write: bytes as they are, and repeats of earlier output.

use crate::model::error::{Error, Result};

/// Appends `plain` to `out`, which grows to no more than `most` bytes.
pub fn append(out: &mut Vec<u8>, plain: &[u8], most: usize) -> Result<()> {
    check_room(out, plain.len(), most)?;
    out.extend_from_slice(plain);
    Ok(())
}

/// Appends `length` bytes of `out`, the first of them `distance` bytes before its end. Where that is
/// nearer than `length`, what was just appended is repeated. `out` grows to no more than `most` bytes.
pub fn repeat(out: &mut Vec<u8>, distance: usize, length: usize, most: usize) -> Result<()> {
    let start = out.len().checked_sub(distance).filter(|_| distance > 0);
    let start = start.ok_or_else(|| Error::corrupt("a chunk repeats what is not in it"))?;
    check_room(out, length, most)?;
    let mut left = length;
    while left > 0 {
        let piece = left.min(out.len() - start);
        out.extend_from_within(start..start + piece);
        left -= piece;
    }
    Ok(())
}

fn check_room(out: &[u8], length: usize, most: usize) -> Result<()> {
    if length <= most.saturating_sub(out.len()) {
        return Ok(());
    }
    Err(Error::corrupt(format!("a chunk comes to more than {most} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    #[test]
    fn repeats_may_overlap_themselves() {
        for (distance, length, expected) in
            [(3, 2, &b"abcab"[..]), (3, 8, b"abcabcabcab"), (1, 3, b"abcccc"), (2, 0, b"abc")]
        {
            let mut out = b"abc".to_vec();
            repeat(&mut out, distance, length, 11).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_is_not_there_and_what_does_not_fit_is_corrupt() {
        for (distance, length) in [(0, 1), (4, 1), (1, 2), (1, usize::MAX)] {
            let mut out = b"abc".to_vec();
            let error = repeat(&mut out, distance, length, 4).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
            assert_eq!(out, b"abc");
        }
        assert!(append(&mut b"abc".to_vec(), b"de", 4).is_err());
    }
}
