//! Datasets: what the messages of one object header say together.

use super::attribute::{self, Attribute};
use super::chunk_grid::Grid;
use super::chunk_index;
use super::dataspace::Dataspace;
use super::datatype::Datatype;
use super::file::File;
use super::fill_value;
use super::filter_pipeline;
use super::layout::{self, Layout};
use super::object_header::{self, Message};
use crate::model::array::{Fill, Storage, product};
use crate::model::codec::Filter;
use crate::model::error::{Code, Error, Result};

/// A dataset, without its chunk index.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Length along each dimension.
    pub shape: Vec<u64>,
    /// How far each dimension may grow; `None` without bound.
    pub maximum: Vec<Option<u64>>,
    /// Type of the elements.
    pub datatype: Datatype,
    /// Filter pipeline in the order of writing.
    pub filters: Vec<Filter>,
    /// Attributes by creation.
    pub attributes: Vec<Attribute>,
    layout: Layout,
    messages: Vec<Message>,
}

impl Dataset {
    /// The dataset whose header at `address` has these `messages`, or `None` if that object is
    /// none.
    pub fn read(file: &File, address: u64, messages: Vec<Message>) -> Result<Option<Self>> {
        let find = |kind| messages.iter().find(|message| message.kind == kind);
        let (Some(space), Some(layout)) =
            (find(object_header::DATASPACE), find(object_header::LAYOUT))
        else {
            return Ok(None);
        };
        if find(object_header::EXTERNAL_FILES).is_some() {
            return Err(Error::unsupported("a dataset whose data lie in external files")
                .with_hint("rewrite the file with its data inside, for example with `h5repack`"));
        }
        let Dataspace::Simple { shape, maximum } = Dataspace::read(file.cursor(&space.body))?
        else {
            return Err(Error::unsupported("a variable with a null dataspace"));
        };
        let datatype = find(object_header::DATATYPE)
            .ok_or_else(|| Error::corrupt("a dataset has no datatype"))
            .and_then(|message| Datatype::read(file.cursor(&message.body)))?;
        let filters = find(object_header::FILTER_PIPELINE)
            .map(|message| filter_pipeline::read(file.cursor(&message.body)))
            .transpose()?
            .unwrap_or_default();
        let layout = layout::read(file.cursor(&layout.body), shape.len(), !filters.is_empty())?;
        let attributes = attribute::attributes(file, address, &messages)?;
        Ok(Some(Self { shape, maximum, datatype, filters, attributes, layout, messages }))
    }

    /// The attribute called `name`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Whether the elements are stored in chunks.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        matches!(self.layout, Layout::Chunked { .. })
    }

    /// What unwritten places hold, in elements of `element_size` bytes.
    pub fn fill(&self, file: &File, element_size: u64) -> Result<Fill> {
        let find = |kind| self.messages.iter().find(|message| message.kind == kind);
        if let Some(message) = find(object_header::FILL_VALUE) {
            return fill_value::read(file.cursor(&message.body), element_size);
        }
        if let Some(message) = find(object_header::FILL_VALUE_OLD) {
            return fill_value::read_old(file.cursor(&message.body), element_size);
        }
        fill_value::zeros(element_size)
    }

    /// Where the elements are, with chunks numbered in an array of `shape`: that of the dataset, or
    /// a longer one.
    pub fn storage(&self, file: &File, shape: &[u64], element_size: u64) -> Result<Storage> {
        match &self.layout {
            Layout::Compact(bytes) => Ok(Storage::Compact(bytes.clone())),
            Layout::Contiguous(None) => Ok(Storage::Contiguous(None)),
            Layout::Contiguous(Some(address)) => self.contiguous(file, *address, element_size),
            &Layout::Chunked { element_size: stored, .. } if stored != element_size => {
                let message = format!("chunks have elements of {stored} bytes, not {element_size}");
                Err(Error::corrupt(message))
            }
            Layout::Chunked { chunk_shape, address, index, unfiltered_edges, .. } => {
                let grid = Grid {
                    shape,
                    stored_shape: &self.shape,
                    maximum: &self.maximum,
                    chunk_shape,
                    element_size,
                    is_filtered: !self.filters.is_empty(),
                    unfiltered_edges: *unfiltered_edges,
                };
                let chunks = chunk_index::chunks(file, *address, *index, &grid)?;
                Ok(Storage::Chunked {
                    chunk_shape: chunk_shape.clone(),
                    chunks,
                    index: index.kind(),
                })
            }
        }
    }

    fn contiguous(&self, file: &File, address: u64, element_size: u64) -> Result<Storage> {
        let size = product(&self.shape).and_then(|n| n.checked_mul(element_size));
        let offset = file.position(address)?;
        let end = size.and_then(|size| offset.checked_add(size));
        match size {
            Some(0) => Ok(Storage::Contiguous(None)),
            Some(size) if end.is_some_and(|end| end <= file.source().len()) => {
                Ok(Storage::Contiguous(Some((offset, size))))
            }
            _ => Err(Error::new(Code::Truncated, "the data lie beyond the end of the file")
                .with_hint(
                    "compare size and checksum with the source and transfer the file again",
                )),
        }
    }
}
