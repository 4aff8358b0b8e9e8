//! Runs that are asked to stop, or killed: the next one ends where an undisturbed one would have.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::tree::{Tree, all_below, touch};

/// Enough for a run to be caught in the middle.
fn many() -> Tree {
    tree_of(60)
}

fn tree_of(datasets: usize) -> Tree {
    let variables: Vec<String> = (0..datasets).map(|number| format!("tas{number}")).collect();
    Tree::of(&variables.iter().map(String::as_str).collect::<Vec<_>>())
}

fn start(tree: &Tree) -> Child {
    let mut command = tree.command();
    command.args(["scan", "-j", "2"]).arg(&tree.data).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(name).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Waits until the run has written a manifest.
fn first_manifest(tree: &Tree) {
    while !all_below(&tree.data).iter().any(|path| path.extension().is_some_and(|it| it == "json"))
    {
        sleep(Duration::from_millis(1));
    }
}

/// The files below the tree that a scan wrote, and their content.
fn written(tree: &Tree) -> Vec<(PathBuf, Vec<u8>)> {
    let files = all_below(&tree.data).into_iter().filter(|path| path.is_file());
    let files = files.filter(|path| path.extension() != Some("nc".as_ref()));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_run_that_is_asked_to_stop_records_what_it_did() {
    // More than are in hand at once, which are finished.
    const DATASETS: usize = 150;
    for (name, number) in [("-INT", 2), ("-TERM", 15)] {
        let tree = tree_of(DATASETS);
        let run = start(&tree);
        first_manifest(&tree);
        signal(&run, name);
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("stopped before the end"), "{stderr}");
        let listed = tree.list();
        assert!((1..DATASETS).contains(&listed.len()), "{} of {DATASETS}", listed.len());
        assert_eq!(written(&tree).len(), listed.len(), "what was written is recorded");
        let rest = format!("{} built, {} unchanged", DATASETS - listed.len(), listed.len());
        tree.scan(&[]).exits(0).says(&rest).omits("gone");
    }
}

#[test]
fn what_a_stopped_run_did_not_come_to_is_not_gone() {
    let tree = many();
    tree.scan(&[]).exits(0);
    for variable in 0..60 {
        touch(&tree.dataset(&format!("tas{variable}")).file(0, 6));
    }
    let run = start(&tree);
    sleep(Duration::from_millis(60));
    signal(&run, "-INT");
    run.wait_with_output().unwrap();
    assert!(tree.list().iter().all(|line| line["status"] == "built"));
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let tree = many();
    let run = start(&tree);
    first_manifest(&tree);
    for _ in 0..20 {
        let _ = Command::new("kill")
            .arg("-INT")
            .arg(run.id().to_string())
            .stderr(Stdio::null())
            .status();
    }
    let status = run.wait_with_output().unwrap().status;
    assert!(status.signal() == Some(2) || status.code() == Some(130), "{status:?}");
    tree.scan(&[]).exits(0);
    assert_eq!(written(&tree).len(), 60);
}

#[test]
fn a_killed_run_is_completed_by_the_next() {
    let undisturbed = many();
    undisturbed.scan(&[]).exits(0);
    let expected = written(&undisturbed);
    for delay in [0, 5, 10, 20, 30, 45, 60, 80, 110, 150] {
        let tree = many();
        let mut run = start(&tree);
        sleep(Duration::from_millis(delay));
        run.kill().unwrap();
        run.wait().unwrap();
        // Whatever has its final name is whole.
        for (path, content) in written(&tree) {
            let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
            assert!(hidden || serde_json::from_slice::<Value>(&content).is_ok(), "{path:?}");
        }
        tree.scan(&[]).exits(0);
        let found = written(&tree);
        assert_eq!(found.len(), expected.len(), "killed after {delay} ms");
        assert_eq!(tree.list().len(), 60);
        // Paths, and the references in manifests, are of this tree.
        let [here, there] = [&tree, &undisturbed].map(|tree| tree.data.to_str().unwrap());
        let as_there = |text: &str| text.replace(here, there);
        for ((path, content), expected) in found.iter().zip(&expected) {
            let path = PathBuf::from(as_there(path.to_str().unwrap()));
            let content = as_there(std::str::from_utf8(content).unwrap()).into_bytes();
            assert!((path, content) == *expected, "killed after {delay} ms");
        }
        tree.scan(&[]).exits(0).says("60 unchanged");
    }
}

#[test]
fn datasets_with_young_files_wait() {
    let tree = Tree::of(&["tas", "pr"]);
    let tas = tree.dataset("tas");
    touch(&tas.file(0, 6));
    touch(&tas.file(6, 6));
    let run = tree.scan(&["--min-age", "30s"]).exits(0).says("1 built, 0 unchanged");
    run.says("pr.gn.v20200101 waits").names(&tree.dataset("pr").file(0, 6));
    tree.scan(&[]).exits(0).says("1 built, 1 unchanged");
    // One that was built before is not gone while it waits.
    tas.write(12, 6);
    tree.scan(&["--min-age", "30s"]).exits(0).omits("gone");
}
