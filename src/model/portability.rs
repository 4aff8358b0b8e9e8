//! What readers must know to open a store.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Which codecs a store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Portability {
    /// One for every filter of the files, so that readers check what the files let them check.
    #[default]
    Faithful,
    /// None for a checksum at the end of chunks: it is verified once, when the store is built.
    Portable,
}

impl fmt::Display for Portability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faithful => "faithful",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for Portability {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Faithful, Self::Portable]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected faithful or portable instead of `{text}`"))
    }
}
