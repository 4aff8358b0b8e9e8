//! How files are read.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;

use crate::model::byte_size::ByteSize;
use crate::model::span::span;

/// How files are read, and what that may take.
#[derive(Debug, Default, Args)]
pub struct ReadingArgs {
    /// Number of files that are read at once, by threads of their own, where they do not come from memory
    /// (default 32). More help where a file system answers many at once but each slowly.
    #[arg(long, value_name = "N")]
    pub io_depth: Option<NonZeroUsize>,
    /// Give up on a file from which nothing comes for SPAN, such as 10m (the default): its dataset fails, and
    /// the scan goes on. With 0s it is waited for, for ever. What takes longer than a minute is told.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub timeout: Option<Duration>,
    /// Bytes of memory for the indexes of the datasets in hand, such as 4GiB; by default half of the
    /// memory of the machine.
    #[arg(long, value_name = "BYTES")]
    pub max_memory: Option<ByteSize>,
    /// Bytes on disk for the indexes of files, which are kept beside the ledger (default 4GiB): a dataset
    /// that gets another file is put together from them, and only that file is read.
    #[arg(long, value_name = "BYTES", conflicts_with = "no_index_cache")]
    pub index_cache: Option<ByteSize>,
    /// Keep and use no indexes.
    #[arg(long)]
    pub no_index_cache: bool,
}
