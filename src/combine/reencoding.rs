//! What may be encoded anew.
//!
//! Readers of a store get such chunks from the publisher's copy instead of the file, and the copy must
//! be kept beside it: a little of that makes a store possible, much of it is a second archive.

use std::path::PathBuf;

use crate::model::error::{Code, Error, Result};
use crate::model::verdict::Cost;
use crate::model::virtual_dataset::{Run, Stored, VirtualArray};

use super::{Datasets, Limits, encoding};

/// Bytes that may always be encoded anew.
const ALWAYS: u64 = 16 * 1024 * 1024;

impl Limits {
    /// Whether a dataset may cost this.
    pub(super) fn allow(&self, cost: &Cost) -> bool {
        let most = match self.max_reencode {
            0 => 0,
            percent => ALWAYS.max(cost.stored_bytes / 100 * u64::from(percent)),
        };
        cost.reencoded_bytes <= most
    }
}

/// Refuses `datasets`, all that is to be written, if they cost more than `limits` allow.
pub fn check(datasets: &Datasets, paths: &[PathBuf], limits: Limits) -> Result<()> {
    let mut cost = Cost::default();
    datasets.arrays().for_each(|array| cost += array.cost());
    if limits.allow(&cost) {
        return Ok(());
    }
    let mut anew =
        datasets.arrays().flat_map(|array| array.chunks_anew().map(move |(run, ..)| (array, run)));
    let Some((array, run)) = anew.next() else { return Ok(()) };
    let Cost { reencoded_bytes, stored_bytes, .. } = cost;
    let (code, cause) = cause(array, run);
    let message = format!(
        "{cause}, and {reencoded_bytes} of {stored_bytes} bytes would have to be encoded anew"
    );
    let error = Error::new(code, message).of_variable(&array.name).with_hint(
        "allow it by `--max-reencode PERCENT`, or rewrite the file, for example with `h5repack`",
    );
    Err(match paths.get(run.file) {
        Some(path) => error.in_file(path),
        None => error,
    })
}

/// Why chunks of `run` cannot be carried as they are.
fn cause(array: &VirtualArray, run: &Run) -> (Code, String) {
    if let Stored::Otherwise { dtype, filters } = &run.stored {
        if *dtype != array.dtype {
            return (
                Code::DtypesDiffer,
                format!("the data type is {dtype}, of the store {}", array.dtype),
            );
        }
        let names = encoding::shown(filters);
        return (
            Code::CodecsDiffer,
            format!("not all data are encoded by {names}, or no reader knows it"),
        );
    }
    match run.chunks.iter().find(|chunk| chunk.filter_mask != 0) {
        Some(chunk) => (
            Code::FilterMask,
            format!("chunk {} was stored without all of its filters", chunk.index),
        ),
        None => (Code::ChunksMisaligned, format!("{} time steps end within a chunk", run.rows)),
    }
}
