//! Help, wrong usage, and exit codes.

use super::tree::Tree;

#[test]
fn help_has_examples_and_exit_codes() {
    let tree = Tree::of(&[]);
    let run = tree.run(&["--help"]).exits(0);
    assert_eq!(run.stderr, "");
    for (code, meaning) in [(0, "built"), (1, "refused"), (2, "command line"), (3, "nothing")] {
        let line = run.stdout.lines().find(|line| line.starts_with(&format!("  {code}  ")));
        assert!(line.is_some_and(|line| line.contains(meaning)), "{code} in {run:#?}");
    }
    for verb in ["scan", "shard", "list", "show", "inspect"] {
        tree.run(&["--help"]).prints(&format!("  {verb} "));
        let help = tree.run(&[verb, "--help"]).exits(0).prints("Example");
        help.prints(&format!("vzarr-publish {verb} "));
    }
    let version = format!("vzarr-publish {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(tree.run(&["--version"]).exits(0).stdout, version);
}

#[test]
fn wrong_usage_exits_with_2() {
    let tree = Tree::of(&[]);
    let usages: [&[&str]; 8] = [
        &[],
        &["publish"],
        &["scan"],
        &["scan", ".", "--no-such-flag"],
        &["scan", ".", "-q", "-v"],
        &["show"],
        &["inspect"],
        &["inspect", "--chunks", "a.nc"],
    ];
    for usage in usages {
        let run = tree.run(usage).exits(2).says("Usage");
        assert_eq!(run.stdout, "", "{usage:?}");
    }
}

#[test]
fn a_tree_without_datasets_is_fine() {
    let tree = Tree::of(&[]);
    tree.scan(&[]).exits(0).says("0 built");
}

#[test]
fn paths_that_do_not_exist_are_nothing_to_do() {
    let tree = Tree::of(&["tas"]);
    let absent = tree.path("absent");
    let absent = absent.to_str().unwrap();
    tree.run(&["scan", absent]).exits(3).says(absent).says("hint: ");
    assert!(!tree.path("state").exists());
    let run = tree.run(&["scan", absent, tree.data.to_str().unwrap()]);
    run.exits(1).says(absent).says("1 built");
}

#[test]
fn an_unusable_ledger_is_nothing_to_do() {
    let tree = Tree::of(&["tas"]);
    tree.file("file", "");
    tree.file("notes.txt", "not a ledger");
    for ledger in ["file/ledger.sqlite", "notes.txt", "data"] {
        let path = tree.path(ledger);
        tree.scan(&["--ledger", ledger]).exits(3).names(&path).says("--ledger FILE");
    }
    assert!(!tree.dataset("tas").manifest().exists());
    assert_eq!(std::fs::read_to_string(tree.path("notes.txt")).unwrap(), "not a ledger");
}
