//! Segments that are moved away, or missing in the middle, and what comes after them: neither writers
//! nor readers take what is left for the whole.

use std::os::unix::fs::FileExt;

use crate::real::*;
use puro::check::{Problem, Verdict};
use puro::error::Failure;
use puro::{AppendError, CheckOptions, Producer, ReadError, Start};

/// Somebody moved the active segment away, beside a producer that was open. Its link count was as
/// before, and so four appends were acknowledged that went into the file elsewhere.
#[test]
fn a_segment_that_was_moved_away_is_not_written_to() {
    let (dir, aside) = (scratch(), scratch());
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let elsewhere = segment(aside.path(), 0);
    std::fs::rename(segment(dir.path(), 0), &elsewhere).unwrap();
    let before = std::fs::read(&elsewhere).unwrap();
    let error = producer.append(&record("lost")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(Failure::Removed { .. })), "{error}");
    assert_eq!(std::fs::read(&elsewhere).unwrap(), before);
    // It comes back, and nothing was lost.
    std::fs::rename(&elsewhere, segment(dir.path(), 0)).unwrap();
    assert_eq!(append(&mut producer, "b"), 1);
}

/// The same under a lock that is kept.
#[test]
fn a_held_producer_looks_at_the_name_too() {
    let (dir, aside) = (scratch(), scratch());
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut held = producer.hold().unwrap();
    held.append(&record("a")).unwrap();
    std::fs::rename(segment(dir.path(), 0), segment(aside.path(), 0)).unwrap();
    let error = held.append(&record("lost")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(Failure::Removed { .. })), "{error}");
}

/// Another file under its name is not the segment either.
#[test]
fn a_copy_under_the_name_is_another_segment() {
    let (dir, aside) = (scratch(), scratch());
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let elsewhere = segment(aside.path(), 0);
    std::fs::rename(segment(dir.path(), 0), &elsewhere).unwrap();
    std::fs::copy(&elsewhere, segment(dir.path(), 0)).unwrap();
    assert!(producer.append(&record("lost")).is_err());
    let mut anew = Producer::open(dir.path()).unwrap();
    assert_eq!(append(&mut anew, "b"), 1);
    assert_eq!(values(dir.path()), ["a", "b"]);
}

/// Segment 2 of a stream was removed, and segment 1 cut at the end of a block: `consume -e` printed
/// the first 230 of 3,000 records, and said that this was all.
#[test]
fn an_end_before_a_hole_is_no_end() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for number in 0..40 {
        append(&mut producer, &format!("{number:01000}"));
    }
    drop(producer);
    let cut = *blocks(&segment(dir.path(), 1)).last().unwrap();
    set_len(&segment(dir.path(), 1), cut.0); // without its segment end
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    let mut last = 0;
    let error = loop {
        match consumer.try_next() {
            Ok(record) => last = record.expect("a hole is no end").offset,
            Err(error) => break error,
        }
    };
    let ReadError::Failure(Failure::Damage(damage)) = error else { panic!("{error}") };
    assert_eq!((damage.offset, damage.path), (last + 1, segment(dir.path(), 1)));
    // Nor does a place in the hole lie beyond the end of the stream.
    let sought = fast_consumer().start(Start::Offset(last + 2)).open(dir.path());
    let Err(ReadError::Failure(Failure::Damage(_))) = sought.and_then(|mut it| {
        it.try_next()?;
        Ok(())
    }) else {
        panic!("an offset in a hole is not out of range")
    };
}

/// A stray has the name of the segment to come, and bytes stand behind the segment end. `verify` said
/// that a repair helps; the repair cut the bytes, and failed (K-13).
#[test]
fn a_stray_under_the_next_name_is_damage_whatever_stands_behind_the_end() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    while !segment(dir.path(), 1).exists() {
        append(&mut producer, &"x".repeat(1000));
    }
    drop(producer);
    let foreign = scratch();
    Producer::open(foreign.path()).unwrap();
    std::fs::copy(segment(foreign.path(), 0), segment(dir.path(), 1)).unwrap();
    let sealed = std::fs::File::options().write(true).open(segment(dir.path(), 0)).unwrap();
    sealed.write_all_at(b"behind", sealed.metadata().unwrap().len()).unwrap();
    let report = CheckOptions::new().check(dir.path(), &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert!(report.findings.iter().any(|finding| finding.problem == Problem::NextNameTaken));
}

/// The only segment was given another number. `verify` found no segment, and called that sound (K-6).
#[test]
fn a_stream_of_which_nothing_is_left_under_its_number_is_damaged() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    std::fs::rename(segment(dir.path(), 0), segment(dir.path(), 7)).unwrap();
    let report = CheckOptions::new().check(dir.path(), &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert!(report.findings.iter().any(|finding| finding.problem == Problem::OnlyStrays));
    std::fs::rename(segment(dir.path(), 7), segment(dir.path(), 0)).unwrap();
    assert_eq!(values(dir.path()), ["a"]);
}
