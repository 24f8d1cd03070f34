//! What a pass did, and what it could not do.

use crate::engine::vfs::FileId;

/// What one pass of a steward did.
///
/// ```
/// use puro::{NewRecord, Setting, StreamOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)).key("ann"))?;
/// }
///
/// stream.set(&Setting::RetentionBytes(Some(4096)))?;
/// let report = stream.steward()?.run_once()?;
/// let freed: u64 = report.deleted.iter().map(|deleted| deleted.bytes).sum();
/// assert!(freed > 0 && report.sealed.is_none() && !report.dry_run);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Whether nothing was really done.
    pub dry_run: bool,
    /// The segment that was sealed.
    pub sealed: Option<u32>,
    /// The segments that were deleted.
    pub deleted: Vec<Deleted>,
    /// The segments that were compacted.
    pub compacted: Vec<Compacted>,
    /// The segments that should have gone or shrunk, and why they did not.
    pub kept: Vec<Kept>,
    /// Bytes of all segments after the pass.
    pub bytes: u64,
}

/// A segment that was deleted.
///
/// ```
/// use puro::{NewRecord, StreamOptions, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)).key("ann"))?;
/// }
///
/// let report = stream.trim(&Trim::keep_bytes(0))?;
/// assert!(report.deleted.iter().all(|deleted| deleted.bytes > 0 && !deleted.forced));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Its number.
    pub sequence: u32,
    /// Its length.
    pub bytes: u64,
    /// Whether somebody still held it, for longer than the pin grace (S-4).
    pub forced: bool,
}

/// A segment that was compacted.
///
/// ```
/// use puro::{Cleanup, NewRecord, Setting, StreamOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)).key("ann"))?;
/// }
///
/// stream.set(&Setting::Cleanup(Cleanup::Compact))?;
/// let report = stream.steward()?.run_once()?;
/// assert!(report.compacted.iter().all(|it| it.bytes_after < it.bytes_before));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Its number.
    pub sequence: u32,
    /// How many records went.
    pub records_removed: u64,
    /// Its length before.
    pub bytes_before: u64,
    /// Its length after.
    pub bytes_after: u64,
}

/// What was to be done with a segment.
///
/// ```
/// use puro::steward::Task;
/// use puro::{NewRecord, StreamOptions, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)))?;
/// }
/// let mut slow = stream.consumer()?; // It holds the segment that it reads.
/// assert!(slow.try_next()?.is_some());
/// let report = stream.trim(&Trim::keep_bytes(0))?;
/// assert!(report.kept.iter().all(|kept| kept.task == Task::Delete));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Delete it.
    Delete,
    /// Compact it.
    Compact,
}

/// A segment that stays as it is for now.
///
/// ```
/// use puro::steward::Task;
/// use puro::{NewRecord, StreamOptions, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)))?;
/// }
/// let mut slow = stream.consumer()?; // It holds the segment that it reads.
/// assert!(slow.try_next()?.is_some());
/// let report = stream.trim(&Trim::keep_bytes(0))?;
/// assert_eq!((report.kept[0].sequence, report.kept[0].task), (0, Task::Delete));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub sequence: u32,
    /// What was to be done with it.
    pub task: Task,
    /// Why it was not.
    pub why: Why,
}

/// Why a segment was left as it is.
///
/// ```
/// use puro::steward::Why;
/// use puro::{NewRecord, StreamOptions, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&dir)?;
/// let mut producer = stream.producer()?;
/// for _ in 0..9 {
///     producer.append(&NewRecord::new("users", &"x".repeat(900)))?;
/// }
/// let mut slow = stream.consumer()?; // It holds the segment that it reads.
/// assert!(slow.try_next()?.is_some());
/// let report = stream.trim(&Trim::keep_bytes(0))?;
/// assert!(matches!(report.kept[0].why, Why::Held { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Somebody reads it. [`crate::who`] tells who, by the file.
    Held {
        /// The file.
        file: FileId,
        /// Since when it could go, in ms since 1970; `None` if that is not known.
        since_ms: Option<u64>,
        /// When it will go all the same (S-4); `None` for a compaction, which never does.
        until_ms: Option<u64>,
    },
    /// Named consumers have not read it (S-10).
    Unconsumed {
        /// The one that is behind most.
        consumer: String,
    },
    /// It holds records of a topic that is compacted, and never deleted (S-3).
    CompactedTopic {
        /// One such topic.
        topic: Vec<u8>,
    },
    /// It, or one below it, cannot be read.
    Damaged {
        /// What is wrong.
        message: String,
    },
    /// Rewritten, a block of it would exceed the limits of a block.
    DoesNotFit,
    /// It is the active segment, and only sealed ones are deleted (S-2). Sealed by age (setting
    /// `roll_ms`), by size (`segment_bytes`), or on demand
    /// ([`StewardOptions::roll`](crate::StewardOptions::roll)), it would go.
    Active,
    /// It is old only by this steward's clock, which is far ahead of the times in the stream
    /// (S-12). If the clock is right, say so:
    /// [`StewardOptions::clock_is_right`](crate::StewardOptions::clock_is_right).
    ClockAhead {
        /// What the clock says, in ms since 1970.
        now_ms: u64,
        /// The newest time in the stream that can be believed.
        newest_ms: u64,
    },
    /// It is old only by this steward's clock, which has jumped since the last pass (S-12). The
    /// next pass believes it.
    ClockJumped {
        /// By how much.
        by_ms: u64,
    },
}
