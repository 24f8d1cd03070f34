//! Two questions of the format: how lengths are written, and which checksum.

#![allow(missing_docs)] // criterion's macros make public functions.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use puro::internals::codec::{crc, get_u64, put_varint, split_varint};

/// Lengths as they stand in front of fields: of one byte as a varint, of two, of three.
const LENGTHS: [(&str, u64); 3] = [("up to 127", 100), ("to 16383", 1_100), ("more", 100_000)];
/// How many are written, or read, at a time.
const COUNT: usize = 1_000;

/// Varints beside lengths of eight bytes: writing and reading nothing but them.
fn lengths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lengths");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (name, length) in LENGTHS {
        group.bench_with_input(BenchmarkId::new("write varint", name), &length, |b, &length| {
            let mut out = Vec::with_capacity(COUNT * 10);
            b.iter(|| {
                out.clear();
                (0..COUNT).for_each(|_| put_varint(&mut out, black_box(length)));
                black_box(out.len())
            });
        });
        group.bench_with_input(BenchmarkId::new("write u64", name), &length, |b, &length| {
            let mut out = Vec::with_capacity(COUNT * 10);
            b.iter(|| {
                out.clear();
                (0..COUNT).for_each(|_| out.extend_from_slice(&black_box(length).to_le_bytes()));
                black_box(out.len())
            });
        });
        let mut varints = Vec::new();
        (0..COUNT).for_each(|_| put_varint(&mut varints, length));
        group.bench_function(BenchmarkId::new("read varint", name), |b| {
            b.iter(|| {
                let (mut rest, mut sum) = (black_box(varints.as_slice()), 0);
                while let Some((value, after)) = split_varint(rest) {
                    (rest, sum) = (after, sum + value);
                }
                sum
            });
        });
        let words = length.to_le_bytes().repeat(COUNT);
        group.bench_function(BenchmarkId::new("read u64", name), |b| {
            b.iter(|| {
                let words = black_box(words.as_slice());
                (0..COUNT).filter_map(|index| get_u64(words, 8 * index)).sum::<u64>()
            });
        });
    }
}

/// The same where it matters: records of three fields, walked through with their checksum.
/// Fixed lengths are read faster, and are 20 bytes more to be checked, copied and kept.
fn walk(criterion: &mut Criterion) {
    const FIELDS: [usize; 3] = [6, 16, 100];
    let payload = support::bytes(100);
    let (mut varint, mut fixed) = (Vec::new(), Vec::new());
    for _ in 0..COUNT {
        for field in FIELDS {
            put_varint(&mut varint, field as u64);
            varint.extend_from_slice(&payload[..field]);
            fixed.extend_from_slice(&(field as u64).to_le_bytes());
            fixed.extend_from_slice(&payload[..field]);
        }
    }
    let mut group = criterion.benchmark_group("walk through records");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("varint", |b| {
        b.iter(|| {
            let (mut rest, mut sum) = (black_box(varint.as_slice()), 0);
            while !rest.is_empty() {
                let record = rest;
                for _ in FIELDS {
                    let (length, fields) = split_varint(rest).unwrap();
                    rest = &fields[length as usize..];
                }
                sum ^= crc(&record[..record.len() - rest.len()]);
            }
            sum
        });
    });
    group.bench_function("u64", |b| {
        b.iter(|| {
            let (mut rest, mut sum) = (black_box(fixed.as_slice()), 0);
            while !rest.is_empty() {
                let record = rest;
                for _ in FIELDS {
                    let length = get_u64(rest, 0).unwrap();
                    rest = &rest[8 + length as usize..];
                }
                sum ^= crc(&record[..record.len() - rest.len()]);
            }
            sum
        });
    });
}

/// CRC-32C as Puro computes it, and by other crates, beside what else might have been chosen.
fn checksums(criterion: &mut Criterion) {
    const TABLE: crc::Crc<u32, crc::Table<16>> =
        crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);
    let mut group = criterion.benchmark_group("checksum");
    for len in [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10] {
        let data = support::bytes(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::new("crc32c", len), &data, |b, data| {
            b.iter(|| crc(black_box(data)));
        });
        group.bench_with_input(BenchmarkId::new("crc32c by its crate", len), &data, |b, data| {
            b.iter(|| crc32c::crc32c(black_box(data)));
        });
        group.bench_with_input(BenchmarkId::new("crc32c by table", len), &data, |b, data| {
            b.iter(|| TABLE.checksum(black_box(data)));
        });
        group.bench_with_input(BenchmarkId::new("crc32", len), &data, |b, data| {
            b.iter(|| crc32fast::hash(black_box(data)));
        });
        group.bench_with_input(BenchmarkId::new("xxh3", len), &data, |b, data| {
            b.iter(|| xxhash_rust::xxh3::xxh3_64(black_box(data)));
        });
        let mut copy = vec![0; len];
        group.bench_with_input(BenchmarkId::new("copying", len), &data, |b, data| {
            b.iter(|| copy.copy_from_slice(black_box(data)));
        });
    }
}

criterion_group! { name = benches; config = support::quickly(); targets = lengths, walk, checksums }
criterion_main!(benches);
