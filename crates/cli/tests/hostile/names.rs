//! Names in the directory that lead elsewhere, or to what they should not (format.md, chapter 3).

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::case::{Case, try_cases};
use crate::forge::{Header, Segment};
use crate::place::Place;
use crate::rows::*;

/// A stream of one segment.
fn one(place: &Place) {
    place.segment(0, Segment::new(&Header::new(0, 0)).record("a").record("b"));
}

/// A stream of two segments.
fn two(place: &Place) {
    let mut first = Segment::new(&Header::new(0, 0));
    place.segment(0, first.record("a").seal());
    place.segment(1, Segment::new(&Header::new(1, 1)).record("b"));
}

type Put = fn(&Place, &str);

/// What may stand under a name instead of a file.
const KINDS: &[(&str, Put)] = &[
    ("a FIFO", |place, name| {
        place.fifo(name);
    }),
    ("a socket", |place, name| {
        place.socket(name);
    }),
    ("a directory", |place, name| {
        place.dir(name);
    }),
    ("a link to a file", |place, name| {
        place.link(name, "outside/file");
    }),
    ("a link to a directory", |place, name| {
        place.link(name, "outside/dir");
    }),
    ("a link to nothing", |place, name| {
        place.link(name, "outside/new");
    }),
    ("a link to itself", |place, name| {
        place.link(name, &format!("s/{name}"));
    }),
    ("a hard link", |place, name| {
        place.hard_link(name);
    }),
];

/// A name of F-10, and what each of [`KINDS`] under it comes to.
struct Named {
    name: &'static str,
    rows: [&'static str; 8],
}

const fn but_for_a_hard_link(all: &'static str, hard: &'static str) -> [&'static str; 8] {
    [all, all, all, all, all, all, all, hard]
}

/// `0000000001.puro` is the active segment of two, `0000000000.puro` the sealed one.
#[rustfmt::skip]
const NAMES: &[Named] = &[
    Named { name: "0000000000.puro", rows: but_for_a_hard_link(NO_FILE, LOWEST_GONE) },
    Named { name: "0000000001.puro", rows: but_for_a_hard_link(NO_FILE, NO_HEADER) },
    Named { name: "0000000002.puro", rows: but_for_a_hard_link(NO_FILE, NO_HEADER) },
    Named { name: "0000000002.puro.new", rows: [SOUND, SOUND, NO_STEWARD, SOUND, SOUND, SOUND, SOUND, SOUND] },
    Named { name: "0000000000.puro.compact", rows: [SOUND; 8] },
    Named { name: "writer.lock", rows: but_for_a_hard_link(NO_WRITING, "........ ..... ssssss ...") },
    Named { name: "steward.lock", rows: [NO_STEWARD; 8] },
    Named { name: "consumers", rows: [NO_OWNERS, NO_OWNERS, SOUND, NO_OWNERS, NO_LINK, NO_LINK, NO_OWNERS, NO_OWNERS] },
    Named { name: "consumers/n.lock", rows: [NO_NAMED; 8] },
    Named { name: "lost", rows: [SOUND; 8] },
    Named { name: "other", rows: [SOUND; 8] },
];

#[test]
fn a_name_that_leads_elsewhere() {
    let mut cases = Vec::new();
    for Named { name, rows } in NAMES {
        for ((kind, put), row) in KINDS.iter().zip(rows) {
            let make = move |place: &Place| {
                two(place);
                if name.starts_with("consumers/") {
                    place.dir("consumers");
                }
                let _ = fs::remove_file(place.inside(name));
                put(place, name);
            };
            cases.push(Case::new(format!("{kind} as {name}"), row, make));
        }
    }
    try_cases(&cases);
}

/// Strays: segments of other streams or under other numbers (F-9), and names with no place.
#[test]
fn a_stray() {
    let other = |sequence: u32, in_header: u32| {
        move |place: &Place| {
            two(place);
            let header = Header::new(in_header, 0).with(|h| h.stream_id = *b"another  stream!");
            place.segment(sequence, Segment::new(&header).record("stray"));
        }
    };
    let own = |sequence: u32, in_header: u32, base: u64| {
        move |place: &Place| {
            two(place);
            let header = Header::new(in_header, base);
            place.segment(sequence, Segment::new(&header).record("stray"));
        }
    };
    // The stream of two under higher numbers, so that there is room below it.
    let below = |place: &Place| {
        let mut first = Segment::new(&Header::new(5, 0));
        place.segment(5, first.record("a").seal());
        place.segment(6, Segment::new(&Header::new(6, 1)).record("b"));
        let header = Header::new(0, 0).with(|h| h.stream_id = *b"another  stream!");
        place.segment(0, Segment::new(&header).record("stray"));
    };
    let name = |name: &'static [u8]| {
        move |place: &Place| {
            one(place);
            let path = place.path("s").join(std::ffi::OsStr::from_bytes(name));
            fs::write(path, "x").unwrap();
        }
    };
    let highest = |place: &Place| {
        let header = Header::new(u32::MAX, 7);
        place.segment(u32::MAX, Segment::new(&header).record("a"));
    };
    let highest_sealed = |place: &Place| {
        let header = Header::new(u32::MAX, 7);
        place.segment(u32::MAX, Segment::new(&header).record("a").seal());
    };
    let gap = |place: &Place| {
        two(place);
        place.segment(3, Segment::new(&Header::new(3, 2)).record("c"));
    };
    let second_name = |sequence: u32| {
        move |place: &Place| {
            two(place);
            let name = format!("{sequence:010}.puro");
            fs::hard_link(place.inside(&name), place.path("outside/second")).unwrap();
        }
    };
    try_cases(&[
        Case::new("the active segment has a second name", NO_WRITING, second_name(1)),
        Case::new("a sealed segment has a second name", SOUND, second_name(0)),
        Case::new("a stray under the next number", NO_STEWARD, other(2, 2)),
        Case::new("a stray under a high number", SOUND, other(900, 900)).prints("a\nb\n"),
        Case::new("a stray under 4294967295", SOUND, other(u32::MAX, u32::MAX)).prints("a\nb\n"),
        Case::new("a stray under a lower number", SOUND, below).prints("a\nb\n"),
        Case::new("a stray of another number", NO_STEWARD, own(2, 7, 0)),
        Case::new("a copy of a segment under a later number", SOUND, own(9, 1, 1)).prints("a\nb\n"),
        Case::new("a segment of the stream behind a gap", "2.22.... 222.2 2..... 22.", gap),
        Case::new("segment 4294967295, alone", "........ ..... ....u. ...", highest),
        Case::new("segment 4294967295, sealed", "........ ..... uuuuuu ...", highest_sealed),
        Case::new("a name of ESC", SOUND, name(b"\x1b[2J\x1b]0;x\x07")),
        Case::new("a name of newlines", SOUND, name(b"one\ntwo\rthree")),
        Case::new("a name of no UTF-8", SOUND, name(b"\xFF\xFE\x80")),
        Case::new("a name of nine digits", SOUND, name(b"000000000.puro")),
        Case::new("a name of eleven digits", SOUND, name(b"00000000001.puro")),
        Case::new("a number beyond 32 bits", SOUND, name(b"4294967296.puro")),
        Case::new("a number of another script", SOUND, name("٠٠٠٠٠٠٠٠٠١.puro".as_bytes())),
        Case::new("a name in capitals", SOUND, name(b"0000000001.PURO")),
        Case::new("lost+found", SOUND, |place: &Place| {
            one(place);
            place.dir("lost+found");
        }),
        Case::new("no segment", "uuuu.uuu uuuuu u..uuu uuu", |_| {}),
        Case::new("no segment, but a lock file", "uuuu.uuu uuuuu u..uuu uuu", |place: &Place| {
            place.write("writer.lock", "");
        }),
        Case::new(
            "no segment, but a foreign file",
            "uuuu.uuu uuuuu uuuuuu uuu",
            |place: &Place| {
                place.write("notes.txt", "x");
            },
        ),
    ]);
}

/// Lock files that are no more than files.
#[test]
fn a_lock_file_with_content() {
    let lock = |name: &'static str, bytes: &'static [u8]| {
        move |place: &Place| {
            one(place);
            if name.starts_with("consumers/") {
                place.dir("consumers");
            }
            place.write(name, bytes);
        }
    };
    let sparse = |name: &'static str| {
        move |place: &Place| {
            one(place);
            if name.starts_with("consumers/") {
                place.dir("consumers");
            }
            place.sparse(name, 3 << 30);
        }
    };
    let mut cases = Vec::new();
    for name in ["writer.lock", "steward.lock", "consumers/n.lock"] {
        for (what, bytes) in [
            ("process 1", &b"1 1 1\n"[..]),
            ("numbers too large", b"99999999999999999999 99999999999999999999 1\n"),
            ("minus one", b"-1 -1 -1\n"),
            ("ESC", b"\x1b[2J\n"),
            ("no UTF-8", b"\xFF\xFF \xFF\n"),
            ("zeros", &[0; 300]),
        ] {
            cases.push(Case::new(format!("{name} with {what}"), SOUND, lock(name, bytes)));
        }
        cases.push(Case::new(format!("{name} of 3 GiB"), SOUND, sparse(name)));
    }
    for name in ["..lock", "a b.lock", "\x1b[2J.lock", "n.lock.lock", ".lock"] {
        let name = format!("consumers/{name}");
        cases.push(Case::new(
            format!("a lock of a name that is none: {name:?}"),
            SOUND,
            move |place: &Place| {
                one(place);
                place.dir("consumers").write(&name, "");
            },
        ));
    }
    try_cases(&cases);
}

/// Outputs that lead elsewhere (field report D9).
#[test]
fn an_output_that_leads_elsewhere() {
    use std::os::unix::fs::symlink;
    let output = |name: &'static str, to: &'static str| {
        move |place: &Place| {
            two(place);
            symlink(place.path(to), place.path(name)).unwrap();
        }
    };
    let hard = |place: &Place| {
        two(place);
        fs::create_dir(place.path("out.partial")).unwrap();
        let name = "out.partial/0000000000.puro";
        fs::hard_link(place.path("outside/file"), place.path(name)).unwrap();
    };
    let occupied = |place: &Place| {
        two(place);
        fs::create_dir(place.path("out")).unwrap();
        fs::write(place.path("out/precious"), "x").unwrap();
    };
    try_cases(&[
        Case::new(
            "out.partial is a link to a directory",
            "........ ..... ...... ss.",
            output("out.partial", "outside/dir"),
        ),
        Case::new(
            "out.partial is a link to an empty directory",
            "........ ..... ...... ss.",
            output("out.partial", "outside/empty"),
        ),
        Case::new(
            "out.partial is a link to nothing",
            "........ ..... ...... ss.",
            output("out.partial", "outside/new"),
        ),
        Case::new(
            "out.partial is a link to a file",
            "........ ..... ...... ss.",
            output("out.partial", "outside/file"),
        ),
        Case::new(
            "out is a link to a directory",
            "........ ..... ...... uuu",
            output("out", "outside/dir"),
        ),
        Case::new(
            "out is a link to an empty directory",
            "........ ..... ...... uuu",
            output("out", "outside/empty"),
        ),
        Case::new(
            "out is a link to nothing",
            "........ ..... ...... uuu",
            output("out", "outside/new"),
        ),
        Case::new(
            "out is a link to a file",
            "........ ..... ...... uuu",
            output("out", "outside/file"),
        ),
        Case::new("out.partial holds a hard link", "........ ..... ...... uu.", hard),
        Case::new("out is not empty", "........ ..... ...... uuu", occupied),
    ]);
}
