//! The filters that stored chunks went through, as HDF5 defines them.
//!
//! Most work in both directions, for chunks that were never written may have to be encoded.
//! [`Decoder`] undoes a whole pipeline.

pub mod bzip2;
pub mod deflate;
pub mod fletcher32;
pub mod shuffle;
pub mod zstd;

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
            let size = || size_before(&applied[..i], size);
            match filter.id {
                Filter::DEFLATE => self.inflate(size()?)?,
                Filter::ZSTD => self.decompress(zstd::decompress, size()?)?,
                Filter::BZIP2 => self.decompress(bzip2::decompress, size()?)?,
                Filter::SHUFFLE => self.unshuffle(element_size(filter, dtype)?),
                Filter::FLETCHER32 => fletcher32::verify(&mut self.bytes)?,
                _ if filter.is_undone_by_nothing() => {}
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

    fn decompress(
        &mut self,
        decompress: fn(&[u8], usize, &mut Vec<u8>) -> Result<()>,
        size: usize,
    ) -> Result<()> {
        decompress(&self.bytes, size, &mut self.spare)?;
        std::mem::swap(&mut self.bytes, &mut self.spare);
        Ok(())
    }

    fn unshuffle(&mut self, element_size: usize) {
        shuffle::unshuffle(&self.bytes, element_size, &mut self.spare);
        std::mem::swap(&mut self.bytes, &mut self.spare);
    }
}

/// Most bytes that one stored byte may come to.
#[must_use]
pub fn max_ratio(filters: &[Filter]) -> usize {
    let of_filter = |filter: &Filter| match filter.id {
        Filter::DEFLATE => deflate::MAX_RATIO,
        Filter::ZSTD => zstd::MAX_RATIO,
        Filter::BZIP2 => bzip2::MAX_RATIO,
        _ => 1,
    };
    filters.iter().map(of_filter).max().unwrap_or(1)
}

/// Refuses filters that [`Decoder`] cannot undo, by name.
pub fn check(filters: &[Filter]) -> Result<()> {
    let is_known = |filter: &Filter| {
        let known =
            [Filter::DEFLATE, Filter::SHUFFLE, Filter::FLETCHER32, Filter::ZSTD, Filter::BZIP2];
        known.contains(&filter.id) || filter.is_undone_by_nothing()
    };
    match filters.iter().find(|filter| !is_known(filter)) {
        Some(filter) => Err(unsupported(filter.id, filter.name())),
        None => Ok(()),
    }
}

/// Bytes of a chunk of `size` after it went through `filters`, so far as that can be told.
fn size_before(filters: &[&Filter], size: usize) -> Result<usize> {
    filters.iter().try_fold(size, |size, filter| match filter.id {
        Filter::SHUFFLE => Ok(size),
        Filter::FLETCHER32 => Ok(size.saturating_add(fletcher32::SIZE)),
        Filter::DEFLATE | Filter::ZSTD | Filter::BZIP2 => {
            Err(Error::unsupported("compression applied twice"))
        }
        _ if filter.is_undone_by_nothing() => Ok(size),
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
        assert_eq!(decode(chunk(), &[filter(32000, &[])], 1, 1000).unwrap(), chunk());
    }

    #[test]
    fn other_compression_is_undone_before_shuffle_and_behind_a_checksum() {
        for (id, compressed) in [
            (Filter::ZSTD, (|b: &[u8]| zstd::compress(b, 3)) as fn(&[u8]) -> Result<Vec<u8>>),
            (Filter::BZIP2, |b| bzip2::compress(b, 9)),
        ] {
            let before = [filter(Filter::SHUFFLE, &[4]), filter(Filter::FLETCHER32, &[])];
            let stored = compressed(&encode(chunk(), &before)).unwrap();
            let [shuffle, fletcher32] = before;
            let filters = [shuffle, fletcher32, filter(id, &[3])];
            check(&filters).unwrap();
            assert_eq!(decode(stored.clone(), &filters, 0, 1000).unwrap(), chunk());
            let error = decode(stored, &filters[2..], 0, 1000).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
        }
    }

    #[test]
    fn rounding_is_not_undone() {
        let rounding = [filter(Filter::BITGROOM, &[3]), filter(Filter::GRANULAR_BITROUND, &[3])];
        let filters = [&rounding[..], &[filter(Filter::DEFLATE, &[4])]].concat();
        check(&filters).unwrap();
        let stored = encode(chunk(), &filters[2..]);
        assert_eq!(decode(stored, &filters, 0, 1000).unwrap(), chunk());
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
        let error = decode(chunk(), &[filter(32000, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "filter 32000 (lzf) is not supported [unsupported]");
        let same = check(&[filter(Filter::SHUFFLE, &[4]), filter(32000, &[])]).unwrap_err();
        assert_eq!(same.to_string(), error.to_string());
        let error = decode(chunk(), &[filter(999, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "filter 999 (unknown) is not supported [unsupported]");
        let error = decode(chunk(), &[filter(1, &[]), filter(1, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
    }
}
