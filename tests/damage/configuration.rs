//! Broken mapfiles, settings, files of the publisher, and project files.

use std::fmt::Write as _;
use std::fs;

use super::tree::Tree;
use super::{Case, case};

/// A mapfile with this text.
fn map(name: &'static str, text: &'static [u8]) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        fs::write(tree.path("x.map"), text).unwrap();
        told.run(&tree, &["scan", "--map", "x.map"]);
    })
}

/// A settings file, or an `esg.yaml`, with this text.
fn config(name: &'static str, text: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        fs::write(tree.path("config.yaml"), text()).unwrap();
        told.run(&tree, &["scan", "data", "--config", "config.yaml"]);
    })
}

fn of_text(name: &'static str, text: &'static str) -> Case {
    config(name, || text.as_bytes().to_vec())
}

/// A project file with this text.
fn project(name: &'static str, text: &'static str) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        tree.file("project.yaml", text);
        told.run(&tree, &["scan", "data", "--project-file", "project.yaml"]);
    })
}

/// A text of which each line stands for ten of the line before.
fn laughs() -> Vec<u8> {
    let mut text = String::from("a0: &a0 x\n");
    for level in 1..20 {
        let before = format!("*a{}", level - 1);
        writeln!(text, "a{level}: &a{level} [{}]", vec![before; 10].join(", ")).unwrap();
    }
    (text + "data_node: *a19\n").into_bytes()
}

pub fn cases() -> Vec<Case> {
    vec![
        map("mapfile: empty", b""),
        map("mapfile: binary", b"\x89HDF\r\n\x1a\n\xff\xfe"),
        map("mapfile: web page", b"<!DOCTYPE html>\n<html> | x | y</html>\n"),
        map("mapfile: field missing", b"CMIP6.x#20200101 | /data/x.nc | \n"),
        map("mapfile: size that is no number", b"CMIP6.x#20200101 | /data/x.nc | \x1b[31mbig\n"),
        map("mapfile: size beyond all numbers", b"CMIP6.x#20200101 | /data/x.nc | 99999999999999999999999\n"),
        map("mapfile: path that climbs", b"CMIP6.x#20200101 | /data/../etc/x.nc | 1\n"),
        map("mapfile: version missing", b"CMIP6.\x1b]0;x\x07.x | /data/x.nc | 1\n"),
        map("mapfile: a file twice", b"a#1 | /data/x.nc | 1\nb#1 | /data/x.nc | 1\n"),
        map("mapfile: checksum of the wrong length", b"a#1 | /data/x.nc | 1 | checksum=abc | checksum_type=SHA256\n"),
        map("mapfile: file that is not there", b"CMIP6.CMIP.Institute.Model.historical.r1i1p1f1.Amon.tas.gn#20200101 | /nowhere/x.nc | 1\n"),
        case("mapfile: directory without mapfiles", |told| {
            let tree = Tree::of(&["tas"]);
            told.run(&tree, &["scan", "--map", "data"]);
        }),
        case("mapfile: not there", |told| {
            let tree = Tree::of(&["tas"]);
            told.run(&tree, &["scan", "--map", "x\u{1b}.map"]);
        }),
        of_text("settings: not YAML", "jobs: [1\nledger: }\n"),
        of_text("settings: a list", "- jobs\n"),
        of_text("settings: unknown name", "output: x\n\u{e9}: 1\n"),
        of_text("settings: name with escapes of terminals", "\"\\e[31mx\\n\": 1\n"),
        of_text("settings: value of the wrong kind", "jobs: \"many\\e[2J\"\n"),
        of_text("settings: no number of threads", "jobs: 0\n"),
        of_text("settings: a name twice", "jobs: 1\njobs: 2\n"),
        of_text("settings: size that is none", "contiguous_chunk: 4 elephants\n"),
        of_text("settings: root that is no URL", "data_roots: {data: nowhere}\n"),
        of_text("settings: unknown project", "project: \"\\e[31mCMIP8\"\n"),
        config("settings: not UTF-8", || b"ledger: \xff\xfe\n".to_vec()),
        config("settings: control characters", || b"ledger: \x1b[2J\n".to_vec()),
        config("settings: aliases that multiply", laughs),
        config("settings: nested a hundred thousand times", || vec![b'['; 100_000]),
        case("settings: not there", |told| {
            let tree = Tree::of(&["tas"]);
            told.run(&tree, &["scan", "data", "--config", "nowhere.yaml"]);
        }),
        case("settings: a directory", |told| {
            let tree = Tree::of(&["tas"]);
            told.run(&tree, &["scan", "data", "--config", "data"]);
        }),
        of_text("esg.yaml: no data roots", "data_node: n.org\n"),
        of_text("esg.yaml: data roots of the wrong kind", "data_node: n.org\ndata_roots: [a, b]\n"),
        of_text("esg.yaml: root that is no directory", "data_node: n.org\ndata_roots: {'../x': y}\n"),
        of_text("esg.yaml: template of URLs that is none", "data_node: n.org\ndata_roots: {/a: b}\nhttps_url: '{}{}{}{'\n"),
        of_text("esg.yaml: host with a line break", "data_node: \"n.org\\n\\e[31m\"\ndata_roots: {/a: b}\n"),
        of_text("esg.yaml: format of references that is none", "data_node: n.org\ndata_roots: {/a: b}\nkerchunk: {format: \"\\e[1mparquet\"}\n"),
        project("project: empty", ""),
        project("project: not YAML", "name: [\n"),
        project("project: no name", "directory: [a, version]\nversion: vYYYYMMDD\n"),
        project("project: unknown field", "name: X\ndirectory: [a, version]\nversion: vYYYYMMDD\nfoo: 1\n"),
        project("project: no facets", "name: X\ndirectory: []\nversion: vYYYYMMDD\nvalues: {}\n"),
        project("project: a facet twice", "name: X\ndirectory: [a, a, version]\nversion: vYYYYMMDD\nvalues: {a: [x]}\n"),
        project("project: unknown form of versions", "name: X\ndirectory: [a, version]\nversion: \"\\e[31mvX\"\nvalues: {a: [x]}\n"),
        project("project: variable that is no facet", "name: X\ndirectory: [a, version]\nversion: vYYYYMMDD\nvalues: {a: [x]}\nvariable: b\n"),
        project("project: ID of facets that are not there", "name: X\ndirectory: [a, version]\nversion: vYYYYMMDD\nvalues: {a: [x]}\ndataset_id: [b]\n"),
        project("project: name that leads out", "name: ../../x\ndirectory: [a, version]\nversion: vYYYYMMDD\nvalues: {a: [x]}\n"),
    ]
}
