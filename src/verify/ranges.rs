//! The byte ranges of a store, also those that a sample leaves out, against what is known of the files
//! without reading them.

use std::ops::Range;

use crate::discover::SourceFile;
use crate::model::error::Error;

use super::different;
use super::store::{REBUILD, Store, chunk_place};

/// So many are named one by one.
const MOST_NAMED: usize = 3;

/// The files of a dataset, and those of them that a store holds.
pub struct Files<'a> {
    /// All files of the dataset, to which sources refer by number.
    pub all: &'a [(&'a SourceFile, Option<Range<u64>>)],
    /// The first that the store holds.
    pub start: usize,
    /// The rows of the store that this and each file behind it holds.
    pub rows: &'a [Range<u64>],
    /// The dimension along which they are joined, if they are.
    pub joined_along: Option<&'a str>,
}

/// References that do not lie in the file that holds their rows, or share a byte: chunks never do.
pub fn wrong(store: &Store, files: &Files) -> Vec<Error> {
    let mut ranges: Vec<_> = store.ranges().collect();
    ranges.sort_unstable_by_key(|&(key, location, offset, _)| (location, offset, key));
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for pair in ranges.windows(2) {
        let [(_, location, offset, length), (key, next, start, _)] = *pair else { continue };
        let is_file = store.sources().get(location).is_some_and(|it| it.file.is_some());
        if is_file && next == location && offset.saturating_add(length) > start {
            wrong.push((key, "begins within another chunk".to_owned()));
        }
    }
    for &(key, location, offset, length) in &ranges {
        let Some(file) = store.sources().get(location).and_then(|source| source.file) else {
            continue;
        };
        let size = files.all[file].0.size;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            wrong.push((key, format!("reaches beyond the {size} bytes of its file")));
        }
        if is_in_another_file(store, files, key, file) {
            wrong.push((key, "is in another file than its rows".to_owned()));
        }
    }
    in_words(store, &wrong)
}

/// Whether the rows of the chunk at `key` are not in `file`.
fn is_in_another_file(store: &Store, files: &Files, key: &str, file: usize) -> bool {
    let Some((name, rest)) = key.split_once('/') else { return false };
    let Some(Ok(array)) = store.arrays.get(name).map(|stored| &stored.opened) else {
        return false;
    };
    let leading = array.dimensions().and_then(|names| names.first().copied());
    let cells = chunk_place(array, rest).map(|chunk| array.cells(&chunk));
    let Some(rows) = cells.and_then(|cells| cells.first().cloned()) else { return false };
    if leading.is_none() || leading != files.joined_along {
        return false;
    }
    let place = file.checked_sub(files.start);
    let held = place.and_then(|place| files.rows.get(place)).cloned().unwrap_or(0..0);
    rows.start < held.start || rows.end > held.end
}

fn in_words(store: &Store, wrong: &[(&str, String)]) -> Vec<Error> {
    let count = wrong.len();
    let named = wrong.iter().take(MOST_NAMED).map(|(key, message)| {
        let name = key.split_once('/').map_or(*key, |(name, _)| name);
        let message = format!(
            "chunk `{key}` ({}) {message}; there are {count} such references",
            store.origin(key, None)
        );
        different(message).of_variable(name).with_hint(REBUILD)
    });
    named.collect()
}
