//! `show` on the command line.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Write as _};

use crate::emit::requests::{Requests, requests};
use crate::ledger::{
    ArtefactRecord, DatasetRecord, FileRecord, Ledger, PartRecord, Period, Replacement, StoreTimes,
    VariableRecord, VerificationRecord, WrittenFile,
};
use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Verdict;

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
    if record.dataset_id != record.instance_id {
        line("dataset id", &text::printable(&record.dataset_id));
    }
    line("master id", &text::printable(&record.master_id));
    line("project", &record.project);
    let unversioned = if record.versioned { "" } else { " (unversioned)" };
    line("version", &format!("{}{unversioned}", text::printable(&record.version)));
    line("directory", &text::path(&record.directory));
    line("status", record.status.as_str());
    if let Some(error) = &record.error {
        line("reason", &text::problem(error));
    }
    if let Some(later) = &record.superseded_by {
        line("superseded", &format!("by {}", text::printable(later)));
    }
    if let Some(Replacement { at, old_digest, .. }) = &record.replacement {
        line("replaced", &format!("{at}, in place of {old_digest}"));
    }
    if let Some(Period { start, end }) = &record.period {
        line("period", &format!("{start} to {end}"));
    }
    if let Some(store) = &record.store {
        if let Some(manifest) = &store.manifest {
            line("manifest", &text::path(&manifest.path));
            line("url", manifest.url.as_deref().unwrap_or("none"));
            line("sha256", &manifest.digest);
            line("size", &text::bytes(manifest.size));
        } else {
            line("manifest", "none: only segments can hold the files");
        }
        line("refers to", if store.local { "local paths" } else { "URLs" });
        line("references", &store.reference_count.to_string());
        line("inlined", &text::bytes(store.inlined_bytes));
        if store.v3_only {
            line("zarr", "V3 only");
        }
        if let Some(manifest) = &store.manifest {
            for described in requests_of_readers(manifest, &record.variables) {
                line("requests", &described);
            }
        }
        if let Some(StoreTimes { created_at, updated_at }) = &store.times {
            line("written", &format!("{updated_at}, at first {created_at}"));
        }
        for PartRecord { kind, written } in &store.parts {
            let described = format!("{} {}", text::path(&written.path), text::bytes(written.size));
            line(kind.as_str(), &described);
        }
        for artefact in &store.artefacts {
            let ArtefactRecord { format, path, size, url, snapshot, .. } = artefact;
            let url = url.as_deref().unwrap_or("no url");
            let snapshot = snapshot.iter().map(|it| format!(", snapshot {}", text::printable(it)));
            let snapshot = snapshot.collect::<String>();
            let described = format!("{} {}, {url}{snapshot}", text::path(path), text::bytes(*size));
            line(format.as_str(), &described);
        }
    }
    if let Some(found) = &record.verification {
        line("verified", &verification(found));
    }
    for variable in &record.variables {
        line("variable", &described(variable));
    }
    for FileRecord { source, checksum, steps, tracking_id } in &record.files {
        let steps = steps.as_ref().map(|steps| text::count(steps.end - steps.start, "time step"));
        let tracking_id = tracking_id.as_deref().map(text::printable);
        let size = Some(text::bytes(source.size));
        let checksum = checksum.as_ref().map(ToString::to_string);
        let details = [size, steps, tracking_id, checksum].into_iter().flatten();
        let details: Vec<String> = details.collect();
        line("file", &format!("{} {}", text::path(&source.path), details.join(", ")));
    }
    for warning in &record.warnings {
        line("warning", &text::problem(warning));
    }
    for note in &record.notes {
        line("note", &text::problem(note));
    }
    shown
}

/// How a variable got into the store, and what that takes.
pub fn described(variable: &VariableRecord) -> String {
    let VariableRecord { name, verdict, cost } = variable;
    let mut shown = format!("{} {verdict}", text::printable(name));
    let mut add = |detail: String| {
        shown.push_str(", ");
        shown.push_str(&detail);
    };
    match (cost.references, text::bytes(cost.stored_bytes)) {
        (0, _) if cost.stored_bytes == 0 => {}
        (0, stored) => add(format!("{stored} stored")),
        (references, stored) => {
            add(format!("{} to {stored}", text::count(references, "reference")));
        }
    }
    if cost.reencoded_bytes > 0 {
        let share = text::percent(cost.reencoded_bytes, cost.stored_bytes);
        add(format!("{} ({share}) of them encoded anew", text::bytes(cost.reencoded_bytes)));
    }
    if cost.inlined_bytes > 0 {
        let of_chunks = if *verdict == Verdict::Inlined { "" } else { " in the manifest" };
        add(format!("{}{of_chunks}", text::bytes(cost.inlined_bytes)));
    }
    shown
}

/// How many requests readers make, as far as the manifest tells.
fn requests_of_readers(manifest: &WrittenFile, variables: &[VariableRecord]) -> Vec<String> {
    let references = |name: &str| {
        let found = variables.iter().find(|variable| variable.name == name);
        found.map_or(0, |variable| variable.cost.references)
    };
    let Requests { open, series } = match File::open(&manifest.path) {
        Ok(file) => match requests(BufReader::new(file), references) {
            Some(requests) => requests,
            None => return vec!["unknown: that is no manifest".to_owned()],
        },
        Err(error) => return vec![format!("unknown: {error}")],
    };
    let to_open = format!("{open} to open");
    let of_series = series.into_iter().map(|(name, most)| {
        format!("{most} for a time series of {} at one point", text::printable(&name))
    });
    [to_open].into_iter().chain(of_series).collect()
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
