//! `puro import`: lines of JSON to records, as `puro export` and `puro consume --json` print them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::internals::layout::{MAX_HEADERS_BYTES, MAX_KEY_BYTES, MAX_TOPIC_BYTES, MAX_VALUE_BYTES};
use puro::{Batch, NewRecord, Producer, ProducerOptions, RecordError};
use serde_json::json;

use crate::common::{CliError, at_work, check_interrupt, message};
use crate::lines::{Lines, Parts};
use crate::streams;

mod members;

/// Append records that stand in lines of JSON, as `puro export` prints them
///
/// A line is an object: topic (text), key and value (text or null; a record without a value is a
/// delete marker), headers (a list of objects with name and value; may be missing), timestamp_ms
/// (kept; where it is missing, time, as 2026-01-31T12:00:00Z; without both the current time). A member that is there twice is refused, blank lines
/// are passed over. Bytes that are not text stand in base64 in a
/// member named NAME_base64 instead. An offset is accepted and not kept: records get the next
/// offsets of the stream. Records that follow each other with the same time go into one block, up
/// to its 16 MiB. The stream is made if it is missing.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Files to read, one after the other; `-` is stdin, which is read if there are none
    files: Vec<PathBuf>,
    /// Make every block safe from a loss of power before the next one is begun
    #[arg(long)]
    durable: bool,
    /// All records of all files in one transaction, of any topics: all of them or none. They must
    /// fit into one block of 16 MiB, and have one time; --now gives them one
    #[arg(long)]
    atomic: bool,
    /// All records get the current time, whatever their lines say
    #[arg(long)]
    now: bool,
    /// Fail if the stream is missing, instead of making it
    #[arg(long)]
    no_create: bool,
    /// Report as one JSON object
    #[arg(long)]
    json: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// No longer line makes a record: JSON takes six bytes for one at most (`\u0000`).
const LONGEST_LINE: usize =
    6 * (MAX_TOPIC_BYTES + MAX_KEY_BYTES + MAX_HEADERS_BYTES + MAX_VALUE_BYTES) + 1024 * 1024;

/// Appends all records, in their order.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let options = ProducerOptions::new()
        .create(!args.no_create)
        .durable(args.durable)
        .allow_network(args.allow_network);
    let producer = options.open(&args.dir)?;
    let mut importer = Importer { args, producer, batch: Batch::new(), time_ms: None, imported: 0 };
    let read = importer.read_all();
    // Whatever happens, what was read before it is appended first, unless it is all or nothing.
    let appended = match &read {
        Err(_) if args.atomic => Ok(()),
        _ => importer.append(),
    };
    if let Err(error) = read.and(appended) {
        return Err(error.context(format_args!("{} records imported", importer.imported)));
    }
    let next_offset = importer.producer.token().offset;
    let imported = importer.imported;
    if args.json {
        let told = json!({ "imported": imported, "next_offset": next_offset });
        streams::report(|out| writeln!(out, "{told}"))?;
    } else {
        message(format_args!("{imported} records imported; next offset {next_offset}"));
    }
    Ok(ExitCode::SUCCESS)
}

struct Importer<'a> {
    args: &'a Args,
    producer: Producer,
    /// The block that is being filled.
    batch: Batch,
    /// The time that its records carry.
    time_ms: Option<u64>,
    imported: u64,
}

impl Importer<'_> {
    fn read_all(&mut self) -> Result<(), CliError> {
        let stdin = [PathBuf::from("-")];
        let args = self.args;
        let files = if args.files.is_empty() { &stdin } else { args.files.as_slice() };
        for file in files {
            self.read(file)?;
            if !args.atomic {
                self.append()?; // the next one may have to be waited for
            }
        }
        Ok(())
    }

    fn read(&mut self, file: &Path) -> Result<(), CliError> {
        let mut working = at_work();
        let mut lines = working.pause(|| Lines::open(file, LONGEST_LINE, Parts::LINES))?;
        loop {
            let more = if lines.may_wait() {
                if !self.args.atomic {
                    self.append()?;
                }
                working.pause(|| lines.advance())?
            } else {
                lines.advance()?
            };
            if !more {
                return Ok(());
            }
            if lines.is_blank() {
                continue;
            }
            let line = Line::parse(lines.text());
            let mut line = line.map_err(|why| CliError::usage(why).context(lines.place()))?;
            line.time_ms = line.time_ms.filter(|_| !self.args.now);
            self.push(&line).map_err(|error| error.context(lines.place()))?;
        }
    }

    /// Adds a record to the block; begins a new one where the time changes or it is full.
    fn push(&mut self, line: &Line) -> Result<(), CliError> {
        if self.time_ms != line.time_ms && !self.batch.is_empty() {
            if self.args.atomic {
                return Err(CliError::usage(
                    "its time is not that of the records before it, and a transaction has one time; \
                     --now gives all of them the current one",
                ));
            }
            self.append()?;
        }
        self.time_ms = line.time_ms;
        let record = line.record()?;
        match self.batch.push(&record) {
            Err(RecordError::TooLong { field: "batch", .. })
                if !self.batch.is_empty() && !self.args.atomic =>
            {
                self.append()?;
                Ok(self.batch.push(&record)?)
            }
            pushed => Ok(pushed?),
        }
    }

    /// Appends the block, if there is anything in it; between two blocks Ctrl-C is heard.
    fn append(&mut self) -> Result<(), CliError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        check_interrupt()?;
        let count = self.batch.len() as u64;
        let appended = match self.time_ms {
            Some(time_ms) => {
                self.producer.transaction(&mut self.batch).timestamp_ms(time_ms).commit()
            }
            None => self.producer.append_batch(&mut self.batch),
        };
        // Whatever the outcome: appended again, records might stand there twice.
        self.batch.clear();
        appended?;
        self.imported += count;
        Ok(())
    }
}

/// A record as it stands in a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    topic: Vec<u8>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    time_ms: Option<u64>,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, String> {
        members::parse(line)
    }

    fn record(&self) -> Result<NewRecord<'_>, RecordError> {
        let mut record = match (&self.key, &self.value) {
            (None, None) => return Err(RecordError::MarkerWithoutKey),
            (Some(key), None) => NewRecord::delete_marker(&self.topic, key),
            (None, Some(value)) => NewRecord::new(&self.topic, value),
            (Some(key), Some(value)) => NewRecord::new(&self.topic, value).key(key),
        };
        for (name, value) in &self.headers {
            record = record.header(name, value);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_records() {
        let full = br#"{"topic":"t","key_base64":"/w==","value":"v","headers":
            [{"name":"n","value_base64":""}],"offset":7,"timestamp_ms":18446744073709551615}"#;
        let line = Line {
            topic: b"t".to_vec(),
            key: Some(vec![0xFF]),
            value: Some(b"v".to_vec()),
            headers: vec![(b"n".to_vec(), Vec::new())],
            time_ms: Some(u64::MAX),
        };
        assert_eq!(Line::parse(full), Ok(line));
        let marker = Line::parse(br#"{"topic":"t","key":"k","value":null}"#).unwrap();
        assert_eq!(marker.record().unwrap(), NewRecord::delete_marker("t", "k"));
    }

    #[test]
    fn lines_that_could_lose_data_are_refused() {
        for (line, part) in [
            ("", "no JSON object"),
            ("[]", "no record"),
            (r#"{"value":"v"}"#, "`topic` is missing"),
            (r#"{"topic":null,"value":"v"}"#, "`topic` must not be null"),
            (r#"{"topic":"t"}"#, "`value` is missing"),
            (r#"{"topic":"t","value":1}"#, "`value` must be text or null"),
            (r#"{"topic":"t","value":"v","value_base64":""}"#, "`value` stands twice"),
            (r#"{"topic":"t","value_base64":"?"}"#, "no base64"),
            (r#"{"topic":"t","value":"v","header":[]}"#, "`header` is no member"),
            (r#"{"topic":"t","value":"v","headers":{}}"#, "must be a list"),
            // Field report D11: the last one counted, and the record became a delete marker.
            (r#"{"topic":"t","key":"k","value":"v","value":null}"#, "`value` stands twice"),
            (r#"{"topic":"t","value":"v","headers":[],"headers":[]}"#, "`headers` stands twice"),
            (
                r#"{"topic":"t","value":"v","headers":[{"name":"n","name":"m","value":""}]}"#,
                "twice",
            ),
            (r#"{"topic":"t","value":"v","headers":[{"name":"n"}]}"#, "`value` is missing"),
            (r#"{"topic":"t","value":"v","timestamp_ms":-1}"#, "whole number"),
            (r#"{"topic":"t","value":"v","timestamp_ms":1.5}"#, "whole number"),
            (
                r#"{"topic":"t","value":"v","headers":[{"name":"n","value":"v","name":"m"}]}"#,
                "twice",
            ),
            (r#"{"topic":"t","value":"v"} {}"#, "no JSON object"),
        ] {
            let error = Line::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
        let lone_marker = Line::parse(br#"{"topic":"t","value":null}"#).unwrap();
        assert_eq!(lone_marker.record(), Err(RecordError::MarkerWithoutKey));
    }
}
