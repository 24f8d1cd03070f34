//! Records collected and appended together: tickets, flushes, failures, many threads.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use puro::interpose::{Call, Interpose, Operation, Verdict};
use puro::os::OsVfs;
use puro::{
    AppendError, BufferError, BufferOptions, BufferedProducer, Consumer, NewRecord, Producer,
    ProducerOptions,
};

fn values(dir: &Path) -> Vec<String> {
    let mut consumer = Consumer::open(dir).unwrap();
    consumer.try_iter().map(|r| String::from_utf8(r.unwrap().value.unwrap()).unwrap()).collect()
}

fn unhurried() -> BufferOptions {
    BufferOptions::new().linger(None)
}

/// A push alone commits nothing; a wait commits all that were pushed before, in order.
#[test]
fn waiting_commits_what_was_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let buffered = BufferedProducer::new(Producer::open(dir.path()).unwrap(), unhurried());
    let tickets: Vec<_> = (0..10)
        .map(|number| buffered.push(&NewRecord::new("t", &number.to_string())).unwrap())
        .collect();
    assert!(tickets.is_sorted());
    assert!(values(dir.path()).is_empty());
    buffered.wait(tickets[3]).unwrap();
    let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(values(dir.path()), expected);
    buffered.flush().unwrap(); // nothing left to do
    let mut producer = buffered.close().unwrap();
    assert_eq!(producer.append(&NewRecord::new("t", "more")).unwrap().first_offset, 10);
}

/// What nobody waits for is committed after the linger, by a thread of its own.
#[test]
fn lingering_records_are_committed() {
    let dir = tempfile::tempdir().unwrap();
    let options = BufferOptions::new().linger(Some(Duration::from_millis(1)));
    let buffered = BufferedProducer::new(Producer::open(dir.path()).unwrap(), options);
    let mut consumer = Consumer::open(dir.path()).unwrap();
    for round in 0..3 {
        buffered.push(&NewRecord::new("t", &round.to_string())).unwrap();
        let record = consumer.poll(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(record.offset, round);
    }
}

/// A full buffer is appended by who pushes; dropping appends the rest.
#[test]
fn a_full_buffer_and_a_dropped_one_are_appended() {
    let dir = tempfile::tempdir().unwrap();
    let options = unhurried().batch_bytes(100);
    let buffered = BufferedProducer::new(Producer::open(dir.path()).unwrap(), options);
    for number in 0..100 {
        buffered.push(&NewRecord::new("t", &number.to_string())).unwrap();
    }
    let committed = values(dir.path()).len();
    assert!((80..100).contains(&committed), "{committed}");
    drop(buffered);
    assert_eq!(values(dir.path()), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Eight threads append durably: every record once, each thread's in its order, and fewer syncs
/// than records.
#[test]
fn threads_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&syncs);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::SyncData {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Verdict::Proceed
    });
    let producer = ProducerOptions::new().durable(true).open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let buffered = &buffered;
            scope.spawn(move || {
                for number in 0..100 {
                    buffered.append(&NewRecord::new("t", &format!("{thread} {number}"))).unwrap();
                }
            });
        }
    });
    let (mut next, mut count) = (HashMap::new(), 0);
    for value in values(dir.path()) {
        let (thread, number) = value.split_once(' ').unwrap();
        let expected: &mut u32 = next.entry(thread.to_owned()).or_default();
        assert_eq!(number, expected.to_string());
        (*expected, count) = (*expected + 1, count + 1);
    }
    assert_eq!(count, 800);
    let syncs = syncs.load(Ordering::Relaxed);
    assert!(syncs < 800, "{syncs} syncs for 800 appends");
}

/// A disk that is full for a while: who waits is told, nothing is lost, nothing comes twice.
#[test]
fn what_was_not_appended_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicU64::new(0));
    let fail = Arc::clone(&failing);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::Write && fail.load(Ordering::Relaxed) == 1 {
            return Verdict::Fail(std::io::ErrorKind::StorageFull.into());
        }
        Verdict::Proceed
    });
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    buffered.append(&NewRecord::new("t", "one")).unwrap();
    failing.store(1, Ordering::Relaxed);
    let ticket = buffered.push(&NewRecord::new("t", "two")).unwrap();
    for _ in 0..3 {
        let error = buffered.wait(ticket).unwrap_err();
        let BufferError::Append(error) = error else { panic!("{error}") };
        assert!(matches!(*error, AppendError::NotAppended(_)), "{error}");
    }
    buffered.push(&NewRecord::new("t", "three")).unwrap();
    failing.store(0, Ordering::Relaxed);
    buffered.flush().unwrap();
    assert_eq!(values(dir.path()), ["one", "two", "three"]);
}

/// An append that may not be durable is told to everybody from then on: which records are safe
/// is no longer known here.
#[test]
fn after_an_append_of_unknown_fate_everything_fails() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicU64::new(0));
    let fail = Arc::clone(&failing);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::SyncData && fail.load(Ordering::Relaxed) == 1 {
            return Verdict::Fail(std::io::Error::other("planned"));
        }
        Verdict::Proceed
    });
    let producer = ProducerOptions::new().durable(true).open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    buffered.append(&NewRecord::new("t", "one")).unwrap();
    failing.store(1, Ordering::Relaxed);
    let error = buffered.append(&NewRecord::new("t", "two")).unwrap_err();
    let BufferError::Append(error) = error else { panic!("{error}") };
    assert!(matches!(*error, AppendError::NotDurable { .. }), "{error}");
    failing.store(0, Ordering::Relaxed);
    buffered.push(&NewRecord::new("t", "three")).unwrap_err();
    buffered.flush().unwrap_err();
    drop(buffered);
    assert_eq!(values(dir.path()), ["one", "two"]);
}

/// A record that cannot be stored is refused, and spoils nothing.
#[test]
fn a_bad_record_is_refused_alone() {
    let dir = tempfile::tempdir().unwrap();
    let buffered = BufferedProducer::new(Producer::open(dir.path()).unwrap(), unhurried());
    buffered.push(&NewRecord::new("t", "one")).unwrap();
    let error = buffered.push(&NewRecord::new("", "bad")).unwrap_err();
    assert!(matches!(error, BufferError::Record(_)), "{error}");
    buffered.append(&NewRecord::new("t", "two")).unwrap();
    assert_eq!(values(dir.path()), ["one", "two"]);
}
