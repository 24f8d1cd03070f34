//! From record to record of a valid block.

use super::{Block, BlockStart, Cause, spanned_offsets};
use crate::format::record::{Fields, Record};

impl Block<'_> {
    /// A cursor over the records of users.
    #[must_use]
    pub fn records(&self) -> RecordCursor {
        let BlockStart { first_offset, record_count, timestamp_ms, has_control, .. } = self.start;
        RecordCursor {
            at: 0,
            next_offset: first_offset,
            end_offset: first_offset.saturating_add(u64::from(record_count)),
            timestamp_ms,
            has_control,
            seen_control: false,
            behind_gap: false,
        }
    }
}

/// Walks the records of a valid block; keeps places, not borrows, so that it can live beside the
/// buffer. It holds each record against chapter 6 and the block's start as it comes by; only
/// the record's own checksum it does not look at, for that of the block covers the same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordCursor {
    at: usize,
    /// The offset of the next record.
    pub(crate) next_offset: u64,
    /// The offset behind the block.
    end_offset: u64,
    timestamp_ms: u64,
    has_control: bool,
    seen_control: bool,
    behind_gap: bool,
}

impl RecordCursor {
    /// Before a body of our own making whose first record has this offset.
    pub(crate) fn starting_at(first_offset: u64) -> Self {
        let (next_offset, end_offset) = (first_offset, u64::MAX);
        Self { next_offset, end_offset, has_control: true, ..Self::default() }
    }

    /// Whether it has passed the last record of a body of `length` bytes.
    pub fn is_behind(&self, length: usize) -> bool {
        self.at >= length
    }

    /// Behind the last record: whether they were what the block's start says (F-17, F-18).
    ///
    /// # Errors
    /// `Count` if not.
    pub fn check_end(&self) -> Result<(), Cause> {
        let whole = self.next_offset == self.end_offset && self.seen_control == self.has_control;
        if whole { Ok(()) } else { Err(Cause::Count) }
    }

    /// The next record of a user in `body`; `None` behind the last, or where one is malformed. For
    /// a block that passed [`Block::check_records`].
    pub fn next<'a>(&mut self, body: &'a [u8]) -> Option<Record<'a>> {
        self.try_next(body).ok().flatten()
    }

    /// The next record of a user in `body`.
    ///
    /// # Errors
    /// What is malformed there; the cursor stays before it.
    // This and what is between it and the caller of `Consumer::try_next` is inlined by force: else a
    // record is copied three times on its way out, a tenth of the time that it takes.
    #[inline(always)]
    pub fn try_next<'a>(&mut self, body: &'a [u8]) -> Result<Option<Record<'a>>, Cause> {
        loop {
            let rest = body.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let (fields, after) = Fields::split_covered(rest)?;
            let offset = self.next_offset;
            if fields.control {
                self.pass_control(&fields)?;
            } else if offset < self.end_offset {
                self.next_offset = offset + 1;
                self.behind_gap = false;
            } else {
                return Err(Cause::Count);
            }
            self.at = body.len() - after.len();
            if !fields.control {
                return Ok(Some(Record::new(fields, offset, self.timestamp_ms)));
            }
        }
    }

    /// Passes a control record, or stays as it was.
    fn pass_control(&mut self, fields: &Fields<'_>) -> Result<(), Cause> {
        let offsets = spanned_offsets(fields)?;
        let gap = offsets > 0;
        if gap && self.behind_gap {
            return Err(Cause::Control("gap")); // two that should be one (F-33)
        }
        if !self.has_control || offsets > self.end_offset - self.next_offset {
            return Err(Cause::Count);
        }
        self.next_offset += offsets;
        (self.seen_control, self.behind_gap) = (true, gap);
        Ok(())
    }
}
