//! The indexes of a dataset's files as bytes, to be kept between runs.

use std::ffi::OsString;
use std::io::{BufWriter, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::discover::SourceFile;
use crate::model::array::FileIndex;
use crate::model::multihash::Multihash;

/// What made the bytes: another version may read files otherwise, or mean other things by the same bytes.
/// The number is of changes between releases.
const MADE_BY: &str = concat!("vzarr-publish ", env!("CARGO_PKG_VERSION"), " 4");

/// Indexes repeat each other from file to file; more effort makes them little smaller.
const LEVEL: i32 = 1;

/// Bytes that are compressed at once.
const BUFFER: usize = 1 << 16;

/// Most bytes that packed indexes may unpack to.
const MOST: usize = 1 << 30;

/// A file as it was indexed.
#[derive(Debug)]
pub struct Packed {
    /// The file as it was then.
    pub file: SourceFile,
    /// Its checksum, if one was known.
    pub checksum: Option<Multihash>,
    /// What it holds.
    pub index: FileIndex,
}

/// The file of a [`Packed`] in bytes that any path has.
#[derive(Serialize, Deserialize)]
struct Stamp {
    path: Vec<u8>,
    size: u64,
    mtime_ns: i64,
    inode: u64,
    checksum: Option<String>,
}

/// Packs the indexes of files, which have known checksums or not. There is nothing to pack where a file
/// holds what is not read, or where there would be too much.
#[must_use]
pub fn pack<'a>(
    files: impl Iterator<Item = (&'a SourceFile, Option<&'a Multihash>, &'a FileIndex)>,
) -> Option<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).ok()?;
    // Damage on disk must not pass for another index.
    encoder.include_checksum(true).ok()?;
    let mut out = BufWriter::with_capacity(BUFFER, encoder);
    postcard::to_io(MADE_BY, &mut out).ok()?;
    let mut memory = 0;
    for (file, checksum, index) in files {
        memory += index.memory();
        if !index.refused.is_empty() || memory > MOST {
            return None;
        }
        let SourceFile { path, size, mtime_ns, inode } = file;
        let stamp = Stamp {
            path: path.as_os_str().as_bytes().to_vec(),
            size: *size,
            mtime_ns: *mtime_ns,
            inode: *inode,
            checksum: checksum.map(|checksum| checksum.as_str().to_owned()),
        };
        postcard::to_io(&(stamp, index), &mut out).ok()?;
    }
    out.into_inner().ok()?.finish().ok()
}

/// The indexes in `packed`; none if another version made it, or if it is damaged.
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<Vec<Packed>> {
    let mut bytes = Vec::new();
    let unpacked = zstd::stream::read::Decoder::new(packed).ok()?;
    unpacked.take(MOST as u64).read_to_end(&mut bytes).ok()?;
    let (made_by, mut rest): (&str, _) = postcard::take_from_bytes(&bytes).ok()?;
    let mut files = Vec::new();
    while made_by == MADE_BY && !rest.is_empty() {
        let (file, after) = postcard::take_from_bytes::<(Stamp, FileIndex)>(rest).ok()?;
        let (Stamp { path, size, mtime_ns, inode, checksum }, index) = file;
        let path = PathBuf::from(OsString::from_vec(path));
        let checksum = match checksum {
            Some(text) => Some(Multihash::parse(&text, None)?),
            None => None,
        };
        files.push(Packed { file: SourceFile { path, size, mtime_ns, inode }, checksum, index });
        rest = after;
    }
    (made_by == MADE_BY).then_some(files)
}

/// The index among `packed` of `file` as it is now, with this checksum or any.
pub fn take(
    packed: &mut Vec<Packed>,
    file: &SourceFile,
    checksum: Option<&Multihash>,
) -> Option<FileIndex> {
    let fits =
        |it: &Packed| it.file == *file && (checksum.is_none() || it.checksum.as_ref() == checksum);
    let place = packed.iter().position(fits)?;
    Some(packed.swap_remove(place).index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::array::{Dimension, FileFormat, Group, ReadCost};
    use crate::model::attribute::{AttributeValue, Attributes};
    use crate::model::error::Error;

    fn file(name: &[u8]) -> SourceFile {
        let path = PathBuf::from(OsString::from_vec(name.to_vec()));
        SourceFile { path, size: 5, mtime_ns: -7, inode: 9 }
    }

    fn index() -> FileIndex {
        let mut attributes = Attributes::default();
        attributes.push("odd", AttributeValue::Float(vec![f32::from_bits(0x7fc0_1234)]));
        FileIndex {
            format: FileFormat::Hdf5(2),
            size: 5,
            dimensions: vec![Dimension { name: "time".into(), size: 3, unlimited: true }],
            attributes,
            variables: Vec::new(),
            groups: vec![Group { name: "g".into(), is_empty: true }],
            refused: Vec::new(),
            cost: ReadCost::default(),
        }
    }

    fn pack_two() -> Vec<u8> {
        let sum = Multihash::of_sha256(&"1".repeat(64));
        let files = [(file(b"/a"), Some(sum)), (file(b"/\xff"), None)];
        let index = index();
        pack(files.iter().map(|(file, sum)| (file, sum.as_ref(), &index))).unwrap()
    }

    #[test]
    fn indexes_come_back_bit_for_bit() {
        let unpacked = unpack(&pack_two()).unwrap();
        assert_eq!(unpacked.len(), 2);
        assert_eq!(unpacked[1].file, file(b"/\xff"));
        // `Debug` has every field; of a number that is none it hides the bits.
        assert_eq!(format!("{:?}", unpacked[0].index), format!("{:?}", index()));
        let (kept, made) = (unpacked[0].index.attributes.get("odd"), index());
        assert!(kept.unwrap().same(made.attributes.get("odd").unwrap()));
    }

    #[test]
    fn damaged_ones_are_none() {
        let packed = pack_two();
        let whole = unpack(&packed).unwrap();
        for place in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[place] ^= 0x10;
            assert!(unpack(&damaged).is_none_or(|it| format!("{it:?}") == format!("{whole:?}")));
            assert!(unpack(&packed[..place]).is_none());
        }
    }

    #[test]
    fn only_the_same_file_with_the_same_checksum_is_taken() {
        let mut unpacked = unpack(&pack_two()).unwrap();
        let touched = SourceFile { mtime_ns: 1, ..file(b"/a") };
        assert!(take(&mut unpacked, &touched, None).is_none());
        let other = Multihash::of_sha256(&"2".repeat(64));
        assert!(take(&mut unpacked, &file(b"/a"), Some(&other)).is_none());
        assert!(take(&mut unpacked, &file(b"/\xff"), Some(&other)).is_none());
        assert!(take(&mut unpacked, &file(b"/a"), None).is_some());
        assert_eq!(unpacked.len(), 1);
    }

    #[test]
    fn what_is_not_read_is_not_kept() {
        let refused = vec![Error::unsupported("an odd thing")];
        let index = FileIndex { refused, ..index() };
        assert!(pack([(&file(b"/a"), None, &index)].into_iter()).is_none());
    }
}
