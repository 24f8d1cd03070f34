//! A producer that dies at any call of a rollover, and of everything around it: whoever
//! comes next finishes it, and nothing is lost (protocol.md, chapter 7).

use std::path::Path;

use crate::real::*;
use puro::internals::interpose::Interpose;
use puro::internals::os::OsVfs;
use puro::{Producer, ProducerOptions};

const RECORDS: usize = 10;

/// About four of them fill a segment.
fn value(number: usize) -> String {
    format!("{number:0900}")
}

/// Appends until the world ends; tells how many appends were said to be done.
fn produce(world: Interpose<OsVfs>, dir: &Path, options: &ProducerOptions) -> usize {
    let Ok(mut producer) = options.open_in(world, dir) else { return 0 };
    (0..RECORDS).take_while(|number| producer.append(&record(&value(*number))).is_ok()).count()
}

/// What is there afterwards: all that was acknowledged, at most one more, nothing else, and
/// it goes on.
fn check(dir: &Path, acknowledged: usize, when: &str) {
    let before = if dir.join("0000000000.puro").exists() { values(dir) } else { Vec::new() };
    let expected: Vec<_> = (0..before.len()).map(value).collect();
    assert_eq!(before, expected, "{when}");
    assert!((acknowledged..=acknowledged + 1).contains(&before.len()), "{when}");

    let mut producer = small_segments().open(dir).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert!(producer.repairs().iter().all(|repair| repair.label != "lost"), "{when}");
    for number in before.len()..before.len() + 6 {
        assert_eq!(append(&mut producer, &value(number)), number as u64, "{when}");
    }
    let expected: Vec<_> = (0..before.len() + 6).map(value).collect();
    assert_eq!(values(dir), expected, "{when}");
    assert_eq!(epoch(dir), 1, "{when}: nothing was lost");
}

fn die_at_every_call(options: &ProducerOptions, part: usize) -> u64 {
    for n in 0.. {
        let dir = scratch();
        let stream = dir.path().join("stream");
        let (world, calls) = dead_from(n, part);
        let acknowledged = produce(world, &stream, options);
        let when = format!("dead from call {n}, of a write {part} bytes");
        check(&stream, acknowledged, &when);
        if calls.count() <= n {
            assert_eq!(acknowledged, RECORDS);
            assert!(segment(&stream, 2).exists(), "two rollovers");
            return n;
        }
    }
    unreachable!()
}

/// V-6, V-7: every step of it, with every write undone, torn in several ways, or whole.
#[test]
fn a_death_at_any_call_loses_nothing() {
    let mut deaths = 0;
    for part in [0, 1, 63, 500, usize::MAX] {
        deaths += die_at_every_call(&small_segments(), part);
        deaths += die_at_every_call(&small_segments().durable(true), part);
    }
    println!("{deaths} deaths");
    assert!(deaths > 1000, "{deaths}");
}

/// The same with another producer alive beside it, and a consumer that reads on.
#[test]
fn others_go_on_when_one_dies_in_a_rollover() {
    let mut n = 0;
    loop {
        let dir = scratch();
        let mut other = small_segments().open(dir.path()).unwrap();
        let mut reader = fast_consumer().open(dir.path()).unwrap();
        let mut seen = drain(&mut reader);
        let (world, calls) = dead_from(n, 200);
        let acknowledged = produce(world, dir.path(), &small_segments());
        seen.extend(drain(&mut reader));
        assert!((acknowledged..=acknowledged + 1).contains(&seen.len()), "call {n}");
        for number in seen.len()..seen.len() + 6 {
            append(&mut other, &value(number));
            seen.extend(drain(&mut reader));
        }
        let expected: Vec<_> = (0..seen.len()).map(value).collect();
        assert_eq!(seen, expected, "call {n}");
        assert_eq!(values(dir.path()), expected, "call {n}");
        if calls.count() <= n {
            break;
        }
        n += 1;
    }
    assert!(n > 50);
}

/// V-4: what a dead writer left under the temporary name of a segment is no obstacle.
#[test]
fn a_temporary_segment_left_behind_is_overwritten() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    std::fs::write(dir.path().join("0000000001.puro.new"), [0xEE; 9000]).unwrap();
    for number in 0..6 {
        append(&mut producer, &value(number));
    }
    assert!(segment(dir.path(), 1).exists());
    assert!(!dir.path().join("0000000001.puro.new").exists());
    assert_eq!(values(dir.path()), (0..6).map(value).collect::<Vec<_>>());
    drop(producer);
    append(&mut Producer::open(dir.path()).unwrap(), &value(6));
}

/// V-1: an exact fit stays, one unit more rolls; a block larger than a segment gets one of
/// its own.
#[test]
fn segments_are_filled_to_their_size_and_not_beyond() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    let opening = std::fs::metadata(segment(dir.path(), 0)).unwrap().len();
    let room = |bytes: usize| "x".repeat(bytes - 48 - 8 - record("").encoded_bytes() as usize - 1);
    append(&mut producer, &room(2048));
    append(&mut producer, &room(2048));
    assert_eq!(std::fs::metadata(segment(dir.path(), 0)).unwrap().len(), opening + 4096);
    assert!(!segment(dir.path(), 1).exists());
    append(&mut producer, "");
    assert!(segment(dir.path(), 1).exists());
    append(&mut producer, &room(4096));
    assert!(segment(dir.path(), 2).exists(), "one unit too many");
    append(&mut producer, &"y".repeat(100_000));
    append(&mut producer, "z");
    assert!(segment(dir.path(), 4).exists());
    assert_eq!(values(dir.path()).len(), 6);

    // Where no block follows the opening checkpoints, there is no reason to go on elsewhere.
    let fresh = scratch();
    append(&mut small_segments().open(fresh.path()).unwrap(), &"y".repeat(100_000));
    assert!(!segment(fresh.path(), 1).exists());
}
