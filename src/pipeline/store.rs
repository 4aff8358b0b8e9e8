//! Writing the files of one store: the manifest and, where one regular grid cannot hold the dataset,
//! its seams and segments.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::iter;
use std::path::Path;

use crate::combine::{Combined, Datasets};
use crate::discover::SourceFile;
use crate::drs::Dataset;
use crate::emit::artefact::{self, Artefact, Sources};
use crate::emit::directory;
use crate::emit::reference_json::{self, Locations, SourceEntry};
use crate::emit::seal::{self, Failure, Prepared, Sealed, Written};
use crate::emit::seams::{self, Seams};
use crate::ledger::{ArtefactRecord, FileRecord, PartKind, PartRecord, StoreRecord, WrittenFile};
use crate::model::error::{Code, Error, Result};
use crate::model::format::{Form, Format};
use crate::model::multihash::Multihash;
use crate::model::verdict::Cost;
use crate::model::virtual_dataset::VirtualDataset;
use crate::verify::{self, Outcome, Verification};

use super::attempt::Attempt;
use super::placement::{Placement, Sites};
use super::readers::unstable;
use super::verifier::Verifier;

/// Writes stores where they belong.
#[derive(Clone, Copy)]
pub struct StoreWriter<'a> {
    /// Where stores go.
    pub sites: &'a Sites,
    /// What the dataset is called.
    pub dataset: &'a Dataset,
    /// Where its store goes.
    pub placement: &'a Placement,
    /// What form it has.
    pub form: Form,
}

/// The files of a store under names that nobody meets.
struct PreparedStore {
    parts: Vec<(PartKind, Prepared)>,
    manifest: Option<Prepared>,
    /// The other forms.
    artefacts: Vec<(Format, artefact::Prepared)>,
    seams: Seams,
    cost: Cost,
    notes: Vec<Error>,
}

impl PreparedStore {
    /// Waits until all files are on disk, so that none gets its name without the others.
    fn sync(&mut self) -> Result<()> {
        let parts = self.parts.iter_mut().map(|(_, prepared)| prepared);
        parts.chain(&mut self.manifest).try_for_each(Prepared::sync)
    }
}

/// A store that was written.
pub struct WrittenStore {
    /// For the ledger.
    pub record: StoreRecord,
    /// The chunks that were encoded anew.
    pub seams: Seams,
    /// What could not be done as it was asked for.
    pub notes: Vec<Error>,
    /// What verifying it found, if that was asked for.
    pub verification: Option<Verification>,
}

impl StoreWriter<'_> {
    /// Writes the store of `combined`, whose source files are the first of `files`. What manifests refer
    /// to gets its name first, then other forms, the manifest of the whole last; with a `verifier` all is
    /// verified before, and a store that differs from its files is an error. So is one that is not wanted any
    /// more, as the `attempt` tells.
    pub fn write(
        &self,
        combined: &Combined,
        files: &[FileRecord],
        verifier: Option<&Verifier>,
        attempt: &Attempt,
    ) -> Result<WrittenStore> {
        if let Some(output_dir) = &self.sites.output_dir {
            let directory = self.placement.manifest.parent().unwrap_or(output_dir);
            create_within(output_dir, directory)?;
        }
        let turn = attempt.turn();
        let mut prepared = self.prepare(combined, files)?;
        drop(turn);
        let verification = match verifier {
            Some(verifier) => Some(self.verify(&prepared, files, verifier)?),
            None => None,
        };
        prepared.sync()?;
        let PreparedStore { parts, manifest, artefacts, seams, cost, notes } = prepared;
        files.iter().try_for_each(|file| check_unchanged(&file.source))?;
        if !attempt.is_wanted() {
            return Err(Error::new(Code::Timeout, "the store was given up before it was written"));
        }
        let parts = parts.into_iter().map(|(kind, prepared)| {
            prepared.publish().map(|sealed| PartRecord { kind, written: self.written(sealed) })
        });
        let parts = parts.collect::<Result<_>>()?;
        let artefacts = artefacts.into_iter().map(|(format, prepared)| {
            prepared.publish().map(|artefact| self.artefact(format, artefact))
        });
        let artefacts = artefacts.collect::<Result<_>>()?;
        let manifest = manifest.map(Prepared::publish).transpose()?;
        let record = StoreRecord {
            manifest: manifest.map(|sealed| self.written(sealed)),
            local: self.placement.local,
            reference_count: cost.references,
            inlined_bytes: cost.inlined_bytes,
            v3_only: self.form.v3_only,
            parts,
            artefacts,
            times: None,
        };
        Ok(WrittenStore { record, seams, notes, verification })
    }

    /// Writes all files of the store under names that nobody meets.
    fn prepare(&self, combined: &Combined, records: &[FileRecord]) -> Result<PreparedStore> {
        let manifest = &self.placement.manifest;
        let (files, sources) = (self.locations(combined)?, paths(combined));
        let entries: Vec<_> =
            files.iter().zip(records).map(|(url, record)| source_entry(url, record)).collect();
        let mut parts = Vec::new();
        let held = in_content(seams::hold(written_datasets(combined), &sources))?;
        let (seams, seam_file) = if let Some(held) = held {
            (held, None)
        } else {
            let name = |digest: &str| seams::path(manifest, digest);
            let write =
                |out: &mut dyn io::Write| seams::write(written_datasets(combined), &sources, out);
            let (of_seams, seams) = seal::prepare_named(manifest, name, write)?;
            let location = self.seam_location(&of_seams.sealed().path)?;
            parts.push((PartKind::Seams, of_seams));
            (seams, Some(location))
        };
        let locations = Locations { files: &files, seams: &seams, seam_file: seam_file.as_deref() };
        for (number, segment) in segments(&combined.datasets).enumerate() {
            let path = manifest.with_extension(format!("seg{number:02}.json"));
            let entries: Vec<_> =
                segment.files().into_iter().filter_map(|file| entries.get(file).cloned()).collect();
            let write = |out: &mut dyn io::Write| {
                reference_json::write(&segment, locations, &entries, self.form.v3_only, out)
            };
            let (mut of_segment, ()) = seal::prepare(&path, write)?;
            // There may be thousands, and open files are few.
            of_segment.sync()?;
            parts.push((PartKind::Segment, of_segment));
        }
        let cost = cost(combined, &seams);
        let (formats, notes) = self.formats(combined, cost, &files);
        let Datasets::Whole(dataset) = &combined.datasets else {
            let artefacts = Vec::new();
            return Ok(PreparedStore { parts, manifest: None, artefacts, seams, cost, notes });
        };
        let write = |out: &mut dyn io::Write| {
            reference_json::write(dataset, locations, &entries, self.form.v3_only, out)
        };
        let (sealed, ()) = seal::prepare(manifest, write)?;
        let of_seams = parts.iter().find(|(kind, _)| *kind == PartKind::Seams);
        let modified: Vec<i64> = records.iter().map(|file| file.source.mtime_ns).collect();
        let sources = Sources {
            locations,
            seam_path: of_seams.map(|(_, prepared)| prepared.path()),
            modified: &modified,
        };
        let prepare = |format| {
            let target = artefact::path(manifest, format);
            artefact::prepare(format, &target, dataset, &sources, &self.form.icechunk)
                .map(|prepared| (format, prepared))
        };
        let artefacts = formats.into_iter().map(prepare).collect::<Result<_>>()?;
        Ok(PreparedStore { parts, manifest: Some(sealed), artefacts, seams, cost, notes })
    }

    /// The forms that the store gets beside its manifest, and a note for each that was asked for and cannot hold
    /// it.
    fn formats(
        &self,
        combined: &Combined,
        cost: Cost,
        files: &[String],
    ) -> (Vec<Format>, Vec<Error>) {
        let wanted = Format::BESIDE.into_iter();
        let wanted = wanted.filter(|format| self.form.formats.has(*format, cost.references));
        let (mut formats, mut notes) = (Vec::new(), Vec::new());
        for format in wanted {
            match (format, &combined.datasets) {
                (Format::Parquet, Datasets::Whole(dataset)) if !dataset.is_regular() => {
                    notes.push(left_out(
                        format,
                        "its form is Zarr V2, which knows only chunks of one length, and those of the files \
                         are cut where one file ends",
                        "use Icechunk, which knows others, or repack the files so that each ends with a chunk",
                    ));
                }
                (_, Datasets::Segments(_)) => notes.push(left_out(
                    format,
                    "no array can hold all files, and there is no other form of a store in segments",
                    "open the segments, which refer to some of the files each",
                )),
                _ => match artefact::check(format, files) {
                    Ok(()) => formats.push(format),
                    Err(error) => notes.push(left_out(
                        format,
                        error.message(),
                        error.hint().unwrap_or("leave out the format for these"),
                    )),
                },
            }
        }
        (formats, notes)
    }

    /// Compares what is not published yet with the files.
    fn verify(
        &self,
        PreparedStore { parts, manifest, artefacts, .. }: &PreparedStore,
        files: &[FileRecord],
        verifier: &Verifier,
    ) -> Result<Verification> {
        fn written(prepared: &Prepared) -> verify::Written<'_> {
            let Sealed { path: target, digest, .. } = prepared.sealed();
            verify::Written { path: prepared.path(), target, url: None, digest }
        }
        let of_kind =
            |kind| parts.iter().filter(move |part| part.0 == kind).map(|part| written(&part.1));
        let published = verify::Published {
            instance_id: &self.dataset.instance_id(),
            manifest: manifest.as_ref().map(written),
            segments: of_kind(PartKind::Segment).collect(),
            seams: of_kind(PartKind::Seams).next(),
            artefacts: artefacts
                .iter()
                .map(|(format, prepared)| {
                    let (target, digest) = prepared.sealed();
                    let path = prepared.path();
                    (*format, verify::Written { path, target, url: None, digest })
                })
                .collect(),
            files: files.iter().map(|file| (&file.source, file.steps.clone())).collect(),
        };
        let verification = verifier.verify(&published);
        match verification.first() {
            Some(first) if verification.outcome() == Outcome::Different => Err(first.clone()),
            _ => Ok(verification),
        }
    }

    /// Finds out whether the store of `combined` can be written, and writes nothing. Returns the chunks
    /// that would be encoded anew, and what would not be done as it was asked for.
    pub fn rehearse(&self, combined: &Combined, attempt: &Attempt) -> Result<(Seams, Vec<Error>)> {
        let _turn = attempt.turn();
        let (files, sources) = (self.locations(combined)?, paths(combined));
        let held = in_content(seams::hold(written_datasets(combined), &sources))?;
        let seams = if let Some(held) = held {
            held
        } else {
            in_content(seams::write(written_datasets(combined), &sources, &mut io::sink()))?
        };
        let locations = Locations { files: &files, seams: &seams, seam_file: Some("") };
        let mut datasets = combined.datasets.as_slice().iter();
        datasets.try_for_each(|dataset| {
            let v3_only = self.form.v3_only;
            in_content(reference_json::write(dataset, locations, &[], v3_only, &mut io::sink()))
        })?;
        let (_, notes) = self.formats(combined, cost(combined, &seams), &files);
        Ok((seams, notes))
    }

    fn locations(&self, combined: &Combined) -> Result<Vec<String>> {
        let paths = paths(combined).into_iter();
        paths.map(|path| self.sites.location(path, self.dataset)).collect()
    }

    /// Readers cannot follow URLs and local paths in one manifest.
    fn seam_location(&self, path: &Path) -> Result<String> {
        if self.sites.is_local(path, self.dataset) == self.placement.local {
            return self.sites.location(path, self.dataset);
        }
        Err(Error::new(
            Code::OutsideDataRoots,
            "the NetCDF files have URLs, but the chunks encoded anew, which lie beside the store, \
             would have none",
        )
        .in_file(path)
        .with_hint("add a data root that covers the directory of the stores"))
    }

    fn written(&self, sealed: Sealed) -> WrittenFile {
        let Sealed { path, digest, size, .. } = sealed;
        WrittenFile { url: self.sites.url(&path, self.dataset), path, digest, size }
    }

    fn artefact(&self, format: Format, artefact: Artefact) -> ArtefactRecord {
        let Artefact { path, digest, size, reference_count, snapshot, .. } = artefact;
        let url = self.sites.url(&path, self.dataset);
        ArtefactRecord { format, path, url, digest, size, reference_count, snapshot, times: None }
    }
}

fn left_out(format: Format, why: &str, hint: &str) -> Error {
    Error::new(Code::FormatLeftOut, format!("there is no {format} beside the store: {why}"))
        .with_hint(hint)
}

fn cost(combined: &Combined, seams: &Seams) -> Cost {
    let mut cost = Cost::default();
    combined.datasets.arrays().for_each(|array| cost += seams.cost_of(array));
    cost
}

/// Whether `file` is still as it was read: all that was read since must be of the same file.
fn check_unchanged(file: &SourceFile) -> Result<()> {
    if SourceFile::of(&file.path)? == *file { Ok(()) } else { Err(unstable(&file.path)) }
}

fn source_entry<'a>(url: &'a str, record: &'a FileRecord) -> SourceEntry<'a> {
    let FileRecord { source, checksum, steps, tracking_id } = record;
    SourceEntry {
        url,
        size: source.size,
        steps: steps.as_ref().map(|steps| steps.end - steps.start),
        tracking_id: tracking_id.as_deref(),
        checksum: checksum.as_ref().map(Multihash::as_str),
    }
}

/// The datasets that get a manifest of their own beside that of the whole: where that is not regular,
/// as readers of Zarr V2 need it, or where there is none.
fn segments(datasets: &Datasets) -> Box<dyn Iterator<Item = Cow<'_, VirtualDataset>> + '_> {
    match datasets {
        Datasets::Segments(segments) => Box::new(segments.iter().map(Cow::Borrowed)),
        Datasets::Whole(dataset) if dataset.is_regular() => Box::new(iter::empty()),
        Datasets::Whole(dataset) => {
            let files = dataset.regular_files().into_iter();
            Box::new(files.map(|files| Cow::Owned(dataset.of_files(files))))
        }
    }
}

/// All datasets that get a manifest.
fn written_datasets(combined: &Combined) -> impl Iterator<Item = Cow<'_, VirtualDataset>> {
    let whole = match &combined.datasets {
        Datasets::Whole(dataset) => Some(Cow::Borrowed(dataset)),
        Datasets::Segments(_) => None,
    };
    whole.into_iter().chain(segments(&combined.datasets))
}

/// Removes those files of `store` that this program wrote, as it wrote them, and that `kept` does not
/// name. Tells whether the manifest was among them.
pub fn remove(store: &StoreRecord, kept: Option<&StoreRecord>) -> bool {
    let is_kept = |path: &Path| kept.iter().flat_map(|kept| kept.paths()).any(|kept| kept == path);
    let remove = |written: &WrittenFile| {
        !is_kept(&written.path) && is_ours(written) && fs::remove_file(&written.path).is_ok()
    };
    // The manifest first, for certain: what it refers to must be there as long as it is.
    let removed = store.files().next().is_some_and(remove);
    if store.files().next().is_some_and(|first| !is_kept(&first.path)) {
        make_certain(store);
    }
    // A run that was killed may have taken a form out of sight and not removed it.
    if let Some(directory) = store.directory().filter(|_| !store.artefacts.is_empty()) {
        seal::clean(directory);
    }
    // These refer to parts as it does.
    for ArtefactRecord { format, path, digest, .. } in &store.artefacts {
        let is_there = !is_kept(path) && path.symlink_metadata().is_ok();
        let remove =
            || artefact::is_intact(*format, path, digest) && artefact::remove(*format, path);
        if is_there && !remove() {
            ::log::warn!(
                "`{}` stays: it is not as it was written, or cannot be removed, or this program was built \
                 without the feature `{format}`; remove it by hand",
                path.display().to_string().escape_debug()
            );
        }
    }
    if store.files().skip(1).filter(|written| remove(written)).count() > 0 {
        make_certain(store);
    }
    removed
}

/// What was removed, also by a run that was killed since, must not come back when power is lost: nobody
/// would know it any more.
fn make_certain(store: &StoreRecord) {
    let Some(directory) = store.directory().filter(|directory| directory.is_dir()) else { return };
    if let Err(error) = directory::sync(directory) {
        log::warn!(
            "`{}`: removed files may come back if power is lost: {error}",
            directory.display().to_string().escape_debug()
        );
    }
}

/// Whether the file is there as this program wrote it.
pub fn is_ours(WrittenFile { path, digest, .. }: &WrittenFile) -> bool {
    seal::digest_of(path).is_ok_and(|found| found == *digest)
}

/// The source files.
pub fn paths(combined: &Combined) -> Vec<&Path> {
    combined.sources.iter().map(|source| source.path.as_path()).collect()
}

/// What can fail when nothing is written.
fn in_content<T>(written: Written<T>) -> Result<T> {
    written.map_err(|failure| match failure {
        Failure::Content(error) => error,
        Failure::System(error) => Error::new(Code::Internal, error.to_string()),
    })
}

/// Creates `directory`, which must be in `output_dir` also when links are followed: where others may write
/// there, one could lead anywhere.
pub fn create_within(output_dir: &Path, directory: &Path) -> Result<()> {
    let failed = |error: io::Error| {
        let failed = Error::io(&error, "create the directory", directory);
        match seal::way_out(&error) {
            Some(hint) => failed.with_hint(hint),
            None => failed,
        }
    };
    directory::create_all(output_dir).map_err(failed)?;
    let real = |path: &Path| fs::canonicalize(path).map_err(failed);
    let nearest = directory.ancestors().find(|path| path.symlink_metadata().is_ok());
    if real(nearest.unwrap_or(directory))?.starts_with(real(output_dir)?) {
        return directory::create_all(directory).map_err(failed);
    }
    Err(Error::new(Code::Io, "a symbolic link leads out of the directory of stores")
        .in_file(directory)
        .with_hint("remove the link, or see who may write there"))
}
