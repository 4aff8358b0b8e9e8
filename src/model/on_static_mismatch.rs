//! What to do where a variable without time differs among the files of a dataset.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// What is done where a variable without time differs among the files of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStaticMismatch {
    /// The dataset is refused.
    #[default]
    Refuse,
    /// The store has it as it is in the first file.
    First,
}

impl fmt::Display for OnStaticMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::First => "first",
        })
    }
}

impl FromStr for OnStaticMismatch {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Refuse, Self::First]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected first or refuse instead of `{text}`"))
    }
}
