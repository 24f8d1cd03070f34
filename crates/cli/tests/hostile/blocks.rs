//! Blocks: each field of start and end wrong, lengths that lie, checksums (format.md, chapter 5).

use crate::case::{Case, try_cases};
use crate::forge::{Block, Body, CHECKPOINT, END, Header, RECORDS, Segment, boot_id};
use crate::place::Place;
use crate::rows::*;

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

#[rustfmt::skip]
const RECORD_BLOCKS: &[(&str, [&str; 3], Change)] = &[
    ("signal 0x00", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 0),
    ("signal 0x01", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 1),
    ("signal 0x5A", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 0x5A),
    ("signal 0xFF", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 0xFF),
    ("kind 0", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.kind = 0),
    ("kind 4", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.kind = 4),
    ("kind 255", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.kind = 255),
    ("kind checkpoint", [LIE, LIE, LIE], |b| b.kind = CHECKPOINT),
    ("kind segment end", [SEALED_DAMAGED, "..22.... 22222 222222 ...", "..22.... ..... ...... ..."], |b| b.kind = END),
    ("flag of control without one", [SEALED_DAMAGED, RECORD_ACTIVE, RECORD_ACTIVE], |b| b.flags = Some(1)),
    ("flag bit 1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.flags = Some(2)),
    ("flag bit 15", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.flags = Some(1 << 15)),
    ("no body", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body = Body::new()),
    ("body_len 0", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body_len = Some(0)),
    ("body_len one less", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body_len = Some(b.body.bytes.len() as u32 - 1)),
    ("body_len one more", [SEALED_DAMAGED, RECORD_ACTIVE, RECORD_ACTIVE], |b| b.body_len = Some(b.body.bytes.len() as u32 + 1)),
    ("body_len of the next block too", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body_len = Some(b.body.bytes.len() as u32 + 64)),
    ("body_len 16 MiB", [SEALED_DAMAGED, TO_REPAIR, TO_REPAIR], |b| b.body_len = Some(1 << 24)),
    ("body_len 16 MiB and one", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body_len = Some((1 << 24) + 1)),
    ("body_len 2^32-1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.body_len = Some(u32::MAX)),
    ("record_count 0", [SEALED_DAMAGED, RECORD_ACTIVE, RECORD_ACTIVE], |b| b.record_count = Some(0)),
    ("record_count 2", [SEALED_DAMAGED, RECORD_ACTIVE, RECORD_ACTIVE], |b| b.record_count = Some(2)),
    ("record_count 2^32-1", [SEALED_DAMAGED, RECORD_ACTIVE, RECORD_ACTIVE], |b| b.record_count = Some(u32::MAX)),
    ("prev_crc", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.prev_crc = Some(0)),
    ("first_offset one less", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.first_offset = Some(0)),
    ("first_offset one more", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.first_offset = Some(2)),
    ("first_offset 2^64-1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.first_offset = Some(u64::MAX)),
    ("timestamp 0", [SOUND, SOUND, SOUND], |b| b.timestamp = 0),
    ("timestamp 2^64-1", [LIE, SOUND, SOUND], |b| b.timestamp = u64::MAX),
    ("durable_to the end of the next block", [LIE, LIE, LIE], |b| b.durable_to = 384),
    ("durable_to 2^40", [LIE, END_DAMAGED, END_DAMAGED], |b| b.durable_to = 1 << 40),
    ("durable_to 2^64-1", [LIE, END_DAMAGED, END_DAMAGED], |b| b.durable_to = u64::MAX),
    ("epoch 0", [LIE, LIE, LIE], |b| b.epoch = Some(0)),
    ("epoch 2", [LIE, LIE, NO_EPOCH], |b| b.epoch = Some(2)),
    ("epoch 2^32-1", [LIE, LIE, NO_EPOCH], |b| b.epoch = Some(u32::MAX)),
    ("pad of ones", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| { b.body = Body::of("seven chars"); b.pad = 1 }),
    ("end_body_len 0", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.end_body_len = Some(0)),
    ("end_body_len 2^32-1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.end_body_len = Some(u32::MAX)),
    ("start_crc", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.start_crc_mask = 1),
    ("crc", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.crc_mask = 1),
    ("both checksums", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| { b.crc_mask = 1; b.start_crc_mask = 1 }),
];

#[test]
fn a_records_block_with_a_wrong_field() {
    try_blocks("records", RECORD_BLOCKS, || Block::records(Body::of("b")));
}

#[rustfmt::skip]
const CHECKPOINTS: &[(&str, [&str; 3], Change)] = &[
    ("of the whole state", [SOUND, SOUND, SOUND], |_| {}),
    ("of nothing", [LIE_DEEP, LIE_DEEP, LIE_DEEP], |b| b.body = Body::new()),
    ("of another state", [LIE_DEEP, LIE_DEEP, LIE_DEEP], |b| b.body = b.body.clone().entry("setting", "roll_ms", "1")),
    ("with a record of a user", [LIE, LIE, LIE], |b| b.body = b.body.clone().record("t", "hidden")),
    ("record_count 1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.record_count = Some(1)),
    ("without the flag", [LIE, LIE, LIE], |b| b.flags = Some(0)),
    ("timestamp 2^64-1", [LIE, LIE, LIE], |b| b.timestamp = u64::MAX),
    ("low", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 0),
];

#[test]
fn a_checkpoint_with_a_wrong_field() {
    try_blocks("checkpoint", CHECKPOINTS, opening);
}

#[rustfmt::skip]
const ENDS: &[(&str, [&str; 3], Change)] = &[
    ("with blocks behind it", [SEALED_DAMAGED, "..22.... 22222 222222 ...", ROLLOVER], |_| {}),
    ("record_count 1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.record_count = Some(1)),
    ("with a record of a user", [SEALED_DAMAGED, "..22.... 22222 222222 ...", "..22.... ..... ...... ..."], |b| b.body = Body::of("hidden")),
    ("low", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.signal = 0),
    ("first_offset 2^64-1", [SEALED_DAMAGED, END_DAMAGED, TO_REPAIR], |b| b.first_offset = Some(u64::MAX)),
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
            block().into_iter().for_each(|block| {
                segment.push(&block);
            });
            place.segment(0, segment.record("a"));
        }
    };
    try_cases(&[
        Case::new("opening: none", BEGIN_DAMAGED, first(|| None)),
        Case::new("opening: low", BEGIN_DAMAGED, first(|| Some(opening().with(|b| b.signal = 0)))),
        Case::new(
            "opening: empty",
            "..22.... ..... 2....2 22.",
            first(|| Some(Block::new(CHECKPOINT, Body::new()))),
        ),
        Case::new(
            "opening: a segment end",
            BEGIN_DAMAGED,
            first(|| Some(Block::new(END, Body::new()))),
        ),
        Case::new(
            "opening: records",
            BEGIN_DAMAGED,
            first(|| Some(Block::new(RECORDS, Body::of("x")))),
        ),
        Case::new(
            "opening: a lie about what is on disk",
            END_DAMAGED,
            first(|| Some(opening().with(|b| b.durable_to = 1 << 40))),
        ),
        Case::new(
            "opening: an offset beyond the header's",
            BEGIN_DAMAGED,
            first(|| Some(opening().with(|b| b.first_offset = Some(9)))),
        ),
    ]);
}

/// The next offset is 2^64 - 1, and less (F-18).
#[test]
fn offsets_at_their_end() {
    let base = |base: u64, records: usize| {
        move |place: &Place| {
            let mut segment =
                Segment::with_state(&Header::new(0, base), Body::new().epoch(1, 0, boot_id()));
            for _ in 0..records {
                segment.record("a");
            }
            place.segment(0, &segment);
        }
    };
    try_cases(&[
        Case::new("next offset 2^64-1", "........ ..... .uu... ...", base(u64::MAX, 0)),
        Case::new(
            "next offset 2^64-1 behind a record",
            "........ ..... .uu... ...",
            base(u64::MAX - 1, 1),
        ),
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
        Case::new("a value of 10 MiB and one", RECORD_ACTIVE, large(MOST + 1, 0, 0xA5)),
        Case::new("a block of 10 MiB with a wrong crc", TO_REPAIR, large(MOST, 1, 0xA5)),
        Case::new("a low block of 10 MiB", TO_REPAIR, large(MOST, 0, 0)),
    ]);
}
