//! Kerchunk's references in Parquet, which `LazyReferenceMapper` of fsspec reads: a directory with the Zarr V2
//! metadata in `.zmetadata`, and `ARRAY/refs.N.parq` with what stands for [`RECORD`] chunks each, in row-major
//! order.
//!
//! Such a file has one of three forms, for its reader tells them by their columns: `path`, `offset` and `size`
//! where all chunks are byte ranges; `raw` where all are in the file itself; and all four, `raw` being null for
//! byte ranges, where it has both. It has no nulls elsewhere, for pandas would turn them into numbers, and every
//! chunk has a row, also one that was never written, for whoever looks for a row that is not there gives up.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType as PhysicalType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use serde_json::{Map, Value, json};

use crate::model::array::Fill;
use crate::model::error::{Code, Error, Result};
use crate::model::virtual_dataset::{Body, VirtualArray, VirtualDataset};

use super::artefact::METADATA;
use super::attributes::Members;
use super::reference_json::Locations;
use super::references::{self, Layout, Target};
use super::seal::{Failure, Written};
use super::set::{self, Files, PreparedSet, SetFile};
use super::{encode, zarr_v2};

/// Chunks to a file. Its readers keep whole files in memory, and fetch one for each chunk that they want.
pub const RECORD: u64 = 100_000;

/// What compresses pages: cheap to undo, and every client has it.
const LEVEL: i32 = 3;

/// A page of the largest dictionary: rows that are the same chunk cost one.
const DICTIONARY: usize = 1 << 30;

/// Writes the set of `dataset`, which Zarr V2 must be able to hold, for `target`. Returns how many byte ranges it
/// refers to, too.
pub fn prepare(
    target: &Path,
    dataset: &VirtualDataset,
    locations: Locations,
) -> Result<(PreparedSet, u64)> {
    set::prepare(target, |files| {
        files.write(METADATA, |out| Ok(out.write_all(metadata(dataset).as_bytes())?))?;
        let mut references = 0;
        for array in &dataset.arrays {
            references +=
                self::array(files, array, locations).map_err(|failure| match failure {
                    Failure::Content(error) => error.of_variable(&array.name).into(),
                    failure @ Failure::System(_) => failure,
                })?;
        }
        Ok(references)
    })
}

/// Writes the set at `from` for `target`, with every location changed by `relocate`; what that refuses ends it.
pub fn relocate(
    from: &Path,
    target: &Path,
    relocate: &mut dyn FnMut(&str) -> io::Result<String>,
) -> Result<PreparedSet> {
    let copied = set::prepare(target, |files| {
        files.write(METADATA, |out| {
            io::copy(&mut File::open(from.join(METADATA))?, out)?;
            Ok(())
        })?;
        for array in directories(from)? {
            for number in 0.. {
                let name = name(&array, number);
                let Some(rows) = Rows::read(&from.join(&name))? else { break };
                files.write(&name, |out| rows.relocated(relocate)?.write(out))?;
            }
        }
        Ok(())
    });
    copied.map(|(prepared, ())| prepared)
}

fn directories(top: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().into_string();
            names.push(name.map_err(|_| io::Error::other("a name that is not in UTF-8"))?);
        }
    }
    names.sort();
    Ok(names)
}

fn name(array: &str, number: u64) -> String {
    format!("{array}/refs.{number}.parq")
}

fn metadata(dataset: &VirtualDataset) -> String {
    let mut documents = Map::new();
    documents.insert(".zgroup".to_owned(), zarr_v2::group());
    documents.insert(".zattrs".to_owned(), json!(Members::of(&dataset.attributes)));
    for array in &dataset.arrays {
        let Layout { chunk_shape, codecs } = Layout::of(array);
        let mut add = |name: &str, document: Value| {
            documents.insert(format!("{}/{name}", array.name), document);
        };
        add(".zarray", json!(zarr_v2::array(array, &chunk_shape, &codecs)));
        add(".zattrs", json!(zarr_v2::array_attributes(array)));
    }
    json!({"metadata": documents, "record_size": RECORD}).to_string()
}

/// Writes what stands for the chunks of `array`. Returns how many byte ranges do.
fn array(files: &mut Files, array: &VirtualArray, locations: Locations) -> Written<u64> {
    if array.shape.contains(&0) {
        return Ok(0);
    }
    let layout = Layout::of(array);
    let mut rows = Rows::default();
    if let Body::Inline(values) = &array.body {
        rows.hold(&ByteArray::from(encode::inline_chunk(values, &layout.codecs)?));
        files.write(&name(&array.name, 0), |out| rows.write(out))?;
        return Ok(0);
    }
    let mut targets = references::targets(array, locations).peekable();
    let mut paths = Paths::default();
    let mut references = 0;
    let mut constant = None;
    let chunks = references::count(array)?;
    for index in 0..chunks {
        let is_next = |target: &Result<(u64, Target)>| match target {
            Ok((at, _)) => *at == index,
            Err(_) => true,
        };
        match targets.next_if(is_next).transpose()? {
            Some((_, Target::Range { location, offset, size })) => {
                rows.refer(paths.of(location), signed(offset)?, signed(size)?);
                references += 1;
            }
            Some((_, Target::Held(bytes))) => rows.hold(&ByteArray::from(bytes.to_vec())),
            None => {
                let never_written = match constant.take() {
                    Some(constant) => constant,
                    None => self::constant(array, &layout)?,
                };
                rows.hold(constant.insert(never_written));
            }
        }
        if (index + 1).is_multiple_of(RECORD) || index + 1 == chunks {
            let number = index / RECORD;
            files.write(&name(&array.name, number), |out| std::mem::take(&mut rows).write(out))?;
        }
    }
    match targets.next() {
        None => Ok(references),
        Some(_) => Err(Error::new(Code::Internal, "a chunk lies outside the grid").into()),
    }
}

/// The chunk that stands for those that were never written.
fn constant(array: &VirtualArray, layout: &Layout) -> Result<ByteArray> {
    let Fill::Value(fill) = &array.fill else {
        let message = "chunks were never written, and nothing says what they hold";
        return Err(Error::new(Code::FillUndefined, message));
    };
    layout.constant_chunk(fill).map(ByteArray::from)
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::new(Code::TooLarge, "a byte range beyond 2^63"))
}

/// The location that was met last, as it is written.
#[derive(Default)]
struct Paths(Option<ByteArray>);

impl Paths {
    fn of(&mut self, location: &str) -> ByteArray {
        match &self.0 {
            Some(last) if last.data() == location.as_bytes() => last.clone(),
            _ => self.0.insert(ByteArray::from(location)).clone(),
        }
    }
}

/// What stands for the chunks of one file.
#[derive(Default)]
struct Rows {
    paths: Vec<ByteArray>,
    offsets: Vec<i64>,
    sizes: Vec<i64>,
    /// Chunks that are in the file itself, in order.
    raw: Vec<ByteArray>,
    /// For each row, whether it is one of these.
    is_raw: Vec<i16>,
}

impl Rows {
    fn refer(&mut self, path: ByteArray, offset: i64, size: i64) {
        self.paths.push(path);
        self.offsets.push(offset);
        self.sizes.push(size);
        self.is_raw.push(0);
    }

    fn hold(&mut self, bytes: &ByteArray) {
        self.refer(ByteArray::from(""), 0, 0);
        self.raw.push(bytes.clone());
        if let Some(last) = self.is_raw.last_mut() {
            *last = 1;
        }
    }

    /// Whether all rows are in the file itself, and whether some are.
    fn form(&self) -> (bool, bool) {
        (self.raw.len() == self.paths.len(), !self.raw.is_empty())
    }

    fn schema(&self) -> Result<TypePtr> {
        const RANGE: &str =
            "required binary path (UTF8); required int64 offset; required int64 size;";
        let message = match self.form() {
            (true, true) => "message refs { required binary raw; }".to_owned(),
            (false, true) => format!("message refs {{ {RANGE} optional binary raw; }}"),
            (_, false) => format!("message refs {{ {RANGE} }}"),
        };
        parse_message_type(&message).map(Arc::new).map_err(|error| wrong(&error))
    }

    fn write(self, out: &mut SetFile) -> Written<()> {
        let (only_raw, _) = self.form();
        let schema = self.schema()?;
        let mut writer =
            SerializedFileWriter::new(out, Arc::clone(&schema), Arc::new(properties()?))
                .map_err(failed)?;
        let mut group = writer.next_row_group().map_err(failed)?;
        for field in schema.get_fields() {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            let written = match field.name() {
                "path" => column.typed::<ByteArrayType>().write_batch(&self.paths, None, None),
                "offset" => column.typed::<Int64Type>().write_batch(&self.offsets, None, None),
                "size" => column.typed::<Int64Type>().write_batch(&self.sizes, None, None),
                _ => {
                    let levels = (!only_raw).then_some(self.is_raw.as_slice());
                    column.typed::<ByteArrayType>().write_batch(&self.raw, levels, None)
                }
            };
            written.map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        writer.close().map_err(failed)?;
        Ok(())
    }

    /// What is in the file at `path`; none where there is no such file.
    fn read(path: &Path) -> Written<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let reader = SerializedFileReader::new(file).map_err(failed)?;
        let mut rows = Self::default();
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).map_err(failed)?;
            let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let columns = group.metadata().num_columns();
            for number in 0..columns {
                let name = group.metadata().column(number).column_descr().name().to_owned();
                match (name.as_str(), group.get_column_reader(number).map_err(failed)?) {
                    ("path", ColumnReader::ByteArrayColumnReader(column)) => {
                        rows.paths.extend(all(column, count)?.0);
                    }
                    ("offset", ColumnReader::Int64ColumnReader(column)) => {
                        rows.offsets.extend(all(column, count)?.0);
                    }
                    ("size", ColumnReader::Int64ColumnReader(column)) => {
                        rows.sizes.extend(all(column, count)?.0);
                    }
                    ("raw", ColumnReader::ByteArrayColumnReader(column)) => {
                        let (raw, levels) = all(column, count)?;
                        rows.raw.extend(raw);
                        rows.is_raw.extend(levels);
                    }
                    _ => return Err(Error::corrupt("a column that no set has").into()),
                }
            }
            // Where all rows are alike there are no levels.
            rows.is_raw.resize(count, i16::from(columns == 1));
            rows.paths.resize(count, ByteArray::from(""));
            rows.offsets.resize(count, 0);
            rows.sizes.resize(count, 0);
        }
        Ok(Some(rows))
    }

    fn relocated(mut self, relocate: &mut dyn FnMut(&str) -> io::Result<String>) -> Written<Self> {
        let mut last: Option<(ByteArray, ByteArray)> = None;
        for path in self.paths.iter_mut().filter(|path| !path.is_empty()) {
            if last.as_ref().is_none_or(|(old, _)| old != path) {
                let old = path.as_utf8().map_err(failed)?;
                let new = ByteArray::from(relocate(old)?.as_str());
                last = Some((path.clone(), new));
            }
            if let Some((_, new)) = &last {
                *path = new.clone();
            }
        }
        Ok(self)
    }
}

/// The values and the levels of a column of `count` rows.
fn all<T: PhysicalType>(
    mut column: ColumnReaderImpl<T>,
    count: usize,
) -> Written<(Vec<T::T>, Vec<i16>)> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut rows = 0;
    while rows < count {
        let (read, _, _) = column
            .read_records(count - rows, Some(&mut levels), None, &mut values)
            .map_err(failed)?;
        if read == 0 {
            return Err(Error::corrupt("a column ends early").into());
        }
        rows += read;
    }
    Ok((values, levels))
}

fn properties() -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(LEVEL).map_err(|error| wrong(&error))?;
    let mut properties = WriterProperties::builder()
        // The same set has the same bytes whichever version of a library wrote it.
        .set_created_by("vzarr-publish".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_page_size_limit(DICTIONARY);
    for column in ["offset", "size"] {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            // Fastparquet reads fractions where it is not told that there are no nulls.
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::Chunk)
            .set_column_encoding(column, Encoding::PLAIN);
    }
    Ok(properties.build())
}

fn wrong(error: &ParquetError) -> Error {
    Error::new(Code::Internal, format!("cannot write Parquet: {error}"))
}

/// What the system said, if it was the system.
fn failed(error: ParquetError) -> Failure {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => Failure::System(*error),
            Err(error) => Failure::System(io::Error::other(error)),
        },
        error => Failure::System(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::emit::seams::Seams;
    use crate::model::array::{Chunk, Values};
    use crate::model::attribute::Attributes;
    use crate::model::dtype::DataType;
    use crate::model::virtual_dataset::{Run, Stored};

    const URL: &str = "https://n.org/a.nc";

    fn array(name: &str, shape: Vec<u64>, body: Body) -> VirtualArray {
        VirtualArray {
            name: name.into(),
            dimensions: shape.iter().map(|length| format!("n{length}")).collect(),
            shape,
            dtype: DataType::Text(1),
            fill: Fill::Value(vec![7]),
            attributes: Attributes::default(),
            body,
        }
    }

    /// An array of `rows` chunks of one element, of which those are there that `is_written` says.
    fn chunked(name: &str, rows: u64, is_written: impl Fn(u64) -> bool) -> VirtualArray {
        let chunk =
            |index| Chunk { index, offset: 100 + index, size: 1, filter_mask: 0, trailing: 0 };
        let run = Run {
            file: 0,
            rows,
            chunk_rows: 1,
            first: 0,
            chunks: (0..rows).filter(|index| is_written(*index)).map(chunk).collect(),
            stored: Stored::AsArray(Vec::new()),
        };
        let body = Body::Virtual { chunk_shape: vec![1], codecs: Vec::new(), runs: vec![run] };
        array(name, vec![rows], body)
    }

    fn prepared(target: &Path, arrays: Vec<VirtualArray>) -> Result<(PreparedSet, u64)> {
        let dataset = VirtualDataset { attributes: Attributes::default(), arrays, joint: None };
        let (files, seams) = ([URL.to_owned()], Seams::default());
        prepare(target, &dataset, Locations { files: &files, seams: &seams, seam_file: None })
    }

    fn rows(set: &Path, name: &str) -> Rows {
        Rows::read(&set.join(name)).unwrap().unwrap()
    }

    #[test]
    fn every_chunk_has_a_row_in_the_form_that_its_file_needs() {
        let place = tempdir().unwrap();
        let target = place.path().join("a.parq");
        let (set, references) = prepared(
            &target,
            vec![
                chunked("all", RECORD + 3, |_| true),
                chunked("some", 5, |index| index != 2),
                chunked("none", 4, |_| false),
                array("time", vec![2], Body::Inline(Values::Bytes(vec![1, 2]))),
                array("height", Vec::new(), Body::Inline(Values::Bytes(vec![9]))),
                array("empty", vec![0], Body::Inline(Values::Bytes(Vec::new()))),
            ],
        )
        .unwrap();
        assert_eq!(references, RECORD + 3 + 4);
        set.publish().unwrap();
        let first = rows(&target, "all/refs.0.parq");
        assert_eq!((first.paths.len() as u64, first.form()), (RECORD, (false, false)));
        assert_eq!((first.offsets[7], first.sizes[7]), (107, 1));
        assert_eq!(rows(&target, "all/refs.1.parq").paths, vec![ByteArray::from(URL); 3]);
        let some = rows(&target, "some/refs.0.parq");
        assert_eq!((some.form(), some.is_raw), ((false, true), vec![0, 0, 1, 0, 0]));
        assert_eq!((some.raw, some.offsets[3]), (vec![ByteArray::from(vec![7])], 103));
        assert_eq!(rows(&target, "none/refs.0.parq").raw, vec![ByteArray::from(vec![7]); 4]);
        assert_eq!(rows(&target, "time/refs.0.parq").raw, [ByteArray::from(vec![1, 2])]);
        assert_eq!(rows(&target, "height/refs.0.parq").form(), (true, true));
        assert!(!target.join("empty").exists());
        let metadata = fs::read_to_string(target.join(METADATA)).unwrap();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(
            (&metadata["record_size"], metadata["metadata"].get("empty/.zarray").is_some()),
            (&json!(RECORD), true)
        );
        assert!(crate::emit::artefact::is_ours(crate::model::format::Format::Parquet, &target));
    }

    #[test]
    fn a_relocated_set_is_one_that_was_written_there() {
        let place = tempdir().unwrap();
        let arrays = || vec![chunked("some", 5, |index| index != 2), chunked("all", 3, |_| true)];
        let [old, new] = ["old.parq", "new.parq"].map(|name| place.path().join(name));
        let digest = prepared(&old, arrays()).unwrap().0.publish().unwrap().digest;
        let moved = |to: &str| {
            let to = to.to_owned();
            relocate(&old, &new, &mut move |from| {
                assert_eq!(from, URL);
                Ok(to.clone())
            })
            .unwrap()
        };
        assert_eq!(moved(URL).sealed().digest, digest);
        let elsewhere = moved("https://other.org/a.nc");
        assert_ne!(elsewhere.sealed().digest, digest);
        let some = rows(elsewhere.path(), "some/refs.0.parq");
        assert_eq!(some.paths[0], ByteArray::from("https://other.org/a.nc"));
        assert_eq!(some.paths[2], ByteArray::from(""));
        let refused = relocate(&old, &new, &mut |_| Err(io::Error::other("unknown")));
        assert!(refused.is_err() && !new.exists());
    }

    #[test]
    fn what_cannot_be_a_directory_or_has_no_fill_value_is_refused() {
        let place = tempdir().unwrap();
        let target = place.path().join("a.parq");
        let error = prepared(&target, vec![chunked("..", 1, |_| true)]).unwrap_err();
        assert_eq!((error.code(), error.variable()), (Code::Unsupported, Some("..")));
        let mut unknown = chunked("some", 2, |index| index > 0);
        unknown.fill = Fill::Undefined;
        assert_eq!(prepared(&target, vec![unknown]).unwrap_err().code(), Code::FillUndefined);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
