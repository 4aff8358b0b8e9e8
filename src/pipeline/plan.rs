//! What a dataset needs, from what the ledger knows and what the disk shows.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::discover::{Checksums, SourceFile};
use crate::ledger::{DatasetRecord, FileRecord, Status};
use crate::model::error::Code;
use crate::model::multihash::Multihash;

/// What is to be done about a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is as it was.
    Same,
    /// Build it.
    Build,
}

/// Decides about a dataset of which the ledger has `known`, whose `files` are on disk now, perhaps with
/// `checksums`, and whose store would be made by `recipe`. `is_intact` tells whether the store that is
/// known is still there.
pub fn plan(
    known: Option<&DatasetRecord>,
    (files, checksums): (&[SourceFile], &Checksums),
    recipe: &str,
    is_intact: impl FnOnce(&DatasetRecord) -> bool,
) -> Plan {
    let same = known.is_some_and(|known| {
        known.recipe == recipe
            && same_files(known, files)
            && has_checksums(known, checksums)
            && match known.status {
                Status::Built => is_intact(known),
                Status::Refused => true,
                Status::Failed => lies_in_the_files(known),
                Status::Gone | Status::Retracted => false,
            }
    });
    if same { Plan::Same } else { Plan::Build }
}

/// Whether the files are those that the ledger knows; their order does not matter.
#[must_use]
pub fn same_files(known: &DatasetRecord, files: &[SourceFile]) -> bool {
    fn sorted<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Vec<&'a SourceFile> {
        let mut files: Vec<_> = files.collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
    let known = || known.files.iter().map(|file| &file.source);
    known().eq(files) || known().len() == files.len() && sorted(known()) == sorted(files.iter())
}

/// Whether the ledger has these checksums: others mean other bytes, whatever size and time say.
fn has_checksums(known: &DatasetRecord, checksums: &Checksums) -> bool {
    let has = |file: &FileRecord| {
        checksums.get(&file.source.path).is_none_or(|listed| file.checksum.as_ref() == Some(listed))
    };
    known.files.iter().all(has)
}

/// Checksums that the ledger has of files that are as they were.
pub fn known_checksums(
    known: &DatasetRecord,
    files: &[SourceFile],
) -> impl Iterator<Item = (PathBuf, Multihash)> {
    let are_known = known.files.iter().any(|file| file.checksum.is_some());
    let files: HashSet<&SourceFile> = files.iter().filter(|_| are_known).collect();
    known
        .files
        .iter()
        .filter(move |file| files.contains(&file.source))
        .filter_map(|file| Some((file.source.path.clone(), file.checksum.clone()?)))
}

/// Whether a failure will repeat as long as the files stay as they are; others, such as a missing
/// permission, may pass without a trace in the files.
fn lies_in_the_files(known: &DatasetRecord) -> bool {
    let lasting = [Code::NotNetcdf, Code::Truncated, Code::Corrupt, Code::Unsupported];
    let code = known.error.as_ref().map(|error| error.code.as_str());
    lasting.iter().any(|lasting| code == Some(lasting.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{FileRecord, ProblemRecord};
    use crate::model::error::Error;

    fn file(name: &str, size: u64) -> SourceFile {
        SourceFile { path: name.into(), size, mtime_ns: 1, inode: 1 }
    }

    fn record(status: Status, error: Option<Code>) -> DatasetRecord {
        DatasetRecord {
            instance_id: "a.v1".into(),
            dataset_id: "a.v1".into(),
            master_id: "a".into(),
            project: "CMIP6".into(),
            version: "v1".into(),
            versioned: true,
            directory: "/a/v1".into(),
            period: None,
            status,
            error: error.map(|code| ProblemRecord::from(&Error::new(code, "it"))),
            recipe: "r".into(),
            files: [file("b", 2), file("a", 1)].map(FileRecord::from).into(),
            store: None,
            variables: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            verification: None,
            replacement: None,
            superseded_by: None,
        }
    }

    fn planned(known: Option<&DatasetRecord>, files: &[SourceFile], recipe: &str) -> Plan {
        plan(known, (files, &Checksums::new()), recipe, |_| true)
    }

    #[test]
    fn what_did_not_change_is_left_alone() {
        let files = [file("a", 1), file("b", 2)];
        let built = record(Status::Built, None);
        assert_eq!(planned(Some(&built), &files, "r"), Plan::Same);
        assert_eq!(plan(Some(&built), (&files, &Checksums::new()), "r", |_| false), Plan::Build);
        let refused = record(Status::Refused, Some(Code::TimeOverlap));
        assert_eq!(planned(Some(&refused), &files, "r"), Plan::Same);
    }

    #[test]
    fn what_is_new_changed_or_may_have_passed_is_built() {
        let files = [file("a", 1), file("b", 2)];
        let built = record(Status::Built, None);
        assert_eq!(planned(None, &files, "r"), Plan::Build);
        assert_eq!(planned(Some(&built), &files, "other"), Plan::Build);
        assert_eq!(planned(Some(&built), &files[..1], "r"), Plan::Build);
        assert_eq!(planned(Some(&built), &[file("a", 1), file("b", 3)], "r"), Plan::Build);
        let gone = record(Status::Gone, None);
        assert_eq!(planned(Some(&gone), &files, "r"), Plan::Build);
        let corrupt = record(Status::Failed, Some(Code::Corrupt));
        assert_eq!(planned(Some(&corrupt), &files, "r"), Plan::Same);
        let denied = record(Status::Failed, Some(Code::PermissionDenied));
        assert_eq!(planned(Some(&denied), &files, "r"), Plan::Build);
    }

    #[test]
    fn another_checksum_means_other_bytes() {
        let files = [file("a", 1), file("b", 2)];
        let sum = |digit: &str| Multihash::of_sha256(&digit.repeat(64));
        let listed = |digit| Checksums::from([("a".into(), sum(digit))]);
        let planned = |known: &DatasetRecord, checksums| {
            plan(Some(known), (&files, &checksums), "r", |_| true)
        };
        let mut built = record(Status::Built, None);
        assert_eq!(planned(&built, listed("1")), Plan::Build);
        built.files[1].checksum = Some(sum("1"));
        assert_eq!(planned(&built, listed("1")), Plan::Same);
        assert_eq!(planned(&built, listed("2")), Plan::Build);
        assert_eq!(planned(&built, Checksums::new()), Plan::Same);
        assert!(known_checksums(&built, &files).eq([("a".into(), sum("1"))]));
        assert_eq!(known_checksums(&built, &[file("a", 3)]).count(), 0);
    }
}
