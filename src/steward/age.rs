//! How old a segment is (S-8).
//!
//! Timestamps come from the clocks of writers, and clocks jump. Two things must not happen:
//! that a clock that was behind makes records look older than they are, so that they go too
//! early; and that a clock that was ahead, in the year 2099 say, makes them look younger, so
//! that they never go.
//!
//! Against the first: what counts is the timestamp of the segment end, which is the
//! highest of the stream until then (F-22). Against the second: where that lies in the
//! future, the highest timestamp of the segment's own records that does not; and where the last
//! of them does, that of the first later segment in which one does not. Each of these moments was after the
//! last record of the segment was written, as far as any clock tells.
//!
//! The segment end is found from the end of the file backwards: each block repeats the length
//! of its body as the last but four of its bytes. Only after a clock was ahead is
//! a segment read as a whole.

use crate::engine::cursor::Scan;
use crate::engine::dir::{Directory, OpenSegment};
use crate::engine::segment::{block_ending_at, data_end};
use crate::engine::vfs::{OpenMode, Vfs, VfsFile};
use crate::error::{Failure, IoContext};
use crate::format::block::{BlockKind, BlockStart, Cause};
use crate::format::sure::part;
use crate::steward::survey::{SealedSegment, Survey};

/// Tells how old the segments of a survey are.
pub struct Ages<'s, V: Vfs> {
    pub dir: &'s Directory<V>,
    pub survey: &'s Survey,
}

impl<V: Vfs> Ages<'_, V> {
    /// The moment from which the age of a sealed segment counts; `None` if all that could
    /// tell lies in the future.
    pub fn settled_ms(&self, index: usize) -> Result<Option<u64>, Failure> {
        let now_ms = self.survey.now_ms;
        let later = part(&self.survey.sealed, index..);
        if let Some(segment) = self.open(later.first())? {
            let end = last_block(&segment)?;
            if end.timestamp_ms <= now_ms {
                return Ok(Some(end.timestamp_ms));
            }
        }
        for (place, segment) in later.iter().enumerate() {
            let Some(segment) = self.open(Some(segment))? else { continue };
            let (highest_ms, last_ms) = times_until(&segment, now_ms)?;
            // In a later segment, whatever was written was written later.
            if highest_ms.is_some() && (place > 0 || last_ms <= now_ms) {
                return Ok(highest_ms);
            }
        }
        Ok(self.survey.active.highest_ms)
    }

    fn open(
        &self,
        segment: Option<&SealedSegment>,
    ) -> Result<Option<OpenSegment<V::File>>, Failure> {
        let Some(segment) = segment else { return Ok(None) };
        self.dir.open_segment(segment.header.sequence, OpenMode::Read)
    }
}

/// Of the records blocks: the highest timestamp that does not lie in the future, and the last.
fn times_until<F: VfsFile>(
    segment: &OpenSegment<F>,
    now_ms: u64,
) -> Result<(Option<u64>, u64), Failure> {
    let mut scan = Scan::new(segment);
    let (mut highest_ms, mut last_ms) = (None, 0);
    while !scan.at.ended {
        let (_, block) = scan.expect_block()?;
        let start = &block.start;
        if start.kind == BlockKind::Records {
            last_ms = start.timestamp_ms;
            highest_ms = highest_ms.max(Some(last_ms).filter(|last_ms| *last_ms <= now_ms));
        }
    }
    Ok((highest_ms, last_ms))
}

/// The start of the last block.
fn last_block<F: VfsFile>(segment: &OpenSegment<F>) -> Result<BlockStart, Failure> {
    let file_end = segment.file.status().while_doing("look at", &segment.path)?.len;
    let file_end = data_end(&segment.file, file_end).while_doing("read", &segment.path)?;
    let found = block_ending_at(&segment.file, &segment.header, file_end);
    let found = found.while_doing_at("read", &segment.path, file_end)?;
    match found {
        Some((_, start)) if start.kind == BlockKind::SegmentEnd => Ok(start),
        _ => Err(segment.damage(file_end, segment.header.base_offset, Cause::NotSealed)),
    }
}
