//! `relocate` and `digest` on the command line.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};

use crate::drs::Drs;
use crate::ledger::{Counts, DatasetRecord, Filter, Ledger};
use crate::model::error::{Code, Error, Result};
use crate::pipeline::advertise::unknown;
use crate::pipeline::placement::Sites;
use crate::pipeline::relocate::{Relocate, portable_digest};

use super::args::{DigestArgs, RelocateArgs};
use super::exit::Exit;
use super::{cannot_print, log, settings, text};

/// Gives stores other URLs.
pub fn run(args: RelocateArgs, arguments: &[OsString]) -> Result<Exit> {
    let RelocateArgs { ids, config, data_root, output_dir, ledger } = args;
    let data_roots = settings::data_roots(config.as_deref(), data_root)?;
    let output_dir = output_dir.as_ref().map(settings::absolute).transpose()?;
    let mut ledger = Ledger::open_existing(&settings::ledger_path(ledger)?)?;
    let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
    let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
    let task = Relocate { drs: Drs::builtin()?, sites: Sites { data_roots, output_dir } };
    let (mut changed, mut unchanged) = (0, 0);
    let reader = Ledger::open_read_only(ledger.path())?;
    let exit = each_store(&reader, ids, &mut |record| {
        if task.relocate(&mut ledger, run, record)? {
            changed += 1;
        } else {
            unchanged += 1;
        }
        Ok(())
    })?;
    ledger.finish_run(run, exit.code(), &Counts::default())?;
    ::log::info!("{} relocated, {unchanged} unchanged", text::count(changed, "store"));
    Ok(exit)
}

/// Prints digests as `sha256sum` does.
pub fn run_digest(args: DigestArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut printed = Ok(());
    let exit = each_store(&ledger, args.ids, &mut |record| {
        if let (Some(digest), true) = (portable_digest(record)?, printed.is_ok()) {
            printed = writeln!(out, "{digest}  {}", text::printable(&record.instance_id));
        }
        Ok(())
    })?;
    printed.and_then(|()| out.flush()).or_else(|error| cannot_print(&error))?;
    Ok(exit)
}

/// Does `work` for each store of the datasets called `ids`, or of all; what goes wrong with one is said,
/// and the exit code remembers.
fn each_store(
    ledger: &Ledger,
    ids: Vec<String>,
    work: &mut dyn FnMut(&DatasetRecord) -> Result<()>,
) -> Result<Exit> {
    let mut exit = Exit::Success;
    let mut fail = |error: &Error| {
        log::error(error);
        exit = Exit::Incomplete;
    };
    let mut missing = ids.clone();
    ledger.list(&Filter { ids, ..Filter::default() }, |record| {
        missing.retain(|id| *id != record.instance_id && *id != record.dataset_id);
        if record.store.is_none() {
            return Ok(());
        }
        match work(&record) {
            Err(error) if error.code() == Code::Ledger => Err(error),
            Err(error) => {
                fail(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    })?;
    for id in missing {
        fail(&unknown(ledger, &id));
    }
    Ok(exit)
}
