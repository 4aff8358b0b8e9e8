//! NetCDF classic files, written from scratch.
//!
//! Names are those of the grammar in "The NetCDF Classic Format Specification".

/// A file.
#[derive(Clone)]
pub struct File {
    /// 1, or 2 for 64-bit offsets.
    pub version: u8,
    /// Names and lengths; of length 0 is the record dimension.
    pub dimensions: Vec<(&'static str, u32)>,
    pub attributes: Vec<Attribute>,
    pub variables: Vec<Variable>,
}

#[derive(Clone)]
pub struct Variable {
    pub name: String,
    /// The record dimension comes first.
    pub dimensions: Vec<&'static str>,
    pub attributes: Vec<Attribute>,
    pub values: Values,
}

pub type Attribute = (&'static str, Values);

#[derive(Clone)]
pub enum Values {
    Text(&'static str),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
}

impl Values {
    fn nc_type(&self) -> u32 {
        match self {
            Self::Text(_) => 2,
            Self::Floats(_) => 5,
            Self::Doubles(_) => 6,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Floats(numbers) => numbers.len(),
            Self::Doubles(numbers) => numbers.len(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Floats(numbers) => numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
            Self::Doubles(numbers) => numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
        }
    }
}

impl File {
    /// The file as it is on disk.
    pub fn bytes(&self) -> Vec<u8> {
        let mut begins = vec![0; self.variables.len()];
        let mut end = self.header(&begins).len();
        let (fixed, record): (Vec<usize>, Vec<usize>) =
            (0..self.variables.len()).partition(|&at| !self.is_record(at));
        for &at in fixed.iter().chain(&record) {
            begins[at] = end;
            end += self.vsize(at);
        }
        let mut bytes = self.header(&begins);
        for &at in &fixed {
            bytes.extend(self.variables[at].values.bytes());
        }
        for number in 0..self.numrecs() {
            for &at in &record {
                let size = self.vsize(at);
                let values = self.variables[at].values.bytes();
                bytes.extend(&values[number * size..][..size]);
            }
        }
        bytes
    }

    /// Numbers take four bytes or eight, so that nothing but text is ever padded.
    fn header(&self, begins: &[usize]) -> Vec<u8> {
        let mut header = vec![b'C', b'D', b'F', self.version];
        int(&mut header, self.numrecs());
        int(&mut header, 10);
        int(&mut header, self.dimensions.len());
        for (dimension, length) in &self.dimensions {
            name(&mut header, dimension);
            header.extend(length.to_be_bytes());
        }
        att_list(&mut header, &self.attributes);
        int(&mut header, 11);
        int(&mut header, self.variables.len());
        for (at, variable) in self.variables.iter().enumerate() {
            name(&mut header, &variable.name);
            int(&mut header, variable.dimensions.len());
            for dimension in &variable.dimensions {
                int(&mut header, self.dimid(dimension));
            }
            att_list(&mut header, &variable.attributes);
            header.extend(variable.values.nc_type().to_be_bytes());
            int(&mut header, self.vsize(at));
            match self.version {
                1 => int(&mut header, begins[at]),
                _ => header.extend((begins[at] as u64).to_be_bytes()),
            }
        }
        header
    }

    fn dimid(&self, dimension: &str) -> usize {
        self.dimensions.iter().position(|(name, _)| *name == dimension).unwrap()
    }

    fn is_record(&self, at: usize) -> bool {
        let leading = self.variables[at].dimensions.first();
        leading.is_some_and(|leading| self.dimensions[self.dimid(leading)].1 == 0)
    }

    fn numrecs(&self) -> usize {
        let record = (0..self.variables.len()).find(|&at| self.is_record(at));
        record.map_or(0, |at| self.variables[at].values.bytes().len() / self.vsize(at))
    }

    /// Bytes of a variable, or of one of its records.
    fn vsize(&self, at: usize) -> usize {
        let variable = &self.variables[at];
        let size = variable.values.bytes().len() / variable.values.count();
        let lengths = variable.dimensions.iter().map(|name| self.dimensions[self.dimid(name)].1);
        lengths.filter(|length| *length > 0).map(|length| length as usize).product::<usize>() * size
    }
}

fn att_list(header: &mut Vec<u8>, attributes: &[Attribute]) {
    int(header, if attributes.is_empty() { 0 } else { 12 });
    int(header, attributes.len());
    for (attribute, values) in attributes {
        name(header, attribute);
        header.extend(values.nc_type().to_be_bytes());
        int(header, values.count());
        header.extend(values.bytes());
        pad(header);
    }
}

fn name(header: &mut Vec<u8>, name: &str) {
    int(header, name.len());
    header.extend(name.as_bytes());
    pad(header);
}

fn pad(header: &mut Vec<u8>) {
    header.resize(header.len().next_multiple_of(4), 0);
}

fn int(header: &mut Vec<u8>, number: usize) {
    header.extend(u32::try_from(number).unwrap().to_be_bytes());
}
