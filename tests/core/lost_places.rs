//! Named consumers whose position the stream does not hold any more, or never did (C-9).

#![allow(clippy::unwrap_used)]

use crate::real::*;
use crate::steward::*;
use puro::{AutoCommit, Blame, IfLost, NamedConsumer, NamedError, NamedOptions, Started};
use tempfile::TempDir;

/// A stream of which retention had taken the most part told a lag of 7000, where 700 were left.
#[test]
fn lag_counts_from_the_lowest_offset_there_is() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "a");
    let mut named = NamedOptions::new().open(dir.path(), "n").unwrap();
    assert!(named.try_next().unwrap().is_some() && named.commit().unwrap());
    drop(named);
    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 6);
    let low = fast_consumer().open(dir.path()).unwrap().token().unwrap().offset;
    let high = producer.token().offset;
    assert!(low > 1);
    let reports = puro::Stream::open(dir.path()).unwrap().positions().unwrap();
    assert_eq!(reports[0].lag_offsets, high - low);
    assert_eq!((reports[0].missed_offsets, reports[0].lag_bytes), (low - 1, None));
}

/// A stream that went on without its consumer `n`, which is at offset 1: the lowest offset that is
/// left, and the next to be given.
fn overtaken() -> (TempDir, u64, u64) {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    roll(&mut producer, dir.path(), 1);
    let mut named = manual(IfLost::Fail).open(dir.path(), "n").unwrap();
    assert!(named.try_next().unwrap().is_some() && named.commit().unwrap());
    drop(named);
    producer.set(&"retention_bytes=9000".parse().unwrap()).unwrap();
    roll(&mut producer, dir.path(), 6);
    let low = fast_consumer().open(dir.path()).unwrap().token().unwrap().offset;
    let high = producer.token().offset;
    assert!(1 < low && low < high);
    (dir, low, high)
}

fn manual(if_lost: IfLost) -> NamedOptions {
    NamedOptions::new().auto_commit(AutoCommit::Never).if_lost(if_lost)
}

fn next(named: &mut NamedConsumer) -> Option<u64> {
    Some(named.try_next().unwrap()?.offset)
}

/// A consumer was away for longer than retention. Each restart ended with "wrong usage", exit code
/// 64, and nothing told how much it had missed, nor could it be told to go on.
#[test]
fn who_was_overtaken_by_retention_is_told_or_goes_on() {
    let (dir, low, high) = overtaken();
    for _ in 0..2 {
        let error = manual(IfLost::Fail).open(dir.path(), "n").unwrap_err();
        assert_eq!(error.blame(), Blame::Data);
        let missed = format!("{} offsets", low - 1);
        assert!(error.to_string().contains(&missed), "{error}");
        assert!(
            matches!(&error, NamedError::Lost { name, offset: 1, low: l, high: h }
                if name == "n" && (*l, *h) == (low, high)),
            "{error}"
        );
    }
    for (if_lost, at) in [(IfLost::Beginning, low), (IfLost::End, high)] {
        let dir = copy(dir.path());
        let named = manual(if_lost).open(dir.path(), "n").unwrap();
        let missed = at - 1;
        assert_eq!(named.started(), Started::Lost { offset: 1, missed });
        assert_eq!(named.missed_offsets(), missed);
        // It stays there: the next run is told nothing.
        drop(named);
        let mut again = manual(IfLost::Fail).open(dir.path(), "n").unwrap();
        assert_eq!((again.started(), again.missed_offsets()), (Started::Stored, 0));
        assert_eq!(again.stored().map(|position| position.offset), Some(at));
        assert_eq!(next(&mut again), (at < high).then_some(at));
    }
}

/// The same happens to one that runs: its segment is taken from it when the grace is over (S-4).
#[test]
fn who_loses_its_segment_while_it_runs_goes_on() {
    for if_lost in [IfLost::Fail, IfLost::Beginning, IfLost::End] {
        let (dir, clock) = (scratch(), Clock::at(NOON));
        let mut producer = clock.producer(dir.path());
        roll(&mut producer, dir.path(), 1);
        let held = producer.token().offset - 1; // Segment 0 holds 0 to this, which is not in it.
        let mut named = manual(if_lost).open(dir.path(), "n").unwrap();
        assert_eq!(next(&mut named), Some(0));
        roll(&mut producer, dir.path(), 3);
        producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
        clock.set(NOON + HOUR);
        assert!(clock.pass(dir.path()).deleted[0].forced);
        let (low, high) = (
            fast_consumer().open(dir.path()).unwrap().token().unwrap().offset,
            producer.token().offset,
        );
        // It reads what it holds to the end.
        for offset in 1..held {
            assert_eq!(next(&mut named), Some(offset));
        }
        let at = match if_lost {
            IfLost::Beginning => low,
            IfLost::End => high,
            IfLost::Fail => {
                for _ in 0..2 {
                    let error = named.try_next().unwrap_err();
                    assert!(matches!(error, NamedError::Lost { offset, .. } if offset == held));
                }
                continue;
            }
        };
        assert_eq!(next(&mut named), (at < high).then_some(at));
        assert_eq!(named.missed_offsets(), at - held);
        assert_eq!(named.stored().map(|position| position.offset), Some(at));
        assert_eq!(named.started(), Started::WithoutPosition { ran_before: false });
    }
}

/// A position was forgotten after expiry_ms, or its name was mistyped: the consumer began at the
/// beginning without a word, and its program had no way to ask.
#[test]
fn a_consumer_says_where_it_started_and_why() {
    let dir = scratch();
    append(&mut small_segments().open(dir.path()).unwrap(), "a");
    let started = |options: NamedOptions| {
        let mut named = options.open(dir.path(), "n").unwrap();
        let _ = named.try_next().unwrap();
        (named.started(), named)
    };
    let options = || manual(IfLost::Fail);
    assert_eq!(started(options()).0, Started::WithoutPosition { ran_before: false });
    let (again, mut named) = started(options());
    assert_eq!(again, Started::WithoutPosition { ran_before: true });
    named.commit().unwrap();
    drop(named);
    assert_eq!(started(options()).0, Started::Stored);
    assert_eq!(started(options().ignore_stored(true)).0, Started::Asked);
    puro::Stream::open(dir.path()).unwrap().remove_position("n").unwrap();
    assert_eq!(started(options()).0, Started::WithoutPosition { ran_before: true });
}
