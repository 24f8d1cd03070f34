//! The processes that the demo starts: this program again, under a hidden command.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use puro::internals::interpose::{Answer, Call, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::vfs::Vfs;
use puro::{Batch, ConsumerOptions, NewRecord, Producer, ProducerOptions};

use super::report::{Digester, Report};
use crate::common::CliError;
use crate::repair::describe;

/// Topic of the producers' records.
pub const TOPIC: &str = "demo";
/// Topic of the record that ends the demo.
pub const LAST_TOPIC: &str = "finished";

/// A process of `puro demo`
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Appends records; stops halfway until a line comes on stdin
    Producer {
        dir: PathBuf,
        name: String,
        blocks: usize,
        block_records: usize,
        /// Stop for good in the middle of writing this block
        #[arg(long)]
        die_in: Option<usize>,
    },
    /// Reads up to the last record
    Consumer { dir: PathBuf },
}

/// Does the work of one process.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    match &args.role {
        Role::Consumer { dir } => consume(dir)?,
        Role::Producer { dir, name, blocks, block_records, die_in: None } => {
            let producer = ProducerOptions::new().create(false).open(dir)?;
            Work { producer, name, block_records: *block_records, told: 0 }.append(0..*blocks)?;
        }
        Role::Producer { dir, name, block_records, die_in: Some(fatal), .. } => {
            append_and_stop(dir, name, *block_records, *fatal)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads all records, from the first to the one of the last topic, and tells their digest.
fn consume(dir: &PathBuf) -> Result<(), CliError> {
    let mut consumer = ConsumerOptions::new().wait_for_stream(true).open(dir)?;
    let mut digester = Digester::default();
    loop {
        let Some(record) = consumer.poll(Duration::from_secs(3600))? else { continue };
        digester.add(&record);
        if record.topic == LAST_TOPIC.as_bytes() {
            return Ok(Report::Saw(digester.digest()).send()?);
        }
    }
}

/// A producer with its name, which is the key of its records; their values are numbers that
/// count up from 0, with something behind them to fill the segments.
struct Work<'n, V: Vfs> {
    producer: Producer<V>,
    name: &'n str,
    block_records: usize,
    /// Repairs that were told.
    told: usize,
}

impl<V: Vfs> Work<'_, V> {
    /// Appends blocks, with a break halfway, so that some are appended after the death of
    /// another producer for certain.
    fn append(&mut self, blocks: std::ops::Range<usize>) -> Result<(), CliError> {
        let halfway = blocks.len() / 2;
        for block in blocks {
            if block == halfway {
                io::stdin().lock().read_line(&mut String::new())?;
            }
            self.append_block(&mut self.block(block)?)?;
        }
        Ok(Report::Done.send()?)
    }

    fn block(&self, index: usize) -> Result<Batch, CliError> {
        let mut batch = Batch::new();
        let first = index * self.block_records;
        for number in first..first + self.block_records {
            let value = format!("{number} of {}: something that happened", self.name);
            batch.push(&NewRecord::new(TOPIC, &value).key(self.name))?;
        }
        Ok(batch)
    }

    fn append_block(&mut self, batch: &mut Batch) -> Result<(), CliError> {
        let appended = self.producer.append_batch(batch)?;
        for report in self.producer.repairs().iter().skip(self.told) {
            Report::Repaired { what: describe(report) }.send()?;
        }
        self.told = self.producer.repairs().len();
        let (first_offset, record_count) = (appended.first_offset, appended.record_count);
        Ok(Report::Acknowledged { first_offset, record_count }.send()?)
    }
}

/// Appends blocks up to the fatal one. Of that, only the first half reaches the file; then
/// this process stands still, with the writer's lock held, until it is killed.
fn append_and_stop(
    dir: &PathBuf,
    name: &str,
    block_records: usize,
    fatal: usize,
) -> Result<(), CliError> {
    // Writes longer than this are not made whole.
    let limit = Arc::new(AtomicUsize::new(usize::MAX));
    let hook_limit = Arc::clone(&limit);
    let system = Interpose::new(OsVfs::new(), move |call: &Call<'_>| {
        let block_bytes = call.length;
        let fatal =
            call.operation == Operation::Write && block_bytes > hook_limit.load(Ordering::Relaxed);
        if !fatal {
            return Answer::Proceed;
        }
        let written = block_bytes / 2;
        Answer::Then(written, Box::new(move || stand_still(written, block_bytes)))
    });
    let producer = ProducerOptions::new().create(false).open_in(system, dir)?;
    let mut work = Work { producer, name, block_records, told: 0 };
    for block in 0..fatal {
        work.append_block(&mut work.block(block)?)?;
    }
    let mut last = work.block(fatal)?;
    // Nothing else that an append writes is as long as its block's records.
    limit.store(last.bytes(), Ordering::Relaxed);
    work.append_block(&mut last)
}

fn stand_still(written: usize, block_bytes: usize) -> io::Error {
    if let Err(error) = (Report::Torn { written, block_bytes }).send() {
        return error;
    }
    loop {
        std::thread::park();
    }
}
