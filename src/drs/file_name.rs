//! What a file name says: variable, time range and facets.

use std::fmt;

use crate::model::calendar::{Calendar, DAY, Instant, SECOND};
use crate::model::error::{Code, Error, Result};

/// A file name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The variable, where names of the project tell.
    pub variable: Option<&'a str>,
    /// The time range; absent for time-independent data.
    pub time_range: Option<TimeRange>,
    /// The facets and their values, in the order of the file name.
    pub facets: Vec<(&'a str, &'a str)>,
}

/// `START-END[-clim]`, or `START[-clim]` where start and end are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment.
    pub start: Moment,
    /// The last moment, as precise as the first.
    pub end: Moment,
    /// Whether the data are a climatology of the range.
    pub climatology: bool,
}

/// `yyyy[MM[dd[hh[mm[ss]]]]]`, the digits as numbers. Not a date: models count years and days in
/// calendars of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it all")]
pub struct Moment {
    pub year: u16,
    pub month: Option<u8>,
    pub day: Option<u8>,
    pub hour: Option<u8>,
    pub minute: Option<u8>,
    pub second: Option<u8>,
}

impl TimeRange {
    /// Parses the last part of a file name.
    pub fn parse(text: &str) -> Result<Self> {
        let (range, climatology) = match text.strip_suffix("-clim") {
            Some(range) => (range, true),
            None => (text, false),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let no_range = |reason| {
            let text = text.escape_debug();
            Error::new(Code::DrsMismatch, format!("`{text}` is not a time range: {reason}"))
        };
        let (Some(start), Some(end)) = (Moment::parse(first), Moment::parse(last)) else {
            return Err(no_range("expected yyyy[MM[dd[hh[mm[ss]]]]], once or twice"));
        };
        if first.len() != last.len() {
            return Err(no_range("start and end differ in precision"));
        }
        if end < start {
            return Err(no_range("the end comes before the start"));
        }
        Ok(Self { start, end, climatology })
    }

    /// Whether one of `starts` is in the first moment of the range, and one of `ends` in the last.
    ///
    /// Names may be made of the times of the first and last step or of their bounds, so either may
    /// be given; the end of a moment belongs to it, as bounds end there, and so does the minute
    /// next to it, as times are rounded to the last digit.
    #[must_use]
    pub fn agrees_with(&self, calendar: Calendar, starts: &[Instant], ends: &[Instant]) -> bool {
        const ROUNDING: Instant = 60 * SECOND;
        let is_within = |moment: &Moment, instants: &[Instant]| {
            moment.begin_and_end(calendar).is_some_and(|(begin, end)| {
                let range = begin - ROUNDING..=end + ROUNDING;
                instants.iter().any(|instant| range.contains(instant))
            })
        };
        is_within(&self.start, starts) && is_within(&self.end, ends)
    }
}

impl fmt::Display for TimeRange {
    /// As in a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.climatology { "-clim" } else { "" };
        write!(f, "{}-{}{suffix}", self.start, self.end)
    }
}

impl fmt::Display for Moment {
    /// As in a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        [self.month, self.day, self.hour, self.minute, self.second]
            .into_iter()
            .flatten()
            .try_for_each(|pair| write!(f, "{pair:02}"))
    }
}

impl Moment {
    /// When the moment begins and ends; `None` where `calendar` has no such date.
    fn begin_and_end(&self, calendar: Calendar) -> Option<(Instant, Instant)> {
        let year = i64::from(self.year);
        let midnight = |year, month: u8, day: u8| {
            let day = calendar.day_number(year, month.into(), day.into())?;
            Some(Instant::from(day) * DAY)
        };
        let (Some(month), day) = (self.month, self.day.unwrap_or(1)) else {
            return midnight(year, 1, 1).zip(midnight(year + 1, 1, 1));
        };
        let date = midnight(year, month, day)?;
        if self.day.is_none() {
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            return Some((date, midnight(next.0, next.1, 1)?));
        }
        let fields = [(self.hour, 3_600), (self.minute, 60), (self.second, 1)];
        let given = fields.into_iter().filter_map(|(value, seconds)| Some((value?, seconds)));
        let (begin, length) = given.fold((date, DAY), |(begin, _), (value, seconds)| {
            (begin + Instant::from(value) * seconds * SECOND, seconds * SECOND)
        });
        Some((begin, begin + length))
    }

    fn parse(digits: &str) -> Option<Self> {
        let well_formed = matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14)
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !well_formed {
            return None;
        }
        let pair = |at: usize| digits.get(at..at + 2)?.parse().ok();
        Some(Self {
            year: digits.get(..4)?.parse().ok()?,
            month: pair(4),
            day: pair(6),
            hour: pair(8),
            minute: pair(10),
            second: pair(12),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(year: u16, month: u8) -> Moment {
        Moment { year, month: Some(month), day: None, hour: None, minute: None, second: None }
    }

    #[test]
    fn ranges_of_every_precision() {
        let monthly = TimeRange::parse("185001-201412").unwrap();
        assert_eq!((monthly.start, monthly.end), (month(1850, 1), month(2014, 12)));
        assert!(!monthly.climatology);

        for digits in ["1850", "185001", "18500131", "1850013123", "185001312359", "18500131235958"]
        {
            assert!(TimeRange::parse(&format!("{digits}-{digits}")).is_ok(), "{digits}");
        }
        let second = TimeRange::parse("18500131235958-18500131235959").unwrap().end;
        assert_eq!((second.day, second.minute, second.second), (Some(31), Some(59), Some(59)));
    }

    #[test]
    fn single_dates_climatologies_and_model_years() {
        let single = TimeRange::parse("185001").unwrap();
        assert_eq!(single.start, single.end);
        assert!(TimeRange::parse("185001-200512-clim").unwrap().climatology);
        assert!(TimeRange::parse("2000-clim").unwrap().climatology);
        assert_eq!(TimeRange::parse("402901-411412").unwrap().start.year, 4029);
        assert_eq!(TimeRange::parse("000199").unwrap().start, month(1, 99));
    }

    #[test]
    fn ranges_are_made_of_times_or_of_bounds() {
        let at = |(year, month, day), hour: Instant| {
            let day = Calendar::NoLeap.day_number(year, month, day).unwrap();
            Instant::from(day) * DAY + hour * 3_600 * SECOND
        };
        let agrees = |text: &str, starts: &[Instant], ends: &[Instant]| {
            let range = TimeRange::parse(text).unwrap();
            assert_eq!(range.to_string(), text);
            range.agrees_with(Calendar::NoLeap, starts, ends)
        };
        let (first, last) = (at((1850, 1, 16), 12), at((2014, 12, 16), 12));
        assert!(agrees("185001-201412", &[first], &[last]));
        assert!(agrees("1850-2014", &[first], &[last]));
        assert!(!agrees("185002-201412", &[first], &[last]));
        assert!(!agrees("185001-201411", &[first], &[last]));
        assert!(agrees("18500116-20141216", &[first], &[last]));
        // Steps of three hours, named by their middles and by their bounds.
        let (middle, begin) = (at((1850, 1, 1), 0) + 5_400 * SECOND, at((1850, 1, 1), 0));
        let (last, end) = (at((1850, 12, 31), 24) - 5_400 * SECOND, at((1850, 12, 31), 24));
        assert!(agrees("185001010130-185012312230", &[middle, begin], &[last, end]));
        assert!(agrees("185001010000-185012312359", &[middle, begin], &[last, end]));
        assert!(agrees("1850010100-1850123123", &[middle, begin], &[last, end]));
        assert!(!agrees("1850010103-1850123123", &[middle, begin], &[last, end]));
        // Times at the ends of their months, without bounds.
        assert!(agrees("185001-185012", &[at((1850, 2, 1), 0)], &[at((1851, 1, 1), 0)]));
        // A climatology is named by the years that it is of.
        let middles = (at((1870, 1, 16), 12), at((1870, 12, 16), 12));
        let of = (at((1861, 1, 1), 0), at((1880, 12, 31), 24));
        assert!(agrees("186101-188012-clim", &[middles.0, of.0], &[middles.1, of.1]));
        // The calendar has no such day.
        assert!(!agrees("18500101-18500229", &[at((1850, 1, 1), 0)], &[at((1850, 3, 1), 0)]));
    }

    #[test]
    fn what_is_no_range() {
        for text in [
            "",
            "-",
            "clim",
            "-clim",
            "18500",
            "185",
            "1850-",
            "-1850",
            "1850-185012",
            "1850-1851-1852",
            "201412-185001",
            "1850x1",
            "+850",
            "18\u{665}0",
            "185001312359581",
            "185001_195001",
        ] {
            let error = TimeRange::parse(text).expect_err(text);
            assert_eq!(error.code(), Code::DrsMismatch, "{text}");
        }
    }
}
