//! What the targets share: how an input becomes a file with a structure somewhere in it.
//!
//! Checksums are not checked in a build with `--cfg fuzzing`, which `cargo fuzz` makes: they would
//! stop the fuzzer at the first byte it changes.

use vzarr_publish::index::hdf5::chunk_grid::Grid;
use vzarr_publish::index::hdf5::cursor::{Cursor, Widths};
use vzarr_publish::index::hdf5::file::File;
use vzarr_publish::index::hdf5::superblock::Superblock;
use vzarr_publish::index::source::Source;

/// Bytes before the file in the input of a target that reads a structure in a file.
pub const PARAMETERS: usize = 16;

fn widths(number: u8) -> Widths {
    let width = |bit: u8| if number & bit == 0 { 8 } else { 4 };
    Widths { offset: width(1), length: width(2) }
}

/// Calls `target` with the body of a message, which follows one byte that says how wide addresses
/// and lengths are, and with that byte.
pub fn in_message(input: &[u8], target: impl FnOnce(Cursor, u8)) {
    if let Some((&parameter, body)) = input.split_first() {
        target(Cursor::new(body, widths(parameter)), parameter);
    }
}

/// Calls `target` with a file and the address of a structure in it.
pub fn in_file(input: &[u8], target: impl FnOnce(&File, u64)) {
    in_file_with_grid(input, |file, address, _| target(file, address));
}

/// Calls `target` with a file, the address of a structure in it, and a grid of chunks. Parameters:
/// rank and widths; which dimensions are unlimited, and whether chunks at the edge are unfiltered;
/// bytes of an element; four lengths of the array, four of a chunk; one unused byte; the address.
pub fn in_file_with_grid(input: &[u8], target: impl FnOnce(&File, u64, &Grid)) {
    let Some((parameters, bytes)) = input.split_first_chunk::<PARAMETERS>() else {
        return;
    };
    let bytes = bytes.to_vec();
    let Ok(source) = Source::new(&bytes) else {
        return;
    };
    let superblock = Superblock {
        version: 2,
        base: 0,
        widths: widths(parameters[0] >> 4),
        chunk_k: 32,
        root: 0,
        extension: None,
    };
    let rank = usize::from(parameters[0] % 4) + 1;
    let lengths = |at: usize| parameters[at..][..rank].iter().map(|&length| length.into());
    let shape: Vec<u64> = lengths(3).collect();
    let unlimited = |dimension: usize| parameters[1] >> dimension & 1 == 1;
    let maximum: Vec<Option<u64>> =
        shape.iter().enumerate().map(|(at, &length)| (!unlimited(at)).then_some(length)).collect();
    let grid = Grid {
        shape: &shape,
        stored_shape: &shape,
        maximum: &maximum,
        chunk_shape: &lengths(7).map(|length: u64| length.max(1)).collect::<Vec<_>>(),
        element_size: u64::from(parameters[2]).max(1),
        is_filtered: false,
        unfiltered_edges: unlimited(7),
    };
    let address = u32::from_le_bytes([parameters[12], parameters[13], parameters[14], parameters[15]]);
    target(&File::new(&source, superblock), address.into(), &grid);
}
