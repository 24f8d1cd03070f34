//! Directories that cases begin with.

use std::collections::BTreeMap;

use crate::vectors::Snapshot;
use crate::vectors::forge::{
    BEGINNING_MS, BOOT, Block, Header, NEXT_BOOT, Segment, entry, epoch, gap, keyed, plain,
    position, record,
};

/// All trees by their names.
pub fn all() -> BTreeMap<String, Snapshot> {
    let mut trees = BTreeMap::new();
    let mut add = |name: &str, segments: Vec<Segment>| {
        let file = |segment: Segment| (segment.name(), segment.bytes);
        trees.insert(name.to_owned(), Snapshot(segments.into_iter().map(file).collect()));
    };
    add("created", vec![Segment::first()]);
    add("three", vec![three()]);
    add("durable", vec![durable()]);
    add("epochs", vec![epochs()]);
    add("rolled", rolled());
    add("compacted", compacted());
    add("state", vec![state()]);
    add("sealed", sealed());
    add("checkpoints", vec![checkpoints()]);
    add("small", vec![small()]);
    add("other", other());
    trees
}

/// Three records in one segment, nothing synced but the checkpoint.
pub fn three() -> Segment {
    let mut segment = Segment::first();
    segment.letters(&["a", "b", "c"]);
    segment
}

/// The last block says that all before was on disk.
pub fn durable() -> Segment {
    let mut segment = Segment::first();
    segment.letters(&["a", "b"]);
    let durable_to = segment.bytes.len() as u64;
    let time = BEGINNING_MS + 9000;
    segment.add(Block { durable_to, timestamp: time, ..Block::records(&[plain("letters", "c")]) });
    segment
}

/// Three boots; the epoch is raised twice.
pub fn epochs() -> Segment {
    let mut segment = Segment::first();
    segment.letters(&["a"]);
    for number in [2, 3u32] {
        let time = BEGINNING_MS + u64::from(number) * 10_000;
        let boot = [0xb0 + number as u8; 16];
        let raise = epoch(number, segment.next_offset, boot, time);
        let mut block = Block { timestamp: time, ..Block::control(1, &[raise]) };
        (block.prev_crc, block.first_offset, block.epoch) =
            (segment.prev_crc, segment.next_offset, number);
        segment.put(&block);
        let record = plain("letters", ["b", "c"][number as usize - 2]);
        let durable_to = segment.bytes.len() as u64;
        segment.add(Block { timestamp: time + 1, durable_to, ..Block::records(&[record]) });
    }
    segment
}

fn first_epoch() -> Vec<u8> {
    epoch(1, 0, BOOT, BEGINNING_MS)
}

/// Three segments, each of two blocks of records.
pub fn rolled() -> Vec<Segment> {
    let mut first = Segment::first();
    first.letters(&["a", "b"]);
    let mut second = first.next(&[first_epoch()]);
    second.letters(&["c", "d"]);
    let mut third = second.next(&[first_epoch()]);
    third.letters(&["e", "f"]);
    vec![first, second, third]
}

/// The same, the middle one compacted: of offsets 2 to 9 only 4 and 8 are left.
pub fn compacted() -> Vec<Segment> {
    compacted_that_says(0)
}

/// The same, and its opening checkpoint says so many bytes more than are there (F-38).
pub fn compacted_that_says(more: u64) -> Vec<Segment> {
    let mut first = Segment::first();
    first.letters(&["a", "b"]);
    let mut sealed = first.clone();
    let second = sealed.next(&[first_epoch()]);
    let header = Header { generation: 1, ..second.header.clone() };
    let mut second = Segment::bare(header);
    second.highest = sealed.highest;
    let time = second.highest + 1000;
    let kept = |offset: u64, count: u32, time: u64, records: &[Vec<u8>]| Block {
        flags: 1,
        record_count: count,
        first_offset: offset,
        timestamp: time,
        ..Block::records(records)
    };
    let blocks = [
        kept(2, 4, time, &[gap(2), keyed("state", "x", "4"), gap(1)]),
        kept(8, 2, time + 2000, &[keyed("state", "y", "8"), gap(1)]),
    ];
    let opening = Block::checkpoint(&[first_epoch()]);
    let length = 64
        + opening.length()
        + blocks.iter().map(Block::length).sum::<usize>()
        + Block::segment_end().length();
    second.add(Block { durable_to: length as u64 + more, ..opening });
    for mut block in blocks {
        block.prev_crc = second.prev_crc;
        second.highest = second.highest.max(block.timestamp);
        second.put(&block);
    }
    let mut third = second.next(&[first_epoch()]);
    third.letters(&["e", "f"]);
    vec![sealed, second, third]
}

/// A state of all kinds, also of such that nobody knows.
pub fn state() -> Segment {
    let mut entries = vec![
        entry("a-kind-to-come", b"\x00key", b"value"),
        first_epoch(),
        position("billing", 1, 0, BEGINNING_MS),
        entry("position", b"malformed", b"short"),
        entry("producer", b"malformed", b""),
        entry("setting", b"a-setting-to-come", b"on"),
        entry("setting", b"segment_bytes", b"5000"),
        entry("zebra", b"", b""),
    ];
    // By kind and then by key: what stands behind crc, length and attributes begins with a length.
    entries.sort_by_key(|bytes| {
        let length = usize::from(bytes[6]);
        (bytes[7..7 + length].to_vec(), bytes[7 + length + 1..].to_vec())
    });
    let mut segment = Segment::opened(Header::new(), &entries, 0);
    segment.letters(&["a", "b"]);
    let removed = record(true, b"zebra", Some(b""), &[], None);
    let changes = [
        plain("letters", "c"),
        position("billing", 1, 2, BEGINNING_MS + 5000),
        removed,
        entry("another-kind", b"k", b"v"),
    ];
    let block = Block { flags: 1, record_count: 1, ..Block::records(&changes) };
    segment.add(Block { timestamp: BEGINNING_MS + 6000, ..block });
    segment
}

/// A writer died in a rollover: sealed, and no successor.
pub fn sealed() -> Vec<Segment> {
    let mut first = Segment::first();
    first.letters(&["a", "b"]);
    let _not_made = first.next(&[first_epoch()]);
    vec![first]
}

/// Checkpoints of several blocks at the beginning, and one in the middle.
pub fn checkpoints() -> Segment {
    let entries = [first_epoch(), position("a", 1, 0, 1), position("b", 1, 0, 2)];
    let header = Header::new();
    let lengths =
        entries.iter().map(|entry| Block::checkpoint(std::slice::from_ref(entry)).length());
    let opening_end = 64 + lengths.sum::<usize>() as u64;
    let mut segment = Segment::bare(header);
    for entry in &entries {
        let block = Block::checkpoint(std::slice::from_ref(entry));
        segment.add(Block { durable_to: opening_end, ..block });
    }
    segment.letters(&["a", "b"]);
    let middle = segment.bytes.len() as u64;
    for entry in &entries {
        let block = Block::checkpoint(std::slice::from_ref(entry));
        segment.add(Block { durable_to: middle, ..block });
    }
    segment.letters(&["c"]);
    segment
}

/// The smallest segments, as a setting says, and nearly full.
pub fn small() -> Segment {
    let entries = [first_epoch(), entry("setting", b"segment_bytes", b"4096")];
    let mut segment = Segment::opened(Header::new(), &entries, 0);
    segment.letters(&["a", &"b".repeat(3500)]);
    segment
}

/// Another stream, of three segments.
pub fn other() -> Vec<Segment> {
    let header = Header { stream_id: [0xee; 16], ..Header::new() };
    let entries = [epoch(1, 0, NEXT_BOOT, BEGINNING_MS)];
    let mut first = Segment::opened(header, &entries, 0);
    first.letters(&["x"]);
    let mut second = first.next(&entries);
    second.letters(&["y"]);
    let mut third = second.next(&entries);
    third.letters(&["z"]);
    vec![first, second, third]
}
