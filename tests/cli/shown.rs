//! What is shown: `list`, `show`, `inspect`, the report and the log.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use serde_json::{Value, json};

use super::tree::{Tree, data, json_lines, monthly};

/// A tree with one dataset built, one refused and one failed.
fn mixed() -> Tree {
    let tree = Tree::of(&["pr", "tas", "ua"]);
    tree.dataset("tas").write(4, 3);
    let ua = tree.dataset("ua");
    ua.put(&ua.file(0, 6), b"");
    tree.scan(&[]).exits(1).says("1 built, 0 unchanged, 1 refused, 1 failed");
    tree
}

#[test]
fn list_prints_one_object_per_dataset() {
    let tree = mixed();
    let [pr, tas, ua] = ["pr", "tas", "ua"].map(|variable| tree.dataset(variable));
    let listed = tree.list();
    let expected = [
        json!({
            "id": pr.id,
            "dataset_id": pr.id,
            "status": "built",
            "superseded_by": null,
            "changed_in_place": null,
            "reason": null,
            "manifest": pr.manifest(),
            "url": null,
            "segments": [],
            "seams": null,
                "artefacts": {},
            "files": [pr.file(0, 6), pr.file(6, 6)],
            "variables": {
                "time": "inlined", "time_bnds": "inlined", "lat": "inlined", "lon": "inlined",
                "height": "inlined", "pr": "virtual",
            },
            "verified": null,
        }),
        json!({
            "id": tas.id,
            "dataset_id": tas.id,
            "status": "refused",
            "superseded_by": null,
            "changed_in_place": null,
            "reason": format!(
                "time-overlap: `{}`: variable `time`: its times, which begin at \
                 1850-05-16T00:00:00, overlap those of `{}`, which end at 1850-06-16T00:00:00; \
                 2 time steps are in both",
                tas.file(4, 3).display(),
                tas.file(0, 6).display(),
            ),
            "manifest": null,
            "url": null,
            "segments": [],
            "seams": null,
                "artefacts": {},
            "files": [tas.file(0, 6), tas.file(4, 3), tas.file(6, 6)],
            "variables": {},
            "verified": null,
        }),
        json!({
            "id": ua.id,
            "dataset_id": ua.id,
            "status": "failed",
            "superseded_by": null,
            "changed_in_place": null,
            "reason": format!("not-netcdf: `{}`: the file is empty", ua.file(0, 6).display()),
            "manifest": null,
            "url": null,
            "segments": [],
            "seams": null,
                "artefacts": {},
            "files": [ua.file(0, 6), ua.file(6, 6)],
            "variables": {},
            "verified": null,
        }),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn list_prints_a_table() {
    let tree = mixed();
    let run = tree.run(&["list"]).exits(0);
    assert_eq!(run.stderr, "");
    let rows: Vec<Vec<&str>> =
        run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let [pr, tas, ua] = ["pr", "tas", "ua"].map(|variable| tree.dataset(variable).id);
    let expected = [
        vec!["STATUS", "REASON", "FILES", "REFERENCES", "ID"],
        vec!["built", "2", "12", &pr],
        vec!["refused", "time-overlap", "3", &tas],
        vec!["failed", "not-netcdf", "2", &ua],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn list_chooses_by_status_and_project() {
    let tree = mixed();
    let ids = |options: &[&str]| -> Vec<Value> {
        let run = tree.run(&[&["list", "--json"], options].concat()).exits(0);
        run.json_lines().iter().map(|line| line["id"].clone()).collect()
    };
    for (status, variable) in [("built", "pr"), ("refused", "tas"), ("failed", "ua")] {
        assert_eq!(ids(&["--status", status]), [json!(tree.dataset(variable).id)]);
    }
    assert_eq!(ids(&["--status", "gone"]), [""; 0]);
    assert_eq!(ids(&["--project", "CMIP6"]).len(), 3);
    assert_eq!(ids(&["--project", "CMIP7"]), [""; 0]);
    tree.run(&["list", "--status", "lost"]).exits(2).says("lost");
}

#[test]
fn show_tells_all_about_one_dataset() {
    let tree = mixed();
    let [pr, tas] = ["pr", "tas"].map(|variable| tree.dataset(variable));
    let run = tree.run(&["show", &pr.id]).exits(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.stdout.lines().collect();
    for line in [
        format!("id           {}", pr.id),
        format!("master id    {}", pr.id.replace(".v20200101", "")),
        "project      CMIP6".to_owned(),
        "version      v20200101".to_owned(),
        format!("directory    {}", pr.directory.display()),
        "status       built".to_owned(),
        format!("manifest     {}", pr.manifest().display()),
        "url          none".to_owned(),
        "refers to    local paths".to_owned(),
        "references   12".to_owned(),
        "requests     1 to open".to_owned(),
        "requests     12 for a time series of pr at one point".to_owned(),
        "variable     pr virtual, 12 references to 288 B".to_owned(),
        "variable     time inlined, 96 B".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "no `{line}` in {run:#?}");
    }
    let files = lines.iter().filter(|line| line.starts_with("file ")).count();
    assert_eq!(files, 2);
    let run = tree.run(&["show", &tas.id]).exits(0).prints("status       refused");
    run.prints("[time-overlap]").prints("hint: ").prints(tas.file(4, 3).to_str().unwrap());
}

#[test]
fn show_says_why_it_cannot_tell_the_requests_of_readers() {
    let tree = Tree::of(&["pr"]);
    tree.scan(&[]).exits(0);
    let pr = tree.dataset("pr");
    fs::write(pr.manifest(), "{}").unwrap();
    tree.run(&["show", &pr.id]).exits(0).prints("requests     unknown: that is no manifest");
    fs::remove_file(pr.manifest()).unwrap();
    tree.run(&["show", &pr.id]).exits(0).prints("requests     unknown: No such file");
}

#[test]
fn show_names_a_dataset_that_it_does_not_know() {
    let tree = mixed();
    let run = tree.run(&["show", "CMIP6.unknown.v1"]).exits(3).says("`CMIP6.unknown.v1`");
    assert_eq!(run.says("ledger.sqlite").stdout, "");
}

#[test]
fn without_a_ledger_there_is_nothing_to_show() {
    let tree = Tree::of(&[]);
    for arguments in [&["list"][..], &["show", "CMIP6.unknown.v1"]] {
        let run = tree.run(arguments).exits(3).says("there is no ledger yet");
        assert_eq!(run.says("vzarr-publish scan").stdout, "");
    }
    assert!(!tree.path("state").exists());
}

#[test]
fn the_report_has_a_line_for_each_dataset_and_problem() {
    let tree = mixed();
    fs::write(tree.data.join("stray.nc"), "").unwrap();
    fs::remove_dir_all(tree.dataset("pr").directory).unwrap();
    tree.dataset("va").write(0, 6);
    tree.scan(&["--report", "report.jsonl"]).exits(1);
    let lines = json_lines(&fs::read_to_string(tree.path("report.jsonl")).unwrap());
    let of_type =
        |word: &str| -> Vec<&Value> { lines.iter().filter(|line| line["type"] == word).collect() };
    assert_eq!(of_type("gone").len() + of_type("problem").len() + of_type("dataset").len(), 5);
    assert_eq!(of_type("gone")[0]["instance_id"], tree.dataset("pr").id);

    let stray = &of_type("problem")[0];
    assert_eq!(stray["severity"], "warning");
    assert_eq!(stray["problem"]["code"], "unrecognised");
    assert_eq!(stray["problem"]["path"], json!(tree.data));
    assert!(stray["problem"]["message"].as_str().unwrap().contains("`stray.nc`"));

    let dataset = |variable: &str| {
        let id = tree.dataset(variable).id;
        *of_type("dataset").iter().find(|line| line["id"] == id).unwrap()
    };
    let (va, tas) = (dataset("va"), dataset("tas"));
    let keys: Vec<&String> = va.as_object().unwrap().keys().collect();
    let expected = [
        "type",
        "id",
        "dataset_id",
        "status",
        "superseded_by",
        "changed_in_place",
        "reason",
        "manifest",
        "url",
        "segments",
        "seams",
        "artefacts",
        "files",
        "variables",
        "verified",
        "unchanged",
        "local",
        "references",
        "inlined_bytes",
        "costs",
        "error",
        "warnings",
        "notes",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&va["unchanged"], &va["references"]), (&json!(false), &json!(6)));
    // Six times with their bounds, two latitudes, three longitudes, one height.
    assert_eq!(va["inlined_bytes"], (6 * 3 + 2 + 3 + 1) * 8);
    assert_eq!(va["costs"]["time"]["inlined_bytes"], 6 * 8);
    assert_eq!(va["costs"]["va"]["references"], 6);
    assert_eq!((&va["error"], &va["warnings"]), (&Value::Null, &json!([])));
    assert_eq!((&tas["unchanged"], &tas["references"]), (&json!(true), &Value::Null));
    assert_eq!(tas["error"]["code"], "time-overlap");
    assert_eq!(tas["error"]["variable"], "time");
    assert!(tas["error"]["hint"].is_string());
}

#[test]
fn every_listed_dataset_is_in_the_report_alike() {
    let tree = mixed();
    let run = tree.scan(&["--report", "-"]).exits(1);
    let mut reported = run.json_lines();
    reported.sort_by_key(|line| line["id"].to_string());
    let listed = tree.list();
    assert_eq!(reported.len(), listed.len());
    for (reported, listed) in reported.iter().zip(&listed) {
        for (key, value) in listed.as_object().unwrap() {
            assert_eq!(&reported[key], value, "{key}");
        }
    }
}

#[test]
fn a_report_that_cannot_be_written_stops_the_scan_before_it_begins() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&["--report", "absent/report.jsonl"]).exits(3).says("absent/report.jsonl");
    assert!(!tree.dataset("tas").manifest().exists());
}

#[test]
fn quiet_leaves_only_what_went_wrong() {
    let tree = Tree::of(&["pr", "tas"]);
    fs::write(tree.data.join("stray.nc"), "").unwrap();
    let run = tree.scan(&["-q"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let tas = tree.dataset("tas");
    tas.put(&tas.file(0, 6), b"");
    let run = tree.scan(&["--quiet"]).exits(1).names(&tas.file(0, 6));
    assert!(run.stderr.starts_with("error: "), "{run:#?}");
    run.omits("unchanged").omits("warning");
}

#[test]
fn verbose_names_what_went_well() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let run = tree.scan(&[]).exits(0).omits(&tas.id);
    assert_eq!(run.stderr.lines().count(), 1, "{run:#?}");
    let built = format!("{} built from 2 files: 12 references", tas.id);
    tree.scan(&["-v", "--force"]).exits(0).says(&built).names(&tas.manifest());
}

#[test]
fn inspect_describes_a_file_in_words() {
    let tree = Tree::of(&["tas"]);
    let file = tree.dataset("tas").file(0, 6);
    let run = tree.run(&["inspect", file.to_str().unwrap()]).exits(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("NetCDF classic (CDF-1), "), "{lines:?}");
    assert_eq!(
        lines[1..5],
        [
            "dimension time = 6 (unlimited)",
            "dimension lat = 2",
            "dimension lon = 3",
            "dimension bnds = 2",
        ]
    );
    let starts: Vec<&str> = lines[5..].iter().map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "variable time(time) >f8 chunked [1] by records",
            "variable time_bnds(time, bnds) >f8 chunked [1, 2] by records",
            "variable lat(lat) >f8 contiguous",
            "variable lon(lon) >f8 contiguous",
            "variable height() >f8 contiguous",
            "variable tas(time, lat, lon) >f4 chunked [1, 2, 3] by records",
        ]
    );
    assert!(lines[10].ends_with(": 6 chunks, 144 B"), "{lines:?}");
}

#[test]
fn inspect_describes_a_file_in_json() {
    let tree = Tree::of(&["tas"]);
    let path = tree.dataset("tas").file(0, 6);
    let file = path.to_str().unwrap();
    let shown = &tree.run(&["inspect", "--json", file]).exits(0).json_lines()[0];
    assert_eq!(shown["format"], "NetCDF classic (CDF-1)");
    assert_eq!(shown["size"], monthly("tas", 0, 6).bytes().len());
    assert_eq!(shown["dimensions"][0], json!({"name": "time", "size": 6, "unlimited": true}));
    let mut tas = shown["variables"][5].clone();
    let unwritten = tas.as_object_mut().unwrap().remove("fill").unwrap();
    assert!((unwritten.as_f64().unwrap() / 1e20 - 1.0).abs() < 1e-7);
    let attributes = tas["attributes"].clone();
    assert_eq!(attributes[0], json!({"name": "units", "type": "text", "value": "K"}));
    assert_eq!(
        tas,
        json!({
            "name": "tas", "dimensions": ["time", "lat", "lon"], "shape": [6, 2, 3],
            "chunk_shape": [1, 2, 3], "dtype": ">f4", "layout": "chunked", "index": "records",
            "filters": [], "chunk_count": 6, "chunk_bytes": 144,
            "missing_chunks": 0, "masked_chunks": 0, "attributes": attributes,
        })
    );
    let with_chunks = &tree.run(&["inspect", "--json", "--chunks", file]).exits(0).json_lines()[0];
    let mut tas = with_chunks["variables"][5].clone();
    let chunks = tas.as_object_mut().unwrap().remove("chunks").unwrap();
    assert_eq!(tas, shown["variables"][5]);
    let values: Vec<f32> = data(0..6);
    assert_eq!(chunks.as_array().unwrap().len(), 6);
    for (number, chunk) in chunks.as_array().unwrap().iter().enumerate() {
        assert_eq!(chunk["offset"], json!([number, 0, 0]));
        assert_eq!((&chunk["size"], &chunk["filter_mask"]), (&json!(24), &json!(0)));
        assert_eq!(chunk.as_object().unwrap().len(), 4);
        let mut first = [0; 4];
        let offset = chunk["byte_offset"].as_u64().unwrap();
        File::open(&path).unwrap().read_exact_at(&mut first, offset).unwrap();
        assert_eq!(first, values[6 * number].to_be_bytes());
    }
    assert_eq!(with_chunks["variables"][4]["chunks"][0]["offset"], json!([]));
}

#[test]
fn inspect_says_what_is_wrong_with_a_file() {
    let tree = Tree::of(&[]);
    let html = tree.file("page.nc", "<html>");
    let run = tree.run(&["inspect", html.to_str().unwrap()]).exits(3).names(&html);
    assert_eq!(run.says("[not-netcdf]").stdout, "");
    let absent = tree.path("absent.nc");
    tree.run(&["inspect", absent.to_str().unwrap()]).exits(3).names(&absent).says("[not-found]");
}
