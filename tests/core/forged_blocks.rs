//! What a user's bytes may not do (F-43, X-9): be taken for blocks of the stream. Whoever can read
//! a stream knows what its checksums are seeded with, so a value can hold blocks that are right in
//! everything, for the very place where the value will stand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::real::*;
use proptest::prelude::*;
use puro::internals::block::{Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Link, Place};
use puro::internals::cursor::Scan;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Interpose, Operation};
use puro::internals::layout::MAX_BODY_BYTES;
use puro::internals::os::OsVfs;
use puro::internals::record::Fields;
use puro::internals::segment::{CommittedPart, SegmentHeader, TailKind, classify};
use puro::internals::tail::open_tail;
use puro::internals::vfs::OpenMode;
use puro::{NewRecord, Producer, ProducerOptions, RecordError};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

fn header(dir: &Path) -> SegmentHeader {
    let directory = Directory::new(OsVfs::new(), dir);
    directory.open_segment(0, OpenMode::Read).unwrap().unwrap().header
}

fn meta(kind: BlockKind, link: Link, durable_to: u64, committed: bool) -> BlockMeta {
    BlockMeta { kind, link, timestamp_ms: 1, durable_to, epoch: 1, committed }
}

/// A value that holds `blocks`, made for the places from the first multiple of 64 in it on, when
/// its record is appended at `end`.
fn value_with(end: u64, make: impl FnOnce(u64) -> Vec<u8>) -> Vec<u8> {
    let mut value = vec![b'v'; 64 * 1024];
    let before_value = NewRecord::new("t", &value).encoded_bytes() - value.len() as u64;
    let begin = end + 48 + before_value;
    let first = begin.next_multiple_of(64);
    let (skip, blocks) = ((first - begin) as usize, make(first));
    value[skip..skip + blocks.len()].copy_from_slice(&blocks);
    value
}

/// A process that dies in the write of the next block of more than `least` bytes, of which the
/// bytes up to `upto` in the file are there.
fn dies_in_the_next_block(least: usize, upto: u64) -> Interpose<OsVfs> {
    let dead = Arc::new(AtomicBool::new(false));
    interpose(move |call| {
        if dead.load(Ordering::SeqCst) {
            return Answer::Fail(errno(EIO));
        }
        if call.operation == Operation::Write && call.length > least && call.position < upto {
            dead.store(true, Ordering::SeqCst);
            return Answer::Then((upto - call.position) as usize, Box::new(|| errno(EIO)));
        }
        Answer::Proceed
    })
}

/// Appends the value in a process that dies when the file has reached `upto`.
fn append_and_die(dir: &Path, value: &[u8], upto: u64) {
    let world = dies_in_the_next_block(value.len(), upto);
    let mut producer = ProducerOptions::new().open_in(world, dir).unwrap();
    producer.append(&NewRecord::new("t", value)).unwrap_err();
    drop(producer);
    assert_eq!(std::fs::metadata(segment(dir, 0)).unwrap().len(), upto, "died in mid-write");
}

/// A chain that looks like the end of this stream: a block of records, then a checkpoint. It continues nothing, but nobody who comes from behind sees that.
fn chain(dir: &Path, header: &SegmentHeader, at: u64) -> Vec<u8> {
    let (mut bytes, mut builder) = (Vec::new(), BlockBuilder::default());
    let mut link = Link { prev_crc: 7, next_offset: 1_000_000, may_jump: false };
    builder.push(&record("forged")).unwrap();
    let first = meta(BlockKind::Records, link, 0, true);
    let built = builder.finish(&first, header.place(at)).unwrap();
    bytes.extend_from_slice(built.bytes);
    link = built.block.link(false);
    builder.clear();
    let state = checkpoint_of(dir);
    let mut rest = state.as_slice();
    while let Ok((fields, after)) = Fields::split(rest) {
        builder.push(&fields.to_new()).unwrap();
        rest = after;
    }
    let second = meta(BlockKind::Checkpoint, link, 0, true);
    let position = at + bytes.len() as u64;
    bytes.extend_from_slice(builder.finish(&second, header.place(position)).unwrap().bytes);
    bytes
}

/// The body of the opening checkpoint.
fn checkpoint_of(dir: &Path) -> Vec<u8> {
    let directory = Directory::new(OsVfs::new(), dir);
    let held = directory.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let mut scan = Scan::new(&held);
    let (_, block) = scan.next().unwrap().block().unwrap();
    block.body.to_vec()
}

/// Field report D1. Somebody put a chain of forged blocks into a value, in a segment of more than
/// 8 MiB, and the writer died in the middle of writing it, where the chain ended. The end was
/// looked for from behind (O-6), and found: the next producer was answered an offset of the forger's
/// choice for a record that no reader ever saw.
#[test]
fn a_chain_of_blocks_in_a_value_is_not_the_end_of_the_stream() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let large = vec![b'x'; MIB];
    for _ in 0..10 {
        producer.append(&NewRecord::new("t", &large)).unwrap();
    }
    drop(producer);
    let (header, end) = (header(dir.path()), end_of(dir.path()));
    let mut upto = 0;
    let value = value_with(end, |at| {
        let chain = chain(dir.path(), &header, at);
        upto = at + chain.len() as u64;
        chain
    });
    append_and_die(dir.path(), &value, upto);
    let directory = Directory::new(OsVfs::new(), dir.path());
    let (tail, _) = open_tail(&directory, OpenMode::Read).unwrap().unwrap();
    assert_eq!((tail.end, tail.next_offset()), (end, 10));
    let mut producer = Producer::open(dir.path()).unwrap();
    assert_eq!(
        producer.repairs().iter().map(|repair| repair.label).collect::<Vec<_>>(),
        ["unseen"]
    );
    assert_eq!(append(&mut producer, "after"), 10);
    assert_eq!(values(dir.path()).last().unwrap(), "after");
}

fn end_of(dir: &Path) -> u64 {
    let directory = Directory::new(OsVfs::new(), dir);
    open_tail(&directory, OpenMode::Read).unwrap().unwrap().0.end
}

fn stream() -> TempDir {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    dir
}

/// A start that says that a terabyte is on the disk.
fn boastful(header: &SegmentHeader, at: u64, committed: bool) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    builder.push(&record("forged")).unwrap();
    let link = Link { prev_crc: 0, next_offset: 0, may_jump: false };
    let meta = meta(BlockKind::Records, link, 1 << 40, committed);
    builder.finish(&meta, header.place(at)).unwrap().bytes.to_vec()
}

/// Field reports A7 and D2. A value held a forged start that claims that 2^40 bytes are on the disk.
/// Its writer died an ordinary death between writing and committing. The start was believed, what
/// it claims was not there, and the stream was *damaged* for good: nobody could write any more.
#[test]
fn a_start_in_a_value_does_not_damage_the_stream_when_its_writer_dies() {
    for committed in [false, true] {
        let dir = stream();
        let (header, end) = (header(dir.path()), end_of(dir.path()));
        let value = value_with(end, |at| boastful(&header, at, committed));
        append_and_die(dir.path(), &value, end + 48 + value.len() as u64);
        let mut producer = Producer::open(dir.path()).unwrap();
        assert_eq!(producer.repairs()[0].label, "unseen");
        append(&mut producer, "after");
        assert_eq!(values(dir.path()), ["a", "after"]);
    }
}

/// F-43: whoever lives reads back what he wrote, at once and after it was compacted, copied and
/// verified; only the block is another.
#[test]
fn a_value_that_holds_blocks_is_stored_like_any_other() {
    let dir = stream();
    let (header, end) = (header(dir.path()), end_of(dir.path()));
    let value = value_with(end, |at| boastful(&header, at, true));
    let mut producer = Producer::open(dir.path()).unwrap();
    let appended = producer.append(&NewRecord::new("t", &value)).unwrap();
    assert_eq!((appended.first_offset, appended.record_count), (1, 1));
    append(&mut producer, "after");
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().value, Some(&b"a"[..]));
    assert!(consumer.try_next().unwrap().unwrap().value == Some(&value[..]));
    assert_eq!(consumer.try_next().unwrap().unwrap().value, Some(&b"after"[..]));
    assert_eq!(starts_within(dir.path()), 0);
    let report = puro::internals::check(
        OsVfs::new(),
        dir.path(),
        &puro::CheckOptions::new().deep(true),
        &mut |_, _| {},
    );
    assert_eq!(report.unwrap().findings, []);
}

/// How many starts stand within the blocks of segment 0.
fn starts_within(dir: &Path) -> usize {
    let bytes = std::fs::read(segment(dir, 0)).unwrap();
    let (header, blocks) = (header(dir), blocks(&segment(dir, 0)));
    let at = |position: u64| {
        let bytes = bytes.get(position as usize..).unwrap_or_default();
        BlockStart::stands_at(bytes, header.place(position)).is_some()
    };
    let is_block = |position: &u64| blocks.iter().any(|(begin, _)| begin == position);
    (64..bytes.len() as u64).step_by(64).filter(|p| !is_block(p) && at(*p)).count()
}

/// A body in which a start forbids each shift that can be foretold.
fn spiteful(place: Place, header: &SegmentHeader, shifts: u64) -> Vec<u8> {
    let mut body = vec![b'v'; 64 * 1024];
    for shift in 0..shifts {
        // In the `shift`-th stretch of 128 bytes, where a shift by so many puts it on a unit.
        let shifted = if shift == 0 { 0 } else { 9 + shift };
        let at = (place.position + 48 + 1024 + shift * 128).next_multiple_of(64);
        let in_body = (at - place.position - 48 - shifted) as usize;
        body[in_body..in_body + 48].copy_from_slice(&boastful(header, at, false)[..48]);
    }
    body
}

/// A body made to be in the way of every shift that can be foretold is shifted by lot.
#[test]
fn bytes_that_forbid_what_they_can_foretell_are_shifted_by_lot() {
    let dir = stream();
    let (header, end) = (header(dir.path()), end_of(dir.path()));
    let behind_fields = NewRecord::new("t", &vec![0; 64 * 1024]).encoded_bytes() - 64 * 1024;
    let mut value = spiteful(header.place(end), &header, 9);
    value.drain(..behind_fields as usize);
    value.resize(64 * 1024, b'v');
    let mut builder = BlockBuilder::default();
    builder.push(&NewRecord::new("t", &value)).unwrap();
    let refused = builder.fit(header.place(end)).unwrap_err();
    assert!(matches!(refused, RecordError::HoldsBlocks { .. }), "{refused}");
    builder.fit_by_lot(header.place(end), &[7; 16]).unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    producer.append(&NewRecord::new("t", &value)).unwrap();
    append(&mut producer, "after");
    assert_eq!(starts_within(dir.path()), 0);
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    let mut read = Vec::new();
    while let Some(record) = consumer.try_next().unwrap() {
        read.push(record.value.unwrap().to_vec());
    }
    assert!(read == [b"a".to_vec(), value, b"after".to_vec()]);
}

/// Where the body leaves no room to shift it, the append is refused, and says what to do.
#[test]
fn a_full_body_that_holds_blocks_is_refused() {
    let place = Place { header_crc: 1, position: 64 };
    let header = SegmentHeader { crc: 1, ..SegmentHeader::default() };
    let mut builder = BlockBuilder::default();
    let first = vec![b'v'; 10 * MIB];
    builder.push(&NewRecord::new("t", &first)).unwrap();
    let at = builder.body_len() as u64 + 64 + 48;
    let length = MAX_BODY_BYTES - builder.body_len() - 12;
    let mut second = vec![b'v'; length];
    let behind_fields = NewRecord::new("t", &second).encoded_bytes() - length as u64;
    let unit = (at + behind_fields).next_multiple_of(64);
    let skip = (unit - at - behind_fields) as usize;
    second[skip..skip + 48].copy_from_slice(&boastful(&header, unit, true)[..48]);
    builder.push(&NewRecord::new("t", &second)).unwrap();
    let bytes = builder.body_len();
    assert_eq!(builder.fit(place), Err(RecordError::HoldsBlocks { bytes }));
    assert_eq!(builder.fit_by_lot(place, &[0; 16]), Err(RecordError::HoldsBlocks { bytes }));
    // Somewhere else it is as good as any other.
    builder.fit(Place { position: 128, ..place }).unwrap();
}

proptest! {
    /// Whatever stands where in a body, the block that is made holds no start but its own, decodes
    /// to the records given behind at most one pad, and gives the same again after a rollback.
    #[test]
    fn no_block_is_made_that_holds_a_start(
        planted in prop::collection::vec((0usize..38, 0u64..12, any::<bool>()), 0..12),
        units in 1u64..1000,
    ) {
        let place = Place { header_crc: 99, position: units * 64 };
        let header = SegmentHeader { crc: 99, ..SegmentHeader::default() };
        let mut value = vec![b'v'; 40 * 64 + 128];
        let before = NewRecord::new("t", &value).encoded_bytes() - value.len() as u64;
        for (unit, shift, committed) in planted {
            // Where the body as it is, or one of the first shifts, puts it on a unit.
            let at = place.position + (unit as u64 + 2) * 64;
            let shifted = if shift == 0 { 0 } else { 9 + shift };
            let in_value = (at - place.position - 48 - before - shifted) as usize;
            value[in_value..in_value + 48].copy_from_slice(&boastful(&header, at, committed)[..48]);
        }
        let mut builder = BlockBuilder::default();
        builder.push(&NewRecord::new("t", &value)).unwrap();
        let mark = builder.mark();
        let plain = builder.body_len();
        let meta = meta(BlockKind::Records, Link { prev_crc: 1, next_offset: 5, may_jump: false }, 0, false);
        let bytes = match builder.finish(&meta, place) {
            Ok(built) => built.bytes.to_vec(),
            Err(_) => {
                builder.fit_by_lot(place, &[1; 16]).unwrap();
                builder.finish(&meta, place).unwrap().bytes.to_vec()
            }
        };
        for at in (64..bytes.len()).step_by(64) {
            let place = Place { position: place.position + at as u64, ..place };
            prop_assert!(BlockStart::stands_at(&bytes[at..], place).is_none());
        }
        let block = Block::verify(&bytes, BlockStart::decode(&bytes, place).unwrap()).unwrap();
        block.check_records().unwrap();
        prop_assert_eq!(block.start.record_count, 1);
        prop_assert_eq!(block.start.has_control, block.body.len() > plain);
        let mut cursor = block.records();
        prop_assert_eq!(cursor.next(block.body).unwrap().value, Some(&value[..]));
        prop_assert!(cursor.next(block.body).is_none());
        builder.rollback(mark);
        prop_assert_eq!(builder.body_len(), plain);
    }
}

/// What an older Puro left, or another program: a low block, or after a loss of power a high one,
/// whose body holds a start. It is the body of that block, and no evidence.
#[test]
fn a_start_in_the_body_of_the_block_at_the_end_is_no_evidence() {
    for (high, current_boot, expected) in [
        (false, true, TailKind::Unseen),
        (true, true, TailKind::Lost),
        (true, false, TailKind::Lost),
    ] {
        let dir = stream();
        let (header, end) = (header(dir.path()), end_of(dir.path()));
        let value = value_with(end, |at| boastful(&header, at, true));
        let mut builder = BlockBuilder::default();
        builder.push(&NewRecord::new("t", &value)).unwrap();
        let link = Link { prev_crc: 0, next_offset: 1, may_jump: false };
        let meta = meta(BlockKind::Records, link, 0, high);
        let bytes = builder.finish_copy(&meta, header.place(end)).bytes.to_vec();
        // Half of it is there.
        let half = &bytes[..bytes.len() / 2];
        write(dir.path(), half, end);
        assert_eq!(classify_at(dir.path(), end, current_boot), expected);
        // Without its own start there is nothing that says whose body it is.
        write(dir.path(), &[1; 48], end);
        assert!(matches!(classify_at(dir.path(), end, current_boot), TailKind::Damaged { .. }));
    }
}

fn write(dir: &Path, bytes: &[u8], position: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(segment(dir, 0)).unwrap();
    file.write_all_at(bytes, position).unwrap();
}

fn classify_at(dir: &Path, end: u64, current_boot: bool) -> TailKind {
    let directory = Directory::new(OsVfs::new(), dir);
    let held = directory.open_segment(0, OpenMode::Read).unwrap().unwrap();
    let part = CommittedPart { end, durable_to: 0, current_boot };
    classify(&held.file, &held.header, &part).unwrap()
}

/// Field report D5. The next offset was 2^64 - 1, which no record may have (F-18): the block was
/// written all the same, the append answered with a token at offset 0, and the next writer cut
/// it off.
#[test]
fn an_append_beyond_the_last_offset_is_refused() {
    let mut builder = BlockBuilder::default();
    builder.push(&record("one")).unwrap();
    builder.push(&record("two")).unwrap();
    let at = |next_offset| {
        let link = Link { prev_crc: 1, next_offset, may_jump: false };
        meta(BlockKind::Records, link, 0, false)
    };
    let place = Place { header_crc: 1, position: 64 };
    builder.finish(&at(u64::MAX - 2), place).unwrap();
    let refused = builder.finish(&at(u64::MAX - 1), place).unwrap_err();
    assert_eq!(refused, RecordError::OffsetsExhausted { next_offset: u64::MAX - 1 });
}
