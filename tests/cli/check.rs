//! `check`: what would become of datasets, and what could be done better.

use serde_json::Value;

use super::tree::{Tree, all_below};

#[test]
fn what_would_be_built_is_told_and_nothing_is_written() {
    let tree = Tree::of(&["tas", "pr"]);
    let before = all_below(&tree.path(""));
    let tas = tree.dataset("tas");
    let run = tree.run(&["check", tree.path("data").to_str().unwrap()]).exits(0);
    run.prints(&format!("{}: would be built from 2 files without copying data", tas.id))
        .prints("variable tas virtual, 12 references to 288 B")
        .prints("variable time inlined, 96 B");
    assert_eq!(all_below(&tree.path("")), before);
}

#[test]
fn what_would_be_refused_is_told_with_its_reason() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tas.write(4, 3);
    let run = tree.run(&["check", tree.path("data").to_str().unwrap()]).exits(1);
    run.prints(&format!("{}: would be refused", tas.id)).prints("[time-overlap]").prints("hint: ");
}

#[test]
fn json_lines_are_those_of_the_report() {
    let tree = Tree::of(&["tas"]);
    let run = tree.run(&["check", "--json", tree.path("data").to_str().unwrap()]).exits(0);
    let line: Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!(line["type"], "dataset");
    assert_eq!(line["variables"]["tas"], "virtual");
    assert_eq!(line["costs"]["tas"]["references"], 12);
    assert_eq!(line["notes"], serde_json::json!([]));
    assert_eq!(line["manifest"], Value::Null);
}

#[test]
fn wrong_paths_and_arguments_are_told() {
    let tree = Tree::of(&["tas"]);
    tree.run(&["check"]).exits(2);
    tree.run(&["check", "/no/such/tree"]).exits(3).says("the path does not exist");
    tree.run(&["check", "--max-reencode", "101", tree.path("data").to_str().unwrap()]).exits(2);
}
