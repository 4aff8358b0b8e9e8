//! Patches of STAC items, as RFC 6902 has them.

use serde_json::{Map, Value, json};

use super::asset::{Asset, Site};

/// What is to become of an asset.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// It is there, as this.
    Add(&'a Asset),
    /// It is there no more; this was its URL.
    Remove(&'a str),
}

/// What turns the item of a dataset into one with, or without, the asset under `key`: for the first site
/// the asset itself, for a replica its alternate of that site. With the `item` as it is now, all of it
/// applies, and alternates of other sites stay.
#[must_use]
pub fn patch(
    key: &str,
    change: &Change,
    (site, is_replica): (&Site, bool),
    item: Option<&Value>,
) -> Vec<Value> {
    let of_asset = pointer(&["assets", key]);
    let asset = item.map(|item| item.pointer(&of_asset));
    // An alternate needs an asset that it is an alternate of.
    let is_alternate = is_replica && asset != Some(None);
    let known = asset.flatten();
    if is_alternate {
        alternate(key, change, site, known)
    } else {
        own(&of_asset, change, item, known)
    }
}

fn own(path: &str, change: &Change, item: Option<&Value>, known: Option<&Value>) -> Vec<Value> {
    match change {
        Change::Add(asset) => {
            let mut value = json!(asset);
            if let (Some(value), Some(kept)) =
                (value.as_object_mut(), known.and_then(|it| it.get("alternate")))
            {
                value.insert("alternate".to_owned(), kept.clone());
            }
            vec![json!({ "op": "add", "path": path, "value": value })]
        }
        Change::Remove(_) if item.is_some() && known.is_none() => Vec::new(),
        Change::Remove(_) => vec![json!({ "op": "remove", "path": path })],
    }
}

fn alternate(key: &str, change: &Change, site: &Site, known: Option<&Value>) -> Vec<Value> {
    let alternates = known.map(|known| known.get("alternate"));
    match change {
        Change::Add(asset) => {
            let node = asset.data_node.as_str();
            let value = alternate_of(asset);
            if alternates == Some(None) {
                let path = pointer(&["assets", key, "alternate"]);
                return vec![json!({ "op": "add", "path": path, "value": { node: value } })];
            }
            let path = pointer(&["assets", key, "alternate", node]);
            vec![json!({ "op": "add", "path": path, "value": value })]
        }
        Change::Remove(url) => {
            let node = site.data_node(url);
            let is_there = |found: Option<&Value>| found.is_some_and(|it| it.get(&node).is_some());
            if alternates.is_some_and(|found| !is_there(found)) {
                return Vec::new();
            }
            let path = pointer(&["assets", key, "alternate", &node]);
            vec![json!({ "op": "remove", "path": path })]
        }
    }
}

/// The fields that alternates of other assets have, and those that tell whether a copy is up to date.
fn alternate_of(asset: &Asset) -> Value {
    const FIELDS: [&str; 9] = [
        "href",
        "description",
        "type",
        "roles",
        "alternate:name",
        "created",
        "updated",
        "file:size",
        "file:checksum",
    ];
    let all = json!(asset);
    let field = |name: &str| Some((name.to_owned(), all.get(name)?.clone()));
    Value::Object(FIELDS.into_iter().filter_map(field).collect::<Map<_, _>>())
}

/// A JSON pointer, RFC 6901.
fn pointer(names: &[&str]) -> String {
    names
        .iter()
        .flat_map(|name| ["/".to_owned(), name.replace('~', "~0").replace('/', "~1")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::asset::tests::asset;
    use super::*;

    const KEY: &str = "reference_file";

    fn patched(change: &Change, is_replica: bool, item: Option<&Value>) -> Vec<Value> {
        patch(KEY, change, (&Site::new(None, None), is_replica), item)
    }

    #[test]
    fn the_first_site_has_the_asset_itself() {
        let asset = asset();
        let add = |item| patched(&Change::Add(&asset), false, item);
        let expected = json!([{ "op": "add", "path": "/assets/reference_file", "value": asset }]);
        assert_eq!(json!(add(None)), expected);
        let others = json!({ "assets": { KEY: { "href": "old", "alternate": { "b.org": 1 } } } });
        let kept = add(Some(&others));
        assert_eq!(kept[0]["value"]["alternate"], json!({ "b.org": 1 }));
        assert_eq!(kept[0]["value"]["href"], asset.href);
        let remove = |item| json!(patched(&Change::Remove(&asset.href), false, item));
        let expected = json!([{ "op": "remove", "path": "/assets/reference_file" }]);
        assert_eq!((remove(None), remove(Some(&others))), (expected.clone(), expected));
        assert_eq!(remove(Some(&json!({ "assets": {} }))), json!([]));
    }

    #[test]
    fn a_replica_is_an_alternate() {
        let asset = asset();
        let add = |item| patched(&Change::Add(&asset), true, item);
        let path = "/assets/reference_file/alternate/n.org:8443";
        let one = &add(None)[0];
        assert_eq!((&one["op"], &one["path"]), (&json!("add"), &json!(path)));
        assert_eq!(one["value"]["file:checksum"], asset.checksum);
        assert_eq!(one["value"]["protocol"], Value::Null);
        let bare = json!({ "assets": { KEY: { "href": "x" } } });
        let first = &add(Some(&bare))[0];
        assert_eq!(first["path"], "/assets/reference_file/alternate");
        assert_eq!(first["value"]["n.org:8443"], one["value"]);
        let with = json!({ "assets": { KEY: { "href": "x", "alternate": { "n.org:8443": 1 } } } });
        assert_eq!(&add(Some(&with))[0], one);
        // Nothing that it could be an alternate of.
        assert_eq!(add(Some(&json!({ "assets": {} })))[0]["path"], "/assets/reference_file");
        let remove = |item| json!(patched(&Change::Remove(&asset.href), true, item));
        let expected = json!([{ "op": "remove", "path": path }]);
        assert_eq!((remove(None), remove(Some(&with))), (expected.clone(), expected));
        assert_eq!(remove(Some(&bare)), json!([]));
        assert_eq!(remove(Some(&json!({ "assets": {} }))), json!([]));
    }

    #[test]
    fn names_in_pointers_are_escaped() {
        assert_eq!(pointer(&["a/b", "c~d"]), "/a~1b/c~0d");
    }
}
