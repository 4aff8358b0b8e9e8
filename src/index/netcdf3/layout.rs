//! `data`: where the values of each variable lie.
//!
//! First the variables without records, then the records. A record holds one part of each variable
//! along the record dimension, each padded to a multiple of four bytes; where there is only one such
//! variable, its parts follow each other without padding. The last padding may be missing.

use crate::model::array::{Chunk, ChunkIndex, Storage, product};
use crate::model::error::{Code, Error, Result};

use super::external_type::NcType;
use super::header::{Attr, Dim, Var};

const TRANSFER_AGAIN: &str =
    "compare size and checksum with the source and transfer the file again";

/// The variables of a file with the places of their values.
pub(super) struct Layout {
    pub(super) variables: Vec<LaidOut>,
    pub(super) numrecs: u64,
}

/// A variable with the places of its values.
pub(super) struct LaidOut {
    pub(super) name: String,
    /// Positions in `dim_list`.
    pub(super) dims: Vec<usize>,
    pub(super) nc_type: NcType,
    pub(super) vatt_list: Vec<Attr>,
    pub(super) storage: Storage,
}

impl Layout {
    /// Lays out `var_list` behind a header of `header_size` bytes in a file of `file_size`, where
    /// `numrecs` is `None` if records are not counted.
    pub(super) fn new(
        var_list: Vec<Var>,
        dim_list: &[Dim],
        numrecs: Option<u64>,
        header_size: u64,
        file_size: u64,
    ) -> Result<Self> {
        let extents = var_list.into_iter().map(|var| Extent::new(var, dim_list));
        let extents: Vec<Extent> = extents.collect::<Result<_>>()?;
        let recsize = recsize(&extents)?;
        check_order(&extents, header_size, recsize)?;
        check_fixed(&extents, file_size)?;
        let numrecs = match numrecs {
            Some(numrecs) => counted_records(&extents, numrecs, recsize, file_size)?,
            None => streamed_records(&extents, recsize, file_size)?,
        };
        let variables =
            extents.into_iter().map(|extent| extent.lay_out(dim_list, numrecs, recsize)).collect();
        Ok(Self { variables, numrecs })
    }
}

/// A variable and the bytes that its values take.
struct Extent {
    var: Var,
    /// Positions in `dim_list`.
    dims: Vec<usize>,
    /// Whether the first dimension is the record dimension.
    is_record: bool,
    /// Bytes without padding: of one record, or of the whole variable if it has none.
    size: u64,
    /// The byte after those, in the first record.
    end: u64,
}

impl Extent {
    /// Finds the dimensions of `var` in `dim_list`, and from them the size of its values.
    fn new(var: Var, dim_list: &[Dim]) -> Result<Self> {
        let corrupt = |message: String| Err(Error::corrupt(message).of_variable(&var.name));
        let mut dims = Vec::new();
        for &dimid in &var.dimids {
            match usize::try_from(dimid).ok().filter(|&dimid| dimid < dim_list.len()) {
                Some(dimid) => dims.push(dimid),
                None => return corrupt(format!("there is no dimension {dimid}")),
            }
        }
        let is_record = |&dim: &usize| dim_list[dim].dim_length.is_none();
        if dims.iter().skip(1).any(is_record) {
            return corrupt("the record dimension is not its first dimension".into());
        }
        let lengths: Vec<u64> = dims.iter().filter_map(|&dim| dim_list[dim].dim_length).collect();
        let size = product(&lengths).and_then(|n| n.checked_mul(var.nc_type.size()));
        let Some((size, end)) = size.and_then(|size| Some((size, var.begin.checked_add(size)?)))
        else {
            return corrupt("its data end beyond 2^64 bytes".into());
        };
        let is_record = dims.first().is_some_and(is_record);
        Ok(Self { var, dims, is_record, size, end })
    }

    /// Turns the extent into the places of all values. `numrecs` records lie within the file.
    fn lay_out(self, dim_list: &[Dim], numrecs: u64, recsize: u64) -> LaidOut {
        let Self { var: Var { name, nc_type, vatt_list, begin, .. }, dims, size, .. } = self;
        let storage = if !self.is_record {
            Storage::Contiguous(Some((begin, size)))
        } else if recsize == size {
            // The records of the only variable in them lie one behind the other.
            Storage::Contiguous((numrecs > 0).then_some((begin, numrecs * size)))
        } else {
            let chunk = |index| Chunk {
                index,
                offset: begin + index * recsize,
                size,
                filter_mask: 0,
                trailing: 0,
            };
            Storage::Chunked {
                chunk_shape: dims
                    .iter()
                    .map(|&dim| dim_list[dim].dim_length.unwrap_or(1))
                    .collect(),
                chunks: (0..numrecs).map(chunk).collect(),
                index: ChunkIndex::Records,
            }
        };
        LaidOut { name, dims, nc_type, vatt_list, storage }
    }
}

/// Bytes from one record to the next: the padded sizes of all record variables. A single record
/// variable is not padded.
fn recsize(extents: &[Extent]) -> Result<u64> {
    let sizes: Vec<u64> =
        extents.iter().filter(|extent| extent.is_record).map(|extent| extent.size).collect();
    if let [size] = sizes[..] {
        return Ok(size);
    }
    sizes
        .iter()
        .try_fold(0u64, |sum, size| sum.checked_add(size.checked_next_multiple_of(4)?))
        .ok_or_else(|| Error::corrupt("a record has more than 2^64 bytes"))
}

/// Variables lie in the order of the header, those without records first, and share no byte.
/// libnetcdf opens no other file.
fn check_order(extents: &[Extent], header_size: u64, recsize: u64) -> Result<()> {
    let fixed = extents.iter().filter(|extent| !extent.is_record);
    let mut records = extents.iter().filter(|extent| extent.is_record);
    let (mut before, mut free) = ("the header", header_size);
    for Extent { var, end, .. } in fixed.chain(records.clone()) {
        if var.begin < free {
            let message = format!(
                "its data begin at byte {}, before byte {free}, where `{}` ends",
                var.begin,
                before.escape_debug()
            );
            return Err(Error::corrupt(message).of_variable(&var.name));
        }
        (before, free) = (&var.name, *end);
    }
    let spanned = records.next().map_or(0, |first| free - first.var.begin);
    if spanned > recsize {
        let message =
            format!("the variables of a record span {spanned} bytes instead of {recsize}");
        return Err(Error::corrupt(message));
    }
    Ok(())
}

/// The variables without records are in the file to their last byte.
fn check_fixed(extents: &[Extent], file_size: u64) -> Result<()> {
    let mut fixed = extents.iter().filter(|extent| !extent.is_record);
    let Some(Extent { var, end, .. }) = fixed.find(|fixed| fixed.end > file_size) else {
        return Ok(());
    };
    let message = format!("its data end at byte {end}, but the file ends at byte {file_size}");
    Err(Error::new(Code::Truncated, message).with_hint(TRANSFER_AGAIN).of_variable(&var.name))
}

/// `numrecs`, the number of records in the header, once it is known that the file holds as many.
fn counted_records(extents: &[Extent], numrecs: u64, recsize: u64, file_size: u64) -> Result<u64> {
    match whole_records(extents, recsize, file_size) {
        Some(held) if held < numrecs => {
            let message = format!(
                "the header counts {numrecs} records, but the file of {file_size} bytes \
                 holds {held}"
            );
            Err(Error::new(Code::Truncated, message).with_hint(TRANSFER_AGAIN))
        }
        _ => Ok(numrecs),
    }
}

/// The number of records in a file whose header says `STREAMING`: as many as there are.
fn streamed_records(extents: &[Extent], recsize: u64, file_size: u64) -> Result<u64> {
    let held = whole_records(extents, recsize, file_size).unwrap_or(0);
    let first =
        extents.iter().filter(|extent| extent.is_record).map(|extent| extent.var.begin).min();
    // The product stays below the file size by the choice of `held`.
    if first.is_some_and(|first| first + held * recsize < file_size) {
        let message = format!(
            "the header leaves the records uncounted, and the file of {file_size} bytes \
             ends within record {held}, counted from 0"
        );
        return Err(Error::new(Code::Truncated, message).with_hint(TRANSFER_AGAIN));
    }
    Ok(held)
}

/// Records that are in the file to the last byte of each variable, or `None` if no variable has any.
fn whole_records(extents: &[Extent], recsize: u64, file_size: u64) -> Option<u64> {
    let records = extents.iter().filter(|extent| extent.is_record);
    let whole = |extent: &Extent| {
        file_size.checked_sub(extent.end).map_or(0, |after_first| after_first / recsize + 1)
    };
    records.map(whole).min()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::cdf::{Cdf, code, indexed, usual, values};
    use super::super::header::NC_VARIABLE;
    use super::*;
    use crate::index::source::{ReadAt, Source};

    #[test]
    fn the_last_padding_may_be_missing() {
        let mut file = usual(1, 2);
        file.truncate(file.len() - 2);
        assert_eq!(values(&file, "tas").len(), 12);
    }

    #[test]
    fn records_that_are_not_counted_are_as_many_as_there_are() {
        for (version, streaming) in [(1, u32::MAX.into()), (2, u32::MAX.into()), (5, u64::MAX)] {
            let mut file = usual(version, streaming);
            assert_eq!(indexed(&file).unwrap().dimensions[0].size, 2);
            file.truncate(file.len() - 2);
            assert_eq!(indexed(&file).unwrap().dimensions[0].size, 2);
            for missing in 1..14 {
                let cut = file[..file.len() - missing].to_vec();
                assert_eq!(code(&cut), Code::Truncated, "{missing} bytes missing");
            }
            file.truncate(524);
            let index = indexed(&file).unwrap();
            assert_eq!(index.variable("tas").unwrap().shape, [0, 3]);
            assert!(values(&file, "tas").is_empty());
        }
    }

    #[test]
    fn a_single_record_variable_is_not_padded() {
        let alone = Cdf::new(1, 3)
            .dims(&[("time", 0), ("x", 3)])
            .absent()
            .list(NC_VARIABLE, 1)
            .var("a", &[0, 1], 1, 128)
            .data(128, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(values(&alone, "a"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);

        let together = Cdf::new(1, 2)
            .dims(&[("time", 0), ("x", 3)])
            .absent()
            .list(NC_VARIABLE, 2)
            .var("a", &[0, 1], 1, 160)
            .var("b", &[0], 2, 164)
            .data(160, b"\x01\x02\x03_y___\x04\x05\x06_z");
        assert_eq!(values(&together, "a"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(values(&together, "b"), b"yz");
    }

    /// Two records of `a` and `b`, which are bytes along the record dimension.
    fn records(begins: [u64; 2]) -> Vec<u8> {
        Cdf::new(1, 2)
            .dims(&[("time", 0)])
            .absent()
            .list(NC_VARIABLE, 2)
            .var("a", &[0], 1, begins[0])
            .var("b", &[0], 1, begins[1])
            .data(160, &[0; 16])
    }

    #[test]
    fn records_of_the_only_variable_lie_in_one_piece() {
        let file = |numrecs| {
            Cdf::new(1, numrecs)
                .dims(&[("time", 0), ("x", 3)])
                .absent()
                .list(NC_VARIABLE, 2)
                .var("fixed", &[1], 1, 200)
                .var("alone", &[0, 1], 3, 204)
                .data(200, b"xyz_......::::::")
        };
        let storage = |numrecs| {
            let index = indexed(&file(numrecs)).unwrap();
            (index.variables[1].shape.clone(), index.variables[1].storage.clone())
        };
        assert_eq!(storage(2), (vec![2, 3], Storage::Contiguous(Some((204, 12)))));
        assert_eq!(storage(0), (vec![0, 3], Storage::Contiguous(None)));
        assert_eq!(values(&file(2), "alone"), b"......::::::");
        assert!(values(&file(0), "alone").is_empty());
    }

    #[test]
    fn variables_out_of_order_or_over_each_other_are_corrupt() {
        assert!(indexed(&records([160, 164])).is_ok());
        for begins in [[164, 160], [160, 160], [160, 168]] {
            assert_eq!(code(&records(begins)), Code::Corrupt, "{begins:?}");
        }
        let fixed = |begins: [u64; 2], dimids: [&[u64]; 2]| {
            Cdf::new(1, 1)
                .dims(&[("time", 0), ("x", 2)])
                .absent()
                .list(NC_VARIABLE, 2)
                .var("a", dimids[0], 4, begins[0])
                .var("b", dimids[1], 4, begins[1])
                .data(192, &[0; 32])
        };
        assert!(indexed(&fixed([192, 200], [&[1], &[1]])).is_ok());
        assert!(indexed(&fixed([192, 208], [&[1], &[1]])).is_ok());
        assert!(indexed(&fixed([200, 192], [&[0], &[1]])).is_ok());
        for (begins, dimids) in [
            ([200, 192], [&[1][..], &[1]]),
            ([192, 196], [&[1], &[1]]),
            ([192, 196], [&[0], &[1]]),
            ([192, 196], [&[1], &[0]]),
        ] {
            assert_eq!(code(&fixed(begins, dimids)), Code::Corrupt, "{begins:?} {dimids:?}");
        }
        let error = indexed(&records([160, 160])).unwrap_err().to_string();
        assert!(error.contains("begin at byte 160, before byte 161, where `a` ends"), "{error}");
    }

    #[test]
    fn records_that_are_counted_but_missing_are_named_by_number() {
        let said = |file| indexed(&file).unwrap_err().to_string();
        let counted = "the header counts 5 records, but the file of 556 bytes holds 2";
        assert!(said(usual(1, 5)).contains(counted), "{}", said(usual(1, 5)));
        let mut cut = usual(5, 2);
        cut.truncate(cut.len() - 3);
        assert!(said(cut).contains("counts 2 records, but the file of 553 bytes holds 1"));
        let mut streamed = usual(5, u64::MAX);
        streamed.truncate(550);
        assert!(said(streamed).contains("the file of 550 bytes ends within record 1"));
        let mut fixed = usual(1, 2);
        fixed.truncate(518);
        assert!(said(fixed).contains("end at byte 524, but the file ends at byte 518"));
        // A number of records of which nothing is in the file, and data beyond those counted.
        assert_eq!(indexed(&usual(1, 0)).unwrap().dimensions[0].size, 0);
        assert_eq!(values(&usual(2, 1), "tas").len(), 6);
    }

    #[test]
    fn the_record_dimension_alone_has_the_length_that_the_header_says() {
        let file = Cdf::new(1, 7).dims(&[("time", 0)]).absent().absent().bytes;
        assert_eq!(indexed(&file).unwrap().dimensions[0].size, 7);
        let streamed = Cdf::new(1, u32::MAX.into()).dims(&[("time", 0)]).absent().absent().bytes;
        assert_eq!(indexed(&streamed).unwrap().dimensions[0].size, 0);
    }

    /// A file that has `start`, and zeros up to `len`.
    struct Sparse {
        start: Vec<u8>,
        len: u64,
    }

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            self.len
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let from = self.start.len().min(usize::try_from(offset).unwrap());
            let held = &self.start[from..][..buffer.len().min(self.start.len() - from)];
            buffer.fill(0);
            buffer[..held.len()].copy_from_slice(held);
            Ok(())
        }
    }

    #[test]
    fn the_last_variable_may_have_more_than_4_gib() {
        let long = 0x1000_0001;
        for version in [1, 2, 5] {
            let header = |numrecs, dimids: [&[u64]; 2]| {
                Cdf::new(version, numrecs)
                    .dims(&[("time", 0), ("y", 5), ("x", long)])
                    .absent()
                    .list(NC_VARIABLE, 2)
                    .var("first", dimids[0], 4, 512)
                    .var("last", dimids[1], 4, 516)
                    .data(512, &[])
            };
            let size = 4 * 5 * long;
            let index = |start, len| super::super::index(&Source::new(&Sparse { start, len })?);
            let fixed = index(header(0, [&[], &[1, 2]]), 516 + size).unwrap();
            assert_eq!(fixed.variables[1].storage, Storage::Contiguous(Some((516, size))));
            let records = index(header(2, [&[0], &[0, 1, 2]]), 516 + size + 4 + size).unwrap();
            let Storage::Chunked { chunks, .. } = &records.variables[1].storage else {
                panic!("records of two variables in one piece");
            };
            let second = chunks.iter().nth(1).unwrap();
            assert_eq!((second.offset, second.size), (516 + size + 4, size));
            let cut = index(header(0, [&[], &[1, 2]]), 515 + size).unwrap_err();
            assert_eq!(cut.code(), Code::Truncated);
        }
    }
}
