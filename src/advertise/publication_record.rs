//! The records that `esgmkpubrec` writes and `esgindexpub` or `esgpidcitepub` reads: an array of File
//! records and one Dataset record, first or last.

use serde_json::{Map, Value, json};

use super::asset::Asset;
use crate::model::error::{Code, Error, Result};

/// How a record names a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As an asset, for STAC.
    Asset,
    /// As a URL, and as an entry of the dataset's URLs, for indexes of Solr and Globus.
    Url,
}

/// The dataset that `records` are about: its ID with version.
pub fn dataset_id(records: &mut Value) -> Result<String> {
    let id = dataset(records)?.get("instance_id").and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| wrong("the Dataset record has no `instance_id`"))
}

/// Adds stores to the Dataset record, each under its key.
pub fn annotate(records: &mut Value, assets: &[(String, Asset)], form: Form) -> Result<()> {
    let dataset = dataset(records)?;
    for (key, asset) in assets {
        match form {
            Form::Asset => {
                dataset.insert(key.clone(), json!(asset));
            }
            Form::Url => {
                dataset.insert(key.clone(), json!(asset.href));
                let entry = format!("{}|{}|VirtualZarr", asset.href, asset.media_type);
                let urls = dataset.entry("url").or_insert_with(|| json!([]));
                let urls = urls.as_array_mut().ok_or_else(|| wrong("`url` is not an array"))?;
                if !urls.contains(&json!(entry)) {
                    urls.push(json!(entry));
                }
            }
        }
    }
    Ok(())
}

fn dataset(records: &mut Value) -> Result<&mut Map<String, Value>> {
    let records = records.as_array_mut().ok_or_else(|| wrong("not an array of records"))?;
    let is_dataset = |record: &&mut Map<String, Value>| {
        record.get("type").and_then(Value::as_str) == Some("Dataset")
    };
    let mut datasets = records.iter_mut().filter_map(Value::as_object_mut).filter(is_dataset);
    match (datasets.next(), datasets.next()) {
        (Some(dataset), None) => Ok(dataset),
        (None, _) => Err(wrong("there is no Dataset record")),
        (Some(_), Some(_)) => Err(wrong("there are several Dataset records")),
    }
}

fn wrong(what: &str) -> Error {
    Error::new(Code::Configuration, format!("no publication record: {what}"))
        .with_hint("give the JSON that `esgmkpubrec --pub-rec` wrote")
}

#[cfg(test)]
mod tests {
    use super::super::asset::tests::asset;
    use super::*;

    fn records() -> Value {
        json!([
            { "type": "File", "url": ["a"] },
            { "type": "Dataset", "instance_id": "a.v1", "title": "a" },
        ])
    }

    #[test]
    fn only_the_dataset_record_changes() {
        let assets = [("reference_file".to_owned(), asset())];
        let mut of_stac = records();
        assert_eq!(dataset_id(&mut of_stac).unwrap(), "a.v1");
        annotate(&mut of_stac, &assets, Form::Asset).unwrap();
        let mut expected = records();
        expected[1]["reference_file"] = json!(asset());
        assert_eq!(of_stac, expected);

        let mut of_index = records();
        annotate(&mut of_index, &assets, Form::Url).unwrap();
        let href = asset().href;
        expected[1]["reference_file"] = json!(href);
        expected[1]["url"] = json!([format!("{href}|application/vnd.zarr+kerchunk|VirtualZarr")]);
        assert_eq!(of_index, expected);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let two = json!([{ "type": "Dataset" }, { "type": "Dataset" }]);
        for mut wrong in [json!({}), json!([]), json!([1, { "type": "File" }]), two] {
            let error = annotate(&mut wrong, &[], Form::Asset).unwrap_err();
            assert!(error.hint().unwrap().contains("esgmkpubrec"));
        }
        assert!(dataset_id(&mut json!([{ "type": "Dataset" }])).is_err());
    }
}
