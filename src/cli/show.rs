//! `show` on the command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::ledger::{DatasetRecord, Ledger, VerificationRecord};
use crate::model::error::{Code, Error, Result};

use super::args::ShowArgs;
use super::exit::Exit;
use super::{cannot_print, settings, text};

/// Shows one dataset.
pub fn run(args: ShowArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let Some(record) = ledger.dataset(&args.instance_id)? else {
        return Err(Error::new(
            Code::NotFound,
            format!("the ledger has no dataset `{}`", text::printable(&args.instance_id)),
        )
        .in_file(ledger.path())
        .with_hint("`vzarr-publish list` names those it has"));
    };
    let shown = describe(&record);
    io::stdout().write_all(shown.as_bytes()).or_else(|error| cannot_print(&error))?;
    Ok(Exit::Success)
}

fn describe(record: &DatasetRecord) -> String {
    let mut shown = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(shown, "{name:<12} {value}");
    };
    line("id", &text::printable(&record.instance_id));
    line("master id", &text::printable(&record.master_id));
    line("project", &record.project);
    let unversioned = if record.versioned { "" } else { " (unversioned)" };
    line("version", &format!("{}{unversioned}", text::printable(&record.version)));
    line("directory", &text::path(&record.directory));
    line("status", record.status.as_str());
    if let Some(error) = &record.error {
        line("reason", &text::problem(error));
    }
    if let Some(store) = &record.store {
        line("manifest", &text::path(&store.manifest));
        line("url", store.url.as_deref().unwrap_or("none"));
        line("refers to", if store.local { "local paths" } else { "URLs" });
        line("sha256", &store.digest);
        line("size", &text::bytes(store.size));
        line("references", &store.reference_count.to_string());
        line("inlined", &text::bytes(store.inlined_bytes));
        for part in &store.parts {
            let described = format!("{} {}", text::path(&part.path), text::bytes(part.size));
            line(part.kind.as_str(), &described);
        }
    }
    if let Some(found) = &record.verification {
        line("verified", &verification(found));
    }
    for (name, verdict) in &record.variables {
        line("variable", &format!("{} {verdict}", text::printable(name)));
    }
    for file in &record.files {
        line("file", &format!("{} {}", text::path(&file.path), text::bytes(file.size)));
    }
    for warning in &record.warnings {
        line("warning", &text::problem(warning));
    }
    shown
}

/// What came of verifying the store, when and how, and the first difference.
fn verification(found: &VerificationRecord) -> String {
    let chunks = text::count(found.chunks, "chunk");
    let all = if found.mode == "all" { "all, " } else { "a sample, " };
    let http = if found.http { " over HTTP" } else { "" };
    let mut shown = format!(
        "{}: {all}{chunks}, {}{http}; {} by {}",
        found.outcome,
        text::bytes(found.bytes),
        found.at,
        found.version
    );
    if let Some(first) = &found.first_difference {
        shown.push_str("\n             ");
        shown.push_str(&text::printable(first));
    }
    shown
}
