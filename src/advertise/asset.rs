//! The asset of a STAC item that stands for a store.
//!
//! Its fields are those that the schemas of the ESGF STAC transaction API require of every asset
//! (<https://esgf.github.io/stac-transaction-api/>), those of the file extension 2.1.0 and of the
//! alternate-assets extension 1.2.0, and what clients of ESGF look for.

use std::path::Path;

use serde::Serialize;

use crate::drs::Drs;
use crate::ledger::{ArtefactRecord, DatasetRecord};
use crate::model::format::Format;
use crate::model::multihash::Multihash;

/// As "Zarr best practices" of STAC have it for references in the form of kerchunk.
const MEDIA_TYPE: &str = "application/vnd.zarr+kerchunk";

/// The key of the asset, which the publisher knows.
const KEY: &str = "reference_file";

/// Who serves the stores, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The data node; the host of the URL where there is none.
    pub data_node: Option<String>,
    /// The media type of manifests.
    pub media_type: String,
}

impl Site {
    /// The site of `data_node`, if that is known, with the usual media type unless `media_type` is another.
    #[must_use]
    pub fn new(data_node: Option<String>, media_type: Option<String>) -> Self {
        Self { data_node, media_type: media_type.unwrap_or_else(|| MEDIA_TYPE.to_owned()) }
    }

    /// The data node that serves `url`.
    pub(super) fn data_node(&self, url: &str) -> String {
        let authority = || url.split("://").nth(1)?.split(['/', '?']).next();
        let host = || authority().map(|found| found.rsplit('@').next().unwrap_or(found));
        self.data_node.clone().or_else(|| host().map(str::to_owned)).unwrap_or_default()
    }
}

/// The asset of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// The URL of the manifest.
    pub href: String,
    /// What the manifest is.
    pub description: &'static str,
    /// Its media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Data that lie elsewhere.
    pub roles: [&'static str; 2],
    /// The data node.
    #[serde(rename = "alternate:name")]
    pub data_node: String,
    /// When the dataset got its first store.
    pub created: String,
    /// When it got this one.
    pub updated: String,
    /// How the store is read.
    pub protocol: &'static str,
    /// Bytes of the manifest.
    #[serde(rename = "file:size")]
    pub size: u64,
    /// Multihash of the manifest.
    #[serde(rename = "file:checksum")]
    pub checksum: String,
    /// The path of the manifest from the DRS on.
    #[serde(rename = "file:local_path", skip_serializing_if = "Option::is_none")]
    pub local_path: Option<String>,
}

impl Asset {
    /// The asset of the store of `record`, as `site` serves it; none where it may not be advertised.
    #[must_use]
    pub fn of(record: &DatasetRecord, site: &Site, drs: &Drs) -> Option<Self> {
        let (href, digest) = record.advertisable()?;
        let store = record.store.as_ref()?;
        let manifest = store.manifest.as_ref()?;
        let times = store.times.as_ref()?;
        // Only where the manifest is not regular are there segments beside it.
        let has_segments = store.parts_of(crate::ledger::PartKind::Segment).next().is_some();
        let description = if has_segments || store.v3_only {
            "Virtual Zarr reference file (kerchunk, Zarr V3 only)"
        } else {
            "Virtual Zarr reference file (kerchunk)"
        };
        Some(Self {
            href: href.to_owned(),
            description,
            media_type: site.media_type.clone(),
            roles: ["data", "virtual"],
            data_node: site.data_node(href),
            created: to_the_second(&times.created_at),
            updated: to_the_second(&times.updated_at),
            protocol: "kerchunk",
            size: manifest.size,
            checksum: Multihash::of_sha256(digest).to_string(),
            local_path: local_path(record, &manifest.path, drs),
        })
    }

    /// The assets of the other forms of the store of `record` that may be advertised.
    pub fn of_artefacts<'a>(
        record: &'a DatasetRecord,
        site: &'a Site,
        drs: &'a Drs,
    ) -> impl Iterator<Item = (Format, Self)> {
        record.advertisable_artefacts().filter_map(move |(artefact, href)| {
            let ArtefactRecord { format, path, digest, size, times, .. } = artefact;
            let times = times.as_ref()?;
            let (description, media_type, protocol) = match format {
                Format::Json => return None,
                Format::Parquet => (
                    "Virtual Zarr references in Parquet (kerchunk)",
                    "application/vnd.apache.parquet",
                    "kerchunk",
                ),
                Format::Icechunk => {
                    ("Virtual Zarr in Icechunk", "application/vnd.zarr+icechunk", "icechunk")
                }
            };
            let asset = Self {
                href: href.to_owned(),
                description,
                media_type: media_type.to_owned(),
                roles: ["data", "virtual"],
                data_node: site.data_node(href),
                created: to_the_second(&times.created_at),
                updated: to_the_second(&times.updated_at),
                protocol,
                size: *size,
                checksum: Multihash::of_sha256(digest).to_string(),
                local_path: local_path(record, path, drs),
            };
            Some((*format, asset))
        })
    }
}

/// The path of a file or a directory of a store from the DRS on.
fn local_path(record: &DatasetRecord, path: &Path, drs: &Drs) -> Option<String> {
    let below_root = drs.dataset(&record.directory).ok()?.below_root;
    Some(below_root.join(path.file_name()?).to_str()?.to_owned())
}

/// The key of the asset of a store: where a dataset has several, as in CMIP5, each has what tells them
/// apart behind it.
#[must_use]
pub fn asset_key(record: &DatasetRecord) -> String {
    distinguished(KEY, record)
}

/// The same of another form of the store.
#[must_use]
pub fn artefact_key(record: &DatasetRecord, format: Format) -> String {
    match format {
        Format::Json => asset_key(record),
        Format::Parquet => distinguished("reference_parquet", record),
        Format::Icechunk => distinguished("icechunk", record),
    }
}

fn distinguished(key: &str, record: &DatasetRecord) -> String {
    let distinction = record.instance_id.strip_prefix(record.dataset_id.as_str());
    match distinction.map(|rest| rest.trim_start_matches('.')) {
        None | Some("") => key.to_owned(),
        Some(distinction) => format!("{key}_{}", distinction.replace('.', "_")),
    }
}

/// `2026-11-25T18:39:38.123Z` without the fraction.
fn to_the_second(time: &str) -> String {
    let seconds = time.split('.').next().unwrap_or(time);
    format!("{}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::ledger::{Status, StoreRecord, StoreTimes, WrittenFile};

    const DRS: &str = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20190401";

    pub fn record() -> DatasetRecord {
        let id = DRS.replace('/', ".");
        let directory = format!("/data/{DRS}");
        DatasetRecord {
            instance_id: id.clone(),
            dataset_id: id.clone(),
            master_id: id.replace(".v20190401", ""),
            project: "CMIP6".to_owned(),
            version: "v20190401".to_owned(),
            versioned: true,
            period: None,
            status: Status::Built,
            error: None,
            recipe: String::new(),
            files: Vec::new(),
            store: Some(StoreRecord {
                manifest: Some(WrittenFile {
                    path: format!("{directory}/{id}.json").into(),
                    url: Some(format!("https://n.org:8443/data/{DRS}/{id}.json")),
                    digest: "ab".repeat(32),
                    size: 1234,
                }),
                local: false,
                reference_count: 1,
                inlined_bytes: 1,
                v3_only: false,
                parts: Vec::new(),
                artefacts: Vec::new(),
                times: Some(StoreTimes {
                    created_at: "2026-01-02T03:04:05.678Z".to_owned(),
                    updated_at: "2026-02-03T04:05:06Z".to_owned(),
                }),
            }),
            directory: directory.into(),
            variables: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            verification: None,
            replacement: None,
            superseded_by: None,
        }
    }

    pub fn asset() -> Asset {
        Asset::of(&record(), &Site::new(None, None), &Drs::builtin().unwrap()).unwrap()
    }

    #[test]
    fn an_asset_has_what_schemas_and_clients_need() {
        let id = DRS.replace('/', ".");
        assert_eq!(
            serde_json::to_value(asset()).unwrap(),
            json!({
                "href": format!("https://n.org:8443/data/{DRS}/{id}.json"),
                "description": "Virtual Zarr reference file (kerchunk)",
                "type": "application/vnd.zarr+kerchunk",
                "roles": ["data", "virtual"],
                "alternate:name": "n.org:8443",
                "created": "2026-01-02T03:04:05Z",
                "updated": "2026-02-03T04:05:06Z",
                "protocol": "kerchunk",
                "file:size": 1234,
                "file:checksum": format!("1220{}", "ab".repeat(32)),
                "file:local_path": format!("{DRS}/{id}.json"),
            })
        );
        let site = Site::new(Some("esgf.org".to_owned()), Some("application/json".to_owned()));
        let named = Asset::of(&record(), &site, &Drs::builtin().unwrap()).unwrap();
        assert_eq!(
            (named.data_node.as_str(), named.media_type.as_str()),
            ("esgf.org", "application/json")
        );
    }

    #[test]
    fn several_stores_of_a_dataset_have_keys_of_their_own() {
        let mut record = record();
        assert_eq!(asset_key(&record), "reference_file");
        record.instance_id.push_str(".tas.gr");
        assert_eq!(asset_key(&record), "reference_file_tas_gr");
        assert_eq!(artefact_key(&record, Format::Parquet), "reference_parquet_tas_gr");
    }

    #[test]
    fn other_forms_are_assets_of_their_own_as_long_as_the_store_is_one() {
        let mut record = record();
        let id = DRS.replace('/', ".");
        let store = record.store.as_mut().unwrap();
        let artefact = |format: Format, url: Option<&str>| ArtefactRecord {
            format,
            path: format!("/data/{DRS}/{id}.{}", format.extension()).into(),
            url: url.map(str::to_owned),
            digest: "cd".repeat(32),
            size: 99,
            reference_count: 1,
            snapshot: None,
            times: store.times.clone(),
        };
        let url = format!("https://n.org/data/{DRS}/{id}.parq");
        store.artefacts =
            vec![artefact(Format::Parquet, Some(&url)), artefact(Format::Icechunk, None)];
        let (site, drs) = (Site::new(None, None), Drs::builtin().unwrap());
        let assets: Vec<_> = Asset::of_artefacts(&record, &site, &drs).collect();
        let [(Format::Parquet, asset)] = &assets[..] else { panic!("{assets:?}") };
        assert_eq!((asset.href.as_str(), asset.size), (url.as_str(), 99));
        assert_eq!(asset.media_type, "application/vnd.apache.parquet");
        assert_eq!(asset.local_path, Some(format!("{DRS}/{id}.parq")));
        record.status = Status::Retracted;
        assert_eq!(Asset::of_artefacts(&record, &site, &drs).count(), 0);
    }
}
