//! Appends with an identity, which are in the stream once however often they are tried (C-4).

use super::request::Request;
use super::{Producer, check_name};
use crate::appended::Appended;
use crate::engine::cursor::{Scan, Step};
use crate::engine::vfs::{OpenMode, Vfs};
use crate::error::{AppendError, Failure};
use crate::format::block::{Block, BlockKind, RecordCursor};
use crate::producer::Batch;

impl<V: Vfs> Producer<V> {
    /// Appends a batch as asked, and compares it with the one that stands there already.
    pub(crate) fn append_request(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
    ) -> Result<Appended, AppendError> {
        let Some((identity, sequence)) = request.once else {
            return self.append_records(batch, request);
        };
        check_name(identity)?;
        let answer = self.append_records(batch, request);
        if let Ok(appended) | Err(AppendError::NotDurable { appended, .. }) = &answer
            && appended.duplicate
            && !self.is_the_same(batch, appended)
        {
            let (identity, first_offset) = (identity.to_owned(), appended.first_offset);
            return Err(AppendError::OtherContent { identity, sequence, first_offset });
        }
        answer
    }

    /// The sequence of the last batch that this identity appended, as far as this producer
    /// has read; `None` if there is none.
    #[must_use]
    pub fn last_sequence(&self, identity: &str) -> Option<u64> {
        self.writer.tail.state.producer(identity).map(|entry| entry.sequence)
    }

    /// Whether a batch is the one that was appended, as far as that can be told.
    fn is_the_same(&self, batch: &Batch, appended: &Appended) -> bool {
        let same_count = batch.builder.record_count() == appended.record_count;
        let none = appended.record_count == 0;
        // What cannot be read any more cannot be compared, and was appended all the same.
        same_count && (none || self.holds_the_same(batch, appended.first_offset).unwrap_or(true))
    }

    fn holds_the_same(&self, batch: &Batch, first_offset: u64) -> Result<bool, Failure> {
        let dir = &self.writer.dir;
        let sequences = dir.segments()?.map(|segments| segments.sequences).unwrap_or_default();
        for sequence in sequences.into_iter().rev() {
            let Some(segment) = dir.open_segment(sequence, OpenMode::Read)? else { continue };
            if !segment.belongs_to(&self.writer.tail.segment.header.stream_id, sequence)
                || segment.header.base_offset > first_offset
            {
                continue;
            }
            let mut scan = Scan::new(&segment);
            loop {
                let Step::Block(_, block) = scan.next()? else { return Ok(true) };
                let start = &block.start;
                if start.kind == BlockKind::Records
                    && start.record_count > 0
                    && start.first_offset >= first_offset
                {
                    return Ok(start.first_offset != first_offset || is_part_of(&block, batch));
                }
            }
        }
        Ok(true)
    }
}

/// Whether each record of a block stands in the batch at its place. A compaction may have taken
/// some of them.
fn is_part_of(block: &Block<'_>, batch: &Batch) -> bool {
    let own = batch.builder.body();
    let (mut stored, mut given) =
        (block.records(), RecordCursor::starting_at(block.start.first_offset));
    while let Some(record) = stored.next(block.body) {
        let same = loop {
            match given.next(own) {
                Some(other) if other.offset == record.offset => break Some(other),
                Some(_) => {}
                None => break None,
            }
        };
        let same = same.is_some_and(|other| {
            (other.topic, other.key, other.value, other.headers)
                == (record.topic, record.key, record.value, record.headers)
        });
        if !same {
            return false;
        }
    }
    true
}
