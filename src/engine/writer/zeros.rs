//! Zeros ahead of what is to be appended durably (protocol.md, chapter 12): a sync of bytes that are
//! there already costs the device two writes, one that makes the file longer costs three.

use crate::engine::segment::only_zeros;
use crate::engine::trace::Operator;
use crate::engine::vfs::{Vfs, VfsFile, write_full};
use crate::engine::writer::{Writer, WriterGuard};
use crate::format::layout::BLOCK_ALIGN;
use crate::format::sure::part;

/// Written in one go, and the least that is put ahead. Larger writes would make the system keep the
/// file in larger pieces, of which each sync writes one.
const WRITE_BYTES: u64 = 8 * 1024;
/// So many times less than what the segment holds is put ahead: a small stream takes little room.
const PART: u64 = 4;
static ZEROS: [u8; WRITE_BYTES as usize] = [0; WRITE_BYTES as usize];

impl<V: Vfs> Writer<V> {
    /// Puts zeros behind the committed end where there are none, for the next appends to be written
    /// over them (Z-1). A favour: where it fails, or the rest of it does, those make the file longer.
    pub fn put_zeros(&mut self, _guard: &WriterGuard<V>) {
        let tail = &mut self.tail;
        // Remembered, it tells no more than that zeros may be due.
        if tail.length > tail.end {
            return;
        }
        let ahead = (tail.end / PART).max(WRITE_BYTES).min(self.zeros_ahead_bytes);
        // Behind that no block goes into this segment (V-1).
        let full = tail.records_from.saturating_add(tail.state.settings().segment_bytes);
        let to = tail.end.saturating_add(ahead).min(full) / BLOCK_ALIGN * BLOCK_ALIGN;
        if to <= tail.end {
            return;
        }
        // From where the file ends now, whatever is remembered of that: what others put there is
        // never written over.
        let Ok(status) = tail.segment.file.status() else { return };
        let begin = status.len.max(tail.end);
        let mut position = begin;
        while position < to {
            let next = (position / WRITE_BYTES + 1) * WRITE_BYTES;
            let zeros = part(&ZEROS, ..(next.min(to) - position) as usize);
            if write_full(&tail.segment.file, zeros, position).is_err() {
                break;
            }
            position = next.min(to);
        }
        tail.length = position;
        if position > begin {
            self.put_zeros_here = true;
            self.dir.vfs.trace(&tail.action(Operator::PutZeros).value(position));
        }
    }

    /// Whether it put zeros behind the end as it remembers it, in a segment that is still there.
    pub fn has_put_zeros(&self) -> bool {
        let is_there = || self.tail.segment.file.status().is_ok_and(|status| status.links == 1);
        self.put_zeros_here && self.tail.length > self.tail.end && is_there()
    }

    /// Cuts off zeros, where the end is as remembered and nothing but zeros stands behind it (Z-8). A
    /// favour, too: others take them for nothing.
    pub fn cut_zeros(&mut self, _guard: &WriterGuard<V>) {
        let Ok(look) = self.look() else { return };
        let tail = &mut self.tail;
        if look.links != 1 || look.changed || !look.zeros || look.len <= tail.end {
            return;
        }
        let file = &tail.segment.file;
        let only_zeros = only_zeros(file, tail.end, u64::MAX).unwrap_or(false);
        if only_zeros && file.set_len(tail.end).is_ok() {
            tail.length = tail.end;
            self.dir.vfs.trace(&tail.action(Operator::CutZeros));
        }
    }
}
