//! The filters that stored chunks went through, as HDF5 defines them.
//!
//! [`shuffle`] and [`fletcher32`] work in both directions, for a chunk that is cut must be encoded
//! anew. [`Decoder`] undoes a whole pipeline.

pub mod deflate;
pub mod fletcher32;
pub mod shuffle;

use flate2::Decompress;

use crate::model::codec::Filter;
use crate::model::dtype::DataType;
use crate::model::error::{Error, Result};

/// Undoes filter pipelines in buffers that it keeps from chunk to chunk.
#[derive(Debug)]
pub struct Decoder {
    /// The chunk: stored bytes go in, elements come out.
    pub bytes: Vec<u8>,
    spare: Vec<u8>,
    zlib: Decompress,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { bytes: Vec::new(), spare: Vec::new(), zlib: Decompress::new(true) }
    }
}

impl Decoder {
    /// Turns the stored chunk in `bytes` into the elements that it was made of, `size` bytes of
    /// type `dtype`. Filters whose bit is set in `filter_mask` were skipped.
    pub fn undo(
        &mut self,
        filters: &[Filter],
        filter_mask: u32,
        dtype: DataType,
        size: usize,
    ) -> Result<()> {
        let skipped = |i: usize| {
            u32::try_from(i).is_ok_and(|i| filter_mask.checked_shr(i).unwrap_or(0) & 1 == 1)
        };
        let applied: Vec<&Filter> =
            filters.iter().enumerate().filter(|&(i, _)| !skipped(i)).map(|(_, f)| f).collect();
        for (i, filter) in applied.iter().enumerate().rev() {
            match filter.id {
                Filter::DEFLATE => self.inflate(size_before(&applied[..i], size)?)?,
                Filter::SHUFFLE => self.unshuffle(element_size(filter, dtype)?),
                Filter::FLETCHER32 => fletcher32::verify(&mut self.bytes)?,
                id => return Err(unsupported(id, filter.name())),
            }
        }
        if self.bytes.len() == size {
            Ok(())
        } else {
            let held = self.bytes.len();
            Err(Error::corrupt(format!("a chunk holds {held} bytes instead of {size}")))
        }
    }

    fn inflate(&mut self, size: usize) -> Result<()> {
        deflate::inflate(&mut self.zlib, &self.bytes, size, &mut self.spare)?;
        std::mem::swap(&mut self.bytes, &mut self.spare);
        Ok(())
    }

    fn unshuffle(&mut self, element_size: usize) {
        shuffle::unshuffle(&self.bytes, element_size, &mut self.spare);
        std::mem::swap(&mut self.bytes, &mut self.spare);
    }
}

/// Bytes of a chunk of `size` after it went through `filters`, so far as that can be told.
fn size_before(filters: &[&Filter], size: usize) -> Result<usize> {
    filters.iter().try_fold(size, |size, filter| match filter.id {
        Filter::SHUFFLE => Ok(size),
        Filter::FLETCHER32 => Ok(size.saturating_add(fletcher32::SIZE)),
        Filter::DEFLATE => Err(Error::unsupported("deflate applied twice")),
        id => Err(unsupported(id, filter.name())),
    })
}

/// The element size that a shuffle filter was given. Some writers leave it out; then it is that of
/// the data type.
fn element_size(shuffle: &Filter, dtype: DataType) -> Result<usize> {
    let size = shuffle.client_data.first().map_or(dtype.size(), |&size| Some(size.into()));
    size.and_then(|size| usize::try_from(size).ok())
        .filter(|&size| size > 0)
        .ok_or_else(|| Error::corrupt("the shuffle filter has no element size"))
}

fn unsupported(id: u16, name: Option<&str>) -> Error {
    Error::unsupported(format!("filter {id} ({})", name.unwrap_or("unknown")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::ByteOrder;
    use crate::model::error::Code;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    const F4: DataType = DataType::Float(4, ByteOrder::Little);

    fn filter(id: u16, client_data: &[u32]) -> Filter {
        Filter { id, client_data: client_data.to_vec() }
    }

    fn encode(mut bytes: Vec<u8>, filters: &[Filter]) -> Vec<u8> {
        for filter in filters {
            let mut out = Vec::new();
            match filter.id {
                Filter::DEFLATE => {
                    let mut zlib = ZlibEncoder::new(&mut out, Compression::new(4));
                    zlib.write_all(&bytes).unwrap();
                    zlib.finish().unwrap();
                }
                Filter::SHUFFLE => shuffle::shuffle(&bytes, 4, &mut out),
                _ => {
                    fletcher32::append(&mut bytes);
                    out = bytes;
                }
            }
            bytes = out;
        }
        bytes
    }

    fn decode(stored: Vec<u8>, filters: &[Filter], mask: u32, size: usize) -> Result<Vec<u8>> {
        let mut decoder = Decoder { bytes: stored, ..Decoder::default() };
        decoder.undo(filters, mask, F4, size)?;
        Ok(decoder.bytes)
    }

    fn chunk() -> Vec<u8> {
        (0..250u16).flat_map(|i| (f32::from(i) * 0.5).to_le_bytes()).collect()
    }

    #[test]
    fn every_order_of_the_three_filters_is_undone() {
        let all = [
            filter(Filter::DEFLATE, &[4]),
            filter(Filter::SHUFFLE, &[4]),
            filter(Filter::FLETCHER32, &[]),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let filters = order.map(|i| all[i].clone());
            let stored = encode(chunk(), &filters);
            assert_eq!(decode(stored, &filters, 0, 1000).unwrap(), chunk(), "{order:?}");
        }
    }

    #[test]
    fn skipped_filters_are_not_undone() {
        let filters = [
            filter(Filter::SHUFFLE, &[4]),
            filter(Filter::DEFLATE, &[4]),
            filter(Filter::FLETCHER32, &[]),
        ];
        for mask in 0..8u32 {
            let kept: Vec<Filter> =
                (0..3).filter(|i| mask >> i & 1 == 0).map(|i| filters[i].clone()).collect();
            let stored = encode(chunk(), &kept);
            assert_eq!(decode(stored, &filters, mask, 1000).unwrap(), chunk(), "{mask:b}");
        }
    }

    #[test]
    fn a_skipped_filter_may_be_an_unknown_one() {
        assert_eq!(decode(chunk(), &[filter(32015, &[])], 1, 1000).unwrap(), chunk());
    }

    #[test]
    fn shuffle_without_client_data_uses_the_type() {
        let stored = encode(chunk(), &[filter(Filter::SHUFFLE, &[4])]);
        let empty = [filter(Filter::SHUFFLE, &[])];
        assert_eq!(decode(stored.clone(), &empty, 0, 1000).unwrap(), chunk());
        let zero = decode(stored, &[filter(Filter::SHUFFLE, &[0])], 0, 1000).unwrap_err();
        assert_eq!(zero.code(), Code::Corrupt);
    }

    #[test]
    fn chunks_of_another_size_are_corrupt() {
        let deflate = [filter(Filter::DEFLATE, &[1])];
        let stored = encode(chunk(), &deflate);
        for size in [0, 996, 1004, usize::MAX] {
            let error = decode(stored.clone(), &deflate, 0, size).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt, "{size}");
        }
        assert_eq!(decode(chunk(), &[], 0, 996).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn other_filters_are_named() {
        let error = decode(chunk(), &[filter(32015, &[3])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "filter 32015 (zstd) is not supported [unsupported]");
        let error = decode(chunk(), &[filter(999, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "filter 999 (unknown) is not supported [unsupported]");
        let error = decode(chunk(), &[filter(1, &[]), filter(1, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
    }
}
