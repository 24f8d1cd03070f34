//! Deleting by bytes and by age, inline and by a steward (S-1 to S-4, S-8 to S-10).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "common/real.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{append, fast_consumer, interpose, scratch, small_segments};
use puro::dir::parse_segment_name;
use puro::interpose::{Call, Hook, Interpose, Operation, Verdict};
use puro::os::OsVfs;
use puro::steward::Report;
use puro::{ConsumerOptions, Producer, ReadError, Start, Steward, StewardOptions};

/// Real files, and a clock that stands where it is set.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Hook for Clock {
    fn before(&self, _call: &Call<'_>) -> Verdict {
        Verdict::Proceed
    }

    fn now_ms(&self, _real: u64) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock {
    fn at(now_ms: u64) -> Self {
        let clock = Self::default();
        clock.set(now_ms);
        clock
    }

    fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }

    fn vfs(&self) -> Interpose<OsVfs> {
        Interpose::new(OsVfs::new(), self.clone())
    }

    fn producer(&self, dir: &Path) -> Producer<Interpose<OsVfs>> {
        small_segments().open_in(self.vfs(), dir).unwrap()
    }

    fn steward(&self, dir: &Path) -> Steward<Interpose<OsVfs>> {
        StewardOptions::new().open_in(self.vfs(), dir).unwrap()
    }
}

const DAY: u64 = 86_400_000;
const NOON: u64 = 20_000 * DAY;

fn segments(dir: &Path) -> Vec<u32> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<u32> =
        names.filter_map(|name| parse_segment_name(name.to_str().unwrap())).collect();
    found.sort_unstable();
    found
}

fn stream_bytes(dir: &Path) -> u64 {
    let files = segments(dir).into_iter().map(|sequence| common::segment(dir, sequence));
    files.map(|path| std::fs::metadata(path).unwrap().len()).sum()
}

/// Appends until so many segments were begun since.
fn roll<V: puro::vfs::Vfs>(producer: &mut Producer<V>, dir: &Path, rolls: u32) {
    let wanted = segments(dir).last().unwrap() + rolls;
    while *segments(dir).last().unwrap() < wanted {
        append(producer, &"x".repeat(900));
    }
}

fn sequences(report: &Report) -> Vec<u32> {
    report.deleted.iter().map(|deleted| deleted.sequence).collect()
}

#[test]
fn producers_keep_a_stream_small_by_themselves() {
    // S-9, S-3: no steward process; a consumer that keeps up misses nothing.
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set_setting("retention_bytes", Some("16384")).unwrap();
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    for number in 0..500 {
        append(&mut producer, &format!("{number:0>300}"));
        let record = consumer.try_next().unwrap().unwrap();
        assert_eq!(record.offset, number);
        let bytes = stream_bytes(dir.path());
        assert!(bytes <= 16384 + 4096 + 1024, "{bytes} bytes after {number}");
    }
    assert!(segments(dir.path())[0] > 30);
    let out = ConsumerOptions::new().start(Start::Offset(0)).open(dir.path()).unwrap_err();
    assert!(matches!(out, ReadError::OffsetOutOfRange { offset: 0, low, .. } if low > 0));
}

#[test]
fn a_failing_steward_does_not_fail_an_append() {
    // S-9: what goes wrong when tidying up does not concern the records.
    let dir = scratch();
    let vfs = interpose(|call| match call.operation {
        Operation::Remove => Verdict::Fail(common::errno(common::EIO)),
        _ => Verdict::Proceed,
    });
    let mut producer = small_segments().open_in(vfs, dir.path()).unwrap();
    producer.set_setting("retention_bytes", Some("5000")).unwrap();
    roll(&mut producer, dir.path(), 3);
    assert_eq!(segments(dir.path()), [0, 1, 2, 3]);
    drop(producer);
    let report = Steward::open(dir.path()).unwrap().run_once().unwrap();
    assert_eq!(sequences(&report), [0, 1, 2]);
    assert_eq!(report.bytes, stream_bytes(dir.path()));
}

#[test]
fn age_counts_from_the_last_record() {
    // S-8
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set_setting("retention_ms", Some(&DAY.to_string())).unwrap();
    roll(&mut producer, dir.path(), 2);
    clock.set(NOON + DAY);
    let mut steward = clock.steward(dir.path());
    assert_eq!(sequences(&steward.run_once().unwrap()), []);
    roll(&mut producer, dir.path(), 1); // The third is mixed: its end is a day younger.
    clock.set(NOON + DAY + 1);
    assert_eq!(sequences(&steward.run_once().unwrap()), [0, 1]);
    clock.set(NOON + 2 * DAY + 1);
    assert_eq!(sequences(&steward.run_once().unwrap()), [2]);
    assert_eq!(segments(dir.path()), [3], "the active segment stays (S-2)");
}
