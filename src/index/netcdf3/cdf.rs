//! Files for tests, written from scratch.

use crate::index::decode;
use crate::index::source::Source;
use crate::model::array::{FileIndex, Values};
use crate::model::error::{Code, Result};

use super::header::{NC_ATTRIBUTE, NC_DIMENSION, NC_VARIABLE};

/// Writes headers in the order of the grammar.
pub(super) struct Cdf {
    pub(super) bytes: Vec<u8>,
    version: u8,
}

impl Cdf {
    pub(super) fn new(version: u8, numrecs: u64) -> Self {
        Self { bytes: vec![b'C', b'D', b'F', version], version }.non_neg(numrecs)
    }

    pub(super) fn int(mut self, value: u32) -> Self {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    pub(super) fn non_neg(mut self, value: u64) -> Self {
        let skip = if self.version == 5 { 0 } else { 4 };
        self.bytes.extend(&value.to_be_bytes()[skip..]);
        self
    }

    pub(super) fn offset(mut self, value: u64) -> Self {
        let skip = if self.version == 1 { 4 } else { 0 };
        self.bytes.extend(&value.to_be_bytes()[skip..]);
        self
    }

    pub(super) fn list(self, tag: u32, nelems: u64) -> Self {
        self.int(tag).non_neg(nelems)
    }

    pub(super) fn absent(self) -> Self {
        self.list(0, 0)
    }

    pub(super) fn padded(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn name(self, name: &str) -> Self {
        self.non_neg(name.len() as u64).padded(name.as_bytes())
    }

    pub(super) fn dims(self, dims: &[(&str, u64)]) -> Self {
        let header = self.list(NC_DIMENSION, dims.len() as u64);
        dims.iter().fold(header, |header, &(name, length)| header.name(name).non_neg(length))
    }

    pub(super) fn attr(self, name: &str, nc_type: u32, nelems: u64, values: &[u8]) -> Self {
        self.name(name).int(nc_type).non_neg(nelems).padded(values)
    }

    /// A variable without attributes and a `vsize` that nobody believes.
    pub(super) fn var(self, name: &str, dimids: &[u64], nc_type: u32, begin: u64) -> Self {
        let var = self.name(name).non_neg(dimids.len() as u64);
        let var = dimids.iter().fold(var, |var, &dimid| var.non_neg(dimid));
        var.absent().int(nc_type).non_neg(4).offset(begin)
    }

    /// Fills up to `begin` and adds the data.
    pub(super) fn data(mut self, begin: usize, data: &[u8]) -> Vec<u8> {
        assert!(self.bytes.len() <= begin, "the header has {} bytes", self.bytes.len());
        self.bytes.resize(begin, 0);
        self.bytes.extend(data);
        self.bytes
    }
}

/// Times 1.5 and 2.5, three shorts of each time, and a fixed `lat`.
pub(super) fn usual(version: u8, numrecs: u64) -> Vec<u8> {
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

pub(super) fn indexed(file: &Vec<u8>) -> Result<FileIndex> {
    super::index(&Source::new(file).unwrap())
}

pub(super) fn values(file: &Vec<u8>, name: &str) -> Vec<u8> {
    let source = Source::new(file).unwrap();
    let index = super::index(&source).unwrap();
    match decode::read(&source, index.variable(name).unwrap()).unwrap() {
        Values::Bytes(bytes) => bytes,
        Values::Strings(_) => panic!("strings in a classic file"),
    }
}

pub(super) fn code(file: &Vec<u8>) -> Code {
    indexed(file).unwrap_err().code()
}
