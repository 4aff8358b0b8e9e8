//! Filters that stored chunks went through.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// One step of an HDF5 filter pipeline, as the file has it.
///
/// Pipelines are kept in the order of writing: the first filter was applied first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Filter {
    /// Registered number, see [`Filter::name`].
    pub id: u16,
    /// Parameters of the filter.
    pub client_data: Vec<u32>,
    /// What the file calls the filter, of those that HDF5 does not know by number.
    pub name_in_file: Option<String>,
}

impl Filter {
    /// The filter `id` with parameters, which the file gives no name.
    #[must_use]
    pub fn new(id: u16, client_data: &[u32]) -> Self {
        Self { id, client_data: client_data.to_vec(), name_in_file: None }
    }

    /// Compression by zlib.
    pub const DEFLATE: u16 = 1;
    /// Bytes of equal significance put together.
    pub const SHUFFLE: u16 = 2;
    /// Checksum at the end of the chunk.
    pub const FLETCHER32: u16 = 3;
    /// Compression by szip, CCSDS 121.0-B.
    pub const SZIP: u16 = 4;
    /// Bits left out that the type does not use.
    pub const NBIT: u16 = 5;
    /// Distances from the least number, in as few bits as will do.
    pub const SCALE_OFFSET: u16 = 6;
    /// Compression by bzip2.
    pub const BZIP2: u16 = 307;
    /// Compression by `LibLZF`, as h5py has it.
    pub const LZF: u16 = 32000;
    /// Compression by one of several methods in blocks, each with its own shuffling.
    pub const BLOSC: u16 = 32001;
    /// Compression by LZ4, in blocks.
    pub const LZ4: u16 = 32004;
    /// Bits of equal significance put together, and blocks compressed by LZ4 or Zstandard.
    pub const BITSHUFFLE: u16 = 32008;
    /// Compression by Zstandard.
    pub const ZSTD: u16 = 32015;
    /// Numbers rounded by bit grooming, see [`Filter::is_undone_by_nothing`].
    pub const BITGROOM: u16 = 32022;
    /// Numbers rounded by granular bit rounding, see [`Filter::is_undone_by_nothing`].
    pub const GRANULAR_BITROUND: u16 = 32023;

    /// Whether what the filter wrote is what is read: it rounds numbers before others compress
    /// them. Read backwards, `H5Z_filter_bitgroom` and `H5Z_filter_granularbr` of the Community
    /// Codec Repository (<https://github.com/ccr/ccr>) return their input.
    #[must_use]
    pub fn is_undone_by_nothing(&self) -> bool {
        matches!(self.id, Self::BITGROOM | Self::GRANULAR_BITROUND)
    }

    /// The usual name of the filter, else what the file calls it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        Some(match self.id {
            Self::DEFLATE => "deflate",
            Self::SHUFFLE => "shuffle",
            Self::FLETCHER32 => "fletcher32",
            Self::SZIP => "szip",
            Self::NBIT => "nbit",
            Self::SCALE_OFFSET => "scaleoffset",
            Self::BZIP2 => "bzip2",
            Self::LZF => "lzf",
            Self::BLOSC => "blosc",
            Self::LZ4 => "lz4",
            Self::BITSHUFFLE => "bitshuffle",
            Self::ZSTD => "zstd",
            Self::BITGROOM => "bitgroom",
            Self::GRANULAR_BITROUND => "granular-bitround",
            _ => return self.name_in_file.as_deref(),
        })
    }
}

impl fmt::Display for Filter {
    /// Name and number, such as `lzf (32000)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name().unwrap_or("unknown").escape_debug(), self.id)
    }
}

/// One step of a Zarr codec chain, in the order of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Bytes of equal significance put together, for elements of the given size in bytes.
    Shuffle(u32),
    /// Compression by zlib at the given level.
    Zlib(u32),
    /// Compression by Zstandard at the given level.
    Zstd(i32),
    /// Compression by bzip2 at the given level.
    Bzip2(u32),
    /// Compression by Blosc.
    Blosc(Blosc),
    /// Fletcher checksum appended.
    Fletcher32,
}

/// How Blosc was told to compress. Readers find out from the chunks themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blosc {
    /// Name of the compressor within.
    pub cname: &'static str,
    /// Level of compression.
    pub clevel: u32,
    /// Shuffling within.
    pub shuffle: Shuffling,
    /// Bytes of an element.
    pub typesize: u32,
    /// Bytes of a block, 0 for Blosc's own choice.
    pub blocksize: u32,
}

/// Shuffling within Blosc, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shuffling {
    /// None.
    None = 0,
    /// Of bytes.
    Bytes = 1,
    /// Of bits.
    Bits = 2,
}

impl Blosc {
    /// What `client_data` of the HDF5 filter say: version of the filter, version of Blosc, bytes of
    /// an element, bytes of a block; then, each unless left out, level, shuffling and compressor
    /// (`blosc_filter` in <https://github.com/Blosc/hdf5-blosc>).
    pub fn of_client_data(client_data: &[u32]) -> Result<Self> {
        let parameter = |place: usize, default| client_data.get(place).copied().unwrap_or(default);
        Ok(Self {
            typesize: parameter(2, 1).max(1),
            blocksize: parameter(3, 0),
            clevel: parameter(4, 5).min(9),
            shuffle: match parameter(5, 1) {
                0 => Shuffling::None,
                1 => Shuffling::Bytes,
                2 => Shuffling::Bits,
                other => return Err(Error::unsupported(format!("blosc with shuffle {other}"))),
            },
            cname: match parameter(6, 0) {
                0 => "blosclz",
                1 => "lz4",
                2 => "lz4hc",
                // Readers' Blosc is built without it.
                3 => return Err(Error::unsupported("blosc with the compressor snappy")),
                4 => "zlib",
                5 => "zstd",
                other => return Err(Error::unsupported(format!("blosc with compressor {other}"))),
            },
        })
    }
}

impl Codec {
    /// Whether bytes encoded by `self` can be decoded by `other`: a compression level is of no
    /// concern to the reader, and chunks of Blosc describe themselves.
    #[must_use]
    pub fn decodes_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Zlib(_), Self::Zlib(_))
            | (Self::Zstd(_), Self::Zstd(_))
            | (Self::Bzip2(_), Self::Bzip2(_))
            | (Self::Blosc(_), Self::Blosc(_)) => true,
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_blosc_are_those_that_netcdf_writes() {
        let blosc = Blosc::of_client_data(&[2, 2, 4, 140, 3, 2, 5]).unwrap();
        let (cname, shuffle) = ("zstd", Shuffling::Bits);
        assert_eq!(blosc, Blosc { cname, clevel: 3, shuffle, typesize: 4, blocksize: 140 });
        let (cname, shuffle) = ("blosclz", Shuffling::Bytes);
        let blosc = Blosc::of_client_data(&[]).unwrap();
        assert_eq!(blosc, Blosc { cname, clevel: 5, shuffle, typesize: 1, blocksize: 0 });
    }

    #[test]
    fn what_readers_of_blosc_do_not_know_is_refused() {
        for (client_data, named) in [
            ([2, 2, 4, 0, 3, 1, 3], "snappy"),
            ([2, 2, 4, 0, 3, 1, 9], "9"),
            ([2, 2, 4, 0, 3, 7, 1], "7"),
        ] {
            let error = Blosc::of_client_data(&client_data).unwrap_err().to_string();
            assert!(error.contains("blosc") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn levels_do_not_matter_for_decoding() {
        let blosc = |client_data: &[u32]| Codec::Blosc(Blosc::of_client_data(client_data).unwrap());
        assert!(Codec::Zstd(-1).decodes_like(Codec::Zstd(19)));
        assert!(Codec::Bzip2(1).decodes_like(Codec::Bzip2(9)));
        assert!(blosc(&[]).decodes_like(blosc(&[2, 2, 8, 0, 9, 0, 5])));
        assert!(!Codec::Zstd(1).decodes_like(Codec::Zlib(1)));
    }
}
