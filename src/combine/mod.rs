//! Many file indexes become one virtual dataset, or an honest refusal.
//!
//! The truth that the result must equal: the files put in the order of their decoded times, each
//! variable with the time dimension joined along it, each other variable taken once after it was
//! found equal in all files, attributes as in the first file. (xarray's `open_mfdataset` with
//! `combine="nested", data_vars="minimal", coords="minimal", compat="override",
//! combine_attrs="override"`.)

mod agree;
mod cut;
mod encoding;
mod gap;
mod grid;
mod join;
mod notes;
mod order;
mod overlap;
mod portable;
mod reencoding;
mod segments;
mod time;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use crate::model::array::{FileIndex, Variable};
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::byte_size::ByteSize;
use crate::model::error::{Code, Error, Result};
use crate::model::on_overlap::OnOverlap;
use crate::model::on_static_mismatch::OnStaticMismatch;
use crate::model::portability::Portability;
use crate::model::time_units::Rebase;
use crate::model::virtual_dataset::{FROM_FIRST_FILE, Joint, VirtualArray, VirtualDataset};

pub use order::Coverage;
use order::{Ordered, TimeAxis};
use segments::Form;

/// A file of a dataset and what it holds.
#[derive(Debug)]
pub struct SourceIndex {
    /// Path of the file.
    pub path: PathBuf,
    /// What it holds.
    pub index: FileIndex,
}

/// A dataset and the files it refers to.
#[derive(Debug)]
pub struct Combined {
    /// The dataset in one piece or several; runs name files by their place in `sources`.
    pub datasets: Datasets,
    /// The files in the order of time, without those that were left out.
    pub sources: Vec<Source>,
    /// The time that each file covers, as far as it can be told.
    pub coverages: Vec<Coverage>,
    /// What did not keep the files from being combined, but should be known.
    pub warnings: Vec<Error>,
    /// What the files could do better, though the datasets make up for it.
    pub notes: Vec<Error>,
}

/// The arrays of a dataset.
#[derive(Debug)]
pub enum Datasets {
    /// All files in one.
    Whole(VirtualDataset),
    /// Some files each, in the order of time: no array can hold all.
    Segments(Vec<VirtualDataset>),
}

impl Datasets {
    /// The one, or all of them.
    #[must_use]
    pub fn as_slice(&self) -> &[VirtualDataset] {
        match self {
            Self::Whole(dataset) => std::slice::from_ref(dataset),
            Self::Segments(datasets) => datasets,
        }
    }

    /// The arrays of all.
    pub fn arrays(&self) -> impl Iterator<Item = &VirtualArray> {
        self.as_slice().iter().flat_map(|dataset| &dataset.arrays)
    }
}

/// A file that a dataset refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path of the file.
    pub path: PathBuf,
    /// The time steps of the file that the dataset has, if it has time.
    pub steps: Option<Range<u64>>,
    /// Its attribute `tracking_id`.
    pub tracking_id: Option<String>,
}

/// Most variables that are named where another is missing.
const MOST_NAMES: usize = 20;

/// How far combining may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of the chunks that data stored uncompressed in one piece are cut into, where their
    /// lengths have such divisors.
    pub contiguous_chunk: ByteSize,
    /// Percentage of a dataset's stored bytes that may be encoded anew.
    pub max_reencode: u8,
    /// Which of two files keeps the time steps that both have.
    pub on_overlap: OnOverlap,
    /// What is done where a variable without time differs among the files.
    pub on_static_mismatch: OnStaticMismatch,
    /// Which codecs the store has.
    pub codecs: Portability,
}

/// Combines `sources`, the files of one dataset, around the variable called `data_variable`.
///
/// # Errors
/// The reason why no store can hold exactly what the files hold.
pub fn combine(
    mut sources: Vec<SourceIndex>,
    data_variable: &str,
    limits: Limits,
) -> Result<Combined> {
    for source in &sources {
        check_source(source, data_variable)?;
    }
    if limits.codecs == Portability::Portable {
        leave_out_checksums(&mut sources)?;
    }
    let Ordered { axis, coverages, mut warnings } =
        order::sort_by_time(&mut sources, data_variable, limits.on_overlap)?;
    let Parts { paths, of_dataset, lengths, attributes, variables, names } =
        Parts::of(sources, axis.as_ref());
    check_same_variables(&names, &variables, &paths)?;
    names.iter().try_for_each(|name| check_name(name))?;
    let context = Context {
        first_file: 0,
        paths: &paths,
        lengths: &lengths,
        axis: axis.as_ref(),
        data_variable,
        contiguous_chunk: limits.contiguous_chunk.bytes(),
    };
    let mut variables = by_variable(&names, variables);
    let mut from_first = Vec::new();
    for of_files in &variables {
        let name = of_files.first().map_or("", |first| first.name.as_str());
        let located = |error: Error| error.of_variable(name);
        let differs = join::check_agreement(of_files, &context, limits.on_static_mismatch);
        let differs = differs.map_err(located)?;
        from_first.extend((!differs.is_empty()).then_some(name.to_owned()));
        warnings.extend(differs.into_iter().map(located));
    }
    let inlined: Vec<bool> =
        variables.iter().map(|of_files| join::is_inlined(of_files, &context)).collect();
    let form = segments::form(&variables, &context, limits)?;
    let notes = notes::of(&variables, &context);
    let mut attributes = attributes.into_iter();
    let mut build = |files: Range<usize>| {
        let context = context.of_files(&files);
        let of_files = attributes.by_ref().take(files.len());
        let mut attributes = of_files.reduce(|first, _| first).unwrap_or_default();
        if !from_first.is_empty() {
            attributes.push(FROM_FIRST_FILE, AttributeValue::Text(from_first.join(" ")));
        }
        build(&mut variables, &inlined, attributes, &context)
    };
    let datasets = match form {
        Form::Whole => Datasets::Whole(build(0..paths.len())?),
        Form::Segments(segments, why) => {
            warnings.push(why);
            Datasets::Segments(segments.into_iter().map(build).collect::<Result<_>>()?)
        }
    };
    reencoding::check(&datasets, &paths, limits)?;
    Ok(Combined { datasets, sources: of_dataset, coverages, warnings, notes })
}

/// What the files of a dataset consist of, each list in the order of time.
#[derive(Default)]
struct Parts {
    paths: Vec<PathBuf>,
    of_dataset: Vec<Source>,
    /// Time steps.
    lengths: Vec<u64>,
    attributes: Vec<Attributes>,
    variables: Vec<HashMap<String, Variable>>,
    /// Names of the variables as the first file orders them.
    names: Vec<String>,
}

impl Parts {
    fn of(sources: Vec<SourceIndex>, axis: Option<&TimeAxis>) -> Self {
        let mut parts = Self::default();
        for (file, SourceIndex { path, index }) in sources.into_iter().enumerate() {
            let length = axis.map_or(0, |axis| axis.length_in(&index));
            let steps = axis.map(|axis| axis.starts[file]..axis.starts[file] + length);
            let tracking_id = index.attributes.text("tracking_id").map(str::to_owned);
            if file == 0 {
                let names = index.variables.iter().map(|variable| variable.name.clone());
                parts.names = names.collect();
            }
            parts.of_dataset.push(Source { path: path.clone(), steps, tracking_id });
            parts.lengths.push(length);
            parts.attributes.push(index.attributes);
            parts.variables.push(by_name(index.variables));
            parts.paths.push(path);
        }
        parts
    }
}

/// The files of each variable.
fn by_variable(names: &[String], files: Vec<HashMap<String, Variable>>) -> Vec<Vec<Variable>> {
    let mut files = files;
    let of_files = |name| files.iter_mut().filter_map(|file| file.remove(name)).collect();
    names.iter().map(of_files).collect()
}

/// Takes the files of `context` out of `variables`, of which they are the first, and joins them. What
/// is `inlined` for the sake of any file is so in all segments.
fn build(
    variables: &mut [Vec<Variable>],
    inlined: &[bool],
    attributes: Attributes,
    context: &Context,
) -> Result<VirtualDataset> {
    let arrays = variables.iter_mut().zip(inlined).map(|(of_files, &inlined)| {
        let of_files: Vec<Variable> = of_files.drain(..context.paths.len()).collect();
        let name = of_files.first().map(|first| first.name.clone()).unwrap_or_default();
        join::join(of_files, inlined, context).map_err(|error| error.of_variable(name))
    });
    let arrays = arrays.collect::<Result<_>>()?;
    let joint = context
        .axis
        .map(|axis| Joint { dimension: axis.dimension.clone(), lengths: context.lengths.to_vec() });
    Ok(VirtualDataset { attributes, arrays, joint })
}

/// What joining a variable needs to know of the dataset.
#[derive(Clone, Copy)]
struct Context<'a> {
    /// Place of the first of these files in the dataset.
    first_file: usize,
    paths: &'a [PathBuf],
    /// Time steps of each file.
    lengths: &'a [u64],
    axis: Option<&'a TimeAxis>,
    data_variable: &'a str,
    /// Most bytes of the chunks that data in one piece are cut into.
    contiguous_chunk: u64,
}

impl<'a> Context<'a> {
    /// The same for some of the files.
    fn of_files(&self, files: &Range<usize>) -> Context<'a> {
        Context {
            first_file: self.first_file + files.start,
            paths: &self.paths[files.clone()],
            lengths: &self.lengths[files.clone()],
            ..*self
        }
    }

    /// How times of `file` become times in the units of the first of these files.
    fn step(&self, axis: &TimeAxis, file: usize) -> Result<Rebase> {
        axis.step(self.first_file, self.first_file + file)
    }

    /// Whether `variable` varies along the dimension that files are joined along.
    fn is_joined(&self, variable: &Variable) -> bool {
        self.axis.is_some_and(|axis| variable.dimensions.contains(&axis.dimension))
    }
}

fn check_source(source: &SourceIndex, data_variable: &str) -> Result<()> {
    let SourceIndex { path, index } = source;
    if let Some(group) = index.groups.iter().find(|group| !group.is_empty) {
        return Err(Error::unsupported(format!("the group `{}`", group.name.escape_debug()))
            .in_file(path)
            .with_hint("only files whose variables are in the root group can be opened as one"));
    }
    if let Some(refused) = index.refused.first() {
        return Err(refused.clone().in_file(path));
    }
    if index.variable(data_variable).is_some() {
        return Ok(());
    }
    let names = index.variables.iter().map(|variable| variable.name.as_str());
    let names: Vec<_> = names.take(MOST_NAMES).collect();
    let others = if index.variables.len() > MOST_NAMES { " and others" } else { "" };
    Err(Error::new(Code::VariableMissing, "the variable of the dataset is not in the file")
        .in_file(path)
        .of_variable(data_variable)
        .with_hint(format!(
            "the file holds {}{others}; check its name and place",
            names.join(", ")
        )))
}

fn leave_out_checksums(sources: &mut [SourceIndex]) -> Result<()> {
    for SourceIndex { path, index } in sources {
        let mut variables = index.variables.iter_mut();
        variables
            .try_for_each(portable::leave_out_checksum)
            .map_err(|error| error.in_file(path.as_path()))?;
    }
    Ok(())
}

/// A variable's name becomes part of the keys of a store, where `/` and names of periods have a
/// meaning of their own.
fn check_name(name: &str) -> Result<()> {
    if !name.contains('/') && name.chars().any(|character| character != '.') {
        return Ok(());
    }
    Err(Error::unsupported("a name that is a path in a Zarr store")
        .of_variable(name)
        .with_hint("rename the variable, for example with `ncrename`"))
}

fn by_name(variables: Vec<Variable>) -> HashMap<String, Variable> {
    variables.into_iter().map(|variable| (variable.name.clone(), variable)).collect()
}

/// Every file has the variables `names` and no other.
fn check_same_variables(
    names: &[String],
    variables: &[HashMap<String, Variable>],
    paths: &[PathBuf],
) -> Result<()> {
    let expected: HashSet<&String> = names.iter().collect();
    for (file, path) in variables.iter().zip(paths) {
        let missing = names.iter().find(|name| !file.contains_key(*name));
        let extra = file.keys().filter(|name| !expected.contains(name)).min();
        let (name, without) = match (missing, extra) {
            (Some(name), _) => (name, path),
            (None, Some(name)) => (name, &paths[0]),
            (None, None) => continue,
        };
        return Err(Error::new(
            Code::VariableMissing,
            "other files of the dataset have the variable",
        )
        .in_file(without)
        .of_variable(name));
    }
    Ok(())
}
