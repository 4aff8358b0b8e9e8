//! The datasets that mapfiles list.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::candidate::{Candidate, Checksums, SourceFile};
use super::mapfile::{self, Listed};
use super::places::Places;
use super::separate::separate;
use super::start::{is_netcdf, read_error};
use crate::drs::{Dataset, Drs};
use crate::model::calendar::{Calendar, DAY};
use crate::model::error::{Code, Error, Result};

/// Copying keeps whole seconds at least.
const MTIME_TOLERANCE_S: f64 = 1.0;

/// Hands over the datasets that `mapfiles` list, one mapfile after the other, and as errors what could not
/// be read or made sense of. Only listed files count; where the directory has others, that is a warning.
/// Each directory is told to `enters` before it is looked at. It ends when `found` breaks.
pub fn of_mapfiles(
    mapfiles: &[PathBuf],
    drs: &Drs,
    enters: impl Fn(&Path),
    found: impl FnMut(Result<Candidate>) -> ControlFlow<()>,
) {
    let mut lister = Lister { drs, places: Places::default(), is_over: false, enters, found };
    for mapfile in mapfiles {
        if lister.is_over {
            return;
        }
        (lister.enters)(mapfile);
        match mapfile::read(mapfile) {
            Ok(datasets) => lister.datasets(mapfile, datasets),
            Err(problem) => lister.hand_over(Err(problem)),
        }
    }
}

struct Lister<'a, E, F> {
    drs: &'a Drs,
    places: Places,
    /// Whether nothing else is wanted.
    is_over: bool,
    enters: E,
    found: F,
}

impl<E, F> Lister<'_, E, F>
where
    E: Fn(&Path),
    F: FnMut(Result<Candidate>) -> ControlFlow<()>,
{
    fn hand_over(&mut self, found: Result<Candidate>) {
        if !self.is_over {
            self.is_over = (self.found)(found).is_break();
        }
    }

    fn datasets(&mut self, mapfile: &Path, datasets: mapfile::Datasets) {
        for (id, files) in datasets {
            let mut by_directory: BTreeMap<PathBuf, Vec<Listed>> = BTreeMap::new();
            for file in files {
                let directory = file.path.parent().unwrap_or(Path::new("/")).to_owned();
                by_directory.entry(directory).or_default().push(file);
            }
            for (directory, files) in by_directory {
                (self.enters)(&directory);
                if let Err(problem) = self.directory(&id, &directory, files) {
                    let named = format!("{}, as `{}` has it", problem.message(), mapfile.display());
                    self.hand_over(Err(problem.with_message(named).in_file(directory)));
                }
            }
        }
    }

    /// Hands over what is listed of one directory as `id`.
    fn directory(&mut self, id: &str, directory: &Path, listed: Vec<Listed>) -> Result<()> {
        let dataset = self.drs.dataset(directory)?;
        if !self.drs.selects(&dataset) {
            return Ok(());
        }
        check_id(&dataset, id)?;
        let unlisted = unlisted(directory, &listed);
        let (mut files, mut unreachable) = (Vec::new(), Vec::new());
        let (mut checksums, mut warnings) = (Checksums::new(), Vec::new());
        for listed in listed {
            match compared(&listed) {
                Ok((file, warning)) => {
                    warnings.extend(warning);
                    files.push(file);
                }
                Err(error) => unreachable.push(error),
            }
            checksums.extend(listed.checksum.map(|checksum| (listed.path, checksum)));
        }
        let (candidates, problems) = separate((self.drs, dataset), directory, files, unreachable);
        for mut candidate in candidates {
            let is_here = |path: &Path| candidate.files.iter().any(|file| file.path == path);
            let of_candidate = warnings.iter().filter(|it| it.path().is_some_and(is_here)).cloned();
            let more: Vec<Error> = of_candidate.chain(unlisted.clone()).collect();
            candidate.warnings.extend(more);
            let files = candidate.files.iter();
            candidate.checksums = files
                .filter_map(|file| Some((file.path.clone(), checksums.get(&file.path)?.clone())))
                .collect();
            let found = self.places.first(candidate);
            self.hand_over(found);
        }
        for problem in problems {
            self.hand_over(Err(problem));
        }
        Ok(())
    }
}

/// The mapfile and the directory must mean the same dataset: the ID is what is published, and the store is
/// named after the directory.
fn check_id(dataset: &Dataset, id: &str) -> Result<()> {
    let of_directory = dataset.dataset_id();
    if of_directory == id {
        return Ok(());
    }
    let message =
        format!("the directory is that of `{of_directory}`, not of `{}`", id.escape_debug());
    Err(Error::new(Code::DrsMismatch, message)
        .with_hint("list files by the paths of their version directory, or correct the dataset ID"))
}

/// The file as it is on disk, which must be as the mapfile says; of another modification time is only
/// warned.
fn compared(listed: &Listed) -> Result<(SourceFile, Option<Error>)> {
    let path = &listed.path;
    if !is_netcdf(path) {
        return Err(Error::new(Code::NotNetcdf, "the name does not end in `.nc`").in_file(path));
    }
    let metadata = fs::metadata(path).map_err(|error| read_error(&error, path))?;
    if !metadata.is_file() {
        return Err(Error::new(Code::NotNetcdf, "not a regular file").in_file(path));
    }
    let file = SourceFile::as_in(path.clone(), &metadata);
    if file.size != listed.size {
        let message = format!("the mapfile says {} bytes, the file has {}", listed.size, file.size);
        return Err(differs(&message).in_file(path));
    }
    #[allow(clippy::cast_precision_loss)] // Mapfiles have no more digits.
    let seconds = file.mtime_ns as f64 / 1e9;
    let differs_from = |said: &f64| (said - seconds).abs() > MTIME_TOLERANCE_S;
    let warning = listed.mtime.filter(differs_from).map(|said| {
        let message = format!(
            "the mapfile says it was last written {}, the file {}",
            date(said),
            date(seconds)
        );
        differs(&message).in_file(path)
    });
    Ok((file, warning))
}

/// A time since 1970 as people read it.
fn date(seconds: f64) -> String {
    let calendar = Calendar::ProlepticGregorian;
    let epoch = calendar.day_number(1970, 1, 1).map_or(0, |day| i128::from(day) * DAY);
    #[allow(clippy::cast_possible_truncation)] // It saturates, and then has no date.
    let instant = epoch.checked_add((seconds * 1e9) as i128);
    let date = instant.and_then(|instant| calendar.date(instant)?.rfc3339());
    date.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

fn differs(message: &str) -> Error {
    Error::new(Code::Mapfile, message)
        .with_hint("if the file is right, make the mapfile anew, and publish that")
}

/// A warning where the directory has files that are not listed.
fn unlisted(directory: &Path, listed: &[Listed]) -> Option<Error> {
    let names: HashSet<&OsStr> = listed.iter().filter_map(|file| file.path.file_name()).collect();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let others = entries.map(|entry| entry.path()).filter(|path| is_netcdf(path));
    let mut others: Vec<_> =
        others.filter(|path| path.file_name().is_some_and(|name| !names.contains(name))).collect();
    others.sort();
    let first = others.first()?;
    let message = match others.len() {
        1 => "the file is not in the mapfile, nor in the store".to_owned(),
        count => {
            format!("the file and {} more are not in the mapfile, nor in the store", count - 1)
        }
    };
    Some(differs(&message).in_file(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_where_there_is_one() {
        assert_eq!(date(0.0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_747_228_052.601_510_5), "2025-05-14T13:07:32Z");
        assert_eq!(date(-1.0), "1969-12-31T23:59:59Z");
        assert!(date(1e300).ends_with(" s after 1970"));
    }
}
