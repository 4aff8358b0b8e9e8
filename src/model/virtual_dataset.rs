//! One dataset as a Zarr hierarchy whose chunks are byte ranges in NetCDF files.

use super::array::{Chunk, Fill, Values};
use super::attribute::Attributes;
use super::codec::Codec;
use super::dtype::DataType;
use super::verdict::Verdict;

/// A Zarr group of arrays over a list of source files.
#[derive(Debug)]
pub struct VirtualDataset {
    /// Attributes of the group.
    pub attributes: Attributes,
    /// Arrays in the order of the first file.
    pub arrays: Vec<VirtualArray>,
}

/// A Zarr array.
#[derive(Debug)]
pub struct VirtualArray {
    /// Name, such as `tas`.
    pub name: String,
    /// Names of the dimensions, slowest first.
    pub dimensions: Vec<String>,
    /// Length along each dimension.
    pub shape: Vec<u64>,
    /// Type of the elements as stored.
    pub dtype: DataType,
    /// What unwritten chunks hold.
    pub fill: Fill,
    /// Attributes, `_FillValue` among them where the files have it.
    pub attributes: Attributes,
    /// Where the elements are.
    pub body: Body,
}

impl VirtualArray {
    /// How the store carries the array.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.body {
            Body::Inline(_) => Verdict::Inlined,
            Body::Virtual { .. } => Verdict::Virtual,
        }
    }
}

/// Where the elements of an array are.
#[derive(Debug)]
pub enum Body {
    /// In the store itself, as one chunk.
    Inline(Values),
    /// In the source files.
    Virtual {
        /// Elements of a chunk along each dimension.
        chunk_shape: Vec<u64>,
        /// How chunks were encoded, in the order of encoding.
        codecs: Vec<Codec>,
        /// Runs of chunks, one per file, in the order of the grid.
        runs: Vec<Run>,
    },
}

/// The chunks that one file contributes to an array.
#[derive(Debug)]
pub struct Run {
    /// Position of the file in the list of sources.
    pub file: usize,
    /// Number added to each chunk's `index` to give its row-major number in the whole grid.
    pub first: u64,
    /// The chunks by ascending index.
    pub chunks: Vec<Chunk>,
}
