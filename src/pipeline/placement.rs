//! Where the store of a dataset goes, and where readers will find it and its files.

use std::path::{Path, PathBuf};

use crate::combine::Limits;
use crate::discover::Candidate;
use crate::drs::{DataRoots, Dataset};
use crate::model::error::{Code, Error, Result};
use crate::model::format::Form;
use crate::model::icechunk::Checksums;

/// Changes when the same files, settings and URLs would give another manifest.
const FORMAT: &str = "reference-json 4";

/// Where files are that no data root covers.
const LOCAL: &str = "local";

/// How a store is made, and on the next line where its files are.
fn recipe(made_by: &str, location: &str) -> String {
    format!("{made_by}\n{location}")
}

/// Where stores go and how paths become URLs.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// File-system prefixes and what they are served as.
    pub data_roots: DataRoots,
    /// Top of the tree of stores; without one they go beside the NetCDF files.
    pub output_dir: Option<PathBuf>,
    /// Whether all stores lie in `output_dir` itself, as the publisher has them, instead of in a mirror of
    /// the tree.
    pub flat: bool,
}

/// Where the store of one dataset goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Path of the manifest.
    pub manifest: PathBuf,
    /// Where the manifest is published, if a data root covers it.
    pub url: Option<String>,
    /// Whether readers find the files by local paths, because no data root covers them.
    pub local: bool,
    /// Text that changes when the same files would give another manifest.
    pub recipe: String,
}

impl Sites {
    /// Where the store of `candidate` goes, combined within `limits`, in this `form`.
    #[must_use]
    pub fn place(&self, candidate: &Candidate, limits: Limits, form: Form) -> Placement {
        let Candidate { dataset, directory, .. } = candidate;
        let store_directory = match &self.output_dir {
            Some(output_dir) if self.flat => output_dir.clone(),
            Some(output_dir) => output_dir.join(&dataset.below_root),
            None => directory.clone(),
        };
        let manifest = store_directory.join(format!("{}.json", dataset.instance_id()));
        let files = self.url_within(directory, dataset);
        let location = files.as_deref().unwrap_or(LOCAL);
        let Limits { contiguous_chunk, max_reencode, on_overlap, on_static_mismatch, codecs } =
            limits;
        let limits = format!(
            "chunks of {contiguous_chunk}; {max_reencode} % encoded anew; overlaps: {on_overlap}; \
             static: {on_static_mismatch}; codecs: {codecs}"
        );
        let Form { v3_only, formats, icechunk } = form;
        let v3_only = if v3_only { "; V3 only" } else { "" };
        let checksums = match icechunk.checksums {
            Checksums::None => String::new(),
            checksums @ Checksums::LastModified => format!("; {checksums} in Icechunk"),
        };
        let form = format!("{v3_only}{formats}{checksums}");
        let recipe = recipe(&format!("{FORMAT}; {limits}{form}"), location);
        Placement {
            url: self.data_roots.url(&manifest, dataset),
            manifest,
            local: files.is_none(),
            recipe,
        }
    }

    /// Where the file `_` in `directory` would be published, which tells where all are.
    fn url_within(&self, directory: &Path, dataset: &Dataset) -> Option<String> {
        self.data_roots.url(&directory.join("_"), dataset)
    }

    /// What a recipe of the dataset in `directory` is once its store leads to these sites.
    #[must_use]
    pub fn relocated(&self, old: &str, directory: &Path, dataset: &Dataset) -> String {
        let url = self.url_within(directory, dataset);
        let made_by = old.split('\n').next().unwrap_or(old);
        recipe(made_by, url.as_deref().unwrap_or(LOCAL))
    }

    /// Where the file at `path` is published, if a data root covers it.
    #[must_use]
    pub fn url(&self, path: &Path, dataset: &Dataset) -> Option<String> {
        self.data_roots.url(path, dataset)
    }

    /// Whether readers find the file at `path` by its local path.
    #[must_use]
    pub fn is_local(&self, path: &Path, dataset: &Dataset) -> bool {
        self.url(path, dataset).is_none()
    }

    /// Where readers find the file at `path`: its URL, or its path where no data root covers it.
    pub fn location(&self, path: &Path, dataset: &Dataset) -> Result<String> {
        if let Some(url) = self.data_roots.url(path, dataset) {
            return Ok(url);
        }
        let path_text = path.to_str().map(str::to_owned);
        path_text.ok_or_else(|| Error::unsupported("a file name not in UTF-8").in_file(path))
    }

    /// What is odd about the data roots of `candidate`.
    #[must_use]
    pub fn warning(&self, candidate: &Candidate, placement: &Placement) -> Option<Error> {
        let Candidate { dataset, directory, .. } = candidate;
        let outside = || {
            Error::new(
                Code::OutsideDataRoots,
                "no data root covers the directory: the store refers to local paths",
            )
            .in_file(directory)
            .with_hint("add --data-root FS_PREFIX=URL_PREFIX, or complete `data_roots`")
        };
        let uncovered = placement.local && !self.data_roots.is_empty();
        uncovered.then(outside).or_else(|| self.data_roots.ambiguity(directory, dataset))
    }
}
