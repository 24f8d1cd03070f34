//! W8: four processes at once, one append a call.

use std::path::Path;

use anyhow::Result;

use crate::children::{Running, VALUE_LEN, text};
use crate::durable::{THREAD_STRIDE, check};
use crate::load::Load;
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;
use crate::stores::{self, Store};

const PROCESSES: u64 = 4;
/// How long they append, in milliseconds.
const LONG: u64 = 1_000;

pub fn run(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let stores = stores::between_processes();
    let title = "four producer processes, one append a call";
    let mut tables = [Table::new("W8", title, "records/s", effort)];
    for store in &stores {
        tables[0].rows.push(Row::new(store.name(), store.ack().name()));
    }
    interleave(&mut tables, effort, stores.len(), |tables, which| {
        let rate = append(&*stores[which], base, effort.scaled(LONG))?;
        tables[0].add(stores[which].name(), rate);
        Ok(())
    })?;
    Ok(tables.into())
}

/// Tells how many records all of them together append in a second.
fn append(store: &dyn Store, base: &Path, millis: u64) -> Result<f64> {
    let dir = scratch(base)?;
    store.create(dir.path())?.close()?;
    let mut children = Vec::new();
    for process in 0..PROCESSES {
        let (first, millis) = ((process * THREAD_STRIDE).to_string(), millis.to_string());
        let args = ["append", store.name(), text(dir.path())?, &first, &millis];
        children.push(Running::start(&args)?);
    }
    children.iter_mut().try_for_each(Running::await_ready)?;
    children.iter_mut().try_for_each(Running::go)?;
    let (mut counts, mut rate) = (Vec::new(), 0.0);
    for child in children {
        let told = child.finish()?;
        counts.push(told[0] as u64);
        rate += told[0] / told[1] * 1e6;
    }
    check(store, dir.path(), &Load::new(VALUE_LEN), &counts)?;
    Ok(rate)
}
