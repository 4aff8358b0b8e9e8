//! From file-system paths to URLs.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use super::dataset::Dataset;
use super::path_map::PathMap;
use super::publisher_config::PublisherConfig;
use super::url::{Template, encoded};
use crate::model::error::{Code, Error, Result};

/// What the publisher fills its URLs into when `https_url` is not set.
const THREDDS_FILE_SERVER: &str = "thredds/fileServer";

/// The directories that are served, in the order of the configuration.
///
/// Where several match a path, the last one wins: not the longest, because that is how the
/// publisher (esgcet 5.5.3, `ESGPubMakeDataset.normalize_path`) decides, and its URLs are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataRoots {
    roots: Vec<DataRoot>,
    mountpoints: Mountpoints,
    /// The directory that references alone lie in.
    references: Option<DataRoot>,
}

/// Prefixes that the publisher replaces in the paths of mapfiles before it looks for a data root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mountpoints {
    map: Vec<(String, String)>,
    /// What the publisher takes for the name of the project, if that is set.
    project: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DataRoot {
    prefix: PathBuf,
    url: Template,
    /// The prefix as written, where the publisher does not find it again; see
    /// [`DataRoots::lost_root`].
    lost_as: Option<String>,
}

impl DataRoots {
    /// File-system prefixes and the URL prefixes they are served under.
    pub fn from_pairs(pairs: Vec<(PathBuf, String)>) -> Result<Self> {
        let mut data_roots = Self::default();
        for (prefix, url) in pairs {
            let url = Template::prefix(&url).map_err(|error| error.in_file(&prefix))?;
            data_roots.push(DataRoot { prefix, url, lost_as: None })?;
        }
        Ok(data_roots)
    }

    /// The `data_roots` of an `esg.yaml`, served as the publisher will say.
    pub fn from_publisher(config: &PublisherConfig) -> Result<Self> {
        let template = match config.https_url.as_deref() {
            Some(https_url) if !https_url.is_empty() => https_url.to_owned(),
            _ => format!("https://{}/{THREDDS_FILE_SERVER}/{{}}/{{}}", config.data_node),
        };
        let PathMap(pairs) = &config.data_roots;
        let mut data_roots =
            Self { mountpoints: Mountpoints::from_publisher(config), ..Self::default() };
        for (written, mapped_root) in pairs {
            let trimmed = written.trim_end_matches('/');
            let is_lost = trimmed != written && pairs.iter().all(|(other, _)| other != trimmed);
            data_roots.push(DataRoot {
                prefix: PathBuf::from(written),
                url: Template::publisher(&template, mapped_root)?,
                lost_as: is_lost.then(|| written.clone()),
            })?;
        }
        Ok(data_roots)
    }

    /// Adds the directory that references go to, and the URL that it is served under.
    pub fn with_references(mut self, directory: &str, url: &str) -> Result<Self> {
        let root = DataRoot {
            prefix: PathBuf::from(directory),
            // The publisher puts a slash between them, whatever the URL ends with.
            url: Template::prefix(&format!("{url}/"))?,
            lost_as: None,
        };
        if !root.is_well_placed() {
            let message = format!(
                "`kerchunk.data_dir` is `{}`: expected an absolute path without `..`",
                directory.escape_debug()
            );
            return Err(Error::new(Code::Configuration, message)
                .with_hint("write it like `/data/refs: https://node.org/refs`"));
        }
        self.references = Some(root);
        Ok(self)
    }

    fn push(&mut self, root: DataRoot) -> Result<()> {
        let wrong =
            |message: &str| Err(Error::new(Code::Configuration, message).in_file(&root.prefix));
        if !root.is_well_placed() {
            return wrong("a data root must be an absolute path without `..`");
        }
        if let Some(at) = self.roots.iter().position(|known| known.prefix == root.prefix) {
            // The last mention counts for the order.
            let known = self.roots.remove(at);
            if known.url != root.url {
                return wrong("the data root has two different URLs");
            }
        }
        self.roots.push(root);
        Ok(())
    }

    /// Whether nothing is served, so that no path has a URL.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The URL of a file of `dataset`; none where no data root holds `path`. Roots are compared by
    /// component, and `path` as it is: absolute, symbolic links not resolved.
    #[must_use]
    pub fn url(&self, path: &Path, dataset: &Dataset) -> Option<String> {
        if let Some(references) = &self.references
            && path.parent() == Some(&references.prefix)
        {
            return Some(references.url.fill(&encoded(Path::new(path.file_name()?))));
        }
        let first_facet = dataset.drs_id.split('.').next()?;
        let path = &*self.mountpoints.mapped(path, first_facet);
        let (root, below) = self.matching(path).last()?;
        let below = encoded(below);
        Some(match self.lost_root(root, first_facet) {
            Some(found) => found.url.fill(&below.replace(&format!("{first_facet}/"), "")),
            None => root.url.fill(&below),
        })
    }

    /// A [`Code::AmbiguousDataRoot`] where several data roots hold `path`, to be shown as a
    /// warning. Files of one directory share the answer.
    #[must_use]
    pub fn ambiguity(&self, path: &Path, dataset: &Dataset) -> Option<Error> {
        let first_facet = dataset.drs_id.split('.').next()?;
        let roots: Vec<String> = self
            .matching(&self.mountpoints.mapped(path, first_facet))
            .map(|(root, _)| format!("`{}`", root.prefix.to_string_lossy().escape_debug()))
            .collect();
        let (used, others) = roots.split_last().filter(|(_, others)| !others.is_empty())?;
        let message = format!(
            "data roots {} and {used} hold it; {used}, the last, is used",
            others.join(", ")
        );
        Some(Error::new(Code::AmbiguousDataRoot, message).in_file(path))
    }

    /// The roots that hold `path`, each with the path below it.
    fn matching<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a DataRoot, &'a Path)> {
        let roots = if has_parent_dir(path) { &[] } else { self.roots.as_slice() };
        roots.iter().filter_map(move |root| {
            let below = path.strip_prefix(&root.prefix).ok()?;
            (!below.as_os_str().is_empty()).then_some((root, below))
        })
    }

    /// The publisher matches a root written with a trailing slash without it, and then does not
    /// find it in its table (`ESGPubMakeDataset.get_file`). It looks for the first root whose text
    /// holds both the match and the first facet, and cuts that facet out of the path. Where there
    /// is none it publishes nothing, so that no URL of ours can differ.
    fn lost_root(&self, root: &DataRoot, first_facet: &str) -> Option<&DataRoot> {
        let lost = root.lost_as.as_deref()?.trim_end_matches('/');
        self.roots.iter().find(|candidate| {
            let text =
                candidate.lost_as.as_deref().or(candidate.prefix.to_str()).unwrap_or_default();
            text.contains(first_facet) && text.contains(lost)
        })
    }
}

impl DataRoot {
    fn is_well_placed(&self) -> bool {
        self.prefix.is_absolute() && !has_parent_dir(&self.prefix)
    }
}

impl Mountpoints {
    fn from_publisher(config: &PublisherConfig) -> Self {
        // `PROJECT_MAP` of the publisher.
        let project =
            config.project.as_ref().map(|project| match project.to_lowercase().as_str() {
                "cmip7" => "mip-drs7".to_owned(),
                _ => project.clone(),
            });
        Self { map: config.mountpoint_map.0.clone(), project }
    }

    /// `path` as the publisher has it after `ESGPubMapConv.parse_map`: only where all that lies before the
    /// name of the project, less a character, is in the map. The project is what mapfiles are called by,
    /// the first facet, unless it is set.
    fn mapped<'p>(&self, path: &'p Path, first_facet: &str) -> Cow<'p, Path> {
        self.replaced(path, first_facet).map_or(Cow::Borrowed(path), Cow::Owned)
    }

    fn replaced(&self, path: &Path, first_facet: &str) -> Option<PathBuf> {
        let text = path.to_str()?;
        let project = self.project.as_deref().unwrap_or(first_facet);
        let mut before = text.split(project).next()?.chars();
        before.next_back();
        let before = before.as_str();
        let (_, mount) = self.map.iter().find(|(prefix, _)| prefix == before)?;
        Some(PathBuf::from(text.replace(before, mount)))
    }
}

/// Only the file system knows what `..` after a symbolic link means.
fn has_parent_dir(path: &Path) -> bool {
    path.components().any(|component| component == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::super::Drs;
    use super::*;

    const BELOW: &str = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20190401";

    fn dataset() -> Dataset {
        Drs::builtin().unwrap().dataset(Path::new(BELOW)).unwrap()
    }

    fn publisher(roots: &[(&str, &str)], https_url: Option<&str>) -> DataRoots {
        let roots = roots.iter().map(|(fs, url)| ((*fs).to_owned(), (*url).to_owned())).collect();
        DataRoots::from_publisher(&PublisherConfig {
            data_node: "n.org".to_owned(),
            data_roots: PathMap(roots),
            https_url: https_url.map(str::to_owned),
            ..PublisherConfig::default()
        })
        .unwrap()
    }

    fn own(roots: &[(&str, &str)]) -> Result<DataRoots> {
        DataRoots::from_pairs(
            roots.iter().map(|(fs, url)| (fs.into(), (*url).to_owned())).collect(),
        )
    }

    /// Compared with what `ESGPubMakeDataset` of esgcet 5.5.3 returns for the same roots and path.
    #[test]
    fn urls_are_those_of_the_publisher() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
        #[rustfmt::skip]
        let cases: [Case; 12] = [
            (&[("/d", "css03")], "/d/CMIP6/CMIP/x.nc", "css03/CMIP6/CMIP/x.nc"),
            (&[("/d", "css03/")], "/d/CMIP6/CMIP/x.nc", "css03//CMIP6/CMIP/x.nc"),
            (&[("/d", "/css03")], "/d/CMIP6/CMIP/x.nc", "/css03/CMIP6/CMIP/x.nc"),
            (&[("/d/CMIP6", "six")], "/d/CMIP6/CMIP/x.nc", "six/CMIP/x.nc"),
            (&[("/d/CMIP6/", "six")], "/d/CMIP6/CMIP/x.nc", "six/CMIP/x.nc"),
            // The last match wins, whichever is longer.
            (&[("/d", "all"), ("/d/CMIP6", "six")], "/d/CMIP6/CMIP/x.nc", "six/CMIP/x.nc"),
            (&[("/d/CMIP6", "six"), ("/d", "all")], "/d/CMIP6/CMIP/x.nc", "all/CMIP6/CMIP/x.nc"),
            (&[("/d", "all"), ("/d/CMIP6", "six"), ("/d/", "all")], "/d/CMIP6/CMIP/x.nc", "all/CMIP6/CMIP/x.nc"),
            (&[("/d/", "all"), ("/d", "all")], "/d/CMIP6/CMIP/x.nc", "all/CMIP6/CMIP/x.nc"),
            // A trailing slash with and without the name of the project in a root.
            (&[("/CMIP6_d/", "css03")], "/CMIP6_d/CMIP6/CMIP/x.nc", "css03/CMIP/x.nc"),
            (&[("/CMIP6_d", "css03")], "/CMIP6_d/CMIP6/CMIP/x.nc", "css03/CMIP6/CMIP/x.nc"),
            (&[("/d/CMIP6", "six"), ("/d/", "all")], "/d/CMIP6/CMIP/x.nc", "six/CMIP/x.nc"),
        ];
        for (roots, path, expected) in cases {
            let url = publisher(roots, None).url(Path::new(path), &dataset()).unwrap();
            assert_eq!(url, format!("https://n.org/thredds/fileServer/{expected}"), "{roots:?}");
            let custom =
                publisher(roots, Some("https://g.org/{}/{}|application/netcdf|HTTPServer"));
            let url = custom.url(Path::new(path), &dataset()).unwrap();
            assert_eq!(url, format!("https://g.org/{expected}"), "{roots:?}");
        }
    }

    #[test]
    fn a_trailing_slash_the_publisher_stumbles_over_is_harmless() {
        let roots = publisher(&[("/d/", "all")], Some(""));
        let url = roots.url(Path::new("/d/CMIP6/x.nc"), &dataset()).unwrap();
        assert_eq!(url, "https://n.org/thredds/fileServer/all/CMIP6/x.nc");
    }

    #[test]
    fn own_prefixes_are_joined_by_one_slash() {
        for url in ["http://h:8080/a", "http://h:8080/a/"] {
            let roots = own(&[("/d/", url)]).unwrap();
            assert_eq!(
                roots.url(Path::new("/d/x.nc"), &dataset()).unwrap(),
                "http://h:8080/a/x.nc"
            );
        }
        let globus = own(&[("/d", "https://g.org//css03")]).unwrap();
        assert_eq!(
            globus.url(Path::new("/d/x.nc"), &dataset()).unwrap(),
            "https://g.org//css03/x.nc"
        );
    }

    #[test]
    fn roots_match_by_component() {
        let roots = own(&[("/d/CMIP6", "https://h/six")]).unwrap();
        for path in ["/d/CMIP6Plus/x.nc", "/d/x.nc", "/d/CMIP6", "d/CMIP6/x.nc", "/d/CMIP6/../x.nc"]
        {
            assert_eq!(roots.url(Path::new(path), &dataset()), None, "{path}");
        }
        assert!(DataRoots::default().is_empty() && !roots.is_empty());
    }

    #[test]
    fn odd_file_names_are_encoded() {
        let roots = own(&[("/d", "https://h")]).unwrap();
        let path = Path::new(OsStr::from_bytes(b"/d/a b/\xe9%.nc"));
        assert_eq!(roots.url(path, &dataset()).unwrap(), "https://h/a%20b/%E9%25.nc");
    }

    #[test]
    fn several_matching_roots_are_named() {
        let roots =
            own(&[("/d", "https://h/a"), ("/d/CMIP6", "https://h/b"), ("/e", "https://h/c")])
                .unwrap();
        let error = roots.ambiguity(Path::new("/d/CMIP6/x.nc"), &dataset()).unwrap();
        assert_eq!(error.code(), Code::AmbiguousDataRoot);
        assert_eq!(error.path(), Some(Path::new("/d/CMIP6/x.nc")));
        assert_eq!(
            error.message(),
            "data roots `/d` and `/d/CMIP6` hold it; `/d/CMIP6`, the last, is used"
        );
        assert!(roots.ambiguity(Path::new("/d/x.nc"), &dataset()).is_none());
        assert!(roots.ambiguity(Path::new("/x.nc"), &dataset()).is_none());
    }

    /// Compared with what `ESGPubMapConv.parse_map` of esgcet 5.5.3 makes of the same paths.
    #[test]
    fn mountpoints_are_those_of_the_publisher() {
        let mapped = |project: Option<&str>, from: &str, path: &str| {
            let map = vec![(from.to_owned(), "/real".to_owned())];
            let mountpoints = Mountpoints { map, project: project.map(str::to_owned) };
            mountpoints.mapped(Path::new(path), "CMIP6").to_str().unwrap().to_owned()
        };
        let path = "/css/CMIP6/CMIP/x.nc";
        assert_eq!(mapped(None, "/css", path), "/real/CMIP6/CMIP/x.nc");
        assert_eq!(mapped(None, "/css/", path), path);
        assert_eq!(mapped(None, "/", path), path);
        // The name of the project may come earlier, and in another case.
        assert_eq!(mapped(None, "/css", "/css/CMIP6-b/CMIP6/x.nc"), "/real/CMIP6-b/CMIP6/x.nc");
        assert_eq!(mapped(None, "/css/b", "/css/CMIP6-b/CMIP6/x.nc"), "/css/CMIP6-b/CMIP6/x.nc");
        assert_eq!(mapped(Some("cmip6"), "/css", path), path);
        // It replaces wherever it finds it.
        assert_eq!(mapped(None, "/a", "/a/CMIP6/a/b/a.nc"), "/real/CMIP6/real/b/real.nc");
    }

    #[test]
    fn references_have_a_place_of_their_own() {
        let roots = own(&[("/d", "https://h")]).unwrap();
        let roots = roots.with_references("/d/refs/", "https://r/x/").unwrap();
        let url = |path| roots.url(Path::new(path), &dataset()).unwrap();
        assert_eq!(url("/d/refs/a b.json"), "https://r/x//a%20b.json");
        assert_eq!(url("/d/refs/CMIP6/x.nc"), "https://h/refs/CMIP6/x.nc");
        assert!(DataRoots::default().with_references("refs", "https://r").is_err());
        assert!(DataRoots::default().with_references("/refs", "r").is_err());
    }

    #[test]
    fn wrong_roots_are_refused() {
        let wrong: [&[(&str, &str)]; 6] = [
            &[("/d", "https://h/a"), ("/d/", "https://h/b")],
            &[("d", "https://h")],
            &[("/d/../e", "https://h")],
            &[("/d", "h/a")],
            &[("/d", "https://h/a b")],
            &[("/d", "")],
        ];
        for roots in wrong {
            assert_eq!(own(roots).unwrap_err().code(), Code::Configuration, "{roots:?}");
        }
        assert!(own(&[("/d", "https://h/a"), ("/d/", "https://h/a/")]).is_ok());
    }
}
