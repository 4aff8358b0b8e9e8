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
        let _ = write!(text, "variable `{}`: ", shortened(variable, LONGEST_NAME));
    }
    let _ = write!(text, "{} [{}]", shortened(&problem.message, LONGEST), problem.code);
    if let Some(hint) = &problem.hint {
        let _ = write!(text, "\n  hint: {}", shortened(hint, LONGEST));
    }
    text
}

/// Most characters of a name of a variable that are shown: one may have 64 KiB.
const LONGEST_NAME: usize = 200;
/// Most characters of a message that are shown.
const LONGEST: usize = 1000;

/// The start of a text, without control characters; all of it where it is short.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", printable(&text[..end])),
        None => printable(text),
    }
}

/// A path without control characters.
pub fn path(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// A text without control characters and marks of direction, which could mislead whoever reads it on a
/// terminal.
pub fn printable(text: &str) -> String {
    let misleads =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if misleads(c) { c.escape_default().to_string() } else { c.into() })
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
