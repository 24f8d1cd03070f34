//! A disk that is full: nothing is torn, every append tells the truth, and when there is room
//! again it goes on (A-8, V-2). On a small file system of its own where it may be mounted,
//! and through the seam anywhere.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::{Mounted, make_room};
use crate::real::*;
use crate::skipped::skipped;
use puro::error::Failure;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{AppendError, Blame, EndState, ProducerOptions, Start};

/// Appends until it fails; what was appended, and how it failed.
fn fill(dir: &Path, options: &ProducerOptions, bytes: usize) -> (Vec<String>, AppendError) {
    let mut producer = options.open(dir).unwrap();
    let mut appended = Vec::new();
    loop {
        let value = format!("{} {}", appended.len(), "x".repeat(bytes));
        match producer.append(&record(&value)) {
            Ok(_) => appended.push(value),
            Err(error) => return (appended, error),
        }
    }
}

#[test]
fn a_full_disk_tears_nothing_and_can_be_left_again() {
    for (segment_bytes, value_bytes, durable) in
        [(65_536, 1000, false), (65_536, 1000, true), (1 << 20, 100_000, false), (4096, 50, false)]
    {
        let Some(mounted) = Mounted::new(1024) else {
            skipped("cannot mount a file system");
            return;
        };
        let dir = mounted.path().join("stream");
        let options = ProducerOptions::new().segment_bytes(segment_bytes).durable(durable);
        let ballast = mounted.path().join("ballast");
        std::fs::write(&ballast, vec![1; 200 * 1024]).unwrap();

        let (appended, error) = fill(&dir, &options, value_bytes);
        assert!(matches!(error, AppendError::NotAppended(_)), "{error}");
        assert_eq!(error.blame(), Blame::Environment);
        let words = error.to_string();
        assert!(words.contains("o space left"), "{words}");
        assert!(!appended.is_empty());
        // Not even reading is impaired, nor opening for writing.
        for _ in 0..2 {
            assert_eq!(values(&dir), appended);
            let mut reader = fast_consumer().start(Start::End).open(&dir).unwrap();
            assert_eq!(reader.end_state().unwrap(), EndState::Clean);
            let mut producer = options.open(&dir).unwrap();
            let error = producer.append(&record(&"x".repeat(value_bytes.max(2000)))).unwrap_err();
            assert!(matches!(error, AppendError::NotAppended(_)), "{error}");
        }
        make_room(&ballast);
        let mut producer = options.open(&dir).unwrap();
        assert_eq!(append(&mut producer, "room again"), appended.len() as u64);
        assert_eq!(values(&dir).len(), appended.len() + 1);
    }
}

/// A producer that stays open goes on by itself.
#[test]
fn a_producer_goes_on_when_there_is_room_again() {
    let Some(mounted) = Mounted::new(1024) else {
        skipped("cannot mount a file system");
        return;
    };
    let dir = mounted.path().join("stream");
    let ballast = mounted.path().join("ballast");
    let mut producer = ProducerOptions::new().segment_bytes(16_384).open(&dir).unwrap();
    let mut appended = 0;
    for _ in 0..20 {
        make_room(&ballast);
        for _ in 0..10 {
            append(&mut producer, &"x".repeat(700));
            appended += 1;
        }
        let full = std::fs::write(&ballast, vec![1; 2 << 20]);
        assert!(full.is_err());
        // Room that was reserved is used up first.
        while producer.append(&record(&"x".repeat(700))).is_ok() {
            appended += 1;
        }
        assert_eq!(values(&dir).len(), appended);
    }
}

/// A disk with so much left, for those who ask and for those who reserve.
#[derive(Clone)]
struct Left(Arc<AtomicU64>, Operation);

impl Hook for Left {
    fn before(&self, call: &Call<'_>) -> Answer {
        if call.operation != self.1 || self.0.load(Ordering::SeqCst) > 0 {
            return Answer::Proceed;
        }
        // A write is torn in the middle: not all file systems can reserve.
        Answer::Then(call.length / 2, Box::new(|| errno(ENOSPC)))
    }
    fn free_bytes(&self, real: u64) -> u64 {
        if self.1 == Operation::Write { real } else { self.0.load(Ordering::SeqCst) }
    }
}

#[test]
fn no_room_in_the_seam_is_told_before_anything_is_torn() {
    let left = Left(Arc::new(AtomicU64::new(1 << 30)), Operation::FreeBytes);
    let dir = scratch();
    let world = Interpose::new(OsVfs::new(), left.clone());
    let mut producer = small_segments().open_in(world, dir.path()).unwrap();
    append(&mut producer, &"a".repeat(3000));
    left.0.store(1000, Ordering::SeqCst);
    let before = files(dir.path());
    let error = producer.append(&record(&"b".repeat(3000))).unwrap_err();
    // V-2: before the segment is sealed.
    let AppendError::NotAppended(Failure::NoSpace { free: 1000, needed, .. }) = error else {
        panic!("{error}")
    };
    // The block, a checkpoint of two entries, the longest index of topics, and a little to spare: all
    // of it, and not more.
    assert!((3000 + 131_072..4000 + 131_072).contains(&needed), "{needed}");
    left.0.store(needed - 1, Ordering::SeqCst);
    producer.append(&record(&"b".repeat(3000))).unwrap_err();
    assert_eq!(files(dir.path()), before);
    append(&mut producer, "small ones still fit");
    left.0.store(needed, Ordering::SeqCst);
    append(&mut producer, &"b".repeat(3000));
    assert_eq!(values(dir.path()).len(), 3);
}

#[test]
fn a_reservation_or_a_write_that_finds_no_room_is_not_appended() {
    for operation in [Operation::Reserve, Operation::Write] {
        let left = Left(Arc::new(AtomicU64::new(1)), operation);
        let dir = scratch();
        let world = Interpose::new(OsVfs::new(), left.clone());
        let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
        append(&mut producer, "a");
        left.0.store(0, Ordering::SeqCst);
        let before = files(dir.path());
        let large = "b".repeat(500_000); // more than was reserved with the first
        for _ in 0..2 {
            let error = producer.append(&record(&large)).unwrap_err();
            assert!(matches!(error, AppendError::NotAppended(_)), "{error}");
            assert_eq!(files(dir.path()), before, "what was written is cut off (A-12)");
        }
        left.0.store(1, Ordering::SeqCst);
        assert_eq!(append(&mut producer, "c"), 1);
        assert_eq!(values(dir.path()), ["a", "c"]);
    }
}
