//! A producer that keeps `writer.lock` over many appends (A-17).

use std::time::Duration;

use crate::appended::Appended;
use crate::engine::os::OsVfs;
use crate::engine::vfs::Vfs;
use crate::engine::writer::WriterGuard;
use crate::error::AppendError;
use crate::format::record::NewRecord;
use crate::producer::Batch;
use crate::producer::Producer;

/// After so long it gives way, so that others get on too.
const LONGEST_HOLD: Duration = Duration::from_millis(50);
/// For so long it gives way: as long as who waits for the lock pauses between two tries.
const PAUSE: Duration = Duration::from_millis(2);
/// Appends between two looks at the clock.
const APPENDS_BETWEEN_LOOKS: u32 = 32;

/// A [`Producer`] that holds the writer's lock from one append to the next: each is committed
/// and visible when it returns, at a fraction of the cost, and all other producers wait.
///
/// It gives way by itself for a moment once it held the lock for 50 ms, and whenever
/// [`HeldProducer::give_way`] is called. The lock is given back when it is dropped.
///
/// It does so when it appends, for there is no thread that could do it otherwise. One that is kept
/// and does not append gives way to nobody: other producers wait, nobody can open one
/// ([`Producer::open`] looks under the lock), and neither can named consumers commit.
/// So drop it before you wait for anything; to hold it anew costs a look at the stream's end.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = puro::Producer::open(dir.path())?;
/// let mut held = producer.hold()?;
/// for number in 0..1000 {
///     held.append(&puro::NewRecord::new("numbers", &format!("{number}")))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HeldProducer<'p, V: Vfs = OsVfs> {
    producer: &'p mut Producer<V>,
    /// `None` once the lock could not be had again after giving way.
    guard: Option<WriterGuard<V>>,
    /// When the lock was taken.
    since: Duration,
    appends: u32,
}

impl<'p, V: Vfs> HeldProducer<'p, V> {
    pub(crate) fn new(producer: &'p mut Producer<V>, guard: WriterGuard<V>) -> HeldProducer<'p, V> {
        let since = producer.vfs().monotonic();
        Self { producer, guard: Some(guard), since, appends: 0 }
    }

    /// Appends one record; see [`Producer::append`].
    ///
    /// # Errors
    /// See [`AppendError`], whose variants say whether the record was appended.
    pub fn append(&mut self, record: &NewRecord<'_>) -> Result<Appended, AppendError> {
        let guard = self.take_guard()?;
        let appended = self.producer.append_held(&guard, record);
        self.put_back(guard, appended)
    }

    /// Appends a batch, all of it or nothing; see [`Producer::append_batch`].
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_batch(&mut self, batch: &mut Batch) -> Result<Appended, AppendError> {
        let guard = self.take_guard()?;
        let appended = self.producer.append_batch_held(&guard, batch);
        self.put_back(guard, appended)
    }

    /// Lets whoever waits for the lock have it first.
    ///
    /// # Errors
    /// `NotAppended` when the lock could not be had again in time. The next append tries again.
    pub fn give_way(&mut self) -> Result<(), AppendError> {
        drop(self.guard.take());
        self.producer.vfs().sleep(PAUSE);
        let guard = self.take_guard()?;
        self.guard = Some(guard);
        Ok(())
    }

    /// The lock, taken anew if it was given back.
    fn take_guard(&mut self) -> Result<WriterGuard<V>, AppendError> {
        if let Some(guard) = self.guard.take()
            && self.producer.still_alone(&guard)?
        {
            return Ok(guard);
        }
        let guard = self.producer.lock_and_look()?;
        self.since = self.producer.vfs().monotonic();
        Ok(guard)
    }

    /// Keeps the lock for the next append, unless it is time to let go.
    fn put_back(
        &mut self,
        guard: WriterGuard<V>,
        appended: Result<Appended, AppendError>,
    ) -> Result<Appended, AppendError> {
        // Whatever a failed one left behind is looked at afresh, under the lock taken anew.
        let appended = appended?;
        if self.producer.has_rolled() {
            // Tidying takes locks of its own, in an order that begins before this one (L-5).
            drop(guard);
            self.producer.tidy();
            return Ok(appended);
        }
        self.guard = Some(guard);
        self.appends = self.appends.wrapping_add(1);
        let vfs = self.producer.vfs();
        if self.appends.is_multiple_of(APPENDS_BETWEEN_LOOKS)
            && vfs.monotonic().saturating_sub(self.since) > LONGEST_HOLD
        {
            // Were the lock not to be had again, the next append would tell.
            let _ = self.give_way();
        }
        Ok(appended)
    }
}
