//! What killed runs left on disk before the ledger was told.
//!
//! A store is in place before the ledger knows it, for the other order would let the ledger lie. A run that
//! is killed in between leaves files that nobody knows: mostly the next run builds them again, but where the
//! dataset is refused, retracted or smaller by then, they would stay and lead readers to wrong bytes.
//! They are only looked for where the ledger knows of a run that came to no end: otherwise files that it
//! does not know are somebody else's.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::emit::{artefact, directory, reference_json, seal, seams};
use crate::ledger::StoreRecord;
use crate::model::format::Format;

/// A segment has a file at least, and no dataset has so many.
const MOST_SEGMENTS: usize = 1_000_000;

/// Removes the files of a store whose manifest is to be at `manifest` which `kept` does not name. Tells
/// whether there were any.
pub fn remove(manifest: &Path, kept: Option<&StoreRecord>) -> bool {
    let Some(parent) = manifest.parent() else { return false };
    seal::clean(parent);
    let is_kept = |path: &Path| kept.iter().flat_map(|kept| kept.paths()).any(|kept| kept == path);
    let mut left = files(manifest);
    left.retain(|path| !is_kept(path) && is_ours(path));
    let mut is_removed = false;
    let mut remove = |path: &Path| {
        // What refers to others goes first, for certain.
        is_removed |= fs::remove_file(path).is_ok() && directory::sync(parent).is_ok();
    };
    if left.first().is_some_and(|first| first == manifest) {
        remove(&left.remove(0));
    }
    let mut are_removed = false;
    for format in Format::BESIDE {
        let path = artefact::path(manifest, format);
        are_removed |=
            !is_kept(&path) && artefact::is_ours(format, &path) && artefact::remove(format, &path);
    }
    for path in &left {
        remove(path);
    }
    is_removed | are_removed
}

/// Files of a store, each before those that it refers to. Segments are removed from the last on, so that those
/// that are there are the first.
fn files(manifest: &Path) -> Vec<PathBuf> {
    let segment = |number: usize| manifest.with_extension(format!("seg{number:02}.json"));
    let mut files: Vec<_> = (0..MOST_SEGMENTS).map(segment).take_while(|it| it.exists()).collect();
    files.push(manifest.to_owned());
    files.reverse();
    files.extend(seams::beside(manifest));
    files
}

/// Whether a file at the place of one of a store was written by this program, as far as its form tells.
fn is_ours(path: &Path) -> bool {
    if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        return false;
    }
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    !is_json || File::open(path).is_ok_and(|file| reference_json::is_manifest(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_our_form_and_is_not_known_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let manifest = at("a.b.v1.json");
        let ours = "{\"version\":1,\"refs\":{\n\".zgroup\":\"\"\n},\"sources\":{\n}}\n";
        for name in ["a.b.v1.json", "a.b.v1.seg00.json", "a.b.v1.seg01.json"] {
            fs::write(at(name), ours).unwrap();
        }
        for digest in ["0123456789abcdef", "fedcba9876543210"] {
            fs::write(seams::path(&manifest, digest), ours).unwrap();
        }
        let of_others = ["a.b.v2.json", "a.b.v2.0123456789abcdef.seams", "a.b.v1.mine.seams"];
        for name in of_others {
            fs::write(at(name), ours).unwrap();
        }
        fs::create_dir(at("a.b.v1.parq")).unwrap();
        let metadata = "{\"metadata\":{\".zgroup\":{\"zarr_format\":2},\".zattrs\":{}}}";
        fs::write(at("a.b.v1.parq/.zmetadata"), metadata).unwrap();
        assert!(remove(&manifest, None));
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), of_others.len());
        for others in ["mine", "{\"version\":1,\"refs\":{}}"] {
            fs::write(&manifest, others).unwrap();
            assert!(!remove(&manifest, None));
            assert!(manifest.exists());
        }
        fs::create_dir(at("a.b.v1.parq")).unwrap();
        fs::write(at("a.b.v1.parq/.zmetadata"), "{\"metadata\":{}}").unwrap();
        assert!(!remove(&manifest, None));
        assert!(at("a.b.v1.parq").exists());
    }
}
