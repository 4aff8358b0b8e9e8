//! STAC items and collections of a static catalogue, for data nodes without an API.
//!
//! Source: <https://github.com/radiantearth/stac-spec> 1.1.0.

use std::iter;

use serde_json::{Map, Value, json};

use super::asset::Asset;
use crate::drs::Drs;
use crate::ledger::{DatasetRecord, Period};

const STAC_VERSION: &str = "1.1.0";

/// The schemas that the fields of assets follow.
const EXTENSIONS: [&str; 2] = [
    "https://stac-extensions.github.io/alternate-assets/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
];

/// The item of a dataset with these assets; `record` is that of one of its stores.
#[must_use]
pub fn item(record: &DatasetRecord, assets: &[(String, Asset)], drs: &Drs) -> Value {
    let created = assets.iter().map(|(_, asset)| asset.created.as_str()).min();
    let updated = assets.iter().map(|(_, asset)| asset.updated.as_str()).max();
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    set("title", json!(record.dataset_id));
    // STAC wants a date of everything, also of what has no time.
    set("datetime", if record.period.is_some() { Value::Null } else { json!(updated) });
    if let Some(Period { start, end }) = &record.period {
        set("start_datetime", json!(start));
        set("end_datetime", json!(end));
    }
    set("created", json!(created));
    set("updated", json!(updated));
    set("project", json!(record.project));
    set("version", json!(record.version.trim_start_matches('v')));
    set("latest", json!(record.superseded_by.is_none()));
    let prefix = record.project.to_ascii_lowercase();
    for (facet, value) in drs.dataset(&record.directory).into_iter().flat_map(|it| it.facets) {
        set(&format!("{prefix}:{facet}"), json!(value));
    }
    let assets = assets.iter().map(|(key, asset)| (key.clone(), json!(asset)));
    json!({
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": record.dataset_id,
        "collection": record.project,
        "geometry": null,
        "properties": properties,
        "links": [
            link("root", "../catalog.json"),
            link("parent", "collection.json"),
            link("collection", "collection.json"),
        ],
        "assets": assets.collect::<Map<_, _>>(),
    })
}

/// The collection of the items of a project.
#[derive(Debug, Default)]
pub struct Collection {
    /// The IDs of its items, in order.
    pub items: Vec<String>,
    start: Option<String>,
    end: Option<String>,
}

impl Collection {
    /// Adds the item of a dataset.
    pub fn add(&mut self, record: &DatasetRecord) {
        self.items.push(record.dataset_id.clone());
        if let Some(Period { start, end }) = record.period.clone() {
            self.start = Some(self.start.take().map_or(start.clone(), |first| first.min(start)));
            self.end = Some(self.end.take().map_or(end.clone(), |last| last.max(end)));
        }
    }

    /// The document of the collection of `project`.
    #[must_use]
    pub fn document(&self, project: &str) -> Value {
        let own = [link("root", "../catalog.json"), link("parent", "../catalog.json")];
        let items = self.items.iter().map(|id| link("item", &format!("{id}.json")));
        json!({
            "type": "Collection",
            "stac_version": STAC_VERSION,
            "id": project,
            "description": format!("Virtual Zarr stores of {project} datasets"),
            "license": "other",
            "extent": {
                "spatial": { "bbox": [[-180, -90, 180, 90]] },
                "temporal": { "interval": [[self.start, self.end]] },
            },
            "links": own.into_iter().chain(items).collect::<Vec<_>>(),
        })
    }
}

/// The document of the catalogue that has these collections.
#[must_use]
pub fn catalog<'a>(projects: impl Iterator<Item = &'a str>) -> Value {
    let children = projects.map(|project| link("child", &format!("{project}/collection.json")));
    let links: Vec<Value> = iter::once(link("root", "catalog.json")).chain(children).collect();
    json!({
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "vzarr-publish",
        "description": "Virtual Zarr stores of ESGF datasets",
        "links": links,
    })
}

fn link(relation: &str, href: &str) -> Value {
    let media_type = if relation == "item" { "application/geo+json" } else { "application/json" };
    json!({ "rel": relation, "href": href, "type": media_type })
}
