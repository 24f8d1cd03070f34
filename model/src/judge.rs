//! What the actors of a scenario did and saw, and whether that is what a log promises.
//!
//! Every actor notes what it begins and how it ended, in the order in which things really
//! happen: only one actor runs at a time. Afterwards the stream is read once more, and all is
//! compared: the [oracle](crate::oracle) judges what the log holds, and here is judged what only
//! concurrency brings: what each reader saw when, and the order of appends in time.

mod pushed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use puro::{AppendError, Appended, Batch, Consumer, ConsumerOptions, NewRecord, Producer};
use puro::{ProducerOptions, ReadError, Start, Token};

use self::pushed::Flushes;
use crate::oracle::{Crash, Delivery, Oracle};
use crate::shared_world::{Alone, Image, Manner, Threads, World};

/// Where the streams of all scenarios are.
pub const STREAM: &str = "/stream";

/// An append, as its caller knows it.
#[derive(Clone, Debug)]
struct Attempt {
    values: Vec<Vec<u8>>,
    begun: u64,
    ended: u64,
    outcome: Outcome,
    /// Which actor pushed it, and until when, if it was not appended by itself.
    pushed: Option<(u32, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Not known to the caller: it died, or was told so.
    Unknown,
    NotAppended,
    At {
        offset: u64,
        durable: bool,
    },
    /// Committed, at a place that the caller was not told.
    Somewhere {
        durable: bool,
    },
}

#[derive(Default)]
struct Notes {
    clock: u64,
    attempts: Vec<Attempt>,
    /// What each reader got: offset and value.
    deliveries: Vec<(u64, Vec<u8>)>,
    /// What readers found at the end: the next offset, and when they began to look.
    ends: Vec<(u64, u64)>,
    /// How many segments were removed from the front.
    removed: u32,
    /// When the last flush of each actor ended, and the last that failed.
    flushes: BTreeMap<u32, Flushes>,
    /// What is wrong in itself.
    wrong: Vec<String>,
}

/// The notes of all actors of one execution.
#[derive(Clone, Default)]
pub struct Journal {
    notes: Arc<Mutex<Notes>>,
}

impl Notes {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Journal {
    /// With what was in the stream before the actors began.
    #[must_use]
    pub fn new(before: &[&str]) -> Self {
        let journal = Self::default();
        for (offset, value) in (0..).zip(before) {
            let mut notes = journal.notes();
            let (begun, ended) = (notes.tick(), notes.tick());
            let outcome = Outcome::At { offset, durable: false };
            let values = vec![value.as_bytes().to_vec()];
            notes.attempts.push(Attempt { values, begun, ended, outcome, pushed: None });
        }
        journal
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something that must not be.
    pub fn wrong(&self, what: String) {
        self.notes().wrong.push(what);
    }

    /// Appends values as one batch, and notes how that went. Only an actor in trouble may fail.
    pub fn append<T: Threads>(
        &self,
        world: &World<T>,
        producer: &mut Producer<World<T>>,
        values: &[&str],
    ) -> Option<Appended> {
        let done = self.attempt(values, |batch| producer.append_batch(batch));
        self.expect_calm(world, done)
    }

    /// The same by compare-and-append; a conflict is fine.
    pub fn append_if<T: Threads>(
        &self,
        world: &World<T>,
        producer: &mut Producer<World<T>>,
        token: &Token,
        values: &[&str],
    ) -> Option<Appended> {
        match self.attempt(values, |batch| producer.transaction(batch).if_end(token).commit()) {
            Err(AppendError::Conflict { .. }) => None,
            done => self.expect_calm(world, done),
        }
    }

    fn expect_calm<T: Threads>(
        &self,
        world: &World<T>,
        done: Result<Appended, AppendError>,
    ) -> Option<Appended> {
        if let (Err(error), false) = (&done, world.is_troubled()) {
            self.wrong(format!("Progress: an append failed without a reason: {error}"));
        }
        done.ok()
    }

    fn attempt(
        &self,
        values: &[&str],
        append: impl FnOnce(&mut Batch) -> Result<Appended, AppendError>,
    ) -> Result<Appended, AppendError> {
        let mut batch = Batch::new();
        for value in values {
            batch.push(&NewRecord::new("t", value)).expect("the scenario's records are fine");
        }
        let number = self.begin_attempt(values);
        let done = append(&mut batch);
        let mut notes = self.notes();
        let ended = notes.tick();
        let attempt = &mut notes.attempts[number];
        attempt.ended = ended;
        attempt.outcome = match &done {
            Ok(appended) => Outcome::At { offset: appended.first_offset, durable: false },
            Err(AppendError::NotDurable { appended, .. }) => {
                Outcome::At { offset: appended.first_offset, durable: false }
            }
            Err(AppendError::Unknown(_)) => Outcome::Unknown,
            Err(_) => Outcome::NotAppended,
        };
        drop(notes);
        done
    }

    fn begin_attempt(&self, values: &[&str]) -> usize {
        let mut notes = self.notes();
        let begun = notes.tick();
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let outcome = Outcome::Unknown;
        notes.attempts.push(Attempt { values, begun, ended: u64::MAX, outcome, pushed: None });
        notes.attempts.len() - 1
    }

    /// Notes that what was appended last at this offset is durable.
    pub fn durable(&self, offset: u64) {
        for attempt in &mut self.notes().attempts {
            if let Outcome::At { offset: at, durable } = &mut attempt.outcome {
                *durable |= *at == offset;
            }
        }
    }

    /// Reads what is there now, and notes it; tells how many records.
    pub fn read<T: Threads>(&self, world: &World<T>, consumer: &mut Consumer<World<T>>) -> usize {
        let mut count = 0;
        loop {
            let begun = self.notes().tick();
            match consumer.try_next() {
                Ok(Some(record)) => {
                    let (offset, value) =
                        (record.offset, record.value.unwrap_or_default().to_vec());
                    self.delivered(offset, value);
                    count += 1;
                }
                Ok(None) => {
                    let next = consumer.token().map_or(0, |token| token.offset);
                    self.saw_end(next, begun);
                    return count;
                }
                Err(error) => {
                    self.read_failed(world, &error);
                    return count;
                }
            }
        }
    }

    /// Notes a record that a reader got.
    pub fn delivered(&self, offset: u64, value: Vec<u8>) {
        self.notes().deliveries.push((offset, value));
    }

    /// Notes that the lowest segment was removed.
    pub fn removed(&self, sequence: u32) {
        self.notes().removed = sequence + 1;
    }

    /// Notes that a reader failed, which only one in trouble may.
    pub fn read_failed<T: Threads>(&self, world: &World<T>, error: &ReadError) {
        if !world.is_troubled() {
            self.wrong(format!("Progress: a reader failed without a reason: {error}"));
        }
    }

    /// A reader that finds the end must have everything whose append had returned before it looked.
    fn saw_end(&self, next_offset: u64, begun: u64) {
        let mut notes = self.notes();
        let missed = notes.missed_by((next_offset, begun));
        notes.wrong.extend(missed);
        notes.ends.push((next_offset, begun));
    }

    /// Judges by what a fresh reader now finds, then by what is left when the power fails now.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn judge<T: Threads>(&self, world: &World<T>) -> Result<(), String> {
        world.set_at_rest();
        let mut notes = self.notes();
        if let Some(wrong) = notes.wrong.first() {
            return Err(wrong.clone());
        }
        if world.image().names().iter().any(|name| name.contains("/lost/")) {
            return Err("Quiet: a tail was saved though nothing was lost".to_owned());
        }
        let log = read_all(&World::<Alone>::new(&world.image(), Manner::default(), 1))?;
        let log = notes.complete(log);
        notes.find_places(&log)?;
        let told = notes.told_to_oracle(&log)?;
        told.judge(&log, Crash::Death)?;
        notes.check_order()?;
        notes.check_deliveries(&log)?;
        let recovered = notes.complete(recover(&world.image(), 1)?);
        if recovered != log {
            return Err(format!("Prefix: {log:?} became {recovered:?} by a recovery"));
        }
        if told.oracle.durable_batches() > 0 {
            let left = recover(&world.disk_image(), 2);
            let left = left.map_err(|what| format!("{what}\n  after a loss of power"))?;
            told.judge(&notes.complete(left), Crash::Power)?;
        }
        Ok(())
    }
}

/// Offset and value of each record.
type Log = Vec<(u64, Vec<u8>)>;

/// An oracle that knows all attempts, and the batch, place and number of each value.
struct Told {
    oracle: Oracle,
    records: BTreeMap<Vec<u8>, (u32, u32, u32)>,
}

impl Told {
    fn judge(&self, log: &[(u64, Vec<u8>)], crash: Crash) -> Result<(), String> {
        let mut seen = Vec::new();
        for (offset, value) in log {
            let Some(&(batch, index, of)) = self.records.get(value) else {
                return Err(format!("Atomic: nobody appended {value:?} at {offset}"));
            };
            seen.push(Delivery { offset: *offset, batch, index, of });
        }
        self.oracle.judge(&seen, crash).map_err(|violation| violation.to_string())
    }
}

impl Notes {
    /// What a reader should have seen that looked for the end at some time and found it there.
    fn missed_by(&self, (next_offset, begun): (u64, u64)) -> Option<String> {
        let missed = self.attempts.iter().find(|attempt| {
            attempt.ended < begun
                && matches!(attempt.outcome, Outcome::At { offset, .. } if offset >= next_offset)
        });
        missed.map(|attempt| format!("Prefix: a reader at {next_offset} does not see {attempt:?}"))
    }

    /// Puts back what a steward removed from the front.
    fn complete(&self, log: Log) -> Log {
        let from = match log.first() {
            Some((offset, _)) if self.removed > 0 => *offset,
            _ => return log,
        };
        let mut whole = Log::new();
        for attempt in &self.attempts {
            if let Outcome::At { offset, .. } = attempt.outcome {
                whole.extend((offset..).zip(attempt.values.iter().cloned()));
            }
        }
        whole.retain(|(offset, _)| *offset < from);
        whole.sort();
        whole.extend(log);
        whole
    }

    /// Tells the oracle all that was attempted, in the order of the log: what was
    /// answered late may well stand before what was answered early.
    fn told_to_oracle(&self, log: &[(u64, Vec<u8>)]) -> Result<Told, String> {
        let place =
            |attempt: &Attempt| log.iter().position(|(_, value)| attempt.values.contains(value));
        let mut attempts: Vec<_> = self.attempts.iter().collect();
        attempts.sort_by_key(|attempt| place(attempt).unwrap_or(usize::MAX));
        let mut told = Told { oracle: Oracle::default(), records: BTreeMap::new() };
        for attempt in attempts {
            let of = attempt.values.len() as u32;
            let number = told.oracle.attempt(of);
            for (index, value) in (0..).zip(&attempt.values) {
                told.records.insert(value.clone(), (number, index, of));
            }
            match attempt.outcome {
                // Whose place is not told is found before.
                Outcome::Unknown | Outcome::Somewhere { .. } => {}
                Outcome::NotAppended => told.oracle.refused(number),
                Outcome::At { offset, durable } => {
                    let taken = told.oracle.appended(number, offset);
                    taken.map_err(|violation| violation.to_string())?;
                    if durable {
                        told.oracle.durable_to(number);
                    }
                }
            }
        }
        Ok(told)
    }

    /// What had returned before another append began stands before it.
    fn check_order(&self) -> Result<(), String> {
        for one in &self.attempts {
            for other in &self.attempts {
                if let (Outcome::At { offset: first, .. }, Outcome::At { offset: second, .. }) =
                    (&one.outcome, &other.outcome)
                    && (one.ended < other.begun || one.pushed_before(other))
                    && first >= second
                {
                    return Err(format!("Prefix: {one:?} came before {other:?}"));
                }
            }
        }
        Ok(())
    }

    /// What readers saw is the log.
    fn check_deliveries(&self, log: &[(u64, Vec<u8>)]) -> Result<(), String> {
        for delivery in &self.deliveries {
            if !log.contains(delivery) {
                return Err(format!("Prefix: a reader saw {delivery:?}, the log is {log:?}"));
            }
        }
        Ok(())
    }
}

/// What is there once a producer has come: it repairs, appends one record, and that is the last.
fn recover(image: &Image, boot: u8) -> Result<Log, String> {
    let world = World::<Alone>::new(image, Manner::default(), boot);
    let mut producer = open(&world)?;
    if boot == 1 && producer.repairs().iter().any(|repair| repair.label == "lost") {
        return Err("Quiet: what a process left looks like lost data".to_owned());
    }
    let appended = producer.append(&NewRecord::new("t", "after"));
    let appended = appended.map_err(|error| format!("Progress: no append afterwards: {error}"))?;
    let mut log = read_all(&world)?;
    if log.pop() != Some((appended.first_offset, b"after".to_vec())) {
        return Err("Prefix: the append afterwards is not the last".to_owned());
    }
    Ok(log)
}

/// Opens a producer of a stream that is there.
///
/// # Errors
/// Why not.
pub fn open<T: Threads>(world: &World<T>) -> Result<Producer<World<T>>, String> {
    open_ahead(world, 0)
}

/// Opens a producer that puts at most so many zeros ahead of its durable appends (Z-1).
///
/// # Errors
/// Why not.
pub fn open_ahead<T: Threads>(
    world: &World<T>,
    zeros_ahead_bytes: u64,
) -> Result<Producer<World<T>>, String> {
    let options = ProducerOptions::new().zeros_ahead_bytes(zeros_ahead_bytes).create(false);
    let opened = options.open_in(world.clone(), STREAM);
    opened.map_err(|error| format!("Progress: a producer cannot be opened: {error}"))
}

/// Opens a consumer.
///
/// # Errors
/// Why not.
pub fn open_consumer<T: Threads>(
    world: &World<T>,
    start: Start,
) -> Result<Consumer<World<T>>, String> {
    let opened = ConsumerOptions::new().start(start).open_in(world.clone(), STREAM);
    opened.map_err(|error| format!("Progress: a consumer cannot be opened: {error}"))
}

fn read_all(world: &World<Alone>) -> Result<Log, String> {
    let mut consumer = open_consumer(world, Start::Beginning)?;
    let mut log = Log::new();
    for record in consumer.try_iter() {
        let record = record.map_err(|error| format!("Prefix: the log cannot be read: {error}"))?;
        log.push((record.offset, record.value.unwrap_or_default()));
    }
    Ok(log)
}

/// A stream of segments as small as can be, with one record for each value.
#[must_use]
pub fn stream(values: &[&str]) -> Image {
    let world = World::<Alone>::new(&Image::default(), Manner::default(), 1);
    let options = ProducerOptions::new().zeros_ahead_bytes(0).segment_bytes(4096);
    let mut producer = options.open_in(world.clone(), STREAM).expect("a fresh stream can be made");
    for value in values {
        producer.append(&NewRecord::new("t", value)).expect("a fresh stream takes records");
    }
    world.image()
}
