//! All that the ledger knows, for other programs: rows as JSON objects, and a table of datasets.

use std::io::{self, Write};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement, Transaction};
use serde_json::{Map, Value};

use super::{Ledger, file};
use crate::model::error::{Code, Error, Result};

/// Why an export ended early.
enum Failure {
    Ledger(rusqlite::Error),
    Output(io::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

type Exported = std::result::Result<(), Failure>;

/// What the object of a dataset has besides the columns of its row: many rows of a table, or one or none.
const MANY: [(&str, &str); 6] = [
    ("files", "SELECT * FROM files WHERE dataset = ?1 ORDER BY position"),
    ("parts", "SELECT * FROM parts WHERE dataset = ?1 ORDER BY position"),
    ("artefacts", "SELECT * FROM artefacts WHERE dataset = ?1 ORDER BY format DESC"),
    ("variables", "SELECT * FROM variables WHERE dataset = ?1 ORDER BY position"),
    ("problems", "SELECT * FROM problems WHERE dataset = ?1 ORDER BY id"),
    ("replacements", "SELECT * FROM replacements WHERE dataset = ?1 ORDER BY id"),
];
const ONE: [(&str, &str); 3] = [
    ("store", "SELECT * FROM stores WHERE dataset = ?1"),
    ("verification", "SELECT * FROM verifications WHERE dataset = ?1"),
    ("advertisement", "SELECT * FROM advertisements WHERE dataset = ?1"),
];

/// What belongs to no dataset: the type of the line, and its rows.
const OTHERS: [(&str, &str); 3] = [
    ("run", "SELECT * FROM runs ORDER BY id"),
    ("retraction", "SELECT * FROM retractions ORDER BY dataset_id"),
    ("problem", "SELECT * FROM problems WHERE dataset IS NULL ORDER BY id"),
];

/// One row a dataset; the names of the columns are a contract, see `docs/ledger.md`.
const TABLE: &str = "
    SELECT instance_id, dataset_id, project, version, status, datasets.reason,
        (SELECT message FROM problems WHERE dataset = datasets.id AND severity = 'error') AS message,
        start_datetime, end_datetime, directory,
        (SELECT count(*) FROM files WHERE dataset = datasets.id) AS files,
        (SELECT total(size) FROM files WHERE dataset = datasets.id) AS file_bytes,
        manifest, stores.url, local, stores.digest, stores.size AS manifest_bytes,
        (SELECT count(*) FROM parts WHERE dataset = datasets.id) AS parts,
        reference_count, inlined_bytes, created_at, updated_at,
        (SELECT count(*) FROM problems WHERE dataset = datasets.id AND severity = 'warning') AS warnings,
        outcome AS verified, verified_at,
        action AS advertised, acknowledged_at, finished_at AS last_run_finished_at,
        (SELECT group_concat(format, ' ' ORDER BY format DESC) FROM artefacts
            WHERE dataset = datasets.id) AS artefacts
    FROM datasets
        LEFT JOIN stores ON stores.dataset = datasets.id
        LEFT JOIN verifications ON verifications.dataset = datasets.id
        LEFT JOIN advertisements ON advertisements.dataset = datasets.id
        LEFT JOIN runs ON runs.id = datasets.run_id
    ORDER BY instance_id";

impl Ledger {
    /// Writes all that the ledger knows as of one moment, one JSON object a line: datasets by instance ID,
    /// then what belongs to none.
    pub fn export_json(&self, out: &mut dyn Write) -> Result<()> {
        self.export(|rows| {
            let mut datasets = rows.prepare("SELECT * FROM datasets ORDER BY instance_id")?;
            let columns = names(&datasets);
            let mut datasets = datasets.query([])?;
            while let Some(row) = datasets.next()? {
                let mut line = object("dataset", row, &columns)?;
                add_dependents(rows, row.get("id")?, &mut line)?;
                write_line(out, line)?;
            }
            for (kind, query) in OTHERS {
                let mut others = rows.prepare(query)?;
                let columns = names(&others);
                let mut others = others.query([])?;
                while let Some(row) = others.next()? {
                    write_line(out, object(kind, row, &columns)?)?;
                }
            }
            Ok(())
        })
    }

    /// Writes the datasets as of one moment as a table, by instance ID; quoting is that of RFC 4180.
    pub fn export_csv(&self, out: &mut dyn Write) -> Result<()> {
        self.export(|rows| {
            let mut datasets = rows.prepare(TABLE)?;
            let columns = names(&datasets);
            writeln!(out, "{}", columns.join(","))?;
            let mut datasets = datasets.query([])?;
            while let Some(row) = datasets.next()? {
                for column in 0..columns.len() {
                    let comma = if column > 0 { "," } else { "" };
                    write!(out, "{comma}{}", field(row.get_ref(column)?))?;
                }
                writeln!(out)?;
            }
            Ok(())
        })
    }

    fn export(&self, work: impl FnOnce(&Transaction) -> Exported) -> Result<()> {
        let rows = self.checked(self.connection.unchecked_transaction())?;
        work(&rows).map_err(|failure| match failure {
            Failure::Ledger(error) => file::unusable(self.path(), &error),
            Failure::Output(error) => Error::new(Code::Io, format!("cannot write: {error}")),
        })
    }
}

fn names(statement: &Statement) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}

/// A row with its columns; those that only join tables are left out.
fn object(kind: &str, row: &Row, columns: &[String]) -> rusqlite::Result<Map<String, Value>> {
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    for (position, name) in columns.iter().enumerate() {
        object.insert(name.clone(), json(row.get_ref(position)?));
    }
    if kind == "dataset" {
        object.remove("id");
    }
    Ok(object)
}

fn add_dependents(
    rows: &Connection,
    dataset: i64,
    line: &mut Map<String, Value>,
) -> rusqlite::Result<()> {
    for (key, query) in ONE {
        let row = dependents(rows, query, dataset)?.pop();
        line.insert(key.to_owned(), row.unwrap_or(Value::Null));
    }
    for (key, query) in MANY {
        line.insert(key.to_owned(), dependents(rows, query, dataset)?.into());
    }
    Ok(())
}

fn dependents(rows: &Connection, query: &str, dataset: i64) -> rusqlite::Result<Vec<Value>> {
    let mut statement = rows.prepare_cached(query)?;
    let columns = names(&statement);
    let row = |row: &Row| {
        let columns = columns.iter().enumerate().filter(|(_, name)| *name != "dataset");
        let pairs =
            columns.map(|(position, name)| Ok((name.clone(), json(row.get_ref(position)?))));
        pairs.collect::<rusqlite::Result<Map<_, _>>>().map(Value::Object)
    };
    statement.query_map([dataset], row)?.collect()
}

fn json(value: ValueRef) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
    }
}

fn write_line(out: &mut dyn Write, line: Map<String, Value>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Value::Object(line))?;
    writeln!(out)
}

/// A field of a table in text: quoted where a comma, a quote or a line end would be misread.
fn field(value: ValueRef) -> String {
    let text = match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        // Sums of bytes, which have no fraction.
        ValueRef::Real(number) => format!("{number:.0}"),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let of = |text: &str| field(ValueRef::Text(text.as_bytes()));
        assert_eq!(of("/data/tas.nc"), "/data/tas.nc");
        assert_eq!(of("a,b"), r#""a,b""#);
        assert_eq!(of("a \"b\"\n"), "\"a \"\"b\"\"\n\"");
        assert_eq!(field(ValueRef::Null), "");
        assert_eq!(field(ValueRef::Real(9e15)), "9000000000000000");
    }
}
