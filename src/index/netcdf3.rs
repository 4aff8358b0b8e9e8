//! The NetCDF classic formats: CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data).
//!
//! Names are those of the grammar in "The NetCDF Classic Format Specification", appendix B.1 of the
//! NetCDF User's Guide, and of `PnetCDF`'s "CDF-5 File Format Specification".

use std::collections::HashSet;

use bytes::Bytes;

use crate::model::array::{
    Chunk, ChunkIndex, Dimension, FileFormat, FileIndex, Fill, ReadCost, Storage, Variable, product,
};
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error, Result};

use super::source::Source;

/// Bytes of the header fetched at once; as many as the source has read already.
const AHEAD: u64 = 64 * 1024;
/// Longest name, `NC_MAX_NAME` of netCDF.
const MAX_NAME: u64 = 256;

const TRANSFER_AGAIN: &str =
    "compare size and checksum with the source and transfer the file again";

const NC_DIMENSION: u32 = 10;
const NC_VARIABLE: u32 = 11;
const NC_ATTRIBUTE: u32 = 12;

/// Indexes a file of any classic format.
pub(super) fn index(source: &Source) -> Result<FileIndex> {
    let mut header = Header::new(source)?;
    let numrecs = header.numrecs()?;
    let dim_list = header.dim_list()?;
    let gatt_list = header.att_list()?;
    let var_list = header.var_list()?;

    let vars = var_list.into_iter().map(|var| var.layout(&dim_list)).collect::<Result<Vec<_>>>()?;
    if let Some(var) = vars.iter().find(|var| var.begin < header.position) {
        let message = format!("its data begin at byte {}, within the header", var.begin);
        return Err(Error::corrupt(message).of_variable(&var.name));
    }
    let recsize = recsize(&vars)?;
    let numrecs = match numrecs {
        Some(numrecs) => numrecs,
        None => streamed_records(&vars, recsize, source.len())?,
    };
    let variables = vars
        .into_iter()
        .map(|var| {
            let name = var.name.clone();
            var.index(&dim_list, numrecs, recsize, source.len()).map_err(|e| e.of_variable(name))
        })
        .collect::<Result<_>>()?;
    Ok(FileIndex {
        format: FileFormat::Netcdf3(header.version),
        size: source.len(),
        dimensions: dim_list.into_iter().map(|dim| dim.with_records(numrecs)).collect(),
        attributes: attributes(gatt_list),
        variables,
        groups: Vec::new(),
        refused: Vec::new(),
        cost: ReadCost::default(),
    })
}

/// `nc_type`: the external types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NcType {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
    UByte,
    UShort,
    UInt,
    Int64,
    UInt64,
}

impl NcType {
    fn new(code: u32, version: u8) -> Result<Self> {
        Ok(match code {
            1 => Self::Byte,
            2 => Self::Char,
            3 => Self::Short,
            4 => Self::Int,
            5 => Self::Float,
            6 => Self::Double,
            7 if version == 5 => Self::UByte,
            8 if version == 5 => Self::UShort,
            9 if version == 5 => Self::UInt,
            10 if version == 5 => Self::Int64,
            11 if version == 5 => Self::UInt64,
            _ => {
                return Err(Error::corrupt(format!("there is no type {code} in CDF-{version}")));
            }
        })
    }

    fn dtype(self) -> DataType {
        match self {
            // Order means nothing in one byte; this is the one that other formats have.
            Self::Byte => DataType::Int(1, ByteOrder::Little),
            Self::UByte => DataType::UInt(1, ByteOrder::Little),
            Self::Char => DataType::Text(1),
            Self::Short => DataType::Int(2, ByteOrder::Big),
            Self::Int => DataType::Int(4, ByteOrder::Big),
            Self::Int64 => DataType::Int(8, ByteOrder::Big),
            Self::UShort => DataType::UInt(2, ByteOrder::Big),
            Self::UInt => DataType::UInt(4, ByteOrder::Big),
            Self::UInt64 => DataType::UInt(8, ByteOrder::Big),
            Self::Float => DataType::Float(4, ByteOrder::Big),
            Self::Double => DataType::Float(8, ByteOrder::Big),
        }
    }

    /// Bytes of one element.
    fn size(self) -> u64 {
        match self {
            Self::Byte | Self::Char | Self::UByte => 1,
            Self::Short | Self::UShort => 2,
            Self::Int | Self::Float | Self::UInt => 4,
            Self::Double | Self::Int64 | Self::UInt64 => 8,
        }
    }

    /// The fill value that netCDF takes where a variable names none: `NC_FILL_BYTE` and so on.
    fn default_fill(self) -> Vec<u8> {
        match self {
            Self::Byte => (-127i8).to_be_bytes().to_vec(),
            Self::Char => vec![0],
            Self::Short => (-32_767i16).to_be_bytes().to_vec(),
            Self::Int => (-2_147_483_647i32).to_be_bytes().to_vec(),
            Self::Float => 9.969_21e36_f32.to_be_bytes().to_vec(),
            Self::Double => 9.969_209_968_386_869e36_f64.to_be_bytes().to_vec(),
            Self::UByte => vec![255],
            Self::UShort => 65_535u16.to_be_bytes().to_vec(),
            Self::UInt => 4_294_967_295u32.to_be_bytes().to_vec(),
            Self::Int64 => (-9_223_372_036_854_775_806i64).to_be_bytes().to_vec(),
            Self::UInt64 => 18_446_744_073_709_551_614u64.to_be_bytes().to_vec(),
        }
    }

    /// The elements in `bytes` as an attribute value.
    fn attribute_value(self, bytes: &[u8]) -> AttributeValue {
        use AttributeValue::{Double, Float, Int, UInt};
        match self {
            Self::Char => AttributeValue::Text(text(bytes)),
            Self::Byte => Int(numbers(bytes, |b| i8::from_be_bytes(b).into())),
            Self::Short => Int(numbers(bytes, |b| i16::from_be_bytes(b).into())),
            Self::Int => Int(numbers(bytes, |b| i32::from_be_bytes(b).into())),
            Self::Int64 => Int(numbers(bytes, i64::from_be_bytes)),
            Self::UByte => UInt(numbers(bytes, |b| u8::from_be_bytes(b).into())),
            Self::UShort => UInt(numbers(bytes, |b| u16::from_be_bytes(b).into())),
            Self::UInt => UInt(numbers(bytes, |b| u32::from_be_bytes(b).into())),
            Self::UInt64 => UInt(numbers(bytes, u64::from_be_bytes)),
            Self::Float => Float(numbers(bytes, f32::from_be_bytes)),
            Self::Double => Double(numbers(bytes, f64::from_be_bytes)),
        }
    }
}

fn numbers<const SIZE: usize, T>(bytes: &[u8], from: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks::<SIZE>().0.iter().map(|&element| from(element)).collect()
}

/// Text as netCDF4-python shows it, without any NUL. The format prescribes UTF-8; what is not, is
/// from the days of Latin-1.
fn text(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

/// `dim`; the record dimension has no length of its own.
struct Dim {
    name: String,
    dim_length: Option<u64>,
}

impl Dim {
    fn with_records(self, numrecs: u64) -> Dimension {
        Dimension {
            name: self.name,
            size: self.dim_length.unwrap_or(numrecs),
            unlimited: self.dim_length.is_none(),
        }
    }
}

/// `attr`.
struct Attr {
    name: String,
    nc_type: NcType,
    values: Bytes,
}

fn attributes(att_list: Vec<Attr>) -> Attributes {
    att_list
        .into_iter()
        .map(|attr| (attr.name, attr.nc_type.attribute_value(&attr.values)))
        .collect()
}

/// `var`.
struct Var {
    name: String,
    dimids: Vec<u64>,
    vatt_list: Vec<Attr>,
    nc_type: NcType,
    begin: u64,
}

impl Var {
    /// Finds the dimensions in `dim_list` and from them the size of the data.
    fn layout(self, dim_list: &[Dim]) -> Result<LaidOut> {
        let Self { name, dimids, vatt_list, nc_type, begin } = self;
        let corrupt = |message: String| Err(Error::corrupt(message).of_variable(&name));
        let mut dims = Vec::new();
        for &dimid in &dimids {
            match usize::try_from(dimid).ok().filter(|&dimid| dimid < dim_list.len()) {
                Some(dimid) => dims.push(dimid),
                None => return corrupt(format!("there is no dimension {dimid}")),
            }
        }
        let is_record = |&dimid: &usize| dim_list[dimid].dim_length.is_none();
        if dims.iter().skip(1).any(is_record) {
            return corrupt("the record dimension is not its first dimension".into());
        }
        let lengths: Vec<u64> = dims.iter().filter_map(|&dim| dim_list[dim].dim_length).collect();
        let Some(size) = product(&lengths).and_then(|n| n.checked_mul(nc_type.size())) else {
            return corrupt("it has more than 2^64 bytes".into());
        };
        let record = dims.first().is_some_and(is_record);
        Ok(LaidOut { name, dims, record, size, vatt_list, nc_type, begin })
    }
}

/// A variable and the size of its data. `vsize` of the header is of no use: it says nothing that
/// the dimensions do not say, and it cannot hold 4 GiB.
struct LaidOut {
    name: String,
    /// Positions in `dim_list`.
    dims: Vec<usize>,
    /// Whether the first dimension is the record dimension.
    record: bool,
    /// Bytes without padding: of one record, or of the whole variable if it has none.
    size: u64,
    vatt_list: Vec<Attr>,
    nc_type: NcType,
    begin: u64,
}

impl LaidOut {
    fn index(
        self,
        dim_list: &[Dim],
        numrecs: u64,
        recsize: u64,
        file_size: u64,
    ) -> Result<Variable> {
        let dims = || self.dims.iter().map(|&dim| &dim_list[dim]);
        let shape: Vec<u64> = dims().map(|dim| dim.dim_length.unwrap_or(numrecs)).collect();
        let storage = if self.record {
            Storage::Chunked {
                chunk_shape: dims().map(|dim| dim.dim_length.unwrap_or(1)).collect(),
                chunks: self.records(numrecs, recsize, file_size)?,
                index: ChunkIndex::Records,
            }
        } else {
            self.end(0, 0).and_then(|end| within(end, file_size))?;
            Storage::Contiguous(Some((self.begin, self.size)))
        };
        Ok(Variable {
            dimensions: dims().map(|dim| dim.name.clone()).collect(),
            shape,
            dtype: self.nc_type.dtype(),
            fill: Fill::Value(fill_value(self.nc_type, &self.vatt_list)),
            filters: Vec::new(),
            storage,
            attributes: attributes(self.vatt_list),
            values: None,
            name: self.name,
        })
    }

    /// One chunk for each record.
    fn records(&self, numrecs: u64, recsize: u64, file_size: u64) -> Result<Vec<Chunk>> {
        let Some(last) = numrecs.checked_sub(1) else {
            return Ok(Vec::new());
        };
        // What is certain of the last record is certain of all, and bounds their number.
        self.end(last, recsize).and_then(|end| within(end, file_size))?;
        let chunk = |record| Chunk {
            index: record,
            offset: self.begin + record * recsize,
            size: self.size,
            filter_mask: 0,
        };
        Ok((0..numrecs).map(chunk).collect())
    }

    /// The byte after the variable's part of `record`.
    fn end(&self, record: u64, recsize: u64) -> Result<u64> {
        record
            .checked_mul(recsize)
            .and_then(|records| records.checked_add(self.begin)?.checked_add(self.size))
            .ok_or_else(|| Error::corrupt("its data end beyond 2^64 bytes"))
    }
}

fn within(end: u64, file_size: u64) -> Result<()> {
    if end <= file_size {
        return Ok(());
    }
    let message = format!("its data end at byte {end}, but the file ends at byte {file_size}");
    Err(Error::new(Code::Truncated, message).with_hint(TRANSFER_AGAIN))
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

/// Bytes from one record to the next: the padded sizes of all record variables. A single record
/// variable is not padded.
fn recsize(vars: &[LaidOut]) -> Result<u64> {
    let sizes: Vec<u64> = vars.iter().filter(|var| var.record).map(|var| var.size).collect();
    if let [size] = sizes[..] {
        return Ok(size);
    }
    sizes
        .iter()
        .try_fold(0u64, |sum, size| sum.checked_add(size.checked_next_multiple_of(4)?))
        .ok_or_else(|| Error::corrupt("a record has more than 2^64 bytes"))
}

/// The number of records in a file whose header says `STREAMING`: as many as there are.
fn streamed_records(vars: &[LaidOut], recsize: u64, file_size: u64) -> Result<u64> {
    let record_vars = || vars.iter().filter(|var| var.record);
    let Some(first) = record_vars().map(|var| var.begin).min() else {
        return Ok(0);
    };
    let mut numrecs = u64::MAX;
    for var in record_vars() {
        let after_first = file_size.checked_sub(var.end(0, recsize)?);
        numrecs = numrecs.min(after_first.map_or(0, |bytes| bytes / recsize + 1));
    }
    // Products stay below the file size by the choice of `numrecs`.
    if first + numrecs * recsize < file_size {
        let message = format!("the file ends within record {numrecs}, counted from 0");
        return Err(Error::new(Code::Truncated, message).with_hint(TRANSFER_AGAIN));
    }
    Ok(numrecs)
}

/// The header of a file, read from front to back.
struct Header<'a> {
    source: &'a Source<'a>,
    /// Format: 1, 2 or 5.
    version: u8,
    /// Where the next part begins.
    position: u64,
    /// Bytes already fetched from `position` on.
    ahead: Bytes,
}

impl<'a> Header<'a> {
    /// Reads the `magic` number.
    fn new(source: &'a Source<'a>) -> Result<Self> {
        let mut header = Self { source, version: 0, position: 0, ahead: Bytes::new() };
        match header.array()? {
            [b'C', b'D', b'F', version @ (1 | 2 | 5)] => header.version = version,
            [b'C', b'D', b'F', version] => {
                return Err(Error::unsupported(format!("NetCDF classic format CDF-{version}")));
            }
            _ => {
                return Err(Error::new(Code::NotNetcdf, "the file does not begin with `CDF`"));
            }
        }
        Ok(header)
    }

    /// `numrecs`: the number of records, or `None` for `STREAMING`.
    fn numrecs(&mut self) -> Result<Option<u64>> {
        let numrecs = self.non_neg()?;
        let streaming = if self.version == 5 { u64::MAX } else { u32::MAX.into() };
        Ok((numrecs != streaming).then_some(numrecs))
    }

    /// `dim_list`.
    fn dim_list(&mut self) -> Result<Vec<Dim>> {
        let dim_list = self.list(NC_DIMENSION, "dimension", Self::dim, |dim| &dim.name)?;
        if dim_list.iter().filter(|dim| dim.dim_length.is_none()).count() > 1 {
            return Err(Error::corrupt("the file has two record dimensions"));
        }
        Ok(dim_list)
    }

    fn dim(&mut self) -> Result<Dim> {
        let name = self.name()?;
        let dim_length = self.non_neg()?;
        Ok(Dim { name, dim_length: (dim_length > 0).then_some(dim_length) })
    }

    /// `att_list`, of the file or of a variable.
    fn att_list(&mut self) -> Result<Vec<Attr>> {
        self.list(NC_ATTRIBUTE, "attribute", Self::attr, |attr| &attr.name)
    }

    fn attr(&mut self) -> Result<Attr> {
        let name = self.name()?;
        let nc_type = self.nc_type()?;
        let nelems = self.non_neg()?;
        let Some(size) = nelems.checked_mul(nc_type.size()) else {
            let message = format!("attribute `{}` has {nelems} elements", name.escape_debug());
            return Err(Error::corrupt(message));
        };
        Ok(Attr { name, nc_type, values: self.padded(size)? })
    }

    /// `var_list`.
    fn var_list(&mut self) -> Result<Vec<Var>> {
        self.list(NC_VARIABLE, "variable", Self::var, |var| &var.name)
    }

    fn var(&mut self) -> Result<Var> {
        let name = self.name()?;
        self.rest_of_var(name.clone()).map_err(|error| error.of_variable(name))
    }

    fn rest_of_var(&mut self, name: String) -> Result<Var> {
        let rank = self.non_neg()?;
        // Each reads from the file, which bounds them.
        let dimids = (0..rank).map(|_| self.non_neg()).collect::<Result<_>>()?;
        let vatt_list = self.att_list()?;
        let nc_type = self.nc_type()?;
        let _vsize = self.non_neg()?;
        let begin = self.offset()?;
        Ok(Var { name, dimids, vatt_list, nc_type, begin })
    }

    /// `ABSENT`, or `tag` and a list of what `element` reads. Names must differ.
    fn list<T>(
        &mut self,
        tag: u32,
        what: &str,
        element: impl Fn(&mut Self) -> Result<T>,
        name: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>> {
        let found = self.int()?;
        let nelems = self.non_neg()?;
        if found != tag && (found, nelems) != (0, 0) {
            let message = format!("a list of {what}s begins with tag {found} instead of {tag}");
            return Err(Error::corrupt(message));
        }
        // Each reads from the file, which bounds them.
        let list = (0..nelems).map(|_| element(self)).collect::<Result<Vec<T>>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = list.iter().map(name).find(|&name| !names.insert(name)) {
            let message = format!("{what} `{}` is there twice", twice.escape_debug());
            return Err(Error::corrupt(message));
        }
        Ok(list)
    }

    fn nc_type(&mut self) -> Result<NcType> {
        NcType::new(self.int()?, self.version)
    }

    /// `name`: counted and padded.
    fn name(&mut self) -> Result<String> {
        let position = self.position;
        let nelems = self.non_neg()?;
        if nelems == 0 || nelems > MAX_NAME {
            let message = format!(
                "the name at byte {position} has {nelems} bytes instead of 1 to {MAX_NAME}"
            );
            return Err(Error::corrupt(message));
        }
        let name = self.padded(nelems)?;
        let name = std::str::from_utf8(&name)
            .map_err(|_| Error::corrupt(format!("the name at byte {position} is not UTF-8")))?;
        Ok(name.to_owned())
    }

    /// `NON_NEG`: 4 bytes, in CDF-5 8 bytes.
    fn non_neg(&mut self) -> Result<u64> {
        if self.version == 5 { self.int64() } else { self.int().map(u64::from) }
    }

    /// `OFFSET`: 4 bytes in CDF-1, else 8 bytes.
    fn offset(&mut self) -> Result<u64> {
        if self.version == 1 { self.int().map(u64::from) } else { self.int64() }
    }

    fn int(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn int64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// `len` bytes and the padding to a multiple of four.
    fn padded(&mut self, len: u64) -> Result<Bytes> {
        let bytes = self.take(len)?;
        self.take(len.wrapping_neg() % 4)?;
        Ok(bytes)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        let bytes = self.take(SIZE as u64)?;
        bytes.first_chunk().copied().ok_or_else(|| Error::corrupt("the header is incomplete"))
    }

    /// The next `len` bytes.
    fn take(&mut self, len: u64) -> Result<Bytes> {
        if len > self.ahead.len() as u64 {
            // Where the file ends before `len` bytes, this fails.
            let left = self.source.len().saturating_sub(self.position);
            self.ahead = self.source.bytes(self.position, len.max(left.min(AHEAD)))?;
        }
        self.position += len;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.ahead.len());
        Ok(self.ahead.split_to(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::decode;
    use crate::model::array::Values;

    /// Writes headers in the order of the grammar.
    struct Cdf {
        bytes: Vec<u8>,
        version: u8,
    }

    impl Cdf {
        fn new(version: u8, numrecs: u64) -> Self {
            Self { bytes: vec![b'C', b'D', b'F', version], version }.non_neg(numrecs)
        }

        fn int(mut self, value: u32) -> Self {
            self.bytes.extend(value.to_be_bytes());
            self
        }

        fn non_neg(mut self, value: u64) -> Self {
            let skip = if self.version == 5 { 0 } else { 4 };
            self.bytes.extend(&value.to_be_bytes()[skip..]);
            self
        }

        fn offset(mut self, value: u64) -> Self {
            let skip = if self.version == 1 { 4 } else { 0 };
            self.bytes.extend(&value.to_be_bytes()[skip..]);
            self
        }

        fn list(self, tag: u32, nelems: u64) -> Self {
            self.int(tag).non_neg(nelems)
        }

        fn absent(self) -> Self {
            self.list(0, 0)
        }

        fn padded(mut self, bytes: &[u8]) -> Self {
            self.bytes.extend(bytes);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
            self
        }

        fn name(self, name: &str) -> Self {
            self.non_neg(name.len() as u64).padded(name.as_bytes())
        }

        fn dims(self, dims: &[(&str, u64)]) -> Self {
            let header = self.list(NC_DIMENSION, dims.len() as u64);
            dims.iter().fold(header, |header, &(name, length)| header.name(name).non_neg(length))
        }

        fn attr(self, name: &str, nc_type: u32, nelems: u64, values: &[u8]) -> Self {
            self.name(name).int(nc_type).non_neg(nelems).padded(values)
        }

        /// A variable without attributes and a `vsize` that nobody believes.
        fn var(self, name: &str, dimids: &[u64], nc_type: u32, begin: u64) -> Self {
            let var = self.name(name).non_neg(dimids.len() as u64);
            let var = dimids.iter().fold(var, |var, &dimid| var.non_neg(dimid));
            var.absent().int(nc_type).non_neg(4).offset(begin)
        }

        /// Fills up to `begin` and adds the data.
        fn data(mut self, begin: usize, data: &[u8]) -> Vec<u8> {
            assert!(self.bytes.len() <= begin, "the header has {} bytes", self.bytes.len());
            self.bytes.resize(begin, 0);
            self.bytes.extend(data);
            self.bytes
        }
    }

    fn indexed(file: &Vec<u8>) -> Result<FileIndex> {
        index(&Source::new(file).unwrap())
    }

    fn values(file: &Vec<u8>, name: &str) -> Vec<u8> {
        let source = Source::new(file).unwrap();
        let index = index(&source).unwrap();
        match decode::read(&source, index.variable(name).unwrap()).unwrap() {
            Values::Bytes(bytes) => bytes,
            Values::Strings(_) => panic!("strings in a classic file"),
        }
    }

    fn code(file: &Vec<u8>) -> Code {
        indexed(file).unwrap_err().code()
    }

    /// Times 1.5 and 2.5, three shorts of each time, and a fixed `lat`.
    fn usual(version: u8, numrecs: u64) -> Vec<u8> {
        let mut data = Vec::new();
        data.extend([10i32, 20, 30].map(i32::to_be_bytes).as_flattened());
        for record in [1i16, 2] {
            data.extend((f64::from(record) + 0.5).to_be_bytes());
            data.extend([record, -record, 7].map(i16::to_be_bytes).as_flattened());
            data.extend([0, 0]);
        }
        Cdf::new(version, numrecs)
            .dims(&[("time", 0), ("lat", 3)])
            .list(NC_ATTRIBUTE, 1)
            .attr("title", 2, 5, b"small")
            .list(NC_VARIABLE, 3)
            .var("time", &[0], 6, 524)
            .var("tas", &[0, 1], 3, 532)
            .var("lat", &[1], 4, 512)
            .data(512, &data)
    }

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
            let chunk = |index, offset| Chunk { index, offset, size: 6, filter_mask: 0 };
            assert_eq!(
                tas.storage,
                Storage::Chunked {
                    chunk_shape: vec![1, 3],
                    chunks: vec![chunk(0, 532), chunk(1, 548)],
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

    #[test]
    fn attributes_of_every_type() {
        let header = Cdf::new(5, 0)
            .absent()
            .list(NC_ATTRIBUTE, 16)
            .attr("byte", 1, 3, &[1, 0xff, 3])
            .attr("char", 2, 4, b"ab\0\0")
            .attr("short", 3, 1, &(-2i16).to_be_bytes())
            .attr("int", 4, 1, &(-3i32).to_be_bytes())
            .attr("float", 5, 1, &1.5f32.to_be_bytes())
            .attr("double", 6, 2, [0.5f64, -0.0].map(f64::to_be_bytes).as_flattened())
            .attr("ubyte", 7, 1, &[200])
            .attr("ushort", 8, 1, &[0xff, 0xff])
            .attr("uint", 9, 1, &[0xff; 4])
            .attr("int64", 10, 1, &i64::MIN.to_be_bytes())
            .attr("uint64", 11, 1, &[0xff; 8])
            .attr("utf8", 2, 3, "é!".as_bytes())
            .attr("latin1", 2, 2, b"\xe9!")
            .attr("within", 2, 3, b"a\0b")
            .attr("empty", 2, 0, b"")
            .attr("none", 5, 0, b"")
            .absent();
        let attributes = indexed(&header.bytes).unwrap().attributes;
        let text = |text: &str| AttributeValue::Text(text.into());
        let expected = [
            ("byte", AttributeValue::Int(vec![1, -1, 3])),
            ("char", text("ab")),
            ("short", AttributeValue::Int(vec![-2])),
            ("int", AttributeValue::Int(vec![-3])),
            ("float", AttributeValue::Float(vec![1.5])),
            ("double", AttributeValue::Double(vec![0.5, -0.0])),
            ("ubyte", AttributeValue::UInt(vec![200])),
            ("ushort", AttributeValue::UInt(vec![65_535])),
            ("uint", AttributeValue::UInt(vec![u32::MAX.into()])),
            ("int64", AttributeValue::Int(vec![i64::MIN])),
            ("uint64", AttributeValue::UInt(vec![u64::MAX])),
            ("utf8", text("é!")),
            ("latin1", text("é!")),
            ("within", text("ab")),
            ("empty", text("")),
            ("none", AttributeValue::Float(Vec::new())),
        ];
        assert_eq!(attributes.iter().count(), expected.len());
        for ((name, value), (expected_name, expected)) in attributes.iter().zip(&expected) {
            assert_eq!(name, *expected_name);
            assert!(value.same(expected), "{name}: {value:?}");
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
    fn a_header_of_any_length_is_read() {
        let history = vec![b'h'; 300_000];
        let file = Cdf::new(1, 0)
            .dims(&[("x", 2)])
            .list(NC_ATTRIBUTE, 2)
            .attr("history", 2, 300_000, &history)
            .attr("title", 2, 4, b"last")
            .list(NC_VARIABLE, 1)
            .var("a", &[0], 3, 300_200)
            .data(300_200, &[0, 1, 0, 2]);
        let index = indexed(&file).unwrap();
        assert_eq!(index.attributes.text("history").map(str::len), Some(300_000));
        assert_eq!(index.attributes.text("title"), Some("last"));
        assert_eq!(values(&file, "a"), [1, 0, 2, 0]);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let file = usual(5, 2);
        for len in 0..file.len() - 2 {
            let error = indexed(&file[..len].to_vec()).unwrap_err();
            assert_eq!(error.code(), Code::Truncated, "{len} bytes: {error}");
        }
        let error = indexed(&file[..file.len() - 3].to_vec()).unwrap_err();
        assert_eq!(error.variable(), Some("tas"));
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

    #[test]
    fn headers_that_contradict_themselves_are_corrupt() {
        let header = || Cdf::new(1, 1);
        let dims = || header().dims(&[("time", 0), ("x", 1 << 31), ("y", 1 << 31), ("z", 4)]);
        let var = |dimids: &[u64]| {
            dims().absent().list(NC_VARIABLE, 1).var("a", dimids, 6, 512).data(512, &[0; 64])
        };
        let corrupt = [
            ("tag", header().list(NC_VARIABLE, 1).data(64, b"")),
            ("count without tag", header().list(0, 1).data(64, b"")),
            ("two record dimensions", header().dims(&[("a", 0), ("b", 0)]).data(64, b"")),
            ("dimension twice", header().dims(&[("a", 1), ("a", 2)]).data(64, b"")),
            ("name without bytes", header().dims(&[("", 1)]).data(64, b"")),
            ("name too long", header().list(NC_DIMENSION, 1).non_neg(257).data(512, b"")),
            ("no such type", header().absent().list(NC_ATTRIBUTE, 1).attr("a", 7, 0, b"").bytes),
            ("record dimension behind", var(&[3, 0])),
            ("dimension unknown", var(&[4])),
            ("2^65 bytes", var(&[1, 2])),
            (
                "variable twice",
                dims()
                    .absent()
                    .list(NC_VARIABLE, 2)
                    .var("a", &[3], 1, 512)
                    .var("a", &[3], 1, 516)
                    .data(512, &[0; 64]),
            ),
            (
                "data within the header",
                dims().absent().list(NC_VARIABLE, 1).var("a", &[3], 1, 8).data(512, &[0; 64]),
            ),
        ];
        for (what, file) in corrupt {
            assert_eq!(code(&file), Code::Corrupt, "{what}");
        }
    }

    #[test]
    fn counts_beyond_the_file_are_truncation_and_allocate_nothing() {
        for version in [1, 5] {
            let huge = if version == 5 { u64::MAX - 7 } else { u64::from(u32::MAX) - 7 };
            let header = || Cdf::new(version, 0);
            for file in [
                header().list(NC_DIMENSION, huge).name("x").non_neg(1).bytes,
                header().absent().list(NC_ATTRIBUTE, huge).attr("a", 2, 1, b"x").bytes,
                header().absent().list(NC_ATTRIBUTE, 1).attr("a", 2, huge, b"x").bytes,
                header().absent().absent().list(NC_VARIABLE, 1).name("a").non_neg(huge).bytes,
                usual(version, huge / 64),
            ] {
                assert_eq!(code(&file), Code::Truncated);
            }
        }
        let elements = Cdf::new(5, 0).absent().list(NC_ATTRIBUTE, 1).attr("a", 6, 1 << 62, b"");
        assert_eq!(code(&elements.bytes), Code::Corrupt);
        assert_eq!(code(&usual(5, u64::MAX / 2)), Code::Corrupt);
    }

    #[test]
    fn unknown_versions_are_named() {
        let error = indexed(&b"CDF\x03".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "NetCDF classic format CDF-3 is not supported [unsupported]");
    }
}
