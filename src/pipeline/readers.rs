//! Threads that read files: many more than there are cores where they wait for the file system most of their
//! time; of files that are in memory, no more are read at once than can be computed.
//!
//! Datasets come in the order in which they were found, and the files of several are read at once. Whoever
//! reads the last file of a dataset puts it among those that are ready to be built.

use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::discover::SourceFile;
use crate::index;
use crate::index::packed::{self, Packed};
use crate::index::source::OpenFile;
use crate::model::array::FileIndex;
use crate::model::error::{Code, Error, Result};

use super::build::Job;
use super::watch::{Watch, spawn};

/// Open files beside those that are being read: the ledger, reports, stores that are written.
const OTHER_FILES: u64 = 64;

/// Where no reader comes back for so long, what it reads does not come from memory.
const SLOW: Duration = Duration::from_millis(1);

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// How much may be in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Files that are read at once.
    pub depth: usize,
    /// Files that are read at once as long as all come from memory.
    pub in_memory: usize,
    /// Datasets from the first file that is read to the store.
    pub datasets: usize,
    /// Bytes of memory that the indexes take.
    pub memory: u64,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Indexed {
    /// The file as it was read, which may be another than was found.
    pub file: SourceFile,
    /// What it holds.
    pub index: FileIndex,
    /// Whether it was opened, and not known from before.
    pub is_new: bool,
}

/// A dataset whose files were read.
pub(super) struct Ready {
    pub job: Job,
    /// One for each file.
    pub files: Vec<Result<Indexed>>,
    /// Room for another dataset once this is dropped.
    _place: Place,
}

/// The threads and what they have to do.
#[derive(Clone)]
pub(super) struct Readers(Arc<Shared>);

struct Shared {
    bounds: Bounds,
    watch: Arc<Watch>,
    /// Whether nothing is to be read any more.
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
    /// There may be something to read.
    work: Condvar,
    /// There may be something to build.
    ready: Condvar,
    /// There may be room for another dataset.
    room: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    ready: VecDeque<Ready>,
    /// The numbers of the datasets in hand.
    in_hand: BTreeSet<u64>,
    next: u64,
    /// Bytes that the indexes of the datasets in hand take.
    memory: u64,
    /// Threads that were started, at most as many as may be, but for those in the place of others.
    started: usize,
    /// Threads that wait for something to read.
    idle: usize,
    /// Threads that read.
    reading: usize,
    /// Files that were begun.
    begun: u64,
    /// Whether readers have to wait for the file system.
    is_slow: bool,
    /// Threads that wait for something to build.
    idle_builders: usize,
    /// Threads that never came back.
    lost: usize,
    is_closed: bool,
}

/// A file to be read.
struct Task {
    dataset: Arc<Reading>,
    place: usize,
    file: SourceFile,
}

/// A dataset whose files are being read.
struct Reading {
    number: u64,
    progress: Mutex<Progress>,
}

struct Progress {
    /// None once all is read.
    job: Option<(Job, Place)>,
    files: Vec<Option<Result<Indexed>>>,
    left: usize,
}

/// The place of a dataset among those in hand.
struct Place {
    shared: Arc<Shared>,
    number: u64,
    memory: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.in_hand.remove(&self.number);
        state.memory = state.memory.saturating_sub(self.memory);
        drop(state);
        self.shared.room.notify_all();
        self.shared.work.notify_all();
    }
}

impl Readers {
    /// Starts the first thread; others follow as they are needed.
    pub(super) fn start(bounds: Bounds, watch: Arc<Watch>, stop: Arc<AtomicBool>) -> Result<Self> {
        let depth = within_open_files(bounds.depth);
        let shared = Shared {
            bounds: Bounds { depth, ..bounds },
            watch,
            stop,
            state: Mutex::new(State { started: 1, ..State::default() }),
            work: Condvar::new(),
            ready: Condvar::new(),
            room: Condvar::new(),
        };
        let readers = Self(Arc::new(shared));
        readers.start_thread()?;
        Ok(readers)
    }

    fn start_thread(&self) -> Result<()> {
        let readers = self.clone();
        spawn("reader", move || readers.read_all())
    }

    fn start_another_thread(&self) {
        if let Err(error) = self.start_thread() {
            // Those that there are do the work, too.
            log::warn!("{error}");
        }
    }

    /// Has the files of `job` read, but those whose indexes are among `known`. Waits for room.
    pub(super) fn add(&self, job: Job, mut known: Vec<Packed>) {
        let mut state = self.0.lock();
        while state.in_hand.len() >= self.0.bounds.datasets && !state.is_closed {
            state = wait(&self.0.room, state);
        }
        if state.is_closed {
            return;
        }
        let number = state.next;
        state.next += 1;
        state.in_hand.insert(number);
        drop(state);
        let mut place = Place { shared: Arc::clone(&self.0), number, memory: 0 };
        let candidate = &job.candidate;
        // Where one cannot be reached the others are of no use.
        let files =
            if candidate.unreachable.is_empty() { candidate.files.clone() } else { Vec::new() };
        let mut results = Vec::with_capacity(files.len());
        let mut unread = Vec::new();
        for (at, file) in files.into_iter().enumerate() {
            let index = packed::take(&mut known, &file, candidate.checksums.get(&file.path));
            place.charge(index.as_ref());
            if index.is_none() {
                unread.push((at, file.clone()));
            }
            results.push(index.map(|index| Ok(Indexed { file, index, is_new: false })));
        }
        let left = unread.len();
        let progress = Progress { job: Some((job, place)), files: results, left };
        let dataset = Arc::new(Reading { number, progress: Mutex::new(progress) });
        if left == 0 {
            self.0.finish(&dataset);
            return;
        }
        let tasks = unread.into_iter().map(|(place, file)| Task {
            dataset: Arc::clone(&dataset),
            place,
            file,
        });
        let mut state = self.0.lock();
        state.tasks.extend(tasks);
        let is_wanted = state.wants_thread(self.0.bounds);
        drop(state);
        if is_wanted {
            self.start_another_thread();
        }
        if left == 1 { self.0.work.notify_one() } else { self.0.work.notify_all() }
    }

    /// The next dataset whose files are read, and whether somebody waits for the one after it; none once
    /// [`Self::close`] was called.
    pub(super) fn next_ready(&self) -> Option<(Ready, bool)> {
        let mut state = self.0.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(ready) = state.ready.pop_front() {
                return Some((ready, state.idle_builders > 0));
            }
            state.idle_builders += 1;
            state = wait(&self.0.ready, state);
            state.idle_builders -= 1;
        }
    }

    /// Ends all threads, once what each does is done.
    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let unread = std::mem::take(&mut state.tasks);
        let unbuilt = std::mem::take(&mut state.ready);
        drop(state);
        // Their places want the lock.
        drop((unread, unbuilt));
        self.0.work.notify_all();
        self.0.ready.notify_all();
        self.0.room.notify_all();
    }

    /// Whether as many threads never came back as there are: what is left would hardly fare better.
    pub(super) fn are_lost(&self) -> bool {
        self.0.lock().lost >= self.0.bounds.depth
    }

    fn read_all(self) {
        while let Some((task, is_wanted)) = self.0.next_task() {
            if is_wanted {
                self.start_another_thread();
            }
            let Task { dataset, place, file } = task;
            if self.0.stop.load(Ordering::Relaxed) || self.are_lost() {
                self.0.settle(&dataset, place, Err(unread(&file.path)));
                continue;
            }
            let given_up = {
                let (readers, dataset) = (self.clone(), Arc::clone(&dataset));
                move |error: Error| readers.replace_thread(&dataset, place, error)
            };
            let watched = self.0.watch.begin(&file.path, given_up);
            let indexed = index_file(&file);
            if !watched.end() {
                // Another thread does this one's work by now.
                return;
            }
            self.0.settle(&dataset, place, indexed);
        }
    }

    /// Puts another thread in the place of one that hangs.
    fn replace_thread(&self, dataset: &Reading, place: usize, error: Error) {
        self.0.lock().lost += 1;
        let error = self.start_thread().err().unwrap_or(error);
        self.0.settle(dataset, place, Err(error));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file to read, and whether another thread is wanted for those behind it.
    fn next_task(&self) -> Option<(Task, bool)> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if !state.has_task(self.bounds) {
                state.idle += 1;
                state = wait(&self.work, state);
                state.idle -= 1;
            } else if state.reading >= self.bounds.in_memory && !state.is_slow {
                state = self.stand_by(state);
            } else {
                let task = state.tasks.pop_front()?;
                state.reading += 1;
                state.begun += 1;
                let is_wanted = state.wants_thread(self.bounds);
                return Some((task, is_wanted));
            }
        }
    }

    /// Waits whether those who read come back for more.
    fn stand_by<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let begun = state.begun;
        state.idle += 1;
        let waited = self.work.wait_timeout(state, SLOW);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.is_slow |= timeout.timed_out() && state.begun == begun;
        state
    }

    /// Takes down what became of a file.
    fn settle(&self, dataset: &Reading, place: usize, indexed: Result<Indexed>) {
        self.lock().reading -= 1;
        let mut progress = dataset.lock();
        let Progress { job, files, left } = &mut *progress;
        let indexed = indexed.and_then(|indexed| match job {
            Some((_, of_dataset)) => {
                of_dataset.charge(Some(&indexed.index));
                of_dataset.check_memory(&indexed.file.path).map(|()| indexed)
            }
            None => Ok(indexed),
        });
        if let Some(slot) = files.get_mut(place)
            && slot.is_none()
        {
            *slot = Some(indexed);
            *left -= 1;
        }
        let is_complete = *left == 0;
        drop(progress);
        if is_complete {
            self.finish(dataset);
        }
    }

    /// Puts a dataset whose files are all read among those that are ready.
    fn finish(&self, dataset: &Reading) {
        let mut progress = dataset.lock();
        let files = std::mem::take(&mut progress.files).into_iter().flatten().collect();
        let Some((job, place)) = progress.job.take() else { return };
        drop(progress);
        let mut state = self.lock();
        // What is ready after the end is dropped, for which its place wants the lock.
        let ready = Ready { job, files, _place: place };
        if state.is_closed {
            drop(state);
            return;
        }
        state.ready.push_back(ready);
        drop(state);
        self.ready.notify_one();
    }
}

impl State {
    /// Whether another thread is to be started for what there is to read; counts it.
    fn wants_thread(&mut self, bounds: Bounds) -> bool {
        let is_wanted = !self.tasks.is_empty() && self.idle == 0 && self.started < bounds.depth;
        self.started += usize::from(is_wanted);
        is_wanted
    }

    /// Whether a file may be read. Where memory is short, only the oldest dataset goes on, so that one always
    /// does.
    fn has_task(&self, bounds: Bounds) -> bool {
        let is_short = self.memory >= bounds.memory;
        let is_oldest = |task: &Task| self.in_hand.first() == Some(&task.dataset.number);
        self.tasks.front().is_some_and(|task| !is_short || is_oldest(task))
    }
}

impl Reading {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn charge(&mut self, index: Option<&FileIndex>) {
        let memory = index.map_or(0, |index| index.memory() as u64);
        self.memory = self.memory.saturating_add(memory);
        let mut state = self.shared.lock();
        state.memory = state.memory.saturating_add(memory);
    }

    /// Whether the dataset by itself keeps to the bound.
    fn check_memory(&self, path: &Path) -> Result<()> {
        let most = self.shared.bounds.memory;
        if self.memory <= most {
            return Ok(());
        }
        let message = format!(
            "the indexes of the dataset take more than the {most} bytes of memory that they may"
        );
        Err(Error::new(Code::OutOfMemory, message).in_file(path).with_hint("raise --max-memory"))
    }
}

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condition.wait(state).unwrap_or_else(PoisonError::into_inner)
}

/// As many files as the system lets this process open at once, at most `depth`.
fn within_open_files(depth: usize) -> usize {
    let most = open_files().saturating_sub(OTHER_FILES);
    depth.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1)
}

/// How many files the system lets this process have open.
pub(super) fn open_files() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // The soft limit is for programs that cannot do with more.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Indexes `file`. One that changes meanwhile is read again.
fn index_file(file: &SourceFile) -> Result<Indexed> {
    let indexed = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..ATTEMPTS {
            if let Some(indexed) = index_unchanged(&file.path)? {
                return Ok(indexed);
            }
        }
        Err(unstable(&file.path))
    }));
    indexed.unwrap_or_else(|_| {
        let message = "reading the file made this program fail, which is a defect of it";
        Err(Error::new(Code::Internal, message).in_file(&file.path))
    })
}

/// Indexes the file at `path`; none where it changed meanwhile.
fn index_unchanged(path: &Path) -> Result<Option<Indexed>> {
    let open = OpenFile::open(path)?;
    let before = stamp(&open, path)?;
    let indexed = index::index(&open).map_err(|error| error.in_file(path));
    // Through the same descriptor, and by its name: another file may have taken that.
    if stamp(&open, path)? != before || SourceFile::of(path)? != before {
        return Ok(None);
    }
    let index = indexed?;
    // It may have grown between being opened and being asked.
    let is_whole = index.size == before.size;
    Ok(is_whole.then_some(Indexed { file: before, index, is_new: true }))
}

fn stamp(open: &OpenFile, path: &Path) -> Result<SourceFile> {
    let metadata = open.metadata().map_err(|error| Error::io(&error, "stat", path))?;
    Ok(SourceFile::as_in(path.to_owned(), &metadata))
}

/// The run ends before the file at `path` is read; nobody will see this.
fn unread(path: &Path) -> Error {
    Error::new(Code::Internal, "the file was not read").in_file(path)
}

/// The file at `path` changes while it is read.
pub(super) fn unstable(path: &Path) -> Error {
    Error::new(Code::Unstable, "the file changed while it was read").in_file(path).with_hint(
        "scan again when the transfer is complete, or leave young files alone by --min-age",
    )
}
