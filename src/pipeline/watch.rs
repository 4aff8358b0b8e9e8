//! Watching over what may take for ever: a file system that hangs blocks whoever reads it, and no thread can
//! be called back from there. It is left behind, and the run goes on without it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::error::{Code, Error, Result};

/// After this long without a sign of life a word is said, and again after twice as long, and so on.
const SLOW: Duration = Duration::from_mins(1);
/// How often to look.
const TICK: Duration = Duration::from_secs(1);

/// What is in hand.
pub(super) struct Watch {
    patience: Option<Duration>,
    in_hand: Mutex<InHand>,
    /// Says that nothing has come of this path for so long.
    tell: Tell,
}

type Tell = Box<dyn Fn(&Path, Duration) + Send + Sync>;

#[derive(Default)]
struct InHand {
    entries: HashMap<u64, Entry>,
    next: u64,
}

struct Entry {
    path: PathBuf,
    /// None while it waits for others of this program.
    since: Option<Instant>,
    next_word: Duration,
    give_up: GiveUp,
}

type GiveUp = Box<dyn FnOnce(Error) + Send>;

impl Watch {
    /// Watches over what [`Self::begin`] names: it is given up after `patience`, if there is an end to that.
    pub(super) fn start(
        patience: Option<Duration>,
        tell: impl Fn(&Path, Duration) + Send + Sync + 'static,
    ) -> Result<Arc<Self>> {
        let watch = Arc::new(Self { patience, in_hand: Mutex::default(), tell: Box::new(tell) });
        let watched = Arc::downgrade(&watch);
        let tick = patience.map_or(TICK, |patience| (patience / 4).min(TICK));
        spawn("watch", move || look_on(&watched, tick))?;
        Ok(watch)
    }

    /// Begins something that waits for `path`. Given up, `give_up` is called on another thread.
    pub(super) fn begin(
        self: &Arc<Self>,
        path: &Path,
        give_up: impl FnOnce(Error) + Send + 'static,
    ) -> Watched {
        let mut in_hand = self.lock();
        let id = in_hand.next;
        in_hand.next += 1;
        let (path, since) = (path.to_owned(), Some(Instant::now()));
        let give_up = Box::new(give_up);
        in_hand.entries.insert(id, Entry { path, since, next_word: SLOW, give_up });
        drop(in_hand);
        Watched { watch: Arc::clone(self), id }
    }

    fn lock(&self) -> MutexGuard<'_, InHand> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which are slow, and gives up those that took too long.
    fn look(&self) {
        let mut in_hand = self.lock();
        let is_lost = |entry: &Entry| {
            self.patience.is_some_and(|patience| {
                entry.since.is_some_and(|since| since.elapsed() >= patience)
            })
        };
        let lost: Vec<u64> =
            in_hand.entries.iter().filter(|(_, it)| is_lost(it)).map(|(id, _)| *id).collect();
        let lost: Vec<Entry> = lost.iter().filter_map(|id| in_hand.entries.remove(id)).collect();
        let mut slow = Vec::new();
        for entry in in_hand.entries.values_mut() {
            let elapsed = entry.since.map_or(Duration::ZERO, |since| since.elapsed());
            if elapsed >= entry.next_word {
                entry.next_word = elapsed * 2;
                slow.push((entry.path.clone(), elapsed));
            }
        }
        drop(in_hand);
        for (path, elapsed) in &slow {
            (self.tell)(path, *elapsed);
        }
        for Entry { path, give_up, .. } in lost {
            give_up(hangs(&path, self.patience.unwrap_or_default()));
        }
    }
}

fn look_on(watch: &Weak<Watch>, tick: Duration) {
    loop {
        thread::sleep(tick);
        let Some(watch) = watch.upgrade() else { return };
        watch.look();
    }
}

fn hangs(path: &Path, patience: Duration) -> Error {
    let message = format!("nothing came from the file system for {} s", patience.as_secs_f64());
    Error::new(Code::Timeout, message).in_file(path).with_hint(
        "see that the file system answers, then scan again; where files come from tape, raise --timeout",
    )
}

/// Starts a thread that nobody waits for.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| {
        Error::new(Code::Internal, format!("cannot start a thread: {error}"))
            .with_hint("raise the limit of processes of this user, or lower --jobs and --io-depth")
    })
}

/// Something that is watched, until this is dropped.
pub(super) struct Watched {
    watch: Arc<Watch>,
    id: u64,
}

impl Watched {
    /// Ends it. Tells whether it had not been given up.
    pub(super) fn end(self) -> bool {
        self.watch.lock().entries.remove(&self.id).is_some()
    }

    /// Whether it was not given up.
    pub(super) fn is_held(&self) -> bool {
        self.watch.lock().entries.contains_key(&self.id)
    }

    /// It has come as far as `path`.
    pub(super) fn comes_to(&self, path: &Path) {
        self.change(|entry| {
            path.clone_into(&mut entry.path);
            entry.since = Some(Instant::now());
            entry.next_word = SLOW;
        });
    }

    /// It waits for others of this program.
    pub(super) fn rests(&self) {
        self.change(|entry| entry.since = None);
    }

    /// It waits no more.
    pub(super) fn resumes(&self) {
        self.change(|entry| entry.since = Some(Instant::now()));
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.watch.lock().entries.get_mut(&self.id) {
            change(entry);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn watch(patience: u64) -> Arc<Watch> {
        Watch::start(Some(Duration::from_millis(patience)), |_, _| ()).unwrap()
    }

    #[test]
    fn what_takes_too_long_is_given_up_and_what_ends_is_not() {
        let watch = watch(100);
        let (given_up, errors) = channel();
        let begin = |path: &str| {
            let given_up = given_up.clone();
            watch.begin(Path::new(path), move |error| given_up.send(error).unwrap())
        };
        assert!(begin("/quick").end());
        let hung = begin("/hung");
        let resting = begin("/resting");
        resting.rests();
        let error = errors.recv().unwrap();
        assert!(!hung.is_held() && resting.is_held());
        assert_eq!((error.code(), error.path()), (Code::Timeout, Some(Path::new("/hung"))));
        assert!(!hung.end());
        assert!(resting.end());
        assert!(errors.try_recv().is_err());
    }

    #[test]
    fn every_sign_of_life_counts() {
        let watch = watch(200);
        let walk = watch.begin(Path::new("/a"), |_| ());
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(50));
            walk.comes_to(Path::new("/b"));
        }
        assert!(walk.end());
    }
}
