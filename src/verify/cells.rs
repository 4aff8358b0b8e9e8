//! Boxes of cells, and what is in them.

use std::ops::Range;

use crate::model::array::{Values, product};
use crate::model::dtype::DataType;

/// A box of cells: a range along each dimension.
pub type Cells = Vec<Range<u64>>;

/// Length along each dimension.
pub fn shape(cells: &Cells) -> Vec<u64> {
    cells.iter().map(|range| range.end.saturating_sub(range.start)).collect()
}

/// All cells of an array of this shape.
pub fn all(shape: &[u64]) -> Cells {
    shape.iter().map(|&length| 0..length).collect()
}

/// `cells` without what lies outside `rows`, if there are some, along the first dimension.
pub fn within_rows(mut cells: Cells, rows: Option<&Range<u64>>) -> Cells {
    if let Some((first, rows)) = cells.first_mut().zip(rows) {
        *first = first.start.max(rows.start)..first.end.min(rows.end);
    }
    cells
}

/// `cells` of the whole as those of a part whose row `from` is row `start` of the whole.
pub fn in_part(mut cells: Cells, start: u64, from: u64) -> Cells {
    if let Some(first) = cells.first_mut() {
        *first = first.start - start + from..first.end - start + from;
    }
    cells
}

/// The box as text, as Python would slice it.
pub fn shown(cells: &Cells) -> String {
    let ranges = cells.iter().map(|range| format!("{}:{}", range.start, range.end));
    format!("[{}]", ranges.collect::<Vec<_>>().join(", "))
}

/// The place of the cell with the row-major number `number` in a box.
pub fn place(cells: &Cells, mut number: u64) -> Vec<u64> {
    let mut place = vec![0; cells.len()];
    for (place, range) in place.iter_mut().zip(cells).rev() {
        let length = (range.end - range.start).max(1);
        *place = range.start + number % length;
        number /= length;
    }
    place
}

/// The values of some rows of an array of this shape.
pub fn rows(values: &Values, shape: &[u64], rows: &Range<u64>) -> Option<Values> {
    let row = usize::try_from(product(shape.get(1..).unwrap_or_default())?).ok()?;
    let [start, end] = [rows.start, rows.end].map(|row| usize::try_from(row).ok());
    let (start, end) = (start?.checked_mul(row)?, end?.checked_mul(row)?);
    Some(match values {
        Values::Strings(strings) => Values::Strings(strings.get(start..end)?.to_vec()),
        Values::Bytes(bytes) => {
            let cells = usize::try_from(product(shape)?).ok()?;
            let size = bytes.len().checked_div(cells).unwrap_or(0);
            Values::Bytes(bytes.get(start * size..end * size)?.to_vec())
        }
    })
}

/// One cell as text; its number counts the cells of `values`.
pub fn cell(values: &Values, dtype: DataType, number: usize) -> String {
    let bytes = match values {
        Values::Strings(strings) => {
            return strings
                .get(number)
                .map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
        }
        Values::Bytes(bytes) => bytes,
    };
    let size = dtype.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(1);
    let Some(cell) = bytes.get(number * size..(number + 1) * size) else {
        return "nothing".to_owned();
    };
    let mut word = [0; 8];
    word[..size.min(8)].copy_from_slice(&cell[..size.min(8)]);
    let bits = u64::from_le_bytes(word);
    let unused = 64 - 8 * u32::try_from(size.clamp(1, 8)).unwrap_or(8);
    match dtype {
        DataType::Float(4, _) => {
            let number = f32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            format!("{number:?} (0x{bits:08x})")
        }
        DataType::Float(8, _) => format!("{:?} (0x{bits:016x})", f64::from_bits(bits)),
        DataType::Int(..) => (bits.cast_signed() << unused >> unused).to_string(),
        DataType::UInt(..) => bits.to_string(),
        _ => format!("{:?}", String::from_utf8_lossy(cell)),
    }
}

/// The number of the first cell that `is_same` does not find the same in both.
pub fn first_difference(
    ours: &Values,
    theirs: &Values,
    dtype: DataType,
    is_same: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<usize> {
    match (ours, theirs) {
        (Values::Bytes(ours), Values::Bytes(theirs)) => {
            let size = dtype.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(1).max(1);
            let (mut ours, mut theirs) = (ours.chunks(size), theirs.chunks(size));
            (0..).find_map(|number| match (ours.next(), theirs.next()) {
                (None, None) => Some(None),
                (Some(ours), Some(theirs)) if is_same(ours, theirs) => None,
                _ => Some(Some(number)),
            })?
        }
        (Values::Strings(ours), Values::Strings(theirs)) => {
            let most = ours.len().max(theirs.len());
            (0..most).find(|&number| ours.get(number) != theirs.get(number))
        }
        _ => Some(0),
    }
}

/// Whether a cell is no number, whichever of the many.
pub fn is_nan(cell: &[u8], dtype: DataType) -> bool {
    match (dtype, cell) {
        (DataType::Float(4, _), &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).is_nan(),
        (DataType::Float(8, _), cell) => {
            cell.try_into().is_ok_and(|cell| f64::from_le_bytes(cell).is_nan())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dtype::ByteOrder;

    #[test]
    fn cells_are_row_major() {
        let cells = vec![4..6, 0..3];
        assert_eq!(place(&cells, 4), [5, 1]);
        assert_eq!(shape(&cells), [2, 3]);
        assert_eq!(in_part(within_rows(vec![2..6, 0..3], Some(&(4..9))), 4, 1), [1..3, 0..3]);
        assert_eq!(place(&vec![], 0), [0; 0]);
        let values = Values::Bytes((0..12).collect());
        let some = rows(&values, &[3, 2], &(1..3));
        assert_eq!(some, Some(Values::Bytes((4..12).collect())));
        assert_eq!(rows(&values, &[3, 2], &(2..4)), None);
    }

    #[test]
    fn no_numbers_are_known_by_their_type() {
        let float = |size| DataType::Float(size, ByteOrder::Little);
        assert!(is_nan(&0xffad_00ec_u32.to_le_bytes(), float(4)));
        assert!(is_nan(&f64::NAN.to_le_bytes(), float(8)));
        assert!(!is_nan(&1e20f32.to_le_bytes(), float(4)) && !is_nan(&[0xff; 4], float(8)));
        assert!(!is_nan(&[0xff; 4], DataType::Int(4, ByteOrder::Little)));
    }

    #[test]
    fn the_first_difference_is_that_of_a_cell() {
        let dtype = DataType::Int(2, ByteOrder::Little);
        let [a, b] =
            [[1, 0, 2, 0, 3, 0], [1, 0, 2, 1, 3, 0]].map(|bytes| Values::Bytes(bytes.into()));
        let shorter = Values::Bytes(vec![1, 0, 2, 0]);
        let first = |a, b| first_difference(a, b, dtype, |a, b| a == b);
        assert_eq!(first(&a, &b), Some(1));
        assert_eq!(first(&a, &shorter), Some(2));
        assert_eq!(first(&a, &a), None);
        assert_eq!(cell(&b, dtype, 1), "258");
    }
}
