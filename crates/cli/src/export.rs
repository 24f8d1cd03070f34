//! `puro export`: all records as lines of JSON.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::{Consumer, ConsumerOptions, Start, Token};

use crate::common::{CliError, at_work, check_interrupt, message};
use crate::consume::at_end;
use crate::filter::Filter;
use crate::format::write_json;
use crate::parse::parse_start;
use crate::streams::Waiting;
use crate::topics::{self, Unmet};
use crate::until::Until;

/// Print all records as lines of JSON, for `puro import` and other programs
///
/// Bytes that are not UTF-8 stand in base64, in a member named NAME_base64; a delete marker has
/// the value null. Ends at the end, and tells where to go on next time. An export that was cut
/// short goes on with --from, at the offset behind that of the last whole line.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Print JSON, the one form there is
    #[arg(long)]
    json: bool,
    /// Where to start: beginning, an OFFSET, -N (the last N records), a TIME, a DURATION ago, or
    /// the TOKEN of the export before. A TIME is 2026-01-31T12:00Z, +02:00 or
    /// [Europe/Berlin] instead of Z, or nothing there for local time, 14:30 (today), @MILLISECONDS
    #[arg(long, value_name = "PLACE", default_value = "beginning", value_parser = parse_start)]
    #[arg(allow_hyphen_values = true)]
    from: Start,
    /// Where to end: before this place, which is one of those of --from, or end (the default)
    #[arg(long, value_name = "PLACE", value_parser = parse_start, allow_hyphen_values = true)]
    to: Option<Start>,
    /// Only records of this topic, or pattern, as for `consume`; may be given more than once
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<OsString>,
    #[command(flatten)]
    filter: Filter,
    /// Only what a loss of power cannot take back: syncs before it prints
    #[arg(long)]
    durable: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Bytes of output that are gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Prints what is there, and says how to go on.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    // There is one form only; scripts may say what they rely on.
    let Args { dir, json: _, from, to, topics, filter, durable, allow_network } = args;
    let options =
        ConsumerOptions::new().start(*from).durable(*durable).allow_network(*allow_network);
    let options = topics::choose(options, topics);
    let mut consumer = options.open(dir)?;
    let until = to.map(|place| Until::find(&options, dir, place)).transpose()?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, Waiting::stdout()?);
    let _working = at_work();
    let mut unmet = Unmet::new(dir, topics);
    let mut exporter = Exporter { until, filter, unmet: &mut unmet, exported: 0 };
    let printed = exporter.print_all(&mut consumer, &mut out);
    let exported = exporter.exported;
    // Whatever happens, what was read before it is printed first.
    out.flush()?;
    let stopped_at = printed.as_ref().ok().copied().flatten();
    if let Some(token) = stopped_at.or_else(|| consumer.token()) {
        message(format_args!("{exported} records exported; --from {token} goes on behind them"));
    }
    unmet.tell(false);
    match printed? {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => at_end(&mut consumer, dir),
    }
}

struct Exporter<'a, 'u> {
    until: Option<Until>,
    filter: &'a Filter,
    unmet: &'u mut Unmet<'a>,
    exported: u64,
}

impl Exporter<'_, '_> {
    /// Prints up to the end there is, or up to the one that was asked for: then tells where that is.
    fn print_all(
        &mut self,
        consumer: &mut Consumer,
        out: &mut impl Write,
    ) -> Result<Option<Token>, CliError> {
        loop {
            let before = self.until.as_ref().and_then(|_| consumer.token());
            if let (Some(until), Some(token)) = (&self.until, before)
                && until.is_at(token.offset)
            {
                return Ok(before);
            }
            let Some(record) = consumer.try_next()? else { return Ok(None) };
            if self.until.as_ref().is_some_and(|until| until.ends_before(&record)) {
                return Ok(before);
            }
            self.unmet.meet(record.topic);
            if self.filter.wants(&record) {
                write_json(out, &record)?;
                self.exported += 1;
            }
            check_interrupt()?;
        }
    }
}
