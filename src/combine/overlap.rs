//! Time steps that two files have: which of them keeps them, and what is left of the other.

use std::ops::Range;

use crate::model::dyadic::Dyadic;
use crate::model::error::{Code, Error, Result};
use crate::model::on_overlap::OnOverlap;

use super::order::Dated;
use super::time::Clock;

/// Sets which steps of `files`, in the order of time, are kept, so that the times of those that are
/// left increase; a file whose steps another one has all is left out. Only what is in another file
/// is given up, so no time is lost. Warns of all that is.
pub fn resolve(
    files: Vec<Dated>,
    on_overlap: OnOverlap,
    clock: &Clock,
) -> Result<(Vec<Dated>, Vec<Error>)> {
    if let Some((earlier, later)) = pairs(&files).find(|(a, b)| overlap(a, b))
        && on_overlap == OnOverlap::Refuse
    {
        return Err(refusal(earlier, later, clock));
    }
    let owners: Vec<_> = (0..files.len()).map(|at| owner(&files, at, on_overlap)).collect();
    let mut warnings = Vec::new();
    for (file, owner) in files.iter().zip(&owners) {
        if let Some(owner) = owner.and_then(|at| files.get(at)) {
            warnings.push(left_out(file, &(0..file.times.len()), owner, on_overlap, clock));
        }
    }
    let kept = files.into_iter().zip(owners).filter(|(_, owner)| owner.is_none());
    let mut files: Vec<Dated> = kept.map(|(file, _)| file).collect();
    for at in 1..files.len() {
        let (before, after) = files.split_at_mut(at);
        if let ([.., earlier], [later, ..]) = (before, after)
            && overlap(earlier, later)
        {
            warnings.push(divide(earlier, later, on_overlap, clock)?);
        }
    }
    Ok((files, warnings))
}

/// Neighbours, but for those without steps.
fn pairs(files: &[Dated]) -> impl Iterator<Item = (&Dated, &Dated)> {
    files.windows(2).map(|pair| (&pair[0], &pair[1]))
}

/// Whether `later` begins before the end of `earlier`.
fn overlap(earlier: &Dated, later: &Dated) -> bool {
    earlier.times.last().zip(later.times.first()).is_some_and(|(last, first)| last >= first)
}

/// The file that has all steps of the one `at`. Of equal files, one has those of the others: the
/// first in the order, or the last.
fn owner(files: &[Dated], at: usize, on_overlap: OnOverlap) -> Option<usize> {
    let file = files.get(at)?;
    let (first, last) = file.range()?;
    let owns = |(place, other): &(usize, &Dated)| {
        let encloses = other.range().is_some_and(|range| range.0 <= first && range.1 >= last);
        let is_preferred = if on_overlap == OnOverlap::Last { *place > at } else { *place < at };
        *place != at
            && encloses
            && (is_preferred || other.times.len() > file.times.len())
            && has_all(&other.times, &file.times)
    };
    files.iter().enumerate().find(owns).map(|(place, _)| place)
}

/// Whether all of `steps` are among `times`; both increase.
fn has_all(times: &[Dyadic], steps: &[Dyadic]) -> bool {
    steps.iter().all(|step| times.binary_search(step).is_ok())
}

/// Gives the common steps of two files to one of them; returns what to say about the other.
fn divide(
    earlier: &mut Dated,
    later: &mut Dated,
    on_overlap: OnOverlap,
    clock: &Clock,
) -> Result<Error> {
    let (Some((_, end)), Some((start, _))) = (earlier.range(), later.range()) else {
        return Err(Error::new(Code::Internal, "files without steps overlap"));
    };
    let (loser, keeper, dropped) = if on_overlap == OnOverlap::Last {
        let kept = earlier.times.partition_point(|time| *time < start);
        earlier.kept.end = kept;
        earlier.keeper = Some(later.source.path.clone());
        (&*earlier, &*later, kept..earlier.times.len())
    } else {
        let dropped = later.times.partition_point(|time| *time <= end);
        later.kept.start = dropped;
        later.keeper = Some(earlier.source.path.clone());
        (&*later, &*earlier, 0..dropped)
    };
    if !has_all(&keeper.times, loser.times.get(dropped.clone()).unwrap_or_default()) {
        return Err(refusal(earlier, later, clock));
    }
    Ok(left_out(loser, &dropped, keeper, on_overlap, clock))
}

fn left_out(
    file: &Dated,
    dropped: &Range<usize>,
    keeper: &Dated,
    on_overlap: OnOverlap,
    clock: &Clock,
) -> Error {
    let count = file.times.len();
    let steps = match dropped.len() {
        dropped if dropped == count => format!("all {count} time steps"),
        1 => format!("time step {} of {count}", dropped.end),
        _ => format!("time steps {} to {} of {count}", dropped.start + 1, dropped.end),
    };
    let dates = [dropped.start, dropped.end - 1].map(|step| clock.shown(file.times[step]));
    let message = format!(
        "{steps}, {}, left out by --on-overlap {on_overlap}: `{}` has them",
        dates.join(" to "),
        keeper.source.path.display()
    );
    Error::new(Code::TimeOverlap, message).in_file(&file.source.path)
}

fn refusal(earlier: &Dated, later: &Dated, clock: &Clock) -> Error {
    let name = earlier.source.path.display();
    let [start, end] = [later.times.first(), earlier.times.last()]
        .map(|time| time.map(|&time| clock.shown(time)).unwrap_or_default());
    let common = later.times.iter().filter(|t| earlier.times.binary_search(t).is_ok()).count();
    let (code, message) = if common == later.times.len() {
        let message = format!("all of its {common} time steps are in `{name}` too");
        (Code::TimeDuplicate, message)
    } else if common == earlier.times.len() {
        let message = format!("it has all of the {common} time steps of `{name}`");
        (Code::TimeDuplicate, message)
    } else if start == end && common == 1 {
        (Code::TimeDuplicate, format!("its first time step, {start}, is the last of `{name}` too"))
    } else {
        let message = format!(
            "its times, which begin at {start}, overlap those of `{name}`, which end at {end}; \
             {common} time steps are in both"
        );
        (Code::TimeOverlap, message)
    };
    let hint = if common == 0 {
        "the two files count time differently; keep one of them in the dataset"
    } else {
        "keep one of the two files in the dataset, or let `--on-overlap first` or `last` say \
         which of them keeps the steps in both"
    };
    Error::new(code, message).in_file(&later.source.path).with_hint(hint)
}
