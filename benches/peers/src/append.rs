//! W1, W2, W3, W5: appending in one thread, and reading back what was appended.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::{Load, Tally};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;
use crate::stores::{self, Store};

/// One way of appending.
pub struct Shape {
    pub id: &'static str,
    title: &'static str,
    batch: u64,
    value_len: usize,
    records: u64,
    /// The table of reading it back.
    read: Option<(&'static str, &'static str)>,
}

pub const SHAPES: [Shape; 3] = [
    Shape {
        id: "W1",
        title: "one append a call, 100 B values with 16 B keys",
        batch: 1,
        value_len: 100,
        records: 200_000,
        read: None,
    },
    Shape {
        id: "W2",
        title: "the same in batches of 100",
        batch: 100,
        value_len: 100,
        records: 1_000_000,
        read: Some(("W5 of W2", "reading back W2: 100 B values")),
    },
    Shape {
        id: "W3",
        title: "1 KiB values in batches of 100",
        batch: 100,
        value_len: 1024,
        records: 200_000,
        read: Some(("W5 of W3", "reading back W3: 1 KiB values")),
    },
];

/// Who is slow stops then; rates are compared, not times.
const LONGEST: Duration = Duration::from_secs(1);

/// A reading is repeated until it has taken so long.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// Runs one shape through all contestants: tables of writing, of reading back where asked
/// for, and with that of the room taken on the disk. `only` names those that take part beside the
/// limit; all do where it is empty.
pub fn run(shape: &Shape, base: &Path, effort: Effort, only: &[String]) -> Result<Vec<Table>> {
    let mut stores = stores::all();
    let limit = stores::limit();
    let named = |name: &str| only.iter().any(|wanted| wanted == name);
    stores.retain(|store| only.is_empty() || store.name() == limit.name() || named(store.name()));
    let load = Load::new(shape.value_len);
    let mut tables = vec![Table::new(shape.id, shape.title, "records/s", effort)];
    if let Some((id, title)) = shape.read {
        tables.push(Table::new(id, title, "records/s", effort));
        let title = format!("disk space after {}", shape.id);
        let id = format!("size, {}", shape.id);
        tables.push(Table::new(&id, &title, "bytes/record", effort).lower_is_better());
    }
    for store in &stores {
        let row = Row::new(store.name(), store.ack().name());
        for (which, table) in tables.iter_mut().enumerate() {
            if if which == 1 { store.reads() } else { store.writes() } {
                table.rows.push(row.clone());
            }
        }
    }
    interleave(&mut tables, effort, stores.len(), |tables, which| {
        let (store, dir) = (&*stores[which], scratch(base)?);
        let (records, rate) = append(shape, store, &load, dir.path(), effort)?;
        tables[0].add(store.name(), rate);
        if let [_, read, size] = tables {
            size.add(store.name(), disk_bytes(dir.path())? as f64 / records as f64);
            if store.reads() {
                read.add(store.name(), read_back(store, dir.path(), records)?);
            }
        }
        check(store, &load, dir.path(), records)
    })?;
    Ok(tables)
}

/// Bytes that the file system has set aside for a directory's files.
fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let status = entry.metadata()?;
        total += if status.is_dir() { disk_bytes(&entry.path())? } else { status.blocks() * 512 };
    }
    Ok(total)
}

/// Appends; tells how many records, and how many a second.
fn append(
    shape: &Shape,
    store: &dyn Store,
    load: &Load,
    dir: &Path,
    effort: Effort,
) -> Result<(u64, f64)> {
    let wanted = effort.scaled(shape.records);
    let longest = if effort.quick { LONGEST / 4 } else { LONGEST };
    let (mut records, mut taken) = (0, Duration::ZERO);
    store.with_appender(dir, &mut |appender| {
        let mut batch = Vec::new();
        let begun = Instant::now();
        while records < wanted && begun.elapsed() < longest {
            // The clock is looked at once for some appends, so that it costs nothing.
            for _ in 0..16 {
                batch.clear();
                batch.extend((records..records + shape.batch).map(|index| load.record(index)));
                appender.append(&batch)?;
                records += shape.batch;
            }
        }
        appender.flush()?;
        taken = begun.elapsed();
        Ok(())
    })?;
    Ok((records, records as f64 / taken.as_secs_f64()))
}

/// Reads all of it; tells how many records a second.
fn read_back(store: &dyn Store, dir: &Path, records: u64) -> Result<f64> {
    let mut reader = store.open(dir)?;
    let (begun, mut times) = (Instant::now(), 0);
    while times == 0 || begun.elapsed() < LONG_ENOUGH {
        let mut tally = Tally::counting();
        reader.read(&mut tally)?;
        ensure!(tally.records == records, "{} read {} of {records}", store.name(), tally.records);
        times += 1;
    }
    Ok((times * records) as f64 / begun.elapsed().as_secs_f64())
}

/// Reads all of it once more, and holds each byte against what was written.
fn check(store: &dyn Store, load: &Load, dir: &Path, records: u64) -> Result<()> {
    let mut seen = Tally::checking();
    store.open(dir)?.read(&mut seen)?;
    let expected = load.expected(records);
    ensure!(seen == expected, "{} read back {seen:?}, not {expected:?}", store.name());
    Ok(())
}
