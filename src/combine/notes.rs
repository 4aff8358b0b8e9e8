//! What the files of a dataset could do better, for those who write them.

use std::collections::BTreeSet;

use crate::model::array::{Storage, Variable};
use crate::model::error::{Code, Error};

use super::encoding::{self, Encoding};
use super::grid::{divisors_near, greatest_common_divisor};
use super::{Context, join};

/// What makes the stores of `variables` larger, or worse to read, than they need to be.
pub fn of(variables: &[Vec<Variable>], context: &Context) -> Vec<Error> {
    let mut notes = Vec::new();
    for of_files in variables {
        let Some(first) = of_files.first() else { continue };
        if !context.is_joined(first) || join::is_inlined(of_files, context) {
            continue;
        }
        // Files without any step have no chunks.
        let filled = of_files.iter().enumerate().filter(|&(file, _)| context.lengths[file] > 0);
        let files = Files { filled: filled.collect(), context };
        let found = [files.ends(), files.lengths(), files.encodings(of_files), files.masks()];
        notes.extend(found.into_iter().flatten().map(|note| note.of_variable(&first.name)));
    }
    notes
}

/// A variable in the files that have some of it.
struct Files<'a> {
    filled: Vec<(usize, &'a Variable)>,
    context: &'a Context<'a>,
}

impl Files<'_> {
    /// Files that end within a chunk though another follows.
    fn ends(&self) -> Option<Error> {
        let followed = self.filled.split_last()?.1;
        let ends_within = |variable: &Variable| {
            chunk_rows(variable).is_some_and(|length| !variable.shape[0].is_multiple_of(length))
        };
        let within: Vec<_> = followed.iter().filter(|(_, it)| ends_within(it)).collect();
        let (file, variable) = **within.first()?;
        let (rows, length) = (variable.shape[0], chunk_rows(variable)?);
        let message = format!(
            "{} end within a chunk: this one has {rows} time steps in chunks of {length}",
            self.some(within.len())
        );
        let lengths = followed.iter().map(|(_, variable)| variable.shape[0]);
        let hint = match divisors_near(lengths.fold(0, greatest_common_divisor), length) {
            (below, above) if below == above => {
                format!("time chunks of {below} would divide all files")
            }
            (below, above) => format!("time chunks of {below} or {above} would divide all files"),
        };
        Some(self.note(Code::ChunksMisaligned, file, message).with_hint(hint))
    }

    /// Files whose chunks are of another length than those of the first.
    fn lengths(&self) -> Option<Error> {
        let lengths: BTreeSet<u64> =
            self.filled.iter().filter_map(|(_, variable)| chunk_rows(variable)).collect();
        let first = chunk_rows(self.filled.first()?.1)?;
        let differs = |variable: &Variable| chunk_rows(variable).is_some_and(|it| it != first);
        let (file, variable) = self.filled.iter().find(|(_, variable)| differs(variable))?;
        let message = format!(
            "chunks have {} lengths along time, in this file {} and in the first {first}",
            lengths.len(),
            chunk_rows(variable)?
        );
        let note = self.note(Code::ChunkShapesDiffer, *file, message);
        Some(note.with_hint("with one length in all files, every reader could open one manifest"))
    }

    /// Files that encode chunks in another way than most, or in one that no reader of Zarr knows. What
    /// cannot be decoded at all is refused elsewhere.
    fn encodings(&self, of_files: &[Variable]) -> Option<Error> {
        let common = Encoding::common(of_files).ok()?;
        let is_odd = |variable| common.differs_in(variable).unwrap_or(false);
        let odd: Vec<_> = self.filled.iter().filter(|(_, variable)| is_odd(variable)).collect();
        let (file, variable) = **odd.first()?;
        let shown = |variable: &Variable| {
            format!("{} of {}", encoding::shown(&variable.filters), variable.dtype)
        };
        let most = common.like;
        let message = if std::ptr::eq(most, variable) {
            format!("no reader of Zarr has a codec for {}", shown(variable))
        } else {
            format!("{} have {}, most data {}", self.some(odd.len()), shown(variable), shown(most))
        };
        let note = self.note(Code::CodecsDiffer, file, message);
        Some(note.with_hint("rewrite them with the filters of the others, such as by `h5repack`"))
    }

    /// Chunks that were stored without some of their filters.
    fn masks(&self) -> Option<Error> {
        let count = |variable: &Variable| match &variable.storage {
            Storage::Chunked { chunks, .. } if chunks.has_masks() => {
                chunks.iter().filter(|chunk| chunk.filter_mask != 0).count()
            }
            _ => 0,
        };
        let counts = self.filled.iter().map(|(file, variable)| (*file, count(variable)));
        let counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        let (file, _) = *counts.first()?;
        let sum: usize = counts.iter().map(|(_, count)| count).sum();
        let message = format!("{sum} chunks were stored without all of their filters");
        let note = self.note(Code::FilterMask, file, message);
        Some(note.with_hint("rewrite the file with `nccopy` or `h5repack`"))
    }

    fn some(&self, count: usize) -> String {
        format!("{count} of {} files", self.filled.len())
    }

    fn note(&self, code: Code, file: usize, message: String) -> Error {
        Error::new(code, message).in_file(&self.context.paths[file])
    }
}

/// The length of its chunks along time; none of data in one piece.
fn chunk_rows(variable: &Variable) -> Option<u64> {
    variable.chunk_shape()?.first().map(|length| (*length).max(1))
}
