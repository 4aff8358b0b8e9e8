//! The file behind `--config`: the publisher's `esg.yaml` or our own settings.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::publisher_config::PublisherConfig;
use super::settings_file::SettingsFile;
use crate::model::error::{Code, Error, Result};

/// What a configuration file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// The publisher's `esg.yaml`, told by its `data_node`.
    Publisher(PublisherConfig),
    /// Our own settings.
    Settings(SettingsFile),
}

impl Config {
    /// Reads the file at `path`. What is wrong in it is a [`Code::Configuration`] naming the
    /// field and the line.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| Error::io(&error, "read", path))?;
        Self::parse(&text).map_err(|error| error.in_file(path))
    }

    fn parse(text: &str) -> Result<Self> {
        // A file without content is the YAML null; as settings it sets nothing.
        let kind: Option<Kind> = parse(text)?;
        match kind {
            None => Ok(Self::Settings(SettingsFile::default())),
            Some(Kind { data_node: Some(_) }) => parse(text).map(Self::Publisher),
            Some(Kind { data_node: None }) => parse(text).map(Self::Settings).map_err(|error| {
                error.with_hint("the publisher's esg.yaml is recognised by its `data_node`")
            }),
        }
    }
}

/// Just enough of a file to tell whose it is.
#[derive(Deserialize)]
struct Kind {
    data_node: Option<IgnoredAny>,
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_yaml::from_str(text).map_err(|error| Error::new(Code::Configuration, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::path_map::PathMap;
    use super::*;

    fn refusal(text: &str) -> String {
        let error = Config::parse(text).expect_err(text);
        assert_eq!(error.code(), Code::Configuration);
        error.message().to_owned()
    }

    #[test]
    fn the_publishers_file() {
        let text = "
            data_node: n.org
            index_node: i.org
            data_roots: {/z: one, /a: two}
            https_url: 'https://h/{}/{}|application/netcdf|HTTPServer'
            kerchunk: {generation: true}
        ";
        let Config::Publisher(config) = Config::parse(text).unwrap() else {
            panic!("not the publisher's")
        };
        assert_eq!(config.data_node, "n.org");
        let pairs = [("/z", "one"), ("/a", "two")].map(|(fs, url)| (fs.to_owned(), url.to_owned()));
        assert_eq!(config.data_roots, PathMap(pairs.to_vec()));
        assert!(config.https_url.unwrap().starts_with("https://h/"));

        let text = "data_node: n.org\ndata_roots: {/a: b}\nhttps_url:\n";
        assert!(
            matches!(Config::parse(text), Ok(Config::Publisher(config)) if config.https_url.is_none())
        );
    }

    #[test]
    fn our_settings() {
        let text = "
            data_roots: {/z: https://h/z, /a: https://h/a}
            ledger: /var/lib/vzarr/ledger.sqlite
            output_dir: /data/vzarr
            jobs: 8
            project: CMIP6
        ";
        let Config::Settings(settings) = Config::parse(text).unwrap() else {
            panic!("not settings")
        };
        assert_eq!(settings.data_roots.0[0].0, "/z");
        assert_eq!(settings.output_dir, Some(PathBuf::from("/data/vzarr")));
        assert_eq!(settings.jobs.unwrap().get(), 8);
        assert_eq!(settings.project, ["CMIP6"]);

        let several = Config::parse("project: [CMIP6, CMIP7]").unwrap();
        assert!(
            matches!(several, Config::Settings(settings) if settings.project == ["CMIP6", "CMIP7"])
        );
        assert_eq!(
            Config::parse("# nothing\n").unwrap(),
            Config::Settings(SettingsFile::default())
        );
    }

    #[test]
    fn refusals_name_field_and_line() {
        let message = refusal("data_node: n.org\ndata_roots:\n  /a: b\n  /c: [d]\n");
        assert!(message.contains("data_roots") && message.contains("line 4"), "{message}");
        let message = refusal("data_node: n.org\ndata_roots: none\n");
        assert!(message.contains("data_roots") && message.contains("line 2"), "{message}");
        let message = refusal("data_node: n.org\n");
        assert!(message.contains("missing field `data_roots`"), "{message}");
        let message = refusal("jobs: many\n");
        assert!(message.contains("jobs") && message.contains("line 1"), "{message}");
        let message = refusal("ledger: x\nouptut_dir: y\n");
        assert!(
            message.contains("unknown field `ouptut_dir`") && message.contains("line 2"),
            "{message}"
        );
        assert!(refusal("jobs: 0").contains("jobs"));
        assert!(refusal("a: [").contains("line"));
        refusal("- a list");
        refusal("just text");
    }

    #[test]
    fn errors_name_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.yaml");
        assert_eq!(Config::load(&path).unwrap_err().code(), Code::NotFound);
        fs::write(&path, "jobs: x").unwrap();
        assert_eq!(Config::load(&path).unwrap_err().path(), Some(path.as_path()));
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(Config::load(&path).unwrap_err().path(), Some(path.as_path()));
    }
}
