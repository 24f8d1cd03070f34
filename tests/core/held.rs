//! A producer that keeps the writer's lock.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{AppendError, Batch, Consumer, LockWait, NewRecord, Producer, ProducerOptions};

fn values(dir: &std::path::Path) -> Vec<String> {
    let mut consumer = Consumer::open(dir).unwrap();
    consumer.try_iter().map(|r| String::from_utf8(r.unwrap().value.unwrap()).unwrap()).collect()
}

/// Each append is visible when it returns, though the lock is still held.
#[test]
fn what_is_appended_is_visible_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut held = producer.hold().unwrap();
    held.append(&NewRecord::new("t", "one")).unwrap();
    assert_eq!(values(dir.path()), ["one"]);
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", "two")).unwrap();
    batch.push(&NewRecord::new("t", "three")).unwrap();
    let appended = held.append_batch(&mut batch).unwrap();
    assert_eq!((appended.first_offset, appended.record_count), (1, 2));
    assert_eq!(values(dir.path()), ["one", "two", "three"]);
}

/// While it holds the lock nobody else appends; between two holds others do, and it finds
/// what they appended.
#[test]
fn others_wait_and_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let options = ProducerOptions::new().lock_wait(LockWait::Try);
    let mut other = options.open(dir.path()).unwrap();
    for round in 0..3 {
        let mut held = producer.hold().unwrap();
        held.append(&NewRecord::new("t", &format!("held {round}"))).unwrap();
        let refused = other.append(&NewRecord::new("t", "other")).unwrap_err();
        assert!(matches!(refused, AppendError::NotAppended(_)), "{refused}");
        held.append(&NewRecord::new("t", &format!("again {round}"))).unwrap();
        drop(held);
        other.append(&NewRecord::new("t", &format!("other {round}"))).unwrap();
    }
    let expected =
        (0..3).flat_map(|n| ["held", "again", "other"].map(|what| format!("{what} {n}")));
    assert_eq!(values(dir.path()), expected.collect::<Vec<_>>());
}

/// Somebody who waits gets on, although the holder never lets go by itself.
#[test]
fn who_holds_it_for_long_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let path = dir.path().to_owned();
    let (ready, is_ready) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let mut other = Producer::open(path).unwrap();
        ready.send(()).unwrap();
        other.append(&NewRecord::new("t", "other")).unwrap();
        done.send(()).unwrap();
    });
    is_ready.recv().unwrap();
    let mut held = producer.hold().unwrap();
    while is_done.try_recv().is_err() {
        held.append(&NewRecord::new("t", "held")).unwrap();
    }
    drop(held);
    waiter.join().unwrap();
    assert_eq!(values(dir.path()).iter().filter(|value| *value == "other").count(), 1);
}

/// It rolls, and what retention takes goes, though tidying up needs locks that come before the
/// one it holds (L-5, S-9).
#[test]
fn it_rolls_and_tidies_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut producer = ProducerOptions::new().segment_bytes(4096).open(dir.path()).unwrap();
    producer.set(&"retention_bytes=8192".parse().unwrap()).unwrap();
    let mut held = producer.hold().unwrap();
    for number in 0..1000 {
        held.append(&NewRecord::new("t", &format!("{number}"))).unwrap();
    }
    drop(held);
    let values = values(dir.path());
    assert!(values.len() < 1000, "{}", values.len());
    let last = 1000 - values.len()..1000;
    assert_eq!(values, last.map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A durable one syncs each append before it returns, and once where the sync fails it rewrites
/// under the lock that it holds.
#[test]
fn durable_appends_sync_under_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (syncs, failing) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let (counter, fail_at) = (Arc::clone(&syncs), Arc::clone(&failing));
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation != Operation::SyncData {
            return Answer::Proceed;
        }
        let number = counter.fetch_add(1, Ordering::Relaxed);
        if number == fail_at.load(Ordering::Relaxed) {
            return Answer::Fail(std::io::Error::other("planned"));
        }
        Answer::Proceed
    });
    let options = ProducerOptions::new().durable(true);
    let mut producer = options.open_in(system, dir.path()).unwrap();
    let mut held = producer.hold().unwrap();
    held.append(&NewRecord::new("t", "raises the epoch, perhaps")).unwrap();
    let before = syncs.load(Ordering::Relaxed);
    held.append(&NewRecord::new("t", "one")).unwrap();
    assert_eq!(syncs.load(Ordering::Relaxed), before + 1);
    failing.store(before + 1, Ordering::Relaxed);
    held.append(&NewRecord::new("t", "two")).unwrap();
    assert_eq!(syncs.load(Ordering::Relaxed), before + 3, "failed, rewritten, synced");
}

/// After a failed append it looks afresh: what was left behind is repaired, and the next
/// append stands where it should.
#[test]
fn after_a_failure_it_looks_again() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicU64::new(0));
    let fail = Arc::clone(&failing);
    // While it is 2 a write stops after ten bytes and a cut fails: what was written stays.
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        match (fail.load(Ordering::Relaxed), call.operation) {
            (2, Operation::Write) if call.length > 1 => {
                fail.store(1, Ordering::Relaxed);
                Answer::Then(10, Box::new(|| std::io::Error::other("planned")))
            }
            (1, Operation::SetLen) => {
                fail.store(0, Ordering::Relaxed);
                Answer::Fail(std::io::Error::other("planned"))
            }
            _ => Answer::Proceed,
        }
    });
    let mut producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let mut held = producer.hold().unwrap();
    held.append(&NewRecord::new("t", "one")).unwrap();
    failing.store(2, Ordering::Relaxed);
    held.append(&NewRecord::new("t", "fails")).unwrap_err();
    assert_eq!(failing.load(Ordering::Relaxed), 0, "both failures were met");
    held.append(&NewRecord::new("t", "two")).unwrap();
    drop(held);
    assert_eq!(producer.repairs().len(), 1);
    assert_eq!(values(dir.path()), ["one", "two"]);
}

/// A thread kept a held producer and did not append; another one of the same process was told that
/// "another process" had the lock "since 0ns", and looked for it in vain.
#[test]
fn who_meets_a_held_lock_is_told_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let _held = producer.hold().unwrap();
    let options = |wait| ProducerOptions::new().lock_wait(wait);
    let error = options(LockWait::Try).open(dir.path()).unwrap_err().to_string();
    assert!(!error.contains("0ns") && error.contains("in this process or another"), "{error}");
    assert!(error.contains("`hold`"), "{error}");
    let wait = LockWait::AtMost(std::time::Duration::from_millis(3));
    let error = options(wait).open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("not free for 3ms"), "{error}");
}
