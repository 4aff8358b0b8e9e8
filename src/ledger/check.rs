//! What the ledger itself can tell about whether it is whole.

use rusqlite::{Connection, OptionalExtension, params};

use super::{DatasetRecord, Ledger, rows};
use crate::model::error::{Code, Error, Result};

/// A dataset, and where the publisher may have its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The dataset.
    pub record: DatasetRecord,
    /// The URL that was told the last time, unless it was told to be removed.
    pub url: Option<String>,
}

impl Ledger {
    /// What is wrong with the file and with references from row to row; nothing where all is well.
    pub fn integrity(&self) -> Result<Vec<Error>> {
        let found = self.read(|rows| {
            let mut found = damages(rows)?;
            found.extend(dangling(rows)?);
            Ok(found)
        })?;
        let error = |message| {
            Error::new(Code::Ledger, message)
                .in_file(self.path())
                .with_hint("put a backup of it in place, or remove it and scan everything again")
        };
        Ok(found.into_iter().map(error).collect())
    }

    /// At most `count` datasets, by instance ID, the first after the one called `after`.
    pub fn datasets_after(&self, after: &str, count: u32) -> Result<Vec<Advertised>> {
        self.read(|rows| {
            let ids = rows
                .prepare_cached(
                    "SELECT id FROM datasets WHERE instance_id > ?1 ORDER BY instance_id LIMIT ?2",
                )?
                .query_map(params![after, count], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            ids.into_iter().map(|dataset| advertised(rows, dataset)).collect()
        })
    }

    /// One dataset, and where the publisher may have its store.
    pub fn advertised(&self, instance_id: &str) -> Result<Option<Advertised>> {
        self.read(|rows| match rows::find(rows, instance_id)? {
            Some(dataset) => advertised(rows, dataset).map(Some),
            None => Ok(None),
        })
    }
}

fn advertised(rows: &Connection, dataset: i64) -> rusqlite::Result<Advertised> {
    let url = rows
        .prepare_cached("SELECT url FROM advertisements WHERE dataset = ?1 AND action = 'add'")?
        .query_row([dataset], |row| row.get(0))
        .optional()?;
    Ok(Advertised { record: rows::load(rows, dataset)?, url })
}

fn damages(rows: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = rows.prepare("PRAGMA integrity_check")?;
    let damages = check.query_map([], |row| row.get::<_, String>(0))?;
    let damages = damages.filter(|damage| !damage.as_ref().is_ok_and(|damage| damage == "ok"));
    damages.map(|damage| Ok(format!("the file is damaged: {}", damage?))).collect()
}

fn dangling(rows: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = rows.prepare("PRAGMA foreign_key_check")?;
    let dangling = check.query_map([], |row| {
        let (table, parent): (String, String) = (row.get("table")?, row.get("parent")?);
        Ok(format!("a row of `{table}` refers to a row of `{parent}` that is not there"))
    })?;
    let mut dangling = dangling.collect::<rusqlite::Result<Vec<_>>>()?;
    dangling.dedup();
    Ok(dangling)
}
