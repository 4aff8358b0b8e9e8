//! Dimension scales become named dimensions, and datasets without them get the names that netCDF
//! invents.

use std::collections::HashMap;

use super::attributes::integers;
use super::members::{Member, Members};
use super::set_aside;
use crate::index::hdf5::file::File;
use crate::index::hdf5::global_heap::GlobalHeap;
use crate::model::array::Dimension;
use crate::model::error::{Error, Result};

/// The dimensions of the file and of each dataset.
pub(super) struct Dimensions {
    /// Those of the file, the numbered ones first.
    pub(super) all: Vec<Dimension>,
    /// For each dataset, the places of its dimensions in `all`; `None` where it was refused.
    pub(super) of_dataset: Vec<Option<Vec<usize>>>,
}

impl Dimensions {
    pub(super) fn of(
        file: &File,
        heap: &GlobalHeap,
        members: &Members,
        refused: &mut Vec<Error>,
    ) -> Result<Self> {
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
                set_aside(ids.map_err(|error| error.of_variable(member.variable_name())), refused)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut all = phony.dimensions;
        // An unlimited dimension is as long as the longest variable along it.
        for (member, ids) in datasets.iter().zip(&of_dataset) {
            for (&id, &length) in ids.iter().flatten().zip(&member.dataset.shape) {
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
            // One without a number gets the next, which may be one that another has.
            let id = id.and_then(|ids| ids.first().copied()).unwrap_or(next_id);
            next_id = next_id.max(id.saturating_add(1));
            scales.push((id, scales.len(), member));
        }
        scales.sort_by_key(|(id, ..)| *id);
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
                // netCDF has one word for no length and for no bound.
                unlimited: maximum.is_none() || size == 0,
            });
            found.by_address.insert(member.address, place);
            found.in_order[in_file] = place;
            if found.by_id.insert(id, place).is_some() {
                let message = format!("two dimensions have the number {id}");
                return Err(Error::corrupt(message).of_variable(&member.name));
            }
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
        let numbered = integers(file, heap, dataset, "_Netcdf4Coordinates")?.map(|ids| {
            let places = ids.iter().map(|id| self.by_id.get(id).copied().ok_or_else(unknown));
            places.collect::<Result<Vec<usize>>>()
        });
        let ids: Vec<usize> = if let Some(list) = dataset.attribute("DIMENSION_LIST") {
            let scales = list.references(file, heap)?;
            if scales.iter().any(Vec::is_empty) {
                return Err(Error::unsupported("a scale on only some of the dimensions")
                    .with_hint("attach a scale to every dimension, for example by h5netcdf"));
            }
            // Of several scales of one dimension netCDF keeps the last.
            let last = scales.iter().map(|scales| self.by_address.get(scales.last()?));
            let ids: Vec<usize> =
                last.map(|id| id.copied().ok_or_else(unknown)).collect::<Result<_>>()?;
            // libnetcdf goes by the numbers, others by the list.
            if numbered.is_some_and(|numbered| numbered.is_ok_and(|numbered| numbered != ids)) {
                return Err(Error::corrupt("its dimensions are not those that it numbers"));
            }
            ids
        } else if let Some(numbered) = numbered {
            numbered?
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
        let unlimited = unlimited || size == 0;
        self.dimensions.push(Dimension { name, size, unlimited });
        self.in_order.push(place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Code;

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
    fn phony_dimensions_of_no_length_are_unlimited_and_not_shared() {
        let mut phony = phony(Vec::new());
        assert_eq!(phony.of_shape(&[0, 0], &[Some(0), Some(0)]).unwrap(), [0, 1]);
        assert_eq!(phony.of_shape(&[0], &[Some(0)]).unwrap(), [2]);
        assert_eq!(phony.of_shape(&[0], &[None]).unwrap(), [0]);
        assert!(phony.dimensions.iter().all(|dimension| dimension.unlimited));
    }

    #[test]
    fn phony_dimensions_that_cannot_be_told_are_refused() {
        let mut phony = PhonyDimensions { obstacle: Some("this"), ..phony(Vec::new()) };
        assert_eq!(phony.of_shape(&[3], &[Some(3)]).unwrap_err().code(), Code::Unsupported);
    }
}
