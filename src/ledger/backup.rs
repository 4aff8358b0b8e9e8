//! A copy of a ledger while others write to it.

use std::fs::{self, File};
use std::path::Path;

use super::{Ledger, file};
use crate::emit::directory;
use crate::model::error::{Code, Error, Result};

impl Ledger {
    /// Writes a copy of the ledger to `target`, where nothing may be: the ledger as of one moment, without
    /// the room that is free in it. With a write-ahead log, nobody waits for it.
    pub fn back_up(&self, target: &Path) -> Result<()> {
        let target = file::absolute(target)?;
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Code::Io, format!("cannot write the backup: {error}"))
                .in_file(&target)
                .with_hint("choose a place with room that may be written to")
        };
        if target.symlink_metadata().is_ok() {
            return Err(Error::new(Code::Configuration, "there is a file already")
                .in_file(&target)
                .with_hint(
                    "a backup overwrites nothing: choose another name, or remove the file",
                ));
        }
        let Some(name) = target.to_str() else {
            return Err(failed(&"SQLite needs a path in UTF-8"));
        };
        // Where another program makes the file meanwhile, SQLite refuses it.
        let written = self.connection.execute("VACUUM INTO ?1", [name]).map(drop);
        let written = written.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => file::unusable(self.path(), &error),
            _ => failed(&error),
        });
        let synced = written.and_then(|()| {
            let synced = File::open(&target).and_then(|file| file.sync_all());
            let above = target.parent().unwrap_or(&target);
            synced.and_then(|()| directory::sync(above)).map_err(|error| failed(&error))
        });
        if synced.is_err() {
            // Half a backup must not be taken for one.
            let _ = fs::remove_file(&target);
        }
        synced
    }
}
