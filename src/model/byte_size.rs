//! Sizes as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, written such as `4MiB`, `8M` or `65536`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(u64);

impl ByteSize {
    /// `count` times 1024 * 1024 bytes.
    #[must_use]
    pub const fn mebibytes(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    /// Reads a whole number above 0 and a unit: none, or `K`, `M` or `G` for powers of 1024, with
    /// `iB` or without.
    ///
    /// # Errors
    /// What is expected, for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a size such as 4MiB, 8M or 65536 instead of `{text}`");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            _ => return Err(expected()),
        };
        let number = number.parse::<u64>().ok();
        let bytes = number.and_then(|number| number.checked_mul(1 << shift));
        bytes.filter(|&bytes| bytes > 0).map(Self).ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("1", 1),
            ("65536", 65_536),
            ("3K", 3 << 10),
            ("3KiB", 3 << 10),
            ("8M", 8 << 20),
            ("4MiB", 4 << 20),
            ("2G", 2 << 30),
            ("17179869183GiB", 17_179_869_183 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
        assert_eq!("4MiB".parse(), Ok(ByteSize::mebibytes(4)));
        for text in
            ["", "0", "0M", "M", "-1", "1.5M", "4MB", "4 MiB", "4m", "17179869184GiB", "1e6"]
        {
            let said = text.parse::<ByteSize>().unwrap_err();
            assert!(said.contains("4MiB") && said.contains(&format!("`{text}`")), "{said}");
        }
    }
}
