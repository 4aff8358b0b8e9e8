//! Times of files: their units, order, and the step from one file's units to another's.

use crate::index::filter;
use crate::model::array::{Values, Variable};
use crate::model::calendar::{Calendar, TimeUnits};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error, Result};

/// Whether a variable holds times, by its units.
pub fn is_time(variable: &Variable) -> bool {
    let units = variable.attributes.text("units").unwrap_or_default();
    units.to_ascii_lowercase().contains(" since ")
}

/// Units and calendar of a time coordinate.
#[derive(Clone, Debug)]
pub struct AxisUnits {
    text: String,
    calendar_text: Option<String>,
    calendar: Option<Calendar>,
    units: Option<TimeUnits>,
}

impl AxisUnits {
    fn of(time: &Variable) -> Self {
        let text = time.attributes.text("units").unwrap_or_default().to_owned();
        let calendar_text = time.attributes.text("calendar").map(str::to_owned);
        let calendar = Calendar::named(calendar_text.as_deref());
        let units = calendar.and_then(|calendar| TimeUnits::parse(&text, calendar));
        Self { text, calendar_text, calendar, units }
    }
}

/// First and last time of a file.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// First time.
    pub first: f64,
    /// Last time.
    pub last: f64,
}

/// The time steps of one file.
#[derive(Debug)]
pub struct Steps {
    /// Their units.
    pub axis: AxisUnits,
    range: Option<Range>,
}

impl Steps {
    /// The steps that the time coordinate `time` holds, which must increase.
    pub fn of(time: &Variable) -> Result<Self> {
        let times = numbers(time)?;
        let increasing = times.is_sorted_by(|a, b| a < b) && times.iter().all(|t| t.is_finite());
        if !increasing {
            return Err(Error::new(Code::TimeNotIncreasing, "the times do not increase")
                .with_hint("sort the time steps and remove duplicates"));
        }
        let range = times.first().zip(times.last());
        let range = range.map(|(&first, &last)| Range { first, last });
        Ok(Self { axis: AxisUnits::of(time), range })
    }

    /// First and last time plus `shift`; `None` without any step.
    pub fn range(&self, shift: i64) -> Option<Range> {
        // Shifts are days or seconds between two dates: far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let shift = shift as f64;
        self.range.map(|Range { first, last }| Range { first: first + shift, last: last + shift })
    }
}

/// What to add to times in units `from` to have them in units `to`.
pub fn shift(from: &AxisUnits, to: &AxisUnits) -> Result<i64> {
    let same_calendar = match (from.calendar, to.calendar) {
        (Some(from), Some(to)) => from == to,
        _ => from.calendar_text == to.calendar_text,
    };
    if !same_calendar {
        let [from, to] = [from, to].map(|axis| axis.calendar_text.as_deref().unwrap_or("standard"));
        return Err(Error::new(
            Code::CalendarsDiffer,
            format!("the calendar is `{from}`, in another file of the dataset `{to}`"),
        ));
    }
    if from.text == to.text {
        return Ok(0);
    }
    let shift = from.units.zip(to.units).and_then(|(from, to)| from.shift_to(&to));
    shift.ok_or_else(|| {
        Error::new(
            Code::UnitsDiffer,
            format!(
                "times in `{}` cannot be turned exactly into `{}`, the units of another file",
                from.text, to.text
            ),
        )
        .with_hint("rewrite the files with the same time units")
    })
}

/// Adds `shift` to every time in `bytes` of a little-endian `dtype`, exactly or not at all.
///
/// Missing values are shifted as well where they are numbers, so a time coordinate with some is
/// refused by its caller.
pub fn add(bytes: &mut [u8], dtype: DataType, shift: i64) -> Result<()> {
    if shift == 0 {
        return Ok(());
    }
    let inexact = || {
        Error::new(
            Code::UnitsDiffer,
            "times cannot be moved to the units of the first file without rounding",
        )
        .with_hint("rewrite the files with the same time units")
    };
    match dtype {
        DataType::Float(8, _) => {
            each(bytes, |word| add_f64(f64::from_le_bytes(word), shift).map(f64::to_le_bytes))
        }
        DataType::Int(4, _) => each(bytes, |word| {
            let time = i64::from(i32::from_le_bytes(word)).checked_add(shift)?;
            Some(i32::try_from(time).ok()?.to_le_bytes())
        }),
        DataType::Int(8, _) => {
            each(bytes, |word| Some(i64::from_le_bytes(word).checked_add(shift)?.to_le_bytes()))
        }
        _ => None,
    }
    .ok_or_else(inexact)
}

fn each<const N: usize>(bytes: &mut [u8], new: impl Fn([u8; N]) -> Option<[u8; N]>) -> Option<()> {
    for word in bytes.as_chunks_mut::<N>().0 {
        *word = new(*word)?;
    }
    Some(())
}

/// The sum, if no bit is lost.
fn add_f64(time: f64, shift: i64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)]
    let shift = (shift.unsigned_abs() < 1 << 53).then_some(shift as f64)?;
    let sum = time + shift;
    // Knuth's two-sum: the rounding error of the addition, computed without rounding.
    let virtual_shift = sum - time;
    let error = (time - (sum - virtual_shift)) + (shift - virtual_shift);
    (error == 0.0).then_some(sum)
}

/// The times as numbers, for ordering.
fn numbers(time: &Variable) -> Result<Vec<f64>> {
    let Some(Values::Bytes(bytes)) = &time.values else {
        filter::check(&time.filters, time.dtype)?;
        return Err(Error::new(
            Code::TooLarge,
            "the time coordinate was never written, or is too large to be read",
        ));
    };
    let dtype = time.dtype.to_little_endian();
    // Only the order matters here, and times are far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let numbers = match dtype {
        DataType::Float(8, ByteOrder::Little) => words(bytes, f64::from_le_bytes),
        DataType::Float(4, ByteOrder::Little) => words(bytes, |w| f32::from_le_bytes(w).into()),
        DataType::Int(2, ByteOrder::Little) => words(bytes, |w| i16::from_le_bytes(w).into()),
        DataType::Int(4, ByteOrder::Little) => words(bytes, |w| i32::from_le_bytes(w).into()),
        DataType::Int(8, ByteOrder::Little) => words(bytes, |w| i64::from_le_bytes(w) as f64),
        _ => {
            return Err(Error::unsupported(format!("a time coordinate of type {}", time.dtype)));
        }
    };
    Ok(numbers)
}

fn words<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|word| number(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_would_round_is_refused() {
        assert_eq!(add_f64(15.5, 730), Some(745.5));
        assert_eq!(add_f64(0.1, 730), None);
        assert_eq!(add_f64(1e300, 1), None);
    }

    #[test]
    fn integer_times_must_fit_their_type() {
        let mut bytes = i32::MAX.to_le_bytes();
        assert!(add(&mut bytes, DataType::Int(4, ByteOrder::Little), 1).is_err());
        let mut bytes = 5i32.to_le_bytes();
        add(&mut bytes, DataType::Int(4, ByteOrder::Little), -7).unwrap();
        assert_eq!(i32::from_le_bytes(bytes), -2);
    }
}
