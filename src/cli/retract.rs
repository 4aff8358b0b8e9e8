//! `retract` and `gc` on the command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::discover::mapfile;
use crate::ledger::{Counts, Ledger};
use crate::model::error::{Code, Error, Result};
use crate::pipeline::retract::{self, Retracted};

use super::args::{GcArgs, RetractArgs};
use super::exit::Exit;
use super::{settings, text};

/// Retracts datasets, or takes that back.
pub fn run(args: RetractArgs, arguments: &[OsString]) -> Result<Exit> {
    let ids = dataset_ids(&args)?;
    let mut ledger = Ledger::open(&settings::ledger_path(args.ledger)?)?;
    let shown = |argument: &OsString| argument.to_string_lossy().into_owned();
    let run = ledger.begin_run(&arguments.iter().map(shown).collect::<Vec<_>>())?;
    let mut exit = Exit::Success;
    for id in &ids {
        if !args.reinstate {
            say(id, &retract::retract(&mut ledger, run, id, args.keep_store)?);
        } else if ledger.reinstate(run, id)? {
            ::log::info!("{id} is reinstated; the next scan builds it");
        } else {
            ::log::error!("{id} is not retracted");
            exit = Exit::Incomplete;
        }
    }
    ledger.finish_run(run, exit.code(), &Counts::default())?;
    Ok(exit)
}

fn say(id: &str, retracted: &Retracted) {
    match retracted {
        Retracted::Unknown => {
            ::log::warn!("{id} is retracted, but not known: it will not be built when it is found");
        }
        Retracted::Kept => ::log::info!("{id} is retracted; no store was removed"),
        Retracted::Withdrawn(manifests) => {
            for manifest in manifests {
                ::log::info!("{id} is retracted; removed `{}`", text::path(manifest));
            }
        }
    }
}

/// The IDs of all arguments, all right or none.
fn dataset_ids(args: &RetractArgs) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for id in &args.ids {
        ids.insert(dataset_id(id)?);
    }
    if let Some(list) = &args.list {
        let lines = fs::read_to_string(list).map_err(|error| Error::io(&error, "read", list))?;
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            ids.insert(dataset_id(line).map_err(|error| error.in_file(list))?);
        }
    }
    if !args.map.is_empty() {
        ids.extend(settings::listed_datasets(&args.map)?);
    }
    Ok(ids)
}

/// An ID as the publisher has it, perhaps with the data node behind.
fn dataset_id(text: &str) -> Result<String> {
    let id = text.split('|').next().unwrap_or(text);
    mapfile::versioned_id(id).map_err(|wrong| {
        Error::new(Code::Configuration, format!("the dataset ID {wrong}"))
            .with_hint("give dataset IDs with their version; nothing was retracted")
    })
}

/// Removes stores that are not to be there any more.
pub fn run_gc(args: GcArgs) -> Result<Exit> {
    let mut ledger = Ledger::open_existing(&settings::ledger_path(args.ledger)?)?;
    let (mut removed, mut left) = (0, 0);
    let verb = if args.dry_run { "would remove" } else { "removed" };
    retract::collect(&mut ledger, args.dry_run, &mut |record, is_removed| {
        let path = record.store.as_ref().and_then(|store| store.files().next());
        let path = path.map_or(Path::new(""), |file| file.path.as_path());
        if is_removed {
            removed += 1;
            ::log::info!(
                "{} is {}: {verb} `{}`",
                record.instance_id,
                record.status,
                text::path(path)
            );
        } else if path.exists() {
            left += 1;
            ::log::warn!(
                "{} is {}, but `{}` is not as it was written, and is left alone",
                record.instance_id,
                record.status,
                text::path(path)
            );
        }
    })?;
    ::log::info!("{verb} {}", text::count(removed, "store"));
    Ok(if left == 0 { Exit::Success } else { Exit::Incomplete })
}
