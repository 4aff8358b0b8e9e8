//! Every statement on the tables, and nothing else.

mod columns;
mod read;
mod runs;
mod write;

pub(super) use read::{find, load, load_outline, select, select_problems};
pub(super) use runs::{
    begin_run, drop_stale_problems, finish_run, interruption_before, losses, mark_gone, since,
    started_at, touch,
};
pub(super) use write::{insert_problem, insert_verification, replace};

/// What stores are in.
const FORMAT: &str = "reference-json";
