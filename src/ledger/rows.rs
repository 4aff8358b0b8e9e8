//! Records to rows and back: every statement on the tables, and nothing else.

use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::RunId;
use super::lifecycle;
use super::path_text::{from_text, to_text};
use super::record::{
    ArtefactRecord, Counts, DatasetRecord, FileRecord, Filter, Gone, Interruption, Loss, PartKind,
    PartRecord, Period, ProblemRecord, Replacement, Scope, Severity, Since, Status, StoreRecord,
    StoreTimes, VariableRecord, VerificationRecord, WrittenFile,
};
use crate::discover::SourceFile;
use crate::model::format::Format;
use crate::model::multihash::Multihash;
use crate::model::verdict::{Cost, Verdict};
use crate::verify::{self, Mode, Outcome, Verification};

const FORMAT: &str = "reference-json";

pub(super) fn begin_run(connection: &Connection, arguments: &[String]) -> Result<RunId> {
    connection.execute(
        "INSERT INTO runs (started_at, tool_version, arguments)
         VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), ?1, ?2)",
        params![env!("CARGO_PKG_VERSION"), json(arguments)],
    )?;
    Ok(RunId(connection.last_insert_rowid()))
}

pub(super) fn started_at(connection: &Connection, run: RunId) -> Result<String> {
    connection.query_row("SELECT started_at FROM runs WHERE id = ?1", [run.0], |row| row.get(0))
}

pub(super) fn since(connection: &Connection, started_at: &str) -> Result<Since> {
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

pub(super) fn finish_run(
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
pub(super) fn interruption_before(connection: &Connection, run: RunId) -> Result<Interruption> {
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

/// Writes one dataset in place of all that was known about it.
pub(super) fn replace(connection: &Connection, run: RunId, record: &DatasetRecord) -> Result<()> {
    let dataset = upsert(connection, run, record)?;
    let before = load_store(connection, dataset)?;
    for forget in [
        "DELETE FROM files WHERE dataset = ?1",
        "DELETE FROM stores WHERE dataset = ?1",
        "DELETE FROM artefacts WHERE dataset = ?1",
        "DELETE FROM parts WHERE dataset = ?1",
        "DELETE FROM variables WHERE dataset = ?1",
        "DELETE FROM problems WHERE dataset = ?1",
        "DELETE FROM verifications WHERE dataset = ?1",
    ] {
        connection.prepare_cached(forget)?.execute([dataset])?;
    }
    insert_files(connection, dataset, &record.directory, &record.files)?;
    if let Some(store) = &record.store {
        insert_store(connection, dataset, store, before.as_ref())?;
        insert_artefacts(connection, dataset, &store.artefacts, before.as_ref())?;
    }
    if let Some(replacement) = &record.replacement {
        insert_replacement(connection, run, dataset, replacement)?;
    }
    insert_variables(connection, dataset, &record.variables)?;
    if let Some(error) = &record.error {
        insert_problem(connection, run, Some(dataset), Severity::Error, error)?;
    }
    for warning in &record.warnings {
        insert_problem(connection, run, Some(dataset), Severity::Warning, warning)?;
    }
    for note in &record.notes {
        insert_problem(connection, run, Some(dataset), Severity::Note, note)?;
    }
    Ok(())
}

/// The run of a dataset only grows, so that of two overlapping runs the later one counts. A retraction
/// holds, even one that came while the dataset was built.
fn upsert(connection: &Connection, run: RunId, record: &DatasetRecord) -> Result<i64> {
    let is_retracted = lifecycle::is_retracted(connection, &record.dataset_id)?;
    let status = if is_retracted { Status::Retracted } else { record.status };
    let reason = record.error.as_ref().filter(|_| !is_retracted).map(|error| &error.code);
    connection
        .prepare_cached(
            "INSERT INTO datasets (instance_id, dataset_id, master_id, project, version, versioned,
                 directory, status, reason, start_datetime, end_datetime, recipe, run_id)
             VALUES (:instance_id, :dataset_id, :master_id, :project, :version, :versioned,
                 :directory, :status, :reason, :start, :end, :recipe, :run)
             ON CONFLICT (instance_id) DO UPDATE SET
                 dataset_id = excluded.dataset_id,
                 master_id = excluded.master_id, project = excluded.project,
                 version = excluded.version, versioned = excluded.versioned,
                 directory = excluded.directory, status = excluded.status,
                 reason = excluded.reason, start_datetime = excluded.start_datetime,
                 end_datetime = excluded.end_datetime, recipe = excluded.recipe,
                 run_id = max(run_id, excluded.run_id)
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":instance_id": record.instance_id,
                ":dataset_id": record.dataset_id,
                ":master_id": record.master_id,
                ":project": record.project,
                ":version": record.version,
                ":versioned": record.versioned,
                ":directory": to_text(&record.directory),
                ":status": status,
                ":reason": reason,
                ":start": record.period.as_ref().map(|period| &period.start),
                ":end": record.period.as_ref().map(|period| &period.end),
                ":recipe": record.recipe,
                ":run": run.0,
            },
            |row| row.get("id"),
        )
}

fn insert_files(
    connection: &Connection,
    dataset: i64,
    directory: &Path,
    files: &[FileRecord],
) -> Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for (position, FileRecord { source, checksum, steps, tracking_id }) in (0_i64..).zip(files) {
        let path = source.path.strip_prefix(directory).unwrap_or(&source.path);
        insert.execute(params![
            dataset,
            position,
            to_text(path),
            source.size.cast_signed(),
            source.mtime_ns,
            source.inode.cast_signed(),
            checksum.as_ref().map(Multihash::as_str),
            steps.as_ref().map(|steps| steps.start.cast_signed()),
            steps.as_ref().map(|steps| (steps.end - steps.start).cast_signed()),
            tracking_id,
        ])?;
    }
    Ok(())
}

/// Writes a store; it was created with the one `before` it, and updated then if it is the same.
fn insert_store(
    connection: &Connection,
    dataset: i64,
    store: &StoreRecord,
    before: Option<&StoreRecord>,
) -> Result<()> {
    let times = |store: &StoreRecord| store.times.clone();
    let same = before.filter(|before| before.digest() == store.digest());
    connection
        .prepare_cached(
            "INSERT INTO stores VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                 coalesce(?10, strftime('%Y-%m-%dT%H:%M:%fZ')),
                 coalesce(?11, strftime('%Y-%m-%dT%H:%M:%fZ')), ?12)",
        )?
        .execute(params![
            dataset,
            FORMAT,
            store.manifest.as_ref().map(|manifest| to_text(&manifest.path)),
            store.manifest.as_ref().and_then(|manifest| manifest.url.as_deref()),
            store.local,
            store.manifest.as_ref().map(|manifest| &manifest.digest),
            store.manifest.as_ref().map(|manifest| manifest.size.cast_signed()),
            store.reference_count.cast_signed(),
            store.inlined_bytes.cast_signed(),
            before.and_then(times).map(|times| times.created_at),
            same.and_then(times).map(|times| times.updated_at),
            store.v3_only,
        ])?;
    let mut insert =
        connection.prepare_cached("INSERT INTO parts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (position, PartRecord { kind, written }) in (0_i64..).zip(&store.parts) {
        insert.execute(params![
            dataset,
            position,
            kind,
            to_text(&written.path),
            written.url,
            written.digest,
            written.size.cast_signed(),
        ])?;
    }
    Ok(())
}

/// Writes the other forms of a store, whose times are told as those of the store are.
fn insert_artefacts(
    connection: &Connection,
    dataset: i64,
    artefacts: &[ArtefactRecord],
    before: Option<&StoreRecord>,
) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO artefacts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
             coalesce(?9, strftime('%Y-%m-%dT%H:%M:%fZ')),
             coalesce(?10, strftime('%Y-%m-%dT%H:%M:%fZ')))",
    )?;
    for artefact in artefacts {
        let before = before.and_then(|before| before.artefact(artefact.format));
        let same = before.filter(|before| before.digest == artefact.digest);
        let times = |artefact: &ArtefactRecord| artefact.times.clone();
        insert.execute(params![
            dataset,
            artefact.format,
            to_text(&artefact.path),
            artefact.url,
            artefact.digest,
            artefact.size.cast_signed(),
            artefact.reference_count.cast_signed(),
            artefact.snapshot,
            before.and_then(times).map(|times| times.created_at),
            same.and_then(times).map(|times| times.updated_at),
        ])?;
    }
    Ok(())
}

fn insert_replacement(
    connection: &Connection,
    run: RunId,
    dataset: i64,
    replacement: &Replacement,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO replacements (dataset, run_id, replaced_at, old_digest, new_digest)
             VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%fZ'), ?3, ?4)",
        )?
        .execute(params![dataset, run.0, replacement.old_digest, replacement.new_digest])?;
    Ok(())
}

fn insert_variables(
    connection: &Connection,
    dataset: i64,
    variables: &[VariableRecord],
) -> Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO variables VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (position, VariableRecord { name, verdict, cost }) in (0_i64..).zip(variables) {
        insert.execute(params![
            dataset,
            position,
            name,
            verdict,
            cost.references.cast_signed(),
            cost.stored_bytes.cast_signed(),
            cost.inlined_bytes.cast_signed(),
            cost.reencoded_bytes.cast_signed(),
        ])?;
    }
    Ok(())
}

pub(super) fn insert_problem(
    connection: &Connection,
    run: RunId,
    dataset: Option<i64>,
    severity: Severity,
    problem: &ProblemRecord,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO problems (run_id, dataset, severity, code, path, variable, message, hint)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            run.0,
            dataset,
            severity,
            problem.code,
            problem.path.as_deref().map(to_text),
            problem.variable,
            problem.message,
            problem.hint,
        ])?;
    Ok(())
}

/// Writes what was found in place of what had been; not where the store has another digest by now.
pub(super) fn insert_verification(
    connection: &Connection,
    run: RunId,
    (instance_id, digest): (&str, &str),
    scope: &verify::Scope,
    verification: &Verification,
) -> Result<bool> {
    let first = verification.first().map(|finding| ProblemRecord::from(finding).reason());
    let written = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO verifications (dataset, run_id, verified_at, mode, http, outcome,
                 chunks, bytes, first_difference)
             SELECT datasets.id, :run, strftime('%Y-%m-%dT%H:%M:%fZ'), :mode, :http, :outcome,
                 :chunks, :bytes, :first
             FROM datasets JOIN stores ON stores.dataset = datasets.id
             WHERE instance_id = :instance_id AND :digest = coalesce(digest,
                 (SELECT digest FROM parts WHERE parts.dataset = datasets.id AND position = 0))",
        )?
        .execute(named_params! {
            ":run": run.0,
            ":mode": scope.mode,
            ":http": scope.http,
            ":outcome": verification.outcome(),
            ":chunks": verification.chunks.cast_signed(),
            ":bytes": verification.bytes.cast_signed(),
            ":first": first,
            ":instance_id": instance_id,
            ":digest": digest,
        })?;
    Ok(written > 0)
}

pub(super) fn touch(connection: &Connection, run: RunId, instance_id: &str) -> Result<()> {
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
pub(super) fn losses(connection: &Connection, run: RunId, scope: &Scope) -> Result<Vec<Loss>> {
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

pub(super) fn mark_gone(
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

pub(super) fn drop_stale_problems(
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

/// Rows that are no part of a dataset, in the order they were met.
pub(super) fn select_problems(connection: &Connection) -> Result<Vec<(Severity, ProblemRecord)>> {
    connection
        .prepare_cached("SELECT * FROM problems WHERE dataset IS NULL ORDER BY id")?
        .query_map([], |row| Ok((row.get("severity")?, problem(row)?)))?
        .collect()
}

pub(super) fn find(connection: &Connection, instance_id: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM datasets WHERE instance_id = ?1")?
        .query_row([instance_id], |row| row.get(0))
        .optional()
}

/// Keys of the datasets that pass `filter`, by instance ID.
pub(super) fn select(connection: &Connection, filter: &Filter) -> Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT id FROM datasets
             WHERE (:status IS NULL OR status = :status)
                 AND (NOT :superseded OR EXISTS (SELECT 1 FROM datasets AS later
                     WHERE later.master_id = datasets.master_id AND later.versioned
                         AND datasets.versioned AND later.status NOT IN ('gone', 'retracted')
                         AND CAST(substr(later.version, 2) AS INTEGER)
                             > CAST(substr(datasets.version, 2) AS INTEGER)))
                 AND (NOT :unadvertised OR NOT EXISTS (
                     SELECT 1 FROM advertisements AS told JOIN stores USING (dataset)
                     WHERE dataset = datasets.id AND told.acknowledged_at IS NOT NULL
                         AND datasets.status = 'built' AND NOT local
                         AND (told.url, told.digest) = (stores.url, stores.digest)
                         AND told.artefacts = coalesce((SELECT
                             group_concat(format || ' ' || digest || ' ' || url, char(10)
                                 ORDER BY format DESC)
                             FROM artefacts WHERE artefacts.dataset = datasets.id
                                 AND artefacts.url IS NOT NULL), '')))
                 AND (:ids = '[]' OR instance_id IN (SELECT value FROM json_each(:ids))
                     OR dataset_id IN (SELECT value FROM json_each(:ids)))
                 AND (:project IS NULL OR project = :project)
                 AND (:below IS NULL OR directory = :below
                     OR directory > :below || '/' AND directory < :below || '0')
             ORDER BY instance_id",
        )?
        .query_map(
            named_params! {
                ":status": filter.status,
                ":superseded": filter.superseded,
                ":unadvertised": filter.unadvertised,
                ":ids": json(&filter.ids),
                ":project": filter.project,
                ":below": filter.below.as_deref().map(prefix),
            },
            |row| row.get(0),
        )?
        .collect()
}

/// The whole record of one dataset.
pub(super) fn load(connection: &Connection, dataset: i64) -> Result<DatasetRecord> {
    let mut record = load_outline(connection, dataset)?;
    for (severity, problem) in load_problems(connection, dataset)? {
        match severity {
            Severity::Error => {}
            Severity::Warning => record.warnings.push(problem),
            Severity::Note => record.notes.push(problem),
        }
    }
    record.variables = load_variables(connection, dataset)?;
    record.verification = load_verification(connection, dataset)?;
    record.replacement = load_replacement(connection, dataset)?;
    record.superseded_by = load_later_version(connection, dataset)?;
    Ok(record)
}

/// The record of one dataset, without what does not tell whether it changed.
pub(super) fn load_outline(connection: &Connection, dataset: i64) -> Result<DatasetRecord> {
    let mut record = connection.prepare_cached("SELECT * FROM datasets WHERE id = ?1")?.query_row(
        [dataset],
        |row| {
            Ok(DatasetRecord {
                instance_id: row.get("instance_id")?,
                dataset_id: row.get("dataset_id")?,
                master_id: row.get("master_id")?,
                project: row.get("project")?,
                version: row.get("version")?,
                versioned: row.get("versioned")?,
                directory: path(row, "directory")?,
                period: period(row)?,
                status: row.get("status")?,
                error: None,
                recipe: row.get("recipe")?,
                files: Vec::new(),
                store: None,
                variables: Vec::new(),
                warnings: Vec::new(),
                notes: Vec::new(),
                verification: None,
                replacement: None,
                superseded_by: None,
            })
        },
    )?;
    if record.status != Status::Built {
        let mut problems = load_problems(connection, dataset)?;
        problems.retain(|(severity, _)| *severity == Severity::Error);
        record.error = problems.pop().map(|(_, problem)| problem);
    }
    record.files = load_files(connection, dataset, &record.directory)?;
    record.store = load_store(connection, dataset)?;
    Ok(record)
}

fn period(row: &Row) -> Result<Option<Period>> {
    let start: Option<String> = row.get("start_datetime")?;
    let period = start.zip(row.get("end_datetime")?);
    Ok(period.map(|(start, end)| Period { start, end }))
}

fn load_replacement(connection: &Connection, dataset: i64) -> Result<Option<Replacement>> {
    connection
        .prepare_cached("SELECT * FROM replacements WHERE dataset = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([dataset], |row| {
            Ok(Replacement {
                at: row.get("replaced_at")?,
                old_digest: row.get("old_digest")?,
                new_digest: row.get("new_digest")?,
            })
        })
        .optional()
}

/// The latest version after that of `dataset` of the same, as dates and numbers are ordered.
fn load_later_version(connection: &Connection, dataset: i64) -> Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT later.instance_id FROM datasets AS later JOIN datasets AS this
                 ON later.master_id = this.master_id AND later.versioned AND this.versioned
             WHERE this.id = ?1 AND later.status NOT IN ('gone', 'retracted')
                 AND CAST(substr(later.version, 2) AS INTEGER) > CAST(substr(this.version, 2) AS INTEGER)
             ORDER BY CAST(substr(later.version, 2) AS INTEGER) DESC LIMIT 1",
        )?
        .query_row([dataset], |row| row.get(0))
        .optional()
}

fn load_files(connection: &Connection, dataset: i64, directory: &Path) -> Result<Vec<FileRecord>> {
    connection
        .prepare_cached("SELECT * FROM files WHERE dataset = ?1 ORDER BY position")?
        .query_map([dataset], |row| {
            let source = SourceFile {
                path: directory.join(path(row, "path")?),
                size: unsigned(row, "size")?,
                mtime_ns: row.get("mtime_ns")?,
                inode: unsigned(row, "inode")?,
            };
            let first = optional_unsigned(row, "first_step")?;
            let steps = first.zip(optional_unsigned(row, "steps")?);
            let steps = steps.map(|(first, count)| first..first + count);
            let checksum: Option<String> = row.get("checksum")?;
            let checksum = checksum.and_then(|text| Multihash::parse(&text, None));
            Ok(FileRecord { source, checksum, steps, tracking_id: row.get("tracking_id")? })
        })?
        .collect()
}

fn load_store(connection: &Connection, dataset: i64) -> Result<Option<StoreRecord>> {
    let mut store = load_manifest(connection, dataset)?;
    if let Some(store) = &mut store {
        store.parts = load_parts(connection, dataset)?;
        store.artefacts = load_artefacts(connection, dataset)?;
    }
    Ok(store)
}

fn load_parts(connection: &Connection, dataset: i64) -> Result<Vec<PartRecord>> {
    connection
        .prepare_cached("SELECT * FROM parts WHERE dataset = ?1 ORDER BY position")?
        .query_map([dataset], |row| {
            Ok(PartRecord { kind: row.get("kind")?, written: written(row, path(row, "path")?)? })
        })?
        .collect()
}

fn load_artefacts(connection: &Connection, dataset: i64) -> Result<Vec<ArtefactRecord>> {
    connection
        .prepare_cached("SELECT * FROM artefacts WHERE dataset = ?1 ORDER BY format DESC")?
        .query_map([dataset], |row| {
            Ok(ArtefactRecord {
                format: row.get("format")?,
                path: path(row, "path")?,
                url: row.get("url")?,
                digest: row.get("digest")?,
                size: unsigned(row, "size")?,
                reference_count: unsigned(row, "reference_count")?,
                snapshot: row.get("snapshot")?,
                times: Some(times(row)?),
            })
        })?
        .collect()
}

fn times(row: &Row) -> Result<StoreTimes> {
    Ok(StoreTimes { created_at: row.get("created_at")?, updated_at: row.get("updated_at")? })
}

fn written(row: &Row, path: PathBuf) -> Result<WrittenFile> {
    Ok(WrittenFile {
        path,
        url: row.get("url")?,
        digest: row.get("digest")?,
        size: unsigned(row, "size")?,
    })
}

/// The store without what is beside its manifest.
fn load_manifest(connection: &Connection, dataset: i64) -> Result<Option<StoreRecord>> {
    connection
        .prepare_cached("SELECT * FROM stores WHERE dataset = ?1 AND format = ?2")?
        .query_row(params![dataset, FORMAT], |row| {
            let manifest = optional_path(row, "manifest")?.map(|path| written(row, path));
            Ok(StoreRecord {
                manifest: manifest.transpose()?,
                local: row.get("local")?,
                reference_count: unsigned(row, "reference_count")?,
                inlined_bytes: unsigned(row, "inlined_bytes")?,
                v3_only: row.get("v3_only")?,
                parts: Vec::new(),
                artefacts: Vec::new(),
                times: Some(times(row)?),
            })
        })
        .optional()
}

fn load_variables(connection: &Connection, dataset: i64) -> Result<Vec<VariableRecord>> {
    connection
        .prepare_cached("SELECT * FROM variables WHERE dataset = ?1 ORDER BY position")?
        .query_map([dataset], |row| {
            let cost = Cost {
                references: unsigned(row, "reference_count")?,
                stored_bytes: unsigned(row, "stored_bytes")?,
                inlined_bytes: unsigned(row, "inlined_bytes")?,
                reencoded_bytes: unsigned(row, "reencoded_bytes")?,
            };
            Ok(VariableRecord { name: row.get("name")?, verdict: row.get("verdict")?, cost })
        })?
        .collect()
}

fn load_verification(connection: &Connection, dataset: i64) -> Result<Option<VerificationRecord>> {
    connection
        .prepare_cached(
            "SELECT verifications.*, tool_version FROM verifications JOIN runs ON runs.id = run_id
             WHERE dataset = ?1",
        )?
        .query_row([dataset], |row| {
            Ok(VerificationRecord {
                at: row.get("verified_at")?,
                version: row.get("tool_version")?,
                mode: row.get("mode")?,
                http: row.get("http")?,
                outcome: row.get("outcome")?,
                chunks: unsigned(row, "chunks")?,
                bytes: unsigned(row, "bytes")?,
                first_difference: row.get("first_difference")?,
            })
        })
        .optional()
}

fn load_problems(connection: &Connection, dataset: i64) -> Result<Vec<(Severity, ProblemRecord)>> {
    connection
        .prepare_cached("SELECT * FROM problems WHERE dataset = ?1 ORDER BY id")?
        .query_map([dataset], |row| Ok((row.get("severity")?, problem(row)?)))?
        .collect()
}

fn problem(row: &Row) -> Result<ProblemRecord> {
    Ok(ProblemRecord {
        code: row.get("code")?,
        path: optional_path(row, "path")?,
        variable: row.get("variable")?,
        message: row.get("message")?,
        hint: row.get("hint")?,
    })
}

fn path(row: &Row, column: &str) -> Result<PathBuf> {
    row.get::<_, String>(column).map(|text| from_text(&text))
}

fn optional_path(row: &Row, column: &str) -> Result<Option<PathBuf>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.as_deref().map(from_text))
}

/// SQLite integers are signed; the bits are kept.
fn unsigned(row: &Row, column: &str) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn optional_unsigned(row: &Row, column: &str) -> Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|number| number.map(i64::cast_unsigned))
}

/// What stands before the `/` in the text of everything below `root`; nothing for the root of the
/// file system.
///
/// `/` and `0` are neighbours in ASCII, so everything below `root` lies between `root/` and
/// `root0`: a comparison by component, which an index can serve.
fn prefix(root: &Path) -> String {
    let mut text = to_text(root);
    if text == "/" {
        text.clear();
    }
    text
}

fn prefixes(roots: &[PathBuf]) -> Vec<String> {
    roots.iter().map(|root| prefix(root)).collect()
}

/// A JSON array, the way to hand a list to SQLite.
pub(super) fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// Columns that hold one of a few words.
macro_rules! word_column {
    ($type:ty: $($word:ident)*) => {
        impl ToSql for $type {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                let known = [$(Self::$word),*].into_iter().find(|word| word.as_str() == text);
                known.ok_or(FromSqlError::InvalidType)
            }
        }
    };
}

word_column!(Format: Parquet Icechunk);
word_column!(Mode: Sample All);
word_column!(Outcome: Verified Different Incomplete);
word_column!(Status: Built Refused Failed Gone Retracted);
word_column!(Verdict: Virtual Inlined Seamed Segmented);
word_column!(PartKind: Segment Seams);
word_column!(Severity: Error Warning Note);
