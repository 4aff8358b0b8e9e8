//! The `frequency` attribute of CMIP files, and how far apart it says time steps are.

use super::calendar::{Calendar, Date, Instant, SECOND};

/// How far apart time steps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Calendar months.
    Months(i64),
    /// Nanoseconds.
    Fixed(Instant),
}

const HOUR: Instant = 3_600 * SECOND;

impl Spacing {
    /// The spacing of a frequency in the words of CMIP5, CMIP6, CMIP7, CORDEX and their kin;
    /// `None` where steps are not evenly spaced (`fx`, `subhr`, climatologies such as `monC` and
    /// `1hrCM`) or the word is not known.
    #[must_use]
    pub fn of_frequency(frequency: &str) -> Option<Self> {
        // Points in time, and means over the time between, are as far apart.
        Some(match frequency.strip_suffix("Pt").unwrap_or(frequency) {
            "dec" => Self::Months(120),
            "yr" => Self::Months(12),
            "sem" => Self::Months(3),
            "mon" => Self::Months(1),
            "day" => Self::Fixed(24 * HOUR),
            "12hr" => Self::Fixed(12 * HOUR),
            "6hr" => Self::Fixed(6 * HOUR),
            "3hr" => Self::Fixed(3 * HOUR),
            "1hr" => Self::Fixed(HOUR),
            _ => return None,
        })
    }

    /// Whether a step is missing between two that follow each other: they are at least half as
    /// far again apart as they should be. The half allows for means whose times are not quite
    /// evenly spaced, and for rounded ones.
    #[must_use]
    pub fn is_exceeded(self, calendar: Calendar, before: Instant, after: Instant) -> bool {
        match self {
            Self::Fixed(spacing) => 2 * (after - before) >= 3 * spacing,
            Self::Months(spacing) => {
                let month = |date: Date| date.year * 12 + i64::from(date.month);
                let months = calendar.date(before).zip(calendar.date(after));
                months.is_some_and(|(before, after)| {
                    2 * (month(after) - month(before)) >= 3 * spacing
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::DAY;
    use super::*;

    fn is_gap(frequency: &str, from: (i64, u32, u32), to: (i64, u32, u32)) -> bool {
        let instant = |(year, month, day)| {
            Instant::from(Calendar::Standard.day_number(year, month, day).unwrap()) * DAY
        };
        let spacing = Spacing::of_frequency(frequency).unwrap();
        spacing.is_exceeded(Calendar::Standard, instant(from), instant(to))
    }

    #[test]
    fn months_are_counted_and_not_days() {
        assert!(!is_gap("mon", (1850, 1, 1), (1850, 2, 28)));
        assert!(is_gap("mon", (1850, 1, 31), (1850, 3, 1)));
        assert!(!is_gap("mon", (1582, 9, 16), (1582, 10, 31)));
        assert!(!is_gap("yr", (1850, 7, 1), (1851, 7, 2)));
        assert!(is_gap("yrPt", (1850, 7, 1), (1852, 7, 1)));
        assert!(!is_gap("dec", (1850, 1, 1), (1860, 1, 1)));
        assert!(is_gap("dec", (1850, 1, 1), (1870, 1, 1)));
        assert!(!is_gap("day", (1582, 10, 4), (1582, 10, 15)));
        assert!(is_gap("day", (1850, 1, 1), (1850, 1, 3)));
        assert!(is_gap("6hrPt", (1850, 1, 1), (1850, 1, 2)));
    }

    #[test]
    fn what_is_not_evenly_spaced_has_no_gaps() {
        for frequency in ["fx", "subhrPt", "subhr", "monC", "1hrCM", "monClim", "", "daily"] {
            assert_eq!(Spacing::of_frequency(frequency), None, "{frequency}");
        }
    }
}
