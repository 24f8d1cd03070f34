//! What is done with whole streams, reached without a word of the system that they are on.

use std::fs;
use std::time::Duration;

use crate::real::*;
use puro::check::Verdict;
use puro::{
    BackupOptions, CheckOptions, LockWait, NamedError, NewRecord, OpenError, SalvageOptions,
    Setting, Start, Stream, StreamOptions,
};

/// Made once, and told so.
#[test]
fn making_a_stream_tells_whether_it_was_there() {
    let dir = scratch();
    let path = dir.path().join("s");
    let options = StreamOptions::new().segment_bytes(4096);
    assert_eq!((options.make(&path).unwrap(), options.make(&path).unwrap()), (true, false));
    let stream = Stream::open(&path).unwrap();
    assert!(stream.settings().unwrap().has(&Setting::SegmentBytes(4096)));
    let refused = StreamOptions::new().segment_bytes(1).make(dir.path().join("t")).unwrap_err();
    assert!(matches!(refused, OpenError::Setting(_)), "{refused}");
    assert!(refused.to_string().contains("segment_bytes"), "{refused}");
}

/// A position is set by hand and removed, but not while somebody runs under its name.
#[test]
fn positions_are_changed_by_hand() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    for value in ["a", "b"] {
        producer.append(&NewRecord::new("t", value)).unwrap();
    }
    let set = stream.set_position("n", Start::Offset(1)).unwrap();
    assert_eq!(set.map(|position| position.offset), Some(1));
    let mut named = stream.named("n").unwrap();
    assert_eq!(named.try_next().unwrap().map(|record| record.offset), Some(1));
    let refused = stream.set_position("n", Start::Beginning).unwrap_err();
    assert!(matches!(refused, NamedError::Busy { .. }), "{refused}");
    drop(named);
    stream.remove_position("n").unwrap();
    assert!(stream.positions().unwrap().is_empty());
}

/// A stream loses a record to the disk: it can still be verified, and salvaged, though not opened.
#[test]
fn a_damaged_stream_is_verified_and_salvaged() {
    let dir = scratch();
    let (path, out) = (dir.path().join("s"), dir.path().join("out"));
    let stream = StreamOptions::new().create(true).segment_bytes(4096).open(&path).unwrap();
    let mut producer = stream.producer().unwrap();
    for _ in 0..8 {
        producer.append(&NewRecord::new("t", &"x".repeat(900))).unwrap();
    }
    let file = segment(&path, 0);
    let mut bytes = fs::read(&file).unwrap();
    let place = bytes.windows(9).position(|found| found == b"xxxxxxxxx").unwrap();
    bytes[place] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (mut told, mut saved) = (0, 0);
    let report = CheckOptions::new().deep(true).check(&path, &mut |done, _| told = done).unwrap();
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert!(told > 0);
    let report = SalvageOptions::new().salvage(&path, &out, &mut |done| saved = done).unwrap();
    assert_eq!((report.records, report.gaps.len(), saved > 0), (7, 1, true));
    assert_eq!(Stream::salvage(&path, dir.path().join("again")).unwrap(), report);
    assert_eq!(Stream::open(&out).unwrap().bounds().unwrap(), 0..7);
}

/// What is said once to the options holds for a backup, too.
#[test]
fn a_backup_is_made_and_restored() {
    let dir = scratch();
    let (copy, back) = (dir.path().join("copy"), dir.path().join("back"));
    let wait = LockWait::AtMost(Duration::from_millis(1));
    let options = StreamOptions::new().create(true).lock_wait(wait);
    let stream = options.open(dir.path().join("s")).unwrap();
    let end = stream.producer().unwrap().append(&NewRecord::new("t", "v")).unwrap().token;
    assert_eq!(stream.backup(&copy).unwrap().token, end);
    let mut told = 0;
    let restored = BackupOptions::new().restore(&copy, &back, &mut |done, _| told = done).unwrap();
    assert!(restored.token != end && restored.token.offset == 1 && told > 0);
    let again = Stream::restore(&copy, dir.path().join("again")).unwrap();
    assert_eq!((again.bytes, again.token.offset), (restored.bytes, 1));
}
