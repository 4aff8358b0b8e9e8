//! The loops that most of the time goes into, each alone, on inputs made in memory:
//!
//!     cargo bench --manifest-path integration/bench/reader_bench/Cargo.toml [-- NAME]

use std::error::Error;
use std::hint::black_box;
use std::io;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vzarr_publish::emit::reference_json::{self, Locations, SourceEntry};
use vzarr_publish::emit::seams::Seams;
use vzarr_publish::index::hdf5::attribute::attributes;
use vzarr_publish::index::hdf5::chunk_grid::Grid;
use vzarr_publish::index::hdf5::chunk_index;
use vzarr_publish::index::hdf5::cursor::Widths;
use vzarr_publish::index::hdf5::file::File;
use vzarr_publish::index::hdf5::layout::Index;
use vzarr_publish::index::hdf5::object_header;
use vzarr_publish::index::hdf5::superblock::Superblock;
use vzarr_publish::index::source::{ReadAt, Source};
use vzarr_publish::model::array::{Chunk, Fill};
use vzarr_publish::model::attribute::Attributes;
use vzarr_publish::model::calendar::Calendar;
use vzarr_publish::model::chunks::Chunks;
use vzarr_publish::model::dtype::{ByteOrder, DataType};
use vzarr_publish::model::dyadic::Dyadic;
use vzarr_publish::model::time_units::TimeUnits;
use vzarr_publish::model::virtual_dataset::{Body, Run, Stored, VirtualArray, VirtualDataset};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const FLOAT: DataType = DataType::Float(4, ByteOrder::Little);
const DOUBLE: DataType = DataType::Float(8, ByteOrder::Little);
/// Half the entries of a node of a chunk B-tree, as HDF5 has it by default.
const CHUNK_K: u16 = 32;

/// A file that begins at address 0, with addresses and lengths of eight bytes.
fn superblock() -> Superblock {
    let widths = Widths { offset: 8, length: 8 };
    Superblock { version: 0, base: 0, widths, chunk_k: CHUNK_K, root: 0, extension: None }
}

/// A chunk of about the size of a compressed map, `number` of many.
fn chunk(number: u64) -> Chunk {
    let size = 30_000 + number * 7919 % 2000;
    Chunk { index: number, offset: 32_000 * number + 4096, size, filter_mask: 0, trailing: 0 }
}

/// The key of chunk `number` in an array of one step a chunk.
fn key(number: u64) -> Vec<u8> {
    let mut key = u32::try_from(chunk(number).size).unwrap_or(0).to_le_bytes().to_vec();
    key.extend([0; 4]);
    for first in [number, 0, 0, 0] {
        key.extend(first.to_le_bytes());
    }
    key
}

/// A file whose metadata come first; of the data behind there is only the length.
struct Metadata {
    bytes: Vec<u8>,
    len: u64,
}

impl ReadAt for Metadata {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let there = self.bytes.get(start..).unwrap_or_default();
        let there = &there[..buffer.len().min(there.len())];
        buffer[..there.len()].copy_from_slice(there);
        buffer[there.len()..].fill(0);
        Ok(())
    }
}

/// A file of a version 1 B-tree of `count` chunks, and the address of its root.
fn b_tree(count: u64) -> (Metadata, u64) {
    let mut file = Vec::new();
    // Number of the first chunk, and address.
    let mut below: Vec<(u64, u64)> =
        (0..count).map(|number| (number, chunk(number).offset)).collect();
    for level in 0.. {
        let nodes: Vec<(u64, u64)> = below
            .chunks(2 * usize::from(CHUNK_K))
            .scan(0, |seen, entries| {
                *seen += entries.len();
                let address = file.len() as u64;
                file.extend(b"TREE");
                file.extend([1, level]);
                file.extend(u16::try_from(entries.len()).unwrap_or(0).to_le_bytes());
                file.extend([0xff; 16]);
                for (first, address) in entries {
                    file.extend(key(*first));
                    file.extend(address.to_le_bytes());
                }
                file.extend(key(below.get(*seen).map_or(count, |(first, _)| *first)));
                // Nodes have room for all entries.
                file.resize(file.len() + (2 * usize::from(CHUNK_K) - entries.len()) * 48, 0);
                Some((entries[0].0, address))
            })
            .collect();
        if let [(_, root)] = nodes[..] {
            return (Metadata { bytes: file, len: chunk(count).offset }, root);
        }
        below = nodes;
    }
    unreachable!("levels do not end")
}

fn walk_b_tree(bench: &mut Criterion) {
    const COUNT: u64 = 20_000;
    let (file, root) = b_tree(COUNT);
    let shape = [COUNT, 96, 144];
    let grid = Grid {
        shape: &shape,
        stored_shape: &shape,
        maximum: &[None, Some(96), Some(144)],
        chunk_shape: &[1, 96, 144],
        element_size: 4,
        is_filtered: true,
        unfiltered_edges: false,
    };
    let walk = || -> Result<Chunks> {
        let source = Source::new(&file)?;
        let file = File::new(&source, superblock());
        Ok(chunk_index::chunks(&file, Some(root), Index::BTreeV1, &grid)?)
    };
    assert_eq!(walk().map(|chunks| chunks.len()).ok(), Some(20_000));
    let mut group = bench.benchmark_group("chunks");
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("B-tree v1 walk", |b| b.iter(|| walk().map(black_box).is_ok()));
    let chunks: Chunks = (0..COUNT).map(chunk).collect();
    group.bench_function("chunk list", |b| {
        b.iter(|| chunks.iter().map(|chunk| chunk.offset ^ chunk.size).fold(0, |a, b| a ^ b));
    });
    group.finish();
}

/// A version 1 object header with `count` attributes of text, as libhdf5 writes them.
fn object_header_of(count: u16) -> Vec<u8> {
    let mut messages = Vec::new();
    for number in 0..count {
        let name = format!("attribute_{number:04}");
        let text = format!("the value of an attribute, of some length, that is number {number:04}");
        let mut body = vec![1, 0];
        for length in [name.len() + 1, 8, 8] {
            body.extend(u16::try_from(length).unwrap_or(0).to_le_bytes());
        }
        body.extend(name.bytes());
        body.resize(8 + (name.len() + 1).next_multiple_of(8), 0);
        body.extend([0x13, 0, 0, 0]); // text of fixed length
        body.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        body.extend([1, 0, 0, 0, 0, 0, 0, 0]); // a single value
        body.extend(text.bytes());
        body.resize(body.len().next_multiple_of(8), 0);
        messages.extend(object_header::ATTRIBUTE.to_le_bytes());
        messages.extend(u16::try_from(body.len()).unwrap_or(0).to_le_bytes());
        messages.extend([0; 4]);
        messages.extend(body);
    }
    let mut header = vec![1, 0];
    header.extend(count.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.extend(u32::try_from(messages.len()).unwrap_or(0).to_le_bytes());
    header.extend([0; 4]);
    header.extend(messages);
    header
}

fn read_object_header(bench: &mut Criterion) {
    const COUNT: u16 = 45;
    let bytes = object_header_of(COUNT);
    let read = || -> Result<usize> {
        let source = Source::new(&bytes)?;
        let file = File::new(&source, superblock());
        let messages = object_header::read(&file, 0)?;
        Ok(black_box(attributes(&file, 0, &messages)?).len())
    };
    assert_eq!(read().ok(), Some(usize::from(COUNT)));
    let mut group = bench.benchmark_group("object header");
    group.throughput(Throughput::Elements(COUNT.into()));
    group.bench_function("attributes", |b| b.iter(|| read().is_ok()));
    group.finish();
}

/// A million chunks of 50 files.
fn million() -> VirtualDataset {
    let (files, steps) = (50u64, 20_000u64);
    let runs = (0..files).map(|file| Run {
        file: usize::try_from(file).unwrap_or(0),
        rows: steps,
        chunk_rows: 1,
        first: file * steps,
        chunks: (0..steps).map(chunk).collect(),
        stored: Stored::AsArray(Vec::new()),
    });
    let tas = VirtualArray {
        name: "tas".to_owned(),
        dimensions: ["time", "lat", "lon"].map(str::to_owned).to_vec(),
        shape: vec![files * steps, 96, 144],
        dtype: FLOAT,
        fill: Fill::Value(vec![0; 4]),
        attributes: Attributes::default(),
        body: Body::Virtual {
            chunk_shape: vec![1, 96, 144],
            codecs: Vec::new(),
            runs: runs.collect(),
        },
    };
    VirtualDataset { attributes: Attributes::default(), arrays: vec![tas], joint: None }
}

fn emit_json(bench: &mut Criterion) {
    let dataset = million();
    let urls: Vec<String> = (0..50)
        .map(|file| {
            format!("https://data.example.org/thredds/fileServer/CMIP6/tas_day_{file:02}.nc")
        })
        .collect();
    let sources: Vec<SourceEntry> = urls
        .iter()
        .map(|url| SourceEntry { url, size: 1, steps: None, tracking_id: None, checksum: None })
        .collect();
    let seams = Seams::default();
    let locations = Locations { files: &urls, seams: &seams, seam_file: None };
    let mut group = bench.benchmark_group("manifest");
    group.throughput(Throughput::Elements(1_000_000));
    group.sample_size(10);
    group.bench_function("JSON of a million references", |b| {
        b.iter(|| reference_json::write(&dataset, locations, &sources, false, &mut io::sink()).is_ok());
    });
    group.finish();
}

fn decode_times(bench: &mut Criterion) {
    const COUNT: u32 = 20_000;
    let bytes: Vec<u8> = (0..COUNT).flat_map(|day| (f64::from(day) + 0.5).to_le_bytes()).collect();
    // As a scan decodes them: exactly.
    let decode = || -> Option<usize> {
        let calendar = Calendar::named(Some("noleap"))?;
        let units = TimeUnits::parse("days since 1850-01-01", calendar)?;
        let date = |bytes: &[u8]| {
            let time = Dyadic::decode(bytes, DOUBLE)?;
            calendar.date(time.transformed(units.unit, units.reference, 1)?.floor()?)
        };
        Some(bytes.chunks_exact(8).filter(|bytes| black_box(date(bytes)).is_some()).count())
    };
    assert_eq!(decode(), usize::try_from(COUNT).ok());
    let mut group = bench.benchmark_group("times");
    group.throughput(Throughput::Elements(COUNT.into()));
    group.bench_function("numbers to dates", |b| b.iter(|| decode().is_some()));
    group.finish();
}

criterion_group!(loops, walk_b_tree, read_object_header, emit_json, decode_times);
criterion_main!(loops);
