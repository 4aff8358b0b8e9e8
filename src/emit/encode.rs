//! Encoding of chunks that are kept in the manifest itself.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::index::filter::{blosc, bzip2, fletcher32, shuffle, zstd};
use crate::model::array::Values;
use crate::model::codec::Codec;
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};

/// Chunks above this many bytes are compressed.
const COMPRESS_ABOVE: usize = 10 * 1024;
const LEVEL: u32 = 6;

/// The codecs that an inlined array of `values` is encoded with.
pub fn inline_codecs(values: &Values, dtype: DataType) -> Vec<Codec> {
    match values {
        Values::Bytes(bytes) if bytes.len() > COMPRESS_ABOVE => {
            match dtype.size().and_then(|size| u32::try_from(size).ok()) {
                Some(size) if size > 1 => vec![Codec::Shuffle(size), Codec::Zlib(LEVEL)],
                _ => vec![Codec::Zlib(LEVEL)],
            }
        }
        _ => Vec::new(),
    }
}

/// The single chunk of an inlined array.
pub fn inline_chunk(values: &Values, codecs: &[Codec]) -> Result<Vec<u8>> {
    match values {
        Values::Bytes(bytes) => encode(bytes.clone(), codecs),
        Values::Strings(strings) => vlen_utf8(strings),
    }
}

/// `bytes` through `codecs` in order.
pub fn encode(bytes: Vec<u8>, codecs: &[Codec]) -> Result<Vec<u8>> {
    codecs.iter().try_fold(bytes, |mut bytes, codec| match codec {
        Codec::Shuffle(size) => {
            let mut shuffled = Vec::new();
            shuffle::shuffle(&bytes, usize::try_from(*size).unwrap_or(usize::MAX), &mut shuffled);
            Ok(shuffled)
        }
        Codec::Zlib(level) => zlib(&bytes, *level),
        Codec::Zstd(level) => zstd::compress(&bytes, *level),
        Codec::Bzip2(level) => bzip2::compress(&bytes, *level),
        Codec::Blosc(_) => blosc::compress(&bytes, LEVEL),
        Codec::Fletcher32 => {
            fletcher32::append(&mut bytes);
            Ok(bytes)
        }
    })
}

fn zlib(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level.min(9)));
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::new(Code::Internal, format!("cannot compress: {error}")))
}

/// Strings as numcodecs' and Zarr's `vlen-utf8` codec lays them out: their number, then the length
/// and the bytes of each; lengths are little-endian 32-bit numbers.
fn vlen_utf8(strings: &[String]) -> Result<Vec<u8>> {
    let length = |length: usize| {
        let length = u32::try_from(length);
        length.map_err(|_| Error::new(Code::TooLarge, "a string of more than 4 GiB"))
    };
    let mut chunk = length(strings.len())?.to_le_bytes().to_vec();
    for string in strings {
        chunk.extend(length(string.len())?.to_le_bytes());
        chunk.extend(string.as_bytes());
    }
    Ok(chunk)
}

/// Bytes as base64 text.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
