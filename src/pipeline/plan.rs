//! What a dataset needs, from what the ledger knows and what the disk shows.

use crate::discover::SourceFile;
use crate::ledger::{DatasetRecord, Status};
use crate::model::error::Code;

/// What is to be done about a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it is as it was.
    Same,
    /// Build it.
    Build,
}

/// Decides about a dataset of which the ledger has `known`, whose `files` are on disk now, and
/// whose store would be made by `recipe`. `is_intact` tells whether the store that is known is
/// still there.
pub fn plan(
    known: Option<&DatasetRecord>,
    files: &[SourceFile],
    recipe: &str,
    is_intact: impl FnOnce(&DatasetRecord) -> bool,
) -> Plan {
    let same = known.is_some_and(|known| {
        known.recipe == recipe
            && same_files(known, files)
            && match known.status {
                Status::Built => is_intact(known),
                Status::Refused => true,
                Status::Failed => lies_in_the_files(known),
                Status::Gone => false,
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
    known.files.len() == files.len()
        && sorted(known.files.iter().map(|file| &file.source)) == sorted(files.iter())
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
            master_id: "a".into(),
            project: "CMIP6".into(),
            version: "v1".into(),
            versioned: true,
            directory: "/a/v1".into(),
            status,
            error: error.map(|code| ProblemRecord::from(&Error::new(code, "it"))),
            recipe: "r".into(),
            files: [file("b", 2), file("a", 1)].map(FileRecord::from).into(),
            store: None,
            variables: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            verification: None,
        }
    }

    fn planned(known: Option<&DatasetRecord>, files: &[SourceFile], recipe: &str) -> Plan {
        plan(known, files, recipe, |_| true)
    }

    #[test]
    fn what_did_not_change_is_left_alone() {
        let files = [file("a", 1), file("b", 2)];
        let built = record(Status::Built, None);
        assert_eq!(planned(Some(&built), &files, "r"), Plan::Same);
        assert_eq!(plan(Some(&built), &files, "r", |_| false), Plan::Build);
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
}
