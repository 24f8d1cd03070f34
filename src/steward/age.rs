//! How old a segment is (S-8).
//!
//! Timestamps come from the clocks of writers, and clocks jump. Two things must not happen:
//! that a clock that was behind makes records look older than they are, so that they go too
//! early; and that a clock that was ahead, in the year 2099 say, makes them look younger, so
//! that they never go.
//!
//! Against the first: what counts is the timestamp of the segment end, which is the
//! highest of the stream until then (F-22). Against the second: where that lies in the
//! future, the last timestamp of the segment's own records counts; and where that does too,
//! that of the first later segment in which it does not. Each of these moments was after the
//! last record of the segment was written, as far as any clock tells.
//!
//! A segment is read from its end backwards for this: each block repeats the length of its
//! body as the last but four of its bytes.

use crate::block::{BlockKind, BlockStart, Cause};
use crate::codec::get_u32;
use crate::dir::{Directory, OpenSegment};
use crate::error::{Failure, IoContext};
use crate::layout::{block_bytes, end, header, start};
use crate::steward::survey::{SealedSegment, Survey};
use crate::vfs::{OpenMode, Vfs, VfsFile, read_full};

/// Tells how old the segments of a survey are, by one reading of the clock.
pub struct Ages<'s, V> {
    pub dir: &'s Directory<V>,
    pub survey: &'s Survey,
    pub now_ms: u64,
}

impl<V: Vfs> Ages<'_, V> {
    /// The moment from which the age of a sealed segment counts; `None` if all that could
    /// tell lies in the future.
    pub fn settled_ms(&self, index: usize) -> Result<Option<u64>, Failure> {
        let past = |time_ms: &u64| *time_ms <= self.now_ms;
        let later = self.survey.sealed.get(index..).unwrap_or_default();
        let Some(segment) = later.first() else {
            return Ok(self.survey.active.last_ms.filter(past));
        };
        let highest_ms = self.last_block(segment, |_| true)?.filter(past);
        if highest_ms.is_some() {
            return Ok(highest_ms);
        }
        for segment in later {
            let last_ms = self.last_block(segment, |start| start.kind == BlockKind::Records)?;
            if last_ms.is_some_and(|last_ms| past(&last_ms)) {
                return Ok(last_ms);
            }
        }
        Ok(self.survey.active.last_ms.filter(past))
    }

    /// The timestamp of the last block that is `wanted`.
    fn last_block(
        &self,
        segment: &SealedSegment,
        wanted: impl Fn(&BlockStart) -> bool,
    ) -> Result<Option<u64>, Failure> {
        let opened = self.dir.open_segment(segment.header.sequence, OpenMode::Read)?;
        let Some(opened) = opened else { return Ok(None) };
        let mut block_end = segment.bytes;
        while block_end > header::LEN as u64 {
            let (position, start) = block_before(&opened, block_end)?;
            if wanted(&start) {
                return Ok(Some(start.timestamp_ms));
            }
            block_end = position;
        }
        Ok(None)
    }
}

/// Position and start of the block that ends at a place.
fn block_before<F: VfsFile>(
    segment: &OpenSegment<F>,
    block_end: u64,
) -> Result<(u64, BlockStart), Failure> {
    let damage = |position, cause| segment.damage(position, segment.header.base_offset, cause);
    let read = |bytes: &mut [u8], position| {
        read_full(&segment.file, bytes, position).while_doing_at("read", &segment.path, position)
    };
    let mut length = [0; end::LEN];
    let length_at = block_end.saturating_sub(end::LEN as u64);
    read(&mut length, length_at)?;
    let body_len = get_u32(&length, 0).unwrap_or(0) as usize;
    let position = block_end.checked_sub(block_bytes(body_len));
    let position = position.filter(|position| *position >= header::LEN as u64);
    let position = position.ok_or_else(|| damage(length_at, Cause::Pad))?;
    let mut bytes = [0; start::LEN];
    read(&mut bytes, position)?;
    match BlockStart::decode(&bytes, segment.header.place(position)) {
        Ok(start) if start.body_len == body_len => Ok((position, start)),
        Ok(_) => Err(damage(position, Cause::Pad)),
        Err(cause) => Err(damage(position, cause)),
    }
}
