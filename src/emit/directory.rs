//! Names that survive a loss of power: what is created, renamed or removed in a directory is certain once
//! the directory was synchronised, and a new directory once the one above it was.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes certain what was created, renamed or removed in `directory`.
pub fn sync(directory: &Path) -> io::Result<()> {
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

/// Creates `directory` and those above it that are missing, and makes them certain.
pub fn create_all(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.is_dir()).collect();
    fs::create_dir_all(directory)?;
    missing.into_iter().rev().filter_map(Path::parent).try_for_each(|above| {
        let is_here = above.as_os_str().is_empty();
        sync(if is_here { Path::new(".") } else { above })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_created_as_far_as_they_are_missing() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b/c");
        create_all(&deep).unwrap();
        assert!(deep.is_dir());
        create_all(&deep).unwrap();
        create_all(Path::new(".")).unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        assert!(create_all(&place.path().join("file/d")).is_err());
    }
}
