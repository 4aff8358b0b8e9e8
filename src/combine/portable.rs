//! Variables without the checksum at the end of their chunks, which not every reader of Zarr has a
//! codec for.

use crate::model::array::{Chunk, Storage, Variable};
use crate::model::codec::Filter;
use crate::model::error::{Error, Result};

/// Bytes of the checksum.
const CHECKSUM: u32 = 4;

/// Takes a last filter fletcher32 off `variable`, as if its chunks were that much shorter and had no
/// other; what is left out has to be verified before a store refers to the rest.
pub fn leave_out_checksum(variable: &mut Variable) -> Result<()> {
    let Storage::Chunked { chunks, .. } = &mut variable.storage else { return Ok(()) };
    if variable.filters.last().is_none_or(|last| last.id != Filter::FLETCHER32) {
        return Ok(());
    }
    variable.filters.pop();
    // A chunk that skipped it says so by this bit of its mask.
    let bit = u32::try_from(variable.filters.len()).ok().and_then(|i| 1u32.checked_shl(i));
    let bit = bit.unwrap_or(0);
    let shortened = chunks.iter().map(|chunk| shorten(chunk, bit)).collect::<Result<_>>();
    *chunks = shortened.map_err(|error| error.of_variable(&variable.name))?;
    Ok(())
}

fn shorten(chunk: Chunk, skipped: u32) -> Result<Chunk> {
    if chunk.filter_mask & skipped != 0 {
        return Ok(Chunk { filter_mask: chunk.filter_mask & !skipped, ..chunk });
    }
    let size = chunk.size.checked_sub(CHECKSUM.into()).ok_or_else(|| {
        let Chunk { index, size, .. } = chunk;
        Error::corrupt(format!("chunk {index} has {size} bytes, too few for its checksum"))
    })?;
    Ok(Chunk { size, trailing: CHECKSUM, ..chunk })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::array::{ChunkIndex, Fill};
    use crate::model::attribute::Attributes;
    use crate::model::dtype::DataType;
    use crate::model::error::Code;

    /// What becomes of chunks of such sizes and filter masks: that, and what trails; and how many of the
    /// filters are left.
    fn left_out(filters: &[u16], chunks: &[(u64, u32)]) -> Result<(usize, Vec<[u64; 3]>)> {
        let chunk = |(index, &(size, filter_mask))| Chunk {
            index: index as u64,
            offset: 100,
            size,
            filter_mask,
            trailing: 0,
        };
        let mut variable = Variable {
            name: "tas".into(),
            dimensions: vec!["time".into()],
            shape: vec![1],
            dtype: DataType::Text(1),
            fill: Fill::Undefined,
            filters: filters.iter().map(|&id| Filter::new(id, &[])).collect(),
            storage: Storage::Chunked {
                chunk_shape: vec![1],
                chunks: chunks.iter().enumerate().map(chunk).collect(),
                index: ChunkIndex::BTreeV1,
            },
            attributes: Attributes::default(),
            values: None,
        };
        leave_out_checksum(&mut variable)?;
        let Storage::Chunked { chunks, .. } = variable.storage else { panic!("not chunked") };
        let chunks = chunks.iter().map(|it| [it.size, it.filter_mask.into(), it.trailing.into()]);
        Ok((variable.filters.len(), chunks.collect()))
    }

    #[test]
    fn chunks_lose_their_checksum_unless_they_skipped_it() {
        let filters = [Filter::SHUFFLE, Filter::DEFLATE, Filter::FLETCHER32];
        let chunks = [(10, 0), (10, 0b100), (10, 0b010), (10, 0b111), (4, 0)];
        let expected = vec![[6, 0, 4], [10, 0, 0], [6, 0b010, 4], [10, 0b011, 0], [0, 0, 4]];
        assert_eq!(left_out(&filters, &chunks).unwrap(), (2, expected));
    }

    #[test]
    fn a_checksum_within_the_chain_stays() {
        let filters = [Filter::FLETCHER32, Filter::SHUFFLE, Filter::DEFLATE];
        assert_eq!(left_out(&filters, &[(10, 0b001)]).unwrap(), (3, vec![[10, 1, 0]]));
        assert_eq!(left_out(&[], &[(10, 0)]).unwrap(), (0, vec![[10, 0, 0]]));
    }

    #[test]
    fn a_chunk_shorter_than_its_checksum_is_corrupt() {
        let error = left_out(&[Filter::FLETCHER32], &[(10, 0), (3, 0)]).unwrap_err();
        assert_eq!((error.code(), error.variable()), (Code::Corrupt, Some("tas")));
        assert!(error.message().contains("chunk 1"), "{error}");
    }
}
