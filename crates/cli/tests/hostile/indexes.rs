//! Indexes of topics that lie, or that no encoder makes (F-42).

use crate::case::{Case, try_cases};
use crate::forge::{Block, Body, CHECKPOINT, END, Header, Segment, boot_id, sized, varint};
use crate::place::Place;
use crate::rows::*;

/// A topic's part of an index: its name, how many blocks it says, and the distances.
fn part(topic: &[u8], count: u64, distances: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    sized(&mut bytes, topic);
    bytes.extend(varint(count));
    bytes.extend(distances.iter().flat_map(|distance| varint(*distance)));
    bytes
}

fn two(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    [one, other].concat()
}

/// The blocks of which the indexes speak: topics t, u, t, each in a block of 64 or 128 bytes.
fn segment() -> (Segment, u64) {
    let mut segment = Segment::new(&Header::new(0, 0));
    let from = segment.end();
    for topic in ["t", "u", "t"] {
        segment.push(&Block::records(Body::new().record(topic, "value")));
    }
    (segment, from)
}

type Index = fn(u64) -> (u64, Vec<u8>);

/// Indexes over the blocks t, u, t, which stand 0, 2 and 4 units behind `from`... each block has
/// two units of 64 bytes, so the right one says t: 0, 4 and u: 2.
#[rustfmt::skip]
const INDEXES: &[(&str, &str, Index)] = &[
    ("right", SOUND, |from| (from, two(part(b"t", 2, &[0, 4]), part(b"u", 1, &[2])))),
    ("of nothing", SOUND, |from| (from, Vec::new())),
    ("that hides a block", LIE, |from| (from, two(part(b"t", 1, &[0]), part(b"u", 1, &[2])))),
    ("that hides a topic", LIE, |from| (from, part(b"u", 1, &[2]))),
    ("that hides all", LIE, |from| (from, part(b"x", 1, &[0]))),
    ("of another topic's block", "..22.... .2... ...... 22.", |from| (from, two(part(b"t", 3, &[0, 2, 2]), part(b"u", 1, &[2])))),
    ("of no block's place", "..22.... .2... ...... 22.", |from| (from, two(part(b"t", 2, &[1, 3]), part(b"u", 1, &[2])))),
    ("beyond its block", LIE, |from| (from, two(part(b"t", 2, &[0, 400]), part(b"u", 1, &[2])))),
    ("beyond 2^64", LIE, |from| (from, part(b"t", 2, &[u64::MAX / 64, 4]))),
    ("with a count of 0", LIE, |from| (from, two(part(b"t", 0, &[]), part(b"u", 1, &[2])))),
    ("with a count too high", LIE, |from| (from, part(b"t", u64::MAX, &[0, 4]))),
    ("with distances of 0", LIE, |from| (from, two(part(b"t", 3, &[0, 0, 4]), part(b"u", 1, &[2])))),
    ("with a topic twice", LIE, |from| (from, two(part(b"t", 1, &[0]), part(b"t", 1, &[4])))),
    ("with unsorted topics", LIE, |from| (from, two(part(b"u", 1, &[2]), part(b"t", 2, &[0, 4])))),
    ("with an empty topic", LIE, |from| (from, two(part(b"", 1, &[0]), part(b"t", 2, &[0, 4])))),
    ("with an overlong varint", LIE, |from| (from, [&[0x81, 0, b't', 2, 0, 4][..], &part(b"u", 1, &[2])].concat())),
    ("with bytes behind it", LIE, |from| (from, [two(part(b"t", 2, &[0, 4]), part(b"u", 1, &[2])), vec![9]].concat())),
    ("from 0", LIE, |_| (0, part(b"t", 1, &[1]))),
    ("from one too low", LIE, |from| (from - 64, two(part(b"t", 2, &[1, 4]), part(b"u", 1, &[3])))),
    ("from behind its blocks", LIE, |from| (from + 128, part(b"u", 1, &[0]))),
    ("from 2^64-1", LIE, |_| (u64::MAX, part(b"t", 1, &[0]))),
];

#[test]
fn an_index_of_topics_that_lies() {
    let mut cases = Vec::new();
    for (name, row, index) in INDEXES {
        let index = *index;
        let sealed = move |place: &Place| {
            let (mut segment, from) = segment();
            let (from, rest) = index(from);
            segment.push(&Block::new(END, Body::new().topics(from, &rest)));
            let next = Header::new(1, segment.link.next_offset);
            place.segment(0, &segment).segment(1, Segment::new(&next).record("d"));
        };
        let active = move |place: &Place| {
            let (mut segment, from) = segment();
            let (from, rest) = index(from);
            let state = Body::new().epoch(1, 0, boot_id()).topics(from, &rest);
            segment.push(&Block::new(CHECKPOINT, state)).record("d");
            place.segment(0, &segment);
        };
        cases.push(Case::new(format!("index {name}, in a segment end"), row, sealed));
        cases.push(Case::new(format!("index {name}, in a checkpoint"), row, active));
    }
    try_cases(&cases);
}
