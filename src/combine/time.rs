//! Times of files: what they count, and the exact step from one file's units to another's.

use crate::index::filter;
use crate::model::array::{Values, Variable};
use crate::model::calendar::{Calendar, Date, Instant};
use crate::model::dtype::DataType;
use crate::model::dyadic::Dyadic;
use crate::model::error::{Code, Error, Result};
use crate::model::time_units::{Rebase, TimeUnits, greatest_common_divisor};

const SAME_UNITS: &str = "rewrite the files with the same time units";

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
    /// The units and calendar that the attributes of `time` name.
    pub fn of(time: &Variable) -> Self {
        let text = time.attributes.text("units").unwrap_or_default().to_owned();
        let calendar_text = time.attributes.text("calendar").map(str::to_owned);
        let calendar = Calendar::named(calendar_text.as_deref());
        let units = calendar.and_then(|calendar| TimeUnits::parse(&text, calendar));
        Self { text, calendar_text, calendar, units }
    }

    /// Whether bounds of these times are numbers in the same units: they have no units and
    /// calendar of their own, or repeat these.
    pub fn are_those_of(&self, bounds: &Variable) -> bool {
        let of_bounds = Self::of(bounds);
        let same_text = bounds.attributes.get("units").is_none() || of_bounds.text == self.text;
        let same_calendar =
            bounds.attributes.get("calendar").is_none() || self.is_of_calendar(&of_bounds);
        same_text && same_calendar
    }

    /// Whether both count in the same calendar.
    pub fn is_of_calendar(&self, other: &Self) -> bool {
        match (self.calendar, other.calendar) {
            (Some(own), Some(other)) => own == other,
            _ => self.calendar_text == other.calendar_text,
        }
    }

    /// How times in these units become times in `first`, the units of another file.
    pub fn rebase_to(&self, first: &Self) -> Result<Rebase> {
        if !self.is_of_calendar(first) {
            let [own, first] =
                [self, first].map(|axis| axis.calendar_text.as_deref().unwrap_or("standard"));
            return Err(Error::new(
                Code::CalendarsDiffer,
                format!("the calendar is `{own}`, in another file of the dataset `{first}`"),
            )
            .with_hint("publish the files of each calendar as a dataset of its own"));
        }
        if self.text == first.text {
            return Ok(Rebase::IDENTITY);
        }
        let units = self.units.zip(first.units);
        units.map(|(own, first)| own.rebase_to(&first)).ok_or_else(|| {
            Error::new(
                Code::UnitsDiffer,
                format!(
                    "times in `{}` cannot be turned into `{}`, the units of another file: \
                     only units of fixed length since a date of the calendar can",
                    self.text, first.text
                ),
            )
            .with_hint(SAME_UNITS)
        })
    }
}

/// A count of time that is whole and exact for several units at once. Where all files have the same
/// units it counts as they do, even if what these mean is unknown.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The calendar, the instant of 0, and the nanoseconds of 1.
    known: Option<(Calendar, Instant, i128)>,
}

impl Clock {
    /// The clock of the units `axes`, of which each can be turned into the first.
    pub fn common(axes: &[&AxisUnits]) -> Self {
        let known = axes.first().and_then(|first| {
            let (calendar, TimeUnits { unit, reference }) = first.calendar.zip(first.units)?;
            let units = axes.iter().filter_map(|axis| axis.units);
            let distances =
                units.flat_map(|other| [other.unit, other.reference - reference]).chain([unit]);
            Some((calendar, reference, greatest_common_divisor(distances)))
        });
        Self { known }
    }

    /// How numbers in units `axis` become those of this clock.
    pub fn rebase(&self, axis: &AxisUnits) -> Rebase {
        match (self.known, axis.units) {
            (Some((_, reference, unit)), Some(units)) => {
                units.rebase_to(&TimeUnits { unit, reference })
            }
            _ => Rebase::IDENTITY,
        }
    }

    /// The calendar, where it and the units are known.
    pub fn calendar(&self) -> Option<Calendar> {
        self.known.map(|(calendar, ..)| calendar)
    }

    /// The instant that `time` of this clock is, to the nanosecond that has begun.
    pub fn instant(&self, time: Dyadic) -> Option<Instant> {
        let (_, reference, unit) = self.known?;
        time.transformed(unit, reference, 1)?.floor()
    }

    /// The date that `time` of this clock is.
    pub fn date(&self, time: Dyadic) -> Option<Date> {
        self.calendar()?.date(self.instant(time)?)
    }

    /// The time as a date, or as it is where its units have no fixed meaning.
    pub fn shown(&self, time: Dyadic) -> String {
        self.date(time).map_or_else(|| time.to_string(), |date| date.to_string())
    }
}

/// The times that `variable` holds, in its own units. Each must be there: a coordinate has no
/// missing values. None is told behind one that is not later than that before it, which no caller
/// lets pass: a damaged file may seem to have millions that were never written.
pub fn times(variable: &Variable) -> Result<Vec<Dyadic>> {
    let Some(Values::Bytes(bytes)) = &variable.values else {
        filter::check(&variable.filters, variable.dtype)?;
        return Err(Error::new(
            Code::TooLarge,
            "the time coordinate was never written, or is too large to be read",
        ));
    };
    check_not_packed(variable)?;
    let elements = Elements::of(variable)?;
    let mut times = Vec::new();
    for (step, bytes) in bytes.chunks_exact(elements.size).enumerate() {
        let time = elements.number(bytes).ok_or_else(|| {
            let message = format!("time step {} is missing or no number", step + 1);
            Error::new(Code::TimeNotIncreasing, message)
                .with_hint("a time coordinate must have a time for each step")
        })?;
        let is_later = times.last().is_none_or(|last| time > *last);
        times.push(time);
        if !is_later {
            break;
        }
    }
    Ok(times)
}

/// The first and the last number that `bounds` hold, where both are there.
pub fn outermost(bounds: &Variable) -> Option<[Dyadic; 2]> {
    let Some(Values::Bytes(bytes)) = &bounds.values else { return None };
    let elements = Elements::of(bounds).ok()?;
    check_not_packed(bounds).ok()?;
    let mut numbers = bytes.chunks_exact(elements.size);
    let first = elements.number(numbers.next()?)?;
    Some([first, numbers.next_back().and_then(|last| elements.number(last))?])
}

/// Turns every time in `bytes`, the values of `variable`, into other units, exactly or not at all.
/// What marks missing values stays as it is.
pub fn rebase(bytes: &mut [u8], variable: &Variable, rebase: Rebase) -> Result<()> {
    if rebase == Rebase::IDENTITY {
        return Ok(());
    }
    check_not_packed(variable)?;
    let elements = Elements::of(variable)?;
    for bytes in bytes.chunks_exact_mut(elements.size) {
        let Some(time) = elements.number(bytes) else { continue };
        let moved = rebase.apply(time).and_then(|moved| moved.encode(variable.dtype));
        let impossible = match moved {
            Some(moved) if elements.number(&moved).is_some() => {
                bytes.copy_from_slice(&moved);
                continue;
            }
            Some(_) => "would be what marks missing values".to_owned(),
            None => format!("has no exact value of type {}", variable.dtype),
        };
        let message = format!("{time} {impossible} in the time units of the first file");
        return Err(Error::new(Code::UnitsDiffer, message).with_hint(SAME_UNITS));
    }
    Ok(())
}

/// Refuses to move the times of `variable`, which were not read.
pub fn check_unmoved(variable: &Variable, rebase: Rebase) -> Result<()> {
    if rebase == Rebase::IDENTITY {
        return Ok(());
    }
    filter::check(&variable.filters, variable.dtype)?;
    Err(Error::new(Code::TooLarge, "times in differing units are too large to be moved")
        .with_hint(SAME_UNITS))
}

/// What a packed number means is another number, of which this module knows nothing.
fn check_not_packed(variable: &Variable) -> Result<()> {
    let packing = ["scale_factor", "add_offset", "_Unsigned"];
    match packing.into_iter().find(|name| variable.attributes.get(name).is_some()) {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!("`{name}` of times in several files"))
            .with_hint("rewrite the files with times that are not packed")),
    }
}

/// How the elements of a variable become numbers.
struct Elements {
    dtype: DataType,
    size: usize,
    /// Numbers that mark missing values.
    marks: Vec<Dyadic>,
}

impl Elements {
    fn of(variable: &Variable) -> Result<Self> {
        let dtype = variable.dtype;
        let size = dtype.size().and_then(|size| usize::try_from(size).ok());
        let is_number =
            matches!(dtype, DataType::Int(..) | DataType::UInt(..) | DataType::Float(4 | 8, _));
        let Some(size) = size.filter(|_| is_number) else {
            return Err(Error::unsupported(format!("a time coordinate of type {dtype}")));
        };
        let marks = ["_FillValue", "missing_value"].into_iter();
        let marks = marks.filter_map(|name| variable.attributes.get(name));
        let marks = marks.flat_map(|mark| mark.numbers(dtype)).collect();
        Ok(Self { dtype, size, marks })
    }

    /// The number in the bytes of one element, if it is one and not missing.
    fn number(&self, bytes: &[u8]) -> Option<Dyadic> {
        Dyadic::decode(bytes, self.dtype).filter(|number| !self.marks.contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::array::{Fill, Storage};
    use crate::model::attribute::{AttributeValue, Attributes};
    use crate::model::dtype::ByteOrder::{Big, Little};

    fn variable(dtype: DataType, attributes: &[(&str, AttributeValue)]) -> Variable {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Variable {
            name: "time".into(),
            dimensions: vec!["time".into()],
            shape: vec![1],
            dtype,
            fill: Fill::Undefined,
            filters: Vec::new(),
            storage: Storage::Contiguous(None),
            attributes: attributes.collect::<Attributes>(),
            values: None,
        }
    }

    fn axis(units: &str, calendar: &str) -> AxisUnits {
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        let attributes = [("units", text(units)), ("calendar", text(calendar))];
        AxisUnits::of(&variable(DataType::Float(8, Little), &attributes))
    }

    fn moved<const N: usize>(
        mut bytes: [u8; N],
        variable: &Variable,
        from: &str,
        to: &str,
    ) -> Result<[u8; N]> {
        let step = axis(from, "noleap").rebase_to(&axis(to, "noleap"))?;
        rebase(&mut bytes, variable, step).map(|()| bytes)
    }

    #[test]
    fn times_are_moved_exactly_or_not_at_all() {
        let double = variable(DataType::Float(8, Little), &[]);
        let (days, later) = ("days since 1850-01-01", "days since 1852-01-01");
        let (hours, noon) = ("hours since 1850-01-01", "days since 1850-01-01 12:00");
        let move_f64 = |time: f64, from, to| {
            moved(time.to_le_bytes(), &double, from, to).ok().map(f64::from_le_bytes)
        };
        assert_eq!(move_f64(15.5, later, days), Some(745.5));
        assert_eq!(move_f64(0.1, later, days), None);
        assert_eq!(move_f64(0.1, days, "days since 1850-1-1 0:0:0"), Some(0.1));
        assert_eq!(move_f64(36.0, hours, days), Some(1.5));
        assert_eq!(move_f64(1.0, hours, days), None);
        assert_eq!(move_f64(1.25, days, hours), Some(30.0));
        assert_eq!(move_f64(1.0, noon, hours), Some(36.0));
        assert_eq!(move_f64(1e300, later, days), None);
        let error = moved(0.1f64.to_le_bytes(), &double, later, days).unwrap_err();
        assert_eq!(error.code(), Code::UnitsDiffer);
        assert!(error.message().starts_with("0.1 has no exact value of type <f8"), "{error}");
    }

    #[test]
    fn integers_must_stay_integers_of_their_type() {
        let int = variable(DataType::Int(4, Big), &[]);
        let (days, later) = ("days since 1850-01-01", "days since 1850-01-02");
        let move_i32 = |time: i32, from, to| {
            moved(time.to_le_bytes(), &int, from, to).ok().map(i32::from_le_bytes)
        };
        assert_eq!(move_i32(5, days, later), Some(4));
        assert_eq!(move_i32(i32::MAX, later, days), None);
        assert_eq!(move_i32(12, "hours since 1850-01-01", days), None);
        assert_eq!(move_i32(24, "hours since 1850-01-01", days), Some(1));
        assert_eq!(move_i32(1 << 20, days, "seconds since 1850-01-01"), None);
    }

    #[test]
    fn what_marks_missing_times_stays_a_mark_and_nothing_becomes_one() {
        let mark = AttributeValue::Double(vec![1e20]);
        let double = variable(DataType::Float(8, Little), &[("_FillValue", mark)]);
        let (days, hours) = ("days since 1850-01-01", "hours since 1850-01-01");
        let kept = moved(1e20f64.to_le_bytes(), &double, days, hours).unwrap();
        assert_eq!(kept, 1e20f64.to_le_bytes());
        assert!(moved(2.4e21f64.to_le_bytes(), &double, hours, days).is_err());
        assert!(moved(f64::NAN.to_le_bytes(), &double, days, hours).is_ok());
        let packed = variable(
            DataType::Float(8, Little),
            &[("scale_factor", AttributeValue::Double(vec![0.5]))],
        );
        assert!(moved(1f64.to_le_bytes(), &packed, days, hours).is_err());
        assert!(moved(1f64.to_le_bytes(), &packed, days, days).is_ok());
    }

    #[test]
    fn calendars_are_compared_by_meaning() {
        let days = "days since 1850-01-01";
        let step = |from, to| axis(days, from).rebase_to(&axis(days, to));
        assert_eq!(step("noleap", "365_day").unwrap(), Rebase::IDENTITY);
        assert_eq!(step("noleap", "360_day").unwrap_err().code(), Code::CalendarsDiffer);
        assert_eq!(step("lunar", "lunar").unwrap(), Rebase::IDENTITY);
        let months = |since: &str| axis(&format!("months since {since}"), "noleap");
        assert!(months("1850-01-01").rebase_to(&months("1850-01-01")).is_ok());
        let differ = months("1850-01-01").rebase_to(&months("1851-01-01")).unwrap_err();
        assert_eq!(differ.code(), Code::UnitsDiffer);
    }

    #[test]
    fn a_common_clock_counts_all_units_exactly() {
        let axes = ["days since 1850-01-01", "hours since 1850-01-02 06:00:00"];
        let axes = axes.map(|units| axis(units, "360_day"));
        let clock = Clock::common(&[&axes[0], &axes[1]]);
        let ticks = |of: usize, time: f64| {
            clock.rebase(&axes[of]).apply(Dyadic::from_f64(time).unwrap()).unwrap()
        };
        assert_eq!(ticks(0, 1.5), ticks(1, 6.0));
        assert!(ticks(0, 1.5) < ticks(1, 6.000_000_000_1));
        assert_eq!(clock.shown(ticks(1, 6.0)), "1850-01-02T12:00:00");
        assert_eq!(Clock::common(&[&axis("months since 1850-01-01", "noleap")]).calendar(), None);
    }
}
