//! A handle on a stream: options said once, and everything else is reached from it.

mod info;

use std::io;
use std::ops::Range;
use std::path::Path;

pub use self::info::{SegmentInfo, StreamInfo, TopicInfo};
use crate::backup::{BackupError, BackupOptions, BackupReport, copy_stream};
use crate::check::{CheckOptions, CheckReport, check_at};
use crate::consumer::{Consumer, ConsumerOptions, Start};
use crate::engine::counters::Stats;
use crate::engine::dir::Directory;
use crate::engine::os::OsVfs;
use crate::engine::seek;
use crate::engine::tail::{Tail, open_tail};
use crate::engine::vfs::{OpenMode, Vfs};
use crate::error::{AppendError, Failure, OpenError, ReadError};
use crate::format::state::Position;
use crate::format::token::{StreamId, Token};
use crate::named::{NamedConsumer, NamedError, NamedOptions};
use crate::options::{Common, Writing, common_setters, writing_setters};
use crate::positions::{self, OwnedName, PositionReport};
use crate::producer::{Producer, ProducerOptions};
use crate::repair::{RepairReport, repair_at};
use crate::salvage::{SalvageError, SalvageOptions, SalvageReport};
use crate::settings::{self, Setting, Settings};
use crate::steward::{Report, Steward, StewardError, StewardOptions, Trim};
use crate::who::{WhoReport, who};

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
#[derive(Clone, Debug, Default)]
pub struct StreamOptions {
    writing: Writing,
    common: Common,
}

impl StreamOptions {
    /// The defaults: the stream must exist; locks are waited for one minute; whether appends are
    /// durable is the stream's setting; network file systems are refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    writing_setters!();
    common_setters!();

    /// Makes the stream if there is none; tells whether it did (O-1).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn make(&self, dir: impl AsRef<Path>) -> Result<bool, OpenError> {
        let Self { writing, common } = *self;
        ProducerOptions::of(writing, common).create_in(OsVfs::new(), dir)
    }

    /// Does what the next producer would do first: cuts off what is not committed (chapter 5).
    /// Of a stream that cannot be opened it tells why.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn repair(&self, dir: impl AsRef<Path>) -> Result<Vec<RepairReport>, OpenError> {
        let Self { writing, common } = *self;
        let options = ProducerOptions::of(writing, common);
        repair_at(&options, Directory::new(OsVfs::new(), dir.as_ref()))
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
        if self.writing.create {
            stream.producer_options().create_at(&stream.dir)?;
        }
        stream.tail()?;
        if !self.common.allow_network {
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

    /// Makes a stream in `to`, which must not exist, or be empty, from a backup: the same records
    /// under the same offsets, with an id of its own, so that no position in the old stream is
    /// taken for one in this.
    ///
    /// ```
    /// use puro::{NewRecord, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let (dir, copy) = (scratch.path().join("events"), scratch.path().join("copy"));
    /// # let again = scratch.path().join("again");
    /// let stream = Stream::open_or_create(&dir)?;
    /// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
    /// stream.backup(&copy)?;
    /// Stream::restore(&copy, &again)?;
    /// assert_eq!(Stream::open(&again)?.bounds()?, 0..1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn restore(
        backup: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> Result<BackupReport, BackupError> {
        BackupOptions::new().restore(backup, to, &mut |_, _| {})
    }

    /// Copies every good record of a damaged stream to a new one in `to`, which must not exist, or
    /// be empty. [`SalvageOptions`] has more to ask for.
    ///
    /// ```
    /// use puro::{NewRecord, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let (dir, saved) = (scratch.path().join("events"), scratch.path().join("saved"));
    /// Stream::open_or_create(&dir)?.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
    /// // Something bad happens to it.
    /// assert_eq!(Stream::salvage(&dir, &saved)?.records, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SalvageError`]. Damage is no error: the report tells of it.
    pub fn salvage(
        damaged: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> Result<SalvageReport, SalvageError> {
        SalvageOptions::new().salvage(damaged, to, &mut |_| {})
    }

    /// Which processes have files of it open or locked.
    ///
    /// # Errors
    /// Where its directory cannot be read.
    pub fn who(&self) -> io::Result<WhoReport> {
        who(self.path())
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
        let StreamOptions { writing, common } = self.options;
        ProducerOptions::of(Writing { create: false, ..writing }, common)
    }

    /// What tells it from every other stream.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn id(&self) -> Result<StreamId, Failure> {
        Ok(self.end()?.stream_id)
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

    /// What was done in this process through this handle, its clones, and all that was opened from
    /// them. Counting costs next to nothing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.dir.counters.stats()
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
        let mut options = ConsumerOptions::new();
        options.common = self.options.common;
        options
    }

    /// A consumer whose position is kept in the stream under a name.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn named(&self, name: &str) -> Result<NamedConsumer<V>, NamedError> {
        self.named_with(name, |options| options)
    }

    /// The same as asked.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn named_with(
        &self,
        name: &str,
        ask: impl FnOnce(NamedOptions) -> NamedOptions,
    ) -> Result<NamedConsumer<V>, NamedError> {
        let mut options = NamedOptions::new();
        options.common = self.options.common;
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
        let mut options = StewardOptions::new();
        options.common = self.options.common;
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

    /// Sets the position of a named consumer that is not running (C-7); tells what it is now.
    ///
    /// # Errors
    /// `Busy` while a process runs under the name; see [`NamedError`].
    pub fn set_position(&self, name: &str, to: Start) -> Result<Option<Position>, NamedError> {
        positions::change_at(self.dir.clone(), self.options.common, name, Some(to))
    }

    /// Holds a name, so that nobody runs under it, and its position can be set in the same block as
    /// records ([`Transaction::set_position`](crate::Transaction::set_position)).
    ///
    /// # Errors
    /// `Busy` while a process runs under the name.
    pub fn own_position(&self, name: &str) -> Result<OwnedName<V>, NamedError> {
        OwnedName::take_at(&self.dir, name)
    }

    /// Removes the position of a named consumer that is not running (C-7).
    ///
    /// # Errors
    /// As [`Stream::set_position`].
    pub fn remove_position(&self, name: &str) -> Result<(), NamedError> {
        positions::change_at(self.dir.clone(), self.options.common, name, None).map(drop)
    }

    /// What all its settings amount to: each as it is set, or its default.
    ///
    /// # Errors
    /// Where the stream cannot be read.
    pub fn settings(&self) -> Result<Settings, Failure> {
        settings::read_at(&self.dir)
    }

    /// Sets a setting; durably, and all who use the stream obey it from their next look on (C-6).
    ///
    /// # Errors
    /// `Setting` where it cannot be; see [`AppendError`].
    pub fn set(&self, setting: &Setting) -> Result<(), AppendError> {
        self.producer_for_settings()?.set(setting)
    }

    fn producer_for_settings(&self) -> Result<Producer<V>, AppendError> {
        let opened = self.producer_options().open_existing(self.dir.clone());
        opened.map_err(AppendError::NotAppended)
    }

    /// Takes a setting back to its default, given its [name](Setting::name).
    ///
    /// # Errors
    /// As [`Stream::set`].
    pub fn unset(&self, name: &str) -> Result<(), AppendError> {
        self.producer_for_settings()?.unset(name)
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
        let options = BackupOptions { common: self.options.common, base: None };
        copy_stream(&self.dir, to.as_ref(), &options, None, &mut |_, _| {})
    }
}
