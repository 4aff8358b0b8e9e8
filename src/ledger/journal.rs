//! How SQLite keeps a transaction whole: by a write-ahead log, or by a rollback journal where the file
//! system cannot share memory among hosts.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result};

/// How the ledger is journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// Readers and the writer do not wait for each other. They share memory, so all are of one host.
    WriteAhead,
    /// A writer waits for readers, and they for it, by file locks alone.
    Rollback,
}

impl Journal {
    /// The journal that is safe on this file system, a network file system by name or another.
    fn on(network: Option<&str>) -> Self {
        if network.is_some() { Self::Rollback } else { Self::WriteAhead }
    }

    fn word(self) -> &'static str {
        match self {
            Self::WriteAhead => "wal",
            Self::Rollback => "delete",
        }
    }

    /// That of an open ledger.
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let word: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok(if word == Self::WriteAhead.word() { Self::WriteAhead } else { Self::Rollback })
    }

    /// Makes this the journal of the ledger, for everybody. SQLite does not wait for others by itself when
    /// it changes the journal, as it does for statements; several scans may open a new ledger at once.
    pub(super) fn set(self, connection: &Connection, patience: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let switched = connection.pragma_update(None, "journal_mode", self.word());
            let code = switched.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
            if code != Some(rusqlite::ErrorCode::DatabaseBusy) || start.elapsed() > patience {
                return switched;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The journal that is safe for the ledger at `path`; says so where that is not the usual one.
pub(super) fn choose(path: &Path) -> Journal {
    let network = network_file_system(path);
    if let Some(name) = network {
        log::warn!(
            "`{}`: the ledger is on a network file system ({name}), where SQLite's write-ahead log is \
             not safe; a rollback journal is used, with which readers and writers wait for each other\n  \
             hint: put the ledger on a local disk with `--ledger FILE`",
            path.display().to_string().escape_debug()
        );
    }
    Journal::on(network)
}

/// The journal that is safe for a database at `path`.
pub(super) fn fitting(path: &Path) -> Journal {
    Journal::on(network_file_system(path))
}

/// The network file system that holds the ledger at `path`, if it is on one.
#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> Option<&'static str> {
    // What cannot be asked cannot be opened either, which is told with its reason then.
    let found = rustix::fs::statfs(path.parent().unwrap_or(path)).ok()?;
    u32::try_from(found.f_type & 0xFFFF_FFFF).ok().and_then(network_name)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// The name of the network file system with this `f_type`; none for those of one host. Numbers of
/// statfs(2) and of `linux/magic.h`; those of Lustre, GPFS, `BeeGFS` and Panasas are those that coreutils
/// `stat` knows. FUSE is among them: sshfs, `GlusterFS` and their like cannot be told from a local one.
#[cfg(any(target_os = "linux", test))]
fn network_name(f_type: u32) -> Option<&'static str> {
    Some(match f_type {
        0x0000_6969 => "NFS",
        0x0000_517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x00C3_6400 => "CephFS",
        0x6573_5546 => "FUSE",
        0x1983_0326 => "BeeGFS",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x0102_1997 => "9P",
        0x7375_7245 => "Coda",
        0xAAD7_AAEA => "PanFS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_get_a_rollback_journal() {
        for (f_type, name) in [
            (0x6969, "NFS"),
            (0xFF53_4D42, "SMB"),
            (0xFE53_4D42, "SMB"),
            (0x0BD0_0BD0, "Lustre"),
            (0x4750_4653, "GPFS"),
            (0x00C3_6400, "CephFS"),
            (0x6573_5546, "FUSE"),
        ] {
            assert_eq!(network_name(f_type), Some(name));
            assert_eq!(Journal::on(network_name(f_type)), Journal::Rollback);
        }
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS
        for f_type in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1] {
            assert_eq!(Journal::on(network_name(f_type)), Journal::WriteAhead);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_local() {
        assert_eq!(network_file_system(Path::new("/absent/ledger.sqlite")), None);
    }

    #[test]
    fn a_ledger_changes_its_journal_when_it_moves() {
        let place = tempfile::tempdir().unwrap();
        let connection = Connection::open(place.path().join("ledger.sqlite")).unwrap();
        for journal in [Journal::WriteAhead, Journal::Rollback, Journal::WriteAhead] {
            journal.set(&connection, Duration::ZERO).unwrap();
            assert_eq!(Journal::of(&connection).unwrap(), journal);
        }
    }
}
