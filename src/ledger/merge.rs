//! The datasets of another ledger in this one, as after a scan in shards: one transaction a ledger, all or
//! nothing, and merging again changes nothing.
//!
//! Where both know a dataset, one row wins whole. A row that was written by somebody who knew the other, as in
//! a ledger that was dealt from this one, wins. Otherwise, of the same store, that of the later run; of two
//! stores, the one that was built last; any store before none. Retractions are united. Of what the publisher was
//! told, the last counts: where that is not the store that won, it is to be told again.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};

use super::path_text::from_text;
use super::{Ledger, RunId, file};
use crate::model::error::{Code, Error, Result};

/// What merging one ledger did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Datasets that were not known here.
    pub added: u64,
    /// Datasets of which the other ledger's row won.
    pub replaced: u64,
    /// Datasets of which the row of this ledger won.
    pub kept: u64,
    /// Datasets of which the ledgers had different stores.
    pub conflicts: Vec<Conflict>,
}

/// A dataset with different stores in two ledgers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The dataset.
    pub instance_id: String,
    /// Whether the row of the other ledger won.
    pub theirs_won: bool,
    /// What this ledger had.
    pub mine: Side,
    /// What the other ledger has.
    pub theirs: Side,
}

/// What one ledger says about a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The word for what became of it.
    pub status: String,
    /// Its manifest or first part; none where it has no store.
    pub path: Option<PathBuf>,
    /// When its store was built.
    pub updated_at: Option<String>,
}

/// Rows that belong to a dataset and go with the ledger that wins it.
const DEPENDENT: [&str; 6] = ["files", "stores", "artefacts", "parts", "variables", "problems"];

impl Ledger {
    /// Merges the ledger at `other`, which stays as it is.
    pub fn merge(&mut self, other: &Path) -> Result<Merged> {
        self.take(other, merge)
    }

    /// Makes a ledger at `path` that knows of `instance_ids` what this one knows after `run`, for somebody who
    /// builds them elsewhere. Merged into this one, what became of them counts.
    pub fn deal(&self, run: RunId, path: &Path, instance_ids: &[&str]) -> Result<()> {
        Self::open(path)?.take(&self.path, |rows| copy_of(rows, run, instance_ids))
    }

    /// Does in one transaction what `work` does with the ledger at `other`, attached as `theirs`.
    fn take<T>(
        &mut self,
        other: &Path,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let other = file::absolute(other)?;
        // Refuses what is no ledger, or one of another schema.
        drop(file::open_read_only(&other)?);
        let refused = |message: &str, hint: &str| {
            Err(Error::new(Code::Configuration, message).in_file(&other).with_hint(hint))
        };
        if is_same_file(&other, &self.path) {
            return refused("a ledger cannot be merged into itself", "name another ledger");
        }
        let Some(name) = other.to_str() else {
            return refused("SQLite needs a path in UTF-8", "copy the ledger to such a path");
        };
        let attached = self.connection.execute("ATTACH ?1 AS theirs", [name]);
        attached.map_err(|error| file::unusable(&other, &error))?;
        let merged = self.in_transaction(work);
        let detached = self.connection.execute_batch("DETACH theirs");
        let merged = self.checked(merged)?;
        self.checked(detached)?;
        Ok(merged)
    }

    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    canonical(one).is_some_and(|path| canonical(other) == Some(path))
}

const BEGIN: &str = "
    CREATE TEMP TABLE run_ids (
        theirs INTEGER PRIMARY KEY, mine INTEGER NOT NULL, was_known INTEGER NOT NULL);
    CREATE TEMP TABLE pairs (
        theirs INTEGER PRIMARY KEY, mine INTEGER NOT NULL UNIQUE,
        theirs_won INTEGER NOT NULL, same_store INTEGER NOT NULL, follows INTEGER NOT NULL);
    CREATE TEMP TABLE wanted (theirs INTEGER PRIMARY KEY);";

const END: &str = "DROP TABLE temp.run_ids; DROP TABLE temp.pairs; DROP TABLE temp.wanted;";

/// Copies some datasets, and no history: that stays where it is.
fn copy_of(connection: &Connection, run: RunId, instance_ids: &[&str]) -> rusqlite::Result<()> {
    connection.execute_batch(BEGIN)?;
    connection.execute(
        "INSERT INTO temp.wanted SELECT id FROM theirs.datasets
         WHERE instance_id IN (SELECT value FROM json_each(?1))",
        [serde_json::Value::from(instance_ids).to_string()],
    )?;
    // The runs of their rows, and no others: there are many after some years.
    let runs = format!(
        "SELECT {} UNION SELECT run_id FROM temp.wanted CROSS JOIN theirs.datasets ON id = theirs
         UNION SELECT run_id FROM temp.wanted CROSS JOIN theirs.problems ON dataset = theirs",
        run.0
    );
    copy_runs(connection, &runs)?;
    add_datasets(connection)?;
    copy_dependents(connection)?;
    connection.execute_batch(END)
}

fn merge(connection: &Connection) -> rusqlite::Result<Merged> {
    connection.execute_batch(BEGIN)?;
    connection.execute("INSERT INTO temp.wanted SELECT id FROM theirs.datasets", [])?;
    copy_runs(connection, "SELECT id FROM theirs.runs")?;
    let replaced_or_kept = decide(connection)?;
    let conflicts = conflicts(connection)?;
    let added = add_datasets(connection)?;
    replace_datasets(connection)?;
    copy_dependents(connection)?;
    copy_verifications(connection)?;
    copy_replacements(connection)?;
    copy_advertisements(connection)?;
    copy_other_problems(connection)?;
    unite_retractions(connection)?;
    connection.execute_batch(END)?;
    let (replaced, kept) = replaced_or_kept;
    Ok(Merged { added, replaced, kept, conflicts })
}

/// Gives each run that `ids` selects from the other ledger a row here. One that was copied before is known by what it was called
/// with, when, and how it ended; where it had not ended by then, its end is copied now.
fn copy_runs(connection: &Connection, ids: &str) -> rusqlite::Result<()> {
    let columns = columns(connection, "runs", &["id"])?;
    let mut find = connection.prepare(
        "SELECT mine.id FROM main.runs AS mine JOIN theirs.runs AS copied
             ON (mine.started_at, mine.tool_version, mine.arguments)
                 = (copied.started_at, copied.tool_version, copied.arguments)
         WHERE copied.id = ?1 AND (mine.finished_at IS NULL OR copied.finished_at IS NULL
             OR (mine.finished_at, mine.exit_code, mine.built, mine.unchanged)
                 = (copied.finished_at, copied.exit_code, copied.built, copied.unchanged))
         ORDER BY mine.id",
    )?;
    let list = columns.join(", ");
    let mut update = connection.prepare(&format!(
        "UPDATE main.runs SET ({list}) = (SELECT {list} FROM theirs.runs WHERE id = ?1)
         WHERE id = ?2 AND finished_at IS NULL"
    ))?;
    let mut insert = connection.prepare(&format!(
        "INSERT INTO main.runs ({list}) SELECT {list} FROM theirs.runs WHERE id = ?1"
    ))?;
    let mut remember = connection.prepare("INSERT INTO temp.run_ids VALUES (?1, ?2, ?3)")?;
    let mut runs = connection
        .prepare(&format!("SELECT id FROM theirs.runs WHERE id IN ({ids}) ORDER BY id"))?;
    let runs = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for theirs in runs {
        let found: Option<i64> = find.query_row([theirs], |row| row.get(0)).optional()?;
        let mine = if let Some(mine) = found {
            update.execute([theirs, mine])?;
            mine
        } else {
            insert.execute([theirs])?;
            connection.last_insert_rowid()
        };
        remember.execute((theirs, mine, found.is_some()))?;
    }
    Ok(())
}

/// Decides who wins each dataset that both know. Returns how often they and we did.
fn decide(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let side = |schema: &str| {
        format!(
            "(SELECT datasets.id, instance_id, run_id, started_at, updated_at,
                 coalesce(digest, (SELECT digest FROM {schema}.parts
                     WHERE dataset = datasets.id AND position = 0)) AS digest
              FROM {schema}.datasets JOIN {schema}.runs ON runs.id = run_id
                  LEFT JOIN {schema}.stores ON stores.dataset = datasets.id)"
        )
    };
    // Who knew the run of the other's row when writing a later one had seen that row. Without that, runs have
    // other numbers in other ledgers, but times are times.
    connection.execute(
        &format!(
            "INSERT INTO temp.pairs
             SELECT theirs, mine,
                 CASE WHEN they_follow <> we_follow THEN they_follow
                     WHEN same_store OR same_time THEN they_started > we_started
                     ELSE they_wrote > we_wrote END,
                 same_store, they_follow <> we_follow
             FROM (SELECT copied.id AS theirs, mine.id AS mine,
                 EXISTS (SELECT 1 FROM temp.run_ids WHERE was_known
                     AND run_ids.mine = mine.run_id AND run_ids.theirs < copied.run_id) AS they_follow,
                 EXISTS (SELECT 1 FROM temp.run_ids WHERE was_known
                     AND run_ids.theirs = copied.run_id AND run_ids.mine < mine.run_id) AS we_follow,
                 copied.digest IS mine.digest AS same_store,
                 coalesce(copied.updated_at = mine.updated_at, false) AS same_time,
                 copied.started_at AS they_started, mine.started_at AS we_started,
                 coalesce(copied.updated_at, '') AS they_wrote,
                 coalesce(mine.updated_at, '') AS we_wrote
             FROM {} AS copied JOIN {} AS mine USING (instance_id))",
            side("theirs"),
            side("main")
        ),
        [],
    )?;
    connection.query_row(
        "SELECT coalesce(sum(theirs_won), 0), coalesce(sum(NOT theirs_won), 0) FROM temp.pairs",
        [],
        |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned())),
    )
}

/// Both sides of the datasets that have different stores, neither knowing the other, before either is
/// replaced.
fn conflicts(connection: &Connection) -> rusqlite::Result<Vec<Conflict>> {
    let side = |schema: &str| {
        format!(
            "(SELECT datasets.id, instance_id, status, updated_at,
                 coalesce(manifest, (SELECT path FROM {schema}.parts
                     WHERE dataset = datasets.id AND position = 0)) AS path
              FROM {schema}.datasets LEFT JOIN {schema}.stores ON stores.dataset = datasets.id)"
        )
    };
    let mut conflicts = connection.prepare(&format!(
        "SELECT mine.instance_id, theirs_won,
             mine.status, mine.path, mine.updated_at, copied.status, copied.path, copied.updated_at
         FROM temp.pairs JOIN {} AS mine ON mine.id = pairs.mine
             JOIN {} AS copied ON copied.id = pairs.theirs
         WHERE NOT same_store AND NOT follows ORDER BY mine.instance_id",
        side("main"),
        side("theirs")
    ))?;
    let side = |row: &Row, first: usize| -> rusqlite::Result<Side> {
        let path: Option<String> = row.get(first + 1)?;
        Ok(Side {
            status: row.get(first)?,
            path: path.as_deref().map(from_text),
            updated_at: row.get(first + 2)?,
        })
    };
    conflicts
        .query_map([], |row| {
            Ok(Conflict {
                instance_id: row.get(0)?,
                theirs_won: row.get(1)?,
                mine: side(row, 2)?,
                theirs: side(row, 5)?,
            })
        })?
        .collect()
}

fn add_datasets(connection: &Connection) -> rusqlite::Result<u64> {
    let columns = columns(connection, "datasets", &["id"])?;
    let added = connection.execute(
        &format!(
            "INSERT INTO main.datasets ({}) SELECT {} FROM theirs.datasets AS copied
             WHERE copied.id NOT IN (SELECT theirs FROM temp.pairs)
                 AND copied.id IN (SELECT theirs FROM temp.wanted)",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    connection.execute(
        "INSERT INTO temp.pairs
         SELECT copied.id, mine.id, 1, 0, 0
         FROM theirs.datasets AS copied JOIN main.datasets AS mine USING (instance_id)
         WHERE copied.id NOT IN (SELECT theirs FROM temp.pairs)
             AND copied.id IN (SELECT theirs FROM temp.wanted)",
        [],
    )?;
    Ok(added as u64)
}

fn replace_datasets(connection: &Connection) -> rusqlite::Result<()> {
    let columns = columns(connection, "datasets", &["id"])?;
    connection.execute(
        &format!(
            "UPDATE main.datasets SET ({}) = (
                 SELECT {} FROM theirs.datasets AS copied
                     JOIN temp.pairs ON pairs.theirs = copied.id
                 WHERE pairs.mine = datasets.id)
             WHERE id IN (SELECT mine FROM temp.pairs WHERE theirs_won)",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    Ok(())
}

fn copy_dependents(connection: &Connection) -> rusqlite::Result<()> {
    for table in DEPENDENT {
        let columns = columns(connection, table, &["id"])?;
        connection.execute(
            &format!(
                "DELETE FROM main.{table}
                 WHERE dataset IN (SELECT mine FROM temp.pairs WHERE theirs_won)"
            ),
            [],
        )?;
        // CROSS JOIN: few datasets of a large ledger may be wanted. In the order of their numbers, where rows
        // have some: that of problems is when they were met.
        connection.execute(
            &format!(
                "INSERT INTO main.{table} ({}) SELECT {} FROM temp.pairs
                     CROSS JOIN theirs.{table} AS copied ON copied.dataset = pairs.theirs
                 WHERE theirs_won {}",
                columns.join(", "),
                copied(&columns),
                if table == "problems" { "ORDER BY copied.id" } else { "" }
            ),
            [],
        )?;
    }
    Ok(())
}

/// What was verified was a store: it goes where that won, and of the same store the latest counts.
fn copy_verifications(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM main.verifications
         WHERE dataset IN (SELECT mine FROM temp.pairs WHERE theirs_won AND NOT same_store)",
        [],
    )?;
    let columns = columns(connection, "verifications", &[])?;
    connection.execute(
        &format!(
            "INSERT OR REPLACE INTO main.verifications ({}) SELECT {}
             FROM theirs.verifications AS copied JOIN temp.pairs ON pairs.theirs = copied.dataset
             WHERE (theirs_won OR same_store) AND NOT EXISTS (
                 SELECT 1 FROM main.verifications AS mine
                 WHERE mine.dataset = pairs.mine AND mine.verified_at >= copied.verified_at)",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    Ok(())
}

/// What was replaced is history, whoever won.
fn copy_replacements(connection: &Connection) -> rusqlite::Result<()> {
    let columns = columns(connection, "replacements", &["id"])?;
    connection.execute(
        &format!(
            "INSERT INTO main.replacements ({}) SELECT {}
             FROM theirs.replacements AS copied JOIN temp.pairs ON pairs.theirs = copied.dataset
             WHERE NOT EXISTS (SELECT 1 FROM main.replacements AS mine
                 WHERE (mine.dataset, mine.replaced_at, mine.old_digest, mine.new_digest)
                     = (pairs.mine, copied.replaced_at, copied.old_digest, copied.new_digest))
             ORDER BY copied.id",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    Ok(())
}

/// One publisher was told by both, so that the last counts: if that is the store that won, it is not told
/// again, else it is. Of two that say the same, the one that was acknowledged counts. A row that is copied
/// gets another number, for the number it had may be that of another dataset here.
fn copy_advertisements(connection: &Connection) -> rusqlite::Result<()> {
    let columns = columns(connection, "advertisements", &["id"])?;
    connection.execute(
        &format!(
            "INSERT OR REPLACE INTO main.advertisements ({}) SELECT {}
             FROM theirs.advertisements AS copied JOIN temp.pairs ON pairs.theirs = copied.dataset
                 LEFT JOIN main.advertisements AS mine ON mine.dataset = pairs.mine
             WHERE mine.id IS NULL
                 OR CASE WHEN (mine.action, mine.url, mine.artefacts)
                             = (copied.action, copied.url, copied.artefacts)
                         AND mine.digest IS copied.digest
                     THEN mine.acknowledged_at IS NULL AND copied.acknowledged_at IS NOT NULL
                     ELSE coalesce(copied.acknowledged_at, copied.sent_at)
                         > coalesce(mine.acknowledged_at, mine.sent_at) END
             ORDER BY copied.id",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    Ok(())
}

/// Problems that belong to no dataset.
fn copy_other_problems(connection: &Connection) -> rusqlite::Result<()> {
    let columns = columns(connection, "problems", &["id", "dataset"])?;
    connection.execute(
        &format!(
            "INSERT INTO main.problems ({}) SELECT {} FROM theirs.problems AS copied
             WHERE dataset IS NULL AND NOT EXISTS (SELECT 1 FROM main.problems AS mine
                 WHERE mine.dataset IS NULL AND mine.path IS copied.path
                     AND mine.variable IS copied.variable
                     AND (mine.severity, mine.code, mine.message)
                         = (copied.severity, copied.code, copied.message))
             ORDER BY copied.id",
            columns.join(", "),
            copied(&columns)
        ),
        [],
    )?;
    Ok(())
}

/// What is retracted in one is retracted, also what only the other found. Of two retractions, the later
/// one says whether the store stays.
fn unite_retractions(connection: &Connection) -> rusqlite::Result<()> {
    let columns = columns(connection, "retractions", &[])?;
    connection.execute(
        &format!(
            "INSERT INTO main.retractions ({list}) SELECT {} FROM theirs.retractions AS copied
             WHERE true
             ON CONFLICT (dataset_id) DO UPDATE SET ({list}) = ({})
             WHERE excluded.retracted_at > retracted_at",
            copied(&columns),
            columns.iter().map(|name| format!("excluded.{name}")).collect::<Vec<_>>().join(", "),
            list = columns.join(", ")
        ),
        [],
    )?;
    // What was wrong with them is of no interest any more.
    connection.execute(
        "DELETE FROM main.problems WHERE dataset IN (SELECT id FROM main.datasets
             WHERE dataset_id IN (SELECT dataset_id FROM main.retractions))",
        [],
    )?;
    connection.execute(
        "UPDATE main.datasets SET status = :retracted, reason = NULL
         WHERE status <> :retracted
             AND dataset_id IN (SELECT dataset_id FROM main.retractions)",
        named_params! { ":retracted": super::Status::Retracted },
    )?;
    Ok(())
}

/// The columns of a table but for some.
fn columns(
    connection: &Connection,
    table: &str,
    without: &[&str],
) -> rusqlite::Result<Vec<String>> {
    let mut columns =
        connection.prepare_cached("SELECT name FROM pragma_table_info(?1, 'main')")?;
    let columns = columns.query_map([table], |row| row.get(0))?;
    let mut columns = columns.collect::<rusqlite::Result<Vec<String>>>()?;
    columns.retain(|column| !without.contains(&column.as_str()));
    Ok(columns)
}

/// The values of the columns of a row `copied` from the other ledger, with our numbers.
fn copied(columns: &[String]) -> String {
    let values = columns.iter().map(|name| match name.as_str() {
        "dataset" => "pairs.mine".to_owned(),
        "run_id" => "(SELECT mine FROM temp.run_ids WHERE theirs = copied.run_id)".to_owned(),
        name => format!("copied.{name}"),
    });
    values.collect::<Vec<_>>().join(", ")
}
