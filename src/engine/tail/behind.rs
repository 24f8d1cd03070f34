//! Finds the end of a large segment from behind (O-6): the newest checkpoint is looked for
//! backwards from the end of the file, and only what follows it is read.

use std::io;

use crate::engine::cursor::Step;
use crate::engine::dir::OpenSegment;
use crate::engine::error::{Failure, IoContext};
use crate::engine::segment::{READ_AHEAD_BYTES, SegmentHeader, Window, data_end};
use crate::engine::tail::Tail;
use crate::engine::vfs::{VfsFile, read_full};
use crate::format::block::{Block, BlockKind, BlockStart, Cause};
use crate::format::chain::Chain;
use crate::format::codec::get_u32;
use crate::format::layout::{block_bytes, end, header, start};
use crate::format::state::State;

/// What came of it.
pub enum FromBehind<F> {
    /// The end.
    Found(Box<Tail<F>>),
    /// The segment must be read from its header on.
    ReadAll(OpenSegment<F>),
}

/// Reads the end of a segment from its newest checkpoint on, if that is among the last
/// `look_back_bytes`.
///
/// # Errors
/// Where the file cannot be read, or the state in it is damaged.
pub fn scan_from_behind<F: VfsFile>(
    segment: OpenSegment<F>,
    boot_id: Option<[u8; 16]>,
    look_back_bytes: u64,
) -> Result<FromBehind<F>, Failure> {
    let path = segment.path.clone();
    let length = segment.file.status().while_doing("look at", &path)?.len;
    let length = data_end(&segment.file, length).while_doing("read", &path)?;
    let limit = length.saturating_sub(look_back_bytes);
    if boot_id.is_none() || limit <= header::LEN as u64 {
        return Ok(FromBehind::ReadAll(segment));
    }
    let found = newest_checkpoint(&segment.file, &segment.header, length, limit);
    let Some(checkpoint) = found.while_doing("read", &path)? else {
        return Ok(FromBehind::ReadAll(segment));
    };
    let mut tail = Tail::unread(segment);
    let sound = read_openings(&mut tail)? && tail.records_from <= checkpoint.0 && {
        jump(&mut tail, checkpoint);
        read_checkpoints(&mut tail)?
    };
    // Reading on to the end checks every block that was passed on the way back.
    let sound = sound && {
        tail.step_over()?;
        tail.end >= length && tail.state.is_of_boot(boot_id)
    };
    Ok(if sound { FromBehind::Found(Box::new(tail)) } else { FromBehind::ReadAll(tail.segment) })
}

/// Position and start of the first of the newest checkpoints, if they begin behind `limit`.
pub fn newest_checkpoint<F: VfsFile>(
    file: &F,
    segment: &SegmentHeader,
    length: u64,
    limit: u64,
) -> io::Result<Option<(u64, BlockStart)>> {
    let mut bytes = Backwards { file, buffer: Vec::new(), position: length };
    let (mut position, mut newest) = (length, None);
    while position > limit {
        let Some(at) = bytes.block_before(position)? else { return Ok(None) };
        let found = BlockStart::decode(bytes.read(at, start::LEN)?, segment.place(at));
        let Ok(found) = found else { return Ok(None) };
        match (found.kind, newest) {
            (BlockKind::Checkpoint, _) => newest = Some((at, found)),
            (_, Some(_)) => return Ok(newest),
            _ => {}
        }
        position = at;
    }
    Ok(None) // Perhaps in the middle of several checkpoints.
}

/// Moves to the checkpoint as if all before it had been read.
fn jump<F>(tail: &mut Tail<F>, (position, start): (u64, BlockStart)) {
    tail.move_to(Chain::before(&tail.segment.header, position, &start));
    tail.max_timestamp_ms = start.timestamp_ms;
}

/// Passes the opening checkpoints; `false` if there are none.
fn read_openings<F: VfsFile>(tail: &mut Tail<F>) -> Result<bool, Failure> {
    each_checkpoint(tail, |_| Ok(()))
}

/// Takes the state from the checkpoints at the tail's end; `false` if they are not sound.
fn read_checkpoints<F: VfsFile>(tail: &mut Tail<F>) -> Result<bool, Failure> {
    let mut state = State::default();
    let found = each_checkpoint(tail, |block| state.apply(block))?;
    tail.state = state;
    Ok(found)
}

/// Passes the checkpoints at the tail's end; `false` if there are none.
fn each_checkpoint<F: VfsFile>(
    tail: &mut Tail<F>,
    mut take: impl FnMut(&Block<'_>) -> Result<(), Cause>,
) -> Result<bool, Failure> {
    let mut window = Window::default();
    let begin = tail.end;
    loop {
        match tail.segment.look(&tail.chain(), &mut window, READ_AHEAD_BYTES)? {
            Step::Block(_, block) if block.start.kind == BlockKind::Checkpoint => {
                take(&block).map_err(|cause| tail.damage(cause))?;
                tail.absorb(&block).map_err(|cause| tail.damage(cause))?;
            }
            _ => return Ok(tail.end > begin),
        }
    }
}

/// Reads a file in pieces, from its end to its beginning.
struct Backwards<'f, F> {
    file: &'f F,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    position: u64,
}

impl<F: VfsFile> Backwards<'_, F> {
    /// Where the block begins that ends at `block_end`, by the length that it says; `None` if that
    /// cannot be.
    fn block_before(&mut self, block_end: u64) -> io::Result<Option<u64>> {
        let Some(at) = block_end.checked_sub(end::END_BODY_LEN as u64) else { return Ok(None) };
        let body_len = get_u32(self.read(at, end::LEN)?, 0);
        let length = body_len.map(|body_len| block_bytes(body_len as usize));
        let begin = length.and_then(|length| block_end.checked_sub(length));
        Ok(begin.filter(|begin| *begin >= header::LEN as u64))
    }

    /// Bytes of the file; fewer only where it ends.
    fn read(&mut self, position: u64, length: usize) -> io::Result<&[u8]> {
        let held_end = self.position + self.buffer.len() as u64;
        if position < self.position || position + length as u64 > held_end {
            let wanted_end = position + length as u64;
            self.position = wanted_end.saturating_sub(READ_AHEAD_BYTES as u64).min(position);
            self.buffer.resize((wanted_end - self.position) as usize, 0);
            let read = read_full(self.file, &mut self.buffer, self.position)?;
            self.buffer.truncate(read);
        }
        let skip = (position - self.position) as usize;
        let held = self.buffer.get(skip..).unwrap_or_default();
        Ok(held.get(..length).unwrap_or(held))
    }
}
