//! `advertise`, `catalog` and `annotate` on the command line.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde_json::Value;

use crate::advertise::{Form, Site, annotate, dataset_id};
use crate::drs::Drs;
use crate::emit::seal;
use crate::ledger::Ledger;
use crate::model::error::{Code, Error, Result};
use crate::pipeline::advertise::{self, Advertise, Line};
use crate::pipeline::catalog::Catalog;

use super::args::{AdvertiseArgs, AnnotateArgs, CatalogArgs, SiteArgs};
use super::exit::Exit;
use super::node::Node;
use super::{cannot_print, log, settings, text};

/// Tells the publisher about stores, or records that it was told.
pub fn run(args: AdvertiseArgs) -> Result<Exit> {
    let mut ledger = Ledger::open_existing(&settings::ledger_path(args.ledger)?)?;
    if let Some(lines) = args.ack {
        return acknowledge(&mut ledger, &lines);
    }
    let mut ids = args.ids;
    if !args.map.is_empty() {
        ids.extend(settings::listed_datasets(&args.map)?);
    }
    let (site, drs) = site(args.site)?;
    let task = Advertise {
        ids,
        again: args.all,
        site,
        drs,
        is_replica: args.replica,
        items: args.items,
        documents: args.emit_json,
    };
    print(&task, &mut ledger, &mut drop)
}

/// Writes a static catalogue.
pub fn run_catalog(args: CatalogArgs) -> Result<Exit> {
    let ledger = Ledger::open_read_only(&settings::ledger_path(args.ledger)?)?;
    let (site, drs) = site(args.site)?;
    let items = Catalog { directory: args.directory, site, drs }.write(&ledger)?;
    ::log::info!("{} in the catalogue", text::count(items as u64, "item"));
    Ok(Exit::Success)
}

/// Puts the store of a dataset into its publication record.
pub fn run_annotate(args: AnnotateArgs) -> Result<Exit> {
    let AnnotateArgs { pub_rec, out, legacy, site: of, ledger } = args;
    let text = fs::read_to_string(&pub_rec).map_err(|it| Error::io(&it, "read", &pub_rec))?;
    let parsed = serde_json::from_str(&text).map_err(|error| {
        Error::new(Code::Configuration, format!("no JSON: {error}")).in_file(&pub_rec)
    });
    let mut records: Value = parsed?;
    let id = dataset_id(&mut records).map_err(|error| error.in_file(&pub_rec))?;
    let mut ledger = Ledger::open_existing(&settings::ledger_path(ledger)?)?;
    let (site, drs) = site(of)?;
    let task = Advertise {
        ids: vec![id],
        again: true,
        site,
        drs,
        is_replica: false,
        items: None,
        documents: None,
    };
    let mut assets = Vec::new();
    let exit = print(&task, &mut ledger, &mut |line| {
        assets.extend(line.assets().map(|(key, asset)| (key.to_owned(), asset.clone())));
    })?;
    if assets.is_empty() {
        ::log::warn!("{} has no store to add", task.ids.concat());
    }
    let form = if legacy { Form::Url } else { Form::Asset };
    annotate(&mut records, &assets, form).map_err(|error| error.in_file(&pub_rec))?;
    seal::seal(&out, |file| {
        Ok(serde_json::to_writer_pretty(file, &records).map_err(io::Error::from)?)
    })?;
    Ok(exit)
}

/// Prints what the publisher is to be told, and hands it over.
fn print(task: &Advertise, ledger: &mut Ledger, each: &mut dyn FnMut(Line)) -> Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut exit, mut printed) = (Exit::Success, Ok(()));
    advertise::advertise(task, ledger, &mut |line| {
        match line {
            Ok(line) => {
                if printed.is_ok() {
                    printed = serde_json::to_writer(&mut out, &line)
                        .map_err(io::Error::from)
                        .and_then(|()| out.write_all(b"\n"));
                }
                each(line);
            }
            Err(error) => {
                log::error(&error);
                exit = Exit::Incomplete;
            }
        }
        Ok(())
    })?;
    printed.and_then(|()| out.flush()).or_else(|error| cannot_print(&error))?;
    Ok(exit)
}

fn acknowledge(ledger: &mut Ledger, path: &Path) -> Result<Exit> {
    let lines = if path == Path::new("-") {
        let mut lines = String::new();
        io::stdin().read_to_string(&mut lines).map(|_| lines)
    } else {
        fs::read_to_string(path)
    };
    let lines = lines.map_err(|error| Error::io(&error, "read", path))?;
    let outdated = advertise::acknowledge(ledger, &lines).map_err(|error| error.in_file(path))?;
    for advertisement in &outdated {
        ::log::warn!(
            "advertisement {advertisement} is outdated: the dataset has changed since, and is told again"
        );
    }
    let count = lines.lines().filter(|line| !line.trim().is_empty()).count() - outdated.len();
    ::log::info!("{} acknowledged", text::count(count as u64, "advertisement"));
    Ok(Exit::Success)
}

/// Who serves the stores, and the projects that their datasets are of.
fn site(args: SiteArgs) -> Result<(Site, Drs)> {
    let Node { name, drs, .. } = Node::configured(args.config)?;
    Ok((Site::new(args.data_node.or(name), args.media_type), drs))
}
