//! A store that was opened: its manifest, its arrays, and what is wrong with them by themselves.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::model::array::product;
use crate::model::error::{Error, Result};

use super::digest::sha256;
use super::http::{Client, NO_ANSWER};
use super::readback::{Storage, StoredArray};
use super::references::{Reference, References};
use super::sampling::Sample;
use super::sources::{Sources, wrong_list};
use super::{Published, Scope, Written, different, expected, not_verified};

/// What to do about a store that is not as it was written.
pub const REBUILD: &str = "build it anew with `vzarr-publish scan --force`";

/// One manifest of a store and its arrays.
pub struct Store {
    storage: Arc<Storage>,
    /// The arrays by name.
    pub arrays: BTreeMap<String, Stored>,
    /// Whether it has metadata of Zarr V2, too.
    pub has_v2: bool,
}

/// An array of a store.
pub struct Stored {
    /// The array as `zarrs` opened it, or why it did not.
    pub opened: std::result::Result<StoredArray, String>,
    /// The random chunks of a sample.
    pub sample: Sample,
    /// Chunks without a reference.
    pub missing: u64,
}

impl Store {
    /// Opens the store that `manifest` describes; what is wrong with it goes to `findings`.
    pub fn open(
        (manifest, published): (&Written, &Published),
        scope: &Scope,
        findings: &mut Vec<Error>,
    ) -> Result<Self> {
        let client = scope.http.then(Client::new);
        let content = read_written(manifest, client.as_ref(), findings)?;
        let references = References::parse(&content).map_err(|message| {
            let message = format!("the manifest cannot be read: {message}");
            different(message).in_file(manifest.target).with_hint(REBUILD)
        })?;
        let is_local = |location: &String| !location.contains("://");
        if scope.http && references.locations.iter().any(is_local) {
            let message = "the store refers to local paths, which no server has";
            return Err(not_verified(message)
                .in_file(manifest.target)
                .with_hint("scan with `--data-root` or `--config`, or verify without `--http`"));
        }
        let (sources, unknown) =
            Sources::resolve(&references.locations, (manifest, published), client);
        let unknown =
            unknown.into_iter().chain(wrong_list(&references.listed, (manifest, published)));
        findings.extend(unknown.map(|finding| finding.in_file(manifest.target)));
        let storage = Arc::new(Storage::new(references, sources));
        let has_v2 = storage.references.iter().any(|(key, _)| is_v2_document(key));
        let mut store = Self { storage, arrays: BTreeMap::new(), has_v2 };
        let in_manifest = |finding: Error| finding.in_file(manifest.target).with_hint(REBUILD);
        store.open_arrays(scope);
        let wrong = store.wrong_keys().into_iter().chain(store.wrong_documents());
        findings.extend(wrong.map(in_manifest));
        Ok(store)
    }

    /// The metadata document at `key`; null where there is none that can be read.
    pub fn document(&self, key: &str) -> Value {
        self.storage.references.document(key).ok().flatten().unwrap_or_default()
    }

    /// What `key` refers to.
    #[cfg(any(feature = "parquet", feature = "icechunk"))]
    pub fn reference(&self, key: &str) -> Option<&Reference> {
        self.storage.references.get(key)
    }

    /// The value of `key`, as it is stored.
    #[cfg(feature = "icechunk")]
    pub fn value(&self, key: &str) -> std::result::Result<Option<Vec<u8>>, String> {
        self.storage.value(key)
    }

    /// The location of this number.
    #[cfg(any(feature = "parquet", feature = "icechunk"))]
    pub fn location(&self, number: usize) -> Option<&str> {
        self.storage.references.locations.get(number).map(String::as_str)
    }

    /// The files behind the references.
    pub fn sources(&self) -> &Sources {
        &self.storage.sources
    }

    /// All byte ranges: the key, the number of the location, the first byte and the length.
    pub fn ranges(&self) -> impl Iterator<Item = (&str, usize, u64, u64)> {
        self.storage.references.iter().filter_map(|(key, reference)| match *reference {
            Reference::Range { location, offset, length } => Some((key, location, offset, length)),
            _ => None,
        })
    }

    /// Where the value of `key` comes from, for people who look at `file`.
    pub fn origin(&self, key: &str, file: Option<&Path>) -> String {
        let path = |location| match self.sources().get(location) {
            Some(source) if Some(source.path.as_path()) == file => "the file".to_owned(),
            Some(source) => format!("`{}`", source.path.display()),
            None => "an unknown file".to_owned(),
        };
        match self.storage.references.get(key) {
            None => "not referred to, so fill values".to_owned(),
            Some(Reference::Inline(_)) => "in the manifest".to_owned(),
            Some(&Reference::Range { location, offset, length }) => {
                format!("{length} bytes of {} from byte {offset} on", path(location))
            }
            Some(&Reference::Whole { location }) => format!("all of {}", path(location)),
        }
    }

    fn open_arrays(&mut self, scope: &Scope) {
        let mut byte_ranges: HashMap<&str, u64> = HashMap::new();
        let mut names = Vec::new();
        for (key, reference) in self.storage.references.iter() {
            let Some((name, rest)) = key.split_once('/') else { continue };
            if rest == "zarr.json" {
                names.push(name.to_owned());
            }
            *byte_ranges.entry(name).or_default() +=
                u64::from(!matches!(reference, Reference::Inline(_)));
        }
        for name in names {
            let count = byte_ranges.get(name.as_str()).copied().unwrap_or(0);
            let opened = StoredArray::open(&self.storage, &name, count);
            let grid = opened.as_ref().map_or(&[0][..], StoredArray::grid);
            let sample = Sample::new(&name, grid, scope.sample, scope.seed);
            let missing = product(grid).unwrap_or(u64::MAX);
            self.arrays.insert(name, Stored { opened, sample, missing });
        }
    }

    /// Keys that no reader asks for; counts the chunks that are missing on the way.
    fn wrong_keys(&mut self) -> Vec<Error> {
        let mut wrong = Vec::new();
        for (key, _) in self.storage.references.iter() {
            let Some((name, rest)) = key.split_once('/') else {
                if ![".zgroup", ".zattrs", "zarr.json"].contains(&key) {
                    wrong.push(different(format!("`{}` belongs to no array", key.escape_debug())));
                }
                continue;
            };
            let is_document = [".zarray", ".zattrs", "zarr.json"].contains(&rest);
            match self.arrays.get_mut(name) {
                Some(_) if is_document => {}
                Some(Stored { opened: Err(_), .. }) => {}
                Some(Stored { opened: Ok(array), missing, .. }) if is_chunk(array, key, rest) => {
                    *missing = missing.saturating_sub(1);
                }
                _ => wrong.push(
                    different(format!("`{}` is no chunk of an array", key.escape_debug()))
                        .of_variable(name),
                ),
            }
        }
        wrong.sort_by_cached_key(ToString::to_string);
        wrong
    }

    /// Documents that contradict each other.
    fn wrong_documents(&self) -> Vec<Error> {
        let mut wrong = Vec::new();
        let root = self.document("zarr.json");
        if root["zarr_format"] != 3 || root["node_type"] != "group" {
            wrong.push(different("`zarr.json` does not describe a group"));
        }
        let consolidated = &root["consolidated_metadata"]["metadata"];
        let listed = consolidated.as_object().map_or(0, serde_json::Map::len);
        if listed != self.arrays.len() {
            let message = format!(
                "the consolidated metadata list {listed} arrays, the store has {}",
                self.arrays.len()
            );
            wrong.push(different(message));
        }
        for (name, stored) in &self.arrays {
            let v3 = self.document(&format!("{name}/zarr.json"));
            if consolidated[name] != v3 {
                let message = "the consolidated metadata differ from those of the array";
                wrong.push(different(message).of_variable(name));
            }
            let v2 = self.document(&format!("{name}/.zarray"));
            if self.has_v2 && expected::v2_structure(&v3) != Some(expected::structure(&v2)) {
                let message = "the Zarr V2 metadata describe another array than those of V3";
                wrong.push(different(message).of_variable(name));
            }
            // Readers of both formats must see the same where there is no chunk.
            if self.has_v2 && stored.missing > 0 && v2["fill_value"] != v3["fill_value"] {
                let message = format!(
                    "{} chunks have no reference, and Zarr V2 shows {} there, V3 {}",
                    stored.missing, v2["fill_value"], v3["fill_value"]
                );
                wrong.push(different(message).of_variable(name));
            }
        }
        if self.has_v2 && self.document(".zgroup")["zarr_format"] != 2 {
            wrong.push(different("`.zgroup` does not describe a group"));
        }
        let mut arrays = self.arrays.keys();
        // With the chunk keys of V3 it is meant to be V3 alone.
        let fits_v2 = |name: &String| {
            let v3 = self.document(&format!("{name}/zarr.json"));
            v3["chunk_key_encoding"]["name"] == "v2" && expected::v2_structure(&v3).is_some()
        };
        if !self.has_v2 && arrays.all(fits_v2) {
            wrong.push(different("the metadata of Zarr V2 are missing"));
        }
        wrong
    }
}

fn is_v2_document(key: &str) -> bool {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    [".zgroup", ".zarray", ".zattrs"].contains(&name)
}

/// What a server does not serve as it is on disk, or does not serve at the moment.
pub fn unserved(message: String) -> Error {
    if message.contains(NO_ANSWER) {
        return not_verified(message)
            .with_hint("check that the server runs, the way there, and whether it is trusted");
    }
    different(message).with_hint("check what the server has at this URL, and its caches")
}

fn is_chunk(array: &StoredArray, key: &str, rest: &str) -> bool {
    chunk_place(array, rest).is_some_and(|place| array.key(&place) == key)
}

/// The place in the grid of the chunk whose key, behind the name of the array, is `rest`.
pub fn chunk_place(array: &StoredArray, rest: &str) -> Option<Vec<u64>> {
    let grid = array.grid();
    if grid.is_empty() {
        return Some(Vec::new());
    }
    let numbers = rest.split(['.', '/']).filter(|part| *part != "c").map(str::parse);
    let place: Vec<u64> = numbers.collect::<std::result::Result<_, _>>().ok()?;
    let is_inside = place.len() == grid.len() && place.iter().zip(grid).all(|(at, end)| at < end);
    is_inside.then_some(place)
}

/// Reads a file of a store, from the disk and with `client` also from its URL; what is wrong with it
/// goes to `findings`.
pub fn read_written(
    written: &Written,
    client: Option<&Client>,
    findings: &mut Vec<Error>,
) -> Result<Vec<u8>> {
    let wrong = |message: &str| different(message).in_file(written.target).with_hint(REBUILD);
    let content = fs::read(written.path)
        .map_err(|error| wrong(&format!("this file of the store cannot be read: {error}")))?;
    if sha256(&content) != written.digest {
        findings
            .push(wrong("it is not as it was written: its SHA-256 is another than in the ledger"));
    }
    let Some((client, url)) = client.zip(written.url) else {
        return Ok(content);
    };
    let served = client.whole(url, content.len() as u64);
    let message = match served {
        Ok(served) if served == content => return Ok(content),
        Ok(_) => format!("{url} serves another file"),
        Err(message) => message,
    };
    findings.push(unserved(message).in_file(written.target));
    Ok(content)
}
