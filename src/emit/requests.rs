//! The requests that readers make for a store: they depend on its chunks alone, and waiting for them is
//! most of the time that reading takes.

use std::io::BufRead;

use serde_json::{Map, Value};

/// Most bytes of the documents that a manifest begins with.
const MOST_HEAD_BYTES: u64 = 256 * 1024 * 1024;

/// Requests, each for one chunk or for the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Until the dataset is open: the manifest, and the chunks of index coordinates it does not hold.
    pub open: u64,
    /// Variables with time, and the most that all their times at one point take: chunks that were
    /// never written, or are in the manifest, take none.
    pub series: Vec<(String, u64)>,
}

/// The requests for the store of `manifest`, from the documents that it begins with; none where it is no
/// manifest. `references` tells the number of byte ranges of an array.
pub fn requests(manifest: impl BufRead, references: impl Fn(&str) -> u64) -> Option<Requests> {
    let group = group(manifest)?;
    let arrays = group.get("consolidated_metadata")?.get("metadata")?.as_object()?;
    let mut requests = Requests { open: 1, series: Vec::new() };
    for (name, array) in arrays {
        let references = references(name);
        let dimensions = array.get("dimension_names")?.as_array()?;
        if matches!(dimensions.as_slice(), [only] if only == name) {
            requests.open = requests.open.saturating_add(references);
        } else if references > 0
            && let Some(axis) = dimensions.iter().position(|dimension| is_time(arrays, dimension))
        {
            requests.series.push((name.clone(), chunks_along(array, axis)?));
        }
    }
    Some(requests)
}

/// The document of the group, one of the first lines.
fn group(manifest: impl BufRead) -> Option<Value> {
    let lines = manifest.take(MOST_HEAD_BYTES).lines().map_while(Result::ok);
    // Behind the opening brace, `.zgroup` and `.zattrs`, where they are.
    let line = lines.take(4).find(|line| line.starts_with("\"zarr.json\":"))?;
    let entry: Value = serde_json::from_str(&format!("{{{}}}", line.trim_end_matches(','))).ok()?;
    serde_json::from_str(entry.get("zarr.json")?.as_str()?).ok()
}

/// Whether `dimension` has times, as a coordinate in units of time says.
fn is_time(arrays: &Map<String, Value>, dimension: &Value) -> bool {
    let coordinate = dimension.as_str().and_then(|name| arrays.get(name));
    let units = coordinate.and_then(|array| array.get("attributes")?.get("units")?.as_str());
    units.is_some_and(|units| units.to_ascii_lowercase().contains(" since "))
}

/// The number of chunks along one axis.
fn chunks_along(array: &Value, axis: usize) -> Option<u64> {
    let grid = array.get("chunk_grid")?.get("configuration")?;
    if let Some(lengths) = grid.get("chunk_shape") {
        let length = array.get("shape")?.get(axis)?.as_u64()?;
        return Some(length.div_ceil(lengths.get(axis)?.as_u64()?.max(1)));
    }
    // Lengths, those that follow each other as `[length, count]`.
    let lengths = grid.get("chunk_shapes")?.get(axis)?.as_array()?;
    let counts = lengths.iter().map(|length| length.get(1).map_or(Some(1), Value::as_u64));
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(metadata: &Value) -> String {
        let group = json!({"consolidated_metadata": {"metadata": metadata}}).to_string();
        let head = "{\"version\":1,\"refs\":{\n\".zgroup\":\"{}\",\n\".zattrs\":\"{}\",\n";
        format!("{head}\"zarr.json\":{},\n\"tas/0.0\":[\"a.nc\",1,2]\n}}}}", json!(group))
    }

    fn array(dimensions: &[&str], shape: &[u64], grid: &Value) -> Value {
        json!({
            "shape": shape,
            "dimension_names": dimensions,
            "chunk_grid": {"configuration": grid},
            "attributes": {"units": if dimensions == ["time"] { "days since 1850-01-01" } else { "1" }},
        })
    }

    #[test]
    fn every_chunk_along_time_is_a_request() {
        let metadata = json!({
            "time": array(&["time"], &[25], &json!({"chunk_shape": [25]})),
            "lat": array(&["lat"], &[90], &json!({"chunk_shape": [30]})),
            "area": array(&["lat"], &[90], &json!({"chunk_shape": [30]})),
            "tas": array(&["time", "lat"], &[25, 90], &json!({"chunk_shape": [10, 30]})),
            "ua": array(&["lat", "time"], &[90, 25], &json!({"chunk_shapes": [[[30, 3]], [[10, 2], 5]]})),
            "bnds": array(&["time", "two"], &[25, 2], &json!({"chunk_shape": [1, 2]})),
        });
        let references = |name: &str| u64::from(!matches!(name, "time" | "bnds")) * 3;
        let found = requests(manifest(&metadata).as_bytes(), references);
        let series = vec![("tas".to_owned(), 3), ("ua".to_owned(), 3)];
        assert_eq!(found, Some(Requests { open: 1 + 3, series }));
    }

    #[test]
    fn what_is_no_manifest_has_no_requests() {
        for text in ["", "{}", "\n\"zarr.json\":\"{}\"", "\n\"zarr.json\":1", "\n\"zarr.json\":\"{"]
        {
            assert_eq!(requests(text.as_bytes(), |_| 1), None, "{text}");
        }
    }
}
