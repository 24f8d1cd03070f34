//! The handle: what is reached from it obeys the options that it was opened with.

use std::time::Duration;

use crate::real::*;
use puro::error::Failure;
use puro::{
    AppendError, Batch, LockWait, NewRecord, OpenError, Setting, Start, Stream, StreamOptions, Trim,
};

#[test]
fn a_mistyped_path_makes_no_stream() {
    let dir = scratch();
    let path = dir.path().join("events");
    assert!(matches!(Stream::open(&path), Err(OpenError::Failure(Failure::NotAStream { .. }))));
    assert!(!path.exists());
    Stream::open_or_create(&path).unwrap();
    Stream::open(&path).unwrap();
}

#[test]
fn everything_is_reached_from_it() {
    let dir = scratch();
    let options = StreamOptions::new().create(true).segment_bytes(4096).durable(true);
    let stream = options.open(dir.path().join("s")).unwrap();
    let mut producer = stream.producer().unwrap();
    for number in 0..12 {
        let topic = if number % 3 == 0 { "third" } else { "other" };
        producer.append(&NewRecord::new(topic, &"x".repeat(900))).unwrap();
    }
    assert_eq!(stream.end().unwrap(), producer.token());
    assert_eq!(stream.bounds().unwrap(), 0..12);
    let topics = stream.topics().unwrap();
    let told: Vec<_> = topics
        .iter()
        .map(|topic| (&*topic.topic, topic.records, topic.first_offset, topic.last_offset))
        .collect();
    assert_eq!(told, [(&b"other"[..], 8, 1, 11), (&b"third"[..], 4, 0, 9)]);
    let info = stream.info().unwrap();
    assert!(info.segments.len() > 2 && info.segments.iter().filter(|it| it.active).count() == 1);
    assert_eq!((info.lowest_offset(), info.end), (0, producer.token()));

    let mut named = stream.named_with("n", |options| options.start(Start::Offset(11))).unwrap();
    assert_eq!(named.try_next().unwrap().unwrap().offset, 11);
    assert!(named.try_next().unwrap().is_none());
    named.close().unwrap();
    assert_eq!(stream.positions().unwrap()[0].position.offset, 12);

    stream.set(&Setting::Retention(Some(Duration::from_secs(60)))).unwrap();
    let settings = stream.settings().unwrap();
    assert_eq!(settings.retention, Some(Duration::from_secs(60)));
    assert!(matches!(stream.set(&Setting::SegmentBytes(1)), Err(AppendError::Setting(_))));
    assert!(matches!(stream.unset("no_such"), Err(AppendError::Setting(_))));
    stream.unset("retention_ms").unwrap();
    assert_eq!(stream.settings().unwrap().retention, None);

    assert!(stream.verify(true).unwrap().findings.is_empty());
    assert!(stream.repair().unwrap().is_empty());
    assert_eq!(stream.backup(dir.path().join("copy")).unwrap().token, producer.token());
    assert!(stream.trim(&Trim::keep_bytes(0)).unwrap().deleted.len() > 1);
    assert!(stream.bounds().unwrap().start > 0);
    assert!(stream.steward().unwrap().run_once().unwrap().deleted.is_empty());
}

/// Said once, it holds for all that is opened.
#[test]
fn the_options_are_everyones() {
    let dir = scratch();
    Stream::open_or_create(dir.path()).unwrap();
    let stream = StreamOptions::new().lock_wait(LockWait::Try).open(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let other = std::thread::spawn({
        let stream = stream.clone();
        let mut holder = stream.producer().unwrap();
        let held = holder.hold().unwrap();
        let error = producer.append(&NewRecord::new("t", "v")).unwrap_err();
        assert!(error.to_string().contains("lock"), "{error}");
        drop(held);
        move || stream.producer().unwrap().append(&NewRecord::new("t", "v")).unwrap()
    });
    assert_eq!(other.join().unwrap().first_offset, 0);
}

/// The stream moves; who has it goes on in it (O-8).
#[test]
fn it_goes_where_its_directory_goes() {
    let dir = scratch();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let stream = Stream::open_or_create(&here).unwrap();
    std::fs::rename(&here, &there).unwrap();
    stream.producer().unwrap().append(&NewRecord::new("t", "v")).unwrap();
    assert!(!here.exists());
    assert_eq!(Stream::open(&there).unwrap().bounds().unwrap(), 0..1);
}

#[test]
fn conditions_of_a_transaction_combine() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let begin = producer.token();
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", "v")).unwrap();
    let mut first = producer.transaction(&mut batch).if_end(&begin).once("me", 1);
    first = first.timestamp_ms(7).durable(true);
    let appended = first.commit().unwrap();
    assert_eq!((appended.first_offset, appended.timestamp_ms, appended.duplicate), (0, 7, false));
    // Tried again, it was appended, though the stream ends elsewhere by now.
    let again = producer.transaction(&mut batch).if_end(&begin).once("me", 1).commit().unwrap();
    assert!(again.duplicate && again.first_offset == 0);
    let next = producer.transaction(&mut batch).if_end(&begin).once("me", 2).commit();
    assert!(matches!(next, Err(AppendError::Conflict { actual: 1, .. })), "{next:?}");
    assert_eq!(stream.bounds().unwrap(), 0..1);
}
