//! One variable of several files becomes one array.

use crate::model::array::{Storage, Values, Variable};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};
use crate::model::on_static_mismatch::OnStaticMismatch;
use crate::model::virtual_dataset::{Body, VirtualArray};

use super::{Context, agree, grid, time};

/// Most bytes of an auxiliary variable, such as the lead time of a forecast, that go into the store
/// itself.
const MOST_AUXILIARY: u64 = 1024 * 1024;

/// Joins the variable that `of_files` hold, one per file in the order of time; they are known to fit
/// into one array, and to go into the store itself if `inlined`.
pub fn join(of_files: Vec<Variable>, inlined: bool, context: &Context) -> Result<VirtualArray> {
    let Some(first) = of_files.first() else {
        return Err(Error::new(Code::Internal, "a variable without files"));
    };
    let joined = context.is_joined(first);
    if inlined || is_inlined(&of_files, context) {
        return inline(of_files, joined, context);
    }
    if let Some(axis) = context.axis.filter(|axis| axis.holds_times(&first.name)) {
        for (file, variable) in of_files.iter().enumerate() {
            time::check_unmoved(variable, context.step(axis, file)?)?;
        }
    }
    grid::concatenate(of_files, joined, context)
}

/// Whether the variable that `of_files` hold has one meaning in all of them. Returns how files differ
/// from the first, where that is no reason to refuse.
pub fn check_agreement(
    of_files: &[Variable],
    context: &Context,
    on_static_mismatch: OnStaticMismatch,
) -> Result<Vec<Error>> {
    let [first, others @ ..] = of_files else {
        return Ok(Vec::new());
    };
    let mut differs = Vec::new();
    let joined = context.is_joined(first);
    if joined && !others.is_empty() && !leads_with_time(first, context) {
        return Err(Error::unsupported("a time dimension that is not the first")
            .with_hint("reorder the dimensions, for example with `ncpdq`"));
    }
    let is_time = joined && context.axis.is_some_and(|axis| axis.holds_times(&first.name));
    for (other, path) in others.iter().zip(&context.paths[1..]) {
        agree::check_description(first, other, joined, is_time)
            .map_err(|error| error.in_file(path))?;
        if !joined {
            agree::check_decoding(first, other).map_err(|error| error.in_file(path))?;
            let difference = agree::difference((first, &context.paths[0]), (other, path))?;
            match (difference, on_static_mismatch) {
                (None, _) => {}
                (Some(difference), OnStaticMismatch::First) => differs.push(difference),
                (Some(difference), OnStaticMismatch::Refuse) => return Err(difference),
            }
        }
    }
    Ok(differs)
}

fn leads_with_time(variable: &Variable, context: &Context) -> bool {
    let leading = variable.dimensions.first();
    context.axis.is_some_and(|axis| leading == Some(&axis.dimension))
}

/// Times, coordinates, and whatever cannot be expressed by byte ranges go into the store itself.
pub fn is_inlined(of_files: &[Variable], context: &Context) -> bool {
    let Some(first) = of_files.first() else { return false };
    let joined = context.is_joined(first);
    if of_files.iter().any(|variable| variable.values.is_none()) {
        return false;
    }
    let is_compact = |variable: &Variable| matches!(variable.storage, Storage::Compact(_));
    let has_no_range = first.dtype == DataType::String || of_files.iter().any(is_compact);
    let is_time = context.axis.is_some_and(|axis| axis.holds_times(&first.name));
    let is_data = first.name == context.data_variable;
    // A static variable is kept once; along time even a small one grows with the record.
    let kept = if joined { of_files } else { &of_files[..1] };
    let is_small =
        kept.iter().filter_map(|variable| Some(variable.values.as_ref()?.bytes())).sum::<u64>()
            <= MOST_AUXILIARY;
    has_no_range
        || is_time
        || first.is_coordinate()
        || first.shape.is_empty()
        || (!is_data && is_small)
}

fn inline(of_files: Vec<Variable>, joined: bool, context: &Context) -> Result<VirtualArray> {
    let count = if joined { of_files.len() } else { 1 };
    let mut joined_values: Option<Values> = None;
    let mut shape = of_files[0].shape.clone();
    if joined && of_files.len() > 1 {
        shape[0] = context.lengths.iter().sum();
    }
    let mut description = None;
    for (file, mut variable) in of_files.into_iter().take(count).enumerate() {
        let Some(mut values) = variable.values.take() else {
            return Err(Error::new(Code::Internal, "values to be inlined were not read"));
        };
        move_times(&mut values, &variable, file, context)
            .map_err(|error| error.in_file(&context.paths[file]))?;
        joined_values = Some(match (joined_values, values) {
            (None, values) => values,
            (Some(Values::Bytes(mut all)), Values::Bytes(bytes)) => {
                all.extend(bytes);
                Values::Bytes(all)
            }
            (Some(Values::Strings(mut all)), Values::Strings(strings)) => {
                all.extend(strings);
                Values::Strings(all)
            }
            _ => {
                return Err(Error::new(Code::Internal, "values of two kinds in one variable"));
            }
        });
        description.get_or_insert(variable);
    }
    let (Some(values), Some(first)) = (joined_values, description) else {
        return Err(Error::new(Code::Internal, "a variable without files"));
    };
    Ok(VirtualArray {
        fill: first.fill.to_little_endian(first.dtype),
        dtype: first.dtype.to_little_endian(),
        name: first.name,
        dimensions: first.dimensions,
        shape,
        attributes: first.attributes,
        body: Body::Inline(values),
    })
}

/// Turns times of a later file into the units of the first.
fn move_times(
    values: &mut Values,
    variable: &Variable,
    file: usize,
    context: &Context,
) -> Result<()> {
    let (Some(axis), Values::Bytes(bytes)) = (context.axis, values) else {
        return Ok(());
    };
    if !axis.holds_times(&variable.name) {
        return Ok(());
    }
    time::rebase(bytes, variable, context.step(axis, file)?)
}
