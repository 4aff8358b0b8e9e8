//! The bytes of one file become a [`FileIndex`]: its dimensions, attributes, variables and the
//! place of every chunk, without reading bulk data.

pub mod decode;
pub mod filter;
pub mod hdf5;
pub mod netcdf3;
pub mod netcdf4;
pub mod packed;
pub mod source;
pub mod stored;

use std::path::Path;

use crate::model::array::{FileIndex, Values, Variable};
use crate::model::attribute::Attributes;
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
    let mut index = read(file).map_err(with_way_out)?;
    index.refused = index.refused.into_iter().map(with_way_out).collect();
    Ok(index)
}

fn read(file: &dyn ReadAt) -> Result<FileIndex> {
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

/// What to do about a file that cannot be read, where nothing better is known.
fn with_way_out(error: Error) -> Error {
    match error.code() {
        Code::Corrupt | Code::Truncated => {
            error.with_hint("compare size and checksum with the source and transfer the file again")
        }
        Code::Unsupported => error.with_hint(
            "rewrite the file with a current netCDF, for example `nccopy -k netCDF-4 OLD.nc NEW.nc`",
        ),
        Code::TooLarge => error.with_hint("the file is damaged, or made to do harm: write it anew"),
        _ => error,
    }
}

/// Names tell variables and attributes apart, here and in stores; no library writes one twice, or a variable without
/// a name or with a NUL in it.
fn check_names(index: &FileIndex) -> Result<()> {
    check_attributes(&index.attributes)?;
    for Variable { attributes, name, .. } in &index.variables {
        if name.is_empty() || name.contains('\0') {
            return Err(Error::corrupt("the name is empty, or has a NUL in it").of_variable(name));
        }
        check_attributes(attributes).map_err(|error| error.of_variable(name))?;
    }
    match repeated(index.variables.iter().map(|variable| variable.name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::corrupt("two variables have this name").of_variable(name)),
    }
}

fn check_attributes(attributes: &Attributes) -> Result<()> {
    match repeated(attributes.iter().map(|(name, _)| name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("two attributes have the name `{}`", name.escape_debug());
            Err(Error::corrupt(message))
        }
    }
}

/// One of `names` that is there twice.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
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
    let looks = looks_like(source, &start)?;
    Err(Error::new(Code::NotNetcdf, format!("not a NetCDF file: {looks}"))
        .with_hint("transfer the file again, or remove it"))
}

/// What a file is that is no NetCDF, in words.
fn looks_like(source: &Source, start: &[u8]) -> Result<&'static str> {
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "it is compressed by gzip: unpack it"),
        (b"PK\x03\x04", "it is a ZIP archive: unpack it"),
        (b"BZh", "it is compressed by bzip2: unpack it"),
        (b"\x28\xb5\x2f\xfd", "it is compressed by zstd: unpack it"),
        (b"GRIB", "it is a GRIB file"),
        (b"\x0e\x03\x13\x01", "it is an HDF4 file"),
        (b"version https://git-lfs", "it is a pointer of Git LFS, the file itself was not fetched"),
        (b"\x89HDF", "its HDF5 signature is damaged: it may have been transferred as text"),
        (b"<", "it looks like HTML or XML: the download may have saved an error page"),
    ];
    let text = start.trim_ascii_start();
    if let Some((_, words)) = KNOWN.iter().find(|(known, _)| {
        // Of a long signature, the first bytes are enough.
        text.starts_with(&known[..known.len().min(8)])
    }) {
        return Ok(words);
    }
    if source.bytes_up_to(257, 5)? == b"ustar"[..] {
        return Ok("it is a tar archive: unpack it");
    }
    if start.iter().all(|byte| *byte == 0) {
        return Ok("it begins with zeros: the transfer may have been interrupted");
    }
    Ok("its first bytes are neither `CDF` nor an HDF5 signature")
}
