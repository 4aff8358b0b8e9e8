//! One dataset as a Zarr hierarchy whose chunks are byte ranges in NetCDF files.

use std::collections::BTreeSet;
use std::ops::Range;

use super::array::{Chunk, Fill, Values, grid_shape, product};
use super::attribute::Attributes;
use super::chunks::Chunks;
use super::codec::{Codec, Filter};
use super::dtype::DataType;
use super::verdict::{Cost, Verdict};

/// The attribute of the group that names the variables without time that differ among the files and
/// are those of the first, in one text with a space between.
pub const FROM_FIRST_FILE: &str = "vzarr_publish_from_first_file";

/// A Zarr group of arrays over a list of source files.
#[derive(Clone, Debug)]
pub struct VirtualDataset {
    /// Attributes of the group.
    pub attributes: Attributes,
    /// Arrays in the order of the first file.
    pub arrays: Vec<VirtualArray>,
    /// What the files are joined along, if there is anything to join.
    pub joint: Option<Joint>,
}

/// The dimension that files are joined along.
#[derive(Clone, Debug)]
pub struct Joint {
    /// Its name, such as `time`.
    pub dimension: String,
    /// Its length in each file.
    pub lengths: Vec<u64>,
}

/// A Zarr array.
#[derive(Clone, Debug)]
pub struct VirtualArray {
    /// Name, such as `tas`.
    pub name: String,
    /// Names of the dimensions, slowest first.
    pub dimensions: Vec<String>,
    /// Length along each dimension.
    pub shape: Vec<u64>,
    /// Type of the elements as stored.
    pub dtype: DataType,
    /// What unwritten chunks hold.
    pub fill: Fill,
    /// Attributes, `_FillValue` among them where the files have it.
    pub attributes: Attributes,
    /// Where the elements are.
    pub body: Body,
}

/// Where the elements of an array are.
#[derive(Clone, Debug)]
pub enum Body {
    /// In the store itself, as one chunk.
    Inline(Values),
    /// In the source files.
    Virtual {
        /// Elements of a chunk along each dimension; along the first, runs may have others.
        chunk_shape: Vec<u64>,
        /// How chunks are encoded, in the order of encoding.
        codecs: Vec<Codec>,
        /// Runs of chunks, one per file, in the order of the grid.
        runs: Vec<Run>,
    },
}

/// The chunks that one file contributes to an array.
#[derive(Clone, Debug)]
pub struct Run {
    /// Position of the file in the list of sources.
    pub file: usize,
    /// Length of the array in this file, along its first dimension.
    pub rows: u64,
    /// Length of its chunks along the first dimension.
    pub chunk_rows: u64,
    /// Number added to each chunk's `index` to give its row-major number in the whole grid.
    pub first: u64,
    /// The chunks by ascending index.
    pub chunks: Chunks,
    /// How the file encoded them.
    pub stored: Stored,
}

/// How a file encoded chunks, as far as those of an array can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As the array says; this is what undoes it for a single chunk.
    AsArray(Vec<Filter>),
    /// In another way: all have to be encoded anew.
    Otherwise {
        /// Type of the elements.
        dtype: DataType,
        /// Filters in the order of writing.
        filters: Vec<Filter>,
    },
}

/// How a store has a chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// By its bytes in the file.
    AsStored,
    /// By so many of its bytes: the file fills it only in part, and another file follows.
    Cut(u64),
    /// So many of its rows, encoded anew.
    Anew(u64),
}

impl VirtualArray {
    /// How the store carries the array.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.body {
            Body::Inline(_) => Verdict::Inlined,
            Body::Virtual { .. } if self.cost().reencoded_bytes > 0 => Verdict::Seamed,
            Body::Virtual { .. } => Verdict::Virtual,
        }
    }

    /// What carrying the array takes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        if let Body::Inline(values) = &self.body {
            cost.inlined_bytes = values.bytes();
        }
        for run in self.runs() {
            cost.references += run.chunks.len() as u64;
            cost.stored_bytes += run.chunks.stored_bytes();
        }
        cost.reencoded_bytes = self.chunks_anew().map(|(_, chunk, _)| chunk.size).sum();
        cost
    }

    fn runs(&self) -> &[Run] {
        match &self.body {
            Body::Inline(_) => &[],
            Body::Virtual { runs, .. } => runs,
        }
    }

    /// The chunks in the order of the grid, and how the store has each.
    pub fn chunks(&self) -> impl Iterator<Item = (&Run, Chunk, Carried)> {
        self.carriers().flat_map(|carrier| {
            let Carrier { run, .. } = carrier;
            run.chunks.iter().map(move |chunk| (run, chunk, carrier.carried(chunk)))
        })
    }

    /// The chunks that are encoded anew, and so many rows of each.
    pub fn chunks_anew(&self) -> impl Iterator<Item = (&Run, Chunk, u64)> {
        // Most arrays have none, which is told without looking at their chunks.
        let carriers = self.carriers().filter(Carrier::may_encode_anew);
        carriers.flat_map(|carrier| {
            let Carrier { run, .. } = carrier;
            run.chunks.iter().filter_map(move |chunk| match carrier.carried(chunk) {
                Carried::Anew(rows) => Some((run, chunk, rows)),
                Carried::AsStored | Carried::Cut(_) => None,
            })
        })
    }

    fn carriers(&self) -> impl Iterator<Item = Carrier<'_>> {
        let runs = self.runs();
        let is_encoded = matches!(&self.body, Body::Virtual { codecs, .. } if !codecs.is_empty());
        let across = self.across();
        let last = last_run(runs);
        runs.iter().enumerate().map(move |(place, run)| {
            let filled = if place < last { run.filled() } else { run.chunk_rows };
            let rows_of_chunks = run.rows.div_ceil(run.chunk_rows);
            let first_at_end = rows_of_chunks.saturating_sub(1).saturating_mul(across);
            Carrier { run, is_encoded, filled, first_at_end }
        })
    }

    /// Number of chunks along each dimension. At a seam a chunk of one file is followed by one of the
    /// next though the first is not full.
    #[must_use]
    pub fn grid(&self) -> Vec<u64> {
        let Body::Virtual { chunk_shape, runs, .. } = &self.body else {
            return vec![1; self.shape.len()];
        };
        let mut grid = grid_shape(&self.shape, chunk_shape);
        if let Some(rows) = grid.first_mut() {
            *rows = runs.iter().map(|run| run.rows.div_ceil(run.chunk_rows)).sum();
        }
        grid
    }

    /// Chunks in each row of the grid.
    #[must_use]
    pub fn across(&self) -> u64 {
        product(self.grid().get(1..).unwrap_or_default()).unwrap_or(u64::MAX)
    }

    /// Lengths of the chunks along the first dimension; the last may reach beyond the array.
    #[must_use]
    pub fn edges(&self) -> Vec<u64> {
        let Body::Virtual { runs, .. } = &self.body else {
            return self.shape.first().copied().into_iter().collect();
        };
        let last = last_run(runs);
        let mut edges = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            edges.extend((0..run.rows / run.chunk_rows).map(|_| run.chunk_rows));
            if run.filled() < run.chunk_rows {
                edges.push(if place == last { run.chunk_rows } else { run.filled() });
            }
        }
        edges
    }

    /// Whether all its chunks are of one length along the first dimension.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.breaks().next().is_none()
    }

    /// Files behind which no regular grid goes on: a file fills its last chunk only in part, or has
    /// chunks of another length than the next.
    fn breaks(&self) -> impl Iterator<Item = usize> {
        let filled = self.runs().iter().filter(|run| run.rows > 0);
        let pairs = filled.clone().zip(filled.skip(1));
        let breaks = pairs.filter(|(run, next)| {
            run.filled() < run.chunk_rows || run.chunk_rows != next.chunk_rows
        });
        breaks.map(|(run, _)| run.file)
    }
}

/// How a store has the chunks of a run.
#[derive(Clone, Copy)]
struct Carrier<'a> {
    run: &'a Run,
    is_encoded: bool,
    /// Rows that the store has of the last chunks along the first dimension.
    filled: u64,
    /// The number of the first of these.
    first_at_end: u64,
}

impl Carrier<'_> {
    fn carried(&self, chunk: Chunk) -> Carried {
        let Run { chunk_rows, .. } = *self.run;
        let is_cut = self.is_cut() && chunk.index >= self.first_at_end;
        let rows = if is_cut { self.filled } else { chunk_rows };
        let is_other = chunk.filter_mask != 0 || self.run.is_stored_otherwise();
        match (is_other, is_cut) {
            (true, _) => Carried::Anew(rows),
            (false, true) if self.is_encoded => Carried::Anew(rows),
            (false, true) => Carried::Cut(chunk.size / chunk_rows * rows),
            (false, false) => Carried::AsStored,
        }
    }

    fn is_cut(&self) -> bool {
        self.filled < self.run.chunk_rows
    }

    fn may_encode_anew(&self) -> bool {
        self.run.is_stored_otherwise()
            || self.run.chunks.has_masks()
            || self.is_cut() && self.is_encoded
    }
}

impl Run {
    /// Rows that the last of its chunks along the first dimension have.
    fn filled(&self) -> u64 {
        match self.rows % self.chunk_rows {
            0 => self.chunk_rows,
            filled => filled,
        }
    }

    fn is_stored_otherwise(&self) -> bool {
        matches!(self.stored, Stored::Otherwise { .. })
    }
}

/// The place of the last run that has rows.
fn last_run(runs: &[Run]) -> usize {
    runs.iter().rposition(|run| run.rows > 0).unwrap_or(0)
}

impl VirtualDataset {
    /// Whether a regular grid holds each array, as Zarr V2 needs it.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.arrays.iter().all(VirtualArray::is_regular)
    }

    /// The longest runs of files that regular grids can hold.
    #[must_use]
    pub fn regular_files(&self) -> Vec<Range<usize>> {
        let files = self.joint.as_ref().map_or(1, |joint| joint.lengths.len());
        let breaks = self.arrays.iter().flat_map(|array| array.breaks().map(|file| file + 1));
        let mut ends: Vec<usize> = breaks.chain([files]).collect();
        ends.sort_unstable();
        ends.dedup();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, &end)| start..end).collect()
    }

    /// The files that it refers to.
    #[must_use]
    pub fn files(&self) -> BTreeSet<usize> {
        self.arrays.iter().flat_map(VirtualArray::runs).map(|run| run.file).collect()
    }

    /// The dataset of only these `files`; arrays that they are not joined along are whole.
    #[must_use]
    pub fn of_files(&self, files: Range<usize>) -> Self {
        let joint = self.joint.as_ref();
        let before: u64 = joint.iter().flat_map(|joint| &joint.lengths[..files.start]).sum();
        let rows: u64 = joint.iter().flat_map(|joint| &joint.lengths[files.clone()]).sum();
        let is_joined = |array: &VirtualArray| {
            joint.is_some_and(|joint| array.dimensions.first() == Some(&joint.dimension))
        };
        let arrays = self.arrays.iter().map(|array| {
            if is_joined(array) {
                array.cut(&files, &(before..before + rows))
            } else {
                array.clone()
            }
        });
        Self {
            attributes: self.attributes.clone(),
            arrays: arrays.collect(),
            joint: joint.map(|joint| Joint {
                dimension: joint.dimension.clone(),
                lengths: joint.lengths[files.clone()].to_vec(),
            }),
        }
    }
}

impl VirtualArray {
    /// What `files` contribute: these `rows`.
    fn cut(&self, files: &Range<usize>, rows: &Range<u64>) -> Self {
        let mut shape = self.shape.clone();
        let length =
            shape.first_mut().map_or(0, |length| std::mem::replace(length, rows.end - rows.start));
        let body = match &self.body {
            Body::Inline(values) => Body::Inline(rows_of(values, rows, length)),
            Body::Virtual { chunk_shape, codecs, runs } => {
                let runs = runs.iter().filter(|run| files.contains(&run.file));
                let first = runs.clone().next().map_or(0, |run| run.first);
                let runs: Vec<Run> =
                    runs.map(|run| Run { first: run.first - first, ..run.clone() }).collect();
                let mut chunk_shape = chunk_shape.clone();
                let filled = runs.iter().find(|run| run.rows > 0);
                if let Some((length, run)) = chunk_shape.first_mut().zip(filled) {
                    *length = run.chunk_rows;
                }
                Body::Virtual { chunk_shape, codecs: codecs.clone(), runs }
            }
        };
        Self {
            name: self.name.clone(),
            dimensions: self.dimensions.clone(),
            shape,
            dtype: self.dtype,
            fill: self.fill.clone(),
            attributes: self.attributes.clone(),
            body,
        }
    }
}

/// The values in `rows` of an array that has `length` rows.
fn rows_of(values: &Values, rows: &Range<u64>, length: u64) -> Values {
    fn cut<T: Clone>(values: &[T], rows: &Range<u64>, length: u64) -> Vec<T> {
        let in_row = (values.len() as u64).checked_div(length).unwrap_or(0);
        let place = |row: u64| usize::try_from(row * in_row).unwrap_or(usize::MAX);
        values.get(place(rows.start)..place(rows.end)).unwrap_or_default().to_vec()
    }
    match values {
        Values::Bytes(bytes) => Values::Bytes(cut(bytes, rows, length)),
        Values::Strings(strings) => Values::Strings(cut(strings, rows, length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tas` of 2 x `rows` elements in chunks of 5 x 1, all written, and `time`.
    fn dataset(rows: &[u64]) -> VirtualDataset {
        let mut first = 0;
        let runs = rows.iter().enumerate().map(|(file, &rows)| {
            let count = 2 * rows.div_ceil(5);
            let chunk =
                |index| Chunk { index, offset: 100 * index, size: 40, filter_mask: 0, trailing: 0 };
            first += count;
            let chunks = (0..count).map(chunk).collect();
            let stored = Stored::AsArray(Vec::new());
            Run { file, rows, chunk_rows: 5, first: first - count, chunks, stored }
        });
        let chunk_shape = vec![5, 1];
        let runs = runs.collect();
        let total = rows.iter().sum();
        let array = |name: &str, dimensions: &[&str], shape: Vec<u64>, body| VirtualArray {
            name: name.into(),
            dimensions: dimensions.iter().map(|&name| name.into()).collect(),
            shape,
            dtype: DataType::Text(1),
            fill: Fill::Undefined,
            attributes: Attributes::default(),
            body,
        };
        let times = (0..total).map(|step| u8::try_from(step).unwrap()).collect();
        let body = Body::Virtual { chunk_shape, codecs: Vec::new(), runs };
        VirtualDataset {
            attributes: Attributes::default(),
            arrays: vec![
                array("tas", &["time", "lat"], vec![total, 2], body),
                array("time", &["time"], vec![total], Body::Inline(Values::Bytes(times))),
                array("lat", &["lat"], vec![2], Body::Inline(Values::Bytes(vec![8, 9]))),
            ],
            joint: Some(Joint { dimension: "time".into(), lengths: rows.to_vec() }),
        }
    }

    #[test]
    fn files_that_end_with_a_chunk_have_no_seam() {
        for rows in [&[5, 10, 3][..], &[7], &[5, 0, 4], &[4, 0], &[0, 0], &[]] {
            let dataset = dataset(rows);
            assert!(dataset.is_regular(), "{rows:?}");
            assert_eq!(dataset.regular_files().len(), 1, "{rows:?}");
            assert_eq!(dataset.arrays[0].verdict(), Verdict::Virtual);
        }
    }

    fn runs(dataset: &mut VirtualDataset) -> &mut Vec<Run> {
        match &mut dataset.arrays[0].body {
            Body::Virtual { runs, .. } => runs,
            Body::Inline(_) => panic!("inlined"),
        }
    }

    fn set_codecs(dataset: &mut VirtualDataset, of_array: &[Codec]) {
        if let Body::Virtual { codecs, .. } = &mut dataset.arrays[0].body {
            *codecs = of_array.to_vec();
        }
    }

    fn not_as_stored(dataset: &VirtualDataset) -> Vec<(usize, u64, Carried)> {
        let chunks = dataset.arrays[0].chunks();
        let others = chunks.filter(|(_, _, carried)| *carried != Carried::AsStored);
        others.map(|(run, chunk, carried)| (run.file, chunk.index, carried)).collect()
    }

    #[test]
    fn seams_lie_where_a_file_ends_within_a_chunk_and_another_follows() {
        use Carried::{Anew, Cut};
        let mut dataset = dataset(&[12, 5, 13, 0, 4]);
        let tas = &dataset.arrays[0];
        assert_eq!(tas.edges(), [5, 5, 2, 5, 5, 5, 3, 5]);
        assert_eq!(tas.grid(), [8, 2]);
        assert_eq!(tas.verdict(), Verdict::Virtual);
        assert_eq!(dataset.regular_files(), [0..1, 1..3, 3..5]);
        let at = |carried: fn(u64) -> Carried, bytes: [u64; 2]| {
            [(0, 4), (0, 5), (2, 4), (2, 5)].map(|(file, index)| {
                (file, index, carried(if file == 0 { bytes[0] } else { bytes[1] }))
            })
        };
        assert_eq!(not_as_stored(&dataset), at(Cut, [16, 24]));
        set_codecs(&mut dataset, &[Codec::Zlib(1)]);
        assert_eq!(not_as_stored(&dataset), at(Anew, [2, 3]));
        assert_eq!(dataset.arrays[0].verdict(), Verdict::Seamed);
        assert_eq!(dataset.arrays[0].cost().reencoded_bytes, 4 * 40);
    }

    #[test]
    fn what_is_not_stored_as_the_array_says_is_encoded_anew() {
        use Carried::Anew;
        let mut dataset = dataset(&[10, 5, 7]);
        set_codecs(&mut dataset, &[Codec::Zlib(1)]);
        let run = &mut runs(&mut dataset)[0];
        let masked = |chunk: Chunk| Chunk { filter_mask: u32::from(chunk.index == 1), ..chunk };
        run.chunks = run.chunks.iter().map(masked).collect();
        runs(&mut dataset)[1].stored =
            Stored::Otherwise { dtype: DataType::Text(1), filters: Vec::new() };
        assert_eq!(not_as_stored(&dataset), [(0, 1, Anew(5)), (1, 0, Anew(5)), (1, 1, Anew(5))]);
        assert!(dataset.is_regular());
        assert_eq!(dataset.arrays[0].verdict(), Verdict::Seamed);
    }

    #[test]
    fn chunks_may_have_another_length_in_each_file() {
        let mut dataset = dataset(&[10, 9, 6]);
        let run = &mut runs(&mut dataset)[1];
        run.chunk_rows = 3;
        run.chunks = run.chunks.iter().filter(|chunk| chunk.index < 6).collect();
        runs(&mut dataset)[2].first += 2;
        let tas = &dataset.arrays[0];
        assert_eq!(tas.edges(), [5, 5, 3, 3, 3, 5, 5]);
        assert_eq!(tas.grid(), [7, 2]);
        assert_eq!(dataset.regular_files(), [0..1, 1..2, 2..3]);
        let part = dataset.of_files(1..2);
        assert!(part.is_regular());
        let Body::Virtual { chunk_shape, .. } = &part.arrays[0].body else { panic!("{part:?}") };
        assert_eq!(*chunk_shape, [3, 1]);
    }

    #[test]
    fn a_part_has_the_rows_of_its_files_and_the_rest_whole() {
        let part = dataset(&[12, 5, 13, 4]).of_files(1..3);
        assert!(part.is_regular());
        let [tas, time, lat] = &part.arrays[..] else { panic!("{part:?}") };
        assert_eq!(tas.shape, [18, 2]);
        let Body::Virtual { runs, .. } = &tas.body else { panic!("{tas:?}") };
        let starts: Vec<_> = runs.iter().map(|run| (run.file, run.first)).collect();
        assert_eq!(starts, [(1, 0), (2, 2)]);
        let values = |array: &VirtualArray| match &array.body {
            Body::Inline(Values::Bytes(bytes)) => bytes.clone(),
            body => panic!("{body:?}"),
        };
        assert_eq!(values(time), (12..30).collect::<Vec<u8>>());
        assert_eq!(values(lat), [8, 9]);
    }
}
