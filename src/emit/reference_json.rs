//! The manifest: a reference file in kerchunk's JSON format, version 1, that is a Zarr V3 and a
//! Zarr V2 hierarchy at once, or Zarr V3 alone where V2 has no grid for it.
//!
//! ```json
//! {"version":1,"refs":{
//!   ".zgroup":"{...}", ".zattrs":"{...}", "zarr.json":"{...}",
//!   "tas/.zarray":"{...}", "tas/.zattrs":"{...}", "tas/zarr.json":"{...}",
//!   "tas/0.0.0":["https://node/a.nc",22585,1184], "time/0":"base64:AAAA"
//! },"sources":[{"url":"https://node/a.nc","size":251449,"steps":1200,"tracking_id":"hdl:..."}]}
//! ```
//!
//! `sources` is ours, after all that readers look for: the files, with what tells whether they are still
//! those that the store was made of.
//!
//! Format: <https://fsspec.github.io/kerchunk/spec.html>. Metadata are texts within the text, as
//! that specification has it. The same dataset gives the same bytes.

use std::io::{BufRead, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::model::array::{Chunk, Fill, Values, product};
use crate::model::codec::Codec;
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Carried, Run, VirtualArray, VirtualDataset};

use super::seal::{Failure, Written};
use super::seams::Seams;
use super::{attributes, encode, zarr_v2, zarr_v3};

/// Most bytes spent on chunks that no format can leave out, see [`constant_chunks`].
const MOST_CONSTANT_BYTES: u64 = 16 * 1024 * 1024;

/// What a manifest begins with.
const BEGIN: &str = "{\"version\":1,\"refs\":{";

/// What stands between references and sources.
pub(super) const SOURCES: &str = "\n},\"sources\":[";

/// Where readers find what a manifest refers to.
#[derive(Clone, Copy, Debug)]
pub struct Locations<'a> {
    /// The source files.
    pub files: &'a [String],
    /// The seams, and their file if there is one.
    pub seams: &'a Seams,
    /// See [`Seams`].
    pub seam_file: Option<&'a str>,
}

/// A file that a store is made of.
#[derive(Clone, Debug, Serialize)]
pub struct SourceEntry<'a> {
    /// Where readers find it.
    pub url: &'a str,
    /// Its bytes.
    pub size: u64,
    /// How many of its time steps the store has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Its attribute `tracking_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_id: Option<&'a str>,
    /// Its multihash, as the mapfile had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<&'a str>,
}

/// Writes the manifest of `dataset`, made of `sources`, to `out`. One with seams is Zarr V3 alone.
pub fn write(
    dataset: &VirtualDataset,
    locations: Locations,
    sources: &[SourceEntry],
    out: &mut dyn Write,
) -> Written<()> {
    let documents = documents(dataset);
    let with_v2 = dataset.is_regular();
    let mut manifest = Manifest { out, with_v2, is_first: true };
    manifest.raw(BEGIN)?;
    if with_v2 {
        manifest.text(".zgroup", &json!({"zarr_format": 2}).to_string())?;
        let attributes = Value::from(attributes::plain(&dataset.attributes));
        manifest.text(".zattrs", &attributes.to_string())?;
    }
    let metadata: Map<String, Value> = dataset
        .arrays
        .iter()
        .zip(&documents)
        .map(|(array, documents)| (array.name.clone(), documents.v3.clone()))
        .collect();
    manifest.text("zarr.json", &zarr_v3::group(&dataset.attributes, &metadata).to_string())?;
    let files: Vec<String> = locations.files.iter().map(|location| quoted(location)).collect();
    let seam_file = locations.seam_file.map(quoted);
    let targets =
        Targets { files: &files, seams: locations.seams, seam_file: seam_file.as_deref() };
    for (array, documents) in dataset.arrays.iter().zip(&documents) {
        manifest.array(array, documents, &targets).map_err(|failure| match failure {
            Failure::Content(error) => error.of_variable(&array.name).into(),
            failure @ Failure::System(_) => failure,
        })?;
    }
    manifest.sources(sources)
}

/// Whether `from` reads a manifest of the form that [`write()`] gives it.
pub fn is_manifest(mut from: impl BufRead) -> bool {
    let mut begin = [0; BEGIN.len()];
    let begins = from.read_exact(&mut begin).is_ok() && begin == *BEGIN.as_bytes();
    let is_sources = |line: &Vec<u8>| line.starts_with(SOURCES.trim_start().as_bytes());
    begins && from.split(b'\n').map_while(std::io::Result::ok).any(|line| is_sources(&line))
}

/// The metadata documents of one array.
struct Documents {
    chunk_shape: Vec<u64>,
    codecs: Vec<Codec>,
    v3: Value,
}

fn documents(dataset: &VirtualDataset) -> Vec<Documents> {
    let of_array = |array: &VirtualArray| {
        let (chunk_shape, codecs) = match &array.body {
            Body::Inline(values) => (
                array.shape.iter().map(|&length| length.max(1)).collect(),
                encode::inline_codecs(values, array.dtype),
            ),
            Body::Virtual { chunk_shape, codecs, .. } => (chunk_shape.clone(), codecs.clone()),
        };
        let v3 = zarr_v3::array(array, &chunk_shape, &codecs);
        Documents { chunk_shape, codecs, v3 }
    };
    dataset.arrays.iter().map(of_array).collect()
}

/// What the references of one array point to; locations are quoted.
struct Targets<'a> {
    files: &'a [String],
    seams: &'a Seams,
    seam_file: Option<&'a str>,
}

struct Manifest<'a> {
    out: &'a mut dyn Write,
    /// Whether it is Zarr V2, too.
    with_v2: bool,
    is_first: bool,
}

impl Manifest<'_> {
    fn array(
        &mut self,
        array: &VirtualArray,
        documents: &Documents,
        targets: &Targets,
    ) -> Written<()> {
        let Documents { chunk_shape, codecs, v3 } = documents;
        zarr_v3::check_text_fill(array)?;
        let key = |name: &str| format!("{}/{name}", array.name);
        if self.with_v2 {
            let v2 = zarr_v2::array(array, chunk_shape, codecs);
            self.text(&key(".zarray"), &v2.to_string())?;
            let attributes = Value::from(zarr_v2::array_attributes(array));
            self.text(&key(".zattrs"), &attributes.to_string())?;
        }
        self.text(&key("zarr.json"), &v3.to_string())?;
        let grid = array.grid();
        // All keys of chunks start alike; quoting that part once is enough.
        let quoted_key = quoted(&key(""));
        let prefix = quoted_key.strip_suffix('"').unwrap_or(&quoted_key);
        match &array.body {
            Body::Inline(values) => self.inline(array, values, codecs, &grid, prefix),
            Body::Virtual { runs, .. } => {
                self.references(array, &grid, prefix, targets)?;
                if self.with_v2 {
                    self.constant_chunks(array, documents, runs, &grid, prefix)?;
                }
                Ok(())
            }
        }
    }

    fn inline(
        &mut self,
        array: &VirtualArray,
        values: &Values,
        codecs: &[Codec],
        grid: &[u64],
        prefix: &str,
    ) -> Written<()> {
        if array.shape.contains(&0) {
            return Ok(());
        }
        let chunk = encode::inline_chunk(values, codecs)?;
        self.bytes(ChunkKey::new(prefix, grid).of(0), &chunk)
    }

    fn references(
        &mut self,
        array: &VirtualArray,
        grid: &[u64],
        prefix: &str,
        targets: &Targets,
    ) -> Written<()> {
        let no_location = || Error::new(Code::Internal, "a file has no URL");
        let mut key = ChunkKey::new(prefix, grid);
        for (run, chunk, carried) in array.chunks() {
            let location = targets.files.get(run.file).ok_or_else(no_location)?;
            let key = key.of(run.first + chunk.index);
            match carried {
                Carried::AsStored => self.reference(key, location, chunk)?,
                Carried::Cut(size) => self.reference(key, location, Chunk { size, ..chunk })?,
                Carried::Anew(rows) => {
                    let lost = || Error::new(Code::Internal, "a chunk was not encoded anew");
                    let encoded = targets.seams.of(array, run, chunk, rows).ok_or_else(lost)?;
                    if let Some(bytes) = targets.seams.held(encoded) {
                        self.bytes(key, bytes)?;
                    } else {
                        let location = targets.seam_file.ok_or_else(no_location)?;
                        self.reference(key, location, *encoded)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A reference to `chunk` of the file at `location`; both texts are quoted already.
    fn reference(&mut self, key: &str, location: &str, chunk: Chunk) -> Written<()> {
        self.separate()?;
        write!(self.out, "{key}:[{location},{},{}]", chunk.offset, chunk.size)?;
        Ok(())
    }

    /// Chunks that were never written are left out, and readers show the fill value for them; but
    /// V2 readers know no other than `_FillValue`. Where that is absent or another value, each
    /// missing chunk is kept in the manifest, full of the value.
    fn constant_chunks(
        &mut self,
        array: &VirtualArray,
        documents: &Documents,
        runs: &[Run],
        grid: &[u64],
        prefix: &str,
    ) -> Written<()> {
        let expected = product(grid)
            .ok_or_else(|| Error::new(Code::TooLarge, "the array has more than 2^64 chunks"))?;
        let present: u64 = runs.iter().map(|run| run.chunks.len() as u64).sum();
        let missing = expected.saturating_sub(present);
        let Fill::Value(fill) = &array.fill else {
            return Ok(());
        };
        let is_text = matches!(array.dtype, DataType::Text(_) | DataType::String);
        let cf_fill = array.attributes.get("_FillValue").filter(|_| !is_text);
        let cf_fill = cf_fill.and_then(|value| attributes::element_bytes(value, array.dtype));
        if missing == 0 || cf_fill.as_deref() == Some(fill) {
            return Ok(());
        }
        let chunk = constant_chunk(fill, documents)?;
        if missing.saturating_mul(chunk.len() as u64) > MOST_CONSTANT_BYTES {
            return Err(Error::new(
                Code::TooLarge,
                format!("{missing} chunks were never written and `_FillValue` does not say so"),
            )
            .with_hint("write the chunks, or give the variable its fill value as `_FillValue`")
            .into());
        }
        let mut present = runs
            .iter()
            .flat_map(|run| run.chunks.iter().map(|chunk| run.first + chunk.index))
            .peekable();
        let mut key = ChunkKey::new(prefix, grid);
        for index in 0..expected {
            if present.next_if_eq(&index).is_none() {
                self.bytes(key.of(index), &chunk)?;
            }
        }
        Ok(())
    }

    /// An entry whose value is the text `value`.
    fn text(&mut self, key: &str, value: &str) -> Written<()> {
        self.separate()?;
        self.raw(&format!("{}:{}", quoted(key), quoted(value)))
    }

    /// An entry whose value is `bytes`; `key` is quoted already.
    fn bytes(&mut self, key: &str, bytes: &[u8]) -> Written<()> {
        self.separate()?;
        self.raw(&format!("{key}:\"base64:{}\"", encode::base64(bytes)))
    }

    /// The end of the manifest; a line for each source.
    fn sources(&mut self, sources: &[SourceEntry]) -> Written<()> {
        self.raw(SOURCES)?;
        self.is_first = true;
        for source in sources {
            self.separate()?;
            serde_json::to_writer(&mut *self.out, source).map_err(std::io::Error::from)?;
        }
        self.raw("\n]}\n")
    }

    fn separate(&mut self) -> Written<()> {
        let separator = if self.is_first { "\n" } else { ",\n" };
        self.is_first = false;
        self.raw(separator)
    }

    fn raw(&mut self, text: &str) -> Written<()> {
        Ok(self.out.write_all(text.as_bytes())?)
    }
}

/// An encoded chunk full of `fill`.
fn constant_chunk(fill: &[u8], documents: &Documents) -> Result<Vec<u8>> {
    let too_large = || Error::new(Code::TooLarge, "a chunk that was never written is too large");
    let elements = product(&documents.chunk_shape).ok_or_else(too_large)?;
    let bytes = elements.checked_mul(fill.len() as u64).ok_or_else(too_large)?;
    if bytes > 64 * MOST_CONSTANT_BYTES {
        return Err(too_large());
    }
    let elements = usize::try_from(elements).map_err(|_| too_large())?;
    encode::encode(fill.repeat(elements), &documents.codecs)
}

/// Quoted keys of chunks, `"tas/0.0.0"`; the key of a single element is `"height/0"`.
struct ChunkKey<'a> {
    prefix: &'a str,
    grid: &'a [u64],
    key: String,
}

impl<'a> ChunkKey<'a> {
    fn new(prefix: &'a str, grid: &'a [u64]) -> Self {
        Self { prefix, grid, key: String::new() }
    }

    /// The key of the chunk with the row-major number `index`.
    fn of(&mut self, index: u64) -> &str {
        self.key.clear();
        self.key.push_str(self.prefix);
        self.push_places(self.grid.len(), index);
        if self.grid.is_empty() {
            self.key.push('0');
        }
        self.key.push('"');
        &self.key
    }

    /// Appends the places along the first `rank` dimensions.
    fn push_places(&mut self, rank: usize, index: u64) {
        let Some(&length) = rank.checked_sub(1).and_then(|last| self.grid.get(last)) else {
            return;
        };
        let length = length.max(1);
        if rank > 1 {
            self.push_places(rank - 1, index / length);
            self.key.push('.');
            push_number(&mut self.key, index % length);
        } else {
            push_number(&mut self.key, index);
        }
    }
}

fn push_number(text: &mut String, number: u64) {
    use std::fmt::Write as _;
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{number}");
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_row_major() {
        let mut key = ChunkKey::new("\"tas/", &[2, 3, 4]);
        assert_eq!(key.of(0), "\"tas/0.0.0\"");
        assert_eq!(key.of(23), "\"tas/1.2.3\"");
        assert_eq!(ChunkKey::new("\"height/", &[]).of(0), "\"height/0\"");
    }
}
