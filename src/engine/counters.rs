//! What was done through one directory that is held, and all handles that share it.
//!
//! Atomics of the standard library, in the simulated worlds too: nothing is decided by them, so
//! there is no order of theirs that a world would have to try.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done through a [`Stream`](crate::Stream) and all that was opened from it, in this
/// process, since it was opened.
///
/// ```
/// use puro::{NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// let mut producer = stream.producer()?;
/// let before = stream.stats();
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// producer.sync()?;
/// let after = stream.stats();
/// assert_eq!((after.appends - before.appends, after.syncs - before.syncs), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Appends of records that were committed, each a block.
    pub appends: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their blocks.
    pub bytes: u64,
    /// Syncs of segments that succeeded.
    pub syncs: u64,
    /// How often a lock was waited for, since it was in other hands: that of the writer, or of a
    /// consumer's name.
    pub lock_waits: u64,
    /// Repairs that were made.
    pub repairs: u64,
    /// How often a consumer that waits was woken, or looked again by itself.
    pub wake_ups: u64,
}

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of [`Stats`] as they are counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// See [`Stats::appends`].
    pub appends: Counter,
    /// See [`Stats::records`].
    pub records: Counter,
    /// See [`Stats::bytes`].
    pub bytes: Counter,
    /// See [`Stats::syncs`].
    pub syncs: Counter,
    /// See [`Stats::lock_waits`].
    pub lock_waits: Counter,
    /// See [`Stats::repairs`].
    pub repairs: Counter,
    /// See [`Stats::wake_ups`].
    pub wake_ups: Counter,
}

impl Counters {
    /// All of them now. They are not of one moment.
    pub fn stats(&self) -> Stats {
        Stats {
            appends: self.appends.get(),
            records: self.records.get(),
            bytes: self.bytes.get(),
            syncs: self.syncs.get(),
            lock_waits: self.lock_waits.get(),
            repairs: self.repairs.get(),
            wake_ups: self.wake_ups.get(),
        }
    }
}
