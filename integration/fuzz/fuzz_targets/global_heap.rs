#![no_main]

use vzarr_publish::index::hdf5::global_heap::GlobalHeap;
use vzarr_publish_fuzz::in_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_file(input, |file, address| {
        let heap = GlobalHeap::new(file);
        for number in [0, 1, 2, 0x0100, u32::MAX] {
            let mut element = 4u32.to_le_bytes().to_vec();
            let width = usize::from(file.superblock().widths.offset);
            element.extend(&address.to_le_bytes()[..width]);
            element.extend(number.to_le_bytes());
            for item_size in [1, 8] {
                _ = heap.value(&mut file.cursor(&element), item_size);
            }
        }
    });
});
