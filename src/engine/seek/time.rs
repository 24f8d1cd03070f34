//! Seeking a time (R-10, F-22), though clocks jump.

use super::{Found, ReadPlace, Seeker, Sought};
use crate::engine::dir::{OpenSegment, Segments};
use crate::engine::error::IoContext;
use crate::engine::vfs::{Vfs, read_full};
use crate::format::block::{BlockKind, BlockStart};
use crate::format::layout::{header, start};
use crate::format::sure::part;

/// A time that is sought, and the time of whoever seeks.
struct SoughtTime {
    time_ms: u64,
    now_ms: u64,
    /// The first of the records that were just passed over because their time lies in the future.
    ahead_from: Option<u64>,
}

impl SoughtTime {
    /// Whether this block is the first of that time, or behind the first that may be of it.
    fn begins_at(&mut self, start: &BlockStart, highest_ms: &mut u64) -> bool {
        let ahead = start.timestamp_ms > self.now_ms && self.time_ms <= self.now_ms;
        let records = start.kind == BlockKind::Records;
        if ahead {
            if records {
                self.ahead_from.get_or_insert(start.first_offset);
            }
            return false;
        }
        *highest_ms = start.timestamp_ms.max(*highest_ms);
        let begins = records && *highest_ms >= self.time_ms;
        if records && !begins {
            self.ahead_from = None; // They were written before this block, so they are older.
        }
        begins
    }
}

impl<V: Vfs> Seeker<'_, V> {
    pub(super) fn time(&self, segments: &Segments, time_ms: u64) -> Sought<Found<V::File>> {
        let before = |segment: &OpenSegment<V::File>| {
            let place = segment.header.place(header::LEN as u64);
            let mut bytes = [0; start::LEN];
            let length = read_full(&segment.file, &mut bytes, place.position);
            let length = length.while_doing_at("read", &segment.path, place.position)?;
            let start = BlockStart::decode(part(&bytes, ..length), place).map_err(|cause| {
                segment.damage(place.position, segment.header.base_offset, cause)
            })?;
            Ok(start.timestamp_ms < time_ms)
        };
        let found = match self.last_that(segments, before)? {
            None => self.lowest(segments)?,
            found => found,
        };
        let Some(mut sequence) = found else { return Ok(None) };
        let mut sought = SoughtTime { time_ms, now_ms: self.dir.vfs.now_ms(), ahead_from: None };
        loop {
            let Some(segment) = self.pin(segments, sequence)? else { return Ok(None) };
            let mut place = ReadPlace::at_start_of(segment);
            let mut highest = 0;
            let _stop = place.skip(|block| Ok(!sought.begins_at(&block.start, &mut highest)))?;
            let next = sequence.checked_add(1).filter(|_| place.ended);
            match next {
                Some(next) if self.dir.has_segment(&segments.stream_id, next)? => sequence = next,
                _ => {
                    if let Some(offset) = sought.ahead_from {
                        return self.offset(segments, offset);
                    }
                    let first_offset = place.link.next_offset;
                    return Ok(Some(Found { place, first_offset }));
                }
            }
        }
    }
}
