//! What a client may cost.

use std::time::Duration;

/// The most bytes that a request may have: a value of 10 MiB and all around it fits.
pub const MAX_REQUEST_BYTES: usize = 20 << 20;
/// The most bytes that a request other than Produce may have.
pub const MAX_OTHER_REQUEST_BYTES: usize = 1 << 20;
/// The most bytes that the records of one batch may have once expanded: a block of Puro has no more.
pub const MAX_BATCH_BYTES: usize = 16 << 20;
/// An answer to Fetch ends once it has so many bytes, whatever the client asks for.
pub const MAX_FETCH_BYTES: usize = 8 << 20;
/// Batches that are expanded and appended at a time; the others wait.
pub const APPENDS_AT_A_TIME: usize = 4;
/// Answers to Fetch that are read from the stream at a time; the others wait.
pub const READS_AT_A_TIME: usize = 8;
/// Places in the stream that a connection keeps open between its fetches.
pub const READERS_PER_CONNECTION: usize = 32;
/// Members of a group.
pub const MAX_MEMBERS: usize = 1_000;
/// Groups that have members.
pub const MAX_GROUPS: usize = 10_000;
/// The shortest and the longest session time-out of a member.
pub const SESSION_MS: std::ops::RangeInclusive<i32> = 100..=1_800_000;
/// The longest time that a transaction may take.
pub const MAX_TRANSACTION_MS: i32 = 900_000;
/// Transactional ids that are known at a time.
pub const MAX_TRANSACTIONAL_IDS: usize = 10_000;
/// The longest name of a topic that clients may write to. The names of identities and positions
/// hold it.
pub const MAX_TOPIC_BYTES: usize = 150;

/// What the command line sets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Bytes of all requests that are being read or answered.
    pub request_memory: usize,
    /// How long a connection may take until its first request is there.
    pub first_request: Duration,
    /// How long a request may take to arrive once it has begun, and an answer to be taken.
    pub transfer: Duration,
    /// How long a connection may say nothing.
    pub idle: Duration,
    /// The most bytes that a transaction may have before it is committed.
    pub transaction_bytes: usize,
    /// The same of all transactions together.
    pub transactions_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            request_memory: 128 << 20,
            first_request: Duration::from_secs(10),
            transfer: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            transaction_bytes: 16 << 20,
            transactions_bytes: 128 << 20,
        }
    }
}
