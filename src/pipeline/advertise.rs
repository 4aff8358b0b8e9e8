//! `advertise`: what the publisher is to be told, and that it was.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::advertise::{self, Asset, Change, Site};
use crate::drs::Drs;
use crate::emit::{directory, seal};
use crate::ledger::{Advertisement, DatasetRecord, Filter, Ledger};
use crate::model::error::{Code, Error, Result};

/// Datasets sent in one transaction.
const BATCH: usize = 256;

/// What to advertise, and in which form.
#[derive(Debug)]
pub struct Advertise {
    /// Dataset IDs with version, or instance IDs; none means all.
    pub ids: Vec<String>,
    /// Whether to tell what the publisher knows already.
    pub again: bool,
    /// Who serves the stores.
    pub site: Site,
    /// The projects, for the paths of stores from the DRS on.
    pub drs: Drs,
    /// Whether the data are first published elsewhere.
    pub is_replica: bool,
    /// A directory with the items of the catalogue as they are, `DATASET_ID.json`.
    pub items: Option<PathBuf>,
    /// A directory for what `esgpublish --json` takes, `DATASET_ID.json`.
    pub documents: Option<PathBuf>,
}

/// What the publisher is to be told about one store.
#[derive(Debug, Serialize)]
pub struct Line {
    /// By which it is acknowledged.
    pub advertisement: i64,
    /// `add` or `remove`.
    pub action: &'static str,
    /// The instance ID of the store.
    pub id: String,
    /// The dataset ID, which is that of the item.
    pub dataset_id: String,
    /// The collection of the item.
    pub collection: String,
    /// The key of the asset.
    pub asset_key: String,
    /// The asset; none where it is to be removed.
    pub asset: Option<Asset>,
    /// The store in other forms: keys and assets.
    pub artefacts: Vec<ArtefactAsset>,
    /// What to do with the item, as RFC 6902 has it.
    pub patch: Vec<Value>,
}

/// A store in another form than that of its manifest.
#[derive(Debug, Serialize)]
pub struct ArtefactAsset {
    /// The key of the asset.
    pub asset_key: String,
    /// The asset; none where it is to be removed.
    pub asset: Option<Asset>,
}

impl Line {
    /// All assets that are to be there, with their keys.
    pub fn assets(&self) -> impl Iterator<Item = (&str, &Asset)> {
        let own = self.asset.iter().map(|asset| (self.asset_key.as_str(), asset));
        let others = self.artefacts.iter();
        own.chain(others.filter_map(|it| Some((it.asset_key.as_str(), it.asset.as_ref()?))))
    }
}

/// Hands over what the publisher is to be told, and what keeps something from being told.
pub fn advertise(
    task: &Advertise,
    ledger: &mut Ledger,
    each: &mut dyn FnMut(Result<Line>) -> Result<()>,
) -> Result<()> {
    let reader = Ledger::open_read_only(ledger.path())?;
    let filter = Filter { ids: task.ids.clone(), unadvertised: !task.again, ..Filter::default() };
    let mut sender = Sender { task, ledger, each, documents: BTreeMap::new() };
    let mut known = HashSet::new();
    let mut batch = Vec::new();
    reader.list(&filter, |record| {
        if !task.ids.is_empty() {
            known.extend([record.instance_id.clone(), record.dataset_id.clone()]);
        }
        batch.push(record);
        if batch.len() < BATCH { Ok(()) } else { sender.send(&mut batch) }
    })?;
    sender.send(&mut batch)?;
    sender.write_documents()?;
    for id in task.ids.iter().filter(|id| !known.contains(*id)) {
        // One that the publisher has is no stranger.
        if task.again || !is_known(&reader, id)? {
            each(Err(unknown(&reader, id)))?;
        }
    }
    Ok(())
}

fn is_known(ledger: &Ledger, id: &str) -> Result<bool> {
    let mut is_known = false;
    let filter = Filter { ids: vec![id.to_owned()], ..Filter::default() };
    ledger.list(&filter, |_| {
        is_known = true;
        Ok(())
    })?;
    Ok(is_known)
}

/// That the ledger does not know `id`.
#[must_use]
pub fn unknown(ledger: &Ledger, id: &str) -> Error {
    Error::new(Code::NotFound, format!("the ledger has no dataset `{}`", id.escape_debug()))
        .in_file(ledger.path())
        .with_hint("`vzarr-publish list` names those it has")
}

/// Records that the publisher has what the `lines` of [`advertise()`] say, all or none of them. Returns the
/// numbers of those that are outdated: another state of the dataset has been sent since, or will be.
pub fn acknowledge(ledger: &mut Ledger, lines: &str) -> Result<Vec<i64>> {
    /// As much of a [`Line`] as tells what it is about.
    #[derive(Deserialize)]
    struct Taken<'a> {
        advertisement: i64,
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
    }
    let mut taken = Vec::new();
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        taken.push(serde_json::from_str::<Taken>(line).map_err(|_| {
            let message = format!("line {} is none that `advertise` printed", number + 1);
            Error::new(Code::Configuration, message)
                .with_hint("nothing was acknowledged; give the lines as they were printed")
        })?);
    }
    let taken: Vec<_> = taken.iter().map(|it| (it.advertisement, it.id.as_deref())).collect();
    ledger.acknowledge(&taken)
}

struct Sender<'a> {
    task: &'a Advertise,
    ledger: &'a mut Ledger,
    each: &'a mut dyn FnMut(Result<Line>) -> Result<()>,
    /// Assets by dataset ID and key.
    documents: BTreeMap<String, Map<String, Value>>,
}

impl Sender<'_> {
    fn send(&mut self, batch: &mut Vec<DatasetRecord>) -> Result<()> {
        for missing in batch.extract_if(.., |record| is_missing(record)) {
            (self.each)(Err(not_there(&missing)))?;
        }
        let sent = self.ledger.send(batch, self.task.again)?;
        for (record, sent) in batch.drain(..).zip(sent) {
            let Some(sent) = sent else { continue };
            let line = self.line(&record, &sent);
            if let (Ok(line), Some(_)) = (&line, &self.task.documents) {
                for (key, asset) in line.assets() {
                    let document = self.documents.entry(line.dataset_id.clone()).or_default();
                    document.insert(key.to_owned(), json!(asset));
                }
            }
            (self.each)(line)?;
        }
        Ok(())
    }

    fn line(&self, record: &DatasetRecord, sent: &Advertisement) -> Result<Line> {
        let Advertise { site, drs, is_replica, items, .. } = self.task;
        let item = items.as_deref().map(|items| item(items, &record.dataset_id)).transpose()?;
        let asset = Asset::of(record, site, drs).filter(|_| sent.adds);
        let change = asset.as_ref().map_or(Change::Remove(&sent.url), Change::Add);
        let asset_key = advertise::asset_key(record);
        let by = (site, *is_replica);
        let mut patch = advertise::patch(&asset_key, &change, by, item.as_ref());
        let mut artefacts = Vec::new();
        let added = Asset::of_artefacts(record, site, drs).filter(|_| sent.adds);
        let added = added.map(|(format, asset)| (format, Some(asset), String::new()));
        let removed = sent.withdrawn.iter().map(|(format, url)| (*format, None, url.clone()));
        for (format, asset, url) in added.chain(removed) {
            let asset_key = advertise::artefact_key(record, format);
            let change = asset.as_ref().map_or(Change::Remove(&url), Change::Add);
            patch.extend(advertise::patch(&asset_key, &change, by, item.as_ref()));
            artefacts.push(ArtefactAsset { asset_key, asset });
        }
        Ok(Line {
            advertisement: sent.id,
            action: if asset.is_some() { "add" } else { "remove" },
            id: record.instance_id.clone(),
            dataset_id: record.dataset_id.clone(),
            collection: record.project.clone(),
            asset_key,
            asset,
            artefacts,
            patch,
        })
    }

    fn write_documents(&self) -> Result<()> {
        let Some(directory) = &self.task.documents else { return Ok(()) };
        directory::create_all(directory)
            .map_err(|error| Error::io(&error, "create the directory", directory))?;
        for (dataset_id, assets) in &self.documents {
            let path = directory.join(format!("{dataset_id}.json"));
            let text = Value::Object(assets.clone()).to_string();
            seal::seal(&path, |out| Ok(out.write_all(text.as_bytes())?))?;
        }
        Ok(())
    }
}

/// Whether the store of `record` is not where the ledger has it, as when somebody removed it, or a scan that
/// took it away was killed before the ledger was told.
fn is_missing(record: &DatasetRecord) -> bool {
    let is_absent = |path: &Path| !path.try_exists().unwrap_or(true);
    let manifest = record.manifest().filter(|_| record.advertisable().is_some());
    manifest.is_some_and(|manifest| is_absent(&manifest.path))
        || record.advertisable_artefacts().any(|(artefact, _)| is_absent(&artefact.path))
}

fn not_there(record: &DatasetRecord) -> Error {
    let place = record.manifest().map_or(&record.directory, |manifest| &manifest.path);
    let message = format!("the store of {} is not there, and not advertised", record.instance_id);
    Error::new(Code::NotFound, message).in_file(place).with_hint(
        "see that the file system is mounted, and build it anew with `vzarr-publish scan`",
    )
}

/// The item of a dataset as the catalogue has it.
fn item(items: &Path, dataset_id: &str) -> Result<Value> {
    let path = items.join(format!("{dataset_id}.json"));
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::io(&error, "read the item", &path).with_hint(
            "put the item there as the catalogue has it, or leave --items out; the store is advertised again",
        )
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Error::new(Code::Configuration, format!("the item is no JSON: {error}")).in_file(path)
    })
}
