//! Chunk grids of several files put one behind the other along time.

use std::path::Path;

use crate::model::array::{Chunk, Fill, Storage, Variable, grid_shape, product};
use crate::model::chunks::Chunks;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, Run, Stored, VirtualArray};

use super::encoding::Encoding;
use super::{Context, agree};

/// The array whose chunks are those of the files.
pub fn concatenate(
    of_files: Vec<Variable>,
    joined: bool,
    context: &Context,
) -> Result<VirtualArray> {
    let files = if joined { of_files.len() } else { 1 };
    let encoding =
        Encoding::common(&of_files[..files]).map_err(|error| error.in_file(&context.paths[0]))?;
    let Encoding { codecs, like } = &encoding;
    let (dtype, fill, codecs) = (like.dtype, like.fill.clone(), codecs.clone());
    let stored = of_files[..files]
        .iter()
        .zip(context.paths)
        .map(|(variable, path)| encoding.stored(variable).map_err(|error| error.in_file(path)));
    let mut stored = stored.collect::<Result<Vec<_>>>()?.into_iter();
    let common = common_chunk_shape(&of_files[..files], context)?;
    let mut shape = of_files[0].shape.clone();
    if files > 1 {
        shape[0] = context.lengths.iter().sum();
    }
    let across: u64 = grid_shape(&shape, &common).iter().skip(1).product();
    let mut runs = Vec::with_capacity(files);
    let mut first_row = 0;
    let mut description = None;
    for (file, mut variable) in of_files.into_iter().take(files).enumerate() {
        let path = &context.paths[file];
        let chunk_shape = chunk_shape_in(&variable, &common);
        let grid_rows = grid_shape(&variable.shape, &chunk_shape).first().copied().unwrap_or(1);
        let rows = variable.shape.first().copied().unwrap_or(1);
        let chunks = chunks(&mut variable, &chunk_shape).map_err(|error| error.in_file(path))?;
        check_written(&variable, &chunks, grid_rows * across, path)?;
        runs.push(Run {
            file: context.first_file + file,
            rows,
            chunk_rows: chunk_shape.first().copied().unwrap_or(1).max(1),
            first: first_row * across,
            chunks,
            stored: stored.next().unwrap_or(Stored::AsArray(Vec::new())),
        });
        first_row += grid_rows;
        description.get_or_insert(variable);
    }
    let Some(first) = description else {
        return Err(Error::new(Code::Internal, "a variable without files"));
    };
    let mut chunk_shape = common;
    let filled = runs.iter().find(|run| run.rows > 0);
    if let Some((length, run)) = chunk_shape.first_mut().zip(filled) {
        *length = run.chunk_rows;
    }
    Ok(VirtualArray {
        name: first.name,
        dimensions: first.dimensions,
        shape,
        dtype,
        fill,
        attributes: first.attributes,
        body: Body::Virtual { chunk_shape, codecs, runs },
    })
}

/// The shape of the chunks that the file of `variable` has, `common` but for their length.
fn chunk_shape_in(variable: &Variable, common: &[u64]) -> Vec<u64> {
    let own = variable.chunk_shape().filter(|own| own.get(1..) == common.get(1..));
    own.unwrap_or(common).to_vec()
}

/// The chunk shape of the array: that of all files, of which only the first length may differ, or one
/// that blocks stored in one piece can be cut into.
fn common_chunk_shape(of_files: &[Variable], context: &Context) -> Result<Vec<u64>> {
    let block = common_block(of_files, context)?;
    let is_in_one_piece = |variable: &Variable| match &variable.storage {
        // As the records of the classic formats are.
        Storage::Chunked { chunk_shape, chunks, .. } => {
            chunk_shape.first() == Some(&1)
                && chunk_shape.get(1..) == variable.shape.get(1..)
                && variable.filters.is_empty()
                // A checksum is one of the whole.
                && chunks.iter().all(|chunk| chunk.trailing == 0)
        }
        _ => true,
    };
    let element_size = of_files[0].dtype.size().filter(|_| of_files.iter().all(is_in_one_piece));
    match element_size {
        Some(element_size) => piece_shape(&block, element_size, context.contiguous_chunk),
        None => Ok(block),
    }
}

/// The largest block that every file holds a whole number of, as it is stored: a chunk, or so many
/// rows as divide the rows of every file.
fn common_block(of_files: &[Variable], context: &Context) -> Result<Vec<u64>> {
    // Files without rows have no chunks to differ.
    let is_filled = |variable: &Variable| variable.shape.first() != Some(&0);
    let filled = || of_files.iter().zip(context.paths).filter(|(variable, _)| is_filled(variable));
    let chunked = filled().find_map(|(variable, _)| variable.chunk_shape());
    let Some(shape) = chunked else {
        let mut block: Vec<u64> = of_files[0].shape.iter().map(|&length| length.max(1)).collect();
        if let Some(rows) = block.first_mut() {
            let lengths = of_files.iter().map(|variable| variable.shape[0]);
            *rows = lengths.fold(0, greatest_common_divisor).max(1);
        }
        return Ok(block);
    };
    for (variable, path) in filled() {
        let own = variable.chunk_shape();
        if own.is_some_and(|own| own.get(1..) == shape.get(1..)) {
            continue;
        }
        let other = own.map_or_else(|| "none".to_owned(), |own| format!("{own:?}"));
        let shape = format!("{shape:?}");
        return Err(
            agree::differ(Code::ChunkShapesDiffer, "the chunk shape", shape, other).in_file(path)
        );
    }
    Ok(shape.to_vec())
}

/// Cuts a block, stored row by row, into equal pieces that lie in one piece each: along the first
/// dimension whose rows do not exceed `most_bytes`, and into single rows of those before.
fn piece_shape(block: &[u64], element_size: u64, most_bytes: u64) -> Result<Vec<u64>> {
    let mut shape = vec![1; block.len()];
    for (dimension, &length) in block.iter().enumerate() {
        let across = &block[dimension + 1..];
        let row_bytes = product(across)
            .and_then(|elements| elements.checked_mul(element_size))
            .ok_or_else(|| Error::new(Code::TooLarge, "a row has more than 2^64 bytes"))?;
        let most = most_bytes / row_bytes.max(1);
        if most > 0 || across.is_empty() {
            shape[dimension] = piece_length(length, most.max(1));
            shape[dimension + 1..].copy_from_slice(across);
            break;
        }
    }
    Ok(shape)
}

/// The divisor of `length` that is nearest to `most` and not above it. One above it is taken where
/// its ratio to `most` is `FAR` times better: a reference to each of many crumbs costs more than
/// a large piece.
fn piece_length(length: u64, most: u64) -> u64 {
    const FAR: u128 = 16;
    if length <= most {
        return length;
    }
    let (below, above) = divisors_near(length, most);
    let [wide, most, narrow] = [above, most, below].map(u128::from);
    // wide / most * FAR < most / narrow
    let is_far_better = wide.saturating_mul(narrow).saturating_mul(FAR) < most * most;
    if is_far_better { above } else { below }
}

/// The divisors of `number` that are nearest to `target`: not above it, and not below it.
pub fn divisors_near(number: u64, target: u64) -> (u64, u64) {
    let (mut below, mut above) = (1, number.max(1));
    // The bound ends the search in lengths that no file has.
    let small = (1..=number.isqrt().min(1 << 20)).filter(|it| number.is_multiple_of(*it));
    for divisor in small.flat_map(|divisor| [divisor, number / divisor]) {
        if divisor <= target {
            below = below.max(divisor);
        }
        if divisor >= target {
            above = above.min(divisor);
        }
    }
    (below, above)
}

/// The largest number that divides both.
pub fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Takes the chunks out of `variable`, cut into those of `chunk_shape`.
fn chunks(variable: &mut Variable, chunk_shape: &[u64]) -> Result<Chunks> {
    let storage = std::mem::replace(&mut variable.storage, Storage::Contiguous(None));
    let (blocks, block) = match storage {
        Storage::Chunked { chunk_shape: block, chunks, .. } if block == chunk_shape => {
            return Ok(chunks);
        }
        Storage::Chunked { chunk_shape: block, chunks, .. } => (chunks, block),
        Storage::Contiguous(Some((offset, size))) => (
            [Chunk { index: 0, offset, size, filter_mask: 0, trailing: 0 }].into_iter().collect(),
            variable.shape.clone(),
        ),
        Storage::Compact(bytes) if !bytes.is_empty() => {
            return Err(Error::new(Code::Internal, "data within the metadata have no chunks"));
        }
        Storage::Contiguous(None) | Storage::Compact(_) => return Ok(Chunks::default()),
    };
    let pieces: u64 = grid_shape(&block, chunk_shape).iter().product();
    let size = product(chunk_shape).and_then(|count| count.checked_mul(variable.dtype.size()?));
    let block_size = size.and_then(|size| size.checked_mul(pieces));
    let (Some(size), Some(block_size)) = (size, block_size) else {
        return Err(Error::new(Code::TooLarge, "a piece has more than 2^64 bytes"));
    };
    if let Some(short) = blocks.iter().find(|block| block.size < block_size) {
        let message = format!("{} bytes are stored instead of {block_size}", short.size);
        return Err(Error::corrupt(message));
    }
    let cut = |block: Chunk| {
        (0..pieces).map(move |piece| Chunk {
            index: block.index * pieces + piece,
            offset: block.offset + piece * size,
            size,
            filter_mask: block.filter_mask,
            trailing: 0,
        })
    };
    Ok(blocks.iter().flat_map(cut).collect())
}

/// Chunks that are missing have a defined value.
fn check_written(variable: &Variable, chunks: &Chunks, expected: u64, path: &Path) -> Result<()> {
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
    use crate::model::array::ChunkIndex;
    use crate::model::attribute::Attributes;
    use crate::model::chunks::Chunks;
    use crate::model::dtype::{ByteOrder, DataType};

    #[test]
    fn pieces_divide_every_file() {
        assert_eq!([12, 24, 0, 18].into_iter().fold(0, greatest_common_divisor), 6);
        assert_eq!(piece_length(120, 37), 30);
        assert_eq!(piece_length(1979, 37), 1);
        assert_eq!(piece_length(1979, 5000), 1979);
        assert_eq!(piece_length(1, 1), 1);
    }

    #[test]
    fn divisors_on_both_sides_are_found() {
        assert_eq!(divisors_near(1800, 37), (36, 40));
        assert_eq!(divisors_near(3650, 37), (25, 50));
        assert_eq!(divisors_near(12, 12), (12, 12));
        assert_eq!(divisors_near(7, 37), (7, 7));
        assert_eq!(divisors_near(1979, 37), (1, 1979));
    }

    #[test]
    fn a_length_without_a_fitting_divisor_is_not_cut_into_crumbs() {
        // 2 * 1009, where 2 would be 250 times too small and 1009 is twice too large.
        assert_eq!(piece_length(2018, 500), 1009);
        // Steps of 100 kB are large enough not to be kept together.
        assert_eq!(piece_length(1979, 41), 1);
        assert_eq!(piece_length(1_000_003, 524_288), 1_000_003);
        assert_eq!(piece_length(u64::MAX, 1), 1);
    }

    #[test]
    fn rows_that_are_too_large_are_cut_along_the_next_dimension() {
        let shape = |block: &[u64], most| piece_shape(block, 4, most).unwrap();
        assert_eq!(shape(&[12, 10, 20, 30], 1 << 20), [12, 10, 20, 30]);
        assert_eq!(shape(&[12, 10, 20, 30], 50_000), [2, 10, 20, 30]);
        assert_eq!(shape(&[12, 10, 20, 30], 20_000), [1, 5, 20, 30]);
        assert_eq!(shape(&[12, 10, 20, 30], 1_000), [1, 1, 5, 30]);
        assert_eq!(shape(&[12, 10, 20, 30], 24), [1, 1, 1, 6]);
        assert_eq!(shape(&[12, 10, 20, 30], 1), [1, 1, 1, 1]);
        // 1801 rows of 14 kB: one piece of 26 MB rather than 1801 references for each step.
        assert_eq!(shape(&[3650, 1801, 3600], 4 << 20), [1, 1801, 3600]);
        assert_eq!(shape(&[], 1), [0; 0]);
        let too_large = piece_shape(&[2, 1 << 40, 1 << 40], 4, 1).unwrap_err();
        assert_eq!(too_large.code(), Code::TooLarge);
    }

    fn stored(shape: &[u64], storage: Storage) -> Variable {
        Variable {
            name: "tas".into(),
            dimensions: shape.iter().map(u64::to_string).collect(),
            shape: shape.to_vec(),
            dtype: DataType::Int(2, ByteOrder::Big),
            fill: Fill::Undefined,
            filters: Vec::new(),
            storage,
            attributes: Attributes::default(),
            values: None,
        }
    }

    fn cut(shape: &[u64], storage: Storage, chunk_shape: &[u64]) -> Result<Vec<(u64, u64, u64)>> {
        let chunks = chunks(&mut stored(shape, storage), chunk_shape)?;
        Ok(chunks.iter().map(|chunk| (chunk.index, chunk.offset, chunk.size)).collect())
    }

    #[test]
    fn pieces_follow_each_other_in_the_file() {
        let contiguous = |size| Storage::Contiguous(Some((100, size)));
        let expected = [(0, 100, 12), (1, 112, 12), (2, 124, 12), (3, 136, 12)];
        assert_eq!(cut(&[4, 2, 3], contiguous(48), &[1, 2, 3]).unwrap(), expected);
        assert_eq!(cut(&[2, 2, 2, 3], contiguous(48), &[1, 1, 2, 3]).unwrap(), expected);
        // What is stored may be longer than what belongs to the variable, but not shorter.
        assert_eq!(cut(&[4, 2, 3], contiguous(50), &[1, 2, 3]).unwrap(), expected);
        let short = cut(&[4, 2, 3], contiguous(47), &[1, 2, 3]).unwrap_err();
        assert_eq!(short.code(), Code::Corrupt);
        assert_eq!(cut(&[], contiguous(2), &[]).unwrap(), [(0, 100, 2)]);
        assert_eq!(cut(&[0, 3], contiguous(0), &[1, 3]).unwrap(), []);
        assert_eq!(cut(&[4, 3], Storage::Contiguous(None), &[1, 3]).unwrap(), []);
    }

    #[test]
    fn records_are_cut_one_by_one() {
        let record = |index, offset| Chunk { index, offset, size: 12, filter_mask: 0, trailing: 0 };
        let chunks = vec![record(0, 100), record(2, 300)];
        let records = |shape: &[u64]| Storage::Chunked {
            chunk_shape: shape.into(),
            chunks: chunks.clone().into(),
            index: ChunkIndex::Records,
        };
        let expected = [(0, 100, 6), (1, 106, 6), (4, 300, 6), (5, 306, 6)];
        assert_eq!(cut(&[3, 2, 3], records(&[1, 2, 3]), &[1, 1, 3]).unwrap(), expected);
        let expected = [(0, 100, 12), (2, 300, 12)];
        assert_eq!(cut(&[3, 2, 3], records(&[1, 2, 3]), &[1, 2, 3]).unwrap(), expected);
    }

    #[test]
    fn only_what_lies_in_one_piece_is_cut() {
        let (paths, lengths) = (["a.nc".into(), "b.nc".into()], [4, 6]);
        let context = Context {
            first_file: 0,
            paths: &paths,
            lengths: &lengths,
            axis: None,
            data_variable: "tas",
            contiguous_chunk: 40,
        };
        let shape = |storage: &dyn Fn() -> Storage| {
            let files = [[4, 2, 3], [6, 2, 3]].map(|shape| stored(&shape, storage()));
            common_chunk_shape(&files, &context).unwrap()
        };
        let chunked = |chunk_shape: &[u64]| Storage::Chunked {
            chunk_shape: chunk_shape.to_vec(),
            chunks: Chunks::default(),
            index: ChunkIndex::BTreeV1,
        };
        assert_eq!(shape(&|| Storage::Contiguous(Some((0, 144)))), [2, 2, 3]);
        assert_eq!(shape(&|| chunked(&[1, 2, 3])), [1, 2, 3]);
        assert_eq!(shape(&|| chunked(&[6, 2, 3])), [6, 2, 3]);
        assert_eq!(shape(&|| chunked(&[1, 2, 40])), [1, 2, 40]);
        let context = Context { contiguous_chunk: 8, ..context };
        let files = [stored(&[4, 2, 3], chunked(&[1, 2, 3]))];
        assert_eq!(common_chunk_shape(&files, &context).unwrap(), [1, 1, 3]);
    }
}
