//! The LZF filter of h5py (HDF5 filter 32000): one stream of `LibLZF`, without a header.
//!
//! Format: <http://software.schmorp.de/pkg/liblzf.html>, the code of which is its specification. A
//! control byte below 32 stands before so many bytes, and one more, to be taken as they are. In
//! any other, the upper three bits are a length, 7 for one that goes on in the next byte; the lower
//! five and one more byte are the distance of what is repeated.

use crate::model::error::Result;

use super::lz77;
use super::stream::Stream;

/// Most output bytes per input byte: three bytes repeat up to 264.
pub const MAX_RATIO: usize = 88;

/// Decompresses `stored`, which must come to no more than `size` bytes, into `out`.
pub fn decompress(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let mut stream = Stream::new(stored);
    while !stream.is_empty() {
        let control = stream.byte()?;
        if control < 32 {
            lz77::append(out, stream.take(control + 1)?, size)?;
            continue;
        }
        let longer = if control >> 5 == 7 { stream.byte()? } else { 0 };
        let distance = ((control & 31) << 8) + stream.byte()? + 1;
        lz77::repeat(out, distance, (control >> 5) + longer + 2, size)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    fn decompressed(stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(stored, size, &mut out)?;
        Ok(out)
    }

    #[test]
    fn bytes_and_repeats_of_any_length() {
        assert_eq!(decompressed(b"", 0).unwrap(), b"");
        assert_eq!(decompressed(b"\x02abc", 3).unwrap(), b"abc");
        // Three bytes from one before the end; then ten (7 + 1 + 2) from three before it.
        assert_eq!(decompressed(b"\x00a\x20\x00", 4).unwrap(), b"aaaa");
        assert_eq!(decompressed(b"\x02abc\xe0\x01\x02", 13).unwrap(), b"abcabcabcabca");
        let far = [&[31; 1][..], &[7; 32], b"\x1f", &[8; 32], b"\x20\x3f"].concat();
        assert_eq!(decompressed(&far, 67).unwrap()[64..], [7; 3]);
    }

    #[test]
    fn the_longest_repeat_is_what_the_ratio_allows() {
        let out = decompressed(b"\x00a\xe0\xff\x00", 1000).unwrap();
        assert_eq!(out, [b'a'; 265]);
        assert_eq!((out.len() - 1) / 3, MAX_RATIO);
    }

    #[test]
    fn broken_streams_are_corrupt() {
        for stored in [&b"\x02ab"[..], b"\x00a\x20", b"\x00a\xe0", b"\x00a\xe0\x01", b"\x20\x00"] {
            assert_eq!(decompressed(stored, 100).unwrap_err().code(), Code::Corrupt, "{stored:?}");
        }
        for size in 0..4 {
            let error = decompressed(b"\x00a\x20\x00", size).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
        }
    }
}
