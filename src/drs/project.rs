//! The DRS of one project.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::dataset::Dataset;
use super::file_name::{FileName, TimeRange};
use crate::model::error::{Code, Error, Result};

/// The facet that stands for the version directory.
const VERSION: &str = "version";

/// A version directory, usually a link, that names no version.
const LATEST: &str = "latest";

/// One of `projects/*.yaml`; the fields are explained in `CMIP6.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    pub(super) name: String,
    #[serde(default)]
    also_called: Vec<String>,
    directory: Vec<String>,
    #[serde(default)]
    or_directory: Option<Vec<String>>,
    dataset_id: Option<Vec<String>>,
    version: VersionForm,
    values: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    also_allowed: String,
    file_name: Option<Vec<String>>,
    variable: String,
}

/// How version directories are called.
#[derive(Clone, Copy, Debug, Deserialize)]
enum VersionForm {
    #[serde(rename = "vYYYYMMDD")]
    Date,
    #[serde(rename = "vN")]
    Number,
}

impl Project {
    /// Parses and checks the text of a project file.
    pub(super) fn from_yaml(yaml: &str) -> Result<Self> {
        let project: Self = serde_yaml::from_str(yaml)
            .map_err(|error| Error::new(Code::Internal, format!("project file: {error}")))?;
        match project.defect() {
            Some(defect) => {
                let message = format!("project file of {}: {defect}", project.name);
                Err(Error::new(Code::Internal, message))
            }
            None => Ok(project),
        }
    }

    fn defect(&self) -> Option<&'static str> {
        let known = |facet: &String| self.directory.contains(facet);
        if self.first_values().is_empty() {
            return Some("the first facet has no values");
        }
        if self.directories().any(|facets| facets.first() != self.directory.first()) {
            return Some("directories that begin with different facets");
        }
        let versions = |facets: &[String]| facets.iter().filter(|facet| *facet == VERSION).count();
        if self.directories().any(|facets| versions(facets) != 1) {
            return Some("not one `version` in `directory`");
        }
        if !self.values.keys().all(known) {
            return Some("a facet is not in `directory`");
        }
        let of_id = |facet: &String| self.directories().all(|facets| facets.contains(facet));
        if !self.dataset_id.iter().flatten().all(of_id) {
            return Some("a facet of `dataset_id` is not in each directory");
        }
        None
    }

    /// The facet that is the name of the variable.
    pub(super) fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether the user means this project by `name`.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.also_called.iter().any(|other| other.eq_ignore_ascii_case(name))
    }

    /// What the outermost directory may be called.
    pub(super) fn first_values(&self) -> &[String] {
        let first = self.directory.first().and_then(|facet| self.values.get(facet));
        first.map_or(&[], Vec::as_slice)
    }

    /// How many directories there may be, the version directory included.
    pub(super) fn depths(&self) -> Vec<usize> {
        self.directories().map(<[String]>::len).collect()
    }

    /// The facets of the directories, in each way that they may lie.
    fn directories(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(&self.directory).chain(&self.or_directory).map(Vec::as_slice)
    }

    /// Whether the ID of a dataset names its variable.
    pub(super) fn names_variable(&self) -> bool {
        let facets = self.dataset_id.as_ref().unwrap_or(&self.directory);
        facets.contains(&self.variable)
    }

    /// Reads the last of `names` as directories of this project; none where the outermost has
    /// another name, so that the path cannot be meant for it.
    pub(super) fn dataset(&self, names: &[&OsStr]) -> Option<Result<Dataset>> {
        let mut refusal = None;
        for directory in self.directories() {
            match self.read_as(directory, names) {
                Some(Ok(dataset)) => return Some(Ok(dataset)),
                reading => refusal = refusal.or(reading),
            }
        }
        refusal
    }

    fn read_as(&self, directory: &[String], names: &[&OsStr]) -> Option<Result<Dataset>> {
        let names = &names[names.len().checked_sub(directory.len())?..];
        let outermost = names.first()?.to_str()?;
        let is_ours = self.first_values().iter().any(|value| value == outermost);
        is_ours.then(|| self.read_directories(directory, names))
    }

    fn read_directories(&self, directory: &[String], names: &[&OsStr]) -> Result<Dataset> {
        let mut facets = Vec::with_capacity(names.len());
        let mut version = "";
        for (facet, name) in directory.iter().zip(names) {
            let value = self.facet_value(facet, name)?;
            if facet == VERSION {
                version = value;
            } else {
                facets.push((facet.clone(), value.to_owned()));
            }
        }
        let variable = facets.iter().find(|(facet, _)| *facet == self.variable);
        let variable = variable.filter(|_| !self.names_variable());
        Ok(Dataset {
            project: self.name.clone(),
            drs_id: self.drs_id(&facets),
            distinction: variable.map(|(_, value)| value.clone()).into_iter().collect(),
            facets,
            version: version.to_owned(),
            versioned: version != LATEST,
            below_root: names.iter().collect::<PathBuf>(),
        })
    }

    fn facet_value<'n>(&self, facet: &str, name: &'n OsStr) -> Result<&'n str> {
        let refused = |reason: &dyn fmt::Display| {
            let name = name.to_string_lossy();
            let message = format!("{facet} `{}` {reason}", name.escape_debug());
            Err(Error::new(Code::Unrecognised, message).with_hint(self.layout()))
        };
        let Some(value) = name.to_str() else {
            return refused(&"is not UTF-8");
        };
        if facet == VERSION {
            return if value == LATEST || self.version.matches(value) {
                Ok(value)
            } else {
                refused(&format_args!("is not like `{}`", self.version))
            };
        }
        if let Some(odd) = self.not_allowed(value) {
            return refused(&format_args!("holds `{}`", odd.escape_debug()));
        }
        match self.values.get(facet) {
            Some(values) if !values.iter().any(|known| known == value) => {
                refused(&format_args!("is not `{}`", values.join("` or `")))
            }
            _ => Ok(value),
        }
    }

    /// A character that a facet may not hold.
    fn not_allowed(&self, value: &str) -> Option<char> {
        let is_allowed = |character: char| {
            character.is_ascii_alphanumeric()
                || character == '-'
                || self.also_allowed.contains(character)
        };
        value.chars().find(|character| !is_allowed(*character))
    }

    fn drs_id(&self, facets: &[(String, String)]) -> String {
        let first = self.directory.first();
        let value = |name: &String| match facets.iter().find(|(facet, _)| facet == name) {
            // However the directory is written, the ID is what it is.
            Some(_) if Some(name) == first => self.first_values().first().map(String::as_str),
            found => found.map(|(_, value)| value.as_str()),
        };
        let values: Vec<&str> = match &self.dataset_id {
            Some(names) => names.iter().filter_map(value).collect(),
            None => facets.iter().map(|(_, value)| value.as_str()).collect(),
        };
        values.join(".")
    }

    /// Takes `name` apart. The error is a [`Code::DrsMismatch`].
    pub(super) fn file_name(&self, name: &str) -> Result<FileName> {
        let mismatch = |reason: String| Error::new(Code::DrsMismatch, reason);
        let stem = name
            .strip_suffix(".nc")
            .ok_or_else(|| mismatch("the file name does not end in `.nc`".to_owned()))?;
        let Some(facets) = &self.file_name else {
            return Ok(FileName { variable: None, time_range: None, facets: Vec::new() });
        };
        let parts: Vec<&str> = stem.split('_').collect();
        let time_range = match parts.get(facets.len()..) {
            Some([]) => None,
            Some([time_range]) => Some(TimeRange::parse(time_range)?),
            _ => {
                let form = facets.join("_");
                return Err(mismatch(format!("the file name is not {form}[_time range].nc")));
            }
        };
        let facets: Vec<_> = facets
            .iter()
            .zip(parts)
            .map(|(facet, value)| (facet.clone(), value.to_owned()))
            .collect();
        for (facet, value) in &facets {
            if value.is_empty() {
                return Err(mismatch(format!("{facet} is empty in the file name")));
            }
            if let Some(odd) = self.not_allowed(value) {
                let (value, odd) = (value.escape_debug(), odd.escape_debug());
                return Err(mismatch(format!("{facet} `{value}` holds `{odd}`")));
            }
        }
        let variable = facets.iter().find(|(facet, _)| *facet == self.variable);
        Ok(FileName { variable: variable.map(|(_, value)| value.clone()), time_range, facets })
    }

    /// The directories in words, for hints.
    pub(super) fn layout(&self) -> String {
        format!("a {} directory is {}", self.name, self.directory.join("/"))
    }
}

impl VersionForm {
    fn matches(self, name: &str) -> bool {
        let Some(digits) = name.strip_prefix('v') else {
            return false;
        };
        let expected_count = match self {
            Self::Date => digits.len() == 8,
            Self::Number => !digits.is_empty(),
        };
        expected_count && digits.bytes().all(|byte| byte.is_ascii_digit())
    }
}

impl fmt::Display for VersionForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "vYYYYMMDD",
            Self::Number => "vN",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shapes that no built-in project has yet: version before variable, `vN`, characters,
    /// several names, an ID shorter than the directory, free file names.
    const ODD: &str = "
        name: odd
        directory: [product, grid, version, variable]
        dataset_id: [product, grid]
        version: vN
        values: {product: [odd, ODD]}
        also_allowed: '_+'
        variable: variable
    ";

    fn read(project: &Project, path: &str) -> Option<Result<Dataset>> {
        project.dataset(&path.split('/').map(OsStr::new).collect::<Vec<_>>())
    }

    #[test]
    fn other_shapes_are_only_data() {
        let odd = Project::from_yaml(ODD).unwrap();
        let dataset = read(&odd, "root/ODD/1_atm+x/v2/tas").unwrap().unwrap();
        assert_eq!(dataset.instance_id(), "odd.1_atm+x.v2.tas");
        assert_eq!(dataset.master_id(), "odd.1_atm+x.tas");
        assert_eq!(dataset.facet("variable"), Some("tas"));
        assert_eq!(odd.file_name("any thing.nc").unwrap().facets, []);
        assert!(read(&odd, "ODD/a/v/tas").unwrap().is_err());
    }

    #[test]
    fn project_files_are_checked() {
        for (damage, repaired) in
            [("product: [odd, ODD]", ""), ("version, ", ""), ("grid]\n", "month]\n")]
        {
            let yaml = ODD.replacen(damage, repaired, 1);
            assert!(Project::from_yaml(&yaml).is_err(), "{yaml}");
        }
        assert!(Project::from_yaml("name: x\nunknown: y").is_err());
    }
}
