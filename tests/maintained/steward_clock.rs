//! What a steward does where its clock is wrong, or a limit takes no segment (S-12, S-2).

use std::path::Path;

use crate::real::*;
use crate::steward::*;
use puro::internals::interpose::Interpose;
use puro::internals::os::OsVfs;
use puro::steward::{Kept, Report, Task, Why};
use puro::{NewRecord, Producer, StewardOptions};

const WEEK: u64 = 7 * DAY;

/// A stream of a day, some segments long, whose retention is a week.
fn of_a_day(dir: &Path, clock: &Clock) -> Producer<Interpose<OsVfs>> {
    let mut producer = clock.producer(dir);
    producer.set(&format!("retention_ms={WEEK}").parse().unwrap()).unwrap();
    for hour in 0..24 {
        clock.set(NOON + hour * HOUR);
        append(&mut producer, &"x".repeat(900));
    }
    assert!(segments(dir).len() > 4);
    producer
}

fn why(report: &Report) -> &Why {
    match report.kept.as_slice() {
        [Kept { task: Task::Delete, why, .. }] => why,
        other => panic!("{other:?}"),
    }
}

/// A machine's clock said 2099 when its steward ran. Every sealed segment, all of this day, was
/// deleted without a word.
#[test]
fn a_clock_that_is_decades_ahead_is_told_and_not_believed() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    drop(of_a_day(dir.path(), &clock));
    let newest_ms = clock.now();
    let before = segments(dir.path());
    clock.set(FAR);
    let expected = Why::ClockAhead { now_ms: FAR, newest_ms };
    let mut steward = clock.steward(dir.path());
    for _ in 0..3 {
        let report = steward.run_once().unwrap();
        assert_eq!(why(&report), &expected);
        assert_eq!(segments(dir.path()), before);
    }
    // A dry run says the same; who knows that the clock is right says so.
    let options = StewardOptions::new();
    let mut dry = options.clone().dry_run(true).open_in(clock.vfs(), dir.path()).unwrap();
    assert_eq!(why(&dry.run_once().unwrap()), &expected);
    let mut sure = options.clock_is_right(true).open_in(clock.vfs(), dir.path()).unwrap();
    let sealed: Vec<u32> = before[..before.len() - 1].to_vec();
    assert_eq!(deleted(&sure.run_once().unwrap()), sealed);
}

/// The clock is wrong for all programs of a machine: a writer's records of 2099, and a segment that
/// it began then, do not prove that 2099 has come.
#[test]
fn a_writer_by_the_same_wrong_clock_does_not_vouch_for_it() {
    for rolls in [0, 1] {
        let (dir, clock) = (scratch(), Clock::at(NOON));
        let mut producer = of_a_day(dir.path(), &clock);
        let newest_ms = clock.now();
        let before = segments(dir.path());
        clock.set(FAR);
        append(&mut producer, "of 2099");
        roll(&mut producer, dir.path(), rolls);
        append(&mut producer, "of 2099");
        let report = clock.pass(dir.path());
        assert!(
            matches!(why(&report), Why::ClockAhead { now_ms: FAR, newest_ms: found }
                if *found <= newest_ms && *found > newest_ms - DAY),
            "{report:?}"
        );
        assert_eq!(segments(dir.path())[..before.len()], before);
        // And one such record does not delay anything once the clock is right again.
        clock.set(NOON + 8 * DAY + HOUR);
        assert!(!clock.pass(dir.path()).deleted.is_empty());
    }
}

/// A stream that nobody appends to is tidied up all the same: whoever looks within a month after a
/// segment has become due is not asked.
#[test]
fn a_stream_at_rest_is_trimmed_without_a_question() {
    for days in [8, 20, 37] {
        let (dir, clock) = (scratch(), Clock::at(NOON));
        drop(of_a_day(dir.path(), &clock));
        let sealed = segments(dir.path()).len() - 1;
        clock.set(NOON + days * DAY + 23 * HOUR);
        let report = clock.pass(dir.path());
        assert_eq!((report.deleted.len(), why(&report)), (sealed, &Why::Active), "{days} days");
    }
}

/// Nor is one who comes to a stream that rested for months, and goes on now.
#[test]
fn a_stream_that_goes_on_after_a_rest_is_trimmed_without_a_question() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = of_a_day(dir.path(), &clock);
    let sealed = segments(dir.path()).len() - 1;
    clock.set(NOON + 200 * DAY);
    append(&mut producer, "goes on");
    let report = clock.pass(dir.path());
    assert_eq!((report.deleted.len(), report.kept.len()), (sealed, 0));
}

/// A clock jumped by ten days while the steward ran, and was set right a minute later. What was
/// not a week old was gone by then.
#[test]
fn a_jump_while_it_runs_is_slept_over() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    drop(of_a_day(dir.path(), &clock));
    let before = segments(dir.path());
    let mut steward = clock.steward(dir.path());
    assert_eq!(steward.run_once().unwrap().kept, []);
    clock.jump(10 * DAY);
    assert!(matches!(why(&steward.run_once().unwrap()), Why::ClockJumped { by_ms }
        if (9 * DAY..=10 * DAY).contains(by_ms)));
    clock.jump(0);
    assert_eq!(steward.run_once().unwrap().kept, []);
    assert_eq!(segments(dir.path()), before);
    // A machine that slept for ten days: its clock says the same a pass later, and is believed.
    clock.jump(10 * DAY);
    assert!(matches!(why(&steward.run_once().unwrap()), Why::ClockJumped { .. }));
    assert_eq!(steward.run_once().unwrap().deleted.len(), before.len() - 1);
}

/// The same clock took out delete markers that consumers had not seen yet (S-7).
#[test]
fn a_clock_that_is_ahead_takes_no_marker() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
    producer.append(&NewRecord::new("t", "v").key("k")).unwrap();
    producer.append(&NewRecord::delete_marker("t", "k")).unwrap();
    roll(&mut producer, dir.path(), 2);
    let markers = || {
        let mut consumer = fast_consumer().open(dir.path()).unwrap();
        let found = consumer.try_iter().filter(|record| record.as_ref().unwrap().value.is_none());
        found.count()
    };
    clock.set(FAR);
    clock.pass(dir.path());
    assert_eq!(markers(), 1);
    clock.set(NOON + 2 * DAY);
    clock.pass(dir.path());
    assert_eq!(markers(), 0, "by a clock that is right its grace is over");
}

/// A retention of a millisecond on a stream of one segment: "nothing to do", for ever.
#[test]
fn a_limit_that_spares_the_active_segment_says_so() {
    for (setting, value) in [("retention_ms", "1"), ("retention_bytes", "1000")] {
        let (dir, clock) = (scratch(), Clock::at(NOON));
        let mut producer = clock.producer(dir.path());
        append(&mut producer, &"x".repeat(900));
        assert_eq!(clock.pass(dir.path()).kept, [], "no limit, nothing to say");
        producer.set(&format!("{setting}={value}").parse().unwrap()).unwrap();
        clock.set(NOON + HOUR);
        let report = clock.pass(dir.path());
        assert_eq!((why(&report), report.kept[0].sequence), (&Why::Active, 0));
        // What helps is what it says.
        producer.set(&"roll_ms=1".parse().unwrap()).unwrap();
        clock.set(NOON + 2 * HOUR);
        let mut steward = clock.steward(dir.path());
        let passes = [steward.run_once().unwrap(), steward.run_once().unwrap()];
        let gone: usize = passes.iter().map(|report| report.deleted.len()).sum();
        assert_eq!((gone, passes[1].kept.len()), (1, 0), "{setting}: {passes:?}");
    }
}
