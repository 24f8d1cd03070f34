//! `puro latest`: the newest value of each key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use puro::{Consumer, ConsumerOptions, Record};

use crate::common::{CliError, Work, at_work, check_interrupt};
use crate::consume::at_end;
use crate::format::{Format, parse_format, write_json};
use crate::printable::shown;
use crate::streams::{self, Waiting};
use crate::time::format_time;
use crate::topics::{self, Unmet};

/// Print the newest value of each key
///
/// A stream as a table: each key once, sorted, with the value that was appended last. A key whose
/// newest record is a delete marker is not there. Records without a key are passed over.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Topic of the records; a pattern, too, as for `consume`; may be given more than once
    #[arg(short, long = "topic", value_name = "TOPIC", required = true)]
    topics: Vec<OsString>,
    /// Only this key; may be given more than once
    #[arg(short, long = "key", value_name = "KEY")]
    keys: Vec<OsString>,
    /// How to print a record, as for `consume`, instead of a table
    #[arg(short, long, value_name = "FORMAT", value_parser = parse_format, allow_hyphen_values = true)]
    format: Option<Format>,
    /// Print records as lines of JSON, as `consume` does
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Then go on, and print each change when it comes; of a key that is deleted its delete marker
    #[arg(short, long)]
    watch: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// How long a watch waits before it sees whether anybody still reads what it prints.
const WAIT: Duration = Duration::from_millis(250);

/// Reads all, and prints what is left of it.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let options = ConsumerOptions::new().allow_network(args.allow_network);
    let mut consumer = topics::choose(options, &args.topics).open(&args.dir)?;
    let mut working = at_work();
    let mut unmet = Unmet::new(&args.dir, &args.topics);
    let mut newest: BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>> = BTreeMap::new();
    while let Some(record) = consumer.try_next()? {
        check_interrupt()?;
        unmet.meet(record.topic);
        let Some(key) = args.wanted_key(&record) else { continue };
        let place = (record.topic.to_vec(), key.to_vec());
        match record.value {
            Some(_) => _ = newest.insert(place, args.row(&record)?),
            None => _ = newest.remove(&place),
        }
    }
    unmet.tell(args.watch);
    let mut out = io::BufWriter::new(Waiting::stdout()?);
    if args.format.is_none() && !args.json {
        writeln!(out, "{:>12}  {:24}  {}key\tvalue", "offset", "time", args.topic_column("topic"))?;
    }
    newest.values().try_for_each(|row| out.write_all(row))?;
    out.flush()?;
    drop(newest);
    if args.watch {
        return args.watch(&mut consumer, &mut working, &mut out);
    }
    at_end(&mut consumer, &args.dir)
}

impl Args {
    fn wanted_key<'r>(&self, record: &Record<'r>) -> Option<&'r [u8]> {
        let wanted = |key: &&[u8]| self.keys.iter().any(|wanted| wanted.as_bytes() == *key);
        record.key.filter(|key| self.keys.is_empty() || wanted(key))
    }

    /// A record as it is printed.
    fn row(&self, record: &Record<'_>) -> io::Result<Vec<u8>> {
        let mut row = Vec::new();
        match &self.format {
            Some(format) => format.write(&mut row, record)?,
            None if self.json => write_json(&mut row, record)?,
            None => {
                let Record { offset, timestamp_ms, .. } = record;
                let (time, topic) = (format_time(*timestamp_ms), shown(record.topic));
                let (topic, key) =
                    (self.topic_column(&topic), shown(record.key.unwrap_or_default()));
                let value = record.value.map_or("(deleted)".to_owned(), shown);
                writeln!(row, "{offset:>12}  {time:24}  {topic}{key}\t{value}")?;
            }
        }
        Ok(row)
    }

    /// The topic, where there may be several.
    fn topic_column(&self, topic: &str) -> String {
        if topics::are_one(&self.topics) { String::new() } else { format!("{topic}\t") }
    }

    /// Prints what comes.
    fn watch(
        &self,
        consumer: &mut Consumer,
        working: &mut Work,
        out: &mut impl Write,
    ) -> Result<ExitCode, CliError> {
        loop {
            while let Some(record) = consumer.try_next()? {
                if self.wanted_key(&record).is_some() {
                    out.write_all(&self.row(&record)?)?;
                }
                check_interrupt()?;
            }
            out.flush()?;
            working.pause(|| consumer.wait(WAIT))?;
            check_interrupt()?;
            if streams::nobody_reads() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
