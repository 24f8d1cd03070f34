//! A work queue: several workers, and each job is answered once.
//!
//! ```text
//! cargo run --example work_queue -- STREAM 0/3 [--drain] &
//! cargo run --example work_queue -- STREAM 1/3 [--drain] &
//! cargo run --example work_queue -- STREAM 2/3 [--drain] &
//! ```
//!
//! A job is a record of topic `jobs`: the size of a picture, such as `640x480`, to be fitted into
//! 64x64. Workers share them by offset. Each has a name, so its position is in the stream; a
//! second one under the same name waits until the first one dies.
//!
//! An answer goes into topic `done`, a job that cannot be done into `dead-letters`. Either is
//! appended in one block with the worker's position. So a job has one answer or none, whenever a
//! worker is killed, and what has none is done by the next run. A poisoned job is in nobody's way.
//!
//! How many workers there are is part of their names. To change it, drain the queue first.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use puro::{
    AutoCommit, Batch, ConsumerOptions, LockWait, NamedOptions, NewRecord, Producer, Record,
    RecordError,
};

/// Jobs that are answered in one block.
const JOBS_IN_BLOCK: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (stream, share, patience) = match arguments.as_slice() {
        [stream, share] => (stream, parse_share(share), Duration::MAX),
        [stream, share, _drain] => (stream, parse_share(share), Duration::ZERO),
        _ => return usage(),
    };
    let Some((number, of)) = share else { return usage() };
    match work(stream, number, of, patience) {
        Ok(jobs) => {
            println!("worker {number} of {of}: {jobs} jobs");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("work_queue: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: work_queue STREAM NUMBER/OF [--drain], NUMBER from 0");
    ExitCode::from(64)
}

fn parse_share(text: &str) -> Option<(u64, u64)> {
    let (number, of) = text.split_once('/')?;
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    (number < of).then_some((number, of))
}

/// Does the jobs of one share until none came for so long; tells how many.
fn work(stream: &str, number: u64, of: u64, patience: Duration) -> Result<usize, Box<dyn Error>> {
    let mut jobs = NamedOptions::new()
        .consumer(ConsumerOptions::new().topic("jobs"))
        // The position goes with the answers; by itself it could run ahead of them.
        .auto_commit(AutoCommit::Never)
        .owner_wait(LockWait::Forever)
        .open(stream, &format!("worker-{number}-of-{of}"))?;
    let mut producer = Producer::open(stream)?;
    let (mut answers, mut done) = (Batch::new(), 0);
    while jobs.wait(patience)? {
        answers.clear();
        while answers.len() < JOBS_IN_BLOCK {
            let Some(job) = jobs.try_next()? else { break };
            if job.offset % of == number {
                answer(&mut answers, &job)?;
            }
        }
        // Without an answer too: of the jobs of others, the position is all there is to keep.
        producer.transaction(&mut answers).with_position(&mut jobs).commit()?;
        done += answers.len();
    }
    Ok(done)
}

/// Does one job, and puts down what came of it.
fn answer(answers: &mut Batch, job: &Record<'_>) -> Result<(), RecordError> {
    let (key, value) = (job.key.unwrap_or_default(), job.value.unwrap_or_default());
    let offset = job.offset.to_string();
    match thumbnail(&String::from_utf8_lossy(value)) {
        Ok(size) => answers.push(&NewRecord::new("done", &size).key(key).header("job", &offset)),
        Err(why) => {
            let letter = NewRecord::new("dead-letters", value).key(key);
            answers.push(&letter.header("job", &offset).header("error", &why))
        }
    }
}

/// The work itself: the size that fits into 64 by 64.
fn thumbnail(size: &str) -> Result<String, String> {
    let (width, height) = size.split_once('x').ok_or_else(|| format!("`{size}` is no size"))?;
    let number = |text: &str| text.parse::<u32>().map_err(|error| format!("`{text}`: {error}"));
    let (width, height) = (number(width)?, number(height)?);
    let longer = u64::from(width.max(height).max(1));
    let fit = |side: u32| u64::from(side) * 64 / longer;
    Ok(format!("{}x{}", fit(width), fit(height)))
}
