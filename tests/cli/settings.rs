//! The command line, the configuration file, and which of them wins.

use std::path::Path;

use serde_json::{Value, json};

use super::manifest::{Manifest, numbers};
use super::tree::Tree;

/// Scans with a configuration file of `text`.
fn scan_with(tree: &Tree, text: &str, options: &[&str]) -> super::tree::Run {
    let config = tree.file("config.yaml", text);
    tree.scan(&[&["--config", config.to_str().unwrap()], options].concat())
}

fn url(tree: &Tree) -> String {
    tree.listed(&tree.dataset("tas"))["url"].as_str().unwrap().to_owned()
}

#[test]
fn our_own_file_sets_everything() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let text = format!(
        "data_roots: {{'{}': 'https://node.test/stores', '{}': 'https://node.test/data'}}\n\
         ledger: {}\noutput_dir: {}\njobs: 2\nproject: CMIP6\n\
         contiguous_chunk: 12\n",
        tree.path("stores").display(),
        tree.data.display(),
        tree.path("own.sqlite").display(),
        tree.path("stores").display(),
    );
    scan_with(&tree, &text, &[]).exits(0).says("1 built");
    assert!(!tree.path("state").exists());
    let listed = tree.run(&["list", "--json", "--ledger", "own.sqlite"]).exits(0).json_lines();
    let manifest = Manifest::open(Path::new(listed[0]["manifest"].as_str().unwrap()));
    assert_eq!(numbers(&manifest.document("tas/.zarray")["chunks"]), [1, 1, 3]);
    let below = tas.manifest().strip_prefix(&tree.data).unwrap().to_owned();
    assert_eq!(listed[0]["manifest"], json!(tree.path("stores").join(&below)));
    assert_eq!(listed[0]["url"], format!("https://node.test/stores/{}", below.display()));
}

#[test]
fn the_publishers_file_gives_its_urls() {
    let tree = Tree::of(&["tas"]);
    let data = tree.data.display();
    let text = format!("data_node: node.test\nindex_node: x\ndata_roots:\n  {data}: css03\n");
    scan_with(&tree, &text, &[]).exits(0);
    assert!(url(&tree).starts_with("https://node.test/thredds/fileServer/css03/CMIP6/CMIP/"));
    let https = "https_url: 'https://globus.test/{}/{}|application/netcdf|HTTPServer'\n";
    scan_with(&tree, &(text + https), &[]).exits(0);
    assert!(url(&tree).starts_with("https://globus.test/css03/CMIP6/CMIP/"));
}

#[test]
fn the_command_line_wins() {
    let tree = Tree::of(&["tas"]);
    let data = tree.data.display();
    let text = format!(
        "data_roots: {{'{data}': 'https://config.test'}}\nledger: config.sqlite\n\
         output_dir: config-stores\nproject: CMIP7\ncontiguous_chunk: 1K\n"
    );
    let data_root = format!("{data}=https://line.test");
    let options = ["--ledger", "line.sqlite", "--output-dir", "line-stores"];
    let more = ["--project", "CMIP6", "--data-root", &data_root, "--contiguous-chunk", "12"];
    scan_with(&tree, &text, &[&options[..], &more].concat()).exits(0).says("1 built");
    assert!(!tree.path("config.sqlite").exists() && !tree.path("config-stores").exists());
    assert!(tree.path("line-stores/CMIP6").exists());
    let listed = tree.run(&["list", "--json", "--ledger", "line.sqlite"]).exits(0).json_lines();
    let manifest = std::fs::read_to_string(listed[0]["manifest"].as_str().unwrap()).unwrap();
    assert!(manifest.contains("\"tas/0.1.0\""));
    assert!(manifest.contains("https://line.test/") && !manifest.contains("config.test"));
}

#[test]
fn a_wrong_file_is_named_with_the_line() {
    let tree = Tree::of(&["tas"]);
    let config = tree.path("config.yaml");
    for (text, field, line) in [
        ("jobs: 2\nouptut_dir: x\n", "ouptut_dir", "line 2"),
        ("jobs: many\n", "jobs", "line 1"),
        ("data_node: n\ndata_roots:\n  /a: b\n  /c: [d]\n", "data_roots", "line 4"),
        ("jobs: [\n", "", "line"),
        ("jobs: 2\ncontiguous_chunk: 4MB\n", "4MiB", "line 2"),
        ("contiguous_chunk: 0\n", "4MiB", "line 1"),
        ("contiguous_chunk: [4]\n", "4MiB", "line 1"),
        ("on_overlap: both\n", "both", "line 1"),
        ("codecs: none\n", "none", "line 1"),
    ] {
        scan_with(&tree, text, &[]).exits(2).names(&config).says(field).says(line);
    }
    assert!(!tree.path("state").exists());
}

#[test]
fn a_missing_file_is_a_wrong_configuration() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&["--config", "absent.yaml"]).exits(2).says("absent.yaml");
}

#[test]
fn wrong_settings_exit_with_2() {
    let tree = Tree::of(&["tas"]);
    for (options, said) in [
        (["--project", "CMIP66"], "CMIP66"),
        (["--jobs", "0"], "--jobs"),
        (["--contiguous-chunk", "4MB"], "4MiB"),
        (["--on-overlap", "both"], "first, last or refuse"),
        (["--codecs", "none"], "faithful or portable"),
        (["--data-root", "/data"], "FS_PREFIX=URL_PREFIX"),
        (["--data-root", "data=https://node.test"], "absolute"),
        (["--data-root", "/data=node.test"], "node.test"),
    ] {
        let run = tree.scan(&options).exits(2).says(said);
        assert_eq!(run.stdout, "");
    }
    assert!(!tree.dataset("tas").manifest().exists());
}

#[test]
fn only_the_projects_asked_for_are_scanned() {
    let tree = Tree::of(&["tas"]);
    tree.member("CMIP6Plus", "r1i1p1f1", "tas").write(0, 6);
    let ids = || -> Vec<Value> { tree.list().iter().map(|line| line["id"].clone()).collect() };
    let run = tree.scan(&["--project", "CMIP6Plus"]).exits(0).says("1 built");
    run.omits("warning");
    assert_eq!(ids(), [json!(tree.member("CMIP6Plus", "r1i1p1f1", "tas").id)]);
    tree.scan(&["--project", "CMIP6", "--project", "cmip6plus"]).exits(0).says("1 built, 1 unch");
    assert_eq!(ids().len(), 2);
    let listed = tree.run(&["list", "--json", "--project", "CMIP6"]).exits(0).json_lines();
    assert_eq!(listed.len(), 1);
}

#[test]
fn several_data_roots_of_one_path_are_a_warning() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let inner = tree.data.join("CMIP6");
    let roots = [
        format!("{}=https://all.test", tree.data.display()),
        format!("{}=https://six.test", inner.display()),
    ];
    let run = tree.scan(&["--data-root", &roots[0], "--data-root", &roots[1]]);
    run.exits(0).says("warning").names(&tas.directory).names(&tree.data).names(&inner);
    assert!(url(&tree).starts_with("https://six.test/CMIP/"));
}

#[test]
fn a_dataset_outside_all_data_roots_is_a_warning() {
    let tree = Tree::of(&["tas"]);
    let run = tree.scan(&["--data-root", "/elsewhere=https://node.test"]).exits(0);
    run.says("warning").names(&tree.dataset("tas").directory).says("--data-root");
}
