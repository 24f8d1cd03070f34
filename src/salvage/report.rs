//! What a salvage did, and why it could not do more.

use std::path::PathBuf;

use thiserror::Error;

use crate::check::Problem;
use crate::error::{AppendError, Blame, Failure, OpenError};

/// A place where something is wrong.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::os::unix::fs::FileExt;
/// let mut producer = Stream::open_or_create(&dir)?.producer()?;
/// for _ in 0..2 {
///     producer.append(&NewRecord::new("orders", "3 apples"))?;
/// }
/// # let bytes = std::fs::read(dir.join("0000000000.puro"))?;
/// # let at = bytes.windows(8).position(|found| found == b"3 apples").ok_or("no record")? as u64;
/// // A disk forgets a byte of the first record:
/// let file = std::fs::OpenOptions::new().write(true).open(dir.join("0000000000.puro"))?;
/// file.write_all_at(&[0], at)?;
/// let report = Stream::salvage(&dir, scratch.path().join("saved"))?;
/// println!("at byte {}: {}", report.gaps[0].trouble.position, report.gaps[0].trouble.problem);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// Sequence number of the segment.
    pub segment: u32,
    /// Place in its file.
    pub position: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// Records that could not be saved.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::os::unix::fs::FileExt;
/// let mut producer = Stream::open_or_create(&dir)?.producer()?;
/// for _ in 0..2 {
///     producer.append(&NewRecord::new("orders", "3 apples"))?;
/// }
/// # let bytes = std::fs::read(dir.join("0000000000.puro"))?;
/// # let at = bytes.windows(8).position(|found| found == b"3 apples").ok_or("no record")? as u64;
/// // A disk forgets a byte of the first record:
/// let file = std::fs::OpenOptions::new().write(true).open(dir.join("0000000000.puro"))?;
/// file.write_all_at(&[0], at)?;
/// let report = Stream::salvage(&dir, scratch.path().join("saved"))?;
/// assert_eq!((report.gaps[0].from, report.gaps[0].to, report.records), (0, Some(1), 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The first offset of the old stream that may be lost.
    pub from: u64,
    /// The offset behind the last; `None` at the end of the stream, where nothing tells.
    pub to: Option<u64>,
    /// How many of them are lost, where known; others in between were saved.
    pub lost: Option<u64>,
    /// Why.
    pub trouble: Trouble,
}

/// Records that were found by a search behind a damaged length: they may be records of the stream,
/// or a part of the damaged record's value that looks like some.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::os::unix::fs::FileExt;
/// let mut producer = Stream::open_or_create(&dir)?.producer()?;
/// for _ in 0..2 {
///     producer.append(&NewRecord::new("orders", "3 apples"))?;
/// }
/// # let bytes = std::fs::read(dir.join("0000000000.puro"))?;
/// # let at = bytes.windows(8).position(|found| found == b"3 apples").ok_or("no record")? as u64;
/// // A disk forgets a byte of the first record:
/// let file = std::fs::OpenOptions::new().write(true).open(dir.join("0000000000.puro"))?;
/// file.write_all_at(&[0], at)?;
/// let report = Stream::salvage(&dir, scratch.path().join("saved"))?;
/// assert!(report.doubtful.is_empty()); // Its length is known.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubtful {
    /// Offset of the first of them in the new stream.
    pub first_offset: u64,
    /// How many they are.
    pub records: u64,
    /// In which block, and what is wrong with it.
    pub trouble: Trouble,
}

/// Bytes at the end that were never committed, and so never part of the stream.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// # use std::io::Write;
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// // A writer that died in the middle of a block:
/// let mut file = std::fs::OpenOptions::new().append(true).open(dir.join("0000000000.puro"))?;
/// file.write_all(&[0, 1, 2, 3])?;
/// let report = Stream::salvage(&dir, scratch.path().join("saved"))?;
/// assert_eq!(report.uncommitted.map(|tail| tail.bytes), Some(4));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uncommitted {
    /// Sequence number of the segment.
    pub segment: u32,
    /// Place in its file.
    pub position: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What a salvage did.
///
/// ```
/// use puro::SalvageReport;
/// /// Tells what is lost.
/// fn tell(report: &SalvageReport) -> String {
///     let gaps = report.gaps.iter().map(|gap| format!(", lost from {}", gap.from));
///     format!("{} records saved{}", report.records, gaps.collect::<String>())
/// }
/// assert_eq!(tell(&SalvageReport::default()), "0 records saved");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// How many records were saved. They have the offsets from 0 on in the new stream.
    pub records: u64,
    /// What is lost, in the order of the old stream.
    pub gaps: Vec<Gap>,
    /// What was saved but may not have been a record of the old stream.
    pub doubtful: Vec<Doubtful>,
    /// Damage that cost no record.
    pub without_loss: Vec<Trouble>,
    /// What was left out because it was never committed.
    pub uncommitted: Option<Uncommitted>,
    /// Segments of other streams, which were left out.
    pub strays: Vec<PathBuf>,
}

/// What to take, and what to do where something cannot be read.
///
/// ```
/// use puro::{NewRecord, SalvageOptions, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// // Of a disk that cannot be read in places:
/// let options = SalvageOptions::new().leave_out_unreadable(true);
/// assert_eq!(options.salvage(&dir, scratch.path().join("saved"), &mut |_| {})?.records, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SalvageOptions {
    pub(super) leave_out_unreadable: bool,
    pub(super) lost: bool,
}

impl SalvageOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to go on where the system does not let something be read, and leave that out. If not,
    /// as it is by default, that is an error: who mends its cause, permissions say, loses nothing.
    #[must_use]
    pub fn leave_out_unreadable(mut self, leave_out: bool) -> Self {
        self.leave_out_unreadable = leave_out;
        self
    }

    /// Whether to take what repairs saved in `lost/` (F-41) instead of the stream.
    #[must_use]
    pub fn lost(mut self, lost: bool) -> Self {
        self.lost = lost;
        self
    }
}

/// Why a stream could not be salvaged.
///
/// ```
/// use puro::{Blame, SalvageError};
/// let error = SalvageError::NothingLost { path: "events/lost".into() };
/// assert_eq!(error.blame(), Blame::Caller);
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The old stream cannot be read at all.
    #[error(transparent)]
    Read(#[from] Failure),
    /// Something of the old stream cannot be read, and was not to be left out.
    #[error(
        "{file} cannot be read at byte {position}: {why}. Mend that, or leave out what cannot be \
         read (`--leave-out-unreadable`)"
    )]
    Unreadable {
        /// The file, named from the stream's directory.
        file: String,
        /// The place in it.
        position: u64,
        /// What the system said.
        why: String,
    },
    /// No repair saved anything.
    #[error("there is nothing to take from {}: no repair saved anything there", path.display())]
    NothingLost {
        /// Where it would be.
        path: PathBuf,
    },
    /// The new stream cannot be made.
    #[error("the new stream cannot be made: {0}")]
    Create(#[source] OpenError),
    /// The new stream cannot be written.
    #[error("the new stream cannot be written: {0}")]
    Write(#[from] AppendError),
}

impl SalvageError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Read(failure) => failure.blame(),
            Self::Unreadable { .. } => Blame::Environment,
            Self::NothingLost { .. } => Blame::Caller,
            Self::Create(error) => error.blame(),
            Self::Write(error) => error.blame(),
        }
    }
}
