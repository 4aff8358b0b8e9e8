//! The same store at other places: a manifest with other locations in it, and what is left of it without
//! any.
//!
//! A manifest has one reference, or one source, a line (see [`reference_json`](super::reference_json)), so
//! that nothing but locations needs to be understood.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::reference_json::SOURCES;
use super::seal::hex;

/// Copies the manifest that `from` reads with every location changed by `relocate`; what that refuses ends
/// it.
pub fn copy(
    from: impl BufRead,
    to: &mut dyn Write,
    relocate: &mut dyn FnMut(&str) -> io::Result<String>,
) -> io::Result<()> {
    let mut written: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    each_line(from, |line, location| {
        let Some(location) = location else { return to.write_all(line) };
        let (quoted, before, after) = parts(line, location);
        if !written.contains_key(quoted) {
            let old: String = serde_json::from_slice(quoted)?;
            written.insert(quoted.to_vec(), serde_json::to_vec(&relocate(&old)?)?);
        }
        to.write_all(before)?;
        to.write_all(written.get(quoted).map_or(quoted, Vec::as_slice))?;
        to.write_all(after)
    })
}

/// SHA-256, in hexadecimal digits, of the manifest that `from` reads with the names of files instead of
/// their locations: the same wherever the same files lie, and whoever serves them.
pub fn portable_digest(from: impl BufRead) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut is_source = false;
    each_line(from, |line, location| {
        // Of sources one node may know more than another.
        is_source = is_source || line.starts_with(SOURCES.trim_start().as_bytes());
        if is_source {
            return Ok(());
        }
        let Some(location) = location else {
            hash.update(line);
            return Ok(());
        };
        let (quoted, before, after) = parts(line, location);
        let name = quoted.rsplit(|byte| *byte == b'/').next().unwrap_or(quoted);
        hash.update(before);
        hash.update(name);
        hash.update(after);
        Ok(())
    })?;
    Ok(hex(hash))
}

/// Hands over each line and, of a reference, where its location stands, with its quotes.
fn each_line(
    mut from: impl BufRead,
    mut each: impl FnMut(&[u8], Option<Range<usize>>) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        each(&line, location(&line))?;
    }
}

fn parts(line: &[u8], location: Range<usize>) -> (&[u8], &[u8], &[u8]) {
    (&line[location.clone()], &line[..location.start], &line[location.end..])
}

/// Where the location stands in `"KEY":["LOCATION",...` or `"LOCATION":{...`.
fn location(line: &[u8]) -> Option<Range<usize>> {
    let key = text_end(line, 0)?;
    match line.get(key..key + 2)? {
        b":[" => Some(key + 2..text_end(line, key + 2)?),
        b":{" => Some(0..key),
        _ => None,
    }
}

/// Behind the JSON text that begins at `start`.
fn text_end(line: &[u8], start: usize) -> Option<usize> {
    if line.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match line.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = concat!(
        "{\"version\":1,\"refs\":{\n",
        "\".zattrs\":\"{\\\"a\\\":[\\\"https://h/d/a.nc\\\",1,2]}\",\n",
        "\"t\\\"as/0.0\":[\"https://h/d/a.nc\",1,2],\n",
        "\"tas/1.0\":[\"https://h/d/b%20c.nc\",3,4],\n",
        "\"tas/2.0\":[\"https://h/d/a.nc\",5,6]\n",
        "},\"sources\":{\n",
        "\"https://h/d/a.nc\":{\"size\":9,\"tracking_id\":\"https://h/d\"},\n",
        "\"https://h/d/b%20c.nc\":{\"size\":9}\n",
        "}}\n"
    );

    fn copied(relocate: &mut dyn FnMut(&str) -> io::Result<String>) -> io::Result<String> {
        let mut copy = Vec::new();
        super::copy(MANIFEST.as_bytes(), &mut copy, relocate)?;
        Ok(String::from_utf8(copy).unwrap())
    }

    #[test]
    fn only_locations_change() {
        let mut asked = Vec::new();
        let copy = copied(&mut |location| {
            asked.push(location.to_owned());
            Ok(location.replace("https://h/d", "/\"x\""))
        });
        let expected = MANIFEST.replace("[\"https://h/d", "[\"/\\\"x\\\"");
        let expected = expected.replace("\n\"https://h/d", "\n\"/\\\"x\\\"");
        assert_eq!(copy.unwrap(), expected);
        assert_eq!(asked, ["https://h/d/a.nc", "https://h/d/b%20c.nc"]);
        assert!(copied(&mut |_| Err(io::Error::other("unknown"))).is_err());
    }

    #[test]
    fn the_portable_digest_is_of_the_same_data_anywhere() {
        let digest = |text: &str| portable_digest(text.as_bytes()).unwrap();
        let elsewhere = copied(&mut |it| Ok(it.replace("https://h/d", "https://replica.org/x/y")));
        assert_eq!(digest(MANIFEST), digest(&elsewhere.unwrap()));
        assert_eq!(digest(MANIFEST), digest(&MANIFEST.replace("size", "checksum")));
        for (part, other) in [("a.nc\",1", "b.nc\",1"), ("5,6", "5,7"), ("tas/1", "tas/3")] {
            assert_ne!(digest(MANIFEST), digest(&MANIFEST.replace(part, other)));
        }
    }

    #[test]
    fn damaged_lines_are_copied_as_they_are() {
        for line in ["\"a", "\"a\":[\"b", "\"a\\", "[\"a\"]", "", "\"a\":[]"] {
            assert_eq!(location(line.as_bytes()), None, "{line}");
        }
    }
}
