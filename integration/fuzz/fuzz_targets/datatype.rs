#![no_main]

use vzarr_publish::index::hdf5::datatype::Datatype;
use vzarr_publish_fuzz::in_message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    in_message(input, |body, _| {
        if let Ok(datatype) = Datatype::read(body) {
            _ = datatype.netcdf_view();
            _ = datatype.as_variable();
        }
    });
});
