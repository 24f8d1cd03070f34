//! Appends with conditions: what one asks for holds beside all others, in one block or not at all.

use crate::real::*;
use puro::{
    AppendError, AutoCommit, Batch, NamedConsumer, NamedError, NewRecord, OwnedRecord, Producer,
    RecordError, Stream,
};

fn worker(stream: &Stream) -> NamedConsumer {
    stream.named_with("worker", |options| options.auto_commit(AutoCommit::Never)).unwrap()
}

/// A worker answers a job, once, only if nobody else appended since; it dies before it is told, and
/// its next run does the same again: the answer is there once, and so is its position.
#[test]
fn position_identity_and_end_go_into_one_block() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let end = producer.append(&NewRecord::new("jobs", "1")).unwrap().token;
    let mut answer: Batch = [NewRecord::new("answers", "one")].into_iter().collect();

    let mut jobs = worker(&stream);
    jobs.try_next().unwrap().unwrap();
    let done = producer.transaction(&mut answer).if_end(&end).once("worker", 1);
    let done = done.with_position(&mut jobs).durable(true).commit().unwrap();
    assert_eq!((done.first_offset, done.record_count), (1, 1));
    assert_eq!(jobs.stored().unwrap().offset, 1);
    drop(jobs);

    let mut jobs = worker(&stream);
    assert_eq!(jobs.token().unwrap().offset, 1);
    let again = producer.transaction(&mut answer).if_end(&end).once("worker", 1);
    let again = again.with_position(&mut jobs).commit().unwrap();
    assert!(again.duplicate && again.first_offset == 1);
    assert_eq!((stream.bounds().unwrap(), jobs.stored().unwrap().offset), (0..2, 1));
}

/// A condition that does not hold leaves the position where it was.
#[test]
fn a_refused_append_moves_no_position() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let begin = producer.token();
    producer.append(&NewRecord::new("jobs", "1")).unwrap();
    let mut jobs = worker(&stream);
    jobs.try_next().unwrap().unwrap();
    let mut answer: Batch = [NewRecord::new("answers", "one")].into_iter().collect();
    let refused = producer.transaction(&mut answer).if_end(&begin).with_position(&mut jobs);
    assert!(matches!(refused.commit(), Err(AppendError::Conflict { actual: 1, .. })));
    assert_eq!((jobs.stored(), stream.positions().unwrap().len()), (None, 0));
}

/// A worker looks at a job that needs no answer: its position moves all the same. Asked once more,
/// there is nothing to do, and nothing is written; but the condition is looked at.
#[test]
fn a_position_moves_without_a_record() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    let begin = producer.token();
    producer.append(&NewRecord::new("jobs", "1")).unwrap();
    let mut jobs = worker(&stream);
    jobs.try_next().unwrap().unwrap();
    let mut none = Batch::new();
    assert!(matches!(
        producer.transaction(&mut none).commit(),
        Err(AppendError::Record(RecordError::EmptyBatch))
    ));
    let moved = producer.transaction(&mut none).with_position(&mut jobs).commit().unwrap();
    assert_eq!((moved.first_offset, moved.record_count, moved.duplicate), (1, 0, false));
    assert_eq!(stream.positions().unwrap()[0].position.offset, 1);

    let bytes = stream.info().unwrap().bytes();
    let still = producer.transaction(&mut none).with_position(&mut jobs).commit().unwrap();
    assert_eq!(
        (still.record_count, still.token, stream.info().unwrap().bytes()),
        (0, moved.token, bytes)
    );
    let refused = producer.transaction(&mut none).if_end(&begin).with_position(&mut jobs);
    assert!(matches!(refused.commit(), Err(AppendError::Conflict { actual: 1, .. })));
}

/// The same under an identity: once, though there is no record that could be compared.
#[test]
fn a_position_moves_once_without_a_record() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    producer.append(&NewRecord::new("jobs", "1")).unwrap();
    let mut jobs = worker(&stream);
    jobs.try_next().unwrap().unwrap();
    let mut none = Batch::new();
    let once = |producer: &mut Producer, jobs: &mut NamedConsumer, none: &mut Batch| {
        producer.transaction(none).once("worker", 5).with_position(jobs).commit().unwrap()
    };
    assert!(!once(&mut producer, &mut jobs, &mut none).duplicate);
    producer.append(&NewRecord::new("jobs", "2")).unwrap();
    assert!(once(&mut producer, &mut jobs, &mut none).duplicate);
    assert_eq!(producer.last_sequence("worker"), Some(5));
    // Another batch under that sequence is told from it by its length.
    let mut other: Batch = [NewRecord::new("answers", "two")].into_iter().collect();
    let refused = producer.transaction(&mut other).once("worker", 5).commit();
    assert!(matches!(refused, Err(AppendError::OtherContent { .. })), "{refused:?}");
}

/// One of many records cannot be stored: nothing is appended, by no way to append a batch.
#[test]
fn a_batch_that_refused_a_record_is_not_appended() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let good = NewRecord::new("t", "v");
    let mut batch: Batch = [good.clone(), NewRecord::new("", "v"), good].into_iter().collect();
    assert_eq!((batch.len(), batch.check()), (1, Err(RecordError::EmptyTopic)));
    assert_eq!(batch.push(&NewRecord::new("t", "v")), Err(RecordError::EmptyTopic));
    let refused = |answer| matches!(answer, Err(AppendError::Record(RecordError::EmptyTopic)));
    assert!(refused(producer.append_batch(&mut batch)));
    assert!(refused(producer.transaction(&mut batch).once("me", 1).commit()));
    assert!(refused(producer.hold().unwrap().append_batch(&mut batch)));
    assert_eq!((producer.token().offset, producer.last_sequence("me")), (0, None));
    batch.clear();
    batch.extend([NewRecord::new("t", "v")]);
    assert_eq!(producer.append_batch(&mut batch).unwrap().record_count, 1);
}

/// What is read can be appended again as it is, borrowed or owned: key, headers, delete markers.
#[test]
fn records_that_were_read_are_new_records() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path().join("from")).unwrap();
    let mut producer = stream.producer().unwrap();
    let record = NewRecord::new("t", "v").key("k").header("a", "1").header("a", "2");
    producer.append(&record).unwrap();
    producer.append(&NewRecord::delete_marker("t", "k")).unwrap();
    let read = |stream: &Stream| -> Vec<OwnedRecord> {
        stream.consumer().unwrap().try_iter().map(Result::unwrap).collect()
    };
    let records = read(&stream);
    assert_eq!((records[0].to_new(), records[0].value_str()), (record, Some("v")));
    let copy = Stream::open_or_create(dir.path().join("to")).unwrap();
    let mut batch: Batch = records.iter().collect();
    let time = records[0].timestamp_ms;
    let mut to = copy.producer().unwrap();
    to.transaction(&mut batch).timestamp_ms(time).commit().unwrap();
    let same = |a: &OwnedRecord, b: &OwnedRecord| a.to_new() == b.to_new() && a.offset == b.offset;
    assert!(read(&copy).iter().zip(&records).all(|(a, b)| same(a, b)));
}

/// A gateway keeps the positions of two groups. It appends what one of them made, with both of their
/// new places, in one block; both are there, and nobody else may run under the names meanwhile.
#[test]
fn who_holds_names_sets_their_positions_with_the_records() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let mut producer = stream.producer().unwrap();
    for job in ["1", "2"] {
        producer.append(&NewRecord::new("jobs", job)).unwrap();
    }
    let (one, two) = (stream.own_position("one").unwrap(), stream.own_position("two").unwrap());
    assert!(matches!(stream.named("one"), Err(NamedError::Busy { .. })));
    let mut answer: Batch = [NewRecord::new("answers", "one")].into_iter().collect();
    let both = producer.transaction(&mut answer).once("gateway", 1);
    both.set_position(&one, 2).set_position(&two, 1).commit().unwrap();
    assert_eq!((producer.position("one").unwrap().offset, stream.bounds().unwrap()), (2, 0..3));

    // Back again, with nothing appended; and never to where there is nothing yet.
    let mut none = Batch::new();
    producer.transaction(&mut none).set_position(&one, 0).commit().unwrap();
    let beyond = producer.transaction(&mut none).set_position(&one, 9).set_position(&two, 0);
    assert!(matches!(beyond.commit(), Err(AppendError::Diverged(_))));
    let places: Vec<u64> =
        stream.positions().unwrap().iter().map(|it| it.position.offset).collect();
    assert_eq!((places, stream.bounds().unwrap()), (vec![0, 1], 0..3));
    // What was appended before is not appended again, and moves nothing.
    let again = producer.transaction(&mut answer).once("gateway", 1);
    assert!(again.set_position(&one, 3).commit().unwrap().duplicate);
    assert_eq!(producer.position("one").unwrap().offset, 0);
    drop(one);
    let mut consumer = stream.named("one").unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().offset, 0);
}

/// A producer takes over an identity before it has a record: who comes with what the one before had
/// begun is refused.
#[test]
fn an_identity_is_taken_over_without_a_record() {
    let dir = scratch();
    let stream = Stream::open_or_create(dir.path()).unwrap();
    let (mut first, mut second) = (stream.producer().unwrap(), stream.producer().unwrap());
    let mut batch: Batch = [NewRecord::new("orders", "a")].into_iter().collect();
    first.transaction(&mut batch).once("shop", 1).commit().unwrap();
    let mut none = Batch::new();
    second.transaction(&mut none).may_be_empty(true).once("shop", 10).commit().unwrap();
    let late = first.transaction(&mut batch).once("shop", 2).commit();
    assert!(matches!(late, Err(AppendError::OldSequence { newest: 10, .. })));
    assert_eq!(stream.bounds().unwrap(), 0..1);
}
