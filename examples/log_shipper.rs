//! A log shipper: lines of standard input go into a stream, durably, many at a time.
//!
//! ```text
//! tail -F app.log | cargo run --example log_shipper -- STREAM [TOPIC]
//! ```
//!
//! A sync takes as long for one line as for a thousand. So lines are collected while the last
//! batch is on its way, and go out together: at once when it is quiet, in large batches when it is
//! busy. `N lines are safe` is told only once they would survive the loss of power.
//!
//! What the environment refuses, a full disk say, is tried again: meanwhile whoever writes the
//! lines waits. It is not tried again where the batch may have been appended already.

use std::error::Error;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use puro::{AppendError, Batch, Blame, NewRecord, Producer, ProducerOptions};

/// Limits of a batch; a stream takes up to 16 MiB, and single values up to 10.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;
/// How long to wait before what was refused is tried again.
const PAUSE: Duration = Duration::from_secs(1);

type Line = io::Result<Vec<u8>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (stream, topic) = match arguments.as_slice() {
        [stream] => (stream, "log"),
        [stream, topic] => (stream, topic.as_str()),
        _ => {
            eprintln!("usage: log_shipper STREAM [TOPIC]");
            return ExitCode::from(64);
        }
    };
    match ship(stream, topic) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("log_shipper: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ship(stream: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let mut producer = ProducerOptions::new().durable(true).open(stream)?;
    let (sender, lines) = sync_channel(MOST_LINES);
    // It is not joined: if this ends, the process does.
    std::thread::spawn(move || read_lines(&sender));
    let (mut batch, mut safe) = (Batch::new(), 0);
    while collect(&lines, topic, &mut batch)? {
        append(&mut producer, &mut batch)?;
        safe += batch.len();
        println!("{safe} lines are safe");
        batch.clear();
    }
    Ok(())
}

fn read_lines(sender: &SyncSender<Line>) {
    for line in io::stdin().lock().split(b'\n') {
        if sender.send(line).is_err() {
            return;
        }
    }
}

/// Waits for a line, then takes all that are there; `false` at the end.
fn collect(lines: &Receiver<Line>, topic: &str, batch: &mut Batch) -> io::Result<bool> {
    // A line that is left out leaves the batch empty: wait for another one.
    while batch.is_empty() {
        let Ok(line) = lines.recv() else { return Ok(false) };
        push(topic, &line?, batch);
    }
    while batch.len() < MOST_LINES && batch.bytes() < MOST_BYTES {
        let Ok(line) = lines.try_recv() else { break };
        push(topic, &line?, batch);
    }
    Ok(true)
}

/// A line that no record can hold is left out, and told.
fn push(topic: &str, line: &[u8], batch: &mut Batch) {
    if let Err(error) = batch.push(&NewRecord::new(topic, line)) {
        eprintln!("log_shipper: a line is left out: {error}");
    }
}

fn append(producer: &mut Producer, batch: &mut Batch) -> Result<(), AppendError> {
    loop {
        match producer.append_batch(batch) {
            Err(AppendError::NotAppended(failure)) if failure.blame() == Blame::Environment => {
                eprintln!("log_shipper: trying again: {failure}");
                std::thread::sleep(PAUSE);
            }
            appended => return appended.map(drop),
        }
    }
}
