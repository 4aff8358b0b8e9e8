//! Rescans that read only what changed.
//!
//! That a file was not read is seen by spoiling it first, behind the back of whoever trusts size, time and
//! inode: nobody who reads it can build a store.

use std::fs;

use super::tree::{Dataset, Tree, all_below, spoil_unnoticed, touch};

/// A dataset that was scanned, and the manifest it will have with another year.
fn scanned() -> (Tree, Dataset, Vec<u8>) {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let next = tas.write(12, 12);
    tree.scan(&[]).exits(0);
    let longer = fs::read(tas.manifest()).unwrap();
    fs::remove_file(next).unwrap();
    tree.scan(&[]).exits(0).says("1 built");
    (tree, tas, longer)
}

fn spoil_first_year(tas: &Dataset) {
    spoil_unnoticed(&tas.file(0, 6));
    spoil_unnoticed(&tas.file(6, 6));
}

#[test]
fn of_a_dataset_that_gets_a_file_only_that_is_read() {
    let (tree, tas, longer) = scanned();
    spoil_first_year(&tas);
    tas.write(12, 12);
    tree.scan(&[]).exits(0).says("1 built");
    assert!(fs::read(tas.manifest()).unwrap() == longer, "the same as read from all files");
    tree.scan(&[]).exits(0).says("1 unchanged");
}

#[test]
fn a_file_that_changed_is_read() {
    let (tree, tas, _) = scanned();
    spoil_first_year(&tas);
    touch(&tas.file(6, 6));
    tree.scan(&[]).exits(1).says("1 failed").names(&tas.file(6, 6)).omits("195001-195006");
}

#[test]
fn other_settings_need_no_file_to_be_read() {
    let (tree, tas, _) = scanned();
    spoil_first_year(&tas);
    let data_root = format!("{}=https://node.org/data", tree.data.display());
    tree.scan(&["--data-root", &data_root]).exits(0).says("1 built");
    let manifest = fs::read_to_string(tas.manifest()).unwrap();
    assert!(manifest.contains("https://node.org/data/CMIP6/"), "{manifest}");
}

#[test]
fn whoever_wants_all_read_gets_it() {
    for option in ["--no-index-cache", "--force"] {
        let (tree, tas, _) = scanned();
        spoil_first_year(&tas);
        tas.write(12, 12);
        tree.scan(&[option]).exits(1).says("1 failed").names(&tas.file(0, 6));
    }
}

#[test]
fn without_the_cache_or_with_a_broken_one_all_is_read() {
    for broken in [None, Some(""), Some("not a database at all, but as long as one might be")] {
        let (tree, tas, longer) = scanned();
        let mut cache = all_below(&tree.path("state"));
        cache.retain(|path| path.to_string_lossy().contains(".indexes"));
        assert!(!cache.is_empty());
        for path in &cache {
            fs::remove_file(path).unwrap();
        }
        if let Some(text) = broken {
            fs::write(&cache[0], text).unwrap();
        }
        tas.write(12, 12);
        tree.scan(&[]).exits(0).says("1 built");
        assert!(fs::read(tas.manifest()).unwrap() == longer);
    }
}

#[test]
fn a_refused_dataset_is_put_together_again_too() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let twice = tas.directory.join("tas_Amon_Model_historical_r1i1p1f1_gn_185001-185012.nc");
    fs::copy(tas.file(0, 6), &twice).unwrap();
    tree.scan(&[]).exits(1).says("time-duplicate");
    spoil_first_year(&tas);
    fs::remove_file(&twice).unwrap();
    tree.scan(&[]).exits(0).says("1 built");
}

#[test]
fn a_dataset_that_needs_too_much_memory_fails_and_says_what_to_do() {
    let tree = Tree::of(&["tas", "pr"]);
    let run = tree.scan(&["--max-memory", "16KiB"]).exits(1).says("2 failed").says("out-of-memory");
    run.says("raise --max-memory");
    tree.scan(&["--max-memory", "1MiB"]).exits(0).says("2 built");
}
