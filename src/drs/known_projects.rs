//! The projects whose DRS is known.

use std::ffi::OsStr;
use std::path::{Component, Path};

use super::dataset::Dataset;
use super::file_name::FileName;
use super::project::Project;
use crate::model::error::{Code, Error, Result};

const PROJECT_FILES: [&str; 4] = [
    include_str!("projects/CMIP6.yaml"),
    include_str!("projects/CMIP6Plus.yaml"),
    include_str!("projects/CMIP7.yaml"),
    include_str!("projects/CMIP5.yaml"),
];

/// The Data Reference Syntax of the known projects.
#[derive(Debug)]
pub struct Drs {
    projects: Vec<Project>,
    /// The names of the projects the user asked for; all where empty.
    selection: Vec<String>,
}

impl Drs {
    /// The projects this program knows.
    pub fn builtin() -> Result<Self> {
        let projects = PROJECT_FILES.into_iter().map(Project::from_yaml).collect::<Result<_>>()?;
        Ok(Self { projects, selection: Vec::new() })
    }

    /// A project of which `yaml` is the file.
    #[cfg(test)]
    pub fn from_yaml(yaml: &str) -> Result<Self> {
        Ok(Self { projects: vec![Project::from_yaml(yaml)?], selection: Vec::new() })
    }

    /// Selects the projects called `names`, whatever their case; no names select all. The other
    /// projects are still recognised, so that their files are not taken for strays.
    pub fn only(mut self, names: &[impl AsRef<str>]) -> Result<Self> {
        self.selection = names
            .iter()
            .map(|name| self.project_called(name.as_ref()).map(|project| project.name.clone()))
            .collect::<Result<_>>()?;
        Ok(self)
    }

    /// Names of the projects the user asked for; all where empty.
    #[must_use]
    pub fn selection(&self) -> &[String] {
        &self.selection
    }

    /// Whether the user asked for the project of `dataset`.
    #[must_use]
    pub fn selects(&self, dataset: &Dataset) -> bool {
        self.selection.is_empty() || self.selection.contains(&dataset.project)
    }

    /// The dataset that a directory of NetCDF files holds, counted back from its end, so that any
    /// root may lie above. The error is [`Code::Unrecognised`] and says why.
    pub fn dataset(&self, directory: &Path) -> Result<Dataset> {
        let names: Vec<&OsStr> = directory
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        let mut refusal = None;
        for reading in self.projects.iter().filter_map(|project| project.dataset(&names)) {
            match reading {
                Ok(dataset) => return Ok(dataset),
                Err(error) => {
                    refusal.get_or_insert(error);
                }
            }
        }
        Err(refusal.unwrap_or_else(|| self.unclaimed(&names)).in_file(directory))
    }

    /// Takes the name of a file of `dataset` apart; whether it agrees with the directory is for
    /// [`Dataset::agrees_with`]. The error is a [`Code::DrsMismatch`].
    pub fn file_name(&self, dataset: &Dataset, name: impl AsRef<OsStr>) -> Result<FileName> {
        let name = name
            .as_ref()
            .to_str()
            .ok_or_else(|| Error::new(Code::DrsMismatch, "the file name is not UTF-8"))?;
        self.project_called(&dataset.project)?.file_name(name)
    }

    /// The variable that `dataset` is about: a facet of its directory or, where that has none, of
    /// the name of a file of it.
    pub fn variable(&self, dataset: &Dataset, file_name: impl AsRef<OsStr>) -> Result<String> {
        let facet = self.project_called(&dataset.project)?.variable();
        if let Some(variable) = dataset.facet(facet) {
            return Ok(variable.to_owned());
        }
        let unnamed = || Error::new(Code::DrsMismatch, "no facet of the path names the variable");
        self.file_name(dataset, file_name)?.variable.ok_or_else(unnamed)
    }

    /// The facet of `dataset` that is the name of the variable. Where its directory lacks that facet, there
    /// may be files of several variables.
    pub fn variable_facet(&self, dataset: &Dataset) -> Result<&str> {
        Ok(self.project_called(&dataset.project)?.variable())
    }

    fn project_called(&self, name: &str) -> Result<&Project> {
        self.projects.iter().find(|project| project.is_called(name)).ok_or_else(|| {
            let known: Vec<&str> =
                self.projects.iter().map(|project| project.name.as_str()).collect();
            let message = format!("unknown project `{}`", name.escape_debug());
            Error::new(Code::Configuration, message)
                .with_hint(format!("known projects: {}", known.join(", ")))
        })
    }

    /// Why no project reads `names` as its own.
    fn unclaimed(&self, names: &[&OsStr]) -> Error {
        let unrecognised = |message| Error::new(Code::Unrecognised, message);
        for (below, name) in names.iter().rev().enumerate() {
            for project in &self.projects {
                let alike = |first: &&String| name.eq_ignore_ascii_case(first);
                let Some(first) = project.first_values().iter().find(alike) else {
                    continue;
                };
                if !project.first_values().iter().any(|first| *name == first.as_str()) {
                    let name = name.to_string_lossy();
                    let message = format!("the directory `{name}` is not written `{first}`");
                    return unrecognised(message).with_hint(project.layout());
                }
                let expected: Vec<String> =
                    project.depths().iter().map(|depth| (depth - 1).to_string()).collect();
                let expected = expected.join(" or ");
                let message =
                    format!("`{first}` must be followed by {expected} directories, not {below}");
                return unrecognised(message).with_hint(project.layout());
            }
        }
        let known: Vec<&str> =
            self.projects.iter().flat_map(Project::first_values).map(String::as_str).collect();
        unrecognised(format!("no directory above is called `{}`", known.join("` or `")))
            .with_hint("the tree must follow the DRS of a known project")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    const CMIP6: &str = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20190401";
    const CMIP7: &str = "MIP-DRS7/CMIP7/CMIP/MOHC/UKESM1-0-LL/1pctCO2/r1i1p1f3/glb/mon/tas/\
                         tavg-h2m-hxy-u/g99/v20260123";

    fn read(path: impl AsRef<OsStr>) -> Result<Dataset> {
        Drs::builtin().unwrap().dataset(Path::new(path.as_ref()))
    }

    fn refusal(path: impl AsRef<OsStr>) -> String {
        let error = read(path).unwrap_err();
        assert_eq!(error.code(), Code::Unrecognised);
        assert!(error.hint().is_some() && error.path().is_some());
        error.message().to_owned()
    }

    #[test]
    fn any_root_may_lie_above() {
        for root in ["", "/", "/data/", "/data/CMIP6/", "/data/cmip6/", "/MIP-DRS7/CMIP6Plus/x/"] {
            let dataset = read(format!("{root}{CMIP6}")).unwrap();
            assert_eq!(dataset.project, "CMIP6");
            assert_eq!(
                dataset.instance_id(),
                "CMIP6.CMIP.NCAR.CESM2.historical.r1i1p1f1.Amon.pr.gn.v20190401"
            );
            assert_eq!(dataset.below_root, Path::new(CMIP6));
            assert_eq!(dataset.facet("variable_id"), Some("pr"));
            assert!(dataset.versioned);
        }
    }

    #[test]
    fn projects_are_told_apart_by_the_whole_name() {
        let plus = read(format!("/x/{}", CMIP6.replacen("CMIP6", "CMIP6Plus", 1))).unwrap();
        assert_eq!(plus.project, "CMIP6Plus");
        assert!(plus.master_id().starts_with("CMIP6Plus.CMIP."));
        assert_eq!(read(CMIP6).unwrap().project, "CMIP6");

        let seven = read(format!("/x/{CMIP7}/")).unwrap();
        assert_eq!(seven.project, "CMIP7");
        assert_eq!(
            seven.instance_id(),
            "MIP-DRS7.CMIP7.CMIP.MOHC.UKESM1-0-LL.1pctCO2.r1i1p1f3.glb.mon.tas.tavg-h2m-hxy-u.g99.v20260123"
        );
    }

    #[test]
    fn sub_experiments_and_latest() {
        let path = "CMIP6/DCPP/MRI/MRI-ESM2-0/dcppA-hindcast/s1960-r1i1p1f1/Amon/psl/gn/latest";
        let dataset = read(path).unwrap();
        assert_eq!(dataset.facet("member_id"), Some("s1960-r1i1p1f1"));
        assert_eq!(dataset.version, "latest");
        assert!(!dataset.versioned);
        assert!(dataset.instance_id().ends_with(".gn.latest"));
    }

    #[test]
    fn datasets_of_many_variables() {
        let version = "output1/MOHC/HadGEM2-ES/historical/mon/atmos/Amon/r1i1p1/v20110418";
        let id = "cmip5.output1.MOHC.HadGEM2-ES.historical.mon.atmos.Amon.r1i1p1";
        for root in ["/d/cmip5", "CMIP5", "/CMIP5/cmip5", "/cmip5/CMIP5"] {
            let flat = read(format!("{root}/{version}")).unwrap();
            assert_eq!((flat.project.as_str(), flat.facet("variable")), ("CMIP5", None));
            assert_eq!(flat.instance_id(), format!("{id}.v20110418"));
            let apart = read(format!("{root}/{version}/tas")).unwrap();
            assert_eq!(apart.instance_id(), format!("{id}.v20110418.tas"));
            assert_eq!(apart.master_id(), format!("{id}.tas"));
        }
        let parent = format!("cmip5/{}", version.rsplit_once('/').unwrap().0);
        assert_eq!(refusal(parent), "`cmip5` must be followed by 10 or 9 directories, not 8");
        assert_eq!(
            refusal(format!("/CMIP5/{version}/tas/x")),
            "`cmip5` must be followed by 10 or 9 directories, not 11"
        );
        assert_eq!(
            refusal(format!("Cmip5/{version}")),
            "the directory `Cmip5` is not written `cmip5`"
        );
        let drs = Drs::builtin().unwrap();
        let flat = read(format!("cmip5/{version}")).unwrap();
        let name = "tas_Amon_HadGEM2-ES_historical_r1i1p1_185912-188411.nc";
        assert_eq!(drs.variable(&flat, name).unwrap(), "tas");
    }

    #[test]
    fn refusals_say_why() {
        let parent = Path::new(CMIP6).parent().unwrap();
        assert_eq!(refusal(parent), "`CMIP6` must be followed by 9 directories, not 8");
        assert_eq!(
            refusal(format!("/d/{CMIP6}/x")),
            "`CMIP6` must be followed by 9 directories, not 10"
        );
        assert_eq!(
            refusal(CMIP6.replace("CMIP6", "cmip6")),
            "the directory `cmip6` is not written `CMIP6`"
        );
        assert_eq!(
            refusal("/data/x"),
            "no directory above is called `CMIP6` or `CMIP6Plus` or `MIP-DRS7` or `cmip5` or `CMIP5`"
        );
        assert_eq!(
            refusal(CMIP6.replace("v20190401", "v2019041")),
            "version `v2019041` is not like `vYYYYMMDD`"
        );
        assert_eq!(refusal(CMIP6.replace("CESM2", "CESM_2")), "source_id `CESM_2` holds `_`");
        assert_eq!(
            refusal(CMIP6.replace("NCAR", "\u{1b}")),
            "institution_id `\\u{1b}` holds `\\u{1b}`"
        );
        assert_eq!(refusal(CMIP7.replace("CMIP7", "CMIP8")), "mip_era `CMIP8` is not `CMIP7`");
        assert_eq!(refusal(""), refusal("/"));
    }

    #[test]
    fn names_that_are_not_utf8_are_refused() {
        let path = CMIP6.replace("CESM2", "CESM?");
        let bytes: Vec<u8> = path.bytes().map(|b| if b == b'?' { 0xe9 } else { b }).collect();
        assert!(refusal(OsStr::from_bytes(&bytes)).ends_with("is not UTF-8"));
        let drs = Drs::builtin().unwrap();
        let name = OsStr::from_bytes(b"pr_\xe9.nc");
        let error = drs.file_name(&read(CMIP6).unwrap(), name).unwrap_err();
        assert_eq!(error.code(), Code::DrsMismatch);
    }

    #[test]
    fn projects_are_selected_by_name() {
        let drs = Drs::builtin().unwrap().only(&["mip-drs7", "cmip6PLUS"]).unwrap();
        assert!(drs.selects(&read(CMIP7).unwrap()));
        assert!(!drs.selects(&read(CMIP6).unwrap()));
        assert!(Drs::builtin().unwrap().selects(&read(CMIP6).unwrap()));

        let error = Drs::builtin().unwrap().only(&["CMIP66"]).unwrap_err();
        assert_eq!(error.code(), Code::Configuration);
        assert_eq!(error.hint(), Some("known projects: CMIP6, CMIP6Plus, CMIP7, CMIP5"));
    }

    #[test]
    fn file_names_of_each_project() {
        let drs = Drs::builtin().unwrap();
        let six = read(CMIP6).unwrap();
        let name =
            drs.file_name(&six, "pr_Amon_CESM2_historical_r1i1p1f1_gn_185001-201412.nc").unwrap();
        assert_eq!(name.variable.as_deref(), Some("pr"));
        assert_eq!(name.time_range.unwrap().end.year, 2014);
        let fixed = drs.file_name(&six, "areacella_fx_CESM2_historical_r1i1p1f1_gn.nc").unwrap();
        assert_eq!(fixed.time_range, None);

        let seven = read(CMIP7).unwrap();
        let name = "tas_tavg-h2m-hxy-u_mon_glb_g99_UKESM1-0-LL_1pctCO2_r1i1p1f3_185001-185002.nc";
        assert!(seven.agrees_with(&drs.file_name(&seven, name).unwrap()).is_ok());

        for name in [
            "pr.nc",
            "pr_Amon.txt",
            "pr_Amon_CESM2_historical_r1i1p1f1_gn_1850_x.nc",
            ".nc",
            "",
            "p.r_Amon_CESM2_historical_r1i1p1f1_gn.nc",
            "pr__CESM2_historical_r1i1p1f1_gn.nc",
        ] {
            assert_eq!(drs.file_name(&six, name).unwrap_err().code(), Code::DrsMismatch, "{name}");
        }
    }
}
