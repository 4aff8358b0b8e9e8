//! The forms in which a store is written.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::error::{Code, Error, Result};
use super::icechunk;

/// A form of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// The manifest, a reference file in JSON; every store has one.
    Json,
    /// Kerchunk's references in Parquet, a directory.
    Parquet,
    /// An Icechunk repository, a directory.
    Icechunk,
}

impl Format {
    /// Those that a store may have beside its manifest.
    pub const BESIDE: [Self; 2] = [Self::Parquet, Self::Icechunk];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Icechunk => "icechunk",
        }
    }

    /// What its name ends with, behind the instance ID.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Parquet => "parq",
            Self::Icechunk => "icechunk",
        }
    }

    /// Whether this program can write it.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Json => true,
            Self::Parquet => cfg!(feature = "parquet"),
            Self::Icechunk => cfg!(feature = "icechunk"),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A form that is asked for, or that the number of references decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum FormatChoice {
    /// This one.
    Of(Format),
    /// Each that this program can write, for stores with more references than it takes.
    Auto,
}

impl FromStr for FormatChoice {
    type Err = String;

    /// Reads the word for it.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let formats = [Format::Json, Format::Parquet, Format::Icechunk];
        match formats.into_iter().find(|format| format.as_str() == text) {
            Some(format) => Ok(Self::Of(format)),
            None if text == "auto" => Ok(Self::Auto),
            None => Err(format!("expected json, parquet, icechunk or auto instead of `{text}`")),
        }
    }
}

impl TryFrom<String> for FormatChoice {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

/// From how many references on a form is worth its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Above so many, Parquet.
    pub parquet: u64,
    /// Above so many, Icechunk.
    pub icechunk: u64,
}

impl Default for Thresholds {
    /// A manifest of 250,000 references takes some 35 MB and its readers two seconds and 300 MB of memory,
    /// ten times what a small one takes; see `docs/design/015-formats.md`.
    fn default() -> Self {
        Self { parquet: 250_000, icechunk: 100_000 }
    }
}

/// Which forms stores have beside their manifest, by the number of references above which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    parquet: Option<Above>,
    icechunk: Option<Above>,
}

/// None: always.
type Above = Option<u64>;

impl Formats {
    /// What `choices` come to; none is the manifest alone.
    ///
    /// # Errors
    /// A form that was asked for by name, and that this program cannot write.
    pub fn resolve(choices: &[FormatChoice], thresholds: Thresholds) -> Result<Self> {
        let mut formats = Self::default();
        for choice in choices {
            match *choice {
                FormatChoice::Of(format) if !format.is_built_in() => return Err(missing(format)),
                FormatChoice::Of(Format::Json) => {}
                FormatChoice::Of(Format::Parquet) => formats.parquet = Some(None),
                FormatChoice::Of(Format::Icechunk) => formats.icechunk = Some(None),
                FormatChoice::Auto => {
                    let of = |format: Format, above| format.is_built_in().then_some(Some(above));
                    formats.parquet = formats.parquet.or(of(Format::Parquet, thresholds.parquet));
                    formats.icechunk =
                        formats.icechunk.or(of(Format::Icechunk, thresholds.icechunk));
                }
            }
        }
        Ok(formats)
    }

    fn above(self, format: Format) -> Option<Above> {
        match format {
            Format::Json => Some(None),
            Format::Parquet => self.parquet,
            Format::Icechunk => self.icechunk,
        }
    }

    /// Whether a store of so many references has this form.
    #[must_use]
    pub fn has(self, format: Format, references: u64) -> bool {
        self.above(format).is_some_and(|above| above.is_none_or(|above| references > above))
    }
}

/// Nothing where there is the manifest alone, so that recipes of before go on to be right.
impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for format in Format::BESIDE {
            match self.above(format) {
                None => {}
                Some(None) => write!(f, "; {format}")?,
                Some(Some(above)) => write!(f, "; {format} above {above}")?,
            }
        }
        Ok(())
    }
}

fn missing(format: Format) -> Error {
    let message = format!("this vzarr-publish was built without the feature `{format}`");
    Error::new(Code::Configuration, message)
        .with_hint(format!("leave out the format, or build with `--features {format}`"))
}

/// What form a store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether its manifest is Zarr V3 alone, with the chunk keys that V3 has by default.
    pub v3_only: bool,
    /// What it has beside its manifest.
    pub formats: Formats,
    /// How the Icechunk repositories among these are written.
    pub icechunk: icechunk::Options,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(words: &[&str]) -> Result<Formats> {
        let choices: Vec<_> = words.iter().map(|word| word.parse().unwrap()).collect();
        Formats::resolve(&choices, Thresholds { parquet: 10, icechunk: 5 })
    }

    #[test]
    fn the_manifest_alone_is_nothing_to_say() {
        for words in [&[][..], &["json"]] {
            let formats = resolved(words).unwrap();
            assert_eq!((formats, formats.to_string()), (Formats::default(), String::new()));
            assert!(formats.has(Format::Json, 0) && !formats.has(Format::Parquet, u64::MAX));
        }
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn what_is_named_is_there_always_and_else_above_a_number() {
        let auto = resolved(&["auto"]).unwrap();
        assert!(!auto.has(Format::Parquet, 10) && auto.has(Format::Parquet, 11));
        assert!(auto.to_string().starts_with("; parquet above 10"));
        for words in [&["parquet"][..], &["auto", "parquet"], &["parquet", "auto"]] {
            assert!(resolved(words).unwrap().has(Format::Parquet, 0), "{words:?}");
        }
    }

    #[test]
    fn what_is_not_built_in_is_refused_by_name_and_left_out_by_auto() {
        for format in Format::BESIDE.into_iter().filter(|format| !format.is_built_in()) {
            let error = resolved(&[format.as_str()]).unwrap_err();
            assert!(error.message().contains(format.as_str()), "{error}");
            assert!(!resolved(&["auto"]).unwrap().has(format, u64::MAX));
        }
        assert!("zip".parse::<FormatChoice>().unwrap_err().contains("zip"));
    }
}
