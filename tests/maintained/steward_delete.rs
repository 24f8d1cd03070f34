//! Deleting by bytes and by age, inline and by a steward (S-1 to S-4, S-8 to S-10).

use crate::real::*;
use crate::steward::*;
use puro::internals::interpose::{Answer, Operation};
use puro::steward::{Kept, Report, Task, Why};
use puro::{
    AutoCommit, ConsumerOptions, NamedOptions, ReadError, Start, Steward, StewardError,
    StewardOptions,
};

#[test]
fn producers_keep_a_stream_small_by_themselves() {
    // S-9, S-3: no steward process; a consumer that keeps up misses nothing.
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"retention_bytes=16384".parse().unwrap()).unwrap();
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    for number in 0..500 {
        append(&mut producer, &format!("{number:0>300}"));
        let record = consumer.try_next().unwrap().unwrap();
        assert_eq!(record.offset, number);
        let bytes = stream_bytes(dir.path());
        assert!(bytes <= 16384 + 4096 + 1024, "{bytes} bytes after {number}");
    }
    assert!(segments(dir.path())[0] > 30);
    let out = ConsumerOptions::new().start(Start::Offset(0)).open(dir.path()).unwrap_err();
    assert!(matches!(out, ReadError::OffsetOutOfRange { offset: 0, low, .. } if low > 0));
}

#[test]
fn a_failing_steward_does_not_fail_an_append() {
    // S-9: what goes wrong when tidying up does not concern the records.
    let dir = scratch();
    let vfs = interpose(|call| match call.operation {
        Operation::Remove => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    let mut producer = small_segments().open_in(vfs, dir.path()).unwrap();
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 3);
    assert_eq!(segments(dir.path()), [0, 1, 2, 3]);
    drop(producer);
    let report = Steward::open(dir.path()).unwrap().run_once().unwrap();
    assert_eq!(deleted(&report), [0, 1, 2]);
    assert_eq!(report.bytes, stream_bytes(dir.path()));
}

#[test]
fn age_counts_from_the_last_record() {
    // S-8
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&format!("retention_ms={DAY}").parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 2);
    clock.set(NOON + DAY);
    let mut steward = clock.steward(dir.path());
    assert_eq!(deleted(&steward.run_once().unwrap()), []);
    roll(&mut producer, dir.path(), 1); // The third is mixed: its end is a day younger.
    clock.set(NOON + DAY + 1);
    assert_eq!(deleted(&steward.run_once().unwrap()), [0, 1]);
    clock.set(NOON + 2 * DAY + 1);
    assert_eq!(deleted(&steward.run_once().unwrap()), [2]);
    assert_eq!(segments(dir.path()), [3], "the active segment stays (S-2)");
}

/// S-8: a writer whose clock was behind does not make its records old.
#[test]
fn a_clock_that_was_set_back_deletes_nothing_early() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&format!("retention_ms={DAY}").parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 1);
    clock.set(NOON - 9000 * DAY);
    roll(&mut producer, dir.path(), 2);
    clock.set(NOON + DAY);
    assert_eq!(deleted(&clock.pass(dir.path())), []);
    clock.set(NOON + DAY + 1);
    assert_eq!(deleted(&clock.pass(dir.path())), [0, 1, 2]);
}

/// S-8: a writer whose clock was ahead does not make its records, and all after them, stay.
#[test]
fn a_clock_that_was_ahead_delays_nothing_for_good() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    roll(&mut producer, dir.path(), 1);
    clock.set(FAR);
    roll(&mut producer, dir.path(), 1); // Sealed by a record of 2099.
    clock.set(NOON + HOUR);
    roll(&mut producer, dir.path(), 2);
    // Not before: one who tidies up believes its own clock.
    producer.set(&format!("retention_ms={DAY}").parse().unwrap()).unwrap();
    clock.set(NOON + DAY + HOUR);
    assert_eq!(
        deleted(&clock.pass(dir.path())),
        [0],
        "of the second nobody knows more than the third says"
    );
    clock.set(NOON + DAY + HOUR + 1);
    assert_eq!(deleted(&clock.pass(dir.path())), [1, 2, 3]);
}

/// S-9: a producer that rolled while its clock said 2099 deleted all that was sealed: to it,
/// everything was old. Found by `a_year_goes_by`, in one run of twenty.
#[test]
fn a_producer_whose_clock_is_ahead_deletes_nothing() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&format!("retention_ms={}", (30 * DAY)).parse().unwrap()).unwrap();
    for jump in 0..2 {
        clock.set(NOON + jump * HOUR);
        roll(&mut producer, dir.path(), 3);
        clock.set(FAR);
        roll(&mut producer, dir.path(), 1);
        assert_eq!(segments(dir.path())[0], 0, "after jump {jump}");
    }
    // By a clock that is right, producers do delete what is old.
    clock.set(NOON + 32 * DAY);
    roll(&mut producer, dir.path(), 1);
    assert!(segments(dir.path())[0] > 0);
}

fn held(report: &Report) -> (u32, Option<u64>, Option<u64>) {
    match report.kept.as_slice() {
        [Kept { sequence, task: Task::Delete, why: Why::Held { since_ms, until_ms, .. } }] => {
            (*sequence, *since_ms, *until_ms)
        }
        other => panic!("{other:?}"),
    }
}

/// S-4: whoever asks, and whenever: the grace counts from when the segment could go.
#[test]
fn a_held_segment_goes_when_its_grace_is_over_whoever_looks() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&format!("retention_ms={DAY}").parse().unwrap()).unwrap();
    producer.set(&format!("pin_grace_ms={HOUR}").parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 2);
    let mut stuck = fast_consumer().open(dir.path()).unwrap();
    stuck.try_next().unwrap().unwrap();
    let could_go = NOON + DAY;
    for later in [1, 10, HOUR - 1] {
        clock.set(could_go + later);
        let report = clock.pass(dir.path()); // A steward of its own each time.
        assert_eq!(held(&report), (0, Some(could_go), Some(could_go + HOUR)));
        assert_eq!(segments(dir.path()), [0, 1, 2], "those above it stay, too (S-3)");
    }
    clock.set(could_go + HOUR);
    let report = clock.pass(dir.path());
    assert_eq!(deleted(&report), [0, 1]);
    assert_eq!((report.deleted[0].forced, report.deleted[1].forced), (true, false));
    // V-8: it reads what it holds to the end, and is told then.
    let told = loop {
        match stuck.try_next() {
            Ok(record) => assert!(record.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, ReadError::OffsetOutOfRange { low, .. } if low > 4), "{told}");
}

/// S-4: a retention that is set anew takes nothing from under anybody at once.
#[test]
fn a_change_of_settings_begins_the_grace() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    roll(&mut producer, dir.path(), 3);
    let _stuck = fast_consumer().open(dir.path()).unwrap();
    clock.set(NOON + 90 * DAY);
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    let changed = clock.now();
    clock.set(changed + 300_000 - 1);
    assert_eq!(held(&clock.pass(dir.path())), (0, Some(changed), Some(changed + 300_000)));
    clock.set(changed + 300_000);
    assert_eq!(deleted(&clock.pass(dir.path())), [0, 1, 2]);
}

/// S-4: producers come to the same answer, so a stopped consumer does not fill the disk.
#[test]
fn producers_wait_for_the_grace_and_no_longer() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&"retention_bytes=9000".parse().unwrap()).unwrap();
    producer.set(&"pin_grace_ms=1000".parse().unwrap()).unwrap();
    let _stuck = fast_consumer().open(dir.path()).unwrap();
    roll(&mut producer, dir.path(), 6);
    assert_eq!(segments(dir.path())[0], 0, "the grace is not over");
    clock.set(NOON + 1000);
    roll(&mut producer, dir.path(), 1);
    assert!(segments(dir.path())[0] >= 4);
}

/// S-10
#[test]
fn what_a_named_consumer_has_not_read_is_kept_up_to_a_limit() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    for (name, value) in [
        ("retention_bytes", "5000"),
        ("keep_unconsumed", "true"),
        ("keep_unconsumed_limit_bytes", "20000"),
        ("expiry_ms", "1000"),
    ] {
        producer.set(&format!("{name}={value}").parse().unwrap()).unwrap();
    }
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let mut consumer = options.open_in(clock.vfs(), dir.path(), "slow").unwrap();
    consumer.commit().unwrap();
    roll(&mut producer, dir.path(), 1);
    while consumer.try_next().unwrap().is_some() {}
    assert!(consumer.commit().unwrap());
    roll(&mut producer, dir.path(), 2);
    drop(consumer);
    let report = clock.pass(dir.path());
    let why = Why::Unconsumed { consumer: "slow".to_owned() };
    assert_eq!(report.kept, [Kept { sequence: 1, task: Task::Delete, why }]);
    assert_eq!(segments(dir.path()), [1, 2, 3], "it has read the first");
    // Beyond the limit it is not waited for.
    roll(&mut producer, dir.path(), 3);
    assert!(stream_bytes(dir.path()) < 20_000 && segments(dir.path())[0] > 1);
    // Nor is one that has not been seen for longer than expiry_ms.
    clock.set(NOON + 1001);
    assert_eq!(clock.pass(dir.path()).kept, []);
    assert_eq!(segments(dir.path()).len(), 1);
}

/// S-3: the latest values of a compacted topic are not deleted; the report says so.
#[test]
fn segments_with_compacted_topics_stay() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    producer.set(&"cleanup:users=compact".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 2);
    let user = puro::NewRecord::new("users", "anna").key("1");
    producer.append(&user).unwrap();
    roll(&mut producer, dir.path(), 4);
    let report = Steward::open(dir.path()).unwrap().run_once().unwrap();
    let why = Why::CompactedTopic { topic: b"users".to_vec() };
    assert_eq!(report.kept, [Kept { sequence: 2, task: Task::Delete, why }]);
    assert_eq!(segments(dir.path())[0], 2);
    // Once there is a later value, the old one is compacted away, and the segment may go.
    producer.append(&user).unwrap();
    let mut steward = StewardOptions::new().roll(true).open(dir.path()).unwrap();
    steward.run_once().unwrap();
    steward.run_once().unwrap();
    assert_eq!(segments(dir.path())[0], 6);
}

/// S-1: the second is told who is at work.
#[test]
fn of_two_stewards_one_works() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 1);
    // The first one is in the middle of its pass when the second comes.
    let stream = dir.path().to_owned();
    let met = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&met);
    let world = interpose(move |call| {
        if call.operation == Operation::SyncDir
            && !seen.swap(true, std::sync::atomic::Ordering::SeqCst)
        {
            let second = Steward::open(&stream).unwrap().run_once();
            match second {
                Err(StewardError::Busy { process, .. }) => {
                    assert_eq!(process, Some(std::process::id()));
                }
                other => panic!("{other:?}"),
            }
        }
        Answer::Proceed
    });
    StewardOptions::new().open_in(world, dir.path()).unwrap().run_once().unwrap();
    assert!(met.load(std::sync::atomic::Ordering::SeqCst));
}

/// S-8: sealed when its first record is old enough, or when asked to, but never empty.
#[test]
fn the_active_segment_is_sealed_by_age() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&format!("roll_ms={DAY}").parse().unwrap()).unwrap();
    clock.set(NOON + 10 * DAY);
    assert_eq!(clock.pass(dir.path()).sealed, None, "it holds no record");
    append(&mut producer, "a");
    clock.set(NOON + 11 * DAY);
    append(&mut producer, "b");
    assert_eq!(clock.pass(dir.path()).sealed, None);
    clock.set(NOON + 11 * DAY + 1);
    assert_eq!(clock.pass(dir.path()).sealed, Some(0));
    assert_eq!(append(&mut producer, "c"), 2);
    assert_eq!(values(dir.path()), ["a", "b", "c"]);
    let asked = StewardOptions::new().roll(true);
    let mut steward = asked.open_in(clock.vfs(), dir.path()).unwrap();
    assert_eq!(steward.run_once().unwrap().sealed, Some(1));
    assert_eq!(steward.run_once().unwrap().sealed, None);
}

/// A writer that slept while others rolled, and its segment was deleted, goes on.
#[test]
fn a_writer_whose_segment_was_deleted_goes_on() {
    let dir = scratch();
    let mut sleeper = small_segments().open(dir.path()).unwrap();
    append(&mut sleeper, "first");
    let mut other = small_segments().open(dir.path()).unwrap();
    other.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    roll(&mut other, dir.path(), 5);
    assert!(segments(dir.path())[0] > 0);
    let offset = append(&mut sleeper, "second");
    assert_eq!(values(dir.path()).last().unwrap(), "second");
    assert_eq!(offset, other.token().offset);
}

/// A year of records every hour and a pass every day, under clocks that jump.
#[test]
fn a_year_goes_by() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut random = Random::seeded("a_year_goes_by");
    let mut producer = clock.producer(dir.path());
    for (name, days) in [("retention_ms", 30), ("roll_ms", 7), ("expiry_ms", 60)] {
        producer.set(&format!("{name}={}", (days * DAY)).parse().unwrap()).unwrap();
    }
    let options = NamedOptions::new().auto_commit(AutoCommit::Never);
    let mut named = options.open_in(clock.vfs(), dir.path(), "once").unwrap();
    append(&mut producer, "0");
    while named.try_next().unwrap().is_some() {}
    named.commit().unwrap();
    drop(named);
    let mut steward = clock.steward(dir.path());
    let (mut written, mut sealed, mut gone) = (Vec::new(), 0, 0);
    for day in 1..=365u64 {
        let morning = NOON + day * DAY;
        for hour in 0..24 {
            // Now and then a writer's clock is years off.
            clock.set(match random.below(500) {
                0 => FAR,
                1 => NOON - 9000 * DAY,
                _ => morning + hour * HOUR,
            });
            let offset = append(&mut producer, "x");
            written.push((offset, morning + hour * HOUR));
        }
        clock.set(morning + 24 * HOUR);
        let report = steward.run_once().unwrap();
        assert_eq!(report.kept, []);
        sealed += u64::from(report.sealed.is_some());
        gone += report.deleted.len();
        let low = fast_consumer().open(dir.path()).unwrap().try_next().unwrap().unwrap().offset;
        let oldest = written.iter().find(|(offset, _)| *offset >= low).unwrap().1;
        let youngest_gone = written.iter().rev().find(|(offset, _)| *offset < low);
        if let Some((_, time_ms)) = youngest_gone {
            assert!(clock.now() - time_ms > 30 * DAY, "day {day}: deleted too early");
        }
        // A month, and the week that its segment may span; once more where clocks jumped.
        assert!(clock.now() - oldest < 50 * DAY, "day {day}: deleted too late");
    }
    println!("{sealed} sealed, {gone} deleted");
    assert!(gone > 40, "{gone}");
    assert!(producer.position("once").is_none(), "forgotten after 60 days (C-5)");
}
