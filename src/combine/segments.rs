//! Which files one array can hold; where not all, the segments that hold some each.
//!
//! Between files that follow each other there may be a break: no regular grid goes on behind it. At a
//! soft one an array can still go on, if chunks may be encoded anew, or differ in length; at a hard one
//! it cannot.

use std::ops::Range;

use crate::model::array::{Storage, Values, Variable, grid_shape};
use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Cost;

use super::encoding::{self, Encoding};
use super::{Context, Limits, agree, join, time};

/// What can hold the files of a dataset.
pub enum Form {
    /// One array for each variable.
    Whole,
    /// Several, each for some of the files, and why.
    Segments(Vec<Range<usize>>, Error),
}

/// Finds out what can hold `variables`, each with its files in the order of time.
pub fn form(variables: &[Vec<Variable>], context: &Context, limits: Limits) -> Result<Form> {
    let joined: Vec<&[Variable]> = variables
        .iter()
        .map(Vec::as_slice)
        .filter(|of_files| of_files.first().is_some_and(|first| context.is_joined(first)))
        .collect();
    let mut segments = Vec::new();
    let mut start = 0;
    let (mut first, mut hardest) = (None, None);
    // Files without any step break nothing.
    let filled = (0..context.lengths.len()).filter(|&file| context.lengths[file] > 0);
    let filled: Vec<usize> = filled.collect();
    for pair in filled.windows(2) {
        let [before, file] = *pair else { continue };
        let breaks = joined
            .iter()
            .filter_map(|of_files| find_break(of_files, (start, before, file), context));
        let Some(found) = breaks.min_by_key(|found| !found.is_hard) else { continue };
        segments.push(start..file);
        start = file;
        let Break { is_hard, error } = found;
        let error = error.in_file(&context.paths[file]);
        if is_hard {
            hardest.get_or_insert(error);
        } else {
            first.get_or_insert(error);
        }
    }
    segments.push(start..context.lengths.len());
    let why = match (hardest, first) {
        (Some(hardest), _) => hardest,
        (None, Some(first)) => {
            let mut cost = Cost::default();
            for of_files in joined.iter().filter(|it| !join::is_inlined(it, true, context)) {
                cost += cost_of_one(of_files, context)?;
            }
            if limits.allow(&cost) {
                return Ok(Form::Whole);
            }
            let Cost { reencoded_bytes, stored_bytes, .. } = cost;
            let message = format!(
                "{}; of one store {reencoded_bytes} of {stored_bytes} bytes would have to be encoded anew",
                first.message()
            );
            first.with_message(message)
        }
        (None, None) => return Ok(Form::Whole),
    };
    Ok(Form::Segments(segments, why))
}

struct Break {
    is_hard: bool,
    error: Error,
}

/// The hardest reason why `of_files` cannot go on from the file `before` with `file` in a segment that
/// begins with `start`.
fn find_break(
    of_files: &[Variable],
    (start, before, file): (usize, usize, usize),
    context: &Context,
) -> Option<Break> {
    let (previous, next) = (&of_files[before], &of_files[file]);
    let name = &next.name;
    let found = |is_hard, result: Result<()>| {
        result.err().map(|error| Break { is_hard, error: error.of_variable(name) })
    };
    let hard = |result| found(true, result);
    let mut breaks = hard(agree::check_decoding(previous, next))
        .or_else(|| hard(check_times(next, (start, file), context)));
    if !join::is_inlined(of_files, true, context) {
        breaks = breaks
            .or_else(|| hard(check_fill(previous, next)))
            .or_else(|| hard(check_layout(previous, next)))
            .or_else(|| found(false, encoding::check_same(previous, next)))
            .or_else(|| found(false, check_chunk_length(previous, next)))
            .or_else(|| {
                let path = &context.paths[before];
                found(false, check_end(previous).map_err(|error| error.in_file(path)))
            });
    }
    breaks
}

/// The times of `file` have exact values in the units of `start`.
fn check_times(
    variable: &Variable,
    (start, file): (usize, usize),
    context: &Context,
) -> Result<()> {
    let Some(axis) = context.axis.filter(|axis| axis.holds_times(&variable.name)) else {
        return Ok(());
    };
    let step = axis.step(start, file)?;
    match &variable.values {
        Some(Values::Bytes(bytes)) => time::rebase(&mut bytes.clone(), variable, step),
        _ => time::check_unmoved(variable, step),
    }
}

/// What unwritten places hold.
fn check_fill(previous: &Variable, next: &Variable) -> Result<()> {
    let [ours, theirs] =
        [previous, next].map(|variable| variable.fill.clone().to_little_endian(variable.dtype));
    if ours == theirs {
        return Ok(());
    }
    let [ours, theirs] = [ours, theirs].map(|fill| format!("{fill:?}"));
    Err(agree::differ(Code::FillValuesDiffer, "the fill value of unwritten chunks", ours, theirs))
}

/// Chunks are alike across the rows.
fn check_layout(previous: &Variable, next: &Variable) -> Result<()> {
    let across = |variable| chunk_shape(variable).map(|shape| shape.get(1..));
    if across(previous) == across(next) {
        return Ok(());
    }
    Err(shapes_differ(previous, next))
}

/// Chunks have the same number of rows.
fn check_chunk_length(previous: &Variable, next: &Variable) -> Result<()> {
    if chunk_shape(previous) == chunk_shape(next) {
        return Ok(());
    }
    Err(shapes_differ(previous, next))
}

fn shapes_differ(previous: &Variable, next: &Variable) -> Error {
    let [previous, next] = [previous, next].map(|variable| {
        chunk_shape(variable).map_or_else(|| "none".to_owned(), |shape| format!("{shape:?}"))
    });
    agree::differ(Code::ChunkShapesDiffer, "the chunk shape", previous, next)
}

/// The file ends where a chunk ends.
fn check_end(variable: &Variable) -> Result<()> {
    let (Some(&[length, ..]), Some(rows)) = (chunk_shape(variable), variable.shape.first()) else {
        return Ok(());
    };
    let filled = rows % length.max(1);
    if filled == 0 {
        return Ok(());
    }
    let message = format!("{rows} time steps end {filled} steps into a chunk of {length}");
    Err(Error::new(Code::ChunksMisaligned, message).with_hint(format!(
        "allow more to be encoded anew by `--max-reencode PERCENT`, or rewrite the files with a time \
         chunk that divides {rows}"
    )))
}

/// The shape of its chunks; none of data in one piece, which can be cut as needed.
fn chunk_shape(variable: &Variable) -> Option<&[u64]> {
    match &variable.storage {
        Storage::Chunked { chunk_shape, .. } => Some(chunk_shape),
        Storage::Contiguous(_) | Storage::Compact(_) => None,
    }
}

/// What one array of `of_files` costs, in stored bytes.
fn cost_of_one(of_files: &[Variable], context: &Context) -> Result<Cost> {
    let encoding = Encoding::common(of_files)?;
    let last = context.lengths.iter().rposition(|&length| length > 0).unwrap_or(0);
    let mut cost = Cost::default();
    for (file, variable) in of_files.iter().enumerate() {
        let stored_bytes = encoding::stored_bytes(variable);
        cost.stored_bytes += stored_bytes;
        let Storage::Chunked { chunk_shape, chunks, .. } = &variable.storage else {
            let is_other = encoding.differs_in(variable)?;
            cost.reencoded_bytes += if is_other { stored_bytes } else { 0 };
            continue;
        };
        let is_other = encoding.differs_in(variable)?;
        let (rows, length) = (variable.shape[0], chunk_shape[0].max(1));
        let is_cut = file < last && rows % length > 0 && !encoding.codecs.is_empty();
        let across: u64 = grid_shape(&variable.shape, chunk_shape).iter().skip(1).product();
        let cut = if is_cut { rows / length * across } else { u64::MAX };
        let anew =
            chunks.iter().filter(|chunk| is_other || chunk.filter_mask != 0 || chunk.index >= cut);
        cost.reencoded_bytes += anew.map(|chunk| chunk.size).sum::<u64>();
    }
    Ok(cost)
}
