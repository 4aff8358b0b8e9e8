//! Chunks that no byte range of a file can stand for, encoded anew, one after the other in a file
//! beside the manifest: those that a file fills only in part though another follows, and those that
//! are not stored as the array says.
//!
//! They are decoded from the source files and go through the codecs of the array; nothing else is in
//! the file. See `docs/design/010-seams-and-segments.md`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use crate::index::decode::to_little_endian;
use crate::index::filter::Decoder;
use crate::index::source::{OpenFile, ReadAt};
use crate::model::array::{Chunk, product};
use crate::model::codec::{Codec, Filter};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Carried, Run, Stored, VirtualArray, VirtualDataset};

use super::encode;
use super::seal::Written;

/// Where the chunks that were encoded anew lie in their file.
#[derive(Debug, Default)]
pub struct Seams {
    places: HashMap<Place, Chunk>,
    /// Bytes of the file.
    pub size: u64,
}

/// Which rows of which chunk of which file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    array: String,
    file: usize,
    index: u64,
    rows: u64,
}

impl Place {
    fn new(array: &VirtualArray, run: &Run, chunk: &Chunk, rows: u64) -> Self {
        Self { array: array.name.clone(), file: run.file, index: chunk.index, rows }
    }
}

impl Seams {
    /// Where the first `rows` rows of `chunk` are, a chunk of `run` of `array`.
    #[must_use]
    pub fn of(&self, array: &VirtualArray, run: &Run, chunk: &Chunk, rows: u64) -> Option<&Chunk> {
        self.places.get(&Place::new(array, run, chunk, rows))
    }
}

/// Whether `dataset` has chunks that have to be encoded anew.
#[must_use]
pub fn are_needed(dataset: &VirtualDataset) -> bool {
    let mut chunks = dataset.arrays.iter().flat_map(VirtualArray::chunks);
    chunks.any(|(_, _, carried)| matches!(carried, Carried::Anew(_)))
}

/// Writes the chunks of `datasets` that have to be encoded anew, each once, to `out`. The source files
/// are `sources`.
pub fn write(
    datasets: impl IntoIterator<Item: Borrow<VirtualDataset>>,
    sources: &[&Path],
    out: &mut dyn Write,
) -> Written<Seams> {
    let mut writer =
        Writer { sources, out, seams: Seams::default(), decoder: Decoder::default(), open: None };
    for dataset in datasets {
        for array in &dataset.borrow().arrays {
            for (run, chunk, carried) in array.chunks() {
                if let Carried::Anew(rows) = carried {
                    writer.add(array, run, chunk, rows)?;
                }
            }
        }
    }
    Ok(writer.seams)
}

struct Writer<'a> {
    sources: &'a [&'a Path],
    out: &'a mut dyn Write,
    seams: Seams,
    decoder: Decoder,
    /// The file that was read last.
    open: Option<(usize, OpenFile)>,
}

impl Writer<'_> {
    /// Writes the first `rows` rows of a chunk, unless they are there.
    fn add(&mut self, array: &VirtualArray, run: &Run, chunk: &Chunk, rows: u64) -> Written<()> {
        let place = Place::new(array, run, chunk, rows);
        if self.seams.places.contains_key(&place) {
            return Ok(());
        }
        let path = self.sources.get(run.file);
        let path = path.ok_or_else(|| Error::new(Code::Internal, "a file has no path"))?;
        let encoded = self
            .encoded(array, run, (chunk, rows), path)
            .map_err(|error| error.of_variable(&array.name).in_file(path))?;
        self.out.write_all(&encoded)?;
        let size = encoded.len() as u64;
        let chunk = Chunk { offset: self.seams.size, size, filter_mask: 0, ..*chunk };
        self.seams.places.insert(place, chunk);
        self.seams.size += size;
        Ok(())
    }

    fn encoded(
        &mut self,
        array: &VirtualArray,
        run: &Run,
        (chunk, rows): (&Chunk, u64),
        path: &Path,
    ) -> Result<Vec<u8>> {
        let (codecs, filters, dtype) = coding(array, run)?;
        let (full, cut) = sizes(array, run, rows)?;
        if self.open.as_ref().is_none_or(|(file, _)| *file != run.file) {
            self.open = Some((run.file, OpenFile::open(path)?));
        }
        let Some((_, file)) = &self.open else {
            return Err(Error::new(Code::Internal, "a file is not open"));
        };
        read(file, chunk, &mut self.decoder.bytes)?;
        self.decoder.undo(filters, chunk.filter_mask, dtype, full)?;
        let mut elements = self.decoder.bytes[..cut].to_vec();
        if dtype != array.dtype {
            // The one is big-endian, the other little-endian; reversing is the same in both directions.
            to_little_endian(&mut elements, dtype);
            to_little_endian(&mut elements, array.dtype);
        }
        encode::encode(elements, codecs)
    }
}

/// The codecs of the array, and the filters and the type of the elements that `run` has.
fn coding<'a>(
    array: &'a VirtualArray,
    run: &'a Run,
) -> Result<(&'a [Codec], &'a [Filter], DataType)> {
    match (&array.body, &run.stored) {
        (Body::Virtual { codecs, .. }, Stored::AsArray(filters)) => {
            Ok((codecs, filters, array.dtype))
        }
        (Body::Virtual { codecs, .. }, Stored::Otherwise { dtype, filters }) => {
            Ok((codecs, filters, *dtype))
        }
        (Body::Inline(_), _) => Err(Error::new(Code::Internal, "an inlined array has no chunks")),
    }
}

/// Bytes of a whole chunk of `run`, and of its first `rows` rows.
fn sizes(array: &VirtualArray, run: &Run, rows: u64) -> Result<(usize, usize)> {
    let too_large = || Error::new(Code::TooLarge, "a chunk exceeds the address space");
    let Body::Virtual { chunk_shape, .. } = &array.body else { return Err(too_large()) };
    let across = chunk_shape.get(1..).unwrap_or_default();
    let row = product(across).and_then(|elements| elements.checked_mul(array.dtype.size()?));
    let bytes = |rows| usize::try_from(row?.checked_mul(rows)?).ok();
    bytes(run.chunk_rows).zip(bytes(rows)).ok_or_else(too_large)
}

fn read(file: &OpenFile, chunk: &Chunk, bytes: &mut Vec<u8>) -> Result<()> {
    let size = usize::try_from(chunk.size).ok().filter(|_| chunk.size <= file.len());
    let size = size.ok_or_else(|| Error::new(Code::Truncated, "a chunk exceeds its file"))?;
    bytes.resize(size, 0);
    file.read_exact_at(bytes, chunk.offset).map_err(|error| {
        Error::new(Code::Io, format!("cannot read at byte {}: {error}", chunk.offset))
    })
}
