//! The deflate filter (HDF5 filter 1): a zlib stream.

use flate2::{Decompress, FlushDecompress, Status};

use crate::model::error::{Error, Result};

/// Most output bytes per input byte: deflate spends two bits or more on a run of 258 bytes.
pub const MAX_RATIO: usize = 1032;

/// Inflates `stored` into `out`, which must come to no more than `size` bytes. What follows the end
/// of the stream is ignored, as HDF5 does.
pub fn inflate(zlib: &mut Decompress, stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    // A hostile `size` asks for no more memory than the stored bytes can fill.
    let room = size.min(stored.len().saturating_mul(MAX_RATIO));
    out.clear();
    out.resize(room, 0);
    zlib.reset(true);
    let status = zlib
        .decompress(stored, out, FlushDecompress::Finish)
        .map_err(|error| Error::corrupt(format!("a chunk is not a zlib stream: {error}")))?;
    if status != Status::StreamEnd {
        let message = format!("the zlib stream of a chunk does not end at {size} bytes");
        return Err(Error::corrupt(message));
    }
    out.truncate(usize::try_from(zlib.total_out()).unwrap_or(room));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(bytes).unwrap();
        zlib.finish().unwrap()
    }

    fn inflated(stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        inflate(&mut Decompress::new(true), stored, size, &mut out)?;
        Ok(out)
    }

    #[test]
    fn streams_inflate_whatever_follows_them() {
        for bytes in [&b""[..], b"a", b"temperature temperature", &vec![0; 100_000]] {
            let mut stored = deflate(bytes);
            assert_eq!(inflated(&stored, bytes.len()).unwrap(), bytes);
            stored.extend_from_slice(b"rest");
            assert_eq!(inflated(&stored, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn one_decompressor_serves_many_chunks_even_after_an_error() {
        let mut zlib = Decompress::new(true);
        let mut out = Vec::new();
        for bytes in [&b"first"[..], b"second"] {
            assert!(inflate(&mut zlib, b"no zlib stream", 5, &mut out).is_err());
            inflate(&mut zlib, &deflate(bytes), bytes.len(), &mut out).unwrap();
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn bombs_and_short_streams_are_corrupt() {
        let stored = deflate(&vec![7; 1_000_000]);
        for size in [0, 1, 999_999] {
            assert_eq!(inflated(&stored, size).unwrap_err().code(), Code::Corrupt, "{size}");
        }
        assert_eq!(inflated(&stored, usize::MAX).unwrap().len(), 1_000_000);
        let cut = &stored[..stored.len() - 5];
        assert_eq!(inflated(cut, 1_000_000).unwrap_err().code(), Code::Corrupt);
        assert_eq!(inflated(b"", 4).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn a_stream_whose_checksum_is_wrong_is_corrupt() {
        let mut stored = deflate(b"temperature");
        *stored.last_mut().unwrap() ^= 1;
        assert_eq!(inflated(&stored, 11).unwrap_err().code(), Code::Corrupt);
    }
}
