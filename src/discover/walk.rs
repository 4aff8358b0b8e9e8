//! The walk itself.

use std::fs;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, statat};
use walkdir::{DirEntry, WalkDir};

use super::candidate::{Candidate, SourceFile};
use super::places::Places;
use super::separate::separate;
use super::start::{Start, Starts, is_left_out, is_netcdf, read_error, starts_of_roots};
use crate::drs::{Dataset, Drs};
use crate::model::error::{Code, Error, Result};

/// Walks `roots` and hands over the datasets in the order of their paths, and as errors what could
/// not be looked at or made sense of.
///
/// Links to files are followed; links to directories too, unless a walk comes to the directory
/// anyhow. A root may be a NetCDF file: it stands for all of its directory. With `newer_than`, files in
/// directories to which none was added since are not looked at. Each directory is told to `enters` before it
/// is listed. The walk ends when `found` breaks.
pub fn walk(
    roots: &[PathBuf],
    newer_than: Option<SystemTime>,
    drs: &Drs,
    enters: impl Fn(&Path),
    found: impl FnMut(Result<Candidate>) -> ControlFlow<()>,
) {
    let (starts, problems) = starts_of_roots(roots);
    let (starts_of_links, places) = (Starts::default(), Places::default());
    let mut walker =
        Walker { drs, newer_than, starts: starts_of_links, places, is_over: false, enters, found };
    for problem in problems {
        walker.problem(problem);
    }
    for start in &starts {
        walker.starts.add(start);
    }
    for start in &starts {
        walker.walk_from(start);
    }
}

/// Hands over the datasets that lie in `directories` themselves, as [`walk`] would on its way, in the order
/// given, and leaves it to the caller which place of a dataset counts. Of a directory that is not there any more
/// nothing is said. It ends when `found` breaks.
pub fn of_directories<'a>(
    directories: impl IntoIterator<Item = &'a Path>,
    drs: &Drs,
    enters: impl Fn(&Path),
    found: impl FnMut(Result<Candidate>) -> ControlFlow<()>,
) {
    let (starts, places) = (Starts::default(), Places::default());
    let mut walker =
        Walker { drs, newer_than: None, starts, places, is_over: false, enters, found };
    for directory in directories {
        if walker.is_over {
            return;
        }
        match Start::of_directory(directory) {
            Ok(Some(start)) => {
                walker.places = Places::default();
                walker.walk_from(&start);
            }
            Ok(None) => {}
            Err(problem) => walker.problem(problem),
        }
    }
}

struct Walker<'a, E, F> {
    drs: &'a Drs,
    newer_than: Option<SystemTime>,
    starts: Starts,
    places: Places,
    /// Whether nothing else is wanted.
    is_over: bool,
    enters: E,
    found: F,
}

/// A directory whose end the walk has not come to, and the NetCDF files met in it.
struct OpenDirectory {
    path: PathBuf,
    depth: usize,
    /// Whether its files are not looked at.
    is_old: bool,
    /// To ask for files relative to it, once there was one.
    handle: Option<OwnedFd>,
    files: Vec<SourceFile>,
    unreachable: Vec<Error>,
}

impl OpenDirectory {
    /// What the system says of the file at `path`, which lies here, or of what it links to. Asked for by its
    /// name alone, so that the system need not go all the way down to it for each.
    fn metadata(&mut self, path: &Path) -> io::Result<Stat> {
        let handle = if let Some(handle) = &self.handle {
            handle
        } else {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.handle.insert(rustix::fs::open(&self.path, flags, Mode::empty())?)
        };
        Ok(statat(handle, path.file_name().unwrap_or_default(), AtFlags::empty())?)
    }
}

impl<E, F> Walker<'_, E, F>
where
    E: Fn(&Path),
    F: FnMut(Result<Candidate>) -> ControlFlow<()>,
{
    fn walk_from(&mut self, start: &Start) {
        let mut open: Vec<OpenDirectory> = Vec::new();
        // Of paths in one directory, the order is that of their names.
        let by_name = |a: &DirEntry, b: &DirEntry| a.path().as_os_str().cmp(b.path().as_os_str());
        let mut entries =
            WalkDir::new(&start.path).max_depth(start.max_depth).sort_by(by_name).into_iter();
        while let Some(entry) = entries.next() {
            if self.is_over {
                return;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unlisted(error, open.last_mut());
                    continue;
                }
            };
            self.close(&mut open, entry.depth());
            if entry.depth() == 0 {
                open.push(self.opened(&entry));
            } else if entry.file_type().is_dir() {
                if self.passes_by(start, entry.path()) {
                    entries.skip_current_dir();
                } else {
                    open.push(self.opened(&entry));
                }
            } else if let Some(directory) = open.last_mut() {
                self.file_or_link(start, entry, directory);
            }
        }
        self.close(&mut open, 0);
    }

    fn opened(&self, entry: &DirEntry) -> OpenDirectory {
        (self.enters)(entry.path());
        let modified = || fs::metadata(entry.path()).and_then(|found| found.modified()).ok();
        let is_old = self.newer_than.is_some_and(|limit| modified().is_some_and(|it| it < limit));
        OpenDirectory {
            path: entry.path().to_path_buf(),
            depth: entry.depth(),
            is_old,
            handle: None,
            files: Vec::new(),
            unreachable: Vec::new(),
        }
    }

    /// Ends the directories that an entry at `depth` does not lie in.
    fn close(&mut self, open: &mut Vec<OpenDirectory>, depth: usize) {
        while let Some(directory) = open.pop_if(|directory| directory.depth >= depth) {
            self.directory(directory);
        }
    }

    /// Whether not to descend into the directory at `path`.
    fn passes_by(&self, start: &Start, path: &Path) -> bool {
        is_left_out(path)
            || self.starts.contain(start, path)
            || self.is_superseded_latest(path)
            || self.is_behind_versions(path).unwrap_or(false)
    }

    /// Whether `path` is `files/VARIABLE_YYYYMMDD`, where real files lie that the directories of versions
    /// beside `files`, with one for each variable, link to.
    fn is_behind_versions(&self, path: &Path) -> Option<bool> {
        let (variable, date) = path.file_name()?.to_str()?.rsplit_once('_')?;
        let files = path.parent().filter(|parent| parent.ends_with("files"))?;
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let version = files.with_file_name("latest").join(variable);
        Some(is_date && self.drs.dataset(&version).is_ok())
    }

    /// A directory `latest` counts only where no version lies beside it.
    fn is_superseded_latest(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == "latest")
            && self.drs.dataset(path).is_ok()
            && path.parent().is_some_and(|parent| self.holds_version(parent))
    }

    fn holds_version(&self, directory: &Path) -> bool {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| {
            self.drs.dataset(&path).is_ok_and(|dataset| dataset.versioned) && path.is_dir()
        })
    }

    fn file_or_link(&mut self, start: &Start, entry: DirEntry, directory: &mut OpenDirectory) {
        let path = entry.path();
        let is_netcdf = is_netcdf(path);
        let is_passed_by = if is_netcdf {
            directory.is_old
        } else {
            !entry.file_type().is_symlink() || is_left_out(path)
        };
        if is_passed_by {
            return;
        }
        match directory.metadata(path).map(|it| (FileType::from_raw_mode(it.st_mode), it)) {
            Ok((FileType::Directory, _)) => self.link_to_directory(start, &entry),
            Ok(_) if !is_netcdf => {}
            Ok((FileType::RegularFile, metadata)) => {
                directory.files.push(SourceFile::as_in_stat(entry.into_path(), &metadata));
            }
            Ok(_) => {
                let error = Error::new(Code::NotNetcdf, "not a regular file").in_file(path);
                directory.unreachable.push(error);
            }
            Err(error) if is_netcdf => directory.unreachable.push(read_error(&error, path)),
            Err(error) => self.problem(read_error(&error, path)),
        }
    }

    fn link_to_directory(&mut self, start: &Start, entry: &DirEntry) {
        let path = entry.path();
        if entry.depth() >= start.max_depth || self.is_superseded_latest(path) {
            return;
        }
        let behind = match start.behind_link(path) {
            Ok(behind) => behind,
            Err(problem) => return self.problem(problem),
        };
        if !self.starts.reach(&behind.real) {
            self.starts.add(&behind);
            self.walk_from(&behind);
        } else if self.names_another_version(path, &behind.real) {
            self.walk_from(&behind);
        }
    }

    /// Whether the link `path` is a version directory of its own, such as one of two versions with
    /// the same files: a dataset that is not found where the link leads.
    fn names_another_version(&self, path: &Path, target: &Path) -> bool {
        let Ok(dataset) = self.drs.dataset(path) else {
            return false;
        };
        let same =
            self.drs.dataset(target).is_ok_and(|there| there.below_root == dataset.below_root);
        dataset.versioned && !same
    }

    /// A directory, or an entry of the one `entered` last, that the system does not show.
    fn unlisted(&mut self, error: walkdir::Error, entered: Option<&mut OpenDirectory>) {
        let path = error.path().map(Path::to_path_buf);
        let io_error = error.into_io_error().unwrap_or_else(|| io::Error::other("link loop"));
        match (path, entered) {
            (Some(path), Some(directory))
                if is_netcdf(&path) && path.parent() == Some(&directory.path) =>
            {
                directory.unreachable.push(Error::io(&io_error, "read", &path));
            }
            (Some(path), Some(directory)) if path == directory.path => {
                directory.unreachable.push(Error::io(&io_error, "list", &path));
            }
            (Some(path), _) => self.problem(Error::io(&io_error, "list", &path)),
            (None, Some(directory)) => {
                let error = Error::io(&io_error, "list", &directory.path);
                directory.unreachable.push(error);
            }
            (None, None) => self.problem(Error::new(Code::Io, io_error.to_string())),
        }
    }

    /// Hands over what was met in a directory.
    fn directory(&mut self, mut directory: OpenDirectory) {
        if directory.files.is_empty() && directory.unreachable.is_empty() {
            return;
        }
        match self.drs.dataset(&directory.path) {
            Ok(dataset) if self.drs.selects(&dataset) => self.datasets(dataset, directory),
            Ok(_) => {}
            Err(reason) => {
                for problem in mem::take(&mut directory.unreachable) {
                    self.problem(problem);
                }
                if let Some(problem) = unrecognised(&directory.files, &reason) {
                    self.problem(problem.in_file(directory.path));
                }
            }
        }
    }

    /// Hands over the datasets of a directory that the DRS recognises.
    fn datasets(&mut self, dataset: Dataset, directory: OpenDirectory) {
        let OpenDirectory { path, files, unreachable, .. } = directory;
        let (candidates, problems) = separate((self.drs, dataset), &path, files, unreachable);
        for candidate in candidates {
            let found = self.places.first(candidate);
            self.hand_over(found);
        }
        for problem in problems {
            self.problem(problem);
        }
    }

    fn hand_over(&mut self, found: Result<Candidate>) {
        if !self.is_over {
            self.is_over = (self.found)(found).is_break();
        }
    }

    fn problem(&mut self, problem: Error) {
        self.hand_over(Err(problem));
    }
}

/// One problem for all `files` of a directory that belong to no dataset, for the `reason` of the first.
pub(super) fn unrecognised(files: &[SourceFile], reason: &Error) -> Option<Error> {
    let first = files.first()?.path.file_name()?.to_string_lossy();
    let first = first.escape_debug();
    let which = match files.len() {
        1 => format!("`{first}`"),
        count => format!("`{first}` and {} more", count - 1),
    };
    let problem = Error::new(Code::Unrecognised, format!("{which}: {}", reason.message()));
    Some(match reason.hint() {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    /// Everything a walk finds.
    #[derive(Debug, Default)]
    struct Discovery {
        candidates: Vec<Candidate>,
        problems: Vec<Error>,
    }

    impl Discovery {
        fn of(roots: &[PathBuf], drs: &Drs) -> Self {
            let mut discovery = Self::default();
            walk(
                roots,
                None,
                drs,
                |_| (),
                |found| {
                    match found {
                        Ok(candidate) => discovery.candidates.push(candidate),
                        Err(problem) => discovery.problems.push(problem),
                    }
                    ControlFlow::Continue(())
                },
            );
            discovery
        }
    }

    const PR: &str = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn";
    const PR_ID: &str = "CMIP6.CMIP.NCAR.CESM2.historical.r1i1p1f1.Amon.pr.gn";
    const TAS: &str = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/tas/gn";
    const FILE: &str = "pr_Amon_CESM2_historical_r1i1p1f1_gn_185001-201412.nc";

    /// A tree of small files that is removed in the end.
    struct Tree(TempDir);

    impl Tree {
        fn new(files: &[&str]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for file in files {
                tree.file(file);
            }
            tree
        }

        fn path(&self, below: impl AsRef<Path>) -> PathBuf {
            self.0.path().join(below)
        }

        fn file(&self, below: impl AsRef<Path>) {
            let path = self.path(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "data").unwrap();
        }

        fn link(&self, below: impl AsRef<Path>, target: impl AsRef<Path>) {
            let path = self.path(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }

        fn discover(&self, roots: &[&str]) -> Discovery {
            let roots: Vec<PathBuf> = roots.iter().map(|root| self.path(root)).collect();
            Discovery::of(&roots, &Drs::builtin().unwrap())
        }
    }

    fn pr(version: &str) -> String {
        format!("{PR}/{version}/{FILE}")
    }

    fn ids(discovery: &Discovery) -> Vec<String> {
        discovery.candidates.iter().map(|candidate| candidate.dataset.instance_id()).collect()
    }

    fn problems(discovery: &Discovery) -> Vec<Code> {
        discovery.problems.iter().map(Error::code).collect()
    }

    /// The only dataset, where nothing is wrong.
    fn only(discovery: &Discovery) -> &Candidate {
        assert_eq!(problems(discovery), []);
        assert_eq!(ids(discovery).len(), 1, "{:?}", ids(discovery));
        &discovery.candidates[0]
    }

    #[test]
    fn files_are_grouped_by_directory_and_sorted() {
        let tree = Tree::new(&[
            &format!("{TAS}/v20190401/tas_Amon_CESM2_historical_r1i1p1f1_gn_195001-201412.nc"),
            &format!("{TAS}/v20190401/tas_Amon_CESM2_historical_r1i1p1f1_gn_185001-194912.nc"),
            &pr("v20190401"),
            &pr("v20180101"),
        ]);
        let discovery = tree.discover(&[""]);
        assert_eq!(problems(&discovery), []);
        let tas_id = PR_ID.replace("pr", "tas");
        let expected = [
            format!("{PR_ID}.v20180101"),
            format!("{PR_ID}.v20190401"),
            format!("{tas_id}.v20190401"),
        ];
        assert_eq!(ids(&discovery), expected);

        let tas = &discovery.candidates[2];
        assert_eq!(tas.directory, tree.path(TAS).join("v20190401"));
        assert!(tas.warnings.is_empty() && tas.unreachable.is_empty());
        assert!(tas.files.is_sorted_by_key(|file| &file.path) && tas.files.len() == 2);

        let file = &discovery.candidates[0].files[0];
        let metadata = fs::metadata(&file.path).unwrap();
        assert_eq!((file.size, file.inode), (4, metadata.ino()));
        assert_eq!(file.mtime_ns, metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec());
    }

    #[test]
    fn hidden_and_partial_files_are_passed_by() {
        let tree = Tree::new(&[
            &pr("v20190401"),
            &format!("{PR}/v20190401/{FILE}.part"),
            &format!("{PR}/v20190401/.{FILE}"),
            &format!("{PR}/v20190401/.nc"),
            &format!("{PR}/v20190401/x.json"),
            &format!(".trash/{PR}/v20180101/{FILE}"),
            &format!("{PR}/.v20180101/{FILE}"),
        ]);
        assert_eq!(only(&tree.discover(&[""])).files.len(), 1);
    }

    /// Whatever a walk finds somewhere is found there again by its directory alone.
    #[test]
    fn directories_have_the_datasets_that_a_walk_meets_there() {
        let cmip5 = "cmip5/output1/I/M/historical/mon/atmos/Amon/r1i1p1";
        let names =
            ["pr", "tas"].map(|variable| format!("{variable}_Amon_M_historical_r1i1p1_1850.nc"));
        let tree = Tree::new(&[
            &format!("{PR}/files/d20190401/{FILE}"),
            &pr("v20190101"),
            &format!("{cmip5}/v1/{}", names[0]),
            &format!("{cmip5}/v1/{}", names[1]),
        ]);
        tree.link(format!("{PR}/v20190401"), "files/d20190401");
        tree.link(format!("{PR}/v20200101"), "v20190101");
        tree.link(format!("{PR}/latest"), "v20190401");
        tree.link(format!("{PR}/v20190101/below"), "../../..");
        tree.link(format!("{TAS}/v20190401/tas.nc"), "/nonexistent/tas.nc");
        let drs = Drs::builtin().unwrap();
        let walked = tree.discover(&[""]);
        let mut directories: Vec<_> =
            walked.candidates.iter().map(|found| found.directory.clone()).collect();
        directories.dedup();
        assert_eq!((walked.candidates.len(), directories.len()), (6, 5));
        directories.push(tree.path("gone"));
        let mut listed = Vec::new();
        of_directories(
            directories.iter().map(PathBuf::as_path),
            &drs,
            |_| (),
            |found| {
                listed.push(found.unwrap());
                ControlFlow::Continue(())
            },
        );
        let told = |found: &Candidate| {
            let unreachable: Vec<_> = found.unreachable.iter().map(Error::to_string).collect();
            (found.dataset.instance_id(), found.directory.clone(), found.files.clone(), unreachable)
        };
        assert_eq!(
            listed.iter().map(told).collect::<Vec<_>>(),
            walked.candidates.iter().map(told).collect::<Vec<_>>()
        );
        let mut count = 0;
        of_directories(
            directories.iter().map(PathBuf::as_path),
            &drs,
            |_| (),
            |_| {
                count += 1;
                ControlFlow::Break(())
            },
        );
        assert_eq!(count, 1);
    }

    #[test]
    fn the_tree_of_esgdrs_is_walked_once() {
        let tree = Tree::new(&[&format!("{PR}/files/d20190401/{FILE}")]);
        for version in ["v20190401", "v20200101"] {
            tree.link(pr(version), format!("../files/d20190401/{FILE}"));
        }
        tree.link(format!("{PR}/latest"), "v20200101");
        let discovery = tree.discover(&[""]);
        assert_eq!(problems(&discovery), []);
        assert_eq!(ids(&discovery), [format!("{PR_ID}.v20190401"), format!("{PR_ID}.v20200101")]);
        let [first, second] = [0, 1].map(|i| &discovery.candidates[i].files[0]);
        assert_eq!(first.path, tree.path(pr("v20190401")));
        assert_eq!((first.inode, first.size), (second.inode, 4));
    }

    #[test]
    fn versions_may_be_links_to_directories() {
        let tree = Tree::new(&[&format!("{PR}/files/d20190401/{FILE}"), &pr("v20190101")]);
        tree.link(format!("{PR}/v20190401"), "files/d20190401");
        tree.link(format!("{PR}/v20200101"), "v20190101");
        tree.link(format!("{PR}/latest"), "v20190401");
        let discovery = tree.discover(&[""]);
        assert_eq!(problems(&discovery), []);
        let versions: Vec<_> =
            discovery.candidates.iter().map(|c| c.dataset.version.as_str()).collect();
        assert_eq!(versions, ["v20190101", "v20190401", "v20200101"]);
        assert_eq!(discovery.candidates[2].directory, tree.path(PR).join("v20200101"));
    }

    #[test]
    fn a_real_latest_counts_only_alone() {
        let tree = Tree::new(&[&pr("latest")]);
        let discovery = tree.discover(&[""]);
        assert_eq!(only(&discovery).dataset.instance_id(), format!("{PR_ID}.latest"));
        assert!(!discovery.candidates[0].dataset.versioned);

        tree.file(pr("v20190401"));
        assert_eq!(only(&tree.discover(&[""])).dataset.version, "v20190401");
        // Asked for by name, it counts.
        assert_eq!(only(&tree.discover(&[&format!("{PR}/latest")])).dataset.version, "latest");
    }

    #[test]
    fn trees_linked_in_from_elsewhere_are_walked_once() {
        let elsewhere = Tree::new(&[&pr("v20190401")]);
        let tree = Tree::new(&[]);
        tree.link("a/CMIP6", elsewhere.path("CMIP6"));
        tree.link("b", elsewhere.path(""));
        tree.link("c", tree.path("a"));
        let discovery = tree.discover(&[""]);
        assert_eq!(only(&discovery).directory, tree.path("a").join(PR).join("v20190401"));
    }

    #[test]
    fn links_that_lead_back_are_reported() {
        let elsewhere = Tree::new(&[]);
        let tree = Tree::new(&[&pr("v20190401")]);
        tree.link(format!("{PR}/up"), "../..");
        tree.link("self.nc", "self.nc");
        tree.link("self", "self");
        tree.link("away", elsewhere.path(""));
        elsewhere.link("back", tree.path(""));
        let discovery = tree.discover(&[""]);
        assert_eq!(ids(&discovery).len(), 1);
        assert_eq!(problems(&discovery), [Code::LinkLoop; 4]);
        let mut paths: Vec<_> = discovery.problems.iter().map(|p| p.path().unwrap()).collect();
        paths.sort();
        let expected =
            [PathBuf::from(PR).join("up"), "away/back".into(), "self".into(), "self.nc".into()];
        assert_eq!(paths, expected.map(|path| tree.path(path)));
    }

    #[test]
    fn what_is_named_like_a_file_but_is_none_is_reported() {
        let tree = Tree::new(&[&pr("v20190401")]);
        let socket = tree.path(format!("{PR}/v20190401/socket.nc"));
        let _open = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let discovery = tree.discover(&[""]);
        let unreachable = &only(&discovery).unreachable;
        assert_eq!(unreachable[0].code(), Code::NotNetcdf);
        assert_eq!(unreachable[0].path(), Some(socket.as_path()));
    }

    #[test]
    fn broken_links_are_reported() {
        let tree = Tree::new(&[&pr("v20190401")]);
        tree.link(format!("{PR}/v20190401/gone.nc"), "/nonexistent/gone.nc");
        tree.link(format!("{PR}/latest"), "v20180101");
        let discovery = tree.discover(&[""]);
        assert_eq!(problems(&discovery), [Code::NotFound]);
        assert_eq!(discovery.problems[0].message(), "broken symbolic link to `v20180101`");
        // A dataset that lacks a file must not pass for whole.
        let candidate = &discovery.candidates[0];
        assert_eq!(candidate.files.len(), 1);
        assert_eq!(
            candidate.unreachable[0].message(),
            "broken symbolic link to `/nonexistent/gone.nc`"
        );

        let tree = Tree::new(&[]);
        tree.link(pr("v20190401"), "/nonexistent");
        let discovery = tree.discover(&[""]);
        assert!(
            only(&discovery).files.is_empty() && discovery.candidates[0].unreachable.len() == 1
        );
    }

    #[test]
    fn unreadable_directories_are_reported() {
        let tree = Tree::new(&[&pr("v20190401"), &format!("{TAS}/v20190401/x.nc")]);
        let closed = tree.path(TAS);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&closed).is_ok() {
            println!("skipped: this user may read everything");
            return;
        }
        let discovery = tree.discover(&[""]);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ids(&discovery), [format!("{PR_ID}.v20190401")]);
        assert_eq!(problems(&discovery), [Code::PermissionDenied]);
        assert_eq!(discovery.problems[0].path(), Some(closed.as_path()));
    }

    #[test]
    fn directories_that_only_show_names_make_incomplete_datasets() {
        let tree = Tree::new(&[&pr("v20190401")]);
        let directory = tree.path(PR).join("v20190401");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o444)).unwrap();
        let skip = fs::metadata(directory.join(FILE)).is_ok();
        let discovery = tree.discover(&[""]);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        if skip {
            println!("skipped: this user may read everything");
            return;
        }
        assert_eq!(only(&discovery).unreachable[0].code(), Code::PermissionDenied);
    }

    #[test]
    fn roots_of_every_kind() {
        let tree = Tree::new(&[&pr("v20190401"), &format!("{PR}/v20190401/a.nc"), "x.txt"]);
        tree.link("linked", "CMIP6");
        tree.link("CMIP6-copy/CMIP6", "../CMIP6");
        let version = format!("{PR}/v20190401");
        for root in
            ["CMIP6", PR, &version, &pr("v20190401"), "CMIP6/../CMIP6", "./CMIP6/", "CMIP6-copy"]
        {
            assert_eq!(only(&tree.discover(&[root])).files.len(), 2, "{root}");
        }
        // The root is walked, but the name of the project is hidden behind the link.
        assert_eq!(problems(&tree.discover(&["linked"])), [Code::Unrecognised]);
        assert_eq!(problems(&tree.discover(&["gone"])), [Code::NotFound]);
        assert_eq!(problems(&tree.discover(&["gone.nc"])), [Code::NotFound]);
        assert_eq!(problems(&tree.discover(&["x.txt"])), [Code::Unrecognised]);
        assert_eq!(
            problems(&Discovery::of(&[PathBuf::new()], &Drs::builtin().unwrap())),
            [Code::Io]
        );
        tree.link("root", "CMIP6-copy");
        let discovery = tree.discover(&["root"]);
        assert_eq!(only(&discovery).directory, tree.path("root").join(&version));
    }

    #[test]
    fn overlapping_roots_yield_each_dataset_once() {
        let tree = Tree::new(&[&pr("v20190401"), &format!("{PR}/v20190401/a.nc")]);
        tree.link("linked", "CMIP6");
        let (file, other) = (pr("v20190401"), format!("{PR}/v20190401/a.nc"));
        for roots in [
            ["", ""],
            ["", "CMIP6"],
            ["CMIP6", ""],
            [PR, "CMIP6"],
            ["linked", ""],
            [&file, &other],
            [&file, PR],
            ["", &file],
        ] {
            let discovery = tree.discover(&roots);
            assert_eq!(only(&discovery).files.len(), 2, "{roots:?}");
            assert_eq!(discovery.candidates[0].directory, tree.path(PR).join("v20190401"));
        }
    }

    #[test]
    fn a_hidden_root_inside_another_is_walked() {
        let tree = Tree::new(&[&format!(".staging/{}", pr("v20190401"))]);
        assert_eq!(only(&tree.discover(&["", ".staging"])).files.len(), 1);
        assert_eq!(tree.discover(&[""]).candidates.len(), 0);
    }

    #[test]
    fn strays_are_reported_by_directory() {
        let tree =
            Tree::new(&["x/a.nc", "x/b.nc", "x/c.nc", "y/one.nc", &format!("{PR}/stray.nc")]);
        let discovery = tree.discover(&[""]);
        assert_eq!(ids(&discovery), [""; 0]);
        assert_eq!(problems(&discovery), [Code::Unrecognised; 3]);
        let messages: Vec<_> = discovery.problems.iter().map(Error::message).collect();
        assert_eq!(messages[0], "`stray.nc`: `CMIP6` must be followed by 9 directories, not 8");
        assert!(
            messages[1].starts_with("`a.nc` and 2 more: no directory above"),
            "{}",
            messages[1]
        );
        assert!(messages[2].starts_with("`one.nc`: "));
        assert_eq!(discovery.problems[1].path(), Some(tree.path("x").as_path()));
    }

    #[test]
    fn file_names_that_disagree_are_warnings() {
        let tree = Tree::new(&[
            &pr("v20190401"),
            &format!("{PR}/v20190401/{}", FILE.replace("pr", "tas")),
        ]);
        tree.file(Path::new(PR).join("v20190401").join(OsStr::from_bytes(b"\xff\x1b.nc")));
        let discovery = tree.discover(&[""]);
        assert_eq!(problems(&discovery), []);
        let id = format!("{PR_ID}.v20190401");
        assert_eq!(ids(&discovery), [id.clone(), format!("{id}.tas")]);
        // A name that says nothing leaves the file where it is.
        for (candidate, files) in discovery.candidates.iter().zip([2, 1]) {
            assert_eq!(candidate.files.len(), files);
            let codes: Vec<_> = candidate.warnings.iter().map(Error::code).collect();
            assert_eq!(codes, [Code::DrsMismatch]);
            let odd = &candidate.files[files - 1].path;
            assert_eq!(candidate.warnings[0].path(), Some(odd.as_path()));
        }
    }

    #[test]
    fn datasets_of_many_variables_are_met_in_every_layout() {
        let version = "cmip5/output1/I/M/historical/mon/atmos/Amon/r1i1p1";
        let id = "cmip5.output1.I.M.historical.mon.atmos.Amon.r1i1p1";
        let file = |variable: &str| format!("{variable}_Amon_M_historical_r1i1p1_185001-185012.nc");
        let tree = Tree::new(&[
            &format!("{version}/v1/{}", file("pr")),
            &format!("{version}/v1/{}", file("tas")),
            &format!("{version}/v1/nameless.nc"),
            &format!("{version}/files/tas_20120101/{}", file("tas")),
            &format!("files/run_20120101/{version}/v2/ua/{}", file("ua")),
        ]);
        // As `drs_tool` lays them out: a directory for each variable, of links to the files.
        let target = format!("../../files/tas_20120101/{}", file("tas"));
        tree.link(format!("{version}/v20120101/tas/{}", file("tas")), target);
        tree.link(format!("{version}/latest"), "v20120101");
        let discovery = tree.discover(&[""]);
        assert_eq!(
            ids(&discovery),
            ["v1.pr", "v1.tas", "v20120101.tas", "v2.ua"].map(|end| format!("{id}.{end}"))
        );
        let masters: Vec<String> =
            discovery.candidates.iter().map(|candidate| candidate.dataset.master_id()).collect();
        assert_eq!(masters, ["pr", "tas", "tas", "ua"].map(|end| format!("{id}.{end}")));
        assert_eq!(problems(&discovery), [Code::Unrecognised]);
        assert!(discovery.problems[0].message().starts_with("`nameless.nc`: "));
        assert!(discovery.candidates.iter().all(|found| found.warnings.is_empty()));
    }

    #[test]
    fn the_second_place_of_a_dataset_is_refused() {
        let tree =
            Tree::new(&[&format!("b/{}", pr("v20190401")), &format!("a/{}", pr("v20190401"))]);
        for roots in [&[""][..], &["b", "a"]] {
            let discovery = tree.discover(roots);
            assert_eq!(
                discovery.candidates[0].directory,
                tree.path("a").join(PR).join("v20190401")
            );
            assert_eq!(ids(&discovery).len(), 1);
            assert_eq!(problems(&discovery), [Code::DuplicateId]);
            let problem = &discovery.problems[0];
            assert!(problem.path().unwrap().starts_with(tree.path("b")));
            assert!(problem.message().contains(tree.path("a").to_str().unwrap()));
        }
    }

    #[test]
    fn projects_not_asked_for_are_no_strays() {
        let tree = Tree::new(&[
            &pr("v20190401"),
            &format!("{}/x.nc", PR.replacen("CMIP6", "CMIP6Plus", 1) + "/v20190401"),
        ]);
        let drs = Drs::builtin().unwrap().only(&["cmip6plus"]).unwrap();
        let discovery = Discovery::of(&[tree.path("")], &drs);
        assert_eq!(only(&discovery).dataset.project, "CMIP6Plus");
    }

    #[test]
    fn directories_with_odd_names_are_no_trouble() {
        let tree = Tree::new(&[]);
        let odd = PathBuf::from(OsStr::from_bytes(b"\xff\n\x1b"));
        tree.file(odd.join(pr("v20190401")));
        tree.file(odd.join("stray.nc"));
        let discovery = tree.discover(&[""]);
        assert_eq!(ids(&discovery), [format!("{PR_ID}.v20190401")]);
        assert_eq!(problems(&discovery), [Code::Unrecognised]);
        assert!(!discovery.problems[0].to_string().contains('\n'));
    }
}
