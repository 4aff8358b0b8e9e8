//! `relocate`: the same stores for other URLs, and digests that do not depend on URLs. No NetCDF file is
//! opened.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::drs::{self, Dataset, Drs};
use crate::emit::artefact::{self, Artefact};
use crate::emit::relocation;
use crate::emit::seal::{self, Prepared};
use crate::ledger::{
    ArtefactRecord, DatasetRecord, Ledger, PartKind, PartRecord, RunId, StoreRecord, WrittenFile,
};
use crate::model::error::{Code, Error, Result};

use super::placement::Sites;
use super::store;

/// Where stores are to lead.
#[derive(Debug)]
pub struct Relocate {
    /// The projects, for the place of datasets below a root.
    pub drs: Drs,
    /// The URLs from now on. Stores for another site go below its output directory, and the ledger does
    /// not know them.
    pub sites: Sites,
}

impl Relocate {
    /// Writes the store of `record` with its new URLs. Returns whether anything changed.
    pub fn relocate(
        &self,
        ledger: &mut Ledger,
        run: RunId,
        record: &DatasetRecord,
    ) -> Result<bool> {
        let Some(before) = &record.store else { return Ok(false) };
        let dataset = self.drs.dataset(&record.directory)?;
        let store =
            self.store(record, before, &dataset).map_err(|it| it.in_file(&record.directory))?;
        let changed = store.digest() != before.digest();
        if self.sites.output_dir.is_none() {
            // Other forms that could not be relocated lead to the old URLs.
            store::remove(before, Some(&store));
            let mut recipe = self.sites.relocated(&record.recipe, &record.directory, &dataset);
            if store.artefacts.len() < before.artefacts.len() {
                // So that the next scan writes them anew.
                recipe.push_str("; forms left out");
            }
            let record = DatasetRecord { store: Some(store), recipe, ..record.clone() };
            // What was told of its replacement before is in the ledger already.
            ledger.record(run, &[DatasetRecord { replacement: None, ..record }])?;
        }
        Ok(changed)
    }

    fn store(
        &self,
        record: &DatasetRecord,
        before: &StoreRecord,
        dataset: &Dataset,
    ) -> Result<StoreRecord> {
        let local = self.sites.is_local(&record.directory.join("_"), dataset);
        if local && !before.local {
            let message = "no data root covers the directory: its store would lose its URLs";
            return Err(Error::new(Code::OutsideDataRoots, message)
                .with_hint("add a data root that covers it, or name the datasets to relocate"));
        }
        let directory = match &self.sites.output_dir {
            Some(output_dir) => output_dir.join(&dataset.below_root),
            None => before.directory().unwrap_or(&record.directory).to_owned(),
        };
        if let Some(output_dir) = &self.sites.output_dir {
            store::create_within(output_dir, &directory)?;
        }
        let moved = |path: &Path| directory.join(path.file_name().unwrap_or_default());
        let files = record.files.iter().map(|file| file.source.path.clone());
        let seams = before.parts_of(PartKind::Seams).map(moved);
        let (mut locations, mut of_files) = (HashMap::new(), Vec::new());
        for path in files.chain(seams) {
            let name = Path::new(path.file_name().unwrap_or_default());
            let location = self.sites.location(&path, dataset)?;
            // As it stands in a path, or in a URL: what is the one of a file may be the other of another.
            let written =
                if before.local { name.to_string_lossy().into_owned() } else { drs::encoded(name) };
            if of_files.len() < record.files.len() {
                of_files.push(location.clone());
            }
            locations.insert(written, location);
        }
        let mut artefacts = Vec::new();
        for artefact in &before.artefacts {
            match prepare_artefact(artefact, &moved(&artefact.path), (&of_files, &locations))? {
                Some(prepared) => artefacts.push((artefact, prepared)),
                None => ::log::warn!(
                    "{} in {} cannot be relocated by this program: it is left out; `vzarr-publish scan` \
                     of one that can writes it anew",
                    record.instance_id,
                    artefact.format
                ),
            }
        }
        let prepare = |written: &WrittenFile, is_manifest: bool| {
            prepare(written, &moved(&written.path), is_manifest.then_some(&locations))
        };
        let parts = before.parts.iter().map(|PartRecord { kind, written }| {
            Ok((*kind, prepare(written, *kind == PartKind::Segment)?))
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let manifest =
            before.manifest.as_ref().map(|written| prepare(written, true)).transpose()?;
        // As in building: what the manifest refers to gets its name first.
        let publish = |prepared: Prepared| {
            let seal::Sealed { path, digest, size, .. } = prepared.publish()?;
            Ok(WrittenFile { url: self.sites.url(&path, dataset), path, digest, size })
        };
        let parts = parts
            .into_iter()
            .map(|(kind, prepared)| publish(prepared).map(|written| PartRecord { kind, written }));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let artefacts = artefacts.into_iter().map(|(artefact, prepared)| {
            let Artefact { path, digest, size, .. } = prepared.publish()?;
            let url = self.sites.url(&path, dataset);
            Ok(ArtefactRecord { path, url, digest, size, times: None, ..artefact.clone() })
        });
        let artefacts = artefacts.collect::<Result<Vec<_>>>()?;
        let manifest = manifest.map(publish).transpose()?;
        Ok(StoreRecord { manifest, parts, artefacts, local, times: None, ..before.clone() })
    }
}

/// Prepares a file of a store at `target`: a manifest with other locations, or chunks as they are.
fn prepare(
    written: &WrittenFile,
    target: &Path,
    locations: Option<&HashMap<String, String>>,
) -> Result<Prepared> {
    if !store::is_ours(written) {
        return Err(Error::new(Code::Different, "the store is not as it was written")
            .in_file(&written.path)
            .with_hint("build it anew with `vzarr-publish scan --force`"));
    }
    let mut from = open(&written.path)?;
    let write = |to: &mut dyn Write| {
        match locations {
            None => io::copy(&mut from, to).map(drop)?,
            Some(locations) => {
                relocation::copy(from, to, &mut |location| relocated(location, locations))?;
            }
        }
        Ok(())
    };
    seal::prepare(target, write).map(|(prepared, ())| prepared)
}

/// Prepares another form of a store at `target` with other locations; none where this program cannot.
fn prepare_artefact(
    artefact: &ArtefactRecord,
    target: &Path,
    (files, locations): (&[String], &HashMap<String, String>),
) -> Result<Option<artefact::Prepared>> {
    let ArtefactRecord { format, path, digest, reference_count, .. } = artefact;
    if !artefact::is_intact(*format, path, digest) {
        return Err(Error::new(Code::Different, "the store is not as it was written")
            .in_file(path)
            .with_hint("build it anew with `vzarr-publish scan --force`"));
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let relocate = &mut |location: &str| relocated(location, locations);
    artefact::relocate((*format, path, *reference_count), target, &files, relocate)
}

/// Where the file is found that was found at `location`.
fn relocated(location: &str, locations: &HashMap<String, String>) -> io::Result<String> {
    let found = locations.get(file_name(location)).cloned();
    found.ok_or_else(|| io::Error::other(format!("`{location}` is no file of the dataset")))
}

/// The last part of a path or a URL.
fn file_name(location: &str) -> &str {
    let path = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest.split(['?', '#']).next().unwrap_or(rest));
    path.rsplit('/').next().unwrap_or(path)
}

/// The digest of the store of `record` that is the same wherever the same data lie: of the manifest, or of
/// all segments where there is none.
pub fn portable_digest(record: &DatasetRecord) -> Result<Option<String>> {
    let Some(store) = &record.store else { return Ok(None) };
    let manifests: Vec<PathBuf> = match &store.manifest {
        Some(manifest) => vec![manifest.path.clone()],
        None => store.parts_of(PartKind::Segment).map(Path::to_owned).collect(),
    };
    let digests = manifests.iter().map(|path| {
        let digest = relocation::portable_digest(open(path)?);
        digest.map_err(|error| Error::io(&error, "read", path))
    });
    let digests = digests.collect::<Result<Vec<_>>>()?;
    Ok(Some(match &digests[..] {
        [one] => one.clone(),
        several => seal::digest(several.concat().as_bytes()),
    }))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|error| Error::io(&error, "read", path))
}
