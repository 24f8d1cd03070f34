//! What it costs when there are more: producers, consumers, topics, segments.

#![allow(missing_docs)] // criterion's macros make public functions.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use puro::{Batch, Consumer, ConsumerOptions, NewRecord, Producer, ProducerOptions, Start};

const HOW_MANY: [usize; 4] = [1, 10, 100, 1_000];

/// An append by each of so many open producers in turn: each finds that another was there.
fn producers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append, by producers");
    for many in HOW_MANY {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        let mut producers: Vec<_> = (0..many).map(|_| Producer::open(&dir).unwrap()).collect();
        let (value, mut turn) = (support::bytes(100), 0);
        group.bench_function(BenchmarkId::from_parameter(many), |b| {
            b.iter(|| {
                turn = (turn + 1) % many;
                producers[turn].append(&support::record(&value)).unwrap()
            });
        });
    }
}

/// An append while so many consumers hold the segment, and a look of one of them.
fn consumers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("by consumers");
    for many in HOW_MANY {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        let mut producer = Producer::open(&dir).unwrap();
        let value = support::bytes(100);
        let mut consumers: Vec<_> = (0..many).map(|_| Consumer::open(&dir).unwrap()).collect();
        group.bench_function(BenchmarkId::new("append", many), |b| {
            b.iter(|| producer.append(&support::record(&value)).unwrap());
        });
        let last = consumers.last_mut().unwrap();
        while last.try_next().unwrap().is_some() {}
        group.bench_function(BenchmarkId::new("look", many), |b| {
            b.iter(|| assert!(last.try_next().unwrap().is_none()));
        });
        group.bench_function(BenchmarkId::new("open one more", many), |b| {
            b.iter(|| Consumer::open(&dir).unwrap());
        });
    }
}

/// Reading one of so many topics, of 20,000 records.
fn topics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read one topic, by topics");
    for many in HOW_MANY {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        let mut producer = Producer::open(&dir).unwrap();
        let value = support::bytes(100);
        let names: Vec<_> = (0..many).map(|number| format!("topic-{number}")).collect();
        let mut batch = Batch::new();
        for start in (0..20_000).step_by(100) {
            batch.clear();
            for index in start..start + 100 {
                batch.push(&NewRecord::new(&names[index % many], &value)).unwrap();
            }
            producer.append_batch(&mut batch).unwrap();
        }
        group.bench_function(BenchmarkId::from_parameter(many), |b| {
            b.iter(|| {
                let mut consumer = ConsumerOptions::new().topic("topic-0").open(&dir).unwrap();
                let mut seen = 0;
                while consumer.try_next().unwrap().is_some() {
                    seen += 1;
                }
                assert_eq!(seen, 20_000 / many);
            });
        });
    }
}

/// Opening a stream of so many small segments, at its ends and in its middle.
fn segments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open, by segments");
    for many in HOW_MANY {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("stream");
        let mut producer = ProducerOptions::new().segment_bytes(4096).open(&dir).unwrap();
        let value = support::bytes(2_500); // two of them do not fit
        for _ in 0..many {
            producer.append(&support::record(&value)).unwrap();
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().filter(is_segment).count(), many);
        group.bench_function(BenchmarkId::new("producer", many), |b| {
            b.iter(|| Producer::open(&dir).unwrap());
        });
        for (name, start) in [
            ("consumer at the beginning", Start::Beginning),
            ("consumer in the middle", Start::Offset(many as u64 / 2)),
            ("consumer at the end", Start::End),
        ] {
            let options = ConsumerOptions::new().start(start);
            group.bench_function(BenchmarkId::new(name, many), |b| {
                b.iter(|| options.open(&dir).unwrap());
            });
        }
    }
}

fn is_segment(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    let name = entry.as_ref().unwrap().file_name();
    name.to_string_lossy().ends_with(".puro")
}

criterion_group! {
    name = benches;
    config = support::quickly();
    targets = producers, consumers, topics, segments
}
criterion_main!(benches);
