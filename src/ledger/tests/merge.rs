//! Ledgers of shards in one.

use super::copies::full;
use super::*;

/// All rows of all tables, with texts in place of numbers that differ from ledger to ledger.
fn content(ledger: &Ledger) -> String {
    let mut out = Vec::new();
    ledger.export_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The dataset with a store of this digest, which was built at this time.
fn build(ledger: &mut Ledger, id: &str, fill: &str, at: &str) -> DatasetRecord {
    let mut record = built(id, "/data/a");
    record.store.as_mut().unwrap().manifest.as_mut().unwrap().digest = fill.repeat(64);
    let run = ledger.begin_run(&[id.to_owned()]).unwrap();
    ledger.record(run, std::slice::from_ref(&record)).unwrap();
    let update = "UPDATE stores SET updated_at = ?1
               WHERE dataset = (SELECT id FROM datasets WHERE instance_id = ?2)";
    ledger.connection.execute(update, [at, id]).unwrap();
    ledger
        .connection
        .execute("UPDATE runs SET started_at = ?1 WHERE id = ?2", (at, run.0))
        .unwrap();
    record
}

fn digest(ledger: &Ledger, id: &str) -> String {
    ledger.dataset(id).unwrap().unwrap().manifest().unwrap().digest[..1].to_owned()
}

/// What was told and whether that was acknowledged.
fn told(ledger: &Ledger, id: &str) -> Option<(String, bool)> {
    let query = "SELECT coalesce(advertisements.digest, '-'), acknowledged_at IS NOT NULL
                 FROM advertisements JOIN datasets ON datasets.id = dataset WHERE instance_id = ?1";
    let told = ledger
        .connection
        .query_row(query, [id], |row| Ok((row.get::<_, String>(0)?[..1].to_owned(), row.get(1)?)));
    told.ok()
}

fn tell(ledger: &mut Ledger, record: &DatasetRecord, at: &str, acknowledges: bool) {
    let sent = ledger.send(std::slice::from_ref(record), false).unwrap().remove(0).unwrap();
    if acknowledges {
        ledger.acknowledge(&[(sent.id, None)]).unwrap();
    }
    let update = "UPDATE advertisements SET sent_at = ?1,
                   acknowledged_at = CASE WHEN acknowledged_at IS NOT NULL THEN ?1 END
               WHERE id = ?2";
    ledger.connection.execute(update, (at, sent.id)).unwrap();
}

#[test]
fn a_ledger_merged_into_an_empty_one_is_all_there() {
    let (_place, other) = full();
    let (_here, mut ledger) = ledger();
    // Other numbers than there.
    build(&mut ledger, "A.v1", "a", "2026-01-01");
    let merged = ledger.merge(other.path()).unwrap();
    assert_eq!((merged.added, merged.replaced, merged.kept), (2, 0, 0));
    assert_eq!(merged.conflicts, []);
    for record in listed(&other, &Filter::default()) {
        assert_eq!(ledger.dataset(&record.instance_id).unwrap(), Some(record));
    }
    assert_eq!(ledger.problems().unwrap(), other.problems().unwrap());
    assert!(ledger.keeps_store("CMIP6.never.seen.v1").unwrap());
    assert_eq!(told(&ledger, "CMIP6.a.v1"), told(&other, "CMIP6.a.v1"));
    assert!(ledger.integrity().unwrap().is_empty());
    let runs: String = ledger
        .connection
        .query_row(
            "SELECT arguments FROM runs JOIN datasets ON runs.id = run_id
             WHERE instance_id = 'CMIP6.a.v1'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(runs, r#"["scan","/data"]"#);
}

#[test]
fn merging_again_changes_nothing() {
    let (_place, mut other) = full();
    let (_here, mut ledger) = ledger();
    build(&mut ledger, "CMIP6.b.v1", "b", "2026-01-01");
    build(&mut ledger, "CMIP6.c.v1", "c", "2026-01-01");
    build(&mut other, "CMIP6.c.v1", "d", "2026-01-02");
    ledger.merge(other.path()).unwrap();
    let before = content(&ledger);
    let merged = ledger.merge(other.path()).unwrap();
    assert_eq!((merged.added, merged.replaced, merged.kept), (0, 0, 3));
    assert_eq!(content(&ledger), before);
    // What came back from there is known, too.
    other.merge(ledger.path()).unwrap();
    ledger.merge(other.path()).unwrap();
    assert_eq!(content(&ledger), before);
}

#[test]
fn of_two_stores_the_one_built_last_counts_and_both_are_named() {
    let ((_a, mut ledger), (_b, mut other)) = (ledger(), super::ledger());
    build(&mut ledger, "newer.v1", "a", "2026-01-02");
    build(&mut other, "newer.v1", "b", "2026-01-01");
    build(&mut ledger, "older.v1", "a", "2026-01-01");
    build(&mut other, "older.v1", "b", "2026-01-02");
    build(&mut ledger, "none.v1", "a", "2026-01-01");
    let run = other.begin_run(&[]).unwrap();
    other.record(run, &[refused("none.v1", "/data/a")]).unwrap();
    let merged = ledger.merge(other.path()).unwrap();
    assert_eq!((merged.added, merged.replaced, merged.kept), (0, 1, 2));
    let won: Vec<_> =
        merged.conflicts.iter().map(|it| (it.instance_id.as_str(), it.theirs_won)).collect();
    assert_eq!(won, [("newer.v1", false), ("none.v1", false), ("older.v1", true)]);
    assert_eq!(merged.conflicts[1].theirs.path, None);
    assert_eq!(merged.conflicts[2].mine.updated_at.as_deref(), Some("2026-01-01"));
    assert_eq!(
        (digest(&ledger, "newer.v1"), digest(&ledger, "older.v1")),
        ("a".into(), "b".into())
    );
    assert_eq!(digest(&ledger, "none.v1"), "a");
}

#[test]
fn of_the_same_store_the_later_run_counts_without_a_word() {
    let ((_a, mut ledger), (_b, mut other)) = (ledger(), super::ledger());
    build(&mut ledger, "a.v1", "a", "2026-01-01");
    build(&mut other, "a.v1", "a", "2026-01-02");
    let run = other.begin_run(&[]).unwrap();
    let roots = ["/data".into()];
    other.mark_gone(run, &Scope { roots: &roots, ..Scope::default() }, &[]).unwrap();
    let merged = ledger.merge(other.path()).unwrap();
    assert_eq!((merged.replaced, merged.conflicts.len()), (1, 0));
    assert_eq!(ledger.dataset("a.v1").unwrap().unwrap().status, Status::Gone);
    // And not the other way round.
    assert_eq!(ledger.merge(other.path()).unwrap().kept, 1);
}

#[test]
fn who_knew_the_row_of_the_other_wins_whatever_the_clock() {
    let (_a, mut ledger) = ledger();
    for id in ["bad.v1", "kept.v1", "other.v1"] {
        build(&mut ledger, id, "a", "2026-01-03");
    }
    let run = ledger.begin_run(&["shard".to_owned()]).unwrap();
    ledger.touch(run, &["bad.v1", "kept.v1", "other.v1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("dealt.sqlite");
    ledger.deal(run, &path, &["bad.v1", "kept.v1"]).unwrap();
    let mut dealt = Ledger::open(&path).unwrap();
    let dealt_at = ledger.started_at(run).unwrap();
    assert_eq!(dealt.since(&dealt_at).unwrap(), Since::Nothing);
    assert_eq!(dealt.since("2000").unwrap(), Since::Unknown);
    assert_eq!(dealt.dataset("kept.v1").unwrap(), ledger.dataset("kept.v1").unwrap());
    assert_eq!(dealt.dataset("other.v1").unwrap(), None);
    let runs: i64 =
        dealt.connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 3, "not that of the third, which is not dealt");
    // Nothing was done with it.
    assert_eq!(ledger.merge(&path).unwrap(), Merged { kept: 2, ..Merged::default() });
    // A host whose clock is late finds that there can be no store any more.
    let run = dealt.begin_run(&["scan".to_owned()]).unwrap();
    assert_eq!(dealt.since(&dealt_at).unwrap(), Since::Unfinished);
    dealt.record(run, &[refused("bad.v1", "/data/a")]).unwrap();
    dealt.touch(run, &["kept.v1"]).unwrap();
    dealt.finish_run(run, 1, &Counts::default()).unwrap();
    assert_eq!(dealt.since(&dealt_at).unwrap(), Since::Ended(1));
    dealt
        .connection
        .execute("UPDATE runs SET started_at = '2026-01-01' WHERE id = ?1", [run.0])
        .unwrap();
    let merged = ledger.merge(&path).unwrap();
    assert_eq!((merged.added, merged.replaced, merged.kept), (0, 2, 0));
    assert_eq!(merged.conflicts, []);
    assert_eq!(ledger.dataset("bad.v1").unwrap().unwrap().status, Status::Refused);
    let before = content(&ledger);
    assert_eq!(ledger.merge(&path).unwrap(), Merged { kept: 2, ..Merged::default() });
    assert_eq!(content(&ledger), before);
    // Neither does what was dealt before bring back what was since.
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &[refused("kept.v1", "/data/a")]).unwrap();
    assert_eq!(ledger.merge(&path).unwrap(), Merged { kept: 2, ..Merged::default() });
    assert_eq!(ledger.dataset("kept.v1").unwrap().unwrap().status, Status::Refused);
}

#[test]
fn what_was_acknowledged_is_neither_lost_nor_invented() {
    let ((_a, mut ledger), (_b, mut other)) = (ledger(), super::ledger());
    // The store that won was acknowledged there.
    build(&mut ledger, "theirs.v1", "a", "2026-01-01");
    let record = build(&mut other, "theirs.v1", "b", "2026-01-02");
    tell(&mut other, &record, "2026-01-03", true);
    // That of the one that lost was: the one that won is to be told.
    build(&mut ledger, "lost.v1", "a", "2026-01-02");
    let record = build(&mut other, "lost.v1", "b", "2026-01-01");
    tell(&mut other, &record, "2026-01-03", true);
    // The store that won was acknowledged, but another was after it.
    let record = build(&mut ledger, "later.v1", "a", "2026-01-02");
    tell(&mut ledger, &record, "2026-01-03", true);
    let record = build(&mut other, "later.v1", "b", "2026-01-01");
    tell(&mut other, &record, "2026-01-04", true);
    // The same store, told by both, acknowledged by one.
    for (id, mine) in [("mine.v1", true), ("same.v1", false)] {
        let record = build(&mut ledger, id, "a", "2026-01-01");
        tell(&mut ledger, &record, "2026-01-03", mine);
        build(&mut other, id, "a", "2026-01-01");
        tell(&mut other, &record, "2026-01-02", !mine);
    }
    ledger.merge(other.path()).unwrap();
    let mut pending = |id: &str| {
        let record = ledger.dataset(id).unwrap().unwrap();
        ledger.send(&[record], false).unwrap().remove(0).is_some()
    };
    let expected = [
        ("theirs.v1", false),
        ("lost.v1", true),
        ("later.v1", true),
        ("mine.v1", false),
        ("same.v1", false),
    ];
    for (id, is_pending) in expected {
        assert_eq!(pending(id), is_pending, "{id}");
    }
}

#[test]
fn a_copied_advertisement_gets_a_number_of_its_own() {
    let ((_a, mut ledger), (_b, mut other)) = (ledger(), super::ledger());
    let record = build(&mut ledger, "a.v1", "a", "2026-01-01");
    tell(&mut ledger, &record, "2026-01-01", false);
    let record = build(&mut other, "b.v1", "b", "2026-01-01");
    tell(&mut other, &record, "2026-01-01", false);
    ledger.merge(other.path()).unwrap();
    assert_eq!(told(&ledger, "a.v1"), Some(("a".to_owned(), false)));
    assert_eq!(told(&ledger, "b.v1"), Some(("b".to_owned(), false)));
}

#[test]
fn retractions_are_united() {
    let ((_a, mut ledger), (_b, mut other)) = (ledger(), super::ledger());
    build(&mut ledger, "a.v1", "a", "2026-01-01");
    build(&mut other, "b.v1", "b", "2026-01-01");
    let run = other.begin_run(&[]).unwrap();
    other.retract(run, "a.v1", false).unwrap();
    let run = ledger.begin_run(&[]).unwrap();
    ledger.retract(run, "b.v1", true).unwrap();
    ledger.merge(other.path()).unwrap();
    for id in ["a.v1", "b.v1"] {
        assert!(ledger.is_retracted(id).unwrap());
        let record = ledger.dataset(id).unwrap().unwrap();
        assert_eq!((record.status, record.warnings.len()), (Status::Retracted, 0), "{id}");
    }
}

#[test]
fn a_ledger_is_merged_whole_or_not_at_all() {
    let (place, other) = full();
    let (_here, mut ledger) = ledger();
    // Something that this version would never write, met late.
    other
        .connection
        .execute_batch(
            "PRAGMA ignore_check_constraints = on; UPDATE retractions SET keeps_store = 9",
        )
        .unwrap();
    let before = content(&ledger);
    assert_eq!(ledger.merge(other.path()).unwrap_err().code(), Code::Ledger);
    assert_eq!(content(&ledger), before);
    other.connection.execute_batch("UPDATE retractions SET keeps_store = 1").unwrap();
    ledger.merge(other.path()).unwrap();

    let path = ledger.path().to_owned();
    assert!(ledger.merge(&path).unwrap_err().message().contains("into itself"));
    let absent = place.path().join("absent.sqlite");
    assert!(ledger.merge(&absent).unwrap_err().message().contains("no ledger yet"));
    other.connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let error = ledger.merge(other.path()).unwrap_err();
    assert!(error.message().contains("the ledger has schema 99"), "{error}");
    assert_eq!(error.path(), Some(other.path()));
}
