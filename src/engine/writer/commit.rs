//! One block at the committed end: room for it, its commit, and what is left where that failed.

use std::io;

use crate::engine::dir::Directory;
use crate::engine::error::Failure;
use crate::engine::tail::Tail;
use crate::engine::trace::Operator;
use crate::engine::vfs::{Vfs, VfsFile, read_full, write_full};
use crate::engine::writer::CommitError;
use crate::format::layout::{SIGNAL_HIGH, SIGNAL_LOW};

/// Least and most room reserved ahead of a block, so that small blocks do not each ask for it.
/// In between it is a part of what the segment holds: a small stream takes little of the disk.
const RESERVE_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=4 * 1024 * 1024;
const RESERVE_PART: u64 = 4;
/// How often it is asked for again after an interruption.
const RESERVE_TRIES: u32 = 8;
/// What is written to the disk ahead of the sync that seals a segment, in one go.
const SYNC_AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Reserves room for a block that is to end at `block_end`. That is a favour: only a disk
/// that is full stops, for whatever other reason the system does not do it.
pub(crate) fn reserve<V: Vfs>(
    dir: &Directory<V>,
    tail: &mut Tail<V::File>,
    block_end: u64,
) -> Result<(), Failure> {
    if block_end <= tail.reserved_to {
        return Ok(());
    }
    let ahead = (block_end / RESERVE_PART).clamp(*RESERVE_BYTES.start(), *RESERVE_BYTES.end());
    let (mut wanted, mut interrupted) = (block_end + ahead, 0);
    while let Err(error) = tail.segment.file.reserve(tail.end, wanted) {
        match error.kind() {
            io::ErrorKind::Interrupted if interrupted < RESERVE_TRIES => interrupted += 1,
            io::ErrorKind::StorageFull if wanted > block_end => wanted = block_end,
            io::ErrorKind::StorageFull => {
                refuse_full_disk(dir, tail, block_end)?;
                break;
            }
            _ => break,
        }
    }
    // Where it could not be had, it is not asked for again until so much is written.
    tail.reserved_to = wanted;
    Ok(())
}

/// The system says that the disk is full: believed if it counts so few free bytes, too.
fn refuse_full_disk<V: Vfs>(
    dir: &Directory<V>,
    tail: &Tail<V::File>,
    block_end: u64,
) -> Result<(), Failure> {
    let (path, needed) = (tail.segment.path.clone(), block_end - tail.end);
    match dir.free_bytes() {
        Ok(free) if free < needed => Err(Failure::NoSpace { path, needed, free }),
        _ => Ok(()),
    }
}

/// Whoever passes a multiple of [`SYNC_AHEAD_BYTES`] lets the system begin to write what was
/// filled since the last one, so that there is little left to do when the segment is sealed (V-3).
pub(super) fn begin_sync<F: VfsFile>(tail: &Tail<F>, block_begin: u64) {
    let filled = |end: u64| end / SYNC_AHEAD_BYTES * SYNC_AHEAD_BYTES;
    if filled(tail.end) > filled(block_begin) {
        tail.segment.file.begin_sync(filled(block_begin), filled(tail.end));
    }
}

/// Cuts off what was written of a block that will not be committed. If that fails, the
/// block stays low, and the next repair does it.
pub(super) fn withdraw<V: Vfs>(dir: &Directory<V>, tail: &mut Tail<V::File>) {
    let cut = tail.segment.file.set_len(tail.end).is_ok();
    tail.reserved_to = tail.end;
    tail.zeros_to = if cut { u64::MAX } else { tail.end };
    tail.length = tail.end;
    dir.vfs.trace(&tail.action(Operator::GiveUp).label(if cut { "cut" } else { "left" }));
}

/// Writes the signal high: the commit; reads it back where that fails.
pub(super) fn commit<V: Vfs>(
    dir: &Directory<V>,
    tail: &mut Tail<V::File>,
) -> Result<(), CommitError> {
    let Err(error) = write_full(&tail.segment.file, &[SIGNAL_HIGH], tail.end) else {
        return Ok(());
    };
    let error = tail.io_error("commit", error);
    let mut signal = [0];
    match read_full(&tail.segment.file, &mut signal, tail.end) {
        Ok(1) if signal == [SIGNAL_HIGH] => Ok(()),
        Ok(1) if signal == [SIGNAL_LOW] => {
            withdraw(dir, tail);
            Err(CommitError::NotAppended(error.into()))
        }
        _ => {
            dir.vfs.trace(&tail.action(Operator::GiveUp).label("unknown"));
            Err(CommitError::Unknown(error))
        }
    }
}
