//! The checksums at the end of chunks that a store leaves out: readers will not see them, so they are
//! verified when the store is built.

use std::path::Path;

use rayon::prelude::*;

use crate::index::filter::fletcher32::{self, Checksum};
use crate::index::source::{OpenFile, ReadAt};
use crate::model::array::Chunk;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Run, VirtualDataset};

/// Bytes read at once by each thread, an even number.
const PIECE: usize = 1 << 20;

/// Verifies all checksums that `datasets` leave out, which reads their chunks whole. The source files
/// are `sources`.
///
/// # Errors
/// [`Code::Corrupt`] for the first chunk that does not have its checksum.
pub fn verify(datasets: &[VirtualDataset], sources: &[&Path]) -> Result<()> {
    for array in datasets.iter().flat_map(|dataset| &dataset.arrays) {
        let Body::Virtual { runs, .. } = &array.body else { continue };
        for run in runs.iter().filter(|run| run.chunks.iter().any(|chunk| chunk.trailing > 0)) {
            let path = sources.get(run.file);
            let path = path.ok_or_else(|| Error::new(Code::Internal, "a file has no path"))?;
            let verified = OpenFile::open(path).and_then(|file| verify_run(run, &file));
            verified.map_err(|error| error.of_variable(&array.name).in_file(path))?;
        }
    }
    Ok(())
}

/// Verifies the checksums of one file.
fn verify_run(run: &Run, file: &OpenFile) -> Result<()> {
    let chunks: Vec<Chunk> = run.chunks.iter().filter(|chunk| chunk.trailing > 0).collect();
    let verified = chunks.par_iter();
    let verified =
        verified.map_init(|| vec![0; PIECE], |buffer, chunk| verify_chunk(file, chunk, buffer));
    // Of several that are wrong always the same is named.
    verified.find_map_first(Result::err).map_or(Ok(()), Err)
}

fn verify_chunk(file: &impl ReadAt, chunk: &Chunk, buffer: &mut [u8]) -> Result<()> {
    let Chunk { index, offset, size, .. } = *chunk;
    let cannot_read = |error| Error::new(Code::Io, format!("cannot read chunk {index}: {error}"));
    let end = offset.checked_add(size).filter(|&end| {
        end.checked_add(fletcher32::SIZE as u64).is_some_and(|end| end <= file.len())
    });
    let end = end.ok_or_else(|| {
        Error::new(Code::Truncated, format!("chunk {index} ends beyond the end of the file"))
    })?;
    let mut checksum = Checksum::default();
    let mut at = offset;
    while at < end {
        let length = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let piece = &mut buffer[..length];
        file.read_exact_at(piece, at).map_err(cannot_read)?;
        checksum.add(piece);
        at += length as u64;
    }
    let mut stored = [0; fletcher32::SIZE];
    file.read_exact_at(&mut stored, end).map_err(cannot_read)?;
    if checksum.is(stored) {
        return Ok(());
    }
    let message = format!(
        "the Fletcher32 checksum of chunk {index}, {size} bytes from byte {offset} on, does not match"
    );
    Err(Error::corrupt(message)
        .with_hint("the file is damaged: transfer it again, or write it anew where it was made"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of `size` bytes of data behind `offset` others, with their checksum at the end.
    fn file(offset: usize, size: usize) -> (Vec<u8>, Chunk) {
        let mut data: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        fletcher32::append(&mut data);
        let (offset, size) = (offset as u64, size as u64);
        let chunk = Chunk { index: 7, offset, size, filter_mask: 0, trailing: 4 };
        ([vec![9; usize::try_from(offset).unwrap()], data].concat(), chunk)
    }

    #[test]
    fn chunks_are_read_in_pieces_of_any_number() {
        for size in [0, 1, 7, 8, 9, 16, 33] {
            let (mut bytes, chunk) = file(5, size);
            verify_chunk(&bytes, &chunk, &mut [0; 8]).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            let error = verify_chunk(&bytes, &chunk, &mut [0; 8]).unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
            assert!(error.message().contains("chunk 7"), "{error}");
        }
    }

    #[test]
    fn a_damaged_byte_or_a_short_file_is_noticed() {
        let (mut bytes, chunk) = file(0, 100);
        bytes[63] ^= 4;
        let code = |bytes: &Vec<u8>| verify_chunk(bytes, &chunk, &mut [0; 64]).unwrap_err().code();
        assert_eq!(code(&bytes), Code::Corrupt);
        bytes.pop();
        assert_eq!(code(&bytes), Code::Truncated);
        let chunk = Chunk { offset: u64::MAX - 3, ..chunk };
        let error = verify_chunk(&bytes, &chunk, &mut [0; 64]).unwrap_err();
        assert_eq!(error.code(), Code::Truncated);
    }
}
