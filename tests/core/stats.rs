//! What is counted of one handle on a stream: each number by what it is to count, and nothing else.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use crate::real::*;
use puro::{Batch, ConsumerOptions, LockWait, NewRecord, Setting, Stats, Stream, StreamOptions};

/// What comes between two looks.
fn counted(stream: &Stream, done: impl FnOnce()) -> Stats {
    let before = stream.stats();
    done();
    let mut more = stream.stats();
    more.appends -= before.appends;
    more.records -= before.records;
    more.bytes -= before.bytes;
    more.syncs -= before.syncs;
    more.lock_waits -= before.lock_waits;
    more.repairs -= before.repairs;
    more.wake_ups -= before.wake_ups;
    more
}

/// Records by each way to append, and what is none: a position, a setting, a duplicate, an append
/// that is refused, and what another handle does.
#[test]
fn appends_records_and_bytes() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let (mut producer, other) = (stream.producer().unwrap(), Stream::open(dir.path()).unwrap());
    let clone = stream.clone();
    let mut batch: Batch = ["a", "b", "c"].iter().map(|v| NewRecord::new("t", v)).collect();
    let length = stream.info().unwrap().bytes();
    let more = counted(&clone, || {
        producer.append(&NewRecord::new("t", "v")).unwrap();
        producer.append_batch(&mut batch).unwrap();
        producer.transaction(&mut batch).once("me", 1).commit().unwrap();
        producer.hold().unwrap().append(&NewRecord::new("t", "v")).unwrap();
    });
    assert_eq!((more.appends, more.records), (4, 8));
    assert_eq!(more.bytes, stream.info().unwrap().bytes() - length);
    let more = counted(&stream, || {
        stream.set(&Setting::Durable(false)).unwrap();
        stream.named("n").unwrap().close().unwrap();
        assert!(producer.transaction(&mut batch).once("me", 1).commit().unwrap().duplicate);
        producer.append(&NewRecord::new("", "v")).unwrap_err();
        other.producer().unwrap().append(&NewRecord::new("t", "v")).unwrap();
    });
    assert_eq!((more.appends, more.records, more.bytes), (0, 0, 0));
    assert_eq!(other.stats().appends, 1);
}

/// Of a producer, and of a consumer that delivers only what is on disk; what is there already is not
/// synced again.
#[test]
fn syncs() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let mut reader = stream.consumer_with(|options| options.durable(true)).unwrap();
    producer.append(&NewRecord::new("t", "v")).unwrap();
    let more = counted(&stream, || {
        producer.sync().unwrap();
        producer.sync().unwrap();
    });
    assert_eq!(more.syncs, 1);
    let more = counted(&stream, || assert!(reader.try_next().unwrap().is_some()));
    assert_eq!(more.syncs, 1);
}

/// One who gets the lock at once has not waited; one who finds it in other hands has, in vain or not.
#[test]
fn lock_waits() {
    let dir = scratch();
    let wait = LockWait::AtMost(Duration::from_millis(1));
    let options = StreamOptions::new().create(true).lock_wait(wait);
    let stream = options.open(dir.path()).unwrap();
    let (mut one, mut two) = (stream.producer().unwrap(), stream.producer().unwrap());
    let more = counted(&stream, || {
        one.append(&NewRecord::new("t", "v")).unwrap();
        two.append(&NewRecord::new("t", "v")).unwrap();
    });
    assert_eq!(more.lock_waits, 0);
    let more = counted(&stream, || {
        let held = one.hold().unwrap();
        two.append(&NewRecord::new("t", "v")).unwrap_err();
        drop(held);
        two.append(&NewRecord::new("t", "v")).unwrap();
    });
    assert_eq!(more.lock_waits, 1);
}

/// A writer dies in the middle of a block; the next append cuts it off, once.
#[test]
fn repairs() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let mut file = OpenOptions::new().append(true).open(segment(dir.path(), 0)).unwrap();
    file.write_all(&[1, 2, 3]).unwrap();
    let more = counted(&stream, || {
        producer.append(&NewRecord::new("t", "v")).unwrap();
        producer.append(&NewRecord::new("t", "v")).unwrap();
    });
    assert_eq!((more.repairs, producer.repairs().len()), (1, 1));
}

/// A consumer that finds a record does not wait; one that finds none looks again now and then.
#[test]
fn wake_ups() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let often = |options: ConsumerOptions| options.poll_interval(Duration::from_millis(1));
    let mut consumer = stream.consumer_with(often).unwrap();
    stream.producer().unwrap().append(&NewRecord::new("t", "v")).unwrap();
    let more = counted(&stream, || {
        assert!(consumer.poll(Duration::from_secs(9)).unwrap().is_some());
        assert!(consumer.poll(Duration::ZERO).unwrap().is_none());
    });
    assert_eq!(more.wake_ups, 0);
    let more = counted(&stream, || {
        assert!(consumer.poll(Duration::from_millis(20)).unwrap().is_none());
    });
    assert!((1..=25).contains(&more.wake_ups), "{more:?}");
}
