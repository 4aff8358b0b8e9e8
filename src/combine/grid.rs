//! Chunk grids of several files put one behind the other along time.

use std::path::Path;

use crate::model::array::{Chunk, Fill, Storage, Variable, grid_shape, product};
use crate::model::codec::Codec;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Run, VirtualArray};

use super::{Context, agree};

/// Most bytes of a piece of a variable that is stored as one uncompressed block: small enough to
/// be fetched for a single time step, large enough not to cost a request each.
const PIECE: u64 = 4 * 1024 * 1024;

/// The array whose chunks are those of the files.
pub fn concatenate(
    of_files: Vec<Variable>,
    joined: bool,
    context: &Context,
) -> Result<VirtualArray> {
    let files = if joined { of_files.len() } else { 1 };
    let codecs = common_codecs(&of_files[..files], context)?;
    let chunk_shape = common_chunk_shape(&of_files[..files], context)?;
    check_boundaries(&of_files[..files], &chunk_shape, context)?;
    let mut shape = of_files[0].shape.clone();
    if files > 1 {
        shape[0] = context.lengths.iter().sum();
    }
    let across: u64 = grid_shape(&shape, &chunk_shape).iter().skip(1).product();
    let mut runs = Vec::with_capacity(files);
    let mut first_row = 0;
    let mut description = None;
    for (file, mut variable) in of_files.into_iter().take(files).enumerate() {
        let path = &context.paths[file];
        let rows = grid_shape(&variable.shape, &chunk_shape).first().copied().unwrap_or(1);
        let chunks = chunks(&mut variable, &chunk_shape);
        check_chunks(&variable, &chunks, rows * across, path)?;
        runs.push(Run { file, first: first_row * across, chunks });
        first_row += rows;
        description.get_or_insert(variable);
    }
    let Some(first) = description else {
        return Err(Error::new(Code::Internal, "a variable without files"));
    };
    Ok(VirtualArray {
        name: first.name,
        dimensions: first.dimensions,
        shape,
        dtype: first.dtype,
        fill: first.fill,
        attributes: first.attributes,
        body: Body::Virtual { chunk_shape, codecs, runs },
    })
}

fn common_codecs(of_files: &[Variable], context: &Context) -> Result<Vec<Codec>> {
    let first = agree::codecs(&of_files[0]).map_err(|error| error.in_file(&context.paths[0]))?;
    for (variable, path) in of_files.iter().zip(context.paths).skip(1) {
        let codecs = agree::codecs(variable);
        let same = codecs.and_then(|codecs| {
            check_byte_order(&of_files[0], variable)?;
            check_fill(&of_files[0], variable)?;
            agree::check_codecs(&first, &codecs)
        });
        same.map_err(|error| error.in_file(path))?;
    }
    Ok(first)
}

fn check_byte_order(first: &Variable, other: &Variable) -> Result<()> {
    if first.dtype == other.dtype {
        return Ok(());
    }
    Err(agree::differ(Code::DtypesDiffer, "data type", first.dtype, other.dtype))
}

/// What unwritten places hold matters only where there are some; `check_chunks` sees to those of
/// a single file.
fn check_fill(first: &Variable, other: &Variable) -> Result<()> {
    if first.fill == other.fill {
        return Ok(());
    }
    let [first, other] = [first, other].map(|variable| format!("{:?}", variable.fill));
    Err(agree::differ(Code::FillValuesDiffer, "the fill value of unwritten chunks", first, other))
}

/// The chunk shape that all files have, or that blocks stored in one piece can be cut into.
fn common_chunk_shape(of_files: &[Variable], context: &Context) -> Result<Vec<u64>> {
    let chunked = of_files.iter().find_map(|variable| match &variable.storage {
        Storage::Chunked { chunk_shape, .. } => Some(chunk_shape),
        _ => None,
    });
    let Some(shape) = chunked else {
        return piece_shape(of_files);
    };
    for (variable, path) in of_files.iter().zip(context.paths) {
        let other = match &variable.storage {
            Storage::Chunked { chunk_shape, .. } if chunk_shape == shape => continue,
            Storage::Chunked { chunk_shape, .. } => format!("{chunk_shape:?}"),
            _ => "none".to_owned(),
        };
        return Err(agree::differ(
            Code::ChunkShapesDiffer,
            "the chunk shape",
            format!("{shape:?}"),
            other,
        )
        .in_file(path)
        .with_hint("rewrite the files with the same chunk shape"));
    }
    Ok(shape.clone())
}

/// A block stored in one piece is cut along its first dimension into equal pieces; every file must
/// hold a whole number of them.
fn piece_shape(of_files: &[Variable]) -> Result<Vec<u64>> {
    let mut shape: Vec<u64> = of_files[0].shape.iter().map(|&length| length.max(1)).collect();
    let Some((rows, across)) = shape.split_first_mut() else {
        return Ok(shape);
    };
    let common = of_files.iter().map(|variable| variable.shape[0]).fold(0, greatest_common_divisor);
    let row_bytes = product(across)
        .and_then(|elements| elements.checked_mul(of_files[0].dtype.size()?))
        .ok_or_else(|| Error::new(Code::TooLarge, "a time step has more than 2^64 bytes"))?;
    let most = (PIECE / row_bytes.max(1)).max(1);
    *rows = largest_divisor(common.max(1), most);
    Ok(shape)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The largest divisor of `number` that is not above `most`.
fn largest_divisor(number: u64, most: u64) -> u64 {
    let mut candidates = (1..=most.min(number)).rev();
    candidates.find(|&divisor| number.is_multiple_of(divisor)).unwrap_or(1)
}

/// Every file but the last with time steps ends where a chunk ends.
fn check_boundaries(of_files: &[Variable], chunk_shape: &[u64], context: &Context) -> Result<()> {
    let Some(&chunk) = chunk_shape.first() else {
        return Ok(());
    };
    let Some(last) = of_files.iter().rposition(|variable| !variable.is_empty()) else {
        return Ok(());
    };
    for (variable, path) in of_files[..last].iter().zip(context.paths) {
        let length = variable.shape[0];
        if !length.is_multiple_of(chunk) {
            return Err(Error::new(
                Code::ChunksMisaligned,
                format!("{length} time steps in chunks of {chunk} do not end on a chunk boundary"),
            )
            .in_file(path)
            .with_hint(format!(
                "rewrite the files with a time chunk that divides {length}, \
                 or with a number of steps that is a multiple of {chunk}"
            )));
        }
    }
    Ok(())
}

/// Takes the chunks out of `variable`.
fn chunks(variable: &mut Variable, chunk_shape: &[u64]) -> Vec<Chunk> {
    match std::mem::replace(&mut variable.storage, Storage::Contiguous(None)) {
        Storage::Chunked { chunks, .. } => chunks,
        Storage::Contiguous(Some((offset, size))) => {
            let count = grid_shape(&variable.shape, chunk_shape).iter().product::<u64>().max(1);
            let size = size / count;
            (0..count)
                .map(|index| Chunk { index, offset: offset + index * size, size, filter_mask: 0 })
                .collect()
        }
        Storage::Contiguous(None) | Storage::Compact(_) => Vec::new(),
    }
}

/// Chunks can be decoded as the array says, and those that are missing have a defined value.
fn check_chunks(variable: &Variable, chunks: &[Chunk], expected: u64, path: &Path) -> Result<()> {
    if let Some(chunk) = chunks.iter().find(|chunk| chunk.filter_mask != 0) {
        return Err(Error::new(
            Code::FilterMask,
            format!("chunk {} was stored without all of its filters", chunk.index),
        )
        .in_file(path)
        .with_hint("rewrite the file with `nccopy` or `h5repack`"));
    }
    let missing = !variable.is_empty() && (chunks.len() as u64) < expected;
    if missing && variable.fill == Fill::Undefined {
        return Err(Error::new(
            Code::FillUndefined,
            format!(
                "{} of {expected} chunks were never written and no fill value is defined",
                expected - chunks.len() as u64
            ),
        )
        .in_file(path)
        .with_hint("reading these places gives chance values; write them or set a fill value"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_divide_every_file() {
        assert_eq!([12, 24, 0, 18].into_iter().fold(0, greatest_common_divisor), 6);
        assert_eq!(largest_divisor(120, 37), 30);
        assert_eq!(largest_divisor(1979, 37), 1);
        assert_eq!(largest_divisor(1979, 5000), 1979);
        assert_eq!(largest_divisor(1, 1), 1);
    }
}
