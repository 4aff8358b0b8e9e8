//! The manifest: a reference file in kerchunk's JSON format, version 1, that is a Zarr V3 and a
//! Zarr V2 hierarchy at once, or Zarr V3 alone where V2 has no grid for it or nobody wants it.
//!
//! ```json
//! {"version":1,"refs":{
//!   ".zgroup":"{...}", ".zattrs":"{...}", "zarr.json":"{...}",
//!   "tas/.zarray":"{...}", "tas/.zattrs":"{...}", "tas/zarr.json":"{...}",
//!   "tas/0.0.0":["https://node/a.nc",22585,1184], "time/0":"base64:AAAA"
//! },"sources":{"https://node/a.nc":{"size":251449,"steps":1200,"tracking_id":"hdl:..."}}}
//! ```
//!
//! `sources` is ours, after all that readers look for: the files, with what tells whether they are still
//! those that the store was made of. It has the form that GDAL passes over: objects within an object.
//!
//! Format: <https://fsspec.github.io/kerchunk/spec.html>. Metadata are texts within the text, as
//! that specification has it. The same dataset gives the same bytes.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use crate::model::error::{Code, Error};
use crate::model::virtual_dataset::{Body, Run, VirtualArray, VirtualDataset};

use super::attributes::Members;
use super::references::{self, Layout, Target};
use super::seal::{Failure, Written};
use super::seams::Seams;
use super::{encode, zarr_v2, zarr_v3};

/// Most bytes spent on chunks that no format can leave out, see [`Manifest::constant_chunks`].
const MOST_CONSTANT_BYTES: u64 = 16 * 1024 * 1024;

/// What such a chunk takes at least, with its key.
const LEAST_CONSTANT_BYTES: u64 = 32;

/// What a manifest begins with.
const BEGIN: &str = "{\"version\":1,\"refs\":{";

/// What stands between references and sources.
pub(super) const SOURCES: &str = "\n},\"sources\":{";

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
    #[serde(skip)]
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

/// Writes the manifest of `dataset`, made of `sources`, to `out`. One with seams is Zarr V3 alone; where
/// `v3_only`, every one is, with the chunk keys that V3 has by default, which are all that some readers know.
pub fn write(
    dataset: &VirtualDataset,
    locations: Locations,
    sources: &[SourceEntry],
    v3_only: bool,
    out: &mut dyn Write,
) -> Written<()> {
    let (zarr, keys) = match (v3_only, dataset.is_regular()) {
        (true, _) => (Zarr::V3Only, zarr_v3::Keys::Default),
        (false, true) => (Zarr::Both, zarr_v3::Keys::V2),
        (false, false) => (Zarr::V3, zarr_v3::Keys::V2),
    };
    let layouts: Vec<Layout> = dataset.arrays.iter().map(Layout::of).collect();
    let documents = dataset.arrays.iter().zip(&layouts);
    let documents: Vec<zarr_v3::Array> = documents
        .map(|(array, layout)| zarr_v3::array(array, &layout.chunk_shape, &layout.codecs, keys))
        .collect();
    let mut manifest = Manifest { out, zarr, is_first: true };
    manifest.raw(BEGIN)?;
    if zarr == Zarr::Both {
        manifest.document(".zgroup", &zarr_v2::group())?;
        manifest.document(".zattrs", &Members::of(&dataset.attributes))?;
    }
    manifest.document("zarr.json", &zarr_v3::group(&dataset.attributes, Some(&documents)))?;
    // Quoting each location once is enough.
    let files = locations.files.iter().map(|location| quoted(location));
    let files = files.collect::<Written<Vec<String>>>()?;
    let seam_file = locations.seam_file.map(quoted).transpose()?;
    let quoted =
        Locations { files: &files, seams: locations.seams, seam_file: seam_file.as_deref() };
    for ((array, layout), document) in dataset.arrays.iter().zip(&layouts).zip(&documents) {
        manifest.array(array, (layout, document), quoted).map_err(|failure| match failure {
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
    begins && from.split(b'\n').map_while(io::Result::ok).any(|line| is_sources(&line))
}

/// Which formats of Zarr a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zarr {
    /// Both, with the chunk keys of V2.
    Both,
    /// V3 with the chunk keys of V2.
    V3,
    /// V3 with its own chunk keys.
    V3Only,
}

struct Manifest<'a> {
    out: &'a mut dyn Write,
    zarr: Zarr,
    is_first: bool,
}

impl Manifest<'_> {
    /// With its metadata document of V3; `locations` are quoted already.
    fn array(
        &mut self,
        array: &VirtualArray,
        (layout, document): (&Layout, &zarr_v3::Array),
        locations: Locations,
    ) -> Written<()> {
        zarr_v3::check_text_fill(array)?;
        let key = |name: &str| format!("{}/{name}", array.name);
        if self.zarr == Zarr::Both {
            let v2 = zarr_v2::array(array, &layout.chunk_shape, &layout.codecs);
            self.document(&key(".zarray"), &v2)?;
            self.document(&key(".zattrs"), &zarr_v2::array_attributes(array))?;
        }
        self.document(&key("zarr.json"), document)?;
        let grid = array.grid();
        // All keys of chunks start alike; quoting that part once is enough.
        let quoted_key = quoted(&key(""))?;
        let prefix = quoted_key.strip_suffix('"').unwrap_or(&quoted_key);
        let mut key = ChunkKey::new(prefix, &grid, self.zarr == Zarr::V3Only);
        match &array.body {
            Body::Inline(values) => {
                if array.shape.contains(&0) {
                    return Ok(());
                }
                let chunk = encode::inline_chunk(values, &layout.codecs)?;
                self.bytes(key.of(0), &chunk)
            }
            Body::Virtual { runs, .. } => {
                for target in references::targets(array, locations) {
                    let (index, target) = target?;
                    self.target(key.of(index), &target)?;
                }
                if self.zarr == Zarr::Both {
                    self.constant_chunks(array, layout, runs, &mut key)?;
                }
                Ok(())
            }
        }
    }

    /// What stands for a chunk; `key` and locations are quoted already.
    fn target(&mut self, key: &str, target: &Target) -> Written<()> {
        match target {
            Target::Held(bytes) => self.bytes(key, bytes),
            Target::Range { location, offset, size } => {
                self.separate()?;
                let (mut of_offset, mut of_size) = (itoa::Buffer::new(), itoa::Buffer::new());
                for part in [
                    key,
                    ":[",
                    location,
                    ",",
                    of_offset.format(*offset),
                    ",",
                    of_size.format(*size),
                    "]",
                ] {
                    self.raw(part)?;
                }
                Ok(())
            }
        }
    }

    /// Chunks that were never written are left out, and readers show the fill value for them; but
    /// V2 readers know no other than `_FillValue`. Where that is absent or another value, each
    /// missing chunk is kept in the manifest, full of the value.
    fn constant_chunks(
        &mut self,
        array: &VirtualArray,
        layout: &Layout,
        runs: &[Run],
        key: &mut ChunkKey,
    ) -> Written<()> {
        let expected = references::count(array)?;
        let present: u64 = runs.iter().map(|run| run.chunks.len() as u64).sum();
        let missing = expected.saturating_sub(present);
        let Some(fill) = references::fill_unknown_to_v2(array).filter(|_| missing > 0) else {
            return Ok(());
        };
        let chunk = layout.constant_chunk(fill)?;
        let each = LEAST_CONSTANT_BYTES.max(chunk.len() as u64);
        if missing.saturating_mul(each) > MOST_CONSTANT_BYTES {
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
        for index in 0..expected {
            if present.next_if_eq(&index).is_none() {
                self.bytes(key.of(index), &chunk)?;
            }
        }
        Ok(())
    }

    /// An entry whose value is the text of a document.
    fn document(&mut self, key: &str, document: &impl Serialize) -> Written<()> {
        self.separate()?;
        self.json(key)?;
        self.raw(":")?;
        self.json(&serde_json::to_string(document).map_err(io::Error::from)?)
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Written<()> {
        Ok(serde_json::to_writer(&mut *self.out, value).map_err(io::Error::from)?)
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
            self.json(source.url)?;
            self.raw(":")?;
            self.json(source)?;
        }
        self.raw("\n}}\n")
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

/// Quoted keys of chunks, `"tas/0.0.0"` or, by default in Zarr V3, `"tas/c/0/0/0"`; the key of a single
/// element is `"height/0"` or `"height/c"`.
struct ChunkKey<'a> {
    prefix: &'a str,
    grid: &'a [u64],
    is_of_v3: bool,
    key: String,
}

impl<'a> ChunkKey<'a> {
    fn new(prefix: &'a str, grid: &'a [u64], is_of_v3: bool) -> Self {
        Self { prefix, grid, is_of_v3, key: String::new() }
    }

    /// The key of the chunk with the row-major number `index`.
    fn of(&mut self, index: u64) -> &str {
        self.key.clear();
        self.key.push_str(self.prefix);
        match (self.is_of_v3, self.grid.is_empty()) {
            (true, true) => self.key.push('c'),
            (true, false) => self.key.push_str("c/"),
            (false, true) => self.key.push('0'),
            (false, false) => {}
        }
        self.push_places(self.grid.len(), index);
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
            self.key.push(if self.is_of_v3 { '/' } else { '.' });
            push_number(&mut self.key, index % length);
        } else {
            push_number(&mut self.key, index);
        }
    }
}

fn push_number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// `text` as a JSON string.
fn quoted(text: &str) -> Written<String> {
    Ok(serde_json::to_string(text).map_err(io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_row_major() {
        let mut key = ChunkKey::new("\"tas/", &[2, 3, 4], false);
        assert_eq!(key.of(0), "\"tas/0.0.0\"");
        assert_eq!(key.of(23), "\"tas/1.2.3\"");
        assert_eq!(ChunkKey::new("\"height/", &[], false).of(0), "\"height/0\"");
        assert_eq!(ChunkKey::new("\"tas/", &[2, 3, 4], true).of(23), "\"tas/c/1/2/3\"");
        assert_eq!(ChunkKey::new("\"height/", &[], true).of(0), "\"height/c\"");
    }
}
