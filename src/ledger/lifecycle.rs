//! What the publisher was told, and what it took back: statements on `advertisements` and `retractions`.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::RunId;
use super::record::{Advertisement, DatasetRecord, Status};
use super::rows;
use crate::model::format::Format;

/// What the publisher is to be told about the store of `record`: nothing where it knows, or never knew
/// and there is no store to tell about. What is to be told is a row from now on.
pub(super) fn send(
    connection: &Connection,
    record: &DatasetRecord,
    again: bool,
) -> Result<Option<Advertisement>> {
    let Some(dataset) = rows::find(connection, &record.instance_id)? else { return Ok(None) };
    let last = connection
        .prepare_cached("SELECT * FROM advertisements WHERE dataset = ?1")?
        .query_row([dataset], |row| {
            let digest: Option<String> = row.get("digest")?;
            Ok((advertisement(row)?, digest, row.get::<_, String>("artefacts")?))
        })
        .optional()?;
    let (url, digest) = match (record.advertisable(), &last) {
        (Some((url, digest)), _) => (url, Some(digest)),
        // It may have been taken without a word.
        (None, Some((last, ..))) => (last.url.as_str(), None),
        (None, None) => return Ok(None),
    };
    let now = artefacts(record);
    if let Some((last, last_digest, last_artefacts)) = &last
        && (last.url.as_str(), last_digest.as_deref(), last_artefacts.as_str())
            == (url, digest, now.as_str())
    {
        let is_told = last.acknowledged && !(again && last.adds);
        return Ok((!is_told).then(|| last.clone()));
    }
    let withdrawn = last.as_ref().map_or_else(String::new, |last| withdrawn(last, &now));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO advertisements
                 (dataset, action, url, digest, sent_at, artefacts, withdrawn)
             VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ'), ?5, ?6) RETURNING *",
        )?
        .query_row(
            params![
                dataset,
                if digest.is_some() { "add" } else { "remove" },
                url,
                digest,
                now,
                withdrawn
            ],
            advertisement,
        )
        .map(Some)
}

/// The other forms of a store that may be advertised, a line `FORMAT DIGEST URL` for each.
fn artefacts(record: &DatasetRecord) -> String {
    let lines = record
        .advertisable_artefacts()
        .map(|(artefact, url)| format!("{} {} {url}", artefact.format, artefact.digest));
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines of the forms that the publisher may have, and that are not among those of `now`: what was to be
/// withdrawn the `last` time still is, unless that was acknowledged.
fn withdrawn(last: &(Advertisement, Option<String>, String), now: &str) -> String {
    let (Advertisement { acknowledged, withdrawn, .. }, _, told) = last;
    let is_there = |format: &str| now.lines().any(|line| line.split(' ').next() == Some(format));
    let before = withdrawn.iter().filter(|_| !acknowledged);
    let before = before.map(|(format, url)| format!("{format} - {url}"));
    let told = told.lines().map(str::to_owned).filter(|line| !line.is_empty());
    let mut lines: Vec<String> = Vec::new();
    for line in told.chain(before) {
        let format = line.split(' ').next().unwrap_or_default();
        let is_known = lines.iter().any(|known| known.split(' ').next() == Some(format));
        if !is_there(format) && !is_known {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn advertisement(row: &Row) -> Result<Advertisement> {
    let action: String = row.get("action")?;
    let acknowledged_at: Option<String> = row.get("acknowledged_at")?;
    let withdrawn: String = row.get("withdrawn")?;
    let withdrawn = withdrawn.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ' ');
        let format = parts.next()?;
        let format = Format::BESIDE.into_iter().find(|known| known.as_str() == format)?;
        Some((format, parts.nth(1)?.to_owned()))
    });
    Ok(Advertisement {
        id: row.get("id")?,
        adds: action == "add",
        url: row.get("url")?,
        acknowledged: acknowledged_at.is_some(),
        withdrawn: withdrawn.collect(),
    })
}

/// Records that the publisher has what was sent under `id`, about the dataset called `instance_id` if that is
/// given: another ledger has the same numbers. False where something else has been sent since, or
/// nothing ever was.
pub(super) fn acknowledge(
    connection: &Connection,
    id: i64,
    instance_id: Option<&str>,
) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE advertisements
             SET acknowledged_at = coalesce(acknowledged_at, strftime('%Y-%m-%dT%H:%M:%fZ'))
             WHERE id = ?1 AND (?2 IS NULL
                 OR dataset = (SELECT id FROM datasets WHERE instance_id = ?2))",
        )?
        .execute(params![id, instance_id])?;
    Ok(changed > 0)
}

/// Records that what is published under `dataset_id` is retracted, known or not.
pub(super) fn retract(
    connection: &Connection,
    run: RunId,
    dataset_id: &str,
    keeps_store: bool,
) -> Result<()> {
    connection.execute(
        "INSERT INTO retractions VALUES (:dataset_id, :run, strftime('%Y-%m-%dT%H:%M:%fZ'), :keeps)
         ON CONFLICT (dataset_id) DO UPDATE SET keeps_store = excluded.keeps_store",
        named_params! { ":dataset_id": dataset_id, ":run": run.0, ":keeps": keeps_store },
    )?;
    set_status(connection, run, dataset_id, Status::Retracted)
}

/// Takes a retraction back; the next scan builds the dataset anew. False where there is none.
pub(super) fn reinstate(connection: &Connection, run: RunId, dataset_id: &str) -> Result<bool> {
    let forgotten =
        connection.execute("DELETE FROM retractions WHERE dataset_id = ?1", [dataset_id])?;
    if forgotten > 0 {
        set_status(connection, run, dataset_id, Status::Gone)?;
    }
    Ok(forgotten > 0)
}

fn set_status(connection: &Connection, run: RunId, dataset_id: &str, status: Status) -> Result<()> {
    connection.execute(
        "UPDATE datasets SET status = :status, reason = NULL, run_id = max(run_id, :run)
         WHERE dataset_id = :dataset_id",
        named_params! { ":status": status, ":run": run.0, ":dataset_id": dataset_id },
    )?;
    // What was wrong with it is of no interest any more.
    connection.execute(
        "DELETE FROM problems
         WHERE dataset IN (SELECT id FROM datasets WHERE dataset_id = ?1)",
        [dataset_id],
    )?;
    Ok(())
}

/// Whether what is published under `dataset_id` is retracted.
pub(super) fn is_retracted(connection: &Connection, dataset_id: &str) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM retractions WHERE dataset_id = ?1)")?
        .query_row([dataset_id], |row| row.get(0))
}

/// Whether what is published under `dataset_id` is retracted, and its store was to stay.
pub(super) fn keeps_store(connection: &Connection, dataset_id: &str) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT 1 FROM retractions WHERE dataset_id = ?1 AND keeps_store)";
    connection.prepare_cached(query)?.query_row([dataset_id], |row| row.get(0))
}

/// Forgets the store of a dataset, which is on disk no more.
pub(super) fn drop_store(connection: &Connection, instance_id: &str) -> Result<()> {
    let Some(dataset) = rows::find(connection, instance_id)? else { return Ok(()) };
    for forget in [
        "DELETE FROM stores WHERE dataset = ?1",
        "DELETE FROM artefacts WHERE dataset = ?1",
        "DELETE FROM parts WHERE dataset = ?1",
        "DELETE FROM verifications WHERE dataset = ?1",
    ] {
        connection.prepare_cached(forget)?.execute([dataset])?;
    }
    Ok(())
}
