//! Our own settings file.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::path_map::PathMap;

/// Settings as written; what is absent has its default, or is said on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsFile {
    /// File-system prefixes and the URL prefixes they are served under.
    pub data_roots: PathMap,
    /// The ledger.
    pub ledger: Option<PathBuf>,
    /// Where stores go when not beside the NetCDF files.
    pub output_dir: Option<PathBuf>,
    /// The number of worker threads.
    pub jobs: Option<NonZeroUsize>,
    /// The projects to look for, one name or a list; all where empty.
    #[serde(deserialize_with = "one_or_many")]
    pub project: Vec<String>,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name or a list of names")
        }

        fn visit_str<E>(self, name: &str) -> Result<Vec<String>, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    deserializer.deserialize_any(Names)
}
