//! Being asked to stop: by a terminal (SIGINT) or by the system (SIGTERM).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::model::error::{Code, Error, Result};

use super::exit::Exit;

/// Whether the process was asked to stop.
#[derive(Debug)]
pub struct Interrupt {
    is_asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// From now on the first signal asks, and the second ends the process at once.
    pub fn listen() -> Result<Self> {
        let (is_asked, signal) = (Arc::default(), Arc::default());
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal must not find the flag set already.
            flag::register_conditional_default(number, Arc::clone(&is_asked))
                .and_then(|_| flag::register(number, Arc::clone(&is_asked)))
                .and_then(|_| {
                    let value = usize::try_from(number).unwrap_or_default();
                    flag::register_usize(number, Arc::clone(&signal), value)
                })
                .map_err(|error| {
                    Error::new(Code::Internal, format!("cannot listen to signals: {error}"))
                })?;
        }
        Ok(Self { is_asked, signal })
    }

    /// The flag that a signal sets.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.is_asked
    }

    /// How to end, if asked to.
    pub fn exit(&self) -> Option<Exit> {
        let signal = u8::try_from(self.signal.load(Ordering::Relaxed)).unwrap_or_default();
        self.is_asked.load(Ordering::Relaxed).then_some(Exit::Interrupted { signal })
    }
}
