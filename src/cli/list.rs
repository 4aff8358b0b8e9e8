//! `list` on the command line.

use std::io::{self, BufWriter, Write};

use crate::ledger::{DatasetRecord, Filter, Ledger, Status};
use crate::model::error::Result;

use super::args::ListArgs;
use super::exit::Exit;
use super::{cannot_print, settings, text};

/// Lists datasets.
pub fn run(args: ListArgs) -> Result<Exit> {
    let filter = Filter {
        status: args.status.as_deref().and_then(status),
        superseded: args.status.as_deref() == Some("superseded"),
        project: args.project,
        ..Filter::default()
    };
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let line = if args.json { json_line } else { table_line };
    let mut printed = if args.json { Ok(()) } else { writeln!(out, "{HEADER}") };
    ledger.list(&filter, |record| {
        if printed.is_ok() {
            printed = line(&mut out, &record);
        }
        Ok(())
    })?;
    printed.and_then(|()| out.flush()).or_else(|error| cannot_print(&error))?;
    Ok(Exit::Success)
}

const HEADER: &str = "STATUS    REASON                FILES  REFERENCES  ID";

fn status(word: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.as_str() == word)
}

fn json_line(out: &mut dyn Write, record: &DatasetRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &record.listing())?;
    writeln!(out)
}

fn table_line(out: &mut dyn Write, record: &DatasetRecord) -> io::Result<()> {
    let reason = record.error.as_ref().map_or("", |error| error.code.as_str());
    let references = record.store.as_ref().map(|store| store.reference_count.to_string());
    writeln!(
        out,
        "{:<9} {reason:<21} {:>5}  {:>10}  {}",
        record.status,
        record.files.len(),
        references.unwrap_or_default(),
        text::printable(&record.instance_id),
    )
}
