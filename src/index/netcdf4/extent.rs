//! Variables that are shorter than their dimensions: netCDF shows the fill value behind their ends, whatever
//! a chunk that reaches further holds there.

use crate::index::decode::Grid;
use crate::index::filter::Decoder;
use crate::index::source::Source;
use crate::model::array::{Fill, Storage, Variable, product};
use crate::model::dtype::DataType;
use crate::model::error::{Code, Error, Result};

/// Most bytes of a chunk that is looked into.
const MOST: u64 = 64 * 1024 * 1024;

/// An error where chunks of `variable`, whose own lengths are `extent`, hold anything but the fill value behind
/// these: readers of a store would see it. Elements have `element_size` bytes in the file.
pub(super) fn check(
    source: &Source,
    variable: &Variable,
    extent: &[u64],
    element_size: u64,
) -> Result<()> {
    let Storage::Chunked { chunk_shape, chunks, .. } = &variable.storage else { return Ok(()) };
    let size = u32::try_from(element_size).map_err(|_| Error::corrupt("elements of 2^32 bytes"))?;
    let grid = Grid::new(&variable.shape, chunk_shape, size as usize)?;
    let dtype = match variable.dtype {
        DataType::String => DataType::Text(size),
        dtype => dtype,
    };
    let (mut origin, mut decoder) = (Vec::new(), Decoder::default());
    for chunk in chunks {
        grid.locate(chunk.index, &mut origin)?;
        let place = Place { origin: &origin, chunk_shape, shape: &variable.shape, extent };
        if !place.reaches_behind() {
            continue;
        }
        let whole = product(chunk_shape).and_then(|elements| elements.checked_mul(element_size));
        let whole = whole.filter(|whole| *whole.max(&chunk.size) <= MOST);
        let whole = whole.and_then(|whole| usize::try_from(whole).ok()).ok_or_else(|| {
            let message = format!("chunks of {chunk_shape:?} are too large to be looked into");
            Error::new(Code::TooLarge, message)
        })?;
        let Fill::Value(fill) = &variable.fill else {
            return Err(unshown("without a fill value"));
        };
        source.read_into(&mut decoder.bytes, chunk.offset, chunk.size)?;
        decoder.undo(&variable.filters, chunk.filter_mask, dtype, whole)?;
        let mut elements = decoder.bytes.chunks_exact(fill.len().max(1)).zip(0..);
        if elements.any(|(element, number)| element != fill && place.is_behind(number)) {
            return Err(unshown("with other values than the fill value behind"));
        }
    }
    Ok(())
}

fn unshown(how: &str) -> Error {
    Error::unsupported(format!(
        "a variable that ends within a chunk, before its dimension does, {how}"
    ))
    .with_hint("rewrite the file, for example with `nccopy`")
}

/// Where a chunk lies in a variable that is shown with more than its own extent.
struct Place<'a> {
    /// The first element.
    origin: &'a [usize],
    chunk_shape: &'a [u64],
    shape: &'a [u64],
    extent: &'a [u64],
}

impl Place<'_> {
    /// Whether there are elements of it that are shown, but not of the variable itself.
    fn reaches_behind(&self) -> bool {
        let Self { origin, chunk_shape, shape, extent } = self;
        let lengths = chunk_shape.iter().zip(*shape).zip(*extent);
        origin.iter().zip(lengths).any(|(&start, ((&length, &shown), &own))| {
            (start as u64).saturating_add(length).min(shown) > own
        })
    }

    /// Whether the element with this row-major number is one of them.
    fn is_behind(&self, mut number: u64) -> bool {
        let (mut is_shown, mut is_own) = (true, true);
        for (dimension, &length) in self.chunk_shape.iter().enumerate().rev() {
            let at = (self.origin[dimension] as u64).saturating_add(number % length.max(1));
            number /= length.max(1);
            is_shown &= at < self.shape[dimension];
            is_own &= at < self.extent[dimension];
        }
        is_shown && !is_own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_is_shown_and_not_of_the_variable_itself() {
        let place =
            |origin| Place { origin, chunk_shape: &[4, 3], shape: &[6, 5], extent: &[5, 5] };
        assert!(!place(&[0, 0]).reaches_behind() && !place(&[0, 3]).reaches_behind());
        let last = place(&[4, 3]);
        assert!(last.reaches_behind());
        let behind: Vec<u64> = (0..12).filter(|number| last.is_behind(*number)).collect();
        assert_eq!(behind, [3, 4]);
    }
}
