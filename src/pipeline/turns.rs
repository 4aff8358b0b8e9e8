//! Turns at the processors: of all datasets in hand so many are computed at once as there are to be, while
//! others wait for the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many turns there are.
pub(super) struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    /// As many as `count` at once.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(count), freed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self) {
        *self.lock() += 1;
        self.freed.notify_one();
    }
}

/// Where one thread takes its turns, one after the other.
pub(super) struct Seat {
    turns: Arc<Turns>,
    has_turn: AtomicBool,
    is_given_up: AtomicBool,
}

impl Seat {
    pub(super) fn at(turns: &Arc<Turns>) -> Arc<Self> {
        let turns = Arc::clone(turns);
        Arc::new(Self {
            turns,
            has_turn: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
        })
    }

    /// Waits for a turn.
    pub(super) fn turn(&self) -> Turn<'_> {
        let mut free = self.turns.lock();
        while *free == 0 {
            free = self.turns.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        self.has_turn.store(true, Ordering::SeqCst);
        if self.is_given_up.load(Ordering::SeqCst) {
            self.leave();
        }
        Turn(self)
    }

    /// The thread may never come back: its turn goes to another, and it has none any more.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::SeqCst);
        self.leave();
    }

    fn leave(&self) {
        if self.has_turn.swap(false, Ordering::SeqCst) {
            self.turns.free();
        }
    }
}

/// A turn, until this is dropped.
pub(super) struct Turn<'a>(&'a Seat);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_comes_later_waits_until_a_turn_is_over_or_given_up() {
        let turns = Turns::new(1);
        let (first, second) = (Seat::at(&turns), Seat::at(&turns));
        let (began, begins) = channel();
        let turn = first.turn();
        let other = Arc::clone(&second);
        let waiting = thread::spawn(move || {
            let turn = other.turn();
            began.send(()).unwrap();
            turn.0.give_up();
            drop(turn);
        });
        assert!(begins.recv_timeout(Duration::from_millis(50)).is_err());
        first.give_up();
        begins.recv().unwrap();
        waiting.join().unwrap();
        // Whatever became of them, there is one turn again.
        drop(turn);
        drop(first.turn());
        assert_eq!(*turns.lock(), 1);
    }
}
