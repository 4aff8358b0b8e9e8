//! Runs, and what each found, left out or lost.

use rusqlite::{Connection, OptionalExtension, Result, named_params, params};

use super::columns::{json, optional_path, path, prefixes, unsigned};
use crate::ledger::RunId;
use crate::ledger::record::{Counts, Gone, Interruption, Loss, Scope, Since};

pub(in crate::ledger) fn begin_run(connection: &Connection, arguments: &[String]) -> Result<RunId> {
    connection.execute(
        "INSERT INTO runs (started_at, tool_version, arguments)
         VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), ?1, ?2)",
        params![env!("CARGO_PKG_VERSION"), json(arguments)],
    )?;
    Ok(RunId(connection.last_insert_rowid()))
}

pub(in crate::ledger) fn started_at(connection: &Connection, run: RunId) -> Result<String> {
    connection.query_row("SELECT started_at FROM runs WHERE id = ?1", [run.0], |row| row.get(0))
}

pub(in crate::ledger) fn since(connection: &Connection, started_at: &str) -> Result<Since> {
    let run: Option<i64> = connection.query_row(
        "SELECT max(id) FROM runs WHERE started_at = ?1",
        [started_at],
        |row| row.get(0),
    )?;
    let Some(run) = run else {
        return Ok(Since::Unknown);
    };
    let last = connection
        .query_row(
            "SELECT exit_code FROM runs WHERE id > ?1 ORDER BY id DESC LIMIT 1",
            [run],
            |row| row.get::<_, Option<u8>>(0),
        )
        .optional()?;
    Ok(match last {
        None => Since::Nothing,
        Some(None) => Since::Unfinished,
        Some(Some(exit_code)) => Since::Ended(exit_code),
    })
}

pub(in crate::ledger) fn finish_run(
    connection: &Connection,
    run: RunId,
    exit_code: u8,
    counts: &Counts,
) -> Result<()> {
    connection.execute(
        "UPDATE runs SET finished_at = strftime('%Y-%m-%dT%H:%M:%fZ'), exit_code = :exit_code,
             built = :built, unchanged = :unchanged, refused = :refused, failed = :failed,
             gone = :gone
         WHERE id = :run",
        named_params! {
            ":run": run.0,
            ":exit_code": exit_code,
            ":built": counts.built.cast_signed(),
            ":unchanged": counts.unchanged.cast_signed(),
            ":refused": counts.refused.cast_signed(),
            ":failed": counts.failed.cast_signed(),
            ":gone": counts.gone.cast_signed(),
        },
    )?;
    Ok(())
}

/// Runs that are still going on look like killed ones, which does no harm.
pub(in crate::ledger) fn interruption_before(
    connection: &Connection,
    run: RunId,
) -> Result<Interruption> {
    let (interrupted, complete): (Option<i64>, Option<i64>) = connection.query_row(
        "SELECT max(id) FILTER (WHERE finished_at IS NULL),
             max(id) FILTER (WHERE exit_code <= 1 AND built + unchanged + refused + failed > 0)
         FROM runs WHERE id < ?1",
        [run.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(match interrupted {
        None => Interruption::Never,
        Some(interrupted) if complete.is_some_and(|it| it > interrupted) => Interruption::Once,
        Some(_) => Interruption::Lately,
    })
}

pub(in crate::ledger) fn touch(
    connection: &Connection,
    run: RunId,
    instance_id: &str,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE datasets SET run_id = max(run_id, ?1) WHERE instance_id = ?2")?
        .execute(params![run.0, instance_id])?;
    Ok(())
}

/// Datasets that were looked for, as far as a scope says.
const IN_SCOPE: &str = "status NOT IN ('gone', 'retracted')
     AND (:projects = '[]' OR project IN (SELECT value FROM json_each(:projects)))
     AND EXISTS (SELECT 1 FROM json_each(:roots) AS root
         WHERE directory = root.value
             OR directory > root.value || '/' AND directory < root.value || '0')
     AND NOT EXISTS (SELECT 1 FROM json_each(:unread) AS root
         WHERE directory = root.value
             OR directory > root.value || '/' AND directory < root.value || '0')";

/// How many datasets of each project were not found by `run`.
pub(in crate::ledger) fn losses(
    connection: &Connection,
    run: RunId,
    scope: &Scope,
) -> Result<Vec<Loss>> {
    connection
        .prepare(&format!(
            "SELECT project, sum(run_id < :run) AS lost, count(*) AS known FROM datasets
             WHERE {IN_SCOPE} GROUP BY project HAVING lost > 0"
        ))?
        .query_map(
            named_params! {
                ":run": run.0,
                ":projects": json(scope.projects),
                ":roots": json(&prefixes(scope.roots)),
                ":unread": json(&prefixes(scope.unread)),
            },
            |row| {
                Ok(Loss {
                    project: row.get("project")?,
                    lost: unsigned(row, "lost")?,
                    known: unsigned(row, "known")?,
                })
            },
        )?
        .collect()
}

pub(in crate::ledger) fn mark_gone(
    connection: &Connection,
    run: RunId,
    scope: &Scope,
    kept: &[String],
) -> Result<Vec<Gone>> {
    let mut gone = connection
        .prepare(&format!(
            "UPDATE datasets SET status = 'gone', reason = NULL, run_id = :run
             WHERE {IN_SCOPE} AND run_id < :run
                 AND project NOT IN (SELECT value FROM json_each(:kept))
             RETURNING instance_id, directory,
                 (SELECT manifest FROM stores WHERE dataset = datasets.id) AS manifest"
        ))?
        .query_map(
            named_params! {
                ":run": run.0,
                ":projects": json(scope.projects),
                ":roots": json(&prefixes(scope.roots)),
                ":unread": json(&prefixes(scope.unread)),
                ":kept": json(kept),
            },
            |row| {
                Ok(Gone {
                    instance_id: row.get("instance_id")?,
                    directory: path(row, "directory")?,
                    manifest: optional_path(row, "manifest")?,
                })
            },
        )?
        .collect::<Result<Vec<_>>>()?;
    // What was wrong with a dataset is of no interest once it is gone.
    connection.execute(
        "DELETE FROM problems
         WHERE dataset IN (SELECT id FROM datasets WHERE status = 'gone' AND run_id = ?1)",
        [run.0],
    )?;
    gone.sort_unstable_by(|a, b| a.instance_id.cmp(&b.instance_id));
    Ok(gone)
}

pub(in crate::ledger) fn drop_stale_problems(
    connection: &Connection,
    run: RunId,
    scope: &Scope,
) -> Result<()> {
    connection.execute(
        "DELETE FROM problems
         WHERE dataset IS NULL AND run_id < :run
             AND EXISTS (SELECT 1 FROM json_each(:roots) AS root
                 WHERE problems.path IS NULL OR problems.path = root.value
                     OR problems.path > root.value || '/' AND problems.path < root.value || '0')
             AND NOT EXISTS (SELECT 1 FROM json_each(:unread) AS root
                 WHERE problems.path > root.value || '/' AND problems.path < root.value || '0')",
        named_params! {
            ":run": run.0,
            ":roots": json(&prefixes(scope.roots)),
            ":unread": json(&prefixes(scope.unread)),
        },
    )?;
    Ok(())
}
