//! `inspect` on the command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::index;
use crate::model::array::{
    Chunk, FileFormat, FileIndex, Fill, Storage, Variable, grid_shape, product,
};
use crate::model::error::Result;

use super::args::InspectArgs;
use super::exit::Exit;
use super::{cannot_print, text};

/// Shows what one file holds.
pub fn run(args: &InspectArgs) -> Result<Exit> {
    let index = index::index_file(&args.file)?;
    let shown =
        if args.json { format!("{}\n", as_json(&index, args.chunks)) } else { as_text(&index) };
    io::stdout().write_all(shown.as_bytes()).or_else(|error| cannot_print(&error))?;
    Ok(Exit::Success)
}

fn as_json(index: &FileIndex, chunks: bool) -> Value {
    json!({
        "format": format_name(index.format),
        "size": index.size,
        "reads": index.cost.reads,
        "bytes_read": index.cost.bytes,
        "dimensions": index.dimensions.iter().map(|dimension| json!({
            "name": dimension.name,
            "size": dimension.size,
            "unlimited": dimension.unlimited,
        })).collect::<Vec<_>>(),
        "variables": index.variables.iter().map(|variable| {
            variable_json(variable, chunks)
        }).collect::<Vec<_>>(),
        "groups": index.groups,
    })
}

fn variable_json(variable: &Variable, with_chunks: bool) -> Value {
    let chunks = chunks(variable);
    let mut shown = json!({
        "name": variable.name,
        "dimensions": variable.dimensions,
        "shape": variable.shape,
        "chunk_shape": chunk_shape(variable),
        "dtype": variable.dtype.to_string(),
        "layout": layout(variable),
        "filters": variable.filters.iter().map(|filter| json!({
            "id": filter.id,
            "name": filter.name(),
            "client_data": filter.client_data,
        })).collect::<Vec<_>>(),
        "chunk_count": chunks.len(),
        "chunk_bytes": chunks.iter().map(|chunk| chunk.size).sum::<u64>(),
        "missing_chunks": missing(variable, &chunks),
    });
    if with_chunks {
        let listed = chunks.iter().map(|chunk| {
            json!({
                "offset": first_element(variable, chunk),
                "byte_offset": chunk.offset,
                "size": chunk.size,
                "filter_mask": chunk.filter_mask,
            })
        });
        shown["chunks"] = listed.collect();
    }
    shown
}

fn as_text(index: &FileIndex) -> String {
    let mut shown = String::new();
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        shown,
        "{}, {}, indexed by {} of {}",
        format_name(index.format),
        text::bytes(index.size),
        text::count(index.cost.reads, "read"),
        text::bytes(index.cost.bytes),
    );
    for dimension in &index.dimensions {
        let unlimited = if dimension.unlimited { " (unlimited)" } else { "" };
        let name = text::printable(&dimension.name);
        let _ = writeln!(shown, "dimension {name} = {}{unlimited}", dimension.size);
    }
    for variable in &index.variables {
        let _ = writeln!(shown, "{}", variable_text(variable));
    }
    for group in &index.groups {
        let _ = writeln!(shown, "group {} (not indexed)", text::printable(group));
    }
    shown
}

fn variable_text(variable: &Variable) -> String {
    let chunks = chunks(variable);
    let filters: Vec<String> = variable
        .filters
        .iter()
        .map(|filter| filter.name().map_or_else(|| filter.id.to_string(), str::to_owned))
        .collect();
    let mut shown = format!(
        "variable {}({}) {} {}",
        text::printable(&variable.name),
        text::printable(&variable.dimensions.join(", ")),
        variable.dtype,
        layout(variable),
    );
    if let Storage::Chunked { chunk_shape, .. } = &variable.storage {
        let _ = write!(shown, " {chunk_shape:?}");
    }
    if !filters.is_empty() {
        let _ = write!(shown, " {}", filters.join("+"));
    }
    let bytes = chunks.iter().map(|chunk| chunk.size).sum();
    let _ =
        write!(shown, ": {}, {}", text::count(chunks.len() as u64, "chunk"), text::bytes(bytes));
    match missing(variable, &chunks) {
        0 => {}
        missing => {
            let value = match variable.fill {
                Fill::Value(_) => "filled",
                Fill::Undefined => "undefined",
            };
            let _ = write!(shown, ", {missing} never written ({value})");
        }
    }
    shown
}

fn format_name(format: FileFormat) -> String {
    match format {
        FileFormat::Hdf5(superblock) => format!("HDF5 (superblock {superblock})"),
        FileFormat::Netcdf3(version) => format!("NetCDF classic (CDF-{version})"),
    }
}

fn layout(variable: &Variable) -> &'static str {
    match variable.storage {
        Storage::Compact(_) => "compact",
        Storage::Contiguous(_) => "contiguous",
        Storage::Chunked { .. } => "chunked",
    }
}

/// The shape of chunks; a variable in one piece is one chunk.
fn chunk_shape(variable: &Variable) -> &[u64] {
    match &variable.storage {
        Storage::Chunked { chunk_shape, .. } => chunk_shape,
        _ => &variable.shape,
    }
}

fn chunks(variable: &Variable) -> Vec<Chunk> {
    match &variable.storage {
        Storage::Chunked { chunks, .. } => chunks.clone(),
        Storage::Contiguous(Some((offset, size))) => {
            vec![Chunk { index: 0, offset: *offset, size: *size, filter_mask: 0 }]
        }
        Storage::Contiguous(None) | Storage::Compact(_) => Vec::new(),
    }
}

/// Chunks that were never written.
fn missing(variable: &Variable, chunks: &[Chunk]) -> u64 {
    if matches!(variable.storage, Storage::Compact(_)) {
        return 0;
    }
    let expected = product(&grid_shape(&variable.shape, chunk_shape(variable)));
    expected.unwrap_or(u64::MAX).saturating_sub(chunks.len() as u64)
}

/// The place of the first element of `chunk` in the variable.
fn first_element(variable: &Variable, chunk: &Chunk) -> Vec<u64> {
    let chunk_shape = chunk_shape(variable);
    let mut index = chunk.index;
    let mut place: Vec<u64> = grid_shape(&variable.shape, chunk_shape)
        .iter()
        .zip(chunk_shape)
        .rev()
        .map(|(&length, &chunk_length)| {
            let here = index % length.max(1);
            index /= length.max(1);
            here * chunk_length
        })
        .collect();
    place.reverse();
    place
}
