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

    /// Reads the text of such a file.
    pub fn parse(text: &str) -> Result<Self> {
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
#[serde(expecting = "names and values, such as `jobs: 4`")]
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
    fn what_the_publishers_file_may_hold() {
        let text = "
            data_node: n.org
            data_roots: {/a: b}
            mountpoint_map: {/css: /real}
            globus_uuid: 415a6320
            project: cmip6
            stac_config: {stac_api: https://stac.org, stac_client: {client_id: x}}
            kerchunk: {data_dir: {/refs: https://r}, filter_frequency: mon, format: json, generation: 'yes'}
            cmip6_clone: primavera
            set_replica: false
        ";
        let Ok(Config::Publisher(config)) = Config::parse(text) else { panic!("not read") };
        assert_eq!(config.mountpoint_map.0, [("/css".to_owned(), "/real".to_owned())]);
        assert_eq!(config.globus_uuid.as_deref(), Some("415a6320"));
        assert_eq!(config.project.as_deref(), Some("cmip6"));
        assert_eq!(config.stac_config.unwrap().stac_api.as_deref(), Some("https://stac.org"));
        let kerchunk = config.kerchunk.unwrap();
        assert_eq!(kerchunk.data_dir().unwrap(), Some(("/refs", "https://r")));
        assert!(kerchunk.check_format().is_ok());

        let nothing = "data_node: n.org\ndata_roots: {/a: b}\nmountpoint_map: none\nglobus_uuid: none\n\
                       project: none\nstac_config:\nkerchunk:\nuser_project_config:\n";
        let Ok(Config::Publisher(config)) = Config::parse(nothing) else { panic!("not read") };
        let roots = PathMap(vec![("/a".to_owned(), "b".to_owned())]);
        let rest = PublisherConfig {
            data_node: "n.org".to_owned(),
            data_roots: roots,
            ..PublisherConfig::default()
        };
        assert_eq!(config, rest);
    }

    #[test]
    fn wrong_types_are_named_with_what_was_expected_and_found() {
        for (line, key, expected, found) in [
            ("globus_uuid: 5", "globus_uuid", "a text", "integer `5`"),
            ("https_url: [a]", "https_url", "a text", "sequence"),
            ("mountpoint_map: 5", "mountpoint_map", "a map of directories", "integer `5`"),
            (
                "mountpoint_map: nothing",
                "mountpoint_map",
                "a map of directories",
                "string \"nothing\"",
            ),
            ("project: [a]", "project", "a text", "sequence"),
            ("stac_config: x", "stac_config", "a map, such as `stac_api", "string \"x\""),
            ("stac_config: {stac_api: 1}", "stac_config.stac_api", "a text", "integer `1`"),
            (
                "kerchunk: {data_dir: /refs}",
                "kerchunk.data_dir",
                "a map of directories",
                "string \"/refs\"",
            ),
            (
                "kerchunk: {filter_frequency: 1}",
                "kerchunk.filter_frequency",
                "a text",
                "integer `1`",
            ),
            ("kerchunk: {format: true}", "kerchunk.format", "a text", "boolean `true`"),
            ("user_project_config: x", "user_project_config", "a map of projects", "string \"x\""),
            (
                "user_project_config: {a: {DRS: x}}",
                "user_project_config.a.DRS",
                "a sequence",
                "string \"x\"",
            ),
        ] {
            let message = refusal(&format!("data_node: n.org\ndata_roots: {{/a: b}}\n{line}\n"));
            for part in [key, expected, found, "line 3"] {
                assert!(message.contains(part), "`{part}` is not in: {message}");
            }
        }
        let message = refusal("data_node: [n]\ndata_roots: {/a: b}\n");
        assert!(
            message.contains("data_node: invalid type: sequence, expected a text"),
            "{message}"
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
