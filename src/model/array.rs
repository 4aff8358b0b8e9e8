//! What one file holds: dimensions, variables and where their chunks lie.

use serde::{Deserialize, Serialize};

use super::attribute::Attributes;
use super::chunks::Chunks;
use super::codec::Filter;
use super::dtype::{ByteOrder, DataType};
use super::error::Error;

/// A named dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Name, such as `time`.
    pub name: String,
    /// Length.
    pub size: u64,
    /// Whether the file may grow along it.
    pub unlimited: bool,
}

/// Where the stored bytes of one chunk lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Row-major number of the chunk in the chunk grid.
    pub index: u64,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Stored bytes, after filters.
    pub size: u64,
    /// Bit *i* set: filter *i* of the pipeline was skipped for this chunk.
    pub filter_mask: u32,
    /// Bytes of a checksum right behind these, which the store leaves out.
    pub trailing: u32,
}

/// What a reader sees where no chunk was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    /// The bytes of one element, in the byte order of the variable's type.
    Value(Vec<u8>),
    /// Nothing is defined; reading such a place gives chance values.
    Undefined,
}

impl Fill {
    /// The same value in little-endian order, of an array of type `dtype`.
    #[must_use]
    pub fn to_little_endian(mut self, dtype: DataType) -> Self {
        if let (Self::Value(bytes), Some(ByteOrder::Big)) = (&mut self, dtype.byte_order()) {
            bytes.reverse();
        }
        self
    }
}

/// How a variable's elements are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// Within the metadata: the elements themselves.
    Compact(Vec<u8>),
    /// One piece of the file, or nothing yet written.
    Contiguous(Option<(u64, u64)>),
    /// A regular grid of chunks.
    Chunked {
        /// Elements of a chunk along each dimension.
        chunk_shape: Vec<u64>,
        /// The chunks that were written, by ascending index.
        chunks: Chunks,
        /// How the file finds them.
        index: ChunkIndex,
    },
}

/// How a file finds the chunks of a variable (HDF5 File Format Specification, appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChunkIndex {
    /// A version 1 B-tree.
    BTreeV1,
    /// A version 2 B-tree.
    BTreeV2,
    /// No index: there is one chunk.
    Single,
    /// No index: all chunks follow each other.
    Implicit,
    /// A fixed array.
    FixedArray,
    /// An extensible array.
    ExtensibleArray,
    /// No index: each record of a NetCDF classic file has one.
    Records,
}

impl ChunkIndex {
    /// The kebab-case name of the index.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BTreeV1 => "btree-v1",
            Self::BTreeV2 => "btree-v2",
            Self::Single => "single",
            Self::Implicit => "implicit",
            Self::FixedArray => "fixed-array",
            Self::ExtensibleArray => "extensible-array",
            Self::Records => "records",
        }
    }
}

/// The elements of a variable, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Values {
    /// Numbers or fixed text: little-endian, row-major, without gaps.
    Bytes(Vec<u8>),
    /// Text of any length, row-major.
    Strings(Vec<String>),
}

impl Values {
    /// How many bytes the values take, of text without any framing.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Strings(strings) => strings.iter().map(|string| string.len() as u64).sum(),
        }
    }
}

/// A variable of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variable {
    /// Name, such as `tas`.
    pub name: String,
    /// Names of the dimensions, slowest first; one per entry of `shape`.
    pub dimensions: Vec<String>,
    /// Length along each dimension.
    pub shape: Vec<u64>,
    /// Type of the elements as stored.
    pub dtype: DataType,
    /// What unwritten places hold.
    pub fill: Fill,
    /// Filter pipeline in the order of writing.
    pub filters: Vec<Filter>,
    /// Where the elements are.
    pub storage: Storage,
    /// Attributes that netCDF shows; the hidden ones are taken out.
    pub attributes: Attributes,
    /// The elements, where they were small enough to be read while the file was open.
    pub values: Option<Values>,
}

impl Variable {
    /// Number of elements, or `None` where that exceeds 64 bits.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        product(&self.shape)
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The shape of its chunks; none where the elements lie in one piece.
    #[must_use]
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        match &self.storage {
            Storage::Chunked { chunk_shape, .. } => Some(chunk_shape),
            Storage::Contiguous(_) | Storage::Compact(_) => None,
        }
    }

    /// Whether the variable is a coordinate variable: one-dimensional and named as its dimension.
    #[must_use]
    pub fn is_coordinate(&self) -> bool {
        self.dimensions == [self.name.as_str()]
    }
}

/// The product of lengths, or `None` where it exceeds 64 bits.
#[must_use]
pub fn product(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(1u64, |n, &length| n.checked_mul(length))
}

/// Number of chunks along each dimension.
#[must_use]
pub fn grid_shape(shape: &[u64], chunk_shape: &[u64]) -> Vec<u64> {
    shape.iter().zip(chunk_shape).map(|(&n, &c)| n.div_ceil(c.max(1))).collect()
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileFormat {
    /// HDF5, with the version of its superblock.
    Hdf5(u8),
    /// NetCDF classic family: 1, 2 (64-bit offset) or 5 (64-bit data).
    Netcdf3(u8),
}

/// Everything that combining needs to know of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileIndex {
    /// Format and version.
    pub format: FileFormat,
    /// Length of the file in bytes.
    pub size: u64,
    /// Dimensions in the order of the file.
    pub dimensions: Vec<Dimension>,
    /// Global attributes.
    pub attributes: Attributes,
    /// Variables of the root group in the order of the file.
    pub variables: Vec<Variable>,
    /// The groups in the root group, which are not indexed.
    pub groups: Vec<Group>,
    /// What else the root group holds, each with the feature that is not read. Such a file can be
    /// looked at, but not combined with others.
    #[serde(skip)]
    pub refused: Vec<Error>,
    /// What indexing cost.
    pub cost: ReadCost,
}

/// A group that is not indexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether neither it nor a group in it has variables or attributes.
    pub is_empty: bool,
}

impl FileIndex {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of_variable = |variable: &Variable| {
            let values = variable.values.as_ref().map_or(0, Values::bytes);
            let stored = match &variable.storage {
                Storage::Compact(bytes) => bytes.len(),
                Storage::Contiguous(_) => 0,
                Storage::Chunked { chunks, .. } => chunks.memory(),
            };
            DESCRIPTION + stored + usize::try_from(values).unwrap_or(usize::MAX)
        };
        self.variables.iter().map(of_variable).fold(DESCRIPTION, usize::saturating_add)
    }

    /// The variable called `name`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

/// About how many bytes of memory a description takes, beside what it lists: names, shapes and attributes.
const DESCRIPTION: usize = 2048;

/// Reads spent on a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCost {
    /// Read calls.
    pub reads: u64,
    /// Bytes read.
    pub bytes: u64,
}
