//! Errors: one enum for each kind of operation. Each says whose fault it is and what to do.

use std::sync::Arc;

use thiserror::Error;

use crate::appended::Appended;
pub(crate) use crate::engine::error::IoContext;
pub use crate::engine::error::{Blame, Damage, Failure, IoError, OpenError, ReadError};
pub use crate::format::block::Cause;
pub use crate::format::record::RecordError;
pub use crate::format::settings::SettingError;
use crate::format::token::Token;
pub use crate::format::token::{Diverged, StreamIdParseError, TokenParseError};

/// Why an append did not do what was asked. Each variant says whether the records
/// were appended (A-12).
///
/// ```
/// use puro::{AppendError, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let record = NewRecord::new("orders", "3 apples");
/// match producer.append(&record) {
///     Ok(appended) => println!("at offset {}", appended.first_offset),
///     // It is there, for now: a loss of power might take it back.
///     Err(AppendError::NotDurable { appended, .. }) => println!("at {}", appended.first_offset),
///     // Look before it is tried again, or append it `once` (`Transaction::once`).
///     Err(AppendError::Unknown(error)) => println!("perhaps: {error}"),
///     Err(error) => println!("not appended: {error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Not appended: the records cannot be stored.
    #[error("not appended: {0}")]
    Record(RecordError),
    /// Not appended: something went wrong before the commit.
    #[error("not appended: {0}")]
    NotAppended(Failure),
    /// Not appended: the stream has gone on since the token was taken (A-16).
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
    /// Not appended: a record of a topic that was to rest, or of a key in it, came since a token was
    /// taken (A-23).
    #[error("not appended: {}", overtaken(topic, key.as_deref(), *since, *offset))]
    Overtaken {
        /// The topic.
        topic: Vec<u8>,
        /// The key; `None` where all of the topic was to rest.
        key: Option<Vec<u8>>,
        /// From which offset on.
        since: u64,
        /// Where the newest such record stands; `None` where the records since then were deleted, so
        /// that nobody can tell.
        offset: Option<u64>,
    },
    /// Not appended: somebody else committed the position since this owner read it (C-2).
    #[error(
        "not appended: the position of consumer `{name}` was changed by somebody else; open it again"
    )]
    PositionChanged {
        /// The consumer.
        name: String,
    },
    /// Not appended: somebody else copies from this source, too (T-4).
    #[error(
        "not appended: somebody else has copied from `{name}` since; look how far, and go on from there"
    )]
    SourceChanged {
        /// The source's name.
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
    Setting(SettingError),
    /// Not appended: the token's history was lost (E-7), or it is of another stream (E-8).
    #[error("not appended: {0}")]
    Diverged(Diverged),
    /// Appended and visible, but perhaps not on disk: the sync failed, and so did
    /// rewriting and syncing again (A-14).
    #[error("appended at offset {}, but not known to be durable: {error}", appended.first_offset)]
    NotDurable {
        /// Where the records stand.
        appended: Appended,
        /// Why they are not known to be on disk.
        error: IoError,
    },
    /// Nobody knows: the commit failed, and its result could not be read (A-13).
    #[error("perhaps appended: the commit failed and its result cannot be read: {0}")]
    Unknown(IoError),
}

fn overtaken(topic: &[u8], key: Option<&[u8]>, since: u64, offset: Option<u64>) -> String {
    let topic = String::from_utf8_lossy(topic);
    let of = match key {
        Some(key) => format!("topic `{topic}` and key `{}`", String::from_utf8_lossy(key)),
        None => format!("topic `{topic}`"),
    };
    match offset {
        Some(offset) => {
            format!("record {offset} of {of} came since offset {since}; read on, and try again")
        }
        None => format!(
            "of the records since offset {since} some were deleted, and perhaps one of {of} was \
             among them; read from the beginning, and try again"
        ),
    }
}

// Their messages are part of this one's, so they are not its `source()`, too.
impl From<RecordError> for AppendError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<SettingError> for AppendError {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

impl From<Diverged> for AppendError {
    fn from(error: Diverged) -> Self {
        Self::Diverged(error)
    }
}

impl AppendError {
    /// Whether a condition did not hold because somebody else was faster: read on, decide again,
    /// and try again.
    ///
    /// ```
    /// use puro::{Batch, NewRecord, Producer};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let mut producer = Producer::open(dir.path())?;
    /// let decided_at = producer.token();
    /// producer.append(&NewRecord::new("seats", "taken"))?; // somebody else, say
    /// let mut batch: Batch = [NewRecord::new("seats", "taken by me")].into_iter().collect();
    /// let refused = producer.transaction(&mut batch).if_end(&decided_at).commit().unwrap_err();
    /// assert!(refused.is_conflict());
    /// assert_eq!(refused.was_appended(), Some(false));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::Overtaken { .. }
                | Self::PositionChanged { .. }
                | Self::SourceChanged { .. }
        )
    }

    /// Whether the records are in the stream (A-12); `None` where nobody knows.
    #[must_use]
    pub fn was_appended(&self) -> Option<bool> {
        match self {
            Self::NotDurable { .. } => Some(true),
            Self::Unknown(_) => None,
            _ => Some(false),
        }
    }

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
            | Self::Overtaken { .. }
            | Self::PositionChanged { .. }
            | Self::SourceChanged { .. }
            | Self::NotDurable { .. }
            | Self::Unknown(_) => Blame::Environment,
        }
    }
}

/// Why a [`BufferedProducer`](crate::BufferedProducer) did not do what was asked.
///
/// ```
/// use puro::{BufferError, BufferOptions, BufferedProducer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let buffered = BufferedProducer::new(Producer::open(dir.path())?, BufferOptions::new());
/// // What cannot be a record is told at once; what went wrong later, by `wait` and `flush`.
/// let refused = buffered.push(&NewRecord::new("", "no topic"));
/// assert!(matches!(refused, Err(BufferError::Record(_))));
/// # Ok(())
/// # }
/// ```
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
