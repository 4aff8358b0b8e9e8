//! A file in JSON.

use serde_json::{Value, json};

use crate::emit::attributes::{element_json, value_json};
use crate::model::array::{Chunk, FileIndex, Fill, Variable};
use crate::model::attribute::Attributes;
use crate::model::codec::Filter;
use crate::model::dtype::DataType;
use crate::model::error::Error;

use super::format_name;
use super::stored;

/// What `index` says; with the place of every chunk if `chunks` are asked for.
pub fn file(index: &FileIndex, chunks: bool) -> Value {
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
        "attributes": attributes(&index.attributes),
        "variables": index.variables.iter().map(|found| variable(found, chunks)).collect::<Vec<_>>(),
        "groups": index.groups.iter().map(|group| &group.name).collect::<Vec<_>>(),
        "refused": index.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}

fn variable(variable: &Variable, with_chunks: bool) -> Value {
    let chunks = stored::chunks(variable);
    let mut shown = json!({
        "name": variable.name,
        "dimensions": variable.dimensions,
        "shape": variable.shape,
        "dtype": variable.dtype.to_string(),
        "layout": stored::layout(variable),
        "chunk_shape": stored::chunk_shape(variable),
        "index": stored::chunk_index(variable),
        "filters": variable.filters.iter().map(filter).collect::<Vec<_>>(),
        "fill": fill(&variable.fill, variable.dtype),
        "chunk_count": chunks.len(),
        "chunk_bytes": chunks.iter().map(|chunk| chunk.size).sum::<u64>(),
        "missing_chunks": stored::missing(variable, &chunks),
        "masked_chunks": stored::masked(&chunks),
        "attributes": attributes(&variable.attributes),
    });
    if with_chunks {
        shown["chunks"] = chunks.iter().map(|found| chunk(variable, found)).collect();
    }
    shown
}

fn chunk(variable: &Variable, chunk: &Chunk) -> Value {
    json!({
        "offset": stored::first_element(variable, chunk),
        "byte_offset": chunk.offset,
        "size": chunk.size,
        "filter_mask": chunk.filter_mask,
    })
}

fn filter(filter: &Filter) -> Value {
    json!({"id": filter.id, "name": filter.name(), "client_data": filter.client_data})
}

/// What unwritten places hold; null where that is chance, or text.
fn fill(fill: &Fill, dtype: DataType) -> Value {
    match (fill, dtype) {
        (Fill::Undefined, _) | (_, DataType::String | DataType::Text(_)) => Value::Null,
        (Fill::Value(bytes), dtype) => element_json(bytes, dtype),
    }
}

fn attributes(attributes: &Attributes) -> Value {
    let shown = attributes.iter().map(|(name, value)| {
        json!({"name": name, "type": value.type_name(), "value": value_json(value)})
    });
    shown.collect()
}

fn refused(error: &Error) -> Value {
    json!({"variable": error.variable(), "code": error.code().as_str(), "reason": error.message()})
}
