//! Filters that stored chunks went through.

/// One step of an HDF5 filter pipeline, as the file has it.
///
/// Pipelines are kept in the order of writing: the first filter was applied first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Registered number, see [`Filter::name`].
    pub id: u16,
    /// Parameters of the filter.
    pub client_data: Vec<u32>,
}

impl Filter {
    /// Compression by zlib.
    pub const DEFLATE: u16 = 1;
    /// Bytes of equal significance put together.
    pub const SHUFFLE: u16 = 2;
    /// Checksum at the end of the chunk.
    pub const FLETCHER32: u16 = 3;

    /// The usual name of the filter, if this version knows it.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.id {
            Self::DEFLATE => "deflate",
            Self::SHUFFLE => "shuffle",
            Self::FLETCHER32 => "fletcher32",
            4 => "szip",
            5 => "nbit",
            6 => "scaleoffset",
            307 => "bzip2",
            32000 => "lzf",
            32001 => "blosc",
            32004 => "lz4",
            32008 => "bitshuffle",
            32015 => "zstd",
            32022 => "bitgroom",
            32023 => "granular-bitround",
            _ => return None,
        })
    }
}

/// One step of a Zarr codec chain, in the order of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Bytes of equal significance put together, for elements of the given size in bytes.
    Shuffle(u32),
    /// Compression by zlib at the given level.
    Zlib(u32),
    /// Fletcher checksum appended.
    Fletcher32,
}

impl Codec {
    /// Whether bytes encoded by `self` can be decoded by `other`: a compression level is of no
    /// concern to the reader.
    #[must_use]
    pub fn decodes_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Zlib(_), Self::Zlib(_)) => true,
            _ => self == other,
        }
    }
}
