//! An Icechunk repository against the manifest, which was compared with the files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::error::{Error, Result};

use super::readback::StoredArray;
use super::references::Reference;
use super::repository::{Repository, Stored as InRepository};
use super::store::{REBUILD, Store, Stored};
use super::{Written, different};

/// Chunks of one array that differ after which no more are told of.
const ENOUGH: usize = 3;

/// What the newest snapshot of the repository says that is not as in `store`.
pub fn compare(written: &Written, store: &Store) -> Vec<Error> {
    let mut found = Vec::new();
    if let Err(error) = all(written, store, &mut found) {
        found.push(different(error.message()));
    }
    found.into_iter().map(|finding| finding.in_file(written.target).with_hint(REBUILD)).collect()
}

fn all(written: &Written, store: &Store, found: &mut Vec<Error>) -> Result<()> {
    let repository = Repository::open(written.path)?;
    if repository.digest()?.as_deref() != Some(written.digest) {
        let message = "it is not as it was written: its digest is another than in the ledger";
        found.push(different(message));
    }
    let mut group = store.document("zarr.json");
    if let Some(members) = group.as_object_mut() {
        members.remove("consolidated_metadata");
    }
    if parsed(&repository.group()?) != group {
        found.push(different("the document of the group is not as in the manifest"));
    }
    let mut arrays: BTreeMap<String, Vec<u8>> = repository.arrays()?.into_iter().collect();
    for (name, stored) in &store.arrays {
        let Some(document) = arrays.remove(name) else {
            found.push(different("the array is missing").of_variable(name));
            continue;
        };
        let mut expected = store.document(&format!("{name}/zarr.json"));
        expected["chunk_key_encoding"] =
            json!({"name": "default", "configuration": {"separator": "/"}});
        if parsed(&document) != expected {
            let message = "its document is not as in the manifest";
            found.push(different(message).of_variable(name));
        }
        if let Stored { opened: Ok(array), missing, .. } = stored {
            chunks(&repository, store, (name, array, *missing), found)?;
        }
    }
    if let Some(name) = arrays.keys().next() {
        found.push(different("the array is not in the manifest").of_variable(name));
    }
    Ok(())
}

/// What stands for the chunks of an array of which so many are `missing` in the manifest.
fn chunks(
    repository: &Repository,
    store: &Store,
    (name, array, missing): (&str, &StoredArray, u64),
    found: &mut Vec<Error>,
) -> Result<()> {
    let (mut count, mut wrong) = (0_u64, 0);
    repository.chunks(name, &mut |place, chunk| {
        count += 1;
        let place: Vec<u64> = place.iter().copied().map(u64::from).collect();
        let key = array.key(&place);
        if wrong < ENOUGH && !is_same(store, &key, &chunk) {
            wrong += 1;
            let message = format!("chunk {place:?} does not stand for what `{key}` does");
            found.push(different(message).of_variable(name));
        }
        Ok(())
    })?;
    let expected = array.grid().iter().product::<u64>().saturating_sub(missing);
    if count != expected {
        let message = format!("it has {count} chunks, the manifest {expected}");
        found.push(different(message).of_variable(name));
    }
    Ok(())
}

fn is_same(store: &Store, key: &str, chunk: &InRepository) -> bool {
    match (chunk, store.reference(key)) {
        (
            InRepository::Reference { url, offset, length, .. },
            Some(Reference::Range { location, offset: from, length: size }),
        ) => store.location(*location) == Some(url) && (offset, length) == (from, size),
        (InRepository::Bytes(bytes), Some(_)) => {
            store.value(key).is_ok_and(|value| value.as_ref() == Some(bytes))
        }
        _ => false,
    }
}

fn parsed(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap_or_default()
}
