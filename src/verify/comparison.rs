//! A store against its files, file by file in the order of time.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::discover::SourceFile;
use crate::model::array::Values;
use crate::model::attribute::AttributeValue;
use crate::model::dtype::DataType;
use crate::model::dyadic::Dyadic;
use crate::model::error::{Code, Error, Result};
use crate::model::format::Format;
use crate::model::time_units::Rebase;

use super::cells::{self, Cells};
use super::documents;
use super::http::Client;
use super::lost;
use super::ranges::{self, Files};
use super::readback::StoredArray;
use super::sampling;
use super::store::{REBUILD, Store, Stored, unserved};
use super::times::{self, Axis};
use super::witness::{Description, NetcdfFile, Variable};
use super::{Mode, Published, Scope, Verification, Written, different, not_verified, store};

/// Differing chunks of one variable after which the rest of it is left alone.
const ENOUGH: u64 = 3;

/// What to do where libnetcdf cannot read what the store has. A store may leave out the checksums by
/// which libnetcdf finds damage.
const UNREADABLE: &str = "a filter may need its plugin: set HDF5_PLUGIN_PATH to where it is; or the \
                          file is damaged and only its checksums, which `--codecs portable` leaves \
                          out, tell: `scan --force` finds out";

/// Attributes that all files must share, because the store has those of the first only and decoding
/// depends on them. Units of times are compared as dates.
const DECODING: [&str; 6] =
    ["_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "units"];

/// Compares a store with its files.
#[must_use]
pub fn verify(published: &Published, scope: &Scope) -> Verification {
    let mut found = Verification::default();
    if published.files.is_empty() {
        let message = "the ledger has no files to compare it with";
        let finding = not_verified(message);
        found.findings.push(match published.written().next() {
            Some(written) => finding.in_file(written.target),
            None => finding,
        });
    }
    found.findings.extend(published.files.iter().filter_map(|(source, _)| changed(source)));
    if let Some(seams) = &published.seams {
        let client = scope.http.then(Client::new);
        if let Err(error) = store::read_written(seams, client.as_ref(), &mut found.findings) {
            found.findings.push(error);
        }
    }
    let mut leaves_out = false;
    if let Some(manifest) = &published.manifest {
        let whole = Part { manifest, is_last: true, start: 0 };
        leaves_out = compare(published, scope, whole, &mut found).is_some_and(|it| it.leaves_out);
    }
    // Each segment goes on with the file behind those of the segment before.
    let mut start = 0;
    for (number, manifest) in published.segments.iter().enumerate() {
        let known = found.findings.len();
        let is_last = number + 1 == published.segments.len();
        let segment = Part { manifest, is_last, start };
        let compared = compare(published, scope, segment, &mut found);
        leaves_out |= compared.as_ref().is_some_and(|compared| compared.leaves_out);
        start = compared.map_or(published.files.len(), |compared| start + compared.files);
        for finding in &mut found.findings[known..] {
            let name = manifest.target.file_name().unwrap_or_default().to_string_lossy();
            *finding = finding.clone().with_message(format!("in `{name}`: {}", finding.message()));
        }
    }
    if leaves_out {
        found.findings.extend(lost::find(published));
    }
    found
}

/// What happened to a file since it was indexed.
fn changed(source: &SourceFile) -> Option<Error> {
    let message = match SourceFile::of(&source.path) {
        Ok(found) if (found.size, found.mtime_ns) == (source.size, source.mtime_ns) => return None,
        Ok(found) => format!(
            "the file changed after it was scanned: {} bytes, modified at {} ns since 1970; the \
             ledger has {} bytes and {} ns",
            found.size, found.mtime_ns, source.size, source.mtime_ns
        ),
        Err(error) => format!("the store refers to a file that is not there: {}", error.message()),
    };
    Some(different(message).in_file(&source.path).with_hint("scan again, then verify"))
}

/// A manifest of a store, and the files that it is to be compared with.
#[derive(Clone, Copy)]
struct Part<'a> {
    manifest: &'a Written<'a>,
    /// Whether it holds all files from the first on; else as many as it has rows.
    is_last: bool,
    /// The first of its files.
    start: usize,
}

/// What was compared with a part of the store.
struct Compared {
    /// How many files.
    files: usize,
    /// Whether a file has steps that the store leaves out.
    leaves_out: bool,
}

/// Compares a part of the store with its files; returns nothing where it had to stop.
fn compare(
    published: &Published,
    scope: &Scope,
    part: Part,
    found: &mut Verification,
) -> Option<Compared> {
    let store = match Store::open((part.manifest, published), scope, &mut found.findings) {
        Ok(store) => store,
        Err(error) => {
            found.findings.push(error);
            return None;
        }
    };
    for (name, stored) in &store.arrays {
        if let Err(message) = &stored.opened {
            let message = format!("zarrs cannot open it: {message}");
            found.findings.push(not_verified(message).of_variable(name));
        }
    }
    let mut comparison = Comparison {
        published,
        scope,
        part,
        store: &store,
        found,
        differing: HashMap::new(),
        inlined: HashMap::new(),
        first: None,
        held: Vec::new(),
        leaves_out: false,
        from_first: Vec::new(),
    };
    if let Err(error) = comparison.files() {
        comparison.found.findings.push(error);
        return None;
    }
    comparison.totals();
    let compared = Compared { files: comparison.held.len(), leaves_out: comparison.leaves_out };
    let is_whole =
        published.manifest.as_ref().is_some_and(|whole| whole.target == part.manifest.target);
    for (format, written) in published.artefacts.iter().filter(|_| is_whole) {
        found.findings.extend(compare_artefact(*format, written, &store, scope));
    }
    Some(compared)
}

/// What another form of the store says that the manifest does not.
#[cfg_attr(
    not(all(feature = "parquet", feature = "icechunk")),
    allow(unused_variables, reason = "what every form needs together")
)]
fn compare_artefact(format: Format, written: &Written, store: &Store, scope: &Scope) -> Vec<Error> {
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let client = scope.http.then(Client::new);
            super::parquet::compare(written, store, client.as_ref())
        }
        #[cfg(feature = "icechunk")]
        Format::Icechunk => super::icechunk::compare(written, store),
        _ => {
            let message = format!(
                "this vzarr-publish was built without the feature `{format}`, and cannot read it"
            );
            vec![not_verified(message).in_file(written.target)]
        }
    }
}

/// What the first file holds.
struct First {
    description: Description,
    /// What the files are joined along; a single one is not.
    axis: Option<Axis>,
}

struct Comparison<'a> {
    published: &'a Published<'a>,
    scope: &'a Scope,
    part: Part<'a>,
    store: &'a Store,
    found: &'a mut Verification,
    /// How many chunks of a variable differ.
    differing: HashMap<String, u64>,
    /// Arrays that are in the manifest, once they were decoded.
    inlined: HashMap<String, std::result::Result<Values, String>>,
    /// What the first file of the dataset holds; none until it was read.
    first: Option<Rc<First>>,
    /// The steps that the store holds of each of its files so far.
    held: Vec<Range<u64>>,
    /// Whether one of these has more.
    leaves_out: bool,
    /// Variables that the store says to be those of the first file only.
    from_first: Vec<String>,
}

/// A variable of a file, and where the store has it.
struct Place<'a> {
    file: &'a NetcdfFile,
    path: &'a Path,
    variable: &'a Variable,
    dtype: DataType,
    array: &'a StoredArray,
    stored: &'a Stored,
    /// The rows of the array that the file holds; none where it holds all of it.
    rows: Option<Range<u64>>,
    /// The first of these rows in the file.
    from: u64,
    /// The step from the file's times to those of the first, where the variable holds times.
    step: Rebase,
}

impl Comparison<'_> {
    /// Compares file after file, all or as many as the store has rows.
    fn files(&mut self) -> Result<()> {
        let Some(&(leading, _)) = self.published.files.get(self.first_file()) else {
            return Ok(());
        };
        let description = open(&leading.path)?.describe();
        self.from_first = documents::from_first_file(self.store);
        let wrong = documents::wrong_attributes(self.store, &description);
        self.found.findings.extend(wrong.into_iter().map(|finding| finding.in_file(&leading.path)));
        let is_joined = self.published.files.len() > 1;
        let axis = Axis::of(&description).filter(|_| is_joined);
        self.first = Some(Rc::new(First { description, axis }));
        let published = self.published;
        for (file, steps) in &published.files[self.part.start..] {
            if !self.part.is_last && self.is_complete() {
                break;
            }
            self.file(file, steps.clone()).map_err(|error| error.in_file(&file.path))?;
        }
        Ok(())
    }

    /// The file whose attributes and units of time the store has: the first of the dataset, or where
    /// that has no manifest of its own, of the segment.
    fn first_file(&self) -> usize {
        if self.published.manifest.is_some() { 0 } else { self.part.start }
    }

    /// Whether the files so far have all rows of the store.
    fn is_complete(&self) -> bool {
        let axis = self.first.as_ref().and_then(|first| first.axis.as_ref());
        let time = axis.and_then(|axis| self.store.arrays.get(&axis.dimension));
        let Some(Ok(time)) = time.map(|stored| &stored.opened) else { return false };
        let rows = time.shape().first().copied().unwrap_or(0);
        !self.held.is_empty() && self.length() >= rows
    }

    /// Rows of the files so far.
    fn length(&self) -> u64 {
        self.held.iter().map(|steps| steps.end - steps.start).sum()
    }

    /// Compares a file; an error is a reason to stop, because nothing behind it has a place.
    fn file(&mut self, source: &SourceFile, steps: Option<Range<u64>>) -> Result<()> {
        let Some(first) = self.first.clone() else { return Ok(()) };
        let file = open(&source.path)?;
        let description = file.describe();
        for message in &description.unreadable {
            self.push(not_verified(message.clone()).in_file(&source.path));
        }
        for group in &description.groups {
            let message = format!("the file has the group `{group}`, the store has none");
            self.push(different(message).in_file(&source.path));
        }
        self.check_names(&description, &source.path);
        let step = self.check_like_first(&first, &description, &source.path)?;
        let start = self.length();
        let axis = first.axis.as_ref();
        let time = axis.and_then(|axis| description.variable(&axis.dimension));
        let all = 0..time.and_then(|time| time.shape.first().copied()).unwrap_or(0);
        let steps = steps.filter(|_| axis.is_some()).unwrap_or(all.clone());
        if steps.start > steps.end || steps.end > all.end {
            let message = format!("the ledger has steps {steps:?} of it, it has {all:?}");
            return Err(different(message).with_hint(REBUILD));
        }
        self.leaves_out |= steps != all;
        self.held.push(steps.clone());
        let rows = start..start + (steps.end - steps.start);
        for variable in &description.variables {
            let Some(stored) = self.store.arrays.get(&variable.name) else { continue };
            let (Ok(array), Some(dtype)) = (&stored.opened, variable.dtype) else { continue };
            let is_joined = axis.is_some_and(|axis| variable.dimensions.contains(&axis.dimension));
            let is_of_first = !is_joined && self.from_first.contains(&variable.name);
            if is_of_first && self.part.start + self.held.len() > self.first_file() + 1 {
                continue;
            }
            let place = Place {
                file: &file,
                path: &source.path,
                variable,
                dtype,
                array,
                stored,
                rows: is_joined.then(|| rows.clone()),
                from: if is_joined { steps.start } else { 0 },
                step: if axis.is_some_and(|axis| axis.holds_times(&variable.name)) {
                    step
                } else {
                    Rebase::IDENTITY
                },
            };
            self.values(&place);
        }
        Ok(())
    }

    /// The times of the store, if they are in the manifest.
    fn times(&mut self, name: &str) -> Option<Vec<Dyadic>> {
        let array = self.store.arrays.get(name)?.opened.as_ref().ok()?;
        let dtype = array.dtype?;
        let values = array.is_inlined.then(|| self.whole(name, array))?;
        times::numbers(values.as_ref().ok()?, dtype)
    }

    /// All values of an array that is in the manifest.
    fn whole(&mut self, name: &str, array: &StoredArray) -> &std::result::Result<Values, String> {
        self.inlined.entry(name.to_owned()).or_insert_with(|| array.read_all())
    }

    fn push(&mut self, finding: Error) {
        self.found.findings.push(finding);
    }

    /// Whether enough of a variable was found to differ.
    fn has_enough(&self, name: &str) -> bool {
        self.differing.get(name).is_some_and(|count| *count >= ENOUGH)
    }

    /// The file has exactly the variables of the store.
    fn check_names(&mut self, description: &Description, path: &Path) {
        for variable in &description.variables {
            if !self.store.arrays.contains_key(&variable.name) {
                let message = "the file has the variable, the store has not";
                let finding = different(message).in_file(path).of_variable(&variable.name);
                self.push(finding.with_hint(REBUILD));
            }
        }
        for name in self.store.arrays.keys() {
            if description.variable(name).is_none() {
                let message = "the store has the variable, the file has not";
                self.push(different(message).in_file(path).of_variable(name).with_hint(REBUILD));
            }
        }
    }

    /// Compares what decoding the file needs with the first, whose attributes the store has. Returns
    /// the step from its times to those of the first.
    fn check_like_first(
        &mut self,
        first: &First,
        description: &Description,
        path: &Path,
    ) -> Result<Rebase> {
        let Some(axis) = &first.axis else {
            return match self.published.files[..] {
                [_] => Ok(Rebase::IDENTITY),
                _ => Err(different("the store has several files without a time dimension")),
            };
        };
        for variable in &description.variables {
            let Some(like) = first.description.variable(&variable.name) else { continue };
            let differ = |what: &str| {
                let message = format!("{what} of the variable differ from those in the first file");
                different(message).in_file(path).of_variable(&variable.name)
            };
            if variable.dimensions != like.dimensions || variable.dtype != like.dtype {
                self.push(differ("dimensions or type"));
            }
            for name in DECODING {
                let [ours, theirs] = [variable, like].map(|it| it.attributes.get(name));
                let same = match (ours, theirs) {
                    (Some(ours), Some(theirs)) => ours.same(theirs),
                    (ours, theirs) => ours.is_none() && theirs.is_none(),
                };
                let is_moved = name == "units" && axis.holds_times(&variable.name);
                if !same && !is_moved {
                    self.push(differ(&format!("attributes `{name}`")));
                }
            }
        }
        let own = Axis::of(description).filter(|own| own.dimension == axis.dimension);
        let own = own.ok_or_else(|| {
            different(format!("the file has no times along `{}`", axis.dimension))
        })?;
        axis.step_from(&own).map_err(|message| different(message).of_variable(&axis.dimension))
    }

    /// Shape, type and fill value, then the values.
    fn values(&mut self, place: &Place) {
        let Place { variable, array, .. } = place;
        let leading = usize::from(place.rows.is_some());
        let differs = |what: &str, ours: String, theirs: String| {
            let message = format!("{what} is {ours} in the store, {theirs} in the file");
            Some(
                different(message)
                    .in_file(place.path)
                    .of_variable(&variable.name)
                    .with_hint(REBUILD),
            )
        };
        let is_first = self.held.len() == 1;
        let wrong = if array.shape().len() != variable.shape.len()
            || array.shape().get(leading..) != variable.shape.get(leading..)
        {
            let [ours, theirs] = [array.shape(), &variable.shape].map(|it| format!("{it:?}"));
            differs("the shape", ours, theirs)
        } else if array.dtype != Some(place.dtype) {
            let ours = array.dtype.map_or_else(|| "unknown".to_owned(), |dtype| dtype.to_string());
            differs("the type", ours, place.dtype.to_string())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.push(wrong);
            return;
        }
        if is_first {
            let names: Vec<&str> = variable.dimensions.iter().map(String::as_str).collect();
            if array.dimensions().as_ref() != Some(&names) {
                let ours = format!("{:?}", array.dimensions());
                let wrong = differs("the list of dimensions", ours, format!("{names:?}"));
                self.found.findings.extend(wrong);
            }
            let wrong = wrong_fill(place);
            self.found.findings.extend(wrong);
        }
        if variable.shape.contains(&0) {
            return;
        }
        if self.has_enough(&variable.name) {
            return;
        }
        if array.is_inlined { self.inlined(place) } else { self.chunks(place) }
    }

    /// All that the file holds of an array that is in the manifest.
    fn inlined(&mut self, place: &Place) {
        let shape = place.array.shape();
        let rows = |values: &Values| match &place.rows {
            Some(rows) => cells::rows(values, shape, rows)
                .ok_or_else(|| "the array ends before the files do".to_owned()),
            None => Ok(values.clone()),
        };
        let ours = match self.whole(&place.variable.name, place.array) {
            Ok(values) => rows(values),
            Err(message) => Err(message.clone()),
        };
        let key = place.array.key(&vec![0; shape.len()]);
        let cells = cells::within_rows(cells::all(shape), place.rows.as_ref());
        self.compare(place, &key, &cells, &ours);
    }

    /// Chunks of the file, those of the sample or all.
    fn chunks(&mut self, place: &Place) {
        let Place { array, stored, .. } = *place;
        let held = cells::within_rows(cells::all(array.shape()), place.rows.as_ref());
        let Some(range) = array.chunks_of(&held) else {
            let message = "zarrs cannot tell which chunks hold its cells";
            self.push(not_verified(message).of_variable(&place.variable.name));
            return;
        };
        let chunks: Box<dyn Iterator<Item = Vec<u64>> + Send> = match self.scope.mode {
            Mode::All => Box::new(sampling::every(&range)),
            Mode::Sample => Box::new(stored.sample.within(&range, array.grid()).into_iter()),
        };
        let rows = place.rows.as_ref();
        // One thread reads the store ahead, this one the file and compares.
        let (sender, receiver) = sync_channel(2);
        thread::scope(|threads| {
            threads.spawn(move || {
                for chunk in chunks {
                    let cells = cells::within_rows(array.cells(&chunk), rows);
                    let read = array.read(&cells);
                    if sender.send((chunk, cells, read)).is_err() {
                        break;
                    }
                }
            });
            for (chunk, cells, ours) in receiver {
                self.compare(place, &array.key(&chunk), &cells, &ours);
                if self.has_enough(&place.variable.name) {
                    break;
                }
            }
        });
    }

    /// Compares `ours`, which the store has in `cells`, with what the file has there.
    fn compare(
        &mut self,
        place: &Place,
        key: &str,
        cells: &Cells,
        ours: &std::result::Result<Values, String>,
    ) {
        let name = &place.variable.name;
        let start = place.rows.as_ref().map_or(0, |rows| rows.start);
        let theirs = place.file.read(name, &cells::in_part(cells.clone(), start, place.from));
        let origin = self.store.origin(key, Some(place.path));
        let at_chunk = |message: String| format!("chunk `{key}` ({origin}): {message}");
        let finding = match (ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                self.found.chunks += 1;
                self.found.bytes += ours.bytes();
                let Some(message) = first_difference(place, cells, ours, theirs) else {
                    return;
                };
                different(at_chunk(message)).with_hint(REBUILD)
            }
            (Err(message), Ok(_)) if self.scope.http => unserved(at_chunk(message.clone())),
            (Err(message), Ok(_)) => {
                let message = format!("the store cannot be read: {message}");
                different(at_chunk(message)).with_hint(REBUILD)
            }
            (Ok(_), Err(message)) => {
                let message = format!("libnetcdf cannot read {}: {message}", cells::shown(cells));
                not_verified(at_chunk(message)).with_hint(UNREADABLE)
            }
            (Err(ours), Err(theirs)) => {
                let message =
                    format!("neither the store can be read: {ours}; nor the file: {theirs}");
                different(at_chunk(message))
                    .with_hint("the file is damaged, or the disk is: transfer it again")
            }
        };
        // What cannot be read once will not be the next time.
        let weight = if finding.code() == Code::NotVerified { ENOUGH } else { 1 };
        *self.differing.entry(name.clone()).or_default() += weight;
        self.push(finding.in_file(place.path).of_variable(name));
    }

    /// What shows only when all files were read.
    fn totals(&mut self) {
        self.check_lengths();
        let mut end = 0;
        let rows = self.held.iter().map(|steps| {
            let start = end;
            end += steps.end - steps.start;
            start..end
        });
        let rows: Vec<Range<u64>> = rows.collect();
        let first = self.first.clone();
        let axis = first.as_ref().and_then(|first| first.axis.as_ref());
        let files = Files {
            all: &self.published.files,
            start: self.part.start,
            rows: &rows,
            joined_along: axis.map(|axis| axis.dimension.as_str()),
        };
        self.found.findings.extend(ranges::wrong(self.store, &files));
    }

    /// The files together are as long as the store, and its times increase.
    fn check_lengths(&mut self) {
        let Some(first) = self.first.clone() else { return };
        let First { description, axis: Some(axis) } = &*first else { return };
        let total = self.length();
        let joined = description.variables.iter();
        let joined = joined.filter(|variable| variable.dimensions.contains(&axis.dimension));
        let mut wrong = Vec::new();
        for variable in joined {
            let array = self.store.arrays.get(&variable.name);
            let Some(Ok(array)) = array.map(|stored| &stored.opened) else { continue };
            let length = array.shape().first().copied().unwrap_or(0);
            if length != total {
                let message = format!("{length} rows in the store, {total} in all files");
                wrong.push(different(message).of_variable(&variable.name).with_hint(REBUILD));
            }
        }
        let times = self.times(&axis.dimension);
        if times.is_some_and(|times| !times.is_sorted_by(|a, b| a < b)) {
            let message = "the times of the store do not increase from file to file";
            wrong.push(different(message).of_variable(&axis.dimension).with_hint(REBUILD));
        }
        self.found.findings.append(&mut wrong);
    }
}

fn open(path: &Path) -> Result<NetcdfFile> {
    NetcdfFile::open(path).map_err(|message| {
        not_verified(format!("libnetcdf cannot open it: {message}")).in_file(path).with_hint(
            "the files behind it were not compared either; where the file system has no locks, or \
                 others write, set HDF5_USE_FILE_LOCKING=FALSE",
        )
    })
}

/// The first of some cells that is not the same, bit for bit, in words; times are moved by whole
/// units, but where there is none.
fn first_difference(
    place: &Place,
    cells: &Cells,
    ours: &Values,
    theirs: &Values,
) -> Option<String> {
    let Place { variable, dtype, step, .. } = *place;
    if step == Rebase::IDENTITY && ours == theirs {
        return None;
    }
    let missing = times::missing(&variable.attributes, dtype);
    let number = cells::first_difference(ours, theirs, dtype, |ours, theirs| {
        times::is_moved(ours, theirs, (dtype, &missing), step)
    })?;
    let at = cells::place(cells, number as u64);
    let [ours, theirs] = [ours, theirs].map(|values| cells::cell(values, dtype, number));
    let moved = if step == Rebase::IDENTITY { "" } else { ", which counts time in other units" };
    Some(format!("element {at:?} is {ours} in the store, {theirs} in the file{moved}"))
}

/// Whether `value` is of the kind that `dtype` is.
fn is_of(dtype: DataType, value: &AttributeValue) -> bool {
    matches!(
        (dtype, value),
        (DataType::Int(..), AttributeValue::Int(_))
            | (DataType::UInt(..), AttributeValue::UInt(_))
            | (DataType::Float(4, _), AttributeValue::Float(_))
            | (DataType::Float(8, _), AttributeValue::Double(_))
            | (DataType::Text(_), AttributeValue::Text(_))
            | (DataType::String, AttributeValue::Text(_) | AttributeValue::Strings(_))
    )
}

/// A fill value that is not the file's. Where the file defines none and no chunk is missing, the
/// store has 0 and nobody sees it. JSON has one NaN, and readers mask any.
fn wrong_fill(place: &Place) -> Option<Error> {
    let theirs = place.variable.fill.clone()?;
    // libnetcdf takes the bytes of a `_FillValue` of another type for one of the variable's.
    let marked = place.variable.attributes.get("_FillValue");
    if marked.is_some_and(|value| !is_of(place.dtype, value)) {
        return None;
    }
    let ours = place.array.fill();
    let is_unused = place.stored.missing == 0 && ours.iter().all(|byte| *byte == 0);
    let are_nan = cells::is_nan(ours, place.dtype) && cells::is_nan(&theirs, place.dtype);
    if ours == theirs || are_nan || is_unused {
        return None;
    }
    let shown = |bytes: &[u8]| cells::cell(&Values::Bytes(bytes.to_vec()), place.dtype, 0);
    let message =
        format!("the fill value is {} in the store, {} in the file", shown(ours), shown(&theirs));
    let finding = different(message).in_file(place.path).of_variable(&place.variable.name);
    Some(finding.with_hint(REBUILD))
}
