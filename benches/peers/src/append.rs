//! W1, W2, W3, W5: appending in one thread, and reading back what was appended.

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
        read: Some(("W5", "reading back W2: 100 B values")),
    },
    Shape {
        id: "W3",
        title: "1 KiB values in batches of 100",
        batch: 100,
        value_len: 1024,
        records: 200_000,
        read: Some(("W5", "reading back W3: 1 KiB values")),
    },
];

/// Who is slow stops then; rates are compared, not times.
const LONGEST: Duration = Duration::from_secs(1);

/// A reading is repeated until it has taken so long.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// Runs one shape through all contestants; the second table is of reading it back.
pub fn run(shape: &Shape, base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let stores = stores::all();
    let load = Load::new(shape.value_len);
    let mut written = Table::new(shape.id, shape.title, "records/s");
    let (read_id, read_title) = shape.read.unwrap_or(("", ""));
    let mut read = Table::new(read_id, read_title, "records/s");
    for store in &stores {
        if store.writes() {
            written.rows.push(Row::new(store.name(), store.ack().name()));
        }
        if store.reads() {
            read.rows.push(Row::new(store.name(), store.ack().name()));
        }
    }
    let tables = std::cell::RefCell::new((&mut written, &mut read));
    interleave(
        shape.id,
        effort,
        stores.len(),
        |which| {
            let dir = scratch(base)?;
            let (records, rate) = append(shape, &*stores[which], &load, dir.path(), effort)?;
            let (written, read) = &mut *tables.borrow_mut();
            let store = &*stores[which];
            written.add(store.name(), rate);
            if shape.read.is_some() && store.reads() {
                read.add(store.name(), read_back(store, dir.path(), records)?);
            }
            check(store, &load, dir.path(), records)
        },
        || {
            let (written, read) = &mut *tables.borrow_mut();
            written.close_round();
            read.close_round();
        },
    )?;
    let mut made = vec![written];
    made.extend(shape.read.map(|_| read));
    Ok(made)
}

/// Appends; tells how many records, and how many a second.
fn append(
    shape: &Shape,
    store: &dyn Store,
    load: &Load,
    dir: &Path,
    effort: Effort,
) -> Result<(u64, f64)> {
    let mut appender = store.create(dir)?;
    let wanted = effort.scaled(shape.records);
    let longest = if effort.quick { LONGEST / 4 } else { LONGEST };
    let mut batch = Vec::new();
    let mut records = 0;
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
    let taken = begun.elapsed();
    appender.close()?;
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
