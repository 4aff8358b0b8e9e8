//! The netCDF-4 model over HDF5: dimension scales become named dimensions, and what netCDF keeps
//! for itself is hidden.
//!
//! Follows the "NetCDF-4 Format" appendix of the netCDF User's Guide and, for details it leaves
//! open, what netCDF-C shows.

use std::collections::HashMap;

use super::decode;
use super::hdf5::attribute::{self, Attribute};
use super::hdf5::dataset::Dataset;
use super::hdf5::datatype::{Datatype, NetcdfView};
use super::hdf5::file::File;
use super::hdf5::global_heap::GlobalHeap;
use super::hdf5::group;
use super::hdf5::link::{Link, Target};
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
    let members = Members::read(&file, &messages)?;
    let attributes = attribute::attributes(&file, root, &messages)?;
    let attributes = shown(&file, &heap, &attributes, members.may_define_types)?;
    let dimensions = Dimensions::of(&file, &heap, &members)?;
    let variables = members
        .datasets
        .iter()
        .zip(&dimensions.of_dataset)
        .filter(|(member, _)| !member.is_dimension_only)
        .map(|(member, ids)| {
            let variable = variable(&file, &heap, member, ids, &dimensions.all, &members);
            variable.map_err(|error| error.of_variable(member.variable_name()))
        })
        .collect::<Result<_>>()?;
    Ok(FileIndex {
        format: FileFormat::Hdf5(file.superblock().version),
        size: source.len(),
        dimensions: dimensions.all,
        attributes,
        variables,
        groups: members.groups,
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

/// The address of the object that `link` leads to, which may be a soft link to another of the `links`
/// of the root group.
fn address_of(link: &Link, links: &[Link]) -> Result<u64> {
    let named = |name: &str| links.iter().find(|link| link.name == name);
    let target = match &link.target {
        Target::Path(path) => {
            named(path.strip_prefix('/').unwrap_or(path)).map(|link| &link.target)
        }
        target => Some(target),
    };
    match target {
        Some(&Target::Object(address)) => Ok(address),
        _ => Err(Error::unsupported(format!(
            "the link `{}` to other than an object of the root group",
            link.name.escape_debug()
        ))),
    }
}

/// What the root group holds.
struct Members {
    datasets: Vec<Member>,
    groups: Vec<String>,
    /// Whether types may be defined that netCDF shows attributes of.
    may_define_types: bool,
}

impl Members {
    fn read(file: &File, root: &[object_header::Message]) -> Result<Self> {
        let heap = GlobalHeap::new(file);
        let mut members =
            Self { datasets: Vec::new(), groups: Vec::new(), may_define_types: false };
        let links = group::links(file, root)?;
        for link in &links {
            let address = address_of(link, &links)?;
            let named = |error: Error| error.of_variable(&link.name);
            let messages = object_header::read(file, address).map_err(named)?;
            if group::is_group(&messages) {
                members.groups.push(link.name.clone());
                members.may_define_types = true;
                continue;
            }
            // An object that is neither group nor dataset is a named datatype: nothing to index.
            let Some(dataset) = Dataset::read(file, address, messages).map_err(named)? else {
                members.may_define_types = true;
                continue;
            };
            if dataset.datatype.netcdf_view() == NetcdfView::IfDefined {
                members.may_define_types = true;
            }
            let text = |name| text_of(file, &heap, &dataset, name);
            let is_scale = text("CLASS")?.is_some_and(|class| class == "DIMENSION_SCALE");
            let is_dimension_only =
                is_scale && text("NAME")?.is_some_and(|name| name.starts_with(DIMENSION_ONLY));
            if is_scale && link.target != Target::Object(address) {
                let feature = "a soft link to a dimension scale";
                return Err(Error::unsupported(feature).of_variable(&link.name));
            }
            let name = link.name.clone();
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
    fn of(file: &File, heap: &GlobalHeap, members: &Members) -> Result<Self> {
        let datasets = &members.datasets;
        let scales = Scales::of(file, heap, datasets)?;
        let mut phony = PhonyDimensions::beside(&scales, members);
        let of_dataset = datasets
            .iter()
            .map(|member| {
                let ids = match scales.of_member(file, heap, member) {
                    Ok(None) => phony.of_shape(&member.dataset.shape, &member.dataset.maximum),
                    Ok(Some(ids)) => Ok(ids),
                    Err(error) => Err(error),
                };
                ids.map_err(|error| error.of_variable(member.variable_name()))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut all = phony.dimensions;
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
    /// Places in `dimensions`, in the order of the file.
    in_order: Vec<usize>,
    /// The number that netCDF gives the next dimension.
    next_id: i64,
}

impl Scales {
    fn of(file: &File, heap: &GlobalHeap, datasets: &[Member]) -> Result<Self> {
        let mut scales = Vec::new();
        let mut next_id: i64 = 0;
        for member in datasets.iter().filter(|member| member.is_scale) {
            let id = integers(file, heap, &member.dataset, "_Netcdf4Dimid")?;
            let id = id.and_then(|ids| ids.first().copied());
            next_id = next_id.max(id.unwrap_or(next_id).saturating_add(1));
            scales.push((id, scales.len(), member));
        }
        // Those without a number keep their place behind the numbered ones.
        scales.sort_by_key(|(id, ..)| id.unwrap_or(i64::MAX));
        let mut found = Self {
            dimensions: Vec::new(),
            by_address: HashMap::new(),
            by_id: HashMap::new(),
            in_order: vec![0; scales.len()],
            next_id,
        };
        for (place, (id, in_file, member)) in scales.into_iter().enumerate() {
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
            found.in_order[in_file] = place;
            found.by_id.extend(id.map(|id| (id, place)));
        }
        Ok(found)
    }

    /// The places of the dimensions of `member`, or `None` if no scale tells them.
    fn of_member(
        &self,
        file: &File,
        heap: &GlobalHeap,
        member: &Member,
    ) -> Result<Option<Vec<usize>>> {
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
        } else if member.is_scale {
            return Err(Error::unsupported(format!("a dimension scale of {rank} dimensions")));
        } else {
            return Ok(None);
        };
        if ids.len() == rank {
            return Ok(Some(ids));
        }
        Err(Error::corrupt(format!("{} dimensions are named but there are {rank}", ids.len())))
    }
}

/// The dimensions that netCDF invents for datasets without dimension scales.
struct PhonyDimensions {
    /// Those of the scales, then the invented ones.
    dimensions: Vec<Dimension>,
    /// Places in `dimensions`, in the order in which netCDF looks for one that fits.
    in_order: Vec<usize>,
    next_id: i64,
    /// Why what netCDF does here cannot be told.
    obstacle: Option<&'static str>,
}

impl PhonyDimensions {
    fn beside(scales: &Scales, members: &Members) -> Self {
        // netCDF numbers the dimensions of all groups together, those of inner groups first. And
        // the length at which it looks for an unlimited dimension without a variable depends on
        // what it has read so far.
        let is_elusive = |member: &Member| {
            member.is_dimension_only && member.dataset.maximum.first().is_some_and(Option::is_none)
        };
        let obstacle = if !members.groups.is_empty() {
            Some("a variable without dimension scales beside groups")
        } else if members.datasets.iter().any(is_elusive) {
            Some("a variable without dimension scales beside an unlimited dimension")
        } else {
            None
        };
        Self {
            dimensions: scales.dimensions.clone(),
            in_order: scales.in_order.clone(),
            next_id: scales.next_id,
            obstacle,
        }
    }

    /// The places of the dimensions of a dataset of `shape`, which may grow up to `maximum`: for
    /// each the first of the same length, unlimited or not alike, that the dataset has not used yet;
    /// else a new one.
    fn of_shape(&mut self, shape: &[u64], maximum: &[Option<u64>]) -> Result<Vec<usize>> {
        if let Some(obstacle) = self.obstacle {
            return Err(Error::unsupported(obstacle)
                .with_hint("name the dimensions, for example by `nccopy` or h5netcdf"));
        }
        let mut ids = Vec::new();
        for (&size, maximum) in shape.iter().zip(maximum) {
            let unlimited = maximum.is_none();
            let fits = |&&id: &&usize| {
                let dimension = &self.dimensions[id];
                dimension.size == size && dimension.unlimited == unlimited && !ids.contains(&id)
            };
            let known = self.in_order.iter().find(fits).copied();
            ids.push(known.unwrap_or_else(|| self.invent(size, unlimited)));
        }
        Ok(ids)
    }

    fn invent(&mut self, size: u64, unlimited: bool) -> usize {
        let place = self.dimensions.len();
        let name = format!("phony_dim_{}", self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        self.dimensions.push(Dimension { name, size, unlimited });
        self.in_order.push(place);
        place
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
        attributes: shown(file, heap, &dataset.attributes, members.may_define_types)?,
        values: None,
    };
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

/// The attributes that netCDF shows. It passes over those of a type that it does not know, unless
/// the file defines that type elsewhere.
fn shown(
    file: &File,
    heap: &GlobalHeap,
    attributes: &[Attribute],
    may_define_types: bool,
) -> Result<Attributes> {
    let is_shown = |attribute: &&Attribute| {
        let is_known = match attribute.datatype().netcdf_view() {
            NetcdfView::Known => true,
            NetcdfView::IfDefined => may_define_types,
            NetcdfView::Never => false,
        };
        is_known && !HIDDEN.contains(&attribute.name.as_str())
    };
    let shown = attributes.iter().filter(is_shown);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(name: &str, size: u64, unlimited: bool) -> Dimension {
        Dimension { name: name.into(), size, unlimited }
    }

    fn phony(dimensions: Vec<Dimension>) -> PhonyDimensions {
        let in_order = (0..dimensions.len()).collect();
        let next_id = i64::try_from(dimensions.len()).unwrap();
        PhonyDimensions { dimensions, in_order, next_id, obstacle: None }
    }

    #[test]
    fn phony_dimensions_are_shared_by_length_but_not_within_a_dataset() {
        let mut phony = phony(vec![dimension("z", 4, false)]);
        assert_eq!(phony.of_shape(&[3, 3], &[Some(3), Some(3)]).unwrap(), [1, 2]);
        assert_eq!(phony.of_shape(&[3, 4], &[Some(9), Some(4)]).unwrap(), [1, 0]);
        assert_eq!(phony.of_shape(&[3, 4], &[None, Some(4)]).unwrap(), [3, 0]);
        let names: Vec<_> = phony.dimensions.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["z", "phony_dim_1", "phony_dim_2", "phony_dim_3"]);
        assert!(phony.dimensions[3].unlimited);
    }

    #[test]
    fn phony_dimensions_that_cannot_be_told_are_refused() {
        let mut phony = PhonyDimensions { obstacle: Some("this"), ..phony(Vec::new()) };
        assert_eq!(phony.of_shape(&[3], &[Some(3)]).unwrap_err().code(), Code::Unsupported);
    }

    #[test]
    fn soft_links_lead_to_objects_of_the_root_group_only() {
        let link = |name: &str, target| Link { name: name.into(), target, creation_order: None };
        let path = |path: &str| link("s", Target::Path(path.into()));
        let links = [link("x", Target::Object(7)), path("s")];
        assert_eq!(address_of(&path("x"), &links).unwrap(), 7);
        assert_eq!(address_of(&path("/x"), &links).unwrap(), 7);
        for elsewhere in [path("s"), path("g/x"), path(""), link("e", Target::Elsewhere)] {
            assert_eq!(address_of(&elsewhere, &links).unwrap_err().code(), Code::Unsupported);
        }
    }
}
