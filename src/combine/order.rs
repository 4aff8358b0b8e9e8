//! The order of files: by decoded time, without overlap.

use std::cmp::Ordering;

use crate::model::array::{FileIndex, Variable};
use crate::model::error::{Code, Error, Result};

use super::SourceIndex;
use super::time::{self, Range, Steps};

/// The dimension that files are joined along, and what belongs to it.
#[derive(Debug)]
pub struct TimeAxis {
    /// Name of the dimension and of its coordinate variable.
    pub dimension: String,
    /// Name of the variable with the bounds of time steps, if it takes its units from the
    /// coordinate as CF says.
    pub bounds: Option<String>,
    /// For each file in order, what to add to times to have them in the units of the first file.
    pub shifts: Vec<i64>,
}

impl TimeAxis {
    /// Whether the variable called `name` holds times of this axis.
    pub fn holds_times(&self, name: &str) -> bool {
        self.dimension == name || self.bounds.as_deref() == Some(name)
    }

    /// Time steps in a file.
    pub fn length_in(&self, index: &FileIndex) -> u64 {
        index.variable(&self.dimension).and_then(|time| time.shape.first().copied()).unwrap_or(0)
    }
}

/// Puts `sources` in the order of their times and returns the axis; a single file needs none.
pub fn sort_by_time(
    sources: &mut Vec<SourceIndex>,
    data_variable: &str,
) -> Result<Option<TimeAxis>> {
    let Some(first) = sources.first() else {
        return Err(Error::new(Code::Internal, "a dataset has no file"));
    };
    let Some(time) = time_coordinate(&first.index, data_variable) else {
        return check_single(sources).map(|()| None);
    };
    let dimension = time.name.clone();
    let bounds = bounds_of(time, &first.index);
    if sources.len() == 1 {
        return Ok(Some(TimeAxis { dimension, bounds, shifts: vec![0] }));
    }
    let dated: Result<Vec<Dated>> =
        sources.drain(..).map(|source| Dated::of(source, &dimension)).collect();
    let dated = in_order(dated?).map_err(|error| error.of_variable(&dimension))?;
    let mut shifts = Vec::with_capacity(dated.len());
    for file in &dated {
        shifts.push(time::shift(&file.steps.axis, &dated[0].steps.axis)?);
    }
    sources.extend(dated.into_iter().map(|file| file.source));
    Ok(Some(TimeAxis { dimension, bounds, shifts }))
}

/// Without time there is nothing to join several files along.
fn check_single(sources: &[SourceIndex]) -> Result<()> {
    let [_, second, ..] = sources else { return Ok(()) };
    let message = format!("{} files but no time dimension to join them along", sources.len());
    Err(Error::new(Code::NoTimeDimension, message)
        .in_file(&second.path)
        .with_hint("a dataset without time has one file; check for copies or stray files"))
}

/// The variable with the bounds of `time`, if it has no units of its own.
fn bounds_of(time: &Variable, index: &FileIndex) -> Option<String> {
    let name = time.attributes.text("bounds").or(time.attributes.text("climatology"))?;
    let bounds = index.variable(name)?;
    bounds.attributes.get("units").is_none().then(|| name.to_owned())
}

/// A file and its time steps.
struct Dated {
    source: SourceIndex,
    steps: Steps,
    /// First and last time in units common to all files; `None` without any step.
    range: Option<Range>,
}

impl Dated {
    fn of(source: SourceIndex, dimension: &str) -> Result<Self> {
        let time = source.index.variable(dimension).filter(|time| time.is_coordinate());
        let missing = || Error::new(Code::VariableMissing, "the file has no such time coordinate");
        let steps = time.ok_or_else(missing).and_then(Steps::of);
        let steps = steps.map_err(|error| error.of_variable(dimension).in_file(&source.path))?;
        Ok(Self { source, steps, range: None })
    }

    /// By time; files without any step come last, having no place of their own.
    fn compare(&self, other: &Self) -> Ordering {
        match (self.range, other.range) {
            (Some(a), Some(b)) => a.first.total_cmp(&b.first).then(a.last.total_cmp(&b.last)),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

/// Sorts `files`, comparing times in the units of whichever is the first in the list: the order is
/// the same in all units.
fn in_order(mut files: Vec<Dated>) -> Result<Vec<Dated>> {
    let Some(reference) = files.first().map(|file| file.steps.axis.clone()) else {
        return Ok(files);
    };
    for file in &mut files {
        let shift = time::shift(&file.steps.axis, &reference)
            .map_err(|error| error.in_file(&file.source.path))?;
        file.range = file.steps.range(shift);
    }
    files.sort_by(Dated::compare);
    for pair in files.windows(2) {
        if let (Some(before), Some(after)) = (pair[0].range, pair[1].range)
            && before.last >= after.first
        {
            let [earlier, later] = [&pair[0], &pair[1]].map(|file| &file.source.path);
            let message = format!("its times overlap those of `{}`", earlier.display());
            return Err(Error::new(Code::TimeOverlap, message)
                .in_file(later)
                .with_hint("keep one of the two files in the dataset"));
        }
    }
    Ok(files)
}

/// The coordinate variable of time: along the first dimension of the data, if that is time; else
/// the only one there is.
fn time_coordinate<'a>(index: &'a FileIndex, data_variable: &str) -> Option<&'a Variable> {
    let is_time = |variable: &&Variable| variable.is_coordinate() && time::is_time(variable);
    let leading = index.variable(data_variable).and_then(|data| data.dimensions.first());
    let coordinate = leading.and_then(|name| index.variable(name)).filter(is_time);
    coordinate.or_else(|| {
        let mut times = index.variables.iter().filter(is_time);
        times.next().filter(|_| times.next().is_none())
    })
}
