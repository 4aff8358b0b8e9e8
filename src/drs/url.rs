//! Writing URLs.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::model::error::{Code, Error, Result};

/// `path` as it stands in a URL: bytes that a URL path cannot hold as they are become `%XX`.
#[must_use]
pub fn encoded(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut url = String::with_capacity(bytes.len());
    for &byte in bytes {
        // RFC 3986: `pchar` and the slash.
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// A URL with one hole, for the path below a data root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    before: String,
    after: String,
}

impl Template {
    /// A URL that the path is appended to.
    pub(super) fn prefix(url: &str) -> Result<Self> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let is_url = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !url.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_url {
            let message = format!("`{}` is not a URL prefix", url.escape_debug());
            return Err(Error::new(Code::Configuration, message)
                .with_hint("write it like `https://host/path`"));
        }
        let slash = if url.ends_with('/') { "" } else { "/" };
        Ok(Self { before: format!("{url}{slash}"), after: String::new() })
    }

    /// The publisher's `https_url` with `mapped_root` in it: a Python format string for the two
    /// values (mapped root, path), followed by `|mime type|service`.
    pub(super) fn publisher(https_url: &str, mapped_root: &str) -> Result<Self> {
        let wrong = || {
            let message =
                format!("`https_url` is not a URL with two holes: `{}`", https_url.escape_debug());
            Error::new(Code::Configuration, message)
                .with_hint("write it like `https://host/{}/{}|application/netcdf|HTTPServer`")
        };
        let href = https_url.split('|').next().unwrap_or_default();
        let (before, rest) = split_at_hole(href, 0).ok_or_else(wrong)?;
        let (between, after) = split_at_hole(rest, 1).ok_or_else(wrong)?;
        if [before, between, after].iter().any(|text| text.contains(['{', '}'])) {
            return Err(wrong());
        }
        Ok(Self { before: format!("{before}{mapped_root}{between}"), after: after.to_owned() })
    }

    /// The URL for `path`, which is encoded already.
    pub(super) fn fill(&self, path: &str) -> String {
        format!("{}{path}{}", self.before, self.after)
    }
}

/// Splits at `{}` or `{number}`.
fn split_at_hole(text: &str, number: usize) -> Option<(&str, &str)> {
    text.split_once("{}").or_else(|| text.split_once(&format!("{{{number}}}")))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn only_what_a_url_cannot_hold_is_encoded() {
        let plain = "CMIP6/CMIP/x_y-z.1/~a+b(c)@d:e,f;g=h&i'j!k*l$.nc";
        assert_eq!(encoded(Path::new(plain)), plain);
        assert_eq!(
            encoded(Path::new("a b%20?#é\u{1}\"<>[]|\\^`{}")),
            "a%20b%2520%3F%23%C3%A9%01%22%3C%3E%5B%5D%7C%5C%5E%60%7B%7D"
        );
        assert_eq!(encoded(Path::new(OsStr::from_bytes(b"\xe9\xff.nc"))), "%E9%FF.nc");
    }

    #[test]
    fn https_url_holes() {
        let fill = |text| Some(Template::publisher(text, "root").ok()?.fill("p.nc"));
        assert_eq!(
            fill("https://h/{}/{}|application/netcdf|HTTPServer").unwrap(),
            "https://h/root/p.nc"
        );
        assert_eq!(fill("https://h/{0}//{1}?x").unwrap(), "https://h/root//p.nc?x");
        for text in
            ["https://h", "https://h/{}", "https://h/{}/{}/{}", "https://h/{a}/{b}", "none", ""]
        {
            assert_eq!(fill(text), None, "{text}");
        }
    }
}
