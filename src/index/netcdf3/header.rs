//! The `header`, read from front to back.

use std::collections::HashSet;

use bytes::Bytes;

use crate::index::source::Source;
use crate::model::error::{Code, Error, Result};

use super::external_type::NcType;

/// Bytes of the header fetched at once; as many as the source has read already.
const AHEAD: u64 = 64 * 1024;
/// Longest name, `NC_MAX_NAME` of netCDF.
const MAX_NAME: u64 = 256;

pub(super) const NC_DIMENSION: u32 = 10;
pub(super) const NC_VARIABLE: u32 = 11;
pub(super) const NC_ATTRIBUTE: u32 = 12;

/// What the header says.
pub(super) struct Header {
    /// Format: 1, 2 or 5.
    pub(super) version: u8,
    /// The number of records, or `None` for `STREAMING`.
    pub(super) numrecs: Option<u64>,
    pub(super) dim_list: Vec<Dim>,
    pub(super) gatt_list: Vec<Attr>,
    pub(super) var_list: Vec<Var>,
    /// Bytes of the header.
    pub(super) size: u64,
}

/// `dim`; the record dimension has no length of its own.
pub(super) struct Dim {
    pub(super) name: String,
    pub(super) dim_length: Option<u64>,
}

/// `attr`.
pub(super) struct Attr {
    pub(super) name: String,
    pub(super) nc_type: NcType,
    /// The elements as stored, without padding.
    pub(super) values: Bytes,
}

/// `var`. Its `vsize` is passed over: it says nothing that the dimensions do not say, and it cannot
/// hold 4 GiB.
pub(super) struct Var {
    pub(super) name: String,
    pub(super) dimids: Vec<u64>,
    pub(super) vatt_list: Vec<Attr>,
    pub(super) nc_type: NcType,
    pub(super) begin: u64,
}

impl Header {
    /// Reads the header of the file in `source`.
    pub(super) fn read(source: &Source) -> Result<Self> {
        let mut reader = Reader::new(source)?;
        Ok(Self {
            version: reader.version,
            numrecs: reader.numrecs()?,
            dim_list: reader.dim_list()?,
            gatt_list: reader.att_list()?,
            var_list: reader.var_list()?,
            size: reader.position,
        })
    }
}

/// A header, as far as it is read.
struct Reader<'a> {
    source: &'a Source<'a>,
    /// Format: 1, 2 or 5.
    version: u8,
    /// Where the next part begins.
    position: u64,
    /// Bytes already fetched from `position` on.
    ahead: Bytes,
}

impl<'a> Reader<'a> {
    /// Reads the `magic` number.
    fn new(source: &'a Source<'a>) -> Result<Self> {
        let mut reader = Self { source, version: 0, position: 0, ahead: Bytes::new() };
        match reader.array()? {
            [b'C', b'D', b'F', version @ (1 | 2 | 5)] => reader.version = version,
            [b'C', b'D', b'F', version] => {
                return Err(Error::unsupported(format!("NetCDF classic format CDF-{version}")));
            }
            _ => {
                return Err(Error::new(Code::NotNetcdf, "the file does not begin with `CDF`"));
            }
        }
        Ok(reader)
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
        // Some old writers count the padding, which libnetcdf does not show.
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        match std::str::from_utf8(name) {
            Ok("") => Err(Error::corrupt(format!("the name at byte {position} is empty"))),
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(Error::corrupt(format!("the name at byte {position} is not UTF-8"))),
        }
    }

    /// `NON_NEG`: 4 bytes, in CDF-5 8 bytes.
    fn non_neg(&mut self) -> Result<u64> {
        if self.version == 5 { self.int64() } else { self.int().map(u64::from) }
    }

    /// `OFFSET`: 4 bytes in CDF-1, else 8 bytes. It has a sign, and is not negative.
    fn offset(&mut self) -> Result<u64> {
        let (offset, most) = match self.version {
            1 => (self.int()?.into(), i32::MAX.unsigned_abs().into()),
            _ => (self.int64()?, i64::MAX.unsigned_abs()),
        };
        if offset > most {
            let version = self.version;
            return Err(Error::corrupt(format!("no data of CDF-{version} begin at byte {offset}")));
        }
        Ok(offset)
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
    use super::super::cdf::{Cdf, code, indexed, usual, values};
    use super::*;

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
                "offset with its sign set",
                dims().absent().list(NC_VARIABLE, 1).var("a", &[3], 1, 1 << 31).bytes,
            ),
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
        assert_eq!(code(&usual(5, u64::MAX / 2)), Code::Truncated);
    }

    #[test]
    fn names_are_taken_as_they_are_up_to_padding() {
        let file = |name: &str| Cdf::new(1, 0).dims(&[(name, 1)]).absent().absent().bytes;
        for name in ["e\u{301}", " a b ", "a\nb", "..", "1", &"x".repeat(256)] {
            assert_eq!(indexed(&file(name)).unwrap().dimensions[0].name, name);
        }
        let mut latin1 = file("e");
        let at = latin1.iter().position(|&byte| byte == b'e').unwrap();
        latin1[at] = 0xe9;
        assert_eq!(indexed(&file("yy\0\0")).unwrap().dimensions[0].name, "yy");
        for file in [latin1, file("\0b"), file(&"x".repeat(257))] {
            assert_eq!(code(&file), Code::Corrupt);
        }
    }

    #[test]
    fn unknown_versions_are_named() {
        let error = indexed(&b"CDF\x03".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "NetCDF classic format CDF-3 is not supported [unsupported]");
    }
}
