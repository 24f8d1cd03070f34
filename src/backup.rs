//! Copies of whole streams, made while others work: backups, and streams restored from them.
//!
//! A backup is a stream as it stood at one moment between beginning and end of the copying:
//! the same blocks under the same id, byte for byte, up to the committed end. It is verified
//! before it gets its name, and it never holds what the stream itself could still lose with
//! the power. It is there to be read and restored, not to be written: a stream has one history.
//!
//! A restored stream is the same copy under a new id. Offsets, times, epochs, settings and
//! positions stay; only the id differs, and with it all checksums (F-19). The new id is what
//! makes it safe to go on: the stream that was backed up went on after the backup, and so will
//! the restored one, with other records under the same offsets and in the same epochs. No
//! [`Token`] that somebody keeps from the old history, say beside what was made of its records,
//! could be told from one of the new (E-7). Under a new id it is refused (E-8) instead of
//! being continued in a history that it never saw.
//!
//! Copies are made under the name `OUT.partial`, and become `OUT` by one rename. A copy that
//! died on the way leaves `OUT.partial`, which the next one to `OUT` takes over.

mod copy;
mod target;

use std::path::{Path, PathBuf};

use thiserror::Error;

use self::copy::{Copied, copy_segment, count_segment, is_in, link_segment};
use self::target::Target;
use crate::check::{CheckOptions, Finding, Severity, Verdict, check_at};
use crate::engine::dir::{Directory, LOOKS, OpenSegment, SEEK};
use crate::engine::os::OsVfs;
use crate::engine::tail::open_tail;
use crate::engine::vfs::{LockWait, OpenMode, Vfs, VfsFile};
use crate::error::{Blame, Damage, Failure, IoContext, IoError};
use crate::format::block::Cause;
use crate::format::token::Token;
use crate::options::{Common, common_setters};

/// How a stream is to be copied.
///
/// ```
/// use std::time::Duration;
/// use puro::{BackupOptions, LockWait};
/// // A steward that compacts at this moment is waited for, but not for long.
/// let options = BackupOptions::new().lock_wait(LockWait::AtMost(Duration::from_secs(5)));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct BackupOptions {
    pub(crate) common: Common,
    pub(crate) base: Option<PathBuf>,
}

impl BackupOptions {
    /// The defaults: a steward that is replacing a segment is waited for one minute; network file
    /// systems are refused, for that which is backed up and for that which is restored.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    common_setters!();

    /// An earlier backup of the stream, on the same file system. What it holds already is not copied
    /// again: sealed segments get one more name there, and both backups share the file. Either may be
    /// removed. A disk that damages the file damages both; like all of the copy, it is read back.
    ///
    /// ```
    /// use puro::{BackupOptions, NewRecord, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let dir = scratch.path().join("events");
    /// let stream = Stream::open_or_create(&dir)?;
    /// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
    /// stream.steward_with(|options| options.roll(true))?.run_once()?; // seals the segment
    /// # let (monday, tuesday) = (scratch.path().join("monday"), scratch.path().join("tuesday"));
    /// stream.backup(&monday)?;
    /// stream.producer()?.append(&NewRecord::new("orders", "1 pear"))?;
    /// let report = BackupOptions::new().base(&monday).backup(&dir, &tuesday, &mut |_, _| {})?;
    /// assert!(report.shared_bytes > 0 && report.shared_bytes < report.bytes);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn base(mut self, earlier: impl AsRef<Path>) -> Self {
        self.base = Some(earlier.as_ref().to_owned());
        self
    }

    /// Backs up the stream in `from` as `to`, which must not exist, or be empty. Others may go on
    /// working in the stream. Everything that was committed when it began is in the backup.
    ///
    /// Holds every segment open until it is copied: a process must be allowed so many files.
    /// Tells `progress` now and then how many bytes of how many are done.
    ///
    /// # Errors
    /// See [`BackupError`]. A stream that is damaged is not backed up:
    /// [`Stream::salvage`](crate::Stream::salvage) saves what is left.
    pub fn backup(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, BackupError> {
        backup(OsVfs::new(), from.as_ref(), to.as_ref(), self, progress)
    }

    /// Makes a stream in `to`, which must not exist, or be empty, from the backup in `from`: the
    /// same records under the same offsets, with an id of its own.
    ///
    /// The new id is what makes it safe to go on. The stream that was backed up went on after the
    /// backup, and so will this one, with other records under the same offsets. No
    /// [`Token`] that somebody keeps from the old history could be told from one of the new; under
    /// a new id it is refused.
    ///
    /// # Errors
    /// As [`BackupOptions::backup`].
    pub fn restore(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, BackupError> {
        restore(OsVfs::new(), from.as_ref(), to.as_ref(), self, progress)
    }
}

/// What was copied.
///
/// ```
/// use puro::{Consumer, NewRecord, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// # let copy = scratch.path().join("copy");
/// let report = stream.backup(&copy)?;
/// assert_eq!((report.base_offset, report.token.offset), (0, 1));
/// assert!(Consumer::open(&copy)?.try_next()?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// How many segments.
    pub segments: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many of them are shared with an earlier backup ([`BackupOptions::base`]).
    pub shared_bytes: u64,
    /// How many blocks.
    pub blocks: u64,
    /// The lowest offset.
    pub base_offset: u64,
    /// The end of the copy, as a position in it: of the id that the copy has.
    pub token: Token,
}

/// Why no copy was made. There is nothing under its name then.
///
/// ```
/// use puro::{BackupError, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// # let copy = scratch.path().join("copy");
/// stream.backup(&copy)?;
/// assert!(matches!(stream.backup(&copy), Err(BackupError::Exists { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something is wrong with the files of the stream, or the system failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The copy's name is taken.
    #[error("{} exists already; choose another name", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The copy's name cannot be one.
    #[error("{} cannot become a copy: {why}", path.display())]
    Name {
        /// The name.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another copy is being made under that name.
    #[error("{} is being written by another process; wait for it, or choose another name", path.display())]
    Busy {
        /// The unfinished copy.
        path: PathBuf,
    },
    /// The directory for the unfinished copy holds something else.
    #[error(
        "{} holds `{found}`, which is not of an unfinished copy; move it away, or choose another name",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The stream itself is not as it must be, though every block of it is whole: a faulty program
    /// wrote it.
    #[error(
        "the stream is damaged: {finding}. `puro verify --deep` tells all of it, and `puro salvage` or \
         `puro export` saves its records"
    )]
    Source {
        /// The worst thing wrong with it.
        finding: Finding,
    },
    /// What was written is not what is read back.
    #[error("the copy is not as it was written ({finding}); is the disk failing?")]
    NotSound {
        /// The first thing wrong with it.
        finding: Finding,
    },
    /// Fewer blocks or records are read back than were written.
    #[error(
        "the copy is not as it was written (records or blocks are missing); is the disk failing?"
    )]
    Incomplete,
}

impl BackupError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failure(failure) => failure.blame(),
            Self::Source { .. } => Blame::Data,
            Self::Exists { .. } | Self::Name { .. } | Self::Foreign { .. } => Blame::Caller,
            Self::Busy { .. } | Self::NotSound { .. } | Self::Incomplete => Blame::Environment,
        }
    }
}

impl From<IoError> for BackupError {
    fn from(error: IoError) -> Self {
        Self::Failure(error.into())
    }
}

/// The same in any world.
///
/// # Errors
/// As [`BackupOptions::backup`].
pub fn backup<V: Vfs>(
    vfs: V,
    from: &Path,
    to: &Path,
    options: &BackupOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, BackupError> {
    copy_stream(&Directory::new(vfs, from), to, options, None, progress)
}

/// The same in any world.
///
/// # Errors
/// As [`BackupOptions::backup`].
pub fn restore<V: Vfs>(
    vfs: V,
    from: &Path,
    to: &Path,
    options: &BackupOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, BackupError> {
    let new_id = vfs.random().while_doing("get random bytes for", to)?;
    copy_stream(&Directory::new(vfs, from), to, options, Some(new_id), progress)
}

pub(crate) fn copy_stream<V: Vfs>(
    source: &Directory<V>,
    to: &Path,
    options: &BackupOptions,
    new_id: Option<[u8; 16]>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, BackupError> {
    let base = options.base.as_ref().filter(|_| new_id.is_none());
    let base = base.map(|base| Directory::new(source.vfs.clone(), base));
    let pinned = pin_all(source, options.common.lock_wait)?;
    if !options.common.allow_network {
        source.check_local()?;
    }
    let target = Target::claim(&source.vfs, to)?;
    if new_id.is_some() && !options.common.allow_network {
        target.dir.check_local().inspect_err(|_| target.give_up())?;
    }
    fill(source, pinned, &target, Like { new_id, base }, progress)
        .and_then(|report| target.name().map(|()| report))
        .inspect_err(|_| target.give_up())
}

/// Pins every segment, lowest to highest, so that all of them are those of one moment (R-12).
fn pin_all<V: Vfs>(
    dir: &Directory<V>,
    wait: LockWait,
) -> Result<Vec<OpenSegment<V::File>>, Failure> {
    let mut failure = dir.restless().into();
    for _ in 0..LOOKS {
        match try_pin_all(dir, wait)? {
            Pinned::All(pinned) => return Ok(pinned),
            Pinned::Changed => {}
            // A rollover may have come while the directory was read; if not, it stays missing.
            Pinned::Missing(missing) => failure = missing,
        }
    }
    Err(failure)
}

enum Pinned<F> {
    All(Vec<OpenSegment<F>>),
    /// A steward deleted or replaced some of them meanwhile.
    Changed,
    Missing(Failure),
}

fn try_pin_all<V: Vfs>(dir: &Directory<V>, wait: LockWait) -> Result<Pinned<V::File>, Failure> {
    let not_a_stream = || Failure::NotAStream { dir: dir.path.clone() };
    let segments = dir.segments()?.ok_or_else(not_a_stream)?;
    let mut pinned: Vec<OpenSegment<V::File>> = Vec::new();
    for sequence in segments.sequences {
        let Some(segment) = dir.pin_segment(sequence, wait, SEEK)? else {
            return Ok(Pinned::Changed);
        };
        if !segment.belongs_to(&segments.stream_id, sequence) {
            continue; // stray (F-9)
        }
        let expected = pinned.last().and_then(|last| last.header.sequence.checked_add(1));
        if let Some(expected) = expected.filter(|expected| *expected != sequence) {
            return Ok(Pinned::Missing(missing(dir, expected, &segment)));
        }
        pinned.push(segment);
    }
    // Only now: a low segment that went before a high one was pinned could have been the
    // last to hold what a compaction then removed from the high one, delete markers above all.
    for segment in &pinned {
        if !dir.still_names(segment)? {
            return Ok(Pinned::Changed);
        }
    }
    Ok(if pinned.is_empty() { Pinned::Changed } else { Pinned::All(pinned) })
}

fn missing<V: Vfs>(dir: &Directory<V>, sequence: u32, next: &OpenSegment<V::File>) -> Failure {
    let path = dir.segment_path(sequence);
    let offset = next.header.base_offset;
    Damage { path, position: 0, offset, cause: Cause::MissingSegment }.into()
}

/// What a copy is made like.
struct Like<V: Vfs> {
    /// Another id.
    new_id: Option<[u8; 16]>,
    /// An earlier backup that has some of it.
    base: Option<Directory<V>>,
}

impl<V: Vfs> Like<V> {
    /// How many bytes need not be written.
    fn shared_bytes(&self, sealed: &[OpenSegment<V::File>]) -> Result<u64, Failure> {
        let Some(base) = &self.base else { return Ok(0) };
        let mut bytes = 0;
        for segment in sealed {
            if is_in(segment, base)? {
                bytes += segment.file.status().while_doing("look at", &segment.path)?.len;
            }
        }
        Ok(bytes)
    }
}

/// Copies all segments, and verifies them.
fn fill<V: Vfs>(
    source: &Directory<V>,
    pinned: Vec<OpenSegment<V::File>>,
    target: &Target<V>,
    like: Like<V>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupReport, BackupError> {
    let total = measure(source, &pinned)?;
    let sealed = pinned.split_last().map_or(&[][..], |(_, sealed)| sealed);
    target.check_space(total.saturating_sub(like.shared_bytes(sealed)?))?;
    let Like { new_id, base } = like;
    let base_offset = pinned.first().map_or(0, |lowest| lowest.header.base_offset);
    let segments = pinned.len() as u64;
    let (mut bytes, mut shared_bytes, mut blocks, mut token) = (0, 0, 0, None);
    let last = pinned.last().map(|last| last.header.sequence);
    for segment in pinned {
        let sealed = Some(segment.header.sequence) != last;
        // Twice as many bytes: all of them are read back.
        let tell = &mut |done| progress(bytes + done, total * 2);
        let shared = match base.as_ref().filter(|_| sealed) {
            Some(base) => link_segment(&segment, base, &target.dir)?,
            None => false,
        };
        let copied: Copied = match shared {
            true => count_segment(segment)?,
            false => copy_segment(segment, sealed, new_id, &target.dir, tell)?,
        };
        shared_bytes += if shared { copied.bytes } else { 0 };
        bytes += copied.bytes;
        blocks += copied.blocks;
        token = Some(copied.token);
    }
    if new_id.is_none() {
        source.sync()?; // The name of the last segment may not be on disk yet (V-7).
    }
    target.dir.sync()?;
    let Some(token) = token else { return Err(source.restless().into()) };
    let report = BackupReport { segments, bytes, shared_bytes, blocks, base_offset, token };
    match verify(target, &report, &mut |done| progress(total + done, total * 2)) {
        Ok(()) => Ok(report),
        // What is wrong with the stream is wrong with its copy; and only then it is not the disk.
        Err(error) => Err(fault_of(source)?.unwrap_or(error)),
    }
}

/// What is wrong with the stream itself.
fn fault_of<V: Vfs>(source: &Directory<V>) -> Result<Option<BackupError>, Failure> {
    let options = CheckOptions::new().deep(true);
    let found = check_at(source.clone(), &options, &mut |_, _| {})?;
    let damage = |finding: &Finding| finding.severity() == Severity::Damage;
    let finding = found.findings.into_iter().find(damage);
    Ok(finding.map(|finding| BackupError::Source { finding }))
}

/// Bytes to be copied: of the active segment up to its committed end, whatever is behind that.
fn measure<V: Vfs>(source: &Directory<V>, pinned: &[OpenSegment<V::File>]) -> Result<u64, Failure> {
    // What is wrong there is told where it is copied.
    let active = open_tail(source, OpenMode::Read).ok().flatten().map(|(tail, _)| tail);
    let length = |segment: &OpenSegment<V::File>| {
        let status = segment.file.status().while_doing("look at", &segment.path)?;
        let active = active.as_ref().filter(|tail| tail.segment.header == segment.header);
        Ok(active.map_or(status.len, |tail| tail.end.min(status.len)))
    };
    pinned.iter().map(length).sum()
}

/// Reads back every record of the copy.
fn verify<V: Vfs>(
    target: &Target<V>,
    report: &BackupReport,
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let options = CheckOptions::new().deep(true);
    let tell = &mut |done, _total| progress(done);
    let found = check_at(target.dir.clone(), &options, tell)?;
    if found.verdict() != Verdict::Sound {
        let worst = found.findings.into_iter().max_by_key(Finding::severity);
        return Err(
            worst.map_or(BackupError::Incomplete, |finding| BackupError::NotSound { finding })
        );
    }
    let complete = found.stream_id == Some(report.token.stream_id)
        && (found.segments, found.bytes, found.blocks)
            == (report.segments, report.bytes, report.blocks);
    if complete { Ok(()) } else { Err(BackupError::Incomplete) }
}
