//! Many threads, or one in a hurry, append through one producer: records are collected, and
//! whoever waits for them appends them all as one block (A-15), syncs once for all of them, and
//! leaves the writer's lock to others meanwhile (A-11).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::engine::os::OsVfs;
use crate::engine::vfs::Vfs;
use crate::error::{AppendError, BufferError, Failure};
use crate::format::record::NewRecord;
use crate::producer::Batch;
use crate::producer::Producer;

/// How often whoever appends lets others push first.
const MOST_YIELDS: u32 = 16;
/// So many stretches of lost records are told apart; with more, nothing goes on.
const MOST_LOSSES: usize = 4096;

/// How a [`BufferedProducer`] collects.
///
/// ```
/// use std::time::Duration;
/// use puro::BufferOptions;
/// // Larger batches, for who is not in a hurry.
/// let slow = BufferOptions::new().batch_bytes(1 << 20).linger(Some(Duration::from_millis(100)));
/// // No thread of its own: nothing goes out until somebody waits, flushes, or fills the buffer.
/// let by_hand = BufferOptions::new().linger(None);
/// # let _ = (slow, by_hand);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BufferOptions {
    batch_bytes: usize,
    linger: Option<Duration>,
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self { batch_bytes: 256 * 1024, linger: Some(Duration::from_millis(5)) }
    }
}

impl BufferOptions {
    /// The defaults: up to 256 KiB are collected, for at most 5 ms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After so many bytes whoever pushes appends what was collected.
    #[must_use]
    pub fn batch_bytes(mut self, batch_bytes: usize) -> Self {
        self.batch_bytes = batch_bytes;
        self
    }

    /// After so long a thread of its own appends what was collected. With `None` there is no
    /// such thread: records stay in memory until somebody waits, flushes or fills the buffer.
    #[must_use]
    pub fn linger(mut self, linger: Option<Duration>) -> Self {
        self.linger = linger;
        self
    }
}

/// Names a record that was pushed: all up to it were pushed before it.
///
/// ```
/// use puro::{BufferOptions, BufferedProducer, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let buffered = BufferedProducer::new(Producer::open(dir.path())?, BufferOptions::new());
/// let first = buffered.push(&NewRecord::new("orders", "3 apples"))?;
/// let second = buffered.push(&NewRecord::new("orders", "1 pear"))?;
/// buffered.wait(second)?; // The first one is committed, too.
/// assert!(first < second);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Collects records of any number of threads and appends them together.
///
/// [`push`](Self::push) only puts a record into memory: what is not committed yet dies with the
/// process. [`wait`](Self::wait) and [`flush`](Self::flush) return once it is committed, and on
/// disk if the producer is durable; [`append`](Self::append) is both. Eight threads that append
/// durably so share one sync among eight records.
///
/// Records whose append failed are lost, and everybody is told who waits for one of them, or
/// flushes: what was told as lost is never appended, so it may be pushed again. A failure that
/// nobody was there to be told of is tried again instead. After an append whose outcome is unknown,
/// or that is perhaps not durable, everything fails with that error, until the producer is taken
/// back by [`close`](Self::close).
///
/// In a forked child every call fails, and dropping it does nothing but close (L-3).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// use puro::{BufferOptions, BufferedProducer, NewRecord, Producer};
/// let buffered = BufferedProducer::new(Producer::open(dir.path())?, BufferOptions::new());
/// for number in 0..1000 {
///     buffered.push(&NewRecord::new("numbers", &format!("{number}")))?;
/// }
/// buffered.flush()?; // All are committed now.
/// # Ok(())
/// # }
/// ```
pub struct BufferedProducer<V: Vfs = OsVfs> {
    shared: Arc<Shared<V>>,
    lingerer: Option<JoinHandle<()>>,
}

struct Shared<V: Vfs> {
    vfs: V,
    /// The process that made it (L-3).
    owner: u32,
    options: BufferOptions,
    buffer: Mutex<Buffer>,
    /// Something was committed, went wrong, or is to be looked at by the lingering thread.
    changed: Condvar,
    /// Locked by who appends; never waited for by who holds `buffer`.
    producer: Mutex<Option<Producer<V>>>,
}

#[derive(Debug, Default)]
struct Buffer {
    /// What was pushed and nobody has begun to append.
    batch: Batch,
    /// What an append left over that failed with nobody there to be told: it goes first.
    left_over: Option<Batch>,
    /// An emptied batch, so that its memory is used again.
    spare: Batch,
    pushed: u64,
    /// All up to this one were taken into an append that ended, or one that is going on.
    taken: u64,
    /// All up to this one are committed, or lost.
    settled: u64,
    /// What is lost, in ascending order.
    lost: Vec<Lost>,
    /// All up to this one were told by a flush.
    told_to: u64,
    /// How many are in a call that returns once an append has ended.
    waiting: usize,
    /// Whether somebody is appending.
    leading: bool,
    /// How often an append failed; who waits is told when this rises.
    failures: u64,
    failure: Option<Arc<AppendError>>,
    /// Whether the failure is one after which nothing can go on.
    broken: bool,
    closing: bool,
    /// When the oldest record of `batch` was pushed.
    oldest: Option<Instant>,
}

/// Records of one or several appends that failed.
#[derive(Debug)]
struct Lost {
    first: u64,
    last: u64,
    error: Arc<AppendError>,
}

impl<V: Vfs> BufferedProducer<V> {
    /// Collects for this producer.
    #[must_use]
    pub fn new(producer: Producer<V>, options: BufferOptions) -> Self {
        let vfs = producer.vfs().clone();
        let shared = Arc::new(Shared {
            owner: vfs.pid(),
            vfs,
            options,
            buffer: Mutex::default(),
            changed: Condvar::new(),
            producer: Mutex::new(Some(producer)),
        });
        let lingerer = options.linger.map(|linger| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.linger(linger))
        });
        Self { shared, lingerer }
    }

    /// Puts a record into the buffer; appends what is there if it is full.
    ///
    /// # Errors
    /// What is wrong with the record; or, if the buffer had to be appended first, why that failed.
    /// The record is not in the buffer then.
    pub fn push(&self, record: &NewRecord<'_>) -> Result<Ticket, BufferError> {
        let mut buffer = self.shared.enter()?;
        while buffer.batch.bytes() >= self.shared.options.batch_bytes || buffer.broken {
            let failures = buffer.failures;
            buffer = self.shared.settle(buffer, Progress::Taken)?;
            if buffer.failures > failures {
                return Err(buffer.told());
            }
        }
        buffer.batch.push(record)?;
        buffer.pushed += 1;
        if buffer.oldest.is_none() {
            buffer.oldest = self.shared.options.linger.map(|_| Instant::now());
            if buffer.oldest.is_some() {
                self.shared.changed.notify_all();
            }
        }
        Ok(Ticket(buffer.pushed))
    }

    /// Returns once the record is committed, and durable if the producer is.
    ///
    /// # Errors
    /// Why it was not appended, or may not have been; see [`AppendError`].
    pub fn wait(&self, ticket: Ticket) -> Result<(), BufferError> {
        let buffer = self.shared.settle_up_to(ticket)?;
        buffer.outcome(ticket.0, ticket.0)
    }

    /// Appends a record, together with what other threads append at the same time.
    ///
    /// # Errors
    /// See [`BufferedProducer::push`] and [`BufferedProducer::wait`].
    pub fn append(&self, record: &NewRecord<'_>) -> Result<(), BufferError> {
        let ticket = self.push(record)?;
        self.wait(ticket)
    }

    /// Returns once everything that was pushed before is committed, and durable if the
    /// producer is.
    ///
    /// # Errors
    /// Why something that was pushed since the last flush was not appended, or may not have been.
    pub fn flush(&self) -> Result<(), BufferError> {
        let pushed = Ticket(self.shared.enter()?.pushed);
        let mut buffer = self.shared.settle_up_to(pushed)?;
        let first = buffer.told_to + 1;
        buffer.told_to = buffer.told_to.max(pushed.0);
        buffer.outcome(first, pushed.0)
    }

    /// Flushes, and gives the producer back.
    ///
    /// # Errors
    /// Why something could not be appended. The producer is closed then, and what was not
    /// appended is lost.
    pub fn close(mut self) -> Result<Producer<V>, BufferError> {
        self.flush()?;
        self.stop();
        let mut producer = self.shared.producer.lock().unwrap_or_else(PoisonError::into_inner);
        producer.take().ok_or(BufferError::Closed)
    }

    fn stop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(lingerer) = self.lingerer.take() {
            let _ = lingerer.join();
        }
    }
}

impl<V: Vfs> Drop for BufferedProducer<V> {
    /// Appends what is left, if it can; use [`BufferedProducer::close`] to be told. In a forked
    /// child, where the lingering thread does not exist, it only closes.
    fn drop(&mut self) {
        if self.shared.check_owner().is_err() {
            std::mem::forget(self.lingerer.take());
            return;
        }
        let _ = self.flush();
        self.stop();
    }
}

impl<V: Vfs> std::fmt::Debug for BufferedProducer<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BufferedProducer").field("buffer", &self.shared.buffer).finish()
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Room in the buffer.
    Taken,
    /// The end of an append.
    Settled,
}

impl<V: Vfs> Shared<V> {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to be used in a forked child (L-3).
    fn check_owner(&self) -> Result<(), BufferError> {
        if self.vfs.pid() == self.owner {
            return Ok(());
        }
        let forked = Failure::Forked { owner: self.owner };
        Err(BufferError::Append(Arc::new(forked.into())))
    }

    /// The buffer, for a caller. In a forked child it may be locked for ever, by a thread that is
    /// not there.
    fn enter(&self) -> Result<MutexGuard<'_, Buffer>, BufferError> {
        match self.buffer.try_lock() {
            Ok(buffer) => Ok(buffer),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                self.check_owner()?;
                Ok(self.lock())
            }
        }
    }

    /// Returns once all up to the ticket are committed or lost.
    fn settle_up_to(&self, ticket: Ticket) -> Result<MutexGuard<'_, Buffer>, BufferError> {
        let mut buffer = self.enter()?;
        while buffer.settled < ticket.0 {
            buffer = self.settle(buffer, Progress::Settled)?;
        }
        Ok(buffer)
    }

    /// Comes one step closer to what is waited for: appends what is there, or waits for who
    /// does.
    fn settle<'b>(
        &'b self,
        mut buffer: MutexGuard<'b, Buffer>,
        progress: Progress,
    ) -> Result<MutexGuard<'b, Buffer>, BufferError> {
        if buffer.broken {
            return Err(buffer.told());
        }
        self.check_owner()?;
        buffer.waiting += 1;
        if buffer.leading {
            let (taken, settled) = (buffer.taken, buffer.settled);
            let waits = |buffer: &mut Buffer| {
                buffer.leading
                    && buffer.settled == settled
                    && (progress == Progress::Settled || buffer.taken == taken)
            };
            let woken = self.changed.wait_while(buffer, waits);
            buffer = woken.unwrap_or_else(PoisonError::into_inner);
        } else {
            buffer = self.lead(buffer);
        }
        buffer.waiting -= 1;
        if buffer.broken { Err(buffer.told()) } else { Ok(buffer) }
    }

    /// Appends all that is in the buffer, for everybody.
    fn lead<'b>(&'b self, mut buffer: MutexGuard<'b, Buffer>) -> MutexGuard<'b, Buffer> {
        buffer.leading = true;
        buffer = self.gather(buffer);
        let (mut batch, upto) = match buffer.left_over.take() {
            Some(batch) => (batch, buffer.taken),
            None => {
                let spare = std::mem::take(&mut buffer.spare);
                buffer.taken = buffer.pushed;
                buffer.oldest = None;
                (std::mem::replace(&mut buffer.batch, spare), buffer.pushed)
            }
        };
        drop(buffer);
        self.changed.notify_all(); // There is room again.
        let appended = {
            let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
            match producer.as_mut() {
                Some(producer) if !batch.is_empty() => producer.append_batch(&mut batch),
                _ => return self.settled(upto, batch),
            }
        };
        match appended {
            Ok(_) => self.settled(upto, batch),
            Err(error) => self.failed(upto, error, batch),
        }
    }

    /// Lets threads that are about to push do so, as long as there are some: each that is not
    /// in time needs another append.
    fn gather<'b>(&'b self, mut buffer: MutexGuard<'b, Buffer>) -> MutexGuard<'b, Buffer> {
        for _ in 0..MOST_YIELDS {
            let pushed = buffer.pushed;
            drop(buffer);
            std::thread::yield_now();
            buffer = self.lock();
            if buffer.pushed == pushed {
                break;
            }
        }
        buffer
    }

    fn settled(&self, upto: u64, mut batch: Batch) -> MutexGuard<'_, Buffer> {
        batch.clear();
        let mut buffer = self.lock();
        buffer.spare = batch;
        buffer.settled = upto;
        buffer.leading = false;
        self.changed.notify_all();
        buffer
    }

    fn failed(&self, upto: u64, error: AppendError, mut batch: Batch) -> MutexGuard<'_, Buffer> {
        let error = Arc::new(error);
        let mut buffer = self.lock();
        buffer.broken =
            matches!(*error, AppendError::NotDurable { .. } | AppendError::Unknown { .. });
        if !buffer.broken && buffer.waiting > 0 {
            // Who waits is told that it is lost: so it must never be appended.
            batch.clear();
            buffer.spare = batch;
            buffer.lose(upto, &error);
        } else if !buffer.broken {
            buffer.left_over = Some(batch);
        }
        buffer.failure = Some(error);
        buffer.failures += 1;
        buffer.leading = false;
        self.changed.notify_all();
        buffer
    }

    /// Appends what nobody waits for.
    fn linger(&self, linger: Duration) {
        let mut buffer = self.lock();
        while !buffer.closing && !buffer.broken {
            let left = match buffer.oldest {
                Some(oldest) => linger.saturating_sub(oldest.elapsed()),
                None => Duration::MAX,
            };
            if left.is_zero() && !buffer.leading {
                // Who waits or pushes is told what goes wrong; try again after a while.
                let failures = buffer.failures;
                buffer = self.lead(buffer);
                if buffer.failures > failures {
                    buffer.oldest = Some(Instant::now());
                }
                continue;
            }
            let left = left.max(Duration::from_micros(100)).min(Duration::from_secs(3600));
            let woken = self.changed.wait_timeout(buffer, left);
            buffer = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Buffer {
    /// Takes note that all up to `upto` that was not settled yet is lost.
    fn lose(&mut self, upto: u64, error: &Arc<AppendError>) {
        let first = self.settled + 1;
        self.settled = upto;
        match self.lost.last_mut() {
            Some(lost) if lost.last + 1 == first => lost.last = upto,
            _ => self.lost.push(Lost { first, last: upto, error: Arc::clone(error) }),
        }
        self.broken |= self.lost.len() > MOST_LOSSES;
    }

    /// Whether all records from one to another one, which are settled, were committed.
    fn outcome(&self, first: u64, last: u64) -> Result<(), BufferError> {
        let behind = self.lost.partition_point(|lost| lost.last < first);
        match self.lost.get(behind) {
            Some(lost) if lost.first <= last => Err(BufferError::Append(Arc::clone(&lost.error))),
            _ => Ok(()),
        }
    }

    fn told(&self) -> BufferError {
        self.failure.clone().map_or(BufferError::Closed, BufferError::Append)
    }
}
