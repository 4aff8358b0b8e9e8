//! The projects whose DRS is known.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::dataset::Dataset;
use super::file_name::FileName;
use super::project::Project;
use super::publisher_config::{PublisherConfig, UserProject};
use super::vocabulary::Vocabularies;
use crate::model::error::{Code, Error, Result};

/// Where one directory fits several, the first of them has it.
const PROJECT_FILES: [&str; 17] = [
    include_str!("projects/CMIP6.yaml"),
    include_str!("projects/CMIP6Plus.yaml"),
    include_str!("projects/CMIP7.yaml"),
    include_str!("projects/CMIP5.yaml"),
    include_str!("projects/CORDEX.yaml"),
    include_str!("projects/CORDEX-CMIP6.yaml"),
    include_str!("projects/CORDEX-Adjust.yaml"),
    include_str!("projects/input4MIPs.yaml"),
    include_str!("projects/obs4MIPs.yaml"),
    include_str!("projects/PRIMAVERA.yaml"),
    include_str!("projects/E3SM.yaml"),
    include_str!("projects/C3S-CMIP5.yaml"),
    include_str!("projects/C3S-CORDEX.yaml"),
    include_str!("projects/CREATE-IP.yaml"),
    include_str!("projects/CREATE-IP-ini.yaml"),
    include_str!("projects/CREATE-IP-src.yaml"),
    include_str!("projects/CREATE-IP-var.yaml"),
];

/// Projects whose facets the publisher (esgcet 5.5.3, `util/settings.py`) has itself, so that it passes by
/// what its configuration says of them.
const OF_THE_PUBLISHER: [&str; 9] = [
    "cmip5",
    "cmip6",
    "cmip7",
    "cordex",
    "cordex-cmip6",
    "e3sm",
    "input4mips",
    "mip-drs7",
    "obs4mips",
];

/// The Data Reference Syntax of the known projects.
#[derive(Debug)]
pub struct Drs {
    projects: Vec<Project>,
    /// The names of the projects the user asked for; all where empty.
    selection: Vec<String>,
    vocabularies: Vocabularies,
}

impl Drs {
    /// The projects this program knows.
    pub fn builtin() -> Result<Self> {
        let projects = PROJECT_FILES.into_iter().map(Project::from_yaml).collect::<Result<_>>()?;
        Ok(Self { projects, selection: Vec::new(), vocabularies: Vocabularies::default() })
    }

    /// No project but the one of which `yaml` is the file.
    pub fn from_yaml(yaml: &str) -> Result<Self> {
        let mut drs = Self::builtin()?;
        drs.projects = vec![Project::from_yaml(yaml)?];
        Ok(drs)
    }

    /// Adds the projects of the files at `paths`, and of those in the directories there. They go before
    /// those known already, and in place of one of the same name.
    pub fn with_project_files(mut self, paths: &[PathBuf]) -> Result<Self> {
        let mut own: Vec<(Project, PathBuf)> = Vec::new();
        for path in project_files(paths)? {
            let yaml =
                fs::read_to_string(&path).map_err(|error| Error::io(&error, "read", &path))?;
            let project = Project::from_yaml(&yaml).map_err(|error| error.in_file(&path))?;
            if let Some((_, other)) = own.iter().find(|(other, _)| other.is_called(&project.name)) {
                let other = other.display().to_string();
                let message =
                    format!("project `{}` is in `{}`, too", project.name, other.escape_debug());
                return Err(Error::new(Code::Configuration, message)
                    .in_file(path)
                    .with_hint("give each project a name of its own, or remove one file"));
            }
            own.push((project, path));
        }
        self.put_first(own.into_iter().map(|(project, _)| project).collect());
        Ok(self)
    }

    /// Adds the projects that the publisher is told of in its configuration, and the one that it treats
    /// as CMIP6. It passes by those that it knows itself, and so does this.
    pub fn with_publisher_projects(mut self, config: &PublisherConfig) -> Result<Self> {
        let told = &config.user_project_config;
        let clone = config.cmip6_clone.as_deref();
        let is_clone = |name: &str| clone.is_some_and(|clone| clone.eq_ignore_ascii_case(name));
        let nothing = UserProject::default();
        let mut users: Vec<(&str, &UserProject)> =
            told.projects.iter().map(|(name, user)| (name.as_str(), user)).collect();
        if !users.iter().any(|(name, _)| is_clone(name)) {
            users.extend(clone.map(|name| (name, &nothing)));
        }
        users.retain(|(name, _)| {
            !OF_THE_PUBLISHER.iter().any(|known| known.eq_ignore_ascii_case(name))
        });
        let mut own = Vec::new();
        for (name, user) in users {
            let origin = if is_clone(name) { Some("CMIP6") } else { told.clone_project.as_deref() };
            if let Some(origin) = origin {
                let origin = self.project_called(origin)?;
                let constant = ["mip_era", "project"].into_iter().find_map(|it| user.constant(it));
                own.push(origin.clone_as(name, constant.unwrap_or(name)));
            } else if let Some(facets) = &user.drs {
                let first = facets.first().and_then(|first| user.constant(first)).unwrap_or(name);
                own.push(Project::of_facets(name, facets, first)?);
            }
        }
        self.put_first(own);
        Ok(self)
    }

    /// Compares facets with the controlled vocabularies in the directory `path` from now on.
    pub fn with_vocabularies(mut self, path: &Path) -> Result<Self> {
        self.vocabularies = Vocabularies::load(path, &self.projects)?;
        Ok(self)
    }

    fn put_first(&mut self, mut own: Vec<Project>) {
        self.projects
            .retain(|known| !own.iter().any(|own| own.name.eq_ignore_ascii_case(&known.name)));
        own.append(&mut self.projects);
        self.projects = own;
    }

    /// Selects the projects called `names`, whatever their case; no names select all. The other
    /// projects are still recognised, so that their files are not taken for strays.
    pub fn only(mut self, names: &[impl AsRef<str>]) -> Result<Self> {
        self.selection = names
            .iter()
            .map(|name| self.project_called(name.as_ref()).map(|project| project.name.clone()))
            .collect::<Result<_>>()?;
        // Of several that fit one directory, the user means the one that is asked for.
        let selection = &self.selection;
        self.projects.sort_by_key(|project| !selection.contains(&project.name));
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
    pub fn file_name<'a>(
        &'a self,
        dataset: &Dataset,
        name: &'a (impl AsRef<OsStr> + ?Sized),
    ) -> Result<FileName<'a>> {
        let name = name
            .as_ref()
            .to_str()
            .ok_or_else(|| Error::new(Code::DrsMismatch, "the file name is not UTF-8"))?;
        self.project_called(&dataset.project)?.file_name(dataset, name)
    }

    /// The variable that `dataset` is about: a facet of its directory or, where that has none, of
    /// the name of a file of it.
    pub fn variable(
        &self,
        dataset: &Dataset,
        file_name: &(impl AsRef<OsStr> + ?Sized),
    ) -> Result<NamedVariable> {
        let project = self.project_called(&dataset.project)?;
        let Some(facet) = project.variable() else {
            return Ok(NamedVariable::Any);
        };
        let named = match dataset.facet(facet) {
            Some(variable) => Some(variable),
            None => self.file_name(dataset, file_name)?.variable,
        };
        match named {
            Some(name) if project.is_loose() => Ok(NamedVariable::Similar(name.to_owned())),
            Some(name) => Ok(NamedVariable::Exact(name.to_owned())),
            None if project.is_loose() => Ok(NamedVariable::Any),
            None => Err(Error::new(Code::DrsMismatch, "no facet of the path names the variable")),
        }
    }

    /// The facet of `dataset` that is the name of the variable, if paths of the project have one. Where its
    /// directory lacks that facet, there may be files of several variables.
    pub fn variable_facet(&self, dataset: &Dataset) -> Result<Option<&str>> {
        Ok(self.project_called(&dataset.project)?.variable())
    }

    /// Facets of `dataset` that are in no controlled vocabulary, as warnings.
    #[must_use]
    pub fn not_in_vocabulary(&self, dataset: &Dataset) -> Vec<Error> {
        self.vocabularies.not_in(dataset)
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
        let mut known: Vec<&str> = Vec::new();
        for value in self.projects.iter().flat_map(Project::first_values) {
            if !known.contains(&value.as_str()) {
                known.push(value);
            }
        }
        unrecognised(format!("no directory above is called `{}`", known.join("` or `"))).with_hint(
            "the tree must follow the DRS of a known project, or of one that --project-file names",
        )
    }
}

/// What a path says of the variable that a dataset is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedVariable {
    /// Files have it under this name.
    Exact(String),
    /// Files may have it with `_` where this has `-`, or several variables instead.
    Similar(String),
    /// Nothing: files may have any.
    Any,
}

/// The project files at `paths`, of which directories stand for those in them.
fn project_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let list = |error| Error::io(&error, "list", path);
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(list)? {
            found.push(entry.map_err(list)?.path());
        }
        found.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
        if found.is_empty() {
            return Err(Error::new(Code::Configuration, "the directory holds no project file")
                .in_file(path)
                .with_hint("names of project files end in `.yaml`"));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
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
        assert_eq!(drs.variable(&flat, name).unwrap(), NamedVariable::Exact("tas".to_owned()));
    }

    /// The IDs that a directory has as its own, if any, and as a directory of each of `projects`.
    fn id(project: &[&str], path: &str) -> String {
        let drs = Drs::builtin().unwrap().only(project).unwrap();
        drs.dataset(Path::new(path)).unwrap().instance_id()
    }

    #[test]
    fn names_of_regional_models_lose_their_institute() {
        let path =
            "CORDEX/output/EUR-11/IPSL-INERIS/I-M/rcp85/r1i1p1/IPSL-INERIS-WRF331F/v1/day/tas/v1";
        let expected = "cordex.output.EUR-11.IPSL-INERIS.I-M.rcp85.r1i1p1.WRF331F.v1.day.tas.v1";
        assert_eq!(id(&[], path), expected);
        // The map knows what the institute does not tell.
        let other =
            path.replace("IPSL-INERIS/", "KNMI/").replace("IPSL-INERIS-WRF331F", "DMI-HIRHAM5");
        assert!(id(&[], &other).contains(".KNMI.I-M.rcp85.r1i1p1.HIRHAM5."));
        let new = path.replace("IPSL-INERIS", "CLMcom-ETH").replace("WRF331F", "COSMO-crCLIM-v1-1");
        assert!(id(&[], &new).contains(".CLMcom-ETH.I-M.rcp85.r1i1p1.COSMO-crCLIM-v1-1."));
        assert_eq!(
            refusal(path.replace("/IPSL-INERIS/", "/X/").replace("WRF331F", "Y")),
            "no rcm_name is known for rcm_model `IPSL-INERIS-Y`"
        );
        let climate = path.replace("CORDEX", "C3S-CORDEX");
        assert_eq!(id(&[], &climate), expected.replace("cordex", "c3s-cordex"));
        let adjusted =
            path.replace("CORDEX", "CORDEX-Adjust").replace("/v1/day", "/v1-X-1980-2018/day");
        assert!(
            id(&[], &adjusted).starts_with("cordex-adjust.")
                && id(&[], &adjusted).contains(".v1-X-1980-2018.")
        );
    }

    #[test]
    fn a_reanalysis_has_the_id_that_is_asked_for() {
        let path = "/d/CREATE-IP/reanalysis/ECMWF/IFS-Cy41r2/ERA5/mon/atmos/tas";
        let ids = [
            (&[][..], "IFS-Cy41r2.ERA5.atmos.mon.latest.tas"),
            (&["create-ip-src"], "ERA5.atmos.mon.latest.tas"),
            (&["CREATE-IP-exp"], "ERA5.atmos.mon.latest.tas"),
            (&["CREATE-IP-ini"], "IFS-Cy41r2.atmos.mon.latest.tas"),
            (&["CREATE-IP-var"], "IFS-Cy41r2.ERA5.mon.atmos.tas.latest"),
        ];
        for (project, end) in ids {
            assert_eq!(id(project, path), format!("CREATE-IP.reanalysis.ECMWF.{end}"));
        }
        let versioned = format!("{path}/v20200608");
        assert!(id(&[], &versioned).ends_with("IFS-Cy41r2.ERA5.atmos.mon.v20200608.tas"));
    }

    #[test]
    fn the_publishers_projects_are_known() {
        let config = |text: &str| -> PublisherConfig {
            serde_yaml::from_str(&format!("data_node: n\ndata_roots: {{}}\n{text}")).unwrap()
        };
        let id = |drs: Drs, path: &str| Ok::<_, Error>(drs.dataset(Path::new(path))?.instance_id());
        let drs = |text: &str| Drs::builtin().unwrap().with_publisher_projects(&config(text));
        let own = "user_project_config: {mymip: {DRS: [project, model, variable], \
                   CONST_ATTR: {project: MyMIP, n: 1}, GA: [x], pid_prefix: '21.1'}}";
        let found = id(drs(own).unwrap(), "/d/MyMIP/a_b/tas/v1").unwrap();
        assert_eq!(found, "MyMIP.a_b.tas.v1");
        assert!(drs(own).unwrap().only(&["MYMIP"]).is_ok());
        let plain = own.replace("project: MyMIP, ", "");
        assert_eq!(id(drs(&plain).unwrap(), "/d/mymip/a_b/tas/v1").unwrap(), "mymip.a_b.tas.v1");

        let path = "/d/X/CMIP/I/M/historical/r1i1p1f1/Amon/tas/gn/v20200101";
        let clones = [
            ("cmip6_clone: X", ""),
            ("cmip6_clone: x", "user_project_config: {x: {CONST_ATTR: {project: X}}}"),
            ("", "user_project_config: {clone_project: cmip6, X: {}}"),
        ];
        for (clone, user) in clones {
            let drs = drs(&format!("{clone}\n{user}\n")).unwrap();
            let dataset = drs.dataset(Path::new(path)).unwrap();
            let expected = "X.CMIP.I.M.historical.r1i1p1f1.Amon.tas.gn.v20200101";
            assert_eq!(dataset.instance_id(), expected);
            let name = "tas_Amon_M_historical_r1i1p1f1_gn_1850-1851.nc";
            assert!(dataset.agrees_with(&drs.file_name(&dataset, name).unwrap()).is_ok());
        }
        // It has facets of its own for these, and never looks.
        let known = "user_project_config: {e3sm: {DRS: [source]}, cmip6: }";
        assert!(id(drs(known).unwrap(), "/d/E3SM/v1").is_err());
        let wrong = "user_project_config: {a: {DRS: []}}";
        assert_eq!(drs(wrong).unwrap_err().code(), Code::Configuration);
        assert!(drs("user_project_config: {clone_project: x, a: {}}").is_err());
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
        let unknown = refusal("/data/x");
        assert!(
            unknown.starts_with(
                "no directory above is called `CMIP6` or `CMIP6Plus` or `MIP-DRS7` or `cmip5` or "
            ) && unknown.matches("`CREATE-IP`").count() == 1,
            "{unknown}"
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
        assert!(
            error.hint().unwrap().starts_with("known projects: CMIP6, CMIP6Plus, CMIP7, CMIP5, ")
        );
    }

    #[test]
    fn file_names_of_each_project() {
        let drs = Drs::builtin().unwrap();
        let six = read(CMIP6).unwrap();
        let name =
            drs.file_name(&six, "pr_Amon_CESM2_historical_r1i1p1f1_gn_185001-201412.nc").unwrap();
        assert_eq!(name.variable, Some("pr"));
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
