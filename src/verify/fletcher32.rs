//! The checksum at the end of chunks whose last filter is fletcher32. `zarrs` 0.23 leaves out the
//! last byte where their number is odd, as that of compressed bytes often is, and so calls chunks
//! damaged that are not; it is checked here instead.

/// Whether `chunk` ends with the checksum of what stands before, as HDF5 computes it.
pub fn is_valid(chunk: &[u8]) -> bool {
    chunk
        .split_last_chunk::<4>()
        .is_some_and(|(data, stored)| checksum(data).to_le_bytes() == *stored)
}

/// Fletcher's sums over 16-bit words, most significant byte first, modulo 65535.
fn checksum(data: &[u8]) -> u32 {
    let (mut sum, mut sum_of_sums) = (0u32, 0u32);
    for word in data.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        sum = folded(sum + u32::from(word[0]) * 256 + u32::from(low));
        sum_of_sums = folded(sum_of_sums + sum);
    }
    sum_of_sums << 16 | sum
}

/// The same number modulo 65535, in 16 bits; 65535 stands for itself, as in HDF5.
fn folded(sum: u32) -> u32 {
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_hand() {
        assert_eq!(checksum(&[1, 2]), 0x0102_0102);
        assert_eq!(checksum(&[1, 2, 3]), 0x0504_0402);
        assert_eq!(checksum(&[0xff, 0xff, 0, 1]), 0x0001_0001);
        assert!(is_valid(&[1, 2, 3, 0x02, 0x04, 0x04, 0x05]));
        assert!(!is_valid(&[1, 2, 4, 0x02, 0x04, 0x04, 0x05]));
        assert!(!is_valid(&[1, 2, 4]));
    }
}
