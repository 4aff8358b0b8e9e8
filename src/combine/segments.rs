//! Which files one array can hold; where not all, the segments that hold some each.
//!
//! Between files that follow each other there may be a break: no regular grid goes on behind it. At a
//! soft one an array can still go on, if chunks may be encoded anew, or differ in length; at a hard one
//! it cannot.

use std::ops::Range;

use crate::model::array::{Storage, Values, Variable, grid_shape};
use crate::model::error::{Code, Error, Result};
use crate::model::time_units::Rebase;
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
    let joined = variables.iter().map(Vec::as_slice);
    let joined = joined.filter(|of_files| of_files.first().is_some_and(|it| context.is_joined(it)));
    let joined: Vec<Joined> = joined
        .map(|of_files| Joined { of_files, is_inlined: join::is_inlined(of_files, context) })
        .collect();
    let mut segments = Vec::new();
    let mut start = 0;
    let (mut first, mut hardest) = (None, None);
    // Files without any step break nothing.
    let filled = (0..context.lengths.len()).filter(|&file| context.lengths[file] > 0);
    let filled: Vec<usize> = filled.collect();
    for pair in filled.windows(2) {
        let [before, file] = *pair else { continue };
        let breaks =
            joined.iter().filter_map(|joined| joined.find_break((start, before, file), context));
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
    if first.is_some() && hardest.is_none() {
        // Behind a soft break times were held against the file there; those of a whole count from the
        // first of all.
        hardest = check_all_times(&joined, &filled, context).err();
    }
    let why = match (hardest, first) {
        (Some(hardest), _) => hardest,
        (None, Some(first)) => {
            let mut cost = Cost::default();
            for Joined { of_files, .. } in joined.iter().filter(|joined| !joined.is_inlined) {
                let name = of_files.first().map_or("", |first| first.name.as_str());
                let of_one = cost_of_one(of_files, context);
                cost += of_one.map_err(|error| error.of_variable(name))?;
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

/// A variable along time in all files.
struct Joined<'a> {
    of_files: &'a [Variable],
    is_inlined: bool,
}

struct Break {
    is_hard: bool,
    error: Error,
}

impl Joined<'_> {
    /// The hardest reason why a segment that begins with the file `start` cannot go on from `before`
    /// with `file`.
    fn find_break(
        &self,
        (start, before, file): (usize, usize, usize),
        context: &Context,
    ) -> Option<Break> {
        let (previous, next) = (&self.of_files[before], &self.of_files[file]);
        let hard = || {
            agree::check_decoding(previous, next)?;
            check_times(next, (start, file), context)?;
            if self.is_inlined {
                return Ok(());
            }
            check_fill(previous, next)?;
            check_layout(previous, next)
        };
        let soft = || {
            encoding::check_same(previous, next)?;
            check_chunk_length(previous, next)?;
            check_end(previous).map_err(|error| error.in_file(&context.paths[before]))
        };
        let found = |is_hard, result: Result<()>| {
            let error = result.err()?.of_variable(&next.name);
            Some(Break { is_hard, error })
        };
        found(true, hard()).or_else(|| found(false, soft()).filter(|_| !self.is_inlined))
    }
}

/// The times of all `files` have exact values in the units of the first.
fn check_all_times(joined: &[Joined], files: &[usize], context: &Context) -> Result<()> {
    for &file in files {
        for Joined { of_files, .. } in joined {
            let variable = &of_files[file];
            check_times(variable, (0, file), context)
                .map_err(|error| error.of_variable(&variable.name).in_file(&context.paths[file]))?;
        }
    }
    Ok(())
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
        Some(Values::Bytes(bytes)) if step != Rebase::IDENTITY => {
            time::rebase(&mut bytes.clone(), variable, step)
        }
        Some(_) => Ok(()),
        None => time::check_unmoved(variable, step),
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
    fn across(variable: &Variable) -> (bool, Option<&[u64]>) {
        // What lies within the metadata has no range of bytes beside that of another file.
        let is_compact = matches!(variable.storage, Storage::Compact(_));
        (is_compact, variable.chunk_shape().and_then(|shape| shape.get(1..)))
    }
    if across(previous) == across(next) {
        return Ok(());
    }
    Err(shapes_differ(previous, next))
}

/// Chunks have the same number of rows.
fn check_chunk_length(previous: &Variable, next: &Variable) -> Result<()> {
    if previous.chunk_shape() == next.chunk_shape() {
        return Ok(());
    }
    Err(shapes_differ(previous, next))
}

fn shapes_differ(previous: &Variable, next: &Variable) -> Error {
    let [previous, next] = [previous, next].map(|variable| {
        variable.chunk_shape().map_or_else(|| "none".to_owned(), |shape| format!("{shape:?}"))
    });
    agree::differ(Code::ChunkShapesDiffer, "the chunk shape", previous, next)
}

/// The file ends where a chunk ends.
fn check_end(variable: &Variable) -> Result<()> {
    let (Some(&[length, ..]), Some(rows)) = (variable.chunk_shape(), variable.shape.first()) else {
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

/// What one array of `of_files` costs, in stored bytes.
fn cost_of_one(of_files: &[Variable], context: &Context) -> Result<Cost> {
    let encoding = Encoding::common(of_files)?;
    let last = context.lengths.iter().rposition(|&length| length > 0).unwrap_or(0);
    let mut cost = Cost::default();
    for (file, variable) in of_files.iter().enumerate() {
        let is_other = encoding.differs_in(variable);
        let is_other = is_other.map_err(|error| error.in_file(&context.paths[file]))?;
        let stored_bytes = encoding::stored_bytes(variable);
        cost.stored_bytes += stored_bytes;
        cost.reencoded_bytes += match &variable.storage {
            _ if is_other => stored_bytes,
            Storage::Chunked { chunk_shape, chunks, .. } => {
                let (rows, length) = (variable.shape[0], chunk_shape[0].max(1));
                let is_cut = file < last && rows % length > 0 && !encoding.codecs.is_empty();
                let across =
                    grid_shape(&variable.shape, chunk_shape).iter().skip(1).product::<u64>();
                let cut = if is_cut { rows / length * across } else { u64::MAX };
                let anew = chunks.iter().filter(|it| it.filter_mask != 0 || it.index >= cut);
                if is_cut || chunks.has_masks() { anew.map(|chunk| chunk.size).sum() } else { 0 }
            }
            Storage::Contiguous(_) | Storage::Compact(_) => 0,
        };
    }
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::combine::order::TimeAxis;
    use crate::combine::time::AxisUnits;
    use crate::model::array::{Chunk, ChunkIndex, Fill};
    use crate::model::attribute::{AttributeValue, Attributes};
    use crate::model::byte_size::ByteSize;
    use crate::model::codec::Filter;
    use crate::model::dtype::{ByteOrder, DataType};
    use crate::model::on_overlap::OnOverlap;
    use crate::model::on_static_mismatch::OnStaticMismatch;
    use crate::model::portability::Portability;

    const MIB: u64 = 1024 * 1024;

    /// `tas` in one chunk for each `chunk_rows` of its rows, each of `size` bytes.
    fn tas(rows: u64, chunk_rows: u64, size: u64, filters: &[u16]) -> Variable {
        let chunk = |index| Chunk { index, offset: 0, size, filter_mask: 0, trailing: 0 };
        Variable {
            name: "tas".into(),
            dimensions: vec!["time".into()],
            shape: vec![rows],
            dtype: DataType::Float(4, ByteOrder::Little),
            fill: Fill::Undefined,
            filters: filters.iter().map(|&id| Filter::new(id, &[4])).collect(),
            storage: Storage::Chunked {
                chunk_shape: vec![chunk_rows],
                chunks: (0..rows.div_ceil(chunk_rows)).map(chunk).collect(),
                index: ChunkIndex::BTreeV1,
            },
            attributes: Attributes::default(),
            values: None,
        }
    }

    /// The segments and their reason; none of a whole.
    fn segments(files: Vec<Variable>, max_reencode: u8) -> Option<(Vec<Range<usize>>, Code)> {
        segments_of(&[files], max_reencode)
    }

    /// The same of several variables, of which the first may be the times.
    fn segments_of(
        variables: &[Vec<Variable>],
        max_reencode: u8,
    ) -> Option<(Vec<Range<usize>>, Code)> {
        let files = &variables[0];
        let lengths: Vec<u64> = files.iter().map(|file| file.shape[0]).collect();
        let paths: Vec<_> = (0..files.len()).map(|file| format!("{file}.nc").into()).collect();
        let units = files.iter().map(AxisUnits::of).collect();
        let dimension = "time".to_owned();
        let axis = TimeAxis { dimension, bounds: Vec::new(), units, starts: vec![0; files.len()] };
        let context = Context {
            first_file: 0,
            paths: &paths,
            lengths: &lengths,
            axis: Some(&axis),
            data_variable: "tas",
            contiguous_chunk: 4 * MIB,
        };
        let limits = Limits {
            contiguous_chunk: ByteSize::mebibytes(4),
            max_reencode,
            on_overlap: OnOverlap::Refuse,
            on_static_mismatch: OnStaticMismatch::Refuse,
            codecs: Portability::Faithful,
        };
        match form(variables, &context, limits).unwrap() {
            Form::Whole => None,
            Form::Segments(segments, why) => Some((segments, why.code())),
        }
    }

    const DEFLATE: &[u16] = &[Filter::DEFLATE];

    #[test]
    fn files_that_are_stored_alike_are_one() {
        let alike = vec![tas(10, 5, MIB, DEFLATE), tas(0, 9, MIB, &[]), tas(7, 5, MIB, DEFLATE)];
        assert_eq!(segments(alike, 0), None);
    }

    #[test]
    fn little_is_encoded_anew_and_much_makes_segments() {
        let files = |odd| {
            vec![
                tas(10, 1, 10 * MIB, DEFLATE),
                tas(10, 1, odd, &[Filter::SHUFFLE, Filter::DEFLATE]),
                tas(10, 1, 10 * MIB, DEFLATE),
            ]
        };
        let three = Some((vec![0..1, 1..2, 2..3], Code::CodecsDiffer));
        assert_eq!(segments(files(4 * MIB), 20), None);
        assert_eq!(segments(files(4 * MIB), 10), three);
        assert_eq!(segments(files(MIB), 1), None, "16 MiB may always be");
        assert_eq!(segments(files(MIB), 0), three);
        // What the greater part has is kept.
        assert_eq!(segments(files(100 * MIB), 20), None);
    }

    #[test]
    fn ends_within_chunks_cost_their_last_chunks() {
        let files = |filters| vec![tas(10, 4, 10 * MIB, filters), tas(8, 4, 10 * MIB, filters)];
        assert_eq!(segments(files(DEFLATE), 20), None);
        assert_eq!(segments(files(DEFLATE), 0), Some((vec![0..1, 1..2], Code::ChunksMisaligned)));
        // Uncompressed, the end of a chunk can be left out.
        assert_eq!(segments(files(&[]), 0), None);
        // Other lengths of chunks cost nothing.
        assert_eq!(segments(vec![tas(8, 4, MIB, DEFLATE), tas(9, 3, MIB, DEFLATE)], 0), None);
    }

    #[test]
    fn what_has_another_meaning_is_never_one() {
        let packed = |scale: f64| {
            let mut packed = tas(10, 5, 1, DEFLATE);
            packed.attributes.push("scale_factor", AttributeValue::Double(vec![scale]));
            packed
        };
        let files = vec![packed(0.1), packed(0.1), packed(0.2)];
        assert_eq!(segments(files, 100), Some((vec![0..2, 2..3], Code::PackingDiffers)));
    }

    #[test]
    fn times_of_a_whole_count_from_the_first_file() {
        let times = |units: &str, times: &[f64]| {
            let bytes = times.iter().flat_map(|time| time.to_le_bytes()).collect();
            let mut time = tas(times.len() as u64, 1, 8, &[]);
            time.name = "time".into();
            time.dtype = DataType::Float(8, ByteOrder::Little);
            time.attributes.push("units", AttributeValue::Text(units.into()));
            time.values = Some(Values::Bytes(bytes));
            time
        };
        let (days, hours) = ("days since 2000-01-01", "hours since 2000-01-01");
        let time = vec![
            times(days, &[0.0, 0.5]),
            times(hours, &[24.0, 36.0]),
            times(hours, &[48.0, 56.0]),
        ];
        let aligned = (0..3).map(|_| tas(2, 2, MIB, DEFLATE)).collect();
        let third_of_a_day = Some((vec![0..2, 2..3], Code::UnitsDiffer));
        assert_eq!(segments_of(&[time.clone(), aligned], 20), third_of_a_day);
        // The first file ends within a chunk, and a third of a day has a number in the second's units.
        let cut = vec![tas(2, 5, MIB, DEFLATE), tas(2, 2, MIB, DEFLATE), tas(2, 2, MIB, DEFLATE)];
        for max_reencode in [0, 20] {
            let found = segments_of(&[time.clone(), cut.clone()], max_reencode).unwrap();
            assert_eq!(found.0, [0..1, 1..3]);
        }
        assert_eq!(segments_of(&[time, cut], 20).unwrap().1, Code::UnitsDiffer);
    }

    #[test]
    fn what_lies_in_the_metadata_has_a_segment_of_its_own() {
        let stored = |storage| Variable { storage, ..tas(2, 1, MIB, &[]) };
        let compact = || stored(Storage::Compact(vec![0; 8]));
        let in_one_piece = || stored(Storage::Contiguous(Some((0, 8))));
        let expected = Some((vec![0..1, 1..3], Code::ChunkShapesDiffer));
        assert_eq!(segments(vec![compact(), in_one_piece(), in_one_piece()], 20), expected);
        assert_eq!(segments(vec![in_one_piece(), in_one_piece()], 20), None);
    }
}
