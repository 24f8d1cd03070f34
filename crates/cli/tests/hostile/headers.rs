//! Segment headers: each field wrong (format.md, chapter 4).

use crate::case::{Case, try_cases};
use crate::forge::{Header, Segment};
use crate::place::Place;
use crate::rows::*;

type Change = fn(&mut Header);

/// One segment, of which the header is changed.
fn alone(change: Change) -> impl Fn(&Place) {
    move |place| {
        let mut segment = Segment::new(&Header::new(0, 0).with(change));
        segment.record("a").record("b");
        place.segment(0, &segment);
    }
}

/// Three segments, of which one has a changed header.
fn one_of_three(changed: u32, change: Change) -> impl Fn(&Place) {
    move |place| {
        for sequence in 0..3 {
            let header = Header::new(sequence, u64::from(sequence));
            let header = if sequence == changed { header.with(change) } else { header };
            let mut segment = Segment::new(&header);
            segment.record("a");
            if sequence < 2 {
                segment.seal();
            }
            place.segment(sequence, &segment);
        }
    }
}

/// Changes of a header, and the rows: of the only segment, of the lowest, the middle and the last
/// of three.
#[rustfmt::skip]
const HEADERS: &[(&str, [&str; 4], Change)] = &[
    ("magic, first byte", [NO_HEADER, LOWEST_GONE, MIDDLE_GONE, NO_HEADER], |h| h.magic[0] = 0),
    ("magic, last byte", [NO_HEADER, LOWEST_GONE, MIDDLE_GONE, NO_HEADER], |h| h.magic[7] = 0),
    ("version 0", [NEWER, NEWER, NEWER_BETWEEN, NEWER], |h| h.version = 0),
    ("version 2", [NEWER, NEWER, NEWER_BETWEEN, NEWER], |h| h.version = 2),
    ("version 65535", [NEWER, NEWER, NEWER_BETWEEN, NEWER], |h| h.version = 65535),
    ("compatible feature 1", [SOUND, SOUND, SOUND, SOUND], |h| h.features[0] = 1),
    ("compatible features all", [SOUND, SOUND, SOUND, SOUND], |h| h.features[0] = 65535),
    ("read-compatible feature 1", [NO_WRITING, SOUND, SOUND, NO_WRITING], |h| h.features[1] = 1),
    ("read-compatible features all", [NO_WRITING, SOUND, SOUND, NO_WRITING], |h| h.features[1] = 65535),
    ("incompatible feature 1", [NEWER, NEWER, NEWER_BETWEEN, NEWER], |h| h.features[2] = 1),
    ("incompatible features all", [NEWER, NEWER, NEWER_BETWEEN, NEWER], |h| h.features[2] = 65535),
    ("stream id of zeros", [SOUND, SOUND, SEALED_DAMAGED, OTHER_STREAM], |h| h.stream_id = [0; 16]),
    ("stream id of another", [SOUND, SOUND, SEALED_DAMAGED, OTHER_STREAM], |h| h.stream_id[15] ^= 1),
    ("base offset too low", [BEGIN_DAMAGED, "2.22.... 222.2 2....2 22.", SEALED_DAMAGED, SEALED_DAMAGED], |h| h.base_offset = h.base_offset.wrapping_sub(1)),
    ("base offset too high", [SOUND, SEALED_DAMAGED, SEALED_DAMAGED, SEALED_DAMAGED], |h| h.base_offset += 1),
    ("base offset 2^64-1", [BEGIN_DAMAGED, "2.22.... 222.2 2....2 22.", SEALED_DAMAGED, "2.22.... 22222 2uu... 22."], |h| h.base_offset = u64::MAX),
    ("created 0", [SOUND, SOUND, SOUND, SOUND], |h| h.created = 0),
    ("created 2^64-1", [SOUND, SOUND, SOUND, SOUND], |h| h.created = u64::MAX),
    ("sequence one more", ["2.22.22. 22222 222222 22.", SOUND, SEALED_DAMAGED, "2.22.... 22222 ssssss ..."], |h| h.sequence += 1),
    ("sequence 2^32-1", ["2.22.22. 22222 222222 22.", SOUND, SEALED_DAMAGED, "2.22.... 22222 ssssss ..."], |h| h.sequence = u32::MAX),
    // Of another generation that is sealed, the opening checkpoint says where all of it ends (F-38).
    ("generation 1", [SOUND, LIE, LIE, SOUND], |h| h.generation = 1),
    ("generation 2^32-1", [SOUND, LIE, LIE, SOUND], |h| h.generation = u32::MAX),
    ("epoch 0", [LIE, LIE, LIE, LIE], |h| h.epoch = 0),
    ("epoch 2", ["..22.... ..... 2....2 22.", "..22.... ..... .....2 22.", LIE, NO_EPOCH], |h| h.epoch = 2),
    ("epoch 2^32-1", ["..22.... ..... 2....2 22.", "..22.... ..... .....2 22.", LIE, NO_EPOCH], |h| h.epoch = u32::MAX),
    ("crc", [NO_HEADER, LOWEST_GONE, MIDDLE_GONE, NO_HEADER], |h| h.crc_mask = 1),
];

#[test]
fn a_header_with_a_wrong_field() {
    let mut cases = Vec::new();
    for (name, [only, lowest, middle, last], change) in HEADERS {
        cases.push(Case::new(format!("{name}, the only segment"), only, alone(*change)));
        for (sequence, which, row) in
            [(0, "lowest", lowest), (1, "middle", middle), (2, "last", last)]
        {
            let make = one_of_three(sequence, *change);
            cases.push(Case::new(format!("{name}, the {which} segment"), row, make));
        }
    }
    try_cases(&cases);
}

/// Lengths of a file that is no more than the beginning of a segment.
#[test]
fn a_file_that_is_cut() {
    let cut = |length: usize, alone: bool| {
        move |place: &Place| {
            let mut first = Segment::new(&Header::new(0, 0));
            first.record("a");
            if alone {
                first.bytes.truncate(length);
                place.segment(0, &first);
                return;
            }
            place.segment(0, first.seal());
            let mut next = Segment::new(&Header::new(1, 1));
            next.bytes.truncate(length);
            place.segment(1, &next);
        }
    };
    let mut cases = Vec::new();
    for length in [0, 1, 7, 8, 32, 63, 64, 65, 111, 112, 180] {
        let row = if length < 64 { NO_HEADER } else { BEGIN_DAMAGED };
        cases.push(Case::new(format!("cut at {length}, the only segment"), row, cut(length, true)));
        cases.push(Case::new(format!("cut at {length}, behind another"), row, cut(length, false)));
    }
    try_cases(&cases);
}
