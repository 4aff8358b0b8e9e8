//! The order of files: by decoded time, without overlap.

use crate::model::array::{FileIndex, Variable};
use crate::model::error::{Code, Error, Result};

use super::SourceIndex;
use super::time::{self, Steps};

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
        return match sources.as_slice() {
            [] | [_] => Ok(None),
            [_, second, ..] => Err(Error::new(
                Code::NoTimeDimension,
                format!("{} files but no time dimension to join them along", sources.len()),
            )
            .in_file(&second.path)
            .with_hint("a dataset without time has one file; check for copies or stray files")),
        };
    };
    let dimension = time.name.clone();
    let bounds = time.attributes.text("bounds").or(time.attributes.text("climatology"));
    let bounds = bounds.and_then(|name| first.index.variable(name));
    let bounds = bounds.filter(|bounds| bounds.attributes.get("units").is_none());
    let bounds = bounds.map(|bounds| bounds.name.clone());
    if sources.len() == 1 {
        return Ok(Some(TimeAxis { dimension, bounds, shifts: vec![0] }));
    }
    let mut files = Vec::with_capacity(sources.len());
    for source in sources.drain(..) {
        let steps = steps(&source, &dimension)
            .map_err(|error| error.of_variable(&dimension).in_file(&source.path))?;
        files.push((steps, source));
    }
    // Compared in the units of whichever file comes first in the list; the order is the same in
    // all of them. Files without any step come last: they have no place of their own.
    let reference = files[0].0.axis.clone();
    let mut keyed = Vec::with_capacity(files.len());
    for (steps, source) in files {
        let shift = time::shift(&steps.axis, &reference)
            .map_err(|error| error.of_variable(&dimension).in_file(&source.path))?;
        keyed.push((steps.range(shift), steps, source));
    }
    keyed.sort_by(|(a, ..), (b, ..)| match (a, b) {
        (Some(a), Some(b)) => a.first.total_cmp(&b.first).then(a.last.total_cmp(&b.last)),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    for pair in keyed.windows(2) {
        let [(Some(before), _, earlier), (Some(after), _, later)] = pair else {
            continue;
        };
        if before.last >= after.first {
            return Err(Error::new(
                Code::TimeOverlap,
                format!("its times overlap those of `{}`", earlier.path.display()),
            )
            .in_file(&later.path)
            .of_variable(&dimension)
            .with_hint("keep one of the two files in the dataset"));
        }
    }
    let first = keyed[0].1.axis.clone();
    let mut shifts = Vec::with_capacity(keyed.len());
    for (_, steps, source) in keyed {
        shifts.push(time::shift(&steps.axis, &first)?);
        sources.push(source);
    }
    Ok(Some(TimeAxis { dimension, bounds, shifts }))
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

fn steps(source: &SourceIndex, dimension: &str) -> Result<Steps> {
    let missing = || Error::new(Code::VariableMissing, "the file has no such time coordinate");
    let time = source.index.variable(dimension).filter(|time| time.is_coordinate());
    Steps::of(time.ok_or_else(missing)?)
}
