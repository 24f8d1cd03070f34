//! Looking at the positions of named consumers, and changing them by hand.

use std::path::Path;

use crate::consumer::{ConsumerOptions, Start};
use crate::dir::{Directory, open_owner_lock};
use crate::error::{Failure, IoContext, ReadError};
use crate::hint::Hint;
use crate::named::{NamedError, OwnerLock, PositionChange};
use crate::os::OsVfs;
use crate::producer::{ProducerOptions, check_name};
use crate::seek::{self, Topics};
use crate::state::Position;
use crate::tail::open_tail;
use crate::trace::Action;
use crate::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};

/// A named consumer as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionReport {
    /// Its name.
    pub name: String,
    /// Its position.
    pub position: Position,
    /// Offsets that it has yet to read: from it, or from the lowest there is if that is above it, to
    /// the end of the stream. After a compaction there may be fewer records than offsets.
    pub lag_offsets: u64,
    /// Offsets that it did not read, and that are deleted.
    pub missed_offsets: u64,
    /// Bytes on disk between it and the end; `None` if the position is out of range.
    pub lag_bytes: Option<u64>,
    /// Whether a process runs under the name now.
    pub running: bool,
    /// Which, as far as its lock file tells (F-40).
    pub owner_pid: Option<u32>,
}

/// The positions of all named consumers of a stream, by name.
///
/// # Errors
/// See [`ReadError`].
pub fn list(dir: impl AsRef<Path>) -> Result<Vec<PositionReport>, ReadError> {
    list_in(OsVfs::new(), dir)
}

/// The same in any world.
///
/// # Errors
/// See [`ReadError`].
pub fn list_in<V: Vfs>(vfs: V, dir: impl AsRef<Path>) -> Result<Vec<PositionReport>, ReadError> {
    let dir = Directory::new(vfs, dir.as_ref());
    let Some((tail, _)) = open_tail(&dir, OpenMode::Read)? else {
        return Err(Failure::NotAStream { dir: dir.path }.into());
    };
    let low = seek::range(&dir)?.map_or(0, |(low, _)| low);
    let report = |(name, position): (String, Position)| {
        let owner = owner(&dir, &name)?;
        Ok(PositionReport {
            lag_offsets: tail.next_offset().saturating_sub(position.offset.max(low)),
            missed_offsets: low.saturating_sub(position.offset),
            lag_bytes: lag_bytes(&dir, position.offset)?,
            running: owner.is_some(),
            owner_pid: owner.flatten().map(|hint| hint.pid),
            name,
            position,
        })
    };
    tail.state.positions().map(report).collect()
}

/// Bytes between an offset's block and the end of the stream.
fn lag_bytes<V: Vfs>(dir: &Directory<V>, offset: u64) -> Result<Option<u64>, ReadError> {
    let wait = LockWait::Try;
    let found = match seek::find(dir, &Start::Offset(offset), &Topics::default(), wait) {
        Ok(Some(found)) => found,
        Ok(None) | Err(ReadError::OffsetOutOfRange { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let held = &found.place.segment;
    let status = held.file.status().while_doing("look at", &held.path).map_err(Failure::from)?;
    let mut bytes = status.len.saturating_sub(found.place.position);
    let segments = dir.segments()?.map(|segments| segments.sequences).unwrap_or_default();
    for sequence in segments.into_iter().filter(|later| *later > held.header.sequence) {
        if let Some(segment) = dir.open_segment(sequence, OpenMode::Read)? {
            let status = segment.file.status().while_doing("look at", &segment.path);
            bytes += status.map_err(Failure::from)?.len;
        }
    }
    Ok(Some(bytes))
}

/// Who holds the lock of a name; inside `None` where the lock file does not tell.
fn owner<V: Vfs>(dir: &Directory<V>, name: &str) -> Result<Option<Option<Hint>>, Failure> {
    let Some((file, path)) = open_owner_lock(dir, name)? else { return Ok(None) };
    let free = file.lock(LockKind::Shared, LockWait::Try).while_doing("lock", &path)?;
    Ok((!free).then(|| Hint::read(&file)))
}

/// Sets the position of a consumer that is not running, or with `None` removes it (C-7); tells
/// what it is now.
///
/// # Errors
/// `Busy` while a process runs under the name; see [`NamedError`].
pub fn change(
    dir: impl AsRef<Path>,
    name: &str,
    to: Option<Start>,
) -> Result<Option<Position>, NamedError> {
    change_in(OsVfs::new(), dir, name, to)
}

/// The same in any world.
///
/// # Errors
/// As [`change`].
pub fn change_in<V: Vfs>(
    vfs: V,
    dir: impl AsRef<Path>,
    name: &str,
    to: Option<Start>,
) -> Result<Option<Position>, NamedError> {
    check_name(name)?;
    let dir = Directory::new(vfs, dir.as_ref());
    if dir.segments()?.is_none() {
        return Err(Failure::NotAStream { dir: dir.path }.into());
    }
    let _owner = OwnerLock::take(&dir, name, LockWait::Try)?;
    let options = ProducerOptions::new().create(false);
    let mut producer = options.open_at(dir.clone())?;
    let before = producer.position(name);
    let entry = Action::new("ReadEntry").label(name);
    dir.vfs.trace(&entry.value(before.map_or(0, |position| position.offset)));
    let after = match to {
        Some(start) => {
            let consumer = ConsumerOptions::new().start(start);
            consumer.open_at(dir.clone())?.token()
        }
        None => None,
    };
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    let change = PositionChange { name: name.to_owned(), before, after, by_hand: true };
    producer.commit_position(&change)?;
    producer.sync()?;
    Ok(producer.position(name))
}
