//! The one error type, and the policy behind it.
//!
//! * Every error says what was wrong ([`Code`] and message), where (path, variable) and, where
//!   there is one, a way out (hint). It is shown to people and stored in the ledger as it is.
//! * Whoever knows a detail adds it: parsers make the error, the caller that holds the path or the
//!   variable attaches it ([`Error::in_file`], [`Error::of_variable`]). Details already there are
//!   kept, never overwritten.
//! * The code is a stable word that scripts may match; the message is free to improve.
//! * Messages are lower-case fragments without a full stop.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as a word that scripts and the ledger can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The system refused to read or write.
    Io,
    /// The file system did not answer in time.
    Timeout,
    /// The file changes while it is read.
    Unstable,
    /// The path does not exist (any more).
    NotFound,
    /// The process may not read or write there.
    PermissionDenied,
    /// Symbolic links that lead back to themselves.
    LinkLoop,
    /// The file is not NetCDF at all (empty, HTML, ...).
    NotNetcdf,
    /// The file ends before the bytes its metadata promise.
    Truncated,
    /// The metadata contradict themselves or the format.
    Corrupt,
    /// A feature of the format this version does not read.
    Unsupported,
    /// The path fits no known Data Reference Syntax.
    Unrecognised,
    /// Path, file name and content disagree about a facet.
    DrsMismatch,
    /// A mapfile cannot be understood, or disagrees with the files it lists.
    Mapfile,
    /// Files of a dataset were replaced under the same version.
    ChangedInPlace,
    /// A facet has a value that is not in the controlled vocabulary of the project.
    NotInVocabulary,
    /// Two directories claim the same dataset ID.
    DuplicateId,
    /// Several data roots claim the same path.
    AmbiguousDataRoot,
    /// There are data roots, but none covers the path.
    OutsideDataRoots,
    /// The variable the file name promises, or that the other files have, is absent.
    VariableMissing,
    /// Several files but no time dimension to join them along.
    NoTimeDimension,
    /// A dimension differs in size among the files.
    DimensionsDiffer,
    /// Data types differ among the files.
    DtypesDiffer,
    /// Compression or other filters differ among the files.
    CodecsDiffer,
    /// `_FillValue`, `missing_value` or storage fill differ among the files.
    FillValuesDiffer,
    /// `scale_factor` or `add_offset` differ among the files.
    PackingDiffers,
    /// `units` differ among the files.
    UnitsDiffer,
    /// Time calendars differ among the files.
    CalendarsDiffer,
    /// Chunk shapes differ among the files.
    ChunkShapesDiffer,
    /// A file other than the last does not end on a chunk boundary.
    ChunksMisaligned,
    /// Single chunks skip a filter (HDF5 filter mask) or are stored unfiltered at the edge.
    FilterMask,
    /// Chunks were never written and no fill value is defined for them.
    FillUndefined,
    /// A variable without time dimension is not the same in all files.
    StaticDiffers,
    /// The time ranges of two files overlap.
    TimeOverlap,
    /// A time step is there twice, in one file or in two.
    TimeDuplicate,
    /// Time does not increase within a file.
    TimeNotIncreasing,
    /// Time steps are missing, as the frequency tells.
    TimeGap,
    /// The time range in a file's name is not that of its time steps.
    TimeRange,
    /// A form of a store that was asked for cannot hold it.
    FormatLeftOut,
    /// A store shows an attribute otherwise than the files do, or leaves it out.
    AttributeNotKept,
    /// What a store returns, or says of itself, is not what its files hold.
    Different,
    /// Something of a store could not be compared with its files.
    NotVerified,
    /// Something that must fit in memory or in the format is too large.
    TooLarge,
    /// A dataset takes more memory than it may.
    OutOfMemory,
    /// The configuration or the command line is wrong.
    Configuration,
    /// The ledger cannot be used.
    Ledger,
    /// A defect of this program.
    Internal,
}

impl Code {
    /// The stable, kebab-case word for this code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Timeout => "timeout",
            Self::Unstable => "unstable",
            Self::NotFound => "not-found",
            Self::PermissionDenied => "permission-denied",
            Self::LinkLoop => "link-loop",
            Self::NotNetcdf => "not-netcdf",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Unrecognised => "unrecognised",
            Self::DrsMismatch => "drs-mismatch",
            Self::Mapfile => "mapfile",
            Self::ChangedInPlace => "changed-in-place",
            Self::NotInVocabulary => "not-in-vocabulary",
            Self::DuplicateId => "duplicate-id",
            Self::AmbiguousDataRoot => "ambiguous-data-root",
            Self::OutsideDataRoots => "outside-data-roots",
            Self::VariableMissing => "variable-missing",
            Self::NoTimeDimension => "no-time-dimension",
            Self::DimensionsDiffer => "dimensions-differ",
            Self::DtypesDiffer => "dtypes-differ",
            Self::CodecsDiffer => "codecs-differ",
            Self::FillValuesDiffer => "fill-values-differ",
            Self::PackingDiffers => "packing-differs",
            Self::UnitsDiffer => "units-differ",
            Self::CalendarsDiffer => "calendars-differ",
            Self::ChunkShapesDiffer => "chunk-shapes-differ",
            Self::ChunksMisaligned => "chunks-misaligned",
            Self::FilterMask => "filter-mask",
            Self::FillUndefined => "fill-undefined",
            Self::StaticDiffers => "static-differs",
            Self::TimeOverlap => "time-overlap",
            Self::TimeDuplicate => "time-duplicate",
            Self::TimeNotIncreasing => "time-not-increasing",
            Self::TimeGap => "time-gap",
            Self::TimeRange => "time-range",
            Self::FormatLeftOut => "format-left-out",
            Self::AttributeNotKept => "attribute-not-kept",
            Self::Different => "different",
            Self::NotVerified => "not-verified",
            Self::TooLarge => "too-large",
            Self::OutOfMemory => "out-of-memory",
            Self::Configuration => "configuration",
            Self::Ledger => "ledger",
            Self::Internal => "internal",
        }
    }

    /// Whether the files were read and understood but do not combine exactly: an honest refusal,
    /// as opposed to a failure to read.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        !matches!(
            self,
            Self::Io
                | Self::Timeout
                | Self::Unstable
                | Self::NotFound
                | Self::PermissionDenied
                | Self::LinkLoop
                | Self::NotNetcdf
                | Self::Truncated
                | Self::Corrupt
                | Self::Unsupported
                | Self::Mapfile
                | Self::OutOfMemory
                | Self::Different
                | Self::NotVerified
                | Self::Configuration
                | Self::Ledger
                | Self::Internal
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, where, and a way out.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    path: Option<PathBuf>,
    variable: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// An error of `code` with `message`, a lower-case fragment.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            path: None,
            variable: None,
            hint: None,
        }))
    }

    /// The system's `error` while doing `what` (such as "read") to `path`.
    #[must_use]
    pub fn io(error: &io::Error, what: &str, path: &Path) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            io::ErrorKind::PermissionDenied => Code::PermissionDenied,
            _ => Code::Io,
        };
        Self::new(code, format!("cannot {what}: {error}")).in_file(path)
    }

    /// Metadata that contradict themselves or the format.
    #[must_use]
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Code::Corrupt, message)
    }

    /// A `feature` of a format that this version does not read.
    #[must_use]
    pub fn unsupported(feature: impl fmt::Display) -> Self {
        Self::new(Code::Unsupported, format!("{feature} is not supported"))
    }

    /// Attaches the file or directory concerned, unless one is known.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.path.get_or_insert_with(|| path.into());
        self
    }

    /// Attaches the variable concerned, unless one is known.
    #[must_use]
    pub fn of_variable(mut self, name: impl Into<String>) -> Self {
        self.0.variable.get_or_insert_with(|| name.into());
        self
    }

    /// Attaches a way out, unless there is one.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The kind of error.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What was wrong, without path, variable and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file or directory concerned.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The variable concerned.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.0.variable.as_deref()
    }

    /// A way out.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    /// `` `PATH`: variable `NAME`: message [code] ``; the hint is left to the reporter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "`{}`: ", path.display().to_string().escape_debug())?;
        }
        if let Some(variable) = self.variable() {
            write!(f, "variable `{}`: ", variable.escape_debug())?;
        }
        write!(f, "{} [{}]", self.message(), self.code())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.hint() {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_known_first_are_kept() {
        let error = Error::corrupt("bad signature")
            .of_variable("tas")
            .in_file("/data/a.nc")
            .in_file("/data")
            .of_variable("pr");
        assert_eq!(error.to_string(), "`/data/a.nc`: variable `tas`: bad signature [corrupt]");
    }

    #[test]
    fn control_characters_in_paths_are_escaped() {
        let error = Error::corrupt("odd").in_file("/data/\u{1b}[31m\n.nc");
        assert!(!error.to_string().contains(['\u{1b}', '\n']));
    }
}
