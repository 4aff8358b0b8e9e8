//! The bytes of one file become a [`FileIndex`]: its dimensions, attributes, variables and the
//! place of every chunk, without reading bulk data.

pub mod decode;
pub mod filter;
pub mod hdf5;
pub mod netcdf3;
pub mod netcdf4;
pub mod source;
pub mod stored;

use std::collections::HashSet;
use std::path::Path;

use crate::model::array::{FileIndex, Values, Variable};
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
    check_names(&index)?;
    decode::read_small_variables(&source, &mut index)?;
    index.cost = source.cost();
    Ok(index)
}

/// Names tell variables apart, here and in stores; no library writes one twice, or with a NUL in it.
fn check_names(index: &FileIndex) -> Result<()> {
    let mut seen = HashSet::new();
    for Variable { name, .. } in &index.variables {
        if name.contains('\0') {
            return Err(Error::corrupt("the name has a NUL in it").of_variable(name));
        }
        if !seen.insert(name) {
            return Err(Error::corrupt("two variables have this name").of_variable(name));
        }
    }
    Ok(())
}

/// All elements of `variable`, as indexed from the file at `path`.
pub fn read_values(path: &Path, variable: &Variable) -> Result<Values> {
    let file = OpenFile::open(path)?;
    let values = Source::new(&file).and_then(|source| decode::read(&source, variable));
    values.map_err(|error| error.of_variable(&variable.name).in_file(path))
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
