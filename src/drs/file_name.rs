//! What a file name says: variable, time range and facets.

use crate::model::error::{Code, Error, Result};

/// A file name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The variable, where names of the project tell.
    pub variable: Option<String>,
    /// The time range; absent for time-independent data.
    pub time_range: Option<TimeRange>,
    /// The facets and their values, in the order of the file name.
    pub facets: Vec<(String, String)>,
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
}

impl Moment {
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
