//! Calendars and time units of the CF conventions (section 4.4), in whole seconds.

/// A CF calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// Julian until 4 October 1582, Gregorian from the next day, 15 October.
    Standard,
    /// Gregorian at all times.
    ProlepticGregorian,
    /// Julian at all times.
    Julian,
    /// Years of 365 days.
    NoLeap,
    /// Years of 366 days.
    AllLeap,
    /// Months of 30 days.
    Day360,
}

impl Calendar {
    /// The calendar that a `calendar` attribute names; without one it is the standard calendar.
    #[must_use]
    pub fn named(name: Option<&str>) -> Option<Self> {
        Some(match name.map(str::to_ascii_lowercase).as_deref() {
            None | Some("standard" | "gregorian") => Self::Standard,
            Some("proleptic_gregorian") => Self::ProlepticGregorian,
            Some("julian") => Self::Julian,
            Some("noleap" | "365_day") => Self::NoLeap,
            Some("all_leap" | "366_day") => Self::AllLeap,
            Some("360_day") => Self::Day360,
            Some(_) => return None,
        })
    }

    /// Days from 1 January of year 0 to a date, or `None` for a date the calendar does not have.
    #[must_use]
    pub fn day_number(self, year: i64, month: u32, day: u32) -> Option<i64> {
        let month_index = usize::try_from(month.checked_sub(1)?).ok()?;
        if day == 0 || day > self.days_in_month(year, month_index)? {
            return None;
        }
        let day = i64::from(day) - 1;
        Some(match self {
            Self::Day360 => year * 360 + i64::from(month - 1) * 30 + day,
            Self::NoLeap => year * 365 + DAYS_BEFORE_MONTH[month_index] + day,
            Self::AllLeap => year * 366 + DAYS_BEFORE_MONTH[month_index] + leap_day(month) + day,
            _ => {
                let leap = if self.is_leap(year) { leap_day(month) } else { 0 };
                self.first_day(year) + DAYS_BEFORE_MONTH[month_index] + leap + day
                    - self.days_left_out(year, month, day + 1)
            }
        })
    }

    fn days_in_month(self, year: i64, month_index: usize) -> Option<u32> {
        if self == Self::Standard && year == 1582 && month_index == 9 {
            // 31, of which `day_number` leaves out ten.
            return Some(31);
        }
        Some(match (self, month_index) {
            (Self::Day360, 0..12) | (_, 3 | 5 | 8 | 10) => 30,
            (_, 1) if self.is_leap(year) => 29,
            (_, 1) => 28,
            (_, 0..12) => 31,
            _ => return None,
        })
    }

    fn is_leap(self, year: i64) -> bool {
        let gregorian = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        match self {
            Self::Standard if year > 1582 => gregorian,
            Self::ProlepticGregorian => gregorian,
            Self::Standard | Self::Julian => year % 4 == 0,
            Self::AllLeap => true,
            Self::NoLeap | Self::Day360 => false,
        }
    }

    /// Days from 1 January of year 0 to 1 January of `year`, in a calendar with leap years.
    fn first_day(self, year: i64) -> i64 {
        // Leap years before this one, year 0 being one.
        let before = year - 1;
        let julian = year * 365 + before.div_euclid(4) + 1;
        let gregorian = julian - before.div_euclid(100) + before.div_euclid(400);
        match self {
            Self::ProlepticGregorian => gregorian,
            // In 1582 ten days are left out; the Gregorian leap rule had dropped twelve since year
            // 0 but the reform made up for two of them.
            Self::Standard if year > 1582 => gregorian + 2,
            _ => julian,
        }
    }

    /// Days that the reform of October 1582 left out before a date of that year.
    fn days_left_out(self, year: i64, month: u32, day: i64) -> i64 {
        let after = (month, day) >= (10, 15);
        if self == Self::Standard && year == 1582 && after { 10 } else { 0 }
    }
}

/// Days before each month of a year without leap day.
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

fn leap_day(month: u32) -> i64 {
    i64::from(month > 2)
}

/// Time units: a unit of fixed length since a reference date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnits {
    /// Seconds of the unit.
    pub unit_seconds: i64,
    /// The reference date in seconds since 1 January of year 0 of the calendar.
    pub reference: i64,
}

impl TimeUnits {
    /// Reads units such as `days since 1850-01-01 00:00:00`. `None` where the unit has no fixed
    /// length (months, years), or the date is not one of the calendar or names a time zone other
    /// than UTC.
    #[must_use]
    pub fn parse(units: &str, calendar: Calendar) -> Option<Self> {
        let mut words = units.split_whitespace();
        let unit_seconds = match words.next()?.to_ascii_lowercase().as_str() {
            "days" | "day" | "d" => 86_400,
            "hours" | "hour" | "hrs" | "hr" | "h" => 3_600,
            "minutes" | "minute" | "mins" | "min" => 60,
            "seconds" | "second" | "secs" | "sec" | "s" => 1,
            _ => return None,
        };
        if !words.next()?.eq_ignore_ascii_case("since") {
            return None;
        }
        let date_and_time = words.next()?;
        let (date, glued) = match date_and_time.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (date_and_time, None),
        };
        let seconds = match glued.or_else(|| words.next()) {
            Some(time) => seconds_of_day(time)?,
            None => 0,
        };
        match words.next() {
            None | Some("Z" | "UTC" | "+00:00" | "00:00" | "0:00" | "0") => {}
            Some(_) => return None,
        }
        let reference = parse_date(date, calendar)?.checked_mul(86_400)?.checked_add(seconds)?;
        Some(Self { unit_seconds, reference })
    }

    /// What to add to a value in these units to have it in `other`, whose unit must be the same
    /// and whose reference date a whole number of units away.
    #[must_use]
    pub fn shift_to(&self, other: &Self) -> Option<i64> {
        let apart = self.reference.checked_sub(other.reference)?;
        let whole = self.unit_seconds == other.unit_seconds && apart % self.unit_seconds == 0;
        whole.then(|| apart / self.unit_seconds)
    }
}

fn parse_date(date: &str, calendar: Calendar) -> Option<i64> {
    let (sign, date) = match date.strip_prefix('-') {
        Some(date) => (-1, date),
        None => (1, date),
    };
    let mut fields = date.split('-');
    let year = digits(fields.next()?)?;
    let (month, day) = (digits(fields.next()?)?, digits(fields.next()?)?);
    if fields.next().is_some() {
        return None;
    }
    calendar.day_number(sign * year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

/// `H:M:S`, `H:M` or `H`; the seconds may have a fraction of zero.
fn seconds_of_day(time: &str) -> Option<i64> {
    let time = time.strip_suffix('Z').unwrap_or(time);
    let whole = match time.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => time,
    };
    let mut fields = whole.split(':');
    let mut seconds = 0;
    for (unit, most) in [(3_600, 23), (60, 59), (1, 59)] {
        let Some(field) = fields.next() else { break };
        seconds += unit * digits(field).filter(|&value| value <= most)?;
    }
    fields.next().is_none().then_some(seconds)
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
    fn days_follow_each_other_in_every_calendar() {
        for calendar in [Standard, ProlepticGregorian, Julian, NoLeap, AllLeap, Day360] {
            let mut last = None;
            for year in -5..2105 {
                for month in 1..=12 {
                    for day in 1..=31 {
                        let reform = calendar == Standard && (year, month) == (1582, 10);
                        if reform && (5..15).contains(&day) {
                            continue;
                        }
                        let Some(number) = calendar.day_number(year, month, day) else {
                            continue;
                        };
                        if let Some(last) = last {
                            assert_eq!(number, last + 1, "{calendar:?} {year}-{month}-{day}");
                        }
                        last = Some(number);
                    }
                }
            }
        }
    }

    #[test]
    fn days_between_known_dates() {
        let days = |calendar: Calendar, from: (i64, u32, u32), to: (i64, u32, u32)| {
            calendar.day_number(to.0, to.1, to.2).unwrap()
                - calendar.day_number(from.0, from.1, from.2).unwrap()
        };
        assert_eq!(days(Standard, (1850, 1, 1), (1970, 1, 1)), 43_829);
        assert_eq!(days(ProlepticGregorian, (1, 1, 1), (1970, 1, 1)), 719_162);
        assert_eq!(days(Standard, (1, 1, 1), (1970, 1, 1)), 719_164);
        assert_eq!(days(NoLeap, (1850, 1, 1), (2015, 1, 1)), 165 * 365);
        assert_eq!(days(Day360, (1850, 2, 30), (1850, 3, 1)), 1);
    }

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
        ] {
            assert_eq!(units(text), Some(base), "{text}");
        }
        assert_eq!(units("days since 1852-01-01").unwrap().shift_to(&base), Some(730));
        assert_eq!(units("days since 1850-01-01 12:00").unwrap().shift_to(&base), None);
        assert_eq!(units("hours since 1850-01-01").unwrap().shift_to(&base), None);
    }

    #[test]
    fn units_without_fixed_meaning_are_not_guessed() {
        for text in [
            "months since 1850-01-01",
            "days since 1850-02-30",
            "days since 1850-01-01 00:00 +01:00",
            "days since 1850",
            "K",
            "days after 1850-01-01",
            "days since 1850-01-01 00:00:00.5",
        ] {
            assert_eq!(TimeUnits::parse(text, Standard), None, "{text}");
        }
    }
}
