//! A set of references in Parquet against the manifest, which was compared with the files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value, json};

use crate::model::array::{Values, product};
use crate::model::error::{Error, Result};

use super::digest::sha256;
use super::http::Client;
use super::readback::{Storage, StoredArray};
use super::references::{Reference, References, inlined};
use super::sources::Sources;
use super::store::{REBUILD, Store, Stored, unserved};
use super::{Written, cells, different, expected, not_verified};

const METADATA: &str = ".zmetadata";

/// Rows of one array that differ after which the rest of it is left alone.
const ENOUGH: usize = 3;

/// What of the set is not as in `store`; with `client`, also what its URLs do not serve.
pub fn compare(set: &Written, store: &Store, client: Option<&Client>) -> Vec<Error> {
    let mut found = Vec::new();
    if let Err(error) = (Comparison { set, store, found: &mut found }).all(client) {
        found.push(error);
    }
    found.into_iter().map(|finding| finding.in_file(set.target).with_hint(REBUILD)).collect()
}

struct Comparison<'a> {
    set: &'a Written<'a>,
    store: &'a Store,
    found: &'a mut Vec<Error>,
}

impl Comparison<'_> {
    fn all(&mut self, client: Option<&Client>) -> Result<()> {
        let unreadable = |error: std::io::Error| different(format!("it cannot be read: {error}"));
        let names = names(self.set.path).map_err(unreadable)?;
        self.digest(&names).map_err(unreadable)?;
        let content = fs::read(self.set.path.join(METADATA)).map_err(unreadable)?;
        let metadata: Value = serde_json::from_slice(&content)
            .map_err(|error| different(format!("`{METADATA}` is no JSON: {error}")))?;
        let record = metadata["record_size"].as_u64().filter(|record| *record > 0);
        let record = record.ok_or_else(|| different("`record_size` is no number of rows"))?;
        let documents = metadata["metadata"].as_object().cloned().unwrap_or_default();
        self.documents(&documents);
        let mut expected = BTreeSet::from([METADATA.to_owned()]);
        let store = self.store;
        for (name, stored) in &store.arrays {
            let Stored { opened: Ok(array), .. } = stored else { continue };
            let chunks = product(array.grid()).filter(|_| !array.shape().contains(&0));
            for number in 0..chunks.unwrap_or(0).div_ceil(record) {
                expected.insert(format!("{name}/refs.{number}.parq"));
            }
            self.array(name, array, chunks.unwrap_or(0), record)
                .unwrap_or_else(|error| self.found.push(error.of_variable(name.as_str())));
        }
        if let Some(other) = names.symmetric_difference(&expected).next() {
            let what = if names.contains(other) { "belongs to no array" } else { "is missing" };
            self.found.push(different(format!("`{}` {what}", other.escape_debug())));
        }
        if let Some((client, url)) = client.zip(self.set.url) {
            self.served(client, url, &names);
        }
        Ok(())
    }

    /// As the ledger has it: of what `sha256sum` prints.
    fn digest(&mut self, names: &BTreeSet<String>) -> std::io::Result<()> {
        let line = |name: &String| {
            let content = fs::read(self.set.path.join(name))?;
            Ok(format!("{}  {name}\n", sha256(&content)))
        };
        let lines: String = names.iter().map(line).collect::<std::io::Result<_>>()?;
        if sha256(lines.as_bytes()) != self.set.digest {
            let message = "it is not as it was written: its digest is another than in the ledger";
            self.found.push(different(message));
        }
        Ok(())
    }

    /// The metadata must be those of Zarr V2 in the manifest or, where that has none, tell of the same
    /// arrays.
    fn documents(&mut self, documents: &Map<String, Value>) {
        let store = self.store;
        let mut keys = vec![".zgroup".to_owned(), ".zattrs".to_owned()];
        for name in store.arrays.keys() {
            keys.extend([format!("{name}/.zarray"), format!("{name}/.zattrs")]);
        }
        if documents.len() != keys.len() {
            let message = format!("it has {} documents instead of {}", documents.len(), keys.len());
            self.found.push(different(message));
        }
        for key in keys {
            let Some(document) = documents.get(&key) else {
                self.found.push(different(format!("`{}` is missing", key.escape_debug())));
                continue;
            };
            let is_equal = if store.has_v2 {
                *document == store.document(&key)
            } else {
                tells_of_the_same(store, &key, document)
            };
            if !is_equal {
                let message = format!("`{}` is not as in the manifest", key.escape_debug());
                self.found.push(different(message));
            }
        }
    }

    /// What stands for the chunks of an array, in the order of its grid.
    fn array(&mut self, name: &str, array: &StoredArray, chunks: u64, record: u64) -> Result<()> {
        let grid = cells::all(array.grid());
        let mut constant: Option<(String, Vec<u8>)> = None;
        let mut wrong = 0;
        for number in 0..chunks.div_ceil(record) {
            let path = self.set.path.join(format!("{name}/refs.{number}.parq"));
            let rows = read(&path).map_err(|message| {
                different(format!("`refs.{number}.parq` cannot be read: {message}"))
            })?;
            let of_file = number * record..(number * record + record).min(chunks);
            if rows.len() as u64 != of_file.end - of_file.start {
                let message = format!("`refs.{number}.parq` has {} rows", rows.len());
                return Err(different(message));
            }
            for (index, found) in of_file.zip(rows) {
                let key = array.key(&cells::place(&grid, index));
                match (self.store.reference(&key), found) {
                    (None, Target::Held(bytes)) => match &constant {
                        Some((_, known)) if *known == bytes => continue,
                        None => {
                            constant = Some((key, bytes));
                            continue;
                        }
                        Some(_) => {}
                    },
                    (Some(reference), found) if self.is_same(reference, &found) => continue,
                    _ => {}
                }
                let message = format!("row {index} does not stand for what `{key}` does");
                self.found.push(different(message).of_variable(name));
                wrong += 1;
                if wrong == ENOUGH {
                    return Ok(());
                }
            }
        }
        if let Some((key, bytes)) = constant {
            self.constant(name, array, &key, &bytes)?;
        }
        Ok(())
    }

    fn is_same(&self, reference: &Reference, found: &Target) -> bool {
        match (reference, found) {
            (Reference::Inline(text), Target::Held(bytes)) => {
                inlined(text).is_ok_and(|text| text == *bytes)
            }
            (Reference::Range { location, offset, length }, Target::Range(path, from, size)) => {
                self.store.location(*location) == Some(path.as_str())
                    && (u64::try_from(*from), u64::try_from(*size)) == (Ok(*offset), Ok(*length))
            }
            _ => false,
        }
    }

    /// Chunks that the manifest leaves out must hold its fill value.
    fn constant(&self, name: &str, array: &StoredArray, key: &str, bytes: &[u8]) -> Result<()> {
        use base64::Engine;
        let encoded = base64::prelude::BASE64_STANDARD.encode(bytes);
        let document = format!("{name}/zarr.json");
        let entries = [
            (document.clone(), self.store.document(&document).to_string()),
            (key.to_owned(), format!("base64:{encoded}")),
        ];
        let alone = Arc::new(Storage::new(References::of(entries), Sources::default()));
        let decoded = StoredArray::open(&alone, name, 0).and_then(|alone| {
            let rest = key.strip_prefix(name).unwrap_or(key).trim_start_matches('/');
            let place = super::store::chunk_place(array, rest).ok_or("no chunk")?;
            alone.read(&array.cells(&place))
        });
        let fill = array.fill();
        let is_fill = |values: &Values| match values {
            Values::Bytes(bytes) => bytes.chunks(fill.len().max(1)).all(|cell| cell == fill),
            Values::Strings(_) => false,
        };
        match decoded {
            Ok(values) if is_fill(&values) => Ok(()),
            Ok(_) => {
                Err(different("chunks that were never written are not full of the fill value"))
            }
            Err(message) => Err(not_verified(format!(
                "the chunk for those that were never written cannot be decoded: {message}"
            ))),
        }
    }

    fn served(&mut self, client: &Client, url: &str, names: &BTreeSet<String>) {
        for name in names {
            let Ok(content) = fs::read(self.set.path.join(name)) else { continue };
            let url = format!("{url}/{name}");
            let message = match client.whole(&url, content.len() as u64) {
                Ok(served) if served == content => continue,
                Ok(_) => format!("{url} serves another file"),
                Err(message) => message,
            };
            let finding = unserved(message);
            self.found.push(if name == METADATA {
                // The other hint would win.
                different(finding.message()).with_hint(
                    "data nodes of ESGF serve nothing whose name begins with a dot: see docs/operators.md for \
                     the exception that kerchunk's readers need",
                )
            } else {
                finding
            });
        }
    }
}

/// Whether a document of Zarr V2 tells the same as those of V3 in the manifest.
fn tells_of_the_same(store: &Store, key: &str, document: &Value) -> bool {
    let Some((name, kind)) = key.split_once('/') else {
        return match key {
            ".zgroup" => document["zarr_format"] == 2,
            _ => *document == store.document("zarr.json")["attributes"],
        };
    };
    let v3 = store.document(&format!("{name}/zarr.json"));
    let fill = v3["attributes"].get("_FillValue");
    if kind == ".zarray" {
        let has_fill = !document["fill_value"].is_null();
        return expected::v2_structure(&v3) == Some(expected::structure(document))
            && has_fill == fill.is_some();
    }
    let mut attributes = v3["attributes"].as_object().cloned().unwrap_or_default();
    attributes.remove("_FillValue");
    attributes.insert("_ARRAY_DIMENSIONS".to_owned(), v3["dimension_names"].clone());
    *document == json!(attributes)
}

/// What one row stands for.
enum Target {
    Held(Vec<u8>),
    Range(String, i64, i64),
}

fn read(path: &Path) -> std::result::Result<Vec<Target>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let rows = reader.get_row_iter(None).map_err(|error| error.to_string())?;
    let target = |row: Row| {
        let (mut path, mut numbers, mut raw) = (None, [None; 2], None);
        for (name, field) in row.get_column_iter() {
            match (name.as_str(), field) {
                ("path", Field::Str(text)) => path = Some(text.clone()),
                ("offset", Field::Long(number)) => numbers[0] = Some(*number),
                ("size", Field::Long(number)) => numbers[1] = Some(*number),
                ("raw", Field::Bytes(bytes)) => raw = Some(bytes.data().to_vec()),
                ("raw", Field::Null) => {}
                _ => return Err(format!("the column `{}`", name.escape_debug())),
            }
        }
        match (raw, path, numbers) {
            (Some(raw), ..) => Ok(Target::Held(raw)),
            (None, Some(path), [Some(offset), Some(size)]) => Ok(Target::Range(path, offset, size)),
            _ => Err("a row stands for nothing".to_owned()),
        }
    };
    rows.map(|row| row.map_err(|error| error.to_string()).and_then(target)).collect()
}

/// Names of all files below `top`.
fn names(top: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut directories = vec![top.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(top).unwrap_or(&path);
                names.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}
