//! Scanning again: what did not change is left alone, what changed is built again.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use vzarr_publish::ledger::Turn;

use super::manifest::Manifest;
use super::tree::{Tree, spoil_unnoticed, stamp, times, touch};

#[test]
fn an_unchanged_tree_is_neither_read_nor_written() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let before = stamp(&tas.manifest());
    spoil_unnoticed(&tas.file(0, 6));
    spoil_unnoticed(&tas.file(6, 6));
    let run = tree.scan(&["-v"]).exits(0);
    run.says("0 built, 1 unchanged").says(&format!("{} unchanged", tas.id));
    assert_eq!(stamp(&tas.manifest()), before);
}

#[test]
fn force_reads_everything_again() {
    let tree = Tree::of(&["pr", "tas"]);
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.dataset(variable));
    tree.scan(&[]).exits(0);
    let before = stamp(&pr.manifest());
    spoil_unnoticed(&tas.file(0, 6));
    tree.scan(&["--force"]).exits(1).says("1 built, 0 unchanged, 0 refused, 1 failed");
    // A manifest that would come out the same keeps its time, for the sake of caches.
    assert_eq!(stamp(&pr.manifest()), before);
}

#[test]
fn a_touched_file_is_read_again() {
    let tree = Tree::of(&["pr", "tas"]);
    tree.scan(&[]).exits(0);
    touch(&tree.dataset("tas").file(0, 6));
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
}

#[test]
fn a_changed_file_changes_the_store() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    fs::remove_file(tas.file(6, 6)).unwrap();
    tas.write(6, 2);
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
    assert_eq!(Manifest::open(&tas.manifest()).values("time"), times(0..8));
}

#[test]
fn a_new_file_lengthens_the_store() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    tas.write(12, 3);
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
    assert_eq!(Manifest::open(&tas.manifest()).values("time"), times(0..15));
    assert_eq!(tree.listed(&tas)["files"].as_array().unwrap().len(), 3);
}

#[test]
fn a_lost_manifest_is_written_again() {
    let tree = Tree::of(&["tas"]);
    let manifest = tree.dataset("tas").manifest();
    tree.scan(&[]).exits(0);
    let before = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    tree.scan(&[]).exits(0).says("1 built, 0 unchanged");
    assert_eq!(fs::read(&manifest).unwrap(), before);
}

#[test]
fn other_urls_make_another_store() {
    let tree = Tree::of(&["tas"]);
    let data_root = |url: &str| format!("{}={url}", tree.data.display());
    tree.scan(&["--data-root", &data_root("https://old.test")]).exits(0);
    tree.scan(&["--data-root", &data_root("https://new.test")]).exits(0).says("1 built");
    let text = fs::read_to_string(tree.dataset("tas").manifest()).unwrap();
    assert!(text.contains("https://new.test/") && !text.contains("https://old.test/"));
}

#[test]
fn a_deleted_dataset_is_gone_and_may_come_back() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let away = tree.path("away");
    fs::rename(&tas.directory, &away).unwrap();
    let run = tree.scan(&["--report", "-"]).exits(0).says("0 built, 1 unchanged");
    let run = run.says("1 gone").says(&tas.id).names(&tas.directory);
    let gone: Vec<Value> =
        run.json_lines().into_iter().filter(|line| line["type"] == "gone").collect();
    let expected = json!({
        "type": "gone",
        "instance_id": tas.id,
        "directory": tas.directory,
        "manifest": tas.manifest(),
    });
    assert_eq!(gone, [expected]);
    assert_eq!(tree.listed(&tas)["status"], "gone");
    tree.scan(&[]).exits(0).omits("gone");
    fs::rename(&away, &tas.directory).unwrap();
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
    assert_eq!(tree.listed(&tas)["status"], "built");
}

#[test]
fn what_was_not_looked_for_is_not_gone() {
    let tree = Tree::of(&["pr", "tas"]);
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.dataset(variable));
    tree.scan(&[]).exits(0);
    fs::remove_dir_all(&tas.directory).unwrap();
    let pr_only = pr.directory.to_str().unwrap();
    tree.run(&["scan", pr_only]).exits(0).omits("gone");
    tree.scan(&["--project", "CMIP7"]).exits(0).omits("gone");
    // A directory that is missing itself may be on a file system that is not mounted.
    let missing = tas.directory.to_str().unwrap();
    tree.run(&["scan", pr_only, missing]).exits(1).omits("gone");
    assert_eq!(tree.listed(&tas)["status"], "built");
    tree.scan(&["--project", "CMIP6"]).exits(0).says("1 gone");
}

/// `--project` understands names whatever their case.
#[test]
fn a_dataset_of_a_project_in_lower_case_is_found_to_be_gone() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&["--project", "cmip6"]).exits(0).says("2 built");
    fs::remove_dir_all(&tas.directory).unwrap();
    tree.scan(&["--project", "cmip6"]).exits(0).says("1 gone");
}

#[test]
fn the_store_of_a_dataset_that_went_bad_is_withdrawn() {
    let tree = Tree::of(&["pr", "tas"]);
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.dataset(variable));
    tree.scan(&[]).exits(0);
    let before = stamp(&pr.manifest());
    tas.put(&tas.file(6, 6), b"<html>");
    let run = tree.scan(&[]).exits(1).says("0 built, 1 unchanged, 0 refused, 1 failed");
    run.says("no longer fits and was removed").names(&tas.file(6, 6));
    assert!(!tas.manifest().exists());
    assert_eq!(stamp(&pr.manifest()), before);
    let listed = tree.listed(&tas);
    assert_eq!((&listed["status"], &listed["manifest"]), (&json!("failed"), &Value::Null));
}

#[test]
fn a_dry_run_withdraws_nothing() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let before = tree.listed(&tas);
    tas.put(&tas.file(6, 6), b"<html>");
    tree.scan(&["--dry-run"]).exits(1);
    assert!(tas.manifest().exists());
    assert_eq!(tree.listed(&tas), before);
}

#[test]
fn a_manifest_that_somebody_else_wrote_is_not_removed() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    fs::write(tas.manifest(), "mine").unwrap();
    tas.put(&tas.file(6, 6), b"<html>");
    tree.scan(&[]).exits(1);
    assert_eq!(fs::read_to_string(tas.manifest()).unwrap(), "mine");
    assert_eq!(tree.listed(&tas)["manifest"], json!(tas.manifest()));
}

#[test]
fn a_refusal_is_remembered_and_a_repair_seen() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let stray = tas.write(4, 3);
    tree.scan(&[]).exits(1).says("1 refused");
    let run = tree.scan(&[]).exits(1).says("0 built, 1 unchanged");
    run.says(&format!("{} refused as before: [time-overlap]", tas.id));
    fs::remove_file(stray).unwrap();
    tree.scan(&[]).exits(0).says("1 built");
    assert_eq!(tree.listed(&tas)["reason"], Value::Null);
}

/// The directory of `tree`'s dataset below `copy`, beside the published tree.
fn elsewhere(tree: &Tree, copy: &str) -> std::path::PathBuf {
    let dataset = tree.dataset("tas");
    tree.path(copy).join(dataset.directory.strip_prefix(&tree.data).unwrap())
}

#[test]
fn a_copy_does_not_take_the_place_of_its_dataset() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let copy = elsewhere(&tree, "copy");
    fs::create_dir_all(&copy).unwrap();
    // A bad copy, too, must leave the good dataset alone.
    fs::write(copy.join(tas.file(0, 6).file_name().unwrap()), "").unwrap();
    let run = tree.run(&["scan", tree.path("copy").to_str().unwrap()]).exits(1);
    run.says("[duplicate-id]").names(&copy).names(&tas.directory);
    assert!(tas.manifest().exists());
    assert_eq!(tree.listed(&tas)["status"], "built");
    tree.scan(&[]).exits(0).says("0 built, 1 unchanged");
}

#[test]
fn a_dataset_that_moved_is_built_where_it_is_now() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let moved = tree.path("moved");
    fs::rename(&tree.data, &moved).unwrap();
    tree.run(&["scan", moved.to_str().unwrap()]).exits(0).says("1 built");
    let manifest = elsewhere(&tree, "moved").join(format!("{}.json", tas.id));
    assert_eq!(tree.listed(&tas)["manifest"], json!(manifest));
    assert!(fs::read_to_string(manifest).unwrap().contains(moved.to_str().unwrap()));
}

#[test]
fn a_scan_for_what_is_new_leaves_the_rest_alone() {
    let tree = Tree::of(&["tas", "pr"]);
    tree.scan(&[]).exits(0);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    for dataset in [&tas, &pr] {
        touch_directory(&dataset.directory);
    }
    tree.scan(&["--newer-than", "30s"]).exits(0).says("0 built, 0 unchanged");
    tas.write(12, 6);
    tree.scan(&["--newer-than", "30s"]).exits(0).says("1 built, 0 unchanged").omits("gone");
    assert!(tree.list().iter().all(|line| line["status"] == "built"));
    tree.scan(&[]).exits(0).says("2 unchanged");
    tree.scan(&["--newer-than", "soon"]).exits(2).says("such as 7d");
}

/// Makes the directory seem a minute older.
fn touch_directory(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap() - Duration::from_mins(1);
    let times = FileTimes::new().set_modified(modified);
    File::open(path).unwrap().set_times(times).unwrap();
}

#[test]
fn a_second_scan_of_trees_ends_at_once_or_waits() {
    let tree = Tree::of(&["tas"]);
    let ledger = tree.path("ledger.sqlite");
    let options = ["--ledger", ledger.to_str().unwrap()];
    let turn = Turn::take(&ledger, None).unwrap().unwrap();
    tree.scan(&options).exits(0).says("another scan").names(&ledger);
    assert!(!tree.dataset("tas").manifest().exists());
    let map = tree.file("x.map", &{
        let tas = tree.dataset("tas");
        let line = |path: &Path| {
            let size = fs::metadata(path).unwrap().len();
            format!("{} | {} | {size}\n", tas.id, path.display())
        };
        [tas.file(0, 6), tas.file(6, 6)].map(|path| line(&path)).concat()
    });
    let run = tree.run(&["scan", "--map", map.to_str().unwrap(), options[0], options[1]]);
    run.exits(0).says("1 built");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tree.scan(&[&options[..], &["--wait", "1m"]].concat()));
        std::thread::sleep(Duration::from_millis(300));
        drop(turn);
        waiting.join().unwrap().exits(0).says("1 unchanged");
    });
}

#[test]
fn an_archive_that_is_not_mounted_is_not_gone() {
    let variables: Vec<String> = (0..12).map(|number| format!("tas{number}")).collect();
    let tree = Tree::of(&variables.iter().map(String::as_str).collect::<Vec<_>>());
    tree.scan(&[]).exits(0);
    let away = tree.path("away");
    fs::rename(&tree.data, &away).unwrap();
    fs::create_dir(&tree.data).unwrap();
    let scan = tree.scan(&[]).exits(1).omits("is no longer in");
    scan.says("12 of 12 datasets of CMIP6 were not found").says("--accept-gone");
    assert!(tree.list().iter().all(|line| line["status"] == "built"));
    fs::remove_dir(&tree.data).unwrap();
    fs::rename(&away, &tree.data).unwrap();
    tree.scan(&[]).exits(0).says("12 unchanged");
    // A few may go at any time, and all where somebody says so.
    for variable in &variables[..6] {
        fs::remove_dir_all(tree.dataset(variable).directory).unwrap();
    }
    tree.scan(&[]).exits(0).says("6 gone");
    fs::remove_dir_all(&tree.data).unwrap();
    fs::create_dir(&tree.data).unwrap();
    tree.scan(&["--accept-gone"]).exits(0).says("6 gone");
}
