use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rusqlite::config::DbConfig;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::discover::SourceFile;
use crate::model::error::{Code, Error};
use crate::model::format::Format;
use crate::model::multihash::Multihash;
use crate::model::verdict::{Cost, Verdict};

fn ledger() -> (TempDir, Ledger) {
    let place = tempdir().unwrap();
    let ledger = Ledger::open(&place.path().join("ledger.sqlite")).unwrap();
    (place, ledger)
}

fn variable(name: &str, verdict: Verdict) -> VariableRecord {
    let cost = Cost { references: 1, stored_bytes: 2, inlined_bytes: 3, reencoded_bytes: 4 };
    VariableRecord { name: name.to_owned(), verdict, cost }
}

fn built(instance_id: &str, directory: &str) -> DatasetRecord {
    let directory = PathBuf::from(directory);
    DatasetRecord {
        instance_id: instance_id.to_owned(),
        dataset_id: instance_id.to_owned(),
        master_id: "CMIP6.CMIP.tas".to_owned(),
        project: "CMIP6".to_owned(),
        version: "v20190308".to_owned(),
        versioned: true,
        period: Some(Period {
            start: "1850-01-16T12:00:00Z".to_owned(),
            end: "2014-12-16T12:00:00Z".to_owned(),
        }),
        status: Status::Built,
        error: None,
        recipe: "1 https://example.org/".to_owned(),
        files: (0..3)
            .map(|i| FileRecord {
                source: SourceFile {
                    path: directory.join(format!("tas_{i}.nc")),
                    size: 1 << 40,
                    mtime_ns: 1_700_000_000_123_456_789 + i,
                    inode: u64::MAX,
                },
                checksum: (i > 0).then(|| Multihash::of_sha256(&"c".repeat(64))),
                steps: (i > 0).then_some(3..15),
                tracking_id: (i > 1).then(|| "hdl:21.14100/a".to_owned()),
            })
            .collect(),
        store: Some(StoreRecord {
            manifest: Some(WrittenFile {
                path: directory.join(format!("{instance_id}.json")),
                url: Some("https://example.org/tas.json".to_owned()),
                digest: "0123456789abcdef".repeat(4),
                size: 1234,
            }),
            local: false,
            reference_count: 1980,
            inlined_bytes: 15_840,
            v3_only: true,
            artefacts: vec![artefact(&directory.join(format!("{instance_id}.parq")))],
            parts: [(PartKind::Seams, "seams"), (PartKind::Segment, "seg00.json")]
                .map(|(kind, name)| PartRecord {
                    kind,
                    written: WrittenFile {
                        path: directory.join(name),
                        url: None,
                        digest: "b".repeat(64),
                        size: 7,
                    },
                })
                .into(),
            times: None,
        }),
        variables: vec![
            variable("tas", Verdict::Segmented),
            variable("time", Verdict::Inlined),
            variable("lat", Verdict::Inlined),
        ],
        warnings: vec![problem("odd name")],
        notes: vec![problem("odd chunks")],
        verification: None,
        replacement: None,
        superseded_by: None,
        directory,
    }
}

fn artefact(path: &Path) -> ArtefactRecord {
    ArtefactRecord {
        format: Format::Parquet,
        path: path.to_owned(),
        url: Some("https://example.org/tas.parq".to_owned()),
        digest: "a".repeat(64),
        size: 99,
        reference_count: 1980,
        snapshot: None,
        times: None,
    }
}

fn refused(instance_id: &str, directory: &str) -> DatasetRecord {
    let error = Error::new(Code::TimeOverlap, "12 of 24 steps are in both files")
        .in_file(format!("{directory}/tas_1.nc"))
        .of_variable("time")
        .with_hint("remove one of the files");
    DatasetRecord {
        status: Status::Refused,
        error: Some((&error).into()),
        store: None,
        variables: Vec::new(),
        ..built(instance_id, directory)
    }
}

fn problem(message: &str) -> ProblemRecord {
    let error = Error::new(Code::Unrecognised, message).in_file("/data/CMIP6/odd.nc");
    (&error).into()
}

/// `record` without what only the ledger tells.
fn untimed(mut record: DatasetRecord) -> DatasetRecord {
    let times = record.store.as_mut().and_then(|store| store.times.take());
    assert_eq!(times.is_some(), record.store.is_some());
    for artefact in record.store.iter_mut().flat_map(|store| &mut store.artefacts) {
        assert!(artefact.times.take().is_some());
    }
    record
}

fn listed(ledger: &Ledger, filter: &Filter) -> Vec<DatasetRecord> {
    let mut records = Vec::new();
    ledger
        .list(filter, |record| {
            records.push(record);
            Ok(())
        })
        .unwrap();
    records
}

/// Every row of every table but `runs`, as text; without the numbers of problems, which only order
/// them.
fn dump(ledger: &Ledger) -> Vec<String> {
    let mut dump = Vec::new();
    let problems = "(SELECT run_id, dataset, severity, code, path, variable, message, hint
                     FROM problems ORDER BY id)";
    for table in ["datasets", "files", "stores", "variables", "verifications", problems] {
        let mut rows = ledger.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = rows.column_count();
        let rows = rows.query_map([], |row| {
            (0..width)
                .map(|column| row.get::<_, rusqlite::types::Value>(column))
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        dump.extend(rows.unwrap().map(|row| format!("{table} {:?}", row.unwrap())));
    }
    dump
}

#[test]
fn what_was_recorded_comes_back_after_reopening() {
    let (_place, mut ledger) = ledger();
    let records =
        [built("CMIP6.a.v1", "/data/CMIP6/a/v1"), refused("CMIP6.b.v1", "/data/CMIP6/b/v1")];
    let run = ledger.begin_run(&["scan".to_owned(), "/data".to_owned()]).unwrap();
    ledger.record(run, &records).unwrap();
    ledger.record_problems(run, Severity::Warning, &[problem("fits no DRS")]).unwrap();
    ledger.finish_run(run, 1, &Counts { built: 1, refused: 1, ..Counts::default() }).unwrap();
    let path = ledger.path().to_owned();
    drop(ledger);

    for ledger in [Ledger::open(&path).unwrap(), Ledger::open_read_only(&path).unwrap()] {
        let listed = listed(&ledger, &Filter::default());
        assert_eq!(listed.into_iter().map(untimed).collect::<Vec<_>>(), records);
        assert_eq!(ledger.dataset("CMIP6.b.v1").unwrap().as_ref(), Some(&records[1]));
        assert_eq!(ledger.dataset("CMIP6.c.v1").unwrap(), None);
        assert_eq!(ledger.problems().unwrap(), [(Severity::Warning, problem("fits no DRS"))]);
        let ended: (String, u8, u64) = ledger
            .connection
            .query_row("SELECT arguments, exit_code, built + refused FROM runs", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
            })
            .unwrap();
        assert_eq!(ended, (r#"["scan","/data"]"#.to_owned(), 1, 2));
    }
}

#[test]
fn a_verification_is_of_one_store() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let record = built("a.v1", "/data/a");
    let digest = record.store.as_ref().unwrap().digest().to_owned();
    ledger.record(run, std::slice::from_ref(&record)).unwrap();
    let scope = verify::Scope { mode: verify::Mode::Sample, sample: 10, seed: 0, http: false };
    let mut found = Verification { chunks: 12, bytes: 3456, findings: Vec::new() };
    let record_of = |ledger: &Ledger| ledger.dataset("a.v1").unwrap().unwrap().verification;

    assert!(!ledger.record_verification(run, "a.v1", &"0".repeat(64), (&scope, &found)).unwrap());
    assert!(!ledger.record_verification(run, "b.v1", &digest, (&scope, &found)).unwrap());
    assert_eq!(record_of(&ledger), None);

    assert!(ledger.record_verification(run, "a.v1", &digest, (&scope, &found)).unwrap());
    let first = record_of(&ledger).unwrap();
    assert_eq!((first.outcome.as_str(), first.mode.as_str()), ("verified", "sample"));
    assert_eq!((first.chunks, first.bytes, first.first_difference), (12, 3456, None));
    assert_eq!(first.version, env!("CARGO_PKG_VERSION"));

    found.findings.push(Error::new(Code::NotVerified, "no plugin").of_variable("ps"));
    found.findings.push(Error::new(Code::Different, "another value").of_variable("tas"));
    assert!(ledger.record_verification(run, "a.v1", &digest, (&scope, &found)).unwrap());
    let second = record_of(&ledger).unwrap();
    assert_eq!(second.outcome, "different");
    let difference = second.first_difference.as_deref();
    assert_eq!(difference, Some("different: variable `tas`: another value"));

    ledger.touch(run, &["a.v1"]).unwrap();
    assert!(record_of(&ledger).is_some());
    ledger.record(run, &[record]).unwrap();
    assert_eq!(record_of(&ledger), None);
}

#[test]
fn recording_twice_changes_nothing() {
    let (_place, mut ledger) = ledger();
    let records = [built("a.v1", "/data/a"), refused("b.v1", "/data/b")];
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &records).unwrap();
    let before = dump(&ledger);
    ledger.record(run, &records).unwrap();
    assert_eq!(dump(&ledger), before);
}

#[test]
fn a_replaced_dataset_leaves_no_stale_rows() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &[built("a.v1", "/data/a")]).unwrap();
    let bare = DatasetRecord {
        files: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        ..refused("a.v1", "/elsewhere/a")
    };
    ledger.record(run, std::slice::from_ref(&bare)).unwrap();
    assert_eq!(ledger.dataset("a.v1").unwrap(), Some(bare));
    assert_eq!(dump(&ledger).len(), 2, "the dataset and its error");
}

#[test]
fn a_batch_is_recorded_whole_or_not_at_all() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let contradiction = DatasetRecord { error: None, ..refused("b.v1", "/data/b") };
    let error = ledger.record(run, &[built("a.v1", "/data/a"), contradiction]).unwrap_err();
    assert_eq!(error.code(), Code::Ledger);
    assert_eq!(error.path(), Some(ledger.path()));
    assert!(dump(&ledger).is_empty());
}

#[test]
fn paths_that_are_not_utf8_come_back() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let mut record = built("a.v1", "/data/a");
    record.directory = Path::new("/data").join(OsStr::from_bytes(b"\xe4\\"));
    record.files[0].source.path = record.directory.join(OsStr::from_bytes(b"\xff.nc"));
    record.files[1].source.path = PathBuf::from("/outside/of/it.nc");
    ledger.record(run, std::slice::from_ref(&record)).unwrap();
    assert_eq!(ledger.dataset("a.v1").unwrap().map(untimed), Some(record));
}

#[test]
fn only_what_is_below_the_roots_is_gone() {
    let (_place, mut ledger) = ledger();
    let first = ledger.begin_run(&[]).unwrap();
    ledger
        .record(
            first,
            &[
                built("seen.v1", "/data/CMIP6/seen/v1"),
                built("touched.v1", "/data/CMIP6/touched/v1"),
                built("removed.v1", "/data/CMIP6/removed/v1"),
                refused("bad.v1", "/data/CMIP6/bad/v1"),
                built("root.v1", "/data/CMIP6"),
                built("plus.v1", "/data/CMIP6Plus/a/v1"),
                built("dash.v1", "/data/CMIP6-old/a/v1"),
                built("locked.v1", "/data/CMIP6/locked/a/v1"),
                DatasetRecord {
                    project: "CMIP7".to_owned(),
                    ..built("other.v1", "/data/CMIP6/other/v1")
                },
            ],
        )
        .unwrap();
    let second = ledger.begin_run(&[]).unwrap();
    ledger.record(second, &[built("seen.v1", "/data/CMIP6/seen/v1")]).unwrap();
    ledger.touch(second, &["touched.v1", "unknown.v1"]).unwrap();
    let scope = Scope {
        roots: &["/data/CMIP6/".into(), "/elsewhere".into()],
        unread: &["/data/CMIP6/locked".into()],
        projects: &["CMIP6".to_owned()],
    };
    let gone = ledger.mark_gone(second, &scope, &[]).unwrap();
    let ids: Vec<_> = gone.iter().map(|gone| gone.instance_id.as_str()).collect();
    assert_eq!(ids, ["bad.v1", "removed.v1", "root.v1"]);
    assert_eq!(gone[0].manifest, None);
    assert_eq!(gone[1].directory, Path::new("/data/CMIP6/removed/v1"));
    assert_eq!(
        gone[1].manifest.as_deref(),
        Some(Path::new("/data/CMIP6/removed/v1/removed.v1.json"))
    );

    let bad = ledger.dataset("bad.v1").unwrap().unwrap();
    assert_eq!((bad.status, bad.error), (Status::Gone, None));
    assert_eq!(ledger.mark_gone(second, &scope, &[]).unwrap(), [], "gone once");

    ledger.record(second, &[built("bad.v1", "/data/CMIP6/bad/v1")]).unwrap();
    assert_eq!(ledger.dataset("bad.v1").unwrap().unwrap().status, Status::Built, "and back");
}

#[test]
fn all_is_below_the_root_of_the_file_system() {
    let (_place, mut ledger) = ledger();
    let first = ledger.begin_run(&[]).unwrap();
    ledger.record(first, &[built("a.v1", "/data/a")]).unwrap();
    let second = ledger.begin_run(&[]).unwrap();
    let scope = Scope { roots: &["/".into()], ..Scope::default() };
    assert_eq!(ledger.mark_gone(second, &scope, &[]).unwrap().len(), 1);
}

#[test]
fn an_older_run_does_not_undo_a_later_one() {
    let (_place, mut ledger) = ledger();
    let older = ledger.begin_run(&[]).unwrap();
    let later = ledger.begin_run(&[]).unwrap();
    ledger.record(later, &[built("a.v1", "/data/a")]).unwrap();
    ledger.record(older, &[built("a.v1", "/data/a")]).unwrap();
    let scope = Scope { roots: &["/data".into()], ..Scope::default() };
    assert_eq!(ledger.mark_gone(older, &scope, &[]).unwrap(), []);
    assert_eq!(ledger.mark_gone(later, &scope, &[]).unwrap(), []);
}

#[test]
fn problems_of_earlier_runs_are_dropped_where_this_one_looked() {
    let (_place, mut ledger) = ledger();
    let at = |path: &str| ProblemRecord { path: Some(path.into()), ..problem("odd") };
    let first = ledger.begin_run(&[]).unwrap();
    let old = [at("/data/a.nc"), at("/data/locked/b.nc"), at("/dataset/c.nc")];
    ledger.record_problems(first, Severity::Error, &old).unwrap();
    let second = ledger.begin_run(&[]).unwrap();
    ledger.record_problems(second, Severity::Warning, &[at("/data/locked")]).unwrap();
    let scope =
        Scope { roots: &["/data".into()], unread: &["/data/locked".into()], ..Scope::default() };
    ledger.drop_stale_problems(second, &scope).unwrap();
    assert_eq!(
        ledger.problems().unwrap(),
        [
            (Severity::Error, at("/data/locked/b.nc")),
            (Severity::Error, at("/dataset/c.nc")),
            (Severity::Warning, at("/data/locked")),
        ]
    );
}

#[test]
fn a_list_can_be_narrowed() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let other = DatasetRecord { project: "CMIP7".to_owned(), ..built("c.v1", "/data/CMIP7/c") };
    ledger
        .record(run, &[refused("b.v1", "/data/CMIP6/b"), built("a.v1", "/data/CMIP6/a"), other])
        .unwrap();
    let ids = |filter: &Filter| {
        listed(&ledger, filter).into_iter().map(|record| record.instance_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&Filter::default()), ["a.v1", "b.v1", "c.v1"]);
    assert_eq!(ids(&Filter { status: Some(Status::Built), ..Filter::default() }), ["a.v1", "c.v1"]);
    assert_eq!(ids(&Filter { project: Some("CMIP7".into()), ..Filter::default() }), ["c.v1"]);
    assert_eq!(
        ids(&Filter { below: Some("/data/CMIP6".into()), ..Filter::default() }),
        ["a.v1", "b.v1"]
    );
    assert_eq!(ids(&Filter { below: Some("/data/CMIP".into()), ..Filter::default() }), [""; 0]);
    assert_eq!(ids(&Filter { below: Some("/".into()), ..Filter::default() }).len(), 3);
}

#[test]
fn a_listing_is_what_list_json_promises() {
    assert_eq!(
        serde_json::to_string(&built("a.v1", "/data").listing()).unwrap(),
        concat!(
            r#"{"id":"a.v1","dataset_id":"a.v1","status":"built","superseded_by":null,"#,
            r#""changed_in_place":null,"reason":null,"manifest":"/data/a.v1.json","#,
            r#""url":"https://example.org/tas.json","#,
            r#""segments":["/data/seg00.json"],"seams":"/data/seams","#,
            r#""artefacts":{"parquet":"/data/a.v1.parq"},"#,
            r#""files":["/data/tas_0.nc","/data/tas_1.nc","/data/tas_2.nc"],"#,
            r#""variables":{"tas":"segmented","time":"inlined","lat":"inlined"},"verified":null}"#
        )
    );
    let refused = serde_json::to_value(refused("b.v1", "/data").listing()).unwrap();
    assert_eq!(refused["status"], "refused");
    assert!(refused["reason"].as_str().unwrap().starts_with("time-overlap: "));
    assert_eq!(refused["manifest"], serde_json::Value::Null);
}

#[test]
fn a_reader_sees_whole_transactions_while_a_writer_is_at_work() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &[built("a.v1", "/data/a")]).unwrap();
    let reader = Ledger::open_read_only(ledger.path()).unwrap();
    let count = || listed(&reader, &Filter::default()).len();

    let writing = ledger.connection.transaction().unwrap();
    rows::replace(&writing, run, &built("b.v1", "/data/b")).unwrap();
    assert_eq!(count(), 1);
    rows::replace(&writing, run, &built("c.v1", "/data/c")).unwrap();
    let late = Ledger::open_read_only(&ledger.path).unwrap();
    assert_eq!(listed(&late, &Filter::default()).len(), 1);
    writing.commit().unwrap();
    assert_eq!(count(), 3);
}

#[test]
fn a_listing_is_of_one_moment() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &[built("a.v1", "/data/a"), built("b.v1", "/data/b")]).unwrap();
    let reader = Ledger::open_read_only(ledger.path()).unwrap();
    let mut seen = Vec::new();
    reader
        .list(&Filter::default(), |record| {
            ledger.record(run, &[refused("b.v1", "/data/b")])?;
            seen.push(record.status);
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [Status::Built, Status::Built]);
}

#[test]
fn a_reader_cannot_write() {
    let (_place, ledger) = ledger();
    let mut reader = Ledger::open_read_only(ledger.path()).unwrap();
    assert_eq!(reader.begin_run(&[]).unwrap_err().code(), Code::Ledger);
}

#[test]
fn two_writers_take_turns() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let path = ledger.path().to_owned();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut ledger = Ledger::open(path).unwrap();
                for i in 0..20 {
                    let id = format!("{writer}.{i}.v1");
                    ledger.record(run, &[built(&id, "/data")]).unwrap();
                }
            });
        }
    });
    assert_eq!(listed(&ledger, &Filter::default()).len(), 80);
}

#[test]
fn the_tables_hold_what_the_contract_says() {
    let (_place, mut ledger) = ledger();
    assert!(ledger.connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY).unwrap());
    let run = ledger.begin_run(&[]).unwrap();
    let short = {
        let mut record = built("a.v1", "/data/a");
        record.store.as_mut().unwrap().manifest.as_mut().unwrap().digest.pop();
        record
    };
    assert!(ledger.record(run, &[short]).is_err());
    assert!(ledger.record(RunId(99), &[built("a.v1", "/data/a")]).is_err());
    assert!(dump(&ledger).is_empty());
}

#[test]
fn a_store_keeps_its_times_until_it_is_another() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let mut record = built("a.v1", "/data/a");
    ledger.record(run, &[record.clone()]).unwrap();
    ledger
        .connection
        .execute_batch("UPDATE stores SET created_at = '2026-01-01', updated_at = '2026-01-02'")
        .unwrap();
    let mut times = |record: &DatasetRecord| {
        ledger.record(run, std::slice::from_ref(record)).unwrap();
        ledger.dataset("a.v1").unwrap().unwrap().store.unwrap().times.unwrap()
    };
    let kept = times(&record);
    assert_eq!((kept.created_at.as_str(), kept.updated_at.as_str()), ("2026-01-01", "2026-01-02"));
    record.store.as_mut().unwrap().manifest.as_mut().unwrap().digest = "d".repeat(64);
    let renewed = times(&record);
    assert_eq!(renewed.created_at, "2026-01-01");
    assert!(renewed.updated_at > kept.updated_at);
}

#[test]
fn later_versions_supersede_as_numbers() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let version = |version: &str| DatasetRecord {
        version: version.to_owned(),
        ..built(&format!("a.{version}"), &format!("/data/a/{version}"))
    };
    let records = ["v2", "v10", "v9"].map(version);
    let unversioned = DatasetRecord { versioned: false, ..version("latest") };
    ledger.record(run, &records).unwrap();
    ledger.record(run, &[unversioned]).unwrap();
    let by = |ledger: &Ledger, id: &str| ledger.dataset(id).unwrap().unwrap().superseded_by;
    assert_eq!(by(&ledger, "a.v2").as_deref(), Some("a.v10"));
    assert_eq!((by(&ledger, "a.v10"), by(&ledger, "a.latest")), (None, None));
    let superseded = Filter { superseded: true, ..Filter::default() };
    let ids: Vec<_> = listed(&ledger, &superseded).into_iter().map(|it| it.instance_id).collect();
    assert_eq!(ids, ["a.v2", "a.v9"]);
    ledger.retract(run, "a.v10", false).unwrap();
    assert_eq!(by(&ledger, "a.v2").as_deref(), Some("a.v9"));
}

#[test]
fn the_publisher_is_told_until_it_acknowledges_and_then_no_more() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let mut record = built("a.v1", "/data/a");
    ledger.record(run, &[record.clone()]).unwrap();
    let send_again = |ledger: &mut Ledger, record: &DatasetRecord, again| {
        ledger.send(std::slice::from_ref(record), again).unwrap().remove(0)
    };
    let send = |ledger: &mut Ledger, record: &DatasetRecord| send_again(ledger, record, false);
    let first = send(&mut ledger, &record).unwrap();
    assert!(first.adds && first.url == "https://example.org/tas.json");
    // Whoever was to tell the publisher died: the same again.
    assert_eq!(send(&mut ledger, &record), Some(first.clone()));
    // Another state replaces it; what was sent before may no longer be acknowledged.
    record.store.as_mut().unwrap().manifest.as_mut().unwrap().digest = "d".repeat(64);
    let second = send(&mut ledger, &record).unwrap();
    assert!(second.id > first.id);
    assert_eq!(ledger.acknowledge(&[(first.id, None), (second.id, None)]).unwrap(), [first.id]);
    assert_eq!(send(&mut ledger, &record), None);
    assert_eq!(send_again(&mut ledger, &record, true).map(|it| it.id), Some(second.id));
    // Gone: to be removed, where it is known to have been or may have been added.
    record.status = Status::Gone;
    let third = send(&mut ledger, &record).unwrap();
    assert!(!third.adds && third.url == first.url);
    assert_eq!(send(&mut ledger, &record), Some(third.clone()));
    // The number of another dataset, as another ledger has it.
    assert_eq!(ledger.acknowledge(&[(third.id, Some("b.v1"))]).unwrap(), [third.id]);
    assert_eq!(send(&mut ledger, &record), Some(third.clone()));
    assert!(ledger.acknowledge(&[(third.id, Some("a.v1"))]).unwrap().is_empty());
    assert_eq!(send(&mut ledger, &record), None);
    assert_eq!(send_again(&mut ledger, &record, true), None);
    record.status = Status::Built;
    assert!(send(&mut ledger, &record).unwrap().id > third.id);
}

#[test]
fn what_nobody_could_open_is_not_advertised() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let good = built("a.v1", "/data/a");
    ledger.record(run, std::slice::from_ref(&good)).unwrap();
    let with_store = |change: fn(&mut StoreRecord)| {
        let mut record = good.clone();
        record.store.as_mut().map(change);
        record
    };
    for record in [
        with_store(|store| store.local = true),
        with_store(|store| store.manifest = None),
        with_store(|store| store.manifest.as_mut().unwrap().url = None),
        DatasetRecord { versioned: false, ..good.clone() },
        DatasetRecord { status: Status::Retracted, ..good.clone() },
        DatasetRecord { store: None, ..good.clone() },
    ] {
        assert_eq!(ledger.send(&[record], true).unwrap(), [None]);
    }
    // A store that is still right is, whatever else is wrong.
    let refused = DatasetRecord { status: Status::Refused, ..good };
    assert!(ledger.send(&[refused], false).unwrap().remove(0).unwrap().adds);
}

#[test]
fn a_retraction_lasts_until_it_is_taken_back() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    let of_variable = |variable: &str| DatasetRecord {
        dataset_id: "cmip5.v1".to_owned(),
        ..built(&format!("cmip5.v1.{variable}"), "/data/cmip5/v1")
    };
    ledger.record(run, &[of_variable("pr"), of_variable("tas"), refused("b.v1", "/b")]).unwrap();
    assert_eq!(ledger.retract(run, "cmip5.v1", false).unwrap().len(), 2);
    assert!(ledger.retract(run, "never.seen.v1", true).unwrap().is_empty());
    assert!(ledger.retract(run, "b.v1", true).unwrap().len() == 1);
    assert!(
        ledger.is_retracted("cmip5.v1").unwrap() && ledger.is_retracted("never.seen.v1").unwrap()
    );
    let later = ledger.begin_run(&[]).unwrap();
    let roots = [PathBuf::from("/")];
    ledger.mark_gone(later, &Scope { roots: &roots, ..Scope::default() }, &[]).unwrap();
    let retracted = Filter { status: Some(Status::Retracted), ..Filter::default() };
    assert_eq!(listed(&ledger, &retracted).len(), 3);
    // Whatever a scan that had begun before finds.
    ledger.record(later, &[of_variable("tas"), refused("b.v1", "/b")]).unwrap();
    assert_eq!(listed(&ledger, &retracted).len(), 3);
    assert!(ledger.reinstate(later, "cmip5.v1").unwrap());
    assert!(!ledger.reinstate(later, "cmip5.v1").unwrap());
    assert!(!ledger.is_retracted("cmip5.v1").unwrap());
    assert_eq!(ledger.dataset("cmip5.v1.tas").unwrap().unwrap().status, Status::Gone);
}

#[test]
fn with_a_rollback_journal_a_listing_does_not_keep_a_writer_waiting() {
    let (_place, mut ledger) = ledger();
    let run = ledger.begin_run(&[]).unwrap();
    ledger.record(run, &[built("a.v1", "/data/a"), built("b.v1", "/data/b")]).unwrap();
    Journal::Rollback.set(&ledger.connection, std::time::Duration::ZERO).unwrap();
    let reader = Ledger::open_read_only(ledger.path()).unwrap();
    let mut seen = 0;
    reader
        .list(&Filter::default(), |_| {
            seen += 1;
            ledger.record(run, &[refused("b.v1", "/data/b")])
        })
        .unwrap();
    assert_eq!(seen, 2);
}

mod copies;
mod documented;
mod merge;
