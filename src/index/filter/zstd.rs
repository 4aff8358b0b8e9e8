//! The Zstandard filter (HDF5 filter 32015): one Zstandard frame, RFC 8878.

use std::io;

use zstd::bulk;

use crate::model::error::{Code, Error, Result};

/// Most output bytes per input byte: a block of 128 KiB that repeats one byte takes four (RFC 8878,
/// section 3.1.1.2).
pub const MAX_RATIO: usize = 128 * 1024 / 4;

/// Decompresses `stored`, which must come to no more than `size` bytes, into `out`.
pub fn decompress(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    // A hostile `size` asks for no more memory than the stored bytes can fill.
    let room = size.min(stored.len().saturating_mul(MAX_RATIO));
    *out = bulk::decompress(stored, room).map_err(|error| {
        Error::corrupt(format!("a chunk is not {size} bytes compressed by zstd: {error}"))
    })?;
    Ok(())
}

/// Compresses `bytes` at `level`.
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    let error = |error: io::Error| Error::new(Code::Internal, format!("cannot compress: {error}"));
    bulk::compress(bytes, level).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompressed(stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(stored, size, &mut out)?;
        Ok(out)
    }

    #[test]
    fn chunks_of_any_level_are_decompressed() {
        for bytes in [&b""[..], b"a", b"temperature temperature", &vec![0; 1_000_000]] {
            for level in [-5, 0, 3, 22] {
                let stored = compress(bytes, level).unwrap();
                assert_eq!(decompressed(&stored, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn bombs_and_short_frames_are_corrupt() {
        let stored = compress(&vec![7; 1_000_000], 3).unwrap();
        for size in [0, 1, 999_999] {
            assert_eq!(decompressed(&stored, size).unwrap_err().code(), Code::Corrupt, "{size}");
        }
        for stored in [&stored[..stored.len() - 1], b"no frame"] {
            assert_eq!(decompressed(stored, 1_000_000).unwrap_err().code(), Code::Corrupt);
        }
    }
}
