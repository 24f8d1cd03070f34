//! Calls that fail, do less than asked, or lie: the outcomes that an append may have,
//! and that each tells the truth.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::real::*;
use puro::error::Failure;
use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{AppendError, Consumer, Producer, ProducerOptions};

/// What happens to the call with a number; all others proceed.
type Plan = Arc<Mutex<Box<dyn FnMut(&Call<'_>) -> Answer + Send>>>;

/// A producer whose calls go as the plan says, which may change while it is open.
struct Planned {
    plan: Plan,
    producer: Producer<Interpose<OsVfs>>,
}

impl Planned {
    fn open(dir: &Path, options: &ProducerOptions) -> Self {
        let plan: Plan = Arc::new(Mutex::new(Box::new(|_| Answer::Proceed)));
        let asked = Arc::clone(&plan);
        let world = interpose(move |call| (asked.lock().unwrap())(call));
        Self { plan, producer: options.open_in(world, dir).unwrap() }
    }
    /// One record is on disk, up to the position told; from then on syncs fail.
    fn whose_syncs_fail(dir: &Path) -> (Self, u64) {
        let mut it = Self::open(dir, &ProducerOptions::new().durable(true));
        append(&mut it.producer, "a");
        let (position, last) = *blocks(&segment(dir, 0)).last().unwrap();
        let durable_to = position + last.block_bytes();
        it.plan(|call| match call.operation {
            Operation::SyncData => Answer::Fail(errno(EIO)),
            _ => Answer::Proceed,
        });
        (it, durable_to)
    }

    fn plan(&self, plan: impl FnMut(&Call<'_>) -> Answer + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }
}

/// The write of a signal.
fn is_commit(call: &Call<'_>) -> bool {
    call.operation == Operation::Write && call.length == 1
}

// --- a commit that fails

#[test]
fn a_commit_that_did_nothing_is_not_appended() {
    let dir = scratch();
    let mut it = Planned::open(dir.path(), &ProducerOptions::new());
    it.plan(|call| if is_commit(call) { Answer::Fail(errno(EIO)) } else { Answer::Proceed });
    let end = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    let error = it.producer.append(&record("a")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(_)), "{error}");
    let after = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    assert_eq!(after, end, "A-12: cut before the lock was given back");
    it.plan(|_| Answer::Proceed);
    assert_eq!(append(&mut it.producer, "b"), 0);
    assert_eq!(values(dir.path()), ["b"]);
}

#[test]
fn a_commit_that_was_done_is_appended_whatever_was_said() {
    let dir = scratch();
    let mut it = Planned::open(dir.path(), &ProducerOptions::new());
    it.plan(|call| match is_commit(call) {
        true => Answer::Then(1, Box::new(|| errno(EIO))),
        false => Answer::Proceed,
    });
    assert_eq!(append(&mut it.producer, "a"), 0);
    assert_eq!(append(&mut it.producer, "b"), 1);
    assert_eq!(values(dir.path()), ["a", "b"]);
}

#[test]
fn a_commit_that_cannot_be_looked_at_is_unknown() {
    for done in [0, 1] {
        let dir = scratch();
        let mut it = Planned::open(dir.path(), &ProducerOptions::new());
        let mut committed = false;
        it.plan(move |call| match () {
            () if is_commit(call) => {
                committed = true;
                Answer::Then(done, Box::new(|| errno(EIO)))
            }
            () if committed && call.operation == Operation::Read => Answer::Fail(errno(EIO)),
            () => Answer::Proceed,
        });
        let error = it.producer.append(&record("a")).unwrap_err();
        assert!(matches!(error, AppendError::Unknown(_)), "{error}");
        // It was one of the two, and the same producer finds out which.
        it.plan(|_| Answer::Proceed);
        append(&mut it.producer, "b");
        let expected: &[&str] = if done == 1 { &["a", "b"] } else { &["b"] };
        assert_eq!(values(dir.path()), expected);
    }
}

// --- a sync that fails

/// M-6: a second sync proves nothing, so the bytes are written again before it.
#[test]
fn a_failed_sync_rewrites_before_it_syncs_again() {
    let dir = scratch();
    let options = ProducerOptions::new();
    let mut it = Planned::open(dir.path(), &options);
    append(&mut it.producer, "durable");
    it.producer.sync().unwrap();
    let durable_to = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    for value in ["a", "b"] {
        append(&mut it.producer, value);
    }
    it.producer.set_durable(true);
    let seen = Arc::new(Mutex::new(Vec::<(Operation, u64, usize)>::new()));
    let log = Arc::clone(&seen);
    it.plan(move |call| {
        let mut log = log.lock().unwrap();
        let synced_before = log.iter().any(|(operation, ..)| *operation == Operation::SyncData);
        log.push((call.operation, call.position, call.length));
        match call.operation {
            Operation::SyncData if !synced_before => Answer::Fail(errno(EIO)),
            _ => Answer::Proceed,
        }
    });
    append(&mut it.producer, "c");
    let end = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    let log = seen.lock().unwrap();
    let failed = log.iter().position(|(operation, ..)| *operation == Operation::SyncData).unwrap();
    let mut rewritten_to = durable_to;
    let mut locked = false;
    for (operation, position, length) in &log[failed + 1..] {
        match operation {
            Operation::Lock => locked = true,
            Operation::Write => {
                assert!(locked);
                assert_eq!(*position, rewritten_to);
                rewritten_to += *length as u64;
            }
            Operation::SyncData => break,
            _ => {}
        }
    }
    assert_eq!(rewritten_to, end, "all that is not known durable");
    drop(log);
    assert_eq!(values(dir.path()), ["durable", "a", "b", "c"]);
}

/// A producer was told that the sync behind a repair failed. Another one, which was not, sealed
/// the segment, and its sync succeeded without writing anything. Then the first went on in the
/// next segment, forgot, and the next loss of power left a hole in a sealed segment (found by
/// the simulator at random).
#[test]
fn a_failed_sync_is_made_good_in_a_segment_that_others_sealed() {
    let dir = scratch();
    let options = ProducerOptions::new().segment_bytes(4096);
    let mut it = Planned::open(dir.path(), &options);
    append(&mut it.producer, "told");
    it.plan(|call| match call.operation {
        Operation::SyncData => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    it.producer.sync().unwrap_err();
    let mut other = options.open(dir.path()).unwrap();
    while !segment(dir.path(), 1).exists() {
        append(&mut other, "not told");
    }
    let sealed = segment(dir.path(), 0);
    let length = std::fs::metadata(&sealed).unwrap().len();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    it.plan(move |call| {
        if call.path == sealed && matches!(call.operation, Operation::Write | Operation::SyncData) {
            log.lock().unwrap().push((call.operation, call.position + call.length as u64));
        }
        Answer::Proceed
    });
    append(&mut it.producer, "goes on");
    let log = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(log.last(), Some(&(Operation::SyncData, 0)), "{log:?}");
    assert!(log.contains(&(Operation::Write, length)), "all was written again: {log:?}");
    append(&mut it.producer, "once is enough");
    assert!(seen.lock().unwrap().is_empty());
}

/// The third outcome of A-12, and that the next durable append makes up for it.
#[test]
fn a_sync_that_fails_for_good_is_appended_not_durable() {
    let dir = scratch();
    let (mut it, durable_to) = Planned::whose_syncs_fail(dir.path());
    for (offset, value) in [(1, "b"), (2, "c")] {
        let error = it.producer.append(&record(value)).unwrap_err();
        let AppendError::NotDurable { appended, .. } = error else { panic!("{error}") };
        assert_eq!(appended.first_offset, offset);
    }
    assert_eq!(values(dir.path()), ["a", "b", "c"], "appended all the same");
    let rewritten = Arc::new(AtomicU64::new(u64::MAX));
    let lowest = Arc::clone(&rewritten);
    it.plan(move |call| {
        if call.operation == Operation::Write {
            lowest.fetch_min(call.position, Ordering::SeqCst);
        }
        Answer::Proceed
    });
    append(&mut it.producer, "d");
    assert_eq!(rewritten.load(Ordering::SeqCst), durable_to, "b and c were written again");
    it.plan(|_| Answer::Proceed);
    append(&mut it.producer, "e");
    let (position, last) = *blocks(&segment(dir.path(), 0)).last().unwrap();
    assert_eq!(last.durable_to, position, "F-23: known again");
}

/// F-23: a writer whose sync failed must not tell others that it was done.
#[test]
fn a_failed_sync_is_not_told_as_done_in_later_blocks() {
    let dir = scratch();
    let (mut it, durable_to) = Planned::whose_syncs_fail(dir.path());
    it.producer.append(&record("b")).unwrap_err();
    it.producer.append(&record("c")).unwrap_err();
    it.producer.set_durable(false);
    append(&mut it.producer, "d");
    for (position, start) in blocks(&segment(dir.path(), 0)) {
        assert!(start.durable_to <= durable_to, "at {position}");
    }
}

/// V-3: a rollover whose sync of the old segment failed rewrites it first.
#[test]
fn a_rollover_after_a_failed_sync_rewrites_the_old_segment() {
    let dir = scratch();
    let mut it = Planned::open(dir.path(), &small_segments());
    append(&mut it.producer, &"a".repeat(3000));
    let path = segment(dir.path(), 0);
    let (first, _) = blocks(&path)[1];
    it.plan(|call| match call.operation {
        Operation::SyncData => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    it.producer.sync().unwrap_err();
    let log = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&log);
    it.plan(move |call| {
        if call.path == path {
            calls.lock().unwrap().push((call.operation, call.position));
        }
        Answer::Proceed
    });
    append(&mut it.producer, &"b".repeat(3000));
    let log = log.lock().unwrap();
    let again = log.iter().position(|call| *call == (Operation::Write, first));
    let synced = log.iter().rposition(|(operation, _)| *operation == Operation::SyncData);
    assert!(again.expect("rewritten") < synced.expect("synced"), "{log:?}");
}

/// M-6 for readers: a durable consumer whose sync failed cannot write anything again, so
/// trying once more must not deliver what may be gone with the power.
#[test]
fn a_durable_consumer_does_not_believe_a_second_sync() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let syncs = Calls::default();
    let counter = syncs.clone();
    let world = interpose(move |call| {
        if call.operation == Operation::SyncData && counter.next() == 0 {
            return Answer::Fail(errno(EIO));
        }
        Answer::Proceed
    });
    let mut reader = fast_consumer().durable(true).open_in(world, dir.path()).unwrap();
    for _ in 0..3 {
        let error = reader.try_next().unwrap_err();
        assert!(matches!(error, puro::ReadError::Failure(Failure::Io(_))), "{error}");
    }
    // A block that tells that it is on disk now is enough.
    producer.sync().unwrap();
    append(&mut producer, "b");
    let mut reader = fast_consumer().durable(true).open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader), ["a", "b"]);
}

// --- one call that fails, whichever it is

const APPENDS: usize = 9;

fn value(number: usize) -> String {
    format!("{number:01200}")
}

/// What became of each append, and whether the stream agrees.
fn check_outcomes(dir: &Path, outcomes: &[Result<(), AppendError>], when: &str) {
    let there: Vec<String> = values(dir);
    let distinct: BTreeSet<_> = there.iter().collect();
    assert_eq!(distinct.len(), there.len(), "{when}: twice");
    assert!(there.is_sorted(), "{when}: order");
    for (number, outcome) in outcomes.iter().enumerate() {
        let appended = there.contains(&value(number));
        let told = match outcome {
            Ok(()) | Err(AppendError::NotDurable { .. }) => appended,
            Err(AppendError::Unknown(_)) => true,
            Err(_) => !appended,
        };
        assert!(told, "{when}: append {number} told {outcome:?}, appended: {appended}");
    }
}

/// Appends with a world in which calls fail as `verdict` says; the producer is opened anew
/// when that fails.
fn run(
    dir: &Path,
    world: &Interpose<OsVfs>,
    options: &ProducerOptions,
) -> Vec<Result<(), AppendError>> {
    let mut producer = options.open_in(world.clone(), dir);
    let mut outcomes = Vec::new();
    for number in 0..APPENDS {
        if producer.is_err() {
            producer = options.open_in(world.clone(), dir);
        }
        let outcome = match &mut producer {
            Ok(producer) => producer.append(&record(&value(number))).map(|_| ()),
            Err(puro::OpenError::Failure(_)) => Err(puro::error::RecordError::EmptyBatch.into()),
            Err(error) => panic!("{error}"),
        };
        outcomes.push(outcome);
    }
    outcomes
}

fn fail_each_call_once(options: &ProducerOptions, fault: fn(&Call<'_>) -> Answer) -> u64 {
    for n in 0.. {
        let dir = scratch();
        let calls = Calls::default();
        let counter = calls.clone();
        let failed = Arc::new(Mutex::new(String::new()));
        let note = Arc::clone(&failed);
        let world = interpose(move |call| {
            if counter.next() == n {
                *note.lock().unwrap() = format!("{call:?}");
                return fault(call);
            }
            Answer::Proceed
        });
        let stream = dir.path().join("stream");
        let outcomes = run(&stream, &world, options);
        let when = format!("call {n} fails: {}", failed.lock().unwrap());
        check_outcomes(&stream, &outcomes, &when);
        // One fault costs one append at most.
        assert!(outcomes.iter().filter(|outcome| outcome.is_err()).count() <= 1, "{when}");
        assert_eq!(epoch(&stream), 1, "{when}");
        if calls.count() <= n {
            assert!(segment(&stream, 2).exists());
            return n;
        }
    }
    unreachable!()
}

#[test]
fn any_one_call_may_fail_and_every_outcome_is_the_truth() {
    let faults: [fn(&Call<'_>) -> Answer; 5] = [
        |_| Answer::Fail(errno(EIO)),
        |_| Answer::Fail(errno(ENOSPC)),
        |_| Answer::Fail(io::ErrorKind::Interrupted.into()),
        |call| Answer::Then(call.length / 2, Box::new(|| errno(ENOSPC))),
        |call| Answer::Then(call.length, Box::new(|| errno(EIO))),
    ];
    let mut failed = 0;
    for fault in faults {
        failed += fail_each_call_once(&small_segments(), fault);
        failed += fail_each_call_once(&small_segments().durable(true), fault);
    }
    println!("{failed} calls failed");
    assert!(failed > 1000);
}

#[test]
fn many_calls_may_fail_and_every_outcome_is_the_truth() {
    let mut random = Random::seeded("many_calls_may_fail");
    for _ in 0..number("PURO_FAULT_RUNS", 300) {
        let dir = scratch();
        let stream = dir.path().join("stream");
        small_segments().open(&stream).unwrap();
        let rate = 2 + random.below(40);
        let own = Mutex::new(Random::from(random.next()));
        let world = interpose(move |call| {
            let mut random = own.lock().unwrap();
            if random.below(rate) != 0 {
                return Answer::Proceed;
            }
            match random.below(4) {
                0 => Answer::Fail(errno(EIO)),
                1 => Answer::Fail(io::ErrorKind::Interrupted.into()),
                2 => Answer::Short(1 + random.below(call.length.max(1) as u64) as usize),
                _ => {
                    let part = random.below(call.length as u64 + 1) as usize;
                    Answer::Then(part, Box::new(|| errno(ENOSPC)))
                }
            }
        });
        let durable = random.below(2) == 0;
        let outcomes = run(&stream, &world, &small_segments().durable(durable));
        // Whoever comes next repairs what they left.
        let mut producer = Producer::open(&stream).unwrap();
        check_outcomes(&stream, &outcomes, "many faults");
        let before = values(&stream).len();
        append(&mut producer, "after");
        assert_eq!(values(&stream).len(), before + 1);
    }
}

// --- less than asked

/// Short reads and writes, and interruptions, are no faults at all: nobody is told.
#[test]
fn short_and_interrupted_reads_and_writes_change_nothing() {
    let mut random = Random::seeded("short_and_interrupted");
    for _ in 0..20 {
        let dir = scratch();
        let own = Mutex::new(Random::from(random.next()));
        let world = interpose(move |call| {
            if !matches!(call.operation, Operation::Read | Operation::Write) {
                return Answer::Proceed;
            }
            let mut random = own.lock().unwrap();
            match random.below(4) {
                0 => Answer::Fail(io::ErrorKind::Interrupted.into()),
                1 => Answer::Short(1),
                2 if call.length > 0 => {
                    Answer::Short(1 + random.below(call.length as u64) as usize)
                }
                _ => Answer::Proceed,
            }
        });
        let options = small_segments().durable(true);
        let mut producer = options.open_in(world.clone(), dir.path()).unwrap();
        let mut reader: Consumer<_> =
            fast_consumer().durable(true).open_in(world.clone(), dir.path()).unwrap();
        let mut seen = Vec::new();
        for number in 0..APPENDS {
            append(&mut producer, &value(number));
            seen.extend(drain(&mut reader));
        }
        let expected: Vec<_> = (0..APPENDS).map(value).collect();
        assert_eq!(seen, expected);
        assert_eq!(values(dir.path()), expected);
        assert_eq!(producer.repairs(), []);
    }
}

/// A device that takes nothing more is an error, not an endless loop.
#[test]
fn a_write_of_no_bytes_is_an_error() {
    let dir = scratch();
    let mut it = Planned::open(dir.path(), &ProducerOptions::new());
    it.plan(|call| match call.operation {
        Operation::Write => Answer::Short(0),
        _ => Answer::Proceed,
    });
    let error = it.producer.append(&record("a")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(_)), "{error}");
    assert_eq!(values(dir.path()), [""; 0]);
}

/// A reader that meets a bad read tells it and stays where it is.
#[test]
fn any_one_read_of_a_consumer_may_fail() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    let expected: Vec<_> = (0..APPENDS).map(value).collect();
    for value in &expected {
        append(&mut producer, value);
    }
    for n in 0.. {
        let calls = Calls::default();
        let counter = calls.clone();
        let world = interpose(move |_| match counter.next() == n {
            true => Answer::Fail(errno(EIO)),
            false => Answer::Proceed,
        });
        let open = || fast_consumer().durable(true).open_in(world.clone(), dir.path());
        let mut reader = open().or_else(|_| open()).unwrap();
        let (mut seen, mut errors) = (Vec::new(), 0);
        loop {
            match reader.try_next() {
                Ok(Some(record)) => {
                    seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                }
                Ok(None) => break,
                Err(_) if errors > 0 => break, // a failed sync is not forgotten
                Err(_) => errors += 1,
            }
        }
        if seen != expected {
            assert!(expected.starts_with(&seen), "call {n}");
            assert_eq!(errors, 1, "call {n}");
        }
        if calls.count() <= n {
            assert_eq!(seen, expected);
            break;
        }
    }
}

/// A setting was set on a disk whose syncs failed: "not appended", while everybody obeyed it from then
/// on. Found by who wrote the examples.
#[test]
fn a_setting_that_may_not_be_on_disk_is_told_as_appended() {
    let dir = scratch();
    let (mut it, _) = Planned::whose_syncs_fail(dir.path());
    let error = it.producer.set(&"retention_ms=5000".parse().unwrap()).unwrap_err();
    assert!(matches!(error, AppendError::NotDurable { .. }), "{error}");
    let set = puro::Stream::open(dir.path()).unwrap().settings().unwrap();
    assert_eq!(set.retention, Some(std::time::Duration::from_millis(5000)));
}
