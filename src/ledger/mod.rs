//! What was done, in one SQLite file: runs, datasets, their files and stores, and problems.
//!
//! All the SQL of the program is below this module; the tables are a published contract, see
//! `schemas/ledger.sql`. One process writes, in transactions of a batch; any number may read at the
//! same time and see whole transactions.
//!
//! A run goes: [`Ledger::begin_run`]; for each dataset found, [`Ledger::dataset`] tells what was
//! known, and the dataset is either [`touched`](Ledger::touch) or [`recorded`](Ledger::record);
//! after a complete walk, [`Ledger::mark_gone`] and [`Ledger::drop_stale_problems`];
//! [`Ledger::finish_run`].

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::model::error::Result;
use crate::verify::{self, Verification};

use journal::Journal;

mod backup;
mod check;
mod export;
mod file;
mod index_cache;
mod journal;
mod lifecycle;
mod merge;
pub mod path_text;
mod record;
mod rows;
mod turn;

pub use check::Advertised;
pub use index_cache::IndexCache;
pub use merge::{Conflict, Merged, Side};
pub use turn::Turn;

pub use record::{
    Advertisement, ArtefactRecord, Counts, DatasetRecord, FileRecord, Filter, Gone, Interruption,
    Listing, Loss, PartKind, PartRecord, Period, ProblemRecord, Replacement, Scope, Severity,
    Since, Status, StoreRecord, StoreTimes, VariableRecord, VerificationRecord, WrittenFile,
};

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

/// A run of the program, as the ledger knows it; later runs compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(i64);

impl Ledger {
    /// Opens the ledger at `path` for writing; creates it, and its directory, where there is none.
    ///
    /// What is not a ledger, or is one of a newer version, is refused and left as it is.
    pub fn open(path: &Path) -> Result<Self> {
        let path = file::absolute(path)?;
        Ok(Self { connection: file::open(&path)?, path })
    }

    /// Opens the ledger at `path` for writing; one that is not there is not made.
    pub fn open_existing(path: &Path) -> Result<Self> {
        if !path.exists() {
            Self::open_read_only(path)?;
        }
        Self::open(path)
    }

    /// Opens the ledger at `path` for reading; it must exist.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let path = file::absolute(path)?;
        Ok(Self { connection: file::open_read_only(&path)?, path })
    }

    /// Where the ledger is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run that was called with `arguments`.
    pub fn begin_run(&mut self, arguments: &[String]) -> Result<RunId> {
        self.write(|rows| rows::begin_run(rows, arguments))
    }

    /// When `run` began, which tells it from others in any ledger that it was copied to.
    pub fn started_at(&self, run: RunId) -> Result<String> {
        self.read(|rows| rows::started_at(rows, run))
    }

    /// What was done since the run that began at `started_at`.
    pub fn since(&self, started_at: &str) -> Result<Since> {
        self.read(|rows| rows::since(rows, started_at))
    }

    /// Ends `run`. A run that never ends was killed.
    pub fn finish_run(&mut self, run: RunId, exit_code: u8, counts: &Counts) -> Result<()> {
        self.write(|rows| rows::finish_run(rows, run, exit_code, counts))
    }

    /// Whether a run before `run` came to no end, so that the disk may hold what the ledger was not told of.
    pub fn interruption_before(&self, run: RunId) -> Result<Interruption> {
        self.read(|rows| rows::interruption_before(rows, run))
    }

    /// Records a batch of datasets, all or none; each replaces all that was known about it.
    pub fn record(&mut self, run: RunId, records: &[DatasetRecord]) -> Result<()> {
        self.write(|rows| records.iter().try_for_each(|record| rows::replace(rows, run, record)))
    }

    /// Records that `run` found these datasets unchanged.
    pub fn touch<S: AsRef<str>>(&mut self, run: RunId, instance_ids: &[S]) -> Result<()> {
        self.write(|rows| {
            instance_ids.iter().try_for_each(|id| rows::touch(rows, run, id.as_ref()))
        })
    }

    /// Records problems that belong to no dataset, such as a directory that cannot be read.
    pub fn record_problems(
        &mut self,
        run: RunId,
        severity: Severity,
        problems: &[ProblemRecord],
    ) -> Result<()> {
        self.write(|rows| {
            problems
                .iter()
                .try_for_each(|problem| rows::insert_problem(rows, run, None, severity, problem))
        })
    }

    /// How many datasets of each project [`Ledger::mark_gone`] would mark.
    pub fn losses(&self, run: RunId, scope: &Scope) -> Result<Vec<Loss>> {
        self.read(|rows| rows::losses(rows, run, scope))
    }

    /// Marks the datasets in `scope` that neither `run` nor a later one recorded or touched as gone,
    /// but those of the projects `kept`, and returns them by instance ID.
    ///
    /// What is gone keeps its files and store, for whoever removes the manifest.
    pub fn mark_gone(&mut self, run: RunId, scope: &Scope, kept: &[String]) -> Result<Vec<Gone>> {
        self.write(|rows| rows::mark_gone(rows, run, scope, kept))
    }

    /// Forgets what runs before `run` said about paths in `scope` that belong to no dataset.
    pub fn drop_stale_problems(&mut self, run: RunId, scope: &Scope) -> Result<()> {
        self.write(|rows| rows::drop_stale_problems(rows, run, scope))
    }

    /// Records what verifying the store of a dataset found, unless it was of another manifest than
    /// the one with this `digest`, because a scan was faster. Tells whether it did.
    pub fn record_verification(
        &mut self,
        run: RunId,
        instance_id: &str,
        digest: &str,
        (scope, verification): (&verify::Scope, &Verification),
    ) -> Result<bool> {
        self.write(|rows| {
            rows::insert_verification(rows, run, (instance_id, digest), scope, verification)
        })
    }

    /// What the publisher is to be told about the store of each of `records`; with `again` also what it
    /// knows already. The same is sent under the same number until it is acknowledged, so that nothing is
    /// lost when whoever was to tell the publisher dies, and nothing is told twice when it does not.
    pub fn send(
        &mut self,
        records: &[DatasetRecord],
        again: bool,
    ) -> Result<Vec<Option<Advertisement>>> {
        self.write(|rows| records.iter().map(|it| lifecycle::send(rows, it, again)).collect())
    }

    /// Records that the publisher has what was sent under these numbers, about the dataset of that ID where
    /// one is given. Returns those under which
    /// nothing is sent any more: another state of the dataset has been sent since.
    pub fn acknowledge(&mut self, advertisements: &[(i64, Option<&str>)]) -> Result<Vec<i64>> {
        self.write(|rows| {
            let mut outdated = Vec::new();
            for (id, instance_id) in advertisements {
                if !lifecycle::acknowledge(rows, *id, *instance_id)? {
                    outdated.push(*id);
                }
            }
            Ok(outdated)
        })
    }

    /// Records that what is published under `dataset_id` is retracted, whether or not it is known, and
    /// returns the datasets concerned as they were.
    pub fn retract(
        &mut self,
        run: RunId,
        dataset_id: &str,
        keeps_store: bool,
    ) -> Result<Vec<DatasetRecord>> {
        let filter = Filter { ids: vec![dataset_id.to_owned()], ..Filter::default() };
        self.write(|rows| {
            let datasets = rows::select(rows, &filter)?;
            let records = datasets.into_iter().map(|dataset| rows::load(rows, dataset));
            let records = records.collect::<rusqlite::Result<_>>()?;
            lifecycle::retract(rows, run, dataset_id, keeps_store)?;
            Ok(records)
        })
    }

    /// Takes a retraction back; the next scan builds the dataset anew. False where there is none.
    pub fn reinstate(&mut self, run: RunId, dataset_id: &str) -> Result<bool> {
        self.write(|rows| lifecycle::reinstate(rows, run, dataset_id))
    }

    /// Whether what is published under `dataset_id` is retracted.
    pub fn is_retracted(&self, dataset_id: &str) -> Result<bool> {
        self.read(|rows| lifecycle::is_retracted(rows, dataset_id))
    }

    /// Whether what is published under `dataset_id` is retracted, and its store was to stay.
    pub fn keeps_store(&self, dataset_id: &str) -> Result<bool> {
        self.read(|rows| lifecycle::keeps_store(rows, dataset_id))
    }

    /// Forgets the store of a dataset, which is on disk no more.
    pub fn drop_store(&mut self, instance_id: &str) -> Result<()> {
        self.write(|rows| lifecycle::drop_store(rows, instance_id))
    }

    /// All that is known about one dataset.
    pub fn dataset(&self, instance_id: &str) -> Result<Option<DatasetRecord>> {
        self.read(|rows| match rows::find(rows, instance_id)? {
            Some(dataset) => rows::load(rows, dataset).map(Some),
            None => Ok(None),
        })
    }

    /// Of one dataset as much as tells whether it changed: all but variables, verification, replacement, later
    /// version, warnings and notes.
    pub fn outline(&self, instance_id: &str) -> Result<Option<DatasetRecord>> {
        self.read(|rows| match rows::find(rows, instance_id)? {
            Some(dataset) => rows::load_outline(rows, dataset).map(Some),
            None => Ok(None),
        })
    }

    /// Calls `each` with the datasets that pass `filter`, by instance ID, one at a time: a ledger
    /// may hold more than fits in memory. All are seen as of one moment, but with a rollback journal each
    /// as of its own: a reader keeps writers waiting then, also the one that `each` may be.
    pub fn list(
        &self,
        filter: &Filter,
        mut each: impl FnMut(DatasetRecord) -> Result<()>,
    ) -> Result<()> {
        if self.checked(Journal::of(&self.connection))? == Journal::Rollback {
            for dataset in self.read(|rows| rows::select(rows, filter))? {
                each(self.read(|rows| rows::load(rows, dataset))?)?;
            }
            return Ok(());
        }
        let rows = self.checked(self.connection.unchecked_transaction())?;
        for dataset in self.checked(rows::select(&rows, filter))? {
            each(self.checked(rows::load(&rows, dataset))?)?;
        }
        Ok(())
    }

    /// Problems that belong to no dataset, in the order they were met.
    pub fn problems(&self) -> Result<Vec<(Severity, ProblemRecord)>> {
        self.read(rows::select_problems)
    }

    /// Runs `work` in a transaction that takes the write lock at once: one that had begun by
    /// reading could be refused it instead of waiting.
    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        transaction
            .and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            })
            .map_err(|error| file::unusable(&self.path, &error))
    }

    /// Runs `work` on the ledger as of one moment.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let snapshot = self.connection.unchecked_transaction();
        self.checked(snapshot.and_then(|snapshot: Transaction| work(&snapshot)))
    }

    fn checked<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| file::unusable(&self.path, &error))
    }
}

#[cfg(test)]
mod tests;
