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

use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::internals::trace::Action;
use puro::{Batch, ConsumerOptions, NewRecord, Producer, ProducerOptions};

use super::{Event, settle};
use crate::generate::Rng;

/// With what the value of the record begins after which readers end.
const LAST: [u8; 4] = [0xFF; 4];

/// Who reads, and how much there is.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Readers.
    pub readers: u32,
    /// Records that the producer appends that is killed, if it is not killed before.
    pub appends: u32,
    /// Bytes of a record's value.
    pub bytes: usize,
    /// Bytes of records in a segment.
    pub segment_bytes: u64,
}

/// Writes down what one process does.
struct Listener {
    file: Arc<File>,
    process: u32,
    begun: AtomicU64,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// An event as a line.
pub(super) fn line(process: u32, begun: u64, action: &Action<'_>) -> String {
    let Action { name, segment, position, value, label } = action;
    let label = if label.is_empty() { "-".to_owned() } else { label.replace(' ', "_") };
    format!("{process} {begun} {name} {segment} {position} {value} {label}\n")
}

/// The event of a line.
pub(super) fn event_of(line: &str) -> io::Result<Event> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [actor, begun, name, segment, position, value, label] = words[..] else {
        return Err(other(format!("not an event: {line:?}")));
    };
    let number = |word: &str| word.parse::<u64>().map_err(other);
    Ok(Event {
        actor: number(actor)? as u32,
        name: name.to_owned(),
        begun: number(begun)?,
        segment: number(segment)? as u32,
        position: number(position)?,
        value: number(value)?,
        label: if label == "-" { String::new() } else { label.replace('_', " ") },
        ..Event::default()
    })
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Answer {
        if call.operation == Operation::Read {
            let length = self.file.metadata().map_or(0, |metadata| metadata.len());
            self.begun.store(length, Ordering::Relaxed);
        }
        Answer::Proceed
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
    let begins = Action::named("Begins");
    (&file).write_all(line(process, 0, &begins.label(role)).as_bytes())?;
    let listener = Listener { file: Arc::new(file), process, begun: AtomicU64::new(0) };
    Ok(Interpose::new(OsVfs::new(), listener))
}

pub(super) fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// The life of one process: `ROLE DIR LOG PROCESS COUNT BYTES SEGMENT_BYTES`.
///
/// # Errors
/// What went wrong.
pub fn work(args: &[String]) -> io::Result<()> {
    let [role, dir, log, numbers @ ..] = args else { return Err(other("seven arguments")) };
    let numbers: Result<Vec<u32>, _> = numbers.iter().map(|word| word.parse()).collect();
    let numbers = numbers.map_err(other)?;
    let [process, count, bytes, segment_bytes] = numbers[..] else {
        return Err(other("seven arguments"));
    };
    let vfs = listened(Path::new(log), process, role)?;
    if role.starts_with("reader") {
        return read_all(vfs, dir);
    }
    let options = ProducerOptions::new()
        .zeros_ahead_bytes(0)
        .create(false)
        .segment_bytes(u64::from(segment_bytes));
    let mut producer = options.open_in(vfs, dir).map_err(other)?;
    for number in 0..count {
        producer.set_durable(number % 2 == 0);
        append(&mut producer, number.to_le_bytes(), bytes as usize)?;
    }
    Ok(())
}

fn read_all(vfs: Interpose<OsVfs>, dir: &str) -> io::Result<()> {
    let options = ConsumerOptions::new().poll_interval(Duration::from_millis(2));
    let mut consumer = options.open_in(vfs, dir).map_err(other)?;
    loop {
        let record = consumer.poll(Duration::from_secs(60)).map_err(other)?;
        let record = record.ok_or_else(|| other("nothing for a minute"))?;
        if record.value.is_some_and(|value| value.starts_with(&LAST)) {
            return Ok(());
        }
    }
}

fn append(
    producer: &mut Producer<Interpose<OsVfs>>,
    head: [u8; 4],
    bytes: usize,
) -> io::Result<()> {
    let mut value = head.to_vec();
    value.resize(bytes.max(head.len()), 0);
    let mut batch = Batch::new();
    batch.push(&NewRecord::new("t", &value)).map_err(other)?;
    producer.append_batch(&mut batch).map_err(other)?;
    Ok(())
}

/// Two producers, of which one is killed and followed by another, and readers. `command` begins
/// one that calls [`work`] with the arguments added to it.
///
/// # Errors
/// What went wrong.
pub fn play(
    command: &dyn Fn() -> Command,
    scratch: &Path,
    cast: &Cast,
    seed: u64,
) -> io::Result<Vec<Event>> {
    let (dir, log): (PathBuf, PathBuf) = (scratch.join("stream"), scratch.join("log"));
    let mut rng = Rng::new(seed);
    let mut last = ProducerOptions::new()
        .zeros_ahead_bytes(0)
        .segment_bytes(cast.segment_bytes)
        .open_in(listened(&log, 1, "producer last")?, &dir)
        .map_err(other)?;
    let mut process = 1;
    let mut start = |role: &str, count: u32| -> io::Result<(u32, Child)> {
        process += 1;
        let mut command = command();
        command.arg(role).arg(&dir).arg(&log);
        command.args(
            [process, count, cast.bytes as u32, cast.segment_bytes as u32].map(|n| n.to_string()),
        );
        Ok((process, command.spawn()?))
    };
    let readers = (1..=cast.readers).map(|reader| start(&format!("reader {reader}"), 0));
    let mut readers: Vec<_> = readers.collect::<io::Result<_>>()?;
    let (_, mut steady) = start("producer 1", 5)?;
    let (victim, mut killed) = start("producer 2", cast.appends)?;
    // It dies once it has written down so many lines.
    let most = 5 + rng.below(20) as usize;
    while lines_of(&log, victim)? < most && killed.try_wait()?.is_none() {
        std::thread::yield_now();
    }
    killed.kill()?;
    killed.wait()?;
    let (_, mut heir) = start("producer 3", 3)?;
    let mut fine = steady.wait()?.success() & heir.wait()?.success();
    append(&mut last, LAST, cast.bytes)?;
    for (_, reader) in &mut readers {
        fine &= reader.wait()?.success();
    }
    if !fine {
        return Err(other("a process failed"));
    }
    let mut events = read(&log)?;
    let end = events.iter().rposition(|event| event.actor == victim).map_or(0, |at| at + 1);
    events.insert(end, Event::of_the_world(victim, "Die"));
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
        events.push(Event { at, ..event_of(line)? });
    }
    Ok(events)
}
