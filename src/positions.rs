//! Looking at the positions of named consumers, and changing them by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::consumer::{ConsumerOptions, Start};
use crate::engine::dir::{CONSUMERS, Directory, OpenSegment, open_owner_lock};
use crate::engine::hint::Hint;
use crate::engine::os::OsVfs;
use crate::engine::seek;
use crate::engine::segment::{Scan, data_end};
use crate::engine::tail::open_tail;
use crate::engine::trace::Action;
use crate::engine::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext, ReadError};
use crate::format::state::Position;
use crate::named::{NamedError, OwnerLock};
use crate::producer::{PositionChange, ProducerOptions, check_name};

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
    list_at(&Directory::new(vfs, dir.as_ref()))
}

/// The same in a directory that may be open already.
pub(crate) fn list_at<V: Vfs>(dir: &Directory<V>) -> Result<Vec<PositionReport>, ReadError> {
    let Some((tail, _)) = open_tail(dir, OpenMode::Read)? else {
        return Err(Failure::NotAStream { dir: dir.path.clone() }.into());
    };
    let low = seek::range(dir)?.map_or(0, |(low, _)| low);
    let locks = lock_names(dir)?;
    let offsets = tail.state.positions().map(|(_, position)| position.offset).collect();
    let lags = lag_bytes(dir, offsets)?;
    let report = |(name, position): (String, Position)| {
        let locked = locks.contains(&format!("{name}.lock"));
        let owner = if locked { owner(dir, &name)? } else { None };
        Ok(PositionReport {
            lag_offsets: tail.next_offset().saturating_sub(position.offset.max(low)),
            missed_offsets: low.saturating_sub(position.offset),
            lag_bytes: lags.get(&position.offset).copied(),
            running: owner.is_some(),
            owner_pid: owner.flatten().map(|hint| hint.pid),
            name,
            position,
        })
    };
    tail.state.positions().map(report).collect()
}

/// The names of lock files of consumers: most names that have a position do not run.
fn lock_names<V: Vfs>(dir: &Directory<V>) -> Result<BTreeSet<String>, Failure> {
    let Some(consumers) = dir.subdirectory(CONSUMERS)? else { return Ok(BTreeSet::new()) };
    let names = consumers.names().while_doing("list", &consumers.path)?;
    Ok(names.into_iter().collect())
}

/// Bytes between each offset's block and the end of the stream; none for an offset that is out of
/// range. However many offsets there are, each segment is read once at most.
fn lag_bytes<V: Vfs>(
    dir: &Directory<V>,
    mut offsets: BTreeSet<u64>,
) -> Result<BTreeMap<u64, u64>, Failure> {
    let (mut lags, mut behind) = (BTreeMap::new(), 0);
    let Some(segments) = dir.segments()? else { return Ok(lags) };
    for sequence in segments.sequences.into_iter().rev() {
        let Some(segment) = dir.open_segment(sequence, OpenMode::Read)? else { continue };
        if !segment.belongs_to(&segments.stream_id, sequence) {
            continue;
        }
        let length = segment.file.status().while_doing("look at", &segment.path)?.len;
        let length = data_end(&segment.file, length).while_doing("read", &segment.path)?;
        let here = offsets.split_off(&segment.header.base_offset);
        for (offset, position) in places(&segment, here)? {
            lags.insert(offset, length.saturating_sub(position) + behind);
        }
        behind += length;
    }
    Ok(lags)
}

/// Where the blocks of offsets stand in a segment: the committed end is that of the next offset.
fn places<F: VfsFile>(
    segment: &OpenSegment<F>,
    offsets: BTreeSet<u64>,
) -> Result<Vec<(u64, u64)>, Failure> {
    let mut offsets = offsets.into_iter().peekable();
    let mut scan = Scan::new(&segment.file, segment.header);
    let mut places = Vec::new();
    while offsets.peek().is_some() {
        let position = scan.position;
        let next = scan.next().while_doing_at("read", &segment.path, position)?;
        let block_end = next.is_ok_and(|_| true).then_some(scan.link.next_offset);
        let upto = block_end.unwrap_or(scan.link.next_offset.saturating_add(1));
        while let Some(offset) = offsets.next_if(|offset| *offset < upto) {
            places.push((offset, position));
        }
        if block_end.is_none() {
            break;
        }
    }
    Ok(places)
}

/// Who holds the lock of a name; inside `None` where the lock file does not tell.
fn owner<V: Vfs>(dir: &Directory<V>, name: &str) -> Result<Option<Option<Hint>>, Failure> {
    let Some((file, path)) = open_owner_lock(dir, name)? else { return Ok(None) };
    let held = file.is_locked(LockKind::Shared).while_doing("look at the lock of", &path)?;
    Ok(held.then(|| Hint::read(&file)))
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
