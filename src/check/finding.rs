//! What a verification can find, and how bad it is.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::format::block::Cause;

/// What a stream is, all findings taken together.
///
/// ```
/// use puro::check::Verdict;
/// use puro::{CheckOptions, NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// std::fs::write(dir.join("notes.txt"), "not of a stream")?;
/// let report = CheckOptions::new().check(&dir, &mut |_, _| {})?;
/// assert_eq!(report.verdict(), Verdict::Sound); // A note is no fault of the stream.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Sound,
    /// Something stands at the end that the next writer will repair.
    Repairable,
    /// The system did not let all be read: nothing is known of the rest. What is wrong is not in
    /// the stream.
    Unreadable,
    /// Bytes that were committed are not what they were.
    Damaged,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sound => "sound",
            Self::Repairable => "repairable",
            Self::Unreadable => "unreadable",
            Self::Damaged => "damaged",
        })
    }
}

/// How bad a finding is; ascending.
///
/// ```
/// use puro::check::Severity;
/// use puro::{CheckOptions, NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// std::fs::write(dir.join("notes.txt"), "not of a stream")?;
/// let report = CheckOptions::new().check(&dir, &mut |_, _| {})?;
/// assert!(report.findings.iter().all(|finding| finding.severity() == Severity::Note));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth to be known, of no consequence for the stream.
    Note,
    /// The next writer will repair it.
    Repairable,
    /// The system does not let it be read.
    Unreadable,
    /// Damage.
    Damage,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Repairable => "repairable",
            Self::Unreadable => "unreadable",
            Self::Damage => "damage",
        })
    }
}

/// What is wrong.
///
/// ```
/// use puro::check::Problem;
/// use puro::{CheckOptions, NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// std::fs::write(dir.join("notes.txt"), "not of a stream")?;
/// let report = CheckOptions::new().check(&dir, &mut |_, _| {})?;
/// assert_eq!(report.findings[0].problem, Problem::StrayName);
/// assert_eq!(report.findings[0].problem.label(), "stray_name");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A name that has no place in a stream (F-10).
    #[error("it has no place in a stream")]
    StrayName,
    /// A file that a rollover or a compaction did not live to name (V-4, S-6).
    #[error("it is left over from a rollover or a compaction that did not end")]
    Temporary,
    /// A segment of another stream, or under another number than its own (F-9).
    #[error("it is a segment of another stream, or under another number than its own")]
    StraySegment,
    /// A tail that the recovery table would cut (protocol.md, chapter 5).
    #[error(
        "{bytes} bytes behind the committed end are to be cut off (recovery: {label}): {cause}"
    )]
    Tail {
        /// The row of the table: `unseen` or `lost`.
        label: &'static str,
        /// How many bytes would be cut off.
        bytes: u64,
        /// Why no committed block stands there.
        cause: Cause,
    },
    /// The last segment is sealed, and its successor was not made (V-6).
    #[error("the segment is sealed, but the next one was not made yet")]
    RolloverUnfinished,
    /// The last segment is sealed, and no writer can make its successor, for a stray has that name (K-13).
    #[error(
        "the segment is sealed, and what has the next one's name is of another stream, or of another \
         number; move it away, and the next writer goes on"
    )]
    NextNameTaken,
    /// The last segment that there can be is sealed (F-7).
    #[error("the stream is full: it has used up its 2^32 segments; export it into a new one")]
    Full,
    /// A file under a segment's name that does not begin like one (F-9).
    #[error("it is not a Puro segment: it does not begin with the magic bytes")]
    NotASegment,
    /// No segment is the stream's own: each is of another stream, or has another number (K-6).
    #[error(
        "no file is a segment of a stream under its own number; if one was renamed, give it back the \
         number that it had"
    )]
    OnlyStrays,
    /// Something that the system does not let be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Segments between others that are missing (V-9).
    #[error("missing up to number {to}, although a later one is there")]
    MissingSegments {
        /// The last one that is missing.
        to: u32,
    },
    /// Bytes that are not as they must be.
    #[error("{0}")]
    Bytes(#[from] Cause),
    /// A checkpoint that does not say what the blocks before it amount to (F-37).
    #[error("the checkpoint is not the state as it stood before it")]
    Checkpoint,
    /// An index of topics that names other blocks than hold them (F-42).
    #[error("the index of topics does not fit the blocks before it")]
    Topics,
}

impl Problem {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::StrayName | Self::Temporary | Self::StraySegment | Self::Full => Severity::Note,
            Self::Tail { .. } | Self::RolloverUnfinished => Severity::Repairable,
            Self::Unreadable(_) => Severity::Unreadable,
            Self::NotASegment
            | Self::NextNameTaken
            | Self::OnlyStrays
            | Self::MissingSegments { .. }
            | Self::Bytes(_)
            | Self::Checkpoint
            | Self::Topics => Severity::Damage,
        }
    }

    /// A word for it that does not change with the text.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::StrayName => "stray_name",
            Self::Temporary => "temporary",
            Self::StraySegment => "stray_segment",
            Self::Tail { label, .. } => label,
            Self::RolloverUnfinished => "rollover_unfinished",
            Self::NextNameTaken => "next_name_taken",
            Self::Full => "full",
            Self::NotASegment => "not_a_segment",
            Self::OnlyStrays => "only_strays",
            Self::Unreadable(_) => "unreadable",
            Self::MissingSegments { .. } => "missing_segments",
            Self::Bytes(_) => "damaged",
            Self::Checkpoint => "checkpoint",
            Self::Topics => "topics",
        }
    }
}

/// One thing that is not as it should be.
///
/// ```
/// use puro::{CheckOptions, NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// std::fs::write(dir.join("notes.txt"), "not of a stream")?;
/// let report = CheckOptions::new().check(&dir, &mut |_, _| {})?;
/// assert!(report.findings[0].to_string().ends_with("it has no place in a stream"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// Sequence number, where the file has a segment's name.
    pub segment: Option<u32>,
    /// Place in the file, where it concerns one.
    pub position: Option<u64>,
    /// The offset of the first record that is affected, where known.
    pub offset: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

impl Finding {
    /// A finding about a whole file.
    pub(super) fn of_file(path: PathBuf, segment: Option<u32>, problem: Problem) -> Self {
        Self { path, segment, position: None, offset: None, problem }
    }

    /// A finding about a place in a segment.
    pub(super) fn of_place(
        path: &Path,
        segment: u32,
        position: u64,
        offset: Option<u64>,
        problem: Problem,
    ) -> Self {
        let position = Some(position);
        Self { path: path.to_owned(), segment: Some(segment), position, offset, problem }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.problem.severity()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, " at byte {position}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " (offset {offset})")?;
        }
        write!(f, ": {}", self.problem)
    }
}
