//! Records to rows.

use std::path::Path;

use rusqlite::{Connection, Result, named_params, params};

use super::FORMAT;
use super::read::load_store;
use crate::ledger::RunId;
use crate::ledger::lifecycle;
use crate::ledger::path_text::to_text;
use crate::ledger::record::{
    ArtefactRecord, DatasetRecord, FileRecord, PartRecord, ProblemRecord, Replacement, Severity,
    Status, StoreRecord, VariableRecord,
};
use crate::model::multihash::Multihash;
use crate::verify::{self, Verification};

/// Writes one dataset in place of all that was known about it.
pub(in crate::ledger) fn replace(
    connection: &Connection,
    run: RunId,
    record: &DatasetRecord,
) -> Result<()> {
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

pub(in crate::ledger) fn insert_problem(
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
pub(in crate::ledger) fn insert_verification(
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
