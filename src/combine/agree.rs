//! What the files of a dataset must have in common.

use std::fmt::Display;
use std::path::Path;

use crate::index;
use crate::index::filter;
use crate::index::stored;
use crate::model::array::{Storage, Values, Variable};
use crate::model::attribute::AttributeValue;
use crate::model::codec::{Blosc, Codec, Filter};
use crate::model::error::{Code, Error, Result};

/// Compares what describes a variable in the first file and in another one. `joined` is whether
/// the files are joined along the variable's first dimension; the units of times along it may differ.
pub fn check_description(
    first: &Variable,
    other: &Variable,
    joined: bool,
    holds_times: bool,
) -> Result<()> {
    if first.dimensions != other.dimensions {
        return Err(differ(
            Code::DimensionsDiffer,
            "dimensions",
            first.dimensions.join(", "),
            other.dimensions.join(", "),
        ));
    }
    let fixed = usize::from(joined);
    if first.shape.get(fixed..) != other.shape.get(fixed..) {
        let [first, other] = [first, other].map(|variable| format!("{:?}", variable.shape));
        return Err(differ(Code::DimensionsDiffer, "shape", first, other));
    }
    if first.dtype.to_little_endian() != other.dtype.to_little_endian() {
        return Err(differ(Code::DtypesDiffer, "data type", first.dtype, other.dtype));
    }
    check_attribute(Code::FillValuesDiffer, "_FillValue", first, other)?;
    check_attribute(Code::FillValuesDiffer, "missing_value", first, other)?;
    check_attribute(Code::PackingDiffers, "scale_factor", first, other)?;
    check_attribute(Code::PackingDiffers, "add_offset", first, other)?;
    check_attribute(Code::PackingDiffers, "_Unsigned", first, other)?;
    if holds_times {
        return Ok(());
    }
    check_attribute(Code::CalendarsDiffer, "calendar", first, other)?;
    check_attribute(Code::UnitsDiffer, "units", first, other)
}

fn check_attribute(code: Code, name: &str, first: &Variable, other: &Variable) -> Result<()> {
    let (first, other) = (first.attributes.get(name), other.attributes.get(name));
    let same = match (first, other) {
        (Some(first), Some(other)) => first.same(other),
        (None, None) => true,
        _ => false,
    };
    if same {
        return Ok(());
    }
    let shown = |value: Option<&AttributeValue>| {
        value.map_or_else(|| "absent".to_owned(), ToString::to_string)
    };
    Err(differ(code, &format!("`{name}`"), shown(first), shown(other)))
}

/// Whether a variable that files are not joined along is the same in two of them.
pub fn check_same_values(
    (first, first_path): (&Variable, &Path),
    (other, other_path): (&Variable, &Path),
) -> Result<()> {
    let same = match (&first.values, &other.values) {
        (Some(first), Some(other)) => first == other,
        _ => {
            stored::same_bytes((first, first_path), (other, other_path))?
                || read(first, first_path)? == read(other, other_path)?
        }
    };
    if same {
        return Ok(());
    }
    Err(Error::new(
        Code::StaticDiffers,
        format!("it does not vary with time but differs from that in `{}`", first_path.display()),
    )
    .in_file(other_path)
    .with_hint("files of one dataset must share their grid; see which of the two is right"))
}

fn read(variable: &Variable, path: &Path) -> Result<Values> {
    match &variable.values {
        Some(values) => Ok(values.clone()),
        None => index::read_values(path, variable),
    }
}

/// The Zarr codecs that undo the filters of `variable`.
pub fn codecs(variable: &Variable) -> Result<Vec<Codec>> {
    if matches!(variable.storage, Storage::Compact(_) | Storage::Contiguous(_)) {
        return Ok(Vec::new());
    }
    let element_size = variable.dtype.size().unwrap_or(1);
    let element_size = u32::try_from(element_size).unwrap_or(u32::MAX);
    let mut codecs = Vec::with_capacity(variable.filters.len());
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
        // The four bytes of the checksum are no multiple of eight: HDF5 leaves the rest of such a
        // division as it is, Zarr's shuffle refuses it.
        if codec == Codec::Shuffle(8) && codecs.contains(&Codec::Fletcher32) {
            return Err(Error::unsupported("fletcher32 before shuffle of 8-byte elements")
                .with_hint("rewrite the file with `h5repack -f SHUF -f GZIP=1 -f FLET`"));
        }
        codecs.push(codec);
    }
    Ok(codecs)
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

/// Whether chunks of two files are decoded in the same way.
pub fn check_codecs(first: &[Codec], other: &[Codec]) -> Result<()> {
    let same = first.len() == other.len()
        && first.iter().zip(other).all(|(first, other)| first.decodes_like(*other));
    if same {
        return Ok(());
    }
    let [first, other] = [first, other].map(|codecs| match codecs {
        [] => "none".to_owned(),
        codecs => format!("{codecs:?}"),
    });
    Err(differ(Code::CodecsDiffer, "compression", first, other)
        .with_hint("rewrite the files with the same filters"))
}

/// An error for the other file; the first file's side comes last.
pub fn differ(code: Code, what: &str, first: impl Display, other: impl Display) -> Error {
    Error::new(code, format!("{what} is {other}, in another file of the dataset {first}"))
        .with_hint("rewrite the files alike, or take the odd one out of the dataset")
}
