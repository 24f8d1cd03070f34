//! The chain of a segment's blocks: which block may stand where.

use crate::format::block::{Block, BlockKind, BlockStart, Cause, Link};
use crate::format::header::SegmentHeader;
use crate::format::layout::header;

/// A place between two blocks of a segment, every block before it being committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where the next block stands.
    pub position: u64,
    /// What it must continue.
    pub link: Link,
    /// Whether the block before is the segment end: nothing follows it (F-25).
    pub ended: bool,
}

impl Chain {
    /// Before the first block of a segment.
    #[must_use]
    pub fn at_start_of(segment: &SegmentHeader) -> Self {
        Self { position: header::LEN as u64, link: segment.first_link(), ended: false }
    }

    /// Before a block that was found by another way than from block to block. What it says of the
    /// one before it is believed.
    #[must_use]
    pub fn before(segment: &SegmentHeader, position: u64, start: &BlockStart) -> Self {
        let (prev_crc, next_offset) = (start.prev_crc, start.first_offset);
        let link = Link { prev_crc, next_offset, may_jump: segment.may_jump() };
        Self { position, link, ended: false }
    }

    /// Behind a block that stands at `position`.
    #[must_use]
    pub fn behind(position: u64, block: &Block<'_>, may_jump: bool) -> Self {
        let position = position.saturating_add(block.start.block_bytes());
        let ended = block.start.kind == BlockKind::SegmentEnd;
        Self { position, link: block.link(may_jump), ended }
    }

    /// Whether a valid block with this start is the next committed one here (F-21, F-24, F-25).
    ///
    /// # Errors
    /// Why it is not.
    pub fn admit(&self, start: &BlockStart) -> Result<(), Cause> {
        if self.ended {
            return Err(Cause::BehindEnd);
        }
        if !self.link.leads_to(start) {
            return Err(Cause::Chain);
        }
        if !start.committed {
            return Err(Cause::Low);
        }
        let first = self.position == header::LEN as u64;
        if first && start.kind != BlockKind::Checkpoint {
            return Err(Cause::NoCheckpoint);
        }
        Ok(())
    }
}
