//! Lines for people, on standard error.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use indicatif_log_bridge::LogWrapper;
use log::{Level, LevelFilter};

use crate::ledger::{ProblemRecord, Severity};
use crate::model::error::Error;
use crate::verify::{Mode, Scope};

use super::progress::Progress;
use super::text;

/// Starts logging, so that lines and the progress bar do not garble each other.
pub fn start(verbose: u8, quiet: bool, progress: &Progress) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Info,
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    let logger = env_logger::Builder::new()
        .filter_level(LevelFilter::Off)
        .filter_module("vzarr_publish", level)
        .format(|line, record| match record.level() {
            // Information reads as plain text; what is wrong says so first.
            Level::Error => writeln!(line, "error: {}", record.args()),
            Level::Warn => writeln!(line, "warning: {}", record.args()),
            _ => writeln!(line, "{}", record.args()),
        })
        .build();
    // A second call within one process, as in tests, keeps the first logger.
    if LogWrapper::new(progress.bars(), logger).try_init().is_ok() {
        log::set_max_level(level);
    }
}

/// Logs an error with its way out.
pub fn error(error: &Error) {
    problem(Severity::Error, &ProblemRecord::from(error));
}

/// Logs a problem with its way out.
pub fn problem(severity: Severity, problem: &ProblemRecord) {
    match severity {
        Severity::Error => log::error!("{}", text::problem(problem)),
        Severity::Warning => log::warn!("{}", text::problem(problem)),
        Severity::Note => log::info!("{}", text::problem(problem)),
    }
}

/// Says that the file system has not answered for so long.
pub fn slow(path: &Path, waited: Duration) {
    log::warn!("`{}`: no answer for {} s, still waiting", text::path(path), waited.as_secs());
}

/// Says which sample is verified, if only a sample is.
pub fn sample(scope: &Scope) {
    if scope.mode == Mode::Sample {
        log::info!("{} random chunks a variable, with --seed {}", scope.sample, scope.seed);
    }
}

/// Says how to look at the same sample of a store again in which something was found, also where
/// nothing else is said: `command` is what to call.
pub fn repetition(instance_id: &str, command: &str, scope: &Scope) {
    if scope.mode == Mode::Sample {
        log::error!("{instance_id}: {command} --seed {} looks at the same chunks", scope.seed);
    }
}
