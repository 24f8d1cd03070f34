//! Somebody appended behind a segment end: a faulty port, which went on in a sealed segment. What it
//! wrote is a block that is valid and high, and continues the chain. Nothing follows a segment end
//! (F-25), so nobody takes it, whichever way he comes.

use std::io::Write;
use std::path::Path;

use crate::real::*;
use puro::internals::block::{BlockBuilder, BlockKind, BlockMeta, Cause};
use puro::internals::cursor::{Scan, Step};
use puro::internals::dir::{Directory, OpenSegment};
use puro::internals::os::{OsFile, OsVfs};
use puro::internals::segment::Window;
use puro::internals::tail::Tail;
use puro::internals::vfs::OpenMode;
use puro::internals::walk::Walk;
use puro::{ConsumerOptions, Start, Stream};

fn sealed(dir: &Path) -> OpenSegment<OsFile> {
    let dir = Directory::new(OsVfs::new(), dir);
    dir.open_segment(0, OpenMode::Write).unwrap().unwrap()
}

/// Appends a block of the record "forged" to the sealed segment 0; tells where.
fn write_behind_the_end(dir: &Path) -> u64 {
    let segment = sealed(dir);
    let mut scan = Scan::new(&segment);
    while scan.next().unwrap().block().is_some() {}
    let at = scan.at;
    assert!(at.ended);
    let (kind, link) = (BlockKind::Records, at.link);
    let meta = BlockMeta { kind, link, timestamp_ms: 1, durable_to: 0, epoch: 1, committed: true };
    let mut builder = BlockBuilder::default();
    builder.push(&record("forged")).unwrap();
    let block = builder.finish(&meta, segment.header.place(at.position)).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&segment.path).unwrap();
    file.write_all(block.bytes).unwrap();
    at.position
}

#[test]
fn a_block_behind_a_segment_end_is_taken_by_nobody() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    let (large, small) = ("a".repeat(4000), "b");
    append(&mut producer, &large);
    append(&mut producer, small);
    let end = write_behind_the_end(dir.path());

    let segment = sealed(dir.path());
    let mut scan = Scan::new(&segment);
    while !scan.at.ended {
        scan.expect_block().unwrap();
    }
    assert!(matches!(scan.next().unwrap(), Step::Stopped(Cause::BehindEnd)));
    let mut window = Window::default();
    let step = segment.look(&scan.at, &mut window, 0).unwrap();
    assert!(matches!(step, Step::Stopped(Cause::BehindEnd)));

    let (tail, cause) = Tail::scan(sealed(dir.path())).unwrap();
    assert_eq!((tail.end, tail.next_offset(), cause), (end, 1, Cause::BehindEnd));

    let mut walk = Walk::new(&segment.file, &segment.header).unwrap();
    while walk.at().position < end {
        assert!(walk.next_piece().unwrap().committed().is_ok());
    }
    assert_eq!(walk.next_piece().unwrap().committed().unwrap_err(), Cause::BehindEnd);

    assert_eq!(values(dir.path()), [&large, small]);
    let mut from_1 = ConsumerOptions::new().start(Start::Offset(1)).open(dir.path()).unwrap();
    assert_eq!(drain(&mut from_1), ["b"]);
    let findings = Stream::open(dir.path()).unwrap().verify(true).unwrap().findings;
    let told: Vec<_> =
        findings.iter().map(|found| (found.position, found.problem.clone())).collect();
    assert_eq!(told, [(Some(end), Cause::BehindEnd.into())]);
}
