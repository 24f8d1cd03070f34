//! Producers: the steps of an append (protocol.md, chapter 4).

use std::path::Path;
use std::time::Duration;

use crate::block::{BlockBuilder, BlockKind};
use crate::dir::Directory;
use crate::error::{AppendError, Failure, OpenError, RecordError};
use crate::layout::{MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};
use crate::os::OsVfs;
use crate::record::NewRecord;
use crate::repair::RepairReport;
use crate::roll;
use crate::state::SEGMENT_BYTES;
use crate::tail::open_tail;
use crate::token::{Token, check_history};
use crate::vfs::{LockWait, OpenMode, Vfs};
use crate::writer::{CommitError, Writer, WriterGuard, WriterLock};

/// How long a lock is waited for where the caller does not say.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(60);

/// How a producer is to be opened.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    create: bool,
    segment_bytes: Option<u64>,
    durable: bool,
    lock_wait: LockWait,
    allow_network: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            create: true,
            segment_bytes: None,
            durable: false,
            lock_wait: LockWait::AtMost(DEFAULT_LOCK_WAIT),
            allow_network: false,
        }
    }
}

impl ProducerOptions {
    /// The defaults: the stream is made if it is missing; appends are not durable; a lock
    /// is waited for one minute; network file systems are refused.
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

    /// Setting `segment_bytes` of a stream that is made: bytes of records in a segment
    /// (4 KiB to 1 TiB, 64 MiB if not given; V-1). An existing stream keeps its own.
    #[must_use]
    pub fn segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = Some(segment_bytes);
        self
    }

    /// Whether an append returns only once its records are on disk. If not, they survive
    /// the death of any process, but not the loss of power, until the next
    /// [`Producer::sync`] or the system's own writing back.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// How long to wait for other writers (L-8).
    #[must_use]
    pub fn lock_wait(mut self, lock_wait: LockWait) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// Whether to accept a network file system (M-1). Only safe where one machine alone
    /// works in it.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// Opens a producer on real files.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Producer, OpenError> {
        self.open_in(OsVfs::new(), dir)
    }

    /// Opens a producer in any world.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<Producer<V>, OpenError> {
        let dir = Directory::new(vfs, dir.as_ref());
        if self.create {
            self.create_stream(&dir)?;
        }
        let Some((tail, _)) = open_tail(&dir, OpenMode::Write)? else {
            return Err(Failure::NotAStream { dir: dir.path }.into());
        };
        if !self.allow_network {
            dir.check_local()?;
        }
        let lock = WriterLock::open(&dir)?;
        let mut writer = Writer::new(dir, tail);
        let guard = lock.take(self.lock_wait)?;
        writer.catch_up(&guard)?;
        drop(guard);
        let (lock_wait, durable) = (self.lock_wait, self.durable);
        Ok(Producer { writer, lock, lock_wait, durable, single: BlockBuilder::default() })
    }

    /// Makes the stream if there is none; tells whether it did (O-1).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create_in<V: Vfs>(&self, vfs: V, dir: impl AsRef<Path>) -> Result<bool, OpenError> {
        self.create_stream(&Directory::new(vfs, dir.as_ref()))
    }

    fn create_stream<V: Vfs>(&self, dir: &Directory<V>) -> Result<bool, OpenError> {
        let mut settings = Vec::new();
        if let Some(bytes) = self.segment_bytes {
            if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&bytes) {
                return Err(OpenError::Setting {
                    name: "segment_bytes",
                    value: bytes.to_string(),
                    why: format!("it must be {MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES}"),
                });
            }
            settings.push((SEGMENT_BYTES.to_vec(), bytes.to_string().into_bytes()));
        }
        if dir.segments()?.is_some() {
            return Ok(false);
        }
        roll::create(dir, &settings, self.lock_wait, self.allow_network)
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: u64,
    /// How many records.
    pub record_count: u32,
    /// The time they carry, in ms since 1970.
    pub timestamp_ms: u64,
    /// The position behind them, for [`Producer::append_if`] or a consumer.
    pub token: Token,
}

/// Records to be appended as one block: all or nothing, across topics.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    builder: BlockBuilder,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record; its bytes are copied.
    ///
    /// # Errors
    /// What is wrong with the record, or `TooLong` where the batch would exceed 16 MiB.
    /// The batch is as it was then.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<(), RecordError> {
        self.builder.push(record)
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.builder.record_count() as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all records as encoded.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.builder.body_len()
    }

    /// Takes all records out.
    pub fn clear(&mut self) {
        self.builder.clear();
    }
}

/// Appends records to a stream, beside any number of other producers.
///
/// Records are visible to every consumer, and safe from the death of any process, when
/// the append returns. To be safe from the loss of power, append durably
/// ([`ProducerOptions::durable`]) or call [`Producer::sync`].
///
/// A producer belongs to one thread at a time; threads may each open their own.
#[derive(Debug)]
pub struct Producer<V: Vfs = OsVfs> {
    writer: Writer<V>,
    lock: WriterLock<V::File>,
    lock_wait: LockWait,
    durable: bool,
    /// Where single records are encoded.
    single: BlockBuilder,
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
        let mut builder = std::mem::take(&mut self.single);
        builder.clear();
        let pushed = builder.push(record).map_err(AppendError::from);
        let appended = pushed.and_then(|()| self.append_block(&mut builder, None, None));
        self.single = builder;
        appended
    }

    /// Appends a batch, all of it or nothing. The batch keeps its records.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_batch(&mut self, batch: &mut Batch) -> Result<Appended, AppendError> {
        self.append_block(&mut batch.builder, None, None)
    }

    /// Appends a batch only if the stream's next offset is that of the token, and the
    /// token's history is the stream's: a compare-and-append.
    ///
    /// # Errors
    /// `Conflict` or `Diverged` if not; see [`AppendError`].
    pub fn append_if(&mut self, token: &Token, batch: &mut Batch) -> Result<Appended, AppendError> {
        self.append_block(&mut batch.builder, Some(token), None)
    }

    /// Appends a batch that carries a time of its own, as copies of streams do.
    pub(crate) fn append_copy(
        &mut self,
        batch: &mut Batch,
        timestamp_ms: u64,
    ) -> Result<Appended, AppendError> {
        self.append_block(&mut batch.builder, None, Some(timestamp_ms))
    }

    fn append_block(
        &mut self,
        builder: &mut BlockBuilder,
        expected: Option<&Token>,
        timestamp_ms: Option<u64>,
    ) -> Result<Appended, AppendError> {
        if builder.record_count() == 0 {
            return Err(RecordError::EmptyBatch.into());
        }
        self.writer.check_owner()?;
        let guard = self.lock.take(self.lock_wait)?;
        let appended = self.append_locked(&guard, builder, expected, timestamp_ms)?;
        drop(guard);
        if self.durable {
            self.make_durable().map_err(|source| AppendError::NotDurable { appended, source })?;
        }
        Ok(appended)
    }

    fn append_locked(
        &mut self,
        guard: &WriterGuard<V::File>,
        builder: &mut BlockBuilder,
        expected: Option<&Token>,
        timestamp_ms: Option<u64>,
    ) -> Result<Appended, AppendError> {
        let writer = &mut self.writer;
        writer.catch_up(guard)?;
        if let Some(expected) = expected {
            check_expected(writer, expected)?;
        }
        writer.prepare(guard)?;
        if writer.must_roll(builder.block_bytes()) {
            writer.roll(guard, builder.block_bytes())?;
        }
        let timestamp_ms = timestamp_ms.unwrap_or_else(|| writer.dir.vfs.now_ms());
        let first_offset = writer.tail.next_offset();
        match writer.append_block(guard, builder, BlockKind::Records, timestamp_ms) {
            Ok(()) => {}
            Err(CommitError::NotAppended(failure)) => return Err(failure.into()),
            Err(CommitError::Unknown(error)) => return Err(AppendError::Unknown(error)),
        }
        let (record_count, token) = (builder.record_count(), writer.tail.token());
        Ok(Appended { first_offset, record_count, timestamp_ms, token })
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

    /// Syncs without the lock; where that fails, rewrites and syncs under it.
    fn make_durable(&mut self) -> Result<(), crate::error::IoError> {
        let tail = &self.writer.tail;
        if tail.durable_to >= tail.end {
            return Ok(());
        }
        let Err(error) = self.writer.try_sync() else { return Ok(()) };
        let Ok(guard) = self.lock.take(self.lock_wait) else { return Err(error) };
        match self.writer.rewrite_and_sync(&guard) {
            Ok(()) => Ok(()),
            Err(Failure::Io(error)) => Err(error),
            Err(_) => Err(error),
        }
    }

    /// Whether appends are to be durable from now on.
    pub fn set_durable(&mut self, durable: bool) {
        self.durable = durable;
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

    /// What this producer repaired since it was opened.
    #[must_use]
    pub fn repairs(&self) -> &[RepairReport] {
        &self.writer.repairs
    }
}

fn check_expected<V: Vfs>(writer: &Writer<V>, expected: &Token) -> Result<(), AppendError> {
    let tail = &writer.tail;
    let stream_id = tail.segment.header.stream_id;
    check_history(expected, &stream_id, tail.state.epochs(), tail.next_offset())?;
    if tail.next_offset() != expected.offset {
        return Err(AppendError::Conflict { expected: *expected, actual: tail.next_offset() });
    }
    Ok(())
}
