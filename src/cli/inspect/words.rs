//! A file in words.

use std::fmt::Write as _;

use crate::cli::text;
use crate::model::array::{FileIndex, Fill, Storage, Variable};

use super::format_name;
use super::stored;

/// What `index` says, a line for each dimension and variable.
pub fn file(index: &FileIndex) -> String {
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
        let _ = writeln!(shown, "group {} (not indexed)", text::printable(&group.name));
    }
    for refused in &index.refused {
        let name = refused.variable().map_or("the file".to_owned(), text::printable);
        let _ = writeln!(shown, "refused {name}: {}", text::printable(refused.message()));
    }
    shown
}

fn variable_text(variable: &Variable) -> String {
    let chunks = stored::chunks(variable);
    let filters: Vec<String> = variable
        .filters
        .iter()
        .map(|filter| filter.name().map_or_else(|| filter.id.to_string(), text::printable))
        .collect();
    let mut shown = format!(
        "variable {}({}) {} {}",
        text::printable(&variable.name),
        text::printable(&variable.dimensions.join(", ")),
        variable.dtype,
        stored::layout(variable),
    );
    if let Storage::Chunked { chunk_shape, .. } = &variable.storage {
        let _ = write!(shown, " {chunk_shape:?}");
    }
    if let Some(index) = stored::chunk_index(variable) {
        let _ = write!(shown, " by {index}");
    }
    if !filters.is_empty() {
        let _ = write!(shown, " {}", filters.join("+"));
    }
    let bytes = chunks.iter().map(|chunk| chunk.size).sum();
    let _ =
        write!(shown, ": {}, {}", text::count(chunks.len() as u64, "chunk"), text::bytes(bytes));
    match stored::masked(&chunks) {
        0 => {}
        masked => {
            let _ = write!(shown, ", {masked} stored without all filters");
        }
    }
    match stored::missing(variable, &chunks) {
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
