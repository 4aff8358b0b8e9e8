//! The indexes of files that did not change, beside the ledger: a dataset that gets another file is put
//! together again from them, and only that file is opened.
//!
//! A cache and nothing more: it can be removed at any time, and whoever cannot use it reads the files.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Result as SqlResult, params};

use super::journal;
use crate::model::error::{Code, Error, Result};

/// A cache of another version is put aside for a new one.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS indexes (
        instance_id TEXT PRIMARY KEY,
        -- When it was written: the first to go where there is no room.
        serial INTEGER NOT NULL,
        packed BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS indexes_by_serial ON indexes (serial);
    PRAGMA user_version = 1;
";

/// An open cache.
#[derive(Debug)]
pub struct IndexCache {
    connection: Connection,
    most: u64,
}

impl IndexCache {
    /// Where the cache of the ledger at `ledger` is.
    #[must_use]
    pub fn beside(ledger: &Path) -> PathBuf {
        let mut path = OsString::from(ledger);
        path.push(".indexes");
        path.into()
    }

    /// Opens the cache of the ledger at `ledger`, which keeps to about `most` bytes; makes one where there
    /// is none that can be used.
    pub fn open(ledger: &Path, most: u64) -> Result<Self> {
        let path = Self::beside(ledger);
        let opened = open(&path).or_else(|_| {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let mut file = OsString::from(&path);
                file.push(suffix);
                let _ = fs::remove_file(file);
            }
            open(&path)
        });
        let connection = opened.map_err(|error| unusable(&path, &error))?;
        Ok(Self { connection, most })
    }

    /// Another connection to it, for another thread.
    pub fn again(&self) -> Result<Self> {
        let path = PathBuf::from(self.connection.path().unwrap_or_default());
        let connection = open(&path).map_err(|error| unusable(&path, &error))?;
        Ok(Self { connection, most: self.most })
    }

    /// What was put there for a dataset.
    #[must_use]
    pub fn get(&self, instance_id: &str) -> Option<Vec<u8>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT packed FROM indexes WHERE instance_id = ?1")
            .ok()?;
        statement.query_row([instance_id], |row| row.get(0)).optional().ok()?
    }

    /// Puts packed indexes there, by the IDs of their datasets, in place of earlier ones.
    pub fn put(&mut self, packed: &[(String, Vec<u8>)]) -> Result<()> {
        let path = PathBuf::from(self.connection.path().unwrap_or_default());
        put(&mut self.connection, packed)
            .and_then(|()| self.make_room())
            .map_err(|error| unusable(&path, &error))
    }

    /// Removes the oldest entries until there is room.
    fn make_room(&mut self) -> SqlResult<()> {
        while self.size()?.cast_unsigned() > self.most {
            // A tenth at once, so that not every batch has to.
            let removed = self.connection.execute(
                "DELETE FROM indexes WHERE serial <= (
                     SELECT min(serial) + (max(serial) - min(serial)) / 10 FROM indexes)",
                [],
            )?;
            if removed == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Bytes in use; what was removed is used again.
    fn size(&self) -> SqlResult<i64> {
        let number =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages.saturating_mul(number("page_size")?))
    }
}

fn open(path: &Path) -> SqlResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::file::PATIENCE)?;
    // What a power failure takes is read from the files again: nothing waits for the disk, a new cache neither.
    connection.pragma_update(None, "synchronous", "off")?;
    journal::fitting(path).set(&connection, super::file::PATIENCE)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?,
        VERSION => {}
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok(connection)
}

fn put(connection: &mut Connection, packed: &[(String, Vec<u8>)]) -> SqlResult<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT OR REPLACE INTO indexes (instance_id, serial, packed)
             VALUES (?1, (SELECT coalesce(max(serial), 0) + 1 FROM indexes), ?2)",
        )?;
        for (instance_id, packed) in packed {
            statement.execute(params![instance_id, packed])?;
        }
    }
    transaction.commit()
}

fn unusable(path: &Path, error: &rusqlite::Error) -> Error {
    Error::new(Code::Ledger, format!("cannot use the cache of indexes: {error}"))
        .in_file(path)
        .with_hint("remove it, or make room; until then all files of changed datasets are read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(most: u64) -> (tempfile::TempDir, PathBuf, IndexCache) {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("ledger.sqlite");
        let cache = IndexCache::open(&ledger, most).unwrap();
        (place, ledger, cache)
    }

    fn entry(id: impl Into<String>, length: usize) -> (String, Vec<u8>) {
        (id.into(), vec![7; length])
    }

    #[test]
    fn what_was_put_there_last_is_found_again() {
        let (_place, ledger, mut cache) = cache(1 << 20);
        cache.put(&[entry("a", 3), entry("b", 4)]).unwrap();
        cache.put(&[entry("a", 5)]).unwrap();
        let cache = IndexCache::open(&ledger, 1 << 20).unwrap();
        assert_eq!(cache.get("a"), Some(vec![7; 5]));
        assert_eq!(cache.again().unwrap().get("b"), Some(vec![7; 4]));
        assert_eq!(cache.get("c"), None);
    }

    #[test]
    fn the_oldest_go_where_there_is_no_room() {
        let (_place, _, mut cache) = cache(200_000);
        for number in 0..100 {
            cache.put(&[entry(number.to_string(), 10_000)]).unwrap();
        }
        assert!(cache.size().unwrap() <= 200_000);
        assert_eq!(cache.get("0"), None);
        assert!(cache.get("99").is_some());
    }

    #[test]
    fn one_that_cannot_be_used_is_made_anew() {
        let (_place, ledger, cache) = cache(1 << 20);
        drop(cache);
        fs::write(IndexCache::beside(&ledger), "no database at all, but a long enough text")
            .unwrap();
        let mut cache = IndexCache::open(&ledger, 1 << 20).unwrap();
        cache.put(&[entry("a", 3)]).unwrap();
        assert!(cache.get("a").is_some());
    }
}
