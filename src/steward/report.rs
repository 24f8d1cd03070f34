//! What a pass did, and what it could not do.

use crate::engine::vfs::FileId;

/// What one pass of a steward did.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Delete it.
    Delete,
    /// Compact it.
    Compact,
}

/// A segment that stays as it is for now.
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
