#![no_main]

use vzarr_publish::index::hdf5::attribute;
use vzarr_publish::index::hdf5::global_heap::GlobalHeap;
use vzarr_publish::index::hdf5::object_header;
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| {
        let Ok(messages) = object_header::read(file, address) else { return };
        let Ok(attributes) = attribute::attributes(file, address, &messages) else { return };
        let heap = GlobalHeap::new(file);
        for attribute in attributes {
            _ = attribute.value(file, &heap);
            _ = attribute.references(file, &heap);
        }
    });
});
