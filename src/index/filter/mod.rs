//! The filters that stored chunks went through, as HDF5 defines them.
//!
//! Most work in both directions, for chunks that were never written may have to be encoded.
//! [`Decoder`] undoes a whole pipeline.

pub mod bitshuffle;
pub mod blosc;
pub mod bzip2;
pub mod deflate;
pub mod fletcher32;
pub mod lz4;
mod lz77;
pub mod lzf;
pub mod nbit;
pub mod scale_offset;
pub mod shuffle;
mod stream;
pub mod zstd;

use flate2::Decompress;

use crate::model::codec::{Blosc, Filter};
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
        let steps = applied.into_iter().map(|filter| Step::of(filter, dtype));
        let steps: Vec<Step> = steps.collect::<Result<_>>()?;
        for (i, step) in steps.iter().enumerate().rev() {
            let most = || most_before(&steps[..i], size);
            match step {
                Step::Nothing => {}
                Step::Shuffle(element_size) => self.unshuffle(*element_size),
                Step::Fletcher32 => fletcher32::verify(&mut self.bytes)?,
                Step::Deflate => self.inflate(most()?)?,
                Step::Compression(decompress) => self.decompress(*decompress, most()?)?,
                Step::Bitshuffle(parameters) => {
                    bitshuffle::undo(&self.bytes, parameters, most()?, &mut self.spare)?;
                    self.swap();
                }
                Step::ScaleOffset(parameters) => {
                    scale_offset::undo(&self.bytes, parameters, most()?, &mut self.spare)?;
                    self.swap();
                }
            }
        }
        if self.bytes.len() == size {
            Ok(())
        } else {
            let held = self.bytes.len();
            Err(Error::corrupt(format!("a chunk holds {held} bytes instead of {size}")))
        }
    }

    fn inflate(&mut self, most: usize) -> Result<()> {
        deflate::inflate(&mut self.zlib, &self.bytes, most, &mut self.spare)?;
        self.swap();
        Ok(())
    }

    fn decompress(&mut self, decompress: Decompression, most: usize) -> Result<()> {
        decompress(&self.bytes, most, &mut self.spare)?;
        self.swap();
        Ok(())
    }

    fn unshuffle(&mut self, element_size: usize) {
        shuffle::unshuffle(&self.bytes, element_size, &mut self.spare);
        self.swap();
    }

    fn swap(&mut self) {
        std::mem::swap(&mut self.bytes, &mut self.spare);
    }
}

/// Decompresses bytes, to no more than so many, into a buffer.
type Decompression = fn(&[u8], usize, &mut Vec<u8>) -> Result<()>;

/// What undoes one filter.
enum Step {
    Nothing,
    Shuffle(usize),
    Fletcher32,
    Deflate,
    Compression(Decompression),
    Bitshuffle(bitshuffle::Parameters),
    ScaleOffset(scale_offset::Parameters),
}

impl Step {
    /// What undoes `filter` of elements of type `dtype`; an error names one that nothing here undoes.
    fn of(filter: &Filter, dtype: DataType) -> Result<Self> {
        let client_data = &filter.client_data;
        Ok(match filter.id {
            Filter::DEFLATE => Self::Deflate,
            Filter::SHUFFLE => Self::Shuffle(element_size(filter, dtype)?),
            Filter::FLETCHER32 => Self::Fletcher32,
            Filter::NBIT => nbit::check(client_data).map(|()| Self::Nothing)?,
            Filter::SCALE_OFFSET => {
                match scale_offset::Parameters::of_client_data(client_data, dtype)? {
                    parameters if parameters.is_identity() => Self::Nothing,
                    parameters => Self::ScaleOffset(parameters),
                }
            }
            Filter::BZIP2 => Self::Compression(bzip2::decompress),
            Filter::LZF => Self::Compression(lzf::decompress),
            Filter::BLOSC => {
                Blosc::of_client_data(client_data)?;
                Self::Compression(blosc::decompress)
            }
            Filter::LZ4 => Self::Compression(lz4::decompress),
            Filter::BITSHUFFLE => {
                Self::Bitshuffle(bitshuffle::Parameters::of_client_data(client_data)?)
            }
            Filter::ZSTD => Self::Compression(zstd::decompress),
            _ if filter.is_undone_by_nothing() => Self::Nothing,
            _ => return Err(Error::unsupported(format!("the filter {filter}"))),
        })
    }

    /// Most bytes of a chunk of no more than `size` bytes after it went through the filter.
    fn most_after(&self, size: usize) -> Result<usize> {
        match self {
            Self::Nothing | Self::Shuffle(_) => Ok(size),
            Self::Fletcher32 => Ok(size.saturating_add(fletcher32::SIZE)),
            Self::Bitshuffle(parameters) if !parameters.is_compression() => Ok(size),
            Self::ScaleOffset(parameters) => Ok(parameters.most_stored()),
            Self::Deflate | Self::Compression(_) | Self::Bitshuffle(_) => {
                Err(Error::unsupported("compression applied twice"))
            }
        }
    }
}

/// Most bytes of a chunk of `size` after it went through the filters that `steps` undo.
fn most_before(steps: &[Step], size: usize) -> Result<usize> {
    steps.iter().try_fold(size, |size, step| step.most_after(size))
}

/// Most bytes that one stored byte may come to.
#[must_use]
pub fn max_ratio(filters: &[Filter]) -> usize {
    let of_filter = |filter: &Filter| match filter.id {
        Filter::DEFLATE => deflate::MAX_RATIO,
        Filter::SCALE_OFFSET => scale_offset::MAX_RATIO,
        Filter::BZIP2 => bzip2::MAX_RATIO,
        Filter::LZF => lzf::MAX_RATIO,
        Filter::BLOSC => blosc::MAX_RATIO,
        Filter::LZ4 => lz4::MAX_RATIO,
        Filter::BITSHUFFLE => bitshuffle::MAX_RATIO,
        Filter::ZSTD => zstd::MAX_RATIO,
        _ => 1,
    };
    filters.iter().map(of_filter).max().unwrap_or(1)
}

/// Whether `filter` leaves chunks of elements of type `dtype` as they are, or made them what is read:
/// there is nothing to undo.
pub fn is_nothing(filter: &Filter, dtype: DataType) -> Result<bool> {
    Ok(matches!(Step::of(filter, dtype)?, Step::Nothing))
}

/// Refuses filters of elements of type `dtype` that [`Decoder`] cannot undo, by name.
pub fn check(filters: &[Filter], dtype: DataType) -> Result<()> {
    filters.iter().try_for_each(|filter| Step::of(filter, dtype).map(|_| ()))
}

/// The element size that a shuffle filter was given. Some writers leave it out; then it is that of
/// the data type.
fn element_size(shuffle: &Filter, dtype: DataType) -> Result<usize> {
    let size = shuffle.client_data.first().map_or(dtype.size(), |&size| Some(size.into()));
    size.and_then(|size| usize::try_from(size).ok())
        .filter(|&size| size > 0)
        .ok_or_else(|| Error::corrupt("the shuffle filter has no element size"))
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
        Filter::new(id, client_data)
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
        assert_eq!(decode(chunk(), &[filter(4, &[])], 1, 1000).unwrap(), chunk());
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
            check(&filters, F4).unwrap();
            assert_eq!(decode(stored.clone(), &filters, 0, 1000).unwrap(), chunk());
            let error = decode(stored, &filters[2..], 0, 1000).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
        }
    }

    #[test]
    fn filters_that_make_chunks_of_a_size_of_their_own_may_be_compressed() {
        // A least number and no bits: every element is the same.
        let header = [&[0, 0, 0, 0, 8][..], &1.5f32.to_le_bytes(), &[0; 13]].concat();
        let scale_offset = filter(Filter::SCALE_OFFSET, &[0, 2, 250, 1, 4, 0, 0, 0]);
        let bitshuffle = filter(Filter::BITSHUFFLE, &[0, 4, 4]);
        let deflate = filter(Filter::DEFLATE, &[4]);
        let stored = encode(header, std::slice::from_ref(&deflate));
        let filters = [scale_offset, deflate.clone()];
        assert_eq!(decode(stored, &filters, 0, 1000).unwrap(), 1.5f32.to_le_bytes().repeat(250));
        let stored = encode(vec![255; 1000], std::slice::from_ref(&deflate));
        assert_eq!(decode(stored, &[bitshuffle, deflate], 0, 1000).unwrap(), [255; 1000]);
    }

    #[test]
    fn parameters_that_cannot_be_undone_are_found_before_any_chunk_is_read() {
        for (id, client_data) in [
            (Filter::NBIT, &[8, 0][..]),
            (Filter::SCALE_OFFSET, &[1, 2, 250, 1, 4, 0, 0, 0]),
            (Filter::BLOSC, &[2, 2, 4, 0, 3, 1, 3]),
            (Filter::BITSHUFFLE, &[0, 4, 4, 0, 9]),
        ] {
            let error = check(&[filter(id, client_data)], F4).unwrap_err();
            assert_eq!(error.code(), Code::Unsupported);
        }
    }

    #[test]
    fn filters_that_left_chunks_as_they_are_are_known() {
        let nothing = |id, client_data: &[u32]| is_nothing(&filter(id, client_data), F4).unwrap();
        assert!(nothing(Filter::NBIT, &[8, 1]));
        assert!(nothing(Filter::BITGROOM, &[3]));
        assert!(!nothing(Filter::SCALE_OFFSET, &[0, 2, 250, 1, 4, 0, 0, 0]));
        let i4 = DataType::Int(4, ByteOrder::Little);
        let whole = filter(Filter::SCALE_OFFSET, &[2, 32, 250, 0, 4, 1, 0, 0]);
        assert!(is_nothing(&whole, i4).unwrap());
        let mut decoder = Decoder { bytes: chunk(), ..Decoder::default() };
        decoder.undo(&[whole], 0, i4, 1000).unwrap();
        assert_eq!(decoder.bytes, chunk());
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_within_the_size_of_the_chunk() {
        let filters = [
            filter(Filter::SCALE_OFFSET, &[0, 2, 250, 1, 4, 0, 0, 1, 7]),
            filter(Filter::LZF, &[]),
            filter(Filter::LZ4, &[]),
            filter(Filter::BITSHUFFLE, &[0, 4, 4, 0, 2]),
            filter(Filter::BITSHUFFLE, &[0, 4, 4, 0, 3]),
            filter(Filter::BLOSC, &[]),
        ];
        let blosc = blosc::compress(&chunk(), 1).unwrap();
        // Headers that are nearly right, then bytes that are not.
        let starts: [&[u8]; 5] = [
            &[],
            &[9, 0, 0, 0, 8],
            &[0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 64, 0, 0, 0, 9],
            &[2, 1, 0, 4, 232, 3, 0, 0, 232, 3, 0, 0, 60, 0, 0, 0, 20, 0, 0, 0],
            &blosc[..24],
        ];
        // Numbers that look random, always the same ones.
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        for round in 0..20_000 {
            let mut stored = starts[round % starts.len()].to_vec();
            stored.extend((0..random()).map(|_| u8::try_from(random()).unwrap()));
            if random() < 128 && !stored.is_empty() {
                let place = random() as usize % stored.len().min(24);
                stored[place] = u8::try_from(random() % 64).unwrap();
            }
            for filter in &filters {
                let mut decoder = Decoder { bytes: stored.clone(), ..Decoder::default() };
                if decoder.undo(std::slice::from_ref(filter), 0, F4, 1000).is_ok() {
                    assert_eq!(decoder.bytes.len(), 1000);
                }
                assert!(decoder.spare.len().max(decoder.bytes.len()) <= 1000);
            }
        }
    }

    #[test]
    fn rounding_is_not_undone() {
        let rounding = [filter(Filter::BITGROOM, &[3]), filter(Filter::GRANULAR_BITROUND, &[3])];
        let filters = [&rounding[..], &[filter(Filter::DEFLATE, &[4])]].concat();
        check(&filters, F4).unwrap();
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
        let error = decode(chunk(), &[filter(4, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "the filter szip (4) is not supported [unsupported]");
        let same = check(&[filter(Filter::SHUFFLE, &[4]), filter(4, &[])], F4).unwrap_err();
        assert_eq!(same.to_string(), error.to_string());
        let error = decode(chunk(), &[filter(999, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.to_string(), "the filter unknown (999) is not supported [unsupported]");
        let error = decode(chunk(), &[filter(1, &[]), filter(1, &[])], 0, 1000).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
    }
}
