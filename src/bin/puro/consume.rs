//! `puro consume`: records to stdout.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use puro::{Consumer, ConsumerOptions, EndState, Record, Start};

use crate::common::{CliError, at_work, check_interrupt, exit, interrupted, message};
use crate::format::{Format, parse_format, write_json};
use crate::parse::parse_start;

/// Print the records of a stream, and wait for more
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory. Where it is not a stream yet, that is waited for, unless -e
    dir: PathBuf,
    /// Only records of this topic; may be given more than once
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<OsString>,
    /// Where to start: beginning, end, an OFFSET, -N (the last N records), a TIME
    /// (2026-01-31T12:00:00Z, 2026-01-31, @MILLISECONDS), a DURATION ago (15m), or a TOKEN
    #[arg(long, value_name = "PLACE", default_value = "beginning", value_parser = parse_start)]
    #[arg(allow_hyphen_values = true)]
    from: Start,
    /// Stop after so many records
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop at the end, instead of waiting for more
    #[arg(short, long)]
    exit: bool,
    /// How to print a record. Tokens: %t topic, %k key, %s value, %o offset, %T time in ms
    /// since 1970, %h headers, %%; escapes: \n \t \r \0 \\ \xHH
    #[arg(short, long, value_name = "FORMAT", default_value = "%s\\n", value_parser = parse_format)]
    #[arg(allow_hyphen_values = true)]
    format: Format,
    /// Print a record as a line of JSON; bytes that are not UTF-8 as NAME_base64
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only what a loss of power cannot take back: syncs before it prints
    #[arg(long)]
    durable: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// How long a waiting consumer sleeps in one go; Ctrl-C does not wait for it.
const WAIT: Duration = Duration::from_secs(3600);
/// Bytes of output that are gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Prints records until the count is reached, the end (with `-e`), or Ctrl-C.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mut consumer = open(args)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut working = at_work();
    loop {
        // Whatever happens, what was read before it is printed first.
        let printed = print_all(&mut consumer, args, &mut out, &mut left);
        out.flush()?;
        printed?;
        if left == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if args.exit {
            return at_end(&mut consumer, &args.dir);
        }
        working.pause(|| consumer.wait(WAIT))?;
    }
}

/// Opens the consumer; where there is no stream yet, says that it is waited for.
fn open(args: &Args) -> Result<Consumer, CliError> {
    let mut options = ConsumerOptions::new()
        .start(args.from)
        .durable(args.durable)
        .wait_for_stream(!args.exit)
        .allow_network(args.allow_network);
    for topic in &args.topics {
        options = options.topic(topic.as_bytes());
    }
    let consumer = options.clone().open(&args.dir)?;
    if consumer.token().is_some() {
        return Ok(consumer);
    }
    message(format_args!("{} is not a stream yet; waiting for it", args.dir.display()));
    // Its end is now, before its first record.
    let from = if args.from == Start::End { Start::Beginning } else { args.from };
    Ok(options.start(from).open(&args.dir)?)
}

/// Prints what is there now, up to `left` records.
fn print_all(
    consumer: &mut Consumer,
    args: &Args,
    out: &mut impl Write,
    left: &mut u64,
) -> Result<(), CliError> {
    while *left > 0 {
        let Some(record) = consumer.try_next()? else { break };
        print(args, out, &record)?;
        *left -= 1;
        if interrupted() {
            break;
        }
    }
    check_interrupt()
}

fn print(args: &Args, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    if args.json { write_json(out, record) } else { args.format.write(out, record) }
}

/// Ends at the end, and says so if that is not a clean one.
pub fn at_end(consumer: &mut Consumer, dir: &Path) -> Result<ExitCode, CliError> {
    let dir = dir.display();
    match consumer.end_state()? {
        EndState::Clean => Ok(ExitCode::SUCCESS),
        EndState::NeedsRepair { position } => {
            message(format_args!(
                "the end of {dir} needs repair (at byte {position} of the active segment); \
                 all records before are printed. The next writer repairs it, or `puro repair`"
            ));
            Ok(ExitCode::from(exit::NEEDS_REPAIR))
        }
        EndState::Damaged { position, durable_to } => {
            message(format_args!(
                "the end of {dir} is damaged: bytes {position} to {durable_to} of the active \
                 segment were synced and are not valid any more; `puro verify` tells more"
            ));
            Ok(ExitCode::from(exit::DAMAGED))
        }
    }
}
