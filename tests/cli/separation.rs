//! Several variables, grids or frequencies in one directory: a store for each, by itself.

use std::fs;

use serde_json::json;

use super::manifest::Manifest;
use super::tree::{Dataset, Tree, allow, data, stamp, times};

/// A tree with a CMIP5 dataset of three variables in one directory, of two files each, scanned.
fn three_variables() -> (Tree, [Dataset; 3]) {
    let tree = Tree::of(&[]);
    let datasets = ["pr", "tas", "ua"].map(|variable| tree.cmip5(variable));
    for dataset in &datasets {
        dataset.write(0, 6);
        dataset.write(6, 6);
    }
    tree.scan(&[]).exits(0).says("3 built, 0 unchanged, 0 refused, 0 failed");
    (tree, datasets)
}

#[track_caller]
fn assert_holds(dataset: &Dataset, variable: &str, months: u16) {
    let manifest = Manifest::open(&dataset.manifest());
    assert_eq!(manifest.arrays(), {
        let mut names = ["height", "lat", "lon", "time", "time_bnds", variable];
        names.sort_unstable();
        names
    });
    assert_eq!(manifest.values("time"), times(0..months));
    let expected: Vec<f64> = data(0..months).into_iter().map(f64::from).collect();
    assert_eq!(manifest.values(variable), expected);
}

#[test]
fn each_variable_of_a_directory_has_a_store() {
    let (tree, datasets) = three_variables();
    for (dataset, variable) in datasets.iter().zip(["pr", "tas", "ua"]) {
        assert!(dataset.id.ends_with(&format!(".r1i1p1.v20120101.{variable}")));
        assert_holds(dataset, variable, 12);
        let listed = tree.listed(dataset);
        assert_eq!(listed["files"], json!([dataset.file(0, 6), dataset.file(6, 6)]));
        assert_eq!(listed["manifest"], json!(dataset.manifest()));
        let master = dataset.id.replace(".v20120101", "");
        tree.run(&["show", &dataset.id]).exits(0).prints(&master).prints("CMIP5");
    }
    tree.scan(&["--project", "cmip5"]).exits(0).says("0 built, 3 unchanged");
}

#[test]
fn a_directory_for_each_variable_gives_the_same_stores() {
    let (flat, datasets) = three_variables();
    let tree = Tree::of(&[]);
    for (there, variable) in datasets.iter().zip(["pr", "tas", "ua"]) {
        let dataset = tree.cmip5(variable).below(variable);
        dataset.write(0, 6);
        dataset.write(6, 6);
        tree.scan(&[]).exits(0).says("1 built");
        assert_eq!(tree.listed(&dataset)["variables"], flat.listed(there)["variables"]);
        assert_holds(&dataset, variable, 12);
    }
    let before = tree.list();
    // A second layout beside the first is another place of the same datasets.
    let copy = tree.cmip5("tas").write(0, 6);
    let run = tree.scan(&[]).exits(1).says("0 built, 3 unchanged").says("[duplicate-id]");
    run.names(copy.parent().unwrap());
    assert_eq!(tree.list(), before);
}

#[test]
fn stores_go_elsewhere_under_their_own_names() {
    let tree = Tree::of(&[]);
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.cmip5(variable));
    pr.write(0, 6);
    tas.write(0, 6);
    let elsewhere = tree.path("elsewhere");
    tree.scan(&["--output-dir", elsewhere.to_str().unwrap()]).exits(0).says("2 built");
    for dataset in [pr, tas] {
        let mirrored = dataset.manifest().strip_prefix(&tree.data).unwrap().to_owned();
        assert_eq!(tree.listed(&dataset)["manifest"], json!(elsewhere.join(mirrored)));
    }
}

#[test]
fn a_bad_file_costs_its_variable_alone() {
    let (tree, [pr, tas, ua]) = three_variables();
    let before = [&pr, &ua].map(|dataset| stamp(&dataset.manifest()));
    tas.put(&tas.file(6, 6), b"<html>");
    let run = tree.scan(&[]).exits(1).says("0 built, 2 unchanged, 0 refused, 1 failed");
    run.says("no longer fits and was removed").names(&tas.file(6, 6));
    assert!(!tas.manifest().exists());
    assert_eq!([&pr, &ua].map(|dataset| stamp(&dataset.manifest())), before);
    tas.write(6, 6);
    // What does not fit together is refused by itself, too.
    ua.write(4, 6);
    let run = tree.scan(&[]).exits(1).says("1 built, 1 unchanged, 1 refused, 0 failed");
    run.says(&format!("{} refused", ua.id)).says("[time-overlap]");
    assert!(tas.manifest().exists() && !ua.manifest().exists());
    assert_eq!(stamp(&pr.manifest()), before[0]);
}

#[test]
fn a_bad_file_of_a_new_tree_costs_its_variable_alone() {
    let tree = Tree::of(&[]);
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.cmip5(variable));
    pr.write(0, 6);
    tas.put(&tas.file(0, 6), b"");
    tree.scan(&[]).exits(1).says("1 built, 0 unchanged, 0 refused, 1 failed");
    assert_eq!(tree.listed(&tas)["status"], "failed");
    assert_holds(&pr, "pr", 6);
}

#[test]
fn a_new_file_concerns_its_variable_alone() {
    let (tree, [pr, tas, ua]) = three_variables();
    let before = [&pr, &ua].map(|dataset| stamp(&dataset.manifest()));
    tas.write(12, 3);
    tree.scan(&[]).exits(0).says("1 built, 2 unchanged");
    assert_holds(&tas, "tas", 15);
    let va = tree.cmip5("va");
    va.write(0, 6);
    tree.scan(&[]).exits(0).says("1 built, 3 unchanged");
    assert_holds(&va, "va", 6);
    assert_eq!([&pr, &ua].map(|dataset| stamp(&dataset.manifest())), before);
}

#[test]
fn a_variable_may_be_gone_and_come_back() {
    let (tree, [pr, tas, ua]) = three_variables();
    for (first, count) in [(0, 6), (6, 6)] {
        fs::remove_file(tas.file(first, count)).unwrap();
    }
    tree.scan(&[]).exits(0).says("0 built, 2 unchanged").says("1 gone").says(&tas.id);
    let status = |dataset| tree.listed(dataset)["status"].clone();
    assert_eq!([&pr, &tas, &ua].map(status), ["built", "gone", "built"]);
    tas.write(0, 6);
    tree.scan(&[]).exits(0).says("1 built, 2 unchanged");
    assert_holds(&tas, "tas", 6);
}

#[test]
fn a_directory_that_cannot_be_listed_loses_no_variable() {
    let (tree, datasets) = three_variables();
    tree.open_to_all();
    allow(&datasets[0].directory, 0);
    let run = tree.scan_unprivileged(&[]);
    allow(&datasets[0].directory, 0o777);
    let Some(run) = run else { return };
    run.exits(1).omits("gone").names(&datasets[0].directory);
    for dataset in &datasets {
        assert_eq!(tree.listed(dataset)["status"], "built");
        assert!(dataset.manifest().exists());
    }
}

#[test]
fn a_copy_takes_no_variable_away() {
    let (tree, datasets) = three_variables();
    let below = datasets[0].directory.strip_prefix(&tree.data).unwrap();
    let copy = tree.path("copy").join(below);
    fs::create_dir_all(&copy).unwrap();
    for dataset in &datasets {
        let file = dataset.file(0, 6);
        fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    let before = tree.list();
    let run = tree.run(&["scan", tree.path("copy").to_str().unwrap()]).exits(1);
    for dataset in &datasets {
        let _ =
            run.stderr.find(&dataset.id).unwrap_or_else(|| panic!("{} is not named", dataset.id));
    }
    assert_eq!(tree.list(), before);
}

#[test]
fn files_may_move_into_a_directory_for_their_variable() {
    let (tree, [_, tas, _]) = three_variables();
    let moved = tree.cmip5("tas").below("tas");
    fs::create_dir(&moved.directory).unwrap();
    for (first, count) in [(0, 6), (6, 6)] {
        fs::rename(tas.file(first, count), moved.file(first, count)).unwrap();
    }
    tree.scan(&[]).exits(0).says("1 built, 2 unchanged").omits("gone");
    assert_eq!(tree.listed(&tas)["manifest"], json!(moved.manifest()));
    assert_holds(&moved, "tas", 12);
}

#[test]
fn a_name_that_tells_no_variable_is_said() {
    let (tree, [pr, ..]) = three_variables();
    let stray = pr.put(&pr.directory.join("pr_1850.nc"), b"");
    let run = tree.scan(&[]).exits(0).says("0 built, 3 unchanged").says("[unrecognised]");
    run.says(stray.file_name().unwrap().to_str().unwrap());
}

#[test]
fn grids_and_tables_in_one_directory_are_told_apart() {
    let tree = Tree::of(&["tas"]);
    let gn = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let before = fs::read(gn.manifest()).unwrap();
    let [gr, day] =
        [("gn", "gr"), ("Amon", "day")].map(|(usual, value)| gn.instead_of(usual, value));
    gr.write(0, 6);
    day.write(0, 3);
    let run = tree.scan(&[]).exits(0).says("2 built, 1 unchanged");
    let run = run.says("grid_label is `gr` in the file name and `gn` in the directory");
    run.says("table_id is `day` in the file name and `Amon` in the directory");
    // Nothing of the others goes in, and what was right stays as it is.
    assert_eq!(fs::read(gn.manifest()).unwrap(), before);
    assert_holds(&gr, "tas", 6);
    assert_holds(&day, "tas", 3);
    // Built anew, it is said to be without them.
    let run = tree.scan(&["--force"]).exits(0).says("3 built");
    run.says(&format!("are built as `{}`, `{}`", gr.id, day.id));
    assert_eq!(fs::read(gn.manifest()).unwrap(), before);
}

/// A name given wrongly to all files tells nothing apart.
#[test]
fn one_dataset_keeps_its_name() {
    let tree = Tree::of(&[]);
    let tas = tree.dataset("tas");
    let named_gr = tas.instead_of("gn", "gr");
    named_gr.write(0, 6);
    named_gr.write(6, 6);
    tree.scan(&[]).exits(0).says("1 built").says("[drs-mismatch]");
    assert_holds(&tas, "tas", 12);
}

#[cfg(feature = "netcdf")]
#[test]
fn each_store_is_verified_by_itself() {
    let (tree, [pr, tas, _]) = three_variables();
    tree.run(&["verify", "--all"]).exits(0).says("3 verified");
    super::tree::touch(&tas.file(0, 6));
    tree.run(&["verify", &pr.id]).exits(0).says("1 verified");
    tree.run(&["verify"]).exits(1).says("2 verified, 1 different").says(&tas.id);
}
