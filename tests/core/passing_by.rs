//! What a named consumer commits by itself: also that it passed by what it did not ask for (C-8),
//! also when it is dropped, and never for longer than it was to wait.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use crate::real::*;
use puro::{
    AutoCommit, ConsumerOptions, NamedConsumer, NamedError, NamedOptions, NewRecord, Producer,
};

const LONG: Duration = Duration::from_secs(60);

/// A consumer of topic `rare`, which commits what it passes by every few milliseconds.
fn of_rare(dir: &Path, name: &str) -> NamedConsumer {
    let consumer = ConsumerOptions::new().topic("rare").poll_interval(Duration::from_millis(1));
    let options = NamedOptions::new().consumer(consumer);
    options.passing_interval(Duration::from_millis(2)).open(dir, name).unwrap()
}

fn put(producer: &mut Producer, topic: &str) {
    producer.append(&NewRecord::new(topic, "x")).unwrap();
}

fn position(dir: &Path, name: &str) -> Option<u64> {
    let all = puro::Stream::open(dir).unwrap().positions().unwrap();
    all.iter().find(|report| report.name == name).map(|report| report.position.offset)
}

/// A consumer of a rare topic read its one record and then waited, while three of another topic
/// came. Its position stayed at 1 for ever: retention took what it pointed to, and the restart
/// was told *out of range*; with keep_unconsumed nothing was deleted at all.
#[test]
fn who_waits_for_a_rare_topic_moves_on() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    put(&mut producer, "rare");
    let mut named = of_rare(dir.path(), "n");
    let waiting = std::thread::spawn(move || {
        let offset = |named: &mut NamedConsumer| Some(named.poll(LONG).unwrap()?.offset);
        // It is in the second wait all the time.
        assert_eq!((offset(&mut named), offset(&mut named)), (Some(0), Some(7)));
    });
    // The first time it may commit for the record that it was given; the second time for nothing else.
    for passed in [4, 7] {
        for _ in 0..3 {
            put(&mut producer, "frequent");
        }
        let begun = Instant::now();
        while position(dir.path(), "n") != Some(passed) {
            assert!(begun.elapsed() < LONG / 4, "it is at {:?}", position(dir.path(), "n"));
            std::thread::yield_now();
        }
    }
    put(&mut producer, "rare");
    waiting.join().unwrap();
}

/// Commits of others are no progress: were they, two such consumers would answer each other's
/// commits with commits for ever.
#[test]
fn two_that_wait_do_not_chase_each_other() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    put(&mut producer, "rare");
    let mut both = [of_rare(dir.path(), "a"), of_rare(dir.path(), "b")];
    put(&mut producer, "frequent");
    let mut rest = |until: Option<usize>| {
        let begun = Instant::now();
        let mut rounds = 0;
        while until.map_or(position(dir.path(), "b") != Some(2), |until| rounds < until) {
            assert!(begun.elapsed() < LONG);
            for named in &mut both {
                let _ = named.poll(Duration::from_millis(3)).unwrap();
            }
            rounds += 1;
        }
        std::fs::metadata(segment(dir.path(), 0)).unwrap().len()
    };
    rest(None);
    let settled = rest(Some(3));
    assert_eq!(rest(Some(20)), settled, "the stream grows though nobody appends");
    assert_eq!(position(dir.path(), "a"), Some(2));
}

/// `poll` of ten milliseconds beside a writer that held its lock came back after two seconds: the
/// commit that was due waited for the lock. It is tried, and put off.
#[test]
fn a_limit_holds_beside_a_lock_that_is_held() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for _ in 0..3 {
        put(&mut producer, "rare");
    }
    let options = NamedOptions::new().auto_commit(AutoCommit::Interval(Duration::ZERO));
    let mut named = options.open(dir.path(), "n").unwrap();
    let held = producer.hold().unwrap();
    let begun = Instant::now();
    for offset in 0..3 {
        let record = named.poll(Duration::from_millis(10)).unwrap().unwrap();
        assert_eq!(record.offset, offset);
    }
    assert!(named.poll(Duration::from_millis(10)).unwrap().is_none());
    assert!(named.try_next().unwrap().is_none());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(named.stored(), None);
    drop(held);
    assert!(named.try_next().unwrap().is_none());
    assert_eq!(named.stored().map(|position| position.offset), Some(3));
}

/// Who asks for a commit waits for it, but not for longer than it said.
#[test]
fn a_commit_waits_as_long_as_it_was_told_to() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    put(&mut producer, "rare");
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let options = options.lock_wait(puro::LockWait::AtMost(Duration::from_millis(1)));
    let mut named = options.open(dir.path(), "n").unwrap();
    assert!(named.try_next().unwrap().is_some());
    let held = producer.hold().unwrap();
    assert!(matches!(named.commit().unwrap_err(), NamedError::Commit(_)));
    drop(held);
    assert!(named.commit().unwrap());
}

/// A consumer that was dropped a moment after it had read a hundred records read up to a second's
/// worth of them again.
#[test]
fn what_is_done_is_committed_when_it_is_dropped() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    for _ in 0..5 {
        put(&mut producer, "rare");
    }
    let options = NamedOptions::new().auto_commit(AutoCommit::Interval(LONG));
    let read = |count: usize| {
        let mut named = options.open(dir.path(), "n").unwrap();
        for _ in 0..count {
            assert!(named.try_next().unwrap().is_some());
        }
        named
    };
    drop(read(3));
    assert_eq!(position(dir.path(), "n"), Some(2), "nobody said that the third is done");
    read(2).close().unwrap();
    assert_eq!(position(dir.path(), "n"), Some(4), "who closes it says so");
    let mut all = read(1);
    assert!(all.try_next().unwrap().is_none());
    drop(all);
    assert_eq!(position(dir.path(), "n"), Some(5));
    // One that has read nothing says nothing.
    let bytes = || std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    let before = bytes();
    drop(options.open(dir.path(), "n").unwrap());
    drop(options.open(dir.path(), "new").unwrap());
    assert_eq!(bytes(), before);
    // Who commits by hand is not helped.
    let manual = NamedOptions::new().auto_commit(AutoCommit::Never);
    let mut by_hand = manual.open(dir.path(), "hand").unwrap();
    assert!(by_hand.try_next().unwrap().is_some() && by_hand.try_next().unwrap().is_some());
    drop(by_hand);
    assert_eq!(position(dir.path(), "hand"), None);
}
