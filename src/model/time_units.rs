//! Time units of the CF conventions (section 4.4), in whole nanoseconds.

use super::calendar::{Calendar, DAY, Instant, SECOND};
use super::dyadic::Dyadic;

/// A unit of fixed length since a reference date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnits {
    /// Nanoseconds of the unit.
    pub unit: i128,
    /// The reference date.
    pub reference: Instant,
}

impl TimeUnits {
    /// Reads units such as `days since 1850-01-01 00:00:00`. `None` for what has no fixed meaning:
    /// a unit of no fixed length (months, years); a date that the calendar does not have; a year
    /// before 1 in a calendar that readers count without a year 0; an hour without minutes, which
    /// readers skip.
    #[must_use]
    pub fn parse(units: &str, calendar: Calendar) -> Option<Self> {
        let mut words = units.split_whitespace();
        let unit = unit_named(&words.next()?.to_ascii_lowercase())?;
        if !words.next()?.eq_ignore_ascii_case("since") {
            return None;
        }
        let date_and_time = words.next()?;
        let (date, glued) = match date_and_time.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (date_and_time, None),
        };
        let time = glued.or_else(|| words.next());
        let (time, glued_zone) = time.map_or(("0", ""), split_zone);
        let zone = words.next().unwrap_or(glued_zone);
        let is_twice = !glued_zone.is_empty() && zone != glued_zone;
        if is_twice || words.next().is_some() {
            return None;
        }
        let day = Instant::from(parse_date(date, calendar)?).checked_mul(DAY)?;
        let reference = day + time_of_day(time)? - zone_offset(zone)?;
        Some(Self { unit, reference })
    }

    /// How numbers in these units become numbers in `other`.
    #[must_use]
    pub fn rebase_to(&self, other: &Self) -> Rebase {
        Rebase::reduced(self.unit, self.reference - other.reference, other.unit)
    }
}

/// The exact step from one unit and reference date to another:
/// `(time * numerator + offset) / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebase {
    numerator: i128,
    offset: i128,
    denominator: i128,
}

impl Rebase {
    /// The step that leaves every number as it is.
    pub const IDENTITY: Self = Self { numerator: 1, offset: 0, denominator: 1 };

    fn reduced(numerator: i128, offset: i128, denominator: i128) -> Self {
        let common = greatest_common_divisor([numerator, offset, denominator]);
        Self {
            numerator: numerator / common,
            offset: offset / common,
            denominator: denominator / common,
        }
    }

    /// The number that `time` becomes, if a fraction of a power of two can be it.
    #[must_use]
    pub fn apply(&self, time: Dyadic) -> Option<Dyadic> {
        time.transformed(self.numerator, self.offset, self.denominator)
    }

    /// Whether it is `moved` that `time` becomes.
    #[must_use]
    pub fn leads(&self, time: Dyadic, moved: Dyadic) -> bool {
        let expected = time.transformed(self.numerator, self.offset, 1);
        expected.is_some() && expected == moved.transformed(self.denominator, 0, 1)
    }
}

/// The largest number that divides all `numbers`; 1 where all are zero.
#[must_use]
pub fn greatest_common_divisor(numbers: impl IntoIterator<Item = i128>) -> i128 {
    let common = numbers.into_iter().fold(0, |mut a: i128, mut b| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    common.abs().max(1)
}

/// Nanoseconds of a unit. The names are those that udunits and cftime share.
fn unit_named(name: &str) -> Option<i128> {
    Some(match name {
        "days" | "day" | "d" => DAY,
        "hours" | "hour" | "hrs" | "hr" | "h" => 3_600 * SECOND,
        "minutes" | "minute" | "mins" | "min" => 60 * SECOND,
        "seconds" | "second" | "secs" | "sec" | "s" => SECOND,
        "milliseconds" | "millisecond" | "millisecs" | "millisec" | "msecs" | "msec" | "ms" => {
            SECOND / 1_000
        }
        "microseconds" | "microsecond" | "microsecs" | "microsec" => SECOND / 1_000_000,
        _ => return None,
    })
}

fn parse_date(date: &str, calendar: Calendar) -> Option<i64> {
    let (sign, date) = match date.strip_prefix('-') {
        Some(date) => (-1, date),
        None => (1, date.strip_prefix('+').unwrap_or(date)),
    };
    let mut fields = date.split('-');
    let year = sign * digits(fields.next()?)?;
    let (month, day) = (digits(fields.next()?)?, digits(fields.next()?)?);
    let has_year_zero = !matches!(calendar, Calendar::Standard | Calendar::Julian);
    if fields.next().is_some() || (year < 1 && !has_year_zero) {
        return None;
    }
    calendar.day_number(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

/// `H:M:S[.f]` or `H:M`, the fraction to the microsecond as readers take it; a plain zero, too.
fn time_of_day(time: &str) -> Option<Instant> {
    if time.bytes().all(|digit| digit == b'0') {
        return Some(0);
    }
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut fields = whole.split(':');
    let mut seconds = 0;
    for (unit, most) in [(3_600, 23), (60, 59), (1, 59)] {
        match fields.next() {
            Some(field) => seconds += unit * digits(field).filter(|&value| value <= most)?,
            None if unit == 1 && fraction.is_empty() => {}
            None => return None,
        }
    }
    let fraction = fraction.trim_end_matches('0');
    let microseconds = match fraction.len() {
        0 => 0,
        1..=6 => digits(&format!("{fraction:0<6}"))?,
        _ => return None,
    };
    let time = Instant::from(seconds) * SECOND + Instant::from(microseconds) * 1_000;
    fields.next().is_none().then_some(time)
}

/// A time of day and the zone written behind it without a space.
fn split_zone(time: &str) -> (&str, &str) {
    time.find(['Z', '+', '-']).map_or((time, ""), |at| time.split_at(at))
}

/// What a zone is ahead of UTC. One without sign is read where it is zero.
fn zone_offset(zone: &str) -> Option<Instant> {
    let (sign, zone) = match zone.as_bytes() {
        [] | b"Z" | b"UTC" => return Some(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => (0, zone),
    };
    let (hours, minutes) = match (zone.split_once(':'), zone.len()) {
        (Some(fields), _) => fields,
        (None, 4) if zone.is_ascii() => zone.split_at(2),
        _ => (zone, "0"),
    };
    let fields = (digits(hours)?, digits(minutes)?);
    // Readers skip an hour of one digit.
    if fields != (0, 0) && (sign == 0 || hours.len() != 2 || fields.0 > 23 || fields.1 > 59) {
        return None;
    }
    Some(Instant::from(sign * (fields.0 * 60 + fields.1)) * 60 * SECOND)
}

/// A number of at most eight digits.
fn digits(field: &str) -> Option<i64> {
    let plain = (1..=8).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| field.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use Calendar::*;

    #[test]
    fn units_written_differently_are_the_same() {
        let units = |text| TimeUnits::parse(text, NoLeap);
        let base = units("days since 1850-01-01").unwrap();
        for text in [
            "days since 1850-1-1",
            "day since 1850-01-01 00:00:00",
            "days since 1850-01-01T00:00:00Z",
            "days since 1850-01-01 00:00:00.0",
            "days since 1850-01-01 0:0:0 UTC",
            "Days Since +1850-01-01 00:00:00 0:00",
            "days since 1850-01-01 05:30:00 +05:30",
            "days since 1849-12-31T22:30:00-0130",
            "days since 1850-01-01 01:00:00+01",
        ] {
            assert_eq!(units(text), Some(base), "{text}");
        }
        let rebase = |text| units(text).unwrap().rebase_to(&base);
        let reduced = |numerator, offset, denominator| Rebase { numerator, offset, denominator };
        assert_eq!(rebase("days since 1850-01-01 0:00"), Rebase::IDENTITY);
        assert_eq!(rebase("days since 1852-01-01"), reduced(1, 730, 1));
        assert_eq!(rebase("days since 1850-01-01 12:00"), reduced(2, 1, 2));
        assert_eq!(rebase("hours since 1850-01-02"), reduced(1, 24, 24));
        assert_eq!(rebase("seconds since 1850-01-01 00:00:00.25").offset, 1);
    }

    #[test]
    fn units_without_fixed_meaning_are_not_guessed() {
        for text in [
            "months since 1850-01-01",
            "years since 1850-01-01",
            "days since 1850-02-30",
            "days since 1850-01-01 12",
            "days since 1850-01-01 00:00 +1:00",
            "days since 1850-01-01 00:00 01:00",
            "days since 1850-01-01 00:00Z +01:00",
            "days since 1850-01-01 00:00 EST",
            "days since 1850-01-01 24:00:00",
            "days since 1850-01-01 00:00:60",
            "days since 1850-01-01 00:00:00.1234567",
            "days since 1850-01-01 00:00:00 UTC noon",
            "days since 1850",
            "K",
            "days after 1850-01-01",
            "days since 0000-01-01",
            "days since -0001-01-01",
            "days since 1582-10-10",
        ] {
            assert_eq!(TimeUnits::parse(text, Standard), None, "{text}");
        }
        for text in ["days since 0000-01-01", "days since -0001-01-01", "days since 1582-10-10"] {
            assert!(TimeUnits::parse(text, ProlepticGregorian).is_some(), "{text}");
        }
    }
}
