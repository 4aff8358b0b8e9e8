//! What the configuration says about the data node: its projects, and where files and stores are.

use std::path::{Path, PathBuf};

use crate::drs::{
    Config, DataRoots, Drs, FrequencyFilter, Kerchunk, PublisherConfig, SettingsFile,
};
use crate::model::error::{Error, Result};
use crate::pipeline::placement::Sites;

use super::args::BuildArgs;
use super::settings::absolute;

/// A data node.
#[derive(Debug)]
pub struct Node {
    /// Our own settings, empty where the configuration is the publisher's.
    pub file: SettingsFile,
    /// Its name, as the publisher's configuration has it.
    pub name: Option<String>,
    /// The projects that are known, and which of them to look for.
    pub drs: Drs,
    /// Where stores go, and how paths become URLs.
    pub sites: Sites,
    /// The frequencies whose datasets are built; all without one.
    pub frequencies: Option<FrequencyFilter>,
}

impl Node {
    /// The data node of `--config`, with what the command line says instead.
    pub fn resolve(
        args: &BuildArgs,
        data_root: Vec<(PathBuf, String)>,
        output_dir: Option<&Path>,
    ) -> Result<Self> {
        let config = args.config.as_deref();
        let (file, publisher) = match config.map(Config::load).transpose()? {
            None => (SettingsFile::default(), None),
            Some(Config::Settings(file)) => (file, None),
            Some(Config::Publisher(publisher)) => (SettingsFile::default(), Some(publisher)),
        };
        let drs = projects(args, &file, publisher.as_ref())?;
        let in_config = |error: Error| match config {
            Some(path) => error.in_file(path),
            None => error,
        };
        let data_roots = if data_root.is_empty() {
            configured_roots(&file, publisher.as_ref()).map_err(in_config)?
        } else {
            DataRoots::from_pairs(data_root)?
        };
        let output_dir = output_dir.or(file.output_dir.as_deref()).map(absolute).transpose()?;
        let mut sites = Sites { data_roots, output_dir, flat: false };
        let mut frequencies = None;
        if let Some(kerchunk) = publisher.as_ref().and_then(|it| it.kerchunk.as_ref()) {
            sites = with_references(kerchunk, sites).map_err(in_config)?;
            let finest = kerchunk.filter_frequency.as_deref();
            frequencies = finest.map(FrequencyFilter::from).transpose().map_err(in_config)?;
        }
        let name = publisher.map(|publisher| publisher.data_node);
        Ok(Self { file, name, drs, sites, frequencies })
    }

    /// The data node of the configuration `config` alone.
    pub fn configured(config: Option<PathBuf>) -> Result<Self> {
        Self::resolve(&BuildArgs { config, ..BuildArgs::default() }, Vec::new(), None)
    }
}

fn configured_roots(file: &SettingsFile, publisher: Option<&PublisherConfig>) -> Result<DataRoots> {
    if let Some(publisher) = publisher {
        return DataRoots::from_publisher(publisher);
    }
    let pairs = file.data_roots.0.iter().map(|(path, url)| (path.into(), url.clone()));
    DataRoots::from_pairs(pairs.collect())
}

/// The projects that are known, and which of them to look for.
fn projects(
    args: &BuildArgs,
    file: &SettingsFile,
    publisher: Option<&PublisherConfig>,
) -> Result<Drs> {
    let in_config = |error: Error| match &args.config {
        Some(path) => error.in_file(path),
        None => error,
    };
    let mut drs = Drs::builtin()?;
    if let Some(publisher) = publisher {
        drs = drs.with_publisher_projects(publisher).map_err(in_config)?;
    }
    drs = drs.with_project_files(&[&file.project_files[..], &args.project_file].concat())?;
    let configured = publisher.map_or(&file.project[..], |it| it.project.as_slice());
    drs = if args.project.is_empty() {
        drs.only(configured).map_err(in_config)?
    } else {
        drs.only(&args.project)?
    };
    match args.cv.as_ref().or(file.cv.as_ref()) {
        Some(vocabularies) => drs.with_vocabularies(vocabularies),
        None => Ok(drs),
    }
}

/// `sites` with the place that the publisher has for references, unless there is one already.
fn with_references(kerchunk: &Kerchunk, mut sites: Sites) -> Result<Sites> {
    kerchunk.check_format()?;
    if let (None, Some((directory, url))) = (&sites.output_dir, kerchunk.data_dir()?) {
        sites.data_roots = sites.data_roots.with_references(directory, url)?;
        sites.output_dir = Some(directory.into());
        sites.flat = true;
    }
    Ok(sites)
}
