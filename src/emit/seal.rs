//! Writing a manifest so that whoever reads it sees the old one or the new one, never a part.
//!
//! The bytes go to a temporary file in the same directory, are synchronised, and take the place of
//! the target by one rename. The temporary file is `.TARGET.tmp-PID-NUMBER`: the web servers of
//! ESGF answer 404 to names with a leading dot and discovery ignores them, so nobody meets half a
//! manifest under that name either.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::model::error::{Code, Error, Result};
use crate::model::multihash::Multihash;

const BUFFER: usize = 1 << 18;

/// A file that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its content in hexadecimal digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Whether the file was there already with this content, and was left alone.
    pub unchanged: bool,
}

/// Why writing ended early.
#[derive(Debug)]
pub enum Failure {
    /// The system refused; whoever knows the target can say more.
    System(io::Error),
    /// What was to be written cannot be expressed.
    Content(Error),
}

/// The result of writing.
pub type Written<T> = std::result::Result<T, Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Content(error)
    }
}

/// A file that is complete and on disk, under a name that nobody meets; dropped, it is gone.
#[derive(Debug)]
pub struct Prepared {
    temporary: Temporary,
    sealed: Sealed,
}

impl Prepared {
    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary.0
    }

    /// What it will be.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Gives it its name.
    pub fn publish(self) -> Result<Sealed> {
        let Self { temporary, sealed } = self;
        let (directory, _) = place(&sealed.path)?;
        if !sealed.unchanged {
            temporary
                .rename(&sealed.path)
                .and_then(|()| sync_directory(directory))
                .map_err(|error| explain(&error, directory, &sealed.path))?;
        }
        Ok(sealed)
    }
}

/// Puts what `write` writes at `target`, whole or not at all; its directory must exist.
///
/// A target that already has this content is not touched: published files are immutable in caches,
/// and a new modification time would make them transfer it again. A target that is a symbolic link
/// is replaced, never followed. What killed runs left of this target is removed.
pub fn seal<T>(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> Written<T>,
) -> Result<(Sealed, T)> {
    let (prepared, value) = prepare(target, write)?;
    Ok((prepared.publish()?, value))
}

/// Writes what [`seal`] would put at `target`, and leaves that as it is until the result is published.
pub fn prepare<T>(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> Written<T>,
) -> Result<(Prepared, T)> {
    let (directory, name) = place(target)?;
    prepare_in(directory, name, target, write).map_err(|failure| match failure {
        Failure::System(error) => explain(&error, directory, target),
        Failure::Content(error) => error,
    })
}

fn prepare_in<T>(
    directory: &Path,
    name: &OsStr,
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> Written<T>,
) -> Written<(Prepared, T)> {
    remove_stale(directory, name);
    let (temporary, file) = Temporary::create(directory, name)?;
    let mut writer = BufWriter::with_capacity(BUFFER, Hashing::new(file));
    let value = write(&mut writer)?;
    let hashing = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (file, digest, size) = hashing.finish();
    let unchanged = holds(target, &digest, size);
    if !unchanged {
        file.sync_all()?;
    }
    let sealed = Sealed { path: target.to_owned(), digest, size, unchanged };
    Ok((Prepared { temporary, sealed }, value))
}

fn place(target: &Path) -> Result<(&Path, &OsStr)> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::new(Code::Internal, "not the path of a file").in_file(target))?;
    let directory = match target.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    Ok((directory, name))
}

fn explain(error: &io::Error, directory: &Path, target: &Path) -> Error {
    const ELSEWHERE: &str = "use --output-dir DIR to write the stores elsewhere";
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::io(error, "write a store in this directory", directory).with_hint(ELSEWHERE)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::io(error, "write a store in this directory", directory)
                .with_hint(format!("make room, or {ELSEWHERE}"))
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::io(error, "write a store in this directory", directory)
        }
        _ => Error::io(error, "write the store", target),
    }
}

/// Whether `target` is a file, not a link to one, with exactly this content.
fn holds(target: &Path, digest: &str, size: u64) -> bool {
    fs::symlink_metadata(target).is_ok_and(|found| found.is_file() && found.len() == size)
        && digest_of(target).is_ok_and(|found| found == digest)
}

/// SHA-256 of the file at `path` in hexadecimal digits.
pub fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hash)),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// How the file at `path` is not what `checksum` says, or that this cannot be told.
#[must_use]
pub fn wrong_checksum(path: &Path, checksum: &Multihash) -> Option<Error> {
    let Some(expected) = checksum.sha256() else {
        let message =
            format!("the checksum {checksum} is not one of SHA-256, and was not compared");
        return Some(Error::new(Code::NotVerified, message));
    };
    match digest_of(path) {
        Err(error) => Some(Error::io(&error, "read", path)),
        Ok(found) if found == expected => None,
        Ok(found) => {
            let message = format!("its SHA-256 is {found}, its mapfile says {expected}");
            Some(Error::new(Code::Different, message).with_hint(
                "transfer the file again; if it is right, make the mapfile anew, and publish that",
            ))
        }
    }
}

/// SHA-256 of `bytes` in hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes a rename in `directory` survive a power cut.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // Some network file systems do not know this for directories, and need it the less.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// A file that is removed unless it is renamed, also by an error or a panic.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// Creates a file with the permissions that the umask leaves, as for any published file.
    fn create(directory: &Path, name: &OsStr) -> io::Result<(Self, File)> {
        let path = directory.join(temporary_name(name));
        // Never opens what is there already, be it a link that somebody planted.
        let file = File::create_new(&path)?;
        Ok((Self(path), file))
    }

    /// Gives the file its final name; what is dropped then is a name without a file.
    fn rename(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        let _ = fs::remove_file(&self.0);
    }
}

/// A name nobody else uses: the process is not enough where several hosts share a file system.
fn temporary_name(name: &OsStr) -> OsString {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let mut temporary = temporary_prefix(name);
    temporary.push(format!("{}-{:x}{count:x}", process::id(), nanoseconds));
    temporary
}

fn temporary_prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".tmp-");
    prefix
}

/// Removes the temporary files of this target whose process is gone. That is a courtesy: where it
/// cannot be done, sealing goes on or says itself what is wrong.
fn remove_stale(directory: &Path, name: &OsStr) {
    let prefix = temporary_prefix(name);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let found = entry.file_name();
        if let Some(process) = found.as_bytes().strip_prefix(prefix.as_bytes())
            && !is_running(process)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the process of a temporary file, `PID-NUMBER`, runs on this host.
///
/// A process of another host looks gone. If it does seal the same target at this moment, its rename
/// finds nothing and it reports an error; a torn manifest cannot come of it.
fn is_running(process: &[u8]) -> bool {
    let digits = process.split(|byte| *byte == b'-').next().unwrap_or_default();
    let pid = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
    pid.is_some_and(|pid| pid != process::id() && Path::new(&format!("/proc/{pid}")).exists())
}

/// A file that knows the digest and the number of the bytes written to it.
struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), size: 0 }
    }

    fn finish(self) -> (File, String, u64) {
        (self.file, hex(self.hash), self.size)
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tempfile::{TempDir, tempdir};

    use super::*;

    const ID: &str = "CMIP6.CMIP.a.v1.json";

    fn target() -> (TempDir, PathBuf) {
        let place = tempdir().unwrap();
        let target = place.path().join(ID);
        (place, target)
    }

    fn seal_text(target: &Path, text: &str) -> Result<Sealed> {
        seal(target, |to| Ok(to.write_all(text.as_bytes())?)).map(|(sealed, ())| sealed)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_is_what_was_written_and_said() {
        let (place, target) = target();
        let sealed = seal_text(&target, "abc").unwrap();
        assert_eq!(
            sealed,
            Sealed {
                path: target.clone(),
                digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
                size: 3,
                unchanged: false,
            }
        );
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert_eq!(names(place.path()), [ID]);
    }

    #[test]
    fn many_small_and_large_writes_make_one_digest() {
        let (_place, target) = target();
        let sealed = seal(&target, |to| {
            for _ in 0..1000 {
                to.write_all(b"{\"a\":1}")?;
            }
            Ok(to.write_all(&vec![b' '; 2 * BUFFER])?)
        });
        let (sealed, ()) = sealed.unwrap();
        assert_eq!(sealed.size, 7000 + 2 * BUFFER as u64);
        assert_eq!(sealed.digest, digest_of(&target).unwrap());
    }

    #[test]
    fn others_may_read_it_as_the_umask_says() {
        let (place, target) = target();
        seal_text(&target, "abc").unwrap();
        let ordinary = place.path().join("ordinary");
        fs::write(&ordinary, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&target), mode(&ordinary));
    }

    #[test]
    fn new_content_replaces_the_file_and_leaves_its_readers_the_old_one() {
        let (place, target) = target();
        seal_text(&target, "old").unwrap();
        let mut reader = File::open(&target).unwrap();
        let sealed = seal(&target, |to| {
            to.write_all(b"new")?;
            assert_eq!(fs::read(&target)?, b"old");
            Ok(())
        });
        assert!(!sealed.unwrap().0.unchanged);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "old");
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(place.path()), [ID]);
    }

    #[test]
    fn the_same_content_is_left_untouched() {
        let (place, target) = target();
        let first = seal_text(&target, "abc").unwrap();
        let stamp = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.ino(), found.mtime(), found.mtime_nsec(), found.ctime_nsec())
        };
        let before = stamp(&target);
        let second = seal_text(&target, "abc").unwrap();
        assert_eq!(second, Sealed { unchanged: true, ..first });
        assert_eq!(stamp(&target), before);
        assert_eq!(names(place.path()), [ID]);
    }

    #[test]
    fn an_error_leaves_the_old_file_alone() {
        let (place, target) = target();
        seal_text(&target, "old").unwrap();
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
            let error = seal(&target, |to| -> Written<()> {
                to.write_all(&vec![0; 2 * BUFFER])?;
                Err(io::Error::from(kind).into())
            })
            .unwrap_err();
            assert_eq!(error.code(), Code::Io);
            assert_eq!(error.hint().is_some(), kind == io::ErrorKind::StorageFull);
            assert_eq!(fs::read(&target).unwrap(), b"old");
            assert_eq!(names(place.path()), [ID]);
        }
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let (place, target) = target();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            seal(&target, |to| -> Written<()> {
                to.write_all(b"half")?;
                panic!("while writing")
            })
        }));
        assert!(panicked.is_err());
        assert!(names(place.path()).is_empty());
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let (place, target) = target();
        let precious = place.path().join("precious");
        // With the same content, too: the link itself is what must go.
        for text in ["precious", "abc"] {
            fs::write(&precious, "precious").unwrap();
            let _ = fs::remove_file(&target);
            symlink(&precious, &target).unwrap();
            assert!(!seal_text(&target, text).unwrap().unchanged);
            assert!(fs::symlink_metadata(&target).unwrap().is_file());
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
            assert_eq!(fs::read(&precious).unwrap(), b"precious");
        }
    }

    #[test]
    fn a_planted_temporary_file_is_never_opened() {
        let (place, _) = target();
        let precious = place.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        let planted = place.path().join("planted");
        symlink(&precious, &planted).unwrap();
        assert_eq!(File::create_new(&planted).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn temporary_names_are_hidden_and_differ() {
        let [one, other] = [(); 2].map(|()| temporary_name(OsStr::new(ID)));
        assert_ne!(one, other);
        assert!(one.as_bytes().starts_with(b".CMIP6.CMIP.a.v1.json.tmp-"));
    }

    #[test]
    fn only_what_killed_runs_left_of_this_target_is_removed() {
        let (place, target) = target();
        let mut child = process::Command::new("true").spawn().unwrap();
        let killed = child.id();
        child.wait().unwrap();
        let left = |name: String| fs::write(place.path().join(name), "half").unwrap();
        left(format!(".{ID}.tmp-{killed}-1f"));
        left(format!(".{ID}.tmp-1-1f"));
        left(format!(".other.json.tmp-{killed}-1f"));
        seal_text(&target, "abc").unwrap();
        let kept =
            [format!(".{ID}.tmp-1-1f"), format!(".other.json.tmp-{killed}-1f"), ID.to_owned()];
        assert_eq!(names(place.path()), kept);
    }

    #[test]
    fn a_directory_that_does_not_exist_is_named() {
        let place = tempdir().unwrap();
        let directory = place.path().join("absent");
        let error = seal_text(&directory.join(ID), "abc").unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.path(), Some(directory.as_path()));
    }

    #[test]
    fn a_directory_in_place_of_the_target_is_an_error() {
        let (place, target) = target();
        fs::create_dir(&target).unwrap();
        let error = seal_text(&target, "abc").unwrap_err();
        assert_eq!(error.path(), Some(target.as_path()));
        assert_eq!(names(place.path()), [ID]);
    }

    #[test]
    fn a_path_without_a_file_name_is_an_error() {
        assert_eq!(seal_text(Path::new("/"), "abc").unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn a_directory_that_may_not_be_written_is_named_with_a_way_out() {
        let (directory, target) = (Path::new("/data"), Path::new("/data/a.json"));
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let error = explain(&kind.into(), directory, target);
            assert_eq!(error.path(), Some(directory));
            assert!(error.hint().unwrap().contains("--output-dir DIR"));
        }
    }

    #[test]
    fn a_directory_without_permission_is_left_as_it_is() {
        let (place, target) = target();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o555)).unwrap();
        if File::create(place.path().join("probe")).is_ok() {
            println!("skipped: permissions do not bind this user");
            return;
        }
        let error = seal_text(&target, "abc").unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
        assert_eq!(error.path(), Some(place.path()));
        assert!(names(place.path()).is_empty());
    }
}
