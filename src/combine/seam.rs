//! Seams: where a file ends within a chunk and another follows.
//!
//! HDF5 stores such a chunk at full length, which no grid allows in the middle of an array. Its filled
//! rows become a chunk of their own: of uncompressed data a shorter byte range, else encoded anew.

use std::path::{Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Cost;
use crate::model::virtual_dataset::{Run, VirtualArray, VirtualDataset};

/// Bytes that may always be encoded anew.
const ALWAYS: u64 = 16 * 1024 * 1024;

/// Refuses a dataset of which more than `max_reencode` percent would have to be encoded anew.
pub(super) fn check(dataset: &VirtualDataset, paths: &[PathBuf], max_reencode: u8) -> Result<()> {
    let costs = dataset.arrays.iter().map(VirtualArray::cost);
    let mut cost = Cost::default();
    costs.for_each(|of_array| cost += of_array);
    let Some((array, run, filled)) = first_costly(dataset) else { return Ok(()) };
    let most = if max_reencode == 0 {
        0
    } else {
        ALWAYS.max(cost.stored_bytes / 100 * u64::from(max_reencode))
    };
    if cost.reencoded_bytes <= most {
        return Ok(());
    }
    Err(too_costly(array, run, filled, paths, &cost))
}

/// The first seam that is to be encoded anew.
fn first_costly(dataset: &VirtualDataset) -> Option<(&VirtualArray, &Run, u64)> {
    let costly = dataset.arrays.iter().filter(|array| array.cost().reencoded_bytes > 0);
    costly.flat_map(|array| array.seams().map(move |(run, filled)| (array, run, filled))).next()
}

fn too_costly(
    array: &VirtualArray,
    run: &Run,
    filled: u64,
    paths: &[PathBuf],
    cost: &Cost,
) -> Error {
    let Cost { reencoded_bytes, stored_bytes, .. } = cost;
    let message = format!(
        "{} time steps end {filled} steps into a chunk, and {reencoded_bytes} of {stored_bytes} bytes \
         would have to be encoded anew",
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
