//! One dataset as a Zarr hierarchy whose chunks are byte ranges in NetCDF files.

use std::ops::Range;

use super::array::{Chunk, Fill, Values, grid_shape, product};
use super::attribute::Attributes;
use super::codec::Codec;
use super::dtype::DataType;
use super::verdict::{Cost, Verdict};

/// A Zarr group of arrays over a list of source files.
#[derive(Debug)]
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
        /// Elements of a chunk along each dimension.
        chunk_shape: Vec<u64>,
        /// How chunks were encoded, in the order of encoding.
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
    /// Number added to each chunk's `index` to give its row-major number in the whole grid.
    pub first: u64,
    /// The chunks by ascending index.
    pub chunks: Vec<Chunk>,
}

impl VirtualArray {
    /// How the store carries the array.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.body {
            Body::Inline(_) => Verdict::Inlined,
            Body::Virtual { .. } if self.seams().next().is_some() => Verdict::Seamed,
            Body::Virtual { .. } => Verdict::Virtual,
        }
    }

    /// What carrying the array takes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let stored = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.size).sum::<u64>();
        match &self.body {
            Body::Inline(values) => Cost { inlined_bytes: values.bytes(), ..Cost::default() },
            Body::Virtual { codecs, runs, .. } => {
                let seams = self.seams().filter(|_| !codecs.is_empty());
                Cost {
                    references: runs.iter().map(|run| run.chunks.len() as u64).sum(),
                    stored_bytes: runs.iter().map(|run| stored(&run.chunks)).sum(),
                    inlined_bytes: 0,
                    reencoded_bytes: seams.map(|(run, _)| stored(self.last_row(run))).sum(),
                }
            }
        }
    }

    /// Number of chunks along each dimension. At a seam a chunk of one file is followed by one of the
    /// next though the first is not full.
    #[must_use]
    pub fn grid(&self) -> Vec<u64> {
        let Body::Virtual { chunk_shape, runs, .. } = &self.body else {
            return vec![1; self.shape.len()];
        };
        let mut grid = grid_shape(&self.shape, chunk_shape);
        if let (Some(rows), Some(&length)) = (grid.first_mut(), chunk_shape.first()) {
            *rows = runs.iter().map(|run| run.rows.div_ceil(length.max(1))).sum();
        }
        grid
    }

    /// Chunks in each row of the grid.
    #[must_use]
    pub fn across(&self) -> u64 {
        product(self.grid().get(1..).unwrap_or_default()).unwrap_or(u64::MAX)
    }

    /// The runs that do not end where a chunk ends, though another run follows; with each, how many
    /// rows of its last chunks are filled.
    pub fn seams(&self) -> impl Iterator<Item = (&Run, u64)> {
        let (length, runs) = match &self.body {
            Body::Virtual { chunk_shape, runs, .. } => {
                (chunk_shape.first().copied().unwrap_or(1).max(1), runs.as_slice())
            }
            Body::Inline(_) => (1, &[][..]),
        };
        let last = runs.iter().rposition(|run| run.rows > 0).unwrap_or(0);
        runs[..last.min(runs.len())]
            .iter()
            .map(move |run| (run, run.rows % length))
            .filter(|(_, filled)| *filled > 0)
    }

    /// The chunks in the last row of `run`, one of this array's.
    #[must_use]
    pub fn last_row<'a>(&self, run: &'a Run) -> &'a [Chunk] {
        let Body::Virtual { chunk_shape, .. } = &self.body else { return &[] };
        let length = chunk_shape.first().copied().unwrap_or(1).max(1);
        let before = run.rows.div_ceil(length).saturating_sub(1).saturating_mul(self.across());
        &run.chunks[run.chunks.partition_point(|chunk| chunk.index < before)..]
    }

    /// Bytes of the filled rows of `chunk`, uncompressed, in the last row of `run`.
    #[must_use]
    pub fn filled_bytes(&self, run: &Run, chunk: &Chunk) -> u64 {
        let Body::Virtual { chunk_shape, .. } = &self.body else { return chunk.size };
        let length = chunk_shape.first().copied().unwrap_or(1).max(1);
        match run.rows % length {
            0 => chunk.size,
            filled => chunk.size / length * filled,
        }
    }

    /// Lengths of the chunks along the first dimension; the last may reach beyond the array.
    #[must_use]
    pub fn edges(&self) -> Vec<u64> {
        let Body::Virtual { chunk_shape, runs, .. } = &self.body else {
            return self.shape.first().copied().into_iter().collect();
        };
        let length = chunk_shape.first().copied().unwrap_or(1).max(1);
        let last = runs.iter().rposition(|run| run.rows > 0);
        let mut edges = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            edges.extend((0..run.rows / length).map(|_| length));
            if run.rows % length > 0 {
                edges.push(if Some(place) == last { length } else { run.rows % length });
            }
        }
        edges
    }
}

impl VirtualDataset {
    /// Whether every file ends where a chunk ends, so that one regular grid holds each array.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.arrays.iter().all(|array| array.seams().next().is_none())
    }

    /// The longest runs of files that a regular grid can hold: each but the last ends with a file
    /// behind which some array has a seam.
    #[must_use]
    pub fn aligned_files(&self) -> Vec<Range<usize>> {
        let files = self.joint.as_ref().map_or(1, |joint| joint.lengths.len());
        let seams = self.arrays.iter().flat_map(|array| array.seams().map(|(run, _)| run.file + 1));
        let mut ends: Vec<usize> = seams.chain([files]).collect();
        ends.sort_unstable();
        ends.dedup();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, &end)| start..end).collect()
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
                let runs =
                    runs.map(|run| Run { first: run.first - first, ..run.clone() }).collect();
                Body::Virtual { chunk_shape: chunk_shape.clone(), codecs: codecs.clone(), runs }
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
            let chunk = |index| Chunk { index, offset: 100 * index, size: 40, filter_mask: 0 };
            first += count;
            Run { file, rows, first: first - count, chunks: (0..count).map(chunk).collect() }
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
            assert!(dataset.is_aligned(), "{rows:?}");
            assert_eq!(dataset.aligned_files().len(), 1, "{rows:?}");
            assert_eq!(dataset.arrays[0].verdict(), Verdict::Virtual);
        }
    }

    #[test]
    fn seams_lie_where_a_file_ends_within_a_chunk_and_another_follows() {
        let dataset = dataset(&[12, 5, 13, 0, 4]);
        let tas = &dataset.arrays[0];
        let seams: Vec<_> = tas.seams().map(|(run, filled)| (run.file, filled)).collect();
        assert_eq!(seams, [(0, 2), (2, 3)]);
        assert_eq!(tas.verdict(), Verdict::Seamed);
        assert_eq!(tas.edges(), [5, 5, 2, 5, 5, 5, 3, 5]);
        assert_eq!(tas.grid(), [8, 2]);
        let (run, _) = tas.seams().next().unwrap();
        let indexes: Vec<u64> = tas.last_row(run).iter().map(|chunk| chunk.index).collect();
        assert_eq!(indexes, [4, 5]);
        assert_eq!(tas.filled_bytes(run, &run.chunks[4]), 16);
        assert_eq!(dataset.aligned_files(), [0..1, 1..3, 3..5]);
    }

    #[test]
    fn a_part_has_the_rows_of_its_files_and_the_rest_whole() {
        let part = dataset(&[12, 5, 13, 4]).of_files(1..3);
        assert!(part.is_aligned());
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
