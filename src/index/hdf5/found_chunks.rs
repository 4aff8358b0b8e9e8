//! What chunk indexes lead to: checked as it is found, and packed at once.

use super::chunk_grid::{Grid, row_major_strides};
use super::file::File;
use crate::model::array::{Chunk, grid_shape};
use crate::model::chunks::Chunks;
use crate::model::error::{Code, Error, Result};

/// The chunks of a dataset, as its index leads to them.
pub struct FoundChunks {
    /// Those that came by ascending number.
    chunks: Chunks,
    /// All of them, from one on that did not.
    out_of_order: Vec<Chunk>,
    /// Bytes of the file.
    file_len: u64,
    /// Bytes of every chunk, unless they go through filters.
    full: Option<u64>,
    /// Where chunks are that reach over the edge of the dataset, if those go through no filter.
    edges: Option<Edges>,
    /// Least number of a chunk behind the last of `chunks`.
    next: u64,
    /// End of the last of `chunks`.
    end: u64,
    /// Whether each of `chunks` lies behind the one before, as most do.
    one_behind_the_other: bool,
}

impl FoundChunks {
    /// None yet, of a dataset in `file` with this `grid`.
    pub fn new(file: &File, grid: &Grid) -> Result<Self> {
        let full = grid.chunk_bytes()?;
        Ok(Self {
            chunks: Chunks::default(),
            out_of_order: Vec::new(),
            file_len: file.source().len(),
            full: (!grid.is_filtered).then_some(full),
            edges: (grid.is_filtered && grid.unfiltered_edges).then(|| Edges::of(grid)),
            next: 0,
            end: 0,
            one_behind_the_other: true,
        })
    }

    /// Takes a chunk, which lies within the file and, if unfiltered, has its full size.
    #[inline]
    pub fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        let Chunk { index, offset, size, .. } = chunk;
        if let Some(full) = self.full.filter(|&full| full != size) {
            return Err(not_full(&chunk, full));
        }
        let end = offset.checked_add(size).filter(|&end| end <= self.file_len);
        let end = end.ok_or_else(|| self.truncated(&chunk))?;
        if self.edges.as_ref().is_some_and(|edges| edges.reached_by(index)) {
            chunk.filter_mask = u32::MAX;
        }
        if index < self.next || !self.out_of_order.is_empty() {
            self.push_out_of_order(chunk);
            return Ok(());
        }
        self.one_behind_the_other &= offset >= self.end;
        // There are fewer than 2^64 chunks.
        (self.next, self.end) = (index.saturating_add(1), end);
        self.chunks.push(chunk);
        Ok(())
    }

    fn push_out_of_order(&mut self, chunk: Chunk) {
        if self.out_of_order.is_empty() {
            self.out_of_order = self.chunks.iter().collect();
        }
        self.out_of_order.push(chunk);
    }

    /// All of them by ascending number; no two have the same number or bytes in common.
    pub fn into_chunks(self) -> Result<Chunks> {
        let Self { mut chunks, mut out_of_order, mut one_behind_the_other, .. } = self;
        if !out_of_order.is_empty() {
            // Made of few runs, which this one merges.
            out_of_order.sort_by_key(|chunk| chunk.index);
            let mut pairs = out_of_order.windows(2);
            if let Some(pair) = pairs.find(|pair| pair[0].index == pair[1].index) {
                return Err(Error::corrupt(format!("chunk {} is stored twice", pair[0].index)));
            }
            one_behind_the_other = !out_of_order.windows(2).any(overlap);
            chunks = out_of_order.into();
        }
        if !one_behind_the_other {
            check_apart(&chunks)?;
        }
        chunks.shrink_to_fit();
        Ok(chunks)
    }

    #[cold]
    fn truncated(&self, chunk: &Chunk) -> Error {
        let Chunk { index, size, offset, .. } = chunk;
        let len = self.file_len;
        let message = format!(
            "chunk {index} has {size} bytes at byte {offset}, but the file ends at byte {len}"
        );
        Error::new(Code::Truncated, message)
            .with_hint("compare size and checksum with the source and transfer the file again")
    }
}

#[cold]
fn not_full(chunk: &Chunk, full: u64) -> Error {
    let Chunk { index, size, .. } = chunk;
    Error::corrupt(format!("chunk {index} holds {size} bytes instead of {full}"))
}

/// Whether of two chunks the second begins before the first ends.
fn overlap(pair: &[Chunk]) -> bool {
    pair[0].offset + pair[0].size > pair[1].offset
}

/// No two chunks have bytes in common.
fn check_apart(chunks: &Chunks) -> Result<()> {
    let mut by_place: Vec<Chunk> = chunks.iter().collect();
    by_place.sort_unstable_by_key(|chunk| chunk.offset);
    match by_place.windows(2).find(|pair| overlap(pair)) {
        Some(pair) => Err(Error::corrupt(format!(
            "chunks {} and {} have bytes in common, from byte {} on",
            pair[0].index, pair[1].index, pair[1].offset
        ))),
        None => Ok(()),
    }
}

/// The chunks that reach over the edge of the dataset.
struct Edges {
    /// What a chunk along each dimension counts for in the row-major number.
    strides: Vec<u64>,
    /// Chunks along each dimension.
    counts: Vec<u64>,
    /// Those of them that lie within the dataset.
    within: Vec<u64>,
}

impl Edges {
    fn of(grid: &Grid) -> Self {
        let counts = grid_shape(grid.shape, grid.chunk_shape);
        let within =
            grid.stored_shape.iter().zip(grid.chunk_shape).map(|(len, of)| len / of.max(&1));
        Self { strides: row_major_strides(&counts), counts, within: within.collect() }
    }

    fn reached_by(&self, index: u64) -> bool {
        let places = self.strides.iter().zip(&self.counts).map(|(stride, n)| index / stride % n);
        places.zip(&self.within).any(|(place, within)| place >= *within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hdf5::cursor::Widths;
    use crate::index::hdf5::superblock::Superblock;
    use crate::index::source::Source;

    const WIDTHS: Widths = Widths { offset: 8, length: 8 };

    /// What becomes of chunks of 10 bytes at these places, of a dataset of 25 bytes in a file of 100.
    fn found(chunks: &[(u64, u64)], is_filtered: bool) -> Result<Vec<Chunk>> {
        let file = vec![0; 100];
        let source = Source::new(&file)?;
        let superblock = Superblock {
            version: 2,
            base: 0,
            widths: WIDTHS,
            chunk_k: 32,
            root: 0,
            extension: None,
        };
        let grid = Grid {
            shape: &[25],
            stored_shape: &[25],
            maximum: &[None],
            chunk_shape: &[10],
            element_size: 1,
            is_filtered,
            unfiltered_edges: is_filtered,
        };
        let mut found = FoundChunks::new(&File::new(&source, superblock), &grid)?;
        for &(index, offset) in chunks {
            found.push(Chunk { index, offset, size: 10, filter_mask: 0, trailing: 0 })?;
        }
        Ok(found.into_chunks()?.iter().collect())
    }

    fn refused(chunks: &[(u64, u64)]) -> String {
        found(chunks, false).unwrap_err().to_string()
    }

    #[test]
    fn chunks_come_by_number_whatever_their_order_and_place() {
        for places in [[10, 20, 30], [30, 20, 10], [20, 90, 0]] {
            let chunks: Vec<(u64, u64)> = (0..).zip(places).collect();
            let [a, b, c] = [chunks[0], chunks[1], chunks[2]];
            for order in [[a, b, c], [b, a, c], [c, b, a], [c, a, b]] {
                let found = found(&order, false).unwrap();
                let found: Vec<_> = found.iter().map(|chunk| (chunk.index, chunk.offset)).collect();
                assert_eq!(found, chunks);
            }
        }
    }

    #[test]
    fn a_number_twice_or_bytes_in_common_are_refused() {
        for twice in [&[(1, 10), (1, 30)][..], &[(0, 50), (1, 10), (2, 30), (1, 70)]] {
            assert!(refused(twice).contains("chunk 1 is stored twice"), "{}", refused(twice));
        }
        for common in [[(0, 10), (1, 19)], [(1, 19), (0, 10)], [(0, 19), (1, 10)]] {
            let message = refused(&common);
            assert!(message.contains("have bytes in common, from byte 19 on"), "{message}");
        }
    }

    #[test]
    fn chunks_lie_in_the_file_and_have_their_size() {
        assert!(refused(&[(0, 91)]).contains("the file ends at byte 100"));
        assert!(refused(&[(0, u64::MAX)]).contains("the file ends at byte 100"));
    }

    #[test]
    fn only_chunks_over_the_edge_are_unfiltered() {
        let masks: Vec<u32> = found(&[(0, 0), (1, 10), (2, 20)], true)
            .unwrap()
            .iter()
            .map(|chunk| chunk.filter_mask)
            .collect();
        assert_eq!(masks, [0, 0, u32::MAX]);
    }
}
