//! Taking what others send, without being woken for each.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

/// So much must have come before it is worth while to wait for more.
const MANY: usize = 64;
/// How long more is waited for.
const NAP: Duration = Duration::from_millis(1);

/// Takes what comes of a channel. Where much comes, waking a thread for each costs more than what it does
/// then: it sleeps a little, and takes what came meanwhile.
pub(super) struct Inbox<T> {
    channel: Receiver<T>,
    taken: usize,
}

impl<T> Inbox<T> {
    pub(super) fn new(channel: Receiver<T>) -> Self {
        Self { channel, taken: 0 }
    }

    /// The next, within `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Result<T, RecvTimeoutError> {
        let mut next = self.channel.try_recv();
        if matches!(next, Err(TryRecvError::Empty)) && self.taken >= MANY {
            thread::sleep(NAP);
            next = self.channel.try_recv();
        }
        self.taken += 1;
        next.or_else(|_| self.channel.recv_timeout(patience))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn everything_comes_in_order_however_fast() {
        const COUNT: usize = 4 * MANY;
        let (sender, receiver) = channel();
        let mut inbox = Inbox::new(receiver);
        let sending = thread::spawn(move || {
            for number in 0..COUNT {
                sender.send(number).unwrap();
                if number % MANY == 0 {
                    thread::sleep(2 * NAP);
                }
            }
            sender
        });
        for number in 0..COUNT {
            assert_eq!(inbox.next(Duration::MAX), Ok(number));
        }
        let sender = sending.join().unwrap();
        assert_eq!(inbox.next(NAP), Err(RecvTimeoutError::Timeout));
        drop(sender);
        assert_eq!(inbox.next(Duration::MAX), Err(RecvTimeoutError::Disconnected));
    }
}
