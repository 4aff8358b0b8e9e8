//! Chunks that no byte range of a file can stand for, encoded anew: those that a file fills only in
//! part though another follows, and those that are not stored as the array says. Few are held by the
//! manifests themselves, more lie one after the other in a file beside them.
//!
//! They are decoded from the source files and go through the codecs of the array; nothing else is in
//! the file, which is called after its content: no manifest, however old, and no cache leads to chunks
//! of another. See `docs/design/010-seams-and-segments.md`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::index::filter::Decoder;
use crate::index::source::{OpenFile, ReadAt};
use crate::index::{self, decode::to_little_endian};
use crate::model::array::{Chunk, product};
use crate::model::codec::{Codec, Filter};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Cost;
use crate::model::virtual_dataset::{Body, Run, Stored, VirtualArray, VirtualDataset};

use super::encode;
use super::seal::Written;

/// Most bytes of chunks that manifests hold: what a small variable may have there, too. A file of its
/// own would cost readers a request for each chunk, and its operator a file to serve.
const MOST_HELD: u64 = index::SMALL;

/// Digits of its digest that a file of seams has in its name.
const DIGITS: usize = 16;

/// Where the chunks that were encoded anew lie, one after the other.
#[derive(Debug, Default)]
pub struct Seams {
    places: HashMap<Place, Chunk>,
    size: u64,
    /// All their bytes, where these are no file.
    held: Option<Vec<u8>>,
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
    fn new(array: &VirtualArray, run: &Run, chunk: Chunk, rows: u64) -> Self {
        Self { array: array.name.clone(), file: run.file, index: chunk.index, rows }
    }
}

impl Seams {
    /// Where the first `rows` rows of `chunk` are, a chunk of `run` of `array`.
    #[must_use]
    pub fn of(&self, array: &VirtualArray, run: &Run, chunk: Chunk, rows: u64) -> Option<&Chunk> {
        self.places.get(&Place::new(array, run, chunk, rows))
    }

    /// The bytes of `encoded`, a chunk that [`Seams::of`] gave, where they are in no file.
    #[must_use]
    pub fn held(&self, encoded: &Chunk) -> Option<&[u8]> {
        let start = usize::try_from(encoded.offset).ok()?;
        let end = start.checked_add(usize::try_from(encoded.size).ok()?)?;
        self.held.as_ref()?.get(start..end)
    }

    /// What carrying `array` takes: chunks that are held are in the manifest, not referred to.
    #[must_use]
    pub fn cost_of(&self, array: &VirtualArray) -> Cost {
        let mut cost = array.cost();
        if self.held.is_some() {
            let anew = array.chunks_anew();
            for encoded in anew.filter_map(|(run, chunk, rows)| self.of(array, run, chunk, rows)) {
                cost.references = cost.references.saturating_sub(1);
                cost.inlined_bytes += encoded.size;
            }
        }
        cost
    }
}

/// Where the seams with this `digest` belong that go with the manifest at `manifest`.
#[must_use]
pub fn path(manifest: &Path, digest: &str) -> PathBuf {
    let digits = digest.get(..DIGITS).unwrap_or(digest);
    manifest.with_extension(format!("{digits}.seams"))
}

/// All files of seams that there are beside the manifest at `manifest`, whether it refers to them or not.
#[must_use]
pub fn beside(manifest: &Path) -> Vec<PathBuf> {
    let entries = manifest.parent().and_then(|directory| fs::read_dir(directory).ok());
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_digest =
        |text: &str| text.len() == DIGITS && text.bytes().all(|it| it.is_ascii_hexdigit());
    let goes_with = |found: &PathBuf| {
        let digits = found.file_stem().map(Path::new).and_then(|stem| stem.extension()?.to_str());
        digits.is_some_and(|digits| is_digest(digits) && *found == path(manifest, digits))
    };
    paths.filter(goes_with).collect()
}

/// Holds the chunks of `datasets` that have to be encoded anew, each once, if they are few or none;
/// otherwise nothing. The source files are `sources`.
pub fn hold(
    datasets: impl IntoIterator<Item: Borrow<VirtualDataset>>,
    sources: &[&Path],
) -> Written<Option<Seams>> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(sources, &mut bytes);
    if !writer.add_all(datasets, MOST_HELD)? {
        return Ok(None);
    }
    let seams = writer.seams;
    Ok(Some(Seams { held: Some(bytes), ..seams }))
}

/// Writes the chunks of `datasets` that have to be encoded anew, each once, to `out`. The source files
/// are `sources`.
pub fn write(
    datasets: impl IntoIterator<Item: Borrow<VirtualDataset>>,
    sources: &[&Path],
    out: &mut dyn Write,
) -> Written<Seams> {
    let mut writer = Writer::new(sources, out);
    writer.add_all(datasets, u64::MAX)?;
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

impl<'a> Writer<'a> {
    fn new(sources: &'a [&'a Path], out: &'a mut dyn Write) -> Self {
        Self { sources, out, seams: Seams::default(), decoder: Decoder::default(), open: None }
    }

    /// Writes the chunks of `datasets`; gives up, and tells so, when there are more than `most` bytes.
    fn add_all(
        &mut self,
        datasets: impl IntoIterator<Item: Borrow<VirtualDataset>>,
        most: u64,
    ) -> Written<bool> {
        for dataset in datasets {
            for array in &dataset.borrow().arrays {
                for (run, chunk, rows) in array.chunks_anew() {
                    self.add(array, run, chunk, rows)?;
                    if self.seams.size > most {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Writes the first `rows` rows of a chunk, unless they are there.
    fn add(&mut self, array: &VirtualArray, run: &Run, chunk: Chunk, rows: u64) -> Written<()> {
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
        let chunk = Chunk { offset: self.seams.size, size, filter_mask: 0, trailing: 0, ..chunk };
        self.seams.places.insert(place, chunk);
        self.seams.size += size;
        Ok(())
    }

    fn encoded(
        &mut self,
        array: &VirtualArray,
        run: &Run,
        (chunk, rows): (Chunk, u64),
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

fn read(file: &OpenFile, chunk: Chunk, bytes: &mut Vec<u8>) -> Result<()> {
    let size = usize::try_from(chunk.size).ok().filter(|_| chunk.size <= file.len());
    let size = size.ok_or_else(|| Error::new(Code::Truncated, "a chunk exceeds its file"))?;
    bytes.resize(size, 0);
    file.read_exact_at(bytes, chunk.offset).map_err(|error| {
        Error::new(Code::Io, format!("cannot read at byte {}: {error}", chunk.offset))
    })
}
