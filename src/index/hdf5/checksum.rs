//! The checksum of HDF5 metadata: Bob Jenkins' `lookup3` hash, `hashlittle` with initial value 0.

use crate::model::error::{Error, Result};

/// Splits the four checksum bytes off the end of `block` and checks them against the rest.
pub fn verified<'a>(block: &'a [u8], of: &str) -> Result<&'a [u8]> {
    let Some((content, stored)) = block.split_last_chunk::<4>() else {
        return Err(Error::corrupt(format!("the {of} is too short for its checksum")));
    };
    if cfg!(fuzzing) || lookup3(content) == u32::from_le_bytes(*stored) {
        return Ok(content);
    }
    Err(Error::corrupt(format!("the checksum of the {of} does not match"))
        .with_hint("compare the file's checksum with the source and transfer it again"))
}

/// Checks that an index of names has a `name`, which ends at a NUL, under its hash: only there libhdf5 finds it.
pub fn check_name(name: &[u8], hash: u32) -> Result<()> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    if cfg!(fuzzing) || lookup3(name) == hash {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(Error::corrupt(format!("an index of names does not find `{}`", name.escape_debug())))
}

/// The `lookup3` hash of `bytes`.
#[must_use]
pub fn lookup3(bytes: &[u8]) -> u32 {
    finish(seed(bytes.len()), bytes)
}

/// The `lookup3` hash of `bytes` with zeros in place of the checksum at byte `at`, or nothing where there is
/// no room for one.
#[must_use]
pub fn lookup3_without_checksum(bytes: &[u8], at: usize) -> Option<u32> {
    let behind = at.checked_add(4)?;
    let (start, rest) = bytes.split_at(behind.next_multiple_of(12).min(bytes.len()));
    let mut start = start.to_vec();
    start.get_mut(at..behind)?.fill(0);
    let seed = seed(bytes.len());
    Some(if rest.is_empty() { finish(seed, &start) } else { finish(blocks(seed, &start), rest) })
}

fn seed(len: usize) -> [u32; 3] {
    // The length enters modulo 2^32, as in the reference.
    #[allow(clippy::cast_possible_truncation)]
    let seed = 0xdead_beef_u32.wrapping_add(len as u32);
    [seed; 3]
}

/// The state after whole `blocks` of 12 bytes that others follow.
fn blocks([mut a, mut b, mut c]: [u32; 3], blocks: &[u8]) -> [u32; 3] {
    for block in blocks.chunks_exact(12) {
        a = a.wrapping_add(word(block, 0));
        b = b.wrapping_add(word(block, 4));
        c = c.wrapping_add(word(block, 8));
        (a, b, c) = mix(a, b, c);
    }
    [a, b, c]
}

/// The hash after the last `bytes`.
fn finish(state: [u32; 3], bytes: &[u8]) -> u32 {
    if bytes.is_empty() {
        return state[2];
    }
    // The last block, even a full one, is finished with `last_mix` instead of `mix`.
    let (whole, rest) = bytes.split_at((bytes.len() - 1) / 12 * 12);
    let [a, b, c] = blocks(state, whole);
    let mut last = [0; 12];
    last[..rest.len()].copy_from_slice(rest);
    last_mix(
        a.wrapping_add(word(&last, 0)),
        b.wrapping_add(word(&last, 4)),
        c.wrapping_add(word(&last, 8)),
    )
}

fn word(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn last_mix(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values printed by the reference implementation's own self-test (lookup3.c, driver5).
    #[test]
    fn agrees_with_the_reference() {
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn a_checksum_counts_as_zero() {
        let bytes: Vec<u8> = (1..=100).collect();
        for (len, at) in [(4, 0), (12, 8), (13, 9), (24, 20), (25, 13), (30, 22), (100, 21)] {
            let mut zeroed = bytes[..len].to_vec();
            zeroed[at..at + 4].fill(0);
            let hash = lookup3_without_checksum(&bytes[..len], at);
            assert_eq!(hash, Some(lookup3(&zeroed)), "{len} {at}");
        }
        assert_eq!(lookup3_without_checksum(&bytes[..24], 21), None);
        assert_eq!(lookup3_without_checksum(&bytes, usize::MAX), None);
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut block = b"OHDR and more".to_vec();
        block.extend(lookup3(&block).to_le_bytes());
        assert!(verified(&block, "object header").is_ok());
        block[3] ^= 1;
        assert!(verified(&block, "object header").is_err());
    }
}
