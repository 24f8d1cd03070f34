//! Producers and consumers on real files.

#![allow(missing_docs)] // criterion's macros make public functions.

mod support;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use puro::{Consumer, ConsumerOptions, NewRecord, Producer, ProducerOptions, Start};

const MIB: usize = 1 << 20;
/// Nobody waits longer than this for a record.
const PATIENCE: Duration = Duration::from_secs(10);

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for (count, value_len) in [(1, 100), (100, 100), (100, 1024)] {
        let dir = tempfile::tempdir().unwrap();
        let mut producer = Producer::open(dir.path().join("stream")).unwrap();
        let value = support::bytes(value_len);
        let mut batch = support::batch(count, &value);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{count} x {value_len}")), |b| {
            b.iter(|| match count {
                1 => producer.append(&support::record(&value)).unwrap(),
                _ => producer.append_batch(&mut batch).unwrap(),
            });
        });
    }
}

fn count(mut consumer: Consumer) -> u64 {
    let mut seen = 0;
    while consumer.try_next().unwrap().is_some() {
        seen += 1;
    }
    seen
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for value_len in [100, 1024] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        let records = support::fill(&mut Producer::open(&dir).unwrap(), value_len, 8 * MIB);
        group.throughput(Throughput::Elements(records));
        group.bench_function(BenchmarkId::new("all", value_len), |b| {
            b.iter(|| assert_eq!(count(Consumer::open(&dir).unwrap()), records));
        });
    }
    filtered(&mut group);
}

/// One topic, a record of which is in every hundredth block.
fn filtered(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("stream");
    let mut producer = Producer::open(&dir).unwrap();
    let value = support::bytes(100);
    let mut batch = support::batch(100, &value);
    for block in 0..700 {
        producer.append_batch(&mut batch).unwrap();
        if block % 100 == 50 {
            producer.append(&NewRecord::new("rare", &value)).unwrap();
        }
    }
    group.throughput(Throughput::Elements(70_007));
    group.bench_function("one topic in 1 %", |b| {
        b.iter(|| {
            let consumer = ConsumerOptions::new().topic("rare").open(&dir).unwrap();
            assert_eq!(count(consumer), 7);
        });
    });
}

/// From the append to the record in a waiting consumer, in another thread.
fn wake_up(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("stream");
    let mut producer = Producer::open(&dir).unwrap();
    let (seen, sees) = mpsc::channel();
    let mut consumer = Consumer::open(&dir).unwrap();
    let waiting = std::thread::spawn(move || {
        while let Some(record) = consumer.poll(PATIENCE).unwrap() {
            let last = record.value.is_none();
            if seen.send(Instant::now()).is_err() || last {
                break;
            }
        }
    });
    criterion.bench_function("wake-up", |b| {
        b.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                // So that it has gone to sleep.
                std::thread::sleep(Duration::from_micros(200));
                let begun = Instant::now();
                producer.append(&support::record(b"wake up")).unwrap();
                total += sees.recv().unwrap() - begun;
            }
            total
        });
    });
    producer.append(&NewRecord::delete_marker("events", "end")).unwrap();
    waiting.join().unwrap();
}

/// A stream whose active segment is so full.
fn segment_of(dir: &Path, mib: usize) {
    let mut producer = ProducerOptions::new().segment_bytes(256 << 20).open(dir).unwrap();
    support::fill(&mut producer, 100, mib * MIB);
}

/// Bytes of the active segment decide how long it takes to find its end.
fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    for mib in [1, 4, 16, 64] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        segment_of(&dir, mib);
        group.bench_function(BenchmarkId::new("producer", format!("{mib} MiB")), |b| {
            b.iter(|| Producer::open(&dir).unwrap());
        });
        group.bench_function(BenchmarkId::new("consumer", format!("{mib} MiB")), |b| {
            b.iter(|| Consumer::open(&dir).unwrap());
        });
        let end = ConsumerOptions::new().start(Start::End);
        group.bench_function(BenchmarkId::new("consumer at the end", format!("{mib} MiB")), |b| {
            b.iter(|| end.open(&dir).unwrap());
        });
    }
}

/// What is behind the committed end is saved and cut off.
fn repair(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("repair");
    for mib in [1, 4, 16, 64] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        segment_of(&dir, mib);
        let segment = dir.join("0000000000.puro");
        let tear = || {
            let mut file = File::options().append(true).open(&segment).unwrap();
            file.write_all(&[0x55; 4096]).unwrap();
        };
        group.bench_function(BenchmarkId::from_parameter(format!("{mib} MiB")), |b| {
            b.iter_batched(
                tear,
                |()| assert_eq!(puro::repair(&dir).unwrap().len(), 1),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = support::quickly();
    targets = append, read, wake_up, open, repair
}
criterion_main!(benches);
