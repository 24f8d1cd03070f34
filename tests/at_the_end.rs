//! What a consumer does where there is nothing more to read: how often it looks around, what it
//! says of the end, and what it makes of a segment that should go on and does not.

#[path = "common/real.rs"]
mod real;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use puro::block::Cause;
use puro::error::Failure;
use puro::interpose::{Interpose, Operation, Verdict};
use puro::os::OsVfs;
use puro::{ConsumerOptions, EndState, Producer, ReadError};
use real::*;
use tempfile::TempDir;

type Log = Arc<Mutex<Vec<Operation>>>;

/// Real files whose calls are noted.
fn noted() -> (Interpose<OsVfs>, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let world = interpose(move |call| {
        noted.lock().unwrap().push(call.operation);
        Verdict::Proceed
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
    assert_eq!(reader.iter().next().unwrap().unwrap().offset, 0);
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    assert_eq!(reader.iter().next().unwrap().unwrap().offset, 1);
}

/// now and then, which is once in a poll interval, however often it is asked.
#[test]
fn a_consumer_looks_around_once_in_a_poll_interval() {
    let dir = one_record();
    let (world, log) = noted();
    let options = ConsumerOptions::new().poll_interval(Duration::from_secs(3600));
    let mut reader = options.open_in(world, dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a"]);
    assert!(count(&log, Operation::IdOf) > 0, "the first look at the end");
    for _ in 0..10 {
        assert!(reader.try_next().unwrap().is_none());
    }
    assert_eq!(count(&log, Operation::IdOf), 0);
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
