//! W6: from an append in one process to the record in another, a thousand times a second.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use puro::Consumer;
use rustix::time::{ClockId, clock_gettime};

use crate::children::{Running, VALUE_LEN, text, wait_for_go};
use crate::load::{KEY_LEN, Rec};
use crate::rounds::{Effort, Row, Table, interleave};
use crate::scratch;
use crate::stores::{self, Store};

/// Records of a round.
const COUNT: u64 = 2_000;
const PERIOD: Duration = Duration::from_millis(1);
/// Nobody waits longer than this for a record.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nanoseconds by the clock that all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How it is followed, and what is written.
fn followers() -> Vec<(&'static str, Box<dyn Store>)> {
    vec![
        ("pread, spinning", stores::limit()),
        ("Puro, spinning", stores::puro()),
        ("SQLite OFF, spinning", stores::sqlite_off()),
        ("LMDB NOSYNC, spinning", stores::lmdb_nosync()),
        ("Puro, waiting", stores::puro()),
        ("yaque, waiting", stores::yaque()),
        ("SQLite OFF, looking each ms", stores::sqlite_off()),
    ]
}

pub fn run(base: &Path, effort: Effort) -> Result<Vec<Table>> {
    let followers = followers();
    let title = "from append to another process, at 1 kHz";
    let mut tables = ["W6, p50", "W6, p99"].map(|id| {
        Table::new(id, &format!("{title}: {}", &id[4..]), "us", effort).lower_is_better()
    });
    for (name, store) in &followers {
        tables.iter_mut().for_each(|table| table.rows.push(Row::new(name, store.ack().name())));
    }
    interleave(&mut tables, effort, followers.len(), |tables, which| {
        let (name, store) = &followers[which];
        let told = measure(name, &**store, base, effort.scaled(COUNT))?;
        tables[0].add(name, told[0]);
        tables[1].add(name, told[1]);
        Ok(())
    })?;
    Ok(tables.into())
}

/// Appends from here, and has a child follow; what that tells.
fn measure(follower: &str, store: &dyn Store, base: &Path, count: u64) -> Result<Vec<f64>> {
    let dir = scratch(base)?;
    let mut appender = store.create(dir.path())?;
    // The first record is there before the follower is, and not counted.
    let mut value = [0; VALUE_LEN];
    appender.append(&[Rec { key: [b'k'; KEY_LEN], value: &value }])?;
    let wanted = count.to_string();
    let mut child = Running::start(&["follow", follower, text(dir.path())?, &wanted])?;
    child.await_ready()?;
    child.go()?;
    let begun = now();
    for turn in 1..=count {
        let due = begun + turn * PERIOD.as_nanos() as u64;
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(now())));
        value[..8].copy_from_slice(&now().to_le_bytes());
        appender.append(&[Rec { key: [b'k'; KEY_LEN], value: &value }])?;
    }
    let told = child.finish()?;
    appender.close()?;
    Ok(told)
}

/// The child: gathers how late each record came; prints p50 and p99 in microseconds.
pub fn follow(follower: &str, dir: &Path, count: usize) -> Result<()> {
    let mut next = next_of(follower, dir)?;
    next()?;
    wait_for_go()?;
    let mut late = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = next()?;
        late.push(now() - sent);
    }
    late.sort_unstable();
    let micros = |part: usize| late[(count * part / 100).min(count - 1)] as f64 / 1e3;
    println!("{} {}", micros(50), micros(99));
    Ok(())
}

/// Waits for a record, and tells when it was sent.
type Next = Box<dyn FnMut() -> Result<u64>>;

fn next_of(follower: &str, dir: &Path) -> Result<Next> {
    Ok(match follower {
        "pread, spinning" => pread(dir)?,
        "Puro, spinning" => puro_spinning(dir)?,
        "Puro, waiting" => puro_waiting(dir)?,
        "SQLite OFF, spinning" => sqlite(dir, None)?,
        "SQLite OFF, looking each ms" => sqlite(dir, Some(PERIOD))?,
        "LMDB NOSYNC, spinning" => lmdb(dir)?,
        "yaque, waiting" => yaque(dir)?,
        _ => bail!("no follower {follower}"),
    })
}

fn sent(value: &[u8]) -> Result<u64> {
    let bytes = value.first_chunk().context("a short value")?;
    Ok(u64::from_le_bytes(*bytes))
}

fn pread(dir: &Path) -> Result<Next> {
    let file = File::open(dir.join("data"))?;
    let mut record = [0; KEY_LEN + VALUE_LEN];
    let mut position = 0;
    Ok(Box::new(move || {
        while file.read_at(&mut record, position)? < record.len() {}
        position += record.len() as u64;
        sent(&record[KEY_LEN..])
    }))
}

fn puro_spinning(dir: &Path) -> Result<Next> {
    let mut consumer = Consumer::open(dir.join("stream"))?;
    Ok(Box::new(move || {
        loop {
            if let Some(record) = consumer.try_next()? {
                return sent(record.value.context("no value")?);
            }
        }
    }))
}

fn puro_waiting(dir: &Path) -> Result<Next> {
    let mut consumer = Consumer::open(dir.join("stream"))?;
    Ok(Box::new(move || {
        let record = consumer.poll(PATIENCE)?.context("no record came")?;
        sent(record.value.context("no value")?)
    }))
}

fn sqlite(dir: &Path, pause: Option<Duration>) -> Result<Next> {
    let connection = stores::sqlite_connection(dir)?;
    let mut next = 1_i64;
    Ok(Box::new(move || {
        let mut query = connection.prepare_cached("SELECT value FROM events WHERE offset = ?1")?;
        loop {
            let mut rows = query.query([next])?;
            if let Some(row) = rows.next()? {
                next += 1;
                return sent(row.get_ref(0)?.as_blob()?);
            }
            drop(rows);
            if let Some(pause) = pause {
                std::thread::sleep(pause);
            }
        }
    }))
}

fn lmdb(dir: &Path) -> Result<Next> {
    let mut get = stores::lmdb_lookup(dir)?;
    let mut next = 0;
    Ok(Box::new(move || {
        loop {
            if let Some(joined) = get(next)? {
                next += 1;
                ensure!(joined.len() == KEY_LEN + VALUE_LEN, "a record of another length");
                return sent(&joined[KEY_LEN..]);
            }
        }
    }))
}

fn yaque(dir: &Path) -> Result<Next> {
    let mut receiver = yaque::Receiver::open(dir.join("queue"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(Box::new(move || {
        let record = runtime.block_on(receiver.recv())?;
        let time = sent(&record[KEY_LEN..]);
        record.commit()?;
        time
    }))
}
