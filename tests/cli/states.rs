//! Whatever happens to a tree, in whatever order, and wherever a run is killed: after the next scan the ledger
//! and the tree say what a simple model says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::manifest::Manifest;
use super::netcdf::Values;
use super::tree::{Dataset, Run, Tree, all_below, monthly, times, touch};

const URL: &str = "https://n.org/thredds/fileServer/data";
const VARIABLES: [&str; 3] = ["pr", "ps", "tas"];
const VERSIONS: [&str; 2] = ["v20200101", "v20210101"];
/// Months of a file.
const MONTHS: u16 = 6;

/// A path, and what changes when somebody writes to it.
type Stamped = (PathBuf, (u64, i64, i64, i64, i64));

/// What can happen. Datasets and files are numbers of [`State`]'s.
#[derive(Clone, Debug)]
enum Step {
    /// A file comes, or comes anew: with values in kelvin or not, for units that differ are refused.
    Write {
        dataset: usize,
        file: u16,
        in_kelvin: bool,
    },
    Touch {
        dataset: usize,
        file: u16,
    },
    Truncate {
        dataset: usize,
        file: u16,
    },
    Remove {
        dataset: usize,
        file: u16,
    },
    /// A file gets the name that is meant for another, if that is free.
    Rename {
        dataset: usize,
        file: u16,
        to: u16,
    },
    Retract {
        dataset: usize,
    },
    Reinstate {
        dataset: usize,
    },
    Scan {
        force: bool,
    },
    Advertise,
    Collect,
    /// A scan that is killed after so many milliseconds, or once it has written so many manifests.
    Kill {
        milliseconds: u64,
        manifests: Option<usize>,
        force: bool,
    },
    /// A scan that is asked to stop.
    Stop {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let dataset = 0..VARIABLES.len() * VERSIONS.len();
    let place = || (dataset.clone(), 0..3_u16);
    prop_oneof![
        6 => (place(), prop::bool::weighted(0.8)).prop_map(|((dataset, file), in_kelvin)| {
            Step::Write { dataset, file, in_kelvin }
        }),
        1 => place().prop_map(|(dataset, file)| Step::Touch { dataset, file }),
        1 => place().prop_map(|(dataset, file)| Step::Truncate { dataset, file }),
        2 => place().prop_map(|(dataset, file)| Step::Remove { dataset, file }),
        1 => (place(), 0..3_u16).prop_map(|((dataset, file), to)| {
            Step::Rename { dataset, file, to }
        }),
        1 => dataset.clone().prop_map(|dataset| Step::Retract { dataset }),
        1 => dataset.clone().prop_map(|dataset| Step::Reinstate { dataset }),
        3 => prop::bool::weighted(0.2).prop_map(|force| Step::Scan { force }),
        1 => Just(Step::Advertise),
        1 => Just(Step::Collect),
        3 => (0..40_u64, prop::option::of(1..4_usize), any::<bool>()).prop_map(
            |(milliseconds, manifests, force)| Step::Kill { milliseconds, manifests, force }
        ),
        1 => (0..40_u64).prop_map(|milliseconds| Step::Stop { milliseconds }),
    ]
}

/// A file as it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    /// The number that its times begin with.
    first: u16,
    in_kelvin: bool,
    is_whole: bool,
}

/// What a dataset must be after a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Built,
    Refused,
    Failed,
    Retracted,
    /// There are no files: it is gone if it was ever known.
    Absent,
}

impl Expected {
    fn word(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Retracted => "retracted",
            Self::Absent => "gone",
        }
    }
}

/// A tree, and what is known about it.
struct State {
    tree: Tree,
    datasets: Vec<Dataset>,
    /// Files by the number in their name.
    files: Vec<BTreeMap<u16, Content>>,
    retracted: BTreeSet<usize>,
    /// Datasets that may have lost all their files while a store was not recorded yet; its manifest is nobody's then.
    orphans: BTreeSet<usize>,
    was_killed: bool,
    /// What a catalogue has that does as it is told.
    catalogue: BTreeSet<String>,
}

impl State {
    fn new() -> Self {
        let tree = Tree::of(&[]);
        fs::create_dir_all(&tree.data).unwrap();
        let of_version =
            |version| VARIABLES.map(|variable| tree.dataset(variable).of_version(version));
        let datasets: Vec<_> = VERSIONS.into_iter().flat_map(of_version).collect();
        let files = vec![BTreeMap::new(); datasets.len()];
        Self {
            tree,
            datasets,
            files,
            retracted: BTreeSet::new(),
            orphans: BTreeSet::new(),
            was_killed: false,
            catalogue: BTreeSet::new(),
        }
    }

    fn path(&self, dataset: usize, file: u16) -> PathBuf {
        self.datasets[dataset].file(file * MONTHS, MONTHS)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Write { dataset, file, in_kelvin } => self.write(dataset, file, in_kelvin),
            Step::Touch { dataset, file } => {
                if self.files[dataset].contains_key(&file) {
                    touch(&self.path(dataset, file));
                }
            }
            Step::Truncate { dataset, file } => {
                let path = self.path(dataset, file);
                if let Some(content) = self.files[dataset].get_mut(&file) {
                    content.is_whole = false;
                    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                    file.set_len(100).unwrap();
                }
            }
            Step::Remove { dataset, file } => {
                if self.files[dataset].remove(&file).is_some() {
                    fs::remove_file(self.path(dataset, file)).unwrap();
                    self.note_orphan(dataset);
                }
            }
            Step::Rename { dataset, file, to } => {
                if !self.files[dataset].contains_key(&to)
                    && let Some(content) = self.files[dataset].remove(&file)
                {
                    fs::rename(self.path(dataset, file), self.path(dataset, to)).unwrap();
                    self.files[dataset].insert(to, content);
                }
            }
            Step::Retract { dataset } => {
                self.tree.run(&["retract", &self.datasets[dataset].id]).exits(0);
                self.retracted.insert(dataset);
            }
            Step::Reinstate { dataset } => {
                let code = i32::from(!self.retracted.remove(&dataset));
                self.tree.run(&["retract", "--reinstate", &self.datasets[dataset].id]).exits(code);
            }
            Step::Scan { force } => self.scan(force),
            Step::Advertise => self.advertise(),
            Step::Collect => self.collect(),
            Step::Kill { milliseconds, manifests, force } => {
                self.kill(milliseconds, manifests, force);
            }
            Step::Stop { milliseconds } => self.stop(milliseconds),
        }
    }

    fn write(&mut self, dataset: usize, file: u16, in_kelvin: bool) {
        let mut content = monthly(VARIABLES[dataset % VARIABLES.len()], file * MONTHS, MONTHS);
        if !in_kelvin {
            let data = content.variables.last_mut().unwrap();
            data.attributes[0] = ("units", Values::Text("degC"));
        }
        // As a transfer does it: whole, or not there.
        let arrived = self.tree.path("arrived");
        fs::write(&arrived, content.bytes()).unwrap();
        fs::create_dir_all(&self.datasets[dataset].directory).unwrap();
        fs::rename(arrived, self.path(dataset, file)).unwrap();
        let content = Content { first: file, in_kelvin, is_whole: true };
        self.files[dataset].insert(file, content);
    }

    /// A dataset without files is not found again, so that nobody looks for what a killed run left of it.
    fn note_orphan(&mut self, dataset: usize) {
        if self.was_killed && self.files[dataset].is_empty() {
            self.orphans.insert(dataset);
        }
    }

    fn expected(&self, dataset: usize) -> Expected {
        let files: Vec<_> = self.files[dataset].values().collect();
        let starts: BTreeSet<_> = files.iter().map(|file| file.first).collect();
        match &files[..] {
            [] => Expected::Absent,
            _ if self.retracted.contains(&dataset) => Expected::Retracted,
            files if files.iter().any(|file| !file.is_whole) => Expected::Failed,
            // A file that was renamed, and written again, is there twice.
            [first, rest @ ..]
                if rest.iter().any(|file| file.in_kelvin != first.in_kelvin)
                    || starts.len() < files.len() =>
            {
                Expected::Refused
            }
            _ => Expected::Built,
        }
    }

    fn command(&self, force: bool) -> std::process::Command {
        let mut command = self.tree.command();
        command.args(["scan", "-j", "2", "--data-root"]).arg(self.data_root()).arg(&self.tree.data);
        if force {
            command.arg("--force");
        }
        command
    }

    fn data_root(&self) -> String {
        format!("{}={URL}", self.tree.data.display())
    }

    fn scan(&mut self, force: bool) {
        let clean = (0..self.datasets.len()).all(|dataset| {
            matches!(
                self.expected(dataset),
                Expected::Built | Expected::Retracted | Expected::Absent
            )
        });
        Run::from(self.command(force).output().unwrap()).exits(i32::from(!clean));
        self.was_killed = false;
        self.compare();
    }

    /// What the ledger and the tree say is what the model says.
    fn compare(&self) {
        let listed: BTreeMap<String, Value> = self
            .tree
            .list()
            .into_iter()
            .map(|it| (it["id"].as_str().unwrap().into(), it))
            .collect();
        for (number, dataset) in self.datasets.iter().enumerate() {
            let expected = self.expected(number);
            match listed.get(&dataset.id) {
                // What was never built is not known, though it may be retracted.
                None => assert!(
                    matches!(expected, Expected::Absent | Expected::Retracted),
                    "{} is not known",
                    dataset.id
                ),
                Some(_) if expected == Expected::Absent && self.retracted.contains(&number) => {}
                Some(line) => assert_eq!(line["status"], expected.word(), "{line}"),
            }
            match expected {
                Expected::Built => self.compare_store(number),
                Expected::Absent => {}
                _ => assert!(!dataset.manifest().exists(), "{} has a store", dataset.id),
            }
        }
        assert_eq!(self.temporaries(), [] as [PathBuf; 0]);
    }

    fn compare_store(&self, dataset: usize) {
        let manifest = Manifest::open(&self.datasets[dataset].manifest());
        let months = |first: u16| times(first * MONTHS..(first + 1) * MONTHS);
        let mut firsts: Vec<_> = self.files[dataset].values().map(|file| file.first).collect();
        firsts.sort_unstable();
        let expected: Vec<f64> = firsts.into_iter().flat_map(months).collect();
        assert_eq!(manifest.values("time"), expected);
        let urls: BTreeSet<_> =
            self.files[dataset].keys().map(|file| self.url(&self.path(dataset, *file))).collect();
        let sources = manifest.sources.as_object().unwrap();
        let named = sources.keys().cloned();
        assert_eq!(named.collect::<BTreeSet<_>>(), urls);
    }

    fn url(&self, path: &Path) -> String {
        format!("{URL}/{}", path.strip_prefix(&self.tree.data).unwrap().display())
    }

    fn temporaries(&self) -> Vec<PathBuf> {
        let hidden = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
        };
        all_below(&self.tree.data).into_iter().filter(hidden).collect()
    }

    /// Tells a catalogue, which does as it is told.
    fn advertise(&mut self) {
        if !self.tree.path("state").exists() {
            return;
        }
        let told = self.tree.run(&["advertise", "--data-node", "n.org"]);
        for line in told.json_lines() {
            let id = line["id"].as_str().unwrap();
            if line["action"] == "add" {
                let dataset = self.datasets.iter().find(|dataset| dataset.id == id).unwrap();
                assert_eq!(line["asset"]["href"], self.url(&dataset.manifest()));
                assert!(dataset.manifest().exists(), "{id} is advertised but not there");
                self.catalogue.insert(id.to_owned());
            } else {
                self.catalogue.remove(id);
            }
        }
        let lines = self.tree.file("told.jsonl", &told.stdout);
        self.tree.run(&["advertise", "--ack", lines.to_str().unwrap()]).exits(0);
    }

    fn collect(&self) {
        if self.tree.path("state").exists() {
            let run = self.tree.run(&["gc"]);
            assert!(run.code == Some(0) || !self.orphans.is_empty() || self.was_killed, "{run:?}");
        }
    }

    fn kill(&mut self, milliseconds: u64, manifests: Option<usize>, force: bool) {
        let mut run = self.command(force).stderr(Stdio::null()).spawn().unwrap();
        match manifests {
            None => sleep(Duration::from_millis(milliseconds)),
            Some(manifests) => {
                let before = self.stamps();
                let new = || self.stamps().difference(&before).count();
                while new() < manifests && run.try_wait().unwrap().is_none() {
                    sleep(Duration::from_millis(1));
                }
            }
        }
        run.kill().unwrap();
        run.wait().unwrap();
        self.was_killed = true;
        // Whatever has its final name is whole.
        for path in self.stamps() {
            Manifest::open(&path.0);
        }
    }

    /// Manifests, and what tells one from another that took its place.
    fn stamps(&self) -> BTreeSet<Stamped> {
        let manifests = self.datasets.iter().map(Dataset::manifest);
        manifests
            .filter(|path| path.exists())
            .map(|path| (path.clone(), super::tree::stamp(&path)))
            .collect()
    }

    fn stop(&mut self, milliseconds: u64) {
        let mut run = self.command(false).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(milliseconds));
        let pid = run.id().to_string();
        let _ =
            std::process::Command::new("kill").arg("-INT").arg(pid).stderr(Stdio::null()).status();
        run.wait().unwrap();
        // It may have been too early for the program to listen.
        self.was_killed = true;
    }

    /// One more scan makes everything right, and another ledger would say the same.
    fn settle(&mut self) {
        self.scan(false);
        self.collect();
        self.advertise();
        let built: BTreeSet<_> = (0..self.datasets.len())
            .filter(|dataset| self.expected(*dataset) == Expected::Built)
            .map(|dataset| self.datasets[dataset].id.clone())
            .collect();
        assert_eq!(self.catalogue, built, "what the catalogue has is what there is");
        self.tree.run(&["ledger", "check"]).exits(0);
        let stores: BTreeSet<_> = self
            .tree
            .paths()
            .into_iter()
            .filter(|it| it.starts_with(&self.tree.data))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        let orphans: BTreeSet<_> =
            self.orphans.iter().map(|dataset| self.datasets[*dataset].manifest()).collect();
        let expected: BTreeSet<_> = self
            .datasets
            .iter()
            .filter(|dataset| built.contains(&dataset.id))
            .map(Dataset::manifest)
            .collect();
        assert!(stores.is_superset(&expected), "{stores:?}");
        let strange: Vec<_> =
            stores.iter().filter(|it| !expected.contains(*it) && !orphans.contains(*it)).collect();
        assert!(strange.is_empty(), "{strange:?}");
        let before = self.stamps();
        let mut again = self.command(false);
        again.args(["--ledger", "another.sqlite"]);
        again.output().unwrap();
        let kept = |stamps: &BTreeSet<(PathBuf, _)>| -> Vec<_> {
            stamps.iter().filter(|it| expected.contains(&it.0)).cloned().collect()
        };
        assert_eq!(kept(&before), kept(&self.stamps()), "a store is not what its files make it");
    }
}

proptest! {
    // PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(8),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_ledger_and_the_tree_are_what_a_model_says(
        steps in prop::collection::vec(step(), 4..24),
    ) {
        let mut state = State::new();
        for step in &steps {
            state.take(step);
        }
        state.settle();
    }
}
