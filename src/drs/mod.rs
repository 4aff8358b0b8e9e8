//! Names and places: what a path says about a dataset, and the URL it is served under.
//!
//! The Data Reference Syntax (DRS) of each project is data, in `projects/*.yaml` and in files of the
//! user; `docs/projects.md` explains the format. Nothing here looks at the archive: only settings,
//! project files and vocabularies are read.

mod config;
mod data_root;
mod dataset;
mod file_name;
mod free_name;
mod frequency_filter;
mod known_projects;
mod path_map;
mod project;
mod publisher_config;
mod settings_file;
mod url;
mod vocabulary;

pub use config::Config;
pub use data_root::DataRoots;
pub use dataset::Dataset;
pub use file_name::{FileName, Moment, TimeRange};
pub use frequency_filter::FrequencyFilter;
pub use known_projects::{Drs, NamedVariable};
pub use path_map::PathMap;
pub use publisher_config::{Kerchunk, PublisherConfig, StacConfig, UserProject, UserProjects};
pub use settings_file::SettingsFile;
pub use url::encoded;
