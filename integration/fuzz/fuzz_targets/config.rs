#![no_main]

use vzarr_publish::drs::{Config, DataRoots, Drs, FrequencyFilter};

libfuzzer_sys::fuzz_target!(|input: &str| {
    // Of the publisher's files, what is made of them, too.
    if let Ok(Config::Publisher(config)) = Config::parse(input) {
        _ = DataRoots::from_publisher(&config);
        _ = Drs::builtin().and_then(|drs| drs.with_publisher_projects(&config));
        if let Some(kerchunk) = &config.kerchunk {
            _ = kerchunk.data_dir();
            _ = kerchunk.check_format();
            _ = kerchunk.filter_frequency.as_deref().map(FrequencyFilter::from);
        }
    }
});
