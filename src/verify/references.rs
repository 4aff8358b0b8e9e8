//! The references of a manifest: kerchunk's JSON format, version 1, without templates.

use std::borrow::Cow;
use std::collections::btree_map;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// What one key refers to.
#[derive(Clone, Debug)]
pub enum Reference {
    /// The value itself, as written.
    Inline(Box<str>),
    /// Some bytes of the file at a location.
    Range {
        /// The number of the location.
        location: usize,
        /// The first byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// The whole file at a location.
    Whole {
        /// The number of the location.
        location: usize,
    },
}

/// All keys of a store.
#[derive(Debug, Default)]
pub struct References {
    entries: HashMap<Box<str>, Reference>,
    /// The locations that references name, each once.
    pub locations: Vec<String>,
    /// The files that the store says to be made of, by their locations.
    pub listed: BTreeMap<String, Listed>,
}

/// What the store says of a file that it is made of.
#[derive(Debug, serde::Deserialize)]
pub struct Listed {
    /// Its bytes.
    pub size: u64,
    /// How many of its time steps the store has.
    pub steps: Option<u64>,
}

impl References {
    /// Reads a manifest. What a reader could understand in two ways is an error.
    pub fn parse(manifest: &[u8]) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Manifest {
            version: u64,
            refs: References,
            #[serde(deserialize_with = "sources")]
            sources: BTreeMap<String, Listed>,
        }
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|error| error.to_string())?;
        match manifest.version {
            1 => Ok(References { listed: manifest.sources, ..manifest.refs }),
            other => Err(format!("version {other} of the reference format is not known")),
        }
    }

    /// Keys with values of their own.
    pub fn of(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        let inline = |text: String| Reference::Inline(text.into());
        let entries = entries.into_iter().map(|(key, text)| (key.into_boxed_str(), inline(text)));
        Self { entries: entries.collect(), ..Self::default() }
    }

    /// What `key` refers to.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Reference> {
        self.entries.get(key)
    }

    /// All keys and what they refer to.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Reference)> {
        self.entries.iter().map(|(key, reference)| (&**key, reference))
    }

    /// The metadata document at `key`, if there is one.
    pub fn document(&self, key: &str) -> Result<Option<Value>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Reference::Inline(text)) => {
                serde_json::from_str(text).map(Some).map_err(|error| format!("`{key}`: {error}"))
            }
            Some(_) => Err(format!("`{key}` is not in the manifest itself")),
        }
    }
}

/// The bytes that an inlined value stands for.
pub fn inlined(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix("base64:") {
        Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|error| error.to_string()),
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn sources<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Listed>, D::Error> {
    from.deserialize_map(SourcesVisitor)
}

struct SourcesVisitor;

impl<'de> Visitor<'de> for SourcesVisitor {
    type Value = BTreeMap<String, Listed>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("files by their locations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sources = BTreeMap::new();
        while let Some((url, listed)) = map.next_entry::<String, Listed>()? {
            match sources.entry(url) {
                btree_map::Entry::Vacant(vacant) => vacant.insert(listed),
                btree_map::Entry::Occupied(occupied) => {
                    return Err(A::Error::custom(format!("`{}` is there twice", occupied.key())));
                }
            };
        }
        Ok(sources)
    }
}

impl<'de> Deserialize<'de> for References {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReferencesVisitor)
    }
}

struct ReferencesVisitor;

impl<'de> Visitor<'de> for ReferencesVisitor {
    type Value = References;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("keys and what they refer to")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<References, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written<'a> {
            Inline(#[serde(borrow)] Cow<'a, str>),
            Range(#[serde(borrow)] Cow<'a, str>, u64, u64),
            Whole((Cow<'a, str>,)),
        }
        let mut references = References::default();
        let mut numbers = HashMap::new();
        let mut number = |references: &mut References, location: Cow<str>| {
            *numbers.entry(location.into_owned()).or_insert_with_key(|location: &String| {
                references.locations.push(location.clone());
                references.locations.len() - 1
            })
        };
        while let Some((key, written)) = map.next_entry::<String, Written>()? {
            let reference = match written {
                Written::Inline(text) => Reference::Inline(text.into()),
                Written::Range(location, offset, length) => {
                    Reference::Range { location: number(&mut references, location), offset, length }
                }
                Written::Whole((location,)) => {
                    Reference::Whole { location: number(&mut references, location) }
                }
            };
            match references.entries.entry(key.into_boxed_str()) {
                Entry::Vacant(vacant) => vacant.insert(reference),
                Entry::Occupied(occupied) => {
                    return Err(A::Error::custom(format!("`{}` is there twice", occupied.key())));
                }
            };
        }
        Ok(references)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(refs: &str) -> Result<References, String> {
        References::parse(format!(r#"{{"version":1,"refs":{{{refs}}},"sources":{{}}}}"#).as_bytes())
    }

    #[test]
    fn references_of_every_kind() {
        let refs = r#""a/0":["u",3,4],"a/1":["u"],"b/0":"base64:AAE=","zarr.json":"{\"a\":1}""#;
        let references = parse(refs).unwrap();
        assert_eq!(references.locations, ["u"]);
        let range = references.get("a/0").unwrap();
        assert!(matches!(range, Reference::Range { location: 0, offset: 3, length: 4 }));
        assert!(matches!(references.get("a/1").unwrap(), Reference::Whole { location: 0 }));
        let Some(Reference::Inline(text)) = references.get("b/0") else { panic!("not inlined") };
        assert_eq!(inlined(text).unwrap(), [0, 1]);
        let document = references.document("zarr.json").unwrap().unwrap();
        assert_eq!(document["a"], 1);
        assert!(references.document("a/0").is_err());
        assert!(references.document("none").unwrap().is_none());
    }

    #[test]
    fn what_readers_could_understand_differently_is_an_error() {
        for refs in [
            r#""a/0":["u",3,4],"a/0":["u",3,4]"#,
            r#""a/0":["u",-3,4]"#,
            r#""a/0":["u",3]"#,
            r#""a/0":{"a":1}"#,
        ] {
            assert!(parse(refs).is_err(), "{refs}");
        }
        assert!(
            References::parse(br#"{"version":1,"templates":{},"refs":{},"sources":{}}"#).is_err()
        );
        assert!(References::parse(br#"{"version":2,"refs":{},"sources":{}}"#).is_err());
    }
}
