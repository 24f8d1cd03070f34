//! Runs of real processes on real files that are listened to.
//!
//! # The order of events of different processes
//! All processes append their events to one file, a line each, opened so that the system puts
//! every write at its end. The place of a line is its time: a clock that all share, that never goes
//! back, and that takes no reading of. What happens under `writer.lock` is written down before
//! the lock is given back, so whoever takes it next writes further behind: these lines stand
//! in the order in which things happened.
//!
//! Readers take no lock. Of a reader's line it is known that the look which it tells of happened
//! after the file had the length that it had when the reader began its last call (`begun`), and
//! before the line was written: it is [put in its place](super::settle).
//!
//! Who was killed did nothing after its last line but perhaps a part of the next call, and that
//! before anybody else had its lock: so its death is put right behind its last line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use puro::interpose::{Call, Hook, Interpose, Operation, Verdict};
use puro::os::OsVfs;
use puro::trace::Action;
use puro::{Batch, ConsumerOptions, NewRecord, ProducerOptions};

use super::{Event, settle};
use crate::generate::Rng;

/// The value of the record after which readers end.
const LAST: [u8; 4] = [0xFF; 4];

/// Writes down what one process does.
struct Listener {
    file: Arc<File>,
    process: u32,
    begun: AtomicU64,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn line(process: u32, begun: u64, action: &Action<'_>) -> String {
    let Action { name, segment, position, value, label } = action;
    let label = if label.is_empty() { "-".to_owned() } else { label.replace(' ', "_") };
    format!("{process} {begun} {name} {segment} {position} {value} {label}\n")
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.operation == Operation::Read {
            let length = self.file.metadata().map_or(0, |metadata| metadata.len());
            self.begun.store(length, Ordering::Relaxed);
        }
        Verdict::Proceed
    }

    fn trace(&self, action: &Action<'_>) {
        let text = line(self.process, self.begun.load(Ordering::Relaxed), action);
        let written = (&*self.file).write_all(text.as_bytes());
        written.expect("a trace without a line would be a wrong one");
    }
}

/// Real files, listened to.
fn listened(log: &Path, process: u32, role: &str) -> io::Result<Interpose<OsVfs>> {
    let file = open(log)?;
    let begins = Action::new("Begins");
    (&file).write_all(line(process, 0, &begins.label(role)).as_bytes())?;
    let listener = Listener { file: Arc::new(file), process, begun: AtomicU64::new(0) };
    Ok(Interpose::new(OsVfs::new(), listener))
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// The life of one process: `ROLE DIR LOG PROCESS COUNT`.
///
/// # Errors
/// What went wrong.
pub fn work(args: &[String]) -> io::Result<()> {
    let [role, dir, log, process, count] = args else { return Err(other("five arguments")) };
    let (process, count): (u32, u32) =
        (process.parse().map_err(other)?, count.parse().map_err(other)?);
    let vfs = listened(Path::new(log), process, role)?;
    if role.starts_with("reader") {
        let options = ConsumerOptions::new().poll_interval(Duration::from_millis(2));
        let mut consumer = options.open_in(vfs, dir).map_err(other)?;
        loop {
            let record = consumer.poll(Duration::from_secs(60)).map_err(other)?;
            let record = record.ok_or_else(|| other("nothing for a minute"))?;
            if record.value == Some(&LAST) {
                return Ok(());
            }
        }
    }
    let options = ProducerOptions::new().create(false);
    let mut producer = options.open_in(vfs, dir).map_err(other)?;
    for number in 0..count {
        producer.set_durable(number % 2 == 0);
        append(&mut producer, &number.to_le_bytes())?;
    }
    Ok(())
}

fn append(producer: &mut puro::Producer<Interpose<OsVfs>>, value: &[u8]) -> io::Result<()> {
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", value)).map_err(other)?;
    producer.append_batch(&mut batch).map_err(other)?;
    Ok(())
}

/// Two producers, of which one is killed and followed by another, and two readers.
///
/// # Errors
/// What went wrong.
pub fn play(program: &Path, worker: &str, scratch: &Path, seed: u64) -> io::Result<Vec<Event>> {
    let (dir, log): (PathBuf, PathBuf) = (scratch.join("stream"), scratch.join("log"));
    let mut rng = Rng::new(seed);
    let mut last = ProducerOptions::new()
        .segment_bytes(1 << 20)
        .open_in(listened(&log, 1, "producer last")?, &dir)
        .map_err(other)?;
    let mut process = 1;
    let mut start = |role: &str, count: u32| -> io::Result<Child> {
        process += 1;
        let mut command = Command::new(program);
        command.arg(worker).arg(role).arg(&dir).arg(&log);
        command.arg(process.to_string()).arg(count.to_string()).spawn()
    };
    let mut readers = [start("reader 1", 0)?, start("reader 2", 0)?];
    let mut steady = start("producer 1", 5)?;
    let mut killed = start("producer 2", 40)?;
    // It dies once it has written down so many lines.
    let most = 5 + rng.below(20) as usize;
    while lines_of(&log, 5)? < most && killed.try_wait()?.is_none() {
        std::thread::yield_now();
    }
    killed.kill()?;
    killed.wait()?;
    let mut heir = start("producer 3", 3)?;
    let fine = steady.wait()?.success() & heir.wait()?.success();
    append(&mut last, &LAST)?;
    let fine = fine & readers[0].wait()?.success() & readers[1].wait()?.success();
    if !fine {
        return Err(other("a process failed"));
    }
    let mut events = read(&log)?;
    let end = events.iter().rposition(|event| event.actor == 5).map_or(0, |at| at + 1);
    events.insert(end, Event::of_the_world(5, "Die"));
    Ok(settle(events))
}

fn lines_of(log: &Path, process: u32) -> io::Result<usize> {
    let head = format!("{process} ");
    Ok(std::fs::read_to_string(log)?.lines().filter(|line| line.starts_with(&head)).count())
}

/// The lines of a log, with their places.
fn read(log: &Path) -> io::Result<Vec<Event>> {
    let text = std::fs::read_to_string(log)?;
    let mut at = 0;
    let mut events = Vec::new();
    // Who is killed may leave a part of a line.
    for line in text.split_inclusive('\n') {
        at += line.len() as u64;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [actor, begun, name, segment, position, value, label] = words[..] else {
            return Err(other(format!("not an event: {line:?}")));
        };
        let number = |word: &str| word.parse::<u64>().map_err(other);
        events.push(Event {
            actor: number(actor)? as u32,
            name: name.to_owned(),
            begun: number(begun)?,
            at,
            segment: number(segment)? as u32,
            position: number(position)?,
            value: number(value)?,
            label: if label == "-" { String::new() } else { label.replace('_', " ") },
            ..Event::default()
        });
    }
    Ok(events)
}
