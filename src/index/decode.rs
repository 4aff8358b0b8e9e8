//! The elements of small variables: from stored bytes to numbers in memory.
//!
//! HDF5 File Format Specification, sections III.I (data layout) and VII.A (chunks), and the
//! corresponding parts of the NetCDF classic format, seen through [`Storage`].

use std::collections::HashSet;

use crate::model::array::{Chunk, FileIndex, Fill, Storage, Values, Variable, grid_shape, product};
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Code, Error, Result};

use super::SMALL;
use super::filter::{self, Decoder};
use super::source::Source;

/// Most bytes of a coordinate, or of its bounds, that are read while the file is open.
const COORDINATE: u64 = 64 * 1024 * 1024;
/// Bytes that all values read while the file is open may come to, beside twice those of the file.
const ALL_VALUES: u64 = 48 * 1024 * 1024;
/// Most bytes that a variable decoded at once may come to.
const MOST: u64 = 1024 * 1024 * 1024;
/// Most bytes that may come from a fill value alone.
const MOST_FILLED: u64 = 64 * 1024 * 1024;

/// Reads the elements of the variables that are compared among files or stored in the manifest:
/// small ones, coordinates and their bounds.
///
/// A variable that was never written and has no fill value holds nothing that could be read: it is
/// left without values, for whoever needs them to refuse. So is one whose filters cannot be undone
/// here: readers of the store may be able to. And so is one that would take more memory than a file of
/// that size can justify.
pub fn read_small_variables(source: &Source, index: &mut FileIndex) -> Result<()> {
    let coordinates = coordinates_and_bounds(index);
    let mut room = ALL_VALUES.saturating_add(source.len().saturating_mul(2));
    for variable in &mut index.variables {
        let most = if coordinates.contains(&variable.name) { COORDINATE } else { SMALL };
        let wanted = decoded_size(variable).filter(|size| *size <= most);
        if let Some(size) = wanted
            && variable.values.is_none()
            && size.saturating_add(memory_to_decode(variable)) <= room
        {
            room -= size;
            variable.values = match read(source, variable) {
                Ok(values) => Some(values),
                Err(error) if is_left_to_others(variable, &error) => None,
                Err(error) => return Err(error.of_variable(&variable.name)),
            };
        }
    }
    Ok(())
}

/// Bytes that undoing the filters of a chunk takes: it is held before and after each.
fn memory_to_decode(variable: &Variable) -> u64 {
    let chunk = variable.chunk_shape().filter(|_| !variable.filters.is_empty());
    let elements = chunk.map_or(Some(0), product);
    let size = elements.and_then(|elements| elements.checked_mul(variable.dtype.size()?));
    size.unwrap_or(u64::MAX).saturating_mul(2)
}

fn is_left_to_others(variable: &Variable, error: &Error) -> bool {
    match error.code() {
        Code::FillUndefined => true,
        Code::Unsupported => filter::check(&variable.filters, variable.dtype).is_err(),
        _ => false,
    }
}

/// Names of the coordinate variables and of what their `bounds` and `climatology` attributes name.
fn coordinates_and_bounds(index: &FileIndex) -> HashSet<String> {
    let mut names = HashSet::new();
    for variable in index.variables.iter().filter(|variable| variable.is_coordinate()) {
        names.insert(variable.name.clone());
        let bounds = ["bounds", "climatology"].map(|name| variable.attributes.text(name));
        names.extend(bounds.into_iter().flatten().map(str::to_owned));
    }
    names
}

/// All elements of `variable`.
pub fn read(source: &Source, variable: &Variable) -> Result<Values> {
    let Some(element_size) = variable.dtype.size() else {
        let values = variable.values.clone();
        return values.ok_or_else(|| Error::unsupported("text of any length outside HDF5"));
    };
    let size = size_to_allocate(source, variable)?;
    let element_size = in_memory(element_size)?;
    let mut bytes = match &variable.storage {
        _ if size == 0 => Vec::new(),
        Storage::Compact(bytes) => bytes.clone(),
        Storage::Contiguous(None) => filled(&variable.fill, element_size, size)?,
        &Storage::Contiguous(Some((offset, stored))) => contiguous(source, offset, stored, size)?,
        Storage::Chunked { chunk_shape, chunks, .. } => {
            let grid = Grid::new(&variable.shape, chunk_shape, element_size)?;
            let chunks: Vec<Chunk> = chunks.iter().collect();
            chunked(source, variable, &grid, &chunks, size)?
        }
    };
    if bytes.len() != size {
        let held = bytes.len();
        return Err(Error::corrupt(format!("{held} bytes are stored instead of {size}")));
    }
    to_little_endian(&mut bytes, variable.dtype);
    Ok(Values::Bytes(bytes))
}

/// Bytes of all elements, or `None` where elements differ in length or there are too many.
fn decoded_size(variable: &Variable) -> Option<u64> {
    variable.len()?.checked_mul(variable.dtype.size()?)
}

/// Bytes of all elements, once it is known that the file can justify that much memory.
fn size_to_allocate(source: &Source, variable: &Variable) -> Result<usize> {
    let stored = match &variable.storage {
        Storage::Compact(bytes) => bytes.len() as u64,
        Storage::Contiguous(piece) => piece.map_or(0, |(_, size)| size),
        Storage::Chunked { chunks, .. } => chunks.stored_bytes(),
    };
    let from_chunks =
        stored.min(source.len()).saturating_mul(filter::max_ratio(&variable.filters) as u64);
    let most = from_chunks.saturating_add(MOST_FILLED).min(MOST);
    match decoded_size(variable) {
        Some(size) if size <= most => in_memory(size),
        Some(size) => Err(too_large(format!("{size} bytes"))),
        None => Err(too_large("more than 2^64 bytes")),
    }
}

fn too_large(size: impl std::fmt::Display) -> Error {
    Error::new(Code::TooLarge, format!("{size} are too many to decode at once"))
}

fn in_memory(size: u64) -> Result<usize> {
    usize::try_from(size).map_err(|_| too_large(format!("{size} bytes")))
}

/// `size` bytes of the fill value.
fn filled(fill: &Fill, element_size: usize, size: usize) -> Result<Vec<u8>> {
    match fill {
        Fill::Value(value) if value.len() == element_size => {
            Ok(value.iter().copied().cycle().take(size).collect())
        }
        Fill::Value(value) => Err(Error::corrupt(format!(
            "the fill value has {} bytes, the elements have {element_size}",
            value.len()
        ))),
        Fill::Undefined => {
            let message = "parts were never written and no fill value is defined";
            Err(Error::new(Code::FillUndefined, message))
        }
    }
}

/// The bytes of one piece of the file.
fn contiguous(source: &Source, offset: u64, stored: u64, size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The piece may be larger than its elements; the caller finds out if it is smaller.
    source.read_into(&mut bytes, offset, stored.min(size as u64))?;
    Ok(bytes)
}

/// An array cut into chunks; lengths are in elements unless said otherwise.
pub(super) struct Grid {
    shape: Vec<usize>,
    chunk_shape: Vec<usize>,
    /// Chunks along each dimension.
    counts: Vec<u64>,
    element_size: usize,
    /// Bytes of a whole chunk.
    chunk_size: usize,
}

impl Grid {
    pub(super) fn new(shape: &[u64], chunk_shape: &[u64], element_size: usize) -> Result<Self> {
        if shape.len() != chunk_shape.len() || chunk_shape.contains(&0) {
            let message = format!("chunks of shape {chunk_shape:?} cannot tile shape {shape:?}");
            return Err(Error::corrupt(message));
        }
        let chunk_size = product(chunk_shape)
            .and_then(|elements| elements.checked_mul(element_size as u64))
            .filter(|&size| size <= MOST)
            .ok_or_else(|| too_large(format!("chunks of shape {chunk_shape:?}")))?;
        let lengths = |shape: &[u64]| shape.iter().map(|&n| in_memory(n)).collect::<Result<_>>();
        Ok(Self {
            counts: grid_shape(shape, chunk_shape),
            shape: lengths(shape)?,
            chunk_shape: lengths(chunk_shape)?,
            element_size,
            chunk_size: in_memory(chunk_size)?,
        })
    }

    /// Number of chunks.
    fn len(&self) -> u64 {
        // Not more than elements, which were counted before.
        self.counts.iter().product()
    }

    /// Sets `origin` to the first element of the chunk numbered `index`, along each dimension.
    pub(super) fn locate(&self, mut index: u64, origin: &mut Vec<usize>) -> Result<()> {
        origin.resize(self.counts.len(), 0);
        for (i, count) in self.counts.iter().enumerate().rev() {
            origin[i] = in_memory(index % count)? * self.chunk_shape[i];
            index /= count;
        }
        Ok(())
    }

    /// Bytes from the start of the chunk at `origin` to the last one that lies within the array.
    fn needed(&self, origin: &[usize]) -> usize {
        let mut stride = self.element_size;
        let mut last = 0;
        for (i, &start) in origin.iter().enumerate().rev() {
            let within = self.chunk_shape[i].min(self.shape[i] - start);
            last += (within - 1) * stride;
            stride *= self.chunk_shape[i];
        }
        last + self.element_size
    }
}

/// The elements of all chunks, and the fill value where there is none.
fn chunked(
    source: &Source,
    variable: &Variable,
    grid: &Grid,
    chunks: &[Chunk],
    size: usize,
) -> Result<Vec<u8>> {
    if !chunks.is_sorted_by(|a, b| a.index < b.index) {
        return Err(Error::corrupt("two chunks are at the same place"));
    }
    if chunks.last().is_some_and(|chunk| chunk.index >= grid.len()) {
        return Err(Error::corrupt("a chunk lies outside the array"));
    }
    let mut array = if chunks.len() as u64 == grid.len() {
        vec![0; size]
    } else {
        filled(&variable.fill, grid.element_size, size)?
    };
    let mut origin = Vec::new();
    let pieces = chunks.iter().map(|chunk| stored_piece(variable, grid, chunk, &mut origin));
    let pieces = pieces.collect::<Result<Vec<_>>>()?;
    let mut decoder = Decoder::default();
    source.read_pieces(&pieces, |number, stored| {
        let chunk = &chunks[number];
        grid.locate(chunk.index, &mut origin)?;
        let Grid { shape, chunk_shape, element_size, .. } = grid;
        if variable.filters.is_empty() {
            place(stored, chunk_shape, &mut array, shape, &origin, *element_size);
            return Ok(());
        }
        decoder.bytes.clear();
        decoder.bytes.extend_from_slice(stored);
        decoder
            .undo(&variable.filters, chunk.filter_mask, variable.dtype, grid.chunk_size)
            .map_err(|error| of_chunk(chunk, error))?;
        place(&decoder.bytes, chunk_shape, &mut array, shape, &origin, *element_size);
        Ok(())
    })?;
    Ok(array)
}

/// Says which chunk is damaged; a filter that is not read is one of all chunks.
fn of_chunk(chunk: &Chunk, error: Error) -> Error {
    if error.code() != Code::Corrupt {
        return error;
    }
    let message = format!("chunk {}: {}", chunk.index, error.message());
    error.with_message(message)
}

/// The piece of the file to read for `chunk`: of an unfiltered one only what lies within the array,
/// for a chunk may be larger by far.
fn stored_piece(
    variable: &Variable,
    grid: &Grid,
    chunk: &Chunk,
    origin: &mut Vec<usize>,
) -> Result<(u64, u64)> {
    if !variable.filters.is_empty() {
        return Ok((chunk.offset, chunk.size));
    }
    if chunk.size != grid.chunk_size as u64 {
        let (held, size) = (chunk.size, grid.chunk_size);
        return Err(Error::corrupt(format!("a chunk holds {held} bytes instead of {size}")));
    }
    grid.locate(chunk.index, origin)?;
    Ok((chunk.offset, grid.needed(origin) as u64))
}

/// Copies the part of `chunk` that lies within `array`, to the place where `origin` says it begins.
fn place(
    chunk: &[u8],
    chunk_shape: &[usize],
    array: &mut [u8],
    shape: &[usize],
    origin: &[usize],
    element_size: usize,
) {
    let ([chunk_len, chunk_rest @ ..], [len, rest @ ..], [start, origin_rest @ ..]) =
        (chunk_shape, shape, origin)
    else {
        array.copy_from_slice(&chunk[..element_size]);
        return;
    };
    let chunk_row = chunk_rest.iter().product::<usize>() * element_size;
    let row = rest.iter().product::<usize>() * element_size;
    let within = *chunk_len.min(&(len - start));
    let part = &mut array[start * row..][..within * row];
    if chunk_rest == rest {
        part.copy_from_slice(&chunk[..within * row]);
        return;
    }
    for (i, part) in part.chunks_exact_mut(row).enumerate() {
        place(&chunk[i * chunk_row..], chunk_rest, part, rest, origin_rest, element_size);
    }
}

/// Turns elements of type `dtype` into little-endian ones, or such into those.
pub fn to_little_endian(bytes: &mut [u8], dtype: DataType) {
    if dtype.byte_order() == Some(ByteOrder::Big) {
        match dtype.size() {
            Some(2) => reverse_elements::<2>(bytes),
            Some(4) => reverse_elements::<4>(bytes),
            Some(8) => reverse_elements::<8>(bytes),
            _ => {}
        }
    }
}

fn reverse_elements<const SIZE: usize>(bytes: &mut [u8]) {
    for element in bytes.as_chunks_mut::<SIZE>().0 {
        element.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::filter::{fletcher32, shuffle};
    use crate::model::array::{ChunkIndex, Dimension, FileFormat, ReadCost};
    use crate::model::attribute::{AttributeValue, Attributes};
    use crate::model::codec::Filter;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    const I1: DataType = DataType::Int(1, ByteOrder::Little);
    const I2_BIG: DataType = DataType::Int(2, ByteOrder::Big);

    fn variable(name: &str, shape: &[u64], dtype: DataType, storage: Storage) -> Variable {
        Variable {
            name: name.into(),
            dimensions: (0..shape.len()).map(|i| format!("d{i}")).collect(),
            shape: shape.to_vec(),
            dtype,
            fill: Fill::Value(vec![99; usize::try_from(dtype.size().unwrap_or(0)).unwrap()]),
            filters: Vec::new(),
            storage,
            attributes: Attributes::default(),
            values: None,
        }
    }

    fn chunk(index: u64, offset: u64, size: u64) -> Chunk {
        Chunk { index, offset, size, filter_mask: 0, trailing: 0 }
    }

    fn chunked(chunk_shape: &[u64], chunks: Vec<Chunk>) -> Storage {
        let (chunk_shape, chunks) = (chunk_shape.to_vec(), chunks.into());
        Storage::Chunked { chunk_shape, chunks, index: ChunkIndex::BTreeV1 }
    }

    /// Bytes 0, 1, 2, ... in chunks of `chunk_shape`, one behind the other; `absent` are left out.
    fn chunks_of_bytes(shape: &[u64], chunk_shape: &[u64], absent: &[u64]) -> Variable {
        let size = product(chunk_shape).unwrap();
        let count = product(&grid_shape(shape, chunk_shape)).unwrap();
        let present = (0..count).filter(|index| !absent.contains(index));
        let chunks = present.map(|index| chunk(index, index * size, size)).collect();
        let storage = chunked(chunk_shape, chunks);
        variable("a", shape, I1, storage)
    }

    fn counting(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect()
    }

    fn read_from(file: &Vec<u8>, variable: &Variable) -> Result<Vec<u8>> {
        match read(&Source::new(file)?, variable)? {
            Values::Bytes(bytes) => Ok(bytes),
            Values::Strings(_) => panic!("strings"),
        }
    }

    fn code(file: &Vec<u8>, variable: &Variable) -> Code {
        read_from(file, variable).unwrap_err().code()
    }

    #[test]
    fn every_storage_is_read_and_big_endian_numbers_are_swapped() {
        let file = vec![0, 0, 1, 2, 3, 4, 5, 6];
        let read = |storage| read_from(&file, &variable("a", &[2], I2_BIG, storage)).unwrap();
        assert_eq!(read(Storage::Compact(vec![1, 2, 3, 4])), [2, 1, 4, 3]);
        assert_eq!(read(Storage::Contiguous(Some((2, 4)))), [2, 1, 4, 3]);
        let chunks = vec![chunk(0, 4, 2), chunk(1, 2, 2)];
        assert_eq!(read(chunked(&[1], chunks)), [4, 3, 2, 1]);
        assert_eq!(read(Storage::Contiguous(None)), [99; 4]);
        for dtype in [DataType::Text(4), DataType::Float(4, ByteOrder::Little)] {
            let text = variable("a", &[], dtype, Storage::Contiguous(Some((2, 4))));
            assert_eq!(read_from(&file, &text).unwrap(), [1, 2, 3, 4]);
        }
        for (size, swapped) in [(4, [4, 3, 2, 1, 8, 7, 6, 5]), (8, [8, 7, 6, 5, 4, 3, 2, 1])] {
            let compact = Storage::Compact((1..9).collect());
            let number = DataType::UInt(size, ByteOrder::Big);
            let shape = [8 / u64::from(size)];
            let number = variable("a", &shape, number, compact);
            assert_eq!(read_from(&file, &number).unwrap(), swapped);
        }
    }

    #[test]
    fn chunks_at_the_edge_are_cut() {
        // Chunks of 2 x 3 in an array of 3 x 4:  0 1 2 | 6
        //                                        3 4 5 | 9
        //                                       12 13 14 | 18
        let edges = chunks_of_bytes(&[3, 4], &[2, 3], &[]);
        let expected = [0, 1, 2, 6, 3, 4, 5, 9, 12, 13, 14, 18];
        assert_eq!(read_from(&counting(24), &edges).unwrap(), expected);
        // The last chunk is read only so far as it is within the array.
        assert_eq!(read_from(&counting(19), &edges).unwrap(), expected);
        assert_eq!(code(&counting(18), &edges), Code::Truncated);
    }

    #[test]
    fn chunks_of_any_shape_give_the_elements_in_order() {
        let shape = [3, 4, 5];
        for chunk_shape in
            [[1, 1, 1], [1, 4, 5], [2, 4, 5], [3, 4, 5], [2, 3, 2], [1, 2, 5], [4, 5, 6], [1, 9, 1]]
        {
            let variable = chunks_of_bytes(&shape, &chunk_shape, &[]);
            let size = product(&chunk_shape).unwrap();
            let grid = grid_shape(&shape, &chunk_shape);
            let mut file = vec![255; usize::try_from(size * product(&grid).unwrap()).unwrap()];
            // Each element stores its own number, by the definition of a regular grid.
            for (z, y, x) in (0..60u64).map(|n| (n / 20, n / 5 % 4, n % 5)) {
                let [a, b, c] = chunk_shape;
                let index = (z / a * grid[1] + y / b) * grid[2] + x / c;
                let within = (z % a * b + y % b) * c + x % c;
                let number = u8::try_from((z * 4 + y) * 5 + x).unwrap();
                file[usize::try_from(index * size + within).unwrap()] = number;
            }
            assert_eq!(read_from(&file, &variable).unwrap(), counting(60), "{chunk_shape:?}");
        }
    }

    #[test]
    fn missing_chunks_hold_the_fill_value_in_the_order_of_the_type() {
        let sparse = chunks_of_bytes(&[3, 4], &[2, 3], &[1, 2]);
        let expected = [0, 1, 2, 99, 3, 4, 5, 99, 99, 99, 99, 18];
        assert_eq!(read_from(&counting(24), &sparse).unwrap(), expected);

        let chunks = vec![chunk(1, 0, 2)];
        let storage = chunked(&[1], chunks);
        let mut big = variable("a", &[2], I2_BIG, storage);
        big.fill = Fill::Value(vec![0x80, 0x01]);
        assert_eq!(read_from(&vec![1, 2], &big).unwrap(), [0x01, 0x80, 2, 1]);
    }

    #[test]
    fn missing_chunks_without_fill_value_are_undefined() {
        let mut sparse = chunks_of_bytes(&[3, 4], &[2, 3], &[1]);
        sparse.fill = Fill::Undefined;
        assert_eq!(code(&counting(24), &sparse), Code::FillUndefined);
        let mut unwritten = variable("a", &[2], I1, Storage::Contiguous(None));
        unwritten.fill = Fill::Undefined;
        assert_eq!(code(&vec![0], &unwritten), Code::FillUndefined);
        // Where nothing is missing, none is needed.
        let mut whole = chunks_of_bytes(&[3, 4], &[2, 3], &[]);
        whole.fill = Fill::Undefined;
        assert!(read_from(&counting(24), &whole).is_ok());
    }

    #[test]
    fn filters_are_undone_chunk_by_chunk_as_the_mask_says() {
        let elements: Vec<u8> = (0..8i16).flat_map(i16::to_be_bytes).collect();
        let mut file = Vec::new();
        let mut chunks = Vec::new();
        for (index, (half, filter_mask)) in elements.chunks(8).zip([0, 0b110]).enumerate() {
            let mut stored = Vec::new();
            shuffle::shuffle(half, 2, &mut stored);
            if filter_mask == 0 {
                let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
                zlib.write_all(&stored).unwrap();
                stored = zlib.finish().unwrap();
                fletcher32::append(&mut stored);
            }
            let (index, offset, size) = (index as u64, file.len() as u64, stored.len() as u64);
            chunks.push(Chunk { index, offset, size, filter_mask, trailing: 0 });
            file.extend(stored);
        }
        let storage = chunked(&[4], chunks);
        let filter = Filter::new;
        let mut filtered = variable("a", &[8], I2_BIG, storage);
        filtered.filters =
            vec![filter(Filter::SHUFFLE, &[2]), filter(Filter::DEFLATE, &[1]), filter(3, &[])];
        let expected: Vec<u8> = (0..8i16).flat_map(i16::to_le_bytes).collect();
        assert_eq!(read_from(&file, &filtered).unwrap(), expected);
        file[0] ^= 1;
        assert_eq!(code(&file, &filtered), Code::Corrupt);
    }

    #[test]
    fn storage_that_contradicts_the_shape_is_corrupt() {
        let file = counting(64);
        let corrupt = |storage| {
            assert_eq!(code(&file, &variable("a", &[4, 2], I1, storage)), Code::Corrupt);
        };
        corrupt(Storage::Compact(vec![0; 7]));
        corrupt(Storage::Contiguous(Some((0, 7))));
        corrupt(chunked(&[4], vec![]));
        corrupt(chunked(&[0, 2], vec![]));
        corrupt(chunked(&[2, 2], vec![chunk(0, 0, 3)]));
        corrupt(chunked(&[2, 2], vec![chunk(0, 0, 5)]));
        corrupt(chunked(&[2, 2], vec![chunk(2, 0, 4)]));
        corrupt(chunked(&[2, 2], vec![chunk(1, 0, 4), chunk(1, 4, 4)]));
        let mut odd_fill = variable("a", &[4, 2], I1, Storage::Contiguous(None));
        odd_fill.fill = Fill::Value(vec![0; 2]);
        assert_eq!(code(&file, &odd_fill), Code::Corrupt);
    }

    #[test]
    fn sizes_that_the_file_cannot_justify_are_refused() {
        let file = counting(64);
        let too_large = |shape: &[u64], storage| {
            assert_eq!(code(&file, &variable("a", shape, I2_BIG, storage)), Code::TooLarge);
        };
        too_large(&[u64::MAX, u64::MAX], Storage::Contiguous(None));
        too_large(&[1 << 60], Storage::Contiguous(None));
        too_large(&[1 << 26], Storage::Contiguous(None));
        too_large(&[1 << 29], Storage::Contiguous(Some((0, 1 << 30))));
        let chunks = vec![chunk(0, 0, u64::MAX)];
        too_large(&[1 << 26], chunked(&[1 << 26], chunks));
        let chunks = vec![chunk(0, 0, 64)];
        too_large(&[2], chunked(&[1 << 60], chunks));
    }

    #[test]
    fn nothing_is_read_of_an_array_without_elements() {
        let empty = chunks_of_bytes(&[0, 4], &[2, 3], &[]);
        assert!(read_from(&counting(1), &empty).unwrap().is_empty());
    }

    #[test]
    fn strings_come_from_whoever_indexed_them() {
        let file = counting(1);
        let source = Source::new(&file).unwrap();
        let mut strings = variable("a", &[1], DataType::String, Storage::Contiguous(None));
        assert_eq!(read(&source, &strings).unwrap_err().code(), Code::Unsupported);
        strings.values = Some(Values::Strings(vec!["tas".into()]));
        assert_eq!(read(&source, &strings).unwrap(), strings.values.unwrap());
    }

    #[test]
    fn small_variables_coordinates_and_bounds_are_read() {
        let file = counting(1_000_000);
        let long = |name: &str, dimension: &str| Variable {
            dimensions: vec![dimension.into()],
            ..variable(name, &[500_000], I2_BIG, Storage::Contiguous(Some((0, 1_000_000))))
        };
        let mut time = long("time", "time");
        time.attributes.push("bounds", AttributeValue::Text("time_bnds".into()));
        time.attributes.push("climatology", AttributeValue::Text("absent".into()));
        let mut undefined = variable("undefined", &[2], I1, Storage::Contiguous(None));
        undefined.fill = Fill::Undefined;
        let mut index = FileIndex {
            format: FileFormat::Hdf5(2),
            size: file.len() as u64,
            dimensions: vec![Dimension { name: "time".into(), size: 500_000, unlimited: true }],
            attributes: Attributes::default(),
            variables: vec![
                time,
                long("time_bnds", "time"),
                long("tas", "time"),
                variable("small", &[2], I1, Storage::Contiguous(Some((5, 2)))),
                undefined,
            ],
            groups: Vec::new(),
            refused: Vec::new(),
            cost: ReadCost::default(),
        };
        let source = Source::new(&file).unwrap();
        read_small_variables(&source, &mut index).unwrap();
        let read: Vec<&str> = index
            .variables
            .iter()
            .filter(|v| v.values.is_some())
            .map(|v| v.name.as_str())
            .collect();
        assert_eq!(read, ["time", "time_bnds", "small"]);
        assert_eq!(index.variable("small").unwrap().values, Some(Values::Bytes(vec![5, 6])));

        let chunks = vec![chunk(0, 0, 2)];
        let storage = chunked(&[2], chunks);
        let mut exotic = variable("exotic", &[2], I1, storage);
        exotic.filters = vec![Filter::new(Filter::SZIP, &[])];
        let error = super::read(&source, &exotic).unwrap_err();
        assert_eq!(error.to_string(), "the filter szip (4) is not supported [unsupported]");
        index.variables.push(exotic);
        read_small_variables(&source, &mut index).unwrap();
        assert_eq!(index.variable("exotic").unwrap().values, None);
    }
}
