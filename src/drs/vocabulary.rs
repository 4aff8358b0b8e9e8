//! Controlled vocabularies (CVs): which values facets may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::dataset::Dataset;
use super::project::Project;
use crate::model::error::{Code, Error, Result};

/// The vocabularies of projects; where there is none, every value is fine.
#[derive(Debug, Default)]
pub(super) struct Vocabularies {
    by_project: BTreeMap<String, Vec<Vocabulary>>,
}

/// What a facet of a project may be.
#[derive(Debug)]
struct Vocabulary {
    facet: String,
    /// The name of the file that it is from.
    file: String,
    terms: BTreeSet<String>,
}

impl Vocabularies {
    /// The vocabularies of `projects` in `directory`, in files like `CMIP6_source_id.json`.
    pub(super) fn load(directory: &Path, projects: &[Project]) -> Result<Self> {
        fs::read_dir(directory).map_err(|error| Error::io(&error, "list", directory))?;
        let mut by_project = BTreeMap::new();
        for project in projects {
            let mut vocabularies = Vec::new();
            for (facet, called) in project.vocabularies() {
                let file = format!("{}_{called}.json", project.name);
                let path = directory.join(&file);
                if path.exists() {
                    let terms = terms(&path, called)?;
                    vocabularies.push(Vocabulary { facet: facet.to_owned(), file, terms });
                }
            }
            if !vocabularies.is_empty() {
                by_project.insert(project.name.clone(), vocabularies);
            }
        }
        if by_project.is_empty() {
            let message = "the directory holds no controlled vocabulary of a known project";
            return Err(Error::new(Code::Configuration, message)
                .in_file(directory)
                .with_hint("files are called PROJECT_FACET.json, such as CMIP6_source_id.json"));
        }
        Ok(Self { by_project })
    }

    /// A [`Code::NotInVocabulary`] for each facet of `dataset` that has no such value.
    pub(super) fn not_in(&self, dataset: &Dataset) -> Vec<Error> {
        let vocabularies = self.by_project.get(&dataset.project).into_iter().flatten();
        let odd = vocabularies.filter_map(|Vocabulary { facet, file, terms }| {
            let value = dataset.facet(facet).filter(|value| !terms.contains(*value))?;
            let message = format!("{facet} `{}` is not in {file}", value.escape_debug());
            Some(
                Error::new(Code::NotInVocabulary, message)
                    .with_hint("correct the directory, or update the vocabulary"),
            )
        });
        odd.collect()
    }
}

/// The terms of the file at `path`: under the name of the facet, a list, or an object that has them for keys.
fn terms(path: &Path, called: &str) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(&error, "read", path))?;
    let wrong = |message: String| {
        Error::new(Code::Configuration, message).in_file(path).with_hint(
            "a vocabulary is laid out as those of https://github.com/WCRP-CMIP/CMIP6_CVs",
        )
    };
    let document: Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("not JSON: {error}")))?;
    match document.get(called) {
        Some(Value::Object(terms)) => Ok(terms.keys().cloned().collect()),
        Some(Value::Array(terms)) => {
            let text = |term: &Value| term.as_str().map(str::to_owned);
            let no_text = || wrong(format!("`{called}` has a term that is no text"));
            terms.iter().map(|term| text(term).ok_or_else(no_text)).collect()
        }
        Some(_) => Err(wrong(format!("`{called}` is neither an object nor a list"))),
        None => Err(wrong(format!("there is no `{called}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Drs;
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Drs> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Drs::builtin().unwrap().with_vocabularies(directory.path())
    }

    #[test]
    fn values_that_no_vocabulary_has_are_named() {
        let drs = load(&[
            ("CMIP6_source_id.json", r#"{"source_id": {"CESM2": {}}, "version_metadata": {}}"#),
            ("CMIP6_table_id.json", r#"{"table_id": ["Amon", "day"]}"#),
            ("CMIP6_activity_id.json", r#"{"activity_id": {"CMIP": "..."}}"#),
        ])
        .unwrap();
        let said = |path: &str| {
            let dataset = drs.dataset(Path::new(path)).unwrap();
            let said = drs.not_in_vocabulary(&dataset);
            assert!(
                said.iter().all(|it| it.code() == Code::NotInVocabulary && it.hint().is_some())
            );
            said.iter().map(|it| it.message().to_owned()).collect::<Vec<_>>()
        };
        let path = "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/pr/gn/v20190401";
        assert_eq!(said(path), [""; 0]);
        assert_eq!(
            said(&path.replace("/CMIP/", "/CMIPx/").replace("Amon", "mon")),
            [
                "activity_drs `CMIPx` is not in CMIP6_activity_id.json",
                "table_id `mon` is not in CMIP6_table_id.json"
            ]
        );
        assert_eq!(said(&path.replace("CMIP6/", "CMIP6Plus/").replace("CESM2", "x")), [""; 0]);
    }

    #[test]
    fn what_is_no_vocabulary_is_refused() {
        for (text, said) in [
            ("{", "not JSON"),
            ("{}", "there is no `source_id`"),
            (r#"{"source_id": 1}"#, "neither"),
            (r#"{"source_id": [1]}"#, "no text"),
        ] {
            let error = load(&[("CMIP6_source_id.json", text)]).unwrap_err();
            assert_eq!(error.code(), Code::Configuration);
            assert!(error.message().contains(said), "{error}");
            assert!(error.path().unwrap().ends_with("CMIP6_source_id.json"));
        }
        let error = load(&[("README.md", "")]).unwrap_err();
        assert_eq!(error.code(), Code::Configuration);
        let absent = Drs::builtin().unwrap().with_vocabularies(Path::new("/nonexistent"));
        assert_eq!(absent.unwrap_err().code(), Code::NotFound);
    }
}
