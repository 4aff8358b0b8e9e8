//! Manifests, read as a reader of Zarr does.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::ZlibDecoder;
use serde_json::{Map, Value};

/// A manifest whose references are local paths.
pub struct Manifest {
    pub refs: Map<String, Value>,
    /// The files it is made of.
    pub sources: Value,
}

impl Manifest {
    pub fn open(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["version"], 1);
        assert_eq!(manifest.as_object().unwrap().len(), 3);
        let refs = manifest["refs"].as_object().unwrap().clone();
        Self { refs, sources: manifest["sources"].clone() }
    }

    /// The metadata document at `key`, a text within the text.
    pub fn document(&self, key: &str) -> Value {
        let text = self.refs[key].as_str().unwrap_or_else(|| panic!("no document {key}"));
        serde_json::from_str(text).unwrap()
    }

    /// The names of the arrays, sorted.
    pub fn arrays(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.refs.keys().filter_map(|key| key.strip_suffix("/.zarray")).collect();
        names.sort_unstable();
        names
    }

    /// All values of an array, whose chunks are whole rows, or parts of one row each.
    pub fn values(&self, array: &str) -> Vec<f64> {
        let metadata = self.document(&format!("{array}/.zarray"));
        let [shape, chunks] = ["shape", "chunks"].map(|key| numbers(&metadata[key]));
        let whole = shape.iter().zip(&chunks).rev().take_while(|(length, chunk)| length == chunk);
        let above = shape.len().saturating_sub(whole.count() + 1);
        assert!(chunks[..above].iter().all(|chunk| *chunk == 1), "{array} has chunks {chunks:?}");
        let counts = shape.iter().zip(&chunks).map(|(length, chunk)| length.div_ceil(*chunk));
        let keys = counts.fold(vec![String::new()], |keys, count| {
            let longer = |key: String| {
                let point = if key.is_empty() { "" } else { "." };
                (0..count).map(move |place| format!("{key}{point}{place}"))
            };
            keys.into_iter().flat_map(longer).collect()
        });
        let decoded = |key: String| {
            let place = if key.is_empty() { "0" } else { &key };
            let bytes = self.chunk(&format!("{array}/{place}"));
            decode(&decompress(bytes, &metadata), metadata["dtype"].as_str().unwrap())
        };
        keys.into_iter().flat_map(decoded).collect()
    }

    /// The number of chunks that are byte ranges of files.
    pub fn references(&self, array: &str) -> usize {
        let prefix = format!("{array}/");
        self.refs.iter().filter(|(key, value)| key.starts_with(&prefix) && value.is_array()).count()
    }

    fn chunk(&self, key: &str) -> Vec<u8> {
        match &self.refs[key] {
            Value::String(text) => {
                BASE64_STANDARD.decode(text.strip_prefix("base64:").unwrap()).unwrap()
            }
            reference => {
                let (path, offset, size) =
                    serde_json::from_value::<(String, u64, usize)>(reference.clone()).unwrap();
                let mut bytes = vec![0; size];
                File::open(path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
                bytes
            }
        }
    }
}

pub fn numbers(list: &Value) -> Vec<u64> {
    serde_json::from_value(list.clone()).unwrap()
}

/// Undoes zlib and, below it, shuffle: all that a manifest applies to what it holds itself.
fn decompress(bytes: Vec<u8>, metadata: &Value) -> Vec<u8> {
    if metadata["compressor"].is_null() {
        assert_eq!(metadata["filters"], Value::Null);
        return bytes;
    }
    assert_eq!(metadata["compressor"]["id"], "zlib");
    assert_eq!(metadata["filters"][0]["id"], "shuffle");
    let mut shuffled = Vec::new();
    ZlibDecoder::new(&bytes[..]).read_to_end(&mut shuffled).unwrap();
    let count = shuffled.len() / 8;
    assert_eq!(metadata["filters"][0]["elementsize"], 8);
    (0..shuffled.len()).map(|at| shuffled[at % 8 * count + at / 8]).collect()
}

fn decode(bytes: &[u8], dtype: &str) -> Vec<f64> {
    match dtype {
        ">f4" => bytes.as_chunks().0.iter().map(|word| f32::from_be_bytes(*word).into()).collect(),
        "<f8" => bytes.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word)).collect(),
        _ => panic!("data of type {dtype} are not made here"),
    }
}
