//! What a directory, and the names of files in it, say about the dataset they hold.

use std::path::PathBuf;

use super::file_name::FileName;
use crate::model::error::{Code, Error, Result};

/// A dataset as named by its directory and, where that holds several, by the names of its files:
/// what one store is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The project, such as `CMIP6`.
    pub project: String,
    /// The facets of the directory and their values, outermost first, without the version; those that
    /// tell the dataset from others of the directory as its file names have them.
    pub facets: Vec<(String, String)>,
    /// The dataset ID of the project, without version.
    pub drs_id: String,
    /// What follows the ID of the project: the variable where that has none, and what tells the dataset
    /// from others of the directory.
    pub distinction: Vec<String>,
    /// The version directory: `v20190401` or `latest`.
    pub version: String,
    /// False where the version directory is called `latest`.
    pub versioned: bool,
    /// The part of the path the DRS prescribes, such as `CMIP6/CMIP/.../v20190401`.
    pub below_root: PathBuf,
}

impl Dataset {
    /// The dataset ID without version.
    #[must_use]
    pub fn master_id(&self) -> String {
        self.distinguished(self.drs_id.clone())
    }

    /// The dataset ID with version, and what follows it.
    #[must_use]
    pub fn instance_id(&self) -> String {
        self.distinguished(self.dataset_id())
    }

    /// The dataset ID with version, under which the dataset is published.
    #[must_use]
    pub fn dataset_id(&self) -> String {
        format!("{}.{}", self.drs_id, self.version)
    }

    fn distinguished(&self, id: String) -> String {
        self.distinction.iter().fold(id, |id, value| format!("{id}.{value}"))
    }

    /// The dataset of those files of the directory whose names have these facets and values.
    #[must_use]
    pub fn with_facets<'a>(&self, named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut dataset = self.clone();
        for (facet, value) in named {
            dataset.facets.retain(|(known, _)| known != facet);
            dataset.facets.push((facet.to_owned(), value.to_owned()));
            dataset.distinction.push(value.to_owned());
        }
        dataset
    }

    /// The value of the facet called `name`.
    #[must_use]
    pub fn facet(&self, name: &str) -> Option<&str> {
        let (_, value) = self.facets.iter().find(|(facet, _)| facet == name)?;
        Some(value)
    }

    /// Whether a file name repeats what the directory says; facets that only one of them has
    /// cannot disagree. The error is a [`Code::DrsMismatch`].
    pub fn agrees_with(&self, file_name: &FileName<'_>) -> Result<()> {
        let disagreements: Vec<String> = file_name
            .facets
            .iter()
            .filter_map(|&(facet, named)| {
                let expected = self.facet(facet).filter(|value| *value != named)?;
                let named = named.escape_debug();
                Some(format!(
                    "{facet} is `{named}` in the file name and `{expected}` in the directory"
                ))
            })
            .collect();
        if disagreements.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::DrsMismatch, disagreements.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Drs;
    use super::*;

    #[test]
    fn file_names_are_compared_with_the_directory() {
        let drs = Drs::builtin().unwrap();
        let directory = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20190401";
        let dataset = drs.dataset(Path::new(directory)).unwrap();
        let check = |name| dataset.agrees_with(&drs.file_name(&dataset, name).unwrap());

        assert!(check("pr_Amon_CESM2_historical_r1i1p1f1_gn_185001-201412.nc").is_ok());
        let error = check("tas_Amon_CESM2_ssp585_r1i1p1f1_gn_201501-210012.nc").unwrap_err();
        assert_eq!(error.code(), Code::DrsMismatch);
        assert_eq!(
            error.message(),
            "variable_id is `tas` in the file name and `pr` in the directory, \
             experiment_id is `ssp585` in the file name and `historical` in the directory"
        );
    }
}
