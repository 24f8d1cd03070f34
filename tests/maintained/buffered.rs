//! Records collected and appended together: tickets, flushes, failures, many threads.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
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

/// Eight threads append durably, again and again. Whoever is first in a round syncs alone or with a
/// few; while it does, the others have pushed. One more sync does for all of them.
///
/// The first sync of a round ends only once all have pushed, so that the figure is exact.
#[test]
fn threads_share_syncs() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let (syncs, pushed) = (Arc::new(AtomicU64::new(0)), Arc::new(Pushed::default()));
    let (counter, all) = (Arc::clone(&syncs), Arc::clone(&pushed));
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::SyncData {
            counter.fetch_add(1, Ordering::Relaxed);
            all.until_multiple_of(THREADS);
        }
        Answer::Proceed
    });
    let producer = ProducerOptions::new().durable(true).open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    syncs.store(0, Ordering::Relaxed);
    let round = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (buffered, pushed, round) = (&buffered, &pushed, &round);
            scope.spawn(move || {
                for number in 0..ROUNDS {
                    round.wait();
                    let value = format!("{thread} {number}");
                    let ticket = buffered.push(&NewRecord::new("t", &value)).unwrap();
                    pushed.one_more();
                    buffered.wait(ticket).unwrap();
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
    assert_eq!(count, THREADS * ROUNDS);
    let syncs = syncs.load(Ordering::Relaxed) as usize;
    assert!((ROUNDS..=2 * ROUNDS).contains(&syncs), "{syncs} syncs in {ROUNDS} rounds");
}

/// How many records were pushed by all threads.
#[derive(Default)]
struct Pushed {
    count: Mutex<usize>,
    more: Condvar,
}

impl Pushed {
    fn one_more(&self) {
        *self.count.lock().unwrap() += 1;
        self.more.notify_all();
    }

    /// Returns once all have pushed as often as each other: the barrier lets none be a round ahead.
    fn until_multiple_of(&self, threads: usize) {
        let count = self.count.lock().unwrap();
        drop(self.more.wait_while(count, |count| !count.is_multiple_of(threads)).unwrap());
    }
}

/// The system starts no thread for what lingers. That was a panic; every push tells of it, for
/// nobody would append what is pushed. The producer can be had back.
#[test]
fn a_thread_that_cannot_be_started_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let system = Interpose::new(OsVfs::new(), |call: &Call<'_>| match call.operation {
        Operation::Spawn => Answer::Fail(std::io::ErrorKind::WouldBlock.into()),
        _ => Answer::Proceed,
    });
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, BufferOptions::new());
    let refused = buffered.push(&NewRecord::new("t", "lost")).unwrap_err();
    assert!(refused.to_string().contains("cannot start a thread"), "{refused}");
    let mut producer = buffered.close().unwrap();
    producer.append(&NewRecord::new("t", "alone")).unwrap();
    assert_eq!(values(dir.path()), ["alone"]);
}

/// A thread panics in the middle of the append that it does for all. The others waited for it for ever.
#[test]
fn who_waits_for_a_thread_that_panics_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let panics = Arc::new(AtomicU64::new(0));
    let now = Arc::clone(&panics);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        let panics = call.operation == Operation::Write && now.load(Ordering::Relaxed) == 1;
        assert!(!panics, "a bug");
        Answer::Proceed
    });
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    buffered.append(&NewRecord::new("t", "one")).unwrap();
    let two = buffered.push(&NewRecord::new("t", "two")).unwrap();
    panics.store(1, Ordering::Relaxed);
    let waited = std::thread::scope(|scope| scope.spawn(|| buffered.wait(two)).join());
    assert!(waited.is_err(), "the panic is the thread's own");
    panics.store(0, Ordering::Relaxed);
    assert!(matches!(buffered.wait(two), Err(BufferError::Closed)));
    assert!(buffered.push(&NewRecord::new("t", "three")).is_err());
    assert_eq!(values(dir.path()), ["one"]);
    Producer::open(dir.path()).unwrap().append(&NewRecord::new("t", "another")).unwrap();
}

/// A system whose writes fail while the value is 1.
fn full_disk() -> (Arc<AtomicU64>, Interpose<OsVfs>) {
    let failing = Arc::new(AtomicU64::new(0));
    let fail = Arc::clone(&failing);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::Write && fail.load(Ordering::Relaxed) == 1 {
            return Answer::Fail(std::io::ErrorKind::StorageFull.into());
        }
        Answer::Proceed
    });
    (failing, system)
}

#[track_caller]
fn not_appended(result: Result<(), BufferError>) {
    let error = result.unwrap_err();
    let BufferError::Append(error) = error else { panic!("{error}") };
    assert!(matches!(*error, AppendError::NotAppended(_)), "{error}");
}

/// Field report A9. A disk was full for a while: who waited was told that his record was lost, and
/// tried again; the record was appended all the same behind his back, by whoever came next, and was
/// there twice.
#[test]
fn what_was_told_as_lost_is_never_appended() {
    let dir = tempfile::tempdir().unwrap();
    let (failing, system) = full_disk();
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    buffered.append(&NewRecord::new("t", "one")).unwrap();
    failing.store(1, Ordering::Relaxed);
    let two = buffered.push(&NewRecord::new("t", "two")).unwrap();
    let three = buffered.push(&NewRecord::new("t", "three")).unwrap();
    for _ in 0..3 {
        not_appended(buffered.wait(two));
        not_appended(buffered.wait(three));
    }
    failing.store(0, Ordering::Relaxed);
    not_appended(buffered.flush()); // It answers for all that was pushed before,
    buffered.flush().unwrap(); // once.
    assert_eq!(values(dir.path()), ["one"]);
    buffered.append(&NewRecord::new("t", "two again")).unwrap();
    not_appended(buffered.wait(two));
    buffered.close().unwrap();
    assert_eq!(values(dir.path()), ["one", "two again"]);
}

/// The same told by `close`: dropping what is left must not try once more.
#[test]
fn what_close_told_as_lost_is_not_appended_by_drop() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicU64::new(0));
    let fail = Arc::clone(&failing);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        // The first write that fails is the last one.
        if call.operation == Operation::Write && fail.swap(0, Ordering::Relaxed) == 1 {
            return Answer::Fail(std::io::ErrorKind::StorageFull.into());
        }
        Answer::Proceed
    });
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let buffered = BufferedProducer::new(producer, unhurried());
    buffered.push(&NewRecord::new("t", "lost")).unwrap();
    failing.store(1, Ordering::Relaxed);
    buffered.close().unwrap_err();
    assert!(values(dir.path()).is_empty());
}

/// A failure that nobody is there to be told of loses nothing: it is tried again.
#[test]
fn what_fails_while_nobody_waits_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let tries = Arc::new(AtomicU64::new(0));
    let (count, failing) = (Arc::clone(&tries), Arc::new(AtomicU64::new(0)));
    let fail = Arc::clone(&failing);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::Write
            && fail.load(Ordering::Relaxed) == 1
            && count.fetch_add(1, Ordering::Relaxed) < 3
        {
            return Answer::Fail(std::io::ErrorKind::StorageFull.into());
        }
        Answer::Proceed
    });
    let producer = ProducerOptions::new().open_in(system, dir.path()).unwrap();
    let options = BufferOptions::new().linger(Some(Duration::from_millis(1)));
    let buffered = BufferedProducer::new(producer, options);
    failing.store(1, Ordering::Relaxed);
    buffered.push(&NewRecord::new("t", "late")).unwrap();
    let mut consumer = Consumer::open(dir.path()).unwrap();
    assert!(consumer.poll(Duration::from_secs(60)).unwrap().is_some());
    assert!(tries.load(Ordering::Relaxed) > 3);
    buffered.close().unwrap();
    assert_eq!(values(dir.path()), ["late"]);
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
            return Answer::Fail(std::io::Error::other("planned"));
        }
        Answer::Proceed
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
