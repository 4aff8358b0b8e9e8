#![no_main]

use vzarr_publish::index::hdf5::chunk_index;
use vzarr_publish::index::hdf5::layout::Index;
use vzarr_publish_fuzz::in_file_with_grid;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file_with_grid(input, |file, address, grid| {
        _ = chunk_index::chunks(file, Some(address), Index::BTreeV1, grid);
    });
});
