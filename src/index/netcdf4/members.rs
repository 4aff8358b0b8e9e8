//! What the root group holds: datasets, which are variables, dimensions or both, and groups.

use std::collections::BTreeSet;

use super::attributes::text_of;
use super::set_aside;
use crate::index::hdf5::attribute;
use crate::index::hdf5::dataset::Dataset;
use crate::index::hdf5::datatype::NetcdfView;
use crate::index::hdf5::file::File;
use crate::index::hdf5::global_heap::GlobalHeap;
use crate::index::hdf5::group;
use crate::index::hdf5::link::{Link, Target};
use crate::index::hdf5::object_header;
use crate::model::array::Group;
use crate::model::error::{Error, Result};

/// The NAME of a dimension scale that is there only to be a dimension.
const DIMENSION_ONLY: &str = "This is a netCDF dimension but not a netCDF variable.";
/// Put before the name of a variable that is called like a dimension it does not describe.
const NOT_A_COORDINATE: &str = "_nc4_non_coord_";

/// A dataset of the root group.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) dataset: Dataset,
    pub(super) is_scale: bool,
    pub(super) is_dimension_only: bool,
}

impl Member {
    /// Name of the variable that the dataset is.
    pub(super) fn variable_name(&self) -> &str {
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
pub(super) struct Members {
    pub(super) datasets: Vec<Member>,
    pub(super) groups: Vec<Group>,
    /// Whether types may be defined that netCDF shows attributes of.
    pub(super) may_define_types: bool,
}

impl Members {
    /// The members of the group with these messages; those with features that are not read are put
    /// among the `refused`.
    pub(super) fn read(
        file: &File,
        root: &[object_header::Message],
        refused: &mut Vec<Error>,
    ) -> Result<Self> {
        let heap = GlobalHeap::new(file);
        let mut members =
            Self { datasets: Vec::new(), groups: Vec::new(), may_define_types: false };
        let links = group::links(file, root)?;
        for link in &links {
            let added = members.add(file, &heap, link, &links);
            set_aside(added.map_err(|error| error.of_variable(&link.name)), refused)?;
        }
        Ok(members)
    }

    fn add(&mut self, file: &File, heap: &GlobalHeap, link: &Link, links: &[Link]) -> Result<()> {
        let address = address_of(link, links)?;
        let messages = object_header::read(file, address)?;
        if group::is_group(&messages) {
            // What cannot be read is not nothing.
            let is_empty = holds_nothing(file, address).unwrap_or(false);
            self.groups.push(Group { name: link.name.clone(), is_empty });
            self.may_define_types = true;
            return Ok(());
        }
        // An object that is neither group nor dataset is a named datatype: nothing to index.
        let Some(dataset) = Dataset::read(file, address, messages)? else {
            self.may_define_types = true;
            return Ok(());
        };
        if dataset.datatype.netcdf_view() == NetcdfView::IfDefined {
            self.may_define_types = true;
        }
        let (is_scale, is_dimension_only) = scale_kind(file, heap, &dataset)?;
        if is_scale && link.target != Target::Object(address) {
            return Err(Error::unsupported("a soft link to a dimension scale"));
        }
        let name = link.name.clone();
        self.datasets.push(Member { name, address, dataset, is_scale, is_dimension_only });
        Ok(())
    }
}

/// Whether `dataset` is a dimension scale, and whether it is nothing but a dimension.
fn scale_kind(file: &File, heap: &GlobalHeap, dataset: &Dataset) -> Result<(bool, bool)> {
    let text = |name| text_of(file, heap, dataset, name);
    let is_scale = text("CLASS")?.is_some_and(|class| class == "DIMENSION_SCALE");
    let is_dimension_only =
        is_scale && text("NAME")?.is_some_and(|name| name.starts_with(DIMENSION_ONLY));
    Ok((is_scale, is_dimension_only))
}

/// Whether the group at `address` and the groups in it have neither variables nor attributes.
fn holds_nothing(file: &File, address: u64) -> Result<bool> {
    let heap = GlobalHeap::new(file);
    let mut groups = vec![address];
    // Groups may be linked in circles.
    let mut seen = BTreeSet::from([address]);
    while let Some(address) = groups.pop() {
        let messages = object_header::read(file, address)?;
        if !attribute::attributes(file, address, &messages)?.is_empty() {
            return Ok(false);
        }
        for link in group::links(file, &messages)? {
            let Target::Object(member) = link.target else { return Ok(false) };
            let messages = object_header::read(file, member)?;
            if group::is_group(&messages) {
                groups.extend(seen.insert(member).then_some(member));
                continue;
            }
            // What is neither group nor dataset is a named datatype.
            let Some(dataset) = Dataset::read(file, member, messages)? else { continue };
            if !scale_kind(file, &heap, &dataset)?.1 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

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
