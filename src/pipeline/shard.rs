//! `shard`: the first half of a scan. The trees are walked and compared with the ledger, which gets all that a
//! scan would record of datasets that need no building; those that do are dealt out to shards, which scans
//! elsewhere build. Merging their ledgers is the second half.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};

use crate::discover::Candidate;
use crate::ledger::{Ledger, RunId};
use crate::model::error::{Code, Error, Result};

use super::decide::Known;
use super::inbox::Inbox;
use super::scan::{Observer, Scan, Summary, watch};
use super::shard_file::{Header, Listed, Shard};
use super::walk::{Planning, Walk};
use super::writer::{BATCH, Event, Writer};

/// What opening a file and reading its metadata takes, in bytes that could be indexed meanwhile.
const BYTES_A_FILE: u64 = 32 << 20;

/// Walks the trees of `scan`, records in the ledger what needs no building, and returns what does.
pub fn find(
    scan: &Arc<Scan>,
    (ledger, run): (&mut Ledger, RunId),
    observer: &mut dyn Observer,
    stop: &Arc<AtomicBool>,
) -> Result<(Summary, Vec<Listed>)> {
    let (events, events_in) = sync_channel::<Event>(BATCH);
    let is_over = Arc::new(AtomicBool::new(false));
    let listed = Arc::new(Mutex::new(Vec::new()));
    let (stopped, over) = (Arc::clone(stop), Arc::clone(&is_over));
    let (listing, left_out) = (Arc::clone(&listed), events.clone());
    Walk {
        scan: Arc::clone(scan),
        watch: watch(scan, &events)?,
        events,
        is_stopped: Box::new(move || {
            stopped.load(Ordering::Relaxed) || over.load(Ordering::Relaxed)
        }),
    }
    .start(Planning {
        known: Some(Known::of(ledger, run, None)?),
        build: Box::new(move |job, _| {
            let it = Listed::of(&job.candidate);
            // What waits to be built is not gone. The writer is so only after an error of its own.
            let _ = left_out.send(Event::LeftOut(it.dataset.clone()));
            listing.lock().unwrap_or_else(PoisonError::into_inner).push(it);
        }),
    })?;
    let writer = Writer::new(Some((ledger, run)), None, observer, None);
    let summary = writer.run(scan, Inbox::new(events_in), stop);
    is_over.store(true, Ordering::Relaxed);
    let listed = std::mem::take(&mut *listed.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((summary?, listed))
}

impl Listed {
    fn of(candidate: &Candidate) -> Self {
        Self {
            dataset: candidate.dataset.instance_id(),
            directory: candidate.directory.clone(),
            files: candidate.files.len() as u64,
            bytes: candidate.files.iter().map(|file| file.size).sum(),
        }
    }

    fn cost(&self) -> u64 {
        (self.files * BYTES_A_FILE).saturating_add(self.bytes)
    }
}

/// Makes sure that `directory` is there and empty, for shards of two walks must not be mixed up.
pub fn prepare(directory: &Path) -> Result<()> {
    let failed = |error: &io::Error| {
        Error::io(error, "make", directory).with_hint("choose another place, by `--out DIR`")
    };
    fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    if fs::read_dir(directory).map_err(|error| failed(&error))?.next().is_none() {
        return Ok(());
    }
    Err(Error::new(Code::Configuration, "the directory is not empty").in_file(directory).with_hint(
        "name one that is not there yet by `--out DIR`; shards that are merged may be removed",
    ))
}

/// Writes `listed` as at most `count` shards to `directory`, with a ledger for each, dealt from `ledger`.
pub fn write(
    scan: &Scan,
    (ledger, run): (&Ledger, RunId),
    listed: Vec<Listed>,
    (directory, count): (&Path, usize),
) -> Result<Vec<Shard>> {
    let dealt_at = ledger.started_at(run)?;
    let parts = balance(listed, count);
    let of = parts.len();
    let mut shards = Vec::with_capacity(of);
    for (number, datasets) in (1..).zip(parts) {
        let path = directory.join(format!("shard-{number:04}.jsonl"));
        let shard = Shard::new(path, Header::of(scan, &dealt_at, (number, of)), datasets);
        let ids: Vec<&str> = shard.datasets.iter().map(|it| it.dataset.as_str()).collect();
        // A shard is there once its file is.
        ledger.deal(run, &shard.ledger(), &ids)?;
        shard.write()?;
        shards.push(shard);
    }
    Ok(shards)
}

/// Shares of about the same cost, at most `count` and none empty. Datasets of one directory stay together, for
/// each share lists its directories; the largest go first to the share with the least.
fn balance(listed: Vec<Listed>, count: usize) -> Vec<Vec<Listed>> {
    let mut directories: BTreeMap<PathBuf, Vec<Listed>> = BTreeMap::new();
    for it in listed {
        directories.entry(it.directory.clone()).or_default().push(it);
    }
    let cost = |datasets: &[Listed]| datasets.iter().map(Listed::cost).fold(0, u64::saturating_add);
    let mut units: Vec<Vec<Listed>> = directories.into_values().collect();
    // Stable, so that equals stay in the order of their directories.
    units.sort_by_key(|datasets| Reverse(cost(datasets)));
    let mut shares = vec![Vec::new(); count.min(units.len())];
    let mut loads: BinaryHeap<Reverse<(u64, usize)>> =
        (0..shares.len()).map(|at| Reverse((0, at))).collect();
    for datasets in units {
        if let Some(Reverse((load, at))) = loads.pop() {
            // A directory of which nothing can be looked at costs something, too.
            loads.push(Reverse((load.saturating_add(cost(&datasets).max(1)), at)));
            shares[at].extend(datasets);
        }
    }
    for share in &mut shares {
        share.sort_by(|a, b| (&a.directory, &a.dataset).cmp(&(&b.directory, &b.dataset)));
    }
    shares
}

/// The shards in `directory`, all of one walk, by number.
pub fn read_all(directory: &Path) -> Result<Vec<Shard>> {
    let refused = |message: String, hint: &str| {
        Err(Error::new(Code::Configuration, message).in_file(directory).with_hint(hint))
    };
    let failed = |error: io::Error| Error::io(&error, "list", directory);
    let mut shards: Vec<Shard> = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            shards.push(Shard::read(&path)?);
        }
    }
    shards.sort_by_key(|shard| shard.header.shard);
    let Some(first) = shards.first().map(|shard| shard.header.clone()) else {
        let hint = "where all was as it was, there is nothing to merge; otherwise name the `--out` of `shard`";
        return refused("the directory has no shards".to_owned(), hint);
    };
    for (number, shard) in (1..).zip(&shards) {
        let Header { of, dealt_at, shard: found, .. } = &shard.header;
        if (of, dealt_at) != (&first.of, &first.dealt_at) {
            return refused(
                format!("the shards are not of one walk: see `{}`", shard.path.display()),
                "keep the shards of each walk in a directory of their own",
            );
        }
        if *found != number {
            return refused(
                format!("shard {number} of {of} is missing"),
                "put its file back, or make the shards anew, with `vzarr-publish shard`",
            );
        }
    }
    if shards.len() < first.of {
        return refused(
            format!("shard {} of {} is missing", shards.len() + 1, first.of),
            "put its file back, or make the shards anew, with `vzarr-publish shard`",
        );
    }
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(directory: &str, dataset: &str, files: u64, bytes: u64) -> Listed {
        Listed { dataset: dataset.to_owned(), directory: directory.into(), files, bytes }
    }

    fn ids(shares: &[Vec<Listed>]) -> Vec<Vec<&str>> {
        shares.iter().map(|share| share.iter().map(|it| it.dataset.as_str()).collect()).collect()
    }

    #[test]
    fn shares_cost_about_the_same_and_keep_directories_whole() {
        let mut all: Vec<Listed> = (0..100_u64)
            .map(|n| listed(&format!("/d/{n:03}"), &n.to_string(), n % 7 + 1, (n * n) << 20))
            .collect();
        all.extend((0..5).map(|n| listed("/d/many", &format!("m{n}"), 1, 1 << 20)));
        let shares = balance(all.clone(), 8);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), 105);
        let loads: Vec<u64> =
            shares.iter().map(|share| share.iter().map(Listed::cost).sum()).collect();
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(most - least < most / 50, "{loads:?}");
        let holders =
            shares.iter().filter(|share| share.iter().any(|it| it.directory.ends_with("many")));
        assert_eq!(holders.count(), 1);
        // Whatever the order in which they are met.
        all.reverse();
        assert_eq!(ids(&balance(all, 8)), ids(&shares));
    }

    #[test]
    fn no_share_is_empty() {
        let all = vec![listed("/a", "a", 0, 0), listed("/b", "b", 0, 0), listed("/b", "c", 1, 1)];
        assert_eq!(ids(&balance(all.clone(), 9)), [vec!["b", "c"], vec!["a"]]);
        assert_eq!(ids(&balance(all, 1)), [["a", "b", "c"]]);
        assert_eq!(balance(Vec::new(), 3).len(), 0);
    }
}
