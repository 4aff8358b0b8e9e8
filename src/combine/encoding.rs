//! How files encode the chunks of a variable, and how an array of them all does.

use crate::index::filter;
use crate::model::array::{Storage, Variable, product};
use crate::model::codec::{Blosc, Codec, Filter};
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::Stored;

use super::agree::differ;

/// Level of compression where nothing tells one.
const LEVEL: u32 = 4;

/// How the chunks of an array are encoded.
#[derive(Debug)]
pub struct Encoding<'a> {
    /// The codecs in the order of encoding.
    pub codecs: Vec<Codec>,
    /// A variable with the type of the elements.
    pub like: &'a Variable,
}

impl<'a> Encoding<'a> {
    /// The encoding that most of the stored bytes of `of_files` have, a variable in one or more
    /// files. Where Zarr has codecs for none, it is one that every reader knows.
    pub fn common(of_files: &'a [Variable]) -> Result<Self> {
        let mut known: Vec<(Self, u64)> = Vec::new();
        let mut unknown = None;
        for variable in of_files {
            match codecs(variable) {
                Err(error) => unknown = unknown.or(Some((variable, error))),
                Ok(codecs) => {
                    let bytes = stored_bytes(variable);
                    let like = known.iter_mut().find(|(known, _)| known.has(variable, &codecs));
                    match like {
                        Some((_, sum)) => *sum += bytes,
                        None => known.push((Self { codecs, like: variable }, bytes)),
                    }
                }
            }
        }
        // Of several with the same bytes the first.
        let most = known.into_iter().rev().max_by_key(|(_, bytes)| *bytes);
        match (most, unknown) {
            (Some((most, _)), _) => Ok(most),
            (None, Some((like, error))) if filter::check(&like.filters, like.dtype).is_err() => {
                Err(error)
            }
            (None, Some((like, _))) => Ok(Self { codecs: plain(like), like }),
            (None, None) => Err(Error::unsupported("a variable without files")),
        }
    }

    /// How the file of `variable` stores its chunks; an error if they cannot be decoded.
    pub fn stored(&self, variable: &Variable) -> Result<Stored> {
        let filters = variable.filters.clone();
        let codecs = match codecs(variable) {
            Ok(codecs) if self.has(variable, &codecs) => return Ok(Stored::AsArray(filters)),
            codecs => codecs,
        };
        let decodable = filter::check(&variable.filters, variable.dtype);
        decodable.map_err(|error| codecs.err().unwrap_or(error))?;
        Ok(Stored::Otherwise { dtype: variable.dtype, filters })
    }

    /// Whether the file of `variable` stores its chunks in another way.
    pub fn differs_in(&self, variable: &Variable) -> Result<bool> {
        Ok(matches!(self.stored(variable)?, Stored::Otherwise { .. }))
    }

    fn has(&self, variable: &Variable, codecs: &[Codec]) -> bool {
        self.like.dtype == variable.dtype && decode_alike(&self.codecs, codecs)
    }
}

/// Bytes of the chunks of `variable` in its file.
pub fn stored_bytes(variable: &Variable) -> u64 {
    match &variable.storage {
        Storage::Chunked { chunks, .. } => chunks.stored_bytes(),
        Storage::Contiguous(piece) => piece.map_or(0, |(_, size)| size),
        Storage::Compact(bytes) => bytes.len() as u64,
    }
}

/// Codecs for `variable` that every reader knows.
fn plain(variable: &Variable) -> Vec<Codec> {
    let size = variable.dtype.size().and_then(|size| u32::try_from(size).ok()).unwrap_or(1);
    let shuffle = (size > 1).then_some(Codec::Shuffle(size));
    shuffle.into_iter().chain([Codec::Zlib(LEVEL)]).collect()
}

/// The Zarr codecs that undo the filters of `variable`.
fn codecs(variable: &Variable) -> Result<Vec<Codec>> {
    if matches!(variable.storage, Storage::Compact(_) | Storage::Contiguous(_)) {
        return Ok(Vec::new());
    }
    let element_size = variable.dtype.size().unwrap_or(1);
    let element_size = u32::try_from(element_size).unwrap_or(u32::MAX);
    let mut codecs = Vec::with_capacity(variable.filters.len());
    // Bytes of a chunk before the filter at hand, until one makes them depend on the data.
    let mut length = chunk_bytes(variable);
    for filter in &variable.filters {
        let parameter = filter.client_data.first().copied();
        let codec = match filter.id {
            Filter::DEFLATE => Codec::Zlib(parameter.unwrap_or(0)),
            // Some writers leave the size of the elements out.
            Filter::SHUFFLE => Codec::Shuffle(parameter.unwrap_or(element_size)),
            Filter::FLETCHER32 => Codec::Fletcher32,
            Filter::ZSTD => Codec::Zstd(parameter.unwrap_or(0).cast_signed()),
            Filter::BZIP2 => Codec::Bzip2(parameter.unwrap_or(9)),
            Filter::BLOSC => Codec::Blosc(
                Blosc::of_client_data(&filter.client_data)
                    .map_err(|error| error.with_hint(rewriting(variable)))?,
            ),
            _ if filter::is_nothing(filter, variable.dtype).is_ok_and(|nothing| nothing) => {
                continue;
            }
            _ => {
                let message = format!("the filter {filter} in a Zarr store");
                return Err(Error::unsupported(message).with_hint(rewriting(variable)));
            }
        };
        match (codec, length) {
            // HDF5 leaves the rest of such a division as it is, Zarr's shuffle refuses it: so it is
            // where the four bytes of a checksum come before elements of eight.
            (Codec::Shuffle(size), Some(bytes)) if size > 1 && bytes % u64::from(size) != 0 => {
                let message =
                    format!("shuffle of {bytes} bytes as elements of {size} in a Zarr store");
                return Err(Error::unsupported(message)
                    .with_hint("rewrite the file with `h5repack -f SHUF -f GZIP=1 -f FLET`"));
            }
            (Codec::Shuffle(_), _) => {}
            (Codec::Fletcher32, _) => length = length.and_then(|bytes| bytes.checked_add(4)),
            _ => length = None,
        }
        codecs.push(codec);
    }
    Ok(codecs)
}

/// Bytes of a chunk of `variable` before any filter.
fn chunk_bytes(variable: &Variable) -> Option<u64> {
    let Storage::Chunked { chunk_shape, .. } = &variable.storage else { return None };
    product(chunk_shape)?.checked_mul(variable.dtype.size()?)
}

/// How to give `variable` filters that every reader knows.
fn rewriting(variable: &Variable) -> String {
    /// Filters from this number on are no part of HDF5.
    const PLUGINS: u16 = 256;
    let name = &variable.name;
    let is_plugin = variable.filters.iter().any(|filter| filter.id >= PLUGINS);
    let with_plugin = if is_plugin { ", with the plugin of the filter at hand" } else { "" };
    format!(
        "rewrite the files with `h5repack -f {name}:SHUF -f {name}:GZIP=1 OLD.nc NEW.nc`{with_plugin}"
    )
}

/// Whether two files store chunks in the same way.
pub fn check_same(previous: &Variable, next: &Variable) -> Result<()> {
    if previous.dtype != next.dtype {
        return Err(differ(Code::DtypesDiffer, "data type", previous.dtype, next.dtype));
    }
    let same = match (codecs(previous), codecs(next)) {
        (Ok(previous), Ok(next)) => decode_alike(&previous, &next),
        (Err(_), Err(_)) => previous.filters == next.filters,
        _ => false,
    };
    if same {
        return Ok(());
    }
    let [previous, next] = [previous, next].map(|variable| shown(&variable.filters));
    Err(differ(Code::CodecsDiffer, "compression", previous, next))
}

/// The names of `filters`, in the order of writing.
pub fn shown(filters: &[Filter]) -> String {
    match filters {
        [] => "no filter".to_owned(),
        filters => filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn decode_alike(codecs: &[Codec], others: &[Codec]) -> bool {
    codecs.len() == others.len()
        && codecs.iter().zip(others).all(|(own, other)| own.decodes_like(*other))
}
