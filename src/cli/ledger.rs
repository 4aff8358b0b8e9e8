//! `ledger` on the command line.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::emit::seal;
use crate::ledger::{Conflict, Counts, Ledger, Merged, ProblemRecord, Side, Since, Turn};
use crate::model::error::{Code, Error, Result};
use crate::pipeline::ledger_check::{self, Finding};
use crate::pipeline::shard;
use crate::pipeline::shard_file::Shard;

use super::args::{BackupArgs, CheckLedgerArgs, ExportArgs, LedgerCommand, MergeArgs};
use super::exit::Exit;
use super::{cannot_print, log, settings, text};

/// Does something with the ledger.
pub fn run(command: LedgerCommand, arguments: &[OsString]) -> Result<Exit> {
    match command {
        LedgerCommand::Check(args) => check(args),
        LedgerCommand::Export(args) => export(args),
        LedgerCommand::Merge(args) => merge(args, arguments),
        LedgerCommand::Backup(args) => back_up(args),
    }
}

fn check(args: CheckLedgerArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let mut findings = 0;
    let datasets =
        ledger_check::check(&ledger, args.quick, &mut |Finding { instance_id, error }| {
            findings += 1;
            match instance_id {
                None => log::error(&error),
                Some(id) => {
                    let found = text::problem(&ProblemRecord::from(&error));
                    ::log::error!("{}: {found}", text::printable(&id));
                }
            }
        })?;
    ::log::info!(
        "{} checked, {}",
        text::count(datasets, "dataset"),
        text::count(findings, "finding")
    );
    Ok(if findings == 0 { Exit::Success } else { Exit::Incomplete })
}

fn export(args: ExportArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let write = |out: &mut dyn Write| {
        if args.csv { ledger.export_csv(out) } else { ledger.export_json(out) }
    };
    if let Some(file) = &args.file {
        seal::seal(&settings::absolute(file)?, |out| Ok(write(out)?))?;
        return Ok(Exit::Success);
    }
    let mut out = Standard { out: BufWriter::new(io::stdout().lock()), failed: None };
    let written = write(&mut out);
    let flushed = out.out.flush();
    match out.failed.or(flushed.err()) {
        Some(error) => cannot_print(&error)?,
        None => written?,
    }
    Ok(Exit::Success)
}

/// Standard output, which remembers what kept it from being written.
struct Standard<W> {
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Standard<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn merge(args: MergeArgs, arguments: &[OsString]) -> Result<Exit> {
    let path = settings::ledger_path(args.ledger)?;
    let shards = match &args.shards {
        Some(directory) => shard::read_all(&settings::absolute(directory)?)?,
        None => Vec::new(),
    };
    let others =
        if shards.is_empty() { args.others } else { shards.iter().map(Shard::ledger).collect() };
    // Merging writes for longer than a scan would wait.
    let Some(_turn) = Turn::take(&path, args.wait)? else {
        return Err(Error::new(Code::Ledger, "a scan with the ledger is running")
            .in_file(path)
            .with_hint("merge when it has ended, or wait for it by `--wait`; nothing was merged"));
    };
    let mut ledger = Ledger::open(&path)?;
    let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
    let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
    // Before they are merged: what ends later is not all merged.
    let incomplete: Vec<Error> = shards.iter().filter_map(incomplete).collect();
    let mut failures = 0;
    for other in &others {
        match ledger.merge(other) {
            Ok(merged) => say(other, &merged),
            Err(error) => {
                log::error(&error);
                failures += 1;
            }
        }
    }
    let exit = match failures {
        0 => Exit::Success,
        some if some < others.len() => Exit::Incomplete,
        _ => Exit::Failure,
    };
    incomplete.iter().for_each(log::error);
    let is_whole = incomplete.is_empty();
    let exit = if exit == Exit::Success && !is_whole { Exit::Incomplete } else { exit };
    ledger.finish_run(run, exit.code(), &Counts::default())?;
    Ok(exit)
}

/// How no scan of the shard came to its end, if none did.
fn incomplete(shard: &Shard) -> Option<Error> {
    let ledger = Ledger::open_read_only(&shard.ledger());
    let (clean, some_refused) = (Exit::Success.code(), Exit::Incomplete.code());
    let how = match ledger.and_then(|ledger| ledger.since(&shard.header.dealt_at)) {
        Ok(Since::Ended(code)) if code == clean || code == some_refused => return None,
        Ok(Since::Ended(code)) => format!("its scan ended early, with exit code {code}"),
        Ok(Since::Unfinished) => "its scan is at work, or was killed".to_owned(),
        Ok(Since::Nothing) => "it was not scanned".to_owned(),
        Ok(Since::Unknown) => "its ledger is that of another".to_owned(),
        Err(error) => error.message().to_owned(),
    };
    let message = format!(
        "shard {} of {} is not complete: {how}; not all of its {} may be known",
        shard.header.shard,
        shard.header.of,
        text::count(shard.header.datasets as u64, "dataset")
    );
    Some(Error::new(Code::Ledger, message).in_file(&shard.path).with_hint(format!(
        "run `vzarr-publish scan --shard {}` with the settings of the others, and merge again",
        shard.path.display()
    )))
}

fn say(other: &Path, merged: &Merged) {
    let Merged { added, replaced, kept, conflicts } = merged;
    for Conflict { instance_id, theirs_won, mine, theirs } in conflicts {
        let (taken, left) = if *theirs_won { (theirs, mine) } else { (mine, theirs) };
        ::log::warn!(
            "{}: the ledgers disagree: {} counts, not {}\n  hint: the next scan settles it; a store \
             that does not count stays on disk",
            text::printable(instance_id),
            side(taken),
            side(left)
        );
    }
    ::log::info!(
        "`{}` is merged: {} added, {replaced} replaced, {kept} kept",
        text::path(other),
        text::count(*added, "dataset")
    );
}

fn side(side: &Side) -> String {
    match (&side.path, &side.updated_at) {
        (Some(path), Some(at)) => format!("`{}` ({}, built {at})", text::path(path), side.status),
        _ => format!("the row without a store ({})", side.status),
    }
}

fn back_up(args: BackupArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    ledger.back_up(&args.file)?;
    Ok(Exit::Success)
}
