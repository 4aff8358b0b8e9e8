//! The LZ4 filter (HDF5 filter 32004): blocks of LZ4, each behind its size.
//!
//! Format: <https://github.com/nexusformat/HDF5-External-Filter-Plugins/tree/master/LZ4>; of a
//! block, <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>. Numbers have their most
//! significant byte first.
//!
//! ```text
//! 8 bytes  size of the chunk
//! 4 bytes  size of a block before compression; the last block may be smaller
//! then of each block:
//!     4 bytes  size of the compressed block; if it is that of the block, this is not compressed
//!     the compressed block
//! ```

use crate::model::error::{Error, Result};

use super::stream::Stream;

/// Most output bytes per input byte: a repeat grows by 255 with each byte of its length.
pub const MAX_RATIO: usize = 255;

/// Decompresses `stored`, which must come to no more than `size` bytes, into `out`.
pub fn decompress(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let mut stream = Stream::new(stored);
    let total = u64::from_be_bytes(stream.array()?);
    let total = usize::try_from(total).ok().filter(|&total| total <= size).ok_or_else(|| {
        Error::corrupt(format!("the LZ4 blocks of a chunk come to {total} bytes, not {size}"))
    })?;
    let block_size = stream.size_be()?;
    if block_size == 0 && total > 0 {
        return Err(Error::corrupt("the LZ4 blocks of a chunk have no size"));
    }
    while out.len() < total {
        let block_size = block_size.min(total - out.len());
        let compressed_size = stream.size_be()?;
        let compressed = stream.take(compressed_size)?;
        if compressed_size == block_size {
            out.extend_from_slice(compressed);
        } else {
            append_block(compressed, block_size, out)?;
        }
    }
    Ok(())
}

/// Appends the block that `compressed` makes, which must be of exactly `size` bytes, to `out`.
pub fn append_block(compressed: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    // A hostile `size` asks for no more memory than the stored bytes can fill.
    let room = size.min(compressed.len().saturating_mul(MAX_RATIO));
    let start = out.len();
    out.resize(start + room, 0);
    match lz4_flex::block::decompress_into(compressed, &mut out[start..]) {
        Ok(decompressed) if decompressed == size => Ok(()),
        Ok(decompressed) => {
            let message = format!("an LZ4 block comes to {decompressed} bytes instead of {size}");
            Err(Error::corrupt(message))
        }
        Err(error) => Err(Error::corrupt(format!("a block is not compressed by LZ4: {error}"))),
    }
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

    fn compress(bytes: &[u8], block_size: u32) -> Vec<u8> {
        let mut stored = (bytes.len() as u64).to_be_bytes().to_vec();
        stored.extend(block_size.to_be_bytes());
        for block in bytes.chunks(block_size as usize) {
            let mut compressed = lz4_flex::block::compress(block);
            if compressed.len() >= block.len() {
                compressed = block.to_vec();
            }
            stored.extend(u32::try_from(compressed.len()).unwrap().to_be_bytes());
            stored.extend(compressed);
        }
        stored
    }

    #[test]
    fn blocks_are_decompressed_also_plain_ones_and_a_smaller_last_one() {
        for bytes in [&b""[..], b"a", b"temperature temperature", &vec![0; 100_000]] {
            for block_size in [1, 10, 1 << 30] {
                let stored = compress(bytes, block_size);
                assert_eq!(decompressed(&stored, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn bombs_and_broken_blocks_are_corrupt() {
        let stored = compress(&vec![7; 100_000], 40_000);
        let corrupt = |stored: &[u8], size| {
            assert_eq!(decompressed(stored, size).unwrap_err().code(), Code::Corrupt);
        };
        for size in [0, 1, 99_999] {
            corrupt(&stored, size);
        }
        for length in 0..stored.len() {
            corrupt(&stored[..length], 100_000);
        }
        for hostile in [
            [&u64::MAX.to_be_bytes()[..], &[0, 0, 0, 9, 0, 0, 0, 1, 0]].concat(),
            [&[0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 40]].concat(),
            [&(1u64 << 40).to_be_bytes()[..], &[255, 255, 255, 255, 0, 0, 0, 1, 0]].concat(),
            [&[0, 0, 0, 0, 0, 0, 0, 9][..], &[0, 0, 0, 9, 0, 0, 0, 1, 0]].concat(),
        ] {
            corrupt(&hostile, usize::MAX);
        }
    }
}
