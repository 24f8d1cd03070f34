//! Many threads, or one in a hurry, append through one producer: records are collected, and
//! whoever waits for them appends them all as one block (A-15), syncs once for all of them, and
//! leaves the writer's lock to others meanwhile (A-11).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::error::{AppendError, BufferError};
use crate::os::OsVfs;
use crate::producer::Producer;
use crate::record::NewRecord;
use crate::vfs::Vfs;

/// How often whoever appends lets others push first.
const MOST_YIELDS: u32 = 16;

/// How a [`BufferedProducer`] collects.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Collects records of any number of threads and appends them together.
///
/// [`push`](Self::push) only puts a record into memory: what is not committed yet dies with the
/// process. [`wait`](Self::wait) and [`flush`](Self::flush) return once it is committed, and on
/// disk if the producer is durable; [`append`](Self::append) is both. Eight threads that append
/// durably so share one sync among eight records.
///
/// An append that failed without appending is tried again by the next one who waits. After one
/// whose outcome is unknown, or that is perhaps not durable, everything fails with that
/// error, until the producer is taken back by [`close`](Self::close).
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
    /// What an append that failed left over: it goes first.
    left_over: Option<Batch>,
    /// An emptied batch, so that its memory is used again.
    spare: Batch,
    pushed: u64,
    /// All up to this one were taken into an append that ended, or one that is going on.
    taken: u64,
    settled: u64,
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

impl<V: Vfs> BufferedProducer<V> {
    /// Collects for this producer.
    #[must_use]
    pub fn new(producer: Producer<V>, options: BufferOptions) -> Self {
        let shared = Arc::new(Shared {
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
        let mut buffer = self.shared.lock();
        while buffer.batch.bytes() >= self.shared.options.batch_bytes || buffer.broken {
            buffer = self.shared.settle(buffer, Progress::Taken)?;
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
    /// Why it could not be appended, or may not have been; see [`AppendError`].
    pub fn wait(&self, ticket: Ticket) -> Result<(), BufferError> {
        let mut buffer = self.shared.lock();
        while buffer.settled < ticket.0 {
            buffer = self.shared.settle(buffer, Progress::Settled)?;
        }
        Ok(())
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
    /// See [`BufferedProducer::wait`].
    pub fn flush(&self) -> Result<(), BufferError> {
        let pushed = self.shared.lock().pushed;
        self.wait(Ticket(pushed))
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
    /// Appends what is left, if it can; use [`BufferedProducer::close`] to be told.
    fn drop(&mut self) {
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
        let failures = buffer.failures;
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
        if buffer.failures > failures { Err(buffer.told()) } else { Ok(buffer) }
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
            Err(error) => self.failed(error, batch),
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

    fn failed(&self, error: AppendError, batch: Batch) -> MutexGuard<'_, Buffer> {
        let mut buffer = self.lock();
        buffer.broken =
            matches!(error, AppendError::NotDurable { .. } | AppendError::Unknown { .. });
        if !buffer.broken {
            buffer.left_over = Some(batch);
        }
        buffer.failure = Some(Arc::new(error));
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
    fn told(&self) -> BufferError {
        self.failure.clone().map_or(BufferError::Closed, BufferError::Append)
    }
}
