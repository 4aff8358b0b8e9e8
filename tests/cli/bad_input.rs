//! Bad input: named with its path, kept from doing harm to the rest, and nothing half-written.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::tree::{Run, Tree, all_below, allow, monthly};

/// A tree of a good dataset, `pr`, and one that `spoil` makes bad, `tas`.
fn with_bad_tas(spoil: impl FnOnce(&Tree)) -> Tree {
    let tree = Tree::of(&["pr", "tas"]);
    spoil(&tree);
    tree
}

/// The run named `path` and `code`; `pr` has its store, and `tas` has none but a reason.
#[track_caller]
fn assert_only_tas_suffers(tree: &Tree, run: Run, path: &Path, status: &str, code: &str) {
    let run = run.exits(1).says("1 built").says(&format!("1 {status}")).names(path);
    assert_eq!(run.says(&format!("[{code}]")).stdout, "");
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.dataset(variable));
    assert_eq!(tree.listed(&pr)["status"], "built");
    assert_not_built(&tree.listed(&tas), status, code, path);
    assert_eq!(manifests(tree), [pr.manifest()]);
    assert_nothing_half_written(tree);
}

/// A line of `list --json` about a dataset without a store says why.
#[track_caller]
fn assert_not_built(listed: &Value, status: &str, code: &str, path: &Path) {
    let reason = listed["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("{code}: `{}`: ", path.display())), "{reason}");
    assert_eq!((&listed["status"], &listed["manifest"]), (&json!(status), &Value::Null));
}

fn manifests(tree: &Tree) -> Vec<PathBuf> {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    tree.paths().into_iter().filter(is_json).collect()
}

#[track_caller]
fn assert_nothing_half_written(tree: &Tree) {
    let left: Vec<_> = tree.paths().into_iter().filter(|path| is_temporary(path)).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().contains(".tmp-")
}

#[test]
fn an_empty_file() {
    let tree = with_bad_tas(|tree| {
        let tas = tree.dataset("tas");
        tas.put(&tas.file(6, 6), b"");
    });
    let path = tree.dataset("tas").file(6, 6);
    assert_only_tas_suffers(&tree, tree.scan(&[]).says("empty"), &path, "failed", "not-netcdf");
}

#[test]
fn a_web_page_saved_as_netcdf() {
    let tree = with_bad_tas(|tree| {
        let tas = tree.dataset("tas");
        tas.put(&tas.file(6, 6), b"<!DOCTYPE html><html><body>404 Not Found</body></html>");
    });
    let path = tree.dataset("tas").file(6, 6);
    assert_only_tas_suffers(&tree, tree.scan(&[]), &path, "failed", "not-netcdf");
}

/// Wherever the file ends early, in the header or in the data.
#[test]
fn a_truncated_file() {
    let whole = monthly("tas", 6, 6).bytes();
    for length in [4, 100, whole.len() / 2, whole.len() - 1] {
        let tree = with_bad_tas(|tree| {
            let tas = tree.dataset("tas");
            tas.put(&tas.file(6, 6), &whole[..length]);
        });
        let path = tree.dataset("tas").file(6, 6);
        assert_only_tas_suffers(&tree, tree.scan(&[]), &path, "failed", "truncated");
    }
}

#[test]
fn every_bad_file_of_a_dataset_is_named() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let files = [tas.file(0, 6), tas.file(6, 6)].map(|file| tas.put(&file, b""));
    tree.scan(&[]).exits(1).names(&files[0]).names(&files[1]);
}

#[test]
fn two_files_with_the_same_times() {
    let tree = with_bad_tas(|tree| {
        let tas = tree.dataset("tas");
        tas.put(&tas.directory.join("copy.nc"), &monthly("tas", 6, 6).bytes());
    });
    let tas = tree.dataset("tas");
    let run = tree.scan(&[]).names(&tas.directory.join("copy.nc"));
    assert_only_tas_suffers(&tree, run, &tas.file(6, 6), "refused", "time-duplicate");
}

#[test]
fn a_file_without_the_variable() {
    let tree = with_bad_tas(|tree| {
        let tas = tree.dataset("tas");
        tas.put(&tas.file(6, 6), &monthly("tasmax", 6, 6).bytes());
    });
    let path = tree.dataset("tas").file(6, 6);
    let run = tree.scan(&[]).says("variable `tas`");
    assert_only_tas_suffers(&tree, run, &path, "refused", "variable-missing");
}

#[test]
fn a_link_to_a_file_that_is_no_longer_there() {
    let tree = with_bad_tas(|tree| {
        let path = tree.dataset("tas").file(6, 6);
        fs::remove_file(&path).unwrap();
        symlink("nowhere", &path).unwrap();
    });
    let path = tree.dataset("tas").file(6, 6);
    let run = tree.scan(&[]).says("`nowhere`");
    assert_only_tas_suffers(&tree, run, &path, "failed", "not-found");
}

/// The scan is held up by a report that nobody reads, so that the walk has come to files that were
/// not opened yet; these are taken away before the scan may go on.
#[test]
fn a_file_that_vanishes_between_walk_and_reading() {
    // Long paths make long lines, which soon fill the pipe.
    let tree = Tree::below(&long_path(), &[]);
    let datasets: Vec<_> =
        (1..=100).map(|n| tree.member("CMIP6", &format!("r{n}i1p1f1"), "tas")).collect();
    for dataset in &datasets {
        dataset.write(0, 1);
    }
    let mut command = tree.command();
    command.arg("scan").arg(&tree.data).args(["--jobs", "1", "--report", "-"]);
    let messages = tree.path("messages");
    command.stdout(Stdio::piped()).stderr(File::create(&messages).unwrap());
    let mut scan = command.spawn().unwrap();

    let built = || datasets.iter().filter(|dataset| dataset.manifest().exists()).count();
    let mut before = (0, 0);
    while before.0 == 0 || before.1 < 40 {
        assert_eq!(scan.try_wait().unwrap(), None, "the pipe took the whole report");
        sleep(Duration::from_millis(20));
        let now = built();
        before = (now, if now == before.0 { before.1 + 1 } else { 0 });
    }
    let taken: Vec<_> = datasets.iter().filter(|dataset| !dataset.manifest().exists()).collect();
    for dataset in &taken {
        fs::remove_file(dataset.file(0, 1)).unwrap();
    }
    let mut report = String::new();
    scan.stdout.take().unwrap().read_to_string(&mut report).unwrap();

    assert_eq!(scan.wait().unwrap().code(), Some(1));
    let listed = tree.list();
    let lost: Vec<_> = listed.iter().filter(|line| line["status"] == "failed").collect();
    assert!(!lost.is_empty());
    let messages = fs::read_to_string(messages).unwrap();
    for line in &lost {
        let dataset = taken.iter().find(|dataset| line["id"] == dataset.id).unwrap();
        let file = dataset.file(0, 1);
        assert_not_built(line, "failed", "not-found", &file);
        assert!(messages.contains(&format!("`{}`", file.display())));
    }
    let built = listed.iter().filter(|line| line["status"] == "built").count();
    assert_eq!(built, datasets.len() - taken.len());
    assert_eq!(listed.len(), built + lost.len());
    assert_nothing_half_written(&tree);
}

/// As long as paths may be, nearly.
fn long_path() -> String {
    vec!["x".repeat(200); 14].join("/")
}

/// A tree of a good dataset, `pr`, and one whose manifest is larger than files may become in
/// [`scan_with_small_files`], `tas`.
fn with_large_manifest() -> Tree {
    let tree = Tree::below(&long_path(), &["pr"]);
    tree.dataset("tas").write(0, 600);
    tree
}

/// Scans where no file may become larger than a megabyte. The system tells a program so by a
/// signal, which kills it unless `on_signal` is to ignore it.
fn scan_with_small_files(tree: &Tree, on_signal: &str) -> Run {
    let limits = format!("ulimit -c 0; ulimit -f 1024; trap {on_signal} XFSZ; exec \"$@\"");
    let scan = tree.command();
    let mut command = tree.prepared(Command::new("/bin/sh"));
    command.args(["-c", &limits, "sh"]).arg(scan.get_program()).arg("scan").arg(&tree.data);
    command.output().unwrap().into()
}

#[test]
fn a_store_that_cannot_be_written_to_its_end() {
    let tree = with_large_manifest();
    let run = scan_with_small_files(&tree, "''");
    assert_only_tas_suffers(&tree, run, &tree.dataset("tas").manifest(), "failed", "io");
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
}

#[test]
fn a_scan_that_was_killed_is_made_good_by_the_next() {
    let tree = with_large_manifest();
    assert_eq!(scan_with_small_files(&tree, "-").code, None, "it was not killed");
    let tas = tree.dataset("tas");
    assert!(!tas.manifest().exists());
    let left = all_below(&tas.directory).into_iter().filter(|path| is_temporary(path)).count();
    assert_eq!(left, 1, "it was not killed while it wrote");
    tree.scan(&[]).exits(0).omits("error").omits("warning");
    assert_nothing_half_written(&tree);
    assert_eq!(manifests(&tree), [tree.dataset("pr").manifest(), tas.manifest()]);
}

#[test]
fn two_directories_with_the_same_dataset() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    let second = tree.data.join("second").join(tas.directory.strip_prefix(&tree.data).unwrap());
    fs::create_dir_all(&second).unwrap();
    fs::copy(tas.file(0, 6), second.join(tas.file(0, 6).file_name().unwrap())).unwrap();
    let run = tree.scan(&[]).exits(1).says("2 built").says("[duplicate-id]");
    run.names(&second).names(&tas.directory);
    assert_eq!(tree.listed(&tas)["status"], "built");
}

#[test]
fn files_outside_the_drs_are_said_to_be_unrecognised() {
    let tree = Tree::of(&["tas"]);
    let strays = tree.data.join("CMIP6/strays");
    fs::create_dir(&strays).unwrap();
    fs::write(strays.join("a.nc"), "").unwrap();
    tree.scan(&[]).exits(0).says("1 built").names(&strays).says("`a.nc`").says("[unrecognised]");
}

#[test]
fn hidden_files_and_partial_transfers_are_ignored() {
    let tree = Tree::of(&["tas"]);
    let directory = tree.dataset("tas").directory;
    for name in [".hidden.nc", "tas.nc.part", "notes.txt"] {
        fs::write(directory.join(name), "").unwrap();
    }
    let run = tree.scan(&[]).exits(0);
    assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
}

// ---- permissions -----------------------------------------------------------------------------

/// Scans without the right to use `path` in ways other than `mode`.
fn scan_without_permission(tree: &Tree, path: &Path, mode: u32, options: &[&str]) -> Option<Run> {
    tree.open_to_all();
    allow(path, mode);
    let run = tree.scan_unprivileged(options);
    allow(path, 0o777);
    run
}

#[test]
fn a_file_without_permission() {
    let tree = Tree::of(&["pr", "tas"]);
    let file = tree.dataset("tas").file(6, 6);
    if let Some(run) = scan_without_permission(&tree, &file, 0, &[]) {
        assert_only_tas_suffers(&tree, run, &file, "failed", "permission-denied");
        // It may be granted without a trace in the file.
        tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
    }
}

#[test]
fn a_version_directory_without_permission() {
    for mode in [0, 0o444] {
        let tree = Tree::of(&["pr", "tas"]);
        let directory = tree.dataset("tas").directory;
        if let Some(run) = scan_without_permission(&tree, &directory, mode, &[]) {
            let path = if mode == 0 { directory } else { tree.dataset("tas").file(0, 6) };
            assert_only_tas_suffers(&tree, run, &path, "failed", "permission-denied");
        }
    }
}

#[test]
fn a_higher_directory_without_permission() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    let directory = tas.directory.ancestors().nth(2).unwrap();
    if let Some(run) = scan_without_permission(&tree, directory, 0, &[]) {
        let run = run.exits(1).says("1 built").names(directory).says("[permission-denied]");
        assert_eq!(run.stdout, "");
        assert_eq!(manifests(&tree), [tree.dataset("pr").manifest()]);
    }
}

/// What cannot be seen may be as it was: it is neither gone nor to be withdrawn.
#[test]
fn a_store_outlives_a_time_without_permission() {
    for options in [&[][..], &["--output-dir", "stores"]] {
        for (above, mode) in [(0, 0), (0, 0o444), (2, 0)] {
            let tree = Tree::of(&["pr", "tas"]);
            let tas = tree.dataset("tas");
            tree.scan(options).exits(0);
            let manifest = PathBuf::from(tree.listed(&tas)["manifest"].as_str().unwrap());
            let before = fs::read(&manifest).unwrap();
            let directory = tas.directory.ancestors().nth(above).unwrap();
            if let Some(run) = scan_without_permission(&tree, directory, mode, options) {
                let run = run.exits(1).says(directory.to_str().unwrap());
                run.omits("gone").omits("removed");
                assert_eq!(fs::read(&manifest).unwrap(), before, "{above} {mode:o} {options:?}");
                assert_eq!(tree.listed(&tas)["manifest"], json!(manifest), "{above} {mode:o}");
                tree.scan(options).exits(0);
                assert_eq!(tree.listed(&tas)["status"], "built");
            }
        }
    }
}

#[test]
fn a_read_only_dataset_directory() {
    let tree = Tree::of(&["pr", "tas"]);
    let directory = tree.dataset("tas").directory;
    if let Some(run) = scan_without_permission(&tree, &directory, 0o555, &[]) {
        let run = run.says("--output-dir DIR");
        assert_only_tas_suffers(&tree, run, &directory, "failed", "permission-denied");
    }
}

#[test]
fn a_read_only_tree_can_have_its_stores_elsewhere() {
    let tree = Tree::of(&["tas"]);
    tree.open_to_all();
    let directories = || all_below(&tree.data).into_iter().filter(|path| path.is_dir());
    directories().for_each(|directory| allow(&directory, 0o555));
    let run = tree.scan_unprivileged(&["--output-dir", "stores"]);
    directories().for_each(|directory| allow(&directory, 0o777));
    if let Some(run) = run {
        run.exits(0).says("1 built");
        assert_eq!(manifests(&tree).len(), 1);
    }
}

#[test]
fn a_ledger_without_permission() {
    let tree = Tree::of(&["tas"]);
    let state = tree.path("state");
    tree.open_to_all();
    if let Some(run) = scan_without_permission(&tree, &state, 0o555, &[]) {
        run.exits(3).says("vzarr-ledger.sqlite").says("--ledger FILE");
        assert_eq!(manifests(&tree), Vec::<PathBuf>::new());
    }
}

#[test]
fn links_that_somebody_planted_among_the_stores_are_not_followed() {
    let tree = Tree::of(&["tas", "pr"]);
    let out = tree.path("stores");
    let below = |variable: &str| {
        let directory = tree.dataset(variable).directory;
        out.join(directory.strip_prefix(&tree.data).unwrap())
    };
    // In the way of a directory, and in the way of a manifest.
    let elsewhere = tree.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(below("tas").parent().unwrap()).unwrap();
    symlink(&elsewhere, below("tas")).unwrap();
    let precious = tree.file("precious", "mine");
    fs::create_dir_all(below("pr")).unwrap();
    let manifest = below("pr").join(tree.dataset("pr").manifest().file_name().unwrap());
    symlink(&precious, &manifest).unwrap();
    let run = tree.scan(&["--output-dir", out.to_str().unwrap()]).exits(1);
    run.says("1 built").says("leads out of the directory of stores").names(&below("tas"));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    assert!(!manifest.is_symlink());
}
