//! Mapfiles: which files the publisher publishes as which datasets.
//!
//! A line is `DATASET_ID | ABSOLUTE_PATH | SIZE [ | OPTION=VALUE ]...`; the version follows the dataset ID as
//! `#20190401` or `.v20190401`. Source: `docs/mapfiles.rst` of <https://github.com/ESGF/esg-publisher>. Empty
//! lines and lines that begin with `#` are passed over.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::model::multihash::Multihash;

const SEPARATOR: &str = " | ";

const FORM: &str = "a line is `DATASET_ID | ABSOLUTE_PATH | SIZE [ | OPTION=VALUE ]...`; make the mapfile anew, \
                    with esgmapfile";

/// A file as a mapfile lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Where it is: absolute, without `..`.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub mtime: Option<f64>,
    /// Its checksum.
    pub checksum: Option<Multihash>,
}

/// The files of a mapfile by dataset ID with version, such as `CMIP6....gn.v20190401`.
pub type Datasets = BTreeMap<String, Vec<Listed>>;

/// Reads the mapfile at `path`. One with a line that cannot be understood is refused: which files it was
/// to list is unknown, and a store of the others could be incomplete.
pub fn read(path: &Path) -> Result<Datasets> {
    parse(&text_of(path)?).map_err(|error| error.in_file(path))
}

/// The mapfiles that `path` stands for, as for the publisher: itself, those of a directory (`*.map`, not
/// below it), or those that a text file lists, one in a line.
pub fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() {
        return of_directory(path);
    }
    let text = text_of(path)?;
    let lines = || meaningful(&text).map(|(_, line)| line);
    if lines().next().is_some_and(|line| line.contains(SEPARATOR)) {
        return Ok(vec![path.to_owned()]);
    }
    let beside = path.parent().unwrap_or(Path::new(""));
    let listed: Vec<_> = lines().map(|line| beside.join(line)).collect();
    if listed.is_empty() {
        return Err(Error::new(Code::Mapfile, "the file is empty").in_file(path).with_hint(FORM));
    }
    Ok(listed)
}

fn of_directory(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(&error, "list", path);
    let mut maps = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if entry.extension().is_some_and(|extension| extension == "map") {
            maps.push(entry);
        }
    }
    maps.sort();
    if maps.is_empty() {
        return Err(Error::new(Code::Mapfile, "the directory holds no `*.map`").in_file(path));
    }
    Ok(maps)
}

fn text_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| Error::io(&error, "read", path))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(Code::Mapfile, "the text is not UTF-8").in_file(path).with_hint(FORM)
    })
}

/// Lines that say something, with their numbers.
fn meaningful(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The files that the text of a mapfile lists.
pub fn parse(text: &str) -> Result<Datasets> {
    let mut datasets = Datasets::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    for (number, line) in meaningful(text) {
        let refused = |what: String| {
            Error::new(Code::Mapfile, format!("line {number}: {what}")).with_hint(FORM)
        };
        let (id, listed) = parse_line(line).map_err(refused)?;
        if let Some(first) = places.insert(listed.path.clone(), number) {
            return Err(refused(format!("the file is in line {first} already")));
        }
        datasets.entry(id).or_default().push(listed);
    }
    if datasets.is_empty() {
        return Err(Error::new(Code::Mapfile, "no line lists a file").with_hint(FORM));
    }
    Ok(datasets)
}

fn parse_line(line: &str) -> std::result::Result<(String, Listed), String> {
    let mut fields = line.split(SEPARATOR).map(str::trim);
    let mut field = |name| fields.next().ok_or_else(|| format!("{name} is missing"));
    let id = versioned_id(field("the dataset ID")?)?;
    let path = published_path(field("the path")?)?;
    let size = field("the size")?;
    let size =
        size.parse().map_err(|_| format!("the size `{}` is no number of bytes", shown(size)))?;
    let mut mtime = None;
    let (mut checksum, mut algorithm) = (None, None);
    for option in fields {
        let (name, value) = option
            .split_once('=')
            .ok_or_else(|| format!("`{}` is not OPTION=VALUE", shown(option)))?;
        match name {
            "mod_time" => {
                let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite());
                let wrong = || format!("the mod_time `{}` is no number of seconds", shown(value));
                mtime = Some(seconds.ok_or_else(wrong)?);
            }
            "checksum" => checksum = Some(value),
            "checksum_type" => algorithm = Some(value),
            // Notes and whatever else the publisher may know.
            _ => {}
        }
    }
    let checksum = checksum.map(|text| {
        let wrong = || {
            let algorithm = algorithm.unwrap_or("multihash");
            format!("the checksum `{}` is no {}", shown(text), shown(algorithm))
        };
        Multihash::parse(text, algorithm).ok_or_else(wrong)
    });
    Ok((id, Listed { path, size, mtime, checksum: checksum.transpose()? }))
}

/// A dataset ID with its version, as `#20190401` or `.v20190401`, in the latter form; what is wrong with it
/// otherwise.
pub fn versioned_id(text: &str) -> std::result::Result<String, String> {
    let (id, version) = match text.rsplit_once('#') {
        Some((id, digits)) => (id, digits),
        None => text.rsplit_once(".v").unwrap_or((text, "")),
    };
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    if id.is_empty() || !is_version {
        return Err(format!(
            "`{}` does not end in a version as `#20190401` or `.v20190401`",
            shown(text)
        ));
    }
    Ok(format!("{id}.v{version}"))
}

/// URLs follow paths as they are, so that these must not climb.
fn published_path(text: &str) -> std::result::Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() || path.components().any(|component| component == Component::ParentDir) {
        return Err(format!("`{}` is not an absolute path without `..`", shown(text)));
    }
    Ok(path.components().collect())
}

fn shown(text: &str) -> std::str::EscapeDebug<'_> {
    text.escape_debug()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "CMIP6.CMIP.I.M.historical.r1i1p1f1.Amon.tas.gn";
    const DIGEST: &str = "c251811ba162f72fb8d84736565c97205d70f307ad994fc2824dfec526156060";

    #[test]
    fn both_forms_of_ids_and_checksums_are_read() {
        let text = format!(
            "# made by hand\n\n{ID}#20190401 | /d//a/./x.nc | 12 | mod_time=1747228052.6015105 | \
             checksum={DIGEST} | checksum_type=SHA256\n\
             {ID}.v20190401 | /d/a y.nc | 0 | checksum=1220{DIGEST} | dataset_tech_notes=http://a=b\n\
             other#1 | /d/b.nc | 7\n"
        );
        let datasets = parse(&text).unwrap();
        let ids: Vec<_> = datasets.keys().collect();
        assert_eq!(ids, [&format!("{ID}.v20190401"), "other.v1"]);
        let checksum = Multihash::of_sha256(DIGEST);
        let expected = |path: &str, size, mtime| Listed {
            path: path.into(),
            size,
            mtime,
            checksum: Some(checksum.clone()),
        };
        let [first, second] = &datasets.values().next().unwrap()[..] else { panic!() };
        assert_eq!(first, &expected("/d/a/x.nc", 12, Some(1_747_228_052.601_510_5)));
        assert_eq!(first.path.as_os_str(), "/d/a/x.nc");
        assert_eq!(second, &expected("/d/a y.nc", 0, None));
        let bare = Listed { path: "/d/b.nc".into(), size: 7, mtime: None, checksum: None };
        assert_eq!(datasets["other.v1"], [bare]);
    }

    #[test]
    fn damaged_mapfiles_are_refused_by_line() {
        let good = format!("{ID}#20190401 | /d/x.nc | 12");
        for (bad, part) in [
            (format!("{ID}#20190401"), "the path is missing"),
            (format!("{ID}#20190401 | /d/y.nc"), "the size is missing"),
            (format!("{ID}#20190401 | /d/y.nc | "), "the size is missing"),
            (format!("{ID}#20190401 | /d/y.nc | 1.5"), "`1.5` is no number of bytes"),
            (format!("{ID}#20190401 | /d/y.nc | -1"), "`-1` is no number"),
            (format!("{ID}#20190401 | d/y.nc | 1"), "`d/y.nc` is not an absolute path"),
            (format!("{ID}#20190401 | /d/../y.nc | 1"), "is not an absolute path without `..`"),
            (format!("{ID}#20190401 | $DATA/y.nc | 1"), "is not an absolute path"),
            (format!("{ID} | /d/y.nc | 1"), "does not end in a version"),
            ("#20190401 | /d/y.nc | 1".to_owned(), ""),
            (format!("{ID}#latest | /d/y.nc | 1"), "does not end in a version"),
            (format!("{ID}#20190401 | /d/y.nc | 1 | checksum"), "`checksum` is not OPTION=VALUE"),
            (format!("{ID}#20190401 | /d/y.nc | 1 | checksum={DIGEST}"), "is no multihash"),
            (format!("{ID}#20190401 | /d/y.nc | 1 | checksum=ab | checksum_type=MD5"), "is no MD5"),
            (
                format!("{ID}#20190401 | /d/y.nc | 1 | mod_time=nan"),
                "`nan` is no number of seconds",
            ),
            (good.clone(), "the file is in line 1 already"),
        ] {
            let parsed = parse(&format!("{good}\n{bad}\n"));
            if part.is_empty() {
                assert_eq!(parsed.unwrap().len(), 1, "a comment");
                continue;
            }
            let error = parsed.unwrap_err();
            assert_eq!(error.code(), Code::Mapfile);
            assert!(error.message().starts_with("line 2: "), "{error}");
            assert!(error.message().contains(part), "{error}");
        }
        assert!(parse("# nothing\n").is_err());
    }

    #[test]
    fn directories_and_lists_stand_for_mapfiles() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let line = format!("{ID}#20190401 | /d/x.nc | 12\n");
        for name in ["b.map", "a.map", "c.map.part"] {
            fs::write(at(name), &line).unwrap();
        }
        fs::write(at("list"), "# mine\na.map\n/elsewhere/z.map\n").unwrap();
        assert_eq!(expand(place.path()).unwrap(), [at("a.map"), at("b.map")]);
        assert_eq!(expand(&at("b.map")).unwrap(), [at("b.map")]);
        assert_eq!(expand(&at("list")).unwrap(), [at("a.map"), "/elsewhere/z.map".into()]);
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("blank"), "\n").unwrap();
        fs::write(at("binary"), b"\xff\xfe").unwrap();
        for (bad, code) in [
            ("empty", Code::Mapfile),
            ("blank", Code::Mapfile),
            ("binary", Code::Mapfile),
            ("absent", Code::NotFound),
        ] {
            let error = expand(&at(bad)).unwrap_err();
            assert_eq!((error.code(), error.path()), (code, Some(at(bad).as_path())));
        }
    }
}
