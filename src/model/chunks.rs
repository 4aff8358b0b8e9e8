//! The chunks of one variable in one file, held in a few bytes each.
//!
//! An archive's worth of chunks passes through memory, so they are kept as differences: most follow the
//! chunk before without a gap, and many have its size. Each takes a byte that tells which of its numbers
//! are not what the chunk before lets expect, and those numbers as variable-length differences.

use serde::{Deserialize, Serialize};

use super::array::Chunk;

/// The number is not one more than that of the chunk before.
const INDEX: u8 = 1;
/// It does not begin where the chunk before ends.
const OFFSET: u8 = 2;
/// It has another size than the chunk before.
const SIZE: u8 = 4;
/// It has another filter mask, or other trailing bytes, than the chunk before.
const EXTRA: u8 = 8;

/// Chunks in the order in which they were put in, which is that of their numbers.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub struct Chunks {
    len: usize,
    coded: Vec<u8>,
    stored_bytes: u64,
    has_masks: bool,
    last: Before,
}

/// What of a chunk the next one is compared with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Before {
    next_index: u64,
    end: u64,
    size: u64,
    filter_mask: u32,
    trailing: u32,
}

impl Before {
    fn of(chunk: Chunk) -> Self {
        let Chunk { index, offset, size, filter_mask, trailing } = chunk;
        let (next_index, end) = (index.wrapping_add(1), offset.wrapping_add(size));
        Self { next_index, end, size, filter_mask, trailing }
    }
}

impl Chunks {
    /// Number of chunks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all chunks in their file.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Whether a chunk was stored without some of its filters.
    #[must_use]
    pub fn has_masks(&self) -> bool {
        self.has_masks
    }

    /// Bytes of memory that the chunks take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.coded.capacity()
    }

    /// Adds a chunk.
    pub fn push(&mut self, chunk: Chunk) {
        let Chunk { index, offset, size, filter_mask, trailing } = chunk;
        let before = self.last;
        self.count(chunk);
        let differ = [
            (INDEX, index != before.next_index),
            (OFFSET, offset != before.end),
            (SIZE, size != before.size),
            (EXTRA, (filter_mask, trailing) != (before.filter_mask, before.trailing)),
        ];
        let flags = differ.iter().fold(0, |all, &(flag, is)| if is { all | flag } else { all });
        self.coded.push(flags);
        if flags & INDEX != 0 {
            put_difference(&mut self.coded, index, before.next_index);
        }
        if flags & OFFSET != 0 {
            put_difference(&mut self.coded, offset, before.end);
        }
        if flags & SIZE != 0 {
            put_difference(&mut self.coded, size, before.size);
        }
        if flags & EXTRA != 0 {
            put(&mut self.coded, filter_mask.into());
            put(&mut self.coded, trailing.into());
        }
    }

    /// Takes down what is told of all chunks; this one is the next.
    fn count(&mut self, chunk: Chunk) {
        self.last = Before::of(chunk);
        self.len += 1;
        self.stored_bytes = self.stored_bytes.saturating_add(chunk.size);
        self.has_masks |= chunk.filter_mask != 0;
    }

    /// Gives back memory that chunks to come would have needed.
    pub fn shrink_to_fit(&mut self) {
        self.coded.shrink_to_fit();
    }

    /// The chunks in their order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { coded: &self.coded, before: Before::default(), left: self.len }
    }
}

/// The chunks as they are coded.
impl From<Chunks> for Vec<u8> {
    fn from(chunks: Chunks) -> Self {
        chunks.coded
    }
}

/// Of other bytes than chunks as they are coded there are none.
impl TryFrom<Vec<u8>> for Chunks {
    type Error = &'static str;

    fn try_from(coded: Vec<u8>) -> Result<Self, Self::Error> {
        let mut chunks = Self::default();
        let mut at = coded.as_slice();
        while !at.is_empty() {
            chunks.count(decode(&mut at, chunks.last).ok_or("these bytes are no chunks")?);
        }
        Ok(Self { coded, ..chunks })
    }
}

impl FromIterator<Chunk> for Chunks {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut all = Self::default();
        chunks.into_iter().for_each(|chunk| all.push(chunk));
        all.shrink_to_fit();
        all
    }
}

impl From<Vec<Chunk>> for Chunks {
    fn from(chunks: Vec<Chunk>) -> Self {
        chunks.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Chunks {
    type Item = Chunk;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The chunks of [`Chunks::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    coded: &'a [u8],
    before: Before,
    left: usize,
}

impl Iterator for Iter<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let chunk = decode(&mut self.coded, self.before)?;
        self.before = Before::of(chunk);
        self.left -= 1;
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The first chunk of `coded`, which follows `before`; none where the bytes end or are not a chunk.
fn decode(coded: &mut &[u8], before: Before) -> Option<Chunk> {
    let (&flags, rest) = coded.split_first()?;
    *coded = rest;
    let mut next = |flag, expected: u64| {
        if flags & flag == 0 { Some(expected) } else { take_difference(coded, expected) }
    };
    let index = next(INDEX, before.next_index)?;
    let offset = next(OFFSET, before.end)?;
    let size = next(SIZE, before.size)?;
    let (mut filter_mask, mut trailing) = (before.filter_mask, before.trailing);
    if flags & EXTRA != 0 {
        filter_mask = u32::try_from(take(coded)?).ok()?;
        trailing = u32::try_from(take(coded)?).ok()?;
    }
    Some(Chunk { index, offset, size, filter_mask, trailing })
}

/// The difference as a number that is small where it is, whatever its sign (zigzag).
fn put_difference(coded: &mut Vec<u8>, number: u64, expected: u64) {
    let difference = number.wrapping_sub(expected).cast_signed();
    put(coded, ((difference << 1) ^ (difference >> 63)).cast_unsigned());
}

fn take_difference(coded: &mut &[u8], expected: u64) -> Option<u64> {
    let zigzag = take(coded)?;
    let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
    Some(expected.wrapping_add(difference))
}

/// Seven bits a byte, the lowest first; the highest bit tells that more follow (LEB128).
fn put(coded: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        coded.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    coded.push((number & 0x7f) as u8);
}

fn take(coded: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = coded.split_first()?;
        *coded = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_chunk() -> impl Strategy<Value = Chunk> {
        let number = || prop_oneof![0..300u64, any::<u64>()];
        let extra = || prop_oneof![Just(0u32), any::<u32>()];
        (number(), number(), number(), extra(), extra()).prop_map(
            |(index, offset, size, filter_mask, trailing)| Chunk {
                index,
                offset,
                size,
                filter_mask,
                trailing,
            },
        )
    }

    proptest! {
        #[test]
        fn chunks_come_out_as_they_went_in(list in prop::collection::vec(any_chunk(), 0..50)) {
            let chunks: Chunks = list.iter().copied().collect();
            prop_assert_eq!(chunks.len(), list.len());
            prop_assert!(chunks.iter().eq(list.iter().copied()));
            let bytes = list.iter().fold(0, |sum: u64, chunk| sum.saturating_add(chunk.size));
            prop_assert_eq!(chunks.stored_bytes(), bytes);
            prop_assert_eq!(chunks.has_masks(), list.iter().any(|chunk| chunk.filter_mask != 0));
            let again = Chunks::try_from(Vec::from(chunks.clone()));
            prop_assert_eq!(again, Ok(chunks));
        }

        #[test]
        fn other_bytes_are_chunks_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(chunks) = Chunks::try_from(bytes) {
                prop_assert_eq!(chunks.iter().count(), chunks.len());
            }
        }
    }

    #[test]
    fn what_follows_without_a_gap_takes_one_byte() {
        let chunk = |index| Chunk {
            index,
            offset: 4096 + 100 * index,
            size: 100,
            filter_mask: 0,
            trailing: 0,
        };
        let chunks: Chunks = (0..1000).map(chunk).collect();
        assert!(chunks.memory() < 1010, "{}", chunks.memory());
    }

    #[test]
    fn compressed_chunks_of_any_size_take_a_few_bytes() {
        let mut offset = 10_000;
        let chunks = (0..1000u64).map(|index| {
            let size = 500_000 + index * 7919 % 60_000;
            let gap = if index % 64 == 0 { 2096 } else { 0 };
            offset += size + gap;
            Chunk { index, offset: offset - size, size, filter_mask: 0, trailing: 0 }
        });
        let chunks: Chunks = chunks.collect();
        assert!(chunks.memory() < 5000, "{}", chunks.memory());
    }
}
