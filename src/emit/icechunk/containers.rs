//! Where source files lie, as an Icechunk repository says it: a named container, whose URL prefix is one
//! line of the configuration, and the path of a file in it.

use std::collections::BTreeMap;

use crate::model::error::{Code, Error, Result};

/// What the first container of a repository is called.
const NAME: &str = "data";

/// A directory of source files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// What references call it.
    pub(super) name: String,
    /// Its URL, with a slash at the end.
    pub(super) prefix: String,
}

/// A source file in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Position of the container.
    pub(super) container: usize,
    /// Path in the container.
    pub(super) path: String,
}

/// Finds a place for each of `locations`. Containers that are there already stay as they
/// are, since earlier snapshots refer to them, too; where none fits, the longest common directory becomes
/// one, by host.
pub(super) fn place(
    locations: &[&str],
    known: Vec<Container>,
) -> Result<(Vec<Place>, Vec<Container>)> {
    locations.iter().try_for_each(|url| check(url))?;
    let mut containers = known;
    let mut directories: BTreeMap<&str, &str> = BTreeMap::new();
    for url in locations.iter().filter(|url| find(&containers, url).is_none()) {
        let directory = directory(url);
        let common = directories.entry(root(url)).or_insert(directory);
        *common = common_directory(common, directory);
    }
    for prefix in directories.into_values() {
        let name = free_name(&containers);
        containers.push(Container { name, prefix: prefix.to_owned() });
    }
    let place = |url: &&str| {
        let container = find(&containers, url)
            .ok_or_else(|| Error::new(Code::Internal, format!("no container holds `{url}`")))?;
        let path = url[containers[container].prefix.len()..].to_owned();
        Ok(Place { container, path })
    };
    let places = locations.iter().map(place).collect::<Result<_>>()?;
    Ok((places, containers))
}

/// The container with the longest prefix of `url`.
fn find(containers: &[Container], url: &str) -> Option<usize> {
    let holds = |place: &usize| url.starts_with(&containers[*place].prefix);
    (0..containers.len()).filter(holds).max_by_key(|place| containers[*place].prefix.len())
}

fn free_name(containers: &[Container]) -> String {
    let is_free = |name: &String| containers.iter().all(|container| container.name != *name);
    let numbered = (2u32..).map(|number| format!("{NAME}{number}"));
    [NAME.to_owned()].into_iter().chain(numbered).find(is_free).unwrap_or_default()
}

/// Whether readers of Icechunk can follow `url`.
pub(super) fn check(url: &str) -> Result<()> {
    if url.starts_with('/') {
        return Err(Error::unsupported("a local path in Icechunk")
            .with_hint("add a data root that covers the files, or leave out the format icechunk"));
    }
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "http" | "https") {
        return Err(unreadable(url, "only http and https are known to readers"));
    }
    if url.contains(['?', '#']) {
        return Err(unreadable(url, "readers leave out a query"));
    }
    let root = root(url);
    let mut segments = url[root.len()..].split('/');
    let Some(decoded) = decoded(&url[root.len()..]) else {
        return Err(unreadable(url, "readers take paths as UTF-8"));
    };
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    if root.is_empty() || segments.any(is_odd) || decoded.split('/').any(is_odd) {
        return Err(unreadable(url, "readers know no empty, `.` or `..` part of a path"));
    }
    if decoded.contains(|c: char| c.is_ascii_control()) {
        return Err(unreadable(url, "readers take no control characters"));
    }
    Ok(())
}

fn unreadable(url: &str, why: &str) -> Error {
    Error::unsupported(format!("the URL `{}` in Icechunk ({why})", url.escape_debug()))
        .with_hint("leave out the format icechunk, or change the data root")
}

/// The text that `%XX` in `path` stand for.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The directory that all of `locations` are in, if it is one.
pub(super) fn shared_directory<'a>(locations: &[&'a str]) -> Result<Option<&'a str>> {
    locations.iter().try_for_each(|url| check(url))?;
    let mut directories = locations.iter().map(|url| directory(url));
    let first = directories.next();
    Ok(first.filter(|first| directories.all(|other| other == *first)))
}

/// What the directory `prefix` is called.
pub(super) fn last_name(prefix: &str) -> Option<&str> {
    prefix.trim_end_matches('/').rsplit('/').next()
}

/// The host, with all before it: what files must share to share a container. Empty where there is none.
fn root(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/'));
    end.map_or("", |end| &url[..=start + end])
}

fn directory(url: &str) -> &str {
    url.rfind('/').map_or(url, |slash| &url[..=slash])
}

fn common_directory<'a>(one: &'a str, other: &str) -> &'a str {
    let mut common = one;
    while !other.starts_with(common) {
        common = directory(common.trim_end_matches('/'));
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(locations: &[&str], known: Vec<Container>) -> (Vec<(usize, String)>, Vec<String>) {
        let (places, containers) = place(locations, known).unwrap();
        let places = places.into_iter().map(|place| (place.container, place.path)).collect();
        let containers = containers.into_iter().map(|it| format!("{} {}", it.name, it.prefix));
        (places, containers.collect())
    }

    #[test]
    fn files_share_the_longest_directory() {
        let (places, containers) =
            placed(&["https://h/d/v1/a.nc", "https://h/d/v1/b%20c.nc"], Vec::new());
        assert_eq!(containers, ["data https://h/d/v1/"]);
        assert_eq!(places, [(0, "a.nc".into()), (0, "b%20c.nc".into())]);
        let (places, containers) = placed(&["http://h/v10/x/a.nc", "http://h/v1/b.nc"], Vec::new());
        assert_eq!(containers, ["data http://h/"]);
        assert_eq!(places, [(0, "v10/x/a.nc".into()), (0, "v1/b.nc".into())]);
    }

    #[test]
    fn several_roots_have_several_containers() {
        let locations =
            ["https://a/d/1.nc", "http://a/d/2.nc", "https://a/d/e/3.nc", "https://b/4.nc"];
        let (places, containers) = placed(&locations, Vec::new());
        assert_eq!(containers, ["data http://a/d/", "data2 https://a/d/", "data3 https://b/"]);
        assert_eq!(places[2], (1, "e/3.nc".into()));
        assert_eq!(places[3], (2, "4.nc".into()));
    }

    #[test]
    fn what_earlier_snapshots_refer_to_stays() {
        let known = || vec![Container { name: "data".into(), prefix: "https://h/d/v1/".into() }];
        let (places, containers) = placed(&["https://h/d/v1/f/a.nc"], known());
        assert_eq!(
            (places, containers),
            (vec![(0, "f/a.nc".into())], vec!["data https://h/d/v1/".into()])
        );
        let (places, containers) = placed(&["https://h/d/v1/a.nc", "https://h/d/b.nc"], known());
        assert_eq!(places, [(0, "a.nc".into()), (1, "b.nc".into())]);
        assert_eq!(containers[1], "data2 https://h/d/");
    }

    #[test]
    fn what_readers_cannot_follow_is_refused() {
        for location in [
            "s3://bucket/a.nc",
            "a.nc",
            "https://h/a.nc?x=1",
            "https://h/d//a.nc",
            "https://h/d/../a.nc",
            "https://h/d/%2E%2E/a.nc",
            "https://h/%E9.nc",
            "https://h/%0A.nc",
            "https://h/%zz.nc",
            "https://h",
            "/d/a.nc",
        ] {
            let error = place(&[location], Vec::new()).unwrap_err();
            assert_eq!(error.code(), Code::Unsupported, "{location}");
            assert!(error.hint().is_some());
        }
    }
}
