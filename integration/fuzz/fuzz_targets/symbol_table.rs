#![no_main]

use vzarr_publish::index::hdf5::{group, object_header};
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| {
        // Of groups of either kind: links in the header, in heaps or in a symbol table.
        if let Ok(messages) = object_header::read(file, address) {
            _ = group::links(file, &messages);
        }
    });
});
