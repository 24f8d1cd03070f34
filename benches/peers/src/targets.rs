//! What Puro set out to reach, and what it reached.

use std::fmt::Write as _;

use anyhow::Result;

use crate::report::{Results, number};
use crate::rounds::Table;

/// Bytes of topic, key and value of a record of W2.
const RECORD_BYTES: f64 = 6.0 + 16.0 + 100.0;

/// One thing to be reached.
struct Target {
    workload: &'static str,
    wanted: String,
    /// `None` where it was not measured.
    measured: Option<f64>,
    unit: &'static str,
    met: fn(f64, f64) -> bool,
    bound: f64,
}

fn at_least(measured: f64, bound: f64) -> bool {
    measured >= bound
}

fn at_most(measured: f64, bound: f64) -> bool {
    measured <= bound
}

impl Target {
    /// At least so many times what another reaches.
    fn times(workload: &'static str, bound: f64, of: &str, measured: Option<f64>) -> Self {
        let wanted = format!("at least {bound} x {of}");
        Self { workload, wanted, measured, unit: "x", met: at_least, bound }
    }

    /// At most so much.
    fn below(
        workload: &'static str,
        what: &str,
        bound: f64,
        unit: &'static str,
        measured: Option<f64>,
    ) -> Self {
        let wanted = format!("{what}: at most {bound} {unit}");
        Self { workload, wanted, measured, unit, met: at_most, bound }
    }
}

/// Puro against the best of its peers; above 1 it is ahead. `ours` tells who else is no peer.
fn ahead(table: Option<&Table>, puro: &str, peers: impl Fn(&str) -> bool) -> Option<f64> {
    let table = table?;
    let names = table.rows.iter().skip(1).map(|row| row.contestant.as_str());
    let peers = names.filter(|name| !name.starts_with("Puro") && peers(name));
    let ratios = peers.filter_map(|peer| {
        if table.higher_is_better { table.ratio(puro, peer) } else { table.ratio(peer, puro) }
    });
    ratios.min_by(f64::total_cmp)
}

fn not_plain(name: &str) -> bool {
    !name.starts_with("plain")
}

fn list(results: &Results) -> Vec<Target> {
    let ratio = |id: &str, one: &str, other: &str| results.table(id)?.ratio(one, other);
    let median = |id: &str, name: &str| Some(results.table(id)?.row(name)?.median());
    let to_limit = |id: &str, name: &str| Some(results.table(id)?.row(name)?.ratio());
    let best = |id: &str, name: &str| ahead(results.table(id), name, not_plain);
    let several = |name: &str| name.starts_with("SQLite") || name.starts_with("LMDB");
    let shared = |id: &str, name: &str| ahead(results.table(id), name, several);
    let times = Target::times;
    vec![
        times("W1", 1.0, "the best that several processes can write", shared("W1", "Puro")),
        times("W1, held", 0.42, "plain pwrite", to_limit("W1", "Puro held")),
        times("W1, buffered", 1.0, "the best peer", best("W1", "Puro buffered")),
        times("W2", 0.62, "plain pwrite", to_limit("W2", "Puro")),
        times("W2, buffered", 1.0, "the best peer", best("W2", "Puro buffered")),
        times("W3", 0.72, "plain pwrite", to_limit("W3", "Puro")),
        times("W4, 1 thread", 0.95, "pwrite + fdatasync", to_limit("W4, 1 thread", "Puro durable")),
        times("W4, 1 thread", 1.0, "the best peer", best("W4, 1 thread", "Puro durable")),
        times(
            "W4, 8 threads",
            1.0,
            "leader and followers",
            to_limit("W4, 8 threads", "Puro grouped"),
        ),
        times("W5 of W2", 0.45, "plain pread", to_limit("W5 of W2", "Puro")),
        times("W5 of W2", 1.0, "the best peer", best("W5 of W2", "Puro")),
        times("W5 of W2, by blocks", 1.0, "the best peer", best("W5 of W2", "Puro by blocks")),
        times("W5 of W3", 0.6, "plain pread", to_limit("W5 of W3", "Puro")),
        times("W5 of W3", 1.0, "the best peer", best("W5 of W3", "Puro")),
        times("W5 of W3, by blocks", 1.0, "the best peer", best("W5 of W3", "Puro by blocks")),
        times(
            "W6, waiting",
            1.0,
            "the best peer",
            ahead(results.table("W6, p50"), "Puro, waiting", |name| !name.ends_with("spinning")),
        ),
        Target::below("W6, spinning", "of pread", 3.53, "x", to_limit("W6, p50", "Puro, spinning")),
        Target::below("W7", "after a clean close", 2.0, "ms", median("W7", "Puro")),
        Target::below(
            "W7",
            "after a kill, of reading one segment",
            1.0,
            "x",
            ratio("W7", "Puro, after a kill", "reading one segment, with its checksum"),
        ),
        times("W8", 1.0, "the best peer", best("W8", "Puro")),
        times("W8 (aim)", 0.25, "O_APPEND writes", to_limit("W8", "Puro")),
        times("W9", 20.0, "a full scan", ratio("W9", "full scan", "Puro, one topic")),
        times("W10, offset", 20.0, "a full scan", ratio("W10", "full scan", "Puro, by offset")),
        Target::below("W10, offset", "first record", 5.0, "ms", median("W10", "Puro, by offset")),
        times("W10, time", 20.0, "a full scan", ratio("W10", "full scan", "Puro, by time")),
        Target::below("W10, time", "first record", 5.0, "ms", median("W10", "Puro, by time")),
        Target::below(
            "size",
            "of topic, key and value in W2",
            1.15,
            "x",
            median("size, W2", "Puro").map(|bytes| bytes / RECORD_BYTES),
        ),
        Target::below(
            "memory",
            "producer",
            16.0,
            "MiB",
            median("memory", "producer, 1 MiB blocks"),
        ),
        Target::below(
            "memory",
            "consumer",
            24.0,
            "MiB",
            median("memory", "consumer, 1 MiB blocks"),
        ),
    ]
}

pub fn markdown(results: &Results) -> Result<String> {
    let mut text = String::from("\n| | target | measured | |\n|---|---|---:|---|\n");
    for target in list(results) {
        let Target { workload, wanted, measured, unit, met, bound } = target;
        let (measured, verdict) = match measured {
            None => ("-".to_owned(), "not measured"),
            Some(value) if met(value, bound) => (format!("{} {unit}", number(value)), "met"),
            Some(value) => (format!("{} {unit}", number(value)), "**missed**"),
        };
        writeln!(text, "| {workload} | {wanted} | {measured} | {verdict} |")?;
    }
    Ok(text)
}
