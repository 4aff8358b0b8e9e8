//! `advertise`, `annotate`, `retract` and `gc`: what the publisher is told about stores.

use std::fs;

use serde_json::{Value, json};

use super::tree::{Run, Tree, all_below, touch};

const URL: &str = "https://n.org/thredds/fileServer/data";

/// A scanned tree whose stores have URLs.
fn published(variables: &[&str]) -> Tree {
    let tree = Tree::of(variables);
    scan(&tree).exits(0);
    tree
}

fn scan(tree: &Tree) -> Run {
    tree.scan(&["--data-root", &format!("{}={URL}", tree.data.display())])
}

fn advertised(tree: &Tree, options: &[&str]) -> Vec<Value> {
    tree.run(&[&["advertise"], options].concat()).exits(0).json_lines()
}

/// Acknowledges what `advertise` printed.
fn acknowledge(tree: &Tree, lines: &[Value]) -> Run {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = tree.file("sent.jsonl", &(lines.join("\n") + "\n"));
    tree.run(&["advertise", "--ack", file.to_str().unwrap()])
}

/// IDs and actions, in the order of the lines.
fn actions(lines: &[Value]) -> Vec<(&str, &str)> {
    let both = |line| {
        let [id, action] = ["id", "action"].map(|key| line_text(line, key));
        (id, action)
    };
    lines.iter().map(both).collect()
}

fn line_text<'v>(line: &'v Value, key: &str) -> &'v str {
    line[key].as_str().unwrap()
}

#[test]
fn a_store_is_told_until_it_is_acknowledged() {
    let tree = published(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    let lines = advertised(&tree, &[]);
    assert_eq!(actions(&lines), [(pr.id.as_str(), "add"), (tas.id.as_str(), "add")]);
    let asset = &lines[1]["asset"];
    let manifest = tas.manifest();
    let below = manifest.strip_prefix(&tree.data).unwrap().to_str().unwrap();
    assert_eq!(asset["href"], format!("{URL}/{below}"));
    assert_eq!(asset["file:local_path"], below);
    assert_eq!(asset["file:size"], fs::metadata(&manifest).unwrap().len());
    assert_eq!(
        (&asset["alternate:name"], &asset["protocol"]),
        (&json!("n.org"), &json!("kerchunk"))
    );
    assert_eq!(lines[1]["patch"][0]["value"], *asset);
    assert_eq!(
        (&lines[1]["collection"], &lines[1]["dataset_id"]),
        (&json!("CMIP6"), &json!(tas.id))
    );
    // Nobody took them: the same again.
    assert_eq!(advertised(&tree, &[]), lines);
    acknowledge(&tree, &lines[..1]).exits(0).says("1 advertisement acknowledged");
    assert_eq!(advertised(&tree, &[]), lines[1..]);
    acknowledge(&tree, &lines).exits(0);
    assert!(advertised(&tree, &[]).is_empty());
    assert_eq!(advertised(&tree, &["--all"]), lines);
    assert!(advertised(&tree, &[&tas.id]).is_empty());
    assert_eq!(advertised(&tree, &["--all", &tas.id]), lines[1..]);
    scan(&tree).exits(0).says("2 unchanged");
    assert!(advertised(&tree, &[]).is_empty());
}

#[test]
fn what_changes_is_told_again_and_what_was_told_before_is_outdated() {
    let tree = published(&["tas"]);
    let tas = tree.dataset("tas");
    let first = advertised(&tree, &[]);
    tas.write(12, 6);
    scan(&tree).exits(0).omits("changed-in-place");
    let second = advertised(&tree, &[]);
    assert_ne!(first[0]["advertisement"], second[0]["advertisement"]);
    assert_ne!(first[0]["asset"]["file:checksum"], second[0]["asset"]["file:checksum"]);
    assert_eq!(first[0]["asset"]["created"], second[0]["asset"]["created"]);
    acknowledge(&tree, &first).exits(0).says("outdated").says("0 advertisements acknowledged");
    assert_eq!(advertised(&tree, &[]), second);
    acknowledge(&tree, &second).exits(0);
    assert!(advertised(&tree, &[]).is_empty());
}

#[test]
fn files_that_were_replaced_are_flagged() {
    let tree = published(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    assert_eq!(tree.listed(&tas)["changed_in_place"], Value::Null);
    // Other values are not in the manifest; another size is.
    let file = super::tree::monthly("tas", 6, 7);
    tas.put(&tas.file(6, 6), &file.bytes());
    touch(&pr.file(0, 6));
    scan(&tree).exits(0).says("changed-in-place");
    let changed = &tree.listed(&tas)["changed_in_place"];
    assert_ne!(changed["old_digest"], changed["new_digest"]);
    // The same bytes under another time are the same store.
    assert_eq!(tree.listed(&pr)["changed_in_place"], Value::Null);
    tree.run(&["show", &tas.id]).exits(0).prints("in place of");
}

#[test]
fn local_and_unversioned_stores_are_not_told() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&[]).exits(0);
    assert!(advertised(&tree, &["--all"]).is_empty());
    tree.run(&["advertise", "unknown.v1"]).exits(1).says("no dataset `unknown.v1`");
}

#[test]
fn documents_are_what_esgpublish_takes() {
    let tree = published(&["tas"]);
    let tas = tree.dataset("tas");
    let out = tree.path("out");
    let lines = advertised(&tree, &["--emit-json", out.to_str().unwrap()]);
    let document = fs::read_to_string(out.join(format!("{}.json", tas.id))).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document, json!({ "reference_file": lines[0]["asset"] }));
}

#[test]
fn patches_fit_the_items_that_are_there() {
    let tree = published(&["tas"]);
    let tas = tree.dataset("tas");
    fs::create_dir(tree.path("items")).unwrap();
    let options = ["--replica", "--data-node", "b.org", "--items", "items"];
    let run = tree.run(&[&["advertise"], &options[..]].concat()).exits(1);
    run.says("cannot read the item").says("items/");
    let item = json!({ "assets": { "reference_file": { "href": "https://a.org/x.json" } } });
    tree.file(&format!("items/{}.json", tas.id), &item.to_string());
    let lines = advertised(&tree, &options);
    let patch = &lines[0]["patch"][0];
    assert_eq!(patch["path"], "/assets/reference_file/alternate");
    assert!(patch["value"]["b.org"]["href"].is_string());
    assert_eq!(
        advertised(&tree, &options[..3])[0]["patch"][0]["path"],
        "/assets/reference_file/alternate/b.org"
    );
}

#[test]
fn a_retracted_dataset_stays_retracted() {
    let tree = published(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    acknowledge(&tree, &advertised(&tree, &[])).exits(0);
    let sharp = format!("{}|n.org", tas.id.replace(".v20200101", "#20200101"));
    tree.run(&["retract", &sharp]).exits(0).names(&tas.manifest());
    assert!(!tas.manifest().exists() && tas.file(0, 6).exists());
    let lines = advertised(&tree, &[]);
    assert_eq!(actions(&lines), [(tas.id.as_str(), "remove")]);
    assert_eq!(lines[0]["patch"], json!([{ "op": "remove", "path": "/assets/reference_file" }]));
    assert_eq!(lines[0]["asset"], Value::Null);
    acknowledge(&tree, &lines).exits(0);
    assert!(advertised(&tree, &["--all", &tas.id]).is_empty());
    // Whatever happens to its files.
    touch(&tas.file(0, 6));
    scan(&tree).exits(0).says("is retracted and left alone").says("2 unchanged");
    fs::remove_dir_all(&tas.directory).unwrap();
    scan(&tree).exits(0);
    assert_eq!(tree.listed(&tas)["status"], "retracted");
    // One that was never seen.
    tree.run(&["retract", "--keep-store", &pr.id]).exits(0);
    assert!(pr.manifest().exists());
    let late = tree.dataset("ua");
    tree.run(&["retract", &late.id]).exits(0).says("not known");
    late.write(0, 6);
    scan(&tree).exits(0);
    assert!(!late.manifest().exists());
    tree.run(&["retract", "--reinstate", &late.id]).exits(0);
    scan(&tree).exits(0).says("1 built");
    assert_eq!(actions(&advertised(&tree, &[&late.id])), [(late.id.as_str(), "add")]);
    tree.run(&["retract", "--reinstate", &late.id]).exits(1).says("is not retracted");
}

#[test]
fn retraction_lists_are_taken_whole_or_not_at_all() {
    let tree = published(&["tas", "pr"]);
    let list = tree.file("list", &format!("{}\nno-version\n", tree.dataset("tas").id));
    let list = list.to_str().unwrap();
    tree.run(&["retract", "--list", list])
        .exits(2)
        .says("no-version")
        .says("nothing was retracted");
    assert!(tree.list().iter().all(|line| line["status"] == "built"));
    tree.run(&["retract"]).exits(2);
}

#[test]
fn what_is_gone_is_withdrawn_and_collected() {
    let tree = published(&["tas", "pr", "ua"]);
    let [tas, pr, ua] = ["tas", "pr", "ua"].map(|variable| tree.dataset(variable));
    acknowledge(&tree, &advertised(&tree, &[])).exits(0);
    for dataset in [&tas, &pr] {
        for first in [0, 6] {
            fs::remove_file(dataset.file(first, 6)).unwrap();
        }
    }
    fs::write(pr.manifest(), "mine").unwrap();
    scan(&tree).exits(0).says("2 gone");
    assert_eq!(
        actions(&advertised(&tree, &[])),
        [(pr.id.as_str(), "remove"), (tas.id.as_str(), "remove")]
    );
    let before = all_below(&tree.data);
    tree.run(&["gc", "--dry-run"]).exits(1).says("would remove").names(&tas.manifest());
    assert_eq!(all_below(&tree.data), before);
    tree.run(&["gc"]).exits(1).names(&tas.manifest()).says("is left alone").names(&pr.manifest());
    assert!(!tas.manifest().exists() && ua.manifest().exists());
    assert_eq!(fs::read_to_string(pr.manifest()).unwrap(), "mine");
    tree.run(&["gc"]).exits(1).omits(tas.manifest().to_str().unwrap());
}

#[test]
fn a_later_version_supersedes_and_both_stay() {
    let tree = published(&["tas"]);
    let tas = tree.dataset("tas");
    let later = tas.directory.with_file_name("v20210101");
    fs::create_dir(&later).unwrap();
    for first in [0, 6] {
        fs::copy(tas.file(first, 6), later.join(tas.file(first, 6).file_name().unwrap())).unwrap();
    }
    scan(&tree).exits(0).says("1 built, 1 unchanged");
    let later = tas.id.replace("v20200101", "v20210101");
    assert_eq!(tree.listed(&tas)["superseded_by"], later.as_str());
    assert!(tas.manifest().exists());
    let listed = tree.run(&["list", "--json", "--status", "superseded"]).exits(0).json_lines();
    assert_eq!(listed.len(), 1);
    assert_eq!(advertised(&tree, &[]).len(), 2);
}

#[test]
fn publication_records_get_the_store() {
    let tree = published(&["tas"]);
    let tas = tree.dataset("tas");
    let records = json!([
        { "type": "File", "title": "a.nc" },
        { "type": "Dataset", "instance_id": tas.id, "url": ["x|y|z"] },
    ]);
    tree.file("rec.json", &records.to_string());
    let annotate = |options: &[&str]| {
        let arguments =
            [&["annotate", "--pub-rec", "rec.json", "--out", "out.json"], options].concat();
        let lines = tree.run(&arguments).exits(0).json_lines();
        let text = fs::read_to_string(tree.path("out.json")).unwrap();
        (lines, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (lines, annotated) = annotate(&[]);
    let mut expected = records.clone();
    expected[1]["reference_file"] = lines[0]["asset"].clone();
    assert_eq!(annotated, expected);
    let (_, annotated) = annotate(&["--legacy"]);
    let href = &lines[0]["asset"]["href"];
    assert_eq!(annotated[1]["reference_file"], *href);
    let entry = format!("{}|application/vnd.zarr+kerchunk|VirtualZarr", href.as_str().unwrap());
    assert_eq!(annotated[1]["url"], json!(["x|y|z", entry]));
    acknowledge(&tree, &lines).exits(0);
    assert!(advertised(&tree, &[]).is_empty());
    // Without a store the publication goes on.
    let other = json!([{ "type": "Dataset", "instance_id": "other.v1" }]);
    tree.file("rec.json", &other.to_string());
    let run = tree.run(&["annotate", "--pub-rec", "rec.json", "--out", "out.json"]);
    run.exits(1).says("other.v1 has no store");
    let text = fs::read_to_string(tree.path("out.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), other);
}

#[test]
fn bad_input_is_named() {
    let tree = published(&["tas"]);
    tree.file("bad", "{\"advertisement\": 1}\n{}\n");
    tree.run(&["advertise", "--ack", "bad"])
        .exits(2)
        .says("line 2")
        .says("nothing was acknowledged");
    assert_eq!(advertised(&tree, &[]).len(), 1);
    tree.run(&["advertise", "--ack", "absent"]).exits(3).says("absent");
    tree.file("rec.json", "[");
    for records in ["rec.json", "absent"] {
        let run = tree.run(&["annotate", "--pub-rec", records, "--out", "out.json"]);
        assert!(run.code.is_some_and(|code| code >= 2));
        run.says(records);
    }
    let elsewhere = Tree::of(&[]);
    elsewhere.run(&["advertise"]).exits(3).says("no ledger yet");
    elsewhere.run(&["gc"]).exits(3).says("no ledger yet");
}

#[test]
fn relocated_stores_are_those_that_a_scan_would_build() {
    let tree = published(&["tas", "pr"]);
    let (tas, pr) = (tree.dataset("tas"), tree.dataset("pr"));
    let digests = |tree: &Tree| tree.run(&["digest"]).exits(0).stdout;
    let before = digests(&tree);
    let old = fs::read(tas.manifest()).unwrap();
    let root = format!("{}=https://replica.org/x%20y", tree.data.display());
    // For another site, beside what is here.
    tree.run(&["relocate", "--data-root", &root, "--output-dir", "for-replica"]).exits(0);
    let below = tas.manifest().strip_prefix(&tree.data).unwrap().to_owned();
    let for_replica = fs::read(tree.path("for-replica").join(below)).unwrap();
    assert_eq!(fs::read(tas.manifest()).unwrap(), old);
    scan(&tree).exits(0).says("2 unchanged");
    // Here.
    let run = tree.run(&["relocate", "--data-root", &root, &tas.id]).exits(0);
    run.says("1 store relocated, 0 unchanged");
    assert!(fs::read(tas.manifest()).unwrap() == for_replica);
    assert!(tree.listed(&tas)["url"].as_str().unwrap().starts_with("https://replica.org/x%20y/"));
    assert!(tree.listed(&pr)["url"].as_str().unwrap().starts_with(URL));
    assert_eq!(digests(&tree), before);
    let scanned = tree.scan(&["--data-root", &root]).exits(0);
    scanned.says("1 built, 1 unchanged");
    assert!(fs::read(tas.manifest()).unwrap() == for_replica);
    tree.run(&["relocate", "--data-root", &root]).exits(0).says("0 stores relocated, 2 unchanged");
    // What is not as it was written is not passed on.
    fs::write(pr.manifest(), "mine").unwrap();
    let run = tree.run(&["relocate", "--data-root", &root]).exits(1);
    run.says("not as it was written").names(&pr.manifest()).says("scan --force");
    tree.run(&["relocate", "--data-root", "/elsewhere=https://e.org", &tas.id])
        .exits(1)
        .says("would lose its URLs");
    assert!(fs::read(tas.manifest()).unwrap() == for_replica);
    tree.run(&["relocate", "--data-root", &root, "unknown"]).exits(1).says("no dataset `unknown`");
    tree.run(&["relocate"]).exits(2);
}

#[test]
fn a_catalogue_has_an_item_for_each_dataset() {
    let tree = published(&["tas", "pr"]);
    for variable in ["tas", "pr"] {
        tree.cmip5(variable).write(0, 6);
    }
    scan(&tree).exits(0);
    let catalog = || tree.run(&["catalog", "stac"]);
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(tree.path("stac").join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    catalog().exits(0).says("3 items in the catalogue");
    let tas = tree.dataset("tas");
    let item = read(&format!("CMIP6/{}.json", tas.id));
    assert_eq!(item["properties"]["start_datetime"], "1850-01-16T00:00:00Z");
    assert_eq!(item["properties"]["end_datetime"], "1850-12-16T00:00:00Z");
    assert_eq!(item["properties"]["cmip6:variable_id"], "tas");
    assert_eq!(item["assets"]["reference_file"], advertised(&tree, &[&tas.id])[0]["asset"]);
    let of_cmip5 = read("CMIP5/collection.json")["links"][2]["href"].clone();
    let item = read(&format!("CMIP5/{}", of_cmip5.as_str().unwrap()));
    assert!(item["assets"]["reference_file_pr"].is_object());
    assert!(item["assets"]["reference_file_tas"].is_object());
    tree.run(&["retract", &tas.id]).exits(0);
    catalog().exits(0).says("2 items");
    assert!(!tree.path("stac/CMIP6").join(format!("{}.json", tas.id)).exists());
    tree.run(&["retract", &tree.dataset("pr").id]).exits(0);
    catalog().exits(0).says("1 item in");
    assert!(!tree.path("stac/CMIP6").exists());
    tree.run(&["catalog", tree.data.to_str().unwrap()]).exits(2).says("a directory of its own");
}
