//! What a consumer does where there is nothing more to read: how often it looks around, what it
//! says of the end, and what it makes of a segment that should go on and does not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::real::*;
use puro::error::Failure;
use puro::internals::block::Cause;
use puro::internals::interpose::{Answer, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::LockWait;
use puro::{
    Batch, ConsumerOptions, EndState, NewRecord, Producer, ProducerOptions, ReadError, Start,
};
use tempfile::TempDir;

type Log = Arc<Mutex<Vec<Operation>>>;

/// Real files whose calls are noted.
fn noted() -> (Interpose<OsVfs>, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let world = interpose(move |call| {
        noted.lock().unwrap().push(call.operation);
        Answer::Proceed
    });
    (world, log)
}

fn count(log: &Log, operation: Operation) -> usize {
    std::mem::take(&mut *log.lock().unwrap()).iter().filter(|found| **found == operation).count()
}

fn one_record() -> TempDir {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    dir
}

#[test]
fn an_iterator_waits_for_what_comes() {
    let dir = one_record();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(reader.follow().next().unwrap().unwrap().offset, 0);
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    assert_eq!(reader.follow().next().unwrap().unwrap().offset, 1);
}

/// now and then, which is once in a poll interval, however often it is asked.
#[test]
fn a_consumer_looks_around_once_in_a_poll_interval() {
    let dir = one_record();
    let (world, log) = noted();
    let options = ConsumerOptions::new().poll_interval(Duration::from_secs(3600));
    let mut reader = options.open_in(world, dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    assert!(count(&log, Operation::StatusOf) > 0, "the first look at the end");
    for _ in 0..10 {
        assert!(reader.try_next().unwrap().is_none());
    }
    assert_eq!(count(&log, Operation::StatusOf), 0);
}

/// and when that is over, it looks again, whoever else was late.
#[test]
fn a_consumer_looks_around_again_after_a_poll_interval() {
    let dir = one_record();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    let begun = Instant::now();
    let error = loop {
        std::thread::sleep(Duration::from_millis(3)); // More than the poll interval.
        match reader.try_next() {
            Err(error) => break error,
            Ok(record) => assert!(record.is_none() && begun.elapsed() < Duration::from_secs(10)),
        }
    };
    assert!(matches!(error, ReadError::Failure(Failure::Removed { .. })), "{error}");
}

/// what is invalid must still be so on a second look; what is clean needs none.
#[test]
fn only_an_end_that_is_not_clean_is_looked_at_twice() {
    let dir = one_record();
    let looks = || {
        let (world, log) = noted();
        let mut reader = fast_consumer().open_in(world, dir.path()).unwrap();
        drain(&mut reader);
        log.lock().unwrap().clear();
        let state = reader.end_state().unwrap();
        (state, count(&log, Operation::Read))
    };
    let (state, once) = looks();
    assert_eq!(state, EndState::Clean);
    let path = segment(dir.path(), 0);
    let (position, _) = *blocks(&path).last().unwrap();
    flip(&path, position, 0xA5);
    let (state, twice) = looks();
    assert_eq!(state, EndState::NeedsRepair { position });
    assert!(twice > 3 * once && once > 0, "{once} and {twice} calls");
}

/// a sealed segment that ends without a segment end says so; one with an invalid block,
/// what is wrong with that.
#[test]
fn damage_in_a_sealed_segment_is_told_as_what_it_is() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, &"a".repeat(3000));
    append(&mut producer, &"b".repeat(3000));
    let path = segment(dir.path(), 0);
    let all = blocks(&path);
    let cause_of = |harm: &dyn Fn(&std::path::Path)| {
        let dir = copy(dir.path());
        harm(&segment(dir.path(), 0));
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        match reader.try_iter().find_map(Result::err).unwrap() {
            ReadError::Failure(Failure::Damage(damage)) => damage.cause,
            error => panic!("{error}"),
        }
    };
    let (record, end) = (all[1].0, all[2].0);
    assert_eq!(cause_of(&|path| set_len(path, end)), Cause::NotSealed);
    let broken = cause_of(&|path| flip(path, record + 100, 1));
    assert!(![Cause::NotSealed, Cause::End].contains(&broken), "{broken:?}");
}

/// One notification for all waits: registered once, not at each of them.
#[test]
fn a_directory_is_watched_once() {
    let dir = one_record();
    let (world, log) = noted();
    let mut reader = fast_consumer().open_in(world, dir.path()).unwrap();
    drain(&mut reader);
    for _ in 0..3 {
        assert!(!reader.wait(Duration::from_millis(2)).unwrap());
    }
    assert_eq!(count(&log, Operation::Watch), 1);
}

/// A consumer that was there before its stream has the first record as soon as it is asked.
#[test]
fn what_came_with_the_stream_is_there_at_once() {
    let dir = scratch();
    let stream = dir.path().join("later");
    let mut reader = fast_consumer().wait_for_stream(true).open(&stream).unwrap();
    assert!(reader.try_next().unwrap().is_none());
    append(&mut Producer::open(&stream).unwrap(), "a");
    assert_eq!(reader.try_next().unwrap().unwrap().offset, 0);
}

/// What was passed by because nobody wants it is behind the position, not before it.
#[test]
fn a_token_is_behind_what_was_passed_by() {
    let dir = scratch();
    let mut batch = Batch::new();
    for topic in ["a", "b", "b", "a"] {
        batch.push(&NewRecord::new(topic, "1")).unwrap();
    }
    Producer::open(dir.path()).unwrap().append_batch(&mut batch).unwrap();
    let mut reader = fast_consumer().topic("a").open(dir.path()).unwrap();
    assert_eq!(reader.try_next().unwrap().unwrap().offset, 0);
    assert_eq!(reader.token().unwrap().offset, 1);
    assert!(reader.wait(Duration::ZERO).unwrap());
    assert_eq!(reader.token().unwrap().offset, 3);
}

/// A consumer that waited, and asked for a token when there was something, was given the place
/// behind a block of which it had taken nothing: who went on from there missed all its records.
#[test]
fn a_token_is_before_what_was_waited_for_and_not_taken() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let mut batch = Batch::new();
    for _ in 0..3 {
        batch.push(&record("b")).unwrap();
    }
    producer.append_batch(&mut batch).unwrap();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    for offset in 0..4 {
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert_eq!(reader.token().unwrap().offset, offset);
        let again = fast_consumer().start(Start::Token(reader.token().unwrap())).open(dir.path());
        assert_eq!(again.unwrap().try_next().unwrap().unwrap().offset, offset);
        assert_eq!(reader.try_next().unwrap().unwrap().offset, offset);
    }
    assert!(!reader.wait(Duration::ZERO).unwrap());
    assert_eq!(reader.token().unwrap().offset, 4);
}

/// the name leads to another file, of the same stream or of another one.
#[test]
fn who_lost_its_file_learns_whether_the_stream_is_still_there() {
    for same in [true, false] {
        let (dir, other) = (one_record(), one_record());
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        assert_eq!(drain(&mut reader), ["a"]);
        let aside = copy(if same { dir.path() } else { other.path() });
        std::fs::remove_file(segment(dir.path(), 0)).unwrap();
        std::fs::copy(segment(aside.path(), 0), segment(dir.path(), 0)).unwrap();
        let error = reader.wait(Duration::from_secs(60)).unwrap_err();
        let out_of_range =
            matches!(error, ReadError::OffsetOutOfRange { offset: 1, low: 0, high: 1 });
        let removed = matches!(error, ReadError::Failure(Failure::Removed { .. }));
        assert_eq!((out_of_range, removed), (same, !same), "{error}");
    }
}

/// Each option sets what it says and leaves the others as they are, in whatever order.
#[test]
fn options_do_not_undo_each_other() {
    let wait = LockWait::AtMost(Duration::from_secs(3));
    let consumers: [fn(ConsumerOptions, LockWait) -> ConsumerOptions; 7] = [
        |options, _| options.start(Start::Offset(7)),
        |options, _| options.topic("a"),
        |options, _| options.durable(true),
        |options, _| options.wait_for_stream(true),
        |options, _| options.poll_interval(Duration::from_secs(5)),
        |options, wait| options.lock_wait(wait),
        |options, _| options.allow_network(true),
    ];
    let forth = consumers.iter().fold(ConsumerOptions::new(), |o, set| set(o, wait));
    let back = consumers.iter().rev().fold(ConsumerOptions::new(), |o, set| set(o, wait));
    assert_eq!(format!("{forth:?}"), format!("{back:?}"));
    let producers: [fn(ProducerOptions, LockWait) -> ProducerOptions; 6] = [
        |options, _| options.create(false),
        |options, _| options.durable(true),
        |options, _| options.segment_bytes(8192),
        |options, wait| options.lock_wait(wait),
        |options, _| options.allow_network(true),
        |options, _| options.checkpoint_every_bytes(65_536),
    ];
    let forth = producers.iter().fold(ProducerOptions::new(), |o, set| set(o, wait));
    let back = producers.iter().rev().fold(ProducerOptions::new(), |o, set| set(o, wait));
    assert_eq!(format!("{forth:?}"), format!("{back:?}"));
    for word in ["3s", "8192", "65536", "create: false", "durable: Some(true)"] {
        assert!(format!("{forth:?}").contains(word), "{word} in {forth:?}");
    }
}
