#![no_main]

use vzarr_publish::index::hdf5::dataspace::{Dataspace, Extent};
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, _| match (Dataspace::read(body.clone()), Extent::read(body)) {
        (Ok(Dataspace::Simple { shape, .. }), Ok(extent)) => {
            assert_eq!(shape.len(), extent.rank);
            let count = shape.iter().try_fold(1_u64, |count, length| count.checked_mul(*length));
            assert_eq!(count, extent.element_count().ok());
        }
        (Ok(Dataspace::Null), Ok(extent)) => assert_eq!(extent.element_count().ok(), Some(0)),
        (dataspace, extent) => assert!(dataspace.is_err() && extent.is_err()),
    });
});
