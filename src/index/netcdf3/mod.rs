//! The NetCDF classic formats: CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data).
//!
//! Names are those of the grammar in "The NetCDF Classic Format Specification", appendix B.1 of the
//! NetCDF User's Guide, and of `PnetCDF`'s "CDF-5 File Format Specification": the module
//! `header` reads `header`, `layout` finds the places of `data`, `external_type` is `nc_type`.
//!
//! What the format defines is indexed as libnetcdf reads it, with two exceptions. Where the file ends
//! before the data that the header promises, libnetcdf returns zeros; here it is an error. And a
//! number of records of `STREAMING`, which libnetcdf takes for a number, is as many as there are.

#[cfg(test)]
mod cdf;
mod external_type;
mod header;
mod layout;

use crate::model::array::{Dimension, FileFormat, FileIndex, Fill, ReadCost, Variable};
use crate::model::attribute::Attributes;
use crate::model::error::Result;

use super::source::Source;
use external_type::NcType;
use header::{Attr, Dim, Header};
use layout::{LaidOut, Layout};

/// Indexes a file of any classic format.
pub(super) fn index(source: &Source) -> Result<FileIndex> {
    let Header { version, numrecs, dim_list, gatt_list, var_list, size } = Header::read(source)?;
    let layout = Layout::new(var_list, &dim_list, numrecs, size, source.len())?;
    let numrecs = layout.numrecs;
    let variables = layout.variables.into_iter().map(|var| variable(var, &dim_list, numrecs));
    Ok(FileIndex {
        format: FileFormat::Netcdf3(version),
        size: source.len(),
        variables: variables.collect(),
        dimensions: dim_list.into_iter().map(|dim| dimension(dim, numrecs)).collect(),
        attributes: attributes(gatt_list),
        groups: Vec::new(),
        refused: Vec::new(),
        cost: ReadCost::default(),
    })
}

fn dimension(dim: Dim, numrecs: u64) -> Dimension {
    Dimension {
        name: dim.name,
        size: dim.dim_length.unwrap_or(numrecs),
        unlimited: dim.dim_length.is_none(),
    }
}

fn variable(var: LaidOut, dim_list: &[Dim], numrecs: u64) -> Variable {
    let LaidOut { name, dims, nc_type, vatt_list, storage } = var;
    let dims = || dims.iter().map(|&dim| &dim_list[dim]);
    Variable {
        name,
        dimensions: dims().map(|dim| dim.name.clone()).collect(),
        shape: dims().map(|dim| dim.dim_length.unwrap_or(numrecs)).collect(),
        dtype: nc_type.dtype(),
        fill: Fill::Value(fill_value(nc_type, &vatt_list)),
        filters: Vec::new(),
        storage,
        attributes: attributes(vatt_list),
        values: None,
    }
}

fn attributes(att_list: Vec<Attr>) -> Attributes {
    att_list
        .into_iter()
        .map(|attr| (attr.name, attr.nc_type.attribute_value(&attr.values)))
        .collect()
}

/// The bytes of `_FillValue` if it fits the variable, else what netCDF takes.
fn fill_value(nc_type: NcType, vatt_list: &[Attr]) -> Vec<u8> {
    let fits = |attr: &&Attr| {
        attr.name == "_FillValue"
            && attr.nc_type == nc_type
            && attr.values.len() as u64 == nc_type.size()
    };
    vatt_list.iter().find(fits).map_or_else(|| nc_type.default_fill(), |attr| attr.values.to_vec())
}

#[cfg(test)]
mod tests {
    use super::cdf::{Cdf, indexed, usual, values};
    use super::header::{NC_ATTRIBUTE, NC_VARIABLE};
    use super::*;
    use crate::index::decode;
    use crate::model::array::{Chunk, ChunkIndex, Storage};
    use crate::model::dtype::{ByteOrder, DataType};
    use crate::model::error::Code;

    #[test]
    fn all_three_versions() {
        for version in [1, 2, 5] {
            let file = usual(version, 2);
            let index = indexed(&file).unwrap();
            assert_eq!(index.format, FileFormat::Netcdf3(version));
            assert_eq!(index.size, file.len() as u64);
            assert_eq!(index.attributes.text("title"), Some("small"));
            assert_eq!(
                index.dimensions,
                [
                    Dimension { name: "time".into(), size: 2, unlimited: true },
                    Dimension { name: "lat".into(), size: 3, unlimited: false },
                ]
            );
            let tas = index.variable("tas").unwrap();
            assert_eq!(tas.dimensions, ["time", "lat"]);
            assert_eq!(tas.shape, [2, 3]);
            assert_eq!(tas.dtype, DataType::Int(2, ByteOrder::Big));
            assert_eq!(tas.fill, Fill::Value(vec![0x80, 1]));
            let chunk =
                |index, offset| Chunk { index, offset, size: 6, filter_mask: 0, trailing: 0 };
            assert_eq!(
                tas.storage,
                Storage::Chunked {
                    chunk_shape: vec![1, 3],
                    chunks: vec![chunk(0, 532), chunk(1, 548)].into(),
                    index: ChunkIndex::Records,
                }
            );
            let lat = index.variable("lat").unwrap();
            assert_eq!(lat.storage, Storage::Contiguous(Some((512, 12))));
            assert_eq!(values(&file, "lat"), [10i32, 20, 30].map(i32::to_le_bytes).as_flattened());
            assert_eq!(values(&file, "time"), [1.5f64, 2.5].map(f64::to_le_bytes).as_flattened());
            let tas = [1i16, -1, 7, 2, -2, 7].map(i16::to_le_bytes);
            assert_eq!(values(&file, "tas"), tas.as_flattened());
        }
    }

    #[test]
    fn a_fill_value_counts_only_if_it_fits_the_variable() {
        let file = |nc_type, values: &[u8]| {
            Cdf::new(1, 0)
                .absent()
                .absent()
                .list(NC_VARIABLE, 1)
                .name("a")
                .non_neg(0)
                .list(NC_ATTRIBUTE, 1)
                .attr("_FillValue", nc_type, 1, values)
                .int(5)
                .non_neg(4)
                .offset(128)
                .data(128, &1f32.to_be_bytes())
        };
        let found = |file| indexed(&file).unwrap().variables[0].fill.clone();
        let own = 1e20f32.to_be_bytes();
        assert_eq!(found(file(5, &own)), Fill::Value(own.to_vec()));
        let default = Fill::Value(vec![0x7c, 0xf0, 0, 0]);
        assert_eq!(found(file(4, &own)), default);
        assert_eq!(NcType::Double.default_fill(), [0x47, 0x9e, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_scalar_has_one_element_and_no_dimension() {
        let file = Cdf::new(2, 0)
            .absent()
            .absent()
            .list(NC_VARIABLE, 1)
            .var("crs", &[], 2, 80)
            .data(80, b"x");
        let index = indexed(&file).unwrap();
        assert!(index.variables[0].shape.is_empty());
        assert_eq!(values(&file, "crs"), b"x");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let file = usual(5, 2);
        for len in 0..file.len() - 2 {
            let error = indexed(&file[..len].to_vec()).unwrap_err();
            assert_eq!(error.code(), Code::Truncated, "{len} bytes: {error}");
        }
    }

    #[test]
    fn any_byte_changed_gives_an_index_or_an_error() {
        for version in [1, 2, 5] {
            let file = usual(version, 2);
            for position in 0..512 {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut file = file.clone();
                    file[position] = value;
                    let source = Source::new(&file).unwrap();
                    if let Ok(index) = index(&source) {
                        for variable in &index.variables {
                            drop(decode::read(&source, variable));
                        }
                    }
                }
            }
        }
    }
}
