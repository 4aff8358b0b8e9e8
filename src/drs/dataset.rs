//! What a directory says about the dataset it holds.

use std::path::PathBuf;

use super::file_name::FileName;
use crate::model::error::{Code, Error, Result};

/// A dataset as named by its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The project, such as `CMIP6`.
    pub project: String,
    /// The facets of the directory and their values, outermost first, without the version.
    pub facets: Vec<(String, String)>,
    /// The dataset ID without version.
    pub master_id: String,
    /// The version directory: `v20190401` or `latest`.
    pub version: String,
    /// False where the version directory is called `latest`.
    pub versioned: bool,
    /// The part of the path the DRS prescribes, such as `CMIP6/CMIP/.../v20190401`.
    pub below_root: PathBuf,
}

impl Dataset {
    /// The dataset ID with version.
    #[must_use]
    pub fn instance_id(&self) -> String {
        format!("{}.{}", self.master_id, self.version)
    }

    /// The value of the facet called `name`.
    #[must_use]
    pub fn facet(&self, name: &str) -> Option<&str> {
        let (_, value) = self.facets.iter().find(|(facet, _)| facet == name)?;
        Some(value)
    }

    /// Whether a file name repeats what the directory says; facets that only one of them has
    /// cannot disagree. The error is a [`Code::DrsMismatch`].
    pub fn agrees_with(&self, file_name: &FileName) -> Result<()> {
        let disagreements: Vec<String> = file_name
            .facets
            .iter()
            .filter_map(|(facet, named)| {
                let expected = self.facet(facet).filter(|value| value != named)?;
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
