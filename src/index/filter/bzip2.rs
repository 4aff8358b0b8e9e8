//! The bzip2 filter (HDF5 filter 307): a bzip2 stream.

use std::io::{self, Read, Write};

use bzip2::Compression;
use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;

use crate::model::error::{Code, Error, Result};

/// Most output bytes per input byte: a block takes 25 bytes or more and holds up to 900,000, of
/// which five may stand for a run of 259.
pub const MAX_RATIO: usize = 1 << 21;

/// Decompresses `stored` into `out`, which grows to no more than one byte beyond `size`.
pub fn decompress(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let most = (size as u64).saturating_add(1);
    BzDecoder::new(stored)
        .take(most)
        .read_to_end(out)
        .map_err(|error| Error::corrupt(format!("a chunk is not a bzip2 stream: {error}")))?;
    Ok(())
}

/// Compresses `bytes` at `level`, which is the size of blocks in units of 100,000 bytes.
pub fn compress(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
    let error = |error: io::Error| Error::new(Code::Internal, format!("cannot compress: {error}"));
    let mut encoder = BzEncoder::new(Vec::new(), Compression::new(level.clamp(1, 9)));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(error)
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
            for level in [0, 1, 9, 10] {
                let stored = compress(bytes, level).unwrap();
                assert_eq!(decompressed(&stored, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn bombs_stop_one_byte_beyond_what_is_expected() {
        let stored = compress(&vec![7; 1_000_000], 9).unwrap();
        assert!(1_000_000 / stored.len() < MAX_RATIO);
        assert_eq!(decompressed(&stored, 1000).unwrap().len(), 1001);
    }

    #[test]
    fn what_is_no_whole_stream_is_corrupt() {
        let stored = compress(b"temperature", 9).unwrap();
        for stored in [&stored[..stored.len() - 1], b"no stream"] {
            assert_eq!(decompressed(stored, 11).unwrap_err().code(), Code::Corrupt);
        }
    }
}
