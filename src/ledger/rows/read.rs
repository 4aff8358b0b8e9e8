//! Rows to records.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::FORMAT;
use super::columns::{json, optional_path, optional_unsigned, path, prefix, unsigned};
use crate::discover::SourceFile;
use crate::ledger::record::{
    ArtefactRecord, DatasetRecord, FileRecord, Filter, PartRecord, Period, ProblemRecord,
    Replacement, Severity, Status, StoreRecord, StoreTimes, VariableRecord, VerificationRecord,
    WrittenFile,
};
use crate::model::multihash::Multihash;
use crate::model::verdict::Cost;

/// Rows that are no part of a dataset, in the order they were met.
pub(in crate::ledger) fn select_problems(
    connection: &Connection,
) -> Result<Vec<(Severity, ProblemRecord)>> {
    connection
        .prepare_cached("SELECT * FROM problems WHERE dataset IS NULL ORDER BY id")?
        .query_map([], |row| Ok((row.get("severity")?, problem(row)?)))?
        .collect()
}

pub(in crate::ledger) fn find(connection: &Connection, instance_id: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM datasets WHERE instance_id = ?1")?
        .query_row([instance_id], |row| row.get(0))
        .optional()
}

/// Keys of the datasets that pass `filter`, by instance ID.
pub(in crate::ledger) fn select(connection: &Connection, filter: &Filter) -> Result<Vec<i64>> {
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
pub(in crate::ledger) fn load(connection: &Connection, dataset: i64) -> Result<DatasetRecord> {
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
pub(in crate::ledger) fn load_outline(
    connection: &Connection,
    dataset: i64,
) -> Result<DatasetRecord> {
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
        // By number: an archive has ten times as many files as datasets.
        .prepare_cached(
            "SELECT path, size, mtime_ns, inode, first_step, steps, checksum, tracking_id
             FROM files WHERE dataset = ?1 ORDER BY position",
        )?
        .query_map([dataset], |row| {
            let source = SourceFile {
                path: directory.join(path(row, 0)?),
                size: unsigned(row, 1)?,
                mtime_ns: row.get(2)?,
                inode: unsigned(row, 3)?,
            };
            let steps = optional_unsigned(row, 4)?.zip(optional_unsigned(row, 5)?);
            let steps = steps.map(|(first, count)| first..first + count);
            let checksum: Option<String> = row.get(6)?;
            let checksum = checksum.and_then(|text| Multihash::parse(&text, None));
            Ok(FileRecord { source, checksum, steps, tracking_id: row.get(7)? })
        })?
        .collect()
}

pub(super) fn load_store(connection: &Connection, dataset: i64) -> Result<Option<StoreRecord>> {
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
