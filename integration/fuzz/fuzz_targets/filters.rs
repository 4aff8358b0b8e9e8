#![no_main]

use vzarr_publish::index::filter::Decoder;
use vzarr_publish::model::codec::Filter;
use vzarr_publish::model::dtype::{ByteOrder, DataType};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Up to three filters, each with one number; then the size of the chunk, and its bytes.
    let Some((&[a, b, c, number, mask, low, high], stored)) = input.split_first_chunk() else {
        return;
    };
    const KNOWN: [u16; 7] = [0, 1, 2, 3, 307, 32_015, 32_022];
    let filters: Vec<Filter> = [a, b, c]
        .iter()
        .filter_map(|&filter| KNOWN.get(usize::from(filter)).filter(|&&id| id > 0))
        .map(|&id| Filter::new(id, &[number.into()]))
        .collect();
    let mut decoder = Decoder::default();
    decoder.bytes = stored.to_vec();
    let dtype = DataType::Float(4, ByteOrder::Little);
    _ = decoder.undo(&filters, mask.into(), dtype, u16::from_le_bytes([low, high]).into());
});
