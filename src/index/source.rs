//! Positional reads of one file, with a read-ahead made for metadata.
//!
//! Most files that netCDF writes keep their metadata in the first pages, so one large first read
//! answers nearly every later request. What lies elsewhere is fetched in windows, a few of which
//! are kept. Of many pieces, such as the nodes of an index, those close together are fetched at
//! once, and the system is told of the others before they are needed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::mem;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{Advice, fadvise};

use crate::model::array::ReadCost;
use crate::model::error::{Code, Error, Result};

/// Bytes fetched by the first read: enough to index 357 of 495 real ESGF files with it alone.
const FIRST_READ: u64 = 64 * 1024;
/// Fewest bytes fetched by a later read.
const WINDOW: u64 = 4 * 1024;
/// Windows kept beside the first read.
const WINDOWS: usize = 16;
/// Bytes between two pieces that are fetched along rather than leave for a read of their own.
const GAP: u64 = 4 * 1024;
/// Most bytes fetched at once for several pieces.
const SPAN: u64 = 256 * 1024;
/// Reads that the system is told of beforehand.
const AHEAD: usize = 64;
/// A read that takes longer did not come from memory, so that telling of others is worth its cost.
const SLOW: Duration = Duration::from_micros(50);

/// Bytes that may be asked for, beside those of the file [`REREADS`] times over.
const LEAST_BUDGET: u64 = 32 * 1024 * 1024;
/// How often all of a file may be asked for: each byte of it is needed a few times.
const REREADS: u64 = 4;
/// What a request counts for at least.
const REQUEST: u64 = 64;

/// Something of known length that can be read at any place.
pub trait ReadAt {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset` on.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Tells that the `len` bytes at `offset` will soon be read.
    fn will_need(&self, _offset: u64, _len: u64) {}
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let bytes = start
            .checked_add(buffer.len())
            .and_then(|end| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// A file on disk, with the length it had when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    len: u64,
}

impl OpenFile {
    /// Opens `path` for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(&e, "open", path))?;
        let metadata = file.metadata().map_err(|e| Error::io(&e, "stat", path))?;
        if !metadata.is_file() {
            return Err(Error::new(Code::NotNetcdf, "not a regular file")
                .in_file(path)
                .with_hint("put the file itself, or a link to it, in its place, or remove it"));
        }
        Ok(Self { file, len: metadata.len() })
    }

    /// What the system says of it now, whatever its name leads to by then.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl ReadAt for OpenFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn will_need(&self, offset: u64, len: u64) {
        // Advice only: where it is not taken, the read itself waits.
        let _ = fadvise(&self.file, offset, NonZeroU64::new(len), Advice::WillNeed);
    }
}

thread_local! {
    /// The memory of the first read of the file before: to give it back and take it anew for every file costs
    /// the allocator more than the read.
    static HEAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads of one file, counted, with the first bytes and a few windows kept.
pub struct Source<'a> {
    file: &'a dyn ReadAt,
    head: Bytes,
    windows: RefCell<VecDeque<(u64, Bytes)>>,
    cost: Cell<ReadCost>,
    /// Bytes asked for, also of those that were kept.
    asked_for: Cell<u64>,
}

impl<'a> Source<'a> {
    /// Reads the first bytes of `file`.
    pub fn new(file: &'a dyn ReadAt) -> Result<Self> {
        let mut source = Self {
            file,
            head: Bytes::new(),
            windows: RefCell::default(),
            cost: Cell::default(),
            asked_for: Cell::default(),
        };
        source.head = source.fetch_into(HEAD.take(), 0, file.len().min(FIRST_READ))?;
        Ok(source)
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    /// Whether the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// Reads spent so far.
    #[must_use]
    pub fn cost(&self) -> ReadCost {
        self.cost.get()
    }

    /// Accounts for `len` bytes that are needed once more, or refuses them: a small file that leads to the
    /// same large piece from many places would otherwise take as much time and memory as it likes.
    pub fn account_for(&self, len: u64) -> Result<()> {
        let asked_for = self.asked_for.get().saturating_add(len.max(REQUEST));
        self.asked_for.set(asked_for);
        if asked_for <= LEAST_BUDGET.saturating_add(self.len().saturating_mul(REREADS)) {
            return Ok(());
        }
        Err(Error::new(Code::TooLarge, "the file refers to the same bytes from too many places"))
    }

    /// `len` bytes of metadata at `offset`.
    pub fn bytes(&self, offset: u64, len: u64) -> Result<Bytes> {
        let end = self.end(offset, len)?;
        self.account_for(len)?;
        if let Some(bytes) = cut(&self.head, 0, offset, end) {
            return Ok(bytes);
        }
        let kept = self.windows.borrow().iter().find_map(|(start, w)| cut(w, *start, offset, end));
        if let Some(bytes) = kept {
            return Ok(bytes);
        }
        let window = self.fetch(offset, len.max(WINDOW).min(self.len() - offset))?;
        let mut windows = self.windows.borrow_mut();
        if windows.len() == WINDOWS {
            windows.pop_front();
        }
        windows.push_back((offset, window.clone()));
        cut(&window, offset, offset, end).ok_or_else(|| ends_early(offset, len, self.len()))
    }

    /// Bytes of metadata at `offset`: `len`, or fewer where the file ends before.
    pub fn bytes_up_to(&self, offset: u64, len: u64) -> Result<Bytes> {
        self.bytes(offset, len.min(self.len().saturating_sub(offset)))
    }

    /// Hands the bytes of each of `pieces` (place and length) to `take`, in their order and with
    /// their number. Nothing is kept: for index nodes and chunks, each of which is read once.
    pub fn read_pieces(
        &self,
        pieces: &[(u64, u64)],
        mut take: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = Vec::new();
        let mut number = 0;
        let mut left = pieces;
        while !left.is_empty() {
            let mut spans = Vec::new();
            while spans.len() < AHEAD && !left.is_empty() {
                let span = self.span(left)?;
                left = &left[span.pieces..];
                spans.push(span);
            }
            let mut are_announced = false;
            for (place, span) in spans.iter().enumerate() {
                let begun = Instant::now();
                self.read_into(&mut buffer, span.start, span.end - span.start)?;
                if !are_announced && begun.elapsed() > SLOW {
                    let others = spans[place + 1..].iter();
                    others.for_each(|span| self.file.will_need(span.start, span.end - span.start));
                    are_announced = true;
                }
                for _ in 0..span.pieces {
                    let (offset, len) = pieces[number];
                    self.account_for(len)?;
                    let piece = in_memory(offset - span.start)
                        .zip(in_memory(len))
                        .and_then(|(from, len)| buffer.get(from..from.checked_add(len)?));
                    take(number, piece.unwrap_or_default())?;
                    number += 1;
                }
            }
        }
        Ok(())
    }

    /// The first of `pieces` with those of its successors that are close enough to be read along.
    fn span(&self, pieces: &[(u64, u64)]) -> Result<Span> {
        let mut span = Span { start: 0, end: 0, pieces: 0 };
        for &(offset, len) in pieces {
            let end = self.end(offset, len)?;
            if span.pieces == 0 {
                span = Span { start: offset, end, pieces: 1 };
                continue;
            }
            let is_close = offset >= span.start
                && offset.saturating_sub(span.end) <= GAP
                && end.saturating_sub(span.start) <= SPAN;
            if !is_close {
                break;
            }
            span.end = span.end.max(end);
            span.pieces += 1;
        }
        Ok(span)
    }

    /// Exactly `len` bytes at `offset` as all of `buffer`. Nothing is kept: for what is read once.
    pub fn read_into(&self, buffer: &mut Vec<u8>, offset: u64, len: u64) -> Result<()> {
        let end = self.end(offset, len)?;
        if let Some(bytes) = cut(&self.head, 0, offset, end) {
            buffer.clear();
            buffer.extend_from_slice(&bytes);
            return Ok(());
        }
        let len = usize::try_from(len).map_err(|_| ends_early(offset, len, self.len()))?;
        // What is there already need not be zeroed.
        buffer.resize(len, 0);
        self.read(buffer, offset)
    }

    fn end(&self, offset: u64, len: u64) -> Result<u64> {
        offset
            .checked_add(len)
            .filter(|&end| end <= self.len())
            .ok_or_else(|| ends_early(offset, len, self.len()))
    }

    /// Callers have checked `offset` and `len` against the length of the file, which bounds the
    /// allocation.
    fn fetch(&self, offset: u64, len: u64) -> Result<Bytes> {
        self.fetch_into(Vec::new(), offset, len)
    }

    /// The same in the memory of `buffer`, as far as it goes.
    fn fetch_into(&self, mut buffer: Vec<u8>, offset: u64, len: u64) -> Result<Bytes> {
        let len = usize::try_from(len).map_err(|_| ends_early(offset, len, self.len()))?;
        buffer.resize(len, 0);
        self.read(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut cost = self.cost.get();
        cost.reads += 1;
        cost.bytes += buffer.len() as u64;
        self.cost.set(cost);
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ends_early(offset, buffer.len() as u64, self.len()),
            _ => Error::new(Code::Io, format!("cannot read at byte {offset}: {error}")),
        })
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        // Whoever kept a part of it keeps the whole.
        if let Ok(head) = mem::take(&mut self.head).try_into_mut() {
            HEAD.set(head.into());
        }
    }
}

/// Pieces of a file that are read at once, and the bytes from the first to the last.
struct Span {
    start: u64,
    end: u64,
    pieces: usize,
}

fn in_memory(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// The part `offset..end` of `window`, which starts at `start`, if it lies within.
fn cut(window: &Bytes, start: u64, offset: u64, end: u64) -> Option<Bytes> {
    let from = in_memory(offset.checked_sub(start)?)?;
    let to = in_memory(end.checked_sub(start)?)?;
    (to <= window.len()).then(|| window.slice(from..to))
}

fn ends_early(offset: u64, len: u64, file: u64) -> Error {
    Error::new(
        Code::Truncated,
        format!("{len} bytes expected at byte {offset}, but the file ends at byte {file}"),
    )
    .with_hint("compare size and checksum with the source and transfer the file again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    #[test]
    fn one_read_answers_requests_within_the_first_bytes() {
        let data = bytes(100_000);
        let source = Source::new(&data).unwrap();
        assert_eq!(source.bytes(10, 20).unwrap(), data[10..30]);
        assert_eq!(source.bytes(60_000, 5_000).unwrap(), data[60_000..65_000]);
        assert_eq!(source.cost().reads, 1);
    }

    #[test]
    fn a_miss_fetches_a_window_that_answers_its_neighbours() {
        let data = bytes(100_000);
        let source = Source::new(&data).unwrap();
        assert_eq!(source.bytes(70_000, 8).unwrap(), data[70_000..70_008]);
        assert_eq!(source.bytes(70_100, 8).unwrap(), data[70_100..70_108]);
        assert_eq!(source.cost().reads, 2);
        assert_eq!(source.bytes(99_990, 10).unwrap(), data[99_990..]);
    }

    #[test]
    fn pieces_close_together_are_read_at_once_and_come_in_their_order() {
        let data = bytes(2_000_000);
        let source = Source::new(&data).unwrap();
        let far = |number: u64| 500_000 + 100_000 * number;
        let mut pieces: Vec<(u64, u64)> =
            (0..100).map(|number| (70_000 + 40 * number, 8)).collect();
        pieces.extend((0..10).rev().map(|number| (far(number), 3_000)));
        pieces.extend([(10, 5), (12, 5), (70_000, 300_000), (0, 0)]);
        let mut taken = Vec::new();
        let take = |number: usize, piece: &[u8]| {
            taken.push((number, piece.to_vec()));
            Ok(())
        };
        source.read_pieces(&pieces, take).unwrap();
        assert_eq!(taken.len(), pieces.len());
        for ((expected, (offset, len)), (number, piece)) in pieces.iter().enumerate().zip(&taken) {
            assert_eq!(*number, expected);
            let from = usize::try_from(*offset).unwrap();
            assert_eq!(*piece, data[from..][..usize::try_from(*len).unwrap()]);
        }
        assert_eq!(source.cost().reads, 1 + 1 + 10 + 1);
        let past_the_end = source.read_pieces(&[(0, 1), (1_999_999, 2)], |_, _| Ok(()));
        assert_eq!(past_the_end.unwrap_err().code(), Code::Truncated);
    }

    #[test]
    fn requests_past_the_end_are_truncation_whatever_their_size() {
        let data = bytes(100);
        let source = Source::new(&data).unwrap();
        for (offset, len) in [(90, 11), (101, 0), (u64::MAX, 1), (0, u64::MAX)] {
            assert_eq!(source.bytes(offset, len).unwrap_err().code(), Code::Truncated);
            let mut buffer = Vec::new();
            let error = source.read_into(&mut buffer, offset, len).unwrap_err();
            assert_eq!(error.code(), Code::Truncated);
        }
    }
}
