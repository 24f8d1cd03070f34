//! What stands behind the committed end, and what stands in `lost/` where a tail is to be saved
//! (protocol.md, chapter 5; F-41).

use std::fs;

use crate::case::{Case, try_cases};
use crate::forge::{Header, Segment, crc};
use crate::place::Place;
use crate::rows::*;

fn segment() -> Segment {
    let mut segment = Segment::new(&Header::new(0, 0));
    segment.record("a").record("b");
    segment
}

/// A tail that a repair must save: bytes of no meaning.
const TAIL: &[u8] = b"neither zeros nor a block";

#[test]
fn bytes_behind_the_end() {
    let tail = |bytes: Vec<u8>| {
        move |place: &Place| {
            place.segment(0, segment().raw(&bytes));
        }
    };
    let sparse = |length: u64, last: &'static [u8]| {
        move |place: &Place| {
            let segment = segment();
            place.segment(0, &segment).sparse("0000000000.puro", length);
            use std::os::unix::fs::FileExt;
            let file = fs::File::options().write(true).open(place.inside("0000000000.puro"));
            file.unwrap().write_all_at(last, length - last.len() as u64).unwrap();
        }
    };
    let starts = |place: &Place| {
        // A whole unit is a start's length, so each is looked at.
        let unit: Vec<u8> = (1..=64).collect();
        place.segment(0, segment().raw(&unit.repeat(1 << 14)));
    };
    let mut half = segment();
    let whole = half.end() as usize;
    half.record("never finished");
    let half = half.bytes[whole..].to_vec();
    try_cases(&[
        Case::new("tail: one zero", SOUND, tail(vec![0])),
        Case::new("tail: a page of zeros", SOUND, tail(vec![0; 4096])),
        Case::new("tail: one byte", TO_REPAIR, tail(vec![7])),
        Case::new("tail: a signal", TO_REPAIR, tail(vec![0xA5])),
        Case::new("tail: text", TO_REPAIR, tail(TAIL.to_vec())),
        Case::new("tail: half a committed block", TO_REPAIR, tail(half[..60].to_vec())),
        Case::new("tail: 1 MiB of units", TO_REPAIR, starts),
        Case::new("tail: 2 GiB of zeros", SOUND, sparse(2 << 30, b"\0")),
        Case::new("tail: 2 GiB of zeros, then a byte", TO_REPAIR, sparse(2 << 30, b"x")),
        Case::new("tail: 1 TiB of zeros, then a byte", TO_REPAIR, sparse(1 << 40, b"x")),
    ]);
}

/// Whatever stands under the name of a saved tail, no writer is stuck (field report D10).
#[test]
fn something_else_under_a_tails_name() {
    let name = || format!("lost/0000000000-{:020}-{:08x}.tail", segment().end(), crc(TAIL));
    let with = move |put: fn(&Place, &str)| {
        move |place: &Place| {
            place.segment(0, segment().raw(TAIL)).dir("lost");
            put(place, &name());
        }
    };
    try_cases(&[
        Case::new(
            "tail's name: other bytes",
            TO_REPAIR,
            with(|p, n| {
                p.write(n, "other");
            }),
        ),
        Case::new(
            "tail's name: a beginning of it",
            TO_REPAIR,
            with(|p, n| {
                p.write(n, &TAIL[..9]);
            }),
        ),
        Case::new(
            "tail's name: the tail itself",
            TO_REPAIR,
            with(|p, n| {
                p.write(n, TAIL);
            }),
        ),
        Case::new(
            "tail's name: more than the tail",
            TO_REPAIR,
            with(|p, n| {
                p.write(n, [TAIL, b"!"].concat());
            }),
        ),
        Case::new(
            "tail's name: a FIFO",
            TO_REPAIR,
            with(|p, n| {
                p.fifo(n);
            }),
        ),
        Case::new(
            "tail's name: a socket",
            TO_REPAIR,
            with(|p, n| {
                p.socket(n);
            }),
        ),
        Case::new(
            "tail's name: a directory",
            TO_REPAIR,
            with(|p, n| {
                p.dir(n);
            }),
        ),
        Case::new(
            "tail's name: a link",
            TO_REPAIR,
            with(|p, n| {
                p.link(n, "outside/file");
            }),
        ),
        Case::new(
            "tail's name: a link to nothing",
            TO_REPAIR,
            with(|p, n| {
                p.link(n, "outside/new");
            }),
        ),
        Case::new(
            "tail's name: a hard link",
            TO_REPAIR,
            with(|p, n| {
                p.hard_link(n);
            }),
        ),
        Case::new(
            "tail's name: 2 GiB",
            TO_REPAIR,
            with(|p, n| {
                p.sparse(n, 2 << 30);
            }),
        ),
        Case::new(
            "tail's name: all names up to -20",
            TO_REPAIR,
            with(|p, n| {
                p.write(n, "other");
                for number in 1..=20 {
                    p.write(&n.replace(".tail", &format!("-{number}.tail")), "other");
                }
            }),
        ),
    ]);
}

/// Foreign names in `lost/` are nobody's business.
#[test]
fn foreign_names_among_the_saved_tails() {
    let with = |name: &'static str, bytes: Vec<u8>| {
        move |place: &Place| {
            place.segment(0, &segment()).dir("lost").write(&format!("lost/{name}"), &bytes);
        }
    };
    try_cases(&[
        Case::new("lost: notes", SOUND, with("notes.txt", b"x".to_vec())),
        Case::new(
            "lost: another number",
            SOUND,
            with("4294967295-00000000000000000000-00000000.tail", vec![1; 99]),
        ),
        Case::new(
            "lost: another crc",
            SOUND,
            with("0000000000-00000000000000000320-00000000.tail", vec![1; 99]),
        ),
        Case::new(
            "lost: a position of 2^64",
            SOUND,
            with("0000000000-18446744073709551616-00000000.tail", vec![1]),
        ),
        Case::new("lost: ESC", SOUND, with("\x1b[2J\n.tail", vec![1])),
        Case::new("lost: a segment", SOUND, with("0000000000.puro", segment().bytes)),
    ]);
}
