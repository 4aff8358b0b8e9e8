//! What the files of a dataset must have in common.

use std::fmt::Display;
use std::path::Path;

use crate::index;
use crate::index::stored;
use crate::model::array::{Values, Variable};
use crate::model::attribute::AttributeValue;
use crate::model::dtype::DataType;
use crate::model::dyadic::Dyadic;
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
    if holds_times {
        return Ok(());
    }
    check_attribute(Code::CalendarsDiffer, "calendar", first, other)?;
    check_attribute(Code::UnitsDiffer, "units", first, other)
}

/// Compares what turns stored numbers into those that are meant: one array has it only once.
pub fn check_decoding(first: &Variable, other: &Variable) -> Result<()> {
    check_attribute(Code::FillValuesDiffer, "_FillValue", first, other)?;
    check_attribute(Code::FillValuesDiffer, "missing_value", first, other)?;
    check_attribute(Code::PackingDiffers, "scale_factor", first, other)?;
    check_attribute(Code::PackingDiffers, "add_offset", first, other)?;
    check_attribute(Code::PackingDiffers, "_Unsigned", first, other)
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

/// How a variable that files are not joined along differs between two of them, if it does.
pub fn difference(
    (first, first_path): (&Variable, &Path),
    (other, other_path): (&Variable, &Path),
) -> Result<Option<Error>> {
    let how = match (&first.values, &other.values) {
        (Some(ours), Some(theirs)) if ours == theirs => return Ok(None),
        (Some(ours), Some(theirs)) => largest_difference(ours, theirs, first.dtype),
        _ if stored::same_bytes((first, first_path), (other, other_path))? => return Ok(None),
        _ => {
            let (ours, theirs) = (read(first, first_path)?, read(other, other_path)?);
            if ours == theirs {
                return Ok(None);
            }
            largest_difference(&ours, &theirs, first.dtype)
        }
    };
    let first_path = first_path.display();
    let message =
        format!("it does not vary with time but differs from that in `{first_path}`{how}");
    Ok(Some(Error::new(Code::StaticDiffers, message).in_file(other_path).with_hint(
        "find out which of the two is right; `--on-static-mismatch first` takes that of the first file",
    )))
}

/// By how much values differ, in words; nothing where they are no numbers.
fn largest_difference(ours: &Values, theirs: &Values, dtype: DataType) -> String {
    let (Values::Bytes(ours), Values::Bytes(theirs)) = (ours, theirs) else {
        return String::new();
    };
    // Values are held in little-endian order.
    let size = dtype.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(1).max(1);
    let number = |bytes| Dyadic::decode(bytes, dtype).map(Dyadic::approximate);
    let pairs = ours.chunks(size).zip(theirs.chunks(size)).filter(|(ours, theirs)| ours != theirs);
    let numbers = pairs.filter_map(|(ours, theirs)| number(ours).zip(number(theirs)));
    let mut count = 0u64;
    let largest = numbers.inspect(|_| count += 1).max_by(|a, b| {
        let distance = |(ours, theirs): &(f64, f64)| (ours - theirs).abs();
        distance(a).total_cmp(&distance(b))
    });
    largest.map_or_else(String::new, |(ours, theirs)| {
        format!(", in {count} values, most in {theirs} instead of {ours}")
    })
}

fn read(variable: &Variable, path: &Path) -> Result<Values> {
    match &variable.values {
        Some(values) => Ok(values.clone()),
        None => index::read_values(path, variable),
    }
}

/// An error for the other file; the first file's side comes last.
pub fn differ(code: Code, what: &str, first: impl Display, other: impl Display) -> Error {
    Error::new(code, format!("{what} is {other}, in another file of the dataset {first}"))
        .with_hint("rewrite the files alike, or take the odd one out of the dataset")
}
