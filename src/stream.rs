//! A handle on a stream: options said once, and everything else is reached from it.

mod info;

use std::ops::Range;
use std::path::Path;

pub use self::info::{SegmentInfo, StreamInfo, TopicInfo};
use crate::backup::{BackupError, BackupOptions, BackupReport, copy_stream};
use crate::check::{CheckOptions, CheckReport, check_at};
use crate::consumer::{Consumer, ConsumerOptions};
use crate::engine::dir::Directory;
use crate::engine::os::OsVfs;
use crate::engine::seek;
use crate::engine::tail::{Tail, open_tail};
use crate::engine::vfs::{DEFAULT_LOCK_WAIT, LockWait, OpenMode, Vfs};
use crate::engine::writer::RepairReport;
use crate::error::{AppendError, Failure, OpenError, ReadError};
use crate::format::token::Token;
use crate::named::{NamedConsumer, NamedError, NamedOptions};
use crate::positions::{self, PositionReport};
use crate::producer::{Producer, ProducerOptions};
use crate::repair::repair_at;
use crate::settings;
use crate::steward::{Report, Steward, StewardError, StewardOptions, Trim};

/// How a stream is to be opened, and how all that is reached from it waits.
///
/// ```
/// use std::time::Duration;
/// use puro::{LockWait, StreamOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = StreamOptions::new()
///     .create(true)
///     .segment_bytes(1 << 20)
///     .durable(true)
///     .lock_wait(LockWait::AtMost(Duration::from_secs(5)))
///     .open(&dir)?;
/// assert_eq!(stream.bounds()?, 0..0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StreamOptions {
    create: bool,
    segment_bytes: Option<u64>,
    durable: Option<bool>,
    lock_wait: LockWait,
    allow_network: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            create: false,
            segment_bytes: None,
            durable: None,
            lock_wait: LockWait::AtMost(DEFAULT_LOCK_WAIT),
            allow_network: false,
        }
    }
}

impl StreamOptions {
    /// The defaults: the stream must exist; locks are waited for one minute; whether appends are
    /// durable is the stream's setting; network file systems are refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make the stream if it is missing.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Bytes of records in a segment of a stream that is made (V-1).
    #[must_use]
    pub fn segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = Some(segment_bytes);
        self
    }

    /// Whether appends return only once their records are on disk, whatever the stream's setting
    /// says.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// How long to wait for others (L-8).
    #[must_use]
    pub fn lock_wait(mut self, lock_wait: LockWait) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// Whether to accept a network file system (M-1). Only safe where one machine alone works in
    /// it.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// Opens the stream on real files.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Stream, OpenError> {
        self.open_in(OsVfs::new(), dir)
    }

    /// Opens the stream in any world.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<Stream<V>, OpenError> {
        let dir = Directory::new(vfs, dir.as_ref());
        let stream = Stream { dir, options: self.clone() };
        if self.create {
            stream.producer_options().create_at(&stream.dir)?;
        }
        stream.tail()?;
        if !self.allow_network {
            stream.dir.check_local()?;
        }
        Ok(stream)
    }
}

/// A stream. Cheap to clone and to send to other threads; whatever is opened from it is
/// independent of it, and works in the directory that it opened, wherever that is moved.
///
/// ```
/// use puro::{NewRecord, Start, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
///
/// let mut orders = stream.consumer_with(|options| options.topic("orders"))?;
/// assert_eq!(orders.try_next()?.and_then(|record| record.value), Some(&b"3 apples"[..]));
/// assert_eq!(stream.bounds()?, 0..1);
/// assert_eq!(stream.topics()?[0].records, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Stream<V: Vfs = OsVfs> {
    dir: Directory<V>,
    options: StreamOptions,
}

impl Stream {
    /// Opens a stream that is there. A mistyped path makes none.
    ///
    /// # Errors
    /// `NotAStream`; see [`OpenError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        StreamOptions::new().open(dir)
    }

    /// Opens a stream, and makes it if it is missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_or_create(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        StreamOptions::new().create(true).open(dir)
    }
}

impl<V: Vfs> Stream<V> {
    /// Its directory, by the path by which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir.path
    }

    fn tail(&self) -> Result<Tail<V::File>, Failure> {
        match open_tail(&self.dir, OpenMode::Read)? {
            Some((tail, _)) => Ok(tail),
            None => Err(Failure::NotAStream { dir: self.dir.path.clone() }),
        }
    }

    fn producer_options(&self) -> ProducerOptions {
        let StreamOptions { segment_bytes, durable, lock_wait, allow_network, .. } = self.options;
        let mut options =
            ProducerOptions::new().create(false).lock_wait(lock_wait).allow_network(allow_network);
        if let Some(bytes) = segment_bytes {
            options = options.segment_bytes(bytes);
        }
        match durable {
            Some(durable) => options.durable(durable),
            None => options,
        }
    }

    /// Where it ends, as a position to be kept or compared.
    ///
    /// # Errors
    /// Where the end cannot be read.
    pub fn end(&self) -> Result<Token, Failure> {
        Ok(self.tail()?.token())
    }

    /// The offsets that it holds: the lowest, and the next to be given.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn bounds(&self) -> Result<Range<u64>, Failure> {
        let (low, next) = seek::range(&self.dir)?
            .ok_or_else(|| Failure::NotAStream { dir: self.dir.path.clone() })?;
        Ok(low..next)
    }

    /// A producer. Each thread opens one of its own.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn producer(&self) -> Result<Producer<V>, OpenError> {
        self.producer_options().open_at(self.dir.clone())
    }

    /// A consumer of all topics from the beginning.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn consumer(&self) -> Result<Consumer<V>, ReadError> {
        self.consumer_with(|options| options)
    }

    /// A consumer as asked: `stream.consumer_with(|options| options.topic("orders"))`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn consumer_with(
        &self,
        ask: impl FnOnce(ConsumerOptions) -> ConsumerOptions,
    ) -> Result<Consumer<V>, ReadError> {
        ask(self.consumer_options()).open_at(self.dir.clone())
    }

    fn consumer_options(&self) -> ConsumerOptions {
        let StreamOptions { lock_wait, allow_network, .. } = self.options;
        ConsumerOptions::new().lock_wait(lock_wait).allow_network(allow_network)
    }

    /// A consumer whose position is kept in the stream under a name.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn named(&self, name: &str) -> Result<NamedConsumer<V>, NamedError> {
        self.named_with(name, |options| options)
    }

    /// The same as asked. What the consumer's own options say of waiting is said there anew.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn named_with(
        &self,
        name: &str,
        ask: impl FnOnce(NamedOptions) -> NamedOptions,
    ) -> Result<NamedConsumer<V>, NamedError> {
        let options = NamedOptions::new()
            .consumer(self.consumer_options())
            .commit_wait(self.options.lock_wait)
            .allow_network(self.options.allow_network);
        ask(options).open_at(self.dir.clone(), name)
    }

    /// One that maintains the stream.
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn steward(&self) -> Result<Steward<V>, StewardError> {
        self.steward_with(|options| options)
    }

    /// The same as asked.
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn steward_with(
        &self,
        ask: impl FnOnce(StewardOptions) -> StewardOptions,
    ) -> Result<Steward<V>, StewardError> {
        let StreamOptions { lock_wait, allow_network, .. } = self.options;
        let options = StewardOptions::new().lock_wait(lock_wait).allow_network(allow_network);
        ask(options).open_at(self.dir.clone())
    }

    /// Deletes whole segments up to a place, and appends nothing (S-14).
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn trim(&self, trim: &Trim) -> Result<Report, StewardError> {
        self.steward()?.trim(trim)
    }

    /// The positions of all named consumers, by name.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn positions(&self) -> Result<Vec<PositionReport>, ReadError> {
        positions::list_at(&self.dir)
    }

    /// The settings that are set, by name.
    ///
    /// # Errors
    /// Where the stream cannot be read.
    pub fn settings(&self) -> Result<Vec<(String, String)>, Failure> {
        settings::read_at(&self.dir)
    }

    /// Sets a setting, or with `None` takes it back to its default; durably (C-6).
    ///
    /// # Errors
    /// `Setting` where it cannot be; see [`AppendError`].
    pub fn set(&self, name: &str, value: Option<&str>) -> Result<(), AppendError> {
        let mut producer = self.producer_options().open_existing(self.dir.clone())?;
        producer.set_setting(name, value)
    }

    /// Verifies every block, and with `deep` every record. Whatever is wrong with the files is a
    /// finding.
    ///
    /// # Errors
    /// Where there is no stream, or the directory cannot be read.
    pub fn verify(&self, deep: bool) -> Result<CheckReport, Failure> {
        check_at(self.dir.clone(), &CheckOptions::new().deep(deep), &mut |_, _| {})
    }

    /// Does what the next producer would do first: cuts off what is not committed (chapter 5).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn repair(&self) -> Result<Vec<RepairReport>, OpenError> {
        repair_at(&self.producer_options(), self.dir.clone())
    }

    /// Copies all that is committed now as `to`, which must not exist, or be empty.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<BackupReport, BackupError> {
        let StreamOptions { lock_wait, allow_network, .. } = self.options;
        let options = BackupOptions::new().lock_wait(lock_wait).allow_network(allow_network);
        copy_stream(&self.dir, to.as_ref(), &options, None, &mut |_, _| {})
    }
}
