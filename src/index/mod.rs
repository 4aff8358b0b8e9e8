//! The bytes of one file become a [`FileIndex`]: its dimensions, attributes, variables and the
//! place of every chunk, without reading bulk data.

pub mod decode;
pub mod filter;
pub mod hdf5;
pub mod netcdf3;
pub mod netcdf4;
pub mod source;

use std::path::Path;

use crate::model::array::{Chunk, FileIndex, Storage, Values, Variable};
use crate::model::error::{Code, Error, Result};

use source::{OpenFile, ReadAt, Source};

/// Variables of at most this many decoded bytes are read while the file is open, so that they can
/// be compared among files and stored in the manifest.
pub const SMALL: u64 = 64 * 1024;

/// Indexes the NetCDF file at `path`.
pub fn index_file(path: &Path) -> Result<FileIndex> {
    let file = OpenFile::open(path)?;
    index(&file).map_err(|error| error.in_file(path))
}

/// Indexes the NetCDF file in `file`.
pub fn index(file: &dyn ReadAt) -> Result<FileIndex> {
    let source = Source::new(file)?;
    let mut index = match format_of(&source)? {
        Format::Hdf5 { superblock } => netcdf4::index(&source, superblock)?,
        Format::Netcdf3 => netcdf3::index(&source)?,
    };
    decode::read_small_variables(&source, &mut index)?;
    index.cost = source.cost();
    Ok(index)
}

/// All elements of `variable`, as indexed from the file at `path`.
pub fn read_values(path: &Path, variable: &Variable) -> Result<Values> {
    let file = OpenFile::open(path)?;
    let values = Source::new(&file).and_then(|source| decode::read(&source, variable));
    values.map_err(|error| error.of_variable(&variable.name).in_file(path))
}

/// Whether `first` and `other`, as indexed from the files beside them, have the same stored bytes in
/// the same arrangement. `false` says nothing of their values.
pub fn same_stored_bytes(
    (first, first_path): (&Variable, &Path),
    (other, other_path): (&Variable, &Path),
) -> Result<bool> {
    let (Some(first_pieces), Some(other_pieces)) = (stored_pieces(first), stored_pieces(other))
    else {
        return Ok(false);
    };
    let alike = first.dtype == other.dtype
        && first.filters == other.filters
        && first.fill == other.fill
        && first_pieces.len() == other_pieces.len()
        && first_pieces
            .iter()
            .zip(&other_pieces)
            .all(|(a, b)| (a.index, a.size, a.filter_mask) == (b.index, b.size, b.filter_mask));
    if !alike || chunk_shape(first) != chunk_shape(other) {
        return Ok(false);
    }
    let (first_file, other_file) = (OpenFile::open(first_path)?, OpenFile::open(other_path)?);
    let (mut first_bytes, mut other_bytes) = (Vec::new(), Vec::new());
    for (a, b) in first_pieces.iter().zip(&other_pieces) {
        read_piece(&first_file, a, &mut first_bytes).map_err(|error| error.in_file(first_path))?;
        read_piece(&other_file, b, &mut other_bytes).map_err(|error| error.in_file(other_path))?;
        if first_bytes != other_bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn chunk_shape(variable: &Variable) -> Option<&[u64]> {
    match &variable.storage {
        Storage::Chunked { chunk_shape, .. } => Some(chunk_shape),
        _ => None,
    }
}

/// The pieces of the file that hold `variable`, if it is not stored in the metadata.
fn stored_pieces(variable: &Variable) -> Option<Vec<Chunk>> {
    match &variable.storage {
        Storage::Chunked { chunks, .. } => Some(chunks.clone()),
        Storage::Contiguous(Some((offset, size))) => {
            Some(vec![Chunk { index: 0, offset: *offset, size: *size, filter_mask: 0 }])
        }
        Storage::Contiguous(None) => Some(Vec::new()),
        Storage::Compact(_) => None,
    }
}

fn read_piece(file: &OpenFile, piece: &Chunk, buffer: &mut Vec<u8>) -> Result<()> {
    let size = usize::try_from(piece.size)
        .map_err(|_| Error::new(Code::TooLarge, "a chunk exceeds the address space"))?;
    buffer.resize(size, 0);
    file.read_exact_at(buffer, piece.offset).map_err(|error| {
        Error::new(Code::Io, format!("cannot read at byte {}: {error}", piece.offset))
    })
}

enum Format {
    Hdf5 { superblock: u64 },
    Netcdf3,
}

/// Tells the format by its signature.
fn format_of(source: &Source) -> Result<Format> {
    if source.is_empty() {
        return Err(Error::new(Code::NotNetcdf, "the file is empty")
            .with_hint("transfer the file again, or remove it"));
    }
    let start = source.bytes_up_to(0, 16)?;
    if start.starts_with(b"CDF") {
        return Ok(Format::Netcdf3);
    }
    if let Some(superblock) = hdf5::superblock::find(source)? {
        return Ok(Format::Hdf5 { superblock });
    }
    let looks = if start.trim_ascii_start().starts_with(b"<") {
        "it looks like HTML or XML: the download may have saved an error page"
    } else {
        "its first bytes are neither `CDF` nor an HDF5 signature"
    };
    Err(Error::new(Code::NotNetcdf, format!("not a NetCDF file: {looks}"))
        .with_hint("transfer the file again, or remove it"))
}
