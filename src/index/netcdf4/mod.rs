//! The netCDF-4 model over HDF5: dimension scales become named dimensions, and what netCDF keeps
//! for itself is hidden.
//!
//! Follows the "NetCDF-4 Format" appendix of the netCDF User's Guide and, for details it leaves
//! open, what netCDF-C shows.

mod attributes;
mod dimensions;
mod extent;
mod members;

use super::decode;
use super::hdf5::datatype::Datatype;
use super::hdf5::file::File;
use super::hdf5::global_heap::GlobalHeap;
use super::hdf5::{attribute, object_header, superblock_extension};
use super::source::Source;
use crate::model::array::{Dimension, FileFormat, FileIndex, ReadCost, Values, Variable};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};

use attributes::shown;
use dimensions::Dimensions;
use members::{Member, Members};

/// Most elements of a variable of strings, which is stored in the manifest as a whole.
const MOST_STRINGS: u64 = 1 << 20;

/// Indexes the file in `source`, whose superblock is at `superblock`.
pub fn index(source: &Source, superblock: u64) -> Result<FileIndex> {
    let file = superblock_extension::open(source, superblock)?;
    let heap = GlobalHeap::new(&file);
    let root = file.superblock().root;
    let messages = object_header::read(&file, root)?;
    let mut refused = Vec::new();
    let members = Members::read(&file, &messages, &mut refused)?;
    let attributes = attribute::attributes(&file, root, &messages)?;
    let attributes = shown(&file, &heap, &attributes, members.may_define_types);
    let attributes = set_aside(attributes, &mut refused)?.unwrap_or_default();
    let dimensions = Dimensions::of(&file, &heap, &members, &mut refused)?;
    let mut variables = Vec::new();
    for (member, ids) in members.datasets.iter().zip(&dimensions.of_dataset) {
        let Some(ids) = ids.as_ref().filter(|_| !member.is_dimension_only) else { continue };
        let variable = variable(&file, &heap, member, ids, &dimensions.all, &members)
            .map_err(|error| error.of_variable(member.variable_name()));
        variables.extend(set_aside(variable, &mut refused)?);
    }
    Ok(FileIndex {
        format: FileFormat::Hdf5(file.superblock().version),
        size: source.len(),
        dimensions: dimensions.all,
        attributes,
        variables,
        groups: members.groups,
        refused,
        cost: ReadCost::default(),
    })
}

/// Puts an error about a feature that is not read among the `refused`, so that the rest of the file
/// can still be shown; any other error concerns the whole file.
fn set_aside<T>(result: Result<T>, refused: &mut Vec<Error>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.code(), Code::Unsupported | Code::TooLarge) => {
            refused.push(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn variable(
    file: &File,
    heap: &GlobalHeap,
    member: &Member,
    ids: &[usize],
    dimensions: &[Dimension],
    members: &Members,
) -> Result<Variable> {
    let dataset = &member.dataset;
    let dtype = dataset.datatype.as_variable()?;
    let element_size = match dataset.datatype {
        Datatype::FixedString(size) => size.into(),
        _ => dtype.size().unwrap_or(heap.element_size().into()),
    };
    // netCDF shows a variable as long as its dimensions; what was never written is fill.
    let shape: Vec<u64> = ids.iter().map(|&id| dimensions[id].size).collect();
    let grown = shape != dataset.shape;
    let mut lengths = shape.iter().zip(&dataset.maximum);
    let fits = lengths.all(|(length, most)| most.is_none_or(|most| *length <= most));
    if grown && !(fits && dataset.is_chunked()) {
        return Err(Error::corrupt("the variable is not as long as its dimensions"));
    }
    let mut variable = Variable {
        name: member.variable_name().to_owned(),
        dimensions: ids.iter().map(|&id| dimensions[id].name.clone()).collect(),
        storage: dataset.storage(file, &shape, element_size)?,
        shape,
        dtype,
        fill: dataset.fill(file, element_size)?,
        filters: dataset.filters.clone(),
        attributes: shown(file, heap, &dataset.attributes, members.may_define_types)?,
        values: None,
    };
    if grown {
        extent::check(file.source(), &variable, &dataset.shape, element_size)?;
    }
    if dtype == DataType::String {
        variable.values = Some(strings(file, heap, &variable, &dataset.datatype)?);
    }
    Ok(variable)
}

/// The elements of a variable of strings, whose stored elements are of type `stored`: text of a fixed
/// number of bytes, or what leads to the global heap.
fn strings(
    file: &File,
    heap: &GlobalHeap,
    variable: &Variable,
    stored: &Datatype,
) -> Result<Values> {
    if variable.len().is_none_or(|len| len > MOST_STRINGS) {
        let message = format!("more than {MOST_STRINGS} strings cannot be stored in a manifest");
        return Err(Error::new(Code::TooLarge, message));
    }
    let (size, is_fixed) = match stored {
        &Datatype::FixedString(size) => (size, true),
        _ => (heap.element_size(), false),
    };
    let elements = Variable { dtype: DataType::Text(size), ..variable.clone() };
    let Values::Bytes(elements) = decode::read(file.source(), &elements)? else {
        return Err(Error::new(Code::Internal, "elements of fixed size were read as strings"));
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let texts = elements.chunks_exact(size).map(|element| {
        if is_fixed {
            return utf8(element.split(|&byte| byte == 0).next().unwrap_or_default());
        }
        let bytes = heap.value(&mut file.cursor(element), 1)?;
        utf8(bytes.strip_suffix(b"\0").unwrap_or(&bytes))
    });
    Ok(Values::Strings(texts.collect::<Result<_>>()?))
}

fn utf8(text: &[u8]) -> Result<String> {
    String::from_utf8(text.to_vec()).map_err(|_| Error::unsupported("a string not in UTF-8"))
}
