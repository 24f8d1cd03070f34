//! What an append and a reading ask of the system, counted with strace.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::children::{VALUE_LEN, text};
use crate::load::{Load, Tally};
use crate::scratch;
use crate::stores::{self, Store};

/// Operations that are counted; as many are made once more, to be taken off.
const COUNT: u64 = 200;

/// What one operation costs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Count {
    pub contestant: String,
    pub operation: String,
    /// System calls of one operation, by name.
    pub calls: BTreeMap<String, f64>,
    /// Bytes written by one operation, and read.
    pub written: f64,
    pub read: f64,
}

fn find(name: &str) -> Result<Box<dyn Store>> {
    let all = stores::all().into_iter().chain(stores::durable());
    all.into_iter().find(|store| store.name() == name).with_context(|| format!("no store {name}"))
}

/// Who is counted: who appends, and who reads.
const APPENDERS: [&str; 8] = [
    "plain file",
    "Puro",
    "Puro held",
    "Puro buffered",
    "Puro durable",
    "SQLite OFF",
    "LMDB NOSYNC",
    "yaque",
];
const READERS: [&str; 5] = ["plain file", "Puro", "SQLite OFF", "LMDB NOSYNC", "yaque"];

/// Whether there is a strace to count with.
pub fn can_count() -> bool {
    let version = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

pub fn run(base: &Path) -> Result<Vec<Count>> {
    let mut counts = Vec::new();
    for (batch, operation) in [(1, "one record"), (100, "a batch of 100")] {
        for name in APPENDERS {
            counts.push(count(name, operation, base, &["append-some", &batch.to_string()])?);
        }
    }
    for name in READERS {
        counts.push(count(name, "reading 100 records", base, &["read-some", "100"])?);
    }
    Ok(counts)
}

/// Counts one run, and takes off what a run of half as many operations costs.
fn count(name: &str, operation: &str, base: &Path, role: &[&str]) -> Result<Count> {
    let whole = trace(name, base, role, 2 * COUNT)?;
    let half = trace(name, base, role, COUNT)?;
    let each = |whole: f64, half: f64| (whole - half) / COUNT as f64;
    let calls = whole.calls.iter().map(|(call, times)| {
        (call.clone(), each(*times, half.calls.get(call).copied().unwrap_or(0.0)))
    });
    let calls = calls.filter(|(_, times)| *times >= 0.005).collect();
    // Numbers in what is written have more digits at times, so that less than nothing may be left.
    let bytes = |whole, half| each(whole, half).max(0.0);
    let (written, read) = (bytes(whole.written, half.written), bytes(whole.read, half.read));
    Ok(Count { contestant: name.to_owned(), operation: operation.to_owned(), calls, written, read })
}

#[derive(Default)]
struct Trace {
    calls: BTreeMap<String, f64>,
    written: f64,
    read: f64,
}

/// Runs a child under strace.
fn trace(name: &str, base: &Path, role: &[&str], operations: u64) -> Result<Trace> {
    let dir = scratch(base)?;
    let (log, times) = (dir.path().join("strace"), operations.to_string());
    let data = dir.path().join("data");
    std::fs::create_dir(&data)?;
    let &[role, batch] = role else { unreachable!("two words") };
    if role == "read-some" {
        append_some(name, &data, operations, batch.parse()?)?;
    }
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", text(&log)?])
        .arg(std::env::current_exe()?)
        .args([role, name, text(&data)?, &times, batch])
        .status()?;
    ensure!(status.success(), "{name} under strace: {status}");
    Ok(parse(&std::fs::read_to_string(&log)?))
}

/// Lines like `123 pwrite64(3, "..."..., 128, 64) = 128`. Where threads call at once, one of these
/// lines is cut in two: `123 write(3, <unfinished ...>` and `123 <... write resumed>...) = 128`.
fn parse(log: &str) -> Trace {
    let mut trace = Trace::default();
    for line in log.lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let resumed = call.strip_prefix("<... ").and_then(|call| call.split_once(" resumed>"));
        let Some((name, rest)) = resumed.or_else(|| call.split_once('(')) else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        if resumed.is_none() {
            *trace.calls.entry(name.to_owned()).or_default() += 1.0;
        }
        let result = rest.rsplit(" = ").next().and_then(|result| result.split(' ').next());
        let bytes: f64 = result.and_then(|result| result.parse().ok()).unwrap_or(0.0);
        match name {
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => trace.written += bytes,
            "read" | "readv" | "pread64" | "preadv" | "preadv2" => trace.read += bytes,
            _ => {}
        }
    }
    trace
}

/// A child's part: so many appends.
pub fn append_some(name: &str, dir: &Path, times: u64, batch: u64) -> Result<()> {
    let load = Load::new(VALUE_LEN);
    find(name)?.with_appender(dir, &mut |appender| {
        for first in (0..times * batch).step_by(batch as usize) {
            let records: Vec<_> = (first..first + batch).map(|index| load.record(index)).collect();
            appender.append(&records)?;
        }
        appender.flush()
    })
}

/// A child's part: reads what is there.
pub fn read_some(name: &str, dir: &Path, times: u64, batch: u64) -> Result<()> {
    let mut tally = Tally::counting();
    find(name)?.open(dir)?.read(&mut tally)?;
    ensure!(tally.records == times * batch, "{name} read {}", tally.records);
    Ok(())
}
