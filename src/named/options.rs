//! How a named consumer is opened: where it begins, and when it commits.

use std::path::Path;
use std::time::Duration;

use super::{NamedConsumer, NamedError, OwnerLock, Started};
use crate::consumer::{Consumer, ConsumerOptions, Start};
use crate::engine::dir::{Directory, open_owner_lock};
use crate::engine::os::OsVfs;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, Vfs};
use crate::error::{Failure, ReadError};
use crate::format::state::Position;
use crate::format::token::{StreamId, Token};
use crate::options::{Common, Writing, common_setters};
use crate::producer::{ProducerOptions, check_name};

/// When a named consumer commits its position by itself. It never does so without
/// progress, and only for records whose successor was asked for: a record counts as done
/// when the next one is wanted.
///
/// ```
/// use puro::{AutoCommit, NamedOptions, NewRecord, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?.append(&NewRecord::new("orders", "3 apples"))?;
/// let mut billing =
///     NamedOptions::new().auto_commit(AutoCommit::Never).open(dir.path(), "billing")?;
/// billing.try_next()?;
/// // The work is done here, and only then:
/// assert!(billing.commit()?);
/// assert_eq!(billing.stored().map(|position| position.offset), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCommit {
    /// Never: [`NamedConsumer::commit`] does it.
    Never,
    /// After so many records.
    Records(u64),
    /// When so much time has passed, at the next record.
    Interval(Duration),
}

/// What a named consumer does where the stream no longer holds the offset that it was to read
/// next, for retention was faster (C-9).
///
/// ```
/// use puro::{IfLost, NamedOptions, Producer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// // Prices of yesterday are of no use: the newest are enough.
/// let prices = NamedOptions::new().if_lost(IfLost::End).open(dir.path(), "prices")?;
/// assert_eq!(prices.missed_offsets(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfLost {
    /// It ends with [`NamedError::Lost`].
    #[default]
    Fail,
    /// It goes on at the lowest offset there is.
    Beginning,
    /// It goes on at the end.
    End,
}

/// How often a consumer that only passes by records of other topics commits that (C-8), where
/// nothing else is asked for. A commit takes some 200 bytes of the stream.
const PASSING_INTERVAL: Duration = Duration::from_secs(10);

/// How a named consumer is to be opened.
///
/// ```
/// use std::time::Duration;
/// use puro::{ConsumerOptions, LockWait, NamedOptions, Producer, Start};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// let billing = NamedOptions::new()
///     .consumer(ConsumerOptions::new().topic("orders").durable(true))
///     .start(Start::End) // the first time
///     .owner_wait(LockWait::AtMost(Duration::from_secs(10)))
///     .open(dir.path(), "billing")?;
/// assert_eq!(billing.name(), "billing");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NamedOptions {
    consumer: ConsumerOptions,
    start: Start,
    ignore_stored: bool,
    if_lost: IfLost,
    auto_commit: AutoCommit,
    passing_interval: Duration,
    owner_wait: LockWait,
    pub(crate) common: Common,
}

impl Default for NamedOptions {
    fn default() -> Self {
        Self {
            consumer: ConsumerOptions::new(),
            start: Start::Beginning,
            ignore_stored: false,
            if_lost: IfLost::Fail,
            auto_commit: AutoCommit::Interval(Duration::from_secs(1)),
            passing_interval: PASSING_INTERVAL,
            owner_wait: LockWait::Try,
            common: Common::default(),
        }
    }
}

impl NamedOptions {
    /// The defaults: goes on where the last run was, the first time from the beginning;
    /// fails where that place was deleted; commits about every second; is refused while another
    /// process runs under the name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to begin when the name has no position yet.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Whether to begin there even if the name has a position.
    #[must_use]
    pub fn ignore_stored(mut self, ignore: bool) -> Self {
        self.ignore_stored = ignore;
        self
    }

    /// What to do where the records behind its position were deleted before it read them (C-9):
    /// at the start, and later, too. [`NamedConsumer::missed_offsets`] tells how many they were.
    #[must_use]
    pub fn if_lost(mut self, if_lost: IfLost) -> Self {
        self.if_lost = if_lost;
        self
    }

    /// When to commit.
    #[must_use]
    pub fn auto_commit(mut self, auto_commit: AutoCommit) -> Self {
        self.auto_commit = auto_commit;
        self
    }

    /// How often at most to commit that records of other topics were passed by (C-8); 10 s if not
    /// given. Not with [`AutoCommit::Never`].
    #[must_use]
    pub fn passing_interval(mut self, interval: Duration) -> Self {
        self.passing_interval = interval;
        self
    }

    /// How long to wait for another process that runs under the name.
    #[must_use]
    pub fn owner_wait(mut self, wait: LockWait) -> Self {
        self.owner_wait = wait;
        self
    }

    /// Everything else: topics, durable reading, intervals. Where it begins, how long it waits for
    /// locks, and where it may work is said here, and not there.
    #[must_use]
    pub fn consumer(mut self, consumer: ConsumerOptions) -> Self {
        self.consumer = consumer;
        self
    }

    common_setters!();

    /// Opens it on real files.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn open(&self, dir: impl AsRef<Path>, name: &str) -> Result<NamedConsumer, NamedError> {
        self.open_in(OsVfs::new(), dir, name)
    }

    /// Opens it in any world.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn open_in<V: Vfs>(
        &self,
        vfs: V,
        dir: impl AsRef<Path>,
        name: &str,
    ) -> Result<NamedConsumer<V>, NamedError> {
        self.open_at(Directory::new(vfs, dir.as_ref()), name)
    }

    /// The same in a directory that may be open already.
    pub(crate) fn open_at<V: Vfs>(
        &self,
        dir: Directory<V>,
        name: &str,
    ) -> Result<NamedConsumer<V>, NamedError> {
        check_name(name)?;
        if dir.segments()?.is_none() {
            return Err(Failure::NotAStream { dir: dir.path }.into());
        }
        let ran_before = has_run(&dir, name)?;
        let lock = OwnerLock::take(&dir, name, self.owner_wait)?;
        let options = ProducerOptions::of(Writing::default(), self.common);
        let committer = options.open_at(dir.clone())?;
        let stored = committer.position(name);
        let entry = Action::new(Operator::ReadEntry).label(name);
        dir.vfs.trace(&entry.value(stored.map_or(0, |position| position.offset)));
        let (start, started) = match stored {
            Some(position) if !self.ignore_stored => {
                (Start::Token(position_token(committer.stream_id(), &position)), Started::Stored)
            }
            _ if self.ignore_stored => (self.start, Started::Asked),
            _ => (self.start, Started::WithoutPosition { ran_before }),
        };
        let opened = self.open_consumer(&dir, start);
        let (consumer, error) = match opened {
            Ok(consumer) => (consumer, None),
            Err(ReadError::OffsetOutOfRange { offset, low, high })
                if started == Started::Stored && self.if_lost == IfLost::Fail =>
            {
                return Err(NamedError::Lost { name: name.to_owned(), offset, low, high });
            }
            // It begins somewhere, and is moved to where it is to be.
            Err(error @ ReadError::OffsetOutOfRange { .. }) if started == Started::Stored => {
                (self.open_consumer(&dir, Start::Beginning)?, Some(error))
            }
            Err(error) => return Err(error.into()),
        };
        // Nothing is done, and so nothing to be committed, while that is to be found out.
        let done = consumer.token().filter(|_| error.is_none());
        let mut named = NamedConsumer {
            consumer,
            committer,
            lock,
            name: name.to_owned(),
            stored,
            started,
            if_lost: self.if_lost,
            missed_offsets: 0,
            auto_commit: self.auto_commit,
            passing_interval: self.passing_interval,
            delivered: 0,
            began: done.map_or(0, |token| token.offset),
            done,
            last_commit: dir.vfs.monotonic(),
            put_off: None,
            vfs: dir.vfs,
        };
        if let Some(error) = error {
            let offset = stored.map_or(0, |position| position.offset);
            let missed = named.go_on_after(error)?;
            named.started = Started::Lost { offset, missed };
        } else if start != Start::Beginning {
            // Where it begins must not be forgotten: what comes before a restart would be skipped.
            named.commit()?;
        }
        Ok(named)
    }

    fn open_consumer<V: Vfs>(
        &self,
        dir: &Directory<V>,
        start: Start,
    ) -> Result<Consumer<V>, ReadError> {
        let mut options = self.consumer.clone().start(start);
        options.common = self.common;
        options.open_at(dir.clone())
    }
}

/// Whether somebody has run under the name before, as far as its lock file tells.
fn has_run<V: Vfs>(dir: &Directory<V>, name: &str) -> Result<bool, Failure> {
    Ok(open_owner_lock(dir, name)?.is_some())
}

fn position_token(stream_id: StreamId, position: &Position) -> Token {
    Token { stream_id, epoch: position.epoch, offset: position.offset }
}
