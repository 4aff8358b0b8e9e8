//! Exit codes, which cron jobs and hooks rely on.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every dataset is built or unchanged; every store is verified.
    Success,
    /// Some datasets were refused or failed, or some directories could not be read; some stores
    /// differ from their files or could not be verified.
    Incomplete,
    /// The command line or the configuration is wrong.
    Usage,
    /// Nothing could be done: the ledger is unusable, or no path exists, or no store, or the program
    /// was built without what `verify` needs.
    Failure,
    /// The process was asked to stop, and what was done until then is recorded.
    Interrupted {
        /// The number of the signal.
        signal: u8,
    },
}

impl Exit {
    /// The number that the caller sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::Failure => 3,
            // As shells tell of signals.
            Self::Interrupted { signal } => 128 + signal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
