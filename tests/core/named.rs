//! Named consumers, exactly-once, idempotent producers and settings (protocol.md, chapter 9),
//! on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{
    AppendError, AutoCommit, Batch, Consumer, NamedConsumer, NamedError, NamedOptions, NewRecord,
    Producer, ProducerOptions, RecordError, Start,
};

struct Scratch {
    _dir: tempfile::TempDir,
    stream: PathBuf,
}

fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let stream = dir.path().join("events");
    Scratch { _dir: dir, stream }
}

fn fill(stream: &Path, values: std::ops::Range<u32>) {
    let mut producer = Producer::open(stream).unwrap();
    for value in values {
        producer.append(&NewRecord::new("in", &value.to_string())).unwrap();
    }
}

fn manual() -> NamedOptions {
    NamedOptions::new().auto_commit(AutoCommit::Never)
}

fn next<V: puro::internals::vfs::Vfs>(consumer: &mut NamedConsumer<V>) -> Option<u32> {
    let record = consumer.try_next().unwrap()?;
    Some(String::from_utf8(record.value.unwrap().to_vec()).unwrap().parse().unwrap())
}

fn values(stream: &Path, topic: &[u8]) -> Vec<u32> {
    let mut consumer = Consumer::open(stream).unwrap();
    let records: Vec<_> = consumer.try_iter().map(Result::unwrap).collect();
    let parse = |value: Vec<u8>| String::from_utf8(value).unwrap().parse().unwrap();
    let of_topic = records.into_iter().filter(|record| record.topic == topic);
    of_topic.map(|record| parse(record.value.unwrap())).collect()
}

/// C-2: what was committed is where the next run goes on; what was not is read again.
#[test]
fn a_restart_goes_on_behind_the_last_commit() {
    let scratch = scratch();
    fill(&scratch.stream, 0..5);
    let mut first = manual().open(&scratch.stream, "audit").unwrap();
    assert_eq!((next(&mut first), next(&mut first)), (Some(0), Some(1)));
    assert!(first.commit().unwrap());
    assert!(!first.commit().unwrap(), "no progress, no commit");
    assert_eq!(next(&mut first), Some(2));
    drop(first);
    let mut second = manual().open(&scratch.stream, "audit").unwrap();
    assert_eq!(second.stored().map(|position| position.offset), Some(2));
    assert_eq!((next(&mut second), next(&mut second)), (Some(2), Some(3)));
}

/// F-36, F-37: positions go from checkpoint to checkpoint with the segments.
#[test]
fn a_position_survives_rollovers() {
    let scratch = scratch();
    ProducerOptions::new().segment_bytes(4096).open(&scratch.stream).unwrap();
    fill(&scratch.stream, 0..10);
    let mut consumer = manual().open(&scratch.stream, "slow").unwrap();
    for expected in 0..7 {
        assert_eq!(next(&mut consumer), Some(expected));
    }
    consumer.commit().unwrap();
    drop(consumer);
    fill(&scratch.stream, 10..500);
    let mut consumer = manual().open(&scratch.stream, "slow").unwrap();
    for expected in 7..500 {
        assert_eq!(next(&mut consumer), Some(expected));
    }
    assert_eq!(next(&mut consumer), None);
}

/// The lock of a name: one owner at a time, taken over when it goes.
#[test]
fn one_process_at_a_time_runs_under_a_name() {
    let scratch = scratch();
    fill(&scratch.stream, 0..1);
    let first = manual().open(&scratch.stream, "only").unwrap();
    let busy = manual().open(&scratch.stream, "only").unwrap_err();
    assert!(matches!(busy, NamedError::Busy { ref name, .. } if name == "only"), "{busy}");
    manual().open(&scratch.stream, "other").unwrap();
    drop(first);
    manual().open(&scratch.stream, "only").unwrap();
}

/// A consumer that starts at the end and stops before anything came must not skip what
/// comes before its restart.
#[test]
fn starting_at_the_end_is_remembered() {
    let scratch = scratch();
    fill(&scratch.stream, 0..3);
    drop(manual().start(Start::End).open(&scratch.stream, "late").unwrap());
    fill(&scratch.stream, 3..5);
    let mut late = manual().start(Start::End).open(&scratch.stream, "late").unwrap();
    assert_eq!((next(&mut late), next(&mut late), next(&mut late)), (Some(3), Some(4), None));
}

/// Auto-commit: a record counts as done when the next one is asked for, never earlier.
#[test]
fn auto_commit_trails_what_was_delivered() {
    let scratch = scratch();
    fill(&scratch.stream, 0..5);
    let options = NamedOptions::new().auto_commit(AutoCommit::Records(2));
    let mut consumer = options.open(&scratch.stream, "auto").unwrap();
    assert_eq!((next(&mut consumer), next(&mut consumer)), (Some(0), Some(1)));
    assert_eq!(consumer.stored(), None, "the second is not known to be done");
    assert_eq!(next(&mut consumer), Some(2));
    assert_eq!(consumer.stored().map(|position| position.offset), Some(2));
    let options = NamedOptions::new().auto_commit(AutoCommit::Interval(Duration::ZERO));
    let mut consumer = options.open(&scratch.stream, "clock").unwrap();
    while next(&mut consumer).is_some() {}
    assert_eq!(consumer.stored().map(|position| position.offset), Some(5));
}

/// Somebody read a named consumer block by block. Its records were not counted, so it never committed
/// after so many of them.
#[test]
fn auto_commit_counts_the_records_of_blocks() {
    let scratch = scratch();
    let pair = || ["a", "b"].map(|value| NewRecord::new("in", value));
    let mut producer = Producer::open(&scratch.stream).unwrap();
    for _ in 0..2 {
        producer.append_batch(&mut pair().into_iter().collect()).unwrap();
    }
    let every_two = NamedOptions::new().auto_commit(AutoCommit::Records(2));
    let mut consumer = every_two.open(&scratch.stream, "audit").unwrap();
    assert_eq!(consumer.next_block(Duration::ZERO).unwrap().unwrap().count(), 2);
    assert_eq!(consumer.stored(), None);
    assert_eq!(consumer.next_block(Duration::ZERO).unwrap().unwrap().count(), 2);
    assert_eq!(consumer.stored().unwrap().offset, 2);
}

/// C-2: a position changed behind the owner's back is never overwritten.
#[test]
fn a_commit_compares_before_it_sets() {
    let scratch = scratch();
    fill(&scratch.stream, 0..5);
    let mut owner = manual().open(&scratch.stream, "shared").unwrap();
    next(&mut owner);
    owner.commit().unwrap();
    // Somebody removes the lock file, against L-4, and so a second owner gets in.
    std::fs::remove_file(scratch.stream.join("consumers/shared.lock")).unwrap();
    let mut usurper = manual().open(&scratch.stream, "shared").unwrap();
    while next(&mut usurper).is_some() {}
    usurper.commit().unwrap();
    next(&mut owner);
    // However often, and with records too: what it compares with stays what it knew.
    for _ in 0..2 {
        let error = owner.commit().unwrap_err();
        let told = matches!(error, NamedError::Commit(AppendError::PositionChanged { .. }));
        assert!(told, "{error}");
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("out", "0")).unwrap();
        let mut producer = Producer::open(&scratch.stream).unwrap();
        let error =
            producer.transaction(&mut batch).with_position(&mut owner).commit().unwrap_err();
        assert!(matches!(error, AppendError::PositionChanged { .. }), "{error}");
    }
    assert_eq!(owner.stored().map(|position| position.offset), Some(1));
    assert!(values(&scratch.stream, b"out").is_empty());
}

/// Real files on a disk whose syncs of segments fail while it is told so.
fn failing_syncs(fails: &Arc<AtomicBool>) -> Interpose<OsVfs> {
    let fails = Arc::clone(fails);
    Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        if call.operation == Operation::SyncData && fails.load(Ordering::SeqCst) {
            return Answer::Fail(io::Error::other("the disk says no"));
        }
        Answer::Proceed
    })
}

/// A disk failed its syncs for a moment, and so a commit of a position was answered "appended, but
/// not durable" (A-12). The position stood in the stream, but the consumer went on comparing with
/// the one before it: each later commit was refused, as if somebody else had changed it (C-2).
#[test]
fn a_commit_that_is_not_durable_is_the_one_to_compare_with() {
    let scratch = scratch();
    fill(&scratch.stream, 0..5);
    Producer::open(&scratch.stream).unwrap().set(&"durable=true".parse().unwrap()).unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let mut consumer = manual().open_in(failing_syncs(&fails), &scratch.stream, "unlucky").unwrap();
    assert_eq!(next(&mut consumer), Some(0));
    consumer.commit().unwrap();
    for read in 1..3 {
        assert_eq!(next(&mut consumer), Some(read));
        fails.store(true, Ordering::SeqCst);
        let error = consumer.commit().unwrap_err();
        let told = matches!(error, NamedError::Commit(AppendError::NotDurable { .. }));
        assert!(told, "{error}");
        assert_eq!(consumer.stored().map(|position| position.offset), Some(u64::from(read) + 1));
        assert!(!consumer.commit().unwrap(), "it is committed: there is no progress since");
    }
    fails.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut consumer), Some(3));
    assert!(consumer.commit().unwrap());
    drop(consumer);
    let again = manual().open(&scratch.stream, "unlucky").unwrap();
    assert_eq!(again.stored().map(|position| position.offset), Some(4));
}

/// The same for a position that is committed with records (C-3): who took the answer for a failure
/// and tried again was refused, and so was everything after it.
#[test]
fn output_that_is_not_durable_has_moved_the_position() {
    let scratch = scratch();
    fill(&scratch.stream, 0..3);
    let fails = Arc::new(AtomicBool::new(false));
    let mut consumer = manual().open_in(failing_syncs(&fails), &scratch.stream, "double").unwrap();
    let durable = ProducerOptions::new().durable(true);
    let mut producer = durable.open_in(failing_syncs(&fails), &scratch.stream).unwrap();
    for input in 0..3 {
        assert_eq!(next(&mut consumer), Some(input));
        fails.store(input == 1, Ordering::SeqCst);
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("out", &(input * 2).to_string())).unwrap();
        let answer = producer.transaction(&mut batch).with_position(&mut consumer).commit();
        match answer {
            Ok(_) => assert_ne!(input, 1),
            Err(AppendError::NotDurable { .. }) => assert_eq!(input, 1),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(
            consumer.stored().map(|position| position.offset),
            consumer.token().map(|t| t.offset)
        );
    }
    assert_eq!(values(&scratch.stream, b"out"), [0, 2, 4]);
}

/// C-3: records and position in one block; a failed append leaves both as they were.
#[test]
fn output_and_position_are_one() {
    let scratch = scratch();
    fill(&scratch.stream, 0..20);
    for _run in 0..4 {
        let mut consumer = manual().open(&scratch.stream, "double").unwrap();
        let mut producer = Producer::open(&scratch.stream).unwrap();
        for _step in 0..6 {
            let Some(record) = consumer.try_next().unwrap() else { break };
            if record.topic != b"in" {
                continue;
            }
            let value: u32 = str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
            let output = (value * 2).to_string();
            let mut batch = Batch::new();
            batch.push(&NewRecord::new("out", &output)).unwrap();
            producer.transaction(&mut batch).with_position(&mut consumer).commit().unwrap();
            assert_eq!(batch.len(), 1, "the batch is as it was");
        }
        // The last record read is not committed: the next run reads it again.
        let _ = consumer.try_next().unwrap();
    }
    assert_eq!(values(&scratch.stream, b"out"), (0..20).map(|value| value * 2).collect::<Vec<_>>());
}

/// C-4: a retry is answered as the first try was, across restarts and rollovers.
#[test]
fn a_batch_is_appended_once_however_often_it_is_tried() {
    let scratch = scratch();
    ProducerOptions::new().segment_bytes(4096).open(&scratch.stream).unwrap();
    let mut batch = Batch::new();
    for sequence in 1..=100u64 {
        let value = sequence.to_string();
        batch.clear();
        batch.push(&NewRecord::new("in", &value)).unwrap();
        let mut producer = ProducerOptions::new().durable(true).open(&scratch.stream).unwrap();
        assert_eq!(producer.last_sequence("meter-1").unwrap_or(0), sequence - 1);
        let first = producer.transaction(&mut batch).once("meter-1", sequence).commit().unwrap();
        assert!(!first.duplicate);
        let mut retry = Producer::open(&scratch.stream).unwrap();
        let again = retry.transaction(&mut batch).once("meter-1", sequence).commit().unwrap();
        assert!(again.duplicate);
        assert_eq!((again.first_offset, again.token), (first.first_offset, first.token));
    }
    assert_eq!(values(&scratch.stream, b"in"), (1..=100).collect::<Vec<_>>());
    let mut producer = Producer::open(&scratch.stream).unwrap();
    let error = producer.transaction(&mut batch).once("meter-1", 99).commit().unwrap_err();
    assert!(matches!(error, AppendError::OldSequence { newest: 100, .. }), "{error}");
    let error = producer.transaction(&mut batch).once("../meter", 1).commit().unwrap_err();
    assert!(matches!(error, AppendError::Record(RecordError::Name { .. })), "{error}");
}

/// C-6: a setting is obeyed by producers that were open before it was set.
#[test]
fn a_setting_is_obeyed_without_a_restart() {
    let scratch = scratch();
    let mut running = Producer::open(&scratch.stream).unwrap();
    running.append(&NewRecord::new("in", "0")).unwrap();
    Producer::open(&scratch.stream).unwrap().set(&"segment_bytes=4096".parse().unwrap()).unwrap();
    let value = vec![b'7'; 1000];
    for _ in 0..20 {
        running.append(&NewRecord::new("in", &value)).unwrap();
    }
    assert!(scratch.stream.join("0000000003.puro").exists());
    let error = running.set(&puro::Setting::SegmentBytes(12)).unwrap_err();
    assert!(matches!(error, AppendError::Setting(_)), "{error}");
    running.unset("segment_bytes").unwrap();
    assert_eq!(running.settings().segment_bytes, 64 * 1024 * 1024);
}
