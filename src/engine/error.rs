//! What can go wrong with files and locks. Each error says whose fault it is and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::engine::vfs::LockWait;
use crate::format::block::Cause;
use crate::format::settings::SettingError;
use crate::format::token::Diverged;

/// Whose fault an error is.
///
/// ```
/// use puro::{Blame, Consumer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let Err(error) = Consumer::open(&dir) else { return Err("what stream?".into()) };
/// let exit_code = match error.blame() {
///     Blame::Caller => 64,
///     Blame::Environment => 74, // may be tried again
///     Blame::Data => 2,
/// };
/// assert_eq!(exit_code, 64);
/// # Ok(())
/// # }
/// ```
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
///
/// Its message ends with what the system said; so that is not its `source()`, too.
///
/// ```
/// use puro::{Consumer, Failure, ReadError};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # std::fs::write(&dir, "a file where a directory should be")?;
/// let Err(ReadError::Failure(Failure::Io(error))) = Consumer::open(&dir) else {
///     return Err("a file is no directory".into());
/// };
/// println!("{error}; of kind {:?}", error.source.kind());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct IoError {
    /// What was to be done, such as `read`.
    pub operation: &'static str,
    /// To which file or directory.
    pub path: PathBuf,
    /// At which byte, where that means something.
    pub position: Option<u64>,
    /// What the system said.
    pub source: Arc<io::Error>,
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, path, position, source } = self;
        write!(f, "cannot {operation} {}{}: {source}", path.display(), at(*position))
    }
}

impl std::error::Error for IoError {}

fn at(position: Option<u64>) -> String {
    position.map_or_else(String::new, |position| format!(" at byte {position}"))
}

/// A place where the stored bytes are not what was written.
///
/// ```
/// use puro::{Consumer, Failure, NewRecord, ReadError, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::os::unix::fs::FileExt;
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// // A disk forgets the header of the segment:
/// let file = std::fs::OpenOptions::new().write(true).open(dir.join("0000000000.puro"))?;
/// file.write_all_at(&[0; 8], 16)?;
/// let Err(ReadError::Failure(Failure::Damage(damage))) = Consumer::open(&dir) else {
///     return Err("that is damage".into());
/// };
/// assert!(damage.path.ends_with("0000000000.puro"));
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// use puro::{Consumer, Failure, ReadError};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let refused = Consumer::open(&dir);
/// assert!(matches!(refused, Err(ReadError::Failure(Failure::NotAStream { .. }))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
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
    /// The stream or the segment in use was removed, moved or replaced (A-2, R-11).
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
///
/// ```
/// use puro::{OpenError, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("notes.txt"), "not a stream")?;
/// assert!(matches!(Producer::open(dir.path()), Err(OpenError::NotEmpty { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
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
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl OpenError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failure(failure) => failure.blame(),
            Self::NotEmpty { .. } | Self::Setting(_) => Blame::Caller,
        }
    }
}

/// Why records could not be read.
///
/// ```
/// use puro::{ConsumerOptions, Producer, ReadError, Start};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// let refused = ConsumerOptions::new().start(Start::Offset(7)).open(dir.path());
/// let Err(ReadError::OffsetOutOfRange { offset, low, high }) = refused else {
///     return Err("there is no such offset".into());
/// };
/// assert_eq!((offset, low, high), (7, 0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
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

    /// The same error again, if it is one that a consumer's later tries cannot take back (R-16).
    pub(crate) fn lasting(&self) -> Option<Self> {
        match self {
            Self::Failure(Failure::Removed { .. })
            | Self::OffsetOutOfRange { .. }
            | Self::Diverged(_) => Some(self.clone()),
            Self::Failure(_) => None,
        }
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
    #[must_use]
    pub fn of(operation: &'static str, path: PathBuf, source: io::Error) -> Self {
        Self { operation, path, position: None, source: source.into() }
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
        self.map_err(|source| IoError::of(operation, path.to_owned(), source))
    }

    fn while_doing_at(
        self,
        operation: &'static str,
        path: &std::path::Path,
        position: u64,
    ) -> Result<T, IoError> {
        let position = Some(position);
        self.map_err(|source| IoError {
            position,
            ..IoError::of(operation, path.to_owned(), source)
        })
    }
}
