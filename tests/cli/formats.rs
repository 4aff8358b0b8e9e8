//! `--format` and `--v3-only`: stores in other forms, from the scan to their end.

use std::fs;

use serde_json::{Value, json};

use super::tree::{Run, Tree};

const URL: &str = "https://n.org/thredds/fileServer/data";

fn scan(tree: &Tree, options: &[&str]) -> Run {
    let data_root = format!("{}={URL}", tree.data.display());
    tree.scan(&[&["--data-root", &data_root], options].concat())
}

#[test]
fn manifests_of_v3_alone_have_its_keys_and_are_another_recipe() {
    let tree = Tree::of(&["tas"]);
    scan(&tree, &[]).exits(0).says("1 built");
    scan(&tree, &["--v3-only"]).exits(0).says("1 built, 0 unchanged");
    scan(&tree, &["--v3-only"]).exits(0).says("0 built, 1 unchanged");
    let text = fs::read(tree.dataset("tas").manifest()).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let keys: Vec<&str> =
        manifest["refs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.contains(&"tas/c/0/0/0") && !keys.contains(&"tas/0.0.0"), "{keys:?}");
    assert!(keys.iter().all(|key| !key.contains(".z")), "{keys:?}");
    let document: Value =
        serde_json::from_str(manifest["refs"]["tas/zarr.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        document["chunk_key_encoding"],
        json!({"name": "default", "configuration": {"separator": "/"}})
    );
    let line = &tree.run(&["advertise"]).exits(0).json_lines()[0];
    assert!(line["asset"]["description"].as_str().unwrap().contains("V3 only"), "{line}");
    let id = line["id"].as_str().unwrap();
    tree.run(&["show", id]).exits(0).prints("V3 only");
}

#[test]
fn settings_say_the_same_as_options() {
    let tree = Tree::of(&["tas"]);
    let with = |text: &str| {
        let config = tree.file("settings.yaml", text);
        tree.scan(&["--config", config.to_str().unwrap()])
    };
    with("v3_only: true\nformat: json\n").exits(0).says("1 built");
    tree.scan(&["--v3-only"]).exits(0).says("1 unchanged");
    with("format: [json, zip]\n").exits(2).says("zip");
    tree.scan(&["--format", "zip"]).exits(2).says("zip");
}

#[test]
fn what_is_not_built_in_is_named() {
    let tree = Tree::of(&["tas"]);
    let formats =
        [("parquet", cfg!(feature = "parquet")), ("icechunk", cfg!(feature = "icechunk"))];
    for (format, is_built_in) in formats {
        let run = tree.scan(&["--format", format]);
        if is_built_in {
            run.exits(0);
        } else {
            run.exits(2).says(&format!("--features {format}"));
        }
    }
    tree.scan(&["--format", "auto"]).exits(0);
}

#[cfg(feature = "parquet")]
mod in_parquet {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::process::Stdio;
    use std::thread::sleep;
    use std::time::Duration;

    use super::super::tree::{all_below, stamp};
    use super::*;

    fn parquet(manifest: &Path) -> PathBuf {
        manifest.with_extension("parq")
    }

    /// What is on disk beside the NetCDF files, but with the place of the tree left out.
    fn written(tree: &Tree) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = all_below(&tree.data).into_iter().filter(|path| path.is_file());
        let files = files.filter(|path| path.extension() != Some("nc".as_ref()));
        let relative = |path: &Path| path.strip_prefix(&tree.data).unwrap().to_owned();
        files.map(|path| (relative(&path), fs::read(&path).unwrap())).collect()
    }

    #[test]
    fn a_set_is_there_as_long_as_it_is_wanted() {
        let tree = Tree::of(&["tas", "pr"]);
        scan(&tree, &["--format", "parquet"]).exits(0).says("2 built");
        let sets = ["tas", "pr"].map(|name| parquet(&tree.dataset(name).manifest()));
        for set in &sets {
            assert!(set.join(".zmetadata").is_file() && set.join("time/refs.0.parq").is_file());
        }
        let listed = tree.listed(&tree.dataset("tas"));
        assert_eq!(listed["artefacts"], json!({ "parquet": sets[0] }));
        tree.run(&["ledger", "check"]).exits(0);
        let before = stamp(&sets[0].join("tas/refs.0.parq"));
        scan(&tree, &["--format", "parquet"]).exits(0).says("2 unchanged");
        scan(&tree, &["--format", "parquet", "--force"]).exits(0).says("2 built");
        assert_eq!(stamp(&sets[0].join("tas/refs.0.parq")), before);
        // Few references are not worth it.
        scan(&tree, &["--format", "auto"]).exits(0).says("2 built");
        assert!(!sets[0].exists() && !sets[1].exists());
        assert_eq!(tree.listed(&tree.dataset("tas"))["artefacts"], json!({}));
        assert_eq!(written(&tree).len(), 2);
    }

    #[test]
    fn auto_counts_references() {
        let tree = Tree::of(&["tas"]);
        let config = tree.file("settings.yaml", "format: auto\nparquet_above: 1\n");
        tree.scan(&["--config", config.to_str().unwrap()]).exits(0);
        assert!(parquet(&tree.dataset("tas").manifest()).is_dir());
        let config = tree.file("settings.yaml", "format: auto\nparquet_above: 1000\n");
        tree.scan(&["--config", config.to_str().unwrap()]).exits(0).says("1 built");
        assert!(!parquet(&tree.dataset("tas").manifest()).exists());
    }

    #[test]
    fn damage_is_found_and_mended() {
        let tree = Tree::of(&["tas"]);
        scan(&tree, &["--format", "parquet"]).exits(0);
        let set = parquet(&tree.dataset("tas").manifest());
        let intact = written(&tree);
        fs::remove_file(set.join("tas/refs.0.parq")).unwrap();
        tree.run(&["ledger", "check", "--quick"]).exits(1).says("parquet");
        scan(&tree, &["--format", "parquet"]).exits(0).says("1 built");
        assert_eq!(written(&tree), intact);
        fs::remove_dir_all(&set).unwrap();
        tree.run(&["advertise"]).exits(1).says("not there");
        scan(&tree, &["--format", "parquet"]).exits(0).says("1 built");
        assert_eq!(written(&tree), intact);
        // What somebody else has there is not ours to replace.
        fs::remove_dir_all(&set).unwrap();
        fs::write(&set, "mine").unwrap();
        scan(&tree, &["--format", "parquet"]).exits(1).says("in the place of a directory");
        assert_eq!(fs::read_to_string(&set).unwrap(), "mine");
    }

    #[test]
    fn the_publisher_is_told_of_each_form_and_of_its_end() {
        let tree = Tree::of(&["tas"]);
        let tell = || {
            let lines = tree.run(&["advertise"]).exits(0).json_lines();
            let text: Vec<String> = lines.iter().map(Value::to_string).collect();
            let sent = tree.file("sent.jsonl", &text.join("\n"));
            (lines, sent)
        };
        let acknowledge =
            |sent: &Path| tree.run(&["advertise", "--ack", sent.to_str().unwrap()]).exits(0);
        let artefacts = |lines: &[Value]| -> Vec<(String, bool)> {
            let artefacts = lines[0]["artefacts"].as_array().unwrap();
            let key = |it: &Value| it["asset_key"].as_str().unwrap().to_owned();
            artefacts.iter().map(|it| (key(it), it["asset"].is_object())).collect()
        };
        let parquet_is = |is_there| vec![("reference_parquet".to_owned(), is_there)];
        scan(&tree, &[]).exits(0);
        let (lines, sent) = tell();
        assert_eq!(artefacts(&lines), []);
        acknowledge(&sent);
        // Another form alone is news.
        scan(&tree, &["--format", "parquet"]).exits(0);
        let (lines, sent) = tell();
        assert_eq!(artefacts(&lines), parquet_is(true));
        let href = lines[0]["artefacts"][0]["asset"]["href"].as_str().unwrap();
        assert!(href.starts_with(URL) && href.contains(".parq"), "{href}");
        acknowledge(&sent);
        assert_eq!(tell().0.len(), 0);
        // That it is no more is told until it is acknowledged, whatever else comes.
        scan(&tree, &[]).exits(0);
        assert_eq!(artefacts(&tell().0), parquet_is(false));
        scan(&tree, &["--v3-only"]).exits(0);
        let (lines, sent) = tell();
        assert_eq!(artefacts(&lines), parquet_is(false));
        let patch = lines[0]["patch"].as_array().unwrap();
        assert_eq!(patch[1], json!({"op": "remove", "path": "/assets/reference_parquet"}));
        acknowledge(&sent);
        scan(&tree, &["--format", "parquet"]).exits(0);
        let (lines, sent) = tell();
        assert_eq!(artefacts(&lines), parquet_is(true));
        acknowledge(&sent);
        let id = lines[0]["id"].as_str().unwrap();
        tree.run(&["retract", id]).exits(0);
        assert_eq!(written(&tree).len(), 0);
        let (lines, sent) = tell();
        let patch = lines[0]["patch"].as_array().unwrap();
        assert!(patch.len() == 2 && patch.iter().all(|op| op["op"] == "remove"), "{patch:?}");
        acknowledge(&sent);
        assert_eq!(tell().0.len(), 0);
    }

    #[test]
    fn a_set_that_is_not_as_it_was_written_stays_and_is_named() {
        let tree = Tree::of(&["tas"]);
        scan(&tree, &["--format", "parquet"]).exits(0);
        let manifest = tree.dataset("tas").manifest();
        let set = parquet(&manifest);
        fs::write(set.join("notes"), "mine").unwrap();
        let id = manifest.file_stem().unwrap().to_str().unwrap();
        let told = tree.run(&["retract", id]).exits(0);
        told.says(set.to_str().unwrap()).says("it is not as it was written");
        assert!(!manifest.exists() && set.join("notes").is_file());
    }

    #[cfg(feature = "netcdf")]
    #[test]
    fn verifying_compares_each_row_with_the_manifest() {
        let tree = Tree::of(&["tas"]);
        scan(&tree, &["--format", "parquet", "--verify=all"]).exits(0).says("1 built");
        tree.run(&["verify"]).exits(0).says("1 verified");
        let set = parquet(&tree.dataset("tas").manifest());
        fs::copy(set.join("time_bnds/refs.0.parq"), set.join("time/refs.0.parq")).unwrap();
        let run = tree.run(&["verify"]).exits(1).says("1 different");
        run.says("row 0 does not stand for what `time/0` does").says("its digest is another");
        scan(&tree, &["--format", "parquet", "--force"]).exits(0);
        fs::remove_file(set.join("lat/refs.0.parq")).unwrap();
        tree.run(&["verify"]).exits(1).says("`lat/refs.0.parq` is missing");
    }

    #[test]
    fn relocation_reaches_every_form() {
        let tree = Tree::of(&["tas"]);
        scan(&tree, &["--format", "parquet"]).exits(0);
        let new = "https://other.org/d";
        let data_root = format!("{}={new}", tree.data.display());
        let relocated = tree.run(&["relocate", "--data-root", &data_root]);
        relocated.exits(0).says("1 store relocated");
        let relocated = written(&tree);
        tree.run(&["ledger", "check"]).exits(0);
        tree.scan(&["--data-root", &data_root, "--format", "parquet"]).exits(0).says("1 unchanged");
        let anew = Tree::of(&["tas"]);
        anew.scan(&[
            "--data-root",
            &format!("{}={new}", anew.data.display()),
            "--format",
            "parquet",
        ])
        .exits(0);
        // As if it had been built so, byte for byte.
        assert!(relocated == written(&anew));
    }

    #[test]
    fn merged_and_exported_ledgers_know_them() {
        let tree = Tree::of(&["tas"]);
        let other = tree.path("other.sqlite");
        scan(&tree, &["--format", "parquet", "--ledger", other.to_str().unwrap()]).exits(0);
        tree.run(&["ledger", "merge", other.to_str().unwrap()]).exits(0);
        let exported = tree.run(&["ledger", "export", "--json"]).exits(0).json_lines();
        assert_eq!(exported[0]["artefacts"][0]["format"], "parquet");
        tree.run(&["ledger", "check"]).exits(0);
        tree.run(&["ledger", "export", "--csv"]).exits(0).prints(",parquet");
    }

    #[test]
    fn a_killed_run_is_completed_by_the_next() {
        let variables: Vec<String> = (0..20).map(|number| format!("tas{number}")).collect();
        let many = || Tree::of(&variables.iter().map(String::as_str).collect::<Vec<_>>());
        let undisturbed = many();
        scan(&undisturbed, &["--format", "parquet"]).exits(0);
        let expected = written(&undisturbed);
        for (number, delay) in [5, 15, 30, 50, 80, 120, 200, 350].into_iter().enumerate() {
            let tree = many();
            // Every other time there is something to be replaced.
            if number % 2 == 1 {
                let other = format!("{}=https://other.org/d", tree.data.display());
                tree.scan(&["--data-root", &other, "--format", "parquet"]).exits(0);
            }
            let mut command = tree.command();
            command.args(["scan", "-j", "2", "--format", "parquet", "--data-root"]);
            command.arg(format!("{}={URL}", tree.data.display())).arg(&tree.data);
            let mut run = command.stderr(Stdio::null()).spawn().unwrap();
            sleep(Duration::from_millis(delay));
            run.kill().unwrap();
            run.wait().unwrap();
            scan(&tree, &["--format", "parquet"]).exits(0);
            assert!(written(&tree) == expected, "killed after {delay} ms");
            scan(&tree, &["--format", "parquet"]).exits(0).says("20 unchanged");
        }
    }
}
