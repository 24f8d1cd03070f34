//! What producers do besides writing one record after another: batches, compare-and-append,
//! durability, several at once, streams that change under them (protocol.md, chapter 4).

use std::collections::BTreeMap;

use crate::real::*;
use puro::error::Failure;
use puro::internals::interpose::{Answer, Operation};
use puro::{
    AppendError, Batch, Blame, Diverged, NewRecord, Producer, ProducerOptions, RecordError, Token,
};

fn batch(values: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for value in values {
        batch.push(&record(value)).unwrap();
    }
    batch
}

/// one block, whatever topics; all that a record can have comes back.
#[test]
fn a_batch_is_one_block_and_keeps_everything() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("one", "").key("")).unwrap();
    batch.push(&NewRecord::delete_marker("two", "k").header("h", "")).unwrap();
    batch.push(&NewRecord::new(&[0xFF, 0], &[0, 0xFF]).header("a", "1").header("a", "2")).unwrap();
    assert_eq!((batch.len(), batch.is_empty()), (3, false));
    let appended = producer.append_batch(&mut batch).unwrap();
    assert_eq!((appended.first_offset, appended.record_count), (0, 3));
    let starts = blocks(&segment(dir.path(), 0));
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[1].1.record_count, 3);

    let mut reader = fast_consumer().open(dir.path()).unwrap();
    let read: Vec<_> = reader.try_iter().map(Result::unwrap).collect();
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(read.iter().all(|record| record.timestamp_ms == appended.timestamp_ms));
    assert_eq!((&*read[0].topic, read[0].key.as_deref()), (&b"one"[..], Some(&b""[..])));
    assert_eq!(read[0].value.as_deref(), Some(&b""[..]));
    assert_eq!((read[1].key.as_deref(), &read[1].value), (Some(&b"k"[..]), &None));
    assert_eq!(read[1].headers, [(b"h".to_vec(), vec![])]);
    assert_eq!((&*read[2].topic, &read[2].key), (&[0xFF, 0][..], &None));
    assert_eq!(read[2].headers, [(b"a".to_vec(), b"1".to_vec()), (b"a".to_vec(), b"2".to_vec())]);

    // The batch keeps its records, and can be cleared.
    assert_eq!(producer.append_batch(&mut batch).unwrap().first_offset, 3);
    batch.clear();
    assert!(batch.is_empty());
    let error = producer.append_batch(&mut batch).unwrap_err();
    assert!(matches!(error, AppendError::Record(RecordError::EmptyBatch)), "{error}");
}

/// F-30: the limits, exactly.
#[test]
fn records_at_their_limits_are_stored_and_beyond_them_refused() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let (topic, value) = (vec![b't'; 1024], vec![b'v'; 10 << 20]);
    // One header: count (1), name length (1), name (1), value length (3), value.
    let header = vec![b'h'; 65_536 - 6];
    let largest = NewRecord::new(&topic, &value).key(&topic).header("n", &header);
    producer.append(&largest).unwrap();
    let mut reader = fast_consumer().open(dir.path()).unwrap();
    let read = reader.try_next().unwrap().unwrap();
    assert_eq!(read.to_new(), largest);

    let over = [
        (NewRecord::new(&vec![b't'; 1025], ""), "topic"),
        (NewRecord::new("t", "").key(&vec![b'k'; 1025]), "key"),
        (NewRecord::new("t", &vec![b'v'; (10 << 20) + 1]), "value"),
        (NewRecord::new("t", "").header("nn", &header), "headers"),
    ]
    .map(|(record, field)| (format!("{:?}", producer.append(&record).unwrap_err()), field));
    for (error, wrong) in over {
        assert!(error.contains("TooLong") && error.contains(wrong), "{error}");
    }
    let impossible = [
        (NewRecord::new("", "v"), RecordError::EmptyTopic),
        (NewRecord::new("t", "v").header("", "x"), RecordError::EmptyHeaderName),
    ];
    for (record, wrong) in impossible {
        let error = producer.append(&record).unwrap_err();
        assert!(matches!(&error, AppendError::Record(found) if *found == wrong), "{error}");
        assert_eq!(error.blame(), Blame::Caller);
    }
    // F-16: a batch that is too large stays as it was.
    let mut batch = Batch::new();
    batch.push(&largest).unwrap();
    let bytes = batch.bytes();
    batch.push(&largest).unwrap_err();
    assert_eq!((batch.len(), batch.bytes()), (1, bytes));
    batch.push(&record("small")).unwrap();
    assert_eq!(producer.append_batch(&mut batch).unwrap().first_offset, 1);
    assert_eq!(std::iter::from_fn(|| reader.try_next().unwrap().map(|_| ())).count(), 2);
}

/// F-16: a body of exactly 16 MiB is appended and read, one byte more is refused.
#[test]
fn a_batch_at_its_limit_is_appended() {
    let dir = scratch();
    let mut batch = Batch::new();
    let first = "v".repeat(10 << 20);
    batch.push(&record(&first)).unwrap();
    // The field `length` of the second takes four bytes, that of "" one.
    let left = (16 << 20) - record(&first).encoded_bytes() - record("").encoded_bytes() - 3;
    let rest = "v".repeat(left as usize + 1);
    let refused = batch.push(&record(&rest)).unwrap_err();
    assert!(matches!(refused, RecordError::TooLong { field: "batch", .. }), "{refused}");
    batch.push(&record(&rest[1..])).unwrap();
    Producer::open(dir.path()).unwrap().append_batch(&mut batch).unwrap();
    let (_, start) = blocks(&segment(dir.path(), 0))[1];
    assert_eq!((start.body_len, start.record_count), (16 << 20, 2));
    assert_eq!(values(dir.path()).len(), 2);
}

/// of several that compare, one appends.
#[test]
fn append_if_appends_only_at_the_offset_expected() {
    let dir = scratch();
    let mut one = Producer::open(dir.path()).unwrap();
    let mut two = Producer::open(dir.path()).unwrap();
    let start = one.token();
    assert_eq!(start, two.token());
    let appended = one.transaction(&mut batch(&["a", "b"])).if_end(&start).commit().unwrap();
    let error = two.transaction(&mut batch(&["lost race"])).if_end(&start).commit().unwrap_err();
    assert!(matches!(error, AppendError::Conflict { expected, actual: 2 } if expected == start));
    assert_eq!(error.blame(), Blame::Environment);
    two.transaction(&mut batch(&["c"])).if_end(&appended.token).commit().unwrap();
    one.transaction(&mut batch(&["d"])).if_end(&two.token()).commit().unwrap();
    assert_eq!(values(dir.path()), ["a", "b", "c", "d"]);

    let other = Token { stream_id: [9; 16].into(), ..one.token() };
    let error = one.transaction(&mut batch(&["x"])).if_end(&other).commit().unwrap_err();
    assert!(matches!(error, AppendError::Diverged(Diverged::OtherStream { .. })), "{error}");
    let ahead = Token { offset: 100, ..one.token() };
    let error = one.transaction(&mut batch(&["x"])).if_end(&ahead).commit().unwrap_err();
    assert!(matches!(error, AppendError::Diverged(Diverged::Lost { end: 4, .. })), "{error}");
    assert_eq!(values(dir.path()).len(), 4);
}

/// Many threads raise one counter by compare-and-append; nobody's step is lost.
#[test]
fn append_if_makes_a_counter_that_loses_nothing() {
    let dir = scratch();
    Producer::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut producer = small_segments().open(dir.path()).unwrap();
                let mut reader = fast_consumer().open(dir.path()).unwrap();
                let (mut done, mut last) = (0, 0u64);
                while done < 50 {
                    if let Some(value) = drain(&mut reader).last() {
                        last = value.parse().unwrap();
                    }
                    let token = reader.token().unwrap();
                    let next = (last + 1).to_string();
                    match producer.transaction(&mut batch(&[&next])).if_end(&token).commit() {
                        Ok(_) => done += 1,
                        Err(AppendError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let expected: Vec<_> = (1..=200).map(|number: u64| number.to_string()).collect();
    assert_eq!(values(dir.path()), expected);
}

/// producers in threads, each with a handle, over many rollovers.
#[test]
fn producers_step_over_each_others_blocks_and_rollovers() {
    let dir = scratch();
    small_segments().open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for id in 0..4 {
            let dir = dir.path();
            scope.spawn(move || {
                let mut producer = Producer::open(dir).unwrap();
                for number in 0..500 {
                    append(&mut producer, &format!("{id} {number}"));
                }
            });
        }
    });
    let mut next = BTreeMap::new();
    for value in values(dir.path()) {
        let (id, number) = value.split_once(' ').unwrap();
        let next = next.entry(id.to_owned()).or_insert(0);
        assert_eq!(number, next.to_string());
        *next += 1;
    }
    assert!(next.len() == 4 && next.values().all(|count| *count == 500));
    assert!(segment(dir.path(), 20).exists());
}

/// one sync for an append, none if others did it, and what is known is written down.
#[test]
fn a_durable_append_syncs_once_and_tells_later_blocks() {
    let dir = scratch();
    let syncs = Calls::default();
    let counter = syncs.clone();
    let world = interpose(move |call| {
        if matches!(call.operation, Operation::SyncData | Operation::SyncAll) {
            counter.next();
        }
        Answer::Proceed
    });
    let mut producer = ProducerOptions::new().open_in(world, dir.path()).unwrap();
    append(&mut producer, "a");
    let before = syncs.count();
    append(&mut producer, "not durable");
    assert_eq!(syncs.count(), before);
    producer.set_durable(true);
    append(&mut producer, "b");
    assert_eq!(syncs.count(), before + 1);
    producer.sync().unwrap();
    assert_eq!(syncs.count(), before + 1, "it is known already");
    producer.set_durable(false);
    append(&mut producer, "c");
    let starts = blocks(&segment(dir.path(), 0));
    let (last, start) = starts[starts.len() - 1];
    assert_eq!(start.durable_to, last);
    producer.sync().unwrap();
    assert_eq!(syncs.count(), before + 2);
}

/// E-2, E-3: the first append of another boot begins an epoch, on disk before any record.
#[test]
fn another_boot_begins_another_epoch() {
    use puro::internals::interpose::{Call, Hook, Interpose};
    use puro::internals::os::OsVfs;

    struct Boot(Option<[u8; 16]>);
    impl Hook for Boot {
        fn before(&self, _call: &Call<'_>) -> Answer {
            Answer::Proceed
        }
        fn boot_id(&self, _real: Option<[u8; 16]>) -> Option<[u8; 16]> {
            self.0
        }
    }
    let dir = scratch();
    let open = |boot| {
        let world = Interpose::new(OsVfs::new(), Boot(boot));
        ProducerOptions::new().open_in(world, dir.path()).unwrap()
    };
    for (boot, epochs) in
        [(Some([1; 16]), 1), (Some([1; 16]), 1), (Some([2; 16]), 2), (Some([2; 16]), 2)]
    {
        let mut producer = open(boot);
        append(&mut producer, "a");
        append(&mut producer, "b");
        assert_eq!(epoch(dir.path()), epochs);
    }
    // Unknown is equal to nothing, not to itself: once for each opening.
    for epochs in [3, 4] {
        let mut producer = open(None);
        append(&mut producer, "a");
        append(&mut producer, "b");
        assert_eq!(epoch(dir.path()), epochs);
    }
    assert_eq!(epoch(dir.path()), 4);
    append(&mut open(Some([2; 16])), "a");
    assert_eq!(epoch(dir.path()), 5);
    // E-5, and the entry survives a rollover.
    for (_, start) in blocks(&segment(dir.path(), 0)) {
        assert!((1..=5).contains(&start.epoch));
    }
    assert_eq!(values(dir.path()).len(), 8 + 4 + 1);
}

/// A producer that had been idle while others filled the segment, sealed it, and a steward
/// deleted it, was told that the stream was removed: its memory held no segment end yet.
#[test]
fn an_idle_producer_finds_its_way_from_a_segment_that_was_deleted() {
    let dir = scratch();
    let mut idle = small_segments().open(dir.path()).unwrap();
    append(&mut idle, "idle");
    let mut busy = Producer::open(dir.path()).unwrap();
    for _ in 0..4 {
        append(&mut busy, &"x".repeat(4000));
    }
    for sequence in 0..3 {
        std::fs::remove_file(segment(dir.path(), sequence)).unwrap();
    }
    assert_eq!(append(&mut idle, "awake"), 5);
    assert_eq!(values(dir.path()).last().unwrap(), "awake");
}

/// what has no name and no end any more is not written to.
#[test]
fn a_stream_that_was_removed_is_told() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    std::fs::remove_file(segment(dir.path(), 0)).unwrap();
    let error = producer.append(&record("b")).unwrap_err();
    assert!(matches!(error, AppendError::NotAppended(Failure::Removed { .. })), "{error}");
    assert!(!segment(dir.path(), 0).exists());
}

/// O-1: of many that create at once, one does, and all write to the same stream.
#[test]
fn many_create_at_once_and_share_one_stream() {
    for _ in 0..20 {
        let dir = scratch();
        let stream = dir.path().join("stream");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| append(&mut Producer::open(&stream).unwrap(), "hello"));
            }
        });
        assert_eq!(values(&stream), ["hello"; 4]);
        assert_eq!(files(&stream).len(), 2, "one segment and the lock");
    }
}
