//! Data layout messages (section IV.A.2.i): how the elements of a dataset are stored.

use super::cursor::Cursor;
use crate::model::array::ChunkIndex;
use crate::model::error::{Error, Result};

/// How the elements of a dataset are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In the message itself.
    Compact(Vec<u8>),
    /// In one piece at an address, if it was ever written.
    Contiguous(Option<u64>),
    /// In chunks.
    Chunked {
        /// Elements of a chunk along each dimension.
        chunk_shape: Vec<u64>,
        /// Bytes of an element, by which libhdf5 finds chunks, too.
        element_size: u64,
        /// Address of the index, if a chunk was ever written.
        address: Option<u64>,
        /// The index.
        index: Index,
        /// Whether chunks that reach over the edge of the dataset are stored without filters.
        unfiltered_edges: bool,
    },
}

/// A chunk index (appendix C), with what the layout says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// A version 1 B-tree.
    BTreeV1,
    /// No index: the dataset is one chunk, with its size and filter mask if it is filtered.
    Single(Option<(u64, u32)>),
    /// No index: all chunks follow each other.
    Implicit,
    /// A fixed array.
    FixedArray,
    /// An extensible array.
    ExtensibleArray,
    /// A version 2 B-tree.
    BTreeV2 {
        /// Whether its records have sizes and filter masks.
        filtered: bool,
    },
}

impl Index {
    /// The kind of index.
    #[must_use]
    pub fn kind(self) -> ChunkIndex {
        match self {
            Self::BTreeV1 => ChunkIndex::BTreeV1,
            Self::Single(_) => ChunkIndex::Single,
            Self::Implicit => ChunkIndex::Implicit,
            Self::FixedArray => ChunkIndex::FixedArray,
            Self::ExtensibleArray => ChunkIndex::ExtensibleArray,
            Self::BTreeV2 { .. } => ChunkIndex::BTreeV2,
        }
    }
}

/// Reads the message `at` of a dataset of `rank` dimensions; `is_filtered` is whether it has a filter
/// pipeline.
pub fn read(mut at: Cursor, rank: usize, is_filtered: bool) -> Result<Layout> {
    let version = at.version("data layout message", &[1, 2, 3, 4, 5])?;
    if version < 3 {
        read_v1_v2(&mut at, rank)
    } else {
        read_v3_to_v5(&mut at, rank, version, is_filtered)
    }
}

fn read_v1_v2(at: &mut Cursor, rank: usize) -> Result<Layout> {
    let dimensionality = usize::from(at.u8()?);
    let class = at.u8()?;
    at.skip(5)?;
    match class {
        0 => {
            at.skip(4 * dimensionality)?;
            let size = at.u32()?;
            compact(at, size)
        }
        1 => Ok(Layout::Contiguous(at.address()?)),
        2 => {
            let address = at.address()?;
            let (chunk_shape, element_size) = chunk_shape(at, dimensionality, 4, rank)?;
            Ok(Layout::Chunked {
                chunk_shape,
                element_size,
                address,
                index: Index::BTreeV1,
                unfiltered_edges: false,
            })
        }
        _ => Err(Error::unsupported(format!("data layout class {class}"))),
    }
}

fn read_v3_to_v5(at: &mut Cursor, rank: usize, version: u8, is_filtered: bool) -> Result<Layout> {
    match at.u8()? {
        0 => {
            let size = at.u16()?.into();
            compact(at, size)
        }
        1 => Ok(Layout::Contiguous(at.address()?)),
        2 if version == 3 => {
            let dimensionality = usize::from(at.u8()?);
            let address = at.address()?;
            let (chunk_shape, element_size) = chunk_shape(at, dimensionality, 4, rank)?;
            Ok(Layout::Chunked {
                chunk_shape,
                element_size,
                address,
                index: Index::BTreeV1,
                unfiltered_edges: false,
            })
        }
        2 => chunked_v4(at, rank, is_filtered),
        3 => Err(Error::unsupported("a virtual dataset (its data lie in other files)")
            .with_hint("rewrite the file with its data inside, for example with `h5repack`")),
        class => Err(Error::unsupported(format!("data layout class {class}"))),
    }
}

fn chunked_v4(at: &mut Cursor, rank: usize, is_filtered: bool) -> Result<Layout> {
    let flags = at.u8()?;
    let dimensionality = usize::from(at.u8()?);
    let width = usize::from(at.u8()?);
    let (chunk_shape, element_size) = chunk_shape(at, dimensionality, width, rank)?;
    // The parameters of arrays and trees are repeated in their headers.
    let (index, parameters) = match at.u8()? {
        1 if flags & 2 != 0 => (Index::Single(Some((at.length()?, at.u32()?))), 0),
        1 => (Index::Single(None), 0),
        2 => (Index::Implicit, 0),
        3 => (Index::FixedArray, 1),
        4 => (Index::ExtensibleArray, 5),
        5 => (Index::BTreeV2 { filtered: is_filtered }, 6),
        kind => return Err(Error::unsupported(format!("chunk index type {kind}"))),
    };
    at.skip(parameters)?;
    let address = at.address()?;
    Ok(Layout::Chunked {
        chunk_shape,
        element_size,
        address,
        index,
        unfiltered_edges: flags & 1 != 0,
    })
}

fn compact(at: &mut Cursor, size: u32) -> Result<Layout> {
    let size = usize::try_from(size).map_err(|_| Error::corrupt("compact data too large"))?;
    Ok(Layout::Compact(at.take(size)?.to_vec()))
}

/// The stored chunk shape has one dimension more than the dataset: the bytes of an element.
fn chunk_shape(
    at: &mut Cursor,
    dimensionality: usize,
    width: usize,
    rank: usize,
) -> Result<(Vec<u64>, u64)> {
    if dimensionality != rank + 1 {
        return Err(Error::corrupt(format!(
            "chunks have {} dimensions but the dataset has {rank}",
            dimensionality.saturating_sub(1)
        )));
    }
    let shape = (0..rank).map(|_| at.uint(width)).collect::<Result<Vec<_>>>()?;
    let element_size = at.uint(width)?;
    if shape.contains(&0) {
        return Err(Error::corrupt("chunks have a length of 0"));
    }
    Ok((shape, element_size))
}
