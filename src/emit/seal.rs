//! Writing a manifest so that whoever reads it sees the old one or the new one, never a part.
//!
//! The bytes go to a temporary file in the same directory, are synchronised, and take the place of
//! the target by one rename. The web servers of ESGF answer 404 to names with a leading dot, as the
//! temporary file has it, and discovery ignores them, so nobody meets half a manifest under that
//! name either. Waiting for the disk is a step of its own, so that others can compute meanwhile.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::directory;
use super::temporary::{self, Temporary};
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

/// A file that is complete, under a name that nobody meets; dropped, it is gone.
#[derive(Debug)]
pub struct Prepared {
    temporary: Temporary,
    sealed: Sealed,
    /// The file, until it is on disk.
    unsynced: Option<File>,
}

impl Prepared {
    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// What it will be.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Waits until it is on disk.
    pub fn sync(&mut self) -> Result<()> {
        let Some(file) = self.unsynced.take() else { return Ok(()) };
        let target = &self.sealed.path;
        let (directory, _) = place(target)?;
        file.sync_all().map_err(|error| explain(&error, directory, target))
    }

    /// Gives it its name, once it is on disk.
    pub fn publish(mut self) -> Result<Sealed> {
        self.sync()?;
        let Self { temporary, sealed, .. } = self;
        let (directory, _) = place(&sealed.path)?;
        let in_place = if sealed.unchanged {
            drop(temporary);
            // Whoever put it there may have died before it was certain.
            File::open(&sealed.path).and_then(|file| file.sync_all())
        } else {
            temporary.rename(&sealed.path)
        };
        in_place
            .and_then(|()| directory::sync(directory))
            .map_err(|error| explain(&error, directory, &sealed.path))?;
        Ok(sealed)
    }
}

/// Puts what `write` writes at `target`, whole or not at all; its directory must exist.
///
/// A target that already has this content is not touched: published files are immutable in caches,
/// and a new modification time would make them transfer it again. A target that is a symbolic link
/// is replaced, never followed. What killed runs left beside it is removed.
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
    prepare_named(target, |_| target.to_owned(), write)
}

/// As [`prepare`], for a file beside `neighbour` that is called after its content: `name` gives its path for
/// the digest.
pub fn prepare_named<T>(
    neighbour: &Path,
    name: impl FnOnce(&str) -> PathBuf,
    write: impl FnOnce(&mut dyn Write) -> Written<T>,
) -> Result<(Prepared, T)> {
    let (directory, stem) = place(neighbour)?;
    prepare_in(directory, stem, name, write).map_err(|failure| match failure {
        Failure::System(error) => explain(&error, directory, neighbour),
        Failure::Content(error) => error,
    })
}

fn prepare_in<T>(
    directory: &Path,
    stem: &OsStr,
    name: impl FnOnce(&str) -> PathBuf,
    write: impl FnOnce(&mut dyn Write) -> Written<T>,
) -> Written<(Prepared, T)> {
    let (temporary, file) = Temporary::create(directory, stem)?;
    let mut writer = BufWriter::with_capacity(BUFFER, Hashing::new(file));
    let value = write(&mut writer)?;
    let hashing = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (file, digest, size) = hashing.finish();
    let path = name(&digest);
    let unchanged = holds(&path, &digest, size);
    let unsynced = (!unchanged).then_some(file);
    let sealed = Sealed { path, digest, size, unchanged };
    Ok((Prepared { temporary, sealed, unsynced }, value))
}

/// Removes what killed runs left in `directory` under names that nobody meets.
pub fn clean(directory: &Path) {
    temporary::remove_stale(directory);
}

pub(super) fn place(target: &Path) -> Result<(&Path, &OsStr)> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::new(Code::Internal, "not the path of a file").in_file(target))?;
    let directory = match target.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    Ok((directory, name))
}

pub(super) fn explain(error: &io::Error, directory: &Path, target: &Path) -> Error {
    match (way_out(error), error.kind()) {
        (Some(hint), _) => {
            Error::io(error, "write a store in this directory", directory).with_hint(hint)
        }
        (None, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Error::io(error, "write a store in this directory", directory)
        }
        _ => Error::io(error, "write the store", target),
    }
}

/// What helps where a directory takes no stores because it is closed or full.
#[must_use]
pub fn way_out(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("use --output-dir DIR to write the stores elsewhere")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room, or use --output-dir DIR to write the stores elsewhere")
        }
        _ => None,
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

/// A file that knows the digest and the number of the bytes written to it.
#[derive(Debug)]
pub(super) struct Hashing {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Hashing {
    pub(super) fn new(file: File) -> Self {
        Self { file, hash: Sha256::new(), size: 0 }
    }

    pub(super) fn finish(self) -> (File, String, u64) {
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
