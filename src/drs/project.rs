//! The DRS of one project.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::dataset::Dataset;
use super::file_name::{FileName, TimeRange};
use super::free_name;
use crate::model::error::{Code, Error, Result};

/// The facet that stands for the version directory.
const VERSION: &str = "version";

/// A version directory, usually a link, that names no version; and what data without version directory
/// have for one.
const LATEST: &str = "latest";

/// One of `projects/*.yaml`, or a project file of the user; `docs/projects.md` explains the fields.
#[derive(Clone, Debug, Deserialize)]
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
    derived: BTreeMap<String, Derived>,
    #[serde(default)]
    also_allowed: String,
    file_name: Option<Vec<String>>,
    or_file_name: Option<Vec<String>>,
    variable: Option<String>,
    #[serde(default)]
    loose_variable: bool,
    #[serde(default)]
    vocabularies: BTreeMap<String, String>,
}

/// How version directories are called.
#[derive(Clone, Copy, Debug, Deserialize)]
enum VersionForm {
    #[serde(rename = "vYYYYMMDD")]
    Date,
    #[serde(rename = "vN")]
    Number,
}

/// A facet of the dataset ID that no directory is called by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derived {
    /// The facet that tells it.
    from: String,
    /// Its value for each value of that facet.
    #[serde(default)]
    values: BTreeMap<String, String>,
    /// The facet whose value, with a `-`, is cut off in front where `values` has none.
    without_prefix: Option<String>,
}

impl Project {
    /// Parses and checks the text of a project file.
    pub(super) fn from_yaml(yaml: &str) -> Result<Self> {
        let project: Self = serde_yaml::from_str(yaml).map_err(|error| {
            Error::new(Code::Configuration, format!("project file: {error}"))
                .with_hint("docs/projects.md explains what a project file holds")
        })?;
        match project.defect() {
            Some((defect, way_out)) => {
                let message = format!("project file of `{}`: {defect}", project.name);
                Err(Error::new(Code::Configuration, message).with_hint(way_out))
            }
            None => Ok(project),
        }
    }

    /// The project that the publisher was told of by the facets of its datasets. Directories are called
    /// by the same, and `first_value` is the name of the outermost.
    pub(super) fn of_facets(name: &str, facets: &[String], first_value: &str) -> Result<Self> {
        let Some(first) = facets.first() else {
            let message = format!("`DRS` of project `{name}` is empty");
            return Err(Error::new(Code::Configuration, message)
                .with_hint("list there the facets of the dataset ID"));
        };
        // As the publisher does it: `variable` where there is such a facet, else `variable_id`.
        let variable =
            ["variable", "variable_id"].into_iter().find(|name| facets.iter().any(|f| f == name));
        let project = Self {
            name: name.to_owned(),
            also_called: Vec::new(),
            directory: facets.iter().cloned().chain([VERSION.to_owned()]).collect(),
            or_directory: None,
            dataset_id: None,
            version: VersionForm::Number,
            values: BTreeMap::from([(first.clone(), vec![first_value.to_owned()])]),
            derived: BTreeMap::new(),
            also_allowed: "_".to_owned(),
            file_name: None,
            or_file_name: None,
            variable: variable.map(str::to_owned),
            loose_variable: true,
            vocabularies: BTreeMap::new(),
        };
        match project.defect() {
            Some((defect, way_out)) => {
                let message = format!("`DRS` of project `{name}`: {defect}");
                Err(Error::new(Code::Configuration, message).with_hint(way_out))
            }
            None => Ok(project),
        }
    }

    /// A project that has all of this one but the name of the outermost directory.
    pub(super) fn clone_as(&self, name: &str, first_value: &str) -> Self {
        let mut clone = self.clone();
        name.clone_into(&mut clone.name);
        clone.also_called.clear();
        if let Some(first) = self.directory.first() {
            clone.values.insert(first.clone(), vec![first_value.to_owned()]);
        }
        clone
    }

    /// What is wrong with the project, and a way out.
    fn defect(&self) -> Option<(String, &'static str)> {
        let known = |facet: &String| self.directory.contains(facet);
        if self.name.is_empty() {
            return Some(("`name` is empty".to_owned(), "name the project as its datasets do"));
        }
        if self.first_values().is_empty() {
            let message = match self.directory.first() {
                Some(first) => format!("`values` has none for `{first}`, the first of `directory`"),
                None => "`directory` is empty".to_owned(),
            };
            return Some((
                message,
                "list under `values` what the outermost directory may be called",
            ));
        }
        if self.directories().any(|facets| facets.first() != self.directory.first()) {
            let message = "`directory` and `or_directory` begin with different facets".to_owned();
            return Some((message, "write a project file for each"));
        }
        if let Some(facet) = self.directories().find_map(repeated) {
            return Some((format!("`{facet}` is twice in a directory"), "name each facet once"));
        }
        if !known(&VERSION.to_owned()) {
            let message = "`directory` has no `version`".to_owned();
            return Some((
                message,
                "name the directory of the version so; `or_directory` may lack it",
            ));
        }
        if let Some(facet) = self.values.keys().find(|facet| !known(facet)) {
            let message = format!("`values` has `{facet}`, which is not in `directory`");
            return Some((message, "only facets of `directory` can be held to values"));
        }
        for (facet, derived) in &self.derived {
            if known(facet) {
                let message = format!("`derived` has `{facet}`, which is in `directory`");
                return Some((message, "only what no directory tells is derived"));
            }
            if let Some(unknown) = [Some(&derived.from), derived.without_prefix.as_ref()]
                .into_iter()
                .flatten()
                .find(|it| !known(it))
            {
                let message =
                    format!("`derived` has `{facet}` of `{unknown}`, which is not in `directory`");
                return Some((message, "derive it from a facet of `directory`"));
            }
        }
        let of_id = |facet: &String| {
            facet != VERSION
                && (self.derived.contains_key(facet)
                    || self.directories().all(|facets| facets.contains(facet)))
        };
        if let Some(facet) = self.dataset_id.iter().flatten().find(|facet| !of_id(facet)) {
            let message = if facet == VERSION {
                "`dataset_id` has `version`".to_owned()
            } else {
                format!(
                    "`dataset_id` has `{facet}`, which is not in each directory, and not in `derived`"
                )
            };
            return Some((
                message,
                "an ID is made of facets of the directories; the version follows by itself",
            ));
        }
        let is_named =
            |facet: &String| known(facet) || self.file_names().any(|facets| facets.contains(facet));
        if let Some(facet) = self.variable.as_ref().filter(|facet| !is_named(facet)) {
            let message =
                format!("`variable` is `{facet}`, which is in neither `directory` nor `file_name`");
            return Some((message, "leave `variable` out where no path tells it"));
        }
        None
    }

    /// The facet that is the name of the variable, where paths have one.
    pub(super) fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Whether files may have the variable under another name, or several in its place.
    pub(super) fn is_loose(&self) -> bool {
        self.loose_variable || self.variable.is_none()
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

    /// Each facet of the directories, and what a controlled vocabulary for it is called.
    pub(super) fn vocabularies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.directory
            .iter()
            .filter(|facet| *facet != VERSION)
            .map(|facet| (facet.as_str(), self.vocabularies.get(facet).unwrap_or(facet).as_str()))
    }

    /// The facets of the directories, in each way that they may lie.
    fn directories(&self) -> impl Iterator<Item = &[String]> {
        std::iter::once(&self.directory).chain(&self.or_directory).map(Vec::as_slice)
    }

    /// The facets of file names, in each way that they may be made.
    fn file_names(&self) -> impl Iterator<Item = &[String]> {
        self.file_name.iter().chain(&self.or_file_name).map(Vec::as_slice)
    }

    /// The facets of the dataset ID.
    fn id_facets(&self) -> impl Iterator<Item = &String> {
        let facets = self.dataset_id.as_ref().unwrap_or(&self.directory);
        facets.iter().filter(|facet| *facet != VERSION)
    }

    /// Whether the ID of a dataset names its variable.
    pub(super) fn names_variable(&self) -> bool {
        self.id_facets().any(|facet| Some(facet) == self.variable.as_ref())
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
        let mut version = LATEST;
        for (facet, name) in directory.iter().zip(names) {
            let value = self.facet_value(facet, name)?;
            if facet == VERSION {
                version = value;
            } else {
                facets.push((facet.clone(), value.to_owned()));
            }
        }
        for (facet, derived) in &self.derived {
            let value = derived.value(facet, &facets)?;
            facets.push((facet.clone(), value));
        }
        let variable = facets.iter().find(|(facet, _)| Some(facet) == self.variable.as_ref());
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
        self.id_facets().filter_map(value).collect::<Vec<_>>().join(".")
    }

    /// Takes the `name` of a file of `dataset` apart; of two ways, as it agrees with the directory. The
    /// error is a [`Code::DrsMismatch`].
    pub(super) fn file_name<'a>(
        &'a self,
        dataset: &Dataset,
        name: &'a str,
    ) -> Result<FileName<'a>> {
        let mismatch = |reason: &str| Error::new(Code::DrsMismatch, reason);
        let stem = name
            .strip_suffix(".nc")
            .ok_or_else(|| mismatch("the file name does not end in `.nc`"))?;
        if self.file_name.is_none() {
            return free_name::read(stem);
        }
        let mut readings: Vec<Result<FileName<'_>>> =
            self.file_names().map(|facets| self.read_name(facets, stem)).collect();
        let agrees = |reading: &Result<FileName>| {
            reading.as_ref().is_ok_and(|name| dataset.agrees_with(name).is_ok())
        };
        let best = readings.iter().position(agrees);
        let best = best.or_else(|| readings.iter().position(Result::is_ok)).unwrap_or(0);
        readings.swap_remove(best)
    }

    fn read_name<'a>(&self, facets: &'a [String], stem: &'a str) -> Result<FileName<'a>> {
        let mismatch = |reason: String| Error::new(Code::DrsMismatch, reason);
        let parts: Vec<&str> = stem.split('_').collect();
        let time_range = match parts.get(facets.len()..) {
            Some([]) => None,
            Some([time_range]) => Some(TimeRange::parse(time_range)?),
            _ => {
                let form = facets.join("_");
                return Err(mismatch(format!("the file name is not {form}[_time range].nc")));
            }
        };
        let facets: Vec<_> = facets.iter().map(String::as_str).zip(parts).collect();
        for &(facet, value) in &facets {
            if value.is_empty() {
                return Err(mismatch(format!("{facet} is empty in the file name")));
            }
            if let Some(odd) = self.not_allowed(value) {
                let (value, odd) = (value.escape_debug(), odd.escape_debug());
                return Err(mismatch(format!("{facet} `{value}` holds `{odd}`")));
            }
        }
        let variable = facets.iter().find(|(facet, _)| Some(*facet) == self.variable.as_deref());
        Ok(FileName { variable: variable.map(|(_, value)| *value), time_range, facets })
    }

    /// The directories in words, for hints.
    pub(super) fn layout(&self) -> String {
        format!("a {} directory is {}", self.name, self.directory.join("/"))
    }
}

/// A facet that is there twice.
fn repeated(facets: &[String]) -> Option<&String> {
    facets.iter().enumerate().find(|(at, facet)| facets[..*at].contains(facet)).map(|(_, it)| it)
}

impl Derived {
    /// The value of `facet` where the directories have `facets`.
    fn value(&self, facet: &str, facets: &[(String, String)]) -> Result<String> {
        let of = |name: &str| {
            let found = facets.iter().find(|(facet, _)| facet == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let from = of(&self.from);
        let shortened = || {
            let prefix = of(self.without_prefix.as_deref()?);
            from.strip_prefix(prefix)?.strip_prefix('-').filter(|rest| !rest.is_empty())
        };
        let value = self.values.get(from).map(String::as_str).or_else(shortened);
        value.map(str::to_owned).ok_or_else(|| {
            let message = format!("no {facet} is known for {} `{from}`", self.from);
            let way_out =
                format!("add it to `derived: {facet}: values:` in a project file of your own");
            Error::new(Code::Unrecognised, message).with_hint(way_out)
        })
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

    /// Shapes at the edge of what a project may have: version before variable, `vN`, characters,
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

    /// A facet that is derived, data without version, and two kinds of file names.
    const DERIVED: &str = "
        name: derived
        directory: [product, institute, model, variable, version]
        or_directory: [product, institute, model, variable]
        dataset_id: [product, name, variable]
        version: vYYYYMMDD
        values: {product: [d]}
        derived: {name: {from: model, without_prefix: institute, values: {KN-DM-H5: H5}}}
        file_name: [variable, model, grid]
        or_file_name: [variable, grid]
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
        let name = odd.file_name(&dataset, "any-thing_1850.nc").unwrap();
        assert_eq!(name.facets, [("series", "any-thing")]);
        assert!(read(&odd, "ODD/a/v/tas").unwrap().is_err());
    }

    #[test]
    fn facets_are_derived_by_a_map_or_without_a_prefix() {
        let project = Project::from_yaml(DERIVED).unwrap();
        let id = |path: &str| read(&project, path).unwrap().map(|dataset| dataset.instance_id());
        assert_eq!(id("d/KN/KN-DM-H5/tas/v20200101").unwrap(), "d.H5.tas.v20200101");
        assert_eq!(id("d/KN/KN-X-1/tas/v20200101").unwrap(), "d.X-1.tas.v20200101");
        for model in ["DM-H6", "KN", "KN-", "KNX-1"] {
            let error = id(&format!("d/KN/{model}/tas/v20200101")).unwrap_err();
            assert_eq!(error.code(), Code::Unrecognised);
            assert!(error.message().contains(model) && error.hint().unwrap().contains("`derived"));
        }
    }

    #[test]
    fn data_without_version_are_the_latest() {
        let project = Project::from_yaml(DERIVED).unwrap();
        let dataset = read(&project, "root/d/KN/KN-X/tas").unwrap().unwrap();
        assert_eq!((dataset.instance_id().as_str(), dataset.versioned), ("d.X.tas.latest", false));
    }

    #[test]
    fn of_two_kinds_of_names_the_one_that_fits_counts() {
        let project = Project::from_yaml(DERIVED).unwrap();
        let dataset = read(&project, "d/KN/KN-X/tas/v20200101").unwrap().unwrap();
        let grid = |name| {
            let name = project.file_name(&dataset, name)?;
            dataset.agrees_with(&name)?;
            Ok::<_, Error>(name.facets.last().unwrap().1)
        };
        assert_eq!(grid("tas_KN-X_gn_1850-1851.nc").unwrap(), "gn");
        assert_eq!(grid("tas_KN-X_gn.nc").unwrap(), "gn");
        assert_eq!(grid("tas_gn_1850-1851.nc").unwrap(), "gn");
        assert_eq!(grid("tas_gn.nc").unwrap(), "gn");
        assert!(grid("tas.nc").unwrap_err().message().contains("variable_model_grid"));
        assert!(grid("pr_gn.nc").unwrap_err().message().contains("`pr`"));
    }

    #[test]
    fn mistakes_are_named_with_a_way_out() {
        for (from, to, said) in [
            ("product: [odd, ODD]", "", "`values` has none for `product`"),
            ("version, ", "", "no `version`"),
            ("grid]\n", "month]\n", "`month`, which is not in each directory"),
            ("grid]\n", "version]\n", "`dataset_id` has `version`"),
            ("{product", "{month: [x], product", "`values` has `month`"),
            ("variable: variable", "variable: name", "`variable` is `name`"),
            ("variable]", "grid]", "`grid` is twice"),
            ("name: odd", "name: ''", "`name` is empty"),
            ("version: vN", "version: v1", "unknown variant `v1`"),
            ("version: vN", "versoin: vN", "unknown field `versoin`"),
            ("version: vN", "version: vN\n        or_directory: [grid, version]", "begin with"),
            ("variable: variable", "derived: {grid: {from: product}}", "in `directory`"),
            ("variable: variable", "derived: {a: {from: b}}", "`a` of `b`"),
            ("directory: [product", "directory: [5, product", "`values` has none for `5`"),
        ] {
            assert!(ODD.contains(from), "{from}");
            let yaml = ODD.replacen(from, to, 1);
            let error = Project::from_yaml(&yaml).expect_err(&yaml);
            assert_eq!(error.code(), Code::Configuration);
            assert!(error.message().contains(said), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
        assert!(Project::from_yaml("name: x\nunknown: y").is_err());
    }
}
