//! The file of a shard: which datasets one of several scans is to build. Lines of JSON, the first about the
//! shard, each other one dataset; see `docs/slurm.md`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::emit::seal;
use crate::ledger::path_text::{from_text, to_text};
use crate::model::error::{Code, Error, Result};

use super::scan::Scan;

/// Changes when programs that know the number before would not understand the file.
const FORMAT: u32 = 1;

const ANEW: &str = "make the shards anew, with `vzarr-publish shard`";

/// What a shard is to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Where the file is.
    pub path: PathBuf,
    /// What the first line says.
    pub header: Header,
    /// The datasets, by line.
    pub datasets: Vec<Listed>,
}

/// What the first line of the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The number of the format.
    pub vzarr_shard: u32,
    /// The version of the program that dealt the shards.
    pub tool_version: String,
    /// The number of the shard, from 1 on.
    pub shard: usize,
    /// How many shards there are.
    pub of: usize,
    /// When the run that dealt the shards began, which the ledger of each of them knows.
    pub dealt_at: String,
    /// The trees that were walked.
    #[serde(serialize_with = "paths_to_text", deserialize_with = "paths_from_text")]
    pub roots: Vec<PathBuf>,
    /// Digests of the settings that decide which datasets there are and which stores are made of them.
    pub settings: BTreeMap<String, String>,
    /// Whether also what did not change is built.
    pub force: bool,
    /// The number of lines that follow.
    pub datasets: usize,
    /// The files of all datasets.
    pub files: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

/// A dataset of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its instance ID.
    pub dataset: String,
    /// The directory that it was found in; other datasets may be in the same.
    #[serde(serialize_with = "path_to_text", deserialize_with = "path_from_text")]
    pub directory: PathBuf,
    /// Its files when the shards were dealt. Nothing rests on that later.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Header {
    /// That of the `shard`th of `of` shards of what `scan` found in the run that began at `dealt_at`.
    pub(super) fn of(scan: &Scan, dealt_at: &str, (shard, of): (usize, usize)) -> Self {
        Self {
            vzarr_shard: FORMAT,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            shard,
            of,
            dealt_at: dealt_at.to_owned(),
            roots: scan.origin.paths().to_vec(),
            settings: settings(scan),
            force: scan.force,
            datasets: 0,
            files: 0,
            bytes: 0,
        }
    }
}

impl Shard {
    /// A shard in the file at `path`, which is not written yet.
    pub(super) fn new(path: PathBuf, header: Header, datasets: Vec<Listed>) -> Self {
        let header = Header {
            datasets: datasets.len(),
            files: datasets.iter().map(|it| it.files).sum(),
            bytes: datasets.iter().map(|it| it.bytes).sum(),
            ..header
        };
        Self { path, header, datasets }
    }

    /// The ledger beside the file, in which a scan of the shard records what it does.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path.with_extension("sqlite")
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self) -> Result<()> {
        let lines = || {
            let datasets = self.datasets.iter().map(serde_json::to_string);
            std::iter::once(serde_json::to_string(&self.header)).chain(datasets)
        };
        seal::seal(&self.path, |out| {
            for line in lines() {
                writeln!(out, "{}", line.map_err(std::io::Error::from)?)?;
            }
            Ok(())
        })
        .map_err(|error| {
            Error::new(Code::Io, format!("cannot write the shard: {}", error.message()))
                .in_file(&self.path)
                .with_hint("choose a place with room that may be written to, by `--out DIR`")
        })?;
        Ok(())
    }

    /// Reads the file at `path`, which must be as it was written.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| Error::io(&error, "read", path))?;
        let refused = |message: String| {
            Error::new(Code::Configuration, message).in_file(path).with_hint(ANEW)
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| refused("not the file of a shard: the text is not UTF-8".to_owned()))?;
        let (header, datasets) = parse(&text).map_err(refused)?;
        Ok(Self { path: path.to_owned(), header, datasets })
    }

    /// Refuses settings of `scan` with which other stores would be made than the shards were dealt for.
    pub fn check_settings(&self, scan: &Scan) -> Result<()> {
        let ours = settings(scan);
        let others: Vec<&str> = SETTINGS
            .iter()
            .filter(|(name, _)| ours.get(*name) != self.header.settings.get(*name))
            .map(|(_, said_by)| *said_by)
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        let message = format!("the shards were dealt with other settings: {}", others.join("; "));
        Err(Error::new(Code::Configuration, message).in_file(&self.path).with_hint(format!(
            "give `scan --shard` the same options and configuration as `shard`, or {ANEW}"
        )))
    }

    /// The directories to look into, each once, in the order of the lines.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        let mut met = HashSet::new();
        let directories = self.datasets.iter().map(|it| it.directory.as_path());
        directories.filter(move |directory| met.insert(*directory))
    }

    /// The datasets by their IDs, with the numbers of their lines.
    pub(super) fn by_id(&self) -> HashMap<&str, (usize, &Listed)> {
        let lines = self.datasets.iter().enumerate();
        lines.map(|(at, it)| (it.dataset.as_str(), (at + 2, it))).collect()
    }
}

impl Listed {
    /// That it is not found any more, which is in line `line` of the file.
    pub(super) fn vanished(&self, line: usize) -> Error {
        let message =
            format!("{} is not there any more, which line {line} of the shard lists", self.dataset);
        Error::new(Code::NotFound, message).in_file(&self.directory).with_hint(
            "see that the file system is mounted; if it was removed, the next walk says so",
        )
    }
}

/// The settings that matter, and where they are said.
const SETTINGS: [(&str, &str); 5] = [
    ("projects", "projects (`--project`, `--project-file`, `--cv`)"),
    ("frequencies", "frequencies (`kerchunk.filter_frequency`)"),
    ("urls", "URLs (`--data-root`, `data_roots`)"),
    ("places", "where stores go (`--output-dir`)"),
    (
        "combining",
        "how files are combined (`--contiguous-chunk`, `--max-reencode`, `--on-overlap`, \
                   `--on-static-mismatch`, `--codecs`)",
    ),
];

fn settings(scan: &Scan) -> BTreeMap<String, String> {
    let Scan { drs, frequencies, sites, limits, form, .. } = scan;
    let texts = [
        ("projects", format!("{drs:?}")),
        ("frequencies", format!("{frequencies:?}")),
        ("urls", format!("{:?}", sites.data_roots)),
        ("places", format!("{:?} {}", sites.output_dir, sites.flat)),
        ("combining", format!("{limits:?}")),
        ("forms", format!("{form:?}")),
    ];
    let digest = |text: String| seal::digest(text.as_bytes()).chars().take(16).collect();
    texts.into_iter().map(|(name, text)| (name.to_owned(), digest(text))).collect()
}

fn parse(text: &str) -> std::result::Result<(Header, Vec<Listed>), String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let header = parse_header(first)?;
    let mut datasets = Vec::with_capacity(header.datasets.min(text.len()));
    let mut met = HashMap::new();
    for (number, line) in (2..).zip(lines) {
        let listed: Listed =
            serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        if !listed.directory.is_absolute() {
            let directory = to_text(&listed.directory);
            return Err(format!(
                "line {number}: `{}` is no absolute path",
                directory.escape_debug()
            ));
        }
        if let Some(first) = met.insert(listed.dataset.clone(), number) {
            return Err(format!(
                "line {number}: `{}` is in line {first} already",
                listed.dataset.escape_debug()
            ));
        }
        datasets.push(listed);
    }
    if datasets.len() != header.datasets || !text.ends_with('\n') {
        return Err(format!(
            "the file is cut short or was written to: it has {} of {} datasets",
            datasets.len(),
            header.datasets
        ));
    }
    Ok((header, datasets))
}

fn parse_header(line: &str) -> std::result::Result<Header, String> {
    let value: serde_json::Value = serde_json::from_str(line)
        .map_err(|error| format!("not the file of a shard: line 1: {error}"))?;
    let format =
        value.get("vzarr_shard").ok_or("not the file of a shard: line 1 says nothing of it")?;
    if *format != FORMAT {
        return Err(format!("line 1: the format is {format}, and this program reads {FORMAT}"));
    }
    let header: Header =
        serde_json::from_value(value).map_err(|error| format!("line 1: {error}"))?;
    if header.tool_version != env!("CARGO_PKG_VERSION") {
        return Err(format!(
            "line 1: the shards were dealt by vzarr-publish {}, and this is {}",
            header.tool_version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    if header.shard == 0 || header.shard > header.of {
        return Err(format!("line 1: there is no shard {} of {}", header.shard, header.of));
    }
    Ok(header)
}

fn path_to_text<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(path))
}

fn path_from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<PathBuf, D::Error> {
    String::deserialize(deserializer).map(|text| from_text(&text))
}

fn paths_to_text<S: Serializer>(
    paths: &[PathBuf],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| to_text(path)))
}

fn paths_from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<PathBuf>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Ok(texts.iter().map(|text| from_text(text)).collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn header() -> Header {
        Header {
            vzarr_shard: FORMAT,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            shard: 2,
            of: 3,
            dealt_at: "2026-01-01T00:00:00.000Z".to_owned(),
            roots: vec!["/data".into()],
            settings: BTreeMap::from([("urls".to_owned(), "0".to_owned())]),
            force: false,
            datasets: 0,
            files: 0,
            bytes: 0,
        }
    }

    fn listed(dataset: &str, directory: &[u8]) -> Listed {
        let directory = OsStr::from_bytes(directory).into();
        Listed { dataset: dataset.to_owned(), directory, files: 2, bytes: 10 }
    }

    #[test]
    fn every_path_survives() {
        let place = tempfile::tempdir().unwrap();
        let datasets = vec![
            listed("a.v1", b"/data/\xff\n\x1b/a/v1"),
            listed("b.v1", "/daten/\u{fc} \u{2028}/b/v1".as_bytes()),
            listed("c.v1", br"/data/\xff\\"),
        ];
        let shard = Shard::new(place.path().join("s.jsonl"), header(), datasets);
        assert_eq!((shard.header.datasets, shard.header.files, shard.header.bytes), (3, 6, 30));
        shard.write().unwrap();
        assert_eq!(Shard::read(&shard.path).unwrap(), shard);
        assert_eq!(fs::read_to_string(&shard.path).unwrap().lines().count(), 4);
        assert_eq!(shard.ledger(), place.path().join("s.sqlite"));
    }

    #[test]
    fn the_documentation_shows_a_line() {
        let text = include_str!("../../docs/slurm.md");
        let line = text.lines().find(|line| line.starts_with("    {")).unwrap();
        let listed: Listed = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&listed).unwrap(), line.trim());
        let serde_json::Value::Object(header) = serde_json::to_value(header()).unwrap() else {
            panic!()
        };
        for key in header.keys() {
            assert!(text.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn what_was_written_to_is_refused_by_line() {
        let place = tempfile::tempdir().unwrap();
        let datasets = vec![listed("a.v1", b"/a/v1"), listed("b.v1", b"/a/v1")];
        let shard = Shard::new(place.path().join("s.jsonl"), header(), datasets);
        assert_eq!(shard.directories().count(), 1);
        shard.write().unwrap();
        let good = fs::read_to_string(&shard.path).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        for (bad, part) in [
            (String::new(), "line 1: EOF"),
            ("[]\n".to_owned(), "line 1 says nothing of it"),
            (good.replace("\"vzarr_shard\":1", "\"vzarr_shard\":2"), "line 1: the format is 2"),
            (good.replace("\"shard\":2", "\"shard\":4"), "line 1: there is no shard 4 of 3"),
            (good.replace("\"of\":3,", ""), "line 1: missing field `of`"),
            (good.replace("\"tool_version\":\"", "\"tool_version\":\"9"), "and this is"),
            (good.replace("b.v1", "a.v1"), "line 3: `a.v1` is in line 2 already"),
            (good.replace("/a/v1", "a/v1"), "line 2: `a/v1` is no absolute path"),
            (good.replace("\"files\":2", "\"files\":-2"), "line 2: invalid value"),
            (format!("{}\n{}\n", lines[0], lines[1]), "cut short or was written to: it has 1 of 2"),
            (good[..good.len() - 1].to_owned(), "cut short"),
            (good[..good.len() - 9].to_owned(), "line 3: EOF"),
        ] {
            fs::write(&shard.path, &bad).unwrap();
            let error = Shard::read(&shard.path).unwrap_err();
            assert_eq!((error.code(), error.path()), (Code::Configuration, Some(&*shard.path)));
            assert!(error.message().contains(part), "{error} has no `{part}`");
            assert!(error.hint().is_some());
        }
        fs::write(&shard.path, b"\xff").unwrap();
        assert!(Shard::read(&shard.path).unwrap_err().message().contains("not UTF-8"));
    }
}
