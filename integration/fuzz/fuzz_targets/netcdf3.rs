#![no_main]

use vzarr_publish::index::index;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The first byte is the version; what is no `CDF` is for the target `file`.
    if let Some((&version, rest)) = input.split_first() {
        _ = index(&[&[b'C', b'D', b'F', version], rest].concat());
    }
});
