//! Blocks: each field of start and end wrong, lengths that lie, checksums (format.md, chapter 5).

use crate::case::{Case, try_cases};
use crate::forge::{Block, Body, CHECKPOINT, END, Header, RECORDS, Segment, boot_id};
use crate::place::Place;

type Change = fn(&mut Block);

/// A checkpoint of the whole state.
fn opening() -> Block {
    Block::new(CHECKPOINT, Body::new().epoch(1, 0, boot_id()))
}

/// Where the changed block stands.
#[derive(Clone, Copy)]
enum Where {
    /// In a sealed segment, with good blocks before and behind it.
    Sealed,
    /// In the active segment, with good, chained, committed blocks behind it.
    Middle,
    /// At the end of the active segment.
    End,
}

fn stream(at: Where, block: &Block, place: &Place) {
    let mut first = Segment::new(&Header::new(0, 0));
    first.record("a");
    if let Where::Sealed = at {
        first.push(block).record("c").seal();
        let next_offset = first.link.next_offset;
        place.segment(0, &first);
        let header = Header::new(1, next_offset);
        place.segment(1, Segment::new(&header).record("d"));
        return;
    }
    first.push(block);
    if let Where::Middle = at {
        first.record("c").record("d");
    }
    place.segment(0, &first);
}

fn try_blocks(kind: &str, blocks: &[(&str, [&'static str; 3], Change)], of: fn() -> Block) {
    let mut cases = Vec::new();
    for (name, [sealed, middle, end], change) in blocks {
        let places = [
            ("in a sealed segment", sealed, Where::Sealed),
            ("amid the active one", middle, Where::Middle),
            ("at the end", end, Where::End),
        ];
        for (which, row, at) in places {
            let change = *change;
            let make = move |place: &Place| stream(at, &of().with(change), place);
            cases.push(Case::new(format!("{kind}: {name}, {which}"), row, make));
        }
    }
    try_cases(&cases);
}

//                                    tells   reads writes copies
const SOUND: &str =                  "....... ..... ...... ...";
const FINE: [&str; 3] = [SOUND; 3];
const BAD: [&str; 3] = [SOUND; 3];

#[rustfmt::skip]
const RECORD_BLOCKS: &[(&str, [&str; 3], Change)] = &[
    ("signal 0x00", BAD, |b| b.signal = 0),
    ("signal 0x01", BAD, |b| b.signal = 1),
    ("signal 0x5A", BAD, |b| b.signal = 0x5A),
    ("signal 0xFF", BAD, |b| b.signal = 0xFF),
    ("kind 0", BAD, |b| b.kind = 0),
    ("kind 4", BAD, |b| b.kind = 4),
    ("kind 255", BAD, |b| b.kind = 255),
    ("kind checkpoint", BAD, |b| b.kind = CHECKPOINT),
    ("kind segment end", BAD, |b| b.kind = END),
    ("flag of control without one", BAD, |b| b.flags = Some(1)),
    ("flag bit 1", BAD, |b| b.flags = Some(2)),
    ("flag bit 15", BAD, |b| b.flags = Some(1 << 15)),
    ("no body", BAD, |b| b.body = Body::new()),
    ("body_len 0", BAD, |b| b.body_len = Some(0)),
    ("body_len one less", BAD, |b| b.body_len = Some(b.body.bytes.len() as u32 - 1)),
    ("body_len one more", BAD, |b| b.body_len = Some(b.body.bytes.len() as u32 + 1)),
    ("body_len of the next block too", BAD, |b| b.body_len = Some(b.body.bytes.len() as u32 + 64)),
    ("body_len 16 MiB", BAD, |b| b.body_len = Some(1 << 24)),
    ("body_len 16 MiB and one", BAD, |b| b.body_len = Some((1 << 24) + 1)),
    ("body_len 2^32-1", BAD, |b| b.body_len = Some(u32::MAX)),
    ("record_count 0", BAD, |b| b.record_count = Some(0)),
    ("record_count 2", BAD, |b| b.record_count = Some(2)),
    ("record_count 2^32-1", BAD, |b| b.record_count = Some(u32::MAX)),
    ("prev_crc", BAD, |b| b.prev_crc = Some(0)),
    ("first_offset one less", BAD, |b| b.first_offset = Some(0)),
    ("first_offset one more", BAD, |b| b.first_offset = Some(2)),
    ("first_offset 2^64-1", BAD, |b| b.first_offset = Some(u64::MAX)),
    ("timestamp 0", FINE, |b| b.timestamp = 0),
    ("timestamp 2^64-1", FINE, |b| b.timestamp = u64::MAX),
    ("durable_to the end of the next block", BAD, |b| b.durable_to = 384),
    ("durable_to 2^40", BAD, |b| b.durable_to = 1 << 40),
    ("durable_to 2^64-1", BAD, |b| b.durable_to = u64::MAX),
    ("epoch 0", BAD, |b| b.epoch = Some(0)),
    ("epoch 2", BAD, |b| b.epoch = Some(2)),
    ("epoch 2^32-1", BAD, |b| b.epoch = Some(u32::MAX)),
    ("pad of ones", BAD, |b| { b.body = Body::of("seven chars"); b.pad = 1 }),
    ("end_body_len 0", BAD, |b| b.end_body_len = Some(0)),
    ("end_body_len 2^32-1", BAD, |b| b.end_body_len = Some(u32::MAX)),
    ("start_crc", BAD, |b| b.start_crc_mask = 1),
    ("crc", BAD, |b| b.crc_mask = 1),
    ("both checksums", BAD, |b| { b.crc_mask = 1; b.start_crc_mask = 1 }),
];

#[test]
fn a_records_block_with_a_wrong_field() {
    try_blocks("records", RECORD_BLOCKS, || Block::records(Body::of("b")));
}

#[rustfmt::skip]
const CHECKPOINTS: &[(&str, [&str; 3], Change)] = &[
    ("of the whole state", FINE, |_| {}),
    ("of nothing", BAD, |b| b.body = Body::new()),
    ("of another state", BAD, |b| b.body = b.body.clone().entry("setting", "roll_ms", "1")),
    ("with a record of a user", BAD, |b| b.body = b.body.clone().record("t", "hidden")),
    ("record_count 1", BAD, |b| b.record_count = Some(1)),
    ("without the flag", BAD, |b| b.flags = Some(0)),
    ("timestamp 2^64-1", BAD, |b| b.timestamp = u64::MAX),
    ("low", BAD, |b| b.signal = 0),
];

#[test]
fn a_checkpoint_with_a_wrong_field() {
    try_blocks("checkpoint", CHECKPOINTS, opening);
}

#[rustfmt::skip]
const ENDS: &[(&str, [&str; 3], Change)] = &[
    ("with blocks behind it", BAD, |_| {}),
    ("record_count 1", BAD, |b| b.record_count = Some(1)),
    ("with a record of a user", BAD, |b| b.body = Body::of("hidden")),
    ("low", BAD, |b| b.signal = 0),
    ("first_offset 2^64-1", BAD, |b| b.first_offset = Some(u64::MAX)),
];

#[test]
fn a_segment_end_with_a_wrong_field() {
    try_blocks("end", ENDS, || Block::new(END, Body::new()));
}

/// What the first block is (F-25).
#[test]
fn an_opening_that_is_none() {
    let first = |block: fn() -> Option<Block>| {
        move |place: &Place| {
            let mut segment = Segment::bare(&Header::new(0, 0));
            block().into_iter().for_each(|block| { segment.push(&block); });
            place.segment(0, segment.record("a"));
        }
    };
    try_cases(&[
        Case::new("opening: none", SOUND, first(|| None)),
        Case::new("opening: low", SOUND, first(|| {
            Some(opening().with(|b| b.signal = 0))
        })),
        Case::new("opening: empty", SOUND, first(|| Some(Block::new(CHECKPOINT, Body::new())))),
        Case::new("opening: a segment end", SOUND, first(|| Some(Block::new(END, Body::new())))),
        Case::new("opening: records", SOUND, first(|| Some(Block::new(RECORDS, Body::of("x"))))),
        Case::new("opening: a lie about what is on disk", SOUND, first(|| {
            Some(opening().with(|b| b.durable_to = 1 << 40))
        })),
        Case::new("opening: an offset beyond the header's", SOUND, first(|| {
            Some(opening().with(|b| b.first_offset = Some(9)))
        })),
    ]);
}

/// The next offset is 2^64 - 1, and less (F-18).
#[test]
fn offsets_at_their_end() {
    let base = |base: u64, records: usize| {
        move |place: &Place| {
            let mut segment = Segment::with_state(
                &Header::new(0, base),
                Body::new().epoch(1, 0, boot_id()),
            );
            for _ in 0..records {
                segment.record("a");
            }
            place.segment(0, &segment);
        }
    };
    try_cases(&[
        Case::new("next offset 2^64-1", SOUND, base(u64::MAX, 0)),
        Case::new("next offset 2^64-1 behind a record", SOUND, base(u64::MAX - 1, 1)),
        Case::new("next offset 2^64-2", SOUND, base(u64::MAX - 1, 0)),
        Case::new("next offset 2^64-3", SOUND, base(u64::MAX - 3, 1)),
        Case::new("next offset 2^63", SOUND, base((1 << 63) - 1, 1)),
    ]);
}

/// Blocks as large as they may be.
#[test]
fn large_blocks() {
    let large = |value: usize, crc_mask: u32, signal: u8| {
        move |place: &Place| {
            let mut segment = Segment::new(&Header::new(0, 0));
            let body = Body::new().record("t", vec![b'x'; value]);
            segment.push(&Block::records(body).with(|b| {
                b.crc_mask = crc_mask;
                b.signal = signal;
            }));
            place.segment(0, &segment);
        }
    };
    const MOST: usize = 10 << 20;
    try_cases(&[
        Case::new("a value of 10 MiB", SOUND, large(MOST, 0, 0xA5)),
        Case::new("a value of 10 MiB and one", SOUND, large(MOST + 1, 0, 0xA5)),
        Case::new("a block of 10 MiB with a wrong crc", SOUND, large(MOST, 1, 0xA5)),
        Case::new("a low block of 10 MiB", SOUND, large(MOST, 0, 0)),
    ]);
}
