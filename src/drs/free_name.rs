//! File names that a project leaves to its providers: a stem, and mostly a date or two behind it.

use super::file_name::{FileName, TimeRange};
use crate::model::error::{Code, Error, Result};

/// What tells series of files apart that have nothing else for it.
const SERIES: &str = "series";

/// Takes a name without `.nc` apart. The error is a [`Code::DrsMismatch`].
pub(super) fn read(name: &str) -> Result<FileName<'_>> {
    let (series, dates) = split(name);
    let is_odd = |c: &char| !(c.is_ascii_alphanumeric() || "-_.+".contains(*c));
    if let Some(odd) = series.chars().find(is_odd) {
        let message = format!("the file name holds `{}`", odd.escape_debug());
        return Err(Error::new(Code::DrsMismatch, message));
    }
    let range = match dates[..] {
        [start, end] => TimeRange::parse(&format!("{start}-{end}")).ok(),
        [date] => TimeRange::parse(date).ok(),
        _ => None,
    };
    Ok(FileName { variable: None, time_range: range, facets: vec![(SERIES, series)] })
}

/// The stem of a name, and the numbers behind it of at least two digits, as dates are written:
/// `_185001_201412`, `.0001-01`. A name of numbers alone is a stem.
fn split(name: &str) -> (&str, Vec<&str>) {
    let mut dates = Vec::new();
    let mut stem = name;
    while let Some((before, last)) = stem.rsplit_once(['_', '-', '.']) {
        if before.is_empty() || last.len() < 2 || !last.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        stem = before;
        dates.insert(0, last);
    }
    (stem, dates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_models_are_no_part_of_a_series() {
        for (name, series, dates) in [
            ("TREFHT_185001_201412", "TREFHT", "185001 201412"),
            (
                "tas_Amon_reanalysis_MERRA2_198001-201412",
                "tas_Amon_reanalysis_MERRA2",
                "198001 201412",
            ),
            (
                "20180129.DECKv1b.ne30_oEC.cam.h0.0001-01",
                "20180129.DECKv1b.ne30_oEC.cam.h0",
                "0001 01",
            ),
            ("case.cam.h1.0001-01-01-00000", "case.cam.h1", "0001 01 01 00000"),
            ("case_ANN_000101_050012_climo", "case_ANN_000101_050012_climo", ""),
            ("set.v2.1_1980", "set.v2.1", "1980"),
            ("1980", "1980", ""),
            ("x", "x", ""),
        ] {
            let (stem, found) = split(name);
            assert_eq!((stem, found.join(" ").as_str()), (series, dates), "{name}");
        }
    }

    #[test]
    fn two_dates_are_a_range() {
        let range = |name| read(name).unwrap().time_range.map(|range| range.to_string());
        assert_eq!(range("TREFHT_185001_201412").unwrap(), "185001-201412");
        assert_eq!(range("TREFHT_1850").unwrap(), "1850-1850");
        // A year and a month, not a range.
        assert_eq!(range("cam.h0.0001-01"), None);
        assert_eq!(range("x_201412_185001"), None);
        assert_eq!(read("t\u{e9}_1850").unwrap_err().code(), Code::DrsMismatch);
    }
}
