//! Maps from directories, whose order means something.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

/// A YAML map from paths to texts in the order of the file, which [`crate::drs::DataRoots`] need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMap(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for PathMap {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = PathMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of directories, such as `/data/esgf: esgf_data`")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<PathMap, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(PathMap(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
