//! Seams: where a file ends within a chunk and another follows.
//!
//! HDF5 stores such a chunk at full length, which no grid allows in the middle of an array. Its filled
//! rows become a chunk of their own: of uncompressed data a shorter byte range, else encoded anew.

use std::path::{Path, PathBuf};

use crate::model::array::Chunk;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Run, VirtualArray, VirtualDataset};

/// Bytes that may always be encoded anew.
const ALWAYS: u64 = 16 * 1024 * 1024;

/// Refuses a dataset of which more than `max_reencode` percent would have to be encoded anew.
pub(super) fn check(dataset: &VirtualDataset, paths: &[PathBuf], max_reencode: u8) -> Result<()> {
    let mut cost = Cost::default();
    for array in &dataset.arrays {
        cost.add(array);
    }
    let Some((array, run, filled)) = cost.first else { return Ok(()) };
    let most =
        if max_reencode == 0 { 0 } else { ALWAYS.max(cost.stored / 100 * u64::from(max_reencode)) };
    if cost.reencoded <= most {
        return Ok(());
    }
    Err(too_costly(array, run, filled, paths, &cost))
}

/// What a dataset's seams cost, in stored bytes.
#[derive(Default)]
struct Cost<'a> {
    /// Of the chunks to be encoded anew.
    reencoded: u64,
    /// Of all chunks.
    stored: u64,
    /// The first seam that costs anything.
    first: Option<(&'a VirtualArray, &'a Run, u64)>,
}

impl<'a> Cost<'a> {
    fn add(&mut self, array: &'a VirtualArray) {
        let Body::Virtual { codecs, runs, .. } = &array.body else { return };
        let bytes = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.size).sum::<u64>();
        self.stored += runs.iter().map(|run| bytes(&run.chunks)).sum::<u64>();
        if codecs.is_empty() {
            return;
        }
        for (run, filled) in array.seams() {
            self.reencoded += bytes(array.last_row(run));
            self.first.get_or_insert((array, run, filled));
        }
    }
}

fn too_costly(
    array: &VirtualArray,
    run: &Run,
    filled: u64,
    paths: &[PathBuf],
    cost: &Cost,
) -> Error {
    let Cost { reencoded, stored, .. } = cost;
    let message = format!(
        "{} time steps end {filled} steps into a chunk, and {reencoded} of {stored} bytes would have \
         to be encoded anew",
        run.rows
    );
    Error::new(Code::ChunksMisaligned, message)
        .of_variable(&array.name)
        .in_file(paths.get(run.file).map_or(Path::new(""), PathBuf::as_path))
        .with_hint(format!(
            "allow it by `--max-reencode PERCENT`, or rewrite the files with a time chunk that divides {}",
            run.rows
        ))
}
