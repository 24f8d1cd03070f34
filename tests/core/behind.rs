//! The end of a large segment is found from behind (O-6), and is the one that reading all of the
//! segment finds.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::real::*;
use proptest::prelude::*;
use puro::internals::block::BlockKind;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::{OsFile, OsVfs};
use puro::internals::tail::{Tail, open_tail_behind};
use puro::internals::vfs::OpenMode;
use puro::{NewRecord, Producer, ProducerOptions};

/// No file is so long that it would be looked at from behind.
const READ_ALL: u64 = u64::MAX;
/// Bytes between two checkpoints here.
const EVERY: u64 = 300;

fn end_of(dir: &Path, every_bytes: u64) -> Tail<OsFile> {
    let dir = Directory::new(OsVfs::new(), dir);
    open_tail_behind(&dir, OpenMode::Read, every_bytes).unwrap().unwrap().0
}

/// What both ways of looking must agree on.
fn compare(dir: &Path) {
    let (behind, all) = (end_of(dir, EVERY), end_of(dir, READ_ALL));
    assert_eq!(behind.segment.path, all.segment.path);
    assert_eq!(behind.end, all.end);
    assert_eq!(behind.link, all.link);
    assert_eq!(behind.sealed, all.sealed);
    assert_eq!(behind.records_from, all.records_from);
    assert_eq!(behind.checkpoint_end, all.checkpoint_end);
    assert_eq!(behind.max_timestamp_ms, all.max_timestamp_ms);
    assert_eq!(behind.opening_timestamp_ms, all.opening_timestamp_ms);
    assert_eq!(behind.durable_to, all.durable_to);
    assert_eq!(behind.epoch_end, all.epoch_end);
    let entries = |tail: &Tail<OsFile>| format!("{:?}", tail.state.entries().collect::<Vec<_>>());
    assert_eq!(entries(&behind), entries(&all));
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    Setting(u64),
    Once(u8, u64),
    Sync,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..300).prop_map(Op::Append),
        1 => (1u64..1000).prop_map(Op::Setting),
        2 => (0u8..4, 1u64..50).prop_map(|(who, sequence)| Op::Once(who, sequence)),
        1 => Just(Op::Sync),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_find_the_same_end(ops in prop::collection::vec(op(), 1..60), segment_bytes in 4096u64..12_000) {
        let dir = scratch();
        let options =
            ProducerOptions::new().segment_bytes(segment_bytes).checkpoint_every_bytes(EVERY);
        let mut producer = options.open(dir.path()).unwrap();
        for op in ops {
            match op {
                Op::Append(bytes) => {
                    producer.append(&NewRecord::new("t", &vec![7; bytes])).unwrap();
                }
                Op::Setting(value) => {
                    let value = format!("{value}");
                    producer.set(&format!("marker_grace_ms={value}").parse().unwrap()).unwrap();
                }
                Op::Once(who, sequence) => {
                    let mut batch = puro::Batch::new();
                    batch.push(&NewRecord::new("t", "once")).unwrap();
                    // An old sequence is refused, and that is as well.
                    let _ = producer.transaction(&mut batch).once(&format!("p{who}"), sequence).commit();
                }
                Op::Sync => producer.sync().unwrap(),
                Op::Reopen => producer = options.open(dir.path()).unwrap(),
            }
            compare(dir.path());
        }
    }
}

/// A stream of one segment with many checkpoints in it.
fn filled(dir: &Path) -> Producer {
    let options = ProducerOptions::new().checkpoint_every_bytes(EVERY);
    let mut producer = options.open(dir).unwrap();
    for number in 0..100 {
        append(&mut producer, &number.to_string());
    }
    producer
}

/// O-7: a checkpoint comes when so much has passed since the last, and if it is small for that:
/// a sixteenth of it, or 512 bytes.
#[test]
fn a_checkpoint_that_is_large_for_what_it_spares_is_left_out() {
    for (every, settings, expected) in [
        (20_000, 0, true),
        (4_000, 0, true),
        (20_000, 12, true),
        (4_000, 12, false),
        (40_000, 40, false),
    ] {
        let dir = scratch();
        let options = ProducerOptions::new().checkpoint_every_bytes(every);
        let mut producer = options.open(dir.path()).unwrap();
        for number in 0..settings {
            let topic = format!("cleanup:{number:050}");
            producer.set(&format!("{topic}=compact").parse().unwrap()).unwrap();
        }
        let state = producer_state_bytes(dir.path());
        let begin = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
        let end = || std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
        while end() < begin.max(every) + 2 * every {
            append(&mut producer, &"x".repeat(500));
        }
        let found: Vec<_> = blocks(&segment(dir.path(), 0)).into_iter().skip(1).collect();
        let found: Vec<_> =
            found.iter().filter(|(_, start)| start.kind == BlockKind::Checkpoint).collect();
        assert_eq!(!found.is_empty(), expected, "{every}, {settings}: {state} bytes");
        for pair in found.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(apart >= every && apart < every + state + 1500, "{apart} of {every}");
        }
    }
}

/// Bytes of a checkpoint of the state as it is.
fn producer_state_bytes(dir: &Path) -> u64 {
    end_of(dir, READ_ALL).state.entries().map(|entry| entry.encoded_bytes()).sum()
}

/// The real boot, or others.
struct Boot(Arc<AtomicU8>);

impl Hook for Boot {
    fn before(&self, _: &Call<'_>) -> Answer {
        Answer::Proceed
    }
    fn boot_id(&self, real: Option<[u8; 16]>) -> Option<[u8; 16]> {
        match self.0.load(Ordering::Relaxed) {
            0 => real,
            255 => None,
            number => Some([number; 16]),
        }
    }
}

/// Only in the boot in which the epoch was begun is what stands before a checkpoint known to be
/// committed; after a loss of power, or where the boot is unknown, all is read, and damage before
/// it is found.
#[test]
fn another_boot_reads_all() {
    let dir = scratch();
    drop(filled(dir.path()));
    let path = segment(dir.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len() as u64;
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    assert_eq!(end_of(dir.path(), EVERY).end, length, "in this boot: not looked at");
    for boot in [1, 255] {
        let vfs = Interpose::new(OsVfs::new(), Boot(Arc::new(AtomicU8::new(boot))));
        let directory = Directory::new(vfs, dir.path());
        let found = open_tail_behind(&directory, OpenMode::Read, EVERY).unwrap().unwrap();
        assert!(found.0.end < 1000, "boot {boot}");
    }
}

/// What is not a clean end is left to who reads all: a block that was never committed, a cut one.
#[test]
fn a_torn_end_is_found_by_reading_all() {
    let dir = scratch();
    drop(filled(dir.path()));
    let path = segment(dir.path(), 0);
    let whole = std::fs::read(&path).unwrap();
    let last = end_of(dir.path(), READ_ALL);
    for cut in 1..200 {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        compare(dir.path());
    }
    let mut longer = whole;
    longer.extend([0; 64]);
    std::fs::write(&path, &longer).unwrap();
    compare(dir.path());
    assert_eq!(end_of(dir.path(), EVERY).end, last.end);
}

/// 12 MiB are not read to append one record: a few checkpoints' distance is.
#[test]
fn little_is_read_of_a_large_segment() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let value = vec![7; 16 * 1024];
    for _ in 0..750 {
        producer.append(&NewRecord::new("t", &value)).unwrap();
    }
    drop(producer);
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let vfs = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::Read {
            counter.fetch_add(call.length as u64, Ordering::Relaxed);
        }
        Answer::Proceed
    });
    let mut producer = ProducerOptions::new().open_in(vfs, dir.path()).unwrap();
    assert_eq!(producer.append(&NewRecord::new("t", "one more")).unwrap().first_offset, 750);
    let read = read.load(Ordering::Relaxed);
    assert!(read < 10 << 20, "{read} bytes were asked for");
    let (vfs, options) = (OsVfs::new(), puro::CheckOptions::default());
    let report = puro::internals::check(vfs, dir.path(), &options, &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), puro::check::Verdict::Sound, "{report:?}");
}
