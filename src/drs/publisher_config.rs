//! The parts of the publisher's `esg.yaml` that decide URLs.

use serde::Deserialize;

use super::path_map::PathMap;

/// What we read of an `esg.yaml`; everything else in it is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PublisherConfig {
    /// The host that serves the data.
    pub data_node: String,
    /// File-system prefixes and the part of the URL path that stands for each.
    pub data_roots: PathMap,
    /// A template that replaces the whole URL, such as
    /// `https://host/{}/{}|application/netcdf|HTTPServer`.
    pub https_url: Option<String>,
}
