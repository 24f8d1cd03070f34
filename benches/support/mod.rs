//! What the benches share: short times by default, and the same records for all.

#![allow(dead_code)] // Each bench uses a part of it.

use std::time::Duration;

use criterion::Criterion;
use puro::{Batch, NewRecord, Producer};

/// Short times, so that all of them run in minutes; lengthen them by the options of criterion
/// (`--measurement-time 5`).
pub fn quickly() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

pub const TOPIC: &str = "events";
pub const KEY: &[u8; 16] = b"0123456789abcdef";

/// `len` bytes that compress badly and mean nothing.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

pub fn record(value: &[u8]) -> NewRecord<'_> {
    NewRecord::new(TOPIC, value).key(KEY)
}

/// `count` records of one topic.
pub fn batch(count: usize, value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..count {
        batch.push(&record(value)).unwrap();
    }
    batch
}

/// Appends batches of 100 records until so many bytes of keys and values are there.
pub fn fill(producer: &mut Producer, value_len: usize, bytes_wanted: usize) -> u64 {
    let mut batch = batch(100, &bytes(value_len));
    let batches = (bytes_wanted / (100 * (value_len + KEY.len()))).max(1);
    for _ in 0..batches {
        producer.append_batch(&mut batch).unwrap();
    }
    batches as u64 * 100
}
