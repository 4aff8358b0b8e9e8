//! Our own settings file.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::byte_size::ByteSize;
use crate::model::format::FormatChoice;
use crate::model::icechunk::Checksums;
use crate::model::on_overlap::OnOverlap;
use crate::model::on_static_mismatch::OnStaticMismatch;
use crate::model::portability::Portability;
use crate::model::span::span;

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
    /// Most bytes of the chunks that data in one piece are cut into, as a number or a text.
    #[serde(deserialize_with = "byte_size")]
    pub contiguous_chunk: Option<ByteSize>,
    /// Percentage of a dataset's stored bytes that may be encoded anew.
    pub max_reencode: Option<u8>,
    /// Which of two files keeps the time steps that both have.
    pub on_overlap: Option<OnOverlap>,
    /// What is done where a variable without time differs among the files.
    pub on_static_mismatch: Option<OnStaticMismatch>,
    /// Which codecs a store has.
    pub codecs: Option<Portability>,
    /// The forms of stores, one name or a list; the manifest alone where empty.
    #[serde(deserialize_with = "one_or_many")]
    pub format: Vec<FormatChoice>,
    /// From more references than this on, `auto` means Parquet, too.
    pub parquet_above: Option<u64>,
    /// From more references than this on, `auto` means Icechunk, too.
    pub icechunk_above: Option<u64>,
    /// How many snapshots Icechunk repositories keep.
    pub icechunk_keep: Option<u16>,
    /// What readers of Icechunk check.
    pub icechunk_checksums: Option<Checksums>,
    /// Whether manifests are Zarr V3 alone.
    pub v3_only: Option<bool>,
    /// Datasets computed at once; others wait for the disk.
    #[serde(deserialize_with = "threads")]
    pub jobs: Option<NonZeroUsize>,
    /// The number of files that are read at once.
    #[serde(deserialize_with = "threads")]
    pub io_depth: Option<NonZeroUsize>,
    /// How long to wait for the file system; for ever where it is zero.
    #[serde(deserialize_with = "time_span")]
    pub timeout: Option<Duration>,
    /// Bytes of memory for the indexes of the datasets in hand.
    #[serde(deserialize_with = "byte_size")]
    pub max_memory: Option<ByteSize>,
    /// Bytes on disk for the indexes of files.
    #[serde(deserialize_with = "byte_size")]
    pub index_cache: Option<ByteSize>,
    /// The projects to look for, one name or a list; all where empty.
    #[serde(deserialize_with = "one_or_many")]
    pub project: Vec<String>,
    /// Files of projects, or directories of such; one path or a list.
    #[serde(deserialize_with = "one_or_many")]
    pub project_files: Vec<PathBuf>,
    /// A directory of controlled vocabularies.
    pub cv: Option<PathBuf>,
}

fn byte_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    struct Size;

    impl Visitor<'_> for Size {
        type Value = ByteSize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as 4MiB")
        }

        fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
            self.visit_str(&bytes.to_string())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Size).map(Some)
}

fn time_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    span(&text).map(Some).map_err(D::Error::custom)
}

fn threads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroUsize>, D::Error> {
    struct Threads;

    impl Visitor<'_> for Threads {
        type Value = NonZeroUsize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of threads from 1 on")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<NonZeroUsize, E> {
            let threads = usize::try_from(number).ok().and_then(NonZeroUsize::new);
            threads.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
        }
    }

    deserializer.deserialize_any(Threads).map(Some)
}

fn one_or_many<'de, D: Deserializer<'de>, T: TryFrom<String, Error: fmt::Display>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
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

    let names = deserializer.deserialize_any(Names)?;
    names.into_iter().map(|name| T::try_from(name).map_err(D::Error::custom)).collect()
}
