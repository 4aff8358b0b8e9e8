//! Where the bytes of references are: URLs and paths mapped back to local files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::model::error::Error;

use super::http::Client;
use super::references::Listed;
use super::{Published, Written, different};

/// The file behind one location.
#[derive(Debug)]
pub struct Source {
    /// The location as the manifest has it.
    pub location: String,
    /// The local file.
    pub path: PathBuf,
    /// Which of the dataset's files it is; none for a file that belongs to the store.
    pub file: Option<usize>,
}

/// The files behind all locations of a manifest.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Option<Source>>,
    client: Option<Client>,
}

impl Sources {
    /// Finds the files behind `locations`; what has none is returned as well. With `client`, bytes
    /// come from the URLs.
    pub fn resolve(
        locations: &[String],
        (manifest, published): (&Written, &Published),
        client: Option<Client>,
    ) -> (Self, Vec<Error>) {
        let mut findings = Vec::new();
        let sources: Vec<_> =
            locations.iter().map(|location| source(location, manifest, published)).collect();
        for (location, source) in locations.iter().zip(&sources) {
            if source.is_none() {
                findings.push(
                    different(format!(
                        "the store refers to `{}`, which is neither a file of the dataset nor one of \
                         the store",
                        location.escape_debug()
                    ))
                    .with_hint(super::store::REBUILD),
                );
            }
        }
        findings.extend(check_directory(&sources, manifest));
        (Self { sources, client }, findings)
    }

    /// The source behind the location of this number.
    pub fn get(&self, location: usize) -> Option<&Source> {
        self.sources.get(location)?.as_ref()
    }

    /// Bytes of the file at a location: `length` from `offset` on, or all.
    pub fn read(&self, location: usize, range: Option<(u64, u64)>) -> Result<Vec<u8>, String> {
        let source = self.get(location).ok_or("the reference leads to no known file")?;
        let shown = |error: io::Error| format!("`{}`: {error}", source.path.display());
        let (offset, length) = match range {
            Some(range) => range,
            None => (0, fs::metadata(&source.path).map_err(shown)?.len()),
        };
        let local = read_local(&source.path, offset, length).map_err(shown)?;
        let Some(client) = &self.client else {
            return Ok(local);
        };
        let fetched = client.range(&source.location, offset, length)?;
        if fetched == local {
            return Ok(fetched);
        }
        Err(format!(
            "{length} bytes from {offset} on of {} differ from those of `{}`",
            source.location,
            source.path.display()
        ))
    }
}

/// How the list of files in a manifest is not that of the files of the dataset.
pub fn wrong_list(
    listed: &BTreeMap<String, Listed>,
    (manifest, published): (&Written, &Published),
) -> Option<Error> {
    let wrong = |what: String| Some(different(what).with_hint(super::store::REBUILD));
    for (url, Listed { size, steps }) in listed {
        let found = source(url, manifest, published).and_then(|source| source.file);
        let Some((file, of_store)) = found.and_then(|at| published.files.get(at)) else {
            return wrong(format!(
                "`sources` lists `{}`, no file of the dataset",
                url.escape_debug()
            ));
        };
        let of_store = of_store.as_ref().map(|steps| steps.end - steps.start);
        if *size != file.size || *steps != of_store {
            return wrong(format!(
                "`sources` has another size or number of time steps of `{}`",
                url.escape_debug()
            ));
        }
    }
    // Files without a step of their own may be there for what does not vary with time.
    let is_whole = published.manifest.as_ref().is_some_and(|whole| whole.path == manifest.path);
    let listed = listed.values().filter(|listed| listed.steps != Some(0)).count();
    let used = published.files.iter().filter(|(_, steps)| *steps != Some(0..0)).count();
    if is_whole && listed != used {
        return wrong(format!("`sources` lists {listed} files with data, the store has {used}"));
    }
    None
}

fn read_local(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if offset.checked_add(length).is_none_or(|end| end > size) {
        let message = format!("{length} bytes from {offset} on are not in a file of {size} bytes");
        return Err(io::Error::other(message));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Files of a dataset lie in one directory, so that their names tell them apart; what else a store
/// refers to is its seams, beside the manifest.
fn source(location: &str, manifest: &Written, published: &Published) -> Option<Source> {
    let found = |path: &Path, file| {
        Some(Source { location: location.to_owned(), path: path.to_owned(), file })
    };
    let name = if is_url(location) {
        decoded(split(location).1)
    } else {
        let path = Path::new(location);
        if let Some(at) = published.files.iter().position(|(file, _)| file.path == path) {
            return found(path, Some(at));
        }
        if path.parent() != manifest.path.parent() {
            return None;
        }
        path.file_name()?.as_bytes().to_vec()
    };
    let named = |path: &Path| path.file_name().is_some_and(|found| found.as_bytes() == name);
    if is_url(location)
        && let Some(at) = published.files.iter().position(|(file, _)| named(&file.path))
    {
        return found(&published.files[at].0.path, Some(at));
    }
    let seams = published.seams.as_ref()?;
    named(seams.target).then(|| found(seams.path, None))?
}

fn is_url(location: &str) -> bool {
    location.contains("://")
}

/// The directory and the name of a URL.
fn split(url: &str) -> (&str, &str) {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The bytes that a part of a URL stands for.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => [*high, *low].map(|digit| char::from(digit).to_digit(16)),
            _ => [None, None],
        };
        if let [Some(high), Some(low)] = escaped {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(first));
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

/// A name alone would also be found below the URL of another directory. All files share one, which
/// is that of the manifest where it lies beside them.
fn check_directory(sources: &[Option<Source>], manifest: &Written) -> Option<Error> {
    let files = || sources.iter().flatten().filter(|source| source.file.is_some());
    let first = files().find(|source| is_url(&source.location))?;
    let beside = manifest.path.parent() == first.path.parent();
    let expected = match manifest.url {
        Some(url) if beside => split(url).0,
        _ => split(&first.location).0,
    };
    let odd = files().find(|source| split(&source.location).0 != expected)?;
    let message = format!(
        "the store refers to `{}`, which is not below `{expected}` as the others",
        odd.location.escape_debug()
    );
    Some(different(message).with_hint(super::store::REBUILD))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::SourceFile;

    #[test]
    fn urls_lead_back_to_the_files() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path();
        let file =
            |name: &str| SourceFile { path: directory.join(name), size: 0, mtime_ns: 0, inode: 0 };
        let files = [file("a.nc"), file("b c+.nc")];
        let manifest = directory.join("id.v1.json");
        // Not published yet, it has another name.
        let seams = directory.join(".id.v1.json.tmp-1");
        let target = directory.join("id.v1.0123456789abcdef.seams");
        let url = Some("https://h/d/id.v1.json");
        let manifest = Written { path: &manifest, target: &manifest, url, digest: "" };
        let published = Published {
            instance_id: "id.v1",
            manifest: Some(manifest),
            segments: Vec::new(),
            seams: Some(Written { path: &seams, target: &target, url: None, digest: "" }),
            artefacts: Vec::new(),
            files: files.iter().map(|file| (file, None)).collect(),
        };
        let local = directory.join("a.nc").to_str().unwrap().to_owned();
        let resolved =
            |location: &str| source(location, &manifest, &published).map(|source| source.file);
        assert_eq!(resolved("https://h/d/a.nc"), Some(Some(0)));
        assert_eq!(resolved("https://h/d/b%20c+.nc?x=1"), Some(Some(1)));
        assert_eq!(resolved(&local), Some(Some(0)));
        assert_eq!(resolved("https://h/d/id.v1.0123456789abcdef.seams"), Some(None));
        for unknown in ["https://h/d/c.nc", "https://h/d/id.v1.seams", "/elsewhere/a.nc", "a.nc"] {
            assert_eq!(resolved(unknown), None, "{unknown}");
        }
        let without = Published { seams: None, ..published.clone() };
        assert!(source("https://h/d/id.v1.0123456789abcdef.seams", &manifest, &without).is_none());
        let findings = |locations: &[&str]| {
            let locations: Vec<_> = locations.iter().map(|&text| text.to_owned()).collect();
            Sources::resolve(&locations, (&manifest, &published), None).1.len()
        };
        assert_eq!(findings(&["https://h/d/a.nc", "https://h/d/b%20c+.nc"]), 0);
        assert_eq!(findings(&["https://h/e/a.nc"]), 1);
        assert_eq!(findings(&["https://h/d/c.nc"]), 1);
    }
}
