//! `puro stat`: how much goes on in a stream, line by line.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use puro::internals::dir::Directory;
use puro::internals::os::OsVfs;
use puro::internals::tail::open_tail;
use puro::internals::vfs::OpenMode;
use puro::who::who;
use puro::{PositionReport, Stream, StreamOptions};
use serde_json::{Value, json};

use crate::common::{CliError, check_interrupt};
use crate::printable::{Printable, one_line};
use crate::streams::{self, Waiting};
use crate::time::{format_time, now_ms, parse_interval};

/// Tell how much goes on in a stream, in a line every so often
///
/// `offset` is the next one, `records/s` and `bytes/s` what came since the line before. `unsynced` is
/// how many bytes are not known to be on the disk: the last block always counts, for only a later one
/// tells of its sync. `processes` is how many have a file of it open, and
/// `lag` which named consumer is furthest behind, by how many offsets.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// A line every so often, such as 1 (a second), 500ms or 1m, until Ctrl-C; one line without it
    #[arg(short, long, value_name = "DURATION", value_parser = parse_interval)]
    interval: Option<Duration>,
    /// Stop after so many lines
    #[arg(short, long, value_name = "COUNT", requires = "interval")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// A line of JSON each time
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// What a stream looks like at one moment.
struct Sample {
    at: Instant,
    time_ms: u64,
    next_offset: u64,
    bytes: u64,
    segments: usize,
    unsynced: u64,
    processes: usize,
    positions: Vec<PositionReport>,
}

/// Records and bytes a second since the sample before. Of what was deleted meanwhile the bytes are
/// not known.
struct Rates {
    records: f64,
    bytes: Option<f64>,
}

/// Prints a line each time.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let stream = StreamOptions::new().allow_network(args.allow_network).open(&args.dir)?;
    let mut out = Printable::new(Waiting::stdout()?);
    let mut before: Option<Sample> = None;
    let mut left = args.count.unwrap_or(u64::MAX);
    if !args.json {
        writeln!(
            out,
            "{:24} {:>12} {:>10} {:>12} {:>14} {:>8} {:>10} {:>9}  lag",
            "time", "offset", "records/s", "bytes/s", "bytes", "segments", "unsynced", "processes"
        )?;
    }
    loop {
        let sample = take(args, &stream)?;
        let rates = before.as_ref().map(|before| rates(before, &sample));
        let line =
            if args.json { to_json(&sample, rates).to_string() } else { to_text(&sample, rates) };
        writeln!(out, "{line}")?;
        out.flush()?;
        before = Some(sample);
        left -= 1;
        let Some(interval) = args.interval.filter(|_| left > 0) else {
            return Ok(ExitCode::SUCCESS);
        };
        std::thread::sleep(interval);
        check_interrupt()?;
        if streams::nobody_reads() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn take(args: &Args, stream: &Stream) -> Result<Sample, CliError> {
    let info = stream.info()?;
    let tail = open_tail(&Directory::new(OsVfs::new(), &args.dir), OpenMode::Read)?;
    let unsynced = tail.map_or(0, |(tail, _)| tail.end.saturating_sub(tail.durable_to));
    // Who may not be told, or not here, is not counted.
    let holders = who(&args.dir).map(|report| report.holders).unwrap_or_default();
    let processes: BTreeSet<u32> = holders.iter().filter_map(|holder| holder.pid).collect();
    Ok(Sample {
        at: Instant::now(),
        time_ms: now_ms(),
        next_offset: info.end.offset,
        bytes: info.bytes(),
        segments: info.segments.len(),
        unsynced,
        processes: processes.iter().filter(|pid| **pid != std::process::id()).count(),
        positions: stream.positions()?,
    })
}

fn rates(before: &Sample, now: &Sample) -> Rates {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-9);
    Rates {
        records: now.next_offset.saturating_sub(before.next_offset) as f64 / seconds,
        bytes: now.bytes.checked_sub(before.bytes).map(|more| more as f64 / seconds),
    }
}

fn to_text(sample: &Sample, rates: Option<Rates>) -> String {
    let none = || "-".to_owned();
    let records = rates.as_ref().map_or_else(none, |rates| format!("{:.0}", rates.records));
    let bytes = rates.and_then(|rates| rates.bytes).map_or_else(none, |b| format!("{b:.0}"));
    let last = sample.positions.iter().max_by_key(|position| position.lag_offsets);
    let lag =
        last.map_or_else(none, |last| format!("{} {}", last.lag_offsets, one_line(&last.name)));
    format!(
        "{:24} {:>12} {records:>10} {bytes:>12} {:>14} {:>8} {:>10} {:>9}  {lag}",
        format_time(sample.time_ms),
        sample.next_offset,
        sample.bytes,
        sample.segments,
        sample.unsynced,
        sample.processes
    )
}

fn to_json(sample: &Sample, rates: Option<Rates>) -> Value {
    let lag = |position: &PositionReport| json!({ "name": position.name, "lag_offsets": position.lag_offsets, "running": position.running });
    json!({
        "time_ms": sample.time_ms,
        "next_offset": sample.next_offset,
        "records_per_second": rates.as_ref().map(|rates| rates.records),
        "bytes_per_second": rates.and_then(|rates| rates.bytes),
        "bytes": sample.bytes,
        "segments": sample.segments,
        "unsynced_bytes": sample.unsynced,
        "processes": sample.processes,
        "consumers": sample.positions.iter().map(lag).collect::<Vec<_>>(),
    })
}
