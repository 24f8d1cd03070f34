//! A producer, the block that is being filled, and who hears of it.

use std::io::{self, Write};
use std::time::Instant;

use puro::{
    AppendError, Appended, Batch, Blame, NewRecord, Producer, ProducerOptions, RecordError,
};

use super::Args;
use super::conditions::Conditions;
use crate::common::{CliError, check_interrupt, message};
use crate::repair::describe;
use crate::streams::Waiting;

/// Records in a block where `--batch` does not say: enough that a block's costs do not count,
/// few enough that readers do not wait for them.
const DEFAULT_BATCH_RECORDS: usize = 1000;
/// Bytes of records after which a block is full where `--batch` does not say.
const DEFAULT_BATCH_BYTES: usize = 1024 * 1024;

/// A producer with the block that is being filled.
pub struct Appender {
    producer: Producer,
    batch: Batch,
    most_records: usize,
    most_bytes: usize,
    begun: Instant,
    /// Records and blocks until now.
    pub appended: u64,
    blocks: u64,
    /// Repairs that were told.
    told: usize,
    /// Where each block is acknowledged.
    acks: Option<Waiting>,
    /// Where lines are copied to once their records are appended.
    tee: Option<Tee>,
    /// Whether all goes into one block.
    atomic: bool,
    /// What must hold for it then.
    conditions: Conditions,
}

impl Appender {
    /// Opens the stream.
    pub fn open(args: &Args) -> Result<Self, CliError> {
        let options = ProducerOptions::new()
            .create(!args.no_create)
            .durable(args.durable)
            .allow_network(args.allow_network);
        let producer = options.open(&args.dir)?;
        let conditions = Conditions::new(args, &producer);
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
            tee: if args.tee { Some(Tee::new(Waiting::stdout()?)) } else { None },
            atomic: args.atomic,
            conditions,
        };
        appender.tell_repairs();
        Ok(appender)
    }

    /// Adds a record to the block; `false` if it does not fit any more.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<bool, RecordError> {
        match self.batch.push(record) {
            Ok(()) => Ok(true),
            Err(RecordError::TooLong { field: "batch", .. })
                if !self.batch.is_empty() && !self.atomic =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes note of the line, with its end, of which the last record was made.
    pub fn note(&mut self, line: &[u8], end: &[u8]) {
        if let Some(tee) = &mut self.tee {
            tee.add(line, end);
        }
    }

    /// Appends what came as yet, for the next line may have to be waited for.
    pub fn append_before_waiting(&mut self) -> Result<(), CliError> {
        if self.atomic { Ok(()) } else { self.append() }
    }

    /// Appends what is left, after the last line or an error: all or nothing is nothing then.
    pub fn finish(&mut self, failed: bool) -> Result<(), CliError> {
        if self.atomic && failed {
            self.batch.clear();
        }
        self.append()
    }

    /// Whether the block is to be appended before the next record.
    pub fn is_full(&self) -> bool {
        let full = self.batch.len() >= self.most_records || self.batch.bytes() >= self.most_bytes;
        full && !self.atomic
    }

    /// Appends the block, if there is anything in it; between two blocks Ctrl-C is heard.
    pub fn append(&mut self) -> Result<(), CliError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        check_interrupt()?;
        let appended = self.conditions.begin(&mut self.producer, &mut self.batch).commit();
        // Whatever the outcome: appended again, records might stand there twice.
        self.batch.clear();
        self.tell_repairs();
        if let Ok(appended) | Err(AppendError::NotDurable { appended, .. }) = &appended {
            self.appended += u64::from(appended.record_count);
            self.blocks += 1;
        }
        let appended = appended?;
        if appended.duplicate {
            let offset = appended.first_offset;
            message(format_args!("it was appended before, at offset {offset}; nothing was now"));
        }
        if let Some(acks) = &mut self.acks {
            // One write, and unbuffered: whoever reads it may kill us right behind it.
            let Appended { first_offset, record_count, .. } = appended;
            let line = format!("{first_offset} {record_count}\n");
            acks.write_all(line.as_bytes()).map_err(|error| {
                CliError::new(Blame::Environment, format_args!("cannot acknowledge: {error}"))
            })?;
        }
        if let Some(tee) = &mut self.tee
            && let Err(error) = tee.copy()
        {
            // What was asked for first is to append.
            message(format_args!("nothing more is copied to stdout: {error}"));
            self.tee = None;
        }
        Ok(())
    }

    fn tell_repairs(&mut self) {
        for report in self.producer.repairs().iter().skip(self.told) {
            message(describe(report));
        }
        self.told = self.producer.repairs().len();
    }

    /// Tells what was appended.
    pub fn summarize(&self) {
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

/// Lines that are copied to stdout, as `tee` does.
struct Tee {
    stdout: Waiting,
    /// Lines whose records are not appended yet.
    lines: Vec<u8>,
}

impl Tee {
    fn new(stdout: Waiting) -> Self {
        Self { stdout, lines: Vec::new() }
    }

    fn add(&mut self, line: &[u8], end: &[u8]) {
        self.lines.extend_from_slice(line);
        self.lines.extend_from_slice(end);
    }

    fn copy(&mut self) -> io::Result<()> {
        let copied = self.stdout.write_all(&self.lines);
        self.lines.clear();
        copied
    }
}
