//! What to do where two files hold the same time steps.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Which of two files that hold the same time steps keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOverlap {
    /// Neither: the dataset is refused.
    #[default]
    Refuse,
    /// The one that begins earlier.
    First,
    /// The one that begins later.
    Last,
}

impl fmt::Display for OnOverlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::First => "first",
            Self::Last => "last",
        })
    }
}

impl FromStr for OnOverlap {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Refuse, Self::First, Self::Last]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected first, last or refuse instead of `{text}`"))
    }
}
