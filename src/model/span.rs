//! Spans of time as people write them.

use std::time::Duration;

/// A number of days, hours, minutes or seconds.
///
/// # Errors
/// What is expected, for people.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and d, h, m or s, such as 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(span("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        for wrong in ["", "d", "7", "7w", "-1d", "1.5h", "99999999999999999999d", "9é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
