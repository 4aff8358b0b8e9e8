//! How Icechunk repositories of very many chunks are written: time, memory, size. By hand, since it takes
//! minutes:
//!
//! ```text
//! CHUNKS=10000000 DIRECTORY=/tmp/large cargo test --features icechunk --test icechunk -- --ignored --nocapture
//! ```

#![cfg(feature = "icechunk")]
#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs};

use vzarr_publish::emit::artefact::Sources;
use vzarr_publish::emit::icechunk;
use vzarr_publish::emit::reference_json::Locations;
use vzarr_publish::emit::seams::Seams;
use vzarr_publish::model::array::{Chunk, Fill};
use vzarr_publish::model::attribute::{AttributeValue, Attributes};
use vzarr_publish::model::chunks::Chunks;
use vzarr_publish::model::codec::Codec;
use vzarr_publish::model::dtype::{ByteOrder, DataType};
use vzarr_publish::model::icechunk::Options;
use vzarr_publish::model::virtual_dataset::{
    Body, Joint, Run, Stored, VirtualArray, VirtualDataset,
};

/// Three-hourly data in yearly files, a chunk a step and level.
fn dataset(chunks: u64, title: &str) -> VirtualDataset {
    const LEVELS: u64 = 8;
    const STEPS: u64 = 2920;
    let files = chunks.div_ceil(STEPS * LEVELS);
    let mut left = chunks / LEVELS;
    let mut first = 0;
    let mut lengths = Vec::new();
    let runs = (0..files).map(|file| {
        let rows = left.min(STEPS);
        left -= rows;
        lengths.push(rows);
        let mut offset = 40_000;
        let chunks: Chunks = (0..rows * LEVELS)
            .map(|index| {
                let size = 50_000 + index * 7919 % 6000;
                offset += size;
                Chunk { index, offset: offset - size, size, filter_mask: 0, trailing: 0 }
            })
            .collect();
        let run = Run {
            file: usize::try_from(file).unwrap(),
            rows,
            chunk_rows: 1,
            first,
            chunks,
            stored: Stored::AsArray(Vec::new()),
        };
        first += rows * LEVELS;
        run
    });
    let runs: Vec<Run> = runs.collect();
    let title = ("title".to_owned(), AttributeValue::Text(title.to_owned()));
    let ta = VirtualArray {
        name: "ta".into(),
        dimensions: ["time", "plev", "lat", "lon"].map(String::from).to_vec(),
        shape: vec![lengths.iter().sum(), LEVELS, 96, 144],
        dtype: DataType::Float(4, ByteOrder::Little),
        fill: Fill::Value(1e20f32.to_le_bytes().to_vec()),
        attributes: Attributes::default(),
        body: Body::Virtual {
            chunk_shape: vec![1, 1, 96, 144],
            codecs: vec![Codec::Shuffle(4), Codec::Zlib(1)],
            runs,
        },
    };
    VirtualDataset {
        attributes: [title].into_iter().collect(),
        arrays: vec![ta],
        joint: Some(Joint { dimension: "time".into(), lengths }),
    }
}

/// Most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
#[ignore = "takes minutes"]
fn many_chunks() {
    let chunks = env::var("CHUNKS").map_or(1_000_000, |chunks| chunks.parse().unwrap());
    let directory = PathBuf::from(env::var_os("DIRECTORY").unwrap_or("/tmp/large".into()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let target = directory.join("a.icechunk");
    for title in ["a", "a", "b"] {
        let dataset = dataset(chunks, title);
        let name = |file| {
            format!(
                "https://esgf-data1.llnl.gov/thredds/fileServer/css03_data/CMIP6/HighResMIP/MPI-M/MPI-ESM1-2-XR/\
                 control-1950/r1i1p1f1/3hrPt/ta/gn/v20180606/ta_3hrPt_MPI-ESM1-2-XR_control-1950_r1i1p1f1_gn_\
                 {file:04}01010000-{file:04}12312100.nc"
            )
        };
        let files: Vec<String> = (0..dataset.files().len()).map(name).collect();
        let seams = Seams::default();
        let locations = Locations { files: &files, seams: &seams, seam_file: None };
        let sources = Sources { locations, seam_path: None, modified: &[] };
        let before = peak();
        let start = Instant::now();
        let artefact = icechunk::write(&target, &dataset, &sources, &Options::default()).unwrap();
        println!(
            "{} references, {title}, unchanged {}: {:.1} s, {} MiB at most ({before} before), {} bytes",
            artefact.reference_count,
            artefact.unchanged,
            start.elapsed().as_secs_f64(),
            peak(),
            artefact.size
        );
    }
}
