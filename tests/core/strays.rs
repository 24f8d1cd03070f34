//! Files in a stream's directory that are no part of it (F-7, F-9, F-10), wherever they stand
//! among those that are.

use std::path::Path;

use crate::real::*;
use puro::check::{Problem, Verdict as Found};
use puro::error::Failure;
use puro::internals::dir::parse_segment_name;
use puro::internals::interpose::{Answer, Operation};
use puro::{CheckOptions, Producer, ReadError, Start};
use tempfile::TempDir;

/// F-7: ten digits, and nothing else.
#[test]
fn a_segments_name_is_ten_digits() {
    assert_eq!(parse_segment_name("0000000000.puro"), Some(0));
    assert_eq!(parse_segment_name("4294967295.puro"), Some(u32::MAX));
    for name in [
        "4294967296.puro", // More than a sequence number can be.
        "000000001.puro",
        "00000000001.puro",
        "1.puro",
        "+000000001.puro",
        "-000000001.puro",
        " 000000001.puro",
        "000000000a.puro",
        "0000000001.puro.new",
        "0000000001.puro.compact",
        "0000000001",
        ".puro",
        "",
    ] {
        assert_eq!(parse_segment_name(name), None, "{name}");
    }
}

/// A directory that cannot be read is not one without a stream in it.
#[test]
fn a_directory_that_cannot_be_listed_is_an_error() {
    let dir = scratch();
    append(&mut Producer::open(dir.path()).unwrap(), "a");
    let world = interpose(|call| match call.operation {
        Operation::List => Answer::Fail(errno(EIO)),
        _ => Answer::Proceed,
    });
    let error = fast_consumer().open_in(world, dir.path()).unwrap_err();
    assert!(matches!(error, ReadError::Failure(Failure::Io(_))), "{error}");
}

/// Records of 1000 bytes each over some segments, the lowest of which were deleted; and the
/// lowest offset left.
fn stream() -> (TempDir, u64) {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for number in 0..30 {
        append(&mut producer, &format!("{number:01000}"));
    }
    for sequence in 0..3 {
        std::fs::remove_file(segment(dir.path(), sequence)).unwrap();
    }
    let low = fast_consumer().open(dir.path()).unwrap().try_next().unwrap().unwrap().offset;
    (dir, low)
}

/// A segment of another stream, whose number is neither.
fn foreign() -> TempDir {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for _ in 0..20 {
        append(&mut producer, &"z".repeat(1000));
    }
    dir
}

fn count_from(dir: &Path, start: Start) -> usize {
    drain(&mut fast_consumer().start(start).open(dir).unwrap()).len()
}

/// F-9: whoever seeks passes over strays. One below all others was taken for the lowest
/// segment by who sought a time from before it, and so was no segment at all: "its segments
/// change faster than they can be opened".
#[test]
fn every_start_is_found_beside_strays() {
    let (dir, low) = stream();
    let other = foreign();
    let whole = (30 - low) as usize;
    for stray in [0, 1, 2, 40] {
        let path = segment(dir.path(), stray);
        std::fs::copy(segment(other.path(), 3), &path).unwrap();
        for offset in low..=30 {
            assert_eq!(count_from(dir.path(), Start::Offset(offset)), (30 - offset) as usize);
        }
        assert_eq!(count_from(dir.path(), Start::Beginning), whole);
        assert_eq!(count_from(dir.path(), Start::Last(5)), 5);
        assert_eq!(count_from(dir.path(), Start::Last(100)), whole);
        assert_eq!(count_from(dir.path(), Start::End), 0);
        assert_eq!(count_from(dir.path(), Start::Time(0)), whole, "stray {stray}");
        assert_eq!(count_from(dir.path(), Start::Time(u64::MAX)), 0, "stray {stray}");
        std::fs::remove_file(path).unwrap();
    }
}

/// Field report D7. A file of another stream was put under a lower number than the stream's own
/// had. The lowest number said which stream it is: the directory was that other stream from then on,
/// appends went into the file that was put there, and `verify` called it sound.
#[test]
fn a_stray_under_a_lower_number_does_not_take_the_stream_over() {
    let (dir, low) = stream();
    let other = foreign();
    for stray in [0, 1, 2] {
        let path = segment(dir.path(), stray);
        std::fs::copy(segment(other.path(), stray), &path).unwrap();
        let before = std::fs::read(&path).unwrap();
        let mut producer = Producer::open(dir.path()).unwrap();
        let offset = append(&mut producer, "after");
        assert_eq!(offset, 30 + u64::from(stray));
        assert_eq!(count_from(dir.path(), Start::Beginning), (offset + 1 - low) as usize);
        let strays: Vec<_> = verify(dir.path()).findings.into_iter().map(|f| f.path).collect();
        assert_eq!(strays, std::slice::from_ref(&path), "told as what it is");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(path).unwrap();
    }
}

fn verify(dir: &Path) -> puro::CheckReport {
    let options = puro::CheckOptions::new().deep(true);
    puro::internals::check(puro::internals::os::OsVfs::new(), dir, &options, &mut |_, _| {})
        .unwrap()
}

/// F-9: where as many segments are of one stream as of another, nobody guesses.
#[test]
fn of_two_streams_in_equal_parts_none_is_taken() {
    let (dir, other) = (scratch(), foreign());
    append(&mut Producer::open(dir.path()).unwrap(), "own");
    for stray in [1, 3] {
        let path = segment(dir.path(), stray);
        std::fs::copy(segment(other.path(), stray), &path).unwrap();
        let before = files(dir.path());
        let error = Producer::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("segments of two streams"), "{error}");
        fast_consumer().open(dir.path()).unwrap_err();
        assert_eq!(files(dir.path()), before);
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(values(dir.path()), ["own"]);
}

/// F-9, A-3: a producer that lags behind finds a stray where the next segment was, which was
/// deleted, and goes on in the one that is active.
#[test]
fn a_producer_that_lags_behind_passes_over_a_stray() {
    let dir = scratch();
    let other = foreign();
    let mut lagging = small_segments().open(dir.path()).unwrap();
    append(&mut lagging, &"a".repeat(3000));
    let mut busy = Producer::open(dir.path()).unwrap();
    for _ in 0..3 {
        append(&mut busy, &"b".repeat(3000));
    }
    for sequence in [0, 1] {
        std::fs::remove_file(segment(dir.path(), sequence)).unwrap();
    }
    std::fs::copy(segment(other.path(), 3), segment(dir.path(), 1)).unwrap();
    assert_eq!(append(&mut lagging, "c"), 4);
    assert_eq!(append(&mut busy, "d"), 5);
}

/// a time beyond all there is, where whoever rolled died behind the seal.
#[test]
fn a_time_to_come_is_found_behind_a_seal() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for _ in 0..3 {
        append(&mut producer, &"a".repeat(3000));
    }
    drop(producer);
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    std::fs::copy(segment(foreign().path(), 3), segment(dir.path(), 2)).unwrap();
    // A stray is not what follows: it is found where to begin, though there is no going on (V-8).
    let mut reader = fast_consumer().start(Start::Time(u64::MAX)).open(dir.path()).unwrap();
    reader.try_next().unwrap_err();
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    let mut reader = fast_consumer().start(Start::Time(u64::MAX)).open(dir.path()).unwrap();
    assert_eq!(drain(&mut reader), [""; 0]);
    append(&mut Producer::open(dir.path()).unwrap(), "b");
    assert_eq!(drain(&mut reader), ["b"]);
}

/// V-8: a segment of another stream under the number of the next one, and even at its offset, is
/// not what a consumer goes on in.
#[test]
fn nobody_hops_into_another_stream() {
    let (dir, other) = (scratch(), scratch());
    for stream in [&dir, &other] {
        let mut producer = small_segments().open(stream.path()).unwrap();
        append(&mut producer, &"a".repeat(3000));
        append(&mut producer, &"b".repeat(3000));
        append(&mut producer, &"c".repeat(3000));
    }
    std::fs::copy(segment(other.path(), 1), segment(dir.path(), 1)).unwrap();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(reader.try_next().unwrap().unwrap().offset, 0);
    let error = reader.try_next().unwrap_err();
    assert!(matches!(error, ReadError::Failure(Failure::Damage(_))), "{error}");
}

/// Somebody copied a segment of another stream under the next segment's name. It was noticed only
/// when the segment before was sealed, and from then on every append failed, small ones too.
#[test]
fn a_stray_under_the_next_name_is_noticed_before_the_seal() {
    let other = foreign();
    let strays: [&dyn Fn(&Path); 2] =
        [&|path| _ = std::fs::copy(segment(other.path(), 3), path).unwrap(), &|path| {
            std::fs::create_dir(path).unwrap()
        }];
    for place in strays {
        let dir = scratch();
        let mut producer = small_segments().open(dir.path()).unwrap();
        append(&mut producer, &"a".repeat(3000));
        let next = segment(dir.path(), 1);
        place(&next);
        let refused = producer.append(&record(&"b".repeat(3000))).unwrap_err();
        assert!(refused.to_string().contains("0000000001.puro"), "{refused}");
        assert_eq!(refused.blame(), puro::Blame::Environment);
        // What fits goes on, for this producer and for the next.
        append(&mut producer, "c");
        if next.is_file() {
            let told = matches!(refused, puro::AppendError::NotAppended(Failure::NameTaken { .. }));
            assert!(told, "{refused}");
            append(&mut Producer::open(dir.path()).unwrap(), "d");
            std::fs::remove_file(&next).unwrap();
        } else {
            std::fs::remove_dir(&next).unwrap();
        }
        append(&mut producer, &"e".repeat(3000));
        assert_eq!(crate::steward::segments(dir.path()), [0, 1]);
    }
}

/// A writer died between sealing a segment and naming the next one, and a segment of another stream was
/// copied under that name. Readers and writers said *damaged*, and `verify` said *repairable*: but no
/// writer could ever repair it (question 3 of the port in Python).
#[test]
fn a_stray_in_the_way_of_the_next_segment_is_damage() {
    let other = foreign();
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, &"a".repeat(3000));
    append(&mut producer, &"b".repeat(3000));
    drop(producer);
    let next = segment(dir.path(), 1);
    std::fs::remove_file(&next).unwrap();
    let verdict = || CheckOptions::new().check(dir.path(), &mut |_, _| {}).unwrap();
    assert_eq!(verdict().verdict(), Found::Repairable);

    std::fs::copy(segment(other.path(), 3), &next).unwrap();
    let report = verdict();
    assert_eq!(report.verdict(), Found::Damaged, "{:?}", report.findings);
    assert!(report.findings.iter().any(|finding| finding.problem == Problem::NextNameTaken));
    let appended = Producer::open(dir.path()).map(|mut producer| producer.append(&record("c")));
    assert!(!matches!(appended, Ok(Ok(_))), "{appended:?}");

    std::fs::remove_file(&next).unwrap();
    append(&mut Producer::open(dir.path()).unwrap(), "d");
    assert_eq!(verdict().verdict(), Found::Sound);
}

/// Somebody put a directory in place of the lowest segment, and a bit of the next one was turned. The
/// others say all the same which stream they are of (F-9): they are looked at, and the damage is told.
#[test]
fn beside_a_directory_with_the_lowest_name_the_others_are_verified() {
    let (dir, _) = stream();
    let lowest = segment(dir.path(), 3);
    std::fs::remove_file(&lowest).unwrap();
    std::fs::create_dir(&lowest).unwrap();
    let verify = || CheckOptions::new().check(dir.path(), &mut |_, _| {}).unwrap();
    let report = verify();
    assert_eq!(report.verdict(), Found::Unreadable, "{:?}", report.findings);
    let strays = report.findings.iter().filter(|found| found.problem == Problem::StraySegment);
    assert_eq!(strays.count(), 0, "{:?}", report.findings);
    let next = segment(dir.path(), 4);
    let mut bytes = std::fs::read(&next).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&next, bytes).unwrap();
    let report = verify();
    assert_eq!(report.verdict(), Found::Damaged, "{:?}", report.findings);
}

/// Somebody renamed the only segment of a stream. Who opened it was told that its segments change faster
/// than they can be opened; now he is told what is wrong, and how to mend it (F-9).
#[test]
fn a_stream_whose_only_segment_was_renamed_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    Producer::open(dir.path()).unwrap().append(&puro::NewRecord::new("t", "x")).unwrap();
    let [named, renamed] = ["0000000000.puro", "0000000002.puro"].map(|name| dir.path().join(name));
    std::fs::rename(&named, &renamed).unwrap();
    for error in [
        Producer::open(dir.path()).unwrap_err().to_string(),
        puro::Consumer::open(dir.path()).unwrap_err().to_string(),
    ] {
        assert!(error.contains("damaged") && error.contains("says number 0"), "{error}");
    }
    assert_eq!(verify(dir.path()).verdict(), Found::Damaged);
    std::fs::rename(&renamed, &named).unwrap();
    assert_eq!(verify(dir.path()).verdict(), Found::Sound);
}
