//! `shard`, `scan --shard` and `ledger merge --shards`: a scan in parts, which ends where one scan would.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vzarr_publish::ledger::Turn;

use super::tree::{Dataset, Run, Tree, all_below, json_lines, monthly, stamp};

const URL: &str = "https://n.org/thredds/fileServer/data";

/// The options that decide about stores.
fn settings(tree: &Tree) -> [String; 2] {
    ["--data-root".to_owned(), format!("{}={URL}", tree.data.display())]
}

fn deal(tree: &Tree, count: &str, out: &str, options: &[&str]) -> Run {
    let command = &mut tree.command();
    command.arg("shard").arg(&tree.data).args(settings(tree));
    command.args(["--shards", count, "--out", out]).args(options).output().unwrap().into()
}

/// The files of the shards in `out`, in their order.
fn files(tree: &Tree, out: &str) -> Vec<PathBuf> {
    let mut files = all_below(&tree.path(out));
    files.retain(|path| path.extension() == Some("jsonl".as_ref()));
    files
}

fn scan_shard(tree: &Tree, file: &Path, options: &[&str]) -> Run {
    let mut command = tree.command();
    command.arg("scan").arg("--shard").arg(file).args(settings(tree)).args(options);
    command.output().unwrap().into()
}

fn merge(tree: &Tree, out: &str) -> Run {
    tree.run(&["ledger", "merge", "--shards", out])
}

/// All of a run in shards.
fn scan_in_shards(tree: &Tree, count: &str, out: &str) {
    deal(tree, count, out, &[]);
    for file in files(tree, out) {
        scan_shard(tree, &file, &[]);
    }
    if !files(tree, out).is_empty() {
        merge(tree, out).exits(0).omits("disagree");
    }
}

/// What a ledger knows, but for runs and times.
fn known(tree: &Tree, options: &[&str]) -> Vec<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                let of_run = |key: &str| key == "run_id" || key == "id" || key.ends_with("_at");
                members.retain(|key, _| !of_run(key));
                members.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let run = tree.run(&[&["ledger", "export", "--json"], options].concat()).exits(0);
    let mut lines = run.json_lines();
    lines.retain(|line| line["type"] != "run");
    lines.iter_mut().for_each(strip);
    lines
}

/// When there was a store of the dataset for the first time.
fn created_at(tree: &Tree, dataset: &Dataset) -> Value {
    let lines = tree.run(&["ledger", "export", "--json"]).exits(0).json_lines();
    let line = lines.into_iter().find(|line| line["instance_id"] == dataset.id);
    line.unwrap()["store"]["created_at"].clone()
}

fn written(tree: &Tree) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = all_below(&tree.data);
    paths.retain(|path| path.is_file() && path.extension() != Some("nc".as_ref()));
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// What one scan knows and writes, from nothing, with a ledger of its own.
fn as_one_scan_does(tree: &Tree) -> (Vec<Value>, Vec<(PathBuf, Vec<u8>)>) {
    for (path, _) in written(tree) {
        fs::remove_file(path).unwrap();
    }
    let options = settings(tree);
    let ledger = ["--ledger", "one.sqlite"];
    tree.scan(&[&options[0], &options[1], ledger[0], ledger[1]]);
    let one = (known(tree, &ledger), written(tree));
    fs::remove_file(tree.path("one.sqlite")).unwrap();
    one
}

/// A tree with all that makes datasets hard to find.
fn odd() -> Tree {
    let tree = Tree::of(&["tas", "pr", "ua", "va", "zg"]);
    // Several datasets in one directory, and a file that is of none.
    for variable in ["tas", "pr", "psl"] {
        tree.cmip5(variable).write(0, 6);
    }
    // One of them is in a directory below as well, which a walk comes to first.
    tree.cmip5("tas").below("tas").write(0, 6);
    let cmip5 = tree.cmip5("tas");
    cmip5.put(&cmip5.directory.join("nameless.nc"), b"x");
    // A name that is no text, and one of two lines.
    let odd = tree.data.join(OsStr::from_bytes(b"\xff\n\x1b"));
    let drs = tree.member("CMIP6", "r2i1p1f1", "tas");
    let directory = odd.join(drs.directory.strip_prefix(&tree.data).unwrap());
    fs::create_dir_all(&directory).unwrap();
    let name = drs.file(0, 6);
    fs::write(directory.join(name.file_name().unwrap()), monthly("tas", 0, 6).bytes()).unwrap();
    // A version that is a link, one that is superseded, and one of a copy of all.
    let versions = tree.dataset("pr").directory;
    symlink("v20200101", versions.with_file_name("latest")).unwrap();
    symlink("v20200101", versions.with_file_name("v20210101")).unwrap();
    fs::create_dir_all(tree.data.join("zz")).unwrap();
    symlink("../nowhere", tree.data.join("zz/broken")).unwrap();
    let copy =
        tree.data.join("zz").join(tree.dataset("ua").directory.strip_prefix(&tree.data).unwrap());
    fs::create_dir_all(&copy).unwrap();
    fs::write(copy.join(tree.dataset("ua").file(0, 6).file_name().unwrap()), b"x").unwrap();
    // Refused, and failed.
    tree.dataset("va").write(4, 3);
    tree.dataset("zg").put(&tree.dataset("zg").file(6, 6), b"<html>");
    tree
}

#[test]
fn shards_end_where_one_scan_does() {
    for count in ["1", "3", "40"] {
        let tree = odd();
        let (one, stores) = as_one_scan_does(&tree);
        let copies = one.iter().filter(|line| line["code"] == "duplicate-id");
        assert_eq!(copies.count(), 2);
        for (path, _) in &stores {
            fs::remove_file(path).unwrap();
        }
        deal(&tree, count, "out", &[]).exits(1).says("[duplicate-id]").says("10 datasets to build");
        assert_eq!(written(&tree), []);
        let shards = files(&tree, "out");
        // Two datasets of CMIP5 are in one directory.
        assert_eq!(shards.len(), count.parse::<usize>().unwrap().min(9));
        for file in &shards {
            let run = scan_shard(&tree, file, &[]);
            assert!(matches!(run.code, Some(0 | 1)), "{run:#?}");
        }
        merge(&tree, "out").exits(0).omits("disagree");
        assert_eq!(known(&tree, &[]), one);
        assert_eq!(written(&tree), stores);
        tree.run(&["ledger", "check"]).says("0 findings");
        // Once more, and nothing happens.
        let again = merge(&tree, "out").exits(0);
        again.says(" 0 datasets added, 0 replaced, ").omits("disagree");
        assert_eq!(known(&tree, &[]), one);
        // A scan, and another walk, find nothing to do but what failed for a passing reason.
        let options = settings(&tree);
        tree.scan(&[&options[0], &options[1]]).exits(1).says("0 built");
        deal(&tree, count, "next", &[]).exits(1).says("0 datasets to build in 0 shards");
        assert_eq!(files(&tree, "next"), [""; 0].map(PathBuf::from));
    }
}

#[test]
fn shards_are_the_same_every_time_and_balanced() {
    let variables: Vec<String> = (0..20).map(|number| format!("tas{number}")).collect();
    let tree = Tree::of(&variables.iter().map(String::as_str).collect::<Vec<_>>());
    for month in 2..8 {
        tree.dataset("tas7").write(6 * month, 6);
    }
    let content = |out: &str| {
        deal(&tree, "4", out, &["--ledger", &format!("{out}.sqlite")]).exits(0);
        let files = files(&tree, out);
        assert_eq!(files.len(), 4);
        let lines = |path: &PathBuf| {
            let mut lines = json_lines(&fs::read_to_string(path).unwrap());
            lines[0]["dealt_at"].take();
            lines
        };
        files.iter().map(lines).collect::<Vec<_>>()
    };
    let shards = content("a");
    assert_eq!(content("b"), shards);
    let header = &shards[2][0];
    assert_eq!((&header["shard"], &header["of"]), (&json!(3), &json!(4)));
    assert_eq!(header["roots"], json!([tree.data]));
    let of_files: Vec<u64> = shards.iter().map(|it| it[0]["files"].as_u64().unwrap()).collect();
    assert_eq!(of_files.iter().sum::<u64>(), 46);
    assert!(of_files.iter().all(|files| (10..=12).contains(files)), "{of_files:?}");
    let mut ids: Vec<&str> =
        shards.iter().flat_map(|it| &it[1..]).map(|it| it["dataset"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20, "each dataset is in one shard");
}

#[test]
fn later_walks_deal_what_changed_whatever_the_number_of_shards() {
    let tree = Tree::of(&["tas", "pr", "ua", "va"]);
    scan_in_shards(&tree, "3", "first");
    let [tas, pr, ua, va] = ["tas", "pr", "ua", "va"].map(|variable| tree.dataset(variable));
    let before = stamp(&pr.manifest());
    tas.write(12, 6);
    // Another size, so that the manifest is another.
    va.put(&va.file(6, 6), &monthly("va", 6, 7).bytes());
    let created = created_at(&tree, &va);
    fs::remove_dir_all(&ua.directory).unwrap();
    tree.dataset("zg").write(0, 6);
    let run = deal(&tree, "2", "second", &[]).exits(0);
    run.says("3 datasets to build in 2 shards, 1 unchanged, 1 gone").says(&ua.id);
    // While they are built, nothing is forgotten.
    assert_eq!(tree.listed(&tas)["status"], "built");
    assert_eq!(tree.listed(&ua)["status"], "gone");
    for file in files(&tree, "second") {
        scan_shard(&tree, &file, &[]).exits(0).omits("gone");
    }
    let run = merge(&tree, "second").exits(0).omits("disagree");
    assert_eq!(run.stderr.matches(" merged: ").count(), 2);
    assert_eq!(tree.listed(&tas)["files"].as_array().unwrap().len(), 3);
    // The shard knew the old store.
    assert!(tree.listed(&va)["changed_in_place"].is_object());
    assert_eq!(created_at(&tree, &va), created);
    assert_eq!(tree.list().len(), 5);
    assert_eq!(stamp(&pr.manifest()), before);
    // An old set does not bring back what was.
    merge(&tree, "first").exits(0).omits("disagree").says(" 0 replaced");
    assert_eq!(tree.listed(&tas)["files"].as_array().unwrap().len(), 3);
    assert_eq!(tree.listed(&ua)["status"], "gone");
}

/// Without the row of the node's ledger, the shard could not take the store back; and that row, which has a
/// store, must not win over it.
#[test]
fn the_store_of_a_dataset_that_went_bad_is_withdrawn_by_its_shard() {
    let tree = Tree::of(&["tas", "pr"]);
    let tas = tree.dataset("tas");
    scan_in_shards(&tree, "2", "first");
    tas.put(&tas.file(6, 6), b"<html>");
    deal(&tree, "2", "second", &[]).exits(0).says("1 dataset to build in 1 shard, 1 unchanged");
    let file = files(&tree, "second").remove(0);
    scan_shard(&tree, &file, &[]).exits(1).says("no longer fits and was removed");
    merge(&tree, "second").exits(0).says("0 datasets added, 1 replaced, 0 kept").omits("disagree");
    assert!(!tas.manifest().exists());
    let listed = tree.listed(&tas);
    assert_eq!((&listed["status"], &listed["manifest"]), (&json!("failed"), &Value::Null));
    merge(&tree, "second").exits(0).says("0 datasets added, 0 replaced, 1 kept");
    // What is retracted while a shard is built stays so.
    tas.write(6, 6);
    deal(&tree, "2", "third", &[]).exits(0);
    tree.run(&["retract", &tas.id]).exits(0);
    let file = files(&tree, "third").remove(0);
    scan_shard(&tree, &file, &[]).exits(0);
    merge(&tree, "third").exits(0);
    assert_eq!(tree.listed(&tas)["status"], "retracted");
}

#[test]
fn a_shard_that_is_not_complete_is_named_and_run_again_alone() {
    let tree = Tree::of(&["tas", "pr", "ua"]);
    let (one, stores) = as_one_scan_does(&tree);
    for (path, _) in &stores {
        fs::remove_file(path).unwrap();
    }
    deal(&tree, "3", "out", &[]).exits(0);
    let shards = files(&tree, "out");
    scan_shard(&tree, &shards[0], &[]).exits(0);
    let run = merge(&tree, "out").exits(1).says("1 dataset added");
    let run = run.says("shard 2 of 3 is not complete: it was not scanned").names(&shards[1]);
    run.says("shard 3 of 3 is not complete").omits("shard 1 of 3").says("scan --shard");
    assert_eq!(tree.list().len(), 1);
    // One that is at work keeps others out, so that nobody takes it for done.
    let turn = Turn::take(&shards[1].with_extension("sqlite"), None).unwrap().unwrap();
    scan_shard(&tree, &shards[1], &[]).exits(3).says("another scan of the shard is running");
    drop(turn);
    scan_shard(&tree, &shards[1], &[]).exits(0).says("1 built");
    scan_shard(&tree, &shards[1], &[]).exits(0).says("0 built, 1 unchanged");
    // A ledger on a disk of the host that scans begins as the one that was dealt.
    let local = ["--ledger", "disk/local.sqlite"];
    scan_shard(&tree, &shards[2], &local).exits(0).says("1 built");
    scan_shard(&tree, &shards[2], &local).exits(0).says("1 unchanged");
    merge(&tree, "out").exits(1).says("shard 3 of 3 is not complete");
    fs::copy(tree.path("disk/local.sqlite"), shards[2].with_extension("sqlite")).unwrap();
    merge(&tree, "out").exits(0);
    assert_eq!((known(&tree, &[]), written(&tree)), (one, stores));
    // Not even its ledger is there.
    fs::remove_file(shards[0].with_extension("sqlite")).unwrap();
    let run = merge(&tree, "out").exits(1).says("no ledger yet").says("shard-0001.sqlite");
    run.says("1 kept");
    scan_shard(&tree, &shards[0], &[]).exits(3).says("the ledger that was dealt with the shard");
    fs::remove_file(&shards[0]).unwrap();
    merge(&tree, "out").exits(2).says("shard 1 of 3 is missing").names(&tree.path("out"));
}

#[test]
fn what_vanished_is_told_and_what_appeared_is_left_to_the_next() {
    let tree = Tree::of(&["tas", "pr"]);
    tree.cmip5("tas").write(0, 6);
    deal(&tree, "1", "out", &[]).exits(0);
    let tas = tree.dataset("tas");
    fs::remove_dir_all(&tas.directory).unwrap();
    tree.cmip5("pr").write(0, 6);
    // What is built is what is there now.
    tree.dataset("pr").write(12, 6);
    let file = files(&tree, "out").remove(0);
    let run = scan_shard(&tree, &file, &[]).exits(1).says("2 built, 0 unchanged");
    run.says(&format!("{} is not there any more, which line ", tas.id)).names(&tas.directory);
    merge(&tree, "out").exits(0);
    assert_eq!(tree.list().len(), 2);
    assert_eq!(tree.listed(&tree.dataset("pr"))["files"].as_array().unwrap().len(), 3);
    deal(&tree, "1", "next", &[])
        .exits(0)
        .says("1 dataset to build in 1 shard, 2 unchanged, 0 gone");
    // One that was known before is gone when the next walk says so, and not before.
    scan_shard(&tree, &files(&tree, "next")[0], &[]).exits(0);
    merge(&tree, "next").exits(0);
    let pr = tree.dataset("pr");
    pr.write(18, 6);
    deal(&tree, "1", "third", &[]).exits(0);
    fs::remove_dir_all(&pr.directory).unwrap();
    scan_shard(&tree, &files(&tree, "third")[0], &[]).exits(1).omits("gone");
    merge(&tree, "third").exits(0);
    assert_eq!(tree.listed(&pr)["status"], "built");
    deal(&tree, "1", "fourth", &[]).exits(0).says("1 gone");
}

#[test]
fn other_settings_are_refused() {
    let tree = Tree::of(&["tas"]);
    deal(&tree, "1", "out", &["--max-reencode", "10"]).exits(0);
    let file = files(&tree, "out").remove(0);
    let shard = ["scan", "--shard", file.to_str().unwrap()];
    let run = tree.run(&shard).exits(2).names(&file).says("URLs (`--data-root`");
    run.says("--max-reencode").omits("--output-dir").says("hint: ");
    let reencode = ["--max-reencode", "10"];
    scan_shard(&tree, &file, &[&reencode[..], &["--output-dir", "x"]].concat())
        .exits(2)
        .says("where stores go")
        .omits("--max-reencode");
    scan_shard(&tree, &file, &[&reencode[..], &["--project", "CMIP7"]].concat())
        .exits(2)
        .says("projects (`--project`");
    assert_eq!(written(&tree), []);
    // The ledger of something else.
    let options = settings(&tree);
    tree.scan(&[&options[0], &options[1], "--ledger", "other.sqlite"]).exits(0);
    let other = [&reencode[..], &["--ledger", "other.sqlite"]].concat();
    scan_shard(&tree, &file, &other).exits(3).says("is not one of this shard");
    // Nor is that of the node used because a configuration names it.
    let config = tree.file(
        "vzarr.yaml",
        &format!(
            "ledger: node.sqlite\nmax_reencode: 10\ndata_roots: {{\"{}\": {URL}}}\n",
            tree.data.display()
        ),
    );
    tree.run(&[&shard[..], &["--config", config.to_str().unwrap()]].concat()).exits(0);
    assert!(!tree.path("node.sqlite").exists());
}

#[test]
fn what_is_no_shard_is_refused() {
    let tree = Tree::of(&["tas", "pr"]);
    deal(&tree, "1", "out", &[]).exits(0);
    let file = files(&tree, "out").remove(0);
    let good = fs::read_to_string(&file).unwrap();
    for (bad, part) in [
        ("DATASET | /data | 1\n".to_owned(), "not the file of a shard: line 1: "),
        (good.split_inclusive('\n').take(2).collect(), "it has 1 of 2 datasets"),
        (good.replace("\"directory\":\"/", "\"directory\":\""), "line 2: "),
    ] {
        fs::write(&file, bad).unwrap();
        scan_shard(&tree, &file, &[]).exits(2).says(part).names(&file).says("vzarr-publish shard");
        merge(&tree, "out").exits(2).says(part);
    }
    scan_shard(&tree, Path::new("absent"), &[]).exits(2).says("absent");
    assert_eq!(written(&tree), []);
    fs::write(&file, good).unwrap();
    deal(&tree, "1", "out", &[]).exits(2).says("the directory is not empty");
    deal(&tree, "0", "zero", &[]).exits(2).says("--shards");
    fs::remove_file(&file).unwrap();
    merge(&tree, "out").exits(2).says("has no shards");
    tree.run(&["shard", "absent", "--shards", "1", "--out", "o"]).exits(3).says("absent");
    tree.run(&["scan", "--shard", "a", "b"]).exits(2).says("Usage");
    tree.run(&["ledger", "merge", "--shards", "a", "b"]).exits(2).says("Usage");
}

#[test]
fn shards_of_two_walks_are_not_mixed() {
    let tree = Tree::of(&["tas", "pr"]);
    deal(&tree, "2", "a", &[]).exits(0);
    deal(&tree, "2", "b", &[]).exits(0);
    fs::copy(&files(&tree, "b")[1], &files(&tree, "a")[1]).unwrap();
    merge(&tree, "a").exits(2).says("not of one walk").names(&files(&tree, "a")[1]);
}

#[test]
fn a_walk_waits_for_the_ledger_and_says_so() {
    let tree = Tree::of(&["tas"]);
    let ledger = tree.path("ledger.sqlite");
    let turn = Turn::take(&ledger, None).unwrap().unwrap();
    let options = ["--ledger", ledger.to_str().unwrap()];
    deal(&tree, "1", "out", &options).exits(3).says("a scan with the ledger is running");
    drop(turn);
    deal(&tree, "1", "out", &options).exits(0);
}

#[test]
fn all_is_built_anew_where_the_walk_was_to_force_it() {
    let tree = Tree::of(&["tas", "pr"]);
    scan_in_shards(&tree, "2", "first");
    deal(&tree, "1", "second", &["--force"]).exits(0).says("2 datasets to build in 1 shard");
    scan_shard(&tree, &files(&tree, "second")[0], &[]).exits(0).says("2 built, 0 unchanged");
    merge(&tree, "second").exits(0).says("2 replaced");
}
