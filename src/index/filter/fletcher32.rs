//! The Fletcher32 filter (HDF5 filter 3): a checksum in the last four bytes of a chunk, least
//! significant byte first.

use crate::model::error::{Error, Result};

/// Bytes of the checksum.
pub const SIZE: usize = 4;

/// Words that can be summed before the sums must be folded lest they exceed 32 bits.
const BLOCK: usize = 360;

/// The checksum of bytes that come in pieces, as HDF5's `H5_checksum_fletcher32` computes it: over
/// 16-bit words, most significant byte first, the last one filled up with a zero byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    sum1: u32,
    sum2: u32,
}

impl Checksum {
    /// Adds a piece; all but the last must have an even number of bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let Self { sum1, sum2 } = self;
        for block in bytes.chunks(2 * BLOCK) {
            for word in block.chunks(2) {
                let low = word.get(1).copied().unwrap_or(0);
                *sum1 += u32::from(u16::from_be_bytes([word[0], low]));
                *sum2 += *sum1;
            }
            *sum1 = fold(*sum1);
            *sum2 = fold(*sum2);
        }
    }

    /// The checksum of what was added.
    #[must_use]
    pub fn value(self) -> u32 {
        (fold(self.sum2) << 16) | fold(self.sum1)
    }

    /// Whether a chunk that ends with the bytes `stored` has this checksum.
    #[must_use]
    pub fn is(self, stored: [u8; SIZE]) -> bool {
        let computed = self.value().to_le_bytes();
        // HDF5 up to 1.6.2 exchanged the bytes of each half on little-endian machines.
        let [a, b, c, d] = computed;
        stored == computed || stored == [b, a, d, c]
    }
}

fn of(bytes: &[u8]) -> Checksum {
    let mut checksum = Checksum::default();
    checksum.add(bytes);
    checksum
}

/// One step of the reduction to 16 bits.
fn fold(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

/// Appends the checksum of `bytes`.
pub fn append(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&of(bytes).value().to_le_bytes());
}

/// Takes the checksum off the end of `bytes`, after comparing.
pub fn verify(bytes: &mut Vec<u8>) -> Result<()> {
    let Some((data, stored)) = bytes.split_last_chunk::<SIZE>() else {
        return Err(Error::corrupt("a chunk is too short for its Fletcher32 checksum"));
    };
    if !of(data).is(*stored) {
        return Err(Error::corrupt("the Fletcher32 checksum of a chunk does not match"));
    }
    bytes.truncate(bytes.len() - SIZE);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

    fn checksum(bytes: &[u8]) -> u32 {
        of(bytes).value()
    }

    #[test]
    fn checksums_computed_by_hand() {
        // One word: both sums are the word itself.
        assert_eq!(checksum(&[0x12, 0x34]), 0x1234_1234);
        // Words 0x0102, 0x0304: sum1 = 0x0406, sum2 = 0x0102 + 0x0406.
        assert_eq!(checksum(&[1, 2, 3, 4]), 0x0508_0406);
        // An odd byte is the upper half of a word: 0x0102, 0x0300.
        assert_eq!(checksum(&[1, 2, 3]), 0x0504_0402);
        // 0xffff + 0xffff = 0x1fffe folds to 0xffff; sum2 = 0xffff * 3 = 0x2fffd folds to 0xffff.
        assert_eq!(checksum(&[0xff; 4]), 0xffff_ffff);
        assert_eq!(checksum(&[]), 0);
        assert_eq!(checksum(&[0; 100]), 0);
    }

    #[test]
    fn blocks_do_not_overflow_and_equal_one_reduction_at_the_end() {
        let bytes = vec![0xfe; 100_001];
        let (mut sum1, mut sum2) = (0u64, 0u64);
        for word in bytes.chunks(2) {
            sum1 += if word.len() == 2 { 0xfefe } else { 0xfe00 };
            sum2 += sum1;
        }
        // Neither sum is a multiple of 65535, so the residue is the folded value.
        assert_eq!(u64::from(checksum(&bytes)), ((sum2 % 0xffff) << 16) | (sum1 % 0xffff));
    }

    #[test]
    fn pieces_give_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..5001u32).flat_map(|i| (i * i).to_le_bytes()).skip(1).collect();
        for length in [2, 718, 720, 1000, 4096] {
            let mut pieces = Checksum::default();
            bytes.chunks(length).for_each(|piece| pieces.add(piece));
            assert_eq!(pieces.value(), checksum(&bytes), "{length}");
        }
    }

    #[test]
    fn a_checksum_is_verified_and_taken_off_also_with_its_bytes_exchanged() {
        let mut bytes = b"temperature".to_vec();
        append(&mut bytes);
        let mut exchanged = bytes.clone();
        exchanged.swap(11, 12);
        exchanged.swap(13, 14);
        for mut chunk in [bytes.clone(), exchanged] {
            verify(&mut chunk).unwrap();
            assert_eq!(chunk, b"temperature");
        }
        bytes[3] ^= 1;
        assert_eq!(verify(&mut bytes).unwrap_err().code(), Code::Corrupt);
        assert_eq!(verify(&mut vec![0; 3]).unwrap_err().code(), Code::Corrupt);
    }
}
