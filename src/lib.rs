#![doc = include_str!("lib.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod engine;
mod format;

mod appended;
#[cfg(feature = "async")]
pub mod asynchronous;
mod backup;
mod buffered;
pub mod check;
mod consumer;
pub mod error;
mod named;
mod options;
mod positions;
mod producer;
mod repair;
pub mod salvage;
mod settings;
pub mod steward;
mod stream;
pub mod who;

pub use appended::Appended;
pub use backup::{BackupError, BackupOptions, BackupReport};
pub use buffered::{BufferOptions, BufferedProducer, Ticket};
pub use check::{CheckOptions, CheckReport};
pub use consumer::{
    BlockRecords, Consumer, ConsumerOptions, EndState, Start, Watcher, matches_pattern,
};
pub use engine::counters::Stats;
pub use engine::vfs::LockWait;
pub use error::{
    AppendError, Blame, BufferError, Diverged, Failure, OpenError, ReadError, RecordError,
    SettingError,
};
pub use format::record::{Headers, HeadersIter, NewRecord, OwnedRecord, Record};
pub use format::state::Position;
pub use format::token::{StreamId, Token};
pub use named::{AutoCommit, IfLost, NamedConsumer, NamedError, NamedOptions, Started};
pub use positions::{OwnedName, PositionReport};
pub use producer::{Batch, HeldProducer, Producer, ProducerOptions, Transaction};
pub use repair::{RepairReport, repair};
pub use salvage::{SalvageError, SalvageOptions, SalvageReport};
pub use settings::{Cleanup, Setting, Settings};
pub use steward::{Steward, StewardError, StewardOptions, Trim};
pub use stream::{SegmentInfo, Stream, StreamInfo, StreamOptions, TopicInfo};

/// The inside: the bytes, and the files and locks behind the seam. For the worlds of `model/`,
/// fuzzers, benches and the command line; nothing here is promised to stay as it is.
#[cfg(feature = "internals")]
pub mod internals {
    pub use crate::backup::{backup, restore};
    pub use crate::check::check;
    pub use crate::engine::tail::behind;
    pub use crate::engine::{
        cursor, dir, hint, interpose, os, segment, tail, trace, vfs, walk, writer,
    };
    pub use crate::format::{block, codec, header, layout, record, state, token, topics};
    pub use crate::positions::change_in;
    pub use crate::salvage::lost::{SavedTail, parse_saved_tail_name};
    pub use crate::salvage::salvage;
    pub use crate::settings::entries as setting_entries;
}
