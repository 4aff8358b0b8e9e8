//! `catalog`: a static STAC catalogue of all stores, for data nodes without an API.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::advertise::{self, Asset, Collection, Site};
use crate::drs::Drs;
use crate::emit::{directory, seal};
use crate::ledger::{DatasetRecord, Filter, Ledger};
use crate::model::error::{Code, Error, Result};

const CATALOG: &str = "catalog.json";

/// Where the catalogue goes, and who serves the stores.
#[derive(Debug)]
pub struct Catalog {
    /// Its directory, of which all files are its own.
    pub directory: PathBuf,
    /// Who serves the stores.
    pub site: Site,
    /// The projects, for facets.
    pub drs: Drs,
}

impl Catalog {
    /// Writes an item for each dataset whose store may be advertised, and removes items of others. Returns
    /// the number of items.
    pub fn write(&self, ledger: &Ledger) -> Result<usize> {
        self.check_directory()?;
        let mut collections: BTreeMap<String, Collection> = BTreeMap::new();
        let mut dataset: Option<(DatasetRecord, Vec<(String, Asset)>)> = None;
        ledger.list(&Filter::default(), |record| {
            let Some(asset) = Asset::of(&record, &self.site, &self.drs) else { return Ok(()) };
            let mut of_record = vec![(advertise::asset_key(&record), asset)];
            let artefacts = Asset::of_artefacts(&record, &self.site, &self.drs);
            of_record.extend(
                artefacts.map(|(format, it)| (advertise::artefact_key(&record, format), it)),
            );
            // Stores of one dataset follow each other.
            match &mut dataset {
                Some((first, assets)) if first.dataset_id == record.dataset_id => {
                    assets.extend(of_record);
                }
                _ => {
                    self.item(dataset.replace((record, of_record)), &mut collections)?;
                }
            }
            Ok(())
        })?;
        self.item(dataset, &mut collections)?;
        for (project, collection) in &collections {
            let directory = self.directory.join(project);
            write(&directory.join("collection.json"), &collection.document(project))?;
            remove_others(&directory, collection)?;
        }
        self.remove_other_collections(&collections)?;
        let projects = collections.keys().map(String::as_str);
        write(&self.directory.join(CATALOG), &advertise::catalog(projects))?;
        Ok(collections.values().map(|collection| collection.items.len()).sum())
    }

    fn item(
        &self,
        dataset: Option<(DatasetRecord, Vec<(String, Asset)>)>,
        collections: &mut BTreeMap<String, Collection>,
    ) -> Result<()> {
        let Some((record, assets)) = dataset else { return Ok(()) };
        let directory = self.directory.join(&record.project);
        let path = directory.join(format!("{}.json", record.dataset_id));
        write(&path, &advertise::item(&record, &assets, &self.drs))?;
        collections.entry(record.project.clone()).or_default().add(&record);
        Ok(())
    }

    fn remove_other_collections(&self, kept: &BTreeMap<String, Collection>) -> Result<()> {
        let directory = &self.directory;
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let is_kept = |path: &Path| {
            path.file_name().is_some_and(|name| kept.contains_key(name.to_string_lossy().as_ref()))
        };
        for path in entries.map(|entry| entry.path()).filter(|path| !is_kept(path)) {
            let document = path.join("collection.json");
            if document.exists() {
                remove_others(&path, &Collection::default())?;
                fs::remove_file(&document)
                    .map_err(|error| Error::io(&error, "remove", &document))?;
                // Whatever else is there is not ours.
                let _ = fs::remove_dir(&path);
            }
        }
        Ok(())
    }

    /// What is no longer in the catalogue is removed, so that nothing else may be there.
    fn check_directory(&self) -> Result<()> {
        let directory = &self.directory;
        let is_ours = directory.join(CATALOG).exists();
        let is_empty =
            || fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
        if is_ours || is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::Configuration, "the directory has files, but no `catalog.json`")
            .in_file(directory)
            .with_hint("give the catalogue a directory of its own"))
    }
}

/// Removes the items of datasets that are not in `collection`.
fn remove_others(directory: &Path, collection: &Collection) -> Result<()> {
    let kept: HashSet<&str> = collection.items.iter().map(String::as_str).collect();
    let entries = fs::read_dir(directory).map_err(|error| Error::io(&error, "list", directory))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_item = path.extension().is_some_and(|it| it == "json") && stem != "collection";
        if is_item && !kept.contains(stem) {
            fs::remove_file(&path).map_err(|error| Error::io(&error, "remove", &path))?;
        }
    }
    Ok(())
}

fn write(path: &Path, document: &Value) -> Result<()> {
    if let Some(directory) = path.parent() {
        directory::create_all(directory)
            .map_err(|error| Error::io(&error, "create the directory", directory))?;
    }
    let text = document.to_string();
    seal::seal(path, |out| Ok(out.write_all(text.as_bytes())?)).map(drop)
}
