//! Time steps that are missing, as the `frequency` of the files tells.

use crate::model::error::{Code, Error};
use crate::model::frequency::Spacing;

use super::order::Dated;
use super::time::Clock;

/// So many gaps are named one by one.
const MOST_NAMED: usize = 10;

/// Warnings of gaps within and between `files`, which are in the order of time.
pub fn find(files: &[Dated], clock: &Clock, dimension: &str) -> Vec<Error> {
    let Some(first) = files.first() else { return Vec::new() };
    let index = &first.source.index;
    let time = index.variable(dimension);
    // Steps of a climatology may be as far apart as its seasons.
    let is_climatology = time.is_some_and(|time| time.attributes.get("climatology").is_some());
    let frequency = index.attributes.text("frequency").filter(|_| !is_climatology);
    let spacing = frequency.and_then(|frequency| {
        Some((frequency, Spacing::of_frequency(frequency)?, clock.calendar()?))
    });
    let Some((frequency, spacing, calendar)) = spacing else { return Vec::new() };
    let steps = files.iter().flat_map(|file| file.kept_times().iter().map(move |&t| (file, t)));
    let mut warnings = Vec::new();
    let mut more = 0;
    let mut last = None;
    for (file, time) in steps {
        let Some(instant) = clock.instant(time) else { return warnings };
        if let Some((before, from_time, from)) = last.replace((file, time, instant))
            && spacing.is_exceeded(calendar, from, instant)
        {
            if warnings.len() == MOST_NAMED {
                more += 1;
                continue;
            }
            let [from, to] = [from_time, time].map(|time| clock.shown(time));
            let before: &Dated = before;
            let (before, path) = (&before.source.path, &file.source.path);
            let of = if before == path {
                String::new()
            } else {
                format!(", the last time of `{}`,", before.display())
            };
            let message =
                format!("no time step between {from}{of} and {to}; the frequency is `{frequency}`");
            warnings.push(Error::new(Code::TimeGap, message).in_file(path));
        }
    }
    if more > 0 {
        let message = format!("{more} more gaps; the frequency is `{frequency}`");
        warnings.push(Error::new(Code::TimeGap, message));
    }
    warnings
}
