#![no_main]

use vzarr_publish::discover::mapfile;

libfuzzer_sys::fuzz_target!(|input: &str| {
    _ = mapfile::parse(input);
    _ = mapfile::versioned_id(input);
});
