//! Writers and readers whose memory of the stream is older than a repair that somebody else made,
//! and listings that are older than the directory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::real::*;
use puro::error::{Diverged, Failure};
use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;
use puro::{Consumer, NewRecord, Producer, ProducerOptions, ReadError, Start};

fn flip(path: &Path, position: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[position as usize] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// Segments of the least size, so that they are soon full.
fn small(dir: &Path) -> Producer {
    let options = ProducerOptions::new().segment_bytes(4096);
    options.open(dir).unwrap()
}

/// Field report A5 (a). A producer slept over two rollovers. Meanwhile one byte went bad in the
/// segment that it remembered, behind the end that it remembered. Its next append cut 3,456 synced
/// bytes off the sealed segment, and went on in there.
#[test]
fn what_others_sealed_is_never_repaired_by_a_writer_that_remembers_it_open() {
    let dir = scratch();
    let mut sleeper = small(dir.path());
    append(&mut sleeper, "first");
    let end = len(&segment(dir.path(), 0));
    let mut other = Producer::open(dir.path()).unwrap();
    let value = "x".repeat(500);
    while !segment(dir.path(), 2).exists() {
        append(&mut other, &value);
    }
    let next = append(&mut other, "last of the others") + 1;
    flip(&segment(dir.path(), 0), end + 100);
    let sealed = std::fs::read(segment(dir.path(), 0)).unwrap();

    assert_eq!(append(&mut sleeper, "awake"), next);
    assert_eq!(std::fs::read(segment(dir.path(), 0)).unwrap(), sealed);
    assert!(sleeper.repairs().is_empty() && lost(dir.path()).is_empty());
    let start = puro::ConsumerOptions::new().start(Start::Last(2));
    assert_eq!(drain(&mut start.open(dir.path()).unwrap()), ["last of the others", "awake"]);
}

/// Cuts the stream to `end`, as a repair in an earlier boot would have, and appends: the epoch is
/// another one from there on.
fn cut_and_go_on(dir: &Path, end: u64, values: &[&str]) {
    set_len(&segment(dir, 0), end);
    let mut other = ProducerOptions::new().open_in(boot(Some([9; 16])), dir).unwrap();
    for value in values {
        append(&mut other, value);
    }
}

/// Field report A5 (b). Damage stood before the end that a producer remembered; another one cut it
/// off, and committed a longer block over that place. The first saw bytes behind its end, none of
/// them a block, and cut two committed records, one of them durable.
#[test]
fn a_longer_block_over_a_remembered_end_is_not_cut() {
    let dir = scratch();
    let earlier = boot(Some([8; 16]));
    let mut sleeper = ProducerOptions::new().open_in(earlier, dir.path()).unwrap();
    append(&mut sleeper, "a");
    let end = len(&segment(dir.path(), 0));
    append(&mut sleeper, "b");
    append(&mut sleeper, "c");
    let long = "l".repeat(1000);
    cut_and_go_on(dir.path(), end, &[&long, "durable"]);

    assert_eq!(append(&mut sleeper, "d"), 3);
    assert_eq!(values(dir.path()), ["a", &long, "durable", "d"]);
    assert!(sleeper.repairs().is_empty() && lost(dir.path()).is_empty());
}

/// The same, grown over again to the very length that was remembered: neither the length nor
/// anything behind the end tells. The append was answered as durable, and no reader ever saw it.
#[test]
fn an_end_that_was_grown_over_to_the_same_length_is_noticed() {
    let dir = scratch();
    let earlier = boot(Some([8; 16]));
    let options = ProducerOptions::new().zeros_ahead_bytes(0); // the length is to tell the end
    let mut sleeper = options.open_in(earlier, dir.path()).unwrap();
    sleeper.set_durable(true);
    append(&mut sleeper, "a");
    let end = len(&segment(dir.path(), 0));
    append(&mut sleeper, &"b".repeat(129)); // as long as what begins the epoch, and "B"
    let remembered = len(&segment(dir.path(), 0));
    cut_and_go_on(dir.path(), end, &["B"]);
    assert_eq!(len(&segment(dir.path(), 0)), remembered);

    assert_eq!(append(&mut sleeper, "c"), 2);
    assert_eq!(values(dir.path()), ["a", "B", "c"]);
}

/// A byte went bad in the middle of a segment whose end a producer remembered, and somebody died in a
/// write behind that end. By the bytes behind alone the producer would cut them off, raise the epoch, and go on behind the
/// damage: it has to scan again before it repairs.
#[test]
fn a_repair_looks_at_all_of_the_segment_whatever_its_writer_remembers() {
    let dir = scratch();
    let mut sleeper = Producer::open(dir.path()).unwrap();
    append(&mut sleeper, "a");
    let end = len(&segment(dir.path(), 0));
    append(&mut sleeper, "b");
    append(&mut sleeper, "c");
    flip(&segment(dir.path(), 0), end + 60);
    let mut bytes = std::fs::read(segment(dir.path(), 0)).unwrap();
    bytes.extend([0xFF; 100]);
    std::fs::write(segment(dir.path(), 0), &bytes).unwrap();

    let error = sleeper.append(&record("d")).unwrap_err();
    assert!(error.to_string().contains(&format!("byte {end}")), "{error}");
    assert_eq!(std::fs::read(segment(dir.path(), 0)).unwrap(), bytes);
    assert!(sleeper.repairs().is_empty() && lost(dir.path()).is_empty());
}

/// Field report A8. Damage stood before a waiting consumer's position; a writer cut it off and went
/// on. The consumer waited for ever, for nothing would ever begin at its position again.
#[test]
fn a_waiting_reader_is_told_that_its_past_was_taken_back() {
    for (cut, grown) in [(0, 0), (0, 1), (0, 9), (1, 1)] {
        let dir = scratch();
        let mut producer = Producer::open(dir.path()).unwrap();
        let mut ends = vec![];
        for value in ["a", "b", "c"] {
            append(&mut producer, value);
            ends.push(len(&segment(dir.path(), 0)));
        }
        let mut consumer = fast_consumer().open(dir.path()).unwrap();
        assert_eq!(drain(&mut consumer), ["a", "b", "c"]);
        let token = consumer.token().unwrap();

        flip(&segment(dir.path(), 0), ends[cut] + 60);
        set_len(&segment(dir.path(), 0), ends[2] - 1);
        let mut other = ProducerOptions::new().open_in(boot(Some([9; 16])), dir.path()).unwrap();
        for _ in 0..grown {
            append(&mut other, "B");
        }
        let told = (0..10_000).find_map(|_| consumer.poll(Duration::from_millis(2)).err());
        match told {
            Some(ReadError::Diverged(Diverged::Lost { token: told, .. })) => {
                assert_eq!(told, token);
            }
            told => panic!("cut at {cut}, grown by {grown}: {told:?}"),
        }
    }
}

/// Found by the model (BehindCut): whoever cut the damage off died before it raised the epoch. The
/// next one appended blocks of the same epoch at the same offsets, the token fitted them, and the
/// consumer went on behind records that it had never seen.
#[test]
fn a_cut_that_no_epoch_tells_of_is_told_by_the_records_that_went() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let end = len(&segment(dir.path(), 0));
    append(&mut producer, "b");
    append(&mut producer, "c");
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut consumer), ["a", "b", "c"]);
    let token = consumer.token().unwrap();

    set_len(&segment(dir.path(), 0), end);
    let mut other = Producer::open(dir.path()).unwrap();
    append(&mut other, "B");
    // Not all that it read is there yet: the damage may still be repaired in another way.
    assert!(consumer.poll(Duration::from_millis(50)).unwrap().is_none());
    append(&mut other, "C");
    append(&mut other, "d");
    assert_eq!(other.token().epoch, token.epoch);
    let told = (0..10_000).find_map(|_| consumer.poll(Duration::from_millis(2)).err());
    assert!(
        matches!(told, Some(ReadError::Diverged(Diverged::Replaced { token: of })) if of == token),
        "{told:?}"
    );
}

/// Damage stood before a waiting consumer's position, nobody had repaired it yet, and the stream was
/// removed. The look at the damage must not take the place of the look at the name.
#[test]
fn a_waiting_reader_of_damage_is_told_that_the_stream_was_removed() {
    let dir = scratch();
    let stream = dir.path().join("s");
    let mut producer = Producer::open(&stream).unwrap();
    append(&mut producer, "a");
    let end = len(&segment(&stream, 0));
    append(&mut producer, "b");
    let mut consumer = fast_consumer().open(&stream).unwrap();
    assert_eq!(drain(&mut consumer), ["a", "b"]);
    set_len(&segment(&stream, 0), end);
    assert!(consumer.poll(Duration::from_millis(50)).unwrap().is_none());
    std::fs::rename(&stream, dir.path().join("aside")).unwrap();
    let told = (0..10_000).find_map(|_| consumer.poll(Duration::from_millis(2)).err());
    assert!(matches!(told, Some(ReadError::Failure(Failure::Removed { .. }))), "{told:?}");
}

/// Only what carried no record was cut off behind it: the reader goes on at the same offset.
#[test]
fn a_waiting_reader_whose_records_are_all_there_goes_on() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    append(&mut producer, "a");
    let end = len(&segment(dir.path(), 0));
    producer.set(&"durable=false".parse().unwrap()).unwrap();
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    assert_eq!(drain(&mut consumer), ["a"]);
    cut_and_go_on(dir.path(), end, &["b", "c"]);

    let mut seen = vec![];
    while seen.len() < 2 {
        let record = consumer.poll(Duration::from_secs(60)).unwrap().unwrap();
        seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
    }
    assert_eq!(seen, ["b", "c"]);
}

/// A directory whose listings miss a name that was made while they were read.
struct Hasty {
    misses: Arc<AtomicBool>,
}

impl Hook for Hasty {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }
    fn listed(&self, mut names: Vec<String>) -> Vec<String> {
        if self.misses.load(Ordering::Relaxed) {
            names.retain(|name| name != "0000000001.puro");
        }
        names
    }
}

/// Field report A6. Two producers rolled every few milliseconds; now and then a listing showed a
/// segment and not the one before it, both made while it was read. All waiting consumers ended with
/// "damaged", on a sound stream.
#[test]
fn a_listing_that_misses_a_segment_is_no_damage() {
    let dir = scratch();
    let mut producer = small(dir.path());
    let mut count = 0;
    while !segment(dir.path(), 2).exists() {
        producer.append(&NewRecord::new("t", &"x".repeat(500))).unwrap();
        count += 1;
    }
    let misses = Arc::new(AtomicBool::new(true));
    let hasty = Interpose::new(OsVfs::new(), Hasty { misses: Arc::clone(&misses) });
    // The name itself is not there when the consumer looks for it, then both are made.
    let hidden = dir.path().join("hidden");
    let (first, second) = (segment(dir.path(), 1), segment(dir.path(), 2));
    std::fs::rename(&second, &hidden).unwrap();
    let mut consumer = fast_consumer().open_in(hasty.clone(), dir.path()).unwrap();
    std::fs::rename(&hidden, &second).unwrap();
    assert_eq!(drain(&mut consumer).len(), count);
    assert!(first.exists());

    // Who opens the stream by such a listing finds all of it too.
    let mut consumer = fast_consumer().open_in(hasty.clone(), dir.path()).unwrap();
    assert_eq!(drain(&mut consumer).len(), count);
    let copy = scratch();
    let options = puro::BackupOptions::new();
    puro::internals::backup(hasty, dir.path(), &copy.path().join("copy"), &options, &mut |_, _| {})
        .unwrap();
    assert_eq!(values(&copy.path().join("copy")).len(), count);
}

/// A segment that is really missing is damage all the same.
#[test]
fn a_missing_segment_is_still_damage() {
    let dir = scratch();
    let mut producer = small(dir.path());
    while !segment(dir.path(), 2).exists() {
        producer.append(&NewRecord::new("t", &"x".repeat(500))).unwrap();
    }
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let mut consumer = Consumer::open(dir.path()).unwrap();
    let told = std::iter::from_fn(|| Some(consumer.try_next().map(|record| record.is_some())));
    let told = told.take(1000).find_map(Result::err);
    assert!(matches!(told, Some(ReadError::Failure(Failure::Damage(_)))), "{told:?}");
}
