//! Damaged copies of files. The same number always makes the same copy of the same files.

use std::ops::Range;

use vzarr_publish::index::hdf5::checksum::lookup3;

/// Signatures of the structures of HDF5.
const SIGNATURES: [&[u8; 4]; 17] = [
    b"OHDR", b"OCHK", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"BTHD", b"BTLF", b"BTIN", b"FAHD", b"FADB", b"EAHD", b"EAIB",
    b"EADB", b"FRHP", b"FHDB", b"FHIB",
];
/// Most bytes of a structure whose checksum is looked for.
const LONGEST: usize = 4096;
/// Bytes from a signature on that are damaged rather than others, where there is no checksum to tell the end.
const NEAR: usize = 512;

/// A file that copies are made of.
pub struct Original {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Where metadata are; damage there is no matter of values alone.
    metadata: Vec<Structure>,
}

/// A piece of metadata.
struct Structure {
    place: Range<usize>,
    /// Whether its checksum follows it.
    is_sealed: bool,
}

impl Original {
    pub fn new(name: String, bytes: Vec<u8>) -> Self {
        let mut metadata = Vec::new();
        // The header of NetCDF classic, the superblock of HDF5 and often the root group.
        let start = 0..bytes.len().min(if bytes.starts_with(b"CDF") { 4096 } else { 96 });
        metadata.push(Structure { place: start, is_sealed: false });
        for at in 0..bytes.len().saturating_sub(4) {
            if SIGNATURES.iter().any(|signature| bytes[at..].starts_with(*signature)) {
                metadata.push(structure(&bytes, at));
            }
        }
        Self { name, bytes, metadata }
    }
}

/// The structure at `at`: as long as makes the four bytes behind it its checksum, if any length does.
fn structure(bytes: &[u8], at: usize) -> Structure {
    let rest = &bytes[at..];
    let is_checksum = |end: &usize| {
        let stored = rest[*end..].first_chunk::<4>().map(|stored| u32::from_le_bytes(*stored));
        stored.is_some_and(|stored| stored == lookup3(&rest[..*end]))
    };
    match (8..rest.len().min(LONGEST)).find(is_checksum) {
        Some(end) => Structure { place: at..at + end, is_sealed: true },
        None => Structure { place: at..at + rest.len().min(NEAR), is_sealed: false },
    }
}

/// Numbers that look like chance (xorshift64).
struct Noise(u64);

impl Noise {
    /// Neighbouring numbers must not start alike (splitmix64).
    fn of(seed: u64, number: u64) -> Self {
        let mut z = seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap_or(0) % bound.max(1)
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The damaged copy of that number, and the file it was made of.
pub fn mutant(originals: &[Original], seed: u64, number: u64) -> (&Original, Vec<u8>) {
    let mut noise = Noise::of(seed, number);
    let original = noise.one_of(originals);
    let mut copy = original.bytes.clone();
    match noise.below(10) {
        0 => {
            let at = 1 + noise.below(copy.len());
            copy.truncate(at);
        }
        1 => splice(&mut copy, noise.one_of(originals), &mut noise),
        _ => {
            for _ in 0..=noise.below(3) {
                damage(&mut copy, original, &mut noise);
            }
        }
    }
    (original, copy)
}

/// A piece of another file, or of this one, in the place of bytes.
fn splice(copy: &mut [u8], other: &Original, noise: &mut Noise) {
    let from = noise.below(other.bytes.len());
    let at = if noise.below(2) == 0 { from.min(copy.len()) } else { noise.below(copy.len()) };
    let most = (other.bytes.len() - from).min(copy.len() - at);
    let length = if noise.below(2) == 0 { most } else { noise.below(most.min(LONGEST)) };
    copy[at..at + length].copy_from_slice(&other.bytes[from..from + length]);
}

/// Changes a few bytes, mostly of the metadata, whose checksum is then made right as often as not.
fn damage(copy: &mut [u8], original: &Original, noise: &mut Noise) {
    let structure = (noise.below(4) > 0).then(|| noise.one_of(&original.metadata));
    let at = match structure {
        Some(Structure { place, .. }) => place.start + noise.below(place.len()),
        None => noise.below(copy.len()),
    };
    match noise.below(8) {
        0..3 => copy[at] ^= 1 << noise.below(8),
        3 => copy[at] = u8::try_from(noise.below(256)).unwrap_or(0),
        4 => copy[at] = *noise.one_of(&[0, 1, 0x7f, 0x80, 0xff]),
        5 => overwrite(copy, at, 4, noise),
        _ => overwrite(copy, at, 8, noise),
    }
    if let Some(Structure { place, is_sealed: true }) = structure
        && noise.below(3) > 0
    {
        let checksum = lookup3(&copy[place.clone()]).to_le_bytes();
        copy[place.end..place.end + 4].copy_from_slice(&checksum);
    }
}

/// A number of `width` bytes at `at`, as lengths, counts and addresses are.
fn overwrite(copy: &mut [u8], at: usize, width: usize, noise: &mut Noise) {
    let length = copy.len() as u64;
    let chance = noise.next();
    let from = noise.below(copy.len().saturating_sub(8).max(1));
    let elsewhere = copy[from..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let numbers = [
        0,
        1,
        length,
        length - 1,
        length + 1,
        u64::MAX,
        u64::MAX - 1,
        1 << 31,
        1 << 63,
        u64::from(u32::MAX),
        chance,
        chance % length,
        chance % 16,
        elsewhere,
    ];
    let number = *noise.one_of(&numbers);
    let bytes = if noise.below(4) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
    let bytes = if width == 4 && bytes[..4] == [0; 4] { &bytes[4..] } else { &bytes[..width] };
    for (place, byte) in copy.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}
