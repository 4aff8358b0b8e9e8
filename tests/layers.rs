//! The layers of the program: a module uses only those below it, in the order that `src/lib.rs`
//! gives.

#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules that the documentation of `src/lib.rs` names, lowest first.
fn layers(lib: &str) -> Vec<&str> {
    let documentation = lib.lines().filter_map(|line| line.strip_prefix("//!"));
    let names = documentation.flat_map(|line| line.split("[`").skip(1));
    names.filter_map(|rest| Some(rest.split_once("`]")?.0)).collect()
}

/// What the source text of a module uses from above its own layer, `layer`. The module is `depth`
/// steps below the crate, so that as many times `super` is the crate itself.
fn violations<'a>(source: &'a str, layer: &str, depth: usize, layers: &[&str]) -> Vec<&'a str> {
    let height = |name: &str| layers.iter().position(|layer| *layer == name);
    let own = height(layer).unwrap();
    // Tests may look down on their module from anywhere.
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let to_crate = "super::".repeat(depth);
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            let paths = line.split("crate::").skip(1).chain(line.split(to_crate.as_str()).skip(1));
            paths.map(move |path| (line, path))
        })
        .filter(|(_, path)| {
            let name = path.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            // What is no layer, such as `{a, b}`, cannot be judged, so it may not be.
            name.and_then(height).is_none_or(|used| used > own)
        })
        .map(|(line, _)| line.trim())
        .collect()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = directories.iter().flat_map(|directory| sources(directory));
    below
        .chain(files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")))
        .collect()
}

#[test]
fn modules_use_only_those_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let layers = layers(&lib);
    let mut found = Vec::new();
    let mut seen = 0;
    for path in sources(&src) {
        let below = path.strip_prefix(&src).unwrap().with_extension("");
        let names: Vec<&str> = below.iter().map(|name| name.to_str().unwrap()).collect();
        if matches!(names[..], ["lib" | "main"]) || names.ends_with(&["tests"]) {
            continue;
        }
        assert!(layers.contains(&names[0]), "`{}` is in no layer", path.display());
        let depth = names.iter().filter(|name| **name != "mod").count();
        let source = fs::read_to_string(&path).unwrap();
        for line in violations(&source, names[0], depth, &layers) {
            found.push(format!("{}: {line}", below.display()));
        }
        seen += 1;
    }
    assert_eq!(found, [""; 0], "only what is lower may be used: {layers:?}");
    assert!(seen > layers.len());
}

/// A reader that shared code with the writer would share its errors.
#[test]
fn what_verifies_uses_nothing_of_what_it_verifies() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify");
    for path in sources(&directory) {
        let source = fs::read_to_string(&path).unwrap();
        for forbidden in ["index", "combine", "emit", "drs"] {
            let used = source.contains(&format!("crate::{forbidden}"));
            assert!(!used, "`{}` uses `{forbidden}`", path.display());
        }
    }
}

#[test]
fn every_module_is_a_layer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let lib = fs::read_to_string(path).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut modules: Vec<&str> = modules.collect();
    let mut layers = layers(&lib);
    assert_eq!(layers.first(), Some(&"model"));
    assert_eq!(layers.last(), Some(&"cli"));
    modules.sort_unstable();
    layers.sort_unstable();
    assert_eq!(layers, modules);
}

#[test]
fn the_checker_sees_a_violation() {
    let layers = layers("//! [`low`] things, [`mid`] and\n//! [`top`].\npub mod low;");
    assert_eq!(layers, ["low", "mid", "top"]);
    let found = |source| violations(source, "mid", 2, &layers);
    for allowed in [
        "use crate::low::thing;",
        "use crate::mid::thing;",
        "use super::thing;",
        "/// See [`crate::top`].",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::top::thing;",
    ] {
        assert_eq!(found(allowed), [""; 0]);
    }
    for refused in [
        "use crate::top::thing;",
        "pub(crate) use crate::top;",
        "let a = low(crate::top::thing());",
        "use crate::{low, top};",
        "use super::super::top::thing;",
    ] {
        assert_eq!(found(refused), [refused]);
    }
    assert_eq!(
        found("use crate::low::a;\n  use crate::top::b; // why"),
        ["use crate::top::b; // why"]
    );
}
