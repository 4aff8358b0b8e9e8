//! `scan --map`: the datasets that mapfiles list.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::tree::{Dataset, Run, Tree, touch};

/// A line for the file at `path`.
fn line(id: &str, path: &Path, options: &str) -> String {
    let size = fs::metadata(path).unwrap().size();
    format!("{id} | {} | {size}{options}\n", path.display())
}

fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|it| char::from_digit(it.into(), 16).unwrap())
        .collect()
}

/// The files of `dataset`, the later first: mapfiles are not sorted.
fn files(dataset: &Dataset) -> [PathBuf; 2] {
    [dataset.file(6, 6), dataset.file(0, 6)]
}

fn mapfile(tree: &Tree, dataset: &Dataset) -> PathBuf {
    let lines = files(dataset).map(|path| line(&dataset.id, &path, ""));
    tree.file("x.map", &lines.concat())
}

fn scan(tree: &Tree, map: &Path) -> Run {
    let mut command = tree.command();
    command.arg("scan").arg("--map").arg(map).output().unwrap().into()
}

#[test]
fn mapfiles_and_trees_give_the_same_stores() {
    let tree = Tree::of(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    tree.scan(&["--ledger", "of-trees"]).exits(0);
    let of_trees = [&tas, &pr].map(|dataset| fs::read(dataset.manifest()).unwrap());
    for dataset in [&tas, &pr] {
        fs::remove_file(dataset.manifest()).unwrap();
    }
    // Both forms of IDs, several datasets in a file, comments.
    let sharp = |dataset: &Dataset| dataset.id.replace(".v20200101", "#20200101");
    let lines = [line(&sharp(&tas), &files(&tas)[0], ""), line(&tas.id, &files(&tas)[1], "")];
    let of_pr = files(&pr).map(|path| line(&sharp(&pr), &path, " | mod_time=0.5"));
    let text = format!("# by hand\n{}\n{}", lines.concat(), of_pr.concat());
    fs::create_dir(tree.path("maps")).unwrap();
    tree.file("maps/CMIP6.both.map", &text);
    scan(&tree, &tree.path("maps"))
        .exits(0)
        .says("2 built")
        .says("the mapfile says it was last written");
    let of_mapfiles = [&tas, &pr].map(|dataset| fs::read(dataset.manifest()).unwrap());
    assert!(of_trees == of_mapfiles);
    tree.scan(&[]).exits(0).says("2 unchanged");
    tree.file("list", "maps/CMIP6.both.map\nmaps/CMIP6.both.map\n");
    scan(&tree, &tree.path("list")).exits(0).says("2 unchanged");
}

#[test]
fn checksums_are_kept_and_another_one_means_other_bytes() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let map = |digest: &dyn Fn(&Path) -> String| {
        let lines = files(&tas).map(|path| line(&tas.id, &path, &digest(&path)));
        tree.file("x.map", &lines.concat())
    };
    let checksum = |path: &Path| format!(" | checksum={} | checksum_type=SHA256", sha256(path));
    let multihash = |path: &Path| format!(" | checksum=1220{}", sha256(path));
    tree.scan(&[]).exits(0);
    scan(&tree, &map(&checksum)).exits(0).says("1 built");
    scan(&tree, &map(&multihash)).exits(0).says("1 unchanged");
    let shown = |tree: &Tree| tree.run(&["show", &tas.id]).exits(0);
    let [first, second] = files(&tas).map(|path| format!("1220{}", sha256(&path)));
    shown(&tree).prints(&first).prints(&second);
    // A scan of the tree keeps those of files that are as they were.
    touch(&files(&tas)[0]);
    tree.scan(&[]).exits(0).says("1 built");
    let shown = shown(&tree);
    assert!(!shown.stdout.contains(&first) && shown.stdout.contains(&second));
    let other = |_: &Path| format!(" | checksum=1220{}", "a".repeat(64));
    scan(&tree, &map(&other)).exits(0).says("1 built");
}

#[test]
fn only_listed_files_count_and_others_are_told() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let map = mapfile(&tree, &tas);
    let extra = tas.write(12, 6);
    scan(&tree, &map).exits(0).names(&extra).says("is not in the mapfile");
    let listed = tree.listed(&tas);
    assert_eq!(listed["files"].as_array().unwrap().len(), 2);
}

#[test]
fn what_a_mapfile_does_not_list_is_not_gone() {
    let tree = Tree::of(&["tas", "pr"]);
    tree.scan(&[]).exits(0);
    scan(&tree, &mapfile(&tree, &tree.dataset("tas"))).exits(0).omits("gone");
    assert!(tree.list().iter().all(|line| line["status"] == "built"));
}

#[test]
fn a_disagreement_with_the_disk_fails_the_dataset_and_no_other() {
    let tree = Tree::of(&["tas", "pr", "ps"]);
    let [tas, pr, ps] = ["tas", "pr", "ps"].map(|variable| tree.dataset(variable));
    let absent = pr.file(600, 12);
    let lines = [
        // Ten times the size.
        line(&tas.id, &files(&tas)[0], "0"),
        line(&tas.id, &files(&tas)[1], ""),
        line(&pr.id, &files(&pr)[0], ""),
        format!("{} | {} | 12\n", pr.id, absent.display()),
        files(&ps).map(|path| line(&ps.id, &path, "")).concat(),
    ];
    let run = scan(&tree, &tree.file("x.map", &lines.concat())).exits(1);
    run.says("1 built").says("the mapfile says").names(&files(&tas)[0]).names(&absent);
    assert_eq!(tree.listed(&ps)["status"], "built");
    for failed in [&tas, &pr] {
        assert_eq!(tree.listed(failed)["status"], "failed");
        assert!(!failed.manifest().exists());
    }
}

#[test]
fn an_id_that_is_not_that_of_the_directory_is_refused() {
    let tree = Tree::of(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    let wrong = [
        line(&pr.id, &files(&tas)[0], ""),
        line(&pr.id.replace("v2020", "v2021"), &files(&pr)[0], ""),
    ];
    let run = scan(&tree, &tree.file("x.map", &wrong.concat())).exits(1);
    run.says("drs-mismatch").says("not of `CMIP6").names(&tas.directory).names(&pr.directory);
    assert!(tree.list().is_empty());
    let nowhere = tree.file("a.nc", "");
    let unknown = line("Nothing.known#1", &nowhere, "");
    scan(&tree, &tree.file("x.map", &unknown)).says("unrecognised").says("x.map");
}

#[test]
fn bad_mapfiles_are_named_and_good_ones_are_built() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    fs::create_dir(tree.path("maps")).unwrap();
    fs::rename(mapfile(&tree, &tas), tree.path("maps/good.map")).unwrap();
    let cut = tree.file("maps/cut.map", &format!("{} | {}", tas.id, files(&tas)[0].display()));
    let up = format!("{} | {}/../x.nc | 1\n", tas.id, tas.directory.display());
    let up = tree.file("maps/up.map", &up);
    let run = scan(&tree, &tree.path("maps")).exits(1).says("1 built").names(&cut).names(&up);
    run.says("line 1: the size is missing").says("without `..`").says("esgmapfile");
    // Nothing to be done at all.
    let empty = tree.file("empty.map", "");
    scan(&tree, &empty).exits(2).names(&empty);
    scan(&tree, &tree.path("absent.map")).names(&tree.path("absent.map"));
    tree.run(&["scan", "--map", "x.map", "data"]).exits(2);
}

#[test]
fn checksums_are_compared_where_that_is_asked_for() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let [right, wrong] = files(&tas);
    let lines = |digest: &str| {
        let right = line(&tas.id, &right, &format!(" | checksum=1220{}", sha256(&right)));
        [right, line(&tas.id, &wrong, &format!(" | checksum={digest}"))].concat()
    };
    let scan = |text: &str| {
        tree.file("x.map", text);
        tree.run(&["scan", "--map", "x.map", "--checksums"])
    };
    let run = scan(&lines(&format!("1220{}", "a".repeat(64)))).exits(1);
    run.says("1 failed").names(&wrong).says("its mapfile says aaaa").omits(right.to_str().unwrap());
    let md5 = format!("{} | checksum_type=MD5", "a".repeat(32));
    scan(&lines(&md5)).exits(1).says("was not compared");
    scan(&lines(&format!("1220{}", sha256(&wrong)))).exits(0).says("1 built");
    if cfg!(feature = "netcdf") {
        tree.run(&["verify", "--checksums"]).exits(0);
        super::tree::spoil_unnoticed(&right);
        tree.run(&["verify", "--checksums"]).exits(1).says("its mapfile says").names(&right);
    }
}
