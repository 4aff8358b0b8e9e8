//! `shard` on the command line.

use std::ffi::OsString;

use crate::ledger::{Ledger, Turn};
use crate::model::error::{Code, Error, Result};
use crate::pipeline::shard;
use crate::pipeline::shard_file::Shard;

use super::args::{ScanArgs, ShardArgs};
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::report::Report;
use super::scan::{Console, check_roots, exit};
use super::settings::{self, ScanSettings};
use super::{log, text};

/// Walks, records, and deals out what is to be built.
pub fn run(args: ShardArgs, arguments: &[OsString], progress: Progress) -> Result<Exit> {
    let out = settings::absolute(&args.out)?;
    let count = usize::from(args.shards);
    // The scan of which this is the first half.
    let first_half = ScanArgs { paths: args.paths, walk: args.walk, ..ScanArgs::default() };
    let settings = match ScanSettings::resolve(first_half) {
        Ok(settings) => settings,
        Err(error) => {
            log::error(&error);
            return Ok(Exit::Usage);
        }
    };
    check_roots(settings.scan.origin.paths())?;
    shard::prepare(&out)?;
    let report = Report::open(settings.report.as_deref())?;
    let Some(_turn) = Turn::take(&settings.ledger, settings.wait)? else {
        return Err(Error::new(Code::Ledger, "a scan with the ledger is running")
            .in_file(settings.ledger)
            .with_hint("try again when it has ended, or wait for it by `--wait`"));
    };
    let mut console = Console::new(progress, report);
    let interrupt = Interrupt::listen()?;
    let mut ledger = Ledger::open(&settings.ledger)?;
    let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
    let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
    let found = shard::find(&settings.scan, (&mut ledger, run), &mut console, interrupt.flag());
    let (summary, listed) = found?;
    let exit = interrupt.exit().unwrap_or_else(|| exit(&summary));
    ledger.finish_run(run, exit.code(), &summary.counts)?;
    console.close()?;
    if interrupt.exit().is_some() {
        ::log::warn!("stopped before the end; no shards were written");
        return Ok(exit);
    }
    let shards = shard::write(&settings.scan, (&ledger, run), listed, (&out, count))?;
    let datasets: usize = shards.iter().map(|shard| shard.header.datasets).sum();
    ::log::info!(
        "{} to build in {}, {} unchanged, {} gone",
        text::count(datasets as u64, "dataset"),
        text::count(shards.len() as u64, "shard"),
        summary.counts.unchanged,
        summary.counts.gone
    );
    shards.iter().for_each(say);
    Ok(exit)
}

fn say(shard: &Shard) {
    ::log::debug!(
        "`{}`: {}, {}, {}",
        text::path(&shard.path),
        text::count(shard.header.datasets as u64, "dataset"),
        text::count(shard.header.files, "file"),
        text::bytes(shard.header.bytes)
    );
}
