//! Trees of datasets, and runs of the command on them.

use std::ffi::OsStr;
use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::netcdf::{self, Values, Variable};

pub const LATITUDES: u16 = 2;
pub const LONGITUDES: u16 = 3;

/// A directory with everything that a test needs; it is removed in the end.
pub struct Tree {
    place: TempDir,
    /// The top of the published tree.
    pub data: PathBuf,
}

impl Tree {
    /// A tree with one dataset of two files for each of `variables`.
    pub fn of(variables: &[&str]) -> Self {
        Self::below("data", variables)
    }

    /// As [`Tree::of`], the published tree being at `data`.
    pub fn below(data: &str, variables: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let tree = Self { data: place.path().join(data), place };
        fs::create_dir_all(&tree.data).unwrap();
        for variable in variables {
            let dataset = tree.dataset(variable);
            dataset.write(0, 6);
            dataset.write(6, 6);
        }
        tree
    }

    /// Somewhere beside the published tree.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A file beside the published tree.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The dataset of a monthly variable.
    pub fn dataset(&self, variable: &str) -> Dataset {
        self.member("CMIP6", "r1i1p1f1", variable)
    }

    /// The dataset of a monthly variable of one member.
    pub fn member(&self, project: &str, member: &str, variable: &str) -> Dataset {
        let drs = format!(
            "{project}/CMIP/Institute/Model/historical/{member}/Amon/{variable}/gn/v20200101"
        );
        Dataset {
            directory: self.data.join(&drs),
            id: drs.replace('/', "."),
            variable: variable.to_owned(),
            stem: format!("{variable}_Amon_Model_historical_{member}_gn"),
        }
    }

    /// One variable of a CMIP5 dataset, whose version directory is of all variables.
    pub fn cmip5(&self, variable: &str) -> Dataset {
        let drs = "cmip5/output1/Institute/Model/historical/mon/atmos/Amon/r1i1p1/v20120101";
        Dataset {
            directory: self.data.join(drs),
            id: format!("{}.{variable}", drs.replace('/', ".")),
            variable: variable.to_owned(),
            stem: format!("{variable}_Amon_Model_historical_r1i1p1"),
        }
    }

    /// Every path of the tree, sorted, but those of the ledger.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = all_below(self.place.path());
        paths.retain(|path| !path.starts_with(self.path("state")));
        paths
    }

    /// The command, with a ledger of its own at the default place.
    pub fn command(&self) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_vzarr-publish")))
    }

    /// `command` with its surroundings in the tree.
    pub fn prepared(&self, mut command: Command) -> Command {
        command
            .current_dir(self.place.path())
            .env_clear()
            // Tests write files with libhdf5, whose descriptors, and locks, the commands of other threads inherit.
            .env("HDF5_USE_FILE_LOCKING", "FALSE")
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// Runs the command.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        self.command().args(arguments).output().unwrap().into()
    }

    /// Scans the tree.
    pub fn scan(&self, options: &[&str]) -> Run {
        self.scan_command(self.command(), options)
    }

    /// Scans the tree as somebody whom permissions bind, or says why that cannot be.
    pub fn scan_unprivileged(&self, options: &[&str]) -> Option<Run> {
        if fs::metadata(self.place.path()).unwrap().uid() != 0 {
            return Some(self.scan(options));
        }
        let setpriv = || {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(self.path("vzarr-publish"));
            command
        };
        // Others may not come to where the program was built.
        fs::copy(env!("CARGO_BIN_EXE_vzarr-publish"), self.path("vzarr-publish")).unwrap();
        if !setpriv().arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: permissions do not bind root, and setpriv cannot give it up");
            return None;
        }
        // `env_clear` takes PATH away, which must still find setpriv.
        let mut command = self.prepared(setpriv());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Some(self.scan_command(command, options))
    }

    fn scan_command(&self, mut command: Command, options: &[&str]) -> Run {
        command.arg("scan").arg(&self.data).args(options).output().unwrap().into()
    }

    /// Lets everybody read and write everything.
    pub fn open_to_all(&self) {
        fs::create_dir_all(self.path("state")).unwrap();
        allow(self.place.path(), 0o777);
        for path in all_below(self.place.path()) {
            allow(&path, if path.is_dir() { 0o777 } else { 0o666 });
        }
    }

    /// What `list --json` prints.
    pub fn list(&self) -> Vec<Value> {
        self.run(&["list", "--json"]).exits(0).json_lines()
    }

    /// What `list --json` prints about `dataset`.
    pub fn listed(&self, dataset: &Dataset) -> Value {
        let found = self.list().into_iter().find(|line| line["id"] == dataset.id);
        found.unwrap_or_else(|| panic!("{} is not listed", dataset.id))
    }
}

/// Every path below `directory`, sorted.
pub fn all_below(directory: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            paths.extend(all_below(&path));
        }
        paths.push(path);
    }
    paths.sort();
    paths
}

/// Sets the permissions of `path`.
pub fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What changes when somebody writes to `path`, or puts another file there.
pub fn stamp(path: &Path) -> (u64, i64, i64, i64, i64) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.ino(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
}

/// Makes the file at `path` seem a minute older.
pub fn touch(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap() - Duration::from_mins(1);
    set_modified(path, FileTimes::new().set_modified(modified));
}

/// Replaces the bytes of the file at `path` by as many others, behind the back of whoever trusts
/// size, time and inode.
pub fn spoil_unnoticed(path: &Path) {
    let found = fs::metadata(path).unwrap();
    let zeros = vec![0; usize::try_from(found.len()).unwrap()];
    fs::write(path, zeros).unwrap();
    set_modified(path, FileTimes::new().set_modified(found.modified().unwrap()));
}

fn set_modified(path: &Path, times: FileTimes) {
    OpenOptions::new().write(true).open(path).unwrap().set_times(times).unwrap();
}

/// A dataset of monthly files.
pub struct Dataset {
    /// The version directory.
    pub directory: PathBuf,
    pub id: String,
    variable: String,
    stem: String,
}

impl Dataset {
    /// The dataset of files in the same directory whose names have `value` instead of `usual`.
    pub fn instead_of(&self, usual: &str, value: &str) -> Self {
        Self {
            directory: self.directory.clone(),
            id: format!("{}.{value}", self.id),
            variable: self.variable.clone(),
            stem: self.stem.replace(&format!("_{usual}"), &format!("_{value}")),
        }
    }

    /// Another version of the same dataset.
    pub fn of_version(self, version: &str) -> Self {
        let master_id = self.id.rsplit_once('.').unwrap().0;
        Self {
            directory: self.directory.with_file_name(version),
            id: format!("{master_id}.{version}"),
            ..self
        }
    }

    /// The same dataset in the directory `name` below that of the version.
    pub fn below(mut self, name: &str) -> Self {
        self.directory.push(name);
        self
    }

    /// The manifest beside the files.
    pub fn manifest(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.id))
    }

    /// The file with `count` months from `first` on, counted from January 1850.
    pub fn file(&self, first: u16, count: u16) -> PathBuf {
        let [start, end] =
            [first, first + count - 1].map(|m| format!("{}{:02}", 1850 + m / 12, m % 12 + 1));
        self.directory.join(format!("{}_{start}-{end}.nc", self.stem))
    }

    /// Writes the file with `count` months from `first` on.
    pub fn write(&self, first: u16, count: u16) -> PathBuf {
        self.put(&self.file(first, count), &monthly(&self.variable, first, count).bytes())
    }

    /// Writes `bytes` to `path` in the version directory.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(&self.directory).unwrap();
        fs::write(path, bytes).unwrap();
        path.to_owned()
    }
}

/// `count` months of `variable` from `first` on, counted from January 1850.
pub fn monthly(variable: &str, first: u16, count: u16) -> netcdf::File {
    let months = first..first + count;
    let text = |name, text| (name, Values::Text(text));
    let of = |name: &str, dimensions: &[&'static str], attributes, values| Variable {
        name: name.to_owned(),
        dimensions: dimensions.to_vec(),
        attributes,
        values,
    };
    netcdf::File {
        version: 1,
        dimensions: vec![
            ("time", 0),
            ("lat", LATITUDES.into()),
            ("lon", LONGITUDES.into()),
            ("bnds", 2),
        ],
        attributes: vec![text("Conventions", "CF-1.7"), text("source_id", "Model")],
        variables: vec![
            of(
                "time",
                &["time"],
                vec![
                    text("units", "days since 1850-01-01"),
                    text("calendar", "360_day"),
                    text("bounds", "time_bnds"),
                ],
                Values::Doubles(times(months.clone())),
            ),
            of("time_bnds", &["time", "bnds"], vec![], Values::Doubles(bounds(months.clone()))),
            of("lat", &["lat"], vec![text("units", "degrees_north")], latitudes()),
            of("lon", &["lon"], vec![text("units", "degrees_east")], longitudes()),
            of("height", &[], vec![text("units", "m")], Values::Doubles(vec![2.0])),
            of(
                variable,
                &["time", "lat", "lon"],
                vec![
                    text("units", "K"),
                    text("coordinates", "height"),
                    ("_FillValue", Values::Floats(vec![1e20])),
                ],
                Values::Floats(data(months)),
            ),
        ],
    }
}

fn latitudes() -> Values {
    Values::Doubles((0..LATITUDES).map(|y| f64::from(y) * 60.0 - 30.0).collect())
}

fn longitudes() -> Values {
    Values::Doubles((0..LONGITUDES).map(|x| f64::from(x) * 120.0).collect())
}

/// The middle of each month.
pub fn times(months: std::ops::Range<u16>) -> Vec<f64> {
    months.map(|month| 30.0 * f64::from(month) + 15.0).collect()
}

/// The first and the last moment of each month.
pub fn bounds(months: std::ops::Range<u16>) -> Vec<f64> {
    months.flat_map(|month| [month, month + 1]).map(|month| 30.0 * f64::from(month)).collect()
}

/// A value for each month and place, no two alike.
pub fn data(months: std::ops::Range<u16>) -> Vec<f32> {
    let cells = LATITUDES * LONGITUDES;
    (months.start * cells..months.end * cells).map(|cell| f32::from(cell) + 0.25).collect()
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// It ended with the exit code `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It said `text` to people.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no `{text}` in {self:#?}");
        self
    }

    /// It said nothing of `text`.
    #[track_caller]
    pub fn omits(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "`{text}` in {self:#?}");
        self
    }

    /// It named `path`.
    #[track_caller]
    pub fn names(self, path: &Path) -> Self {
        let path = format!("`{}`", path.display());
        self.says(&path)
    }

    /// It printed `text` as data.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in {self:#?}");
        self
    }

    /// The data it printed, a JSON object a line.
    pub fn json_lines(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }
}

/// A JSON object a line.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
