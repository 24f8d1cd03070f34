//! How much memory a producer and a consumer take: the high-water mark of a process that is
//! nothing else.

use std::path::Path;

use anyhow::{Context, Result};
use puro::{Batch, Consumer, NewRecord, Producer};

use crate::children::{Running, text};
use crate::load::{Load, TOPIC};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;

/// Bytes of the stream.
const STREAM_LEN: u64 = 512 << 20;
const IDLE: &str = "a process that does nothing";

/// What the blocks are like: how many records, of how many bytes, and the names of the rows.
struct Blocks {
    records: u64,
    value_len: usize,
    producer: &'static str,
    consumer: &'static str,
}

const BLOCKS: [Blocks; 2] = [
    Blocks {
        records: 980,
        value_len: 1024,
        producer: "producer, 1 MiB blocks",
        consumer: "consumer, 1 MiB blocks",
    },
    Blocks {
        records: 16,
        value_len: 1_040_000,
        producer: "producer, 16 MiB blocks",
        consumer: "consumer, 16 MiB blocks",
    },
];

pub fn run(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let title = "most memory that a process of its own had";
    let mut tables = [Table::new("memory", title, "MiB", effort).lower_is_better()];
    let rows = BLOCKS.iter().flat_map(|blocks| [blocks.producer, blocks.consumer]);
    tables[0].rows.extend(std::iter::once(IDLE).chain(rows).map(|name| Row::new(name, "")));
    interleave(&mut tables, effort, BLOCKS.len() + 1, |tables, which| {
        let Some(shape) = BLOCKS.get(which) else {
            tables[0].add(IDLE, Running::start(&["idle"])?.finish()?[0]);
            return Ok(());
        };
        let dir = scratch(base)?;
        let dir = dir.path().join("stream");
        let Blocks { records, value_len, producer, consumer } = shape;
        let blocks = effort.scaled(STREAM_LEN) / (records * *value_len as u64);
        let numbers = [blocks.to_string(), records.to_string(), value_len.to_string()];
        let [blocks, records, value_len] = &numbers;
        let args = ["append-blocks", text(&dir)?, blocks, records, value_len];
        tables[0].add(producer, Running::start(&args)?.finish()?[0]);
        let args = ["read-blocks", text(&dir)?];
        tables[0].add(consumer, Running::start(&args)?.finish()?[0]);
        Ok(())
    })?;
    Ok(tables.into())
}

pub fn append_blocks(dir: &Path, blocks: u64, records: u64, value_len: usize) -> Result<()> {
    let load = LongLoad::new(value_len);
    let mut producer = Producer::open(dir)?;
    let mut batch = Batch::new();
    for _ in 0..blocks {
        batch.clear();
        for index in 0..records {
            batch.push(&NewRecord::new(TOPIC, load.value()).key(&index.to_be_bytes()))?;
        }
        producer.append_batch(&mut batch)?;
    }
    tell()
}

/// One value, of any length.
struct LongLoad(Vec<u8>);

impl LongLoad {
    fn new(value_len: usize) -> Self {
        let load = Load::new(1024);
        let pieces = (0..).flat_map(|index| load.record(index).value.to_vec());
        Self(pieces.take(value_len).collect())
    }

    fn value(&self) -> &[u8] {
        &self.0
    }
}

pub fn read_blocks(dir: &Path) -> Result<()> {
    let mut consumer = Consumer::open(dir)?;
    while let Some(record) = consumer.try_next()? {
        std::hint::black_box(record.value);
    }
    tell()
}

/// Prints this process's high-water mark in MiB.
pub fn tell() -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = mark.trim().trim_end_matches(" kB").parse()?;
    println!("{}", kib / 1024.0);
    Ok(())
}
