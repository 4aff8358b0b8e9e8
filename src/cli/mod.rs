//! The command line: [`args`] as typed, [`settings`] resolved, and what is shown to people and
//! programs. Data go to standard output, everything else to standard error.

mod advertise;
pub mod args;
mod check;
pub mod exit;
mod inspect;
mod interrupt;
mod ledger;
mod list;
mod log;
mod node;
mod progress;
mod relocate;
mod report;
mod retract;
mod scan;
pub mod settings;
mod shard;
mod show;
mod text;
mod verify;

use std::ffi::OsString;

use clap::Parser;

use crate::model::error::{Code, Error, Result};

use args::{Cli, Command};
use exit::Exit;

/// Runs the program with the arguments `args`, the first being its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and end well.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let _ = error.print();
            return exit;
        }
    };
    let progress = progress::Progress::new(cli.quiet);
    log::start(cli.verbose, cli.quiet, &progress);
    dispatch(cli.command, &arguments, progress).unwrap_or_else(|error| {
        log::error(&error);
        match error.code() {
            Code::Configuration => Exit::Usage,
            _ => Exit::Failure,
        }
    })
}

fn dispatch(
    command: Command,
    arguments: &[OsString],
    progress: progress::Progress,
) -> Result<Exit> {
    match command {
        Command::Scan(args) => scan::run(*args, arguments, progress),
        Command::Shard(args) => shard::run(args, arguments, progress),
        Command::Check(args) => check::run(args, progress),
        Command::Verify(args) => verify::run(args, arguments, progress),
        Command::Advertise(args) => advertise::run(args),
        Command::Catalog(args) => advertise::run_catalog(args),
        Command::Annotate(args) => advertise::run_annotate(args),
        Command::Retract(args) => retract::run(args, arguments),
        Command::Gc(args) => retract::run_gc(args),
        Command::Relocate(args) => relocate::run(args, arguments),
        Command::Digest(args) => relocate::run_digest(args),
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Ledger { command } => ledger::run(command, arguments),
        Command::Inspect(args) => inspect::run(&args),
    }
}

/// A failure to write to standard output; a reader that went away early is none.
fn cannot_print(error: &std::io::Error) -> Result<()> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::new(Code::Io, format!("cannot write to standard output: {error}"))),
    }
}
