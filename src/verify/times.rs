//! Times of later files, which a store has in the units of the first: compared as exact numbers,
//! never with a tolerance.

use crate::model::array::Values;
use crate::model::attribute::Attributes;
use crate::model::calendar::Calendar;
use crate::model::dtype::DataType;
use crate::model::dyadic::Dyadic;
use crate::model::time_units::{Rebase, TimeUnits};

use super::witness::{Description, Variable};

/// The dimension that the files of a dataset are joined along, and its times.
#[derive(Debug)]
pub struct Axis {
    /// Name of the dimension and of its coordinate.
    pub dimension: String,
    /// Names of the variables with bounds in its units.
    bounds: Vec<String>,
    units: Option<String>,
    calendar: Option<String>,
}

impl Axis {
    /// The axis of the file `first`: the time coordinate, where there are several the one along
    /// which the largest variable goes.
    pub fn of(first: &Description) -> Option<Self> {
        let times: Vec<&Variable> = first.variables.iter().filter(|it| is_time(it)).collect();
        let time = match times[..] {
            [] => return None,
            [only] => only,
            _ => {
                let size = |variable: &&Variable| variable.shape.iter().product::<u64>();
                let largest = first.variables.iter().max_by_key(size)?;
                let leading = largest.dimensions.first()?;
                times.into_iter().find(|time| time.name == *leading)?
            }
        };
        let text = |name| time.attributes.text(name);
        let names = ["bounds", "climatology"].into_iter().filter_map(text);
        // Bounds take their units from the coordinate unless they have others.
        let bounds = names.filter(|name| {
            let units = first.variable(name).map(|bounds| bounds.attributes.get("units"));
            units.is_some_and(|units| units.is_none_or(|units| units.as_text() == text("units")))
        });
        Some(Self {
            dimension: time.name.clone(),
            bounds: bounds.map(str::to_owned).collect(),
            units: text("units").map(str::to_owned),
            calendar: text("calendar").map(str::to_owned),
        })
    }

    /// Whether the variable called `name` holds times of this axis.
    pub fn holds_times(&self, name: &str) -> bool {
        self.dimension == name || self.bounds.iter().any(|bounds| bounds == name)
    }

    /// The step from times of `other`, the same axis in another file, to those of this one.
    pub fn step_from(&self, other: &Self) -> Result<Rebase, String> {
        let [from, to] = [other, self];
        let calendars = [from, to].map(|axis| Calendar::named(axis.calendar.as_deref()));
        let same_calendar = match calendars {
            [Some(from), Some(to)] => from == to,
            _ => from.calendar == to.calendar,
        };
        if !same_calendar {
            return Err(format!(
                "the calendar is {:?}, in the first file {:?}",
                from.calendar, to.calendar
            ));
        }
        if from.units == to.units {
            return Ok(Rebase::IDENTITY);
        }
        let units = |axis: &Self| TimeUnits::parse(axis.units.as_deref()?, calendars[0]?);
        let step = units(from).zip(units(to)).map(|(from, to)| from.rebase_to(&to));
        step.ok_or_else(|| {
            format!("times in {:?} cannot be told exactly in {:?}", from.units, to.units)
        })
    }
}

fn is_time(variable: &Variable) -> bool {
    let units = variable.attributes.text("units").unwrap_or_default();
    variable.dimensions == [variable.name.as_str()]
        && units.to_ascii_lowercase().contains(" since ")
}

/// The numbers that mean that there is no time.
pub fn missing(attributes: &Attributes, dtype: DataType) -> Vec<Dyadic> {
    let values =
        ["_FillValue", "missing_value"].into_iter().filter_map(|name| attributes.get(name));
    values.flat_map(|value| value.numbers(dtype)).collect()
}

/// Whether the bytes `stored` are those of `time` after `step`, both of type `dtype`; what is no
/// time stays as it is.
pub fn is_moved(
    stored: &[u8],
    time: &[u8],
    (dtype, missing): (DataType, &[Dyadic]),
    step: Rebase,
) -> bool {
    let number = |bytes: &[u8]| Dyadic::decode(bytes, dtype).filter(|it| !missing.contains(it));
    match number(time).filter(|_| step != Rebase::IDENTITY) {
        Some(time) => number(stored).is_some_and(|stored| step.leads(time, stored)),
        None => stored == time,
    }
}

/// The numbers that `times` are; nothing where one is none.
pub fn numbers(times: &Values, dtype: DataType) -> Option<Vec<Dyadic>> {
    let Values::Bytes(bytes) = times else { return None };
    let size = usize::try_from(dtype.size()?).ok().filter(|size| *size > 0)?;
    bytes.chunks_exact(size).map(|bytes| Dyadic::decode(bytes, dtype)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attribute::AttributeValue;
    use crate::model::dtype::ByteOrder;

    const F8: DataType = DataType::Float(8, ByteOrder::Little);

    fn step(from: &str, to: &str) -> Rebase {
        let units = |text| TimeUnits::parse(text, Calendar::NoLeap).unwrap();
        units(from).rebase_to(&units(to))
    }

    #[test]
    fn times_are_moved_exactly_or_wrongly() {
        let later = step("days since 1852-01-01", "days since 1850-01-01");
        let is = |stored: f64, time: f64, step| {
            is_moved(&stored.to_le_bytes(), &time.to_le_bytes(), (F8, &[]), step)
        };
        assert!(is(745.5, 15.5, later));
        assert!(!is(745.500_000_000_000_1, 15.5, later));
        // 0.1 + 730 rounds.
        assert!(!is(730.1, 0.1, later));
        assert!(!is(730.0, 1e-300, later));
        assert!(is(f64::NAN, f64::NAN, later));
        assert!(is(1.5, 36.0, step("hours since 1850-01-01", "days since 1850-01-01")));
        assert!(!is(0.333, 8.0, step("hours since 1850-01-01", "days since 1850-01-01")));
        let dtype = DataType::Int(4, ByteOrder::Little);
        let is = |stored: i32, time: i32| {
            is_moved(&stored.to_le_bytes(), &time.to_le_bytes(), (dtype, &[]), later)
        };
        assert!(is(731, 1));
        assert!(!is(730, 1));
        assert!(!is(i32::MIN + 729, i32::MAX), "a sum that does not fit");
    }

    #[test]
    fn what_marks_missing_times_stays_and_no_time_becomes_it() {
        let later = step("days since 1852-01-01", "days since 1850-01-01");
        let mut attributes = Attributes::default();
        attributes.push("_FillValue", AttributeValue::Int(vec![-999, 999]));
        let marks = missing(&attributes, F8);
        let is = |stored: f64, time: f64| {
            is_moved(&stored.to_le_bytes(), &time.to_le_bytes(), (F8, &marks), later)
        };
        assert!(is(-999.0, -999.0));
        assert!(is(999.0, 999.0));
        assert!(!is(-269.0, -999.0));
        assert!(!is(999.0, 269.0));
        assert!(is(731.0, 1.0));
    }
}
