//! The netCDF-4 model over HDF5: dimension scales become named dimensions, and what netCDF keeps
//! for itself is hidden.
//!
//! Follows the "NetCDF-4 Format" appendix of the netCDF User's Guide and, for details it leaves
//! open, what netCDF-C shows.

use std::collections::HashMap;

use super::decode;
use super::hdf5::attribute::{self, Attribute};
use super::hdf5::dataset::Dataset;
use super::hdf5::file::File;
use super::hdf5::global_heap::GlobalHeap;
use super::hdf5::group;
use super::hdf5::link::Target;
use super::hdf5::{object_header, superblock_extension};
use super::source::Source;
use crate::model::array::{Dimension, FileFormat, FileIndex, ReadCost, Values, Variable};
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};

/// Attributes that netCDF writes for itself and never shows.
const HIDDEN: [&str; 12] = [
    "CLASS",
    "DIMENSION_LIST",
    "NAME",
    "REFERENCE_LIST",
    "_Format",
    "_IsNetcdf4",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_SuperblockVersion",
    "_nc3_strict",
    "_NCCOPY",
];
/// The NAME of a dimension scale that is there only to be a dimension.
const DIMENSION_ONLY: &str = "This is a netCDF dimension but not a netCDF variable";
/// Put before the name of a variable that is called like a dimension it does not describe.
const NOT_A_COORDINATE: &str = "_nc4_non_coord_";
/// Most elements of a variable of strings, which is stored in the manifest as a whole.
const MOST_STRINGS: u64 = 1 << 20;

/// Indexes the file in `source`, whose superblock is at `superblock`.
pub fn index(source: &Source, superblock: u64) -> Result<FileIndex> {
    let file = superblock_extension::open(source, superblock)?;
    let heap = GlobalHeap::new(&file);
    let root = file.superblock().root;
    let messages = object_header::read(&file, root)?;
    let attributes = shown(&file, &heap, &attribute::attributes(&file, root, &messages)?)?;
    let Members { datasets, groups } = Members::read(&file, &messages)?;
    let dimensions = Dimensions::of(&file, &heap, &datasets)?;
    let variables = datasets
        .iter()
        .zip(&dimensions.of_dataset)
        .filter(|(member, _)| !member.is_dimension_only)
        .map(|(member, ids)| {
            let variable = variable(&file, &heap, member, ids, &dimensions.all);
            variable.map_err(|error| error.of_variable(member.variable_name()))
        })
        .collect::<Result<_>>()?;
    Ok(FileIndex {
        format: FileFormat::Hdf5(file.superblock().version),
        size: source.len(),
        dimensions: dimensions.all,
        attributes,
        variables,
        groups,
        cost: ReadCost::default(),
    })
}

/// A dataset of the root group.
struct Member {
    name: String,
    address: u64,
    dataset: Dataset,
    is_scale: bool,
    is_dimension_only: bool,
}

impl Member {
    fn variable_name(&self) -> &str {
        self.name.strip_prefix(NOT_A_COORDINATE).unwrap_or(&self.name)
    }
}

/// What the root group holds.
struct Members {
    datasets: Vec<Member>,
    groups: Vec<String>,
}

impl Members {
    fn read(file: &File, root: &[object_header::Message]) -> Result<Self> {
        let heap = GlobalHeap::new(file);
        let mut members = Self { datasets: Vec::new(), groups: Vec::new() };
        for link in group::links(file, root)? {
            let Target::Object(address) = link.target else {
                let feature = format!("the soft or external link `{}`", link.name.escape_debug());
                return Err(Error::unsupported(feature));
            };
            let named = |error: Error| error.of_variable(&link.name);
            let messages = object_header::read(file, address).map_err(named)?;
            if group::is_group(&messages) {
                members.groups.push(link.name);
                continue;
            }
            // An object that is neither group nor dataset is a named datatype: nothing to index.
            let Some(dataset) = Dataset::read(file, address, messages).map_err(named)? else {
                continue;
            };
            let text = |name| text_of(file, &heap, &dataset, name);
            let is_scale = text("CLASS")?.is_some_and(|class| class == "DIMENSION_SCALE");
            let is_dimension_only =
                is_scale && text("NAME")?.is_some_and(|name| name.starts_with(DIMENSION_ONLY));
            let name = link.name;
            members.datasets.push(Member { name, address, dataset, is_scale, is_dimension_only });
        }
        Ok(members)
    }
}

/// The dimensions of the file and of each dataset.
struct Dimensions {
    all: Vec<Dimension>,
    /// For each dataset, the places of its dimensions in `all`.
    of_dataset: Vec<Vec<usize>>,
}

impl Dimensions {
    fn of(file: &File, heap: &GlobalHeap, datasets: &[Member]) -> Result<Self> {
        let scales = Scales::of(file, heap, datasets)?;
        let of_dataset = datasets
            .iter()
            .map(|member| {
                let ids = scales.of_member(file, heap, member);
                ids.map_err(|error| error.of_variable(member.variable_name()))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut all = scales.dimensions;
        // An unlimited dimension is as long as the longest variable along it.
        for (member, ids) in datasets.iter().zip(&of_dataset) {
            for (&id, &length) in ids.iter().zip(&member.dataset.shape) {
                if all[id].unlimited {
                    all[id].size = all[id].size.max(length);
                }
            }
        }
        Ok(Self { all, of_dataset })
    }
}

/// The dimension scales of a file.
struct Scales {
    dimensions: Vec<Dimension>,
    by_address: HashMap<u64, usize>,
    /// By the number that netCDF gave the dimension.
    by_id: HashMap<i64, usize>,
}

impl Scales {
    fn of(file: &File, heap: &GlobalHeap, datasets: &[Member]) -> Result<Self> {
        let mut scales = Vec::new();
        for member in datasets.iter().filter(|member| member.is_scale) {
            let id = integers(file, heap, &member.dataset, "_Netcdf4Dimid")?;
            scales.push((id.and_then(|ids| ids.first().copied()), member));
        }
        // Those without a number keep their place behind the numbered ones.
        scales.sort_by_key(|(id, _)| id.unwrap_or(i64::MAX));
        let mut found =
            Self { dimensions: Vec::new(), by_address: HashMap::new(), by_id: HashMap::new() };
        for (place, (id, member)) in scales.into_iter().enumerate() {
            let (Some(&size), Some(maximum)) =
                (member.dataset.shape.first(), member.dataset.maximum.first())
            else {
                return Err(
                    Error::corrupt("a dimension scale has no dimension").of_variable(&member.name)
                );
            };
            found.dimensions.push(Dimension {
                name: member.name.clone(),
                size,
                unlimited: maximum.is_none(),
            });
            found.by_address.insert(member.address, place);
            found.by_id.extend(id.map(|id| (id, place)));
        }
        Ok(found)
    }

    /// The places of the dimensions of `member`.
    fn of_member(&self, file: &File, heap: &GlobalHeap, member: &Member) -> Result<Vec<usize>> {
        let dataset = &member.dataset;
        let rank = dataset.shape.len();
        let unknown = || Error::corrupt("a dimension of the variable is not a dimension scale");
        let ids: Vec<usize> = if let Some(list) = dataset.attribute("DIMENSION_LIST") {
            let scales = list.references(file, heap)?;
            let first = scales.iter().map(|scales| self.by_address.get(scales.first()?));
            first.map(|id| id.copied().ok_or_else(unknown)).collect::<Result<_>>()?
        } else if let Some(ids) = integers(file, heap, dataset, "_Netcdf4Coordinates")? {
            let places = ids.iter().map(|id| self.by_id.get(id).copied().ok_or_else(unknown));
            places.collect::<Result<_>>()?
        } else if member.is_scale && rank == 1 {
            vec![*self.by_address.get(&member.address).ok_or_else(unknown)?]
        } else if rank == 0 {
            Vec::new()
        } else {
            return Err(Error::unsupported("a variable without dimension scales")
                .with_hint("name the dimensions, for example by `nccopy` or h5netcdf"));
        };
        if ids.len() == rank {
            return Ok(ids);
        }
        Err(Error::corrupt(format!("{} dimensions are named but there are {rank}", ids.len())))
    }
}

fn variable(
    file: &File,
    heap: &GlobalHeap,
    member: &Member,
    ids: &[usize],
    dimensions: &[Dimension],
) -> Result<Variable> {
    let dataset = &member.dataset;
    let dtype = dataset.datatype.as_variable()?;
    let element_size = dtype.size().unwrap_or(heap.element_size().into());
    // netCDF shows a variable as long as its dimensions; what was never written is fill.
    let shape: Vec<u64> = ids.iter().map(|&id| dimensions[id].size).collect();
    let grown = shape != dataset.shape;
    if grown && !dataset.is_chunked() {
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
        attributes: shown(file, heap, &dataset.attributes)?,
        values: None,
    };
    if dtype == DataType::String {
        variable.values = Some(strings(file, heap, &variable)?);
    }
    Ok(variable)
}

/// The elements of a variable of strings, whose stored elements lead to the global heap.
fn strings(file: &File, heap: &GlobalHeap, variable: &Variable) -> Result<Values> {
    if variable.len().is_none_or(|len| len > MOST_STRINGS) {
        let message = format!("more than {MOST_STRINGS} strings cannot be stored in a manifest");
        return Err(Error::new(Code::TooLarge, message));
    }
    let stored = Variable { dtype: DataType::Text(heap.element_size()), ..variable.clone() };
    let Values::Bytes(elements) = decode::read(file.source(), &stored)? else {
        return Err(Error::new(Code::Internal, "elements of fixed size were read as strings"));
    };
    let size = usize::try_from(heap.element_size()).unwrap_or(usize::MAX);
    let texts = elements.chunks_exact(size).map(|element| {
        let bytes = heap.value(&mut file.cursor(element), 1)?;
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::unsupported("a string not in UTF-8"))
    });
    Ok(Values::Strings(texts.collect::<Result<_>>()?))
}

/// The attributes that netCDF shows.
fn shown(file: &File, heap: &GlobalHeap, attributes: &[Attribute]) -> Result<Attributes> {
    let shown = attributes.iter().filter(|attribute| !HIDDEN.contains(&attribute.name.as_str()));
    shown.map(|attribute| Ok((attribute.name.clone(), attribute.value(file, heap)?))).collect()
}

fn text_of(
    file: &File,
    heap: &GlobalHeap,
    dataset: &Dataset,
    name: &str,
) -> Result<Option<String>> {
    let value = dataset.attribute(name).map(|attribute| attribute.value(file, heap)).transpose()?;
    Ok(value.and_then(|value| value.as_text().map(str::to_owned)))
}

fn integers(
    file: &File,
    heap: &GlobalHeap,
    dataset: &Dataset,
    name: &str,
) -> Result<Option<Vec<i64>>> {
    match dataset.attribute(name).map(|attribute| attribute.value(file, heap)).transpose()? {
        Some(AttributeValue::Int(ids)) => Ok(Some(ids)),
        Some(_) => Err(Error::corrupt(format!("attribute `{name}` is not made of integers"))),
        None => Ok(None),
    }
}
