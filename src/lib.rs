#![doc = include_str!("lib.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod at_end;
pub mod backup;
pub mod batch;
mod behind;
pub mod block;
pub mod buffered;
pub mod check;
pub mod codec;
pub mod consumer;
pub mod dir;
pub mod error;
pub mod held;
pub mod hint;
pub mod interpose;
pub mod layout;
mod lock_file;
pub mod named;
pub mod os;
pub mod positions;
pub mod producer;
mod reader;
pub mod record;
pub mod repair;
mod roll;
pub mod salvage;
mod seek;
pub mod segment;
pub mod settings;
mod skip;
pub mod state;
pub mod steward;
pub mod tail;
pub mod token;
pub mod topics;
pub mod trace;
pub mod vfs;
pub mod walk;
pub mod writer;

pub use backup::{BackupError, BackupOptions, BackupReport, backup, restore};
pub use buffered::{BufferOptions, BufferedProducer, Ticket};
pub use check::{CheckOptions, CheckReport, check};
pub use consumer::{Consumer, ConsumerOptions, EndState, Start};
pub use error::{
    AppendError, Blame, BufferError, Diverged, Failure, OpenError, ReadError, RecordError,
};
pub use held::HeldProducer;
pub use named::{AutoCommit, IfLost, NamedConsumer, NamedError, NamedOptions, Started};
pub use os::who;
pub use producer::{Appended, Batch, Producer, ProducerOptions};
pub use record::{Headers, NewRecord, OwnedRecord, Record};
pub use repair::{RepairReport, repair};
pub use salvage::{SalvageError, SalvageReport, salvage};
pub use steward::{Steward, StewardError, StewardOptions, Trim};
pub use token::Token;
pub use vfs::LockWait;
