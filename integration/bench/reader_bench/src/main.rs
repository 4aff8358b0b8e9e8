//! Indexes files in a loop, or only replays the reads of doing so, and prints the times as JSON.
//!
//! `reader_bench index FILE...`: what a scan does with a file.
//! `reader_bench metadata FILE...`: the same without reading the values of small variables.
//! `reader_bench floor-index FILE...`, `floor-metadata FILE...`: opens the file and repeats the reads of the above, nothing else.
//!
//! With `--cold` the files are dropped from the page cache before every pass; with `--announce` a floor tells the system of all
//! reads of a file before the first, which no program can do better.
//!
//! `integration/bench/reader` and `integration/bench/run` call this and its peers in turn; all take the same
//! options, but these two, and print the same.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rustix::fs::{Advice, fadvise};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use vzarr_publish::index;
use vzarr_publish::index::source::{OpenFile, ReadAt, Source};
use vzarr_publish::model::array::{FileIndex, Storage};

/// Fewest files of a pass with several threads.
const FILES_FOR_THREADS: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    mode: Mode,
    /// Passes over all files are repeated for this long, after one that is not counted.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// Passes over all files, instead; without one that is not counted.
    #[arg(long)]
    passes: Option<usize>,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long)]
    cold: bool,
    #[arg(long)]
    announce: bool,
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Index,
    Metadata,
    FloorIndex,
    FloorMetadata,
}

/// What was found in files, to see that all contenders found the same.
#[derive(Default)]
struct Found {
    chunks: usize,
    reads: u64,
    bytes: u64,
}

impl Found {
    fn in_index(index: &FileIndex) -> Self {
        let chunks = |storage: &Storage| match storage {
            Storage::Chunked { chunks, .. } => chunks.len(),
            _ => 0,
        };
        Self {
            chunks: index.variables.iter().map(|variable| chunks(&variable.storage)).sum(),
            reads: index.cost.reads,
            bytes: index.cost.bytes,
        }
    }

    fn add(&mut self, other: &Self) {
        self.chunks += other.chunks;
        self.reads += other.reads;
        self.bytes += other.bytes;
    }
}

/// A file that notes every read.
struct Recorder {
    file: OpenFile,
    reads: Mutex<Vec<(u64, usize)>>,
}

impl ReadAt for Recorder {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.lock().map_err(|_| io::ErrorKind::Other)?.push((offset, buffer.len()));
        self.file.read_exact_at(buffer, offset)
    }
}

/// What is timed for each file.
enum Job {
    Index,
    Metadata,
    /// The reads of each file, and whether they are announced.
    Replay(Vec<Vec<(u64, usize)>>, bool),
}

impl Job {
    fn new(mode: Mode, files: &[PathBuf], announce: bool) -> Result<Self> {
        let record = |of: fn(&dyn ReadAt) -> Result<FileIndex>| {
            files.iter().map(|path| recorded(path, of)).collect::<Result<_>>()
        };
        Ok(match mode {
            Mode::Index => Self::Index,
            Mode::Metadata => Self::Metadata,
            Mode::FloorIndex => Self::Replay(record(|file| Ok(index::index(file)?))?, announce),
            Mode::FloorMetadata => Self::Replay(record(metadata)?, announce),
        })
    }

    fn run(&self, number: usize, path: &Path) -> Result<Found> {
        Ok(match self {
            Self::Index => Found::in_index(black_box(&index::index_file(path)?)),
            Self::Metadata => Found::in_index(black_box(&metadata(&OpenFile::open(path)?)?)),
            Self::Replay(reads, announce) => replay(path, &reads[number], *announce)?,
        })
    }
}

fn metadata(file: &dyn ReadAt) -> Result<FileIndex> {
    let source = Source::new(file)?;
    let superblock = index::hdf5::superblock::find(&source)?.ok_or("not an HDF5 file")?;
    let mut index = index::netcdf4::index(&source, superblock)?;
    index.cost = source.cost();
    Ok(index)
}

fn recorded(path: &Path, of: fn(&dyn ReadAt) -> Result<FileIndex>) -> Result<Vec<(u64, usize)>> {
    let recorder = Recorder { file: OpenFile::open(path)?, reads: Mutex::default() };
    of(&recorder)?;
    Ok(recorder.reads.into_inner()?)
}

fn replay(path: &Path, reads: &[(u64, usize)], announce: bool) -> Result<Found> {
    if announce {
        let file = File::open(path)?;
        for &(offset, len) in reads {
            fadvise(&file, offset, NonZeroU64::new(len as u64), Advice::WillNeed)?;
        }
    }
    let file = OpenFile::open(path)?;
    let mut buffer = vec![0; reads.iter().map(|&(_, len)| len).max().unwrap_or(0)];
    let mut found = Found { reads: reads.len() as u64, ..Found::default() };
    for &(offset, len) in reads {
        file.read_exact_at(&mut buffer[..len], offset)?;
        found.bytes += len as u64;
        black_box(&buffer);
    }
    Ok(found)
}

/// The system keeps nothing of the files that has to be read again.
fn drop_from_page_cache(files: &[PathBuf]) -> Result<()> {
    for path in files {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// All files `times` times, shared among `threads`.
fn pass(job: &Job, files: &[PathBuf], times: usize, threads: usize) -> Result<Found> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Found::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times * files.len() {
                return Ok(found);
            }
            let number = number % files.len();
            found.add(&job.run(number, &files[number])?);
        }
    };
    if threads == 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut found = Found::default();
        for worker in workers {
            found.add(&worker.join().map_err(|_| "a thread panicked")??);
        }
        Ok(found)
    })
}

/// Seconds of processor time of this process, all threads, user and system.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
        .as_secs_f64()
}

fn main() -> Result<()> {
    let Arguments { mode, seconds, passes, threads, cold, announce, files } = Arguments::parse();
    let job = Job::new(mode, &files, announce)?;
    // Long enough that starting threads does not count, nor the last file, which one of them has to itself.
    let times =
        if threads > 1 && passes.is_none() { FILES_FOR_THREADS.div_ceil(files.len()) } else { 1 };
    if passes.is_none() {
        pass(&job, &files, times, threads)?;
    }
    let divisor = u32::try_from(times)?;
    let (start, start_cpu) = (Instant::now(), cpu());
    let mut walls = Vec::new();
    let found = loop {
        if cold {
            drop_from_page_cache(&files)?;
        }
        let before = Instant::now();
        let found = pass(&job, &files, times, threads)?;
        walls.push(before.elapsed().div_f64(f64::from(divisor)).as_secs_f64());
        let done = passes.map_or(start.elapsed().as_secs_f64() >= seconds, |n| walls.len() >= n);
        if done {
            break found;
        }
    };
    let cpu = (cpu() - start_cpu) / f64::from(divisor);
    let all = times as u64;
    println!(
        "{}",
        json!({
            "walls": walls,
            "cpu": cpu,
            "chunks": found.chunks / times,
            "read": {"reads": found.reads / all, "bytes": found.bytes / all},
        })
    );
    Ok(())
}
