//! Directories of files that take their place as [`seal`] has it for one file: who comes meets
//! the old one or the new one, never a part.
//!
//! The digest of a set is the SHA-256 of what `sha256sum` prints of its files, by name.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use super::directory;
use super::seal::{self, Failure, Hashing, Written};
use super::temporary::TemporaryDirectory;
use crate::model::error::{Code, Error, Result};

const BUFFER: usize = 1 << 18;

/// A set that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSet {
    /// Where it is.
    pub path: PathBuf,
    /// Its digest.
    pub digest: String,
    /// Bytes of its files.
    pub size: u64,
    /// Whether it was there already with this content, and was left alone.
    pub unchanged: bool,
}

/// A set under a name that nobody meets; dropped, it is gone.
#[derive(Debug)]
pub struct PreparedSet {
    temporary: TemporaryDirectory,
    sealed: SealedSet,
}

impl PreparedSet {
    /// Where it is until it is published.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// What it will be.
    #[must_use]
    pub fn sealed(&self) -> &SealedSet {
        &self.sealed
    }

    /// Gives it its name.
    pub fn publish(self) -> Result<SealedSet> {
        let Self { temporary, sealed } = self;
        let (directory, _) = seal::place(&sealed.path)?;
        let left = if sealed.unchanged { Ok(temporary) } else { temporary.replace(&sealed.path) };
        // The old one goes when nothing can bring its name back.
        left.and_then(|left| directory::sync(directory).map(|()| left.remove()))
            .map_err(|error| seal::explain(&error, directory, &sealed.path))?;
        Ok(sealed)
    }
}

/// A file of a set that is being written.
#[derive(Debug)]
pub struct SetFile(BufWriter<Hashing>);

impl Write for SetFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The files of a set that is being written.
#[derive(Debug)]
pub struct Files<'a> {
    top: &'a Path,
    /// Digests by names from the top on.
    digests: Vec<(String, String)>,
    size: u64,
}

impl Files<'_> {
    /// Writes the file called `name`, from the top on, in directories that are made as they are needed.
    pub fn write<T>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut SetFile) -> Written<T>,
    ) -> Written<T> {
        let is_plain = |part: Component| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(is_plain) || name.contains('\0') {
            let feature = format!("a directory for `{}`", name.escape_debug());
            return Err(Error::unsupported(feature).into());
        }
        let path = self.top.join(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = Hashing::new(File::create_new(&path)?);
        let mut writer = SetFile(BufWriter::with_capacity(BUFFER, file));
        let value = write(&mut writer)?;
        let hashing = writer.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (file, digest, size) = hashing.finish();
        file.sync_all()?;
        self.digests.push((name.to_owned(), digest));
        self.size += size;
        Ok(value)
    }
}

/// Writes what is to be at `target`, whose directory must exist, under a name that nobody meets. A set that is
/// there with the same content will be left alone.
pub fn prepare<T>(
    target: &Path,
    write: impl FnOnce(&mut Files) -> Written<T>,
) -> Result<(PreparedSet, T)> {
    let (directory, name) = seal::place(target)?;
    if fs::symlink_metadata(target).is_ok_and(|found| !found.is_dir()) {
        return Err(Error::new(Code::Io, "there is something else in the place of a directory")
            .in_file(target)
            .with_hint("see whose it is, and move it away"));
    }
    prepare_in(directory, name, target, write).map_err(|failure| match failure {
        Failure::System(error) => seal::explain(&error, directory, target),
        Failure::Content(error) => error,
    })
}

fn prepare_in<T>(
    directory: &Path,
    name: &OsStr,
    target: &Path,
    write: impl FnOnce(&mut Files) -> Written<T>,
) -> Written<(PreparedSet, T)> {
    let temporary = TemporaryDirectory::create(directory, name)?;
    let mut files = Files { top: temporary.path(), digests: Vec::new(), size: 0 };
    let value = write(&mut files)?;
    let Files { digests, size, .. } = files;
    sync_all(temporary.path())?;
    let digest = digest_of_list(digests);
    let unchanged = size_of(target).is_ok_and(|found| found == size)
        && digest_of(target).is_ok_and(|found| found == digest);
    let sealed = SealedSet { path: target.to_owned(), digest, size, unchanged };
    Ok((PreparedSet { temporary, sealed }, value))
}

/// Makes certain what is in `directory` and those below it.
fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        }
    }
    directory::sync(directory)
}

/// The digest of the set at `path`; one with anything but files and directories in it is none.
pub fn digest_of(path: &Path) -> io::Result<String> {
    let mut digests = Vec::new();
    each_file(path, &mut |file, _| {
        let name = file.strip_prefix(path).unwrap_or(file).to_string_lossy().into_owned();
        digests.push((name, seal::digest_of(file)?));
        Ok(())
    })?;
    Ok(digest_of_list(digests))
}

/// Bytes of the files of the set at `path`.
pub fn size_of(path: &Path) -> io::Result<u64> {
    let mut size = 0;
    each_file(path, &mut |_, bytes| {
        size += bytes;
        Ok(())
    })?;
    Ok(size)
}

/// Removes the set at `path`: all of it is out of sight at once. Tells whether it was there.
#[must_use]
pub fn remove(path: &Path) -> bool {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return false;
    }
    TemporaryDirectory::take(path).is_ok_and(|hidden| {
        let is_certain = hidden.path().parent().is_some_and(|above| directory::sync(above).is_ok());
        hidden.remove();
        is_certain
    })
}

fn digest_of_list(mut digests: Vec<(String, String)>) -> String {
    digests.sort();
    let lines = digests.iter().map(|(name, digest)| format!("{digest}  {name}\n"));
    seal::digest(lines.collect::<String>().as_bytes())
}

fn each_file(
    directory: &Path,
    each: &mut dyn FnMut(&Path, u64) -> io::Result<()>,
) -> io::Result<()> {
    // A link would be followed.
    if !fs::symlink_metadata(directory)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_dir() {
            each_file(&entry.path(), each)?;
        } else if found.is_file() {
            each(&entry.path(), found.len())?;
        } else {
            return Err(io::Error::other("neither a file nor a directory"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::process::Command;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn target() -> (TempDir, PathBuf) {
        let place = tempdir().unwrap();
        let target = place.path().join("a.v1.parq");
        (place, target)
    }

    fn seal_set(target: &Path, files: &[(&str, &str)]) -> Result<SealedSet> {
        let (prepared, ()) = prepare(target, |set| {
            files.iter().try_for_each(|(name, text)| {
                set.write(name, |to| Ok(to.write_all(text.as_bytes())?))
            })
        })?;
        prepared.publish()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_digest_is_one_that_anyone_can_tell() {
        let (place, target) = target();
        let sealed = seal_set(&target, &[("tas/0", "abc"), (".z", "d"), ("tas/00", "e")]).unwrap();
        assert_eq!((sealed.size, names(place.path())), (5, vec!["a.v1.parq".to_owned()]));
        let command =
            "cd $1 && find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum";
        let told = Command::new("sh").args(["-c", command, "sh"]).arg(&target).output().unwrap();
        assert_eq!(String::from_utf8(told.stdout).unwrap(), format!("{}  -\n", sealed.digest));
        assert_eq!(digest_of(&target).unwrap(), sealed.digest);
    }

    #[test]
    fn another_content_takes_the_place_of_all_and_the_same_is_left_untouched() {
        let (place, target) = target();
        let first = seal_set(&target, &[("a/0", "1"), ("b/0", "2")]).unwrap();
        let stamp = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.ino(), found.mtime_nsec(), found.ctime_nsec())
        };
        let before = stamp(&target);
        let second = seal_set(&target, &[("a/0", "1"), ("b/0", "2")]).unwrap();
        assert_eq!(second, SealedSet { unchanged: true, ..first });
        assert_eq!(stamp(&target), before);
        assert!(!seal_set(&target, &[("a/0", "3")]).unwrap().unchanged);
        assert_eq!(names(&target), ["a"]);
        assert_eq!(names(place.path()), ["a.v1.parq"]);
    }

    #[test]
    fn an_error_leaves_the_old_one_and_nothing_else() {
        let (place, target) = target();
        seal_set(&target, &[("a/0", "1")]).unwrap();
        let failed = prepare(&target, |set| -> Written<()> {
            set.write("a/0", |to| Ok(to.write_all(b"2")?))?;
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        });
        assert!(failed.unwrap_err().hint().unwrap().contains("--output-dir"));
        assert_eq!(fs::read_to_string(target.join("a/0")).unwrap(), "1");
        assert_eq!(names(place.path()), ["a.v1.parq"]);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let (place, target) = target();
        for name in ["../x/0", "/x", "a/../../x", ""] {
            let failed = seal_set(&target, &[(name, "1")]);
            assert!(failed.is_err(), "{name}");
        }
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn a_link_is_neither_followed_nor_replaced() {
        let (place, target) = target();
        let precious = place.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "1").unwrap();
        symlink(&precious, &target).unwrap();
        assert_eq!(seal_set(&target, &[("a/0", "1")]).unwrap_err().path(), Some(target.as_path()));
        assert!(!remove(&target) && digest_of(&target).is_err());
        fs::remove_file(&target).unwrap();
        seal_set(&target, &[("a/0", "1")]).unwrap();
        symlink(&precious, target.join("link")).unwrap();
        assert!(digest_of(&target).is_err());
        assert!(remove(&target) && !remove(&target));
        assert_eq!(names(place.path()), ["precious"]);
        assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "1");
    }
}
