//! The index and the decoded elements compared with what libnetcdf reads: dimensions, attributes,
//! shapes, fill values, and every element bit for bit.
//!
//! Files are made here with libnetcdf, or taken from below `VZARR_SAMPLE_DATA` (default
//! `../shared/data`, seen from the checkout).

#![cfg(feature = "netcdf")]
#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use netcdf::NcTypeDescriptor;
use netcdf::types::{FloatType, IntType, NcVariableType};
use netcdf::{FileMut, Options};
use tempfile::TempDir;
use vzarr_publish::index::{index_file, read_values};
use vzarr_publish::model::array::{FileIndex, Fill, Values, Variable};
use vzarr_publish::model::attribute::{AttributeValue, Attributes};
use vzarr_publish::model::dtype::DataType;
use vzarr_publish::model::error::Code;

/// Variables of more bytes are compared in all but their elements.
const MOST: u64 = 64 * 1024 * 1024;

// ---- libnetcdf -------------------------------------------------------------------------------

/// Does `work` on the one thread that uses libnetcdf: HDF5 keeps silent about its errors only on
/// the thread that it was first called from.
fn with_libnetcdf<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    type Work = Box<dyn FnOnce() + Send>;
    static THREAD: LazyLock<Sender<Work>> = LazyLock::new(|| {
        let (sender, receiver) = channel::<Work>();
        thread::spawn(move || receiver.into_iter().for_each(|work| work()));
        sender
    });
    let (sender, receiver) = channel();
    let work = move || sender.send(catch_unwind(AssertUnwindSafe(work))).unwrap();
    THREAD.send(Box::new(work)).unwrap();
    receiver.recv().unwrap().unwrap_or_else(|panic| resume_unwind(panic))
}

// ---- comparing -------------------------------------------------------------------------------

/// What differs between our reading of a file and that of libnetcdf.
struct Differences {
    file: PathBuf,
    found: Vec<String>,
}

impl Differences {
    /// Compares the file at `path`, which both can read.
    fn of(path: &Path) -> Self {
        let mut differences = Self { file: path.to_owned(), found: Vec::new() };
        match (index_file(path), netcdf::open(path)) {
            (Ok(index), Ok(file)) => differences.compare(&index, &file),
            (ours, theirs) => {
                let (ours, theirs) = (ours.err(), theirs.err());
                differences.found.push(format!("unreadable: {ours:?}, libnetcdf: {theirs:?}"));
            }
        }
        differences
    }

    fn assert_none(&self) {
        assert!(self.found.is_empty(), "{}: {:#?}", self.file.display(), self.found);
    }

    fn expect_equal<T: PartialEq + Debug>(&mut self, what: &str, ours: &T, theirs: &T) {
        if ours != theirs {
            self.found.push(format!("{what}: {ours:?}, libnetcdf: {theirs:?}"));
        }
    }

    fn compare(&mut self, index: &FileIndex, file: &netcdf::File) {
        let dimension = |dimension: netcdf::Dimension| {
            (dimension.name(), dimension.len() as u64, dimension.is_unlimited())
        };
        self.expect_equal(
            "dimensions",
            &index.dimensions.iter().map(|d| (d.name.clone(), d.size, d.unlimited)).collect(),
            &file.dimensions().map(dimension).collect::<Vec<_>>(),
        );
        self.attributes("the file", &index.attributes, file.attributes());
        self.expect_equal(
            "variables",
            &index.variables.iter().map(|variable| variable.name.clone()).collect(),
            &file.variables().map(|variable| variable.name()).collect::<Vec<_>>(),
        );
        for ours in &index.variables {
            if let Some(theirs) = file.variable(&ours.name) {
                self.variable(ours, &theirs);
            }
        }
    }

    fn attributes<'a>(
        &mut self,
        owner: &str,
        ours: &Attributes,
        theirs: impl Iterator<Item = netcdf::Attribute<'a>>,
    ) {
        let theirs: Vec<_> = theirs.collect();
        self.expect_equal(
            &format!("attributes of {owner}"),
            &ours.iter().map(|(name, _)| name).collect(),
            &theirs.iter().map(netcdf::Attribute::name).collect::<Vec<_>>(),
        );
        for theirs in theirs {
            let what = format!("attribute `{}` of {owner}", theirs.name());
            match (ours.get(theirs.name()), theirs.value()) {
                (Some(ours), Ok(theirs)) => {
                    let theirs = attribute_value(theirs);
                    if !ours.same(&theirs) {
                        self.found.push(format!("{what}: {ours:?}, libnetcdf: {theirs:?}"));
                    }
                }
                (ours, theirs) => {
                    self.found.push(format!("{what}: {ours:?}, libnetcdf: {theirs:?}"));
                }
            }
        }
    }

    fn variable(&mut self, ours: &Variable, theirs: &netcdf::Variable) {
        let name = &ours.name;
        self.expect_equal(
            &format!("dimensions of `{name}`"),
            &ours.dimensions,
            &theirs.dimensions().iter().map(netcdf::Dimension::name).collect(),
        );
        self.expect_equal(
            &format!("shape of `{name}`"),
            &ours.shape,
            &theirs.dimensions().iter().map(|dimension| dimension.len() as u64).collect(),
        );
        self.expect_equal(
            &format!("type of `{name}`"),
            &type_of(ours.dtype),
            &Some(theirs.vartype()),
        );
        if let (Fill::Value(ours_bytes), Some(theirs)) = (&ours.fill, fill_value(theirs)) {
            let mut bytes = ours_bytes.clone();
            if ours.dtype != ours.dtype.to_little_endian() {
                bytes.reverse();
            }
            self.expect_equal(&format!("fill value of `{name}`"), &bytes, &theirs);
        }
        self.attributes(&format!("`{name}`"), &ours.attributes, theirs.attributes());
        self.elements(ours, theirs);
    }

    fn elements(&mut self, ours: &Variable, theirs: &netcdf::Variable) {
        let name = &ours.name;
        let size = ours.dtype.size().unwrap_or(16);
        if ours.len().and_then(|len| len.checked_mul(size)).is_none_or(|size| size > MOST) {
            return;
        }
        let read = match read_values(&self.file, ours) {
            Ok(read) => read,
            // What libnetcdf returns there is chance.
            Err(error) if error.code() == Code::FillUndefined => return,
            Err(error) => return self.found.push(format!("elements of `{name}`: {error}")),
        };
        if ours.values.as_ref().is_some_and(|kept| *kept != read) {
            self.found.push(format!("elements of `{name}`: those kept differ from those read"));
        }
        let theirs = if ours.is_empty() { Ok(empty(ours.dtype)) } else { elements(theirs) };
        match (read, theirs) {
            (Values::Bytes(ours), Ok(Values::Bytes(theirs))) => {
                if ours.len() != theirs.len() {
                    let lens = (ours.len(), theirs.len());
                    self.found.push(format!("elements of `{name}`: {lens:?} bytes"));
                } else if let Some(at) = (0..ours.len()).find(|&i| ours[i] != theirs[i]) {
                    let wrong = (0..ours.len()).filter(|&i| ours[i] != theirs[i]).count();
                    self.found.push(format!(
                        "elements of `{name}`: {wrong} of {} bytes differ, first byte {at}",
                        ours.len()
                    ));
                }
            }
            (ours, Ok(theirs)) => {
                self.expect_equal(&format!("elements of `{name}`"), &ours, &theirs);
            }
            (_, Err(error)) => self.found.push(format!("elements of `{name}`: libnetcdf: {error}")),
        }
    }
}

fn empty(dtype: DataType) -> Values {
    match dtype {
        DataType::String => Values::Strings(Vec::new()),
        _ => Values::Bytes(Vec::new()),
    }
}

#[cfg(target_endian = "big")]
compile_error!(
    "libnetcdf returns numbers in the order of the machine, which must be little-endian"
);

/// All elements as libnetcdf reads them, in the order of the machine.
fn elements(variable: &netcdf::Variable) -> netcdf::Result<Values> {
    if variable.vartype() != NcVariableType::String {
        return variable.get_raw_values(..).map(Values::Bytes);
    }
    let shape: Vec<usize> = variable.dimensions().iter().map(netcdf::Dimension::len).collect();
    let strings = (0..variable.len()).map(|number| {
        let mut left = number;
        let mut place = vec![0; shape.len()];
        for (place, len) in place.iter_mut().zip(&shape).rev() {
            *place = left % len;
            left /= len;
        }
        variable.get_string(place.as_slice())
    });
    strings.collect::<netcdf::Result<_>>().map(Values::Strings)
}

fn fill_value(variable: &netcdf::Variable) -> Option<Vec<u8>> {
    macro_rules! bytes {
        ($type:ty) => {
            variable.fill_value::<$type>().ok().flatten().map(|value| value.to_le_bytes().to_vec())
        };
    }
    match variable.vartype() {
        NcVariableType::Int(IntType::I8) => bytes!(i8),
        NcVariableType::Int(IntType::I16) => bytes!(i16),
        NcVariableType::Int(IntType::I32) => bytes!(i32),
        NcVariableType::Int(IntType::I64) => bytes!(i64),
        NcVariableType::Int(IntType::U8) => bytes!(u8),
        NcVariableType::Int(IntType::U16) => bytes!(u16),
        NcVariableType::Int(IntType::U32) => bytes!(u32),
        NcVariableType::Int(IntType::U64) => bytes!(u64),
        NcVariableType::Float(FloatType::F32) => bytes!(f32),
        NcVariableType::Float(FloatType::F64) => bytes!(f64),
        _ => None,
    }
}

/// The netCDF type of elements; there is none for 16-bit floats and longer text.
fn type_of(dtype: DataType) -> Option<NcVariableType> {
    Some(match dtype {
        DataType::Int(1, _) => NcVariableType::Int(IntType::I8),
        DataType::Int(2, _) => NcVariableType::Int(IntType::I16),
        DataType::Int(4, _) => NcVariableType::Int(IntType::I32),
        DataType::Int(8, _) => NcVariableType::Int(IntType::I64),
        DataType::UInt(1, _) => NcVariableType::Int(IntType::U8),
        DataType::UInt(2, _) => NcVariableType::Int(IntType::U16),
        DataType::UInt(4, _) => NcVariableType::Int(IntType::U32),
        DataType::UInt(8, _) => NcVariableType::Int(IntType::U64),
        DataType::Float(4, _) => NcVariableType::Float(FloatType::F32),
        DataType::Float(8, _) => NcVariableType::Float(FloatType::F64),
        DataType::Text(1) => NcVariableType::Char,
        DataType::String => NcVariableType::String,
        _ => return None,
    })
}

fn attribute_value(value: netcdf::AttributeValue) -> AttributeValue {
    use netcdf::AttributeValue as Nc;
    fn int<T: Into<i64>>(values: Vec<T>) -> AttributeValue {
        AttributeValue::Int(values.into_iter().map(Into::into).collect())
    }
    fn uint<T: Into<u64>>(values: Vec<T>) -> AttributeValue {
        AttributeValue::UInt(values.into_iter().map(Into::into).collect())
    }
    match value {
        Nc::Schar(value) => int(vec![value]),
        Nc::Schars(values) => int(values),
        Nc::Short(value) => int(vec![value]),
        Nc::Shorts(values) => int(values),
        Nc::Int(value) => int(vec![value]),
        Nc::Ints(values) => int(values),
        Nc::Longlong(value) => int(vec![value]),
        Nc::Longlongs(values) => int(values),
        Nc::Uchar(value) => uint(vec![value]),
        Nc::Uchars(values) => uint(values),
        Nc::Ushort(value) => uint(vec![value]),
        Nc::Ushorts(values) => uint(values),
        Nc::Uint(value) => uint(vec![value]),
        Nc::Uints(values) => uint(values),
        Nc::Ulonglong(value) => uint(vec![value]),
        Nc::Ulonglongs(values) => uint(values),
        Nc::Float(value) => AttributeValue::Float(vec![value]),
        Nc::Floats(values) => AttributeValue::Float(values),
        Nc::Double(value) => AttributeValue::Double(vec![value]),
        Nc::Doubles(values) => AttributeValue::Double(values),
        Nc::Str(text) => AttributeValue::Text(text),
        Nc::Strs(texts) => AttributeValue::Strings(texts),
    }
}

// ---- files made here -------------------------------------------------------------------------

/// Compares a file that `write` makes in `format`.
fn check(format: Format, write: impl FnOnce(&mut FileMut) -> netcdf::Result<()> + Send + 'static) {
    with_libnetcdf(move || {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("file.nc");
        let mut file = netcdf::create_with(&path, format.options()).unwrap();
        write(&mut file).unwrap();
        file.close().unwrap();
        Differences::of(&path).assert_none();
    });
}

/// The formats that libnetcdf writes.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Cdf1,
    Cdf2,
    Cdf5,
    Netcdf4,
    Netcdf4Classic,
}

use Format::{Cdf1, Cdf2, Cdf5, Netcdf4, Netcdf4Classic};

impl Format {
    const ALL: [Self; 5] = [Cdf1, Cdf2, Cdf5, Netcdf4, Netcdf4Classic];

    fn options(self) -> Options {
        match self {
            Cdf1 => Options::empty(),
            Cdf2 => Options::_64BIT_OFFSET,
            Cdf5 => Options::_64BIT_DATA,
            Netcdf4 => Options::NETCDF4,
            Netcdf4Classic => Options::NETCDF4 | Options::CLASSIC,
        }
    }
}

/// Numbers that use all their bytes, the same in every run.
fn noise(len: usize) -> impl Iterator<Item = u64> {
    let mut state = 1u64;
    (0..len).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state ^ (state >> 33)
    })
}

fn floats(len: usize) -> Vec<f32> {
    noise(len).map(|n| f32::from_bits(u32::try_from(n >> 32).unwrap() & 0xbfff_ffff)).collect()
}

fn shorts(len: usize) -> Vec<i16> {
    noise(len).map(|n| i16::from_ne_bytes([n.to_ne_bytes()[0], n.to_ne_bytes()[5]])).collect()
}

fn bytes(len: usize) -> Vec<i8> {
    noise(len).map(|n| i8::from_ne_bytes([n.to_ne_bytes()[4]])).collect()
}

/// What a CMIP file looks like: time, bounds, data, fixed coordinates, a scalar.
fn cmip_like(file: &mut FileMut, steps: usize) -> netcdf::Result<()> {
    file.add_attribute("Conventions", "CF-1.7")?;
    file.add_attribute("title", "Grüße aus dem Modell")?;
    file.add_unlimited_dimension("time")?;
    file.add_dimension("bnds", 2)?;
    file.add_dimension("lat", 5)?;
    file.add_dimension("lon", 7)?;
    file.add_variable::<f64>("height", &[])?.put_attribute("units", "m")?;
    file.add_variable::<f64>("lat", &["lat"])?;
    file.add_variable::<f64>("lon", &["lon"])?;
    let mut time = file.add_variable::<f64>("time", &["time"])?;
    time.put_attribute("units", "days since 1850-01-01")?;
    time.put_attribute("bounds", "time_bnds")?;
    file.add_variable::<f64>("time_bnds", &["time", "bnds"])?;
    let mut tas = file.add_variable::<f32>("tas", &["time", "lat", "lon"])?;
    tas.put_attribute("_FillValue", 1e20f32)?;
    tas.put_attribute("missing_value", 1e20f32)?;
    file.enddef()?;

    put(file, "height", &[2.0], ())?;
    put(file, "lat", &[-60.0, -30.0, 0.0, 30.0, 60.0], ..)?;
    put(file, "lon", &[0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0], ..)?;
    for (step, data) in floats(steps * 35).chunks(35).enumerate() {
        let day = f64::from(u32::try_from(step).unwrap());
        put(file, "time", &[day + 0.5], step)?;
        put(file, "time_bnds", &[day, day + 1.0], (step, ..))?;
        put(file, "tas", data, (step, .., ..))?;
    }
    Ok(())
}

fn put<T: NcTypeDescriptor, E>(
    file: &mut FileMut,
    variable: &str,
    values: &[T],
    extents: E,
) -> netcdf::Result<()>
where
    E: TryInto<netcdf::Extents>,
    E::Error: Into<netcdf::Error>,
{
    file.variable_mut(variable).unwrap().put_values(values, extents)
}

#[test]
fn files_like_those_of_cmip_in_every_format() {
    for format in Format::ALL {
        for steps in [0, 1, 12] {
            check(format, move |file| cmip_like(file, steps));
        }
    }
}

#[test]
fn padding_of_record_variables() {
    for format in [Cdf1, Cdf2, Cdf5] {
        check(format, |file| {
            file.add_unlimited_dimension("time")?;
            file.add_dimension("x", 3)?;
            file.add_variable::<i8>("alone", &["time", "x"])?;
            file.enddef()?;
            put(file, "alone", &bytes(15), (0..5, ..))
        });
        check(format, |file| {
            file.add_unlimited_dimension("time")?;
            file.add_dimension("x", 3)?;
            file.add_variable::<i8>("a", &["time", "x"])?;
            file.add_variable::<i16>("fixed", &["x"])?;
            file.add_variable::<i8>("b", &["time"])?;
            file.add_variable::<i16>("c", &["time", "x"])?;
            file.enddef()?;
            put(file, "a", &bytes(15), (0..5, ..))?;
            put(file, "b", &bytes(5), 0..5)?;
            put(file, "c", &shorts(15), (0..5, ..))?;
            put(file, "fixed", &shorts(3), ..)
        });
    }
}

#[test]
fn numbers_of_every_type() {
    for format in [Cdf5, Netcdf4] {
        check(format, |file| {
            file.add_dimension("x", 50)?;
            file.add_variable::<i8>("i1", &["x"])?;
            file.add_variable::<i16>("i2", &["x"])?;
            file.add_variable::<i32>("i4", &["x"])?;
            file.add_variable::<i64>("i8", &["x"])?;
            file.add_variable::<u8>("u1", &["x"])?;
            file.add_variable::<u16>("u2", &["x"])?;
            file.add_variable::<u32>("u4", &["x"])?;
            file.add_variable::<u64>("u8", &["x"])?;
            file.add_variable::<f32>("f4", &["x"])?;
            file.add_variable::<f64>("f8", &["x"])?;
            file.enddef()?;

            let u64s: Vec<u64> = noise(50).collect();
            let i64s: Vec<i64> = u64s.iter().map(|n| n.cast_signed()).collect();
            let f64s: Vec<f64> = u64s.iter().map(|n| f64::from_bits(n & !(1 << 62))).collect();
            let u32s: Vec<u32> = floats(50).into_iter().map(f32::to_bits).collect();
            let i32s: Vec<i32> = u32s.iter().map(|n| n.cast_signed()).collect();
            let u16s: Vec<u16> = shorts(50).into_iter().map(i16::cast_unsigned).collect();
            let u8s: Vec<u8> = bytes(50).into_iter().map(i8::cast_unsigned).collect();
            put(file, "i1", &bytes(50), ..)?;
            put(file, "i2", &shorts(50), ..)?;
            put(file, "i4", &i32s, ..)?;
            put(file, "i8", &i64s, ..)?;
            put(file, "u1", &u8s, ..)?;
            put(file, "u2", &u16s, ..)?;
            put(file, "u4", &u32s, ..)?;
            put(file, "u8", &u64s, ..)?;
            put(file, "f4", &floats(50), ..)?;
            put(file, "f8", &f64s, ..)
        });
    }
}

#[test]
fn attributes_of_every_type() {
    for format in Format::ALL {
        check(format, move |file| {
            file.add_dimension("x", 2)?;
            file.add_attribute("empty", "")?;
            file.add_attribute("text", "several\nlines, ünïcode")?;
            let mut x = file.add_variable::<f32>("x", &["x"])?;
            x.put_attribute("i1", -1i8)?;
            x.put_attribute("i1s", vec![1i8, -2])?;
            x.put_attribute("i2", -300i16)?;
            x.put_attribute("i2s", vec![1i16, -300, 5])?;
            x.put_attribute("i4", -70_000i32)?;
            x.put_attribute("i4s", vec![1i32, -70_000])?;
            x.put_attribute("f4", 0.1f32)?;
            x.put_attribute("f4s", vec![f32::NAN, -0.0, f32::INFINITY])?;
            x.put_attribute("f8", 0.1f64)?;
            x.put_attribute("f8s", vec![f64::NAN, -0.0, f64::MIN_POSITIVE])?;
            if [Cdf5, Netcdf4].contains(&format) {
                x.put_attribute("u1", 200u8)?;
                x.put_attribute("u2s", vec![1u16, 65_535])?;
                x.put_attribute("u4", u32::MAX)?;
                x.put_attribute("u8s", vec![u64::MAX, 0])?;
                x.put_attribute("i8", i64::MIN)?;
            }
            if format == Netcdf4 {
                x.put_attribute("string", vec!["one"])?;
                x.put_attribute("strings", vec!["one", "", "drei und vierzig"])?;
            }
            Ok(())
        });
    }
}

#[test]
fn more_attributes_than_fit_a_header() {
    for format in Format::ALL {
        check(format, move |file| {
            file.add_attribute("history", "h".repeat(100_000).as_str())?;
            for number in 0..40 {
                file.add_attribute(&format!("attribute_{number:02}"), number)?;
            }
            file.add_variable::<i32>("a", &[])?;
            file.enddef()?;
            put(file, "a", &[1], ())
        });
    }
}

#[test]
fn chunks_and_filters() {
    for chunks in [[1, 5, 6], [4, 2, 4], [10, 5, 6], [3, 5, 1]] {
        for (deflate, shuffle) in
            [(None, false), (Some(1), false), (Some(1), true), (Some(9), true)]
        {
            check(Netcdf4, move |file| {
                file.add_unlimited_dimension("time")?;
                file.add_dimension("y", 5)?;
                file.add_dimension("x", 6)?;
                let mut data = file.add_variable::<f32>("data", &["time", "y", "x"])?;
                data.set_chunking(&chunks)?;
                if let Some(level) = deflate {
                    data.set_compression(level, shuffle)?;
                }
                data.put_values(&floats(300), (0..10, .., ..))?;
                let mut packed = file.add_variable::<i16>("packed", &["y", "time", "x"])?;
                packed.set_chunking(&[2, 3, 4])?;
                packed.set_compression(4, shuffle)?;
                packed.put_values(&shorts(300), (.., 0..10, ..))
            });
        }
    }
}

#[test]
fn big_endian_variables() {
    check(Netcdf4, move |file| {
        file.add_dimension("x", 100)?;
        let mut contiguous = file.add_variable::<f32>("contiguous", &["x"])?;
        contiguous.set_endianness(netcdf::Endianness::Big)?;
        contiguous.put_values(&floats(100), ..)?;
        let mut chunked = file.add_variable::<i16>("chunked", &["x"])?;
        chunked.set_endianness(netcdf::Endianness::Big)?;
        chunked.set_fill_value(-7i16)?;
        chunked.set_chunking(&[30])?;
        chunked.set_compression(1, true)?;
        chunked.put_values(&shorts(50), 0..50)
    });
}

#[test]
fn places_never_written_hold_the_fill_value() {
    check(Netcdf4, move |file| {
        file.add_unlimited_dimension("time")?;
        file.add_dimension("x", 10)?;
        let mut chosen = file.add_variable::<f32>("chosen", &["time", "x"])?;
        chosen.set_fill_value(-999.0f32)?;
        chosen.set_chunking(&[1, 4])?;
        chosen.put_values(&floats(3), (5, 5..8))?;
        let mut usual = file.add_variable::<i32>("usual", &["time", "x"])?;
        usual.set_chunking(&[2, 10])?;
        file.add_variable::<f64>("unwritten", &["x"])?;
        file.add_variable::<i16>("scalar", &[])?;
        // Shorter than its dimension, within a chunk and beyond.
        let mut short = file.add_variable::<f64>("short", &["time"])?;
        short.set_chunking(&[4])?;
        short.put_values(&[1.0, 2.0], 0..2)?;
        file.add_variable_with_type("text", &["x"], &NcVariableType::Char).map(drop)
    });
}

#[test]
fn strings() {
    check(Netcdf4, move |file| {
        file.add_dimension("y", 2)?;
        file.add_dimension("x", 2)?;
        let mut names = file.add_string_variable("names", &["y", "x"])?;
        names.put_string("Arktis", [0, 0])?;
        names.put_string("", [0, 1])?;
        names.put_string("Süßwasser", [1, 0])?;
        names.put_string("a longer name than the others", [1, 1])?;
        file.add_string_variable("one", &[])?.put_string("alone", ())
    });
}

#[test]
fn dimensions_without_variables_and_variables_without_their_dimension() {
    check(Netcdf4, move |file| {
        file.add_dimension("cells", 4)?;
        file.add_dimension("time", 3)?;
        file.add_dimension("spare", 9)?;
        file.add_variable::<f32>("data", &["time", "cells"])?.put_values(&floats(12), (.., ..))?;
        // Called like a dimension, but not along it alone.
        file.add_variable::<i16>("cells", &["cells", "time"])?.put_values(&shorts(12), (.., ..))
    });
    check(Netcdf4, move |file| {
        file.add_dimension("time", 3)?;
        file.add_dimension("other", 3)?;
        // Called like a dimension, but along another one.
        file.add_variable::<i16>("time", &["other"])?.put_values(&shorts(3), ..)
    });
}

#[test]
fn text_in_a_classic_file() {
    // libnetcdf's Rust binding cannot write `char`.
    let mut cdf = b"CDF\x01\0\0\0\x02".to_vec();
    let name = |cdf: &mut Vec<u8>, name: &[u8; 4]| {
        cdf.extend(4u32.to_be_bytes());
        cdf.extend(name);
    };
    let ints = |cdf: &mut Vec<u8>, ints: &[u32]| {
        cdf.extend(ints.iter().flat_map(|int| int.to_be_bytes()));
    };
    ints(&mut cdf, &[10, 2]);
    name(&mut cdf, b"time");
    ints(&mut cdf, &[0]);
    name(&mut cdf, b"slen");
    ints(&mut cdf, &[5, 0, 0, 11, 2]);
    for (variable, dimids, vsize, begin) in
        [(b"area", &[1u32][..], 8, 160), (b"step", &[0, 1], 8, 168)]
    {
        name(&mut cdf, variable);
        ints(&mut cdf, &[u32::try_from(dimids.len()).unwrap()]);
        ints(&mut cdf, dimids);
        ints(&mut cdf, &[0, 0, 2, vsize, begin]);
    }
    assert!(cdf.len() <= 160, "the header has {} bytes", cdf.len());
    cdf.resize(160, 0);
    cdf.extend(b"ocean\0\0\0firstagain");
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("text.nc");
    std::fs::write(&path, cdf).unwrap();
    let compared = path.clone();
    with_libnetcdf(move || Differences::of(&compared).assert_none());
    let index = index_file(&path).unwrap();
    let step = index.variable("step").unwrap();
    assert_eq!(read_values(&path, step).unwrap(), Values::Bytes(b"firstagain".to_vec()));
}

/// A classic file with the variable `fixed` of three shorts, and of each record a byte `a` and
/// three shorts `b`; or `b` alone.
fn records(path: &Path, format: Format, is_alone: bool) -> Vec<u8> {
    let path = path.to_owned();
    with_libnetcdf(move || {
        let write = || -> netcdf::Result<()> {
            let mut file = netcdf::create_with(&path, format.options())?;
            file.add_unlimited_dimension("time")?;
            file.add_dimension("o dd-n@me.é", 3)?;
            file.add_variable::<i16>("fixed", &["o dd-n@me.é"])?;
            if !is_alone {
                file.add_variable::<i8>("a", &["time"])?;
            }
            file.add_variable::<i16>("b", &["time", "o dd-n@me.é"])?;
            file.enddef()?;
            put(&mut file, "fixed", &shorts(3), ..)?;
            if !is_alone {
                put(&mut file, "a", &bytes(4), 0..4)?;
            }
            put(&mut file, "b", &shorts(12), (0..4, ..))?;
            file.close()
        };
        write().unwrap();
        std::fs::read(&path).unwrap()
    })
}

#[test]
fn classic_files_whose_end_is_not_where_the_header_says() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file.nc");
    for format in [Cdf1, Cdf2, Cdf5] {
        for (is_alone, record, padding) in [(false, 12, 2), (true, 6, 0)] {
            let file = records(&path, format, is_alone);
            let end = file.len();
            let counted = if format == Cdf5 { 11 } else { 7 };
            let with_numrecs = |numrecs| {
                let mut file = file.clone();
                assert_eq!(file[counted], 4);
                file[counted] = numrecs;
                file
            };
            // libnetcdf returns zeros for what is missing; here that is an error.
            for missing in [padding + 1, record, 2 * record, 4 * record, 4 * record + 4] {
                std::fs::write(&path, &file[..end - missing]).unwrap();
                assert_eq!(index_file(&path).unwrap_err().code(), Code::Truncated, "{missing}");
            }
            std::fs::write(&path, with_numrecs(5)).unwrap();
            assert_eq!(index_file(&path).unwrap_err().code(), Code::Truncated);
            let longer = [&file[..], b"more"].concat();
            let equal = [file[..end - padding].to_vec(), longer, with_numrecs(3), with_numrecs(0)];
            for file in equal {
                std::fs::write(&path, file).unwrap();
                let path = path.clone();
                with_libnetcdf(move || Differences::of(&path).assert_none());
            }
        }
    }
}

#[test]
fn classic_variables_over_each_other_are_refused_by_both() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file.nc");
    let file = records(&path, Cdf1, false);
    // `begin` ends the entry of each variable: behind the type, which is 1 or 3, and `vsize`.
    let begins: Vec<usize> = (0..file.len() - 12)
        .filter(|&at| {
            [&[0, 0, 0, 1, 0, 0, 0, 4], &[0, 0, 0, 3, 0, 0, 0, 8]]
                .contains(&&file[at..][..8].try_into().unwrap())
        })
        .map(|at| at + 8)
        .collect();
    let [fixed, a, b] = begins[..] else { panic!("the header has begins at {begins:?}") };
    for (to, from) in [(a, fixed), (b, a), (a, b), (fixed, b)] {
        let mut spoilt = file.clone();
        spoilt.copy_within(from..from + 4, to);
        std::fs::write(&path, spoilt).unwrap();
        assert_eq!(index_file(&path).unwrap_err().code(), Code::Corrupt);
        let path = path.clone();
        assert!(with_libnetcdf(move || netcdf::open(&path).is_err()));
    }
}

// ---- files found -----------------------------------------------------------------------------

#[test]
fn sample_files() {
    let directory = std::env::var_os("VZARR_SAMPLE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let files = netcdf_files(&directory);
    if files.is_empty() {
        eprintln!("skipped: no NetCDF files below {}", directory.display());
        return;
    }
    let count = files.len();
    let outcomes: Vec<_> = with_libnetcdf(move || files.iter().map(|path| outcome(path)).collect());
    let different: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    let equal = outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count();
    eprintln!(
        "{count} files: {equal} equal, {} different, {} refused by name or unreadable for both",
        different.len(),
        count - equal - different.len()
    );
    assert!(different.is_empty(), "{different:#?}");
}

/// Whether the file at `path` was compared and found equal, rather than refused; or what differs.
fn outcome(path: &Path) -> Result<bool, (PathBuf, Vec<String>)> {
    if let Err(ours) = index_file(path) {
        let theirs = netcdf::open(path).err();
        if theirs.is_some() || ours.code() == Code::Unsupported {
            eprintln!("{ours:?}; libnetcdf: {theirs:?}");
            return Ok(false);
        }
    }
    let Differences { file, found } = Differences::of(path);
    if found.is_empty() { Ok(true) } else { Err((file, found)) }
}

/// All files `*.nc` below `directory`.
fn netcdf_files(directory: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(directory).sort_by_file_name();
    let files = entries.into_iter().filter_map(Result::ok).filter(|entry| {
        entry.file_type().is_file() && entry.path().extension().is_some_and(|nc| nc == "nc")
    });
    files.map(walkdir::DirEntry::into_path).collect()
}
