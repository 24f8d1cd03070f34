//! How a consumer is to be opened.

use std::path::Path;
use std::time::Duration;

use super::{Consumer, Start, Watching};
use crate::engine::dir::Directory;
use crate::engine::os::OsVfs;
use crate::engine::seek::Topics;
use crate::engine::vfs::Vfs;
use crate::error::{Failure, ReadError};
use crate::options::{Common, common_setters};

/// How a consumer is to be opened.
///
/// ```
/// use std::time::Duration;
/// use puro::{ConsumerOptions, NewRecord, Producer, Start};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// // A stream that somebody will make:
/// let mut orders = ConsumerOptions::new()
///     .topic("orders")
///     .start(Start::End)
///     .wait_for_stream(true)
///     .open(&dir)?;
/// assert!(orders.poll(Duration::from_millis(1))?.is_none());
/// Producer::open(&dir)?.append(&NewRecord::new("orders", "3 apples"))?;
/// assert!(orders.poll(Duration::from_secs(10))?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    pub(super) start: Start,
    pub(super) topics: Topics,
    pub(super) durable: bool,
    pub(super) wait_for_stream: bool,
    pub(super) poll_interval: Duration,
    pub(crate) common: Common,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            start: Start::Beginning,
            topics: Topics::default(),
            durable: false,
            wait_for_stream: false,
            poll_interval: Duration::from_millis(100),
            common: Common::default(),
        }
    }
}

impl ConsumerOptions {
    /// The defaults: from the beginning, all topics, the stream must exist.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to begin.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Adds a topic; without any, records of all topics are read. Blocks that hold none of them
    /// are passed over unread as far as the stream's index of topics tells (R-13), and with them
    /// whatever might be wrong in them.
    #[must_use]
    pub fn topic<T: AsRef<[u8]> + ?Sized>(mut self, topic: &T) -> Self {
        self.topics.add(topic.as_ref());
        self
    }

    /// Adds all topics of a pattern, those that are yet to come, too: see [`matches_pattern`].
    ///
    /// [`matches_pattern`]: crate::matches_pattern
    #[must_use]
    pub fn topics_like<T: AsRef<[u8]> + ?Sized>(mut self, pattern: &T) -> Self {
        self.topics.add_pattern(pattern.as_ref());
        self
    }

    /// Whether to read only what no loss of power can take back: each block is synced
    /// before its records are delivered (R-7).
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Whether a stream that is not there yet is waited for, rather than refused.
    #[must_use]
    pub fn wait_for_stream(mut self, wait: bool) -> Self {
        self.wait_for_stream = wait;
        self
    }

    /// How long at most until a waiting consumer looks again, should no notification
    /// come (R-8). 100 ms if not given.
    #[must_use]
    pub fn poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    common_setters!();

    /// Opens a consumer on real files. Needs permission to read, and none to write.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Consumer, ReadError> {
        self.open_in(OsVfs::new(), dir)
    }

    /// Opens a consumer in any world.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<Consumer<V>, ReadError> {
        self.open_at(Directory::new(vfs, dir.as_ref()))
    }

    /// The same in a directory that may be open already.
    pub(crate) fn open_at<V: Vfs>(&self, dir: Directory<V>) -> Result<Consumer<V>, ReadError> {
        let owner = dir.vfs.pid();
        let mut consumer = Consumer {
            dir,
            options: self.clone(),
            reader: None,
            watch: Watching::NotYet,
            owner,
            ended_by: None,
        };
        if consumer.find_start()? {
            return Ok(consumer);
        }
        if !self.wait_for_stream {
            return Err(Failure::NotAStream { dir: consumer.dir.path }.into());
        }
        // All that will be written is behind the end that there is now.
        if matches!(self.start, Start::End | Start::Last(_)) {
            consumer.options.start = Start::Beginning;
        }
        Ok(consumer)
    }
}
