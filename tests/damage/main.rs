//! What the program says about broken files, trees, settings, ledgers and stores: every line of it is in
//! `said.txt` and, of `verify`, in `said_by_verify.txt`. After a change that is meant,
//! `VZARR_SAID=write cargo test --features netcdf --test damage` writes them anew; read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "allowed in tests, also in the functions they share"
)]
#![allow(clippy::too_many_lines, reason = "lists of cases are as long as they are")]

mod classic;
mod configuration;
mod hdf5;
mod ledgers;
#[path = "../cli/netcdf.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod netcdf;
mod netcdf4;
mod not_netcdf;
#[cfg(feature = "netcdf")]
mod stores;
#[path = "../cli/tree.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tree;
mod trees;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tree::{Run, Tree};

/// One broken thing.
pub struct Case {
    /// What is broken.
    name: &'static str,
    /// Makes it, and runs the program on it.
    told: Box<dyn Fn(&mut Told) + Send + Sync>,
}

/// A case in which the program is run by hand.
pub fn case(name: &'static str, told: impl Fn(&mut Told) + Send + Sync + 'static) -> Case {
    Case { name, told: Box::new(told) }
}

/// A dataset of one file with these bytes is scanned.
pub fn file(name: &'static str, bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&[]);
        let tas = tree.dataset("tas");
        tas.put(&tas.file(0, 6), &bytes());
        told.run(&tree, &["scan", "data"]);
    })
}

/// What the program says in the course of a case.
#[derive(Default)]
pub struct Told {
    text: String,
    complaints: Vec<String>,
}

impl Told {
    /// Runs the program in `tree`, and writes down what it says.
    pub fn run(&mut self, tree: &Tree, arguments: &[&str]) -> Run {
        let run = tree.run(arguments);
        let place = tree.path("").display().to_string();
        let shown = arguments.join(" ").replace(&place, "TMP/");
        writeln!(self.text, "$ vzarr-publish {shown}").unwrap();
        for line in run.stderr.lines().chain(run.stdout.lines()) {
            if let Some(complaint) = complaint(line) {
                let start: String = line.chars().take(300).collect();
                self.complaints.push(format!("{complaint}: {}", start.escape_debug()));
            }
        }
        for message in messages(&run.stderr).iter().chain(&messages(&run.stdout)) {
            for line in message.lines() {
                writeln!(self.text, "{}", without_numbers(&line.replace(&place, "TMP/"))).unwrap();
            }
        }
        let code =
            run.code.map_or_else(|| "none, but a signal".to_owned(), |code| code.to_string());
        if !["0", "1", "2", "3"].contains(&code.as_str()) {
            self.complaints.push(format!("exit code {code}"));
        }
        writeln!(self.text, "exit code {code}").unwrap();
        run
    }
}

/// Messages with their hints, in order: which of two datasets is ready first is chance.
fn messages(said: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in said.lines() {
        match messages.last_mut() {
            Some(message) if line.starts_with(' ') => message.extend(["\n", line]),
            _ => messages.push(line.to_owned()),
        }
    }
    messages.sort_by_key(|message| {
        let is_problem = message.starts_with("error: ") || message.starts_with("warning: ");
        (!is_problem, is_problem.then(|| message.clone()))
    });
    messages
}

/// Why a line is not made for people, or not harmless on a terminal.
fn complaint(line: &str) -> Option<String> {
    const RAW: [&str; 7] =
        ["panicked", "RUST_BACKTRACE", "Some(", "Err(", "Os {", "Error {", "Utf8Error"];
    let misleading = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    if line.chars().any(misleading) {
        return Some("control characters".to_owned());
    }
    if line.len() > 1500 {
        return Some(format!("{} bytes in a line", line.len()));
    }
    RAW.iter().find(|raw| line.contains(**raw)).map(|raw| format!("`{raw}`"))
}

/// The line with `N` for numbers that no two runs share, such as times of modification.
fn without_numbers(line: &str) -> String {
    const LONG: usize = 15;
    let mut text = String::new();
    let mut digits = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        text.push_str(
            if (LONG..20).contains(&digits.len())
                && digits.starts_with('1')
                && !digits.starts_with("18446")
            {
                "N"
            } else {
                &digits
            },
        );
        digits.clear();
        text.push(c);
    }
    text.trim_end().to_owned()
}

/// What is said about each of `cases`, in their order.
fn said(cases: &[Case]) -> String {
    let said: Vec<Mutex<String>> = cases.iter().map(|_| Mutex::default()).collect();
    let complained: Mutex<Vec<String>> = Mutex::default();
    let next = AtomicUsize::new(0);
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            threads.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let number = cases.iter().position(|it| it.name == case.name).unwrap();
                    let mut told = Told::default();
                    (case.told)(&mut told);
                    let complaints =
                        told.complaints.iter().map(|it| format!("{}: {it}", case.name));
                    complained.lock().unwrap().extend(complaints);
                    *said[number].lock().unwrap() = told.text;
                }
            });
        }
    });
    let complained = complained.into_inner().unwrap();
    assert!(complained.is_empty(), "{}", complained.join("\n"));
    let said = said.into_iter().map(|text| text.into_inner().unwrap());
    let sections = cases.iter().zip(said).map(|(case, text)| format!("== {}\n{text}\n", case.name));
    sections.collect::<Vec<_>>().concat()
}

fn assert_said(cases: &[Case], file: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/damage").join(file);
    let now = said(cases);
    if std::env::var_os("VZARR_SAID").is_some_and(|value| value == "write") {
        fs::write(&path, now).unwrap();
        return;
    }
    assert_same(&fs::read_to_string(&path).unwrap_or_default(), &now, &path);
}

/// Names the first case of which something else is said.
fn assert_same(before: &str, now: &str, path: &Path) {
    let (before, now): (Vec<_>, Vec<_>) =
        (before.split("== ").collect(), now.split("== ").collect());
    for (before, now) in before.iter().zip(&now) {
        assert_eq!(
            before,
            now,
            "not as in {}; see the top of tests/damage/main.rs",
            path.display()
        );
    }
    assert_eq!(before.len(), now.len(), "cases of {}", path.display());
}

#[test]
fn what_is_said_about_damage() {
    let mut cases = not_netcdf::cases();
    cases.extend(classic::cases());
    cases.extend(netcdf4::cases());
    cases.extend(trees::cases());
    cases.extend(configuration::cases());
    cases.extend(ledgers::cases());
    assert!(cases.len() >= 40);
    assert_said(&cases, "said.txt");
}

#[cfg(feature = "netcdf")]
#[test]
fn what_verify_says_about_damage() {
    assert_said(&stores::cases(), "said_by_verify.txt");
}
