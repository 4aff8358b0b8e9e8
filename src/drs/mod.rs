//! Names and places: what a path says about a dataset, and the URL it is served under.
//!
//! The Data Reference Syntax (DRS) of each project is data, in `projects/*.yaml`; the format is
//! explained at the head of `projects/CMIP6.yaml`. Nothing here looks at the archive; only
//! [`Config::load`] reads a file.

mod config;
mod data_root;
mod dataset;
mod file_name;
mod known_projects;
mod path_map;
mod project;
mod publisher_config;
mod settings_file;
mod url;

pub use config::Config;
pub use data_root::DataRoots;
pub use dataset::Dataset;
pub use file_name::{FileName, Moment, TimeRange};
pub use known_projects::Drs;
pub use path_map::PathMap;
pub use publisher_config::PublisherConfig;
pub use settings_file::SettingsFile;
pub use url::encoded;
