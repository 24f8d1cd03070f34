//! Errors as other languages have them: the number says whose matter it is, as the library does.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use puro::{
    AppendError, Batch, Blame, ConsumerOptions, NamedOptions, NewRecord, Producer, ProducerOptions,
    Start, Stream,
};
use puro_shared::{Code, Reader, ReaderOptions, Trouble};

fn stream() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("events");
    Producer::open(&dir).unwrap().append(&NewRecord::new("in", "a")).unwrap();
    (scratch, dir)
}

fn same(blame: Blame, trouble: Trouble, code: Code) {
    assert_eq!(trouble.code, code, "{trouble}");
    assert_eq!(format!("{blame:?}"), format!("{:?}", code.blame()), "{trouble}");
    assert_eq!(trouble.was_appended, Some(false), "{trouble}");
    assert!(!code.way_out().is_empty());
}

/// Every error that a program can provoke is blamed on the same by its number.
#[test]
fn a_code_blames_whom_the_library_blames() {
    let (scratch, dir) = stream();
    let mut producer = Producer::open(&dir).unwrap();

    let error = ProducerOptions::new().create(false).open(scratch.path().join("none")).unwrap_err();
    same(error.blame(), error.into(), Code::NotAStream);
    std::fs::write(scratch.path().join("file"), "").unwrap();
    let error = Producer::open(scratch.path()).unwrap_err();
    same(error.blame(), error.into(), Code::NotEmpty);
    let error = Stream::open(scratch.path().join("file")).unwrap_err();
    same(error.blame(), error.into(), Code::Io);

    let error = producer.append(&NewRecord::new("", "no topic")).unwrap_err();
    same(error.blame(), error.into(), Code::BadRecord);
    let error = producer.unset("no_such").unwrap_err();
    same(error.blame(), error.into(), Code::BadSetting);
    let before = producer.token();
    producer.append(&NewRecord::new("in", "b")).unwrap();
    let mut batch: Batch = [NewRecord::new("in", "c")].into_iter().collect();
    let error = producer.transaction(&mut batch).if_end(&before).commit().unwrap_err();
    same(error.blame(), error.into(), Code::Conflict);
    producer.transaction(&mut batch).once("shop", 2).commit().unwrap();
    let error = producer.transaction(&mut batch).once("shop", 1).commit().unwrap_err();
    same(error.blame(), error.into(), Code::OldSequence);
    batch.push(&NewRecord::new("in", "d")).unwrap();
    let error = producer.transaction(&mut batch).once("shop", 2).commit().unwrap_err();
    same(error.blame(), error.into(), Code::OtherContent);

    let at = |start| ConsumerOptions::new().start(start).open(&dir).unwrap_err();
    let error = at(Start::Offset(100));
    same(error.blame(), error.into(), Code::OutOfRange);
    let error = at(Start::Token(puro::Token { offset: 100, ..before }));
    same(error.blame(), error.into(), Code::Diverged);
    let _runs = NamedOptions::new().open(&dir, "billing").unwrap();
    let error = NamedOptions::new().open(&dir, "billing").unwrap_err();
    same(error.blame(), error.into(), Code::NameBusy);
    let error = NamedOptions::new().open(&dir, "").unwrap_err();
    same(error.blame(), error.into(), Code::BadRecord);

    let error = producer.append(&NewRecord::new("in", &vec![0; 11 << 20])).unwrap_err();
    assert!(matches!(error, AppendError::Record(_)));
    damage(&dir);
    let error = at(Start::Beginning);
    same(error.blame(), error.into(), Code::Damaged);
}

fn damage(dir: &Path) {
    use std::os::unix::fs::FileExt;
    let segment = dir.join("0000000000.puro");
    std::fs::OpenOptions::new()
        .write(true)
        .open(segment)
        .unwrap()
        .write_all_at(&[0; 8], 20)
        .unwrap();
}

/// Who commits by hand made output from what he read, and the position with it. His program closed
/// the consumer after a record of which he had made nothing yet: that was lost.
#[test]
fn closing_commits_unless_it_is_done_by_hand() {
    let (_scratch, dir) = stream();
    let named = |auto_commit| ReaderOptions {
        name: Some("billing".into()),
        auto_commit,
        ..ReaderOptions::default()
    };
    let reads_one = |options: &ReaderOptions| {
        let mut reader = options.open(&dir).unwrap();
        let found = reader.poll(std::time::Duration::ZERO).unwrap().is_some();
        reader.close().unwrap();
        found
    };
    let by_hand = named(Some(puro::AutoCommit::Never));
    assert!(reads_one(&by_hand) && reads_one(&by_hand));
    assert!(reads_one(&named(None)) && !reads_one(&named(None)));
    assert!(matches!(by_hand.open(&dir), Ok(Reader::Named { by_hand: true, .. })));
}
