//! `scan` on the command line.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ledger::{DatasetRecord, Gone, Ledger, ProblemRecord, Severity, Since, Turn};
use crate::model::error::{Code, Error, Result};
use crate::pipeline::build::Outcome;
use crate::pipeline::scan::{self, Observer, Origin, Summary};
use crate::pipeline::shard_file::Shard;
use crate::verify::Scope;

use super::args::ScanArgs;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::log;
use super::progress::Progress;
use super::report::Report;
use super::settings::ScanSettings;
use super::text;

/// Scans and reports.
pub fn run(args: ScanArgs, arguments: &[OsString], progress: Progress) -> Result<Exit> {
    let settings = match ScanSettings::resolve(args) {
        Ok(settings) => settings,
        // Whatever is wrong with the settings, the caller has to change them.
        Err(error) => {
            log::error(&error);
            return Ok(Exit::Usage);
        }
    };
    check_roots(settings.scan.origin.paths())?;
    let report = Report::open(settings.report.as_deref())?;
    // Mapfiles are for the publisher, which does not wait for a scan of all; where both build the same
    // dataset, they write the same.
    let _turn = if settings.scan.dry_run || matches!(settings.scan.origin, Origin::Mapfiles(_)) {
        None
    } else {
        let Some(turn) = Turn::take(&settings.ledger, settings.wait)? else {
            if let Origin::Shard(shard) = &settings.scan.origin {
                return Err(Error::new(Code::Ledger, "another scan of the shard is running")
                    .in_file(&shard.path)
                    .with_hint("let it end, or wait for it by `--wait`"));
            }
            ::log::info!(
                "another scan with the ledger `{}` is running",
                text::path(&settings.ledger)
            );
            return Ok(Exit::Success);
        };
        Some(turn)
    };
    if let Some(scope) = &settings.scan.verify {
        log::sample(scope);
    }
    let mut console = Console { verify: settings.scan.verify, ..Console::new(progress, report) };
    let interrupt = Interrupt::listen()?;
    let summary = if settings.scan.dry_run {
        scan::scan(&settings.scan, None, &mut console, interrupt.flag())?
    } else {
        recorded_run(&settings, arguments, &mut console, &interrupt)?
    };
    console.close()?;
    ::log::info!("{}", in_words(&summary, settings.scan.dry_run));
    if interrupt.exit().is_some() {
        ::log::warn!("stopped before the end; the next scan goes on");
    }
    Ok(interrupt.exit().unwrap_or_else(|| exit(&summary)))
}

/// A scan whose results are recorded.
fn recorded_run(
    settings: &ScanSettings,
    arguments: &[OsString],
    console: &mut Console,
    interrupt: &Interrupt,
) -> Result<Summary> {
    if let Origin::Shard(shard) = &settings.scan.origin {
        begin_ledger(shard, &settings.ledger)?;
    }
    let mut ledger = Ledger::open(&settings.ledger)?;
    let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
    let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
    let ledger_of_run = Some((&mut ledger, run));
    let summary = scan::scan(&settings.scan, ledger_of_run, console, interrupt.flag())?;
    let exit = interrupt.exit().unwrap_or_else(|| exit(&summary));
    ledger.finish_run(run, exit.code(), &summary.counts)?;
    Ok(summary)
}

/// Makes sure that the ledger at `path` is one of the shard: a fresh copy of that beside its file, or one in
/// which it was scanned before.
fn begin_ledger(shard: &Shard, path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        if !shard.ledger().exists() {
            return Err(Error::new(
                Code::Ledger,
                "the ledger that was dealt with the shard is not there",
            )
            .in_file(shard.ledger())
            .with_hint("copy it together with the file of the shard, or make the shards anew"));
        }
        let dealt = Ledger::open_read_only(&shard.ledger())?;
        // Half a copy, after a kill, must not be taken for one.
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let _ = fs::remove_file(&part);
        dealt.back_up(&part)?;
        return fs::rename(&part, path).map_err(|error| Error::io(&error, "write", path));
    }
    match Ledger::open_read_only(path)?.since(&shard.header.dealt_at)? {
        Since::Unknown => Err(Error::new(Code::Ledger, "the ledger is not one of this shard")
            .in_file(path)
            .with_hint("leave out `--ledger`, or name one that is not there yet")),
        _ => Ok(()),
    }
}

pub fn exit(summary: &Summary) -> Exit {
    if summary.is_clean { Exit::Success } else { Exit::Incomplete }
}

/// A missing path is reported while others are scanned; without any, there is nothing to do.
pub fn check_roots(roots: &[PathBuf]) -> Result<()> {
    if roots.iter().any(|root| root.symlink_metadata().is_ok()) {
        return Ok(());
    }
    let [first, ..] = roots else { return Ok(()) };
    Err(Error::new(Code::NotFound, "the path does not exist")
        .in_file(first)
        .with_hint("check the spelling, and that the file system is mounted"))
}

fn in_words(summary: &Summary, dry_run: bool) -> String {
    let counts = summary.counts;
    let mut words = format!(
        "{} {}, {} unchanged, {} refused, {} failed",
        counts.built,
        if dry_run { "can be built" } else { "built" },
        counts.unchanged,
        counts.refused,
        counts.failed
    );
    if counts.gone > 0 {
        words = format!("{words}, {} gone", counts.gone);
    }
    words
}

/// What is seen of a scan while it runs.
pub struct Console {
    progress: Progress,
    report: Report,
    /// How stores are verified, if they are.
    verify: Option<Scope>,
}

impl Console {
    pub fn new(progress: Progress, report: Report) -> Self {
        Self { progress, report, verify: None }
    }

    /// Takes the progress bar away, and completes the report.
    pub fn close(mut self) -> Result<()> {
        self.progress.finish();
        self.report.close()
    }
}

impl Observer for Console {
    fn found(&mut self) {
        self.progress.found();
    }

    fn slow(&mut self, path: &Path, waited: Duration) {
        log::slow(path, waited);
    }

    fn unchanged(&mut self, record: &DatasetRecord) {
        match &record.error {
            Some(error) => {
                ::log::info!(
                    "{} {} as before: [{}]",
                    record.instance_id,
                    record.status,
                    error.code
                );
            }
            None => ::log::debug!("{} unchanged", record.instance_id),
        }
        self.report.dataset(record, true);
    }

    fn waits(&mut self, instance_id: &str, file: &Path) {
        ::log::info!("{instance_id} waits: `{}` was written a moment ago", text::path(file));
    }

    fn retracted(&mut self, instance_id: &str) {
        ::log::info!("{instance_id} is retracted and left alone");
    }

    fn finished(&mut self, outcome: &Outcome) {
        let record = &outcome.record;
        match (&record.error, &record.store) {
            (Some(error), _) => {
                ::log::error!("{} {}: {}", record.instance_id, record.status, text::problem(error));
                if let Some(scope) = self.verify.filter(|_| error.code == Code::Different.as_str())
                {
                    log::repetition(&record.instance_id, "scan --verify", &scope);
                }
            }
            (None, Some(store)) => {
                ::log::debug!(
                    "{} built from {}: {}, {} inlined -> `{}`",
                    record.instance_id,
                    text::count(record.files.len() as u64, "file"),
                    text::count(store.reference_count, "reference"),
                    text::bytes(store.inlined_bytes),
                    text::path(store.files().next().map_or(&record.directory, |file| &file.path)),
                );
            }
            (None, None) => ::log::debug!("{} can be built", record.instance_id),
        }
        for warning in &record.warnings {
            log::problem(Severity::Warning, warning);
        }
        if outcome.withdrawn {
            ::log::warn!(
                "{} had a store, which no longer fits and was removed",
                record.instance_id
            );
        }
        self.report.dataset(record, false);
        self.progress.done();
    }

    fn problem(&mut self, severity: Severity, problem: &Error) {
        let problem = ProblemRecord::from(problem);
        log::problem(severity, &problem);
        self.report.problem(severity, &problem);
    }

    fn gone(&mut self, gone: &Gone) {
        ::log::warn!("{} is no longer in `{}`", gone.instance_id, text::path(&gone.directory));
        self.report.gone(gone);
    }
}
