//! Who is forgotten, and who is not, whatever clocks say (C-5).

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::real::*;
use crate::steward::*;
use puro::internals::interpose::{Answer, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{AutoCommit, Batch, ConsumerOptions, NamedConsumer, NamedOptions, NewRecord};

fn open(clock: &Clock, dir: &Path, name: &str) -> NamedConsumer<Interpose<OsVfs>> {
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let consumer = ConsumerOptions::new().topic("t");
    options.consumer(consumer).open_in(clock.vfs(), dir, name).unwrap()
}

/// Reads all there is, commits, and ends.
fn read_once(clock: &Clock, dir: &Path, name: &str) {
    let mut named = open(clock, dir, name);
    while named.try_next().unwrap().is_some() {}
    named.commit().unwrap();
}

/// A machine whose clock says 2099 for a while after each start made two rollovers then. After
/// the first, the highest timestamp of the stream was of 2099, and so was that of each opening
/// checkpoint; at the second everybody was forgotten.
#[test]
fn a_clock_that_is_ahead_twice_forgets_nobody() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    append(&mut producer, "a");
    read_once(&clock, dir.path(), "anna");
    let mut batch = Batch::new();
    batch.push(&record("b")).unwrap();
    producer.transaction(&mut batch).once("meter", 1).commit().unwrap();
    for _ in 0..3 {
        clock.set(FAR);
        append(&mut producer, "of 2099");
        clock.set(NOON + HOUR);
        roll(&mut producer, dir.path(), 2);
        clock.set(FAR);
        roll(&mut producer, dir.path(), 1);
        clock.set(NOON + 2 * HOUR);
        roll(&mut producer, dir.path(), 1);
    }
    assert!(producer.position("anna").is_some());
    assert_eq!(producer.last_sequence("meter"), Some(1));
}

/// A consumer that committed while its clock said 1995, and then ended, was forgotten at the next
/// rollover: its position looked decades old.
#[test]
fn a_clock_that_is_behind_makes_nobody_forgotten() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    roll(&mut producer, dir.path(), 2);
    clock.set(9_200 * DAY);
    read_once(&clock, dir.path(), "anna");
    let mut batch = Batch::new();
    batch.push(&record("b")).unwrap();
    producer.transaction(&mut batch).once("meter", 1).commit().unwrap();
    clock.set(NOON + DAY);
    roll(&mut producer, dir.path(), 3);
    assert!(producer.position("anna").is_some());
    assert_eq!(producer.last_sequence("meter"), Some(1));
    // In the end, both are: nobody has seen them for longer than expiry_ms, and of what the meter
    // has appended nothing is left (C-10).
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    clock.set(NOON + 9 * DAY);
    roll(&mut producer, dir.path(), 3);
    assert_eq!((producer.position("anna"), producer.last_sequence("meter")), (None, None));
}

/// A consumer of a rare topic had nothing to commit for a week, and was forgotten while it ran: its
/// next commit was refused, as if somebody else had changed its position.
#[test]
fn who_runs_is_not_forgotten() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    append(&mut producer, "a");
    let mut running = open(&clock, dir.path(), "running");
    read_once(&clock, dir.path(), "gone");
    assert!(running.try_next().unwrap().is_some() && running.commit().unwrap());
    for day in 1..10 {
        clock.set(NOON + day * DAY);
        let last = *segments(dir.path()).last().unwrap();
        while *segments(dir.path()).last().unwrap() == last {
            let filler = "x".repeat(900);
            producer.append(&NewRecord::new("other", &filler)).unwrap();
        }
    }
    assert_eq!(producer.position("gone"), None);
    assert!(producer.position("running").is_some());
    append(&mut producer, "b");
    assert!(running.try_next().unwrap().is_some());
    assert!(running.commit().unwrap());
}

/// Whether somebody runs under a name is asked of its lock file. One that cannot be opened is no
/// answer: nobody is forgotten for that, and the rollover goes on. It failed at first, and with it every
/// append from then on.
#[test]
fn a_lock_that_cannot_be_looked_at_makes_nobody_forgotten_and_a_missing_one_does() {
    let dir = scratch();
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let world = interpose(move |call| {
        let lock = call.path.ends_with("consumers/away.lock");
        if lock && call.operation == Operation::Open && breaks.load(Ordering::SeqCst) {
            return Answer::Fail(errno(EIO));
        }
        Answer::Proceed
    });
    let mut producer = small_segments().open_in(world, dir.path()).unwrap();
    producer.set(&"expiry_ms=1".parse().unwrap()).unwrap();
    append(&mut producer, "t");
    let mut away = NamedOptions::new().open(dir.path(), "away").unwrap();
    while away.try_next().unwrap().is_some() {}
    away.commit().unwrap();
    drop(away);
    std::thread::sleep(std::time::Duration::from_millis(5)); // It is old from here on.
    let large = "x".repeat(3500);
    append(&mut producer, &large);
    append(&mut producer, &large);
    assert!(producer.position("away").is_some(), "the segment before is as old as it");
    broken.store(true, Ordering::SeqCst);
    append(&mut producer, &large);
    assert!(producer.position("away").is_some());
    broken.store(false, Ordering::SeqCst);
    // F-10: where there is no lock file, as in a copy of a stream, nobody runs.
    std::fs::remove_dir_all(dir.path().join("consumers")).unwrap();
    append(&mut producer, &large);
    assert!(producer.position("away").is_none());
}
