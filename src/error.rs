//! Errors: one enum for each kind of operation. Each says whose fault it is and what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::batch::Appended;
use crate::block::Cause;
use crate::settings::SettingError;
use crate::token::Token;
use crate::vfs::LockWait;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller asked for something that cannot be; asking again changes nothing.
    Caller,
    /// The system or another process; it may work later, or after something was mended there.
    Environment,
    /// What is stored is damaged or was lost.
    Data,
}

/// A call to the system that failed.
#[derive(Debug, Error)]
#[error("cannot {operation} {}{}: {source}", path.display(), at(*position))]
pub struct IoError {
    /// What was to be done, such as `read`.
    pub operation: &'static str,
    /// To which file or directory.
    pub path: PathBuf,
    /// At which byte, where that means something.
    pub position: Option<u64>,
    /// What the system said.
    pub source: io::Error,
}

fn at(position: Option<u64>) -> String {
    position.map_or_else(String::new, |position| format!(" at byte {position}"))
}

/// A place where the stored bytes are not what was written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{} is damaged at byte {position} (offset {offset}): {cause}. \
     `puro verify` tells what is affected, `puro salvage` saves the rest",
    path.display()
)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The place in it, in bytes.
    pub position: u64,
    /// The offset of the first record that cannot be read.
    pub offset: u64,
    /// What is wrong there.
    pub cause: Cause,
}

/// What can go wrong with the files of a stream, whatever is done with them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// A call to the system failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Synced bytes are damaged, or a sealed segment is (chapter 5, R-5).
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A directory that holds no segment (O-2).
    #[error(
        "{} is not a stream: it holds no segment. A producer that may create makes one, as does `puro create`",
        dir.display()
    )]
    NotAStream {
        /// The directory.
        dir: PathBuf,
    },
    /// Segments of two streams, as many of one as of the other (F-9).
    #[error(
        "{} holds segments of two streams, and nothing tells which it is: as many are of one as of \
         the other. `puro inspect` shows whose each is; move those that do not belong there away",
        dir.display()
    )]
    TwoStreams {
        /// The directory.
        dir: PathBuf,
    },
    /// A file under a segment's name that is no segment (F-9, F-12).
    #[error("{} is not a Puro segment: it does not begin with the magic bytes", path.display())]
    NotASegment {
        /// The file.
        path: PathBuf,
    },
    /// A segment that a later version of Puro wrote (F-12).
    #[error("{} was written by a newer Puro ({what}); this one knows version 1 only: update", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What is not known: the version or the feature bits.
        what: String,
    },
    /// A network file system (M-1).
    #[error(
        "{} is on a network file system ({name}), where locks cannot be relied on; \
         use a local one, or allow it explicitly if only this machine works there",
        dir.display()
    )]
    NetworkFileSystem {
        /// The directory.
        dir: PathBuf,
        /// The file system's name.
        name: String,
    },
    /// A lock that others kept for too long (L-8).
    #[error("{}", tell_locked(path, *waited))]
    LockTimeout {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The stream or the segment in use was removed, moved or replaced.
    #[error("{} was removed, moved or replaced while it was in use; open the stream again", path.display())]
    Removed {
        /// The segment that was in use.
        path: PathBuf,
    },
    /// A file that must be alone is reached by more names than its own (A-19, F-44).
    #[error(
        "{} has {links} names (hard links, as `cp -al` makes them): who works by another name \
         knows nothing of the locks here. Make a real copy, by `puro backup` say, and remove the \
         other names",
        path.display()
    )]
    HardLinked {
        /// The segment or the lock file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The disk is too full to go on (V-2).
    #[error("no space left for {}: {needed} bytes needed, {free} free; nothing was written", path.display())]
    NoSpace {
        /// What was to be written.
        path: PathBuf,
        /// How many bytes it takes.
        needed: u64,
        /// How many the file system has.
        free: u64,
    },
    /// Something else has the name of the next segment (V-5, V-10).
    #[error(
        "{} has the name of the stream's next segment, and is no part of the stream; \
         move it elsewhere, and try again. Nothing was appended",
        path.display()
    )]
    NameTaken {
        /// What has the name.
        path: PathBuf,
    },
    /// More segments than a sequence number can count.
    #[error("{} has used up its 2^32 segments; export it into a new stream", dir.display())]
    SegmentsExhausted {
        /// The stream.
        dir: PathBuf,
    },
    /// More epochs than a number can count (E-3).
    #[error("{} has used up its 2^32 - 1 epochs; export it into a new stream", dir.display())]
    EpochsExhausted {
        /// The stream.
        dir: PathBuf,
    },
    /// A handle that was carried into a forked child (L-3).
    #[error("this handle belongs to another process ({owner}); open the stream again after a fork")]
    Forked {
        /// The process that opened it.
        owner: u32,
    },
}

impl Failure {
    /// A lock that could not be had in time.
    pub(crate) fn lock_timeout(path: PathBuf, wait: LockWait) -> Self {
        let waited = match wait {
            LockWait::AtMost(waited) => waited,
            LockWait::Try | LockWait::Forever => Duration::ZERO,
        };
        Self::LockTimeout { path, waited }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Damage(_) | Self::NotASegment { .. } | Self::TwoStreams { .. } => Blame::Data,
            Self::NotAStream { .. }
            | Self::Forked { .. }
            | Self::NetworkFileSystem { .. }
            | Self::EpochsExhausted { .. }
            | Self::SegmentsExhausted { .. } => Blame::Caller,
            Self::Io(_)
            | Self::Newer { .. }
            | Self::LockTimeout { .. }
            | Self::Removed { .. }
            | Self::NameTaken { .. }
            | Self::HardLinked { .. }
            | Self::NoSpace { .. } => Blame::Environment,
        }
    }
}

/// The locks exclude handles, not processes: the other one may well be the caller's own.
fn tell_locked(path: &std::path::Path, waited: Duration) -> String {
    let path = path.display();
    let tried = match waited {
        Duration::ZERO => String::new(),
        waited => format!(" and was not free for {waited:?}"),
    };
    format!(
        "{path} is locked by another handle, in this process or another one{tried}; try again, or \
         wait longer. A producer that holds it (`hold`) gives way when it appends, or is dropped; \
         `puro who` tells which process it is"
    )
}

/// Why a stream could not be opened or created.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Something is wrong with the files.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The directory holds something else (O-2).
    #[error("{} is not empty (it holds `{found}`) and not a stream; choose another directory", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// A setting that cannot be.
    #[error("setting {name} cannot be {value}: {why}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value asked for.
        value: String,
        /// What it must be.
        why: String,
    },
}

impl OpenError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failure(failure) => failure.blame(),
            Self::NotEmpty { .. } | Self::Setting { .. } => Blame::Caller,
        }
    }
}

/// Why a record or a batch cannot be stored at all (F-26, F-27, F-30).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A topic of no bytes.
    #[error("a topic must have at least one byte")]
    EmptyTopic,
    /// A header's name of no bytes.
    #[error("a header's name must have at least one byte")]
    EmptyHeaderName,
    /// A delete marker that names no key.
    #[error("a delete marker needs the key that it deletes")]
    MarkerWithoutKey,
    /// A field over its limit.
    #[error("{field} of {bytes} bytes: at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Bytes that would be blocks of this very stream where they would stand (F-43), so many that
    /// no way was found to put them elsewhere.
    #[error(
        "the {bytes} bytes of this batch hold what would be blocks of this stream where they \
         would stand, and leave no room to shift them: append them in smaller batches"
    )]
    HoldsBlocks {
        /// Bytes of the body.
        bytes: usize,
    },
    /// More records than an offset can count (F-18).
    #[error(
        "the stream's next offset is {next_offset}, and no offset may exceed 2^64 - 2: \
         export it into a new stream"
    )]
    OffsetsExhausted {
        /// The next offset.
        next_offset: u64,
    },
    /// A batch without records.
    #[error("a batch must hold at least one record")]
    EmptyBatch,
    /// A name that no consumer or producer can have (F-11).
    #[error("`{name}` cannot be a name: 1 to 200 of A-Z a-z 0-9 . _ -, the first not a dot")]
    Name {
        /// The name asked for.
        name: String,
    },
}

/// Why a [`BufferedProducer`](crate::BufferedProducer) did not do what was asked.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum BufferError {
    /// The record cannot be stored; it is not in the buffer.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The append of what was collected failed. Its variant says whether it was appended; if
    /// not, the records are lost, and may be pushed again.
    #[error(transparent)]
    Append(Arc<AppendError>),
    /// The producer was taken back.
    #[error("the producer was closed")]
    Closed,
}

impl BufferError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Record(_) | Self::Closed => Blame::Caller,
            Self::Append(error) => error.blame(),
        }
    }
}

/// Why an append did not do what was asked. Each variant says whether the records
/// were appended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Not appended: the records cannot be stored.
    #[error("not appended: {0}")]
    Record(#[from] RecordError),
    /// Not appended: something went wrong before the commit.
    #[error("not appended: {0}")]
    NotAppended(#[from] Failure),
    /// Not appended: the stream has gone on since the token was taken.
    #[error(
        "not appended: somebody else has appended since: the stream's next offset is {actual}, \
         not {}; read on, and try again",
        expected.offset
    )]
    Conflict {
        /// The token given.
        expected: Token,
        /// The stream's next offset.
        actual: u64,
    },
    /// Not appended: somebody else committed the position since this owner read it (C-2).
    #[error(
        "not appended: the position of consumer `{name}` was changed by somebody else; open it again"
    )]
    PositionChanged {
        /// The consumer.
        name: String,
    },
    /// Not appended: this identity has appended a later batch since (C-4).
    #[error(
        "not appended: producer `{identity}` is at sequence {newest} already, beyond {sequence}"
    )]
    OldSequence {
        /// The producer.
        identity: String,
        /// The sequence given.
        sequence: u64,
        /// The one it is at.
        newest: u64,
    },
    /// Not appended: this identity has appended another batch under the same sequence (C-4).
    #[error(
        "not appended: producer `{identity}` has appended other records as sequence {sequence}, \
         at offset {first_offset}; a new batch needs the next sequence"
    )]
    OtherContent {
        /// The producer.
        identity: String,
        /// The sequence given.
        sequence: u64,
        /// Where the first record of that batch stands.
        first_offset: u64,
    },
    /// Not appended: a setting that cannot be.
    #[error("not appended: {0}")]
    Setting(#[from] SettingError),
    /// Not appended: the token's history was lost (E-7), or it is of another stream (E-8).
    #[error("not appended: {0}")]
    Diverged(#[from] Diverged),
    /// Appended and visible, but perhaps not on disk: the sync failed, and so did
    /// rewriting and syncing again.
    #[error("appended at offset {}, but not known to be durable: {source}", appended.first_offset)]
    NotDurable {
        /// Where the records stand.
        appended: Appended,
        /// Why they are not known to be on disk.
        source: IoError,
    },
    /// Nobody knows: the commit failed, and its result could not be read.
    #[error("perhaps appended: the commit failed and its result cannot be read: {0}")]
    Unknown(#[source] IoError),
}

impl AppendError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Record(_)
            | Self::OldSequence { .. }
            | Self::OtherContent { .. }
            | Self::Setting(_) => Blame::Caller,
            Self::NotAppended(failure) => failure.blame(),
            Self::Diverged(_) => Blame::Data,
            // Somebody else was faster: that is nobody's mistake.
            Self::Conflict { .. }
            | Self::PositionChanged { .. }
            | Self::NotDurable { .. }
            | Self::Unknown(_) => Blame::Environment,
        }
    }
}

/// A position whose history the stream does not have (E-7, E-8).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diverged {
    /// The history that the position saw is not in the stream.
    #[error("{}", not_in_the_stream(token, *end, *followed_by))]
    Lost {
        /// The position.
        token: Token,
        /// Where what is left of its history ends.
        end: u64,
        /// The epoch that begins there: its writer saw that the rest was lost with the power.
        /// `None`: the stream just ends there. Nobody went on since the power failed, or the
        /// position was never one of this stream's.
        followed_by: Option<u32>,
    },
    /// What was read up to the position was damaged and cut off by a repair, and others were
    /// appended there; the repair ended before it could begin a new epoch.
    #[error(
        "{token}: other records than those that were read stand below it now: they were damaged, \
         and a repair cut them off (what it saved is in lost/); start again from an offset that \
         you trust, and undo what came after"
    )]
    Replaced {
        /// The position.
        token: Token,
    },
    /// The position belongs to another stream.
    #[error("{token} is a position in another stream than this one")]
    OtherStream {
        /// The position.
        token: Token,
    },
}

/// Why records could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Something is wrong with the files.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The offset is not, or no longer, in the stream (R-9, V-8).
    #[error("{}", out_of_range(*offset, *low, *high))]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The lowest there is.
        low: u64,
        /// The next to be given.
        high: u64,
    },
    /// The position's history was lost, or it is of another stream.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

impl ReadError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failure(failure) => failure.blame(),
            Self::OffsetOutOfRange { .. } => Blame::Caller,
            Self::Diverged(_) => Blame::Data,
        }
    }

    /// The same error again, if it is one that a consumer's later tries cannot take back.
    pub(crate) fn lasting(&self) -> Option<Self> {
        match self {
            Self::Failure(Failure::Removed { path }) => {
                Some(Failure::Removed { path: path.clone() }.into())
            }
            Self::OffsetOutOfRange { offset, low, high } => {
                Some(Self::OffsetOutOfRange { offset: *offset, low: *low, high: *high })
            }
            Self::Diverged(diverged) => Some(Self::Diverged(diverged.clone())),
            Self::Failure(_) => None,
        }
    }
}

/// What is known of a position beyond its history: a loss of power is told only where the stream
/// says so.
fn not_in_the_stream(token: &Token, end: u64, followed_by: Option<u32>) -> String {
    match followed_by {
        Some(epoch) => format!(
            "the history up to {token} was lost (power failed before it was synced): epoch {epoch} \
             began at offset {end}; start again from offset {end} and undo what came after"
        ),
        None => format!(
            "{token} is beyond the end of this stream, which is offset {end}: it is from a copy \
             that went on, or mistaken, or what it saw was lost with the power; in that case \
             start again from offset {end} and undo what came after"
        ),
    }
}

/// What is wrong with an offset. One that the stream holds is told to a reader whose segment was
/// taken from it (V-8): what stood between it and the next may be gone, delete markers too.
fn out_of_range(offset: u64, low: u64, high: u64) -> String {
    let why = if (low..=high).contains(&offset) {
        "cannot be reached from the segment before, which was deleted while it was read"
    } else {
        "is out of range"
    };
    format!(
        "offset {offset} {why}: the stream holds {low} to {high}; \
         start from the beginning, the end, or an offset in between"
    )
}

impl IoError {
    /// For a call that concerns a whole file.
    pub(crate) fn of(operation: &'static str, path: std::path::PathBuf, source: io::Error) -> Self {
        Self { operation, path, position: None, source }
    }
}

/// Adds to an [`io::Error`] what was done, to which file, and where.
pub(crate) trait IoContext<T> {
    /// For a call that concerns the whole file.
    fn while_doing(self, operation: &'static str, path: &std::path::Path) -> Result<T, IoError>;
    /// For a call that concerns a place in it.
    fn while_doing_at(
        self,
        operation: &'static str,
        path: &std::path::Path,
        position: u64,
    ) -> Result<T, IoError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn while_doing(self, operation: &'static str, path: &std::path::Path) -> Result<T, IoError> {
        self.map_err(|source| IoError { operation, path: path.to_owned(), position: None, source })
    }

    fn while_doing_at(
        self,
        operation: &'static str,
        path: &std::path::Path,
        position: u64,
    ) -> Result<T, IoError> {
        let position = Some(position);
        self.map_err(|source| IoError { operation, path: path.to_owned(), position, source })
    }
}
