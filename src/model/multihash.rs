//! Checksums of files, written as multihashes: the algorithm, the length and the digest in
//! hexadecimal digits, as the `file:checksum` of a STAC asset is.
//!
//! Source: <https://github.com/multiformats/multihash> and the table of <https://github.com/multiformats/multicodec>.

use std::fmt;

/// What stands before the digest, and the names that publishers give the algorithm. SHA-256 comes first:
/// it is what ESGF requires.
const ALGORITHMS: [(&str, usize, &[&str]); 4] = [
    ("1220", 32, &["sha256", "sha2-256"]),
    ("1340", 64, &["sha512", "sha2-512"]),
    ("1114", 20, &["sha1"]),
    ("d50110", 16, &["md5"]),
];

/// A checksum with its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multihash(String);

impl Multihash {
    /// That of an SHA-256 `digest` in hexadecimal digits.
    #[must_use]
    pub fn of_sha256(digest: &str) -> Self {
        Self(format!("1220{digest}"))
    }

    /// Reads a checksum as mapfiles have it: a digest with the name of its algorithm, or a multihash,
    /// with or without that name.
    #[must_use]
    pub fn parse(checksum: &str, algorithm: Option<&str>) -> Option<Self> {
        let checksum = checksum.to_ascii_lowercase();
        if !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let named = |names: &[&str]| {
            algorithm.is_none_or(|given| names.iter().any(|name| name.eq_ignore_ascii_case(given)))
        };
        ALGORITHMS.iter().filter(|(_, _, names)| named(names)).find_map(|(code, bytes, _)| {
            let digits = 2 * bytes;
            if checksum.len() == digits && algorithm.is_some() {
                return Some(Self(format!("{code}{checksum}")));
            }
            let is_whole = checksum.len() == code.len() + digits && checksum.starts_with(code);
            is_whole.then(|| Self(checksum.clone()))
        })
    }

    /// The SHA-256 digest in hexadecimal digits; none of another algorithm.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.0.strip_prefix("1220")
    }

    /// In hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Multihash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_mapfiles_become_multihashes() {
        let digest = "c251811ba162f72fb8d84736565c97205d70f307ad994fc2824dfec526156060";
        let multihash = format!("1220{digest}");
        let parsed = |text: &str, name| Multihash::parse(text, name).map(|it| it.to_string());
        let expected = Some(multihash.clone());
        assert_eq!(parsed(digest, Some("SHA256")), expected);
        assert_eq!(parsed(&digest.to_uppercase(), Some("sha2-256")), expected);
        assert_eq!(parsed(&multihash, None), expected);
        // Some write the name beside a multihash.
        assert_eq!(parsed(&multihash, Some("SHA256")), expected);
        assert_eq!(Multihash::of_sha256(digest).sha256(), Some(digest));
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(parsed(md5, Some("MD5")), Some(format!("d50110{md5}")));
        assert_eq!(Multihash::parse(md5, Some("MD5")).unwrap().sha256(), None);
    }

    #[test]
    fn what_is_no_checksum_is_refused() {
        let digest = "c251811ba162f72fb8d84736565c97205d70f307ad994fc2824dfec526156060";
        for (text, name) in [
            (digest, None),
            (digest, Some("SHA512")),
            (digest, Some("crc32")),
            (&digest[1..], Some("SHA256")),
            ("", None),
            ("", Some("SHA256")),
            ("g251811ba162f72fb8d84736565c97205d70f307ad994fc2824dfec526156060", Some("SHA256")),
        ] {
            assert_eq!(Multihash::parse(text, name), None, "{text} {name:?}");
        }
    }
}
