//! A change feed: the latest value of each key, then every change as it comes.
//!
//! ```text
//! cargo run --example change_feed -- STREAM TOPIC
//! ```
//!
//! A topic that is compacted keeps the last record of each key, and forgets those before it. So it
//! is a table as well as a log. Who joins late reads it from its beginning, which costs as much as
//! the table is large, and then follows. A record without value is a delete marker: the key is
//! gone. Caches, search indexes and copies of configurations are fed like this.
//!
//! The compaction itself is done by `puro steward`, or as in `housekeeping.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use puro::{Cleanup, Consumer, ConsumerOptions, Setting, Stream};

/// The table: value by key.
type Table = BTreeMap<Vec<u8>, Vec<u8>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, topic] = arguments.as_slice() else {
        eprintln!("usage: change_feed STREAM TOPIC");
        return ExitCode::from(64);
    };
    match run(stream, topic) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("change_feed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(stream: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    compact(stream, topic)?;
    let mut feed = ConsumerOptions::new().topic(topic).open(stream)?;
    let table = load(&mut feed)?;
    let mut out = io::stdout().lock();
    for (key, value) in &table {
        writeln!(out, "{} = {}", show(key), show(value))?;
    }
    writeln!(out, "-- {} keys; changes from here on", table.len())?;
    out.flush()?;
    follow(&mut feed, table, &mut out)
}

/// Sees to it that the topic is compacted. The setting is in the stream, and all obey it.
fn compact(stream: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let stream = Stream::open_or_create(stream)?;
    if !stream.settings()?.cleanup(topic.as_bytes()).compacts() {
        stream.set(&Setting::CleanupOf(topic.to_owned(), Cleanup::Compact))?;
    }
    Ok(())
}

/// Reads all there is now. Of a key that was not compacted yet, the last record counts.
fn load(feed: &mut Consumer) -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new();
    while let Some(record) = feed.try_next()? {
        let Some(key) = record.key else { continue };
        match record.value {
            Some(value) => table.insert(key.to_vec(), value.to_vec()),
            None => table.remove(key),
        };
    }
    Ok(table)
}

/// Keeps the table as the topic is, and tells each change.
fn follow(
    feed: &mut Consumer,
    mut table: Table,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    loop {
        let Some(record) = feed.poll(Duration::MAX)? else { continue };
        let Some(key) = record.key else { continue };
        let before = match record.value {
            Some(value) => table.insert(key.to_vec(), value.to_vec()),
            None => table.remove(key),
        };
        let tell = |value: Option<&[u8]>| value.map_or("nothing".to_owned(), show);
        writeln!(out, "{}: {} -> {}", show(key), tell(before.as_deref()), tell(record.value))?;
        out.flush()?;
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}
