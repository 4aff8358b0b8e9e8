//! Digests as the ledger has them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 of `content` in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
