#![no_main]

use vzarr_publish::index::index;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    _ = index(&input.to_vec());
});
