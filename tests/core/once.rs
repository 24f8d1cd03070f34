//! Appends with an identity: how long they are remembered, and what a retry may hold (C-4, C-10).

#![allow(clippy::unwrap_used)]

use crate::real::*;
use crate::steward::*;
use puro::{AppendError, Batch, Blame, NewRecord, Producer, StewardOptions};

fn batch(values: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for value in values {
        batch.push(&record(value)).unwrap();
    }
    batch
}

/// An outbox tried its seventh batch again a moment after expiry_ms, and one rollover later: it
/// was appended twice, and the answer said `duplicate: false`. By default that was after
/// seven days, though such a stream keeps its records for ever.
#[test]
fn a_batch_is_remembered_as_long_as_its_records_are_there() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&"expiry_ms=300".parse().unwrap()).unwrap();
    let mut seventh = batch(&["a", "b"]);
    let first = producer.transaction(&mut seventh).once("outbox", 7).commit().unwrap();
    for day in 1..4 {
        clock.set(NOON + day * DAY);
        roll(&mut producer, dir.path(), 2);
        let again = producer.transaction(&mut seventh).once("outbox", 7).commit().unwrap();
        assert!(again.duplicate);
        assert_eq!((again.first_offset, again.token), (first.first_offset, first.token));
    }
    // Once they are deleted, there is nothing left to answer for.
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 3);
    assert!(segments(dir.path())[0] > 0);
    assert_eq!(producer.last_sequence("outbox"), None);
}

/// A program that had lost count gave another batch the sequence of the last one. It was dropped,
/// and answered as appended.
#[test]
fn a_sequence_stands_for_one_batch() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "before");
    producer.transaction(&mut batch(&["a", "b"])).once("outbox", 7).commit().unwrap();
    let refused = |producer: &mut Producer, mut other: Batch| {
        let error = producer.transaction(&mut other).once("outbox", 7).commit().unwrap_err();
        assert_eq!(error.blame(), Blame::Caller);
        assert!(
            matches!(&error, AppendError::OtherContent { identity, sequence: 7, first_offset: 1 }
                if identity == "outbox"),
            "{error}"
        );
    };
    for rolls in [0, 3] {
        roll(&mut producer, dir.path(), rolls);
        for other in [&["a"][..], &["a", "b", "c"], &["a", "c"], &["c", "b"], &["b", "a"]] {
            refused(&mut producer, batch(other));
        }
        let mut keyed = Batch::new();
        keyed.push(&record("a")).unwrap();
        keyed.push(&record("b").key("k")).unwrap();
        refused(&mut producer, keyed);
        assert!(
            producer
                .transaction(&mut batch(&["a", "b"]))
                .once("outbox", 7)
                .commit()
                .unwrap()
                .duplicate
        );
    }
    assert_eq!(values(dir.path()).iter().filter(|value| *value == "a").count(), 1);
}

/// What a compaction has left of a batch is compared; the rest cannot be, and is no reason to
/// refuse a retry.
#[test]
fn a_compaction_takes_no_batch_for_another() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
    let keyed = |values: [&str; 3]| {
        let mut batch = Batch::new();
        for (key, value) in ["k", "l", "k"].into_iter().zip(values) {
            batch.push(&NewRecord::new("t", value).key(key)).unwrap();
        }
        batch
    };
    producer.transaction(&mut keyed(["1", "2", "3"])).once("outbox", 7).commit().unwrap();
    roll(&mut producer, dir.path(), 2);
    let report = StewardOptions::new().roll(true).open(dir.path()).unwrap().run_once().unwrap();
    assert_eq!(report.compacted[0].records_removed, 1);
    assert!(
        producer
            .transaction(&mut keyed(["1", "2", "3"]))
            .once("outbox", 7)
            .commit()
            .unwrap()
            .duplicate
    );
    let error =
        producer.transaction(&mut keyed(["1", "2", "4"])).once("outbox", 7).commit().unwrap_err();
    assert!(matches!(error, AppendError::OtherContent { .. }), "{error}");
}

/// Two writers of unrelated accounts were told that it was their mistake when the other was faster.
#[test]
fn nobody_is_to_blame_for_a_conflict() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let token = producer.token();
    append(&mut producer, "somebody else's");
    let error = producer.transaction(&mut batch(&["mine"])).if_end(&token).commit().unwrap_err();
    assert!(matches!(error, AppendError::Conflict { actual: 1, .. }), "{error}");
    assert_eq!(error.blame(), Blame::Environment);
}
