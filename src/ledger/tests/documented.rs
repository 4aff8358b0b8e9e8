//! The queries of `docs/ledger.md`.

use super::copies::full;
use super::*;

/// The blocks of SQL with the headings above them.
fn queries(text: &str) -> Vec<(&str, &str)> {
    let mut heading = "";
    let mut queries = Vec::new();
    let mut rest = text;
    while let Some((before, block)) = rest.split_once("```sql\n") {
        let last = before.lines().rfind(|line| line.starts_with("**"));
        heading = last.unwrap_or(heading);
        let (query, after) = block.split_once("```").unwrap();
        queries.push((heading, query));
        rest = after;
    }
    queries
}

#[test]
fn every_documented_query_runs_and_finds_something() {
    let (_place, mut ledger) = full();
    let run = ledger.begin_run(&[]).unwrap();
    let digest = |fill: &str| fill.repeat(64);
    let mut records = [
        built("CMIP6.c.v20190308", "/data/c/v20190308"),
        DatasetRecord {
            version: "v20200101".to_owned(),
            ..built("CMIP6.c.v20200101", "/data/c/v20200101")
        },
        built("CMIP6.gone.v1", "/gone/v1"),
    ];
    for (record, fill) in records.iter_mut().zip(["1", "2", "3"]) {
        record.store.as_mut().unwrap().manifest.as_mut().unwrap().digest = digest(fill);
    }
    ledger.record(run, &records).unwrap();
    let sent = ledger.send(&records, false).unwrap();
    ledger.acknowledge(&[(sent[0].as_ref().unwrap().id, None)]).unwrap();
    let next = ledger.begin_run(&[]).unwrap();
    let roots = ["/gone".into()];
    ledger.mark_gone(next, &Scope { roots: &roots, ..Scope::default() }, &[]).unwrap();
    ledger
        .connection
        .execute("UPDATE verifications SET outcome = 'different', first_difference = 'x'", [])
        .unwrap();

    let reader = Ledger::open_read_only(ledger.path()).unwrap();
    let queries = queries(include_str!("../../../docs/ledger.md"));
    assert!(queries.len() >= 10);
    for (heading, query) in queries {
        let mut statement = reader.connection.prepare(query).unwrap();
        let rows = statement.query_map([], |_| Ok(())).unwrap();
        let rows = rows.map(|row| row.unwrap()).count();
        assert!(rows > 0, "{heading} {query}");
    }
}
