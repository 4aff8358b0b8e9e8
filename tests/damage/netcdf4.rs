//! Damaged files of netCDF-4, which are HDF5.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::hdf5::{self, File, Message, UNDEFINED};
use super::{Case, file};

const MONTHS: u64 = 6;

/// The dimension scale `time`: its messages but for what says how its values are stored.
fn time_messages(shape: u64) -> Vec<Message> {
    vec![
        hdf5::dataspace(&[shape], false),
        hdf5::datatype(&hdf5::DOUBLE),
        hdf5::fill_zero(),
        hdf5::text("CLASS", "DIMENSION_SCALE"),
        hdf5::text("NAME", "time"),
        hdf5::text("units", "days since 1850-01-01"),
        hdf5::text("calendar", "360_day"),
    ]
}

fn put_time(file: &mut File) -> u64 {
    let months: Vec<u8> =
        (0..6u8).flat_map(|month| (30.0 * f64::from(month) + 15.0).to_le_bytes()).collect();
    let values = file.put(&months);
    let mut messages = time_messages(MONTHS);
    messages.push(hdf5::contiguous(values, months.len() as u64));
    file.object(&messages)
}

/// Says that the only dimension is the scale at `time`.
fn along(file: &mut File, time: u64) -> Message {
    let heap = file.put(&hdf5::collection(&[time.to_le_bytes().to_vec()]));
    hdf5::attribute(b"DIMENSION_LIST", &hdf5::REFERENCES, &[1], &hdf5::sequence(1, heap, 1))
}

/// The chunks of `tas`, of two months each, uncompressed: what the tree says of each.
fn put_chunks(file: &mut File) -> Vec<(u32, [u64; 1], u64)> {
    (0..3u8)
        .map(|chunk| {
            let months = 2 * chunk..2 * chunk + 2;
            let bytes: Vec<u8> = months.flat_map(|month| f32::from(month).to_le_bytes()).collect();
            (8, [u64::from(2 * chunk)], file.put(&bytes))
        })
        .collect()
}

fn put_tree(file: &mut File, chunks: &[(u32, [u64; 1], u64)]) -> u64 {
    let entries: Vec<hdf5::Entry> =
        chunks.iter().map(|(size, at, address)| (*size, &at[..], *address)).collect();
    file.put(&hdf5::tree_node(0, &entries, &[MONTHS]))
}

/// A file of `time`, and `tas` along it with the messages that `tas` gives beside those of shape, type and
/// dimension.
fn with_tas(tas: impl FnOnce(&mut File) -> Vec<Message>) -> Vec<u8> {
    let mut file = File::new();
    let time = put_time(&mut file);
    let along = along(&mut file, time);
    let own = tas(&mut file);
    let mut messages = vec![hdf5::dataspace(&[MONTHS], false), hdf5::datatype(&hdf5::FLOAT), along];
    if !own.iter().any(|(kind, _)| *kind == hdf5::fill_zero().0) {
        messages.push(hdf5::fill_zero());
    }
    messages.extend(own);
    let tas = file.object(&messages);
    file.finish(&[(b"tas", tas), (b"time", time)], &[])
}

/// A good file.
fn good() -> Vec<u8> {
    with_tas(|file| {
        let chunks = put_chunks(file);
        let tree = put_tree(file, &chunks);
        vec![hdf5::chunked(tree, &[2], 4)]
    })
}

/// As [`with_tas`], with chunks in a tree, and more messages.
fn with_more(more: impl FnOnce(&mut File) -> Vec<Message>) -> Vec<u8> {
    with_tas(|file| {
        let chunks = put_chunks(file);
        let tree = put_tree(file, &chunks);
        let mut messages = more(file);
        messages.push(hdf5::chunked(tree, &[2], 4));
        messages
    })
}

/// A good file whose tree was told something else of its chunks.
fn with_chunks(spoil: impl FnOnce(&mut Vec<(u32, [u64; 1], u64)>)) -> Vec<u8> {
    with_tas(|file| {
        let mut chunks = put_chunks(file);
        spoil(&mut chunks);
        let tree = put_tree(file, &chunks);
        vec![hdf5::chunked(tree, &[2], 4)]
    })
}

/// A good file with chunks that went through filters, or say so.
fn filtered(filters: &[(u16, &[u32])]) -> Vec<u8> {
    with_more(|_| vec![hdf5::filters(filters)])
}

/// A good file, cut off so many bytes behind the first `signature`.
fn cut(name: &'static str, signature: &'static [u8], rest: usize) -> Case {
    file(name, move || {
        let mut bytes = good();
        let at = bytes.windows(signature.len()).position(|window| window == signature).unwrap();
        bytes.truncate(at + rest);
        bytes
    })
}

/// As [`cut`], where the superblock says that this is all.
fn cut_and_sealed(name: &'static str, signature: &'static [u8], rest: usize) -> Case {
    file(name, move || {
        let mut bytes = good();
        let at = bytes.windows(signature.len()).position(|window| window == signature).unwrap();
        let end = at + rest;
        bytes.truncate(end);
        superblock(&mut bytes, 28, &(end as u64).to_le_bytes());
        bytes
    })
}

/// Overwrites bytes of the superblock, and makes its checksum right.
fn superblock(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
    let sealed = hdf5::sealed(bytes[..hdf5::SUPERBLOCK_SIZE - 4].to_vec());
    bytes[..hdf5::SUPERBLOCK_SIZE].copy_from_slice(&sealed);
}

fn of_superblock(name: &'static str, at: usize, with: &'static [u8]) -> Case {
    file(name, move || {
        let mut bytes = good();
        superblock(&mut bytes, at, with);
        bytes
    })
}

/// A good file with one bit changed behind the first `signature`.
fn flipped(name: &'static str, signature: &'static [u8], behind: usize) -> Case {
    file(name, move || {
        let mut bytes = good();
        let at = bytes.windows(signature.len()).position(|window| window == signature).unwrap();
        bytes[at + behind] ^= 1;
        bytes
    })
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

/// A coordinate `time` of so many times, all zero, in one deflated chunk, and nothing else.
fn bomb(times: u32) -> Vec<u8> {
    let mut file = File::new();
    let stored = deflated(&vec![0; times as usize * 8]);
    let size = u32::try_from(stored.len()).unwrap();
    let chunk = file.put(&stored);
    let tree = file.put(&hdf5::tree_node(0, &[(size, &[0], chunk)], &[times.into()]));
    let mut messages = time_messages(times.into());
    messages.extend([hdf5::filters(&[(1, &[9])]), hdf5::chunked(tree, &[times], 8)]);
    let time = file.object(&messages);
    file.finish(&[(b"time", time)], &[])
}

/// A file with links of these names to one object.
fn linked(names: &[&[u8]]) -> Vec<u8> {
    let mut file = File::new();
    let time = put_time(&mut file);
    let links: Vec<(&[u8], u64)> = names.iter().map(|name| (*name, time)).collect();
    file.finish(&links, &[])
}

/// A good file whose `tas` has attributes in a fractal heap, which `spoil` is given as the blocks of heap,
/// tree and leaf.
fn with_dense_attributes(spoil: impl FnOnce(&mut [Vec<u8>; 4])) -> Vec<u8> {
    with_more(|file| {
        let (_, body) = hdf5::text("units", "K");
        let length = u16::try_from(body.len()).unwrap();
        let heap_at = file.end();
        let (heap, block) = hdf5::fractal_heap(heap_at, &body);
        let mut blocks = [heap, block, Vec::new(), Vec::new()];
        let tree_at = (heap_at + 146).next_multiple_of(8) + 4096;
        let id = hdf5::heap_id(hdf5::DIRECT_BLOCK_PREFIX, length);
        (blocks[2], blocks[3]) = hdf5::attribute_names(tree_at, &[(b"units", id)]);
        spoil(&mut blocks);
        let addresses = blocks.map(|block| file.put(&block));
        assert_eq!((addresses[0], addresses[2]), (heap_at, tree_at));
        vec![hdf5::attribute_info(heap_at, tree_at)]
    })
}

pub fn cases() -> Vec<Case> {
    let mut cases = places();
    cases.extend(structures());
    cases.extend(chunks());
    cases.extend(names());
    cases
}

/// Where a file may end early, and what its superblock may say.
fn places() -> Vec<Case> {
    vec![
        file("netCDF-4: nothing wrong", good),
        file("netCDF-4: attributes in a heap, nothing wrong", || with_dense_attributes(|_| {})),
        file("netCDF-4: attributes in a heap, another number of them in the header", || {
            with_dense_attributes(|blocks| {
                let mut header = blocks[2][..34].to_vec();
                header[26] = 2;
                blocks[2] = hdf5::sealed(header);
            })
        }),
        cut("netCDF-4: cut off behind the signature", b"\x89HDF", 8),
        cut("netCDF-4: cut off in the superblock", b"\x89HDF", 30),
        cut("netCDF-4: cut off behind the superblock", b"\x89HDF", 48),
        cut("netCDF-4: cut off in a header", b"OHDR", 20),
        cut("netCDF-4: cut off in the tree of chunks", b"TREE", 40),
        cut("netCDF-4: cut off in the heap of references", b"GCOL", 20),
        cut_and_sealed("netCDF-4: cut off behind the superblock, which says so", b"\x89HDF", 48),
        of_superblock("netCDF-4: superblock of version 7", 8, &[7]),
        of_superblock("netCDF-4: addresses of three bytes", 9, &[3]),
        of_superblock(
            "netCDF-4: end of file beyond its end",
            28,
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ),
        of_superblock("netCDF-4: end of file before its end", 28, &[64, 0, 0, 0, 0, 0, 0, 0]),
        of_superblock(
            "netCDF-4: base address that leads out",
            12,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        of_superblock("netCDF-4: root group nowhere", 36, &[0xff; 8]),
        of_superblock(
            "netCDF-4: root group outside the file",
            36,
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ),
        of_superblock("netCDF-4: root group at the superblock", 36, &[0; 8]),
        of_superblock(
            "netCDF-4: extension of the superblock outside the file",
            20,
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ),
        flipped("netCDF-4: checksum of the superblock", b"\x89HDF", 44),
        flipped("netCDF-4: checksum of a header", b"OHDR", 30),
        flipped("netCDF-4: signature of the tree of chunks", b"TREE", 3),
        flipped("netCDF-4: signature of the heap of references", b"GCOL", 0),
    ]
}

/// Headers, groups, heaps and types.
fn structures() -> Vec<Case> {
    vec![
        file("netCDF-4: header that goes on in itself", || {
            let mut file = File::new();
            let at = file.end();
            let size = hdf5::object_header(&[(hdf5::CONTINUATION, vec![0; 16])]).len() as u64;
            let body = [at.to_le_bytes(), size.to_le_bytes()].concat();
            let root = file.object(&[(hdf5::CONTINUATION, body)]);
            file.finish_at(root)
        }),
        file("netCDF-4: continuation of a header that goes on in itself", || {
            let mut file = File::new();
            let at = file.end();
            let messages = hdf5::concatenated(&[(
                hdf5::CONTINUATION,
                [at.to_le_bytes(), 28u64.to_le_bytes()].concat(),
            )]);
            file.put(&hdf5::sealed([&b"OCHK"[..], &messages].concat()));
            let root = file
                .object(&[(hdf5::CONTINUATION, [at.to_le_bytes(), 28u64.to_le_bytes()].concat())]);
            file.finish_at(root)
        }),
        file("netCDF-4: continuation of a header outside the file", || {
            let mut file = File::new();
            let body = [(1u64 << 40).to_le_bytes(), 64u64.to_le_bytes()].concat();
            let root = file.object(&[(hdf5::CONTINUATION, body)]);
            file.finish_at(root)
        }),
        file("netCDF-4: root group within itself", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let root = file.end();
            file.finish(&[(b"time", time), (b"loop", root)], &[])
        }),
        file("netCDF-4: dataset without a type", || {
            let mut file = File::new();
            let tas = file.object(&[hdf5::dataspace(&[6], false), hdf5::contiguous(UNDEFINED, 0)]);
            file.finish(&[(b"tas", tas)], &[])
        }),
        file("netCDF-4: type of unknown class", || with_only_tas(&[0x1d, 0, 0, 0, 4, 0, 0, 0])),
        file("netCDF-4: elements of no bytes", || {
            with_only_tas(&[0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }),
        file("netCDF-4: numbers of three bytes", || {
            with_only_tas(b"\x10\x08\0\0\x03\0\0\0\0\0\x18\0")
        }),
        file("netCDF-4: fill value of the wrong size", || {
            with_more(|_| vec![hdf5::fill_value(&[3, 0x2a, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])])
        }),
        file("netCDF-4: text of any length that points nowhere", || {
            with_more(|_| {
                let nowhere = hdf5::sequence(3, 1 << 40, 1);
                vec![hdf5::attribute(b"note", &hdf5::STRING, &[], &nowhere)]
            })
        }),
        file("netCDF-4: text of any length that points to what is no heap", || {
            with_more(|_| {
                vec![hdf5::attribute(b"note", &hdf5::STRING, &[], &hdf5::sequence(3, 48, 1))]
            })
        }),
        file("netCDF-4: text of any length that the heap lacks", || {
            with_more(|file| {
                let heap = file.put(&hdf5::collection(&[b"abc".to_vec()]));
                vec![hdf5::attribute(b"note", &hdf5::STRING, &[], &hdf5::sequence(3, heap, 7))]
            })
        }),
        file("netCDF-4: text of any length that is longer than it is", || {
            with_more(|file| {
                let heap = file.put(&hdf5::collection(&[b"abc".to_vec()]));
                vec![hdf5::attribute(
                    b"note",
                    &hdf5::STRING,
                    &[],
                    &hdf5::sequence(1 << 30, heap, 1),
                )]
            })
        }),
        file("netCDF-4: text of any length that is shorter than it is", || {
            with_more(|file| {
                let heap = file.put(&hdf5::collection(&[b"abc".to_vec()]));
                vec![hdf5::attribute(b"note", &hdf5::STRING, &[], &hdf5::sequence(2, heap, 1))]
            })
        }),
        file("netCDF-4: dimension longer than its variable may become", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let along = along(&mut file, time);
            let chunks = put_chunks(&mut file);
            let tree = put_tree(&mut file, &chunks);
            let tas = file.object(&[
                hdf5::dataspace(&[MONTHS - 2], false),
                hdf5::datatype(&hdf5::FLOAT),
                along,
                hdf5::fill_zero(),
                hdf5::chunked(tree, &[2], 4),
            ]);
            file.finish(&[(b"tas", tas), (b"time", time)], &[])
        }),
        file("netCDF-4: number of a dimension that one without a number gets", || {
            let mut file = File::new();
            let months = [0; 48];
            let [first, second] = [false, true].map(|is_numbered| {
                let values = file.put(&months);
                let mut messages = time_messages(MONTHS);
                messages.push(hdf5::contiguous(values, months.len() as u64));
                if is_numbered {
                    messages.push(hdf5::attribute(b"_Netcdf4Dimid", &hdf5::INT, &[], &[0; 4]));
                }
                file.object(&messages)
            });
            file.finish(&[(b"other", first), (b"time", second)], &[])
        }),
        file("netCDF-4: millions of small chunks never written, and no `_FillValue`", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let byte = file.put(&[7]);
            let tree = file.put(&hdf5::tree_node(0, &[(1, &[0], byte)], &[1]));
            let tas = file.object(&[
                hdf5::dataspace(&[1 << 24], false),
                hdf5::datatype(&hdf5::BYTE),
                hdf5::fill_zero(),
                hdf5::chunked(tree, &[1], 1),
            ]);
            file.finish(&[(b"tas", tas), (b"time", time)], &[])
        }),
        file("netCDF-4: attribute that is thousands of times the same long text", || {
            with_more(|file| {
                let heap = file.put(&hdf5::collection(&[vec![b'x'; 60_000]]));
                let value = hdf5::sequence(60_000, heap, 1).repeat(4000);
                vec![hdf5::attribute(b"note", &hdf5::STRING, &[4000], &value)]
            })
        }),
        file("netCDF-4: attribute of absurd length", || {
            with_more(|_| vec![hdf5::attribute(b"note", &hdf5::BYTE, &[1 << 62], &[1, 2, 3])])
        }),
        file("netCDF-4: heap of attributes damaged", || {
            with_dense_attributes(|blocks| blocks[0][20] ^= 1)
        }),
        file("netCDF-4: heap of attributes without signature", || {
            with_dense_attributes(|blocks| {
                blocks[0] = hdf5::sealed([b"FRHQ", &blocks[0][4..142]].concat());
            })
        }),
        file("netCDF-4: block of the heap of attributes damaged", || {
            with_dense_attributes(|blocks| blocks[1][0] ^= 1)
        }),
        file("netCDF-4: attribute outside its heap", || {
            with_dense_attributes(|blocks| {
                let length = blocks[3].len();
                blocks[3].truncate(length - 4);
                blocks[3][6..14].copy_from_slice(&hdf5::heap_id(60_000, 60_000));
                blocks[3] = hdf5::sealed(blocks[3].clone());
            })
        }),
        file("netCDF-4: name of an attribute under the hash of another", || {
            with_dense_attributes(|blocks| {
                let mut leaf = blocks[3][..blocks[3].len() - 4].to_vec();
                *leaf.last_mut().unwrap() ^= 1;
                blocks[3] = hdf5::sealed(leaf);
            })
        }),
        file("netCDF-4: names of attributes damaged", || {
            with_dense_attributes(|blocks| blocks[3][8] ^= 1)
        }),
        file("netCDF-4: dimension that is not there", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let along = along(&mut file, 48);
            let values = file.put(&[0; 24]);
            let messages = vec![
                hdf5::dataspace(&[MONTHS], false),
                hdf5::datatype(&hdf5::FLOAT),
                hdf5::fill_zero(),
                along,
                hdf5::contiguous(values, 24),
            ];
            let tas = file.object(&messages);
            file.finish(&[(b"tas", tas), (b"time", time)], &[])
        }),
        file("netCDF-4: no dimension scale", || with_only_tas(&hdf5::FLOAT)),
        file("netCDF-4: variable longer than its dimension", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let along = along(&mut file, time);
            let values = file.put(&[0; 32]);
            let messages = vec![
                hdf5::dataspace(&[8], false),
                hdf5::datatype(&hdf5::FLOAT),
                hdf5::fill_zero(),
                along,
                hdf5::contiguous(values, 32),
            ];
            let tas = file.object(&messages);
            file.finish(&[(b"tas", tas), (b"time", time)], &[])
        }),
    ]
}

/// A file of `tas` alone, of the type that `datatype` describes and without dimension scales.
fn with_only_tas(datatype: &[u8]) -> Vec<u8> {
    let mut file = File::new();
    let values = file.put(&[0; 24]);
    let messages = [
        hdf5::dataspace(&[6], false),
        hdf5::datatype(datatype),
        hdf5::fill_zero(),
        hdf5::contiguous(values, 24),
    ];
    let tas = file.object(&messages);
    file.finish(&[(b"tas", tas)], &[])
}

/// Chunks, their index and their filters.
fn chunks() -> Vec<Case> {
    vec![
        file("netCDF-4: chunk outside the file", || with_chunks(|chunks| chunks[1].2 = 1 << 40)),
        file("netCDF-4: chunk at the end of the address space", || {
            with_chunks(|chunks| chunks[1].2 = u64::MAX - 4)
        }),
        file("netCDF-4: chunk that nobody wrote, but that is there", || {
            with_chunks(|chunks| chunks[1].2 = UNDEFINED)
        }),
        file("netCDF-4: two chunks in the same bytes", || {
            with_chunks(|chunks| chunks[1].2 = chunks[0].2)
        }),
        file("netCDF-4: two chunks that overlap", || {
            with_chunks(|chunks| chunks[1].2 = chunks[0].2 + 4)
        }),
        file("netCDF-4: two chunks at the same place", || with_chunks(|chunks| chunks[1].1 = [0])),
        file("netCDF-4: chunks in the wrong order", || with_chunks(|chunks| chunks.swap(0, 2))),
        file("netCDF-4: chunk outside the variable", || {
            with_chunks(|chunks| chunks[2].1 = [1 << 40])
        }),
        file("netCDF-4: chunk between two places", || with_chunks(|chunks| chunks[1].1 = [1])),
        file("netCDF-4: chunk of the wrong size", || with_chunks(|chunks| chunks[1].0 = 5)),
        file("netCDF-4: chunk of no bytes", || with_chunks(|chunks| chunks[1].0 = 0)),
        file("netCDF-4: chunk of four gigabytes", || with_chunks(|chunks| chunks[1].0 = u32::MAX)),
        file("netCDF-4: tree of chunks that is its own branch", || {
            with_tas(|file| {
                let at = file.end();
                let tree = file.put(&hdf5::tree_node(1, &[(8, &[0], at)], &[MONTHS]));
                vec![hdf5::chunked(tree, &[2], 4)]
            })
        }),
        file("netCDF-4: tree of chunks with a leaf twice", || {
            with_tas(|file| {
                let chunks = put_chunks(file);
                let leaf = put_tree(file, &chunks);
                let entries = [(8, &[0u64][..], leaf), (8, &[2][..], leaf)];
                let tree = file.put(&hdf5::tree_node(1, &entries, &[MONTHS]));
                vec![hdf5::chunked(tree, &[2], 4)]
            })
        }),
        file("netCDF-4: tree of chunks 200 levels high", || {
            with_tas(|file| {
                let chunks = put_chunks(file);
                let entries: Vec<hdf5::Entry> =
                    chunks.iter().map(|(s, at, address)| (*s, &at[..], *address)).collect();
                let tree = file.put(&hdf5::tree_node(200, &entries, &[MONTHS]));
                vec![hdf5::chunked(tree, &[2], 4)]
            })
        }),
        file("netCDF-4: tree of chunks outside the file", || {
            with_tas(|_| vec![hdf5::chunked(1 << 40, &[2], 4)])
        }),
        file("netCDF-4: chunks of no length", || {
            with_tas(|_| vec![hdf5::chunked(UNDEFINED, &[0], 4)])
        }),
        file("netCDF-4: chunks of other rank", || {
            with_tas(|_| vec![hdf5::chunked(UNDEFINED, &[2, 2], 4)])
        }),
        file("netCDF-4: chunk larger than memory", || {
            with_tas(|file| {
                let chunk = file.put(&[0; 8]);
                let tree = file.put(&hdf5::tree_node(0, &[(8, &[0], chunk)], &[MONTHS]));
                vec![hdf5::filters(&[(1, &[9])]), hdf5::chunked(tree, &[u32::MAX], 4)]
            })
        }),
        file("netCDF-4: fixed array of chunks damaged", || {
            with_tas(|file| {
                let at = file.put(&[&b"FAHD\0\0\x08\x0a\x03\0\0\0\0\0\0\0"[..], &[0; 12]].concat());
                vec![hdf5::chunked_v4(&[3, 10], at, &[2], 4)]
            })
        }),
        file("netCDF-4: single chunk of a third of the variable", || {
            with_tas(|file| {
                let chunk = file.put(&[0; 8]);
                vec![hdf5::chunked_v4(&[1], chunk, &[2], 4)]
            })
        }),
        file("netCDF-4: chunk index of unknown kind", || {
            with_tas(|_| vec![hdf5::chunked_v4(&[9], UNDEFINED, &[2], 4)])
        }),
        file("netCDF-4: layout of version 9", || with_tas(|_| vec![hdf5::layout(&[9, 1])])),
        file("netCDF-4: layout of unknown class", || with_tas(|_| vec![hdf5::layout(&[3, 9])])),
        file("netCDF-4: data in other files", || {
            with_tas(|_| vec![hdf5::layout(&[4, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])])
        }),
        file("netCDF-4: data outside the file", || {
            with_tas(|_| vec![hdf5::contiguous(1 << 40, 24)])
        }),
        file("netCDF-4: data shorter than the variable", || {
            with_tas(|file| {
                let values = file.put(&[0; 24]);
                vec![hdf5::contiguous(values, 20)]
            })
        }),
        file("netCDF-4: absurd length of a variable", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let messages = [
                hdf5::dataspace(&[u64::MAX - 1, u64::MAX - 1], false),
                hdf5::datatype(&hdf5::FLOAT),
                hdf5::fill_zero(),
                hdf5::contiguous(UNDEFINED, 0),
            ];
            let tas = file.object(&messages);
            file.finish(&[(b"tas", tas), (b"time", time)], &[])
        }),
        file("netCDF-4: unknown filter", || filtered(&[(4242, &[])])),
        file("netCDF-4: szip", || filtered(&[(4, &[141, 32])])),
        file("netCDF-4: shuffle of no bytes", || filtered(&[(2, &[0])])),
        file("netCDF-4: scale-offset without parameters", || filtered(&[(6, &[])])),
        file("netCDF-4: blosc with an unknown compressor", || {
            filtered(&[(32_001, &[2, 2, 4, 8, 5, 1, 99])])
        }),
        file("netCDF-4: deflate twice", || filtered(&[(1, &[9]), (1, &[9])])),
        file("netCDF-4: deflated chunks that are not deflated", || filtered(&[(1, &[9])])),
        file("netCDF-4: chunks with a checksum that is wrong", || filtered(&[(3, &[])])),
        file("netCDF-4: a hundred megabytes of times in a hundred kilobytes", || bomb(12_500_000)),
        file("netCDF-4: forty megabytes of times in forty kilobytes", || bomb(5_000_000)),
        file("netCDF-4: small variable of a chunk that comes to fifty megabytes", || {
            with_tas(|file| {
                let stored = deflated(&vec![0; 50_000_000]);
                let chunk = file.put(&stored);
                let size = u32::try_from(stored.len()).unwrap();
                let tree = file.put(&hdf5::tree_node(0, &[(size, &[0], chunk)], &[MONTHS]));
                vec![hdf5::filters(&[(1, &[9])]), hdf5::chunked(tree, &[12_500_000], 4)]
            })
        }),
        file("netCDF-4: shuffled elements that do not divide their chunk", || {
            with_tas(|file| {
                let chunk = file.put(&[0; 8]);
                let tree = file.put(&hdf5::tree_node(0, &[(8, &[0], chunk)], &[2]));
                vec![hdf5::filters(&[(2, &[3])]), hdf5::chunked(tree, &[2], 4)]
            })
        }),
        file("netCDF-4: chunk that comes to more than its size", || {
            with_tas(|file| {
                let stored = deflated(&vec![0; 1_000_000]);
                let chunk = file.put(&stored);
                let size = u32::try_from(stored.len()).unwrap();
                let tree = file.put(&hdf5::tree_node(0, &[(size, &[0], chunk)], &[MONTHS]));
                vec![hdf5::filters(&[(1, &[9])]), hdf5::chunked(tree, &[6], 4)]
            })
        }),
    ]
}

/// Names that could mislead whoever reads them.
fn names() -> Vec<Case> {
    vec![
        file("netCDF-4: name with a line break", || linked(&[b"time", b"a\nerror: b"])),
        file("netCDF-4: name with escapes of terminals", || {
            linked(&[b"time", b"\x1b[2J\x1b]0;x\x07"])
        }),
        file("netCDF-4: name that is not UTF-8", || linked(&[b"time", b"\xff\xfe"])),
        file("netCDF-4: empty name", || linked(&[b"time", b""])),
        file("netCDF-4: the same name twice", || linked(&[b"time", b"x", b"x"])),
        file("netCDF-4: two names at the same place in the order of creation", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let names = [&b"time"[..], b"tas"];
            file.finish(&[], &names.map(|name| hdf5::link_created(3, name, time)))
        }),
        file("netCDF-4: link to nowhere", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            file.finish(&[(b"time", time), (b"x", 1 << 40)], &[])
        }),
        file("netCDF-4: name of sixty thousand characters", || {
            let name = "long_".repeat(12_000);
            let mut file = File::new();
            let time = put_time(&mut file);
            file.finish(&[(b"time", time), (name.as_bytes(), 48)], &[])
        }),
        file("netCDF-4: attribute with a name of terminal escapes that cannot be read", || {
            with_more(|_| {
                vec![hdf5::attribute(
                    b"\x1b[31m\n",
                    &hdf5::STRING,
                    &[],
                    &hdf5::sequence(3, 1 << 40, 1),
                )]
            })
        }),
        file("netCDF-4: ten thousand links to one object", || {
            let mut file = File::new();
            let time = put_time(&mut file);
            let names: Vec<String> = (0..10_000).map(|number| format!("v{number}")).collect();
            let links: Vec<(&[u8], u64)> =
                names.iter().map(|name| (name.as_bytes(), time)).collect();
            file.finish(&links, &[])
        }),
    ]
}
