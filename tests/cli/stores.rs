//! What a scan writes.

use std::fs;
use std::os::unix::fs::symlink;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::manifest::{Manifest, numbers};
use super::netcdf::File;
use super::tree::{Tree, bounds, data, monthly, times};

#[test]
fn every_dataset_gets_a_manifest_beside_its_files() {
    let tree = Tree::of(&["pr", "tas"]);
    let before = tree.paths();
    let run = tree.scan(&[]).exits(0).says("2 built, 0 unchanged, 0 refused, 0 failed");
    assert_eq!(run.stdout, "");
    let mut expected = before;
    expected.extend(["pr", "tas"].map(|variable| tree.dataset(variable).manifest()));
    expected.sort();
    assert_eq!(tree.paths(), expected);
}

#[test]
fn byte_ranges_hold_the_values_of_the_files() {
    for version in [1, 2] {
        let tree = Tree::of(&[]);
        let tas = tree.dataset("tas");
        for (first, count) in [(0, 6), (6, 4)] {
            let file = File { version, ..monthly("tas", first, count) };
            tas.put(&tas.file(first, count), &file.bytes());
        }
        tree.scan(&[]).exits(0);
        let manifest = Manifest::open(&tas.manifest());
        assert_eq!(manifest.arrays(), ["height", "lat", "lon", "tas", "time", "time_bnds"]);
        let expected: Vec<f64> = data(0..10).into_iter().map(f64::from).collect();
        assert_eq!(manifest.values("tas"), expected);
        assert_eq!(manifest.values("time"), times(0..10));
        assert_eq!(manifest.values("time_bnds"), bounds(0..10));
        assert_eq!(manifest.values("lat"), [-30.0, 30.0]);
        assert_eq!(manifest.values("lon"), [0.0, 120.0, 240.0]);
        assert_eq!(manifest.values("height"), [2.0]);
        let inlined = manifest.refs.values().filter_map(Value::as_str);
        assert_eq!(inlined.filter(|text| text.starts_with("base64:")).count(), 5);
    }
}

#[test]
fn data_in_one_piece_are_cut_as_asked() {
    let tree = Tree::of(&[]);
    let tas = tree.dataset("tas");
    for (first, count) in [(0, 6), (6, 4)] {
        let mut file = monthly("tas", first, count);
        file.dimensions[0] = ("time", count.into());
        tas.put(&tas.file(first, count), &file.bytes());
    }
    let expected: Vec<f64> = data(0..10).into_iter().map(f64::from).collect();
    // A month is two rows of 12 bytes; the files have six months and four.
    for (size, chunks, references) in [
        ("4MiB", [2, 2, 3], 5),
        ("1K", [2, 2, 3], 5),
        ("47", [1, 2, 3], 10),
        ("23", [1, 1, 3], 20),
        ("8", [1, 1, 1], 60),
    ] {
        tree.scan(&["--contiguous-chunk", size]).exits(0).says("1 built");
        let manifest = Manifest::open(&tas.manifest());
        assert_eq!(numbers(&manifest.document("tas/.zarray")["chunks"]), chunks, "{size}");
        assert_eq!(manifest.references("tas"), references, "{size}");
        assert_eq!(manifest.values("tas"), expected, "{size}");
    }
    tree.scan(&["--contiguous-chunk", "8"]).exits(0).says("1 unchanged");
    tree.scan(&[]).exits(0).says("1 built");
}

#[test]
fn records_are_cut_only_within() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    let expected: Vec<f64> = data(0..12).into_iter().map(f64::from).collect();
    for (size, chunks) in [("1M", [1, 2, 3]), ("12", [1, 1, 3])] {
        tree.scan(&["--contiguous-chunk", size]).exits(0).says("1 built");
        let manifest = Manifest::open(&tas.manifest());
        assert_eq!(numbers(&manifest.document("tas/.zarray")["chunks"]), chunks);
        assert_eq!(manifest.values("tas"), expected);
    }
}

#[test]
fn a_name_that_is_a_path_in_a_store_is_refused() {
    for name in ["a/b", ".."] {
        let tree = Tree::of(&[]);
        let tas = tree.dataset("tas");
        let mut file = monthly("tas", 0, 6);
        file.variables[4].name = name.to_owned();
        tas.put(&tas.file(0, 6), &file.bytes());
        tree.scan(&[]).exits(1).says(&format!("`{name}`")).says("ncrename");
        assert!(!tas.manifest().exists());
    }
}

#[test]
fn files_are_joined_in_the_order_of_time_not_of_names() {
    let tree = Tree::of(&[]);
    let tas = tree.dataset("tas");
    let [early, late] = [(6, 6), (0, 6)].map(|(first, count)| tas.file(first, count));
    tas.put(&early, &monthly("tas", 0, 6).bytes());
    tas.put(&late, &monthly("tas", 6, 6).bytes());
    tree.scan(&[]).exits(0);
    assert_eq!(Manifest::open(&tas.manifest()).values("time"), times(0..12));
    assert_eq!(tree.listed(&tas)["files"], json!([early, late]));
}

#[test]
fn long_times_are_compressed() {
    let tree = Tree::of(&[]);
    let tas = tree.dataset("tas");
    tas.write(0, 900);
    tas.write(900, 900);
    tree.scan(&[]).exits(0);
    let manifest = Manifest::open(&tas.manifest());
    assert_eq!(manifest.document("time/.zarray")["compressor"]["id"], "zlib");
    assert_eq!(manifest.values("time"), times(0..1800));
}

#[test]
fn both_zarr_formats_say_the_same() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&[]).exits(0);
    let manifest = Manifest::open(&tree.dataset("tas").manifest());
    let group = manifest.document("zarr.json");
    assert_eq!(group["zarr_format"], 3);
    assert_eq!(group["attributes"], json!({"Conventions": "CF-1.7", "source_id": "Model"}));
    assert_eq!(manifest.document(".zattrs"), group["attributes"]);
    assert_eq!(manifest.document(".zgroup"), json!({"zarr_format": 2}));
    let consolidated = group["consolidated_metadata"]["metadata"].as_object().unwrap();
    assert_eq!(consolidated.len(), manifest.arrays().len());
    for array in manifest.arrays() {
        let v2 = manifest.document(&format!("{array}/.zarray"));
        let v3 = manifest.document(&format!("{array}/zarr.json"));
        assert_eq!(consolidated[array], v3);
        assert_eq!(v2["shape"], v3["shape"]);
        assert_eq!(v2["chunks"], v3["chunk_grid"]["configuration"]["chunk_shape"]);
        assert_eq!(numbers(&v2["shape"]).len(), v3["dimension_names"].as_array().unwrap().len());
        let serializer = &v3["codecs"][0]["configuration"];
        let dtype = match (v3["data_type"].as_str(), serializer["endian"].as_str()) {
            (Some("float32"), Some("big")) => ">f4",
            (Some("float64"), Some("little")) => "<f8",
            other => panic!("{array} is {other:?}"),
        };
        assert_eq!(v2["dtype"], dtype);
        assert_eq!(
            v3["chunk_key_encoding"],
            json!({"name": "v2", "configuration": {"separator": "."}})
        );
        let mut attributes = manifest.document(&format!("{array}/.zattrs"));
        let dimensions = attributes.as_object_mut().unwrap().remove("_ARRAY_DIMENSIONS");
        assert_eq!(dimensions.as_ref(), Some(&v3["dimension_names"]));
        let mut v3_attributes = v3["attributes"].clone();
        let fill = v3_attributes.as_object_mut().unwrap().remove("_FillValue");
        assert_eq!(fill.is_some(), !v2["fill_value"].is_null(), "{array}");
        assert_eq!(attributes, v3_attributes);
    }
    let tas = manifest.document("tas/.zarray");
    assert_eq!((&tas["shape"], &tas["chunks"]), (&json!([12, 2, 3]), &json!([1, 2, 3])));
    let fill = f64::from(1e20_f32);
    for key in ["tas/.zarray", "tas/zarr.json"] {
        let text = manifest.refs[key].as_str().unwrap();
        assert!(text.contains(&format!("\"fill_value\":{}", json!(fill))), "{text}");
    }
    let v3_attributes = &manifest.document("tas/zarr.json")["attributes"];
    assert_eq!(v3_attributes["_FillValue"], BASE64_STANDARD.encode(fill.to_le_bytes()));
}

#[test]
fn without_a_data_root_references_are_absolute_paths_and_said_to_be_local() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    // A path as it is typed, from the directory that the test runs in.
    let run = tree.run(&["scan", "data", "--report", "-"]).exits(0);
    assert_eq!(run.json_lines()[0]["local"], true);
    let manifest = Manifest::open(&tas.manifest());
    assert_eq!(manifest.refs["tas/0.0.0"][0], json!(tas.file(0, 6)));
    assert_eq!(manifest.refs["tas/11.0.0"][0], json!(tas.file(6, 6)));
    assert_eq!(tree.listed(&tas)["url"], Value::Null);
    tree.run(&["show", &tas.id]).exits(0).prints("refers to    local paths");
}

#[test]
fn a_data_root_turns_paths_into_urls() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tree.scan(&[]).exits(0);
    let local = fs::read_to_string(tas.manifest()).unwrap();
    let data = tree.data.to_str().unwrap();
    let data_root = format!("{data}=https://node.test/thredds/fileServer/data");
    let run = tree.scan(&["--data-root", &data_root, "--report", "-"]).exits(0);
    assert_eq!(run.json_lines()[0]["local"], false);
    let published = fs::read_to_string(tas.manifest()).unwrap();
    assert!(!published.contains(data));
    assert_eq!(published, local.replace(data, "https://node.test/thredds/fileServer/data"));
    let listed = tree.listed(&tas);
    let url = listed["url"].as_str().unwrap();
    assert!(url.starts_with("https://node.test/thredds/fileServer/data/CMIP6/CMIP/Institute/"));
    assert!(url.ends_with(&format!("/v20200101/{}.json", tas.id)));
    tree.run(&["show", &tas.id]).exits(0).prints("refers to    URLs");
}

#[test]
fn odd_characters_are_escaped_for_people_and_encoded_in_urls() {
    let tree = Tree::below("da ta\u{1b}[31m\n", &["tas"]);
    let data_root = format!("{}=https://node.test", tree.path("").display());
    let run = tree.scan(&["-v", "--data-root", &data_root]).exits(0);
    let run = run.says("/da ta\\u{1b}[31m\\n/CMIP6").omits("\u{1b}");
    assert_eq!(run.stdout, "");
    let tas = tree.dataset("tas");
    let manifest = Manifest::open(&tas.manifest());
    let url = manifest.refs["tas/0.0.0"][0].as_str().unwrap();
    assert!(url.starts_with("https://node.test/da%20ta%1B%5B31m%0A/CMIP6/"), "{url}");
    let run = tree.run(&["show", &tas.id]).exits(0).prints("/da ta\\u{1b}[31m\\n/CMIP6");
    assert!(!run.stdout.contains('\u{1b}'));
    assert_eq!(tree.listed(&tas)["files"][0], json!(tas.file(0, 6)));
}

#[test]
fn an_output_directory_mirrors_the_tree() {
    let tree = Tree::of(&["pr", "tas"]);
    let before = tree.paths();
    let stores = tree.path("stores");
    tree.scan(&["--output-dir", stores.to_str().unwrap()]).exits(0);
    let beside: Vec<_> =
        tree.paths().into_iter().filter(|path| !path.starts_with(&stores)).collect();
    assert_eq!(beside, before);
    for dataset in [tree.dataset("pr"), tree.dataset("tas")] {
        let manifest = stores.join(dataset.manifest().strip_prefix(&tree.data).unwrap());
        assert_eq!(tree.listed(&dataset)["manifest"], json!(manifest));
        assert_eq!(Manifest::open(&manifest).values("time"), times(0..12));
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let tree = Tree::of(&["tas"]);
    let manifest = tree.dataset("tas").manifest();
    let manifests = [("one", "1"), ("other", "8")].map(|(directory, jobs)| {
        let stores = tree.path(directory);
        tree.scan(&["--output-dir", stores.to_str().unwrap(), "--jobs", jobs]).exits(0);
        fs::read(stores.join(manifest.strip_prefix(&tree.data).unwrap())).unwrap()
    });
    assert_eq!(manifests[0], manifests[1]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let tree = Tree::of(&["pr", "tas"]);
    let tas = tree.dataset("tas");
    tas.put(&tas.file(0, 6), b"");
    let before = tree.paths();
    let run = tree.scan(&["--dry-run", "--output-dir", "stores"]);
    run.exits(1).says("1 can be built, 0 unchanged, 0 refused, 1 failed").names(&tas.file(0, 6));
    assert_eq!(tree.paths(), before);
    assert!(!tree.path("state").exists());
}

#[test]
fn links_to_files_and_versions_are_followed_once() {
    let tree = Tree::of(&[]);
    let tas = tree.dataset("tas");
    let file = tas.write(0, 6);
    let grid = tas.directory.parent().unwrap();
    fs::create_dir_all(grid.join("files/d20200101")).unwrap();
    let real = grid.join("files/d20200101").join(file.file_name().unwrap());
    fs::rename(&file, &real).unwrap();
    symlink(&real, &file).unwrap();
    symlink("v20200101", grid.join("latest")).unwrap();
    tree.scan(&[]).exits(0).says("1 built").omits("warning");
    let manifest = Manifest::open(&tas.manifest());
    assert_eq!(manifest.refs["tas/0.0.0"][0], json!(file));
}

#[test]
fn a_directory_called_latest_alone_is_a_version() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    fs::rename(&tas.directory, tas.directory.with_file_name("latest")).unwrap();
    tree.scan(&[]).exits(0).says("1 built");
    let id = tas.id.replace("v20200101", "latest");
    tree.run(&["show", &id]).exits(0).prints("version      latest (unversioned)");
}

#[test]
fn a_store_lists_its_files() {
    let tree = Tree::of(&["tas"]);
    let tas = tree.dataset("tas");
    tas.write(0, 12);
    tree.scan(&["--on-overlap", "first"]).exits(0);
    let sources = Manifest::open(&tas.manifest()).sources;
    // The others have nothing that the first has not.
    let size = fs::metadata(tas.file(0, 12)).unwrap().len();
    assert_eq!(
        sources,
        json!({ tas.file(0, 12).to_str().unwrap(): { "size": size, "steps": 12 } })
    );
}
