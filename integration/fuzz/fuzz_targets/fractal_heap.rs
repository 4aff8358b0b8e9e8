#![no_main]

use vzarr_publish::index::hdf5::fractal_heap::FractalHeap;
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| {
        let Ok(heap) = FractalHeap::open(file, address) else { return };
        // IDs that lie at the end of the input, and one of a managed object: offset and length.
        for id in input.rchunks(8).take(32) {
            _ = heap.object(id);
        }
        let &[a, b, c, d, ..] = &input[3..] else { return };
        _ = heap.object(&[0, a, b, 0, 0, c, d, 0]);
    });
});
