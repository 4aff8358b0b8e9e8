//! Exports and backups.

use std::collections::HashSet;

use serde_json::Value;

use super::*;

/// A ledger with something in every table.
pub fn full() -> (TempDir, Ledger) {
    let (place, mut ledger) = ledger();
    let run = ledger.begin_run(&["scan".to_owned(), "/data".to_owned()]).unwrap();
    let replacement = Replacement {
        at: String::new(),
        old_digest: "e".repeat(64),
        new_digest: "0123456789abcdef".repeat(4),
    };
    let good = DatasetRecord { replacement: Some(replacement), ..built("CMIP6.a.v1", "/data/a") };
    let odd = DatasetRecord { master_id: "odd".into(), ..refused("CMIP6.b.v1", "/data/b, \"c\"") };
    ledger.record(run, &[good.clone(), odd]).unwrap();
    let scope = verify::Scope { mode: verify::Mode::All, sample: 0, seed: 0, http: true };
    let found = Verification { chunks: 12, bytes: 3456, findings: Vec::new() };
    let digest = good.store.as_ref().unwrap().digest();
    assert!(ledger.record_verification(run, "CMIP6.a.v1", digest, (&scope, &found)).unwrap());
    ledger.record_problems(run, Severity::Warning, &[problem("fits no DRS")]).unwrap();
    ledger.send(&[good], false).unwrap();
    ledger.retract(run, "CMIP6.never.seen.v1", true).unwrap();
    ledger.finish_run(run, 1, &Counts { built: 1, refused: 1, ..Counts::default() }).unwrap();
    (place, ledger)
}

fn exported(ledger: &Ledger) -> Vec<Value> {
    let mut out = Vec::new();
    ledger.export_json(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_export_has_every_column_of_every_table() {
    let (_place, ledger) = full();
    let lines = exported(&ledger);
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["dataset", "dataset", "run", "retraction", "problem"]);
    let keys =
        |value: &Value| -> HashSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    for (table, object) in [
        ("datasets", &lines[0]),
        ("files", &lines[0]["files"][0]),
        ("stores", &lines[0]["store"]),
        ("parts", &lines[0]["parts"][0]),
        ("variables", &lines[0]["variables"][0]),
        ("problems", &lines[0]["problems"][0]),
        ("verifications", &lines[0]["verification"]),
        ("replacements", &lines[0]["replacements"][0]),
        ("advertisements", &lines[0]["advertisement"]),
        ("runs", &lines[2]),
        ("retractions", &lines[3]),
        ("problems", &lines[4]),
    ] {
        let mut columns = ledger
            .connection
            .prepare("SELECT name FROM pragma_table_info(?1) WHERE name <> 'dataset'")
            .unwrap();
        let columns = columns.query_map([table], |row| row.get::<_, String>(0)).unwrap();
        let mut missing: Vec<_> = columns.map(|name| name.unwrap()).collect();
        missing.retain(|name| !keys(object).contains(name));
        missing.retain(|name| !(table == "datasets" && name == "id"));
        assert_eq!(missing, [""; 0], "of {table}");
    }
    assert_eq!(lines[0]["files"][0]["path"], "tas_0.nc");
    assert_eq!(lines[1]["store"], Value::Null);
    assert_eq!(lines[1]["problems"][0]["code"], "time-overlap");
}

#[test]
fn a_table_has_a_row_for_each_dataset() {
    let (_place, ledger) = full();
    let mut out = Vec::new();
    ledger.export_csv(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("instance_id,dataset_id,project,version,status,reason,message,"));
    assert!(
        lines[1].starts_with("CMIP6.a.v1,CMIP6.a.v1,CMIP6,v20190308,built,,,1850-01-16T12:00:00Z,")
    );
    assert!(lines[1].contains(&format!(",/data/a,3,{},", 3_u64 << 40)), "{}", lines[1]);
    assert!(lines[2].contains(r#","/data/b, ""c""","#), "{}", lines[2]);
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
}

#[test]
fn a_backup_is_a_ledger_of_one_moment_and_overwrites_nothing() {
    let (place, mut ledger) = full();
    let target = place.path().join("backup.sqlite");
    let reader = Ledger::open_read_only(ledger.path()).unwrap();
    let writing = ledger.connection.transaction().unwrap();
    rows::replace(&writing, RunId(1), &built("CMIP6.c.v1", "/data/c")).unwrap();
    reader.back_up(&target).unwrap();
    writing.commit().unwrap();
    let backup = Ledger::open_read_only(&target).unwrap();
    assert_eq!(listed(&backup, &Filter::default()).len(), 2);
    assert!(backup.integrity().unwrap().is_empty());
    drop(backup);
    // Also for writing, and numbers of advertisements go on.
    assert!(Ledger::open(&target).unwrap().acknowledge(&[(1, None)]).unwrap().is_empty());
    let before = std::fs::read(&target).unwrap();
    let error = reader.back_up(&target).unwrap_err();
    assert_eq!((error.path(), error.code()), (Some(target.as_path()), Code::Configuration));
    assert!(std::fs::read(&target).unwrap() == before);
    let nowhere = place.path().join("absent/backup.sqlite");
    assert_eq!(reader.back_up(&nowhere).unwrap_err().path(), Some(nowhere.as_path()));
}

#[test]
fn references_to_nothing_are_found() {
    let (_place, ledger) = full();
    assert!(ledger.integrity().unwrap().is_empty());
    ledger
        .connection
        .execute_batch("PRAGMA foreign_keys = off; DELETE FROM runs; PRAGMA foreign_keys = on;")
        .unwrap();
    let found = ledger.integrity().unwrap();
    assert!(found.iter().all(|error| error.message().contains("`runs`")), "{found:?}");
    assert!(found.len() > 1);
}
