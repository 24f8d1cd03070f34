//! `puro export`: all records as lines of JSON.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use puro::{Consumer, ConsumerOptions, Start};

use crate::common::{CliError, at_work, check_interrupt, message};
use crate::consume::at_end;
use crate::format::write_json;
use crate::parse::parse_start;
use crate::streams::Waiting;

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
    /// the TOKEN of the export before
    #[arg(long, value_name = "PLACE", default_value = "beginning", value_parser = parse_start)]
    #[arg(allow_hyphen_values = true)]
    from: Start,
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
    // There is nothing to choose yet; scripts may say what they rely on.
    let Args { dir, json: _, from, durable, allow_network } = args;
    let options =
        ConsumerOptions::new().start(*from).durable(*durable).allow_network(*allow_network);
    let mut consumer = options.open(dir)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, Waiting::stdout()?);
    let _working = at_work();
    let mut exported = 0;
    let printed = print_all(&mut consumer, &mut out, &mut exported);
    // Whatever happens, what was read before it is printed first.
    out.flush()?;
    if let Some(token) = consumer.token() {
        message(format_args!("{exported} records exported; --from {token} goes on behind them"));
    }
    printed?;
    at_end(&mut consumer, dir)
}

fn print_all(
    consumer: &mut Consumer,
    out: &mut impl Write,
    exported: &mut u64,
) -> Result<(), CliError> {
    while let Some(record) = consumer.try_next()? {
        write_json(out, &record)?;
        *exported += 1;
        check_interrupt()?;
    }
    Ok(())
}
