//! Trees in which something is no file, is not to be read, or is of something else.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::netcdf::Values;
use super::tree::{Dataset, Tree, monthly};
use super::{Case, case};

/// A dataset of two files, of which `spoil` is given the place of the second.
fn second(name: &'static str, spoil: impl Fn(&Dataset, &Path) + Send + Sync + 'static) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&[]);
        let tas = tree.dataset("tas");
        tas.write(0, 6);
        spoil(&tas, &tas.file(6, 6));
        told.run(&tree, &["scan", "data"]);
    })
}

/// A dataset of two files, of which the second has this name.
fn called(name: &'static str, file: &'static [u8]) -> Case {
    second(name, move |tas, _| {
        let path = tas.directory.join(PathBuf::from(std::ffi::OsStr::from_bytes(file)));
        tas.put(&path, &monthly("tas", 6, 6).bytes());
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        second("named pipe", |_, path| {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }),
        case("socket", |told| {
            let tree = Tree::of(&[]);
            let tas = tree.dataset("tas");
            tas.write(0, 6);
            // Paths of sockets must be short: it is made elsewhere and moved.
            let socket = UnixListener::bind(tree.path("s")).unwrap();
            fs::rename(tree.path("s"), tas.file(6, 6)).unwrap();
            told.run(&tree, &["scan", "data"]);
            drop(socket);
        }),
        second("directory called like a file", |_, path| fs::create_dir(path).unwrap()),
        second("link to nowhere", |_, path| symlink("nowhere", path).unwrap()),
        second("link to itself", |_, path| symlink(path, path).unwrap()),
        second("link to the directory it is in", |tas, path| {
            symlink(&tas.directory, path).unwrap();
        }),
        second("link to a device", |_, path| symlink("/dev/zero", path).unwrap()),
        case("directories that are links to each other", |told| {
            let tree = Tree::of(&["tas"]);
            symlink("b", tree.data.join("a")).unwrap();
            symlink("a", tree.data.join("b")).unwrap();
            symlink(".", tree.data.join("c")).unwrap();
            told.run(&tree, &["scan", "data"]);
        }),
        case("file that is not readable", |told| {
            let tree = Tree::of(&["tas"]);
            if let Some(run) = unreadable(&tree) {
                assert!(run.contains("[permission-denied]"), "{run}");
            }
            // Whether somebody ran whom permissions bind is nothing that all machines say alike.
            told.run(&tree, &["scan", "data/absent"]);
        }),
        case("file that grows", |told| {
            let tree = Tree::of(&[]);
            let tas = tree.dataset("tas");
            let whole = monthly("tas", 0, 6).bytes();
            tas.put(&tas.file(0, 6), &whole[..700]);
            told.run(&tree, &["scan", "data"]);
            tas.put(&tas.file(0, 6), &whole);
            told.run(&tree, &["scan", "data"]);
        }),
        second("two files of the same times", |tas, path| {
            tas.put(path, &monthly("tas", 0, 6).bytes());
        }),
        second("two files of overlapping times", |tas, path| {
            tas.put(path, &monthly("tas", 3, 6).bytes());
        }),
        second("file of another variable", |tas, path| {
            tas.put(path, &monthly("pr", 6, 6).bytes());
        }),
        second("file of another calendar", |tas, path| {
            let mut file = monthly("tas", 6, 6);
            file.variables[0].attributes[1].1 = Values::Text("noleap");
            tas.put(path, &file.bytes());
        }),
        second("file of another grid", |tas, path| {
            let mut file = monthly("tas", 6, 6);
            file.variables[2].values = Values::Doubles(vec![-31.0, 31.0]);
            tas.put(path, &file.bytes());
        }),
        second("file of other units", |tas, path| {
            let mut file = monthly("tas", 6, 6);
            file.variables[5].attributes[0].1 = Values::Text("\u{1b}[5mdegC");
            tas.put(path, &file.bytes());
        }),
        second("file of no time steps", |tas, path| {
            let mut bytes = monthly("tas", 6, 6).bytes();
            bytes[4..8].copy_from_slice(&[0; 4]);
            tas.put(path, &bytes);
        }),
        called(
            "name with a line break",
            b"tas_Amon\n_Model_historical_r1i1p1f1_gn_185007-185012.nc",
        ),
        called("name with escapes of terminals", b"tas_\x1b[2J\x1b]0;owned\x07_185007-185012.nc"),
        called(
            "name that is not UTF-8",
            b"tas_Amon_M\xf6del_historical_r1i1p1f1_gn_185007-185012.nc",
        ),
        called("name of 250 characters", &LONG_NAME),
        called(
            "name of another dataset",
            b"tas_Amon_Other_historical_r1i1p1f1_gn_185007-185012.nc",
        ),
        called(
            "name with dates that are none",
            b"tas_Amon_Model_historical_r1i1p1f1_gn_185013-185099.nc",
        ),
        called(
            "name with dates in the wrong order",
            b"tas_Amon_Model_historical_r1i1p1f1_gn_185012-185007.nc",
        ),
        called(
            "name with other dates than the file",
            b"tas_Amon_Model_historical_r1i1p1f1_gn_195007-195012.nc",
        ),
        case("directory with escapes of terminals", |told| {
            let tree = Tree::of(&["tas"]);
            let stray = tree.data.join("CMIP6/\u{1b}[2J\nerror: all is lost/\u{202e}x");
            fs::create_dir_all(&stray).unwrap();
            fs::write(stray.join("a.nc"), "").unwrap();
            told.run(&tree, &["scan", "data"]);
        }),
        case("tree that is a file", |told| {
            let tree = Tree::of(&[]);
            fs::write(tree.data.join("file"), "").unwrap();
            told.run(&tree, &["scan", "data/file"]);
        }),
    ]
}

/// A name as long as names may be, nearly.
static LONG_NAME: [u8; 250] = {
    let mut name = [b'x'; 250];
    name[247] = b'.';
    name[248] = b'n';
    name[249] = b'c';
    name
};

/// What is said of a file without permission, by somebody whom permissions bind, if there is one.
fn unreadable(tree: &Tree) -> Option<String> {
    tree.open_to_all();
    let path = tree.dataset("tas").file(6, 6);
    super::tree::allow(&path, 0);
    let run = tree.scan_unprivileged(&[]);
    super::tree::allow(&path, 0o666);
    Some(run?.stderr)
}
