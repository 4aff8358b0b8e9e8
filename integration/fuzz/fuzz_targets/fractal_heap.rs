#![no_main]

use vzarr_publish::index::hdf5::fractal_heap::FractalHeap;
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| {
        let Ok(heap) = FractalHeap::open(file, address) else { return };
        // IDs of objects, wherever they may lie in the input.
        for id in input.chunks(8) {
            _ = heap.object(id);
        }
    });
});
