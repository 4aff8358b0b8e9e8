//! Every reason that the program can give is explained in `docs/verdicts.md`, and in the schema of the
//! report.

#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words that `Code::as_str` gives, of its own source: a list beside it could miss one.
fn words(source: &str) -> Vec<&str> {
    let body = source.split("fn as_str").nth(1).unwrap().split("\n    }\n").next().unwrap();
    body.lines().filter_map(|line| Some(line.split_once("=> \"")?.1.split_once('"')?.0)).collect()
}

#[test]
fn the_schema_of_the_report_has_every_reason_and_verdict() {
    let schema: serde_json::Value =
        serde_json::from_str(&text("schemas/report.schema.json")).unwrap();
    for (definition, source) in
        [("reason", "src/model/error.rs"), ("verdict", "src/model/verdict.rs")]
    {
        let source = text(source);
        assert_eq!(schema["$defs"][definition]["enum"], serde_json::json!(words(&source)));
    }
}

#[test]
fn every_reason_has_its_cause_and_cure() {
    let (source, verdicts) = (text("src/model/error.rs"), text("docs/verdicts.md"));
    let words = words(&source);
    assert!(words.len() > 30 && words.contains(&"time-overlap"), "{words:?}");
    for word in &words {
        let row = verdicts.lines().find(|line| line.starts_with(&format!("| `{word}` | ")));
        let cells = row.map(|row| row.split(" | ").filter(|cell| !cell.trim().is_empty()).count());
        assert_eq!(cells, Some(4), "`{word}` has no row with kind, cause and cure");
    }
    let of_variables = text("src/model/verdict.rs");
    let of_variables = self::words(&of_variables);
    for word in &of_variables {
        assert!(verdicts.contains(&format!("\n| `{word}` | ")), "`{word}` is not explained");
    }
    let known = [words, of_variables].concat();
    let rows = verdicts.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let unknown: Vec<_> = rows.map(|(word, _)| word).filter(|word| !known.contains(word)).collect();
    assert_eq!(unknown, [""; 0], "no such reason is ever given");
}
