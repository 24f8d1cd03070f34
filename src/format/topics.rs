//! The index of topics (F-42): what a writer notes of the blocks since the newest checkpoint,
//! and what a reader is told by it.

use std::collections::BTreeMap;

use crate::format::block::{Block, BlockKind};
use crate::format::codec::{get_u64, put_sized, put_varint, split_varint, varint_len};
use crate::format::layout::{BLOCK_ALIGN, MAX_TOPIC_BYTES};
use crate::format::record::split_sized;
use crate::format::sure::sure;

/// Kind of the control record that holds an index of topics.
pub const TOPICS: &[u8] = b"topics";

/// Which blocks behind a place hold which topics.
#[derive(Clone, Debug)]
pub struct TopicIndex {
    /// Position from which on it knows all blocks.
    from: u64,
    topics: BTreeMap<Vec<u8>, Places>,
    /// About the length of its value.
    bytes: usize,
    /// More than that and it says nothing.
    limit_bytes: usize,
}

/// The blocks that hold one topic.
#[derive(Clone, Debug, Default)]
struct Places {
    count: u64,
    /// Position of the last one.
    last: u64,
    /// Distances from one to the next, as they are encoded.
    distances: Vec<u8>,
}

impl TopicIndex {
    /// An index of the blocks from `from` on, of about `limit_bytes` at most.
    #[must_use]
    pub fn new(from: u64, limit_bytes: usize) -> Self {
        Self { from, topics: BTreeMap::new(), bytes: 0, limit_bytes }
    }

    /// From where on it knows all blocks.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.from
    }

    /// Takes note of the next block.
    pub fn add(&mut self, block: &Block<'_>, position: u64) {
        if block.start.kind != BlockKind::Records || self.is_too_long() {
            return;
        }
        let mut last = None;
        for topic in block.topics() {
            if last != Some(topic) {
                self.add_topic(topic, position);
                last = Some(topic);
            }
        }
        if self.is_too_long() {
            self.topics.clear();
        }
    }

    fn is_too_long(&self) -> bool {
        self.bytes > self.limit_bytes
    }

    fn add_topic(&mut self, topic: &[u8], position: u64) {
        if !self.topics.contains_key(topic) {
            self.bytes += varint_len(topic.len() as u64) + topic.len() + 1;
            let places = Places { last: self.from, ..Places::default() };
            self.topics.insert(topic.to_vec(), places);
        }
        let places = sure(self.topics.get_mut(topic), "the topic was just added");
        assert!(position >= places.last, "an index of topics takes blocks in their order");
        if places.count > 0 && places.last == position {
            return;
        }
        let distance = (position - places.last) / BLOCK_ALIGN;
        self.bytes += varint_len(distance);
        put_varint(&mut places.distances, distance);
        places.last = position;
        places.count += 1;
    }

    /// The value of the control record.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let mut value = self.from.to_le_bytes().to_vec();
        for (topic, places) in &self.topics {
            put_sized(&mut value, topic);
            put_varint(&mut value, places.count);
            value.extend_from_slice(&places.distances);
        }
        value
    }
}

/// The value of the index in a block, if it has one where there may be one.
#[must_use]
pub fn index_in<'a>(block: &Block<'a>) -> Option<&'a [u8]> {
    if block.start.kind == BlockKind::Records {
        return None;
    }
    let found = block.control_records().flatten();
    found.filter(|fields| fields.topic == TOPICS && fields.key.is_none()).find_map(|f| f.value)
}

/// From where on an index knows all blocks.
#[must_use]
pub fn index_begin(value: &[u8]) -> Option<u64> {
    get_u64(value, 0)
}

/// The positions, ascending, of the blocks that hold a wanted topic, by the index in a block at
/// `position`; `None` if it says nothing, or what no encoder makes.
#[must_use]
pub fn wanted_blocks(
    value: &[u8],
    position: u64,
    wants: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u64>> {
    let from = index_begin(value)?;
    let mut rest = value.get(8..).filter(|rest| !rest.is_empty())?;
    let (mut found, mut topic_before): (Vec<u64>, &[u8]) = (Vec::new(), &[]);
    while !rest.is_empty() {
        let (topic, after) = split_sized(rest)?;
        let (count, after) = split_varint(after)?;
        rest = after;
        // Ascending, and so never empty or twice.
        if topic <= topic_before || topic.len() > MAX_TOPIC_BYTES || count == 0 {
            return None;
        }
        topic_before = topic;
        let (mut at, wanted) = (from, wants(topic));
        for number in 0..count {
            let (distance, after) = split_varint(rest)?;
            rest = after;
            at = distance.checked_mul(BLOCK_ALIGN)?.checked_add(at)?;
            if at >= position || (number > 0 && distance == 0) {
                return None;
            }
            if wanted {
                found.push(at);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Some(found)
}
