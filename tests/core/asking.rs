//! What a producer answers about itself and its stream, and appends of a special kind.

use crate::real::*;
use puro::NamedOptions;
use puro::internals::os::OsVfs;
use puro::{Batch, Producer, ProducerOptions};

#[test]
fn a_stream_is_created_once() {
    let dir = scratch();
    let stream = dir.path().join("stream");
    let create = || ProducerOptions::new().create_in(OsVfs::new(), &stream).unwrap();
    assert!(create());
    assert!(!create());
    let producer = ProducerOptions::new().create(false).open(&stream).unwrap();
    assert_eq!(producer.stream_id(), producer.token().stream_id);
    assert!(producer.stream_id() != [0; 16] && producer.stream_id() != [1; 16]);
}

/// F-36, C-2: positions are told to whoever opens the stream.
#[test]
fn a_producer_tells_the_positions_of_consumers() {
    let dir = scratch();
    for value in ["a", "b", "c"] {
        append(&mut Producer::open(dir.path()).unwrap(), value);
    }
    let nobody = Producer::open(dir.path()).unwrap();
    assert_eq!((nobody.position("reader"), nobody.positions().count()), (None, 0));
    let mut reader = NamedOptions::new().open(dir.path(), "reader").unwrap();
    reader.try_next().unwrap().unwrap();
    reader.try_next().unwrap().unwrap();
    reader.commit().unwrap();
    let producer = Producer::open(dir.path()).unwrap();
    let position = producer.position("reader").unwrap();
    assert_eq!((position.epoch, position.offset), (1, 2));
    assert!(position.time_ms > 1_700_000_000_000);
    assert_eq!(producer.positions().collect::<Vec<_>>(), [("reader".to_owned(), position)]);
}

/// F-22: a copy carries the time of what it is a copy of.
#[test]
fn a_copy_carries_the_time_it_is_given() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.push(&record("a")).unwrap();
    assert_eq!(
        producer.transaction(&mut batch).timestamp_ms(77).commit().unwrap().timestamp_ms,
        77
    );
    assert!(producer.append_batch(&mut batch).unwrap().timestamp_ms > 77);
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(reader.try_next().unwrap().unwrap().timestamp_ms, 77);
}

/// S-9: who rolled deletes what retention says; the newest stay.
#[test]
fn who_rolled_tidies_up() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    producer.set(&"retention_bytes=10000".parse().unwrap()).unwrap();
    producer.set(&"pin_grace_ms=0".parse().unwrap()).unwrap();
    for _ in 0..12 {
        append(&mut producer, &"x".repeat(3000));
    }
    assert!(!segment(dir.path(), 0).exists() && !segment(dir.path(), 5).exists());
    assert!(segment(dir.path(), 11).exists());
    assert!(values(dir.path()).len() >= 2);
}
