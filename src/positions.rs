//! Looking at the positions of named consumers, and changing them by hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::consumer::{ConsumerOptions, Start};
use crate::engine::cursor::{Scan, Step};
use crate::engine::dir::{CONSUMERS, Directory, OpenSegment, open_owner_lock};
use crate::engine::hint::Hint;
use crate::engine::os::OsVfs;
use crate::engine::seek;
use crate::engine::segment::data_end;
use crate::engine::tail::open_tail;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext, ReadError};
use crate::format::state::Position;
use crate::named::{NamedError, OwnerLock};
use crate::options::{Common, Writing};
use crate::producer::{PositionChange, ProducerOptions, Transaction, check_name};

/// A named consumer as it stands.
///
/// ```
/// use puro::{NewRecord, Start, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("events");
/// let stream = Stream::open_or_create(&dir)?;
/// stream.set_position("billing", Start::Beginning)?;
/// stream.producer()?.append(&NewRecord::new("orders", "3 apples"))?;
/// let billing = &stream.positions()?[0];
/// assert_eq!((billing.lag_offsets, billing.running), (1, false));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// The name of a consumer, held: nobody runs under it, nor changes its position, as long as this
/// lives (C-7). [`Transaction::set_position`](crate::Transaction::set_position) changes it.
#[derive(Debug)]
pub struct OwnedName<V: Vfs = OsVfs> {
    name: String,
    /// Held as long as this lives.
    _lock: OwnerLock<V>,
}

impl<V: Vfs> OwnedName<V> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn take_at(dir: &Directory<V>, name: &str) -> Result<Self, NamedError> {
        check_name(name)?;
        let lock = OwnerLock::take(dir, name, LockWait::Try)?;
        Ok(Self { name: name.to_owned(), _lock: lock })
    }
}

impl<'a, V: Vfs> Transaction<'a, V> {
    /// Sets a position to any place up to the end, in the same block (C-7): for who keeps the
    /// positions of others, as a gateway does. There may be several, and the batch may be empty.
    /// Where the place is beyond the end, nothing is appended, and that is
    /// [`AppendError::Diverged`](crate::AppendError::Diverged).
    ///
    /// ```
    /// use puro::{Batch, NewRecord, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let dir = scratch.path().join("events");
    /// let stream = Stream::open_or_create(&dir)?;
    /// let mut producer = stream.producer()?;
    /// producer.append(&NewRecord::new("orders", "3 apples"))?;
    /// let billing = stream.own_position("billing")?; // nobody else runs under the name now
    /// producer.transaction(&mut Batch::new()).set_position(&billing, 1).commit()?;
    /// assert_eq!(producer.position("billing").map(|position| position.offset), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_position(self, name: &'a OwnedName<V>, offset: u64) -> Self {
        self.moved(name.name(), offset)
    }
}

/// The positions of all named consumers of a stream, by name.
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
    let mut scan = Scan::new(segment);
    let mut places = Vec::new();
    while offsets.peek().is_some() {
        let position = scan.at.position;
        let at_end = matches!(scan.next()?, Step::Stopped(_));
        let next_offset = scan.at.link.next_offset;
        let upto = if at_end { next_offset.saturating_add(1) } else { next_offset };
        while let Some(offset) = offsets.next_if(|offset| *offset < upto) {
            places.push((offset, position));
        }
        if at_end {
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

/// Changes a position in any world, as `change_at` does.
///
/// # Errors
/// As [`crate::Stream::set_position`].
#[cfg(feature = "internals")]
pub fn change_in<V: Vfs>(
    vfs: V,
    dir: impl AsRef<std::path::Path>,
    name: &str,
    to: Option<Start>,
) -> Result<Option<Position>, NamedError> {
    change_at(Directory::new(vfs, dir.as_ref()), Common::default(), name, to)
}

/// Sets the position of a consumer that is not running, or with `None` removes it (C-7); tells
/// what it is now. `Busy` while a process runs under the name.
pub(crate) fn change_at<V: Vfs>(
    dir: Directory<V>,
    common: Common,
    name: &str,
    to: Option<Start>,
) -> Result<Option<Position>, NamedError> {
    check_name(name)?;
    if dir.segments()?.is_none() {
        return Err(Failure::NotAStream { dir: dir.path }.into());
    }
    let _owner = OwnerLock::take(&dir, name, LockWait::Try)?;
    let mut producer = ProducerOptions::of(Writing::default(), common).open_at(dir.clone())?;
    let before = producer.position(name);
    let entry = Action::new(Operator::ReadEntry).label(name);
    dir.vfs.trace(&entry.value(before.map_or(0, |position| position.offset)));
    let after = match to {
        Some(start) => {
            let mut consumer = ConsumerOptions::new().start(start);
            consumer.common = common;
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
