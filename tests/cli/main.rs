//! The command as a user meets it: run on small trees made here, and judged by what it prints,
//! returns and leaves on disk.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "allowed in tests, also in the functions they share"
)]

mod bad_input;
mod check;
mod command_line;
mod formats;
mod incremental;
mod kill;
mod ledger;
mod manifest;
mod mapfile;
mod netcdf;
mod overlap;
mod publication;
mod rescan;
mod separation;
mod settings;
mod shard;
mod shown;
mod states;
mod stores;
mod tree;
mod verify;
