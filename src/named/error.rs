//! What can go wrong with a named consumer.

use std::path::PathBuf;

use crate::error::{AppendError, Blame, Failure, OpenError, ReadError, RecordError};

/// Why a named consumer could not be opened, read, or committed.
///
/// ```
/// use puro::{NamedError, NamedOptions, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// let _runs = NamedOptions::new().open(dir.path(), "billing")?;
/// let second = NamedOptions::new().open(dir.path(), "billing");
/// assert!(matches!(second, Err(NamedError::Busy { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamedError {
    /// The stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stream could not be opened for commits.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The position could not be committed.
    #[error("position {0}")]
    Commit(AppendError),
    /// The records that it was to read next were deleted before it did (C-9).
    #[error("{}", tell_lost(name, *offset, *low, *high))]
    Lost {
        /// The name.
        name: String,
        /// What it was to read next.
        offset: u64,
        /// The lowest offset there is.
        low: u64,
        /// The next to be given.
        high: u64,
    },
    /// Another process runs under this name.
    #[error("consumer `{name}` is running elsewhere ({} is locked)", path.display())]
    Busy {
        /// The name.
        name: String,
        /// Its lock file.
        path: PathBuf,
    },
    /// The name cannot be one (F-11).
    #[error(transparent)]
    Name(#[from] RecordError),
}

impl From<AppendError> for NamedError {
    fn from(error: AppendError) -> Self {
        Self::Commit(error)
    }
}

impl From<Failure> for NamedError {
    fn from(failure: Failure) -> Self {
        Self::Read(failure.into())
    }
}

impl NamedError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Read(error) => error.blame(),
            Self::Open(error) => error.blame(),
            Self::Commit(error) => error.blame(),
            Self::Lost { .. } => Blame::Data,
            Self::Busy { .. } => Blame::Environment,
            Self::Name(_) => Blame::Caller,
        }
    }
}

fn tell_lost(name: &str, offset: u64, low: u64, high: u64) -> String {
    let missed = low.saturating_sub(offset);
    format!(
        "consumer `{name}` lost its place: it was to go on at offset {offset}, and {missed} offsets \
         were deleted before it read them; the stream holds {low} to {high} now. Say where it is to \
         go on: `if_lost` (on the command line --if-lost beginning, or end), or set its position"
    )
}
