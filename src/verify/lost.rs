//! Steps of files that a store leaves out: another file of the dataset must have their times.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::model::dyadic::Dyadic;
use crate::model::error::Error;
use crate::model::time_units::Rebase;

use super::times::{self, Axis};
use super::witness::NetcdfFile;
use super::{Published, cells, different, not_verified};

/// Steps that are in no file as the store has it, one finding a file.
pub fn find(published: &Published) -> Vec<Error> {
    let mut first = None;
    let mut kept = BTreeSet::new();
    let mut left_out = Vec::new();
    for (source, steps) in &published.files {
        let times = match times_of(&source.path, &mut first) {
            Ok(times) => times,
            Err(message) => return vec![not_verified(message).in_file(&source.path)],
        };
        let steps = steps.clone().unwrap_or(0..times.len() as u64);
        let is_kept = |step: usize| steps.contains(&(step as u64));
        for (step, time) in times.into_iter().enumerate() {
            if is_kept(step) {
                kept.insert(time);
            } else {
                left_out.push((source.path.as_path(), step, time));
            }
        }
    }
    let lost = left_out.into_iter().filter(|(_, _, time)| !kept.contains(time));
    in_words(lost.map(|(path, step, _)| (path, step)))
}

fn in_words<'a>(lost: impl Iterator<Item = (&'a Path, usize)>) -> Vec<Error> {
    let mut files: Vec<(&Path, Range<usize>)> = Vec::new();
    for (path, step) in lost {
        match files.last_mut() {
            Some((open, steps)) if *open == path => steps.end = step + 1,
            _ => files.push((path, step..step + 1)),
        }
    }
    let message = |steps: &Range<usize>| {
        format!(
            "the store leaves out its time steps {} to {}, some of which no other file has",
            steps.start + 1,
            steps.end
        )
    };
    files.into_iter().map(|(path, steps)| different(message(&steps)).in_file(path)).collect()
}

/// The times of a file in the units of the `first`, which this may be.
fn times_of(path: &Path, first: &mut Option<Axis>) -> Result<Vec<Dyadic>, String> {
    let file = NetcdfFile::open(path)?;
    let description = file.describe();
    let axis = Axis::of(&description).ok_or("the file has no times")?;
    let time = description.variable(&axis.dimension).ok_or("the file has no times")?;
    let dtype = time.dtype.ok_or("the type of its times is none that Zarr has")?;
    let values = file.read(&time.name, &cells::all(&time.shape))?;
    let numbers = times::numbers(&values, dtype).ok_or("its times are no numbers")?;
    let step = match first {
        Some(first) => first.step_from(&axis)?,
        None => Rebase::IDENTITY,
    };
    first.get_or_insert(axis);
    let moved = numbers.into_iter().map(|time| step.apply(time));
    moved
        .collect::<Option<_>>()
        .ok_or_else(|| "its times have no exact value in other units".into())
}
