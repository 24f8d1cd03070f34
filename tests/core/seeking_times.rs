//! Seeking by time where a writer's clock, or the reader's, is wrong (F-22, R-10, R-17).

#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::real::*;
use crate::steward::*;
use puro::{Producer, Start};

/// The values from a time on, as somebody reads them whose clock says `now_ms`.
fn from(dir: &Path, now_ms: u64, time_ms: u64) -> Vec<String> {
    let options = fast_consumer().start(Start::Time(time_ms));
    drain(&mut options.open_in(Clock::at(now_ms).vfs(), dir).unwrap())
}

/// A machine whose clock said 2099 for a moment wrote one record. From then on `--from 30m` printed
/// everything behind that record: hours, days, and in the end the whole stream.
#[test]
fn one_record_of_2099_does_not_make_all_that_follows_new() {
    for large in [false, true] {
        let (dir, clock) = (scratch(), Clock::at(NOON));
        let filler = if large { "x".repeat(3500) } else { String::new() };
        let mut producer = clock.producer(dir.path());
        let mut write = |time_ms, name: &str| {
            clock.set(time_ms);
            append(&mut producer, &format!("{name}{filler}"));
        };
        write(NOON, "a");
        write(FAR, "of 2099");
        for hour in 1..=5 {
            write(NOON + hour * HOUR, &hour.to_string());
        }
        let now = NOON + 5 * HOUR;
        let names = |time_ms| -> Vec<String> {
            let values = from(dir.path(), now, time_ms);
            values.into_iter().map(|value| value.replace(&filler, "")).collect()
        };
        assert_eq!(segments(dir.path()).len() > 1, large);
        assert_eq!(names(now - HOUR / 2), ["5"]);
        assert_eq!(names(NOON + 3 * HOUR), ["3", "4", "5"]);
        // It was written after `a` and before `1`, so it may be of this time.
        assert_eq!(names(NOON + HOUR / 2), ["of 2099", "1", "2", "3", "4", "5"]);
        assert_eq!(names(NOON).len(), 7);
        assert_eq!(names(0).len(), 7);
        // Whoever asks for a time that is to come believes what the writers said (F-22).
        assert_eq!(names(FAR).len(), 6);
        assert_eq!(names(FAR + 1), [""; 0]);
    }
}

/// A reader whose own clock is behind sees what was written since, not nothing.
#[test]
fn a_reader_whose_clock_is_behind_misses_nothing() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    append(&mut producer, "old");
    clock.set(NOON + 10 * HOUR);
    append(&mut producer, "new");
    append(&mut producer, "newer");
    drop(producer);
    assert_eq!(from(dir.path(), NOON + 9 * HOUR, NOON + 8 * HOUR), ["new", "newer"]);
    assert_eq!(from(dir.path(), NOON - 9000 * DAY, NOON + 8 * HOUR), ["new", "newer"]);
    assert_eq!(from(dir.path(), NOON - 9000 * DAY, 0), ["old", "new", "newer"]);
    // And one who goes on behind is where the stream goes on.
    let options = fast_consumer().start(Start::Time(NOON + 11 * HOUR));
    let mut waiting = options.open_in(Clock::at(NOON + 12 * HOUR).vfs(), dir.path()).unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "next");
    assert_eq!(drain(&mut waiting), ["next"]);
}
