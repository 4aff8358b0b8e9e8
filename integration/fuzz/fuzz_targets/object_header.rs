#![no_main]

use vzarr_publish::index::hdf5::object_header;
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| _ = object_header::read(file, address));
});
