//! `puro consume`: records to stdout.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use puro::{
    AutoCommit, Blame, Consumer, ConsumerOptions, EndState, IfLost, NamedConsumer, NamedOptions,
    Record, Start, Started,
};

use crate::common::{CliError, Work, at_work, check_interrupt, exit, interrupted, message};
use crate::filter::Filter;
use crate::format::{Format, parse_format, write_json};
use crate::parse::{Delimiter, parse_delimiter, parse_start};
use crate::streams::{self, Waiting};
use crate::topics::{self, Unmet};
use crate::until::Until;

/// Print the records of a stream, and wait for more
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory. Where it is not a stream yet, that is waited for, unless -e
    dir: PathBuf,
    /// Only records of this topic; may be given more than once. `*` stands for any text, `?` for one
    /// byte (quote them: -t 'orders.*'), \* and \? for themselves
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<OsString>,
    #[command(flatten)]
    filter: Filter,
    /// Where to start: beginning, end, an OFFSET, -N (the last N records), a TIME, a DURATION ago
    /// (15m), a TOKEN, or with --name: stored, the default, where the last run under that name was.
    /// A TIME is 2026-01-31T12:00Z, +02:00 or [Europe/Berlin] instead of Z; local time without any
    /// of them; 2026-01-31 (midnight), 14:30 (today), or @MILLISECONDS since 1970
    #[arg(long, value_name = "PLACE", value_parser = parse_from, allow_hyphen_values = true)]
    from: Option<From>,
    /// Where to end: before this place, which is one of those of --from but stored. `end` is the end
    /// there is now; an OFFSET or TIME that is yet to come is waited for, unless -e
    #[arg(long, value_name = "PLACE", value_parser = parse_start, allow_hyphen_values = true)]
    to: Option<Start>,
    /// Keep the position in the stream under this name, and go on from there the next time.
    /// What was printed counts as read, whatever becomes of it. The position is committed when records
    /// were printed, about every second, and at the end; every ten seconds where there are only
    /// records of other topics
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// With --name: what to do where the records behind the position were deleted before they
    /// were read. beginning: go on with the oldest there is; end: behind the newest; fail: exit
    /// code 2
    #[arg(long, value_name = "PLACE", value_enum, default_value = "fail", requires = "name")]
    if_lost: IfLostArg,
    /// Stop after so many records that are printed
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop at the end, instead of waiting for more
    #[arg(short, long)]
    exit: bool,
    /// How to print a record. Tokens: %t topic, %k key, %s value, %o offset, %T time in ms
    /// since 1970, %I time in ISO 8601, %h headers, %%; escapes: \n \t \r \0 \\ \xHH
    #[arg(short, long, value_name = "FORMAT", default_value = "%s\\n", value_parser = parse_format)]
    #[arg(allow_hyphen_values = true)]
    format: Format,
    /// Print values with these bytes behind each instead of a newline, such as \\0 for `xargs -0`.
    /// Escapes as for -f
    #[arg(short = 'D', long, value_name = "DELIM", value_parser = parse_delimiter)]
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["format", "json"])]
    delimiter: Option<Delimiter>,
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

/// What `--from` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// Where the last run under the name was; the beginning if there was none.
    Stored,
    Place(Start),
}

fn parse_from(text: &str) -> Result<From, String> {
    if text == "stored" { Ok(From::Stored) } else { parse_start(text).map(From::Place) }
}

/// What `--if-lost` says.
#[derive(Clone, Copy, clap::ValueEnum)]
enum IfLostArg {
    Beginning,
    End,
    Fail,
}

impl IfLostArg {
    fn of_library(self) -> IfLost {
        match self {
            Self::Beginning => IfLost::Beginning,
            Self::End => IfLost::End,
            Self::Fail => IfLost::Fail,
        }
    }
}

/// A consumer with a name or without.
enum Source {
    Plain(Box<Consumer>),
    Named(Box<NamedConsumer>),
}

impl Source {
    fn consumer(&mut self) -> &mut Consumer {
        match self {
            Self::Plain(consumer) => consumer,
            Self::Named(named) => named.consumer_mut(),
        }
    }

    /// The next record, if there is one now.
    #[inline]
    fn try_next(&mut self) -> Result<Option<Record<'_>>, CliError> {
        Ok(match self {
            Self::Plain(consumer) => consumer.try_next()?,
            Self::Named(named) => named.try_next()?,
        })
    }

    /// How many offsets it passed over because they were deleted.
    fn missed(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Named(named) => named.missed_offsets(),
        }
    }

    /// Waits for a record. Nobody else commits what is passed by meanwhile, so one with a name
    /// comes back soon, and does not end in between.
    fn wait(&mut self, working: &mut Work) -> Result<(), CliError> {
        match self {
            Self::Plain(consumer) => _ = working.pause(|| consumer.wait(WAIT))?,
            Self::Named(named) => _ = named.wait(LOOK_INTERVAL)?,
        }
        Ok(())
    }

    /// Refuses to go on where the position behind the next records could not be committed: they
    /// would be printed again by every run until there is room.
    fn check_room(&mut self) -> Result<(), CliError> {
        if let Self::Named(named) = self
            && named.consumer_mut().wait(Duration::ZERO)?
        {
            named.make_room().map_err(|error| {
                CliError::from(error).context("nothing more is printed, for it could not be noted")
            })?;
        }
        Ok(())
    }

    /// Commits the position behind what was printed, if there is anything to commit.
    fn commit(&mut self, printed: Printed) -> Result<(), CliError> {
        match self {
            Self::Plain(_) => {}
            Self::Named(named) if printed == Printed::BehindEnd => _ = named.commit_but_last()?,
            Self::Named(named) => _ = named.commit()?,
        }
        Ok(())
    }
}

/// How far printing came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Printed {
    /// There may be more.
    Some,
    /// Nothing more is there now.
    All,
    /// As many as were asked for, or up to the end that was.
    Enough,
    /// The same, and the record behind that end was taken, too.
    BehindEnd,
}

/// How many records are printed before the position is committed at the latest.
const COMMIT_RECORDS: u64 = 10_000;
/// How long a named consumer goes on after its last commit, while there are more records.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How often it commits that records of other topics were passed by (C-8).
const PASSING_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked whether a stream has come into being, or somebody wants an end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a waiting consumer sleeps until it sees whether anybody still reads what it prints;
/// neither records nor Ctrl-C wait for that.
const WAIT: Duration = Duration::from_millis(250);
/// Bytes of output that are gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Prints records until the count is reached, the end (with `-e` or `--to`), or Ctrl-C.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    refuse_to_print_nowhere(args)?;
    let Some(mut source) = open(args)? else { return Ok(ExitCode::SUCCESS) };
    let until = args.to.map(|place| Until::find(&options(args), &args.dir, place)).transpose()?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, Waiting::stdout()?);
    let unmet = Unmet::new(&args.dir, &args.topics);
    let mut printer = Printer { args, until, unmet, left: args.count.unwrap_or(u64::MAX) };
    let mut working = at_work();
    let mut committed = Instant::now();
    let mut missed = 0;
    source.check_room()?;
    loop {
        // Whatever happens, what was read before it is printed first.
        let before = printer.left;
        let printed = printer.print_some(&mut source, &mut out);
        out.flush()?;
        tell_missed(args, &source, &mut missed);
        let came = *printed.as_ref().unwrap_or(&Printed::Enough);
        let rests = came == Printed::All && !args.exit && printer.left == before;
        let interval = if rests { PASSING_INTERVAL } else { COMMIT_INTERVAL };
        let more = came == Printed::Some;
        if !(more || rests) || committed.elapsed() >= interval {
            source.commit(came)?;
            committed = Instant::now();
            if more {
                source.check_room()?;
            }
        }
        match printed? {
            Printed::Some => continue,
            Printed::Enough | Printed::BehindEnd => return Ok(ExitCode::SUCCESS),
            Printed::All => printer.unmet.tell(!args.exit),
        }
        if args.exit {
            // Its own commit stands behind what it has read; that is not yet the end.
            source.consumer().wait(Duration::ZERO)?;
            return at_end(source.consumer(), &args.dir);
        }
        source.wait(&mut working)?;
        if streams::nobody_reads() {
            return Ok(ExitCode::SUCCESS);
        }
        source.check_room()?;
    }
}

/// Says what was missed since the last time (C-9).
fn tell_missed(args: &Args, source: &Source, told: &mut u64) {
    let missed = source.missed();
    if missed > *told
        && let Some(name) = &args.name
    {
        message(format_args!(
            "consumer `{name}` lost its place and missed {} offsets, which were deleted before it \
             read them; it goes on as --if-lost says",
            missed - *told
        ));
        *told = missed;
    }
}

/// Says where it begins, if that is not where the last run was (C-9).
fn tell_start(name: &str, named: &NamedConsumer) {
    let Started::WithoutPosition { ran_before } = named.started() else { return };
    let why = if ran_before {
        "ran before, but has no position: none was committed, or it was deleted, or forgotten after expiry_ms"
    } else {
        "has no position yet"
    };
    message(format_args!("consumer `{name}` {why}; it starts at the beginning"));
}

/// A named consumer whose stdout is closed would mark records as read that went nowhere.
fn refuse_to_print_nowhere(args: &Args) -> Result<(), CliError> {
    if args.name.is_some() && streams::is_closed() {
        return Err(CliError::new(
            Blame::Environment,
            "stdout is closed, or is /dev/null opened for reading too, which looks the same: nothing \
             is printed, for it would be noted as read. `>/dev/null` drops records, `puro \
             positions DIR set NAME end` skips them",
        ));
    }
    Ok(())
}

/// Opens the source; `None` where whoever was to read what it prints went away before.
fn open(args: &Args) -> Result<Option<Source>, CliError> {
    let from = match (args.from, &args.name) {
        (Some(From::Stored), None) => {
            return Err(CliError::usage("--from stored needs --name NAME"));
        }
        (Some(From::Place(start)), _) => Some(start),
        (Some(From::Stored) | None, _) => None,
    };
    let Some(name) = &args.name else {
        return open_plain(args, from.unwrap_or(Start::Beginning))
            .map(|plain| Some(Source::Plain(Box::new(plain))));
    };
    let mut waiting = open_plain(args, Start::Beginning)?;
    let begins = waiting.token().is_none();
    while waiting.token().is_none() {
        waiting.wait(LOOK_INTERVAL)?;
        if streams::nobody_reads() {
            return Ok(None);
        }
    }
    // The end of what is not there yet is before its first record.
    let start = from.filter(|start| !begins || *start != Start::End);
    let options = NamedOptions::new()
        .auto_commit(AutoCommit::Never)
        .consumer(options(args))
        .start(start.unwrap_or(Start::Beginning))
        .ignore_stored(from.is_some())
        .if_lost(args.if_lost.of_library())
        .allow_network(args.allow_network);
    let named = options.open(&args.dir, name)?;
    tell_start(name, &named);
    Ok(Some(Source::Named(Box::new(named))))
}

fn options(args: &Args) -> ConsumerOptions {
    let options = ConsumerOptions::new()
        .durable(args.durable)
        .wait_for_stream(!args.exit)
        .allow_network(args.allow_network);
    topics::choose(options, &args.topics)
}

/// Opens the consumer; where there is no stream yet, says that it is waited for.
fn open_plain(args: &Args, from: Start) -> Result<Consumer, CliError> {
    let consumer = options(args).start(from).open(&args.dir)?;
    if consumer.token().is_none() {
        message(format_args!("{} is not a stream yet; waiting for it", args.dir.display()));
    }
    Ok(consumer)
}

/// What is printed, and how much of it is left.
struct Printer<'a> {
    args: &'a Args,
    until: Option<Until>,
    unmet: Unmet<'a>,
    left: u64,
}

impl Printer<'_> {
    /// Prints what is there now, up to the count and as much as may go before a commit.
    fn print_some(
        &mut self,
        source: &mut Source,
        out: &mut impl Write,
    ) -> Result<Printed, CliError> {
        for _ in 0..COMMIT_RECORDS {
            if self.left == 0 {
                break;
            }
            if self.is_at_end(source) {
                return Ok(Printed::Enough);
            }
            let Some(record) = source.try_next()? else {
                check_interrupt()?;
                return Ok(self.at_rest(source));
            };
            if self.until.as_ref().is_some_and(|until| until.ends_before(&record)) {
                return Ok(Printed::BehindEnd);
            }
            self.unmet.meet(record.topic);
            if self.args.filter.wants(&record) {
                self.print(out, &record)?;
                self.left -= 1;
            }
            if interrupted() {
                break;
            }
        }
        check_interrupt()?;
        Ok(if self.left > 0 { Printed::Some } else { Printed::Enough })
    }

    fn is_at_end(&self, source: &mut Source) -> bool {
        let Some(until) = &self.until else { return false };
        source.consumer().token().is_some_and(|token| until.is_at(token.offset))
    }

    /// Where there is nothing more now: whether that is the end that was asked for.
    fn at_rest(&self, source: &mut Source) -> Printed {
        let next_offset = source.consumer().token().map_or(0, |token| token.offset);
        let reached = self.until.as_ref().is_some_and(|until| until.is_reached(next_offset));
        if reached { Printed::Enough } else { Printed::All }
    }

    fn print(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        match &self.args.delimiter {
            _ if self.args.json => write_json(out, record),
            None => self.args.format.write(out, record),
            Some(delimiter) => {
                out.write_all(record.value.unwrap_or_default())?;
                out.write_all(delimiter.bytes())
            }
        }
    }
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
            let what = match durable_to > position {
                true => {
                    format!("bytes {position} to {durable_to} of the active segment were synced")
                }
                // It is known by what follows them.
                false => format!("bytes from {position} on of the active segment were committed"),
            };
            message(format_args!(
                "the end of {dir} is damaged: {what} and are not valid any more; \
                 `puro verify` tells more"
            ));
            Ok(ExitCode::from(exit::DAMAGED))
        }
    }
}
