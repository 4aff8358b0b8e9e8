#![no_main]

use vzarr_publish::index::hdf5::link::Link;
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, _| _ = Link::read(body));
});
