#![no_main]

use vzarr_publish::index::hdf5::fill_value;
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, parameter| {
        let size = u64::from(parameter >> 3);
        if parameter & 4 == 0 {
            _ = fill_value::read(body, size);
        } else {
            _ = fill_value::read_old(body, size);
        }
    });
});
