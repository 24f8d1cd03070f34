//! What the options of several handles have in common, said once.

use crate::engine::vfs::{DEFAULT_LOCK_WAIT, LockWait};

/// How all that opens a stream waits, and where it works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common {
    pub lock_wait: LockWait,
    pub allow_network: bool,
}

impl Default for Common {
    fn default() -> Self {
        Self { lock_wait: LockWait::AtMost(DEFAULT_LOCK_WAIT), allow_network: false }
    }
}

/// What all that may make a stream or append to it are asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writing {
    pub create: bool,
    pub segment_bytes: Option<u64>,
    /// `None`: as the stream's setting says.
    pub durable: Option<bool>,
}

/// The setters of [`Common`], for options that have it as `common`.
macro_rules! common_setters {
    () => {
        /// How long to wait for others that hold a lock (L-8); one minute if not given.
        #[must_use]
        pub fn lock_wait(mut self, lock_wait: crate::engine::vfs::LockWait) -> Self {
            self.common.lock_wait = lock_wait;
            self
        }

        /// Whether to accept a network file system (M-1). Only safe where one machine alone works
        /// in it.
        #[must_use]
        pub fn allow_network(mut self, allow: bool) -> Self {
            self.common.allow_network = allow;
            self
        }
    };
}

/// The setters of [`Writing`], for options that have it as `writing`.
macro_rules! writing_setters {
    () => {
        /// Whether to make the stream if it is missing.
        #[must_use]
        pub fn create(mut self, create: bool) -> Self {
            self.writing.create = create;
            self
        }

        /// Setting `segment_bytes` of a stream that is made: bytes of records in a segment
        /// (4 KiB to 1 TiB, 64 MiB if not given; V-1). An existing stream keeps its own.
        #[must_use]
        pub fn segment_bytes(mut self, segment_bytes: u64) -> Self {
            self.writing.segment_bytes = Some(segment_bytes);
            self
        }

        /// Whether an append returns only once its records are on disk. Where this is not said,
        /// the stream's setting `durable` says it, and that is `false` unless it was set. If not
        /// durable, records survive the death of any process, but not the loss of power, until
        /// the next [`Producer::sync`](crate::Producer::sync) or the system's own writing back.
        #[must_use]
        pub fn durable(mut self, durable: bool) -> Self {
            self.writing.durable = Some(durable);
            self
        }
    };
}

pub(crate) use {common_setters, writing_setters};
