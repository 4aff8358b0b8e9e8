//! `check` on the command line.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::ledger::{DatasetRecord, Gone, ProblemRecord, Severity};
use crate::model::error::{Error, Result};
use crate::model::verdict::{Cost, Verdict};
use crate::pipeline::build::Outcome;
use crate::pipeline::scan::{self as pipeline, Observer};

use super::args::{CheckArgs, ScanArgs, WalkArgs};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::report::Report;
use super::settings::ScanSettings;
use super::{cannot_print, log, scan, show, text};

/// Says what would become of datasets.
pub fn run(args: CheckArgs, progress: Progress) -> Result<Exit> {
    let CheckArgs { paths, build, json } = args;
    let report = json.then(|| "-".into());
    let walk = WalkArgs { build, force: true, report, ..WalkArgs::default() };
    let args = ScanArgs { paths, walk, dry_run: true, ..ScanArgs::default() };
    let settings = match ScanSettings::resolve(args) {
        Ok(settings) => settings,
        Err(error) => {
            log::error(&error);
            return Ok(Exit::Usage);
        }
    };
    scan::check_roots(settings.scan.origin.paths())?;
    let report = Report::open(settings.report.as_deref())?;
    let mut console = Console { progress, report, json, printed: Ok(()) };
    let interrupt = Interrupt::listen()?;
    let summary = pipeline::scan(&settings.scan, None, &mut console, interrupt.flag())?;
    let Console { mut progress, report, printed, .. } = console;
    progress.finish();
    report.close()?;
    printed.or_else(|error| cannot_print(&error))?;
    Ok(interrupt.exit().unwrap_or_else(|| scan::exit(&summary)))
}

struct Console {
    progress: Progress,
    report: Report,
    json: bool,
    /// The first failure to print.
    printed: io::Result<()>,
}

impl Console {
    fn print(&mut self, text: &str) {
        if self.printed.is_ok() {
            self.printed = io::stdout().write_all(text.as_bytes());
        }
    }
}

impl Observer for Console {
    fn found(&mut self) {
        self.progress.found();
    }

    fn slow(&mut self, path: &Path, waited: Duration) {
        log::slow(path, waited);
    }

    // Without a ledger nothing is known from before.
    fn unchanged(&mut self, _: &DatasetRecord) {}

    fn retracted(&mut self, _: &str) {}

    fn waits(&mut self, _: &str, _: &Path) {}

    fn finished(&mut self, outcome: &Outcome) {
        let record = &outcome.record;
        if self.json {
            self.report.dataset(record, false);
        } else {
            self.print(&describe(record));
        }
        self.progress.done();
    }

    fn problem(&mut self, severity: Severity, problem: &Error) {
        let problem = ProblemRecord::from(problem);
        if self.json {
            self.report.problem(severity, &problem);
        }
        log::problem(severity, &problem);
    }

    fn gone(&mut self, _: &Gone) {}
}

/// What would become of a dataset, what each variable would take, and what could be done better.
fn describe(record: &DatasetRecord) -> String {
    let mut lines = vec![format!("{}: {}", text::printable(&record.instance_id), verdict(record))];
    let problems = |name: &'static str, problems: &[ProblemRecord]| {
        let lines = problems.iter().map(|it| format!("{name:<8} {}", text::problem(it)));
        lines.collect::<Vec<_>>()
    };
    let mut details = problems("reason", record.error.as_slice());
    details.extend(record.variables.iter().map(|it| format!("variable {}", show::described(it))));
    details.extend(problems("warning", &record.warnings));
    details.extend(problems("note", &record.notes));
    // The way out of a problem is a line of its own.
    lines.extend(details.iter().flat_map(|detail| detail.lines()).map(|line| format!("  {line}")));
    lines.join("\n") + "\n"
}

fn verdict(record: &DatasetRecord) -> String {
    if record.error.is_some() {
        return format!("would be {}", record.status);
    }
    let has = |verdict| record.variables.iter().any(|variable| variable.verdict == verdict);
    let form = if has(Verdict::Segmented) {
        "in segments only"
    } else if has(Verdict::Seamed) {
        "with chunks encoded anew"
    } else {
        "without copying data"
    };
    let mut cost = Cost::default();
    record.variables.iter().for_each(|variable| cost += variable.cost);
    let mut shown = format!(
        "would be built from {} {form}, {}, {} inlined",
        text::count(record.files.len() as u64, "file"),
        text::count(cost.references, "reference"),
        text::bytes(cost.inlined_bytes)
    );
    if cost.reencoded_bytes > 0 {
        let share = text::percent(cost.reencoded_bytes, cost.stored_bytes);
        shown = format!("{shown}, {} ({share}) encoded anew", text::bytes(cost.reencoded_bytes));
    }
    shown
}
