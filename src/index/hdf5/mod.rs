//! HDF5 metadata, read from the superblock down to the place of every chunk.
//!
//! The modules follow the *HDF5 File Format Specification, version 3.0*; each names the section it
//! reads. The way through a file: [`superblock`] says where the root group's [`object_header`] is;
//! its messages give the group's members ([`group`], through [`symbol_table`], or [`btree_v2`] and
//! [`fractal_heap`]); a member that is a [`dataset`] has messages for [`dataspace`], [`datatype`],
//! [`fill_value`], [`layout`] and [`filter_pipeline`]; the layout leads to the [`chunk_index`], which is
//! one of [`btree_v1`], [`btree_v2`], [`fixed_array`], [`extensible_array`], or none at all, and whose
//! chunks are checked and packed as [`found_chunks`].
//! [`attribute`] values of variable length lie in the [`global_heap`]. Any of these messages may lie
//! elsewhere ([`shared_messages`]).
//!
//! Everything read is checked: lengths against the file, versions and signatures against the
//! specification, checksums where the format has them.

pub mod array_elements;
pub mod attribute;
pub mod btree_v1;
pub mod btree_v2;
pub mod checksum;
pub mod chunk_grid;
pub mod chunk_index;
pub mod cursor;
pub mod dataset;
pub mod dataspace;
pub mod datatype;
pub mod extensible_array;
pub mod file;
pub mod fill_value;
pub mod filter_pipeline;
pub mod fixed_array;
pub mod found_chunks;
pub mod fractal_heap;
pub mod global_heap;
pub mod group;
pub mod layout;
pub mod link;
pub mod object_header;
pub mod shared_messages;
pub mod superblock;
pub mod superblock_extension;
pub mod symbol_table;
