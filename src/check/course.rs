//! What the committed blocks of one segment must be like beyond their checksums.

use super::finding::Problem;
use crate::engine::segment::SegmentHeader;
use crate::engine::walk::WalkPlace;
use crate::format::block::{Block, BlockKind, Cause, spanned_offsets};
use crate::format::chain::Chain;
use crate::format::layout::{CHECKPOINT_BODY_BYTES, MAX_VALUE_BYTES, header};
use crate::format::record::{Fields, RecordCause};
use crate::format::state::State;
use crate::format::topics::{TopicIndex, index_begin, index_in};

/// What is carried from one segment to the next.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The next offset.
    pub next_offset: u64,
    /// The newest epoch.
    pub epoch: u32,
    /// Highest timestamp of any records block so far (F-22).
    pub max_timestamp_ms: u64,
    /// The state that the next opening checkpoints must hold (F-37).
    pub state: State,
}

/// The way through the blocks of a segment.
pub struct Course {
    header: SegmentHeader,
    deep: bool,
    /// What the segment before left; `None` where that is not known.
    before: Option<Carried>,
    /// The place before the next block.
    pub at: WalkPlace,
    /// The next offset.
    pub next_offset: u64,
    /// How many committed blocks were passed.
    pub blocks: u64,
    /// How many offsets they span.
    pub records: u64,
    /// Highest `durable_to` of them.
    pub durable_to: u64,
    /// The fold of their entries.
    pub state: State,
    max_timestamp_ms: u64,
    /// Whether only opening checkpoints were passed.
    opening: bool,
    /// Whether something before was damaged, so that state and times are not known.
    broken: bool,
    /// Bodies of the checkpoints that make up one whole state.
    checkpoint: Option<Vec<u8>>,
    /// `durable_to` of the opening checkpoints (F-23).
    opening_durable_to: Option<u64>,
    /// Which blocks since the newest checkpoint hold which topics; `None` where that is not known.
    topics: Option<TopicIndex>,
}

impl Course {
    /// Begins a segment, behind its header.
    pub fn new(header: SegmentHeader, before: Option<Carried>, deep: bool) -> Self {
        Self {
            header,
            deep,
            at: Chain::at_start_of(&header).into(),
            next_offset: header.base_offset,
            blocks: 0,
            records: 0,
            durable_to: 0,
            state: State::default(),
            max_timestamp_ms: before.as_ref().map_or(0, |before| before.max_timestamp_ms),
            before,
            opening: true,
            broken: false,
            checkpoint: None,
            opening_durable_to: None,
            topics: Some(topics_from(header::LEN as u64)),
        }
    }

    /// What the next segment must continue; `None` where something is damaged.
    pub fn into_carried(self) -> Option<Carried> {
        let Self { next_offset, max_timestamp_ms, .. } = self;
        let epoch = self.epoch();
        (!self.broken).then_some(Carried {
            next_offset,
            epoch,
            max_timestamp_ms,
            state: self.state,
        })
    }

    fn epoch(&self) -> u32 {
        self.state.newest_epoch().map_or(0, |epoch| epoch.number)
    }

    /// Notes that damage stands before the next block.
    pub fn interrupt(&mut self, at: WalkPlace, next_offset: Option<u64>) {
        self.broken = true;
        self.checkpoint = None;
        self.opening_durable_to = None;
        self.topics = None;
        self.at = at;
        self.next_offset = next_offset.unwrap_or(self.next_offset).max(self.next_offset);
    }

    /// Passes a committed block, and tells what is wrong with it all the same.
    pub fn pass(&mut self, block: &Block<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if block.start.kind != BlockKind::Checkpoint {
            problems.extend(self.close_checkpoint());
        }
        problems.extend(self.check_start(block).into_iter().map(Problem::Bytes));
        problems.extend(self.check_body(block).err().map(Problem::Bytes));
        problems.extend(self.check_topics(block));
        self.absorb(block);
        // A checkpoint is judged once it is whole.
        if block.start.kind != BlockKind::Checkpoint && !self.broken {
            let newest = self.epoch() == block.start.epoch;
            problems.extend((!newest).then_some(Problem::Bytes(Cause::Field("epoch"))));
        }
        problems
    }

    /// Ends the segment, and tells what is missing in a sealed one.
    pub fn finish(&mut self, sealed: bool) -> Vec<Problem> {
        let mut problems: Vec<_> = self.close_checkpoint().into_iter().collect();
        // In a compacted segment it is where that ends (F-38).
        let told = self.opening || self.at.ended;
        if self.opening_durable_to.is_some_and(|to| to != self.at.position) && told {
            problems.push(Cause::Field("durable_to").into());
        }
        if sealed && !self.at.ended && !self.broken {
            self.broken = true;
            problems.push(Cause::NotSealed.into());
        }
        problems
    }

    /// The fields that depend on what came before (F-21 to F-25, E-5).
    fn check_start(&mut self, block: &Block<'_>) -> Vec<Cause> {
        let (start, mut causes) = (&block.start, Vec::new());
        let checkpoint = start.kind == BlockKind::Checkpoint;
        if start.first_offset < self.next_offset {
            causes.push(Cause::Chain);
        }
        if !self.durable_to_can_be(block) {
            causes.push(Cause::Field("durable_to"));
        }
        // What stood before the lowest segment that is left, nobody has seen.
        let unseen = self.blocks == 0 && self.before.is_none() && self.header.sequence > 0;
        let carries_time = start.kind != BlockKind::Records && !self.broken && !unseen;
        if carries_time && start.timestamp_ms != self.max_timestamp_ms {
            causes.push(Cause::Field("timestamp"));
        }
        if checkpoint && self.opening && start.epoch != self.header.epoch {
            causes.push(Cause::Field("epoch"));
        }
        causes
    }

    /// F-23: nothing can be known to be on disk that was not written yet; the opening
    /// checkpoints were written before they got their name, all with the same length.
    fn durable_to_can_be(&mut self, block: &Block<'_>) -> bool {
        let durable_to = block.start.durable_to;
        if !(self.opening && block.start.kind == BlockKind::Checkpoint) {
            let told = self.opening && !self.may_jump();
            let opened = self.opening_durable_to.take_if(|_| told);
            let whole = opened.is_none_or(|opened| opened == self.at.position);
            return whole && durable_to <= self.at.position;
        }
        *self.opening_durable_to.get_or_insert(durable_to) == durable_to
    }

    fn is_opening(&self, block: &Block<'_>) -> bool {
        self.opening && block.start.kind == BlockKind::Checkpoint
    }

    fn may_jump(&self) -> bool {
        self.header.may_jump()
    }

    fn check_body(&mut self, block: &Block<'_>) -> Result<(), Cause> {
        block.check_records()?;
        if self.deep && !self.may_jump() && has_gap(block)? {
            return Err(Cause::Control("gap"));
        }
        let checkpoint = block.start.kind == BlockKind::Checkpoint;
        if checkpoint && self.deep {
            self.checkpoint.get_or_insert_default().extend_from_slice(block.body);
            let (first, rest) = split_entry(block.body)?;
            if first.len() + rest.len() > CHECKPOINT_BODY_BYTES && !rest.is_empty() {
                return Err(Cause::Field("body length"));
            }
        }
        if !checkpoint || self.opening {
            self.state.apply(block)?;
        }
        Ok(())
    }

    /// Compares an index of topics with the blocks that it speaks of (F-42).
    fn check_topics(&mut self, block: &Block<'_>) -> Option<Problem> {
        let index = index_in(block).filter(|_| !self.is_opening(block));
        let wrong = self.topics.as_ref().zip(index).is_some_and(|(topics, index)| {
            let silent = index.len() == size_of::<u64>();
            index_begin(index) != Some(topics.begin()) || (!silent && index != topics.value())
        });
        if let Some(topics) = &mut self.topics {
            topics.add(block, self.at.position);
        }
        if block.start.kind == BlockKind::Checkpoint {
            self.topics = Some(topics_from(self.at.position + block.start.block_bytes()));
        }
        wrong.then_some(Problem::Topics)
    }

    fn absorb(&mut self, block: &Block<'_>) {
        let start = &block.start;
        let behind = Chain::behind(self.at.position, block, self.may_jump());
        self.next_offset = behind.link.next_offset.max(self.next_offset);
        self.at = behind.into();
        self.blocks += 1;
        self.records += u64::from(start.record_count);
        self.durable_to = self.durable_to.max(start.durable_to);
        self.max_timestamp_ms = self.max_timestamp_ms.max(start.timestamp_ms);
        self.opening &= start.kind == BlockKind::Checkpoint;
    }

    /// Compares a whole checkpoint, each entry once and in order, with the state before it (F-37).
    fn close_checkpoint(&mut self) -> Option<Problem> {
        let bytes = self.checkpoint.take()?;
        let before = self.before.as_ref().filter(|_| self.opening);
        let expected = before.map_or(&self.state, |before| &before.state);
        let mut rest = bytes.as_slice();
        for entry in expected.entries() {
            let Ok((found, after)) = split_entry(rest) else { return Some(Problem::Checkpoint) };
            match Fields::split(found) {
                Ok((fields, _)) if fields.to_new() == entry => rest = after,
                _ => return Some(Problem::Checkpoint),
            }
        }
        let left = split_entry(rest).map_or(true, |(entry, _)| !entry.is_empty());
        left.then_some(Problem::Checkpoint)
    }
}

/// The bytes of the first entry, and what follows it; none where there is no entry any more. What
/// has no key is no part of the state, and passed over (F-31).
fn split_entry(mut bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordCause> {
    while !bytes.is_empty() {
        let (fields, after) = Fields::split(bytes)?;
        if fields.key.is_some() {
            return Ok(bytes.split_at(bytes.len() - after.len()));
        }
        bytes = after;
    }
    Ok((bytes, bytes))
}

/// Whether offsets stand in for records that a compaction removed (F-33).
fn has_gap(block: &Block<'_>) -> Result<bool, Cause> {
    for fields in block.control_records() {
        if spanned_offsets(&fields?)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An index of any length that a record may have.
fn topics_from(position: u64) -> TopicIndex {
    TopicIndex::new(position, 2 * MAX_VALUE_BYTES)
}
