//! Calendars of the CF conventions (section 4.4): from dates to days and back.

use std::fmt;

/// Nanoseconds since the begin of year 0 of a calendar.
pub type Instant = i128;

/// Nanoseconds of a second.
pub const SECOND: Instant = 1_000_000_000;

/// Nanoseconds of a day.
pub const DAY: Instant = 86_400 * SECOND;

/// A moment of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// The month, from 1.
    pub month: u32,
    /// The day of the month, from 1.
    pub day: u32,
    /// Nanoseconds since midnight.
    pub nanosecond: u64,
}

impl Date {
    /// As a date and time of RFC 3339, such as `1850-01-16T12:00:00Z`. A day that its month has in the calendar
    /// but not in the Gregorian one, such as 30 February, becomes the last that it has; none for years
    /// that are not of four digits.
    #[must_use]
    pub fn rfc3339(&self) -> Option<String> {
        let last = (1..=self.day).rev().find(|&day| {
            let calendar = Calendar::ProlepticGregorian;
            calendar.day_number(self.year, self.month, day).is_some()
        })?;
        (0..=9999).contains(&self.year).then(|| format!("{}Z", Self { day: last, ..*self }))
    }
}

impl fmt::Display for Date {
    /// Such as `1850-01-16T12:00:00`, to the second that has begun.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, nanosecond } = self;
        let second = nanosecond / 1_000_000_000;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

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
        let is_left_out = self.is_of_reform(year, month) && (5..15).contains(&day);
        if day == 0 || day > self.days_in_month(year, month_index)? || is_left_out {
            return None;
        }
        let of_year = self.days_before_month(year, month_index) + i64::from(day) - 1;
        Some(self.first_day(year) + of_year - self.days_left_out(year, of_year))
    }

    /// The date of which `day_number` gives the number; `None` more than a million years from year
    /// 0, where no time of a model lies.
    #[must_use]
    pub fn date_of_day(self, number: i64) -> Option<(i64, u32, u32)> {
        const FAR: i64 = 366_000_000;
        if !(-FAR..FAR).contains(&number) {
            return None;
        }
        let mut year = match self {
            Self::Day360 => number.div_euclid(360),
            Self::NoLeap => number.div_euclid(365),
            Self::AllLeap => number.div_euclid(366),
            // 400 Gregorian years; at most some years off in the other calendars.
            _ => (number * 400).div_euclid(146_097),
        };
        while self.first_day(year) > number {
            year -= 1;
        }
        while self.first_day(year + 1) <= number {
            year += 1;
        }
        let of_year = number - self.first_day(year);
        let left_out = self.days_left_out(year, of_year + LEFT_OUT);
        let of_year = of_year + left_out;
        let mut months =
            (1..13).zip((0..12).map(|index| self.days_before_month(year, index))).rev();
        let (month, before) = months.find(|(_, before)| *before <= of_year)?;
        Some((year, month, u32::try_from(of_year - before).ok()? + 1))
    }

    /// The moment that lies `instant` after the begin of year 0; `None` as in `date_of_day`.
    #[must_use]
    pub fn date(self, instant: Instant) -> Option<Date> {
        let (year, month, day) = self.date_of_day(i64::try_from(instant.div_euclid(DAY)).ok()?)?;
        let nanosecond = u64::try_from(instant.rem_euclid(DAY)).ok()?;
        Some(Date { year, month, day, nanosecond })
    }

    /// October 1582, of which the standard calendar leaves out the fifth to the fourteenth.
    fn is_of_reform(self, year: i64, month: u32) -> bool {
        self == Self::Standard && (year, month) == (1582, 10)
    }

    fn days_in_month(self, year: i64, month_index: usize) -> Option<u32> {
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

    /// Days of a year before a month, as if none were left out.
    fn days_before_month(self, year: i64, month_index: usize) -> i64 {
        let before = if self == Self::Day360 { BEFORE_MONTH_OF_30 } else { DAYS_BEFORE_MONTH };
        before[month_index] + i64::from(month_index > 1 && self.is_leap(year))
    }

    /// Days from 1 January of year 0 to 1 January of `year`.
    fn first_day(self, year: i64) -> i64 {
        // Leap years before this one, year 0 being one.
        let before = year - 1;
        let julian = year * 365 + before.div_euclid(4) + 1;
        let gregorian = julian - before.div_euclid(100) + before.div_euclid(400);
        match self {
            Self::Day360 => year * 360,
            Self::NoLeap => year * 365,
            Self::AllLeap => year * 366,
            Self::ProlepticGregorian => gregorian,
            // In 1582 ten days are left out; the Gregorian leap rule had dropped twelve since year
            // 0 but the reform made up for two of them.
            Self::Standard if year > 1582 => gregorian + 2,
            Self::Standard | Self::Julian => julian,
        }
    }

    /// Days that the reform of October 1582 left out before a day of a year, counted from 0 as if none were.
    fn days_left_out(self, year: i64, of_year: i64) -> i64 {
        /// Days of 1582 before 15 October.
        const BEFORE: i64 = 287;
        if self == Self::Standard && year == 1582 && of_year >= BEFORE { LEFT_OUT } else { 0 }
    }
}

/// Days before each month of a year without leap day.
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// The same where all months have 30 days.
const BEFORE_MONTH_OF_30: [i64; 12] = [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330];

/// Days that the reform left out.
const LEFT_OUT: i64 = 10;

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
                        let Some(number) = calendar.day_number(year, month, day) else {
                            continue;
                        };
                        assert_eq!(calendar.date_of_day(number), Some((year, month, day)));
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
    fn the_days_that_the_reform_left_out_are_no_days() {
        for day in 5..15 {
            assert_eq!(Standard.day_number(1582, 10, day), None);
            assert!(Julian.day_number(1582, 10, day).is_some());
        }
        let fourth = Standard.day_number(1582, 10, 4).unwrap();
        assert_eq!(Standard.day_number(1582, 10, 15), Some(fourth + 1));
        assert_eq!(Standard.date_of_day(fourth + 17), Some((1582, 10, 31)));
    }

    #[test]
    fn moments_are_written_as_dates() {
        let noon = Instant::from(Day360.day_number(1850, 2, 30).unwrap()) * DAY + DAY / 2;
        assert_eq!(Day360.date(noon).unwrap().to_string(), "1850-02-30T12:00:00");
        assert_eq!(NoLeap.date(-1).unwrap().to_string(), "-001-12-31T23:59:59");
        assert_eq!(NoLeap.date(Instant::MAX), None);
    }
}
