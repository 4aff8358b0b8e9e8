//! Text for people.

use std::fmt::Write;
use std::path::Path;

use crate::ledger::ProblemRecord;

/// A problem on one line, its way out on the next.
pub fn problem(problem: &ProblemRecord) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    if let Some(path) = &problem.path {
        let _ = write!(text, "`{}`: ", self::path(path));
    }
    if let Some(variable) = &problem.variable {
        let _ = write!(text, "variable `{}`: ", printable(variable));
    }
    let _ = write!(text, "{} [{}]", printable(&problem.message), problem.code);
    if let Some(hint) = &problem.hint {
        let _ = write!(text, "\n  hint: {}", printable(hint));
    }
    text
}

/// A path without control characters.
pub fn path(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// A text without control characters, which could mislead whoever reads it on a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() })
        .collect()
}

/// A number of bytes in the unit that suits it.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// How much of `whole` a part is: `0.6 %`.
pub fn percent(part: u64, whole: u64) -> String {
    // A tenth of a percent is what people want to know of it.
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A number with its noun: `1 file`, `2 files`.
pub fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::{Code, Error};

    #[test]
    fn a_problem_says_where_what_and_the_way_out() {
        let error = Error::new(Code::Truncated, "the file ends early")
            .in_file("/data/a\u{1b}.nc")
            .of_variable("tas")
            .with_hint("transfer it again");
        assert_eq!(
            problem(&ProblemRecord::from(&error)),
            "`/data/a\\u{1b}.nc`: variable `tas`: the file ends early [truncated]\n  \
             hint: transfer it again"
        );
    }
}
