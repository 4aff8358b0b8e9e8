#![no_main]

use vzarr_publish::index::hdf5::layout;
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, parameter| {
        _ = layout::read(body, usize::from(parameter >> 3 & 7), parameter & 4 != 0);
    });
});
