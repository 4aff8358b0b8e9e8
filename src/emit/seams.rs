//! Seams: the filled rows of chunks that a file fills only in part though another follows, encoded anew,
//! one after the other in a file beside the manifest.
//!
//! They are decoded from the source files and go through the same codecs as before; nothing else is
//! in the file. See `docs/design/010-seams.md`.

use std::io::Write;
use std::path::Path;

use crate::index::filter::Decoder;
use crate::index::source::{OpenFile, ReadAt};
use crate::model::array::{Chunk, product};
use crate::model::codec::{Codec, Filter};
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Run, VirtualArray, VirtualDataset};

use super::encode;
use super::seal::Written;

/// Where the seams of a dataset lie in their file.
#[derive(Debug, Default)]
pub struct Seams {
    /// For each array of the dataset its seams, numbered as in the grid of the array.
    pub of_arrays: Vec<Vec<Chunk>>,
    /// Bytes of the file.
    pub size: u64,
}

/// Whether `dataset` has seams that cannot be expressed as a shorter range of bytes.
#[must_use]
pub fn are_needed(dataset: &VirtualDataset) -> bool {
    dataset.arrays.iter().any(|array| {
        let is_encoded = matches!(&array.body, Body::Virtual { codecs, .. } if !codecs.is_empty());
        is_encoded && array.seams().any(|(run, _)| !array.last_row(run).is_empty())
    })
}

/// Writes the seams of `dataset`, whose source files are `sources`, to `out`.
pub fn write(dataset: &VirtualDataset, sources: &[&Path], out: &mut dyn Write) -> Written<Seams> {
    let mut writer = Writer { sources, out, size: 0, decoder: Decoder::default() };
    let mut of_arrays = Vec::with_capacity(dataset.arrays.len());
    for array in &dataset.arrays {
        let mut seams = Vec::new();
        if let Body::Virtual { codecs, .. } = &array.body
            && !codecs.is_empty()
        {
            let filters: Vec<Filter> = codecs.iter().map(|codec| codec.filter()).collect();
            for (run, filled) in array.seams() {
                writer.run(array, (codecs, &filters), (run, filled), &mut seams)?;
            }
        }
        of_arrays.push(seams);
    }
    Ok(Seams { of_arrays, size: writer.size })
}

struct Writer<'a> {
    sources: &'a [&'a Path],
    out: &'a mut dyn Write,
    size: u64,
    decoder: Decoder,
}

impl Writer<'_> {
    /// Writes the seams of one file, `filled` rows each.
    fn run(
        &mut self,
        array: &VirtualArray,
        (codecs, filters): (&[Codec], &[Filter]),
        (run, filled): (&Run, u64),
        seams: &mut Vec<Chunk>,
    ) -> Written<()> {
        let chunks = array.last_row(run);
        if chunks.is_empty() {
            return Ok(());
        }
        let path = self.sources.get(run.file);
        let path = path.ok_or_else(|| Error::new(Code::Internal, "a file has no path"))?;
        let (full, cut) = sizes(array, filled)?;
        let file = OpenFile::open(path)?;
        for chunk in chunks {
            let encoded = read(&file, chunk, &mut self.decoder.bytes)
                .and_then(|()| self.decoder.undo(filters, chunk.filter_mask, array.dtype, full))
                .and_then(|()| encode::encode(self.decoder.bytes[..cut].to_vec(), codecs))
                .map_err(|error| error.of_variable(&array.name).in_file(path))?;
            self.out.write_all(&encoded)?;
            let size = encoded.len() as u64;
            let index = run.first + chunk.index;
            seams.push(Chunk { index, offset: self.size, size, filter_mask: 0 });
            self.size += size;
        }
        Ok(())
    }
}

/// Bytes of a whole chunk of `array`, and of its first `filled` rows.
fn sizes(array: &VirtualArray, filled: u64) -> Result<(usize, usize)> {
    let too_large = || Error::new(Code::TooLarge, "a chunk exceeds the address space");
    let Body::Virtual { chunk_shape, .. } = &array.body else { return Err(too_large()) };
    let [rows, across @ ..] = chunk_shape.as_slice() else { return Err(too_large()) };
    let row = product(across).and_then(|elements| elements.checked_mul(array.dtype.size()?));
    let bytes = |rows| usize::try_from(row?.checked_mul(rows)?).ok();
    bytes(*rows).zip(bytes(filled)).ok_or_else(too_large)
}

fn read(file: &OpenFile, chunk: &Chunk, bytes: &mut Vec<u8>) -> Result<()> {
    let size = usize::try_from(chunk.size).ok().filter(|_| chunk.size <= file.len());
    let size = size.ok_or_else(|| Error::new(Code::Truncated, "a chunk exceeds its file"))?;
    bytes.resize(size, 0);
    file.read_exact_at(bytes, chunk.offset).map_err(|error| {
        Error::new(Code::Io, format!("cannot read at byte {}: {error}", chunk.offset))
    })
}
