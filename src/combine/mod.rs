//! Many file indexes become one virtual dataset, or an honest refusal.
//!
//! The truth that the result must equal: the files put in the order of their decoded times, each
//! variable with the time dimension joined along it, each other variable taken once after it was
//! found equal in all files, attributes as in the first file. (xarray's `open_mfdataset` with
//! `combine="nested", data_vars="minimal", coords="minimal", compat="override",
//! combine_attrs="override"`.)

mod agree;
mod cut;
mod gap;
mod grid;
mod join;
mod order;
mod overlap;
mod seam;
mod time;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use crate::model::array::{FileIndex, Variable};
use crate::model::byte_size::ByteSize;
use crate::model::error::{Code, Error, Result};
use crate::model::on_overlap::OnOverlap;
use crate::model::virtual_dataset::{Joint, VirtualDataset};

pub use order::Coverage;
use order::{Ordered, TimeAxis};

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
    /// The dataset; its runs name files by their place in `sources`.
    pub dataset: VirtualDataset,
    /// The files in the order of time, without those that were left out.
    pub sources: Vec<Source>,
    /// The time that each file covers, as far as it can be told.
    pub coverages: Vec<Coverage>,
    /// What did not keep the files from being combined, but should be known.
    pub warnings: Vec<Error>,
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
    let Ordered { axis, coverages, warnings } =
        order::sort_by_time(&mut sources, data_variable, limits.on_overlap)?;
    let mut paths = Vec::with_capacity(sources.len());
    let mut of_dataset = Vec::with_capacity(sources.len());
    let mut lengths = Vec::with_capacity(sources.len());
    let mut variables = Vec::with_capacity(sources.len());
    let mut names = Vec::new();
    let mut attributes = None;
    for (file, SourceIndex { path, index }) in sources.into_iter().enumerate() {
        let length = axis.as_ref().map_or(0, |axis| axis.length_in(&index));
        let steps = axis.as_ref().map(|axis| axis.starts[file]..axis.starts[file] + length);
        let tracking_id = index.attributes.text("tracking_id").map(str::to_owned);
        of_dataset.push(Source { path: path.clone(), steps, tracking_id });
        lengths.push(length);
        if names.is_empty() {
            names = index.variables.iter().map(|variable| variable.name.clone()).collect();
        }
        attributes.get_or_insert(index.attributes);
        variables.push(by_name(index.variables));
        paths.push(path);
    }
    check_same_variables(&names, &variables, &paths)?;
    names.iter().try_for_each(|name| check_name(name))?;
    let context = Context {
        paths: &paths,
        lengths: &lengths,
        axis: axis.as_ref(),
        data_variable,
        contiguous_chunk: limits.contiguous_chunk.bytes(),
    };
    let arrays = names
        .iter()
        .map(|name| {
            let of_files = variables.iter_mut().filter_map(|file| file.remove(name)).collect();
            join::join(of_files, &context).map_err(|error| error.of_variable(name))
        })
        .collect::<Result<_>>()?;
    let joint = axis.map(|axis| Joint { dimension: axis.dimension, lengths });
    let dataset = VirtualDataset { attributes: attributes.unwrap_or_default(), arrays, joint };
    seam::check(&dataset, &paths, limits.max_reencode)?;
    Ok(Combined { dataset, sources: of_dataset, coverages, warnings })
}

/// What joining a variable needs to know of the dataset.
struct Context<'a> {
    paths: &'a [PathBuf],
    /// Time steps of each file.
    lengths: &'a [u64],
    axis: Option<&'a TimeAxis>,
    data_variable: &'a str,
    /// Most bytes of the chunks that data in one piece are cut into.
    contiguous_chunk: u64,
}

impl Context<'_> {
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
    let names: Vec<_> = index.variables.iter().map(|variable| variable.name.as_str()).collect();
    Err(Error::new(Code::VariableMissing, "the variable of the dataset is not in the file")
        .in_file(path)
        .of_variable(data_variable)
        .with_hint(format!("the file holds {}; check its name and place", names.join(", "))))
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
