//! `verify` on the command line.

use std::ffi::OsString;

use crate::model::error::Result;

use super::args::VerifyArgs;
use super::exit::Exit;
use super::progress::Progress;

/// Says how to get a program that can verify.
#[cfg(not(feature = "netcdf"))]
pub fn run(_: VerifyArgs, _: &[OsString], _: Progress) -> Result<Exit> {
    Err(super::settings::without_libnetcdf())
}

#[cfg(feature = "netcdf")]
pub use with_libnetcdf::run;

#[cfg(feature = "netcdf")]
mod with_libnetcdf {
    use crate::ledger::{Counts, Ledger, ProblemRecord, Severity};
    use crate::model::error::{Code, Error};
    use crate::pipeline::verify::{self, Observer, Summary, Verify};
    use crate::verify::{Mode, Outcome, SAMPLE, Scope, Verification};

    use crate::cli::{log, settings, text};

    use super::{Exit, OsString, Progress, Result, VerifyArgs};

    /// Verifies and reports.
    pub fn run(args: VerifyArgs, arguments: &[OsString], progress: Progress) -> Result<Exit> {
        let path = settings::ledger_path(args.ledger)?;
        let mut ledger = Ledger::open_existing(&path)?;
        let scope = Scope {
            mode: if args.all { Mode::All } else { Mode::Sample },
            sample: args.sample.unwrap_or(SAMPLE),
            seed: args.seed.unwrap_or_else(settings::any_seed),
            http: args.http,
        };
        log::sample(&scope);
        let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
        let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
        let mut console = Console { progress, scope };
        let task = Verify { ids: args.ids, scope, checksums: args.checksums };
        let summary = verify::verify(&task, &mut ledger, run, &mut console)?;
        console.progress.finish();
        let exit = exit(&summary);
        ledger.finish_run(run, exit.code(), &Counts::default())?;
        if summary.stores() == 0 && summary.unknown == 0 {
            log::error(
                &Error::new(Code::NotFound, "the ledger has no store to verify").in_file(&path),
            );
        }
        ::log::info!("{}", in_words(&summary));
        Ok(exit)
    }

    fn exit(summary: &Summary) -> Exit {
        match summary.stores() {
            0 => Exit::Failure,
            stores if stores == summary.verified && summary.unknown == 0 => Exit::Success,
            _ => Exit::Incomplete,
        }
    }

    fn in_words(summary: &Summary) -> String {
        format!(
            "{} verified, {} different, {} incomplete; {} compared, {}",
            summary.verified,
            summary.different,
            summary.incomplete,
            text::count(summary.chunks, "chunk"),
            text::bytes(summary.bytes)
        )
    }

    /// What is seen while it runs.
    struct Console {
        progress: Progress,
        scope: Scope,
    }

    impl Observer for Console {
        fn begins(&mut self, stores: usize) {
            (0..stores).for_each(|_| self.progress.found());
        }

        fn finished(&mut self, instance_id: &str, verification: &Verification) {
            for finding in &verification.findings {
                let found = text::problem(&ProblemRecord::from(finding));
                match finding.code() {
                    Code::Different => ::log::error!("{instance_id}: {found}"),
                    _ => ::log::warn!("{instance_id}: {found}"),
                }
            }
            if verification.outcome() == Outcome::Different {
                let sample = format!("verify --sample {}", self.scope.sample);
                log::repetition(instance_id, &sample, &self.scope);
            }
            ::log::debug!(
                "{instance_id} {}: {}, {}",
                verification.outcome(),
                text::count(verification.chunks, "chunk"),
                text::bytes(verification.bytes)
            );
            self.progress.done();
        }

        fn problem(&mut self, problem: &Error) {
            log::problem(Severity::Error, &ProblemRecord::from(problem));
            self.progress.done();
        }
    }
}
