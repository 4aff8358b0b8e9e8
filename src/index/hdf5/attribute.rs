//! Attributes (sections IV.A.2.m and IV.A.2.v): messages of an object, or a fractal heap of them.

use std::borrow::Cow;

use bytes::Bytes;

use super::btree_v2::{self, Ascending};
use super::checksum;
use super::cursor::Cursor;
use super::dataspace::Extent;
use super::datatype::Datatype;
use super::file::File;
use super::fractal_heap::FractalHeap;
use super::global_heap::GlobalHeap;
use super::object_header::{self, Message};
use crate::model::attribute::AttributeValue;
use crate::model::dtype::{ByteOrder, DataType};
use crate::model::error::{Error, Result};

/// An attribute as stored.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Name.
    pub name: String,
    datatype: Datatype,
    extent: Extent,
    data: Bytes,
}

/// The attributes of the object whose header at `address` has these `messages`, by creation where
/// that is recorded.
pub fn attributes(file: &File, address: u64, messages: &[Message]) -> Result<Vec<Attribute>> {
    let mut attributes = Vec::with_capacity(messages.len());
    for message in messages {
        match message.kind {
            object_header::ATTRIBUTE => {
                let order = message.creation_order.map(u32::from);
                attributes.push((order, attribute(file, &message.body, address, None)?));
            }
            object_header::ATTRIBUTE_INFO => {
                attributes.extend(dense(file, file.cursor(&message.body), address)?);
            }
            _ => {}
        }
    }
    attributes.sort_by_key(|(order, _)| *order);
    Ok(attributes.into_iter().map(|(_, attribute)| attribute).collect())
}

/// Attributes kept in a fractal heap, named by a version 2 B-tree.
fn dense(file: &File, mut at: Cursor, owner: u64) -> Result<Vec<(Option<u32>, Attribute)>> {
    at.version("attribute info message", &[0])?;
    let flags = at.u8()?;
    if flags & 1 != 0 {
        at.skip(2)?;
    }
    let (heap, names) = (at.address()?, at.address()?);
    let (Some(heap), Some(names)) = (heap, names) else {
        return Ok(Vec::new());
    };
    let heap = FractalHeap::open(file, heap)?;
    let mut attributes = Vec::new();
    let mut order = Ascending::default();
    btree_v2::records(file, names, btree_v2::ATTRIBUTE_NAMES, &mut |record, is_first| {
        let (hash, created, attribute) = dense_attribute(file, &heap, record, owner)?;
        order.check(hash.into(), is_first)?;
        attributes.push((Some(created), attribute));
        Ok(())
    })?;
    Ok(attributes)
}

/// What a B-tree record has (heap ID, message flags, creation order, hash of the name): hash, creation order,
/// and the attribute.
fn dense_attribute(
    file: &File,
    heap: &FractalHeap,
    record: &[u8],
    owner: u64,
) -> Result<(u32, u32, Attribute)> {
    let mut at = file.cursor(record);
    let id = at.take(8)?;
    let body = if at.u8()? & object_header::SHARED == 0 {
        heap.object(id)?
    } else {
        file.shared_messages().message(file, object_header::ATTRIBUTE, id)?
    };
    let (created, hash) = (at.u32()?, at.u32()?);
    Ok((hash, created, attribute(file, &body, owner, Some(hash))?))
}

/// An attribute message, and the hash of its name where an index has that.
fn attribute(file: &File, message: &Bytes, owner: u64, hash: Option<u32>) -> Result<Attribute> {
    let mut at = file.cursor(message);
    let version = at.version("attribute message", &[1, 2, 3])?;
    let flags = at.u8()?;
    let [name_len, datatype_len, dataspace_len] =
        [at.u16()?, at.u16()?, at.u16()?].map(usize::from);
    if version == 3 {
        at.skip(1)?;
    }
    // Version 1 pads each part to a multiple of eight bytes.
    let padded = |len: usize| {
        if version == 1 { len.next_multiple_of(8) } else { len }
    };
    let name = at.take(padded(name_len))?.get(..name_len).unwrap_or_default();
    // Without it some versions of libhdf5 take the last byte for it, others read on behind.
    let Some((0, name)) = name.split_last() else {
        return Err(Error::corrupt("the name of an attribute does not end with a NUL"));
    };
    if let Some(hash) = hash {
        checksum::check_name(name, hash)?;
    }
    let name = text(name);
    let in_attribute = |error: Error| {
        let message = format!("attribute `{}`: {}", name.escape_debug(), error.message());
        Error::new(error.code(), message)
    };
    // Version 1 has no flags in their place.
    let is_shared = |flag| version > 1 && flags & flag != 0;
    let mut part = |kind, len, is_shared| {
        let part = at.take(padded(len))?;
        if is_shared {
            let shared = object_header::shared(file, kind, part, owner)?;
            return Ok(Cow::Owned(shared.into()));
        }
        Ok(Cow::Borrowed(part))
    };
    let datatype = part(object_header::DATATYPE, datatype_len, is_shared(1));
    let datatype = datatype.and_then(|body| Datatype::read(file.cursor(&body)));
    let dataspace = part(object_header::DATASPACE, dataspace_len, is_shared(2));
    let extent = dataspace.and_then(|body| Extent::read(file.cursor(&body)));
    Ok(Attribute {
        datatype: datatype.map_err(in_attribute)?,
        extent: extent.map_err(in_attribute)?,
        data: message.slice(at.position()..),
        name,
    })
}

impl Attribute {
    /// The type of the value.
    #[must_use]
    pub fn datatype(&self) -> &Datatype {
        &self.datatype
    }

    /// The value, as netCDF shows it.
    pub fn value(&self, file: &File, heap: &GlobalHeap) -> Result<AttributeValue> {
        self.convert(file, heap).map_err(|error| {
            let message = format!("attribute `{}`: {}", self.name.escape_debug(), error.message());
            Error::new(error.code(), message)
        })
    }

    /// The addresses that an array of object references, or of sequences of them, holds: one list
    /// per element (`DIMENSION_LIST`).
    pub fn references(&self, file: &File, heap: &GlobalHeap) -> Result<Vec<Vec<u64>>> {
        let width = usize::from(file.superblock().widths.offset);
        let count = self.count()?;
        let mut at = file.cursor(&self.data);
        match &self.datatype {
            Datatype::Sequence(item) if **item == Datatype::ObjectReference => {
                (0..count).map(|_| addresses(file, &heap.value(&mut at, width)?)).collect()
            }
            Datatype::Sequence(_) => {
                Err(Error::unsupported("a dimension scale attached by a reference of HDF5 1.12")
                    .with_hint("attach the scales anew, for example by `h5repack` or h5netcdf"))
            }
            _ => Err(Error::corrupt(format!(
                "attribute `{}` is not a list of references",
                self.name
            ))),
        }
    }

    fn convert(&self, file: &File, heap: &GlobalHeap) -> Result<AttributeValue> {
        let count = self.count()?;
        let mut at = file.cursor(&self.data);
        match &self.datatype {
            Datatype::Number(dtype) => self.numbers(*dtype, count),
            Datatype::FixedString(size) => self.fixed_strings(at, *size, count),
            Datatype::VariableString => {
                let texts = (0..count).map(|_| Ok(text(&heap.value(&mut at, 1)?)));
                Ok(AttributeValue::Strings(texts.collect::<Result<_>>()?))
            }
            Datatype::ObjectReference => Err(Error::unsupported("an object reference")),
            Datatype::Sequence(_) => Err(Error::unsupported("a variable-length sequence")),
            Datatype::Enumeration(_) => Err(Error::unsupported("an enumeration")),
            Datatype::Other(class) => {
                Err(Error::unsupported(format!("the {class} datatype class")))
            }
        }
    }

    /// A single string is text; an array of them is an array of strings.
    fn fixed_strings(&self, mut at: Cursor, size: u32, count: usize) -> Result<AttributeValue> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if self.extent.rank > 0 {
            let texts = (0..count).map(|_| Ok(text(at.take(size)?)));
            return Ok(AttributeValue::Strings(texts.collect::<Result<_>>()?));
        }
        let only = if count == 0 { String::new() } else { text(at.take(size)?) };
        Ok(AttributeValue::Text(only))
    }

    fn numbers(&self, dtype: DataType, count: usize) -> Result<AttributeValue> {
        if self.extent.rank > 1 {
            return Err(Error::unsupported("an array of more than one dimension"));
        }
        let (DataType::Int(size, order)
        | DataType::UInt(size, order)
        | DataType::Float(size, order)) = dtype
        else {
            return Err(Error::corrupt("a number that is none"));
        };
        let size = usize::from(size);
        let data = count.checked_mul(size).and_then(|len| self.data.get(..len));
        let data = data.ok_or_else(|| Error::corrupt("the value ends early"))?;
        let words = data.chunks_exact(size).map(|bytes| word(bytes, order));
        Ok(match dtype {
            DataType::Int(..) => {
                let unused_bits = 64 - 8 * size;
                AttributeValue::Int(
                    words.map(|word| word.cast_signed() << unused_bits >> unused_bits).collect(),
                )
            }
            DataType::UInt(..) => AttributeValue::UInt(words.collect()),
            DataType::Float(4, _) => AttributeValue::Float(
                // The word has four bytes.
                #[allow(clippy::cast_possible_truncation)]
                words.map(|word| f32::from_bits(word as u32)).collect(),
            ),
            DataType::Float(8, _) => AttributeValue::Double(words.map(f64::from_bits).collect()),
            _ => return Err(Error::unsupported("a 16-bit floating-point number")),
        })
    }

    fn count(&self) -> Result<usize> {
        let count = usize::try_from(self.extent.element_count()?).unwrap_or(usize::MAX);
        // Every kind of element takes at least a byte, which bounds what is allocated.
        if count > self.data.len() {
            return Err(Error::corrupt(format!("attribute `{}` ends early", self.name)));
        }
        Ok(count)
    }
}

fn addresses(file: &File, bytes: &[u8]) -> Result<Vec<u64>> {
    let width = usize::from(file.superblock().widths.offset);
    let mut at = file.cursor(bytes);
    (0..bytes.len() / width).map(|_| at.defined_address("a referenced object")).collect()
}

fn word(bytes: &[u8], order: ByteOrder) -> u64 {
    let push = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, push),
        ByteOrder::Big => bytes.iter().fold(0, push),
    }
}

/// Text of an attribute or name: UTF-8, or Latin-1 as old tools wrote it; NUL bytes are padding.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    if text.contains('\0') { text.replace('\0', "") } else { text }
}
