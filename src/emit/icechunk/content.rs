//! What a repository is to say: the metadata documents, and where each chunk is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::containers::{self, Container, Place};
use crate::emit::artefact::Sources;
use crate::emit::references::Layout;
use crate::emit::seal::hex;
use crate::emit::{encode, zarr_v3};
use crate::model::array::{Chunk, product};
use crate::model::error::{Code, Error, Result};
use crate::model::icechunk::Checksums;
use crate::model::virtual_dataset::{Body, Carried, VirtualArray, VirtualDataset};

/// Changes when the same dataset would give another repository.
const FORMAT: &[u8] = b"vzarr-publish icechunk 1";

/// Where the bytes of a chunk are.
#[derive(Debug)]
pub(super) enum Held<'a> {
    /// In a source file.
    File {
        /// Position of the file in the list of sources.
        file: usize,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        size: u64,
    },
    /// In the repository itself.
    Bytes(Cow<'a, [u8]>),
}

/// A dataset as a repository has it.
pub(super) struct Content<'a> {
    /// The `zarr.json` document of the group.
    pub(super) group: Vec<u8>,
    /// The arrays.
    pub(super) arrays: Vec<ArrayContent<'a>>,
    /// The containers that the files lie in, and those of earlier snapshots.
    pub(super) containers: Vec<Container>,
    sources: &'a Sources<'a>,
    /// Of the files that the dataset refers to.
    places: Vec<Option<Place>>,
    seam_file: Option<File>,
    checksums: Checksums,
}

/// An array as a repository has it.
pub(super) struct ArrayContent<'a> {
    /// What it is.
    pub(super) array: &'a VirtualArray,
    /// The `zarr.json` document.
    pub(super) document: Vec<u8>,
    /// Chunks along each dimension.
    pub(super) grid: Vec<u32>,
    layout: Layout,
}

/// Where readers find a file, and how they know it.
#[derive(Clone, Debug)]
pub(super) struct Reference<'a> {
    pub(super) container: &'a Container,
    pub(super) path: &'a str,
    /// It must not have changed after this second since 1970.
    pub(super) modified: Option<u32>,
}

impl<'a> Content<'a> {
    pub(super) fn new(
        dataset: &'a VirtualDataset,
        sources: &'a Sources<'a>,
        known: Vec<Container>,
        checksums: Checksums,
    ) -> Result<Self> {
        let arrays = dataset
            .arrays
            .iter()
            .map(|array| ArrayContent::new(array).map_err(|error| error.of_variable(&array.name)));
        let (places, containers) = places(&dataset.files(), sources, known)?;
        let open = |path: &Path| {
            File::open(path)
                .map_err(|error| Error::io(&error, "read the chunks encoded anew", path))
        };
        Ok(Self {
            // Without the metadata of arrays: a repository gives each at no request.
            group: json(&zarr_v3::group(&dataset.attributes, None))?,
            arrays: arrays.collect::<Result<_>>()?,
            containers,
            sources,
            places,
            seam_file: sources.seam_path.map(open).transpose()?,
            checksums,
        })
    }

    /// Where readers find the file at position `file` of the sources.
    pub(super) fn reference(&self, file: usize) -> Result<Reference<'_>> {
        let unknown = || Error::new(Code::Internal, "a file has no place");
        let place = self.places.get(file).and_then(Option::as_ref).ok_or_else(unknown)?;
        let modified = match self.checksums {
            Checksums::None => None,
            Checksums::LastModified => {
                let time = self.sources.modified.get(file).copied().ok_or_else(unknown)?;
                // Servers tell whole seconds, local files more: none of them is later than this.
                let second = time.div_euclid(1_000_000_000) + i64::from(time % 1_000_000_000 != 0);
                Some(u32::try_from(second).map_err(|_| {
                    Error::unsupported(
                        "a time of modification before 1970 or after 2106 as checksum",
                    )
                    .with_hint("use no checksums, or touch the file")
                })?)
            }
        };
        let container = self.containers.get(place.container).ok_or_else(unknown)?;
        Ok(Reference { container, path: &place.path, modified })
    }

    /// Hands over the chunks of the array at `position`, each with its row-major number.
    pub(super) fn chunks(
        &self,
        position: usize,
        each: &mut dyn FnMut(u64, Held) -> Result<()>,
    ) -> Result<()> {
        let Some(ArrayContent { array, layout, .. }) = self.arrays.get(position) else {
            return Err(Error::new(Code::Internal, "no such array"));
        };
        self.chunks_of(array, layout, each).map_err(|error| error.of_variable(&array.name))
    }

    fn chunks_of(
        &self,
        array: &VirtualArray,
        layout: &Layout,
        each: &mut dyn FnMut(u64, Held) -> Result<()>,
    ) -> Result<()> {
        if let Body::Inline(values) = &array.body {
            if array.shape.contains(&0) {
                return Ok(());
            }
            let chunk = encode::inline_chunk(values, &layout.codecs)?;
            return each(0, Held::Bytes(chunk.into()));
        }
        for (run, chunk, carried) in array.chunks() {
            let file = |size| Held::File { file: run.file, offset: chunk.offset, size };
            let held = match carried {
                Carried::AsStored => file(chunk.size),
                Carried::Cut(size) => file(size),
                Carried::Anew(rows) => {
                    let seams = self.sources.locations.seams;
                    let lost = || Error::new(Code::Internal, "a chunk was not encoded anew");
                    let encoded = seams.of(array, run, chunk, rows).ok_or_else(lost)?;
                    Held::Bytes(match seams.held(encoded) {
                        Some(bytes) => bytes.into(),
                        None => self.seam(*encoded)?.into(),
                    })
                }
            };
            each(run.first + chunk.index, held)?;
        }
        Ok(())
    }

    /// The bytes of a chunk in the file of seams.
    fn seam(&self, chunk: Chunk) -> Result<Vec<u8>> {
        let lost = || Error::new(Code::Internal, "the chunks encoded anew are in no file");
        let file = self.seam_file.as_ref().ok_or_else(lost)?;
        let mut bytes = vec![0; usize::try_from(chunk.size).map_err(|_| lost())?];
        file.read_exact_at(&mut bytes, chunk.offset).map_err(|error| {
            let path = self.sources.seam_path.unwrap_or(Path::new(""));
            Error::io(&error, "read the chunks encoded anew", path)
        })?;
        Ok(bytes)
    }

    /// Number of chunks that are byte ranges of source files.
    pub(super) fn reference_count(&self) -> u64 {
        let chunks = self.arrays.iter().flat_map(|content| content.array.chunks());
        chunks.filter(|(_, _, carried)| !matches!(carried, Carried::Anew(_))).count() as u64
    }

    /// SHA-256 of all this, in hexadecimal digits. Of containers only the names count: what their prefixes
    /// are, the configuration says.
    pub(super) fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new_with_prefix(FORMAT);
        put(&mut hash, &self.group);
        let used = self.places.iter().enumerate().filter(|(_, place)| place.is_some());
        for (file, _) in used {
            let Reference { container, path, modified } = self.reference(file)?;
            put(&mut hash, container.name.as_bytes());
            put(&mut hash, path.as_bytes());
            put(&mut hash, &modified.map_or([0; 4], u32::to_le_bytes));
            hash.update((file as u64).to_le_bytes());
        }
        for (position, content) in self.arrays.iter().enumerate() {
            put(&mut hash, content.array.name.as_bytes());
            put(&mut hash, &content.document);
            self.chunks(position, &mut |index, held| {
                hash.update(index.to_le_bytes());
                match held {
                    Held::File { file, offset, size } => {
                        for number in [1, file as u64, offset, size] {
                            hash.update(number.to_le_bytes());
                        }
                    }
                    Held::Bytes(bytes) => {
                        hash.update(0u64.to_le_bytes());
                        put(&mut hash, &bytes);
                    }
                }
                Ok(())
            })?;
        }
        Ok(hex(hash))
    }
}

/// Adds `bytes` so that none can be taken for others.
fn put(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

impl<'a> ArrayContent<'a> {
    fn new(array: &'a VirtualArray) -> Result<Self> {
        zarr_v3::check_text_fill(array)?;
        if array.name.contains('/') || matches!(array.name.as_str(), "" | "." | "..") {
            return Err(Error::unsupported("this name of a variable in Icechunk"));
        }
        let too_many = || Error::new(Code::TooLarge, "Icechunk counts chunks with 32 bits");
        let grid = array.grid().into_iter().map(u32::try_from);
        let grid = grid.collect::<std::result::Result<_, _>>().map_err(|_| too_many())?;
        let layout = Layout::of(array);
        // Icechunk knows no other keys of chunks.
        let document =
            zarr_v3::array(array, &layout.chunk_shape, &layout.codecs, zarr_v3::Keys::Default);
        let document = json(&document)?;
        Ok(Self { array, document, grid, layout })
    }

    /// The chunk with the row-major number `index` as Icechunk names it.
    pub(super) fn coordinates(&self, index: u64) -> Vec<u32> {
        let mut left = index;
        let mut coordinates: Vec<u32> = self
            .grid
            .iter()
            .rev()
            .map(|&length| {
                let length = u64::from(length.max(1));
                let place = left % length;
                left /= length;
                // Less than a length of 32 bits.
                u32::try_from(place).unwrap_or(u32::MAX)
            })
            .collect();
        coordinates.reverse();
        coordinates
    }

    /// How many chunks along each dimension go into one manifest of about `target` chunks, so that those of
    /// one manifest follow each other.
    pub(super) fn manifest_shape(&self, target: u32) -> Vec<u32> {
        let mut left = target;
        let mut shape: Vec<u32> = self
            .grid
            .iter()
            .rev()
            .map(|&length| {
                let taken = length.min(left).max(1);
                left = if taken < length { 1 } else { left / taken };
                taken
            })
            .collect();
        shape.reverse();
        shape
    }

    /// Chunks, be they there or not.
    pub(super) fn chunk_count(&self) -> u64 {
        let grid: Vec<u64> = self.grid.iter().copied().map(u64::from).collect();
        product(&grid).unwrap_or(u64::MAX)
    }
}

fn json(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|error| Error::new(Code::Internal, format!("metadata without JSON: {error}")))
}

/// Places of the files at positions `used`, and the containers.
fn places(
    used: &BTreeSet<usize>,
    sources: &Sources,
    known: Vec<Container>,
) -> Result<(Vec<Option<Place>>, Vec<Container>)> {
    let files = sources.locations.files;
    let no_location = || Error::new(Code::Internal, "a file has no URL");
    let locations = used.iter().map(|&file| files.get(file).map(String::as_str));
    let locations: Vec<&str> = locations.collect::<Option<_>>().ok_or_else(no_location)?;
    let (found, containers) = containers::place(&locations, known)?;
    let mut places = vec![None; files.len()];
    for (&file, place) in used.iter().zip(found) {
        places[file] = Some(place);
    }
    Ok((places, containers))
}
