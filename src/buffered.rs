//! Many threads, or one in a hurry, append through one producer: records are collected, and
//! whoever waits for them appends them all as one block (A-15), syncs once for all of them, and
//! leaves the writer's lock to others meanwhile (A-11).

mod buffer;

use std::sync::Arc;
use std::time::Duration;

use self::buffer::Buffer;
use crate::engine::os::OsVfs;
use crate::engine::vfs::{Join, Monitor, Vfs};
use crate::error::{AppendError, BufferError, Failure};
use crate::format::record::NewRecord;
use crate::producer::Producer;

/// How often whoever appends lets others push first.
const MOST_YIELDS: u32 = 16;

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
    lingerer: Option<Join>,
}

struct Shared<V: Vfs> {
    vfs: V,
    /// The process that made it (L-3).
    owner: u32,
    options: BufferOptions,
    /// All who wait are woken when something was committed, went wrong, made room, or is to be
    /// looked at by the lingering thread.
    buffer: V::Monitor<Buffer<V>>,
}

/// The buffer, while a thread has it.
type Held<'b, V> = <<V as Vfs>::Monitor<Buffer<V>> as Monitor<Buffer<V>>>::Held<'b>;

impl<V: Vfs> BufferedProducer<V> {
    /// Collects for this producer. Where a thread is needed ([`BufferOptions::linger`]) and the
    /// system starts none, every push fails with its error.
    #[must_use]
    pub fn new(producer: Producer<V>, options: BufferOptions) -> Self {
        let vfs = producer.vfs().clone();
        let buffer = vfs.monitor(Buffer::new(producer));
        let shared = Arc::new(Shared { owner: vfs.pid(), vfs, options, buffer });
        let lingerer = options.linger.and_then(|linger| {
            let lingering = Arc::clone(&shared);
            let started = shared.vfs.spawn(Box::new(move || lingering.linger(linger)));
            started.map_err(|error| shared.buffer.enter().cannot_linger(error)).ok()
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
            buffer.oldest = self.shared.options.linger.map(|_| self.shared.vfs.monotonic());
            if buffer.oldest.is_some() {
                self.shared.buffer.wake_all();
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
        let producer = self.shared.buffer.enter().producer.take();
        producer.ok_or(BufferError::Closed)
    }

    fn stop(&mut self) {
        self.shared.buffer.enter().closing = true;
        self.shared.buffer.wake_all();
        if let Some(join) = self.lingerer.take() {
            join();
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
        let mut shown = f.debug_struct("BufferedProducer");
        if let Some(buffer) = self.shared.buffer.try_enter() {
            shown.field("pushed", &buffer.pushed).field("settled", &buffer.settled);
        }
        shown.finish_non_exhaustive()
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
    /// Refuses to be used in a forked child (L-3).
    fn check_owner(&self) -> Result<(), BufferError> {
        if self.vfs.pid() == self.owner {
            return Ok(());
        }
        let forked = Failure::Forked { owner: self.owner };
        Err(BufferError::Append(Arc::new(AppendError::NotAppended(forked))))
    }

    /// The buffer, for a caller. In a forked child it may be locked for ever, by a thread that is
    /// not there.
    fn enter(&self) -> Result<Held<'_, V>, BufferError> {
        match self.buffer.try_enter() {
            Some(buffer) => Ok(buffer),
            None => {
                self.check_owner()?;
                Ok(self.buffer.enter())
            }
        }
    }

    /// Returns once all up to the ticket are committed or lost.
    fn settle_up_to(&self, ticket: Ticket) -> Result<Held<'_, V>, BufferError> {
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
        mut buffer: Held<'b, V>,
        progress: Progress,
    ) -> Result<Held<'b, V>, BufferError> {
        if buffer.broken {
            return Err(buffer.told());
        }
        self.check_owner()?;
        buffer.waiting += 1;
        if buffer.leading {
            let (taken, settled) = (buffer.taken, buffer.settled);
            while buffer.leading
                && buffer.settled == settled
                && (progress == Progress::Settled || buffer.taken == taken)
            {
                buffer = self.buffer.wait(buffer, None);
            }
        } else {
            buffer = self.lead(buffer);
        }
        buffer.waiting -= 1;
        if buffer.broken { Err(buffer.told()) } else { Ok(buffer) }
    }

    /// Appends what comes next, for everybody.
    fn lead<'b>(&'b self, mut buffer: Held<'b, V>) -> Held<'b, V> {
        buffer.leading = true;
        buffer = self.gather(buffer);
        let (mut batch, upto) = buffer.take_next();
        let mut producer = buffer.producer.take();
        drop(buffer);
        self.buffer.wake_all(); // There is room again.
        let unwinding = Unwinding(self);
        let appended = match &mut producer {
            Some(producer) if !batch.is_empty() => producer.append_batch(&mut batch).map(drop),
            _ => Ok(()),
        };
        std::mem::forget(unwinding);
        let mut buffer = self.buffer.enter();
        buffer.producer = producer;
        match appended {
            Ok(()) => buffer.settle(upto, batch),
            Err(error) => buffer.fail(upto, error, batch),
        }
        buffer.leading = false;
        self.buffer.wake_all();
        buffer
    }

    /// Lets threads that are about to push do so, as long as there are some: each that is not
    /// in time needs another append.
    fn gather<'b>(&'b self, mut buffer: Held<'b, V>) -> Held<'b, V> {
        for _ in 0..MOST_YIELDS {
            let pushed = buffer.pushed;
            drop(buffer);
            self.vfs.yield_now();
            buffer = self.buffer.enter();
            if buffer.pushed == pushed {
                break;
            }
        }
        buffer
    }

    /// Appends what nobody waits for.
    fn linger(&self, linger: Duration) {
        let mut buffer = self.buffer.enter();
        while !buffer.closing && !buffer.broken {
            let now = self.vfs.monotonic();
            let left = |oldest| linger.saturating_sub(now.saturating_sub(oldest));
            let left = buffer.oldest.map(left);
            if left == Some(Duration::ZERO) && !buffer.leading {
                // Who waits or pushes is told what goes wrong; try again after a while.
                let failures = buffer.failures;
                buffer = self.lead(buffer);
                if buffer.failures > failures {
                    buffer.oldest = Some(self.vfs.monotonic());
                }
                continue;
            }
            // Whoever appends wakes all when it has done so.
            let timeout = left.filter(|_| !buffer.leading);
            buffer = self.buffer.wait(buffer, timeout);
        }
    }
}

/// Where an append panics, by a bug or by a system behind the seam, nobody leads any more: all others
/// are told that nothing goes on, rather than left to wait for ever. What was to be appended is lost.
struct Unwinding<'b, V: Vfs>(&'b Shared<V>);

impl<V: Vfs> Drop for Unwinding<'_, V> {
    fn drop(&mut self) {
        let mut buffer = self.0.buffer.enter();
        (buffer.leading, buffer.broken) = (false, true);
        drop(buffer);
        self.0.buffer.wake_all();
    }
}
