#![no_main]

use vzarr_publish::index::hdf5::superblock;
use vzarr_publish::index::source::Source;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let bytes = input.to_vec();
    let Ok(source) = Source::new(&bytes) else { return };
    if let Ok(Some(base)) = superblock::find(&source) {
        _ = superblock::read(&source, base);
    }
});
