//! The order of files: by decoded time, each step once.

use std::cmp::Ordering;
use std::ops::Range;
use std::path::PathBuf;

use crate::model::array::{FileIndex, Variable};
use crate::model::calendar::{Calendar, Date, Instant};
use crate::model::dyadic::Dyadic;
use crate::model::error::{Code, Error, Result};
use crate::model::on_overlap::OnOverlap;
use crate::model::time_units::Rebase;

use super::time::{self, AxisUnits, Clock};
use super::{SourceIndex, cut, gap, overlap};

/// The dimension that files are joined along, and what belongs to it.
#[derive(Debug)]
pub struct TimeAxis {
    /// Name of the dimension and of its coordinate variable.
    pub dimension: String,
    /// Names of the variables with bounds of time steps, which take their units from the
    /// coordinate as CF says, or repeat them.
    pub bounds: Vec<String>,
    /// Units of the times of each file in order.
    pub units: Vec<AxisUnits>,
    /// For each file, how many of its first steps are left out.
    pub starts: Vec<u64>,
}

impl TimeAxis {
    /// Whether the variable called `name` holds times of this axis.
    pub fn holds_times(&self, name: &str) -> bool {
        self.dimension == name || self.bounds.iter().any(|bounds| bounds == name)
    }

    /// How times of the file number `file` become times in the units of `first`.
    pub fn step(&self, first: usize, file: usize) -> Result<Rebase> {
        self.units[file].rebase_to(&self.units[first])
    }

    /// Time steps in a file.
    pub fn length_in(&self, index: &FileIndex) -> u64 {
        index.variable(&self.dimension).and_then(|time| time.shape.first().copied()).unwrap_or(0)
    }
}

/// The time that a file covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Path of the file.
    pub path: PathBuf,
    /// The calendar of the instants.
    pub calendar: Calendar,
    /// The first time, and where its bounds begin, if it has some.
    pub starts: Vec<Instant>,
    /// The last time, and where its bounds end, if it has some.
    pub ends: Vec<Instant>,
}

/// What came out of ordering.
#[derive(Debug, Default)]
pub struct Ordered {
    /// The axis; none where the data have no time.
    pub axis: Option<TimeAxis>,
    /// What each file covers, those left out as well; none of files without times that can be
    /// dated.
    pub coverages: Vec<Coverage>,
    /// Steps left out, and steps missing.
    pub warnings: Vec<Error>,
}

/// Puts `sources` in the order of their times, takes from them the steps that `on_overlap` says,
/// and returns the axis.
pub fn sort_by_time(
    sources: &mut Vec<SourceIndex>,
    data_variable: &str,
    on_overlap: OnOverlap,
) -> Result<Ordered> {
    let Some(first) = sources.first() else {
        return Err(Error::new(Code::Internal, "a dataset has no file"));
    };
    let Some(time) = time_coordinate(&first.index, data_variable) else {
        return check_single(sources).map(|()| Ordered::default());
    };
    let dimension = time.name.clone();
    let is_single = sources.len() == 1;
    let files = sources.drain(..).map(|source| Dated::of(source, &dimension, is_single));
    let files = files.collect::<Result<Vec<_>>>()?;
    order(files, &dimension, data_variable, on_overlap, sources)
        .map_err(|error| error.of_variable(dimension))
}

fn order(
    files: Vec<Dated>,
    dimension: &str,
    data_variable: &str,
    on_overlap: OnOverlap,
    sources: &mut Vec<SourceIndex>,
) -> Result<Ordered> {
    let series = by_calendar(files).into_iter();
    let series = series.map(|files| Series::of(files, dimension, on_overlap));
    let series = in_order_of_dates(series.collect::<Result<_>>()?)?;
    let (mut coverages, mut warnings, mut files) = (Vec::new(), Vec::new(), Vec::new());
    let mut bounds: Option<Vec<String>> = None;
    for of_calendar in series {
        coverages.extend(of_calendar.coverages);
        warnings.extend(of_calendar.warnings.into_iter().map(|it| it.of_variable(dimension)));
        files.extend(of_calendar.files);
        let common = of_calendar.bounds;
        bounds = Some(match bounds {
            Some(bounds) => bounds.into_iter().filter(|name| common.contains(name)).collect(),
            None => common,
        });
    }
    let units = files.iter().map(|file| file.units.clone()).collect();
    let starts = files.iter().map(|file| file.kept.start as u64).collect();
    for mut file in files {
        file.take_out_dropped(dimension, data_variable)?;
        sources.push(file.source);
    }
    let bounds = bounds.unwrap_or_default();
    let axis = TimeAxis { dimension: dimension.to_owned(), bounds, units, starts };
    Ok(Ordered { axis: Some(axis), coverages, warnings })
}

/// The files of each calendar.
fn by_calendar(files: Vec<Dated>) -> Vec<Vec<Dated>> {
    let mut calendars: Vec<Vec<Dated>> = Vec::new();
    for file in files {
        let same = calendars.iter_mut().find(|files| files[0].units.is_of_calendar(&file.units));
        match same {
            Some(files) => files.push(file),
            None => calendars.push(vec![file]),
        }
    }
    calendars
}

/// Files of one calendar in the order of their times, each step once.
struct Series {
    files: Vec<Dated>,
    /// The bounds that all files have.
    bounds: Vec<String>,
    coverages: Vec<Coverage>,
    warnings: Vec<Error>,
    /// The first and the last date, where the units have a meaning.
    dates: Option<(Date, Date)>,
}

impl Series {
    fn of(mut files: Vec<Dated>, dimension: &str, on_overlap: OnOverlap) -> Result<Self> {
        moves(&files)?;
        let clock = Clock::common(&files.iter().map(|file| &file.units).collect::<Vec<_>>());
        for file in &mut files {
            file.count_by(&clock)?;
            file.check_increasing(&clock)?;
        }
        files.sort_by(Dated::compare);
        let coverages = files.iter().filter_map(|file| file.coverage(&clock, dimension)).collect();
        let (files, mut warnings) = overlap::resolve(files, on_overlap, &clock)?;
        warnings.extend(gap::find(&files, &clock, dimension));
        let bounds = common_bounds(&files, &moves(&files)?)?;
        let ranges = || files.iter().filter_map(Dated::range);
        let date = |time| clock.date(time);
        let first = ranges().next().and_then(|(first, _)| date(first));
        let last = ranges().next_back().and_then(|(_, last)| date(last));
        let dates = first.zip(last);
        Ok(Self { files, bounds, coverages, warnings, dates })
    }
}

/// Files of different calendars follow each other by their dates; what cannot be compared, or
/// interleaves, has no order.
fn in_order_of_dates(mut series: Vec<Series>) -> Result<Vec<Series>> {
    series.sort_by_key(|of_calendar| of_calendar.dates);
    for pair in series.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|it| (it.dates, it.files.first()));
        let (Some(first), Some(next)) = (before.1, after.1) else { continue };
        let located = |error: Error| error.in_file(&next.source.path);
        let dates = before.0.zip(after.0);
        let Some(((_, end), (start, _))) = dates else {
            next.units.rebase_to(&first.units).map_err(located)?;
            continue;
        };
        if end >= start {
            let message = format!(
                "its times begin at {start}, but those of files with another calendar end at {end}"
            );
            return Err(located(
                Error::new(Code::TimeOverlap, message)
                    .with_hint("publish the files of each calendar as a dataset of its own"),
            ));
        }
    }
    Ok(series)
}

/// Without time there is nothing to join several files along.
fn check_single(sources: &[SourceIndex]) -> Result<()> {
    let [_, second, ..] = sources else { return Ok(()) };
    let message = format!("{} files but no time dimension to join them along", sources.len());
    Err(Error::new(Code::NoTimeDimension, message)
        .in_file(&second.path)
        .with_hint("a dataset without time has one file; check for copies or stray files"))
}

/// How times of each file become times in the units of the first.
fn moves(files: &[Dated]) -> Result<Vec<Rebase>> {
    let Some(first) = files.first() else { return Ok(Vec::new()) };
    let moves = files.iter().map(|file| {
        let step = file.units.rebase_to(&first.units);
        step.map_err(|error| error.in_file(&file.source.path))
    });
    moves.collect()
}

/// The bounds that all files have. A file whose times are moved must have those of the first, or
/// what the store says of them would not hold for this file.
fn common_bounds(files: &[Dated], moves: &[Rebase]) -> Result<Vec<String>> {
    let Some(first) = files.first() else { return Ok(Vec::new()) };
    for (file, step) in files.iter().zip(moves) {
        if *step != Rebase::IDENTITY && file.bounds != first.bounds {
            let [own, others] = [file, first].map(|file| match file.bounds.as_slice() {
                [] => "none".to_owned(),
                bounds => bounds.join(", "),
            });
            let message = format!(
                "the bounds in units of time are {own}, in another file with other units {others}"
            );
            return Err(Error::new(Code::UnitsDiffer, message).in_file(&file.source.path));
        }
    }
    let common = |name: &&String| files.iter().all(|file| file.bounds.contains(name));
    Ok(first.bounds.iter().filter(common).cloned().collect())
}

/// A file and its time steps.
pub struct Dated {
    /// The file.
    pub source: SourceIndex,
    /// Units of its times.
    pub units: AxisUnits,
    /// Names of the variables with bounds in these units.
    bounds: Vec<String>,
    /// Its times, in units common to all files. None where they cannot be read and there is no
    /// other file to be compared with.
    pub times: Vec<Dyadic>,
    /// Steps of the file that go into the dataset, as a range of `times`.
    pub kept: Range<usize>,
    /// The file that has the steps that are not kept.
    pub keeper: Option<PathBuf>,
}

impl Dated {
    fn of(source: SourceIndex, dimension: &str, is_single: bool) -> Result<Self> {
        let time = source.index.variable(dimension).filter(|time| time.is_coordinate());
        let missing = || Error::new(Code::VariableMissing, "the file has no such time coordinate");
        let located = |error: Error| error.of_variable(dimension).in_file(&source.path);
        let time = time.ok_or_else(missing).map_err(located)?;
        let times = match time::times(time) {
            Ok(times) => times,
            Err(error) if is_single && error.code() != Code::TimeNotIncreasing => Vec::new(),
            Err(error) => return Err(located(error)),
        };
        let units = AxisUnits::of(time);
        let bounds = bounds_of(time, &source.index, &units);
        Ok(Self { kept: 0..times.len(), keeper: None, units, bounds, times, source })
    }

    fn count_by(&mut self, clock: &Clock) -> Result<()> {
        let step = clock.rebase(&self.units);
        for time in &mut self.times {
            *time = step.apply(*time).ok_or_else(|| {
                Error::new(
                    Code::UnitsDiffer,
                    format!("{time} is too large or too small to be compared with other files"),
                )
                .in_file(&self.source.path)
            })?;
        }
        Ok(())
    }

    fn check_increasing(&self, clock: &Clock) -> Result<()> {
        let Some(pair) = self.times.windows(2).find(|pair| pair[0] >= pair[1]) else {
            return Ok(());
        };
        let [before, after] = [pair[0], pair[1]].map(|time| clock.shown(time));
        let error = if pair[0] == pair[1] {
            Error::new(Code::TimeDuplicate, format!("the time step {after} is there twice"))
        } else {
            Error::new(Code::TimeNotIncreasing, format!("{after} comes after {before}"))
        };
        Err(error
            .in_file(&self.source.path)
            .with_hint("rewrite the file with its time steps in order, each once"))
    }

    /// By time; files without any step come last, having no place of their own.
    fn compare(&self, other: &Self) -> Ordering {
        match (self.range(), other.range()) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }

    /// First and last time.
    pub fn range(&self) -> Option<(Dyadic, Dyadic)> {
        self.times.first().copied().zip(self.times.last().copied())
    }

    /// The times that go into the dataset.
    pub fn kept_times(&self) -> &[Dyadic] {
        self.times.get(self.kept.clone()).unwrap_or_default()
    }

    fn coverage(&self, clock: &Clock, dimension: &str) -> Option<Coverage> {
        let (first, last) = self.range()?;
        let calendar = clock.calendar()?;
        let index = &self.source.index;
        let bounds = self.bounds.iter().filter_map(|name| {
            // Bounds of another form, such as a single value for each step, tell nothing.
            let bounds = index.variable(name).filter(
                |bounds| matches!(bounds.dimensions.as_slice(), [steps, _] if steps == dimension),
            );
            time::outermost(bounds?)
        });
        let step = clock.rebase(&self.units);
        let bounds = bounds.filter_map(|[from, to]| Some((step.apply(from)?, step.apply(to)?)));
        let (starts, ends): (Vec<_>, Vec<_>) = [(first, last)].into_iter().chain(bounds).unzip();
        let instants =
            |times: Vec<Dyadic>| times.into_iter().filter_map(|time| clock.instant(time)).collect();
        let path = self.source.path.clone();
        Some(Coverage { path, calendar, starts: instants(starts), ends: instants(ends) })
    }

    fn take_out_dropped(&mut self, dimension: &str, data_variable: &str) -> Result<()> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let steps = self.kept.start as u64..self.kept.end as u64;
        cut::keep_steps(&mut self.source.index, dimension, data_variable, &steps, keeper)
            .map_err(|error| error.in_file(&self.source.path))
    }
}

/// Names of the variables with the bounds of `time`, if these are numbers in its `units`.
fn bounds_of(time: &Variable, index: &FileIndex, units: &AxisUnits) -> Vec<String> {
    let names = ["bounds", "climatology"].into_iter();
    let names = names.filter_map(|attribute| time.attributes.text(attribute));
    let are_times =
        |name: &&str| index.variable(name).is_some_and(|bounds| units.are_those_of(bounds));
    names.filter(are_times).map(str::to_owned).collect()
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
