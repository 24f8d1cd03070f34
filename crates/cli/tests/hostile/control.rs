//! Control records: malformed entries, epochs, settings that cannot be, positions and producers
//! that lie, gaps (format.md, chapter 7).

use crate::case::{Case, try_cases};
use crate::forge::{
    BEGINNING_MS, Block, Body, CHECKPOINT, Header, Segment, boot_id, epoch_value, position_value,
};
use crate::place::Place;
use crate::rows::*;

/// What stands in an opening checkpoint beside epoch 1.
fn opening(state: impl Fn(Body) -> Body + Send + Sync) -> impl Fn(&Place) + Send + Sync {
    move |place| {
        let body = state(Body::new().epoch(1, 0, boot_id()));
        let mut segment = Segment::with_state(&Header::new(0, 0), body);
        place.segment(0, segment.record("a").record("b"));
    }
}

/// What stands in a block of control records, with records before and behind it.
fn amid(change: impl Fn(Body) -> Body + Send + Sync) -> impl Fn(&Place) + Send + Sync {
    move |place| {
        let mut segment = Segment::new(&Header::new(0, 0));
        segment.record("a").push(&Block::records(change(Body::new()))).record("b");
        place.segment(0, &segment);
    }
}

/// An entry of a known kind that does not fit its chapter is damage for whoever needs it, and
/// carried along by everybody else (F-32). Everybody needs the epochs.
#[test]
fn an_entry_that_is_malformed() {
    type Change = fn(Body) -> Body;
    #[rustfmt::skip]
    let entries: &[(&str, [&'static str; 2], Change)] = &[
        ("epoch, key of 3 bytes", [STATE_DAMAGED, STATE_DAMAGED], |b| b.entry("epoch", [2, 0, 0], epoch_value(1, boot_id()))),
        ("epoch, key of 5 bytes", [STATE_DAMAGED, STATE_DAMAGED], |b| b.entry("epoch", [2, 0, 0, 0, 0], epoch_value(1, boot_id()))),
        ("epoch, value of 31 bytes", [STATE_DAMAGED, STATE_DAMAGED], |b| b.entry("epoch", [2, 0, 0, 0], [0; 31])),
        ("epoch, value of nothing", [STATE_DAMAGED, STATE_DAMAGED], |b| b.entry("epoch", [2, 0, 0, 0], [])),
        ("epoch 0", [SOUND, LIE_DEEP], |b| b.epoch(0, 0, boot_id())),
        ("epoch 2^32-1", [NO_EPOCH, NO_EPOCH], |b| b.epoch(u32::MAX, 0, boot_id())),
        ("epoch 2 before epoch 1", [STATE_DAMAGED, STATE_DAMAGED], |b| b.epoch(1, 5, boot_id()).epoch(2, 4, boot_id())),
        ("epoch beyond the end", [STATE_DAMAGED, STATE_DAMAGED], |b| b.epoch(2, 1 << 40, boot_id())),
        ("epoch 1 of another boot", [SOUND, LIE_DEEP], |b| b.epoch(1, 0, [7; 16])),
        ("epoch 1 of no boot", [SOUND, LIE_DEEP], |b| b.epoch(1, 0, [0; 16])),
        ("epoch 1 twice", [SOUND, LIE_DEEP], |b| b.epoch(1, 0, boot_id()).epoch(1, 0, boot_id())),
        ("epoch 1 removed", ["..22.... ..... 2....2 22.", "..22.... ..... 2....2 22."], |b| b.control("epoch", Some(&1u32.to_le_bytes()), None)),
        ("position, value of 19 bytes", [SOUND, SOUND], |b| b.entry("position", "n", [1; 19])),
        ("position, value of 21 bytes", [SOUND, SOUND], |b| b.entry("position", "n", [1; 21])),
        ("position of no name", [SOUND, SOUND], |b| b.entry("position", "", position_value(1, 1, BEGINNING_MS))),
        ("position of a path", [SOUND, SOUND], |b| b.entry("position", "../../outside/file", position_value(1, 1, BEGINNING_MS))),
        ("position of dots", [SOUND, SOUND], |b| b.entry("position", "..", position_value(1, 1, BEGINNING_MS))),
        ("position of ESC", [SOUND, SOUND], |b| b.entry("position", "\x1b[2J\n", position_value(1, 1, BEGINNING_MS))),
        ("position of no UTF-8", [SOUND, SOUND], |b| b.entry("position", [0xFF, 0xFE], position_value(1, 1, BEGINNING_MS))),
        ("position of 1024 bytes", [SOUND, SOUND], |b| b.entry("position", [b'n'; 1024], position_value(1, 1, BEGINNING_MS))),
        ("position beyond the end", [LOST_PLACE, LOST_PLACE], |b| b.entry("position", "n", position_value(1, 99, BEGINNING_MS))),
        ("position 2^64-1", [LOST_PLACE, LOST_PLACE], |b| b.entry("position", "n", position_value(1, u64::MAX, u64::MAX))),
        ("position of a later epoch", [LOST_PLACE, LOST_PLACE], |b| b.entry("position", "n", position_value(9, 1, BEGINNING_MS))),
        ("position, epoch 2^32-1", [LOST_PLACE, LOST_PLACE], |b| b.entry("position", "n", position_value(u32::MAX, 1, 0))),
        ("producer, value of 31 bytes", [SOUND, SOUND], |b| b.entry("producer", "n", [1; 31])),
        ("producer of ones", [SOUND, SOUND], |b| b.entry("producer", "n", [0xFF; 32])),
        ("producer of a path", [SOUND, SOUND], |b| b.entry("producer", "/etc/passwd", [1; 32])),
        ("kind unknown", [SOUND, SOUND], |b| b.entry("future", "k", "v")),
        ("kind unknown, of ESC", [SOUND, LIE_DEEP], |b| b.entry("\x1b[2J", "\x07", "\x1b")),
        ("kind unknown, without key", [SOUND, SOUND], |b| b.control("future", None, Some(b"v"))),
        ("removal of what is not there", [SOUND, LIE_DEEP], |b| b.control("setting", Some(b"none"), None)),
        ("a marker of a setting without key", [NO_HEADER, STATE_DAMAGED], |b| b.control("setting", None, None)),
    ];
    let mut cases = Vec::new();
    for (name, [in_block, in_opening], change) in entries {
        cases.push(Case::new(format!("entry: {name}, in a block"), in_block, amid(change)));
        cases.push(Case::new(
            format!("entry: {name}, in the opening"),
            in_opening,
            opening(change),
        ));
    }
    try_cases(&cases);
}

/// A setting that cannot be counts as not set (F-34), and is not shown as if it were.
#[test]
fn a_setting_that_cannot_be() {
    let values = [
        ("segment_bytes", "0"),
        ("segment_bytes", "4095"),
        ("segment_bytes", "-1"),
        ("segment_bytes", "1e9"),
        ("segment_bytes", "18446744073709551616"),
        ("segment_bytes", "1099511627777"),
        ("segment_bytes", "+4096"),
        ("segment_bytes", "04096"),
        ("segment_bytes", ""),
        ("retention_ms", "x"),
        ("retention_ms", "18446744073709551615"),
        ("retention_bytes", "18446744073709551615"),
        ("roll_ms", "18446744073709551615"),
        ("roll_ms", "0.5"),
        ("cleanup", "shred"),
        ("cleanup:t", "compact,delete,compact"),
        ("cleanup:", "compact"),
        ("cleanup:\x1b[2J\n", "compact"),
        ("marker_grace_ms", "18446744073709551615"),
        ("pin_grace_ms", "18446744073709551615"),
        ("expiry_ms", "18446744073709551615"),
        ("expiry_ms", "1"),
        ("keep_unconsumed", "yes"),
        ("durable", "TRUE"),
        ("durable", "\x1b]0;title\x07"),
        ("\x1b[2J", "1"),
        ("", ""),
        ("unknown", "1"),
    ];
    let mut cases: Vec<_> = values
        .into_iter()
        .map(|(key, value)| {
            let name = format!("setting {key:?} {value:?}");
            Case::new(name, SOUND, amid(move |body| body.entry("setting", key, value)))
        })
        .collect();
    let raw = |body: Body| body.entry("setting", [0xFF, 0], [0xFF, 0x1B]);
    cases.push(Case::new("setting of no UTF-8", SOUND, amid(raw)));
    let large = |body: Body| body.entry("setting", "cleanup:t", vec![b'x'; 1 << 20]);
    cases.push(Case::new("setting of 1 MiB", SOUND, amid(large)));
    try_cases(&cases);
}

/// F-33: gaps stand in compacted segments only, not side by side, and count at least one.
#[test]
fn a_gap_that_lies() {
    let gap = |generation: u32, count: u32, values: &'static [&'static [u8]]| {
        move |place: &Place| {
            let header = Header::new(0, 0).with(|h| h.generation = generation);
            let fill = |segment: &mut Segment| {
                let mut body = Body::of("before");
                for value in values {
                    body = body.control("gap", None, Some(value));
                }
                body.count += count;
                segment.push(&Block::records(body));
            };
            let segment = match generation {
                0 => Segment::sealed(&header, fill),
                _ => Segment::compacted(&header, fill),
            };
            let next = Header::new(1, segment.link.next_offset);
            place.segment(0, &segment).segment(1, Segment::new(&next).record("c"));
        }
    };
    try_cases(&[
        Case::new("gap of 1", SOUND, gap(1, 1, &[&[1]])),
        Case::new("gap of 2^32-2", SOUND, gap(1, u32::MAX - 1, &[&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]])),
        Case::new(
            "gap of 2^32-1, and a record",
            SEALED_DAMAGED,
            gap(1, u32::MAX - 1, &[&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]]),
        ),
        Case::new("gap in generation 0", LIE_DEEP, gap(0, 1, &[&[1]])),
        Case::new("gap of 0", SEALED_DAMAGED, gap(1, 0, &[&[0]])),
        Case::new("gap of nothing", SEALED_DAMAGED, gap(1, 0, &[&[]])),
        Case::new("gap of a long varint", SEALED_DAMAGED, gap(1, 1, &[&[0x81, 0]])),
        Case::new("gap with bytes behind it", SEALED_DAMAGED, gap(1, 1, &[&[1, 1]])),
        Case::new(
            "gap of 2^64-1",
            SEALED_DAMAGED,
            gap(1, 0, &[&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]]),
        ),
        Case::new("two gaps side by side", SEALED_DAMAGED, gap(1, 2, &[&[1], &[1]])),
        Case::new("gap that record_count does not count", SEALED_DAMAGED, gap(1, 0, &[&[1]])),
    ]);
}

/// Time in proportion to the bytes (field report D8: 20,000 epochs took 7.4 s).
#[test]
fn a_state_of_very_many_entries() {
    let many = |case: Case| case.most_seconds(5).most_mib(160);
    let epochs = |each: u32| {
        move |place: &Place| {
            let mut segment = Segment::new(&Header::new(0, 0));
            for from in (2..20_002).step_by(each as usize) {
                let body = (from..from + each).fold(Body::new(), |b, n| b.epoch(n, 0, boot_id()));
                segment.link.epoch = from + each - 1;
                segment.push(&Block::records(body));
            }
            place.segment(0, segment.record("a"));
        }
    };
    let in_a_checkpoint = |place: &Place| {
        // In the order of their bytes (F-37).
        let mut numbers: Vec<u32> = (1..20_000).collect();
        numbers.sort_by_key(|number| number.to_le_bytes());
        let body = numbers.iter().fold(Body::new(), |b, n| b.epoch(*n, 0, boot_id()));
        let header = Header::new(0, 0).with(|h| h.epoch = 19_999);
        place.segment(0, Segment::with_state(&header, body).record("a"));
    };
    let entries = |add: fn(Body, u32) -> Body| {
        move |place: &Place| {
            let mut segment = Segment::new(&Header::new(0, 0));
            for from in (0..100_000).step_by(10_000) {
                segment.push(&Block::records((from..from + 10_000).fold(Body::new(), add)));
            }
            place.segment(0, segment.record("a"));
        }
    };
    try_cases(&[
        Case::new("20,000 epochs in records blocks", SOUND, epochs(10_000)),
        Case::new("20,000 epochs, each in a block of its own", SOUND, epochs(1)),
        Case::new("20,000 epochs in a checkpoint", SOUND, in_a_checkpoint),
        many(Case::new(
            "100,000 positions",
            SOUND,
            entries(|b, n| {
                b.entry("position", format!("consumer-{n:06}"), position_value(1, 0, BEGINNING_MS))
            }),
        )),
        many(Case::new(
            "100,000 producers",
            SOUND,
            entries(|b, n| b.entry("producer", format!("p-{n:06}"), [1; 32])),
        )),
        many(Case::new(
            "100,000 settings of topics",
            SOUND,
            entries(|b, n| b.entry("setting", format!("cleanup:{n}"), "compact")),
        )),
        Case::new(
            "one entry changed 100,000 times",
            SOUND,
            entries(|b, n| b.entry("future", "k", n.to_le_bytes())),
        ),
    ]);
}

/// The state in a checkpoint that is not the fold of what came before (F-37).
#[test]
fn checkpoints_that_lie_about_the_state() {
    let lie = |body: fn() -> Body| {
        move |place: &Place| {
            let mut segment = Segment::new(&Header::new(0, 0));
            segment.record("a").push(&Block::new(CHECKPOINT, body())).record("b");
            place.segment(0, &segment);
        }
    };
    try_cases(&[
        Case::new(
            "checkpoint: an epoch more",
            LIE_DEEP,
            lie(|| Body::new().epoch(1, 0, boot_id()).epoch(2, 1, boot_id())),
        ),
        Case::new(
            "checkpoint: unsorted",
            LIE_DEEP,
            lie(|| Body::new().entry("setting", "z", "1").epoch(1, 0, boot_id())),
        ),
        Case::new(
            "checkpoint: an entry twice",
            LIE_DEEP,
            lie(|| Body::new().epoch(1, 0, boot_id()).epoch(1, 0, boot_id())),
        ),
        Case::new(
            "checkpoint: a delete marker",
            LIE_DEEP,
            lie(|| Body::new().epoch(1, 0, boot_id()).control("setting", Some(b"x"), None)),
        ),
        Case::new(
            "checkpoint: malformed records",
            LIE,
            lie(|| Body::new().epoch(1, 0, boot_id()).junk(&[1, 2, 3, 4, 5, 6, 7, 8])),
        ),
    ]);
}
