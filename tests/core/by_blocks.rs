//! Reading block by block: the same records as one by one, whatever is asked for and wherever
//! somebody stops on the way.

use std::path::Path;
use std::time::Duration;

use crate::real::*;
use puro::{Batch, Consumer, ConsumerOptions, NewRecord, Producer, Start};
use tempfile::TempDir;

/// Blocks of one to seven records of three topics, in several segments.
fn of_three_topics() -> TempDir {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    let (mut batch, mut number) = (Batch::new(), 0);
    for block in 0..200 {
        batch.clear();
        for _ in 0..block % 7 + 1 {
            let topic = ["a", "b", "c"][number % 3];
            batch.push(&NewRecord::new(topic, &number.to_string())).unwrap();
            number += 1;
        }
        producer.append_batch(&mut batch).unwrap();
    }
    dir
}

fn one_by_one(dir: &Path, options: &ConsumerOptions) -> Vec<(u64, Vec<u8>)> {
    let mut consumer = options.clone().open(dir).unwrap();
    let records = consumer.try_iter().map(|record| record.unwrap());
    records.map(|record| (record.offset, record.value.unwrap())).collect()
}

/// Takes up to `most` records of each block at a time.
fn by_blocks(dir: &Path, options: &ConsumerOptions, most: usize) -> Vec<(u64, Vec<u8>)> {
    let mut consumer = options.clone().open(dir).unwrap();
    let mut found = Vec::new();
    while let Some(block) = consumer.next_block(Duration::ZERO).unwrap() {
        let taken: Vec<_> = block.take(most).map(|record| record.unwrap()).collect();
        assert!(!taken.is_empty(), "a block without a wanted record is none");
        found.extend(taken.iter().map(|r| (r.offset, r.value.unwrap().to_vec())));
        let behind = found.last().unwrap().0 + 1;
        assert!(consumer.token().unwrap().offset >= behind);
    }
    found
}

#[test]
fn blocks_hold_what_single_records_do() {
    let dir = of_three_topics();
    let all = ConsumerOptions::new();
    let some = ConsumerOptions::new().topic("b").topic("c");
    let none = ConsumerOptions::new().topic("x");
    for options in [all, some, none] {
        for start in [0, 1, 333, 790] {
            let options = options.clone().start(Start::Offset(start));
            let expected = one_by_one(dir.path(), &options);
            for most in [1, 2, 1000] {
                assert_eq!(by_blocks(dir.path(), &options, most), expected);
            }
        }
    }
}

/// Some records of a block are taken by it, the rest one by one, and the other way round.
#[test]
fn both_ways_of_reading_go_on_where_the_other_stopped() {
    let dir = scratch();
    let mut batch: Batch = ["a", "b", "c", "d"].iter().map(|value| record(value)).collect();
    Producer::open(dir.path()).unwrap().append_batch(&mut batch).unwrap();
    let mut consumer = Consumer::open(dir.path()).unwrap();
    assert_eq!(consumer.try_next().unwrap().unwrap().value_str(), Some("a"));
    let mut block = consumer.next_block(Duration::ZERO).unwrap().unwrap();
    assert_eq!(block.next().unwrap().unwrap().value_str(), Some("b"));
    drop(block);
    assert_eq!(consumer.token().unwrap().offset, 2);
    assert_eq!(consumer.try_next().unwrap().unwrap().value_str(), Some("c"));
    let rest = consumer.next_block(Duration::ZERO).unwrap().unwrap();
    assert_eq!(rest.count(), 1);
    assert!(consumer.next_block(Duration::ZERO).unwrap().is_none());
}
