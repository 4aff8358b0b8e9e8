//! `ledger check`: whether the ledger is whole, and the stores are as it says.

use std::path::Path;

use crate::drs;
use crate::emit::{artefact, seal};
use crate::ledger::{
    Advertised, ArtefactRecord, DatasetRecord, Ledger, Status, StoreRecord, WrittenFile,
};
use crate::model::error::{Code, Error, Result};

/// Datasets read at once.
const BATCH: u32 = 256;

/// Something that is not as the ledger says.
#[derive(Debug)]
pub struct Finding {
    /// The dataset; none where it is the ledger itself.
    pub instance_id: Option<String>,
    /// What, where, and a way out.
    pub error: Error,
}

/// Hands over what is not as it should be, and returns how many datasets were looked at. Where `is_quick`,
/// files are compared by their sizes alone.
///
/// The ledger is read in small pieces, so that others may write meanwhile.
pub fn check(ledger: &Ledger, is_quick: bool, each: &mut dyn FnMut(Finding)) -> Result<u64> {
    let damages = ledger.integrity()?;
    if !damages.is_empty() {
        // What such a ledger says of datasets is worth nothing.
        for error in damages {
            each(Finding { instance_id: None, error });
        }
        return Ok(0);
    }
    let (mut count, mut after) = (0, String::new());
    loop {
        let batch = ledger.datasets_after(&after, BATCH)?;
        let Some(last) = batch.last() else { return Ok(count) };
        after.clone_from(&last.record.instance_id);
        for dataset in batch {
            count += 1;
            for error in settled(ledger, &dataset, is_quick)? {
                let instance_id = Some(dataset.record.instance_id.clone());
                each(Finding { instance_id, error });
            }
        }
    }
}

/// What is wrong with a dataset, and still is when the ledger is read again: it may have been built anew
/// since it was read.
fn settled(ledger: &Ledger, dataset: &Advertised, is_quick: bool) -> Result<Vec<Error>> {
    let found = findings(dataset, is_quick);
    if found.is_empty() {
        return Ok(found);
    }
    Ok(match ledger.advertised(&dataset.record.instance_id)? {
        Some(now) if now != *dataset => findings(&now, is_quick),
        _ => found,
    })
}

fn findings(Advertised { record, url }: &Advertised, is_quick: bool) -> Vec<Error> {
    let mut found = Vec::new();
    match &record.store {
        Some(store) => {
            let may_be_absent = matches!(record.status, Status::Gone | Status::Retracted);
            found.extend(store.files().filter_map(|file| content(file, may_be_absent, is_quick)));
            found.extend(
                store.artefacts.iter().filter_map(|it| artefact(it, may_be_absent, is_quick)),
            );
            let files = store.files().map(|file| (file.path.as_path(), file.url.as_deref()));
            let artefacts = store.artefacts.iter().map(|it| (it.path.as_path(), it.url.as_deref()));
            found.extend(files.chain(artefacts).filter_map(|it| location(it, store)));
        }
        None if record.status == Status::Built => {
            let error = Error::new(Code::Ledger, "it is built, but has no store");
            found.push(rebuild(error.in_file(&record.directory)));
        }
        None => {}
    }
    found.extend(url.as_deref().and_then(|url| advertised(record, url)));
    found
}

/// What is wrong with a file of a store on disk.
fn content(written: &WrittenFile, may_be_absent: bool, is_quick: bool) -> Option<Error> {
    let WrittenFile { path, digest, size, .. } = written;
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if may_be_absent && error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(rebuild(Error::io(&error, "find the file of the store", path))),
    };
    let different = |message: String| {
        let error = Error::new(Code::Different, message).in_file(path);
        Some(if may_be_absent {
            error.with_hint("`vzarr-publish gc` leaves it alone; remove it if nobody needs it")
        } else {
            rebuild(error)
        })
    };
    if found.len() != *size {
        return different(format!("the file has {} bytes, the ledger says {size}", found.len()));
    }
    if is_quick {
        return None;
    }
    match seal::digest_of(path) {
        Ok(found) if found == *digest => None,
        Ok(found) => {
            different(format!("the file has the digest {found}, the ledger says {digest}"))
        }
        Err(error) => Some(rebuild(Error::io(&error, "read", path))),
    }
}

/// What is wrong with another form of a store on disk.
fn artefact(artefact: &ArtefactRecord, may_be_absent: bool, is_quick: bool) -> Option<Error> {
    let ArtefactRecord { format, path, digest, size, .. } = artefact;
    let message = match path.symlink_metadata() {
        Err(error) if may_be_absent && error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(rebuild(Error::io(&error, "find the store", path))),
        Ok(_) if !artefact::has_size(*format, path, *size) => "files of it are missing, or changed",
        Ok(_) if is_quick || artefact::is_intact(*format, path, digest) => return None,
        Ok(_) => "it has another digest than the ledger says",
    };
    let error = Error::new(Code::Different, format!("the store in {format}: {message}"));
    let error = error.in_file(path);
    Some(if may_be_absent {
        error.with_hint("`vzarr-publish gc` leaves it alone; remove it if nobody needs it")
    } else {
        rebuild(error)
    })
}

/// What is wrong with where a file of a store is, and with its URL.
fn location((path, url): (&Path, Option<&str>), store: &StoreRecord) -> Option<Error> {
    let wrong = |message: String, hint: &str| {
        Some(Error::new(Code::Ledger, message).in_file(path).with_hint(hint))
    };
    if path.parent() != store.directory() {
        let hint = "build it anew with `vzarr-publish scan --force`";
        return wrong("it is not in the directory of the manifest".to_owned(), hint);
    }
    match url {
        None if store.local => None,
        None => wrong(
            "the store refers to URLs, but has none itself".to_owned(),
            "add a data root that covers the directory of the stores, and run `vzarr-publish relocate`",
        ),
        Some(url) if last_component(url) != drs::encoded(file_name(path)) => wrong(
            format!("its URL `{}` does not end in its name", url.escape_debug()),
            "run `vzarr-publish relocate` with the data roots that are right",
        ),
        Some(_) => None,
    }
}

/// What is wrong with a store that the publisher may have at `url`.
fn advertised(record: &DatasetRecord, url: &str) -> Option<Error> {
    let shown = url.escape_debug();
    let message = match (record.advertisable(), record.manifest()) {
        (Some((now, _)), _) if now == url => return None,
        (Some((now, _)), _) => {
            format!("it is advertised at `{shown}`, but is at `{}`", now.escape_debug())
        }
        // It is to be withdrawn, but readers can still open it.
        (None, Some(manifest)) if manifest.path.exists() => return None,
        (None, _) => format!("it is advertised at `{shown}`, but there is no store any more"),
    };
    let place = record.manifest().map_or(&record.directory, |manifest| &manifest.path);
    Some(
        Error::new(Code::NotFound, message)
            .in_file(place)
            .with_hint("`vzarr-publish advertise` says what the publisher is to be told"),
    )
}

fn rebuild(error: Error) -> Error {
    error.with_hint("build it anew with `vzarr-publish scan --force`")
}

fn file_name(path: &Path) -> &Path {
    Path::new(path.file_name().unwrap_or_default())
}

/// The last part of the path of a URL.
fn last_component(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}
