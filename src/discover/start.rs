//! Where walks start, so that every directory is walked once.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::model::format::Format;

/// A directory to walk from: a root, or what a symbolic link leads to.
#[derive(Clone, Debug)]
pub(super) struct Start {
    /// How it was reached.
    pub(super) path: PathBuf,
    /// Where it really is.
    pub(super) real: PathBuf,
    /// How far down to go: 1 for the files of the directory alone.
    pub(super) max_depth: usize,
    /// Where the links really are that led here from a root.
    trail: Vec<PathBuf>,
}

impl Start {
    /// A directory the user named, or the directory of a NetCDF file the user named: one file of
    /// several would make an incomplete dataset.
    pub(super) fn of_root(root: &Path) -> Result<Self> {
        let path = absolute(root)?;
        let metadata = fs::metadata(&path).map_err(|error| read_error(&error, &path))?;
        let (path, max_depth) = if metadata.is_dir() {
            (path, usize::MAX)
        } else if is_netcdf(&path) {
            let parent = path.parent().map(Path::to_path_buf);
            (parent.unwrap_or(path), 1)
        } else {
            let message = "neither a directory nor a file whose name ends in `.nc`";
            return Err(Error::new(Code::Unrecognised, message).in_file(path));
        };
        let real = real(&path)?;
        Ok(Self { path, real, max_depth, trail: Vec::new() })
    }

    /// The files of `directory` alone; none where no directory is any more.
    pub(super) fn of_directory(directory: &Path) -> Result<Option<Self>> {
        match fs::metadata(directory) {
            Ok(metadata) if metadata.is_dir() => {
                Ok(Some(Self { max_depth: 1, ..Self::of_root(directory)? }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(read_error(&error, directory)),
        }
    }

    /// Where the symbolic link `path`, met on the way down from here, leads.
    pub(super) fn behind_link(&self, path: &Path) -> Result<Self> {
        let target = real(path)?;
        let mut trail = self.trail.clone();
        trail.push(self.real_place(path));
        if trail.iter().any(|place| place.starts_with(&target)) {
            let message = "the symbolic link leads back to a directory above it";
            return Err(Error::new(Code::LinkLoop, message).in_file(path));
        }
        Ok(Self { path: path.to_path_buf(), real: target, max_depth: usize::MAX, trail })
    }

    /// Where `path`, met on the way down from here, really is. Links on the way start walks of
    /// their own, so that only the start can differ.
    pub(super) fn real_place(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix(&self.path).unwrap_or(Path::new(""));
        self.real.join(below)
    }
}

/// The starts of all walks, by their real place.
#[derive(Debug, Default)]
pub(super) struct Starts {
    max_depths: HashMap<PathBuf, usize>,
}

impl Starts {
    pub(super) fn add(&mut self, start: &Start) {
        self.max_depths.insert(start.real.clone(), start.max_depth);
    }

    /// Whether a walk of its own starts where `path`, met on the way down from `start`, really is.
    pub(super) fn contain(&self, start: &Start, path: &Path) -> bool {
        self.max_depths.len() > 1 && self.max_depths.contains_key(&start.real_place(path))
    }

    /// Whether one of the walks comes to the real place `real`.
    pub(super) fn reach(&self, real: &Path) -> bool {
        for (depth, above) in real.ancestors().enumerate() {
            if self.max_depths.get(above).is_some_and(|max_depth| depth < *max_depth) {
                return true;
            }
            if is_left_out(above) {
                return false;
            }
        }
        false
    }
}

/// The starts for `roots` in the order of their paths, without those that others reach, and why
/// some roots cannot be walked.
pub(super) fn starts_of_roots(roots: &[PathBuf]) -> (Vec<Start>, Vec<Error>) {
    let mut problems = Vec::new();
    let mut candidates: Vec<Start> = Vec::new();
    for root in roots {
        match Start::of_root(root) {
            Ok(start) => candidates.push(start),
            Err(problem) => problems.push(problem),
        }
    }
    // Whatever reaches others comes first: what lies higher, then what goes deeper.
    candidates.sort_by_key(|start| {
        let height = start.real.components().count();
        (height, Reverse(start.max_depth), start.path.clone())
    });
    let mut reached = Starts::default();
    let mut starts = Vec::new();
    for start in candidates {
        if !reached.reach(&start.real) {
            reached.add(&start);
            starts.push(start);
        }
    }
    starts.sort_by(|a, b| a.path.cmp(&b.path));
    (starts, problems)
}

/// Whether walks pass by `path`, by its name: hidden files and directories, stores that are directories,
/// and the real files behind versions (`files/dYYYYMMDD`), which the version directories link to.
pub(super) fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let extension = Path::new(name).extension();
    let ends_like = |format: &Format| extension == Some(OsStr::new(format.extension()));
    name.as_bytes().starts_with(b".")
        || Format::BESIDE.iter().any(ends_like)
        || is_files_of_a_date(path, name.as_bytes())
}

fn is_files_of_a_date(path: &Path, name: &[u8]) -> bool {
    let is_date = |digits: &[u8]| digits.len() == 8 && digits.iter().all(u8::is_ascii_digit);
    name.strip_prefix(b"d").is_some_and(is_date)
        && path.parent().and_then(Path::file_name) == Some(OsStr::new("files"))
}

/// Whether the name of the file is that of a complete NetCDF file.
pub(super) fn is_netcdf(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("nc")) && !is_left_out(path)
}

/// The system's reason why `path` cannot be looked at.
pub(super) fn read_error(error: &io::Error, path: &Path) -> Error {
    // `io::ErrorKind::FilesystemLoop` is not stable yet.
    const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    if error.raw_os_error() == Some(ELOOP) {
        return Error::new(Code::LinkLoop, "the symbolic link leads back to itself").in_file(path);
    }
    match fs::read_link(path) {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            let target = target.to_string_lossy();
            let message = format!("broken symbolic link to `{}`", target.escape_debug());
            Error::new(Code::NotFound, message).in_file(path)
        }
        _ => Error::io(error, "read", path),
    }
}

fn real(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| read_error(&error, path))
}

/// `path` from the top, without `..` but with its symbolic links. Links before a `..` must go,
/// for only where they lead tells what is above.
fn absolute(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| Error::io(&error, "find", path))?;
    let mut plain = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            if plain.is_symlink() {
                plain = real(&plain)?;
            }
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    Ok(plain)
}
