//! `retract` and `gc`: stores that are not to be there any more.

use std::path::PathBuf;

use crate::ledger::{DatasetRecord, Filter, Ledger, RunId, Status};
use crate::model::error::Result;

use super::store;

/// What became of a dataset that is retracted.
#[derive(Debug, PartialEq, Eq)]
pub enum Retracted {
    /// It is not known; it will not be built when it is found.
    Unknown,
    /// Its stores were kept, or there were none.
    Kept,
    /// The manifests that were removed.
    Withdrawn(Vec<PathBuf>),
}

/// Retracts what is published under `dataset_id`. The ledger knows it first: whatever is left on disk when
/// this dies is removed by [`collect`].
pub fn retract(
    ledger: &mut Ledger,
    run: RunId,
    dataset_id: &str,
    keeps_store: bool,
) -> Result<Retracted> {
    let records = ledger.retract(run, dataset_id, keeps_store)?;
    if records.is_empty() {
        return Ok(Retracted::Unknown);
    }
    let mut withdrawn = Vec::new();
    for record in records.iter().filter(|_| !keeps_store) {
        withdrawn.extend(withdraw(ledger, record)?);
    }
    Ok(if withdrawn.is_empty() { Retracted::Kept } else { Retracted::Withdrawn(withdrawn) })
}

/// Hands over the stores of datasets that are gone or retracted, and removes them unless `dry_run`: only
/// files that this program wrote, and only as it wrote them.
pub fn collect(
    ledger: &mut Ledger,
    dry_run: bool,
    each: &mut dyn FnMut(&DatasetRecord, bool),
) -> Result<()> {
    let reader = Ledger::open_read_only(ledger.path())?;
    for status in [Status::Gone, Status::Retracted] {
        let filter = Filter { status: Some(status), ..Filter::default() };
        reader.list(&filter, |record| {
            let is_kept = status == Status::Retracted && ledger.keeps_store(&record.dataset_id)?;
            if let Some(store) = record.store.as_ref().filter(|_| !is_kept) {
                let removed = if dry_run {
                    store.files().next().is_some_and(store::is_ours)
                } else {
                    withdraw(ledger, &record)?.is_some()
                };
                each(&record, removed);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Removes the store of a dataset, and forgets it where it is there no more. Returns what was removed
/// first, the manifest mostly.
fn withdraw(ledger: &mut Ledger, record: &DatasetRecord) -> Result<Option<PathBuf>> {
    let Some(store) = &record.store else { return Ok(None) };
    let removed = store::remove(store, None);
    // A directory that is not there may be on a file system that is not mounted.
    let is_absent = store.directory().is_some_and(std::path::Path::is_dir)
        && store.paths().all(|path| path.symlink_metadata().is_err());
    if is_absent {
        ledger.drop_store(&record.instance_id)?;
    }
    Ok(store.files().next().filter(|_| removed).map(|file| file.path.clone()))
}
