//! Files that hold the same time steps, and `--on-overlap`.

use std::fs;

use serde_json::{Value, json};

use super::manifest::Manifest;
use super::tree::{Tree, times};

/// The time range in the name of the file that each month of a store comes from.
fn of_file(tree: &Tree, options: &[&str]) -> Vec<String> {
    let tas = tree.dataset("tas");
    tree.scan(options).exits(0).says("1 built");
    assert_eq!(Manifest::open(&tas.manifest()).values("time"), times(0..12));
    let manifest = fs::read_to_string(tas.manifest()).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let range = |step| {
        let path = manifest["refs"][format!("tas/{step}.0.0")][0].as_str().unwrap();
        path.trim_end_matches(".nc").rsplit('_').next().unwrap().to_owned()
    };
    (0..12).map(range).collect()
}

/// Two halves of a year, of which the later begins two months early.
fn overlapping() -> Tree {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    fs::remove_file(tas.file(6, 6)).unwrap();
    tas.write(4, 8);
    tree
}

#[test]
fn the_steps_of_one_file_are_kept() {
    let tree = overlapping();
    let [early, late] = ["185001-185006", "185005-185012"].map(str::to_owned);
    tree.scan(&[]).exits(1).says("[time-overlap]").says("--on-overlap first");
    let first = [vec![early.clone(); 6], vec![late.clone(); 6]].concat();
    assert_eq!(of_file(&tree, &["--on-overlap", "first"]), first);
    let last = [vec![early; 4], vec![late; 8]].concat();
    assert_eq!(of_file(&tree, &["--on-overlap", "last"]), last);
    tree.scan(&["--on-overlap", "last"]).exits(0).says("0 built, 1 unchanged");
}

#[test]
fn what_is_dropped_is_told() {
    let tree = overlapping();
    let tas = tree.dataset("tas");
    let run = tree.scan(&["--on-overlap", "first"]).exits(0);
    let told = "time steps 1 to 2 of 8, 1850-05-16T00:00:00 to 1850-06-16T00:00:00, left out";
    run.names(&tas.file(4, 8)).names(&tas.file(0, 6)).says(told).says("[time-overlap]");
    tree.run(&["show", &tas.id]).exits(0).prints(told);
}

#[test]
fn a_file_within_another_is_left_out() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let within = tas.write(8, 2);
    tree.scan(&[]).exits(1).says("[time-duplicate]").names(&within);
    for choice in ["first", "last"] {
        let options = ["--on-overlap", choice];
        tree.scan(&options).exits(0).names(&within).says("all 2 time steps");
        assert_eq!(Manifest::open(&tas.manifest()).values("time"), times(0..12));
        let listed = tree.listed(&tas);
        assert_eq!(listed["files"], json!([tas.file(0, 6), tas.file(6, 6), within]));
        tree.scan(&options).exits(0).says("1 unchanged");
    }
}

#[test]
fn the_settings_file_may_choose() {
    let tree = overlapping();
    let config = tree.file("config.yaml", "on_overlap: first\n");
    let config = config.to_str().unwrap();
    tree.scan(&["--config", config]).exits(0).says("1 built");
    tree.scan(&["--config", config, "--on-overlap", "refuse"]).exits(1).says("1 refused");
}
