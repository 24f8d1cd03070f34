//! Appends on condition that a topic, or a key in it, has rested.
//!
//! The look goes backwards from the committed end, which the writer has just found: most often the
//! caller decided a moment ago, and then a block or two are all there is to be read. Where more came
//! since, the indexes of topics (F-42) tell which blocks need not be read.

use crate::engine::dir::OpenSegment;
use crate::engine::segment::{NoBlock, Window, block_ending_at, data_end};
use crate::engine::vfs::{OpenMode, Vfs, VfsFile};
use crate::engine::writer::Writer;
use crate::error::{AppendError, Failure, IoContext};
use crate::format::block::{Block, BlockKind, BlockStart, Cause};
use crate::format::layout::header;
use crate::format::token::{Token, check_history};
use crate::format::topics::{index_begin, index_in, wanted_blocks};

/// What must have rested since a token was taken.
#[derive(Clone, Copy)]
pub(crate) struct Unchanged<'a> {
    pub topic: &'a [u8],
    /// `None`: the whole topic.
    pub key: Option<&'a [u8]>,
    pub since: &'a Token,
}

impl Unchanged<'_> {
    /// Refuses if a record of that topic, and key, came since; or if that cannot be told.
    pub fn check<V: Vfs>(&self, writer: &Writer<V>) -> Result<(), AppendError> {
        let tail = &writer.tail;
        let stream_id = tail.segment.header.stream_id;
        check_history(self.since, &stream_id, tail.state.epochs(), tail.next_offset())?;
        if self.since.offset >= tail.next_offset() {
            return Ok(());
        }
        let found = self.search(&tail.segment, tail.end).map_err(AppendError::NotAppended)?;
        let mut lowest = (tail.segment.header.sequence, tail.segment.header.base_offset);
        let mut newest = found;
        while newest.is_none() && lowest.1 > self.since.offset {
            let below = below(writer, lowest.0).map_err(AppendError::NotAppended)?;
            let Some((segment, end)) = below else { return Err(self.overtaken(None)) };
            newest = self.search(&segment, end).map_err(AppendError::NotAppended)?;
            lowest = (segment.header.sequence, segment.header.base_offset);
        }
        newest.map_or(Ok(()), |offset| Err(self.overtaken(Some(offset))))
    }

    fn overtaken(&self, offset: Option<u64>) -> AppendError {
        AppendError::Overtaken {
            topic: self.topic.to_vec(),
            key: self.key.map(<[u8]>::to_vec),
            since: self.since.offset,
            offset,
        }
    }

    /// The offset of the newest such record of a segment, from its end back to the token's offset.
    fn search<F: VfsFile>(
        &self,
        segment: &OpenSegment<F>,
        end: u64,
    ) -> Result<Option<u64>, Failure> {
        let mut window = Window::default();
        let mut behind = end;
        while behind > header::LEN as u64 {
            let found = block_ending_at(&segment.file, &segment.header, behind);
            let found = found.while_doing_at("read", &segment.path, behind)?;
            let damage = || segment.damage(behind, self.since.offset, Cause::Chain);
            let (position, start) = found.ok_or_else(damage)?;
            if self.is_before(&start) {
                return Ok(None);
            }
            if start.kind == BlockKind::Records {
                if let Some(offset) = self.newest_in(&load(&mut window, segment, position)?) {
                    return Ok(Some(offset));
                }
                behind = position;
                continue;
            }
            match self.by_index(&load(&mut window, segment, position)?, position) {
                None => behind = position,
                Some((from, wanted)) => {
                    for at in wanted.into_iter().rev() {
                        let block = load(&mut window, segment, at)?;
                        if self.is_before(&block.start) {
                            return Ok(None);
                        }
                        if let Some(offset) = self.newest_in(&block) {
                            return Ok(Some(offset));
                        }
                    }
                    behind = from;
                }
            }
        }
        Ok(None)
    }

    /// From where on the index in a block knows all blocks, and those of them that hold the topic.
    fn by_index(&self, block: &Block<'_>, position: u64) -> Option<(u64, Vec<u64>)> {
        let value = index_in(block)?;
        let from = index_begin(value)?;
        let wanted = wanted_blocks(value, position, |topic| topic == self.topic)?;
        (header::LEN as u64..position).contains(&from).then_some((from, wanted))
    }

    /// Whether all records of a block stand before the token's offset.
    fn is_before(&self, start: &BlockStart) -> bool {
        start.first_offset + u64::from(start.record_count) <= self.since.offset
    }

    fn newest_in(&self, block: &Block<'_>) -> Option<u64> {
        let (mut records, mut newest) = (block.records(), None);
        while let Some(record) = records.next(block.body) {
            if record.offset >= self.since.offset
                && record.topic == self.topic
                && (self.key.is_none() || record.key == self.key)
            {
                newest = Some(record.offset);
            }
        }
        newest
    }
}

/// A segment, and where its blocks end.
type Ending<F> = (OpenSegment<F>, u64);

/// The segment below another one; `None` where it was deleted.
fn below<V: Vfs>(writer: &Writer<V>, sequence: u32) -> Result<Option<Ending<V::File>>, Failure> {
    let Some(sequence) = sequence.checked_sub(1) else { return Ok(None) };
    let stream_id = writer.tail.segment.header.stream_id;
    let segment = writer.dir.open_segment(sequence, OpenMode::Read)?;
    let Some(segment) = segment.filter(|segment| segment.belongs_to(&stream_id, sequence)) else {
        return Ok(None);
    };
    let length = segment.file.status().while_doing("look at", &segment.path)?.len;
    let end = data_end(&segment.file, length).while_doing("read", &segment.path)?;
    Ok(Some((segment, end)))
}

/// A block before the committed end: it is there and whole, or there is damage.
fn load<'w, F: VfsFile>(
    window: &'w mut Window,
    segment: &OpenSegment<F>,
    position: u64,
) -> Result<Block<'w>, Failure> {
    let place = segment.header.place(position);
    match window.valid_block(&segment.file, place, 0) {
        Ok(block) if block.start.committed => Ok(block),
        Ok(block) => Err(segment.damage(position, block.start.first_offset, Cause::Low)),
        Err(NoBlock::Invalid(cause)) => Err(segment.damage(position, 0, cause)),
        Err(NoBlock::Unreadable(error)) => {
            Err(error).while_doing_at("read", &segment.path, position).map_err(Failure::from)
        }
    }
}
