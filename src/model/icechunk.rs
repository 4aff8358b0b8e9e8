//! How Icechunk repositories are written.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// With fewer snapshots, readers would lose what they read when it changes.
pub const FEWEST_KEPT: usize = 2;

/// What readers check before they trust a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Checksums {
    /// Nothing: copies of files may have other times.
    #[default]
    None,
    /// That the server tells no later modification than there was.
    LastModified,
}

impl fmt::Display for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::LastModified => "last-modified",
        })
    }
}

impl FromStr for Checksums {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::None, Self::LastModified]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected none or last-modified instead of `{text}`"))
    }
}

/// How a repository is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many snapshots it keeps, the newest among them: [`FEWEST_KEPT`] at least.
    pub keep: usize,
    /// What readers check.
    pub checksums: Checksums,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep: 3, checksums: Checksums::None }
    }
}

impl TryFrom<String> for Checksums {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}
