//! `ledger`: check, export, merge and backup.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use super::tree::{Run, Tree, json_lines, spoil_unnoticed};

const URL: &str = "https://n.org/thredds/fileServer/data";

/// Scans `variable` alone, with the ledger `ledger`.
fn scan_shard(tree: &Tree, variable: &str, ledger: &str) {
    let directory = tree.dataset(variable).directory;
    let root = format!("{}={URL}", tree.data.display());
    let arguments = ["scan", directory.to_str().unwrap(), "--data-root", &root, "--ledger", ledger];
    tree.run(&arguments).exits(0);
}

fn published(variables: &[&str]) -> Tree {
    let tree = Tree::of(variables);
    tree.scan(&["--data-root", &format!("{}={URL}", tree.data.display())]).exits(0);
    tree
}

fn ledger(tree: &Tree, arguments: &[&str]) -> Run {
    tree.run(&[&["ledger"], arguments].concat())
}

fn default_ledger(tree: &Tree) -> std::path::PathBuf {
    tree.path("state/vzarr-publish/vzarr-ledger.sqlite")
}

#[test]
fn all_is_well_after_a_scan() {
    let tree = published(&["tas", "pr"]);
    ledger(&tree, &["check"]).exits(0).says("2 datasets checked, 0 findings");
    ledger(&tree, &["check", "--quick"]).exits(0);
    let local = Tree::of(&["tas"]);
    local.scan(&[]).exits(0);
    ledger(&local, &["check"]).exits(0);
}

#[test]
fn what_is_not_as_the_ledger_says_is_named() {
    let tree = published(&["tas", "pr", "ua"]);
    let [tas, pr, ua] = ["tas", "pr", "ua"].map(|variable| tree.dataset(variable));
    tree.run(&["advertise"]).exits(0);
    spoil_unnoticed(&tas.manifest());
    ledger(&tree, &["check", "--quick"]).exits(0);
    let run = ledger(&tree, &["check"]).exits(1).says(&tas.id).names(&tas.manifest());
    run.says("[different]").says("scan --force").says("3 datasets checked, 1 finding");
    fs::write(pr.manifest(), "mine").unwrap();
    fs::remove_file(ua.manifest()).unwrap();
    let run =
        ledger(&tree, &["check", "--quick"]).exits(1).says("has 4 bytes").names(&pr.manifest());
    run.says("[not-found]").names(&ua.manifest()).omits(&tas.id).says("2 findings");
    tree.scan(&["--data-root", &format!("{}={URL}", tree.data.display()), "--force"]).exits(0);
    ledger(&tree, &["check"]).exits(0);
}

#[test]
fn a_store_that_is_gone_may_be_absent_but_not_advertised() {
    let tree = published(&["tas", "pr"]);
    let tas = tree.dataset("tas");
    let lines = tree.run(&["advertise"]).exits(0);
    let sent = tree.file("sent.jsonl", &lines.stdout);
    tree.run(&["advertise", "--ack", sent.to_str().unwrap()]).exits(0);
    fs::remove_dir_all(&tas.directory).unwrap();
    tree.scan(&["--data-root", &format!("{}={URL}", tree.data.display())]).exits(0);
    let run = ledger(&tree, &["check"]).exits(1).says(&tas.id).says("is advertised at");
    run.says("vzarr-publish advertise").says("1 finding");
    tree.run(&["advertise"]).exits(0).prints("remove");
    ledger(&tree, &["check"]).exits(0);
}

#[test]
fn urls_must_fit() {
    let tree = Tree::of(&["tas"]);
    let root = format!("{}={URL}", tree.data.display());
    // Files have URLs, their stores elsewhere have none.
    tree.scan(&["--data-root", &root, "--output-dir", "stores"]).exits(0);
    let run = ledger(&tree, &["check"]).exits(1).says("has none itself");
    run.says("vzarr-publish relocate");
}

#[test]
fn a_damaged_ledger_is_told() {
    let tree = published(&["tas", "pr"]);
    let path = default_ledger(&tree);
    ledger(&tree, &["backup", "whole.sqlite"]).exits(0);
    let whole = tree.path("whole.sqlite");
    let size = fs::metadata(&whole).unwrap().len();
    // The pages of tables and indexes, but not the schema on the first.
    let file = OpenOptions::new().write(true).open(&whole).unwrap();
    file.write_all_at(&vec![7; usize::try_from(size - 8192).unwrap()], 8192).unwrap();
    let run = ledger(&tree, &["check", "--ledger", "whole.sqlite"]);
    assert!(matches!(run.code, Some(1 | 3)), "{run:#?}");
    run.names(&whole);
    fs::write(&whole, "no ledger").unwrap();
    ledger(&tree, &["check", "--ledger", "whole.sqlite"]).exits(3).says("not a ledger");
    ledger(&tree, &["check", "--ledger", "absent"]).exits(3).says("no ledger yet");
    assert!(path.exists());
}

#[test]
fn an_export_goes_to_standard_output_or_a_file() {
    let tree = published(&["tas", "pr"]);
    let [tas, pr] = ["tas", "pr"].map(|variable| tree.dataset(variable));
    let run = ledger(&tree, &["export", "--json"]).exits(0);
    let lines = run.json_lines();
    assert_eq!(lines[0]["instance_id"], pr.id.as_str());
    assert_eq!(lines[1]["store"]["manifest"], tas.manifest().to_str().unwrap());
    assert_eq!(lines[1]["files"].as_array().unwrap().len(), 2);
    ledger(&tree, &["export", "--json", "all.jsonl"]).exits(0);
    let written = fs::read_to_string(tree.path("all.jsonl")).unwrap();
    assert_eq!(json_lines(&written), lines);
    let run = ledger(&tree, &["export", "--csv"]).exits(0);
    let rows: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[2].starts_with(&format!("{id},{id},CMIP6,v20200101,built,", id = tas.id)));
    ledger(&tree, &["export"]).exits(2);
    ledger(&tree, &["export", "--json", "--csv"]).exits(2);
    ledger(&tree, &["export", "--csv", "absent/a.csv"]).exits(3).says("absent");
    ledger(&tree, &["export", "--json", "--ledger", "absent"]).exits(3).says("no ledger yet");
}

#[test]
fn shards_are_merged_into_what_one_scan_would_know() {
    let tree = Tree::of(&["tas", "pr", "ua"]);
    for (variable, ledger) in [("tas", "a.sqlite"), ("pr", "b.sqlite"), ("ua", "b.sqlite")] {
        scan_shard(&tree, variable, ledger);
    }
    let run = ledger(&tree, &["merge", "a.sqlite", "b.sqlite"]).exits(0);
    run.says("`a.sqlite` is merged: 1 dataset added").says("2 datasets added").omits("warning");
    assert_eq!(tree.list().len(), 3);
    ledger(&tree, &["check"]).exits(0);
    let run = ledger(&tree, &["merge", "b.sqlite"]).exits(0);
    run.says("0 datasets added, 0 replaced, 2 kept");
    // The next scan finds nothing to do.
    let root = format!("{}={URL}", tree.data.display());
    tree.scan(&["--data-root", &root]).exits(0).says("0 built, 3 unchanged");
}

#[test]
fn ledgers_that_disagree_are_told_apart() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&["--output-dir", "here"]).exits(0);
    tas.write(12, 6);
    tree.scan(&["--output-dir", "there", "--ledger", "b.sqlite"]).exits(0);
    let run = ledger(&tree, &["merge", "b.sqlite"]).exits(0).says("warning").says(&tas.id);
    run.says("the ledgers disagree").says("/there/").says("/here/").says("1 replaced");
    let listed = tree.listed(&tas);
    assert!(listed["manifest"].as_str().unwrap().contains("/there/"));
    assert_eq!(listed["files"].as_array().unwrap().len(), 3);
    ledger(&tree, &["merge", "b.sqlite"]).exits(0).omits("warning");
}

#[test]
fn what_cannot_be_merged_is_named_and_the_rest_is() {
    let tree = published(&["tas", "pr"]);
    scan_shard(&tree, "tas", "a.sqlite");
    let foreign = tree.file("foreign", "no ledger at all");
    let arguments = ["merge", "foreign", "a.sqlite", "--ledger", "all.sqlite"];
    ledger(&tree, &arguments).exits(1).names(&foreign).says("1 dataset added");
    ledger(&tree, &["merge", "absent"]).exits(3).says("no ledger yet");
    let own = default_ledger(&tree);
    ledger(&tree, &["merge", own.to_str().unwrap()]).exits(3).says("into itself");
    ledger(&tree, &["merge"]).exits(2);
}

#[test]
fn a_backup_is_a_ledger() {
    let tree = published(&["tas"]);
    ledger(&tree, &["backup", "copy.sqlite"]).exits(0);
    let listed = |arguments: &[&str]| tree.run(arguments).exits(0).stdout;
    assert_eq!(listed(&["list", "--json", "--ledger", "copy.sqlite"]), listed(&["list", "--json"]));
    assert_eq!(names_beside(&tree.path("copy.sqlite")), ["copy.sqlite"]);
    let run = ledger(&tree, &["backup", "copy.sqlite"]).exits(2).names(&tree.path("copy.sqlite"));
    run.says("overwrites nothing");
    ledger(&tree, &["backup", "absent/copy.sqlite"]).exits(3).says("absent/copy.sqlite");
    let root = format!("{}={URL}", tree.data.display());
    let run = tree.scan(&["--data-root", &root, "--ledger", "copy.sqlite"]);
    run.exits(0).says("0 built, 1 unchanged");
}

/// What lies beside the file, as long as nobody uses it, and begins with its name.
fn names_beside(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|found| found.starts_with(name)).collect()
}

#[test]
fn json_of_a_refused_dataset_has_its_problems() {
    let tree = Tree::of(&["tas"]);
    tree.dataset("tas").write(4, 3);
    tree.scan(&[]).exits(1);
    let lines = ledger(&tree, &["export", "--json"]).exits(0).json_lines();
    assert_eq!(lines[0]["store"], Value::Null);
    assert_eq!(lines[0]["problems"][0]["code"], "time-overlap");
    ledger(&tree, &["check"]).exits(0);
}
