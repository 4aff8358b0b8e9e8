//! Files without some of their time steps.

use std::ops::Range;
use std::path::Path;

use crate::model::array::{Chunk, FileIndex, Storage, Values, Variable, grid_shape, product};
use crate::model::error::{Code, Error, Result};

/// Takes all time steps but `steps` out of a file, as if it had been written without them; the file
/// `keeper` has them.
pub fn keep_steps(
    index: &mut FileIndex,
    dimension: &str,
    data_variable: &str,
    steps: &Range<u64>,
    keeper: &Path,
) -> Result<()> {
    for variable in &mut index.variables {
        let is_data = variable.name == data_variable;
        let kept = match variable.dimensions.iter().position(|name| name == dimension) {
            None => continue,
            Some(0) => keep_rows(variable, steps, is_data, keeper),
            Some(_) => Err(Error::unsupported("a time dimension that is not the first")
                .with_hint("reorder the dimensions, for example with `ncpdq`")),
        };
        kept.map_err(|error| error.of_variable(&variable.name))?;
    }
    let time = index.dimensions.iter_mut().find(|known| known.name == dimension);
    if let Some(time) = time {
        time.size = steps.end - steps.start;
    }
    Ok(())
}

/// Takes all rows but `rows` out of `variable`. Where that would cut a chunk, values that were read
/// stand for what is stored; those of the data must stay where they are.
fn keep_rows(
    variable: &mut Variable,
    rows: &Range<u64>,
    is_data: bool,
    keeper: &Path,
) -> Result<()> {
    let count = variable.shape.first().copied().unwrap_or(0);
    let across: u64 = match &variable.storage {
        Storage::Chunked { chunk_shape, .. } => {
            grid_shape(&variable.shape, chunk_shape).iter().skip(1).product()
        }
        _ => 1,
    };
    let row_size = product(&variable.shape[1..])
        .and_then(|elements| elements.checked_mul(variable.dtype.size()?));
    match &mut variable.values {
        Some(Values::Bytes(bytes)) => *bytes = part(bytes, count, rows),
        Some(Values::Strings(strings)) => *strings = part(strings, count, rows),
        None => {}
    }
    variable.shape[0] = rows.end - rows.start;
    match &mut variable.storage {
        Storage::Compact(bytes) => *bytes = part(bytes, count, rows),
        Storage::Contiguous(None) => {}
        Storage::Contiguous(Some((offset, size))) => {
            // Strings, which have no such size, are held as values.
            if let Some(row_size) = row_size {
                *offset += rows.start * row_size;
                *size = (rows.end - rows.start) * row_size;
            }
        }
        Storage::Chunked { chunk_shape, chunks, .. } => {
            let length = chunk_shape[0].max(1);
            // Rows after the last one kept are what rows after the end of a file are.
            if !rows.start.is_multiple_of(length) {
                return hold_values(variable, rows, is_data, keeper);
            }
            let before = rows.start / length * across;
            let kept = before..rows.end.div_ceil(length) * across;
            let kept = chunks.iter().filter(|chunk| kept.contains(&chunk.index));
            *chunks = kept.map(|chunk| Chunk { index: chunk.index - before, ..chunk }).collect();
        }
    }
    Ok(())
}

/// What `rows` of `count` rows are of a list of elements.
fn part<T: Clone>(elements: &[T], count: u64, rows: &Range<u64>) -> Vec<T> {
    let length = usize::try_from(count).map_or(0, |count| elements.len() / count.max(1));
    let taken = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
    let skipped = usize::try_from(rows.start).unwrap_or(usize::MAX);
    elements.iter().skip(skipped * length).take(taken * length).cloned().collect()
}

/// Makes the values of `variable` stand for its chunks, the first of which `rows` cut.
fn hold_values(
    variable: &mut Variable,
    rows: &Range<u64>,
    is_data: bool,
    keeper: &Path,
) -> Result<()> {
    match &variable.values {
        Some(Values::Bytes(bytes)) if !is_data => {
            variable.storage = Storage::Compact(bytes.clone());
            variable.fill = variable.fill.clone().to_little_endian(variable.dtype);
            variable.dtype = variable.dtype.to_little_endian();
            variable.filters.clear();
            Ok(())
        }
        // Text of any length is held as values anyway.
        Some(Values::Strings(_)) => Ok(()),
        _ => Err(Error::new(
            Code::ChunksMisaligned,
            format!(
                "the first {} time steps, which `{}` has too, end within a chunk, which cannot be cut",
                rows.start,
                keeper.display()
            ),
        )
        .with_hint("`--on-overlap last` leaves them where they are, and takes them from the other")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::array::{Chunk, ChunkIndex, Fill};
    use crate::model::attribute::Attributes;
    use crate::model::dtype::{ByteOrder, DataType};

    /// Eight rows of two elements, of two bytes each.
    fn variable(storage: Storage, values: Option<Vec<u8>>) -> Variable {
        Variable {
            name: "tas".into(),
            dimensions: vec!["time".into(), "lat".into()],
            shape: vec![8, 2],
            dtype: DataType::Int(2, ByteOrder::Big),
            fill: Fill::Value(vec![1, 2]),
            filters: Vec::new(),
            storage,
            attributes: Attributes::default(),
            values: values.map(Values::Bytes),
        }
    }

    fn chunked(chunk_shape: &[u64], count: u64) -> Storage {
        let chunks = (0..count).map(|index| Chunk {
            index,
            offset: 100 + index,
            size: 1,
            filter_mask: 0,
            trailing: 0,
        });
        Storage::Chunked {
            chunk_shape: chunk_shape.to_vec(),
            chunks: chunks.collect(),
            index: ChunkIndex::BTreeV1,
        }
    }

    fn rows_of(mut variable: Variable, rows: Range<u64>, is_data: bool) -> Result<Variable> {
        keep_rows(&mut variable, &rows, is_data, Path::new("other.nc"))?;
        assert_eq!(variable.shape, [rows.end - rows.start, 2]);
        Ok(variable)
    }

    fn chunks(variable: &Variable) -> Vec<(u64, u64)> {
        let Storage::Chunked { chunks, .. } = &variable.storage else { panic!("no chunks") };
        chunks.iter().map(|chunk| (chunk.index, chunk.offset)).collect()
    }

    #[test]
    fn whole_chunks_are_left_out_and_the_others_counted_anew() {
        let single = || variable(chunked(&[1, 2], 8), None);
        assert_eq!(chunks(&rows_of(single(), 6..8, true).unwrap()), [(0, 106), (1, 107)]);
        assert_eq!(chunks(&rows_of(single(), 0..2, true).unwrap()), [(0, 100), (1, 101)]);
        let of_three = || variable(chunked(&[3, 1], 6), None);
        let kept = rows_of(of_three(), 3..8, true).unwrap();
        assert_eq!(chunks(&kept), [(0, 102), (1, 103), (2, 104), (3, 105)]);
        // The end of the rows that are kept may lie within a chunk, as the end of a file may.
        let kept = rows_of(of_three(), 0..4, true).unwrap();
        assert_eq!(chunks(&kept), [(0, 100), (1, 101), (2, 102), (3, 103)]);
        let error = rows_of(of_three(), 4..8, true).unwrap_err();
        assert_eq!(error.code(), Code::ChunksMisaligned);
        assert!(error.message().contains("other.nc"));
    }

    #[test]
    fn small_variables_are_cut_anywhere() {
        let values: Vec<u8> = (0..32).collect();
        let cut = rows_of(variable(chunked(&[512, 2], 1), Some(values)), 5..7, false).unwrap();
        let expected: Vec<u8> = (20..28).collect();
        assert_eq!(cut.values, Some(Values::Bytes(expected.clone())));
        assert_eq!(cut.storage, Storage::Compact(expected));
        // Values are held in little-endian order, whatever the file has.
        assert_eq!(cut.dtype, DataType::Int(2, ByteOrder::Little));
        assert_eq!(cut.fill, Fill::Value(vec![2, 1]));
        let values: Vec<u8> = (0..32).collect();
        let data = variable(chunked(&[512, 2], 1), Some(values));
        assert!(rows_of(data, 5..7, true).is_err());
    }

    #[test]
    fn pieces_are_cut_to_the_byte() {
        let piece = variable(Storage::Contiguous(Some((1000, 32))), None);
        let cut = rows_of(piece, 2..5, true).unwrap();
        assert_eq!(cut.storage, Storage::Contiguous(Some((1008, 12))));
        let compact = variable(Storage::Compact((0..32).collect()), None);
        assert_eq!(
            rows_of(compact, 7..8, true).unwrap().storage,
            Storage::Compact((28..32).collect())
        );
    }
}
