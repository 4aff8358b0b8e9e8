//! Broken ledgers, and stores that are not as the ledger says.

use std::fs;

use super::tree::Tree;
use super::{Case, Told, case};

const LEDGER: &str = "state/vzarr-publish/vzarr-ledger.sqlite";

/// What is said by all that opens a ledger.
fn opened(told: &mut Told, tree: &Tree) {
    told.run(tree, &["list"]);
    told.run(tree, &["scan", "data"]);
}

/// A ledger of these bytes.
fn ledger(name: &'static str, bytes: &'static [u8]) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        fs::create_dir_all(tree.path("state/vzarr-publish")).unwrap();
        fs::write(tree.path(LEDGER), bytes).unwrap();
        opened(told, &tree);
    })
}

/// The ledger of a scan, which `spoil` changes.
fn spoiled(name: &'static str, spoil: fn(&mut Vec<u8>)) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        tree.scan(&[]).exits(0);
        let mut bytes = fs::read(tree.path(LEDGER)).unwrap();
        spoil(&mut bytes);
        fs::write(tree.path(LEDGER), bytes).unwrap();
        for behind in ["-wal", "-shm"] {
            _ = fs::remove_file(tree.path(&format!("{LEDGER}{behind}")));
        }
        opened(told, &tree);
    })
}

/// A store whose manifest `spoil` changes, as `ledger check` sees it.
fn manifest(name: &'static str, spoil: fn(&std::path::Path)) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        tree.scan(&[]).exits(0);
        spoil(&tree.dataset("tas").manifest());
        told.run(&tree, &["ledger", "check"]);
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        ledger("ledger: text", b"This is no database, whatever its name says.\n"),
        ledger("ledger: signature alone", b"SQLite format 3\0"),
        ledger("ledger: zeros", &[0; 4096]),
        case("ledger: a directory", |told| {
            let tree = Tree::of(&["tas"]);
            fs::create_dir_all(tree.path(LEDGER)).unwrap();
            opened(told, &tree);
        }),
        spoiled("ledger: cut off", |bytes| bytes.truncate(5000)),
        spoiled("ledger: of a later version", |bytes| {
            bytes[60..64].copy_from_slice(&[0, 0, 0x27, 0x0f]);
        }),
        spoiled("ledger: of another program", |bytes| bytes[68..72].copy_from_slice(b"GPKG")),
        spoiled("ledger: page overwritten", |bytes| bytes[4096..8192].fill(0xff)),
        manifest("manifest: cut off", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        manifest("manifest: gone", |path| fs::remove_file(path).unwrap()),
        manifest("manifest: a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        case("acknowledgement that is none", |told| {
            let tree = Tree::of(&["tas"]);
            tree.scan(&[]).exits(0);
            tree.file("told", "{\"id\": \u{1b}[2J}\n");
            told.run(&tree, &["advertise", "--ack", "told"]);
        }),
    ]
}
