//! `verify`: what it finds, and that it finds everything that is wrong.

use super::tree::Tree;

#[cfg(not(feature = "netcdf"))]
#[test]
fn a_program_without_libnetcdf_says_how_to_get_one_with_it() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&[]).exits(0);
    tree.run(&["verify"]).exits(3).says("without libnetcdf").says("--features netcdf");
}

#[test]
fn a_sample_and_everything_exclude_each_other() {
    let tree = Tree::of(&[]);
    tree.run(&["verify", "--all", "--sample", "3"]).exits(2);
    tree.run(&["verify", "--sample", "few"]).exits(2);
}

#[test]
#[cfg(not(feature = "netcdf"))]
fn a_scan_cannot_verify_without_libnetcdf() {
    let tree = Tree::of(&["tas"]);
    tree.scan(&["--verify"]).exits(2).says("without libnetcdf").says("--features netcdf");
}

#[cfg(feature = "netcdf")]
mod with_libnetcdf {
    use std::fs::{self, FileTimes, OpenOptions};
    use std::path::{Path, PathBuf};

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::{Map, Value, json};
    use sha2::{Digest, Sha256};

    use super::super::tree::{Dataset, Run, Tree, all_below, touch};

    /// Months of each of two files.
    const MONTHS: u16 = 40;
    /// A chunk that the default sample with seed 1 leaves out, as most.
    const BETWEEN: &str = "tas/17.0.0";
    const AFTER: &str = "tas/18.0.0";

    /// A tree with one compressed NetCDF-4 dataset, scanned. Its second file counts time from
    /// another date.
    fn published(options: &[&str]) -> (Tree, Dataset) {
        let tree = Tree::of(&[]);
        let dataset = tree.dataset("tas");
        fs::create_dir_all(&dataset.directory).unwrap();
        write(&dataset.file(0, MONTHS), 0, "days since 1850-01-01").unwrap();
        write(&dataset.file(MONTHS, MONTHS), MONTHS, "days since 1850-03-01 00:00").unwrap();
        tree.scan(options).exits(0);
        (tree, dataset)
    }

    fn write(path: &Path, first: u16, units: &str) -> netcdf::Result<()> {
        let count = usize::from(MONTHS);
        let since = if first == 0 { 0.0 } else { 60.0 };
        let time = |month: u16| f64::from(first + month) * 30.0 - since;
        let mut file = netcdf::create(path)?;
        file.add_attribute("Conventions", "CF-1.7")?;
        file.add_unlimited_dimension("time")?;
        for (name, length) in [("bnds", 2), ("lat", 4), ("lon", 5)] {
            file.add_dimension(name, length)?;
        }
        let mut variable = file.add_variable::<f64>("time", &["time"])?;
        variable.put_attribute("units", units)?;
        variable.put_attribute("calendar", "360_day")?;
        variable.put_attribute("bounds", "time_bnds")?;
        let times: Vec<f64> = (0..MONTHS).map(|month| time(month) + 15.0).collect();
        variable.put_values(&times, 0..count)?;
        let mut variable = file.add_variable::<f64>("time_bnds", &["time", "bnds"])?;
        let bounds: Vec<f64> =
            (0..MONTHS).flat_map(|month| [time(month), time(month + 1)]).collect();
        variable.put_values(&bounds, (0..count, ..))?;
        let mut variable = file.add_variable::<f64>("lat", &["lat"])?;
        variable.put_attribute("units", "degrees_north")?;
        variable.put_values(&[-60.0, -20.0, 20.0, 60.0], ..)?;
        let mut variable = file.add_variable::<f64>("lon", &["lon"])?;
        variable.put_values(&[0.0, 72.0, 144.0, 216.0, 288.0], ..)?;
        let mut variable = file.add_variable::<f32>("tas", &["time", "lat", "lon"])?;
        variable.set_fill_value(1e20f32)?;
        variable.set_chunking(&[1, 4, 5])?;
        variable.set_compression(1, true)?;
        variable.put_attribute("units", "K")?;
        let data: Vec<f32> =
            (0..MONTHS * 20).map(|cell| f32::from(first) + f32::from(cell) / 7.0).collect();
        variable.put_values(&data, (0..count, .., ..))?;
        file.close()
    }

    /// The references of a manifest.
    type Refs = Map<String, Value>;

    /// Changes the manifest of `dataset`, and the ledger with it, as if it had been written so: the
    /// digest is to betray nothing.
    fn rewrite(tree: &Tree, dataset: &Dataset, change: impl FnOnce(&mut Refs)) {
        rewrite_all(tree, dataset, |manifest| change(manifest["refs"].as_object_mut().unwrap()));
    }

    fn rewrite_all(tree: &Tree, dataset: &Dataset, change: impl FnOnce(&mut Value)) {
        let manifest = dataset.manifest();
        let mut document: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        change(&mut document);
        let changed = document.to_string();
        fs::write(&manifest, &changed).unwrap();
        let digest = Sha256::digest(changed.as_bytes());
        let digest = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let ledger = tree.path("state/vzarr-publish/vzarr-ledger.sqlite");
        let ledger = rusqlite::Connection::open(ledger).unwrap();
        let changed = ledger.execute("UPDATE stores SET digest = ?1", [digest]).unwrap();
        assert_eq!(changed, 1);
    }

    /// Changes the document at `key`.
    fn edit(refs: &mut Refs, key: &str, change: impl FnOnce(&mut Value)) {
        let mut document = serde_json::from_str(refs[key].as_str().unwrap()).unwrap();
        change(&mut document);
        refs[key] = json!(document.to_string());
    }

    /// Changes the V3 document of an array wherever it stands.
    fn edit_v3(refs: &mut Refs, name: &str, change: impl Fn(&mut Value)) {
        edit(refs, &format!("{name}/zarr.json"), &change);
        edit(refs, "zarr.json", |root| {
            change(&mut root["consolidated_metadata"]["metadata"][name]);
        });
    }

    /// Flips the lowest bit of a byte of an inlined array.
    fn flip(refs: &mut Refs, key: &str, byte: usize) {
        let text = refs[key].as_str().unwrap().strip_prefix("base64:").unwrap();
        let mut bytes = BASE64_STANDARD.decode(text).unwrap();
        bytes[byte] ^= 1;
        refs[key] = json!(format!("base64:{}", BASE64_STANDARD.encode(bytes)));
    }

    /// Flips a bit of a file in the middle of the chunk at `key`, leaving size and time as they
    /// were.
    fn flip_in_file(dataset: &Dataset, key: &str) -> PathBuf {
        let manifest = fs::read(dataset.manifest()).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let reference = &manifest["refs"][key];
        let path = PathBuf::from(reference[0].as_str().unwrap());
        let number = |at: usize| usize::try_from(reference[at].as_u64().unwrap()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[number(1) + number(2) / 2] ^= 1;
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, bytes).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(modified)).unwrap();
        path
    }

    fn all(tree: &Tree) -> Run {
        tree.run(&["verify", "--all"])
    }

    /// The default sample.
    fn sample(tree: &Tree) -> Run {
        tree.run(&["verify", "--seed", "1"])
    }

    #[test]
    fn a_store_as_it_was_written_is_verified() {
        let (tree, dataset) = published(&[]);
        assert_eq!(tree.listed(&dataset)["verified"], Value::Null);
        all(&tree).exits(0).says("1 verified, 0 different, 0 incomplete");
        let found = tree.listed(&dataset)["verified"].clone();
        assert_eq!(
            (&found["outcome"], &found["mode"]),
            (&json!("verified"), &json!("all")),
            "{found}"
        );
        // Of each file: the chunks of `tas`, and `time`, `time_bnds`, `lat` and `lon` in one piece.
        assert_eq!(found["chunks"], json!(2 * (MONTHS + 4)));
        assert_eq!(found["first_difference"], Value::Null);
        tree.run(&["show", &dataset.id]).exits(0).prints("verified     verified: all, 88 chunks");

        sample(&tree).exits(0).says("10 random chunks a variable, with --seed 1");
        let found = tree.listed(&dataset)["verified"].clone();
        assert_eq!(found["mode"], "sample");
        let chunks = found["chunks"].as_u64().unwrap();
        assert!((18..=22).contains(&chunks), "{chunks}");
        tree.run(&["verify", "--sample", "0"]).exits(0).says("12 chunks compared");

        tree.scan(&["--force"]).exits(0);
        assert_eq!(tree.listed(&dataset)["verified"], Value::Null, "the store was built anew");
    }

    #[test]
    fn every_mutation_is_caught() {
        type Mutation = (&'static str, bool, fn(&mut Refs));
        // The name, whether a sample catches it, too, and what is done to the manifest.
        let mutations: [Mutation; 25] = [
            ("the first time", true, |refs| flip(refs, "time/0", 6)),
            ("the last bit of a moved time", true, |refs| flip(refs, "time/0", 8 * 50)),
            ("a moved bound", true, |refs| flip(refs, "time_bnds/0.0", 16 * 79)),
            ("a coordinate", true, |refs| flip(refs, "lat/0", 14)),
            ("an offset shifted into the next chunk", true, |refs| {
                let offset = refs[BETWEEN][1].as_u64().unwrap();
                refs[BETWEEN][1] = json!(offset + 1);
            }),
            ("an offset shifted at the first chunk", true, |refs| {
                let offset = refs["tas/0.0.0"][1].as_u64().unwrap();
                refs["tas/0.0.0"][1] = json!(offset - 1);
            }),
            ("two references swapped", false, |refs| {
                let [a, b] = [BETWEEN, AFTER].map(|key| refs[key].clone());
                refs[BETWEEN] = b;
                refs[AFTER] = a;
            }),
            ("references of two files swapped", true, |refs| {
                let [a, b] = [BETWEEN, "tas/57.0.0"].map(|key| refs[key].clone());
                refs[BETWEEN] = b;
                refs["tas/57.0.0"] = a;
            }),
            ("a reference used twice", true, |refs| refs[BETWEEN] = refs[AFTER].clone()),
            ("a reference dropped", false, |refs| drop(refs.remove(BETWEEN))),
            ("a reference at a boundary dropped", true, |refs| drop(refs.remove("tas/39.0.0"))),
            ("a reference too short", false, |refs| {
                let length = refs[BETWEEN][2].as_u64().unwrap();
                refs[BETWEEN][2] = json!(length - 5);
            }),
            ("a reference to another file", true, |refs| {
                refs[BETWEEN][0] = json!("/data/other.nc");
            }),
            ("a reference too many", true, |refs| {
                let reference = refs[BETWEEN].clone();
                refs.insert("tas/80.0.0".to_owned(), reference);
            }),
            ("an attribute in V3", true, |refs| {
                edit_v3(refs, "tas", |array| array["attributes"]["units"] = json!("degC"));
            }),
            ("an attribute in V2", true, |refs| {
                edit(refs, "tas/.zattrs", |attributes| attributes["units"] = json!("degC"));
            }),
            ("an attribute of the group", true, |refs| {
                edit(refs, ".zattrs", |attributes| attributes["Conventions"] = json!("CF-1.8"));
            }),
            ("a fill value in V3", true, |refs| {
                edit_v3(refs, "tas", |array| array["fill_value"] = json!(1.0));
            }),
            ("a fill value in V2", true, |refs| {
                edit(refs, "tas/.zarray", |array| array["fill_value"] = Value::Null);
            }),
            ("the encoded `_FillValue`", true, |refs| {
                edit_v3(refs, "tas", |array| {
                    array["attributes"]["_FillValue"] = json!("AAAAAAAA8D8=");
                });
            }),
            ("a filter in V2", true, |refs| {
                edit(refs, "tas/.zarray", |array| array["filters"] = Value::Null);
            }),
            ("the group in V2", true, |refs| drop(refs.remove(".zgroup"))),
            ("all of V2", true, |refs| {
                refs.retain(|key, _| !key.contains("/.z") && !key.starts_with(".z"));
            }),
            ("an array of V2 alone", true, |refs| {
                let array = refs["lat/.zarray"].clone();
                refs.insert("extra/.zarray".to_owned(), array);
            }),
            ("the consolidated metadata", true, |refs| {
                edit(refs, "zarr.json", |root| {
                    root["consolidated_metadata"]["metadata"]["tas"]["shape"] = json!([79, 4, 5]);
                });
            }),
        ];
        let (tree, dataset) = published(&[]);
        let original = fs::read_to_string(dataset.manifest()).unwrap();
        for (name, in_sample, mutate) in mutations {
            rewrite(&tree, &dataset, mutate);
            let found = all(&tree);
            assert_eq!(found.code, Some(1), "{name}: {found:?}");
            assert!(found.stderr.contains("[different]"), "{name}: {found:?}");
            assert!(found.stderr.contains(&dataset.id), "{name}: {found:?}");
            let verified = tree.listed(&dataset)["verified"].clone();
            assert_eq!(verified["outcome"], "different", "{name}");
            assert!(verified["first_difference"].is_string(), "{name}");
            let in_sample_now = sample(&tree).code == Some(1);
            assert_eq!(in_sample_now, in_sample, "{name} in a sample");
            rewrite(&tree, &dataset, |refs| {
                let original: Value = serde_json::from_str(&original).unwrap();
                *refs = original["refs"].as_object().unwrap().clone();
            });
        }
        all(&tree).exits(0);
    }

    #[test]
    fn a_wrong_list_of_files_is_caught() {
        let changes: [fn(&mut Map<String, Value>); 4] = [
            |sources| sources.values_mut().next().unwrap()["size"] = json!(1),
            |sources| sources.values_mut().last().unwrap()["steps"] = json!(1),
            |sources| {
                let (key, listed) =
                    sources.iter().next().map(|(key, it)| (key.clone(), it.clone())).unwrap();
                sources.remove(&key);
                sources.insert("/data/other.nc".to_owned(), listed);
            },
            |sources| sources.retain(|key, _| key.ends_with("185001-185012.nc")),
        ];
        for change in changes {
            let (tree, dataset) = published(&[]);
            rewrite_all(&tree, &dataset, |manifest| {
                change(manifest["sources"].as_object_mut().unwrap());
            });
            sample(&tree).exits(1).says("[different]").says("`sources`");
        }
    }

    #[test]
    fn variables_missing_or_added_are_caught() {
        let (tree, dataset) = published(&[]);
        rewrite(&tree, &dataset, |refs| {
            refs.retain(|key, _| !key.starts_with("lat/"));
            edit(refs, "zarr.json", |root| {
                root["consolidated_metadata"]["metadata"].as_object_mut().unwrap().remove("lat");
            });
        });
        sample(&tree).exits(1).says("variable `lat`").says("the store has not");
        let (tree, dataset) = published(&[]);
        rewrite(&tree, &dataset, |refs| {
            let added: Vec<_> = refs.iter().filter(|(key, _)| key.starts_with("lat/")).collect();
            let added: Vec<_> = added
                .into_iter()
                .map(|(key, value)| (key.replace("lat/", "extra/"), value.clone()))
                .collect();
            refs.extend(added);
            edit(refs, "zarr.json", |root| {
                let metadata = &mut root["consolidated_metadata"]["metadata"];
                metadata["extra"] = metadata["lat"].clone();
            });
        });
        sample(&tree).exits(1).says("variable `extra`").says("the file has not");
    }

    #[test]
    fn a_difference_is_told_with_its_place() {
        let (tree, dataset) = published(&[]);
        rewrite(&tree, &dataset, |refs| refs.swap(BETWEEN, AFTER));
        all(&tree)
            .exits(1)
            .says(&dataset.id)
            .names(&dataset.file(0, MONTHS))
            .says("variable `tas`: chunk `tas/17.0.0` (")
            .says("bytes of the file from byte ")
            .says("element [17, 0, 0] is ")
            .says("scan --force");
    }

    trait Swap {
        fn swap(&mut self, a: &str, b: &str);
    }

    impl Swap for Refs {
        fn swap(&mut self, a: &str, b: &str) {
            let [first, second] = [a, b].map(|key| self[key].clone());
            self[a] = second;
            self[b] = first;
        }
    }

    #[test]
    fn a_damaged_file_is_caught_though_size_and_time_are_the_same() {
        let (tree, dataset) = published(&[]);
        let path = flip_in_file(&dataset, BETWEEN);
        sample(&tree).exits(0);
        all(&tree).exits(1).names(&path).says("chunk `tas/17.0.0`").says("the file is damaged");
        let (tree, dataset) = published(&[]);
        flip_in_file(&dataset, "tas/79.0.0");
        sample(&tree).exits(1).says("chunk `tas/79.0.0`");
    }

    #[test]
    fn a_scan_verifies_before_it_publishes() {
        let (tree, dataset) = published(&["--verify=all"]);
        let found = tree.listed(&dataset)["verified"].clone();
        assert_eq!(
            (&found["outcome"], &found["mode"]),
            (&json!("verified"), &json!("all")),
            "{found}"
        );
        tree.scan(&["--force", "--verify"]).exits(0);
        assert_eq!(tree.listed(&dataset)["verified"]["mode"], "sample");
    }

    #[test]
    fn what_a_sample_found_can_be_looked_at_again() {
        let (tree, dataset) = published(&[]);
        let random = "10 random chunks a variable, with --seed ";
        tree.scan(&["--force", "--verify"]).exits(0).says(random);
        tree.scan(&["--force", "--verify=sample", "--seed", "7"])
            .exits(0)
            .says(&format!("{random}7"));
        tree.scan(&["--seed", "7"]).exits(2).says("--verify");
        tree.scan(&["--verify=all", "--seed", "7"]).exits(2).says("--verify=sample");
        flip_in_file(&dataset, "tas/0.0.0");
        tree.run(&["verify", "--quiet", "--seed", "9", "--sample", "3"])
            .exits(1)
            .says(&format!("{}: verify --sample 3 --seed 9 looks at the same chunks", dataset.id));
    }

    #[test]
    fn many_workers_verify_without_a_word() {
        let tree = Tree::of(&[]);
        for member in 1..=8 {
            let dataset = tree.member("CMIP6", &format!("r{member}i1p1f1"), "tas");
            fs::create_dir_all(&dataset.directory).unwrap();
            write(&dataset.file(0, MONTHS), 0, "days since 1850-01-01").unwrap();
        }
        let run = tree.scan(&["--verify=all", "--jobs", "4"]).exits(0).says("8 built");
        run.omits("HDF5-DIAG");
    }

    /// A fixed field that is too large for a scan to look into.
    fn write_large(path: &Path) -> netcdf::Result<()> {
        let mut file = netcdf::create(path)?;
        file.add_dimension("lat", 200)?;
        file.add_dimension("lon", 200)?;
        let mut variable = file.add_variable::<f32>("orog", &["lat", "lon"])?;
        variable.set_chunking(&[200, 200])?;
        variable.set_compression(1, true)?;
        let data: Vec<f32> = (0..40_000u16).map(|cell| f32::from(cell) / 7.0).collect();
        variable.put_values(&data, (.., ..))?;
        file.close()
    }

    #[test]
    fn what_differs_is_not_published() {
        let tree = Tree::of(&[]);
        let dataset = tree.dataset("orog");
        let path = dataset.file(0, 1);
        fs::create_dir_all(&dataset.directory).unwrap();
        write_large(&path).unwrap();
        tree.scan(&[]).exits(0);
        flip_in_file(&dataset, "orog/0.0");
        let before = all_below(&dataset.directory);
        fs::remove_file(dataset.manifest()).unwrap();
        tree.scan(&["--verify"]).exits(1).names(&path).says("[different]").says("damaged");
        assert_eq!(tree.listed(&dataset)["status"], "failed");
        let left: Vec<_> = before.into_iter().filter(|it| *it != dataset.manifest()).collect();
        assert_eq!(all_below(&dataset.directory), left, "nothing is published or left behind");
        tree.scan(&["--verify", "--quiet", "--seed", "7"])
            .exits(1)
            .says(&format!("{}: scan --verify --seed 7 looks at the same chunks", dataset.id));
        tree.scan(&["--verify=some"]).exits(2).says("sample, all");
        tree.scan(&["--verify", "--dry-run"]).exits(2).says("cannot be used with");
    }

    #[test]
    fn what_is_not_as_the_ledger_says_is_caught() {
        let (tree, dataset) = published(&[]);
        let file = dataset.file(0, MONTHS);
        touch(&file);
        sample(&tree).exits(1).names(&file).says("changed after it was scanned").says("scan again");
        tree.scan(&[]).exits(0);
        sample(&tree).exits(0);

        let manifest = fs::read_to_string(dataset.manifest()).unwrap();
        fs::write(dataset.manifest(), manifest.clone() + " ").unwrap();
        sample(&tree).exits(1).names(&dataset.manifest()).says("its SHA-256 is another");
        fs::write(dataset.manifest(), &manifest[..manifest.len() / 2]).unwrap();
        sample(&tree).exits(1).says("the manifest cannot be read");
        fs::remove_file(dataset.manifest()).unwrap();
        sample(&tree).exits(1).names(&dataset.manifest()).says("cannot be read");
        fs::write(dataset.manifest(), manifest).unwrap();
        fs::remove_file(&file).unwrap();
        sample(&tree).exits(1).names(&file).says("not there");
    }

    #[test]
    fn urls_are_led_back_to_the_files() {
        let tree = Tree::of(&["tas", "pr"]);
        let root = format!("{}=https://node.org/data", tree.data.display());
        tree.scan(&["--data-root", &root]).exits(0);
        all(&tree).exits(0).says("2 verified");
        let dataset = tree.dataset("tas");
        tree.run(&["verify", &dataset.id]).exits(0).says("1 verified");
    }

    #[test]
    fn stores_of_local_paths_cannot_be_fetched() {
        let (tree, _) = published(&[]);
        tree.run(&["verify", "--http"]).exits(1).says("local paths").says("1 incomplete");
    }

    #[test]
    fn what_is_unknown_is_said() {
        let (tree, dataset) = published(&[]);
        tree.run(&["verify", "CMIP6.none.v1"]).exits(3).says("no dataset `CMIP6.none.v1`");
        tree.run(&["verify", "CMIP6.none.v1", &dataset.id]).exits(1).says("1 verified");
        let empty = Tree::of(&[]);
        empty.run(&["verify"]).exits(3).says("there is no ledger yet");
        empty.scan(&[]).exits(0);
        empty.run(&["verify"]).exits(3).says("no store to verify");
    }
}
