//! Named consumers: their position is kept in the stream, so that a restart goes on where
//! the last run was (protocol.md, C-2, C-3, C-8 and C-9).

mod error;
mod options;

use std::sync::Arc;
use std::time::Duration;

pub use self::error::NamedError;
pub use self::options::{AutoCommit, IfLost, NamedOptions};
use crate::consumer::{BlockRecords, Consumer, Start};
use crate::engine::dir::{CONSUMERS, Directory, owner_lock_name};
use crate::engine::hint::Hint;
use crate::engine::lock_file::LockFile;
use crate::engine::os::OsVfs;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, Vfs};
use crate::error::{AppendError, Failure, ReadError};
use crate::format::record::Record;
use crate::format::state::Position;
use crate::format::token::Token;
use crate::producer::{PositionChange, Positioned, Producer, Transaction, is_appended};

/// Where a named consumer began to read, and why there.
///
/// ```
/// use puro::{NamedOptions, NewRecord, Producer, Started};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?.append(&NewRecord::new("orders", "3 apples"))?;
/// let mut first = NamedOptions::new().open(dir.path(), "billing")?;
/// assert_eq!(first.started(), Started::WithoutPosition { ran_before: false });
/// first.try_next()?;
/// first.close()?;
/// let second = NamedOptions::new().open(dir.path(), "billing")?;
/// assert_eq!(second.started(), Started::Stored);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Started {
    /// Where the last run under the name was.
    Stored,
    /// Where the options say, whatever was stored ([`NamedOptions::ignore_stored`]).
    Asked,
    /// Where the options say, for the name has no position.
    WithoutPosition {
        /// Somebody has run under it before. So its position was never committed, or deleted, or
        /// it was forgotten since nobody renewed it for expiry_ms (C-5).
        ran_before: bool,
    },
    /// Where [`NamedOptions::if_lost`] says, for what it was to read next was deleted (C-9).
    Lost {
        /// What it was to read next.
        offset: u64,
        /// How many offsets it missed.
        missed: u64,
    },
}

/// The lock of a name: held while the consumer runs (L-1).
#[derive(Debug)]
pub(crate) struct OwnerLock<V: Vfs> {
    _lock: Arc<LockFile<V>>,
}

impl<V: Vfs> OwnerLock<V> {
    pub fn take(dir: &Directory<V>, name: &str, wait: LockWait) -> Result<Self, NamedError> {
        let locks = dir.make_subdirectory(CONSUMERS, true).map_err(Failure::from)?;
        let lock_name = owner_lock_name(name);
        let taken = LockFile::open_and_take(dir, &locks, &lock_name, wait)?;
        let Some(lock) = taken else {
            let path = locks.path.join(lock_name);
            return Err(NamedError::Busy { name: name.to_owned(), path });
        };
        dir.vfs.trace(&Action::new(Operator::LockName).label(name));
        Hint::of_this_process(&dir.vfs).leave(lock.file());
        Ok(Self { _lock: lock })
    }
}

/// A consumer with a name and a position in the stream. One process at a time may run
/// under a name; when it dies, the next takes over at once.
///
/// Each record is delivered at least once: again after a death, if its position was not
/// committed by then. For exactly once, within the stream, see
/// [`Transaction::with_position`].
///
/// It commits by itself as [`NamedOptions::auto_commit`] says, when it is asked for records or
/// waits for them, and never from a thread of its own. When it is dropped it tries once more,
/// without waiting for other writers. The record delivered last does not count as done then, for
/// nobody has asked for the next. [`NamedConsumer::close`] commits that one too, and tells
/// whether it could.
///
/// ```
/// use puro::{NamedOptions, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// producer.append(&NewRecord::new("orders", "1 pear"))?;
/// let mut billing = NamedOptions::new().open(dir.path(), "billing")?;
/// billing.try_next()?;
/// billing.close()?; // The first is done.
/// let mut billing = NamedOptions::new().open(dir.path(), "billing")?;
/// assert_eq!(billing.try_next()?.map(|record| record.offset), Some(1));
/// # Ok(())
/// # }
/// ```
pub struct NamedConsumer<V: Vfs = OsVfs> {
    consumer: Consumer<V>,
    committer: Producer<V>,
    /// Held as long as the consumer lives.
    #[expect(dead_code, reason = "what counts is that it is held")]
    lock: OwnerLock<V>,
    name: String,
    /// The position as last read or written.
    stored: Option<Position>,
    started: Started,
    if_lost: IfLost,
    missed_offsets: u64,
    auto_commit: AutoCommit,
    passing_interval: Duration,
    /// Records delivered since the last commit.
    delivered: u64,
    /// Where it began to read.
    began: u64,
    /// Before the record delivered last: all until there is done.
    done: Option<Token>,
    /// When it last committed, or saw that there was nothing to commit.
    last_commit: Duration,
    /// When it last tried to commit and somebody else held the lock.
    put_off: Option<Duration>,
    vfs: V,
}

/// How long a commit that was put off is not tried again while it waits for records.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a commit waits for other writers while it waits for records anyway.
const LOCK_PATIENCE: Duration = Duration::from_millis(20);
/// How long records that are done stay uncommitted while it waits, where it counts records.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

impl<V: Vfs> std::fmt::Debug for NamedConsumer<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, stored, .. } = self;
        f.debug_struct("NamedConsumer")
            .field("name", name)
            .field("stored", stored)
            .finish_non_exhaustive()
    }
}

impl<V: Vfs> NamedConsumer<V> {
    /// The next record, if there is one now.
    ///
    /// # Errors
    /// See [`NamedError`]. Asked again, it tries again, but for what lasts (see
    /// [`Consumer::try_next`]).
    pub fn try_next(&mut self) -> Result<Option<Record<'_>>, NamedError> {
        self.poll(Duration::ZERO)
    }

    /// The next record, waiting for it up to `timeout`. Asking for it says that all before
    /// it are done. The limit holds though other writers keep `writer.lock`: a commit that is due
    /// is put off then.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record<'_>>, NamedError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        self.delivered += 1;
        Ok(self.consumer.try_next()?)
    }

    /// The records that are left of a block, as [`Consumer::next_block`] gives them. To ask for the
    /// next block, or record, says that all of this one are done.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn next_block(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<BlockRecords<'_, V>>, NamedError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        self.delivered += self.consumer.left_of_block();
        Ok(self.consumer.next_block(Duration::ZERO)?)
    }

    /// Waits until there is a record to be read; `false` when the time was over first. Commits
    /// what is due meanwhile, as [`NamedConsumer::poll`] does.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, NamedError> {
        self.done = self.consumer.token();
        if self.is_due() {
            self.commit_if_free(LockWait::Try)?;
        }
        let begun = self.vfs.monotonic();
        let left = |vfs: &V| timeout.saturating_sub(vfs.monotonic().saturating_sub(begun));
        loop {
            let found = self.wait_once(left(&self.vfs).min(self.until_due()))?;
            self.done = self.consumer.token();
            if found {
                return Ok(true);
            }
            let left = left(&self.vfs);
            let rests = self.auto_commit != AutoCommit::Never && left.is_zero();
            if self.is_due() || self.has_passed_by() || (self.delivered > 0 && rests) {
                self.commit_if_free(LockWait::AtMost(left.min(LOCK_PATIENCE)))?;
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }

    fn wait_once(&mut self, timeout: Duration) -> Result<bool, NamedError> {
        match self.consumer.wait(timeout) {
            Err(error @ ReadError::OffsetOutOfRange { .. }) => {
                self.go_on_after(error)?;
                Ok(self.consumer.wait(Duration::ZERO)?)
            }
            found => Ok(found?),
        }
    }

    /// Goes on as the options say where the place it was at is lost (C-9); tells how many offsets
    /// it missed.
    fn go_on_after(&mut self, error: ReadError) -> Result<u64, NamedError> {
        let ReadError::OffsetOutOfRange { offset, low, high } = error else {
            return Err(error.into());
        };
        let (start, to) = match self.if_lost {
            IfLost::Fail => {
                let name = self.name.clone();
                return Err(NamedError::Lost { name, offset, low, high });
            }
            // Its next segment may be there, though the one before was taken from it (V-8).
            IfLost::Beginning if offset > low => (Start::Offset(offset), offset),
            IfLost::Beginning => (Start::Beginning, low),
            IfLost::End => (Start::End, high),
        };
        self.consumer.begin_anew(start)?;
        let at = self.consumer.token();
        let missed = at.map_or(to, |token| token.offset).saturating_sub(offset);
        self.missed_offsets += missed;
        self.done = at;
        // Whoever takes over is not to be told again, nor to be sent elsewhere.
        let (name, before) = (self.name.clone(), self.stored);
        let change = PositionChange { name, before, after: at, by_hand: true };
        self.change_if_free(change, LockWait::Try)?;
        Ok(missed)
    }

    fn since_commit(&self) -> Duration {
        self.vfs.monotonic().saturating_sub(self.last_commit)
    }

    /// Whether records that are done are to be committed.
    fn is_due(&self) -> bool {
        match self.auto_commit {
            _ if self.delivered == 0 => false,
            AutoCommit::Never => false,
            AutoCommit::Records(count) => self.delivered >= count,
            AutoCommit::Interval(interval) => self.since_commit() >= interval,
        }
    }

    /// Whether it is time to commit what was passed by, if there is anything (C-8).
    fn has_passed_by(&self) -> bool {
        self.auto_commit != AutoCommit::Never && self.since_commit() >= self.passing_interval
    }

    /// How long until something may be due.
    fn until_due(&self) -> Duration {
        let interval = match self.auto_commit {
            AutoCommit::Never => return Duration::MAX,
            _ if self.delivered == 0 => self.passing_interval,
            AutoCommit::Interval(interval) => interval,
            AutoCommit::Records(_) => IDLE_INTERVAL,
        };
        let left = interval.saturating_sub(self.since_commit());
        let since = |time: Duration| self.vfs.monotonic().saturating_sub(time);
        let retry = self.put_off.map(|time| RETRY_INTERVAL.saturating_sub(since(time)));
        left.max(retry.unwrap_or_default()).max(Duration::from_millis(1))
    }

    /// Commits what is done, unless that takes longer than `wait`: then it is put off.
    fn commit_if_free(&mut self, wait: LockWait) -> Result<(), NamedError> {
        match self.progress() {
            Some(change) => self.change_if_free(change, wait),
            None => {
                self.committed(self.stored);
                Ok(())
            }
        }
    }

    fn change_if_free(&mut self, change: PositionChange, wait: LockWait) -> Result<(), NamedError> {
        let (delivered, last_commit) = (self.delivered, self.last_commit);
        let usual = self.committer.set_lock_wait(wait);
        let done = self.commit_change(change);
        self.committer.set_lock_wait(usual);
        match done {
            Err(NamedError::Commit(AppendError::NotAppended(Failure::LockTimeout { .. }))) => {
                (self.delivered, self.last_commit) = (delivered, last_commit);
                self.put_off = Some(self.vfs.monotonic());
                Ok(())
            }
            done => done,
        }
    }

    /// What a commit of all that is done would change; `None` where nothing was read or passed by
    /// since the last one. Control records take no offset, so commits of others are none (C-8).
    fn progress(&self) -> Option<PositionChange> {
        let after = self.done?;
        let before = self.stored;
        let stands_at = before.map_or(self.began, |stored| stored.offset);
        let name = || self.name.clone();
        (stands_at != after.offset).then(|| PositionChange {
            name: name(),
            before,
            after: Some(after),
            by_hand: false,
        })
    }

    /// Commits the position behind the last record delivered. Does nothing without
    /// progress. Tells whether it did.
    ///
    /// # Errors
    /// `Commit(PositionChanged)` if somebody else changed the position.
    pub fn commit(&mut self) -> Result<bool, NamedError> {
        self.done = self.consumer.token();
        let Some(change) = self.change() else {
            self.committed(self.stored);
            return Ok(false);
        };
        self.commit_change(change)?;
        Ok(true)
    }

    /// Commits the position before the record delivered last, which is delivered again the next
    /// time: for whoever took one more than was wanted. Does nothing without progress. Tells whether
    /// it did.
    ///
    /// # Errors
    /// As [`NamedConsumer::commit`].
    pub fn commit_but_last(&mut self) -> Result<bool, NamedError> {
        let Some(change) = self.progress() else { return Ok(false) };
        self.commit_change(change)?;
        Ok(true)
    }

    fn commit_change(&mut self, change: PositionChange) -> Result<(), NamedError> {
        // One that fails is not tried again at once.
        self.delivered = 0;
        self.last_commit = self.vfs.monotonic();
        self.vfs.trace(&Action::new(Operator::WantCommit).label(&self.name));
        let done = self.committer.commit_position(&change);
        if is_appended(&done) {
            self.committed(self.committer.position(&self.name));
        }
        done?;
        Ok(())
    }

    /// Commits the position behind the last record delivered, and ends.
    ///
    /// # Errors
    /// As [`NamedConsumer::commit`].
    pub fn close(mut self) -> Result<(), NamedError> {
        self.commit()?;
        Ok(())
    }

    /// Sees to it that the next commit will find room on the disk. To be called before work that
    /// should not be done, and done again, while the disk is full. Others may take the room all
    /// the same.
    ///
    /// # Errors
    /// `Commit(NotAppended(NoSpace))` where there is no room.
    pub fn make_room(&mut self) -> Result<(), NamedError> {
        let made = self.committer.make_room_for_position();
        Ok(made.map_err(AppendError::NotAppended)?)
    }

    /// What a commit of this place would change; `None` where it is the one that is stored.
    fn progress_to(&self, after: Token) -> Option<PositionChange> {
        if self.stored.is_some_and(|stored| stored.offset == after.offset) {
            return None;
        }
        let (name, before) = (self.name.clone(), self.stored);
        Some(PositionChange { name, before, after: Some(after), by_hand: false })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The position as last committed.
    #[must_use]
    pub fn stored(&self) -> Option<Position> {
        self.stored
    }

    /// Where it began to read, and why there: whether its position was found, never was one, or
    /// was lost.
    #[must_use]
    pub fn started(&self) -> Started {
        self.started
    }

    /// How many offsets it has passed over, since it was opened, because they were deleted before
    /// it read them ([`NamedOptions::if_lost`]).
    #[must_use]
    pub fn missed_offsets(&self) -> u64 {
        self.missed_offsets
    }

    /// The position behind the last record delivered.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.consumer.token()
    }

    /// The consumer within, to ask for more than the next record.
    pub fn consumer_mut(&mut self) -> &mut Consumer<V> {
        &mut self.consumer
    }
}

impl<V: Vfs> Drop for NamedConsumer<V> {
    fn drop(&mut self) {
        // In a forked child this is refused (L-3). Whatever fails here, the next run reads again
        // what was not committed.
        if self.auto_commit != AutoCommit::Never {
            let _ = self.commit_if_free(LockWait::Try);
        }
    }
}

impl<V: Vfs> Positioned for NamedConsumer<V> {
    fn change(&self) -> Option<PositionChange> {
        self.progress_to(self.consumer.token()?)
    }

    fn committed(&mut self, stored: Option<Position>) {
        self.stored = stored;
        self.delivered = 0;
        self.put_off = None;
        self.last_commit = self.vfs.monotonic();
    }
}

impl<'a, V: Vfs> Transaction<'a, V> {
    /// Commits the position of a named consumer, behind the last record delivered, with the
    /// records, in one block: both or neither (C-3). So what is made from the records of a stream
    /// is in the stream exactly once, whenever the process dies.
    ///
    /// The batch may be empty then: the position alone moves, for records of which nothing was
    /// made. Where it does not move either, only the conditions are looked at.
    ///
    /// `PositionChanged` if somebody else committed that position.
    ///
    /// ```
    /// use puro::{AutoCommit, Batch, NewRecord, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let dir = scratch.path().join("events");
    /// let stream = Stream::open_or_create(&dir)?;
    /// let mut producer = stream.producer()?;
    /// producer.append(&NewRecord::new("orders", "3 apples"))?;
    /// let by_hand = |options: puro::NamedOptions| options.auto_commit(AutoCommit::Never);
    /// let mut orders = stream.named_with("invoicing", by_hand)?;
    /// orders.try_next()?;
    /// // Nothing is to be invoiced; that it was looked at is kept all the same.
    /// producer.transaction(&mut Batch::new()).with_position(&mut orders).commit()?;
    /// assert_eq!(orders.stored().map(|position| position.offset), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_position(self, consumer: &'a mut NamedConsumer<V>) -> Self {
        self.positioned(consumer)
    }
}
