//! Opening a ledger file: ours and readable by this version, or left exactly as it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::journal::{self, Journal};
use crate::emit::directory;
use crate::model::error::{Code, Error, Result};

/// The published contract, which also creates a new ledger.
const SCHEMA: &str = include_str!("../../schemas/ledger.sql");
const SCHEMA_VERSION: i64 = 6;
/// What turns an older ledger into one of the next version, from version 1 on.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
];
/// "vzar"
const APPLICATION_ID: [u8; 4] = 1_987_731_826_u32.to_be_bytes();

/// A writer holds the ledger for one batch at a time, so waiting is worth while.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the ledger at `path` for writing; creates it, and its directory, where there is none.
pub(super) fn open(path: &Path) -> Result<Connection> {
    if let Some(directory) = path.parent() {
        directory::create_all(directory)
            .map_err(|error| elsewhere(path, format!("cannot create its directory: {error}")))?;
    }
    identify(path)?;
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // SQLite falls back to reading where it may not write.
    if connection.is_readonly("main").unwrap_or(false) {
        return Err(elsewhere(path, "the file may not be written"));
    }
    create(&mut connection).map_err(|error| unusable(path, &error))?;
    migrate(&mut connection).map_err(|error| unusable(path, &error))?;
    check_version(&connection, path)?;
    prepare_writer(&connection, journal::choose(path)).map_err(|error| unusable(path, &error))?;
    Ok(connection)
}

/// Opens the ledger at `path`, which must exist, for reading.
pub(super) fn open_read_only(path: &Path) -> Result<Connection> {
    recover(path)?;
    if identify(path)? == Identity::Empty {
        return Err(Error::new(Code::Ledger, "there is no ledger yet")
            .in_file(path)
            .with_hint("run `vzarr-publish scan` first, or name a ledger with `--ledger FILE`"));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_version(&connection, path)?;
    Ok(connection)
}

/// Takes back what a killed writer had begun, where its rollback journal is left: who only reads may not.
fn recover(path: &Path) -> Result<()> {
    if has_journal(path) && identify(path)? != Identity::Empty {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Where it may not be written, either, whoever reads next says so.
        let _ = schema_version(&connection);
    }
    Ok(())
}

/// Whether there is a rollback journal, which a writer has at the moment, or had when it was killed.
fn has_journal(path: &Path) -> bool {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    fs::metadata(&journal).is_ok_and(|found| found.len() > 0)
}

/// The absolute path of a ledger: SQLite gives names such as `:memory:` a meaning of their own.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| elsewhere(path, format!("the path cannot be used: {error}")))
}

/// SQLite's `error` while using the ledger at `path`.
pub(super) fn unusable(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure,
    };

    let failed = Error::new(Code::Ledger, format!("cannot use the ledger: {error}")).in_file(path);
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => failed
            .with_hint("another vzarr-publish is writing to it; try again when that has finished"),
        Some(DiskFull) => failed.with_hint("make room on its file system"),
        // SQLite calls a used-up quota so, too.
        Some(SystemIoFailure) => failed.with_hint(
            "see whether a quota is used up or the disk is failing; \
             choose another place with `--ledger FILE`",
        ),
        Some(ReadOnly | CannotOpen) => failed.with_hint(
            "SQLite needs to write to the ledger and its directory, even to read it; \
             choose another place with `--ledger FILE`",
        ),
        _ => failed,
    }
}

fn elsewhere(path: &Path, message: impl Into<String>) -> Error {
    Error::new(Code::Ledger, message)
        .in_file(path)
        .with_hint("choose another place with `--ledger FILE`")
}

/// What is at the place of a ledger, unless it is refused.
#[derive(PartialEq, Eq)]
enum Identity {
    /// Nothing, or an empty file.
    Empty,
    /// A ledger that was being created when power was lost: SQLite empties the file again.
    Begun,
    /// A ledger of some version.
    Ledger,
}

/// Reads the header as plain bytes, because SQLite would touch a file just to look at it (recover
/// it, create files beside it). Offsets are those of <https://sqlite.org/fileformat.html>.
fn identify(path: &Path) -> Result<Identity> {
    let header = match header(path) {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Identity::Empty),
        Err(error) => return Err(elsewhere(path, format!("cannot read the ledger: {error}"))),
    };
    if header.is_empty() {
        Ok(Identity::Empty)
    } else if header.iter().all(|byte| *byte == 0) && has_journal(path) {
        Ok(Identity::Begun)
    } else if !header.starts_with(b"SQLite format 3\0") {
        Err(elsewhere(path, "not a ledger: not an SQLite database"))
    } else if header.get(68..72) != Some(APPLICATION_ID.as_slice()) {
        Err(elsewhere(path, "not a ledger: an SQLite database of another program"))
    } else {
        Ok(Identity::Ledger)
    }
}

fn header(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut header = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| unusable(path, &error))?;
    connection.busy_timeout(PATIENCE).map_err(|error| unusable(path, &error))?;
    connection.set_prepared_statement_cache_capacity(32);
    // Otherwise SQLite plans statements again for each value that is bound to them.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|error| unusable(path, &error))?;
    Ok(connection)
}

/// Creates the tables in an empty file: before the change to WAL, so that the application ID is in
/// the file itself from its first page on, and in one transaction, so that of several processes one
/// creates and the others wait.
fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    if schema_version(connection)? != 0 {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if schema_version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.commit()
}

/// Brings an older ledger to this version, all steps or none; others wait, as in [`create`].
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    if !(1..SCHEMA_VERSION).contains(&schema_version(connection)?) {
        return Ok(());
    }
    // Dropping a table in favour of its successor must not take the rows that refer to it along.
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = usize::try_from(schema_version(&transaction)?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(version.saturating_sub(1)) {
        transaction.execute_batch(step)?;
    }
    transaction.commit()
}

fn prepare_writer(connection: &Connection, journal: Journal) -> rusqlite::Result<()> {
    // What was recorded survives a loss of power, with a rollback journal, too, which FULL might bring
    // back; one fsync a batch is nothing beside those of the manifests.
    journal.set(connection, PATIENCE)?;
    connection.pragma_update(None, "synchronous", "extra")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn check_version(connection: &Connection, path: &Path) -> Result<()> {
    let version = schema_version(connection).map_err(|error| unusable(path, &error))?;
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    let writer = connection
        .query_row("SELECT tool_version FROM runs ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .unwrap_or_else(|_| "a version not named".to_owned());
    Err(Error::new(
        Code::Ledger,
        format!(
            "the ledger has schema {version}, last written by vzarr-publish {writer}; this is {}, \
             which knows schema {SCHEMA_VERSION}",
            env!("CARGO_PKG_VERSION")
        ),
    )
    .in_file(path)
    .with_hint(if version < SCHEMA_VERSION {
        "run `vzarr-publish scan` once, which brings the ledger to this version"
    } else {
        "use a newer vzarr-publish, or another ledger with `--ledger FILE`"
    }))
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::tempdir;

    use super::*;

    fn refusal<T>(result: Result<T>) -> Error {
        match result {
            Ok(_) => panic!("opened"),
            Err(error) => error,
        }
    }

    #[test]
    fn directories_are_created() {
        let place = tempdir().unwrap();
        let path = place.path().join("state/vzarr/ledger.sqlite");
        open(&path).unwrap();
        assert!(path.is_file());
    }

    #[test]
    fn an_empty_file_becomes_a_ledger() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        File::create(&path).unwrap();
        open(&path).unwrap();
        open(&path).unwrap();
    }

    #[test]
    fn a_ledger_is_recognised_even_when_its_writer_was_killed() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        let connection = open(&path).unwrap();
        assert!(identify(&path).unwrap() == Identity::Ledger);
        std::mem::forget(connection);
        open(&path).unwrap();
        open_read_only(&path).unwrap();
    }

    /// The first pages are written in any order, and its journal says that there were none.
    #[test]
    fn a_ledger_that_was_being_created_when_power_was_lost_is_created_anew() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA}")).unwrap();
        let journal = place.path().join("ledger.sqlite-journal");
        let mut bytes = fs::read(&journal).unwrap();
        drop(connection);
        // As it is once it was synchronised: a header with its magic, and no pages.
        bytes.resize(512, 0);
        bytes[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
        bytes[20..28].copy_from_slice(&[0, 0, 2, 0, 0, 0, 0x10, 0]);
        let lose_power = || {
            fs::write(&path, vec![0; 8192]).unwrap();
            fs::write(&journal, &bytes).unwrap();
        };
        lose_power();
        assert!(refusal(open_read_only(&path)).message().contains("no ledger yet"));
        lose_power();
        open(&path).unwrap();
        open_read_only(&path).unwrap();
    }

    #[test]
    fn a_reader_needs_a_ledger() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        let error = refusal(open_read_only(&path));
        assert_eq!(error.code(), Code::Ledger);
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(error.message().contains("no ledger yet"));
        assert!(!path.exists());
    }

    #[test]
    fn a_newer_ledger_is_refused() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        let connection = open(&path).unwrap();
        connection
            .execute_batch(
                "INSERT INTO runs (started_at, tool_version, arguments)
                 VALUES ('2030-01-01T00:00:00Z', '9.1.0', '[]');
                 PRAGMA user_version = 99;",
            )
            .unwrap();
        drop(connection);
        let before = fs::read(&path).unwrap();
        for error in [refusal(open(&path)), refusal(open_read_only(&path))] {
            assert_eq!(error.code(), Code::Ledger);
            assert!(error.message().contains("schema 99"), "{error}");
            assert!(error.message().contains("9.1.0"), "{error}");
            assert!(error.hint().unwrap().contains("use a newer vzarr-publish"));
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    /// Columns, types and constraints of all tables, without comments.
    fn tables(connection: &Connection) -> Vec<(String, Vec<String>)> {
        let mut names = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let columns = |name: &str| -> Vec<String> {
            let mut columns = connection.prepare(&format!("PRAGMA table_xinfo({name})")).unwrap();
            let column = |row: &rusqlite::Row| {
                let (name, kind): (String, String) = (row.get(1)?, row.get(2)?);
                let (not_null, key): (i64, i64) = (row.get(3)?, row.get(5)?);
                Ok(format!("{name} {kind} {not_null} {key}"))
            };
            columns.query_map([], column).unwrap().map(|column| column.unwrap()).collect()
        };
        names.map(|name| name.unwrap()).map(|name| (name.clone(), columns(&name))).collect()
    }

    #[test]
    fn an_older_ledger_is_brought_to_this_version_and_keeps_its_rows() {
        let place = tempdir().unwrap();
        let old = place.path().join("old.sqlite");
        let connection = Connection::open(&old).unwrap();
        connection.execute_batch(include_str!("migrations/schema_1.sql")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO runs VALUES (1, '2026-01-01', NULL, '0.1.0', '[]', NULL, 0, 0, 0, 0, 0);
                 INSERT INTO datasets VALUES
                     (1, 'a.v1', 'a', 'CMIP6', 'v1', 1, '/a/v1', 'built', NULL, 'r', 1),
                     (2, 'b.v12.v1.tas', 'b.v12.tas', 'CMIP5', 'v1', 1, '/b/v1', 'gone', NULL, 'r', 1);
                 INSERT INTO variables VALUES (1, 0, 'tas', 'virtual');",
            )
            .unwrap();
        drop(connection);
        let error = refusal(open_read_only(&old));
        assert!(error.hint().unwrap().contains("vzarr-publish scan"), "{error:?}");
        let migrated = open(&old).unwrap();
        let fresh = open(&place.path().join("new.sqlite")).unwrap();
        assert_eq!(tables(&migrated), tables(&fresh));
        let rows = "SELECT name || verdict FROM variables";
        let kept: String = migrated.query_row(rows, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "tasvirtual");
        let ids = "SELECT group_concat(dataset_id) FROM (SELECT * FROM datasets ORDER BY id)";
        let kept: String = migrated.query_row(ids, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "a.v1,b.v12.v1");
        let broken = migrated.query_row("PRAGMA foreign_key_check", [], |_| Ok(()));
        assert!(broken.is_err(), "a row of a table refers to no dataset");
        migrated
            .execute_batch("INSERT INTO variables VALUES (1, 1, 'ps', 'segmented', 1, 2, 3, 4)")
            .unwrap();
        open_read_only(&old).unwrap();
    }

    #[test]
    fn a_ledger_of_every_schema_is_brought_to_this_version() {
        // What each schema was the first to have.
        let rows = [
            "INSERT INTO runs VALUES (1, '2026-01-01', NULL, '0.1.0', '[]', NULL, 0, 0, 0, 0, 0);
             INSERT INTO datasets VALUES (1, 'a.v1', 'a', 'CMIP6', 'v1', 1, '/a/v1', 'built', NULL, 'r', 1);
             INSERT INTO files VALUES (1, 0, 'a.nc', 1, 2, 3);
             INSERT INTO stores VALUES (1, 'reference-json', '/a/v1/a.json', NULL, 1,
                 printf('%064d', 0), 9, 1, 1);
             INSERT INTO variables VALUES (1, 0, 'tas', 'virtual');
             INSERT INTO problems VALUES (1, 1, 1, 'warning', 'odd', NULL, NULL, 'm', NULL);",
            "INSERT INTO parts VALUES (1, 0, 'seams', '/a/v1/a.seams', NULL, printf('%064d', 1), 9);
             INSERT INTO variables VALUES (1, 1, 'pr', 'seamed');",
            "INSERT INTO verifications VALUES (1, 1, '2026-01-02', 'all', 0, 'verified', 1, 1, NULL);",
            "INSERT INTO files VALUES (1, 1, 'b.nc', 1, 2, 3, 0, 12, 'hdl:b');
             INSERT INTO variables VALUES (1, 2, 'ps', 'segmented', 1, 2, 3, 4);
             INSERT INTO problems VALUES (2, 1, 1, 'note', 'odd', NULL, NULL, 'm', NULL);",
            "INSERT INTO retractions VALUES ('b.v1', 1, '2026-01-02', 0);
             INSERT INTO replacements VALUES (1, 1, 1, '2026-01-02', printf('%064d', 0), printf('%064d', 1));
             INSERT INTO advertisements VALUES (1, 1, 'add', 'https://n/a.json', printf('%064d', 0),
                 '2026-01-02', NULL);",
        ];
        let place = tempdir().unwrap();
        let fresh = tables(&open(&place.path().join("new.sqlite")).unwrap());
        for schema in 1..=rows.len() {
            let path = place.path().join(format!("{schema}.sqlite"));
            let connection = Connection::open(&path).unwrap();
            connection.execute_batch(include_str!("migrations/schema_1.sql")).unwrap();
            connection.execute_batch(rows[0]).unwrap();
            for (step, rows) in MIGRATIONS.iter().zip(&rows[1..schema]) {
                connection.execute_batch(step).unwrap();
                connection.execute_batch(rows).unwrap();
            }
            assert_eq!(schema_version(&connection).unwrap(), i64::try_from(schema).unwrap());
            let count = |connection: &Connection, table: &str| -> i64 {
                let count = format!("SELECT count(*) FROM {table}");
                connection.query_row(&count, [], |row| row.get(0)).unwrap_or(0)
            };
            let counts = |connection: &Connection| {
                fresh.iter().map(|(table, _)| count(connection, table)).collect::<Vec<_>>()
            };
            let before = counts(&connection);
            drop(connection);
            let migrated = open(&path).unwrap();
            assert_eq!(counts(&migrated), before, "schema {schema}");
            assert_eq!(tables(&migrated), fresh, "schema {schema}");
            let broken = migrated.query_row("PRAGMA foreign_key_check", [], |_| Ok(()));
            assert!(broken.is_err(), "schema {schema}: a row refers to none");
        }
    }

    #[test]
    fn foreign_files_are_refused_and_untouched() {
        let place = tempdir().unwrap();
        let text = place.path().join("notes.txt");
        fs::write(&text, "not a database, but longer than the header of one".repeat(9)).unwrap();
        let short = place.path().join("short");
        fs::write(&short, "SQLite format 3\0").unwrap();
        let foreign = place.path().join("foreign.sqlite");
        Connection::open(&foreign)
            .unwrap()
            .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE a (b)")
            .unwrap();
        let before = snapshot(place.path());
        for path in [&text, &short, &foreign] {
            for error in [refusal(open(path)), refusal(open_read_only(path))] {
                assert_eq!(error.code(), Code::Ledger);
                assert!(error.message().starts_with("not a ledger"), "{error}");
                assert_eq!(error.path(), Some(path.as_path()));
            }
        }
        assert_eq!(snapshot(place.path()), before);
    }

    fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn places_that_cannot_hold_a_ledger_are_named() {
        let place = tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.join("ledger.sqlite"), place.path().to_owned()] {
            let error = refusal(open(&path));
            assert_eq!(error.code(), Code::Ledger);
            assert_eq!(error.path(), Some(path.as_path()));
            assert!(error.hint().unwrap().contains("--ledger"));
        }
    }

    #[test]
    fn a_ledger_without_permission_is_refused() {
        let place = tempdir().unwrap();
        let directory = place.path().join("locked");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
        let path = directory.join("ledger.sqlite");
        if File::create(directory.join("probe")).is_ok() {
            println!("skipped: permissions do not bind this user");
            return;
        }
        let error = refusal(open(&path));
        assert_eq!(error.code(), Code::Ledger);
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(error.hint().unwrap().contains("--ledger"));
    }

    #[test]
    fn many_may_open_a_new_ledger_at_once() {
        let place = tempdir().unwrap();
        let path = place.path().join("ledger.sqlite");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| open(&path).unwrap());
            }
        });
    }
}
