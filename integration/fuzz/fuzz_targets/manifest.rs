#![no_main]

use vzarr_publish::emit::relocation;
use vzarr_publish::verify::references::{self, Reference, References};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // As `verify` reads it back.
    if let Ok(manifest) = References::parse(input) {
        for (key, reference) in manifest.iter() {
            if let Reference::Inline(text) = reference {
                _ = references::inlined(text);
            }
            _ = manifest.document(key);
        }
    }
    // As `relocate` copies it, and as `ledger merge` compares it.
    _ = relocation::copy(input, &mut std::io::sink(), &mut |location| Ok(format!("https://h/{location}")));
    _ = relocation::portable_digest(input);
});
