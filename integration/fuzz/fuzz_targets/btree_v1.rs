#![no_main]

use vzarr_publish::index::hdf5::btree_v1;
use vzarr_publish_fuzz::in_file_with_grid;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file_with_grid(input, |file, address, grid| _ = btree_v1::chunks(file, address, grid));
});
