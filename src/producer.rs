//! Producers: the steps of an append (protocol.md, chapter 4).
//!
//! They are, in this order:
//!
//! 1. Encode: a [`Batch`], or the buffer for single records, holds the body of a block.
//! 2. `lock_and_look`: take `writer.lock`; bring the memory of the end up to what others committed,
//!    repair what a dead writer left, finish its rollover (A-1 to A-6).
//! 3. `append_at_end`: is it a duplicate, do its conditions hold? Then the epoch, a checkpoint where one
//!    is due, the entries that go into the same block, and the next segment if it does not fit in
//!    this one (A-7).
//! 4. The writer's `append_block`: write it with its signal low, then the signal (A-8, A-9).
//! 5. Give back the lock (A-10), sync if that is asked for (A-11), and delete what retention lets go
//!    if a segment was sealed (S-9).

mod batch;
mod held;
mod once;
mod options;
mod request;
#[cfg(feature = "async")]
mod together;
mod transaction;
mod unchanged;

use std::path::Path;

pub use self::batch::Batch;
pub use self::held::HeldProducer;
pub use self::options::ProducerOptions;
use self::request::Entry;
pub(crate) use self::request::{PositionChange, Positioned, Request};
pub use self::transaction::Transaction;
use crate::appended::Appended;
use crate::engine::os::OsVfs;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, Vfs};
use crate::engine::writer::RepairReport;
use crate::engine::writer::{CommitError, Writer, WriterGuard, WriterLock};
use crate::error::{AppendError, Failure, OpenError, RecordError};
use crate::format::block::{BlockBuilder, BlockKind};
use crate::format::record::NewRecord;
use crate::format::settings::{Setting, Settings};
use crate::format::state::{Position, SETTING, is_name};
use crate::format::token::{StreamId, Token};
use crate::steward::tidy_after_roll;

/// Appends records to a stream, beside any number of other producers.
///
/// Records are visible to every consumer, and safe from the death of any process, when
/// the append returns. To be safe from the loss of power, append durably
/// ([`ProducerOptions::durable`]) or call [`Producer::sync`].
///
/// A producer belongs to one thread at a time; threads may each open their own.
///
/// ```
/// use puro::{NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// let appended = producer.append(&NewRecord::new("orders", "3 apples").key("customer-7"))?;
/// assert_eq!(appended.first_offset, 0);
/// producer.sync()?; // now it survives the loss of power, too
/// # Ok(())
/// # }
/// ```
pub struct Producer<V: Vfs = OsVfs> {
    writer: Writer<V>,
    lock: WriterLock<V>,
    lock_wait: LockWait,
    /// `None`: as the stream's setting says.
    durable: Option<bool>,
    /// Where single records are encoded.
    single: BlockBuilder,
    /// Whether it sealed a segment and has not tidied up since (S-9).
    rolled: bool,
}

impl<V: Vfs> std::fmt::Debug for Producer<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = &self.writer.tail.segment.path;
        f.debug_struct("Producer").field("segment", end).finish_non_exhaustive()
    }
}

impl<V: Vfs> Drop for Producer<V> {
    /// Cuts off the zeros that it put ahead (Z-8), if nobody is writing. A forked child does nothing
    /// (L-3).
    fn drop(&mut self) {
        if !std::thread::panicking()
            && self.writer.has_put_zeros()
            && self.writer.check_owner().is_ok()
            && let Ok(guard) = self.lock.take(LockWait::Try)
        {
            self.writer.cut_zeros(&guard);
        }
    }
}

impl Producer {
    /// Opens a producer with the default options; makes the stream if it is missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        ProducerOptions::new().open(dir)
    }
}

impl<V: Vfs> Producer<V> {
    /// Appends one record.
    ///
    /// # Errors
    /// See [`AppendError`], whose variants say whether the record was appended.
    pub fn append(&mut self, record: &NewRecord<'_>) -> Result<Appended, AppendError> {
        self.with_single(record, |this, builder| this.append_block(builder, &Request::default()))
    }

    /// Keeps the lock for many appends, while other producers wait (A-17), and whoever opens one.
    /// It gives way only while it appends: see [`HeldProducer`].
    ///
    /// # Errors
    /// `NotAppended` where the lock cannot be had, or the stream cannot be written.
    pub fn hold(&mut self) -> Result<HeldProducer<'_, V>, AppendError> {
        let guard = self.lock_and_look()?;
        Ok(HeldProducer::new(self, guard))
    }

    fn with_single(
        &mut self,
        record: &NewRecord<'_>,
        append: impl FnOnce(&mut Self, &mut BlockBuilder) -> Result<Appended, AppendError>,
    ) -> Result<Appended, AppendError> {
        let mut builder = std::mem::take(&mut self.single);
        builder.clear();
        let pushed = builder.push(record).map_err(AppendError::from);
        let appended = pushed.and_then(|()| append(self, &mut builder));
        self.single = builder;
        appended
    }

    /// Appends a batch, all of it or nothing.
    ///
    /// The batch keeps its records, and its memory: [`Batch::clear`] takes them out for the next
    /// ones. It is borrowed mutably only because the block is put together in it. For an append
    /// with conditions see [`Producer::transaction`].
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_batch(&mut self, batch: &mut Batch) -> Result<Appended, AppendError> {
        self.append_records(batch, &Request::default())
    }

    /// Sets a setting of the stream. All who use the stream obey it from their next look on (C-6).
    /// The change is durable.
    ///
    /// # Errors
    /// `Setting` where it cannot be; see [`AppendError`].
    pub fn set(&mut self, setting: &Setting) -> Result<(), AppendError> {
        setting.check()?;
        self.append_setting(&setting.name(), Some(&setting.value()))
    }

    /// Takes a setting back to its default, given its [name](Setting::name).
    ///
    /// # Errors
    /// As [`Producer::set`].
    pub fn unset(&mut self, name: &str) -> Result<(), AppendError> {
        Setting::check_name(name)?;
        self.append_setting(name, None)
    }

    fn append_setting(&mut self, name: &str, value: Option<&str>) -> Result<(), AppendError> {
        let (key, value) = (name.as_bytes(), value.map(str::as_bytes));
        let entry = Entry { kind: SETTING, key, value };
        self.append_entry(&Request { entry: Some(entry), ..Request::default() })
    }

    /// The settings of the stream, as far as this producer has read.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.writer.tail.state.settings()
    }

    /// The position of a named consumer, as far as this producer has read.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<Position> {
        self.writer.tail.state.position(name)
    }

    /// The positions of all named consumers, as far as this producer has read.
    pub fn positions(&self) -> impl Iterator<Item = (String, Position)> + '_ {
        self.writer.tail.state.positions()
    }

    /// Sees to it that a position can be committed as far as the disk has room for it. Does not wait:
    /// where another process writes, there seems to be room.
    pub(crate) fn make_room_for_position(&mut self) -> Result<(), Failure> {
        // The entry with the longest name, and the block that raises an epoch.
        const MOST_BYTES: u64 = 512;
        self.writer.check_owner()?;
        let guard = match self.lock.take(LockWait::Try) {
            Err(Failure::LockTimeout { .. }) => return Ok(()),
            taken => taken?,
        };
        self.writer.catch_up(&guard)?;
        self.writer.make_room(&guard, MOST_BYTES)
    }

    /// Changes a position (C-2), in a block without records.
    pub(crate) fn commit_position(
        &mut self,
        change: &PositionChange,
    ) -> Result<Appended, AppendError> {
        let mut builder = BlockBuilder::default();
        let request = Request { position: Some(change), ..Request::default() };
        self.append_block(&mut builder, &request)
    }

    fn append_entry(&mut self, request: &Request<'_>) -> Result<(), AppendError> {
        let appended = self.append_block(&mut BlockBuilder::default(), request)?;
        self.make_durable().map_err(|error| AppendError::NotDurable { appended, error })
    }

    pub(crate) fn append_records(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        batch.check()?;
        if batch.is_empty() && !request.may_be_empty {
            return Err(RecordError::EmptyBatch.into());
        }
        self.append_block(&mut batch.builder, request)
    }

    fn append_block(
        &mut self,
        builder: &mut BlockBuilder,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        let guard = self.lock_and_look()?;
        let appended = self.append_looked(&guard, builder, request)?;
        guard.give_back();
        let durable = if self.is_durable() { self.make_durable() } else { Ok(()) };
        // For the trace: a sync that succeeded is an outcome by itself; any other one is `Return`.
        if !(self.is_durable() && durable.is_ok()) {
            let label = if durable.is_ok() { "" } else { "not durable" };
            self.writer.trace(self.writer.tail.action(Operator::Return).label(label));
        }
        self.tidy();
        durable.map_err(|error| AppendError::NotDurable { appended, error })?;
        Ok(appended)
    }

    /// Takes the lock and brings the memory to the committed end (A-1 to A-6).
    pub(crate) fn lock_and_look(&mut self) -> Result<WriterGuard<V>, AppendError> {
        let taken = self.writer.check_owner().and_then(|()| self.lock.take(self.lock_wait));
        let looked = taken.and_then(|guard| self.writer.catch_up(&guard).map(|()| guard));
        looked.map_err(AppendError::NotAppended)
    }

    /// Whether nobody else can have written since the last look under this lock (A-17): its name
    /// still leads to it, and one name to the segment.
    pub(crate) fn still_alone(&mut self, guard: &WriterGuard<V>) -> Result<bool, AppendError> {
        self.is_alone(guard).map_err(AppendError::NotAppended)
    }

    fn is_alone(&mut self, guard: &WriterGuard<V>) -> Result<bool, Failure> {
        self.writer.check_owner()?;
        Ok(self.writer.status()?.links == 1 && guard.still_excludes()?)
    }

    /// Appends under a lock that was held since the last look. It is told as if the lock had been
    /// given back and taken again, with nobody in between (A-17).
    pub(crate) fn append_held(
        &mut self,
        guard: &WriterGuard<V>,
        record: &NewRecord<'_>,
    ) -> Result<Appended, AppendError> {
        self.with_single(record, |this, builder| this.append_block_held(guard, builder))
    }

    /// The same for a batch.
    pub(crate) fn append_batch_held(
        &mut self,
        guard: &WriterGuard<V>,
        batch: &mut Batch,
    ) -> Result<Appended, AppendError> {
        batch.check()?;
        if batch.is_empty() {
            return Err(RecordError::EmptyBatch.into());
        }
        self.append_block_held(guard, &mut batch.builder)
    }

    fn append_block_held(
        &mut self,
        guard: &WriterGuard<V>,
        builder: &mut BlockBuilder,
    ) -> Result<Appended, AppendError> {
        let appended = self.append_looked(guard, builder, &Request::default())?;
        self.writer.trace(Action::new(Operator::Unlock));
        let durable = self.is_durable();
        let synced = if durable { self.writer.sync(guard, Operator::Sync) } else { Ok(()) };
        if !(durable && synced.is_ok()) {
            let label = if synced.is_ok() { "" } else { "not durable" };
            self.writer.trace(self.writer.tail.action(Operator::Return).label(label));
        }
        self.writer.trace(Action::new(Operator::Lock));
        synced.map_err(|failure| self.not_durable(appended, failure))?;
        Ok(appended)
    }

    fn not_durable(&self, appended: Appended, failure: Failure) -> AppendError {
        let source = match failure {
            Failure::Io(error) => error,
            other => self.writer.tail.io_error("sync", std::io::Error::other(other)),
        };
        AppendError::NotDurable { appended, error: source }
    }

    /// Whether a segment was sealed since the last [`Producer::tidy`].
    pub(crate) fn has_rolled(&self) -> bool {
        self.rolled
    }

    /// After a rollover: deletes what retention says (S-9). Needs `writer.lock` to be free.
    pub(crate) fn tidy(&mut self) {
        if std::mem::take(&mut self.rolled) {
            // Whatever goes wrong there, the records were appended; the next one to roll,
            // or a steward, tries again.
            let _ = tidy_after_roll(&self.writer.dir, self.settings());
        }
    }

    /// The directory of the stream, by the path by which it was opened.
    #[cfg(feature = "async")]
    pub(crate) fn path(&self) -> &Path {
        &self.writer.dir.path
    }

    pub(crate) fn vfs(&self) -> &V {
        &self.writer.dir.vfs
    }

    /// Says that a call failed that has to do with this producer.
    pub(crate) fn io_error(&self, operation: &'static str, source: std::io::Error) -> Failure {
        self.writer.tail.io_error(operation, source).into()
    }

    /// Appends at the committed end, which was looked for under this lock.
    fn append_looked(
        &mut self,
        guard: &WriterGuard<V>,
        builder: &mut BlockBuilder,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        let mark = builder.mark();
        let appended = self.append_at_end(guard, builder, request);
        builder.rollback(mark);
        appended
    }

    fn append_at_end(
        &mut self,
        guard: &WriterGuard<V>,
        builder: &mut BlockBuilder,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        let writer = &mut self.writer;
        if let Some(duplicate) = request.check(writer)? {
            writer.trace(writer.tail.action(Operator::Duplicate).value(duplicate.first_offset));
            return Ok(duplicate);
        }
        let prepared = writer.prepare(guard).and_then(|()| writer.checkpoint_if_due(guard));
        prepared.map_err(AppendError::NotAppended)?;
        let now_ms = writer.dir.vfs.now_ms();
        let (first_offset, record_count) = (writer.tail.next_offset(), builder.record_count());
        // A clock that is behind does not make the entries look old (C-5).
        request.push_entries(builder, writer, now_ms.max(writer.tail.began_ms()))?;
        if first_offset.checked_add(u64::from(record_count)).is_none() {
            return Err(RecordError::OffsetsExhausted { next_offset: first_offset }.into());
        }
        writer.fit(builder)?;
        // Before it is known where the block goes, for a repair may raise the epoch.
        let cleared = writer.clear_the_way(guard, builder.block_bytes());
        cleared.map_err(AppendError::NotAppended)?;
        writer.fit(builder)?;
        if writer.must_roll(builder.block_bytes()) {
            let rolled = writer.roll(guard, builder.block_bytes());
            rolled.map_err(AppendError::NotAppended)?;
            self.rolled = true;
            writer.fit(builder)?; // to a place in another segment
        }
        let timestamp_ms = request.timestamp_ms.unwrap_or(now_ms);
        let bytes = builder.block_bytes();
        match writer.append_block(guard, builder, BlockKind::Records, timestamp_ms) {
            Ok(()) => {}
            Err(CommitError::NotAppended(failure)) => {
                return Err(AppendError::NotAppended(failure));
            }
            Err(CommitError::Unknown(error)) => return Err(AppendError::Unknown(error)),
        }
        if record_count > 0 {
            let counters = &writer.dir.counters;
            counters.appends.add(1);
            counters.records.add(u64::from(record_count));
            counters.bytes.add(bytes);
        }
        if self.is_durable() {
            self.writer.put_zeros(guard);
        }
        let writer = &mut self.writer;
        if let Some(change) = request.position {
            let name = if change.by_hand {
                Operator::SetPosition
            } else if record_count > 0 {
                Operator::CommitBoth
            } else {
                Operator::CommitPosition
            };
            let offset = change.after.map_or(0, |after| after.offset);
            writer.trace(writer.tail.action(name).label(&change.name).value(offset));
        }
        let token = writer.tail.token();
        Ok(Appended { first_offset, record_count, timestamp_ms, token, duplicate: false })
    }

    /// Puts everything that is committed in the active segment as this producer knows it
    /// on the disk; sealed segments are there already.
    ///
    /// # Errors
    /// What the system says; what was appended is visible all the same.
    pub fn sync(&mut self) -> Result<(), Failure> {
        self.writer.check_owner()?;
        Ok(self.make_durable()?)
    }

    /// Syncs without the lock; where that fails, rewrites and syncs under it (A-11, A-14).
    fn make_durable(&mut self) -> Result<(), crate::error::IoError> {
        let tail = &self.writer.tail;
        if tail.durable_to >= tail.end {
            self.writer.trace(tail.action(Operator::Return).label("durable"));
            return Ok(());
        }
        let Err(error) = self.writer.try_sync(Operator::Sync) else { return Ok(()) };
        let Ok(guard) = self.lock.take(self.lock_wait) else { return Err(error) };
        match self.writer.rewrite_and_sync(&guard) {
            Ok(()) => Ok(()),
            Err(Failure::Io(error)) => Err(error),
            Err(_) => Err(error),
        }
    }

    /// Sets how long the lock is waited for; tells how long it was until now.
    pub(crate) fn set_lock_wait(&mut self, wait: LockWait) -> LockWait {
        std::mem::replace(&mut self.lock_wait, wait)
    }

    /// Whether appends are to be durable from now on, whatever the stream's setting says.
    pub fn set_durable(&mut self, durable: bool) {
        self.durable = Some(durable);
    }

    fn is_durable(&self) -> bool {
        self.durable.unwrap_or(self.writer.tail.state.settings().durable)
    }

    /// The stream's id.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.writer.tail.segment.header.stream_id.into()
    }

    /// The stream's end when this producer last looked, for [`Transaction::if_end`].
    #[must_use]
    pub fn token(&self) -> Token {
        self.writer.tail.token()
    }

    /// What this producer repaired since it was opened (X-8).
    #[must_use]
    pub fn repairs(&self) -> &[RepairReport] {
        &self.writer.repairs
    }
}

/// Whether something was appended, durable or not.
pub(crate) fn is_appended(answer: &Result<Appended, AppendError>) -> bool {
    matches!(answer, Ok(_) | Err(AppendError::NotDurable { .. }))
}

/// Refuses what cannot be the name of a consumer or a producer (F-11).
pub(crate) fn check_name(name: &str) -> Result<(), RecordError> {
    if is_name(name) {
        return Ok(());
    }
    Err(RecordError::Name { name: name.to_owned() })
}
