//! How a variable is stored, in numbers.

use crate::model::array::{Chunk, Storage, Variable, grid_shape, product};

/// The word for how the elements are stored.
pub fn layout(variable: &Variable) -> &'static str {
    match variable.storage {
        Storage::Compact(_) => "compact",
        Storage::Contiguous(_) => "contiguous",
        Storage::Chunked { .. } => "chunked",
    }
}

/// The shape of chunks; a variable in one piece is one chunk.
pub fn chunk_shape(variable: &Variable) -> &[u64] {
    variable.chunk_shape().unwrap_or(&variable.shape)
}

/// The pieces of the file that hold the elements.
pub fn chunks(variable: &Variable) -> Vec<Chunk> {
    match &variable.storage {
        Storage::Chunked { chunks, .. } => chunks.iter().collect(),
        Storage::Contiguous(Some((offset, size))) => {
            vec![Chunk { index: 0, offset: *offset, size: *size, filter_mask: 0, trailing: 0 }]
        }
        Storage::Contiguous(None) | Storage::Compact(_) => Vec::new(),
    }
}

/// Chunks that were never written.
pub fn missing(variable: &Variable, chunks: &[Chunk]) -> u64 {
    if matches!(variable.storage, Storage::Compact(_)) {
        return 0;
    }
    let expected = product(&grid_shape(&variable.shape, chunk_shape(variable)));
    expected.unwrap_or(u64::MAX).saturating_sub(chunks.len() as u64)
}

/// The place of the first element of `chunk` in the variable.
pub fn first_element(variable: &Variable, chunk: &Chunk) -> Vec<u64> {
    let chunk_shape = chunk_shape(variable);
    let mut index = chunk.index;
    let mut place: Vec<u64> = grid_shape(&variable.shape, chunk_shape)
        .iter()
        .zip(chunk_shape)
        .rev()
        .map(|(&length, &chunk_length)| {
            let here = index % length.max(1);
            index /= length.max(1);
            here * chunk_length
        })
        .collect();
    place.reverse();
    place
}

/// Chunks that did not go through all filters.
pub fn masked(chunks: &[Chunk]) -> usize {
    chunks.iter().filter(|chunk| chunk.filter_mask != 0).count()
}

/// The name of the chunk index, for variables that have one.
pub fn chunk_index(variable: &Variable) -> Option<&'static str> {
    match variable.storage {
        Storage::Chunked { index, .. } => Some(index.as_str()),
        _ => None,
    }
}
