#![no_main]

use std::path::Path;

use vzarr_publish::drs::Drs;

libfuzzer_sys::fuzz_target!(|input: &str| {
    // A project file; behind a NUL, the path of a file of that project.
    let (yaml, path) = input.split_once('\0').unwrap_or((input, "/data/X/a/b/v1/b_1850-1851.nc"));
    let Ok(drs) = Drs::from_yaml(yaml) else { return };
    let path = Path::new(path);
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(dataset) = drs.dataset(directory) else { return };
    _ = dataset.instance_id();
    _ = drs.variable(&dataset, name);
    if let Ok(file_name) = drs.file_name(&dataset, name) {
        _ = dataset.agrees_with(&file_name);
        _ = dataset.with_facets(file_name.facets);
    }
});
