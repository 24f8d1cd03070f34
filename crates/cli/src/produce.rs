//! `puro produce`: lines to records.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use puro::internals::layout::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use puro::{
    AppendError, Appended, Batch, Blame, NewRecord, Producer, ProducerOptions, RecordError,
};

use crate::common::{CliError, Progress, Work, at_work, check_interrupt, message};
use crate::lines::Lines;
use crate::parse::{Delimiter, parse_delimiter};
use crate::repair::describe;
use crate::streams::Waiting;

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
    #[arg(short, long, value_name = "TOPIC")]
    topic: OsString,
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

/// Records in a block where `--batch` does not say: enough that a block's costs do not count,
/// few enough that readers do not wait for them.
const DEFAULT_BATCH_RECORDS: usize = 1000;
/// Bytes of records after which a block is full where `--batch` does not say.
const DEFAULT_BATCH_BYTES: usize = 1024 * 1024;

/// Appends all lines, in their order.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let template = Template::new(args)?;
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin } else { args.files.as_slice() };
    let lengths = files.iter().map(|file| length_of(file)).collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress::of_bytes("produce", lengths.iter().sum());
    let mut working = at_work();
    let mut appender = Appender::open(args)?;
    let mut done = 0;
    for (file, length) in files.iter().zip(lengths) {
        // A FIFO is open only once somebody else has opened it, too.
        let mut lines = working.pause(|| Lines::open(file, template.longest_line()))?;
        let tell = |read| progress.set(done + read);
        let read = append_lines(&mut lines, &template, &mut appender, &mut working, tell);
        // Whatever happens, what was read before it is appended first.
        let appended = appender.append();
        if let Err(error) = read.and(appended) {
            return Err(error.context(format_args!("{} records appended", appender.appended)));
        }
        done += length;
    }
    drop(progress);
    if args.verbose {
        appender.summarize();
    }
    Ok(ExitCode::SUCCESS)
}

/// Appends the lines of one input, but for those of a last block that is not full.
fn append_lines(
    lines: &mut Lines,
    template: &Template<'_>,
    appender: &mut Appender,
    working: &mut Work,
    mut tell_progress: impl FnMut(u64),
) -> Result<(), CliError> {
    loop {
        let more = if lines.may_wait() {
            appender.append()?;
            working.pause(|| lines.advance())?
        } else {
            lines.advance()?
        };
        if !more {
            return Ok(());
        }
        let at_line = |error| CliError::from(error).context(lines.place());
        let record = template.record(lines.line()).map_err(at_line)?;
        if !appender.push(&record).map_err(at_line)? {
            appender.append()?;
            appender.push(&record).map_err(at_line)?;
        }
        if appender.is_full() {
            appender.append()?;
            tell_progress(lines.bytes_read());
        }
    }
}

/// What all records have in common, and how a line becomes one.
struct Template<'a> {
    topic: &'a [u8],
    key: Option<&'a [u8]>,
    key_delimiter: Option<&'a Delimiter>,
    headers: Vec<(&'a [u8], &'a [u8])>,
    delete_empty: bool,
}

impl<'a> Template<'a> {
    fn new(args: &'a Args) -> Result<Self, CliError> {
        let template = Self {
            topic: args.topic.as_bytes(),
            key: args.key.as_ref().map(|key| key.as_bytes()),
            key_delimiter: args.key_delimiter.as_ref(),
            headers: args.headers.iter().map(split_header).collect::<Result<_, _>>()?,
            delete_empty: args.delete_empty,
        };
        // What is wrong with topic, key or headers is told before anything is read.
        template.record(b"any")?.check()?;
        Ok(template)
    }

    /// No longer line makes a record.
    fn longest_line(&self) -> usize {
        let key = self.key_delimiter.map_or(0, |delimiter| MAX_KEY_BYTES + delimiter.len());
        key + MAX_VALUE_BYTES
    }

    fn record<'l>(&self, line: &'l [u8]) -> Result<NewRecord<'l>, RecordError>
    where
        'a: 'l,
    {
        let split = self.key_delimiter.and_then(|delimiter| delimiter.split(line));
        let (key, value) = match split {
            Some((key, value)) => (Some(key), value),
            None => (self.key, line),
        };
        let delete = self.delete_empty && value.is_empty();
        let mut record = match key {
            None if delete => return Err(RecordError::MarkerWithoutKey),
            Some(key) if delete => NewRecord::delete_marker(self.topic, key),
            Some(key) => NewRecord::new(self.topic, value).key(key),
            None => NewRecord::new(self.topic, value),
        };
        for (name, value) in &self.headers {
            record = record.header(*name, *value);
        }
        Ok(record)
    }
}

fn split_header(header: &OsString) -> Result<(&[u8], &[u8]), CliError> {
    let bytes = header.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=');
    let split = at.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)));
    split.ok_or_else(|| {
        let header = header.display();
        CliError::usage(format_args!("header `{header}` is not of the form NAME=VALUE"))
    })
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

/// A producer with the block that is being filled.
struct Appender {
    producer: Producer,
    batch: Batch,
    most_records: usize,
    most_bytes: usize,
    begun: Instant,
    /// Records and blocks until now.
    appended: u64,
    blocks: u64,
    /// Repairs that were told.
    told: usize,
    /// Where each block is acknowledged.
    acks: Option<Waiting>,
}

impl Appender {
    fn open(args: &Args) -> Result<Self, CliError> {
        let options = ProducerOptions::new()
            .create(!args.no_create)
            .durable(args.durable)
            .allow_network(args.allow_network);
        let producer = options.open(&args.dir)?;
        let (most_records, most_bytes) = match args.batch {
            Some(records) => (records as usize, usize::MAX),
            None => (DEFAULT_BATCH_RECORDS, DEFAULT_BATCH_BYTES),
        };
        let mut appender = Self {
            producer,
            batch: Batch::new(),
            most_records,
            most_bytes,
            begun: Instant::now(),
            appended: 0,
            blocks: 0,
            told: 0,
            acks: if args.ack { Some(Waiting::stdout()?) } else { None },
        };
        appender.tell_repairs();
        Ok(appender)
    }

    /// Adds a record to the block; `false` if it does not fit any more.
    fn push(&mut self, record: &NewRecord<'_>) -> Result<bool, RecordError> {
        match self.batch.push(record) {
            Ok(()) => Ok(true),
            Err(RecordError::TooLong { field: "batch", .. }) if !self.batch.is_empty() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= self.most_records || self.batch.bytes() >= self.most_bytes
    }

    /// Appends the block, if there is anything in it; between two blocks Ctrl-C is heard.
    fn append(&mut self) -> Result<(), CliError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        check_interrupt()?;
        let appended = self.producer.append_batch(&mut self.batch);
        // Whatever the outcome: appended again, records might stand there twice.
        self.batch.clear();
        self.tell_repairs();
        if let Ok(appended) | Err(AppendError::NotDurable { appended, .. }) = &appended {
            self.appended += u64::from(appended.record_count);
            self.blocks += 1;
        }
        let appended = appended?;
        if let Some(acks) = &mut self.acks {
            // One write, and unbuffered: whoever reads it may kill us right behind it.
            let Appended { first_offset, record_count, .. } = appended;
            let line = format!("{first_offset} {record_count}\n");
            acks.write_all(line.as_bytes()).map_err(|error| {
                CliError::new(Blame::Environment, format_args!("cannot acknowledge: {error}"))
            })?;
        }
        Ok(())
    }

    fn tell_repairs(&mut self) {
        for report in self.producer.repairs().iter().skip(self.told) {
            message(describe(report));
        }
        self.told = self.producer.repairs().len();
    }

    fn summarize(&self) {
        let Self { appended, blocks, .. } = self;
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = *appended as f64 / seconds.max(1e-9);
        message(format_args!(
            "{appended} records appended in {blocks} blocks, {seconds:.3} s ({rate:.0} a second); \
             next offset {}",
            self.producer.token().offset
        ));
    }
}
