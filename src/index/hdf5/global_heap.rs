//! The global heap (section III.E): values of variable length.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use super::cursor::Cursor;
use super::file::File;
use crate::model::error::{Error, Result};

/// Collections kept; values of one attribute or variable usually share one.
const COLLECTIONS: usize = 8;

/// The global heap of a file, with the collections read last.
pub struct GlobalHeap<'a> {
    file: &'a File<'a>,
    collections: RefCell<Vec<(u64, Rc<Collection>)>>,
}

struct Collection {
    bytes: Bytes,
    objects: HashMap<u32, (usize, usize)>,
}

impl<'a> GlobalHeap<'a> {
    /// The heap of `file`.
    #[must_use]
    pub fn new(file: &'a File<'a>) -> Self {
        Self { file, collections: RefCell::default() }
    }

    /// Bytes of a variable-length element as stored in a dataset or attribute.
    #[must_use]
    pub fn element_size(&self) -> u32 {
        4 + u32::from(self.file.superblock().widths.offset) + 4
    }

    /// The value that the variable-length element `at` stands for, of items of `item_size` bytes.
    pub fn value(&self, at: &mut Cursor, item_size: usize) -> Result<Bytes> {
        let count = usize::try_from(at.u32()?).ok();
        let address = at.address()?;
        let index = at.u32()?;
        let len = count.and_then(|count| count.checked_mul(item_size));
        let len = len.ok_or_else(|| Error::corrupt("a value of variable length is too long"))?;
        // Address 0 is how HDF5 writes a value that was never set.
        let Some(address) = address.filter(|&address| address != 0 && len > 0) else {
            return Ok(Bytes::new());
        };
        let collection = self.collection(address)?;
        // Newer versions of libhdf5 read no other either.
        let object = collection.objects.get(&index).filter(|(_, size)| *size == len);
        self.file.source().account_for(len as u64)?;
        let &(start, _) = object.ok_or_else(|| {
            Error::corrupt(format!("the global heap has no object {index} of {len} bytes"))
        })?;
        Ok(collection.bytes.slice(start..start + len))
    }

    fn collection(&self, address: u64) -> Result<Rc<Collection>> {
        let mut collections = self.collections.borrow_mut();
        if let Some((_, collection)) = collections.iter().find(|(known, _)| *known == address) {
            return Ok(Rc::clone(collection));
        }
        let collection = Rc::new(self.read(address)?);
        if collections.len() == COLLECTIONS {
            collections.remove(0);
        }
        collections.push((address, Rc::clone(&collection)));
        Ok(collection)
    }

    fn read(&self, address: u64) -> Result<Collection> {
        let width = u64::from(self.file.superblock().widths.length);
        let header = self.file.bytes(address, 8 + width)?;
        let mut at = self.file.cursor(&header);
        at.signature(b"GCOL")?;
        at.version("global heap collection", &[1])?;
        at.skip(3)?;
        let bytes = self.file.bytes(address, at.length()?)?;
        let objects = self.objects(&bytes)?;
        Ok(Collection { bytes, objects })
    }

    /// Where the objects of a collection lie in it.
    fn objects(&self, bytes: &Bytes) -> Result<HashMap<u32, (usize, usize)>> {
        let mut objects = HashMap::new();
        let mut at = self.file.cursor(bytes);
        let header = 8 + usize::from(self.file.superblock().widths.length);
        at.skip(header)?;
        while at.remaining() >= header {
            let index = u32::from(at.u16()?);
            at.skip(6)?;
            let size = at.length()?;
            if index == 0 {
                break;
            }
            let size =
                usize::try_from(size).map_err(|_| Error::corrupt("a heap object is too large"))?;
            let start = at.position();
            at.skip(size)?;
            at.align(8)?;
            objects.insert(index, (start, size));
        }
        Ok(objects)
    }
}
