//! The attributes in the metadata of a store against those of its first file, in both formats.

use serde_json::Value;

use crate::model::error::Error;
use crate::model::virtual_dataset::FROM_FIRST_FILE;

use super::store::{REBUILD, Store};
use super::witness::Description;
use super::{different, expected, not_verified};

/// Variables that the store says to be those of the first file only.
pub fn from_first_file(store: &Store) -> Vec<String> {
    let document = store.document("zarr.json");
    let names = document["attributes"][FROM_FIRST_FILE].as_str().unwrap_or_default();
    names.split_whitespace().map(str::to_owned).collect()
}

/// What is not as the first file, which `description` describes, would have it.
pub fn wrong_attributes(store: &Store, description: &Description) -> Vec<Error> {
    let mut wrong = Vec::new();
    let mut check = |key: &str, within: &[&str], expected: Value| {
        wrong.extend(difference(store, key, within, &expected));
    };
    let mut group = expected::plain(&description.attributes);
    if let Some(names) = store.document("zarr.json")["attributes"].get(FROM_FIRST_FILE) {
        group.insert(FROM_FIRST_FILE.to_owned(), names.clone());
    }
    check("zarr.json", &["attributes"], group.clone().into());
    if store.has_v2 {
        check(".zattrs", &[], group.into());
    }
    for variable in &description.variables {
        let name = &variable.name;
        if !store.arrays.contains_key(name) {
            continue;
        }
        let Some(dtype) = variable.dtype else {
            wrong.push(not_verified("its netCDF type is none that Zarr has").of_variable(name));
            continue;
        };
        let mut check = |key: &str, within: &[&str], expected: Value| {
            let found = difference(store, &format!("{name}/{key}"), within, &expected);
            wrong.extend(found.map(|finding| finding.of_variable(name)));
        };
        let v3 = expected::of_v3_array(&variable.attributes, dtype);
        check("zarr.json", &["attributes"], v3.into());
        if store.has_v2 {
            let v2 = expected::of_v2_array(&variable.attributes, &variable.dimensions);
            check(".zattrs", &[], v2.into());
            let fill = expected::v2_fill(&variable.attributes, dtype);
            check(".zarray", &["fill_value"], fill);
        }
    }
    wrong
}

/// How the part of the document at `key` that `within` leads to is not as `expected`.
fn difference(store: &Store, key: &str, within: &[&str], expected: &Value) -> Option<Error> {
    let document = store.document(key);
    let found = within.iter().fold(&document, |value, name| &value[*name]);
    if found == expected {
        return None;
    }
    let (what, found, expected) = match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = found.keys().chain(expected.keys());
            let name = names.into_iter().find(|name| found.get(*name) != expected.get(*name));
            let name = name.map_or("", String::as_str);
            let shown = |value: Option<&Value>| {
                value.map_or_else(|| "absent".to_owned(), ToString::to_string)
            };
            (format!("attribute `{name}`"), shown(found.get(name)), shown(expected.get(name)))
        }
        _ => (within.join("."), found.to_string(), expected.to_string()),
    };
    let message = format!("{what} in `{key}` is {found}, after the file it would be {expected}");
    Some(different(message).with_hint(REBUILD))
}
