//! NetCDF files as libnetcdf reads them.
//!
//! libnetcdf is to be called from one thread only: HDF5 keeps silent about its errors on the thread
//! that it was first called from.

use std::path::Path;

use netcdf::types::{EnumTypeValues, FloatType, IntType, NcVariableType};
use netcdf::{Extent, Extents};

use crate::model::array::Values;
use crate::model::attribute::{AttributeValue, Attributes};
use crate::model::dtype::{ByteOrder, DataType};

use super::cells::{self, Cells};

#[cfg(target_endian = "big")]
compile_error!(
    "libnetcdf and zarrs return numbers in the order of the machine, little-endian here"
);

/// An open file.
pub struct NetcdfFile(netcdf::File);

/// What a file holds, but for its data.
#[derive(Debug, Default)]
pub struct Description {
    /// Global attributes.
    pub attributes: Attributes,
    /// Variables of the root group in the order of the file.
    pub variables: Vec<Variable>,
    /// Names of the groups in the root group that hold anything.
    pub groups: Vec<String>,
    /// Attributes that cannot be read.
    pub unreadable: Vec<String>,
}

/// A variable of a file, but for its data.
#[derive(Debug)]
pub struct Variable {
    /// Name, such as `tas`.
    pub name: String,
    /// Names of the dimensions, slowest first.
    pub dimensions: Vec<String>,
    /// Length along each dimension.
    pub shape: Vec<u64>,
    /// Type of the elements, in the order of this machine; none for types without a Zarr type.
    pub dtype: Option<DataType>,
    /// What unwritten places hold, where libnetcdf says so.
    pub fill: Option<Vec<u8>>,
    /// Attributes.
    pub attributes: Attributes,
}

impl Description {
    /// The variable called `name`.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

impl NetcdfFile {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self, String> {
        netcdf::open(path).map(Self).map_err(|error| error.to_string())
    }

    /// All about the file but its data.
    pub fn describe(&self) -> Description {
        let mut unreadable = Vec::new();
        let attributes = read_attributes(self.0.attributes(), "the file", &mut unreadable);
        let mut variables = Vec::new();
        for variable in self.0.variables() {
            let name = variable.name();
            let dimensions = variable.dimensions();
            variables.push(Variable {
                dimensions: dimensions.iter().map(netcdf::Dimension::name).collect(),
                shape: dimensions.iter().map(|dimension| dimension.len() as u64).collect(),
                dtype: data_type(&variable.vartype()),
                fill: fill(&variable),
                attributes: read_attributes(
                    variable.attributes(),
                    &format!("`{name}`"),
                    &mut unreadable,
                ),
                name,
            });
        }
        let groups = match self.0.groups() {
            Ok(groups) => {
                groups.filter(|group| !holds_nothing(group)).map(|group| group.name()).collect()
            }
            // NetCDF classic has none, and says so by an error.
            Err(_) => Vec::new(),
        };
        Description { attributes, variables, groups, unreadable }
    }

    /// The values of some cells of a variable.
    pub fn read(&self, name: &str, cells: &Cells) -> Result<Values, String> {
        let variable = self.0.variable(name).ok_or("the variable is not there")?;
        let shown = |error: netcdf::Error| error.to_string();
        if variable.vartype() != NcVariableType::String {
            let extents = extents(cells.iter().map(|range| (range.start, range.end)))?;
            return variable.get_raw_values(extents).map(Values::Bytes).map_err(shown);
        }
        let count = cells::shape(cells).iter().product();
        let text = |number| {
            let place = cells::place(cells, number);
            let extents = extents(place.into_iter().map(|at| (at, at + 1)))?;
            variable.get_string(extents).map_err(shown)
        };
        (0..count).map(text).collect::<Result<_, _>>().map(Values::Strings)
    }
}

/// Whether neither `group` nor a group in it has variables or attributes.
fn holds_nothing(group: &netcdf::Group) -> bool {
    group.variables().next().is_none()
        && group.attributes().next().is_none()
        && group.groups().all(|group| holds_nothing(&group))
}

fn extents(ranges: impl Iterator<Item = (u64, u64)>) -> Result<Extents, String> {
    let extent = |(start, end): (u64, u64)| {
        let number = |number: u64| usize::try_from(number).map_err(|error| error.to_string());
        Ok(Extent::SliceCount { start: number(start)?, count: number(end - start)?, stride: 1 })
    };
    Ok(ranges.map(extent).collect::<Result<Vec<_>, String>>()?.into())
}

/// Attributes; those that cannot be read are named in `unreadable`.
fn read_attributes<'a>(
    attributes: impl Iterator<Item = netcdf::Attribute<'a>>,
    owner: &str,
    unreadable: &mut Vec<String>,
) -> Attributes {
    let mut read = Attributes::default();
    for attribute in attributes {
        match attribute.value() {
            Ok(value) => read.push(attribute.name(), attribute_value(value)),
            Err(error) => {
                unreadable.push(format!("attribute `{}` of {owner}: {error}", attribute.name()));
            }
        }
    }
    read
}

fn attribute_value(value: netcdf::AttributeValue) -> AttributeValue {
    use netcdf::AttributeValue as Nc;
    fn int<T: Into<i64>>(values: impl IntoIterator<Item = T>) -> AttributeValue {
        AttributeValue::Int(values.into_iter().map(Into::into).collect())
    }
    fn uint<T: Into<u64>>(values: impl IntoIterator<Item = T>) -> AttributeValue {
        AttributeValue::UInt(values.into_iter().map(Into::into).collect())
    }
    match value {
        Nc::Schar(value) => int([value]),
        Nc::Schars(values) => int(values),
        Nc::Short(value) => int([value]),
        Nc::Shorts(values) => int(values),
        Nc::Int(value) => int([value]),
        Nc::Ints(values) => int(values),
        Nc::Longlong(value) => int([value]),
        Nc::Longlongs(values) => int(values),
        Nc::Uchar(value) => uint([value]),
        Nc::Uchars(values) => uint(values),
        Nc::Ushort(value) => uint([value]),
        Nc::Ushorts(values) => uint(values),
        Nc::Uint(value) => uint([value]),
        Nc::Uints(values) => uint(values),
        Nc::Ulonglong(value) => uint([value]),
        Nc::Ulonglongs(values) => uint(values),
        Nc::Float(value) => AttributeValue::Float(vec![value]),
        Nc::Floats(values) => AttributeValue::Float(values),
        Nc::Double(value) => AttributeValue::Double(vec![value]),
        Nc::Doubles(values) => AttributeValue::Double(values),
        Nc::Str(text) => AttributeValue::Text(text),
        Nc::Strs(texts) => AttributeValue::Strings(texts),
    }
}

fn data_type(nc_type: &NcVariableType) -> Option<DataType> {
    const ORDER: ByteOrder = ByteOrder::Little;
    Some(match nc_type {
        NcVariableType::Int(int) => match int {
            IntType::I8 => DataType::Int(1, ORDER),
            IntType::I16 => DataType::Int(2, ORDER),
            IntType::I32 => DataType::Int(4, ORDER),
            IntType::I64 => DataType::Int(8, ORDER),
            IntType::U8 => DataType::UInt(1, ORDER),
            IntType::U16 => DataType::UInt(2, ORDER),
            IntType::U32 => DataType::UInt(4, ORDER),
            IntType::U64 => DataType::UInt(8, ORDER),
        },
        NcVariableType::Float(FloatType::F32) => DataType::Float(4, ORDER),
        NcVariableType::Float(FloatType::F64) => DataType::Float(8, ORDER),
        NcVariableType::Char => DataType::Text(1),
        NcVariableType::String => DataType::String,
        // An enumeration is shown as the integers that it is stored in.
        NcVariableType::Enum(kind) => match kind.fieldvalues {
            EnumTypeValues::I8(_) => DataType::Int(1, ORDER),
            EnumTypeValues::I16(_) => DataType::Int(2, ORDER),
            EnumTypeValues::I32(_) => DataType::Int(4, ORDER),
            EnumTypeValues::I64(_) => DataType::Int(8, ORDER),
            EnumTypeValues::U8(_) => DataType::UInt(1, ORDER),
            EnumTypeValues::U16(_) => DataType::UInt(2, ORDER),
            EnumTypeValues::U32(_) => DataType::UInt(4, ORDER),
            EnumTypeValues::U64(_) => DataType::UInt(8, ORDER),
        },
        _ => return None,
    })
}

fn fill(variable: &netcdf::Variable) -> Option<Vec<u8>> {
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
