//! `inspect` on the command line.

mod json;
mod stored;
mod words;

use std::io::{self, Write};

use crate::index;
use crate::model::array::FileFormat;
use crate::model::error::Result;

use super::args::InspectArgs;
use super::exit::Exit;
use super::{cannot_print, log};

/// Shows what one file holds; what it refuses to read is said on standard error, too.
pub fn run(args: &InspectArgs) -> Result<Exit> {
    let index = index::index_file(&args.file)?;
    let shown = if args.json {
        format!("{}\n", json::file(&index, args.chunks))
    } else {
        words::file(&index)
    };
    io::stdout().write_all(shown.as_bytes()).or_else(|error| cannot_print(&error))?;
    for refused in &index.refused {
        log::error(&refused.clone().in_file(&args.file));
    }
    Ok(if index.refused.is_empty() { Exit::Success } else { Exit::Incomplete })
}

fn format_name(format: FileFormat) -> String {
    match format {
        FileFormat::Hdf5(superblock) => format!("HDF5 (superblock {superblock})"),
        FileFormat::Netcdf3(version) => format!("NetCDF classic (CDF-{version})"),
    }
}
