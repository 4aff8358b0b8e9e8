//! Times of files: their units, order, and the step from one file's units to another's.

use crate::index::filter;
use crate::model::array::{Values, Variable};
use crate::model::attribute::AttributeValue;
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
        let missing = Missing::of(time);
        if times.iter().any(|&time| missing.holds_float(time)) {
            return Err(Error::new(
                Code::TimeNotIncreasing,
                "a time step has no time: it is missing",
            )
            .with_hint("a time coordinate must be complete; write the missing times"));
        }
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

/// Adds `shift` to every time in `bytes`, the little-endian values of `variable`, exactly or not at
/// all. Missing values stay as they are: they say that there is no time.
pub fn add(bytes: &mut [u8], variable: &Variable, shift: i64) -> Result<()> {
    if shift == 0 {
        return Ok(());
    }
    let impossible = |message: &str| {
        Error::new(Code::UnitsDiffer, message)
            .with_hint("rewrite the files with the same time units")
    };
    if ["scale_factor", "add_offset"].iter().any(|name| variable.attributes.get(name).is_some()) {
        return Err(impossible("packed times cannot be moved to the units of the first file"));
    }
    let missing = Missing::of(variable);
    match variable.dtype {
        DataType::Float(8, _) => each(bytes, |word| {
            let moved = missing.moved_float(f64::from_le_bytes(word), shift)?;
            Some(moved.to_le_bytes())
        }),
        DataType::Int(4, _) => each(bytes, |word| {
            let moved = missing.moved_int(i32::from_le_bytes(word).into(), shift)?;
            Some(i32::try_from(moved).ok()?.to_le_bytes())
        }),
        DataType::Int(8, _) => each(bytes, |word| {
            let moved = missing.moved_int(i64::from_le_bytes(word), shift)?;
            Some(moved.to_le_bytes())
        }),
        _ => None,
    }
    .ok_or_else(|| impossible("times cannot be moved exactly to the units of the first file"))
}

/// The values that stand for no value, by `_FillValue` and `missing_value`.
#[derive(Default)]
struct Missing {
    ints: Vec<i64>,
    floats: Vec<f64>,
}

impl Missing {
    fn of(variable: &Variable) -> Self {
        let mut missing = Self::default();
        let names = ["_FillValue", "missing_value"];
        for value in names.iter().filter_map(|name| variable.attributes.get(name)) {
            match value {
                AttributeValue::Int(values) => missing.ints.extend(values),
                AttributeValue::UInt(values) => {
                    missing
                        .ints
                        .extend(values.iter().filter_map(|&value| i64::try_from(value).ok()));
                }
                AttributeValue::Float(values) => {
                    missing.floats.extend(values.iter().copied().map(f64::from));
                }
                AttributeValue::Double(values) => missing.floats.extend(values),
                AttributeValue::Text(_) | AttributeValue::Strings(_) => {}
            }
        }
        missing
    }

    // A marker and a time are the same number or they are not; so do readers compare them.
    #[allow(clippy::float_cmp, clippy::cast_precision_loss)]
    fn holds_float(&self, time: f64) -> bool {
        self.floats.contains(&time) || self.ints.iter().any(|&missing| missing as f64 == time)
    }

    #[allow(clippy::cast_precision_loss)]
    fn holds_int(&self, time: i64) -> bool {
        self.ints.contains(&time) || self.floats.contains(&(time as f64))
    }

    /// `time` plus `shift`, if no bit is lost and a time does not become a missing value.
    fn moved_float(&self, time: f64, shift: i64) -> Option<f64> {
        if time.is_nan() || self.holds_float(time) {
            return Some(time);
        }
        add_f64(time, shift).filter(|&moved| !self.holds_float(moved))
    }

    /// The same for whole numbers.
    fn moved_int(&self, time: i64, shift: i64) -> Option<i64> {
        if self.holds_int(time) {
            return Some(time);
        }
        time.checked_add(shift).filter(|&moved| !self.holds_int(moved))
    }
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
    use crate::model::array::{Fill, Storage};

    #[test]
    fn a_sum_that_would_round_is_refused() {
        assert_eq!(add_f64(15.5, 730), Some(745.5));
        assert_eq!(add_f64(0.1, 730), None);
        assert_eq!(add_f64(1e300, 1), None);
    }

    #[test]
    fn integer_times_must_fit_their_type() {
        let mut bytes = i32::MAX.to_le_bytes();
        assert!(add(&mut bytes, &times(I4, &[]), 1).is_err());
        let mut bytes = 5i32.to_le_bytes();
        add(&mut bytes, &times(I4, &[]), -7).unwrap();
        assert_eq!(i32::from_le_bytes(bytes), -2);
    }

    const I4: DataType = DataType::Int(4, ByteOrder::Little);

    fn times(dtype: DataType, attributes: &[(&str, AttributeValue)]) -> Variable {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Variable {
            name: "time_bnds".into(),
            dimensions: Vec::new(),
            shape: Vec::new(),
            dtype,
            fill: Fill::Undefined,
            filters: Vec::new(),
            storage: Storage::Contiguous(None),
            attributes: attributes.collect(),
            values: None,
        }
    }

    #[test]
    fn missing_times_stay_missing_and_no_time_becomes_missing() {
        for missing in [AttributeValue::Int(vec![-999]), AttributeValue::Float(vec![-999.0])] {
            for name in ["_FillValue", "missing_value"] {
                let ints = times(I4, &[(name, missing.clone())]);
                let mut bytes = [-999i32, 5].map(i32::to_le_bytes);
                add(bytes.as_flattened_mut(), &ints, 365).unwrap();
                assert_eq!(bytes.map(i32::from_le_bytes), [-999, 370]);
                let mut becomes_missing = (-1364i32).to_le_bytes();
                assert!(add(&mut becomes_missing, &ints, 365).is_err());
                let doubles =
                    times(DataType::Float(8, ByteOrder::Little), &[(name, missing.clone())]);
                let mut bytes = [-999.0, 5.5, f64::NAN].map(f64::to_le_bytes);
                add(bytes.as_flattened_mut(), &doubles, 365).unwrap();
                let moved = bytes.map(f64::from_le_bytes);
                assert_eq!(moved[..2], [-999.0, 370.5]);
                assert!(moved[2].is_nan());
            }
        }
    }

    #[test]
    fn packed_times_are_not_moved() {
        let packed = times(I4, &[("scale_factor", AttributeValue::Double(vec![0.5]))]);
        assert!(add(&mut [0; 4], &packed, 1).is_err());
        add(&mut [0; 4], &packed, 0).unwrap();
    }
}
