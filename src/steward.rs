//! The steward: deletes what retention lets go, seals what is old enough, compacts what
//! is superseded (protocol.md, chapter 10). It never appends a record.
//!
//! There need not be one: producers do the cheap part, deleting, after each rollover
//! (`tidy_after_roll`). Whoever maintains holds `steward.lock`, works on sealed segments
//! only, and takes each one's exclusive lock by trying, never by waiting: a consumer that
//! reads a segment keeps it as it is. What could not be done is in the report, with why.
//!
//! A pass goes through these steps, each in a file of its own:
//! - seal the active segment if it is old enough (`age` says how old things are, `clock` how far
//!   the own clock is believed);
//! - `survey`: list the segments, then put their names on the disk (S-1);
//! - `retention`: delete from the lowest up (S-3, S-4, S-10);
//! - `compact`: rewrite segments without what is superseded (S-5 to S-7).
//!
//! By hand, and on a full disk: `trim` (S-14).

mod age;
mod clock;
mod compact;
mod offset_map;
mod report;
mod retention;
mod rewrite;
mod survey;
mod trim;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use report::{Compacted, Deleted, Kept, Report, Task, Why};
pub use trim::Trim;

use crate::engine::dir::{Directory, STEWARD_LOCK};
use crate::engine::hint::Hint;
use crate::engine::lock_file::LockFile;
use crate::engine::os::OsVfs;
use crate::engine::tail::open_tail;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockWait, OpenMode, Vfs};
use crate::engine::writer::{Writer, WriterLock};
use crate::error::{Blame, Failure, ReadError};
use crate::format::settings::Settings;
use crate::options::{Common, common_setters};

use self::clock::Clocks;
use self::compact::Memo;
use self::survey::Survey;

/// How a stream is to be maintained.
///
/// ```
/// use std::time::Duration;
/// use puro::{Producer, StewardOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// // What would go if a day were enough?
/// let mut steward = StewardOptions::new()
///     .dry_run(true)
///     .roll(true)
///     .retention(Duration::from_secs(86_400))
///     .open(dir.path())?;
/// assert!(steward.run_once()?.deleted.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StewardOptions {
    roll: bool,
    dry_run: bool,
    clock_is_right: bool,
    retention: Option<Duration>,
    retention_bytes: Option<u64>,
    min_free_bytes: Option<u64>,
    map_bytes: usize,
    pub(crate) common: Common,
}

/// Memory for the keys of a compaction where the caller does not say: 256 MiB.
pub const DEFAULT_MAP_BYTES: usize = 256 << 20;

impl Default for StewardOptions {
    fn default() -> Self {
        Self {
            roll: false,
            dry_run: false,
            clock_is_right: false,
            retention: None,
            retention_bytes: None,
            min_free_bytes: None,
            map_bytes: DEFAULT_MAP_BYTES,
            common: Common::default(),
        }
    }
}

impl StewardOptions {
    /// The defaults: does what the stream's settings say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to seal the active segment in each pass, whatever its age, so that its
    /// records can be deleted and compacted.
    #[must_use]
    pub fn roll(mut self, roll: bool) -> Self {
        self.roll = roll;
        self
    }

    /// Whether only to say what would be done.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Whether this machine's clock is right, whatever speaks against it (S-12).
    ///
    /// Against it speaks that it jumped since the last pass, or that it is ahead of the times in the
    /// stream by more than the longest limit and a month. Without this option, nothing that is old
    /// only by such a clock is deleted, nor is such a delete marker taken out. The report says so.
    #[must_use]
    pub fn clock_is_right(mut self, right: bool) -> Self {
        self.clock_is_right = right;
        self
    }

    /// Deletes by this age in place of the setting `retention_ms`, which stays as it is (S-15).
    #[must_use]
    pub fn retention(mut self, age: Duration) -> Self {
        self.retention = Some(age);
        self
    }

    /// Deletes down to this size in place of the setting `retention_bytes`, which stays as it is
    /// (S-15).
    #[must_use]
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.retention_bytes = Some(bytes);
        self
    }

    /// Deletes sealed segments, the lowest first, until so many bytes of the file system are free, as
    /// [`Trim::until_free`] does: what somebody holds, or a setting protects, stays (S-15).
    #[must_use]
    pub fn min_free_bytes(mut self, bytes: u64) -> Self {
        self.min_free_bytes = Some(bytes);
        self
    }

    /// How much memory a compaction may take for its keys, 32 bytes for each at most.
    /// With less than all keys need, it takes more passes over the stream.
    #[must_use]
    pub fn map_bytes(mut self, bytes: usize) -> Self {
        self.map_bytes = bytes;
        self
    }

    common_setters!();

    /// A steward on real files.
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Steward, StewardError> {
        self.open_in(OsVfs::new(), dir)
    }

    /// A steward in any world.
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn open_in<V: Vfs>(
        &self,
        vfs: V,
        dir: impl AsRef<Path>,
    ) -> Result<Steward<V>, StewardError> {
        self.open_at(Directory::new(vfs, dir.as_ref()))
    }

    /// The same in a directory that may be open already.
    pub(crate) fn open_at<V: Vfs>(&self, dir: Directory<V>) -> Result<Steward<V>, StewardError> {
        if dir.segments()?.is_none() {
            return Err(Failure::NotAStream { dir: dir.path }.into());
        }
        if !self.common.allow_network {
            dir.check_local()?;
        }
        Ok(Steward::new(dir, self.clone()))
    }
}

/// Why a stream could not be maintained.
///
/// ```
/// use puro::{Producer, Steward, StewardError, Trim};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// Producer::open(dir.path())?;
/// let refused = Steward::open(dir.path())?.trim(&Trim::consumed_by(["billing"]));
/// assert!(matches!(refused, Err(StewardError::NoPosition { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StewardError {
    /// Something is wrong with the files.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The place up to which was to be trimmed cannot be found.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What named consumers have read was to go, and one has no position, or none is there.
    #[error(
        "{}: {}; `puro positions` lists those that have one",
        dir.display(),
        name.as_ref().map_or_else(
            || "no named consumer has a position, so nothing is known to be consumed".to_owned(),
            |name| format!("consumer `{}` has no position", name.escape_debug())
        )
    )]
    NoPosition {
        /// The stream.
        dir: PathBuf,
        /// The consumer that was asked for.
        name: Option<String>,
    },
    /// Another steward is at work, or a producer that deletes after a rollover.
    #[error(
        "another steward is at work in {}{}; it does the same, so there is no need to wait",
        dir.display(),
        process.map_or_else(String::new, |process| format!(" (process {process})"))
    )]
    Busy {
        /// The stream.
        dir: PathBuf,
        /// Which process it seems to be, as far as the lock file tells (F-40).
        process: Option<u32>,
    },
}

impl StewardError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failure(failure) => failure.blame(),
            Self::Read(error) => error.blame(),
            Self::NoPosition { .. } => Blame::Caller,
            Self::Busy { .. } => Blame::Environment,
        }
    }
}

/// Maintains a stream, one pass at a time.
///
/// ```
/// use std::time::Duration;
/// use puro::{NewRecord, Producer, Setting, Steward};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let mut producer = Producer::open(dir.path())?;
/// producer.set(&Setting::Retention(Some(Duration::from_secs(7 * 86_400))))?;
/// producer.append(&NewRecord::new("orders", "3 apples"))?;
/// let report = Steward::open(dir.path())?.run_once()?;
/// assert!(report.deleted.is_empty()); // It is not a week old.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Steward<V: Vfs = OsVfs> {
    dir: Directory<V>,
    options: StewardOptions,
    /// Segments that should go but were held, with the time (by the clock that never
    /// jumps) at which this steward first met them so.
    first_held: BTreeMap<u32, Duration>,
    /// When it last looked for something to delete, by the clock that never jumps.
    looked_at: Duration,
    /// What the last compaction saw, so that the same is not read again for nothing.
    memo: Option<Memo>,
    /// What the clocks showed when it was opened, or when the last pass ended.
    clocks: Clocks,
}

impl Steward {
    /// A steward with the default options.
    ///
    /// # Errors
    /// See [`StewardError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StewardError> {
        StewardOptions::new().open(dir)
    }
}

impl<V: Vfs> Steward<V> {
    fn new(dir: Directory<V>, options: StewardOptions) -> Self {
        let clocks = Clocks::of(&dir.vfs);
        Self {
            dir,
            options,
            first_held: BTreeMap::new(),
            looked_at: Duration::ZERO,
            memo: None,
            clocks,
        }
    }

    /// One pass: does all there is to do now, and says what could not be done.
    ///
    /// # Errors
    /// `Busy` while another steward works; or where a step failed. What was done before it
    /// stays done, and the next pass goes on from there.
    pub fn run_once(&mut self) -> Result<Report, StewardError> {
        let passed = self.pass();
        self.clocks = Clocks::of(&self.dir.vfs);
        passed
    }

    fn pass(&mut self) -> Result<Report, StewardError> {
        let mut report = Report { dry_run: self.options.dry_run, ..Report::default() };
        let (spared, lock) = match self.options.min_free_bytes {
            Some(bytes) => self.free_up(bytes, &mut report)?,
            None => (None, None),
        };
        let _lock = if lock.is_some() { lock } else { self.lock()? };
        let mut survey = self.survey()?;
        survey.forget(&report.deleted); // as if a dry run had deleted it
        if survey.must_seal(self.options.roll) {
            report.sealed = Some(survey.active.sequence);
            if !self.options.dry_run {
                seal(&self.dir, survey.active.sequence, self.options.common.lock_wait)?;
                survey = self.survey()?;
            }
        }
        if !self.options.dry_run {
            self.begin_pass(&survey)?;
            remove_leftovers(&self.dir)?;
        }
        self.delete(&mut survey, &mut report)?;
        let told = |spared: &Kept| report.kept.iter().any(|kept| kept.sequence == spared.sequence);
        report.kept.extend(spared.filter(|spared| !told(spared)));
        self.looked_at = self.dir.vfs.monotonic();
        self.compact(&mut survey, &mut report)?;
        report.bytes = survey.total_bytes();
        Ok(report)
    }

    /// Takes `steward.lock`; not where only a dry run would make it, for then nobody holds it (S-11).
    fn lock(&self) -> Result<Option<StewardGuard<V>>, StewardError> {
        if self.options.dry_run && self.dir.id_of(STEWARD_LOCK).map_err(Failure::from)?.is_none() {
            return Ok(None);
        }
        match take_steward_lock(&self.dir, LockWait::Try, Operator::LockSteward)? {
            None => Err(self.busy()),
            taken => Ok(taken),
        }
    }

    /// What there is, and what is to be done with it: by the limits of this steward where it has
    /// any. Whoever reads is granted time as after a change of the settings (S-15). The own clock is
    /// doubted (S-12).
    fn survey(&self) -> Result<Survey, Failure> {
        let mut survey = Survey::of(&self.dir)?;
        let StewardOptions { retention, retention_bytes, clock_is_right, .. } = self.options;
        if retention.is_some() || retention_bytes.is_some() {
            survey.settings.retention = retention.or(survey.settings.retention);
            survey.settings.retention_bytes = retention_bytes.or(survey.settings.retention_bytes);
            survey.active.settings_changed_ms = Some(survey.now_ms);
        }
        if !clock_is_right {
            survey.doubt_own_clock(Some(self.clocks.expected_ms(&self.dir.vfs)));
        }
        Ok(survey)
    }

    /// Puts the names that were listed on the disk: from here on they may be touched (S-1).
    fn begin_pass(&self, survey: &Survey) -> Result<(), Failure> {
        self.dir.sync()?;
        self.dir.vfs.trace(&Action::new(Operator::BeginPass).at(survey.active.sequence, 0));
        Ok(())
    }

    fn busy(&self) -> StewardError {
        let file = self.dir.open_file(STEWARD_LOCK, OpenMode::Read).ok();
        let hint = file.and_then(|file| Hint::read(&file));
        StewardError::Busy { dir: self.dir.path.clone(), process: hint.map(|hint| hint.pid) }
    }
}

/// How long a producer that rolled waits for another one to be done with deleting, which is
/// what keeps a fast one from running ahead; not so long that a compaction would stop it.
const TIDY_WAIT: Duration = Duration::from_millis(500);

/// Proof that `steward.lock` is held; gives it back when dropped.
struct StewardGuard<V: Vfs> {
    lock: Arc<LockFile<V>>,
}

impl<V: Vfs> Drop for StewardGuard<V> {
    fn drop(&mut self) {
        self.lock.vfs().trace(&Action::new(Operator::UnlockSteward));
    }
}

/// Takes `steward.lock`; `None` if another steward has it (S-1). `action` says who asks.
fn take_steward_lock<V: Vfs>(
    dir: &Directory<V>,
    wait: LockWait,
    action: Operator,
) -> Result<Option<StewardGuard<V>>, Failure> {
    let taken = LockFile::open_and_take(dir, dir, STEWARD_LOCK, wait)?;
    dir.vfs.trace(&Action::new(action).value(u64::from(taken.is_some())));
    Ok(taken.map(|lock| {
        Hint::of_this_process(&dir.vfs).leave(lock.file());
        StewardGuard { lock }
    }))
}

/// Seals the active segment, if it is still the one with this number.
fn seal<V: Vfs>(dir: &Directory<V>, sequence: u32, wait: LockWait) -> Result<(), Failure> {
    let Some((tail, _)) = open_tail(dir, OpenMode::Write)? else {
        return Err(Failure::NotAStream { dir: dir.path.clone() });
    };
    let mut lock = WriterLock::open(dir)?;
    let mut writer = Writer::new(dir.clone(), tail);
    let guard = lock.take(wait)?;
    writer.catch_up(&guard)?;
    // Somebody else may have sealed it while the lock was waited for.
    if writer.tail.segment.header.sequence != sequence {
        return Ok(());
    }
    writer.prepare(&guard)?;
    writer.roll(&guard, 0)
}

/// Removes what a compaction that died has left: nobody else writes these files (S-6). What cannot
/// be removed is in the way of nothing but the compaction that needs its name.
fn remove_leftovers<V: Vfs>(dir: &Directory<V>) -> Result<(), Failure> {
    let listing = dir.list()?.unwrap_or_default();
    for name in listing.temporaries.iter().filter(|name| name.ends_with(".compact")) {
        let _ = dir.remove(name, "remove");
    }
    Ok(())
}

/// What a producer does after a rollover, once it has given `writer.lock` back: deletes what
/// retention lets go, if no steward is at work (S-9).
///
/// # Errors
/// Where a step failed. The append is not concerned; the next rollover tries again.
pub(crate) fn tidy_after_roll<V: Vfs>(
    dir: &Directory<V>,
    settings: &Settings,
) -> Result<(), Failure> {
    if settings.retention.is_none() && settings.retention_bytes.is_none() {
        return Ok(());
    }
    let wait = LockWait::AtMost(TIDY_WAIT);
    let Some(_lock) = take_steward_lock(dir, wait, Operator::TrySteward)? else { return Ok(()) };
    let mut steward = Steward::new(dir.clone(), StewardOptions::default());
    loop {
        let mut survey = Survey::of(dir)?;
        survey.doubt_own_clock(None);
        survey.trust_own_clock_less();
        if !steward.has_something_to_delete(&survey)? {
            return Ok(());
        }
        let mut lock = WriterLock::open(dir)?;
        let _paused = if survey.holds_writers_up() {
            lock.take(LockWait::AtMost(TIDY_WAIT)).ok()
        } else {
            None
        };
        steward.begin_pass(&survey)?;
        let mut report = Report::default();
        steward.delete(&mut survey, &mut report)?;
        // Others may have rolled meanwhile, and left the rest to whoever had the lock.
        if report.deleted.is_empty() {
            return Ok(());
        }
    }
}
