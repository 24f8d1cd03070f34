//! Rewriting one segment without the records that are to go (S-6, F-38).
//!
//! The segment is read twice. The first time tells what would be removed and how long the file
//! would be, so that nothing is written for nothing, and the opening checkpoints can say that
//! length (F-23). The second time writes. Both see the same: a sealed segment does not change.

use crate::engine::cursor::Scan;
use crate::engine::dir::{Directory, OpenSegment, compaction_name};
use crate::engine::maker::{SegmentMaker, give_name};
use crate::engine::segment::SegmentHeader;
use crate::engine::trace::{Action, Operator};
use crate::engine::vfs::{LockKind, LockWait, OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext, IoError, RecordError};
use crate::format::block::{Block, BlockBuilder, BlockKind, BlockMeta, Cause, spanned_offsets};
use crate::format::codec::put_varint;
use crate::format::layout::header;
use crate::format::record::{Fields, GAP, NewRecord, PAD, Record};
use crate::format::topics::TOPICS;
use crate::steward::compact::Judge;
use crate::steward::report::{Compacted, Why};
use crate::steward::survey::SealedSegment;

/// What came of it.
pub(super) enum Rewritten {
    /// There was nothing to remove.
    Not {
        /// Whether somebody holds it.
        held: bool,
    },
    /// It is replaced, or would be.
    Done(Compacted),
    /// It stays as it is.
    Stays(Why),
}

/// Rewrites a segment if something in it is to go, and replaces it; takes note of the new file.
pub(super) fn rewrite<V: Vfs>(
    dir: &Directory<V>,
    segment: &mut SealedSegment,
    dry_run: bool,
    judge: &mut Judge<'_>,
) -> Result<Rewritten, Failure> {
    let sequence = segment.header.sequence;
    let Some(source) = dir.open_segment(sequence, OpenMode::Write)? else {
        if !dry_run {
            dir.sync()?; // It is to stay gone before a marker above goes, too (S-14).
        }
        return Ok(Rewritten::Not { held: false });
    };
    let Some(mut plan) = Plan::of(&source, judge)? else {
        return Ok(Rewritten::Stays(Why::DoesNotFit));
    };
    let held = Why::Held { file: segment.id, since_ms: None, until_ms: None };
    // Tried before the work is done, and given back until it is: readers may come and go.
    let free = try_exclusive(dir, &source)?;
    if plan.removed == 0 {
        return Ok(Rewritten::Not { held: !free });
    }
    if !free {
        return Ok(Rewritten::Stays(held));
    }
    source.file.unlock().while_doing("unlock", &source.path)?;
    let done = Compacted {
        sequence,
        records_removed: plan.removed,
        bytes_before: segment.bytes,
        bytes_after: plan.length,
    };
    if dry_run {
        return Ok(Rewritten::Done(done));
    }
    let header = SegmentHeader {
        created_ms: dir.vfs.now_ms(),
        generation: source.header.generation.saturating_add(1),
        ..source.header
    };
    let removed = plan.removed;
    let action = |name| Action::new(name).at(sequence, 0).value(removed);
    let written = match write(dir, &source, header, &plan, judge) {
        Ok(Written::Longer { length }) => {
            plan.length = length;
            write(dir, &source, header, &plan, judge)
        }
        written => written,
    };
    let replaced = written.and_then(|written| {
        let Written::As(maker) = written else { return Err(changed(&source)) };
        let mut target =
            maker.finish(Some([action(Operator::Build), action(Operator::SyncBuilt)]))?;
        let replaced = replace(dir, &source, &mut target)?;
        Ok(replaced.then_some(target))
    });
    if !matches!(replaced, Ok(Some(_))) {
        // Of no consequence if it fails: the next pass removes it.
        let _ = dir.remove(&compaction_name(sequence), "remove");
    }
    let Some(target) = replaced? else { return Ok(Rewritten::Stays(held)) };
    let status = target.file.status().while_doing("look at", &source.path)?;
    *segment = SealedSegment { header: target.header, bytes: status.len, id: status.id };
    Ok(Rewritten::Done(Compacted { bytes_after: plan.length, ..done }))
}

fn try_exclusive<V: Vfs>(
    dir: &Directory<V>,
    segment: &OpenSegment<V::File>,
) -> Result<bool, IoError> {
    let locked = segment.file.lock(LockKind::Exclusive, LockWait::Try);
    let locked = locked.while_doing("lock", &segment.path)?;
    let tried = Action::new(Operator::TryExclusive).at(segment.header.sequence, 0);
    dir.vfs.trace(&tried.value(u64::from(locked)));
    Ok(locked)
}

/// Gives the rewritten segment the name of the old one; `false` if somebody holds that (S-6).
fn replace<V: Vfs>(
    dir: &Directory<V>,
    source: &OpenSegment<V::File>,
    target: &mut OpenSegment<V::File>,
) -> Result<bool, Failure> {
    let action = |name| Action::new(name).at(source.header.sequence, 0);
    // Another steward, which took its lock while that had lost its name, writes under the
    // same temporary name.
    let ours = dir.still_names(target)?;
    if !ours || !try_exclusive(dir, source)? || !dir.still_names(source)? {
        dir.vfs.trace(&action(Operator::LeaveAsItIs));
        return Ok(false);
    }
    dir.vfs.trace(&action(Operator::LockToReplace));
    let told = [action(Operator::Replace), action(Operator::SyncReplace)];
    give_name(dir, target, source.name(), "replace", told)?;
    source.file.unlock().while_doing("unlock", &source.path)?;
    Ok(true)
}

/// What rewriting a segment would come to.
#[derive(Debug, Default)]
struct Plan {
    /// How many records go.
    removed: u64,
    /// The length of the file.
    length: u64,
    /// Positions, in the old file, of the blocks that stay even without records, because the
    /// age of the segment hangs on them.
    witnesses: Vec<u64>,
}

/// The blocks from which the age of a segment is told (S-8, F-38).
#[derive(Default)]
struct Witnesses {
    /// The first one with the highest timestamp.
    highest: Option<Witness>,
    /// The first one with the highest timestamp that does not lie in the future.
    highest_past: Option<Witness>,
    /// The last one.
    last: Option<Witness>,
}

#[derive(Clone, Copy)]
struct Witness {
    timestamp_ms: u64,
    position: u64,
    /// What it takes in the new file only because it is a witness.
    bytes: u64,
}

impl Witnesses {
    fn see(&mut self, seen: Witness, now_ms: u64) {
        let later = |than: Option<Witness>| {
            than.is_none_or(|than: Witness| seen.timestamp_ms > than.timestamp_ms)
        };
        if later(self.highest) {
            self.highest = Some(seen);
        }
        if seen.timestamp_ms <= now_ms && later(self.highest_past) {
            self.highest_past = Some(seen);
        }
        self.last = Some(seen);
    }

    /// Those that are needed: all of them only where a clock was ahead.
    fn needed(&self, now_ms: u64) -> impl Iterator<Item = Witness> {
        let ahead = self.highest.is_some_and(|highest| highest.timestamp_ms > now_ms);
        let others = if ahead { [self.highest_past, self.last] } else { [None, None] };
        self.highest.into_iter().chain(others.into_iter().flatten())
    }
}

impl Plan {
    /// `None` if a block would exceed the limits of a block.
    fn of<F: VfsFile>(
        source: &OpenSegment<F>,
        judge: &mut Judge<'_>,
    ) -> Result<Option<Self>, Failure> {
        let mut plan = Self { length: header::LEN as u64, ..Self::default() };
        let (now_ms, mut witnesses) = (judge.now_ms(), Witnesses::default());
        let mut builder = BlockBuilder::default();
        let fits = each_block(source, |position, block| {
            let Some(shrunk) = shrink(block, judge, &mut builder)? else { return Ok(false) };
            plan.removed += shrunk.removed;
            let length = builder.block_bytes();
            let (bytes, bytes_of_empty) = if shrunk.empty { (0, length) } else { (length, 0) };
            if block.start.kind == BlockKind::Records {
                let timestamp_ms = block.start.timestamp_ms;
                witnesses.see(Witness { timestamp_ms, position, bytes: bytes_of_empty }, now_ms);
            }
            plan.length += bytes;
            Ok(true)
        })?;
        for witness in witnesses.needed(now_ms) {
            if !plan.witnesses.contains(&witness.position) {
                plan.witnesses.push(witness.position);
                plan.length += witness.bytes;
            }
        }
        Ok(fits.then_some(plan))
    }
}

/// What is left of a block.
struct Shrunk {
    /// How many records go.
    removed: u64,
    /// Whether it is a records block in which nothing is left but gaps.
    empty: bool,
}

/// Builds what is left of a block; `None` if that exceeds the limits of a block.
fn shrink(
    block: &Block<'_>,
    judge: &mut Judge<'_>,
    builder: &mut BlockBuilder,
) -> Result<Option<Shrunk>, Cause> {
    builder.clear();
    let (mut rest, mut offset) = (block.body, block.start.first_offset);
    let mut shrunk = Shrunk { removed: 0, empty: block.start.kind == BlockKind::Records };
    let mut gap = 0;
    while !rest.is_empty() {
        let (fields, after) = Fields::split(rest)?;
        rest = after;
        let span = spanned_offsets(&fields)?;
        let of_the_place = fields.topic == TOPICS || fields.topic == PAD;
        if fields.control && fields.key.is_none() && of_the_place {
            continue; // it speaks of the old file (F-38)
        }
        let was_gap = fields.control && span > 0;
        let record = Record::new(fields, offset, block.start.timestamp_ms);
        let goes = !fields.control && !judge.stays(&record);
        offset += span;
        shrunk.removed += u64::from(goes);
        if was_gap || goes {
            gap += span;
            continue;
        }
        shrunk.empty = false;
        let pushed = push_gap(builder, &mut gap).and_then(|()| builder.push(&fields.to_new()));
        if pushed.is_err() {
            return Ok(None);
        }
    }
    Ok(push_gap(builder, &mut gap).is_ok().then_some(shrunk))
}

/// Adds the gap that has come about, if there is one (F-33).
fn push_gap(builder: &mut BlockBuilder, gap: &mut u64) -> Result<(), RecordError> {
    if *gap == 0 {
        return Ok(());
    }
    let mut value = Vec::new();
    put_varint(&mut value, std::mem::take(gap));
    builder.push(&NewRecord::control(GAP, None, Some(&value)))
}

/// Hands out the blocks of a sealed segment that have a place in its compaction, with their
/// positions, until it is told `false`; tells whether it came to the end.
///
/// Of the checkpoints those are the opening ones: without what stood between them, two others
/// might come to stand side by side, and look like one (F-38).
fn each_block<F: VfsFile>(
    source: &OpenSegment<F>,
    mut take: impl FnMut(u64, &Block<'_>) -> Result<bool, Cause>,
) -> Result<bool, Failure> {
    let mut scan = Scan::new(source);
    let mut opening = true;
    while !scan.at.ended {
        let (before, block) = scan.expect_block()?;
        let damage = |cause| source.damage_at(&before, cause);
        block.check_records().map_err(damage)?;
        let checkpoint = block.start.kind == BlockKind::Checkpoint;
        opening &= checkpoint;
        if checkpoint && !opening {
            continue;
        }
        if !take(before.position, &block).map_err(damage)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What came of writing.
enum Written<'d, V: Vfs> {
    /// The file is as it was planned.
    As(SegmentMaker<'d, V>),
    /// Blocks had to be shifted (F-43), so that the file is longer than its opening checkpoints
    /// say; written once more with this length, it fits, for no shift depends on it.
    Longer { length: u64 },
}

fn changed<F>(source: &OpenSegment<F>) -> Failure {
    let error = std::io::Error::other("a sealed segment has changed");
    let path = source.path.clone();
    IoError::of("compact", path, error).into()
}

/// Writes the segment anew, under its temporary name.
fn write<'d, V: Vfs>(
    dir: &'d Directory<V>,
    source: &OpenSegment<V::File>,
    header: SegmentHeader,
    plan: &Plan,
    judge: &mut Judge<'_>,
) -> Result<Written<'d, V>, Failure> {
    let name = compaction_name(header.sequence);
    let mut maker = SegmentMaker::begin(dir, &name, header, Some(&source.file))?;
    let (mut builder, mut shifted) = (BlockBuilder::default(), 0);
    let mut failed = None;
    let whole = each_block(source, |position, block| {
        let start = &block.start;
        let Some(shrunk) = shrink(block, judge, &mut builder)? else { return Ok(false) };
        if shrunk.empty && !plan.witnesses.contains(&position) {
            return Ok(true);
        }
        let opening = start.kind == BlockKind::Checkpoint;
        let meta = BlockMeta {
            kind: start.kind,
            link: maker.link(start.first_offset),
            timestamp_ms: start.timestamp_ms,
            durable_to: if opening { plan.length } else { 0 },
            epoch: start.epoch,
            committed: true,
        };
        let planned = builder.block_bytes();
        let Ok(built) = builder.finish(&meta, maker.place()) else { return Ok(false) };
        shifted += built.bytes.len() as u64 - planned;
        failed = maker.add(&built).err();
        Ok(failed.is_none())
    })?;
    failed.map_or(Ok(()), Err)?;
    let length = maker.end();
    match length.checked_sub(plan.length) {
        Some(0) if whole => Ok(Written::As(maker)),
        Some(more) if whole && more == shifted => Ok(Written::Longer { length }),
        _ => Err(changed(source)),
    }
}
