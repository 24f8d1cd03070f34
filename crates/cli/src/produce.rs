//! `puro produce`: lines to records.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::appender::Appender;
use self::conditions::ConditionArgs;
use self::template::Template;
use crate::common::{CliError, Progress, Work, at_work};
use crate::lines::{Lines, Parts};
use crate::parse::{Delimiter, parse_delimiter};

mod appender;
mod conditions;
mod template;

/// Append lines of files or of stdin, each as a record
///
/// Lines that are there at once are appended in one block, which is seen whole or not at all; a
/// line that is followed by nothing yet does not wait. The stream is made if it is missing.
#[derive(clap::Args)]
pub struct Args {
    /// The stream's directory
    dir: PathBuf,
    /// Files to read, one after the other; `-` is stdin, which is read if there are none
    files: Vec<PathBuf>,
    /// Topic of the records
    #[arg(short, long, value_name = "TOPIC", required_unless_present = "topic_delimiter")]
    topic: Option<OsString>,
    /// Split each line at the first DELIM into topic and the rest, which -K may split again
    #[arg(short = 'T', long, value_name = "DELIM", value_parser = parse_delimiter)]
    #[arg(allow_hyphen_values = true, conflicts_with = "topic")]
    topic_delimiter: Option<Delimiter>,
    /// What ends a record, instead of a newline, such as \\0 for what `find -print0` prints
    #[arg(short = 'D', long, value_name = "DELIM", value_parser = parse_delimiter)]
    #[arg(allow_hyphen_values = true)]
    delimiter: Option<Delimiter>,
    /// Each file is one record, whatever is in it; so is stdin
    #[arg(long, conflicts_with = "delimiter")]
    whole_files: bool,
    /// All records of all files in one transaction: all of them or none. They must fit into one
    /// block of 16 MiB
    #[arg(long, conflicts_with = "batch")]
    atomic: bool,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// Copy to stdout what was read, as soon as it is appended
    #[arg(long, conflicts_with = "ack")]
    tee: bool,
    /// Key of all records
    #[arg(short, long, value_name = "KEY", conflicts_with = "key_delimiter")]
    key: Option<OsString>,
    /// Split each line at the first DELIM into key and value; a line without it has no key.
    /// Escapes: \n \t \r \0 \\ \xHH
    #[arg(short = 'K', long, value_name = "DELIM", value_parser = parse_delimiter)]
    #[arg(allow_hyphen_values = true)]
    key_delimiter: Option<Delimiter>,
    /// A header for all records; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<OsString>,
    /// An empty value deletes: the record is a delete marker for its key
    #[arg(short = 'Z', long)]
    delete_empty: bool,
    /// Most records in a block [default: 1000, or fewer that take 1 MiB]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Make every block safe from a loss of power before the next one is begun
    #[arg(long)]
    durable: bool,
    /// Fail if the stream is missing, instead of making it
    #[arg(long)]
    no_create: bool,
    /// After each block print a line with the offset of its first record, and how many it holds
    #[arg(long)]
    ack: bool,
    /// At the end, tell what was appended
    #[arg(short, long)]
    verbose: bool,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// Appends all lines, in their order.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let template = Template::new(args)?;
    let parts = match &args.delimiter {
        _ if args.whole_files => Parts::Whole,
        Some(delimiter) => Parts::EndingIn(delimiter.bytes()),
        None => Parts::LINES,
    };
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin } else { args.files.as_slice() };
    let lengths = files.iter().map(|file| length_of(file)).collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress::of_bytes("produce", lengths.iter().sum());
    let mut working = at_work();
    let mut appender = Appender::open(args)?;
    let mut done = 0;
    let mut read = Ok(());
    for (file, length) in files.iter().zip(lengths) {
        // A FIFO is open only once somebody else has opened it, too.
        let lines = working.pause(|| Lines::open(file, template.longest_line(), parts));
        let tell = |read| progress.set(done + read);
        read = lines
            .and_then(|mut lines| {
                append_lines(&mut lines, parts.end(), &template, &mut appender, &mut working, tell)
            })
            .and_then(|()| appender.append_before_waiting());
        if read.is_err() {
            break;
        }
        done += length;
    }
    // Whatever happens, what was read before it is appended first, unless it is all or nothing.
    let appended = appender.finish(read.is_err());
    if let Err(error) = read.and(appended) {
        return Err(error.context(format_args!("{} records appended", appender.appended)));
    }
    drop(progress);
    if args.verbose {
        appender.summarize();
    }
    Ok(ExitCode::SUCCESS)
}

/// Appends the lines of one input, but for those of a last block that is not full.
fn append_lines(
    lines: &mut Lines<'_>,
    end: &[u8],
    template: &Template<'_>,
    appender: &mut Appender,
    working: &mut Work,
    mut tell_progress: impl FnMut(u64),
) -> Result<(), CliError> {
    loop {
        let more = if lines.may_wait() {
            appender.append_before_waiting()?;
            working.pause(|| lines.advance())?
        } else {
            lines.advance()?
        };
        if !more {
            return Ok(());
        }
        let at_line = |error: CliError| error.context(lines.place());
        let record = template.record(lines.line()).map_err(at_line)?;
        if !appender.push(&record).map_err(|error| at_line(error.into()))? {
            appender.append()?;
            appender.push(&record).map_err(|error| at_line(error.into()))?;
        }
        appender.note(lines.line(), end);
        if appender.is_full() {
            appender.append()?;
            tell_progress(lines.bytes_read());
        }
    }
}

/// Length of a regular file, which must be there; 0 for anything else.
fn length_of(file: &Path) -> Result<u64, CliError> {
    if file.as_os_str() == "-" {
        return Ok(0);
    }
    let metadata = file.metadata().map_err(|error| {
        CliError::usage(format_args!("cannot read {}: {error}", file.display()))
    })?;
    Ok(if metadata.is_file() { metadata.len() } else { 0 })
}
