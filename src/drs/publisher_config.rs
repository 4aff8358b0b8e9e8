//! What we read of the publisher's `esg.yaml`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::path_map::PathMap;
use crate::model::error::{Code, Error, Result};

/// An `esg.yaml` of esgcet 5.5; everything else in it is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PublisherConfig {
    /// The host that serves the data.
    #[serde(deserialize_with = "text")]
    pub data_node: String,
    /// File-system prefixes and the part of the URL path that stands for each.
    pub data_roots: PathMap,
    /// Prefixes of paths in mapfiles, and what they are here; `none` for nothing.
    #[serde(default, deserialize_with = "map_or_none")]
    pub mountpoint_map: PathMap,
    /// A template that replaces the whole URL, such as
    /// `https://host/{}/{}|application/netcdf|HTTPServer`.
    #[serde(default, deserialize_with = "optional_text")]
    pub https_url: Option<String>,
    /// The Globus collection that serves the data, too; `none` for nothing.
    #[serde(default, deserialize_with = "text_or_none")]
    pub globus_uuid: Option<String>,
    /// The project that is published; `none` for what paths say.
    #[serde(default, deserialize_with = "text_or_none")]
    pub project: Option<String>,
    /// The STAC catalogue that datasets are published to.
    pub stac_config: Option<StacConfig>,
    /// How the publisher makes references itself.
    pub kerchunk: Option<Kerchunk>,
    /// Projects that the publisher does not know itself.
    #[serde(default)]
    pub user_project_config: UserProjects,
    /// A project that is laid out as CMIP6.
    #[serde(default, deserialize_with = "optional_text")]
    pub cmip6_clone: Option<String>,
}

/// `stac_config` of an `esg.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(expecting = "a map, such as `stac_api: https://api.stac.esgf-west.org`")]
pub struct StacConfig {
    /// The address of the catalogue's search.
    #[serde(default, deserialize_with = "optional_text")]
    pub stac_api: Option<String>,
}

/// `kerchunk` of an `esg.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(expecting = "a map, such as `format: json`")]
pub struct Kerchunk {
    /// The one directory that references go to, and the URL that it is served under.
    #[serde(default, deserialize_with = "map_or_none")]
    pub data_dir: PathMap,
    /// The finest frequency whose datasets are built.
    #[serde(default, deserialize_with = "optional_text")]
    pub filter_frequency: Option<String>,
    /// The format of references.
    #[serde(default, deserialize_with = "optional_text")]
    pub format: Option<String>,
}

impl Kerchunk {
    /// Where references go, and the URL that they are served under.
    pub fn data_dir(&self) -> Result<Option<(&str, &str)>> {
        match self.data_dir.0.as_slice() {
            [] => Ok(None),
            [(directory, url)] => Ok(Some((directory, url))),
            several => {
                let message = format!("`kerchunk.data_dir` has {} entries", several.len());
                Err(Error::new(Code::Configuration, message)
                    .with_hint("name one directory and its URL, as the publisher needs it, too"))
            }
        }
    }

    /// Refuses formats that are not written here.
    pub fn check_format(&self) -> Result<()> {
        match self.format.as_deref() {
            None | Some("json") => Ok(()),
            Some(other) => {
                let message =
                    format!("`kerchunk.format` is `{}`: expected `json`", other.escape_debug());
                Err(Error::new(Code::Configuration, message).with_hint(
                    "leave the key out or set it to `json`; other forms are asked for by `--format`",
                ))
            }
        }
    }
}

/// `user_project_config` of an `esg.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserProjects {
    /// The project whose facets the others have.
    pub clone_project: Option<String>,
    /// Projects by name, in the order of the file.
    pub projects: Vec<(String, UserProject)>,
}

/// One project of `user_project_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(expecting = "a map, such as `DRS: [project, ...]`")]
pub struct UserProject {
    /// The facets of dataset IDs.
    #[serde(rename = "DRS")]
    pub drs: Option<Vec<String>>,
    /// Facets with one value in all datasets; those that are text.
    #[serde(rename = "CONST_ATTR", default, deserialize_with = "texts")]
    pub constants: BTreeMap<String, String>,
}

impl UserProject {
    pub(super) fn constant(&self, facet: &str) -> Option<&str> {
        self.constants.get(facet).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for UserProjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Projects;

        impl<'de> Visitor<'de> for Projects {
            type Value = UserProjects;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of projects, such as `primavera: {DRS: [project, ...]}`")
            }

            fn visit_unit<E>(self) -> std::result::Result<UserProjects, E> {
                Ok(UserProjects::default())
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<UserProjects, A::Error> {
                let mut found = UserProjects::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "clone_project" {
                        found.clone_project = map.next_value()?;
                    } else {
                        let project: Option<UserProject> = map.next_value()?;
                        found.projects.push((name, project.unwrap_or_default()));
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Projects)
    }
}

/// A text; numbers and truth values, of which YAML would make a text, too, are mistakes.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let nothing = || D::Error::invalid_type(serde::de::Unexpected::Unit, &"a text");
    optional_text(deserializer)?.ok_or_else(nothing)
}

fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_unit<E>(self) -> std::result::Result<Option<String>, E> {
            Ok(None)
        }

        fn visit_str<E>(self, text: &str) -> std::result::Result<Option<String>, E> {
            Ok(Some(text.to_owned()))
        }
    }

    deserializer.deserialize_any(Text)
}

/// A text; the publisher writes `none` for nothing.
fn text_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    let text = optional_text(deserializer)?;
    Ok(text.filter(|text| !text.is_empty() && text != "none"))
}

/// A map of directories; the publisher writes `none` for nothing.
fn map_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<PathMap, D::Error> {
    struct MapOrNone;

    impl<'de> Visitor<'de> for MapOrNone {
        type Value = PathMap;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of directories, such as `/mapfile/prefix: /real/mount`, or `none`")
        }

        fn visit_unit<E>(self) -> std::result::Result<PathMap, E> {
            Ok(PathMap::default())
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<PathMap, E> {
            if text == "none" {
                return Ok(PathMap::default());
            }
            Err(E::invalid_type(serde::de::Unexpected::Str(text), &self))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<PathMap, A::Error> {
            PathMap::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(MapOrNone)
}

/// The values of a map that are text.
fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrOther {
        Text(String),
        Other(IgnoredAny),
    }

    let values: Option<BTreeMap<String, TextOrOther>> = Option::deserialize(deserializer)?;
    let texts = values.into_iter().flatten().filter_map(|(name, value)| match value {
        TextOrOther::Text(text) => Some((name, text)),
        TextOrOther::Other(_) => None,
    });
    Ok(texts.collect())
}
