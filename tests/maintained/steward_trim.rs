//! Trimming by hand, and limits for one pass (S-14, S-15).

use std::path::Path;
use std::time::Duration;

use crate::real::{self, ENOSPC, append, errno, fast_consumer, scratch, small_segments};
use crate::steward::{Clock, NOON, deleted, roll, segments, stream_bytes};
use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::{LockKind, LockWait, OpenMode, VfsFile};
use puro::steward::{Report, Task, Why};
use puro::{
    AutoCommit, Blame, NamedOptions, NewRecord, Start, StewardError, StewardOptions, Token, Trim,
};
use tempfile::TempDir;

/// Five sealed segments, of four records each, and the active one.
fn stream() -> TempDir {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "first");
    roll(&mut producer, dir.path(), 5);
    assert_eq!(segments(dir.path()), [0, 1, 2, 3, 4, 5]);
    dir
}

fn trim(dir: &Path, trim: &Trim) -> Report {
    StewardOptions::new().open(dir).unwrap().trim(trim).unwrap()
}

/// The offset at which a segment begins.
fn begins(dir: &Path, sequence: u32) -> u64 {
    real::blocks(&real::segment(dir, sequence))[0].1.first_offset
}

/// The reason why a segment was not deleted.
fn why(report: &Report) -> (u32, &Why) {
    let [kept] = report.kept.as_slice() else { panic!("{:?}", report.kept) };
    assert_eq!(kept.task, Task::Delete);
    (kept.sequence, &kept.why)
}

#[test]
fn whole_segments_below_a_place_go() {
    let dir = stream();
    let (third, end) = (begins(dir.path(), 2), begins(dir.path(), 5));
    let dry = StewardOptions::new().dry_run(true).open(dir.path()).unwrap();
    let before = real::files(dir.path());
    let would = { dry }.trim(&Trim::before(Start::End)).unwrap();
    assert_eq!((deleted(&would), would.dry_run), (vec![0, 1, 2, 3, 4], true));
    assert_eq!(real::files(dir.path()), before, "a dry run makes no file");

    let report = trim(dir.path(), &Trim::before(Start::Offset(third + 1)));
    assert_eq!((deleted(&report), report.bytes), (vec![0, 1], stream_bytes(dir.path())));
    assert_eq!(segments(dir.path()), [2, 3, 4, 5]);
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().offset, third);
    drop(consumer);
    // What is gone already is no reason to complain; what never was, is.
    assert_eq!(deleted(&trim(dir.path(), &Trim::before(Start::Offset(1)))), []);
    let error =
        StewardOptions::new().open(dir.path()).unwrap().trim(&Trim::before(Start::Offset(999)));
    assert_eq!(error.unwrap_err().blame(), Blame::Caller);
    let keep = stream_bytes(dir.path()) - 1;
    assert_eq!(deleted(&trim(dir.path(), &Trim::keep_bytes(keep))), [2]);
    assert_eq!(deleted(&trim(dir.path(), &Trim::before(Start::Last(1)))), [3, 4]);
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().offset, end);
    assert_eq!(deleted(&trim(dir.path(), &Trim::keep_bytes(0))), [], "the active one stays");
}

/// Times are looked for as consumers do (F-22), and those of other streams are refused.
#[test]
fn places_may_be_times_and_tokens() {
    let dir = scratch();
    let clock = Clock::at(NOON);
    let mut producer = clock.producer(dir.path());
    for _ in 0..3 {
        roll(&mut producer, dir.path(), 1);
        clock.set(clock.now() + 1000);
    }
    append(&mut producer, "last");
    let token = producer.token();
    let trim = |place| clock.steward(dir.path()).trim(&Trim::before(place));
    assert_eq!(deleted(&trim(Start::Time(NOON)).unwrap()), []);
    assert_eq!(deleted(&trim(Start::Time(NOON + 1500)).unwrap()), [0, 1]);
    let other = Token { stream_id: [7; 16].into(), ..token };
    assert_eq!(trim(Start::Token(other)).unwrap_err().blame(), Blame::Data);
    assert_eq!(deleted(&trim(Start::Token(token)).unwrap()), [2]);
}

#[test]
fn what_named_consumers_have_read_goes() {
    let dir = stream();
    let (second, fourth) = (begins(dir.path(), 1), begins(dir.path(), 3));
    let trim = |names: &[&str]| {
        let consumed = Trim::consumed_by(names.iter().copied());
        StewardOptions::new().open(dir.path()).unwrap().trim(&consumed)
    };
    let no_position = |names: &[&str]| match trim(names).unwrap_err() {
        StewardError::NoPosition { name, .. } => name,
        error => panic!("{error}"),
    };
    assert_eq!(no_position(&[]), None);
    for (name, offset) in [("slow", second), ("fast", fourth)] {
        let options = NamedOptions::new().auto_commit(AutoCommit::Never);
        options.start(Start::Offset(offset)).open(dir.path(), name).unwrap();
    }
    assert_eq!(no_position(&["fast", "nobody"]), Some("nobody".to_owned()));
    assert_eq!(deleted(&trim(&[]).unwrap()), [0]);
    assert_eq!(deleted(&trim(&["fast"]).unwrap()), [1, 2]);
    assert_eq!(deleted(&trim(&["slow"]).unwrap()), []);
}

/// Nobody is overtaken, not even after the pin grace, and what is only compacted stays.
#[test]
fn what_is_protected_stays_and_is_told() {
    let dir = stream();
    let all = Trim::keep_bytes(0);
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"pin_grace_ms=0".parse().unwrap()).unwrap();
    let place = Start::Offset(begins(dir.path(), 1));
    let mut reader = fast_consumer().start(place).open(dir.path()).unwrap();
    reader.try_next().unwrap().unwrap();
    let report = trim(dir.path(), &all);
    assert_eq!(deleted(&report), [0]);
    assert!(matches!(why(&report), (1, Why::Held { until_ms: None, .. })), "{report:?}");
    drop(reader);

    producer.set(&"keep_unconsumed=true".parse().unwrap()).unwrap();
    let place = Start::Offset(begins(dir.path(), 2));
    drop(NamedOptions::new().start(place).open(dir.path(), "n").unwrap());
    let report = trim(dir.path(), &all);
    assert_eq!(deleted(&report), [1]);
    assert!(matches!(why(&report), (2, Why::Unconsumed { consumer }) if consumer == "n"));
    assert_eq!(deleted(&trim(dir.path(), &Trim::before(place).unconsumed(true))), []);
    let place = Start::Offset(begins(dir.path(), 3));
    assert_eq!(deleted(&trim(dir.path(), &Trim::before(place).unconsumed(true))), [2]);

    producer.set(&"cleanup:t=compact".parse().unwrap()).unwrap();
    let report = trim(dir.path(), &all.clone().unconsumed(true));
    assert_eq!(deleted(&report), []);
    assert!(matches!(why(&report), (3, Why::CompactedTopic { topic }) if topic == b"t"));
    producer.set(&"cleanup:t=compact,delete".parse().unwrap()).unwrap();
    assert_eq!(deleted(&trim(dir.path(), &all.unconsumed(true))), [3, 4]);
}

/// Field report B4. Nothing could be freed on a full disk: each way appended something first. Here
/// not even an empty file can be made, and no steward ever was in the stream.
#[test]
fn trimming_takes_no_space() {
    let dir = stream();
    std::fs::remove_file(dir.path().join("steward.lock")).unwrap_or_default();
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| !name.to_str().unwrap().ends_with(".puro")).count()
    };
    let before = names(dir.path());
    let full = Interpose::new(OsVfs::new(), |call: &Call<'_>| {
        let takes_space = matches!(
            call.operation,
            Operation::Write | Operation::Reserve | Operation::CreateDir | Operation::Create
        );
        if takes_space { Answer::Fail(errno(ENOSPC)) } else { Answer::Proceed }
    });
    let steward = StewardOptions::new().open_in(full.clone(), dir.path());
    let report = steward.unwrap().trim(&Trim::keep_bytes(0)).unwrap();
    assert_eq!((deleted(&report), names(dir.path())), (vec![0, 1, 2, 3, 4], before));
    // Where the lock is there, others are kept out as ever; the hint in it finds no room.
    let path = dir.path().join("steward.lock");
    std::fs::write(&path, "").unwrap();
    let directory = puro::internals::dir::Directory::new(OsVfs::new(), dir.path());
    let other = directory.open_file("steward.lock", OpenMode::Write).unwrap();
    assert!(other.lock(LockKind::Exclusive, LockWait::Try).unwrap());
    let steward = StewardOptions::new().open_in(full, dir.path());
    let error = steward.unwrap().trim(&Trim::keep_bytes(0)).unwrap_err();
    assert!(matches!(error, StewardError::Busy { .. }), "{error}");
}

/// S-15: limits for one pass leave no trace, and whoever reads has the grace that a change of the
/// settings would give.
#[test]
fn limits_for_one_pass() {
    let dir = scratch();
    let clock = Clock::at(NOON);
    let mut producer = clock.producer(dir.path());
    roll(&mut producer, dir.path(), 3);
    clock.set(NOON + 3_600_000);
    let options = || StewardOptions::new().retention(Duration::from_millis(1));
    let pass = |options: StewardOptions| {
        options.open_in(clock.vfs(), dir.path()).unwrap().run_once().unwrap()
    };
    assert_eq!(deleted(&clock.pass(dir.path())), []);
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    reader.try_next().unwrap().unwrap();
    let report = pass(options());
    assert_eq!(deleted(&report), []);
    assert!(matches!(why(&report), (0, Why::Held { .. })), "an hour is more than the pin grace");
    drop(reader);
    let bytes = stream_bytes(dir.path());
    assert_eq!(deleted(&pass(StewardOptions::new().retention_bytes(bytes - 1))), [0]);
    assert_eq!(deleted(&pass(options())), [1, 2]);
    producer.append(&NewRecord::new("t", "x")).unwrap();
    assert_eq!((producer.settings().retention, producer.settings().retention_bytes), (None, None));
}
