//! Files, and directories, under names that nobody meets until they are complete.
//!
//! The name is `.TARGET.tmp-HOST-PID-START-NUMBER`, `START` being when the process began. So what killed
//! processes left is told from what is being written: by this process, by others of this host, or on other
//! hosts that share the file system.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::directory;

const MARK: &str = ".tmp-";

/// Nothing takes another host so long to write.
const DAY: Duration = Duration::from_hours(24);

/// Directories that were looked through lately, so that many stores in one do not cost a listing each.
const REMEMBERED: usize = 64;

/// A file that is removed unless it is renamed, also by an error or a panic.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// Creates a file in the directory of `target`, with the permissions that the umask leaves, as for any
    /// published file; and removes what killed processes left there.
    pub(super) fn create(directory: &Path, name: &OsStr) -> io::Result<(Self, File)> {
        remove_stale(directory);
        let path = directory.join(temporary_name(name));
        // Never opens what is there already, be it a link that somebody planted.
        let file = File::create_new(&path)?;
        Ok((Self(path), file))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives the file its final name; what is dropped then is a name without a file.
    pub(super) fn rename(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        let _ = fs::remove_file(&self.0);
    }
}

/// A directory that is removed with all in it unless it takes its place, also by an error or a panic.
#[derive(Debug)]
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Creates a directory as [`Temporary::create`] does a file.
    pub(super) fn create(directory: &Path, name: &OsStr) -> io::Result<Self> {
        remove_stale(directory);
        let path = directory.join(temporary_name(name));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Takes the directory at `path` out of sight, to be removed.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let directory = path.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."));
        let hidden = directory.join(temporary_name(path.file_name().unwrap_or_default()));
        fs::rename(path, &hidden)?;
        Ok(Self(hidden))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes the directory, so that it does not come back when power is lost: whoever would look for it is done.
    pub(super) fn remove(self) {
        if fs::remove_dir_all(&self.0).is_ok() {
            // As in `drop`.
            let _ = self.0.parent().map(directory::sync);
        }
    }

    /// Puts the directory in the place of what is at `target`, if anything is, so that who comes meets the
    /// one or the other. Where the file system cannot exchange names there is nothing for a moment. What was
    /// there is returned, to be removed once its end is certain.
    pub(super) fn replace(self, target: &Path) -> io::Result<Self> {
        match renameat_with(CWD, &self.0, CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(self),
            Err(Errno::NOENT) => fs::rename(&self.0, target).map(|()| self),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.replace_in_turn(target),
            Err(error) => Err(error.into()),
        }
    }

    /// The same where the file system cannot exchange names: what is there is taken out of the way first.
    fn replace_in_turn(self, target: &Path) -> io::Result<Self> {
        let old = match Self::take(target) {
            // Such a file system says so whether or not there is something to exchange with.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return fs::rename(&self.0, target).map(|()| self);
            }
            taken => taken?,
        };
        match fs::rename(&self.0, target) {
            Ok(()) => Ok(old),
            Err(error) => {
                // Rather the old one than none.
                let _ = fs::rename(&old.0, target);
                Err(error)
            }
        }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn temporary_name(name: &OsStr) -> OsString {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!("{MARK}{}-{}-{}-{count:x}", host(), process::id(), start()));
    temporary
}

/// When this process began; where the system does not tell, when it began to write.
fn start() -> &'static str {
    static START: OnceLock<String> = OnceLock::new();
    START.get_or_init(|| {
        start_of(Path::new("/proc/self")).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_nanos().to_string()
        })
    })
}

/// The name of this host, without what separates the parts of a name.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        name.chars().filter(char::is_ascii_alphanumeric).collect()
    })
}

/// Removes the temporary files in `directory` whose process is gone. That is a courtesy: where it
/// cannot be done, writing goes on or says itself what is wrong.
pub(super) fn remove_stale(directory: &Path) {
    if was_looked_through(directory) {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = || {
            let modified = entry.metadata().and_then(|found| found.modified()).ok();
            modified.and_then(|it| it.elapsed().ok()).is_some_and(|age| age > DAY)
        };
        if is_stale(&entry.file_name(), is_old) {
            let is_directory = entry.file_type().is_ok_and(|found| found.is_dir());
            let remove = if is_directory { fs::remove_dir_all } else { fs::remove_file };
            let _ = remove(entry.path());
        }
    }
}

fn was_looked_through(directory: &Path) -> bool {
    static LATELY: Mutex<VecDeque<PathBuf>> = Mutex::new(VecDeque::new());
    let Ok(mut lately) = LATELY.lock() else { return true };
    if lately.iter().any(|known| known == directory) {
        return true;
    }
    if lately.len() == REMEMBERED {
        lately.pop_front();
    }
    lately.push_back(directory.to_owned());
    false
}

/// Whether `name` is that of a temporary file that nobody writes to any more.
fn is_stale(name: &OsStr, is_old: impl FnOnce() -> bool) -> bool {
    let name = name.as_bytes();
    let Some(at) = name.windows(MARK.len()).rposition(|part| part == MARK.as_bytes()) else {
        return false;
    };
    let writer = std::str::from_utf8(&name[at + MARK.len()..]).unwrap_or_default();
    let parts: Vec<&str> = writer.split('-').collect();
    let ([of_host, pid, of_start, _], true) = (&parts[..], name.starts_with(b".")) else {
        return false;
    };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    if *of_host != host() {
        return is_old();
    }
    if pid == process::id() {
        // Of this process, or of an earlier one with its number, as in containers.
        return *of_start != start();
    }
    // Numbers are given again, where many processes come and go within minutes.
    let process = Path::new("/proc").join(pid.to_string());
    match start_of(&process) {
        Some(start) => start != *of_start,
        // There, but not to be asked.
        None => !process.exists(),
    }
}

/// When the process or thread in this directory of `/proc` began, in ticks of the system since it started.
fn start_of(process: &Path) -> Option<String> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The second field, a name in parentheses, may have spaces and parentheses in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hidden_and_new_every_time() {
        let name = OsStr::new("a.v1.json");
        let [one, other] = [temporary_name(name), temporary_name(name)];
        assert_ne!(one, other);
        assert!(one.as_bytes().starts_with(b".a.v1.json.tmp-"));
        assert!(!is_stale(&one, || true));
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let mut child = process::Command::new("true").spawn().unwrap();
        let killed = child.id();
        child.wait().unwrap();
        let (host, own) = (host(), process::id());
        let stale = [
            format!(".a.json.tmp-{host}-{killed}-1f-0"),
            format!(".b.seg07.json.tmp-{host}-{killed}-1f-2"),
            format!(".a.json.tmp-{host}-{own}-1f-0"),
            // Of an earlier process with the number of the first.
            format!(".a.json.tmp-{host}-1-1f-0"),
        ];
        let kept = [
            format!(".a.json.tmp-{host}-1-{}-0", start_of(Path::new("/proc/1")).unwrap()),
            format!(".a.json.tmp-{host}-{own}-{}-0", start()),
            format!(".a.json.tmp-elsewhere-{killed}-1f-0"),
            format!("a.json.tmp-{host}-{killed}-1f-0"),
            format!(".a.json.tmp-{host}-x-1f-0"),
            ".a.json.tmp-".to_owned(),
            "tas.nc".to_owned(),
        ];
        for name in stale.iter().chain(&kept) {
            fs::write(place.path().join(name), "").unwrap();
        }
        let stale_directory = format!(".a.parq.tmp-{host}-{killed}-1f-1");
        fs::create_dir_all(place.path().join(&stale_directory).join("tas")).unwrap();
        let (temporary, _) = Temporary::create(place.path(), OsStr::new("c.json")).unwrap();
        for name in stale.iter().chain([&stale_directory]) {
            assert!(!place.path().join(name).exists(), "{name}");
        }
        for name in &kept {
            assert!(place.path().join(name).exists(), "{name}");
        }
        assert!(is_stale(OsStr::new(&kept[2]), || true));
        drop(temporary);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), kept.len());
    }

    #[test]
    fn a_directory_takes_the_place_of_another_by_exchange_or_in_turn() {
        let replacements = [TemporaryDirectory::replace, TemporaryDirectory::replace_in_turn];
        for replace in replacements {
            let place = tempfile::tempdir().unwrap();
            let target = place.path().join("a.parq");
            let first = TemporaryDirectory::create(place.path(), OsStr::new("a.parq")).unwrap();
            fs::write(first.path().join("old"), "").unwrap();
            drop(replace(first, &target).unwrap());
            let new = TemporaryDirectory::create(place.path(), OsStr::new("a.parq")).unwrap();
            fs::write(new.path().join("new"), "").unwrap();
            let left = replace(new, &target).unwrap();
            assert!(target.join("new").exists() && left.path().join("old").exists());
            drop(left);
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
            // What is not there any more cannot take its place.
            let lost = TemporaryDirectory::create(place.path(), OsStr::new("a.parq")).unwrap();
            fs::remove_dir(lost.path()).unwrap();
            assert!(replace(lost, &target).is_err());
            assert!(target.join("new").exists());
        }
    }
}
