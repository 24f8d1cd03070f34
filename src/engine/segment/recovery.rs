//! The recovery table (protocol.md, chapter 5): what stands behind the committed end.

use std::io;

use super::SegmentHeader;
use super::zeros::{CHUNK_BYTES, is_zero};
use crate::engine::vfs::{FIRST_PIECE_BYTES, VfsFile, read_full};
use crate::format::block::{BlockStart, Cause, Place};
use crate::format::codec::{crc_continue, get_u32};
use crate::format::layout::{BLOCK_ALIGN, end, start};
use crate::format::sure::{self, part_mut};

/// The rows of the recovery table but for `unreadable`, which is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailKind {
    /// Bytes that must be valid are not: stop.
    Damaged {
        /// How it is known that they must be.
        cause: Cause,
    },
    /// Nothing stands behind the committed end, or nothing but zeros.
    Clean,
    /// A block that was never visible: cut.
    Unseen,
    /// Anything else: save, cut, raise the epoch.
    Lost,
}

/// What the recovery table needs to know of the committed part of a segment.
#[derive(Clone, Copy, Debug)]
pub struct CommittedPart {
    /// The committed end.
    pub end: u64,
    /// The highest `durable_to` of the committed blocks.
    pub durable_to: u64,
    /// Whether the newest epoch was begun in the current boot.
    pub current_boot: bool,
}

/// Decides by the recovery table what stands behind the committed end.
///
/// Every byte is read twice at most, however many blocks the bytes pretend to be.
///
/// # Errors
/// What the system says (row `unreadable`).
pub fn classify<F: VfsFile>(
    file: &F,
    segment: &SegmentHeader,
    part: &CommittedPart,
) -> io::Result<TailKind> {
    let mut tail = TailFacts::new(part);
    let mut position = part.end;
    let mut chunk = vec![0; FIRST_PIECE_BYTES];
    loop {
        let length = read_full(file, &mut chunk, position)?;
        let bytes = sure::part(&chunk, ..length);
        let zeros = is_zero(bytes);
        tail.look_at(file, bytes, zeros, segment.place(position))?;
        if length < chunk.len() {
            break;
        }
        chunk.resize(CHUNK_BYTES, 0);
        // Chunks overlap by one unit, so that no start is cut in two.
        let mut next = position + (length - BLOCK_ALIGN as usize) as u64;
        if zeros {
            // A sparse tail may be very long.
            let Some(data) = file.next_data(next)? else { break };
            next += data.saturating_sub(next) / BLOCK_ALIGN * BLOCK_ALIGN;
        }
        position = next;
    }
    Ok(tail.decide())
}

struct TailFacts {
    part: CommittedPart,
    known: u64,
    first_byte: Option<u8>,
    nonzero: bool,
    start_behind: bool,
    /// The end of the block at the committed end, by its own start: what stands before it is that
    /// block's body, and no evidence.
    body_end: u64,
    /// Where the first valid and high block stands behind that.
    committed_behind: Option<u64>,
    /// Up to where no block is checked any more: blocks do not overlap.
    checked_to: u64,
}

impl TailFacts {
    fn new(part: &CommittedPart) -> Self {
        Self {
            part: *part,
            known: part.durable_to,
            first_byte: None,
            nonzero: false,
            start_behind: false,
            body_end: part.end,
            committed_behind: None,
            checked_to: part.end,
        }
    }

    fn look_at<F: VfsFile>(
        &mut self,
        file: &F,
        bytes: &[u8],
        zeros: bool,
        place: Place,
    ) -> io::Result<()> {
        self.first_byte = self.first_byte.or(bytes.first().copied());
        if zeros {
            return Ok(());
        }
        self.nonzero = true;
        let positions = (place.position..).step_by(BLOCK_ALIGN as usize);
        for (unit, position) in bytes.chunks(BLOCK_ALIGN as usize).zip(positions) {
            let place = Place { position, ..place };
            if let Some(start) = BlockStart::stands_at(unit, place) {
                self.take(file, &start, place)?;
            }
        }
        Ok(())
    }

    fn take<F: VfsFile>(&mut self, file: &F, start: &BlockStart, place: Place) -> io::Result<()> {
        let block_end = place.position.saturating_add(start.block_bytes());
        if place.position == self.part.end {
            self.body_end = block_end;
        }
        if place.position < self.body_end {
            return Ok(());
        }
        self.start_behind = true;
        self.known = self.known.max(start.durable_to);
        let asked = self.part.current_boot && self.committed_behind.is_none();
        if asked && start.committed && place.position >= self.checked_to {
            self.checked_to = block_end;
            if is_valid(file, start, place)? {
                self.committed_behind = Some(place.position);
            }
        }
        Ok(())
    }

    fn decide(&self) -> TailKind {
        if self.known > self.part.end {
            return TailKind::Damaged { cause: Cause::Synced { durable_to: self.known } };
        }
        if let Some(position) = self.committed_behind {
            return TailKind::Damaged { cause: Cause::CommittedBehind { position } };
        }
        match self.first_byte {
            _ if !self.nonzero => TailKind::Clean,
            Some(0) if !self.start_behind && self.part.current_boot => TailKind::Unseen,
            _ => TailKind::Lost,
        }
    }
}

/// Whether the block with this start is valid (F-24), read piece by piece: a start may claim 16 MiB.
fn is_valid<F: VfsFile>(file: &F, start: &BlockStart, place: Place) -> io::Result<bool> {
    let block_end = place.position.saturating_add(start.block_bytes());
    let body_end = place.position + (start::LEN + start.body_len) as u64;
    let covered_end = block_end - end::CRC as u64;
    let mut chunk = vec![0; CHUNK_BYTES.min(start::LEN + start.body_len)];
    let (mut position, mut crc) = (place.position + start::LEN as u64, start.start_crc);
    while position < covered_end {
        let wanted = (covered_end - position).min(chunk.len() as u64) as usize;
        let bytes = part_mut(&mut chunk, ..wanted);
        if read_full(file, bytes, position)? < wanted {
            return Ok(false);
        }
        crc = crc_continue(crc, bytes);
        position += wanted as u64;
    }
    // From the body's end on: pad, and the end.
    let mut rest = [0; BLOCK_ALIGN as usize + end::LEN];
    let length = (block_end - body_end) as usize;
    let rest = part_mut(&mut rest, ..length);
    if read_full(file, rest, body_end)? < length {
        return Ok(false);
    }
    let (pad, end) = rest.split_at(length - end::LEN);
    let zeros = pad.iter().all(|byte| *byte == 0);
    let length_fits = get_u32(end, 0) == Some(start.body_len as u32);
    Ok(zeros && length_fits && get_u32(end, end.len() - end::CRC) == Some(crc))
}
