//! One attempt at a dataset, from the indexes of its files to its store.

use std::sync::Arc;

use super::turns::{Seat, Turn};
use super::watch::Watched;

/// What an attempt asks of others: a turn whenever it computes, and whether it is still waited for.
pub(super) struct Attempt {
    /// None where it may take as long as it takes.
    watched: Option<Watched>,
    seat: Arc<Seat>,
}

impl Attempt {
    pub(super) fn new(watched: Option<Watched>, seat: Arc<Seat>) -> Self {
        Self { watched, seat }
    }

    /// Waits for a turn to compute. Whoever waits for the disk should have none.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.watched.iter().for_each(Watched::rests);
        let turn = self.seat.turn();
        self.watched.iter().for_each(Watched::resumes);
        turn
    }

    /// Whether its store is still wanted: whoever waited for it may have given it up.
    pub(super) fn is_wanted(&self) -> bool {
        self.watched.as_ref().is_none_or(Watched::is_held)
    }

    /// Ends it. Tells whether it had not been given up.
    pub(super) fn end(self) -> bool {
        self.watched.is_none_or(Watched::end)
    }
}
