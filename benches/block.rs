//! Records to blocks and back, without files.

#![allow(missing_docs)] // criterion's macros make public functions.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use puro::internals::block::{Block, BlockBuilder, BlockKind, BlockMeta, BlockStart, Link, Place};
use puro::internals::record::Fields;

/// How many records a block has, and how long their values are.
const SHAPES: [(usize, usize); 4] = [(1, 100), (100, 100), (100, 1024), (1, 1 << 20)];
const PLACE: Place = Place { header_crc: 7, position: 64 };

fn meta() -> BlockMeta {
    let link = Link { prev_crc: 7, next_offset: 0, may_jump: false };
    let (kind, committed) = (BlockKind::Records, false);
    BlockMeta { kind, link, timestamp_ms: 1, durable_to: 0, epoch: 1, committed }
}

fn build(builder: &mut BlockBuilder, (count, value_len): (usize, usize)) {
    let value = support::bytes(value_len);
    for _ in 0..count {
        builder.push(&support::record(&value)).unwrap();
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode block");
    for (count, value_len) in SHAPES {
        let (value, mut builder) = (support::bytes(value_len), BlockBuilder::default());
        group.throughput(Throughput::Bytes((count * value_len) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{count} x {value_len}")), |b| {
            b.iter(|| {
                builder.clear();
                for _ in 0..count {
                    builder.push(black_box(&support::record(&value))).unwrap();
                }
                builder.finish(&meta(), PLACE).unwrap().block.crc
            });
        });
    }
}

/// As a consumer does it: start, checksum, each record, and what is in them.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode block");
    for shape in SHAPES {
        let (count, value_len) = shape;
        let mut builder = BlockBuilder::default();
        build(&mut builder, shape);
        let bytes = builder.finish(&meta(), PLACE).unwrap().bytes.to_vec();
        let name = format!("{count} x {value_len}");
        group.throughput(Throughput::Bytes((count * value_len) as u64));
        group.bench_function(BenchmarkId::new("all", &name), |b| {
            b.iter(|| {
                let start = BlockStart::decode(black_box(&bytes), PLACE).unwrap();
                let block = Block::verify(&bytes, start).unwrap();
                let mut cursor = block.records();
                let mut seen = 0;
                while let Some(record) = cursor.try_next(block.body).unwrap() {
                    seen += record.value.map_or(0, <[u8]>::len);
                }
                seen
            });
        });
        group.bench_function(BenchmarkId::new("start", &name), |b| {
            b.iter(|| BlockStart::decode(black_box(&bytes), PLACE).unwrap());
        });
        let start = BlockStart::decode(&bytes, PLACE).unwrap();
        group.bench_function(BenchmarkId::new("checksum", &name), |b| {
            b.iter(|| Block::verify(black_box(&bytes), start).unwrap().crc);
        });
        let body = Block::verify(&bytes, start).unwrap().body;
        group.bench_function(BenchmarkId::new("first record", &name), |b| {
            b.iter(|| Fields::split(black_box(body)).unwrap().0.topic.len());
        });
    }
}

criterion_group! { name = benches; config = support::quickly(); targets = encode, decode }
criterion_main!(benches);
