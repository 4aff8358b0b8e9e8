//! The Blosc filter (HDF5 filter 32001): one chunk of Blosc 1.
//!
//! Format: `README_CHUNK_FORMAT.rst` of <https://github.com/Blosc/c-blosc>. Numbers have their least
//! significant byte first:
//!
//! ```text
//! 1 byte   version of the format
//! 1 byte   version of the compressor's format
//! 1 byte   flags: shuffled, not compressed, bits shuffled, (reserved), blocks not split; and in
//!          the upper three bits the compressor
//! 1 byte   bytes of an element
//! 4 bytes  size before compression
//! 4 bytes  size of a block before compression; the last block may be smaller
//! 4 bytes  size of all this
//! 4 bytes for each block: where it begins
//! then of each block, one or more times:
//!     4 bytes  size of the stream; if it is that of its output, this is not compressed
//!     the stream
//! ```

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress};

use crate::model::error::{Code, Error, Result};

use super::stream::Stream;
use super::{bitshuffle, deflate, lz4, lz77, shuffle, zstd};

/// Most output bytes per input byte, whatever the compressor.
pub const MAX_RATIO: usize = zstd::MAX_RATIO;

const VERSION: u8 = 2;
const HEADER: usize = 16;

const SHUFFLED: u8 = 1;
const NOT_COMPRESSED: u8 = 1 << 1;
const BITS_SHUFFLED: u8 = 1 << 2;
const RESERVED: u8 = 1 << 3;
const NOT_SPLIT: u8 = 1 << 4;
const ZLIB: u8 = 3;

/// A block of elements up to this size is split into as many streams as an element has bytes, if
/// these would come to the least length.
const LARGEST_SPLIT: usize = 16;
const SHORTEST_STREAM: usize = 128;

struct Header {
    flags: u8,
    element_size: usize,
    size: usize,
    block_size: usize,
    stored_size: usize,
}

impl Header {
    fn read(stored: &[u8]) -> Result<Self> {
        let mut stream = Stream::new(stored);
        let [version, _, flags, element_size] = stream.array()?;
        if version != VERSION || flags & RESERVED != 0 {
            return Err(Error::unsupported(format!("version {version} of Blosc's format")));
        }
        let header = Self {
            flags,
            element_size: usize::from(element_size),
            size: stream.size_le()?,
            block_size: stream.size_le()?,
            stored_size: stream.size_le()?,
        };
        if header.element_size == 0 || header.block_size == 0 && header.size > 0 {
            return Err(Error::corrupt("a Blosc chunk has elements or blocks without size"));
        }
        Ok(header)
    }

    /// Streams that a whole block is split into.
    fn streams(&self) -> usize {
        let is_split = self.flags & NOT_SPLIT == 0
            && self.element_size <= LARGEST_SPLIT
            && self.block_size / self.element_size >= SHORTEST_STREAM;
        if is_split { self.element_size } else { 1 }
    }
}

/// Decompresses `stored`, which must come to no more than `size` bytes, into `out`.
pub fn decompress(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    let header = Header::read(stored)?;
    let stored = Stream::new(stored).take(header.stored_size)?;
    let mut starts = Stream::new(stored);
    starts.take(HEADER)?;
    // Blocks may begin at the same place, so that their own bounds are not enough.
    if header.size > size.min(stored.len().saturating_mul(MAX_RATIO)) {
        let message = format!("a Blosc chunk comes to {} bytes instead of {size}", header.size);
        return Err(Error::corrupt(message));
    }
    if header.flags & NOT_COMPRESSED != 0 {
        out.extend_from_slice(starts.take(header.size)?);
        return Ok(());
    }
    let mut blocks = Blocks { header: &header, zlib: None, spare: Vec::new() };
    let (mut block, mut unshuffled) = (Vec::new(), Vec::new());
    while out.len() < header.size {
        let mut streams = Stream::new(stored);
        streams.take(starts.size_le()?)?;
        blocks.read(streams, header.block_size.min(header.size - out.len()), &mut block)?;
        out.extend_from_slice(unshuffle(&header, &block, &mut unshuffled));
    }
    Ok(())
}

/// The elements of `block`, which may be in `unshuffled`. As Blosc does it, bits stay where they are
/// unless there is a multiple of eight elements.
fn unshuffle<'a>(header: &Header, block: &'a [u8], unshuffled: &'a mut Vec<u8>) -> &'a [u8] {
    let elements = block.len() / header.element_size;
    if header.flags & SHUFFLED != 0 {
        shuffle::unshuffle(block, header.element_size, unshuffled);
        unshuffled
    } else if header.flags & BITS_SHUFFLED != 0 && elements.is_multiple_of(8) {
        let (whole, rest) = block.split_at(elements * header.element_size);
        unshuffled.clear();
        bitshuffle::unshuffle(whole, header.element_size, unshuffled);
        unshuffled.extend_from_slice(rest);
        unshuffled
    } else {
        block
    }
}

/// Decompresses blocks, in buffers kept from one to the next.
struct Blocks<'a> {
    header: &'a Header,
    zlib: Option<Decompress>,
    spare: Vec<u8>,
}

impl Blocks<'_> {
    /// Puts the block of `size` bytes that begins at `streams` into `block`.
    fn read(&mut self, mut streams: Stream, size: usize, block: &mut Vec<u8>) -> Result<()> {
        block.clear();
        // The smaller block at the end is never split.
        let count = if size == self.header.block_size { self.header.streams() } else { 1 };
        let each = size / count;
        for _ in 0..count {
            let stored_size = streams.size_le()?;
            let stored = streams.take(stored_size)?;
            if stored_size == each {
                block.extend_from_slice(stored);
            } else {
                self.decompress(stored, each)?;
                block.extend_from_slice(&self.spare);
            }
        }
        if block.len() == size {
            return Ok(());
        }
        Err(Error::corrupt(format!("a Blosc block comes to {} bytes, not {size}", block.len())))
    }

    fn decompress(&mut self, stored: &[u8], size: usize) -> Result<()> {
        self.spare.clear();
        match self.header.flags >> 5 {
            0 => blosclz(stored, size, &mut self.spare),
            1 => lz4::append_block(stored, size, &mut self.spare),
            2 => Err(Error::unsupported("blosc with the compressor snappy")),
            ZLIB => {
                let zlib = self.zlib.get_or_insert_with(|| Decompress::new(true));
                deflate::inflate(zlib, stored, size, &mut self.spare)
            }
            4 => zstd::decompress(stored, size, &mut self.spare),
            other => Err(Error::unsupported(format!("blosc with compressor {other}"))),
        }
    }
}

/// Decompresses a stream of `BloscLZ` into `out`, as `blosclz.c` of Blosc has it. A control byte below
/// 32 stands before so many bytes, and one more, to be taken as they are; the first one is always
/// such. In any other, the upper three bits are a length, 7 for one that goes on in the next bytes
/// up to the first that is not 255; the lower five and one more byte are the distance of what is
/// repeated, all ones for a longer one in the next two bytes.
fn blosclz(stored: &[u8], size: usize, out: &mut Vec<u8>) -> Result<()> {
    const LONG_DISTANCE: usize = 0x1fff;
    let mut stream = Stream::new(stored);
    let mut is_first = true;
    while !stream.is_empty() {
        let control = stream.byte()? & if is_first { 31 } else { 255 };
        is_first = false;
        if control < 32 {
            lz77::append(out, stream.take(control + 1)?, size)?;
            continue;
        }
        let mut length = (control >> 5) + 2;
        if control >> 5 == 7 {
            loop {
                let more = stream.byte()?;
                length += more;
                if more < 255 {
                    break;
                }
            }
        }
        let mut distance = ((control & 31) << 8) + stream.byte()?;
        if distance == LONG_DISTANCE {
            distance += usize::from(u16::from_be_bytes(stream.array()?));
        }
        lz77::repeat(out, distance + 1, length, size)?;
    }
    Ok(())
}

/// Compresses `bytes` by zlib at `level` into a Blosc chunk of one block, not shuffled.
pub fn compress(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
    /// Blosc's `BLOSC_MAX_BLOCKSIZE`.
    const MOST: usize = (i32::MAX as usize - 255 * 4) / 3;
    let size = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MOST);
    let size = size.ok_or_else(|| Error::new(Code::TooLarge, "a block too large for Blosc"))?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level.min(9)));
    let stream = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let stream =
        stream.map_err(|error| Error::new(Code::Internal, format!("cannot compress: {error}")))?;
    let is_smaller = stream.len() < bytes.len();
    let flags = if is_smaller { NOT_SPLIT | ZLIB << 5 } else { NOT_COMPRESSED };
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut blocks = Vec::new();
    if is_smaller {
        blocks.extend(number(HEADER + 4));
        blocks.extend(number(stream.len()));
        blocks.extend(stream);
    } else {
        blocks.extend(bytes);
    }
    let mut chunk = vec![VERSION, 1, flags, 1];
    chunk.extend(size.to_le_bytes());
    chunk.extend(size.to_le_bytes());
    chunk.extend(number(HEADER + blocks.len()));
    chunk.extend(blocks);
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompressed(stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(stored, size, &mut out)?;
        Ok(out)
    }

    fn code(stored: &[u8]) -> Code {
        decompressed(stored, 1000).unwrap_err().code()
    }

    /// A chunk of `size` bytes in blocks, each of which is given by its streams.
    fn chunk(flags: u8, element_size: u8, size: u32, block: u32, blocks: &[&[&[u8]]]) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let (mut starts, mut streams) = (Vec::new(), Vec::new());
        for block in blocks {
            starts.extend(number(HEADER + 4 * blocks.len() + streams.len()));
            for stream in *block {
                streams.extend(number(stream.len()));
                streams.extend(*stream);
            }
        }
        let mut chunk = vec![VERSION, 1, flags, element_size];
        chunk.extend(size.to_le_bytes());
        chunk.extend(block.to_le_bytes());
        chunk.extend(number(HEADER + starts.len() + streams.len()));
        chunk.extend(starts);
        chunk.extend(streams);
        chunk
    }

    #[test]
    fn what_is_compressed_here_is_decompressed() {
        for bytes in [&b""[..], b"a", b"temperature temperature", &vec![7; 100_000]] {
            let stored = compress(bytes, 6).unwrap();
            assert_eq!(decompressed(&stored, bytes.len()).unwrap(), bytes);
            let followed = [&stored[..], b"rest"].concat();
            assert_eq!(decompressed(&followed, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn streams_of_blosclz() {
        let plain = |stream: &[u8], size| {
            let mut out = Vec::new();
            blosclz(stream, size, &mut out)?;
            Result::Ok(out)
        };
        // The upper bits of the first control byte mean nothing.
        assert_eq!(plain(b"\xe2abc", 3).unwrap(), b"abc");
        assert_eq!(plain(b"\x00a\x20\x00", 4).unwrap(), b"aaaa");
        // A length of 7 + 255 + 1 + 2 from three before the end.
        let long = plain(b"\x02abc\xe0\xff\x01\x02", 300).unwrap();
        assert_eq!(long, b"abc".repeat(90)[..268]);
        // A distance of 8191 + 256 + 1 and one.
        let start = [1, 2, 3].repeat(3000);
        let mut far: Vec<u8> = Vec::new();
        for piece in start.chunks(32) {
            far.push(u8::try_from(piece.len() - 1).unwrap());
            far.extend(piece);
        }
        far.extend([0x3f, 0xff, 1, 1]);
        let out = plain(&far, 9003).unwrap();
        assert_eq!(out[9000..], start[9000 - 8449..][..3]);
        for broken in
            [&b"\x02ab"[..], b"\x00a\x20", b"\x00a\xe0\xff", b"\x00a\x3f\xff", b"\x00a\x20\x01"]
        {
            assert_eq!(plain(broken, 300).unwrap_err().code(), Code::Corrupt, "{broken:?}");
        }
        assert_eq!(plain(b"\x00a\x20\x00", 3).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn blocks_are_split_and_shuffled_each_for_itself() {
        let elements: Vec<u8> = (0..600u16).flat_map(u16::to_le_bytes).collect();
        let (first, second) = elements.split_at(512);
        let (second, third) = second.split_at(512);
        let shuffled = |block: &[u8]| {
            let mut out = Vec::new();
            shuffle::shuffle(block, 2, &mut out);
            out
        };
        let [first, second, third] = [first, second, third].map(shuffled);
        // Plain streams, which are of the size they are to have.
        let blocks: [&[&[u8]]; 3] =
            [&[&first[..256], &first[256..]], &[&second[..256], &second[256..]], &[&third]];
        let stored = chunk(SHUFFLED, 2, 1200, 512, &blocks);
        assert_eq!(decompressed(&stored, 1200).unwrap(), elements);
        let stored = chunk(SHUFFLED | NOT_SPLIT, 2, 1200, 512, &[&[&first], &[&second], &[&third]]);
        assert_eq!(decompressed(&stored, 1200).unwrap(), elements);
    }

    #[test]
    fn bits_stay_where_there_is_no_multiple_of_eight_elements() {
        let bytes: Vec<u8> = (0..18).collect();
        let stored = chunk(BITS_SHUFFLED, 2, 18, 18, &[&[&bytes]]);
        assert_eq!(decompressed(&stored, 18).unwrap(), bytes);
        let stored = chunk(BITS_SHUFFLED, 2, 17, 17, &[&[&[255; 17]]]);
        assert_eq!(decompressed(&stored, 17).unwrap(), [255; 17]);
    }

    #[test]
    fn broken_chunks_are_corrupt() {
        let stored = compress(&[7; 1000], 6).unwrap();
        for length in 0..stored.len() {
            assert_eq!(code(&stored[..length]), Code::Corrupt, "{length}");
        }
        // Element size; size before compression; that of a block; of all; start; size of a stream.
        for (place, value) in [(3, 0), (4, 233), (8, 9), (12, 15), (16, 255), (20, 255), (20, 1)] {
            let mut broken = stored.clone();
            broken[place] = value;
            assert_eq!(code(&broken), Code::Corrupt, "{place}");
        }
        assert!(decompressed(&stored, 999).is_err());
        let no_blocks = chunk(0, 1, 1000, 0, &[]);
        assert_eq!(code(&no_blocks), Code::Corrupt);
        let mut bomb = chunk(0, 1, u32::MAX, u32::MAX, &[&[b"\x00a"]]);
        assert!(decompressed(&bomb, usize::MAX).is_err());
        bomb[2] = NOT_COMPRESSED;
        assert!(decompressed(&bomb, usize::MAX).is_err());
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let stored = chunk(2 << 5, 1, 1000, 1000, &[&[b"snappy"]]);
        assert!(decompressed(&stored, 1000).unwrap_err().to_string().contains("snappy"));
        let stored = chunk(7 << 5, 1, 1000, 1000, &[&[b"other"]]);
        assert_eq!(code(&stored), Code::Unsupported);
        for (place, value) in [(0, 5), (2, RESERVED)] {
            let mut other = compress(&[7; 1000], 6).unwrap();
            other[place] = value;
            assert_eq!(code(&other), Code::Unsupported);
        }
    }
}
