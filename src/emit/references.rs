//! What stands for each chunk of an array in a store, whatever form the store has.

use crate::model::array::{Chunk, Fill, product};
use crate::model::codec::Codec;
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Carried, VirtualArray};

use super::reference_json::Locations;
use super::{attributes, encode};

/// Most bytes of a chunk that is full of one value.
const MOST_CONSTANT_CHUNK: u64 = 1 << 30;

/// What stands for a chunk.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// Bytes of a file.
    Range { location: &'a str, offset: u64, size: u64 },
    /// These bytes, which are in the store itself.
    Held(&'a [u8]),
}

/// The chunks of `array` that are there, by their row-major number in the grid, ascending.
pub(super) fn targets<'a>(
    array: &'a VirtualArray,
    locations: Locations<'a>,
) -> impl Iterator<Item = Result<(u64, Target<'a>)>> {
    let no_location = || Error::new(Code::Internal, "a file has no URL");
    array.chunks().map(move |(run, chunk, carried)| {
        let location = || locations.files.get(run.file).map(String::as_str).ok_or_else(no_location);
        let Chunk { offset, size, .. } = chunk;
        let target = match carried {
            Carried::AsStored => Target::Range { location: location()?, offset, size },
            Carried::Cut(size) => Target::Range { location: location()?, offset, size },
            Carried::Anew(rows) => {
                let lost = || Error::new(Code::Internal, "a chunk was not encoded anew");
                let encoded = locations.seams.of(array, run, chunk, rows).ok_or_else(lost)?;
                if let Some(bytes) = locations.seams.held(encoded) {
                    Target::Held(bytes)
                } else {
                    let location = locations.seam_file.ok_or_else(no_location)?;
                    Target::Range { location, offset: encoded.offset, size: encoded.size }
                }
            }
        };
        Ok((run.first + chunk.index, target))
    })
}

/// How the chunks of an array are cut and encoded.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub chunk_shape: Vec<u64>,
    pub codecs: Vec<Codec>,
}

impl Layout {
    pub(super) fn of(array: &VirtualArray) -> Self {
        match &array.body {
            Body::Inline(values) => Self {
                chunk_shape: array.shape.iter().map(|&length| length.max(1)).collect(),
                codecs: encode::inline_codecs(values, array.dtype),
            },
            Body::Virtual { chunk_shape, codecs, .. } => {
                Self { chunk_shape: chunk_shape.clone(), codecs: codecs.clone() }
            }
        }
    }

    /// An encoded chunk full of `fill`.
    pub(super) fn constant_chunk(&self, fill: &[u8]) -> Result<Vec<u8>> {
        let too_large =
            || Error::new(Code::TooLarge, "a chunk that was never written is too large");
        let elements = product(&self.chunk_shape).ok_or_else(too_large)?;
        let bytes = elements.checked_mul(fill.len() as u64).ok_or_else(too_large)?;
        if bytes > MOST_CONSTANT_CHUNK {
            return Err(too_large());
        }
        let elements = usize::try_from(elements).map_err(|_| too_large())?;
        encode::encode(fill.repeat(elements), &self.codecs)
    }
}

/// Number of chunks in the whole grid of `array`.
pub(super) fn count(array: &VirtualArray) -> Result<u64> {
    product(&array.grid())
        .ok_or_else(|| Error::new(Code::TooLarge, "the array has more than 2^64 chunks"))
}

/// What chunks hold that were never written, unless readers of Zarr V2 know it: they know no other than
/// `_FillValue`.
pub(super) fn fill_unknown_to_v2(array: &VirtualArray) -> Option<&[u8]> {
    let Fill::Value(fill) = &array.fill else { return None };
    let is_text = matches!(array.dtype, DataType::Text(_) | DataType::String);
    let cf_fill = array.attributes.get("_FillValue").filter(|_| !is_text);
    let cf_fill = cf_fill.and_then(|value| attributes::element_bytes(value, array.dtype));
    (cf_fill.as_deref() != Some(fill)).then_some(fill)
}
