//! Inputs that once crashed a reader, hung it, or made it take too much memory: `tests/crashes/TARGET/`, by the
//! target of `integration/fuzz` that found it, or would have. Each ends in a result, and soon.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "allowed in tests, also in the functions they share"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use vzarr_publish::discover::mapfile;
use vzarr_publish::drs::{Config, Drs};
use vzarr_publish::emit::relocation;
use vzarr_publish::index::index;
use vzarr_publish::verify::references::References;

/// Enough for a debug build on a busy machine; a runaway takes longer than anyone waits.
const SOON: Duration = Duration::from_secs(5);

/// Hands `input` to what `target` is about.
fn run(target: &str, input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match target {
        "file" => drop(index(&input.to_vec())),
        "netcdf3" => drop(index(&[&b"CDF"[..], input].concat())),
        "mapfile" => drop(mapfile::parse(&text)),
        "config" => drop(Config::parse(&text)),
        "project" => drop(Drs::from_yaml(text.split('\0').next().unwrap())),
        "manifest" => {
            drop(References::parse(input));
            drop(relocation::portable_digest(input));
        }
        _ => panic!("nothing is known of the target {target}"),
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashes");
    for target in fs::read_dir(top).unwrap() {
        let directory = target.unwrap().path();
        let target = directory.file_name().unwrap().to_str().unwrap();
        for input in fs::read_dir(&directory).unwrap() {
            let path = input.unwrap().path();
            let start = Instant::now();
            run(target, &fs::read(&path).unwrap());
            assert!(start.elapsed() < SOON, "{}: {:?}", path.display(), start.elapsed());
        }
    }
}
