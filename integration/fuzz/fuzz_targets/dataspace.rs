#![no_main]

use vzarr_publish::index::hdf5::dataspace::Dataspace;
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, _| {
        if let Ok(dataspace) = Dataspace::read(body) {
            _ = dataspace.element_count();
        }
    });
});
