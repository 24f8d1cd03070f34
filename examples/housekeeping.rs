//! Housekeeping: how long records are kept, which topics are compacted, and what to do when the
//! disk fills up.
//!
//! ```text
//! cargo run --example housekeeping -- STREAM            # once an hour, say
//! cargo run --example housekeeping -- STREAM --trim     # when room is needed now
//! ```
//!
//! The rules are settings of the stream. They are kept in it, and every program obeys them from
//! then on: producers delete old segments as they go, and a steward does the rest. It seals what
//! is old enough, deletes, and compacts. Whoever reads a segment keeps it as it is, so what could
//! not be done is told with why.
//!
//! A trim goes by hand, and appends nothing: it works on a disk without a free byte. Here it lets
//! go what all named consumers have read, whatever its age.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use puro::steward::{Report, Why};
use puro::{Cleanup, Setting, Stream, Trim};

const DAY: Duration = Duration::from_secs(86_400);

/// A week of records, a gigabyte at most, and no segment open for longer than a day. Of topic
/// `users` the last record of each key is kept for ever.
fn rules() -> [Setting; 4] {
    [
        Setting::Retention(Some(DAY * 7)),
        Setting::RetentionBytes(Some(1_000_000_000)),
        Setting::Roll(Some(DAY)),
        Setting::CleanupOf("users".to_owned(), Cleanup::Compact),
    ]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [stream] => keep_house(stream),
        [stream, trim] if trim == "--trim" => make_room(stream),
        _ => {
            eprintln!("usage: housekeeping STREAM [--trim]");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("housekeeping: {error}");
            ExitCode::FAILURE
        }
    }
}

fn keep_house(stream: &str) -> Result<(), Box<dyn Error>> {
    let stream = Stream::open(stream)?;
    set_rules(&stream)?;
    for consumer in stream.positions()? {
        let running = if consumer.running { "running" } else { "not running" };
        println!("consumer {}: {} behind, {running}", consumer.name, consumer.lag_offsets);
    }
    tell(&stream.steward()?.run_once()?);
    Ok(())
}

/// Sets what is not so yet: each change is appended, and synced.
fn set_rules(stream: &Stream) -> Result<(), Box<dyn Error>> {
    let settings = stream.settings()?;
    for rule in rules().iter().filter(|rule| !settings.has(rule)) {
        stream.set(rule)?;
        println!("{} = {}", rule.name(), rule.value());
    }
    Ok(())
}

/// Deletes what all named consumers have read. Without any, nothing is known to be read, and that
/// is an error.
fn make_room(stream: &str) -> Result<(), Box<dyn Error>> {
    tell(&Stream::open(stream)?.trim(&Trim::consumed())?);
    Ok(())
}

fn tell(report: &Report) {
    for segment in &report.deleted {
        println!("segment {}: deleted, {} bytes", segment.sequence, segment.bytes);
    }
    for segment in &report.compacted {
        let (number, gone) = (segment.sequence, segment.records_removed);
        println!("segment {number}: {gone} records were superseded");
    }
    for kept in &report.kept {
        println!("segment {}: stays, for {}", kept.sequence, why(&kept.why));
    }
    println!("{} bytes now", report.bytes);
}

fn why(why: &Why) -> String {
    match why {
        Why::Held { .. } => "somebody reads it (`puro who` tells who)".to_owned(),
        Why::Unconsumed { consumer } => format!("consumer {consumer} has not read it"),
        Why::CompactedTopic { topic } => {
            format!("topic {} is kept for ever", String::from_utf8_lossy(topic))
        }
        Why::Active => "it is still written to".to_owned(),
        other => format!("{other:?}"),
    }
}
