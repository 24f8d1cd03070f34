//! Producers: the steps of an append (protocol.md, chapter 4).

mod batch;
mod held;
mod once;
mod options;
mod request;
mod transaction;

use std::path::Path;

pub use self::batch::Batch;
pub use self::held::HeldProducer;
pub use self::options::ProducerOptions;
use self::request::Entry;
pub(crate) use self::request::{PositionChange, Request};
pub use self::transaction::Transaction;
use crate::appended::Appended;
use crate::engine::os::OsVfs;
use crate::engine::trace::Action;
use crate::engine::vfs::{LockWait, Vfs, VfsFile};
use crate::engine::writer::RepairReport;
use crate::engine::writer::{CommitError, Writer, WriterGuard, WriterLock};
use crate::error::{AppendError, Failure, OpenError, RecordError};
use crate::format::block::{BlockBuilder, BlockKind};
use crate::format::record::NewRecord;
use crate::format::settings::{self, Settings};
use crate::format::state::{Position, SETTING, is_name};
use crate::format::token::Token;
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

    /// Appends a batch, all of it or nothing. The batch keeps its records.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_batch(&mut self, batch: &mut Batch) -> Result<Appended, AppendError> {
        self.append_records(batch, &Request::default())
    }

    /// Appends a batch only if the stream's next offset is that of the token, and the
    /// token's history is the stream's (A-16): a compare-and-append.
    ///
    /// The condition is on the whole stream. Any record that anybody appends in between, of
    /// whatever topic and key, is a conflict. A writer that takes longer to decide than others to
    /// append may lose every time. So use it where writers are few, or give what changes on its
    /// own a stream of its own. After a conflict, read on, decide again, and try again with the
    /// new token.
    ///
    /// # Errors
    /// `Conflict` or `Diverged` if not; see [`AppendError`].
    pub fn append_if(&mut self, token: &Token, batch: &mut Batch) -> Result<Appended, AppendError> {
        self.append_records(batch, &Request { expected: Some(token), ..Request::default() })
    }

    /// Sets a setting of the stream, or with `None` takes it back to its default. All who
    /// use the stream obey it from their next look on (C-6). The change is durable.
    ///
    /// # Errors
    /// `Setting` where it cannot be; see [`AppendError`].
    pub fn set_setting(&mut self, name: &str, value: Option<&str>) -> Result<(), AppendError> {
        if let Some(value) = value {
            settings::check(name, value)?;
        }
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
        self.make_durable().map_err(|source| AppendError::NotDurable { appended, source })
    }

    /// Appends a batch that carries a time of its own, in ms since 1970, as copies of records
    /// do that were written elsewhere before.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_copy(
        &mut self,
        batch: &mut Batch,
        timestamp_ms: u64,
    ) -> Result<Appended, AppendError> {
        let timestamp_ms = Some(timestamp_ms);
        self.append_records(batch, &Request { timestamp_ms, ..Request::default() })
    }

    pub(crate) fn append_records(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        if batch.is_empty() {
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
        // A sync is told as such; all other outcomes here.
        if !(self.is_durable() && durable.is_ok()) {
            let label = if durable.is_ok() { "" } else { "not durable" };
            self.writer.trace(self.writer.tail.action("Return").label(label));
        }
        self.tidy();
        durable.map_err(|source| AppendError::NotDurable { appended, source })?;
        Ok(appended)
    }

    /// Takes the lock and brings the memory to the committed end (A-1 to A-6).
    pub(crate) fn lock_and_look(&mut self) -> Result<WriterGuard<V>, Failure> {
        self.writer.check_owner()?;
        let guard = self.lock.take(self.lock_wait)?;
        self.writer.catch_up(&guard)?;
        Ok(guard)
    }

    /// Whether nobody else can have written since the last look under this lock (A-17): its name
    /// still leads to it, and one name to the segment.
    pub(crate) fn still_alone(&self, guard: &WriterGuard<V>) -> Result<bool, Failure> {
        self.writer.check_owner()?;
        let tail = &self.writer.tail;
        let status = tail.segment.file.status().map_err(|error| tail.io_error("look at", error))?;
        Ok(status.links == 1 && guard.still_excludes()?)
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
        self.writer.trace(Action::new("Unlock"));
        let durable = self.is_durable();
        let synced = if durable { self.writer.sync(guard, "Sync") } else { Ok(()) };
        if !(durable && synced.is_ok()) {
            let label = if synced.is_ok() { "" } else { "not durable" };
            self.writer.trace(self.writer.tail.action("Return").label(label));
        }
        self.writer.trace(Action::new("Lock"));
        synced.map_err(|failure| self.not_durable(appended, failure))?;
        Ok(appended)
    }

    fn not_durable(&self, appended: Appended, failure: Failure) -> AppendError {
        let source = match failure {
            Failure::Io(error) => error,
            other => self.writer.tail.io_error("sync", std::io::Error::other(other)),
        };
        AppendError::NotDurable { appended, source }
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

    pub(crate) fn vfs(&self) -> &V {
        &self.writer.dir.vfs
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
            writer.trace(writer.tail.action("Duplicate").value(duplicate.first_offset));
            return Ok(duplicate);
        }
        writer.prepare(guard)?;
        writer.checkpoint_if_due(guard)?;
        let now_ms = writer.dir.vfs.now_ms();
        let (first_offset, record_count) = (writer.tail.next_offset(), builder.record_count());
        // A clock that is behind does not make the entries look old (C-5).
        request.push_entries(builder, writer, now_ms.max(writer.tail.began_ms()))?;
        if first_offset.checked_add(u64::from(record_count)).is_none() {
            return Err(RecordError::OffsetsExhausted { next_offset: first_offset }.into());
        }
        writer.fit(builder)?;
        if writer.must_roll(builder.block_bytes()) {
            writer.roll(guard, builder.block_bytes())?;
            self.rolled = true;
            writer.fit(builder)?; // to a place in another segment
        }
        let timestamp_ms = request.timestamp_ms.unwrap_or(now_ms);
        match writer.append_block(guard, builder, BlockKind::Records, timestamp_ms) {
            Ok(()) => {}
            Err(CommitError::NotAppended(failure)) => return Err(failure.into()),
            Err(CommitError::Unknown(error)) => return Err(AppendError::Unknown(error)),
        }
        if self.is_durable() {
            self.writer.put_zeros(guard);
        }
        let writer = &mut self.writer;
        if let Some(change) = request.position {
            let name = if change.by_hand {
                "SetPosition"
            } else if record_count > 0 {
                "CommitBoth"
            } else {
                "CommitPosition"
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
            self.writer.trace(tail.action("Return").label("durable"));
            return Ok(());
        }
        let Err(error) = self.writer.try_sync("Sync") else { return Ok(()) };
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
    pub fn stream_id(&self) -> [u8; 16] {
        self.writer.tail.segment.header.stream_id
    }

    /// The stream's end when this producer last looked, for [`Producer::append_if`].
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
