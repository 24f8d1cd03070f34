//! Named consumers: their position is kept in the stream, so that a restart goes on where
//! the last run was (protocol.md, C-2 and C-3).

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::consumer::{Consumer, ConsumerOptions, Start};
use crate::dir::{CONSUMERS, Directory, owner_lock_path};
use crate::error::{AppendError, Blame, Failure, IoContext, OpenError, ReadError, RecordError};
use crate::hint::Hint;
use crate::os::OsVfs;
use crate::producer::{Producer, ProducerOptions, check_name, is_appended};
use crate::record::Record;
use crate::state::Position;
use crate::token::Token;
use crate::trace::Action;
use crate::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};

/// When a named consumer commits its position by itself. It never does so without
/// progress, and only for records whose successor was asked for: a record counts as done
/// when the next one is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCommit {
    /// Never: [`NamedConsumer::commit`] does it.
    Never,
    /// After so many records.
    Records(u64),
    /// When so much time has passed, at the next record.
    Interval(Duration),
}

/// How often a consumer that only passes by records of other topics commits that: its
/// position would otherwise stay behind, until retention takes what it points to.
const PASSING_INTERVAL: Duration = Duration::from_secs(60);

/// How a named consumer is to be opened.
#[derive(Clone, Debug)]
pub struct NamedOptions {
    consumer: ConsumerOptions,
    start: Start,
    ignore_stored: bool,
    auto_commit: AutoCommit,
    owner_wait: LockWait,
    allow_network: bool,
}

impl Default for NamedOptions {
    fn default() -> Self {
        Self {
            consumer: ConsumerOptions::new(),
            start: Start::Beginning,
            ignore_stored: false,
            auto_commit: AutoCommit::Interval(Duration::from_secs(1)),
            owner_wait: LockWait::Try,
            allow_network: false,
        }
    }
}

impl NamedOptions {
    /// The defaults: goes on where the last run was, the first time from the beginning;
    /// commits about every second; is refused while another process runs under the name.
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

    /// When to commit.
    #[must_use]
    pub fn auto_commit(mut self, auto_commit: AutoCommit) -> Self {
        self.auto_commit = auto_commit;
        self
    }

    /// How long to wait for another process that runs under the name.
    #[must_use]
    pub fn owner_wait(mut self, wait: LockWait) -> Self {
        self.owner_wait = wait;
        self
    }

    /// Everything else: topics, durable reading, intervals. Its start does not count.
    #[must_use]
    pub fn consumer(mut self, consumer: ConsumerOptions) -> Self {
        self.consumer = consumer;
        self
    }

    /// Whether to accept a network file system (M-1).
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

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
        check_name(name)?;
        let dir = Directory::new(vfs, dir.as_ref());
        if dir.segments()?.is_none() {
            return Err(Failure::NotAStream { dir: dir.path }.into());
        }
        let lock = OwnerLock::take(&dir, name, self.owner_wait)?;
        let options = ProducerOptions::new().create(false).allow_network(self.allow_network);
        let committer = options.open_in(dir.vfs.clone(), &dir.path)?;
        let stored = committer.position(name);
        let entry = Action::new("ReadEntry").label(name);
        dir.vfs.trace(&entry.value(stored.map_or(0, |position| position.offset)));
        let start = match stored {
            Some(position) if !self.ignore_stored => {
                Start::Token(position_token(committer.stream_id(), &position))
            }
            _ => self.start,
        };
        let consumer = self.consumer.clone().allow_network(self.allow_network).start(start);
        let consumer = consumer.open_in(dir.vfs.clone(), &dir.path)?;
        let mut named = NamedConsumer {
            consumer,
            committer,
            lock,
            name: name.to_owned(),
            stored,
            auto_commit: self.auto_commit,
            delivered: 0,
            last_commit: dir.vfs.monotonic(),
            vfs: dir.vfs,
        };
        // Where it begins must not be forgotten: what comes before a restart would be skipped.
        if start != Start::Beginning {
            named.commit()?;
        }
        Ok(named)
    }
}

fn position_token(stream_id: [u8; 16], position: &Position) -> Token {
    Token { stream_id, epoch: position.epoch, offset: position.offset }
}

/// Why a named consumer could not be opened, read, or committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamedError {
    /// The stream could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stream could not be opened for commits.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The position could not be committed.
    #[error("position {0}")]
    Commit(#[from] AppendError),
    /// Another process runs under this name.
    #[error("consumer `{name}` is running elsewhere ({} is locked)", path.display())]
    Busy {
        /// The name.
        name: String,
        /// Its lock file.
        path: PathBuf,
    },
    /// The name cannot be one (F-11).
    #[error(transparent)]
    Name(#[from] RecordError),
}

impl From<Failure> for NamedError {
    fn from(failure: Failure) -> Self {
        Self::Read(failure.into())
    }
}

impl NamedError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Read(error) => error.blame(),
            Self::Open(error) => error.blame(),
            Self::Commit(error) => error.blame(),
            Self::Busy { .. } => Blame::Environment,
            Self::Name(_) => Blame::Caller,
        }
    }
}

/// A change of a position: what it was, and what it is to be (C-2, C-7).
#[derive(Clone, Debug)]
pub(crate) struct PositionChange {
    pub name: String,
    pub before: Option<Position>,
    /// `None` removes it.
    pub after: Option<Token>,
    /// Not progress: it is set to another place (C-7).
    pub by_hand: bool,
}

impl PositionChange {
    /// The position that is to be, committed at some time.
    pub fn after_at(&self, time_ms: u64) -> Option<Position> {
        let position =
            |token: Token| Position { epoch: token.epoch, offset: token.offset, time_ms };
        self.after.map(position)
    }
}

/// The lock of a name: held while the consumer runs (L-1).
#[derive(Debug)]
pub(crate) struct OwnerLock<F> {
    _file: F,
}

impl<F: VfsFile> OwnerLock<F> {
    pub fn take<V: Vfs<File = F>>(
        dir: &Directory<V>,
        name: &str,
        wait: LockWait,
    ) -> Result<Self, NamedError> {
        let locks = dir.path.join(CONSUMERS);
        dir.vfs.create_dir(&locks).while_doing("create", &locks).map_err(Failure::from)?;
        let path = owner_lock_path(dir, name);
        let file = dir.vfs.open(&path, OpenMode::WriteOrCreate).while_doing("open", &path);
        let file = file.map_err(Failure::from)?;
        let locked = file.lock(LockKind::Exclusive, wait).while_doing("lock", &path);
        if locked.map_err(Failure::from)? {
            dir.vfs.trace(&Action::new("LockName").label(name));
            Hint::of_this_process(&dir.vfs).leave(&file);
            return Ok(Self { _file: file });
        }
        Err(NamedError::Busy { name: name.to_owned(), path })
    }
}

/// A consumer with a name and a position in the stream. One process at a time may run
/// under a name; when it dies, the next takes over at once.
///
/// Each record is delivered at least once: again after a death, if its position was not
/// committed by then. For exactly once, within the stream, see
/// [`Producer::append_with_position`].
pub struct NamedConsumer<V: Vfs = OsVfs> {
    consumer: Consumer<V>,
    committer: Producer<V>,
    /// Held as long as the consumer lives.
    #[expect(dead_code, reason = "what counts is that it is held")]
    lock: OwnerLock<V::File>,
    name: String,
    /// The position as last read or written.
    stored: Option<Position>,
    auto_commit: AutoCommit,
    /// Records delivered since the last commit.
    delivered: u64,
    /// When that was.
    last_commit: Duration,
    vfs: V,
}

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
    /// See [`NamedError`]. Asked again, it tries again.
    pub fn try_next(&mut self) -> Result<Option<Record<'_>>, NamedError> {
        self.poll(Duration::ZERO)
    }

    /// The next record, waiting for it up to `timeout`. Asking for it says that all before
    /// it are done.
    ///
    /// # Errors
    /// See [`NamedError`].
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Record<'_>>, NamedError> {
        if self.is_due() {
            self.commit()?;
        }
        if !self.consumer.wait(timeout)? {
            let passed_by = || self.since_commit() >= PASSING_INTERVAL;
            if self.auto_commit != AutoCommit::Never && (self.delivered > 0 || passed_by()) {
                self.commit()?;
            }
            return Ok(None);
        }
        self.delivered += 1;
        Ok(self.consumer.try_next()?)
    }

    fn since_commit(&self) -> Duration {
        self.vfs.monotonic().saturating_sub(self.last_commit)
    }

    fn is_due(&self) -> bool {
        match self.auto_commit {
            _ if self.delivered == 0 => false,
            AutoCommit::Never => false,
            AutoCommit::Records(count) => self.delivered >= count,
            AutoCommit::Interval(interval) => self.since_commit() >= interval,
        }
    }

    /// Commits the position behind the last record delivered. Does nothing without
    /// progress. Tells whether it did.
    ///
    /// # Errors
    /// `Commit(PositionChanged)` if somebody else changed the position.
    pub fn commit(&mut self) -> Result<bool, NamedError> {
        self.delivered = 0;
        self.last_commit = self.vfs.monotonic();
        let Some(change) = self.change() else { return Ok(false) };
        self.vfs.trace(&Action::new("WantCommit").label(&self.name));
        let done = self.committer.commit_position(&change);
        if is_appended(&done) {
            self.committed(self.committer.position(&self.name));
        }
        done?;
        Ok(true)
    }

    /// Sees to it that the next commit will find room on the disk. To be called before work that
    /// should not be done, and done again, while the disk is full. Others may take the room all
    /// the same.
    ///
    /// # Errors
    /// `Commit(NotAppended(NoSpace))` where there is no room.
    pub fn make_room(&mut self) -> Result<(), NamedError> {
        let made = self.committer.make_room_for_position();
        Ok(made.map_err(AppendError::from)?)
    }

    /// What a commit would change; `None` without progress.
    pub(crate) fn change(&self) -> Option<PositionChange> {
        let after = self.consumer.token()?;
        if self.stored.is_some_and(|stored| stored.offset == after.offset) {
            return None;
        }
        let (name, before) = (self.name.clone(), self.stored);
        Some(PositionChange { name, before, after: Some(after), by_hand: false })
    }

    /// Takes note of the position that was committed.
    pub(crate) fn committed(&mut self, stored: Option<Position>) {
        self.stored = stored;
        self.delivered = 0;
        self.last_commit = self.vfs.monotonic();
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
