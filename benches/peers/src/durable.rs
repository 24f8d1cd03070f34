//! W4: appends that are on the disk when they return, from one thread and from eight.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::load::{Load, Tally};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;
use crate::stores::{self, Appender, Store};

const VALUE_LEN: usize = 100;
/// How long each contestant appends.
const LONG: Duration = Duration::from_secs(2);
/// Records of one thread are numbered from a multiple of this.
pub const THREAD_STRIDE: u64 = 1 << 32;

pub fn run(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let alone = table(1, "W4, 1 thread", "durable appends from one thread", base, effort)?;
    let many = table(8, "W4, 8 threads", "durable appends from eight threads", base, effort)?;
    Ok(alone.into_iter().chain(many).collect())
}

fn table(threads: usize, id: &str, title: &str, base: &Path, effort: Effort) -> Result<[Table; 1]> {
    let mut stores = stores::durable();
    if threads > 1 {
        // One by one is no limit there.
        stores.swap(0, 1);
    }
    let load = Load::new(VALUE_LEN);
    let mut tables = [Table::new(id, title, "records/s", effort)];
    for store in &stores {
        tables[0].rows.push(Row::new(store.name(), store.ack().name()));
    }
    interleave(&mut tables, effort, stores.len(), |tables, which| {
        let rate = append(&*stores[which], threads, &load, base, effort)?;
        tables[0].add(stores[which].name(), rate);
        Ok(())
    })?;
    Ok(tables)
}

/// Appends from all threads for some time; tells how many records a second.
fn append(
    store: &dyn Store,
    threads: usize,
    load: &Load,
    base: &Path,
    effort: Effort,
) -> Result<f64> {
    let dir = scratch(base)?;
    let appenders = store.create_shared(dir.path(), threads)?;
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let counts = std::thread::scope(|scope| -> Result<Vec<u64>> {
        let over = &over;
        let append = |(thread, appender)| {
            scope.spawn(move || append_until(over, appender, load, thread as u64 * THREAD_STRIDE))
        };
        let handles: Vec<_> = appenders.into_iter().enumerate().map(append).collect();
        std::thread::sleep(if effort.quick { LONG / 4 } else { LONG });
        over.store(true, Ordering::Relaxed);
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<u64>>| {
            handle.join().map_err(|_| anyhow!("an appender panicked"))?
        };
        handles.into_iter().map(join).collect()
    })?;
    let taken = begun.elapsed();
    check(store, dir.path(), load, &counts)?;
    Ok(counts.iter().sum::<u64>() as f64 / taken.as_secs_f64())
}

/// Tells how many records it has appended.
fn append_until(
    over: &AtomicBool,
    mut appender: Box<dyn Appender>,
    load: &Load,
    first: u64,
) -> Result<u64> {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        appender.append(&[load.record(first + count)])?;
        count += 1;
    }
    appender.close()?;
    Ok(count)
}

/// Holds what several have written against what there must be: so many records of each.
pub fn check(store: &dyn Store, dir: &Path, load: &Load, counts: &[u64]) -> Result<()> {
    let mut expected = Tally::checking_in_any_order();
    for (first, count) in (0..).step_by(THREAD_STRIDE as usize).zip(counts) {
        load.add(&mut expected, first..first + count);
    }
    let mut seen = Tally::checking_in_any_order();
    store.open(dir)?.read(&mut seen)?;
    ensure!(seen == expected, "{} read back {seen:?}, not {expected:?}", store.name());
    Ok(())
}
