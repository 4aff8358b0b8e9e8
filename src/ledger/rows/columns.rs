//! Values to columns and back.

use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row, RowIndex};

use crate::ledger::path_text::{from_text, to_text};
use crate::ledger::record::{PartKind, Severity, Status};
use crate::model::format::Format;
use crate::model::verdict::Verdict;
use crate::verify::{Mode, Outcome};

pub(super) fn path(row: &Row, column: impl RowIndex) -> Result<PathBuf> {
    Ok(from_text(row.get_ref(column)?.as_str()?))
}

pub(super) fn optional_path(row: &Row, column: &str) -> Result<Option<PathBuf>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.as_deref().map(from_text))
}

/// SQLite integers are signed; the bits are kept.
pub(super) fn unsigned(row: &Row, column: impl RowIndex) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn optional_unsigned(row: &Row, column: impl RowIndex) -> Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|number| number.map(i64::cast_unsigned))
}

/// What stands before the `/` in the text of everything below `root`; nothing for the root of the
/// file system.
///
/// `/` and `0` are neighbours in ASCII, so everything below `root` lies between `root/` and
/// `root0`: a comparison by component, which an index can serve.
pub(super) fn prefix(root: &Path) -> String {
    let mut text = to_text(root);
    if text == "/" {
        text.clear();
    }
    text
}

pub(super) fn prefixes(roots: &[PathBuf]) -> Vec<String> {
    roots.iter().map(|root| prefix(root)).collect()
}

/// A JSON array, the way to hand a list to SQLite.
pub(super) fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// Columns that hold one of a few words.
macro_rules! word_column {
    ($type:ty: $($word:ident)*) => {
        impl ToSql for $type {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                let known = [$(Self::$word),*].into_iter().find(|word| word.as_str() == text);
                known.ok_or(FromSqlError::InvalidType)
            }
        }
    };
}

word_column!(Format: Parquet Icechunk);
word_column!(Mode: Sample All);
word_column!(Outcome: Verified Different Incomplete);
word_column!(Status: Built Refused Failed Gone Retracted);
word_column!(Verdict: Virtual Inlined Seamed Segmented);
word_column!(PartKind: Segment Seams);
word_column!(Severity: Error Warning Note);
