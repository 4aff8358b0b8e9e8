//! Stored bytes of variables, compared without decoding.

use std::path::Path;

use super::source::{OpenFile, ReadAt};
use crate::model::array::{Chunk, Storage, Variable};
use crate::model::error::{Code, Error, Result};

/// Whether `first` and `other`, as indexed from the files beside them, have the same stored bytes in
/// the same arrangement. `false` says nothing of their values.
pub fn same_bytes(
    (first, first_path): (&Variable, &Path),
    (other, other_path): (&Variable, &Path),
) -> Result<bool> {
    let (Some(first_pieces), Some(other_pieces)) = (stored_pieces(first), stored_pieces(other))
    else {
        return Ok(false);
    };
    let alike = first.dtype == other.dtype
        && first.filters == other.filters
        && first.fill == other.fill
        && first_pieces.len() == other_pieces.len()
        && first_pieces
            .iter()
            .zip(&other_pieces)
            .all(|(a, b)| (a.index, a.size, a.filter_mask) == (b.index, b.size, b.filter_mask));
    if !alike || first.chunk_shape() != other.chunk_shape() {
        return Ok(false);
    }
    let (first_file, other_file) = (OpenFile::open(first_path)?, OpenFile::open(other_path)?);
    let (mut first_bytes, mut other_bytes) = (Vec::new(), Vec::new());
    for (a, b) in first_pieces.iter().zip(&other_pieces) {
        read_piece(&first_file, a, &mut first_bytes).map_err(|error| error.in_file(first_path))?;
        read_piece(&other_file, b, &mut other_bytes).map_err(|error| error.in_file(other_path))?;
        if first_bytes != other_bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The pieces of the file that hold `variable`, if it is not stored in the metadata.
fn stored_pieces(variable: &Variable) -> Option<Vec<Chunk>> {
    match &variable.storage {
        Storage::Chunked { chunks, .. } => Some(chunks.iter().collect()),
        Storage::Contiguous(Some((offset, size))) => Some(vec![Chunk {
            index: 0,
            offset: *offset,
            size: *size,
            filter_mask: 0,
            trailing: 0,
        }]),
        Storage::Contiguous(None) => Some(Vec::new()),
        Storage::Compact(_) => None,
    }
}

fn read_piece(file: &OpenFile, piece: &Chunk, buffer: &mut Vec<u8>) -> Result<()> {
    let size = usize::try_from(piece.size)
        .map_err(|_| Error::new(Code::TooLarge, "a chunk exceeds the address space"))?;
    buffer.resize(size, 0);
    file.read_exact_at(buffer, piece.offset).map_err(|error| {
        Error::new(Code::Io, format!("cannot read at byte {}: {error}", piece.offset))
    })
}
