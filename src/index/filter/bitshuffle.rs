//! The Bitshuffle filter (HDF5 filter 32008): the first bits of all elements, then the second bits,
//! and so on; block by block, each of which may be compressed.
//!
//! Format: <https://github.com/kiyo-masui/bitshuffle>. Blocks are of a multiple of eight elements;
//! the last may be smaller, and up to seven elements at the end stay as they are. Where the blocks
//! are compressed, numbers with their most significant byte first go before them:
//!
//! ```text
//! 8 bytes  size of the chunk
//! 4 bytes  size of a block before compression
//! then of each block:
//!     4 bytes  size of the compressed block
//!     the compressed block
//! ```

use crate::model::error::{Error, Result};

use super::stream::Stream;
use super::{lz4, zstd};

/// Most output bytes per input byte.
pub const MAX_RATIO: usize = zstd::MAX_RATIO;

/// Elements that are shuffled together, so that their bits fill whole bytes.
const GROUP: usize = 8;
/// Bytes of a block, about, unless its length is given; and the least elements it then has.
const USUAL_BLOCK: usize = 8192;
const LEAST_USUAL_BLOCK: usize = 128;

/// What the filter was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Bytes of an element.
    element_size: usize,
    /// Elements of a block, 0 for the usual number.
    block: usize,
    compression: Compression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Lz4,
    Zstd,
}

impl Parameters {
    /// What `client_data` say: two numbers of the version, bytes of an element; then, unless left
    /// out, elements of a block, compression and its level.
    pub fn of_client_data(client_data: &[u32]) -> Result<Self> {
        let parameter = |place: usize| client_data.get(place).map_or(0, |&value| value as usize);
        if parameter(2) == 0 {
            return Err(Error::corrupt("the bitshuffle filter has no element size"));
        }
        let compression = match parameter(4) {
            0 => Compression::None,
            2 => Compression::Lz4,
            3 => Compression::Zstd,
            other => return Err(Error::unsupported(format!("bitshuffle with compressor {other}"))),
        };
        Ok(Self { element_size: parameter(2), block: parameter(3), compression })
    }

    /// Whether blocks are compressed.
    #[must_use]
    pub fn is_compression(&self) -> bool {
        self.compression != Compression::None
    }
}

/// Turns `stored` back into elements, no more than `size` bytes, in `out`.
pub fn undo(stored: &[u8], parameters: &Parameters, size: usize, out: &mut Vec<u8>) -> Result<()> {
    let &Parameters { element_size, block, compression } = parameters;
    out.clear();
    let mut stream = Stream::new(stored);
    let (total, block) = if compression == Compression::None {
        (stored.len(), block)
    } else {
        let total = u64::from_be_bytes(stream.array()?);
        (usize::try_from(total).unwrap_or(usize::MAX), stream.size_be()? / element_size)
    };
    if total > size || !total.is_multiple_of(element_size) {
        let message = format!("a bitshuffled chunk comes to {total} bytes instead of {size}");
        return Err(Error::corrupt(message));
    }
    let block = if block == 0 { usual_block(element_size) } else { block };
    if !block.is_multiple_of(GROUP) {
        return Err(Error::corrupt(format!("bitshuffle in blocks of {block} elements")));
    }
    let mut left = total / element_size;
    let mut shuffled = Vec::new();
    while left >= GROUP {
        let elements = block.min(left / GROUP * GROUP);
        let bytes = elements * element_size;
        if compression == Compression::None {
            unshuffle(stream.take(bytes)?, element_size, out);
        } else {
            let compressed_size = stream.size_be()?;
            decompress(compression, stream.take(compressed_size)?, bytes, &mut shuffled)?;
            unshuffle(&shuffled, element_size, out);
        }
        left -= elements;
    }
    out.extend_from_slice(stream.take(left * element_size)?);
    Ok(())
}

/// Decompresses `block`, which must come to exactly `size` bytes, into `out`.
fn decompress(
    compression: Compression,
    block: &[u8],
    size: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.clear();
    match compression {
        Compression::None => out.extend_from_slice(block),
        Compression::Lz4 => lz4::append_block(block, size, out)?,
        Compression::Zstd => zstd::decompress(block, size, out)?,
    }
    if out.len() == size {
        return Ok(());
    }
    let held = out.len();
    Err(Error::corrupt(format!("a bitshuffled block comes to {held} bytes instead of {size}")))
}

fn usual_block(element_size: usize) -> usize {
    (USUAL_BLOCK / element_size / GROUP * GROUP).max(LEAST_USUAL_BLOCK)
}

/// Appends the elements of `element_size` bytes that `shuffled`, a multiple of eight of them, was
/// made of. Bits are counted from the least significant one.
pub fn unshuffle(shuffled: &[u8], element_size: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + shuffled.len(), 0);
    let Some(groups) = (shuffled.len() / GROUP).checked_div(element_size).filter(|&n| n > 0) else {
        return;
    };
    let elements = &mut out[start..];
    // For each byte of an element eight planes, one for each bit of it.
    for (byte, planes) in shuffled.chunks_exact(groups * GROUP).enumerate() {
        for group in 0..groups {
            let of_bit = std::array::from_fn(|bit| planes[bit * groups + group]);
            let of_element = transposed(u64::from_le_bytes(of_bit)).to_le_bytes();
            let places = elements[group * GROUP * element_size..].iter_mut();
            for (to, from) in places.skip(byte).step_by(element_size).zip(of_element) {
                *to = from;
            }
        }
    }
}

/// The eight by eight bits of `bits`, a byte being a row, with rows and columns exchanged: first
/// within squares of two by two, then these within those of four, then those within all.
fn transposed(mut bits: u64) -> u64 {
    for (distance, upper) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let changed = (bits ^ (bits >> distance)) & upper;
        bits ^= changed ^ (changed << distance);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    fn bit(bytes: &[u8], place: usize) -> bool {
        bytes[place / 8] >> (place % 8) & 1 == 1
    }

    /// The definition, bit by bit.
    fn shuffle(elements: &[u8], element_size: usize) -> Vec<u8> {
        let count = elements.len() / element_size;
        let mut out = vec![0; elements.len()];
        for element in 0..count {
            for place in 0..element_size * 8 {
                if bit(elements, element * element_size * 8 + place) {
                    let to = place * count + element;
                    out[to / 8] |= 1 << (to % 8);
                }
            }
        }
        out
    }

    fn elements(count: usize, element_size: usize) -> Vec<u8> {
        (0..count * element_size).map(|i| (i * i % 251).to_le_bytes()[0]).collect()
    }

    fn encode(bytes: &[u8], element_size: usize, block: usize, compression: u32) -> Vec<u8> {
        let whole = bytes.len() / element_size / 8 * 8 * element_size;
        let mut stored = Vec::new();
        if compression > 0 {
            stored.extend((bytes.len() as u64).to_be_bytes());
            stored.extend(u32::try_from(block * element_size).unwrap().to_be_bytes());
        }
        for block in bytes[..whole].chunks(block * element_size) {
            let shuffled = shuffle(block, element_size);
            let compressed = match compression {
                2 => lz4_flex::block::compress(&shuffled),
                3 => zstd::compress(&shuffled, 3).unwrap(),
                _ => {
                    stored.extend(shuffled);
                    continue;
                }
            };
            stored.extend(u32::try_from(compressed.len()).unwrap().to_be_bytes());
            stored.extend(compressed);
        }
        stored.extend(&bytes[whole..]);
        stored
    }

    fn decoded(stored: &[u8], client_data: &[u32], size: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        undo(stored, &Parameters::of_client_data(client_data)?, size, &mut out)?;
        Ok(out)
    }

    #[test]
    fn a_group_by_hand() {
        // Element i is the number i: bit 0 alternates, bit 1 every two, bit 2 every four.
        let mut out = vec![9];
        unshuffle(&[0b1010_1010, 0b1100_1100, 0b1111_0000, 0, 0, 0, 0, 0], 1, &mut out);
        assert_eq!(out, [9, 0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn chunks_of_every_size_and_compression() {
        for element_size in [1, 2, 3, 4, 8] {
            for count in [0, 1, 7, 8, 9, 64, 100, 3000] {
                let bytes = elements(count, element_size);
                let size = u32::try_from(element_size).unwrap();
                for compression in [0, 2, 3] {
                    for block in [8, 24] {
                        let stored = encode(&bytes, element_size, block, compression);
                        let client_data = [0, 4, size, u32::try_from(block).unwrap(), compression];
                        assert_eq!(decoded(&stored, &client_data, bytes.len()).unwrap(), bytes);
                    }
                    let usual = usual_block(element_size);
                    let stored = encode(&bytes, element_size, usual, compression);
                    let client_data = [0, 4, size, 0, compression];
                    assert_eq!(decoded(&stored, &client_data, bytes.len()).unwrap(), bytes);
                }
            }
        }
    }

    #[test]
    fn broken_chunks_are_corrupt() {
        let bytes = elements(100, 4);
        for compression in [2, 3] {
            let client_data = [0, 4, 4, 0, compression];
            let stored = encode(&bytes, 4, 64, compression);
            for length in 0..stored.len() {
                let error = decoded(&stored[..length], &client_data, 400).unwrap_err();
                assert_eq!(error.code(), Code::Corrupt, "{length}");
            }
            assert_eq!(decoded(&stored, &client_data, 396).unwrap_err().code(), Code::Corrupt);
            for (place, value) in [(0, 255), (7, 145), (11, 4), (12, 255), (15, 0)] {
                let mut broken = stored.clone();
                broken[place] = value;
                let error = decoded(&broken, &client_data, usize::MAX).unwrap_err();
                assert_eq!(error.code(), Code::Corrupt, "{place}");
            }
        }
        assert_eq!(decoded(&bytes, &[0, 4, 3, 0], 400).unwrap_err().code(), Code::Corrupt);
        assert_eq!(decoded(&bytes, &[0, 4, 4, 12], 400).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn parameters_that_are_not_understood_are_refused() {
        let code =
            |client_data: &[u32]| Parameters::of_client_data(client_data).unwrap_err().code();
        assert_eq!(code(&[]), Code::Corrupt);
        assert_eq!(code(&[0, 4, 0]), Code::Corrupt);
        assert_eq!(code(&[0, 4, 4, 0, 1]), Code::Unsupported);
    }
}
