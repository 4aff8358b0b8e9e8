//! Times of later files, which a store has in the units of the first: compared as exact numbers,
//! never with a tolerance.

use crate::model::array::Values;
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::calendar::{Calendar, TimeUnits};
use crate::model::dtype::DataType;

use super::witness::{Description, Variable};

/// The dimension that the files of a dataset are joined along, and its times.
#[derive(Debug)]
pub struct Axis {
    /// Name of the dimension and of its coordinate.
    pub dimension: String,
    bounds: Option<String>,
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
        let bounds = time.attributes.text("bounds").or(time.attributes.text("climatology"));
        // Bounds take their units from the coordinate unless they have some.
        let bounds = bounds.filter(|name| {
            let bounds = first.variable(name);
            bounds.is_some_and(|bounds| bounds.attributes.get("units").is_none())
        });
        Some(Self {
            dimension: time.name.clone(),
            bounds: bounds.map(str::to_owned),
            units: time.attributes.text("units").map(str::to_owned),
            calendar: time.attributes.text("calendar").map(str::to_owned),
        })
    }

    /// Whether the variable called `name` holds times of this axis.
    pub fn holds_times(&self, name: &str) -> bool {
        self.dimension == name || self.bounds.as_deref() == Some(name)
    }

    /// How many units lie between the reference date of this axis and the later one of `other`,
    /// the same axis in another file.
    pub fn shift(&self, other: &Self) -> Result<i64, String> {
        let [from, to] = [other, self];
        if [from, to].map(|axis| axis.units.as_deref()) == [None, None] {
            return Ok(0);
        }
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
            return Ok(0);
        }
        let units = |axis: &Self| TimeUnits::parse(axis.units.as_deref()?, calendars[0]?);
        let shift = units(from).zip(units(to)).and_then(|(from, to)| from.shift_to(&to));
        shift.ok_or_else(|| {
            format!("times in {:?} cannot be told exactly in {:?}", from.units, to.units)
        })
    }
}

fn is_time(variable: &Variable) -> bool {
    let units = variable.attributes.text("units").unwrap_or_default();
    variable.dimensions == [variable.name.as_str()]
        && units.to_ascii_lowercase().contains(" since ")
}

/// The values that mean that there is none, in the bytes of an element.
pub fn missing(attributes: &Attributes, dtype: DataType) -> Vec<Vec<u8>> {
    let values = ["_FillValue", "missing_value"].map(|name| attributes.get(name));
    let bytes = values.into_iter().flatten().filter_map(|value| match (value, dtype) {
        (AttributeValue::Int(numbers), DataType::Int(size, _)) => {
            Some(numbers.first()?.to_le_bytes()[..size.into()].to_vec())
        }
        (AttributeValue::Double(numbers), DataType::Float(8, _)) => {
            Some(numbers.first()?.to_le_bytes().to_vec())
        }
        _ => None,
    });
    bytes.collect()
}

/// Whether the time `stored` is exactly `shift` more than `time`, both the bytes of a `dtype`.
pub fn is_shifted(stored: &[u8], time: &[u8], dtype: DataType, shift: i64) -> bool {
    if shift == 0 {
        return stored == time;
    }
    let whole = |bytes: &[u8]| -> Option<i128> {
        Some(match dtype {
            DataType::Int(2, _) => i16::from_le_bytes(bytes.try_into().ok()?).into(),
            DataType::Int(4, _) => i32::from_le_bytes(bytes.try_into().ok()?).into(),
            DataType::Int(8, _) => i64::from_le_bytes(bytes.try_into().ok()?).into(),
            _ => return None,
        })
    };
    let float = |bytes: &[u8]| -> Option<f64> {
        Some(match dtype {
            DataType::Float(4, _) => f32::from_le_bytes(bytes.try_into().ok()?).into(),
            DataType::Float(8, _) => f64::from_le_bytes(bytes.try_into().ok()?),
            _ => return None,
        })
    };
    match dtype {
        DataType::Float(..) => match (float(stored), float(time)) {
            (Some(stored), Some(time)) => is_sum(stored, time, shift),
            _ => false,
        },
        _ => match (whole(stored), whole(time)) {
            (Some(stored), Some(time)) => stored == time + i128::from(shift),
            _ => false,
        },
    }
}

/// Whether each of these times is later than the one before.
pub fn is_increasing(times: &Values, dtype: DataType) -> bool {
    let Values::Bytes(bytes) = times else { return false };
    match dtype {
        DataType::Float(4, _) => {
            bytes.as_chunks().0.is_sorted_by(|a, b| f32::from_le_bytes(*a) < f32::from_le_bytes(*b))
        }
        DataType::Float(8, _) => {
            bytes.as_chunks().0.is_sorted_by(|a, b| f64::from_le_bytes(*a) < f64::from_le_bytes(*b))
        }
        DataType::Int(2, _) => {
            bytes.as_chunks().0.is_sorted_by(|a, b| i16::from_le_bytes(*a) < i16::from_le_bytes(*b))
        }
        DataType::Int(4, _) => {
            bytes.as_chunks().0.is_sorted_by(|a, b| i32::from_le_bytes(*a) < i32::from_le_bytes(*b))
        }
        DataType::Int(8, _) => {
            bytes.as_chunks().0.is_sorted_by(|a, b| i64::from_le_bytes(*a) < i64::from_le_bytes(*b))
        }
        _ => false,
    }
}

/// Whether `sum` is exactly `time + shift`, which is not 0. All are integers of one small power of
/// two; where that would have to be smaller than 2^-60, a sum with a whole number has more bits
/// than a double holds, and `sum` is another number.
fn is_sum(sum: f64, time: f64, shift: i64) -> bool {
    const SMALLEST: i32 = -60;
    let scaled = |(mantissa, exponent): (i64, i32)| -> Option<i128> {
        let up = u32::try_from(exponent.checked_sub(SMALLEST)?).ok().filter(|up| *up < 74)?;
        Some(i128::from(mantissa) << up)
    };
    let terms = [sum, time].map(|number| odd_and_power(number).and_then(scaled));
    match (terms, scaled((shift, 0))) {
        ([Some(sum), Some(time)], Some(shift)) => sum == time + shift,
        _ => false,
    }
}

/// A finite number as an odd integer, or 0, times a power of two.
fn odd_and_power(number: f64) -> Option<(i64, i32)> {
    if !number.is_finite() {
        return None;
    }
    let bits = number.to_bits();
    let fraction = (bits & ((1 << 52) - 1)).cast_signed();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).ok()?;
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    if mantissa == 0 {
        return Some((0, 0));
    }
    let zeros = mantissa.trailing_zeros();
    let signed = if number < 0.0 { -(mantissa >> zeros) } else { mantissa >> zeros };
    Some((signed, exponent.max(1) - 1075 + zeros.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::ByteOrder;

    #[test]
    fn sums_are_exact_or_wrong() {
        assert!(is_sum(745.5, 15.5, 730));
        assert!(is_sum(-700.0, 30.0, -730));
        assert!(is_sum(0.0, 730.0, -730));
        assert!(!is_sum(745.500_000_000_000_1, 15.5, 730));
        // 0.1 + 730 rounds.
        assert!(!is_sum(730.1, 0.1, 730));
        assert!(!is_sum(730.0, 1e-300, 730));
        assert!(!is_sum(1e300, 1e300, 730));
        assert!(!is_sum(f64::NAN, f64::NAN, 730));
        let dtype = DataType::Int(4, ByteOrder::Little);
        let is = |stored: i32, time: i32| {
            is_shifted(&stored.to_le_bytes(), &time.to_le_bytes(), dtype, 24)
        };
        assert!(is(25, 1));
        assert!(!is(24, 1));
        assert!(!is(i32::MIN + 23, i32::MAX), "a sum that does not fit");
    }

    #[test]
    fn powers_of_two_come_out() {
        assert_eq!(odd_and_power(12.0), Some((3, 2)));
        assert_eq!(odd_and_power(-0.75), Some((-3, -2)));
        assert_eq!(odd_and_power(0.0), Some((0, 0)));
        assert_eq!(odd_and_power(f64::from_bits(1)), Some((1, -1074)));
        assert_eq!(odd_and_power(f64::INFINITY), None);
    }
}
