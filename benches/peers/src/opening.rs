//! W7: opening a stream of 1 GiB and appending one record to it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::children::{Running, VALUE_LEN, text};
use crate::load::{KEY_LEN, Load, Tally};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;
use crate::stores::{self, Store};

/// Bytes of keys and values; 64 MiB segments, as Puro makes them where nothing is said.
const STREAM_LEN: u64 = 1 << 30;
const SEGMENT_LEN: usize = 64 << 20;
/// Records of one append while the stream is filled.
const BATCH: u64 = 1_000;
const KILLED: &str = "Puro, after a kill";
const SCAN: &str = "reading one segment, with its checksum";

pub fn run(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let stores = stores::reopened();
    let load = Load::new(VALUE_LEN);
    let title = "opening 1 GiB and appending one record";
    let mut tables = [Table::new("W7", title, "ms", effort).lower_is_better()];
    let mut filled = Vec::new();
    for store in &stores {
        tables[0].rows.push(Row::new(store.name(), store.ack().name()));
        filled.push(fill(&**store, &load, base, effort)?);
    }
    let to_be_killed = fill(&*stores::puro(), &load, base, effort)?;
    let segment = scratch(base)?;
    std::fs::write(segment.path().join("segment"), vec![b'x'; SEGMENT_LEN])?;
    tables[0].rows.push(Row::new(KILLED, ""));
    tables[0].rows.push(Row::new(SCAN, ""));
    interleave(&mut tables, effort, stores.len() + 2, |tables, which| {
        if let Some(store) = stores.get(which) {
            let (dir, count) = &mut filled[which];
            tables[0].add(store.name(), open_and_append(&**store, dir.path(), &load, *count)?);
            *count += 1;
        } else if which == stores.len() {
            kill(to_be_killed.0.path())?;
            let store = stores::puro();
            let millis = open_and_append(&*store, to_be_killed.0.path(), &load, 0)?;
            tables[0].add(KILLED, millis);
        } else {
            tables[0].add(SCAN, scan(&segment.path().join("segment"))?);
        }
        Ok(())
    })?;
    for (store, (dir, count)) in stores.iter().zip(&filled) {
        let mut seen = Tally::checking();
        store.open(dir.path())?.read(&mut seen)?;
        ensure!(seen == load.expected(*count), "{} read back {seen:?} of {count}", store.name());
    }
    Ok(tables.into())
}

/// Makes a stream; tells how many records it has.
fn fill(store: &dyn Store, load: &Load, base: &Path, effort: Effort) -> Result<(TempDir, u64)> {
    let dir = scratch(base)?;
    let mut appender = store.create(dir.path())?;
    let mut count = 0;
    let mut batch = Vec::new();
    while count * ((KEY_LEN + VALUE_LEN) as u64) < effort.scaled(STREAM_LEN) {
        batch.clear();
        batch.extend((count..count + BATCH).map(|index| load.record(index)));
        appender.append(&batch)?;
        count += BATCH;
    }
    appender.flush()?;
    appender.close()?;
    Ok((dir, count))
}

/// Tells how many milliseconds it took until the record was acknowledged.
fn open_and_append(store: &dyn Store, dir: &Path, load: &Load, index: u64) -> Result<f64> {
    let begun = Instant::now();
    let mut appender = store.create(dir)?;
    appender.append(&[load.record(index)])?;
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    appender.close()?;
    Ok(millis)
}

/// Has a process append, and kills it while it does.
fn kill(dir: &Path) -> Result<()> {
    let store = stores::puro();
    let mut child = Running::start(&["append", store.name(), text(dir)?, "0", "10000"])?;
    child.await_ready()?;
    child.go()?;
    std::thread::sleep(Duration::from_millis(20));
    child.kill()
}

fn scan(segment: &Path) -> Result<f64> {
    let begun = Instant::now();
    std::hint::black_box(crc32c::crc32c(&std::fs::read(segment)?));
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
