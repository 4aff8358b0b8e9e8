#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;

use vzarr_publish::drs::{DataRoots, Drs, TimeRange, encoded};

static DRS: LazyLock<Drs> = LazyLock::new(|| Drs::builtin().expect("the projects are well-formed"));
static ROOTS: LazyLock<DataRoots> = LazyLock::new(|| {
    let roots = vec![("/data".into(), "https://node.test/data".to_owned())];
    DataRoots::from_pairs(roots).expect("the roots are well-formed")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // The path of a file, which need not be UTF-8, of any project.
    let path = Path::new(OsStr::from_bytes(input));
    _ = encoded(path);
    _ = path.to_str().map(TimeRange::parse);
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(dataset) = DRS.dataset(directory) else { return };
    _ = dataset.instance_id();
    _ = DRS.variable(&dataset, name);
    _ = ROOTS.url(path, &dataset);
    _ = ROOTS.ambiguity(path, &dataset);
    if let Ok(file_name) = DRS.file_name(&dataset, name) {
        _ = dataset.agrees_with(&file_name);
        _ = dataset.with_facets(file_name.facets);
    }
});
