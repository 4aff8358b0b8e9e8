//! HDF5 files as netCDF-4 has them, written from scratch, so that any byte of them can be wrong.
//!
//! Names are those of the *HDF5 File Format Specification, version 3.0*.

use vzarr_publish::index::hdf5::checksum::lookup3;

pub const UNDEFINED: u64 = u64::MAX;

/// Where structures are, for whoever damages them.
pub const SUPERBLOCK_SIZE: usize = 48;

const DATASPACE: u8 = 0x01;
const LINK_INFO: u8 = 0x02;
const DATATYPE: u8 = 0x03;
const FILL_VALUE: u8 = 0x05;
const LINK: u8 = 0x06;
const LAYOUT: u8 = 0x08;
const FILTER_PIPELINE: u8 = 0x0b;
const ATTRIBUTE: u8 = 0x0c;
pub const CONTINUATION: u8 = 0x10;
const ATTRIBUTE_INFO: u8 = 0x15;

/// A message of an object header: its type and its body.
pub type Message = (u8, Vec<u8>);

/// A file that grows block by block; blocks know only addresses of those before them.
pub struct File {
    bytes: Vec<u8>,
}

impl File {
    /// A file with room for its superblock.
    pub fn new() -> Self {
        Self { bytes: vec![0; SUPERBLOCK_SIZE] }
    }

    /// Adds a block and returns its address.
    pub fn put(&mut self, block: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = self.end();
        self.bytes.extend(block);
        address
    }

    /// Where the next block goes, if it needs to know.
    pub fn end(&self) -> u64 {
        self.bytes.len().next_multiple_of(8) as u64
    }

    /// An object with these messages.
    pub fn object(&mut self, messages: &[Message]) -> u64 {
        self.put(&object_header(messages))
    }

    /// The root group with these links is the last block.
    pub fn finish(mut self, links: &[(&[u8], u64)], attributes: &[Message]) -> Vec<u8> {
        let mut messages = vec![(LINK_INFO, [&[0, 0][..], &[0xff; 16]].concat())];
        messages.extend(links.iter().map(|(name, address)| link(name, *address)));
        messages.extend(attributes.iter().cloned());
        let root = self.object(&messages);
        self.finish_at(root)
    }

    /// The root group is at `root`.
    pub fn finish_at(mut self, root: u64) -> Vec<u8> {
        let mut superblock = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0".to_vec();
        for address in [0, UNDEFINED, self.bytes.len() as u64, root] {
            superblock.extend(address.to_le_bytes());
        }
        self.bytes[..SUPERBLOCK_SIZE].copy_from_slice(&sealed(superblock));
        self.bytes
    }
}

/// `block` with its checksum.
pub fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block.extend(lookup3(&block).to_le_bytes());
    block
}

/// An object header of version 2.
pub fn object_header(messages: &[Message]) -> Vec<u8> {
    let body = concatenated(messages);
    let size = u32::try_from(body.len()).unwrap();
    sealed([&b"OHDR\x02\x02"[..], &size.to_le_bytes(), &body].concat())
}

pub fn concatenated(messages: &[Message]) -> Vec<u8> {
    let mut block = Vec::new();
    for (kind, body) in messages {
        block.push(*kind);
        block.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
        block.push(0);
        block.extend(body);
    }
    block
}

pub fn link(name: &[u8], address: u64) -> Message {
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    (LINK, [&[1, 1][..], &length, name, &address.to_le_bytes()].concat())
}

/// A link with its place in the order of creation.
pub fn link_created(order: u64, name: &[u8], address: u64) -> Message {
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    let address = address.to_le_bytes();
    (LINK, [&[1, 5][..], &order.to_le_bytes(), &length, name, &address].concat())
}

/// A dataspace; a maximum of none is unlimited.
pub fn dataspace(shape: &[u64], is_unlimited: bool) -> Message {
    let mut body = vec![2, u8::try_from(shape.len()).unwrap(), 0, u8::from(!shape.is_empty())];
    body.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
    if is_unlimited {
        body[2] = 1;
        body.extend([0xff; 8]);
        body.extend(shape[1..].iter().flat_map(|length| length.to_le_bytes()));
    }
    (DATASPACE, body)
}

pub fn datatype(body: &[u8]) -> Message {
    (DATATYPE, body.to_vec())
}

pub const FLOAT: [u8; 20] = *b"\x11\x20\x1f\0\x04\0\0\0\0\0\x20\0\x17\x08\0\x17\x7f\0\0\0";
pub const DOUBLE: [u8; 20] = *b"\x11\x20\x3f\0\x08\0\0\0\0\0\x40\0\x34\x0b\0\x34\xff\x03\0\0";
pub const INT: [u8; 12] = *b"\x10\x08\0\0\x04\0\0\0\0\0\x20\0";
pub const BYTE: [u8; 12] = *b"\x10\x08\0\0\x01\0\0\0\0\0\x08\0";
/// Sequences of references to objects.
pub const REFERENCES: [u8; 16] = *b"\x19\0\0\0\x10\0\0\0\x17\0\0\0\x08\0\0\0";
/// Text of any length.
pub const STRING: [u8; 20] = *b"\x19\x01\0\0\x10\0\0\0\x10\0\0\0\x01\0\0\0\0\0\x08\0";

/// Text of a fixed length.
fn text_type(length: usize) -> Vec<u8> {
    [&b"\x13\0\0\0"[..], &u32::try_from(length).unwrap().to_le_bytes()].concat()
}

/// Unwritten places hold zeros.
pub fn fill_zero() -> Message {
    (FILL_VALUE, vec![3, 0x0a])
}

pub fn fill_value(body: &[u8]) -> Message {
    (FILL_VALUE, body.to_vec())
}

pub fn contiguous(address: u64, size: u64) -> Message {
    (LAYOUT, [&[3, 1][..], &address.to_le_bytes(), &size.to_le_bytes()].concat())
}

/// Chunks of a version 1 B-tree.
pub fn chunked(tree: u64, chunk_shape: &[u32], element_size: u32) -> Message {
    let mut body = vec![3, 2, u8::try_from(chunk_shape.len() + 1).unwrap()];
    body.extend(tree.to_le_bytes());
    body.extend(chunk_shape.iter().chain([&element_size]).flat_map(|length| length.to_le_bytes()));
    (LAYOUT, body)
}

/// Chunks of an index of HDF5 1.10: its number and its parameters.
pub fn chunked_v4(index: &[u8], address: u64, chunk_shape: &[u32], element_size: u32) -> Message {
    let mut body = vec![4, 2, 0, u8::try_from(chunk_shape.len() + 1).unwrap(), 4];
    body.extend(chunk_shape.iter().chain([&element_size]).flat_map(|length| length.to_le_bytes()));
    body.extend(index);
    body.extend(address.to_le_bytes());
    (LAYOUT, body)
}

pub fn layout(body: &[u8]) -> Message {
    (LAYOUT, body.to_vec())
}

/// A filter pipeline: the number and the parameters of each filter.
pub fn filters(filters: &[(u16, &[u32])]) -> Message {
    let mut body = vec![2, u8::try_from(filters.len()).unwrap()];
    for (id, parameters) in filters {
        body.extend(id.to_le_bytes());
        if *id >= 256 {
            body.extend([0, 0]);
        }
        body.extend([1, 0]);
        body.extend(u16::try_from(parameters.len()).unwrap().to_le_bytes());
        body.extend(parameters.iter().flat_map(|parameter| parameter.to_le_bytes()));
    }
    (FILTER_PIPELINE, body)
}

/// An attribute message as it is, in a header or in a heap.
pub fn attribute_body(name: &[u8], datatype: &[u8], shape: &[u64], data: &[u8]) -> Vec<u8> {
    let (_, dataspace) = dataspace(shape, false);
    let mut body = vec![3, 0];
    for length in [name.len() + 1, datatype.len(), dataspace.len()] {
        body.extend(u16::try_from(length).unwrap().to_le_bytes());
    }
    [&body[..], &[0], name, &[0], datatype, &dataspace, data].concat()
}

pub fn attribute(name: &[u8], datatype: &[u8], shape: &[u64], data: &[u8]) -> Message {
    (ATTRIBUTE, attribute_body(name, datatype, shape, data))
}

pub fn text(name: &str, value: &str) -> Message {
    attribute(name.as_bytes(), &text_type(value.len()), &[], value.as_bytes())
}

/// Attributes in the fractal heap and the B-tree at these addresses.
pub fn attribute_info(heap: u64, tree: u64) -> Message {
    (ATTRIBUTE_INFO, [&[0, 0][..], &heap.to_le_bytes(), &tree.to_le_bytes()].concat())
}

/// An element of variable length: how many items, where.
pub fn sequence(items: u32, collection: u64, number: u32) -> Vec<u8> {
    [&items.to_le_bytes()[..], &collection.to_le_bytes(), &number.to_le_bytes()].concat()
}

/// A global heap collection of these objects, numbered from one on.
pub fn collection(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        body.extend(u16::try_from(number + 1).unwrap().to_le_bytes());
        body.extend([1, 0, 0, 0, 0, 0]);
        body.extend((object.len() as u64).to_le_bytes());
        body.extend(object);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    // What is free is object 0.
    let size = (16 + body.len() + 16).max(4096);
    let free = size - 16 - body.len();
    body.extend([0; 8]);
    body.extend((free as u64).to_le_bytes());
    body.resize(size - 16, 0);
    [&b"GCOL\x01\0\0\0"[..], &(size as u64).to_le_bytes(), &body].concat()
}

/// A chunk of a version 1 B-tree: its stored size, its first element, its address or that of a node.
pub type Entry<'a> = (u32, &'a [u64], u64);

/// A node of a version 1 B-tree of chunks.
pub fn tree_node(level: u8, entries: &[Entry], end: &[u64]) -> Vec<u8> {
    let mut node = b"TREE\x01".to_vec();
    node.push(level);
    node.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    node.extend([0xff; 16]);
    let key = |node: &mut Vec<u8>, size: u32, first: &[u64]| {
        node.extend(size.to_le_bytes());
        node.extend([0; 4]);
        node.extend(first.iter().chain([&0]).flat_map(|place| place.to_le_bytes()));
    };
    for (size, first, address) in entries {
        key(&mut node, *size, first);
        node.extend(address.to_le_bytes());
    }
    key(&mut node, 0, end);
    // A node has room for twice as many as its rank, 32.
    node.resize(24 + 64 * (16 + 8 * end.len() + 8) + 24 + 8 * end.len(), 0);
    node
}

/// A fractal heap of one direct block with `content` at its start: the header, which goes to `at`, and the
/// block behind it.
pub fn fractal_heap(at: u64, content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    const SIZE: u64 = 4096;
    let block_at = (at + 146).next_multiple_of(8);
    let mut header = b"FRHP\0".to_vec();
    header.extend(8u16.to_le_bytes());
    header.extend(0u16.to_le_bytes());
    header.push(0);
    header.extend(4096u32.to_le_bytes());
    for number in [0, UNDEFINED, 0, UNDEFINED, SIZE, SIZE, SIZE, 1, 0, 0, 0, 0] {
        header.extend(number.to_le_bytes());
    }
    header.extend(4u16.to_le_bytes());
    header.extend(SIZE.to_le_bytes());
    header.extend(65536u64.to_le_bytes());
    header.extend(32u16.to_le_bytes());
    header.extend(1u16.to_le_bytes());
    header.extend(block_at.to_le_bytes());
    header.extend(0u16.to_le_bytes());
    let mut block = b"FHDB\0".to_vec();
    block.extend(at.to_le_bytes());
    block.extend(0u32.to_le_bytes());
    block.extend(content);
    block.resize(usize::try_from(SIZE).unwrap(), 0);
    (sealed(header), block)
}

/// Bytes before the content of a direct block.
pub const DIRECT_BLOCK_PREFIX: u32 = 17;

/// The ID of a managed object.
pub fn heap_id(offset: u32, length: u16) -> Vec<u8> {
    [&[0][..], &offset.to_le_bytes(), &length.to_le_bytes(), &[0]].concat()
}

/// A version 2 B-tree of attribute names, each with its ID, with one leaf, as blocks; the header goes to `at`.
pub fn attribute_names(at: u64, ids: &[(&[u8], Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let leaf_at = (at + 38).next_multiple_of(8);
    let mut header = b"BTHD\0\x08".to_vec();
    header.extend(512u32.to_le_bytes());
    header.extend(17u16.to_le_bytes());
    header.extend([0, 0, 100, 40]);
    header.extend(leaf_at.to_le_bytes());
    header.extend(u16::try_from(ids.len()).unwrap().to_le_bytes());
    header.extend((ids.len() as u64).to_le_bytes());
    let mut leaf = b"BTLF\0\x08".to_vec();
    for (number, (name, id)) in ids.iter().enumerate() {
        leaf.extend(id);
        leaf.push(0);
        leaf.extend(u32::try_from(number).unwrap().to_le_bytes());
        leaf.extend(lookup3(name).to_le_bytes());
    }
    (sealed(header), sealed(leaf))
}
