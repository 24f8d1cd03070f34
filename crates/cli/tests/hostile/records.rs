//! Malformed records in blocks whose checksums are right (format.md, chapter 6).

use crate::case::{Case, try_cases};
use crate::forge::{Block, Body, Header, Record, Segment, crc, sealed, sized, varint};
use crate::place::Place;
use crate::rows::*;

fn plain() -> Record {
    Record::new("t", "v")
}

/// Count and headers as encoded.
fn headers(count: u64, each: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = varint(count);
    for (name, value) in each {
        sized(&mut bytes, name.as_bytes());
        sized(&mut bytes, value.as_bytes());
    }
    bytes
}

fn with_headers(headers: Vec<u8>) -> Vec<u8> {
    plain()
        .with(|r| {
            r.attributes |= 4;
            r.headers = Some(headers)
        })
        .bytes()
}

/// A record whose fields are these bytes, under the right length and checksum.
fn fields(fields: &[u8]) -> Vec<u8> {
    sealed(&varint(fields.len() as u64), fields)
}

type Make = fn() -> Vec<u8>;

/// Its own checksum is wrong, and that of its block is right: who only reads takes it.
const MISSUMMED: (&str, Make) = ("crc wrong", || {
    let mut bytes = plain().bytes();
    bytes[0] ^= 1;
    bytes
});

/// What no encoder makes.
#[rustfmt::skip]
const MALFORMED: &[(&str, Make)] = &[
    ("three bytes", || vec![1, 2, 3]),
    ("only a crc", || crc(b"").to_le_bytes().to_vec()),
    ("length 0", || sealed(&[0], &[])),
    ("length overlong", || sealed(&[0x84, 0], &plain().fields())),
    ("length one more", || sealed(&[5], &plain().fields())),
    ("length one less", || sealed(&[3], &plain().fields())),
    ("length 2^32", || sealed(&varint(1 << 32), &plain().fields())),
    ("length 2^64-1", || sealed(&varint(u64::MAX), &plain().fields())),
    ("length of more than 64 bits", || sealed(&[0xFF; 11], &plain().fields())),
    ("attributes 0", || plain().with(|r| r.attributes = 0).bytes()),
    ("attribute bit 4", || plain().with(|r| r.attributes |= 16).bytes()),
    ("attribute bit 7", || plain().with(|r| r.attributes |= 128).bytes()),
    ("attributes 255", || plain().with(|r| r.attributes = 255).bytes()),
    ("delete marker without key", || fields(&[4, 1, b't', 1, 1, b'n', 0])),
    ("delete marker with a value", || {
        plain().with(|r| { r.attributes = 1; r.key = Some(b"k".to_vec()) }).bytes()
    }),
    ("topic empty", || plain().with(|r| r.topic.clear()).bytes()),
    ("topic of 1025 bytes", || plain().with(|r| r.topic = vec![b't'; 1025]).bytes()),
    ("topic beyond the record", || fields(&[2, 9, b't'])),
    ("topic of 2^63 bytes", || fields(&[&[2][..], &varint(1 << 63), b"t"].concat())),
    ("topic length overlong", || fields(&[2, 0x81, 0, b't'])),
    ("key of 1025 bytes", || {
        plain().with(|r| { r.attributes |= 1; r.key = Some(vec![b'k'; 1025]) }).bytes()
    }),
    ("key beyond the record", || fields(&[3, 1, b't', 200, 1, b'k'])),
    ("key missing", || fields(&[3, 1, b't'])),
    ("header count 0", || with_headers(headers(0, &[]))),
    ("header count 2 of 1", || with_headers(headers(2, &[("n", "v")]))),
    ("header count 2^64-1", || with_headers(headers(u64::MAX, &[("n", "v")]))),
    ("header without name", || with_headers(headers(1, &[("", "v")]))),
    ("headers of 65537 bytes", || {
        with_headers(headers(1, &[("n", &"v".repeat(65_537 - 1 - 2 - 3))]))
    }),
    ("header beyond the record", || fields(&[6, 1, b't', 1, 1, b'n', 50, b'v'])),
    ("header list missing", || fields(&[6, 1, b't'])),
    ("control with headers", || with_headers(headers(1, &[("n", "v")])).tap(|b| b[5] |= 8)),
    ("nothing but attributes", || fields(&[2])),
];

/// Changes bytes, and makes the checksum right again.
trait Tap {
    fn tap(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl Tap for Vec<u8> {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        let right = crc(&self[4..]).to_le_bytes();
        self[..4].copy_from_slice(&right);
        self
    }
}

/// What looks odd and is right.
#[rustfmt::skip]
const ODD: &[(&str, Make)] = &[
    ("a value of nothing", || Record::new("t", "").bytes()),
    ("a key of nothing", || plain().with(|r| { r.attributes |= 1; r.key = Some(vec![]) }).bytes()),
    ("a topic of 1024 bytes", || plain().with(|r| r.topic = vec![b't'; 1024]).bytes()),
    ("a topic of zeros", || plain().with(|r| r.topic = vec![0; 9]).bytes()),
    ("a topic of ESC and newline", || Record::new("t\x1b[2J\n\r\x07\u{9b}", "v").bytes()),
    ("a topic that is no UTF-8", || Record::new([0xFF, 0xC0, 0x80], "v").bytes()),
    ("a key of ESC", || plain().with(|r| { r.attributes |= 1; r.key = Some(b"\x1b]0;x\x07".to_vec()) }).bytes()),
    ("a value of ESC", || Record::new("t", "\x1b[2J").bytes()),
    ("a header name of ESC", || with_headers(headers(1, &[("\x1b[31m\n", "\x1b")]))),
    ("a header of nothing", || with_headers(headers(1, &[("n", "")]))),
    ("10,000 headers", || with_headers(headers(10_000, &[("n", "v"); 10_000]))),
    ("headers of 65536 bytes", || {
        with_headers(headers(1, &[("n", &"v".repeat(65_536 - 1 - 2 - 3))]))
    }),
    ("a topic that looks like a control record's", || Record::new("epoch", [0; 32]).bytes()),
];

fn amid(make: Make, sealed: bool) -> impl Fn(&Place) {
    move |place| {
        let body = Body::new().record("t", "before").raw(&make()).record("t", "behind");
        let mut segment = Segment::new(&Header::new(0, 0));
        segment.record("a").push(&Block::records(body)).record("b");
        if sealed {
            segment.seal();
            let header = Header::new(1, segment.link.next_offset);
            place.segment(1, Segment::new(&header).record("c"));
        }
        place.segment(0, &segment);
    }
}

fn try_records(records: &[(&str, Make)], active: &'static str, sealed: &'static str) {
    let mut cases = Vec::new();
    for (name, make) in records {
        cases.push(Case::new(format!("record: {name}, active"), active, amid(*make, false)));
        cases.push(Case::new(format!("record: {name}, sealed"), sealed, amid(*make, true)));
    }
    try_cases(&cases);
}

#[test]
fn a_malformed_record_in_a_good_block() {
    try_records(MALFORMED, RECORD_ACTIVE, SEALED_DAMAGED);
}

#[test]
fn a_record_with_a_wrong_checksum_in_a_good_block() {
    try_records(&[MISSUMMED], RECORD_MISSUMMED, LIE);
}

#[test]
fn an_odd_record_that_is_allowed() {
    try_records(ODD, SOUND, SOUND);
}

/// A block that takes long to look at, if each look begins anew.
#[test]
fn a_body_of_many_small_records() {
    let body = |records: usize, broken: bool| {
        move |place: &Place| {
            let mut body = Body::new();
            for _ in 0..records {
                body = body.record("t", "v");
            }
            let mut segment = Segment::new(&Header::new(0, 0));
            // Salvage of a body of 0.4 MB took 9.3 s (field report D8).
            let at = segment.bytes.len() + 48 + body.bytes.len() / 2;
            segment.push(&Block::records(body)).record("b");
            if broken {
                segment.bytes[at] ^= 0x40;
            }
            place.segment(0, &segment);
        }
    };
    try_cases(&[
        Case::new("40,000 records in a block", SOUND, body(40_000, false)),
        Case::new("40,000 records in a damaged block", BEGIN_DAMAGED, body(40_000, true)),
    ]);
}
