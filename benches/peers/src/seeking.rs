//! W9 and W10: not reading what is not wanted.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use puro::{Batch, Consumer, ConsumerOptions, NewRecord, ProducerOptions, Start};

use crate::load::{Load, TOPIC};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;

const VALUE_LEN: usize = 100;
const BATCH: u64 = 100;
/// Bytes of a block of W9 as it stands in the file, closely enough.
const BLOCK_LEN: u64 = 13_120;
/// Bytes of the stream of W9.
const STREAM_LEN: u64 = 1 << 30;
/// Every so many blocks one holds one record of the rare topic.
const RARE: u64 = 100;
const RARE_TOPIC: &str = "rare";
/// Segments of W10, and how large each is.
const SEGMENTS: u64 = 1_000;
const SEGMENT_LEN: u64 = 1 << 20;
/// Milliseconds from one block of W10 to the next.
const STEP: u64 = 1_000;

/// Appends blocks; block `n` carries the time `n * STEP`, and where asked for a rare record.
fn fill(dir: &Path, segment_bytes: u64, blocks: u64, value_len: usize, rare: bool) -> Result<()> {
    let load = Load::new(value_len);
    let mut producer = ProducerOptions::new().segment_bytes(segment_bytes).open(dir)?;
    let mut batch = Batch::new();
    for block in 0..blocks {
        batch.clear();
        for turn in 0..BATCH {
            let record = load.record(block * BATCH + turn);
            let is_rare = rare && turn == BATCH / 2 && block % RARE == RARE / 2;
            let topic = if is_rare { RARE_TOPIC } else { TOPIC };
            batch.push(&NewRecord::new(topic, record.value).key(&record.key))?;
        }
        producer.transaction(&mut batch).timestamp_ms(block * STEP).commit()?;
    }
    Ok(())
}

/// Reads to the end; tells how many records and milliseconds.
fn read_all(mut consumer: Consumer, begun: Instant) -> Result<(u64, f64)> {
    let mut records = 0;
    while let Some(record) = consumer.try_next()? {
        std::hint::black_box(record.value);
        records += 1;
    }
    Ok((records, begun.elapsed().as_secs_f64() * 1e3))
}

pub fn one_topic(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let dir = scratch(base)?;
    let dir = dir.path().join("stream");
    let blocks = effort.scaled(STREAM_LEN) / BLOCK_LEN;
    fill(&dir, 64 << 20, blocks, VALUE_LEN, true)?;
    let title = "one topic, in 1 % of the blocks of 1 GiB";
    let mut tables = [Table::new("W9", title, "ms", effort).lower_is_better()];
    let names = ["full scan", "Puro, one topic"];
    tables[0].rows.extend(names.map(|name| Row::new(name, "")));
    interleave(&mut tables, effort, 2, |tables, which| {
        let begun = Instant::now();
        let (options, expected) = match which {
            0 => (ConsumerOptions::new(), blocks * BATCH),
            _ => (ConsumerOptions::new().topic(RARE_TOPIC), (blocks + RARE / 2 - 1) / RARE),
        };
        let (records, millis) = read_all(options.open(&dir)?, begun)?;
        ensure!(records == expected, "{} read {records} of {expected}", names[which]);
        tables[0].add(names[which], millis);
        Ok(())
    })?;
    Ok(tables.into())
}

pub fn in_the_middle(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let dir = scratch(base)?;
    let dir = dir.path().join("stream");
    let load = Load::new(1024);
    let blocks = effort.scaled(SEGMENTS * SEGMENT_LEN) / (BATCH * 1_060);
    fill(&dir, SEGMENT_LEN, blocks, 1024, false)?;
    let (block, records) = (blocks / 2, blocks * BATCH);
    let title = "the first record from the middle of 1,000 segments";
    let mut tables = [Table::new("W10", title, "ms", effort).lower_is_better()];
    let names = ["full scan", "Puro, by offset", "Puro, by time"];
    tables[0].rows.extend(names.map(|name| Row::new(name, "")));
    interleave(&mut tables, effort, names.len(), |tables, which| {
        let begun = Instant::now();
        let start = match which {
            0 => {
                let (seen, millis) = read_all(Consumer::open(&dir)?, begun)?;
                ensure!(seen == records, "read {seen} of {records}");
                tables[0].add(names[0], millis);
                return Ok(());
            }
            1 => Start::Offset(block * BATCH + 50),
            _ => Start::Time(block * STEP),
        };
        let expected = block * BATCH + if which == 1 { 50 } else { 0 };
        let mut consumer = ConsumerOptions::new().start(start).open(&dir)?;
        let record = consumer.try_next()?.context("no record")?;
        let millis = begun.elapsed().as_secs_f64() * 1e3;
        ensure!(record.offset == expected, "offset {}, not {expected}", record.offset);
        ensure!(record.value == Some(load.record(expected).value), "another value");
        tables[0].add(names[which], millis);
        Ok(())
    })?;
    Ok(tables.into())
}
