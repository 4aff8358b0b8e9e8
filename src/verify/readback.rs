//! The store as `zarrs` reads it: the Zarr V3 metadata of the manifest over a storage that follows
//! its references.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use zarrs::array::{Array, ArrayBytes, ArraySubset, CodecOptions};
use zarrs::config::MetadataRetrieveVersion;
use zarrs::storage::byte_range::{ByteRangeIterator, InvalidByteRangeError};
use zarrs::storage::{MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

use crate::model::array::{Values, product};
use crate::model::dtype::{ByteOrder, DataType};

use super::cells::{self, Cells};
use super::fletcher32;
use super::references::{Reference, References, inlined};
use super::sources::Sources;

/// An array without a single byte range is read in one go up to this many bytes.
const MOST_INLINED: u64 = 256 * 1024 * 1024;

/// What `zarrs` reads from.
#[derive(Debug)]
pub struct Storage {
    /// Names of the arrays whose chunks end with a fletcher32 checksum.
    checksummed: HashSet<String>,
    /// The keys of the store.
    pub references: References,
    /// The files behind them.
    pub sources: Sources,
}

impl Storage {
    /// The keys `references` over `sources`.
    pub fn new(references: References, sources: Sources) -> Self {
        let names = references.iter().filter_map(|(key, _)| key.strip_suffix("/zarr.json"));
        let is_checksummed = |name: &&str| {
            let document = references.document(&format!("{name}/zarr.json"));
            let codecs = document.ok().flatten().map(|document| document["codecs"].clone());
            let last = codecs.as_ref().and_then(Value::as_array).and_then(|codecs| codecs.last());
            last.is_some_and(|last| last["name"] == "numcodecs.fletcher32")
        };
        let checksummed = names.filter(is_checksummed).map(str::to_owned).collect();
        Self { checksummed, references, sources }
    }

    /// The value of `key`, unless it ends with a checksum that does not fit.
    fn checked(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let value = self.value(key)?;
        let is_chunk = |(name, rest): (&str, &str)| {
            self.checksummed.contains(name) && rest != "zarr.json" && !rest.starts_with(".z")
        };
        match &value {
            Some(chunk)
                if key.split_once('/').is_some_and(is_chunk) && !fletcher32::is_valid(chunk) =>
            {
                Err("the checksum is invalid".to_owned())
            }
            _ => Ok(value),
        }
    }

    /// The value of `key`, as it is stored.
    pub fn value(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        match self.references.get(key) {
            None => Ok(None),
            Some(Reference::Inline(_)) if key.ends_with("zarr.json") => {
                let document = self.references.document(key)?;
                Ok(document.map(|document| with_raw_text(document).to_string().into_bytes()))
            }
            Some(Reference::Inline(text)) => inlined(text).map(Some),
            Some(&Reference::Range { location, offset, length }) => {
                self.sources.read(location, Some((offset, length))).map(Some)
            }
            Some(&Reference::Whole { location }) => self.sources.read(location, None).map(Some),
        }
    }
}

/// `zarrs` has no `null_terminated_bytes`, text of a fixed length; as raw bits of this length it
/// returns the same bytes.
fn with_raw_text(mut document: Value) -> Value {
    if let Some(length) = text_length(&document["data_type"]) {
        document["data_type"] = json!(format!("r{}", length.saturating_mul(8)));
        let fill = document["fill_value"]
            .as_str()
            .and_then(|fill| inlined(&format!("base64:{fill}")).ok());
        let mut fill = fill.unwrap_or_default();
        fill.resize(usize::try_from(length).unwrap_or(0), 0);
        document["fill_value"] = json!(fill);
    }
    document
}

fn text_length(data_type: &Value) -> Option<u64> {
    let is_text = data_type["name"] == "null_terminated_bytes";
    data_type["configuration"]["length_bytes"].as_u64().filter(|_| is_text)
}

impl ReadableStorageTraits for Storage {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(value) = self.checked(key.as_str()).map_err(StorageError::Other)? else {
            return Ok(None);
        };
        let value = Bytes::from(value);
        let size = value.len() as u64;
        Ok(Some(Box::new(byte_ranges.map(move |range| {
            let invalid = || InvalidByteRangeError::new(range, size).into();
            if range.start(size) > range.end(size) || range.end(size) > size {
                return Err(invalid());
            }
            Ok(value.slice(range.to_range_usize(size)))
        }))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        let value = self.checked(key.as_str()).map_err(StorageError::Other)?;
        Ok(value.map(|value| value.len() as u64))
    }

    fn supports_get_partial(&self) -> bool {
        false
    }
}

/// One array of the store.
pub struct StoredArray {
    array: Array<Storage>,
    options: CodecOptions,
    /// The netCDF type of its elements, in the order of this machine; none for other types.
    pub dtype: Option<DataType>,
    /// Whether it is in the manifest itself, with no byte range.
    pub is_inlined: bool,
}

impl StoredArray {
    /// Opens the array `name`; `byte_ranges` is how many of its chunks are byte ranges.
    pub fn open(storage: &Arc<Storage>, name: &str, byte_ranges: u64) -> Result<Self, String> {
        let document = storage.references.document(&format!("{name}/zarr.json"))?;
        let dtype = document.and_then(|document| data_type(&document["data_type"]));
        let version = MetadataRetrieveVersion::V3;
        let array = Array::open_opt(Arc::clone(storage), &format!("/{name}"), &version)
            .map_err(|error| error.to_string())?;
        // Single bytes of an odd number meet the same defect of `zarrs` as the end of a chunk does;
        // libnetcdf checks these.
        let is_checked_elsewhere =
            storage.checksummed.contains(name) || dtype.and_then(DataType::size) == Some(1);
        let options = CodecOptions::default().with_validate_checksums(!is_checked_elsewhere);
        let size = dtype.and_then(DataType::size).unwrap_or(16);
        let bytes = product(array.shape()).and_then(|cells| cells.checked_mul(size));
        let is_small = bytes.is_some_and(|bytes| bytes <= MOST_INLINED);
        Ok(Self { array, options, dtype, is_inlined: byte_ranges == 0 && is_small })
    }

    /// Length along each dimension.
    pub fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    /// Number of chunks along each dimension.
    pub fn grid(&self) -> &[u64] {
        self.array.chunk_grid_shape()
    }

    /// What missing chunks hold, in the byte order of this machine.
    pub fn fill(&self) -> &[u8] {
        self.array.fill_value().as_ne_bytes()
    }

    /// Names of the dimensions, slowest first.
    pub fn dimensions(&self) -> Option<Vec<&str>> {
        let names = self.array.dimension_names().as_ref()?;
        names.iter().map(|name| name.as_deref()).collect()
    }

    /// The key of the chunk at this place of the grid.
    pub fn key(&self, chunk: &[u64]) -> String {
        self.array.chunk_key(chunk).to_string()
    }

    /// The cells of the chunk at this place of the grid; what lies outside the array is left out.
    /// There are none in a place outside the grid, which no caller has.
    pub fn cells(&self, chunk: &[u64]) -> Cells {
        let cells = self.array.chunk_subset_bounded(chunk).map(|subset| subset.to_ranges());
        cells.unwrap_or_else(|_| self.shape().iter().map(|_| 0..0).collect())
    }

    /// The chunks that hold these cells, as a box of the grid.
    pub fn chunks_of(&self, cells: &Cells) -> Option<Cells> {
        let subset = ArraySubset::new_with_ranges(cells);
        Some(self.array.chunks_in_array_subset(&subset).ok()??.to_ranges())
    }

    /// The values of these cells.
    pub fn read(&self, cells: &Cells) -> Result<Values, String> {
        let subset = ArraySubset::new_with_ranges(cells);
        let read = self.array.retrieve_array_subset_opt::<ArrayBytes>(&subset, &self.options);
        let read = read.map_err(|error| error.to_string())?;
        match read {
            ArrayBytes::Fixed(bytes) => Ok(Values::Bytes(bytes.into_owned())),
            ArrayBytes::Variable(texts) => strings(texts.bytes(), texts.offsets()),
            ArrayBytes::Optional(_) => Err("an array with missing elements".to_owned()),
        }
    }

    /// The values of all cells.
    pub fn read_all(&self) -> Result<Values, String> {
        self.read(&cells::all(self.shape()))
    }
}

fn strings(bytes: &[u8], offsets: &[usize]) -> Result<Values, String> {
    let text = |pair: &[usize]| {
        let bytes = bytes.get(pair[0]..pair[1]).unwrap_or_default().to_vec();
        String::from_utf8(bytes).map_err(|error| error.to_string())
    };
    offsets.windows(2).map(text).collect::<Result<_, _>>().map(Values::Strings)
}

/// The type that the metadata of an array name.
fn data_type(data_type: &Value) -> Option<DataType> {
    const ORDER: ByteOrder = ByteOrder::Little;
    if let Some(length) = text_length(data_type) {
        return u32::try_from(length).ok().map(DataType::Text);
    }
    Some(match data_type.as_str()? {
        "int8" => DataType::Int(1, ORDER),
        "int16" => DataType::Int(2, ORDER),
        "int32" => DataType::Int(4, ORDER),
        "int64" => DataType::Int(8, ORDER),
        "uint8" => DataType::UInt(1, ORDER),
        "uint16" => DataType::UInt(2, ORDER),
        "uint32" => DataType::UInt(4, ORDER),
        "uint64" => DataType::UInt(8, ORDER),
        "float32" => DataType::Float(4, ORDER),
        "float64" => DataType::Float(8, ORDER),
        "string" => DataType::String,
        _ => return None,
    })
}
