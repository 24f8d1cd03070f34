//! Who works on the stream: producers, consumers and stewards, each a process of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use puro::Appended;
use puro::internals::interpose::{Answer, Call, Hook, Interpose, Operation};
use puro::internals::os::OsVfs;
use puro::{
    AppendError, AutoCommit, Batch, BufferError, BufferOptions, BufferedProducer, Consumer,
    ConsumerOptions, EndState, NamedConsumer, NamedOptions, NewRecord, Producer, ProducerOptions,
    ReadError, Start, StewardOptions, Token,
};

use crate::ledger::{Entry, Ledger};
use crate::real::{ENOSPC, Random, die, errno, number};

/// Time between two of somebody's deeds: so many processes share the machine.
const PACE: Duration = Duration::from_millis(3);

type World = Interpose<OsVfs>;

/// What the villain did to one process: its clock, its disk, and where it dies.
struct Fate {
    full: PathBuf,
    clock_ms: i64,
    dies_at: u64,
    writes: AtomicU64,
}

impl Hook for Fate {
    fn before(&self, call: &Call<'_>) -> Answer {
        let full = || self.full.exists();
        match call.operation {
            Operation::Reserve if full() => Answer::Fail(errno(ENOSPC)),
            // A signal is one byte, in a block that has its room already.
            Operation::Write if call.length > 1 => {
                let half = call.length / 2;
                if self.writes.fetch_add(1, Ordering::Relaxed) == self.dies_at {
                    return Answer::Then(half, Box::new(die));
                }
                match full() {
                    true => Answer::Then(half, Box::new(|| errno(ENOSPC))),
                    false => Answer::Proceed,
                }
            }
            _ => Answer::Proceed,
        }
    }

    fn now_ms(&self, real: u64) -> u64 {
        real.saturating_add_signed(self.clock_ms)
    }

    fn free_bytes(&self, real: u64) -> u64 {
        if self.full.exists() { 0 } else { real }
    }
}

/// A process of the cast.
pub struct Actor {
    root: PathBuf,
    id: u64,
    life: u64,
    random: Random,
    ledger: Ledger,
    clock_ms: i64,
    dies_at: u64,
}

/// What a process of the cast is told by its environment.
pub fn environment(
    root: &Path,
    role: &str,
    id: u64,
    life: u64,
    random: &mut Random,
) -> Vec<(&'static str, String)> {
    const HOUR: i64 = 3_600_000;
    let clock_ms = match random.below(8) {
        0 => HOUR,
        1 => -HOUR,
        2 => 24 * HOUR,
        // Ten years: what a steward with such a clock deletes by age is nothing.
        3 if role == "steward" => 87_600 * HOUR,
        _ => 0,
    };
    let dies_at = if random.below(3) == 0 { random.below(2000) } else { u64::MAX };
    vec![
        ("CHAOS_ROOT", root.to_str().unwrap().to_owned()),
        ("CHAOS_ROLE", role.to_owned()),
        ("CHAOS_ID", id.to_string()),
        ("CHAOS_LIFE", life.to_string()),
        ("CHAOS_RANDOM", random.next().to_string()),
        ("CHAOS_CLOCK", clock_ms.to_string()),
        ("CHAOS_DIES", dies_at.to_string()),
    ]
}

/// A process of the cast: not a test. The environment says which one.
#[test]
#[ignore = "a process that other tests start"]
fn act() {
    let Ok(role) = std::env::var("CHAOS_ROLE") else { return };
    let root = PathBuf::from(std::env::var("CHAOS_ROOT").unwrap());
    let id = number("CHAOS_ID", 0);
    let mut actor = Actor {
        ledger: Ledger::open(&root, &format!("{role}-{id}")),
        root,
        id,
        life: number("CHAOS_LIFE", 0),
        random: Random::from(number("CHAOS_RANDOM", 1)),
        clock_ms: std::env::var("CHAOS_CLOCK").unwrap().parse().unwrap(),
        dies_at: number("CHAOS_DIES", u64::MAX),
    };
    match role.as_str() {
        "producer" => actor.produce(),
        "consumer" => actor.consume(),
        "named" => actor.consume_named(),
        _ => actor.maintain(),
    }
}

impl Actor {
    fn world(&self) -> World {
        let (full, clock_ms, dies_at) = (self.root.join("full"), self.clock_ms, self.dies_at);
        Interpose::new(OsVfs::new(), Fate { full, clock_ms, dies_at, writes: AtomicU64::new(0) })
    }

    fn dir(&self) -> PathBuf {
        self.root.join("s")
    }

    /// Whether the villain asks for an end.
    fn asked(&self, what: &str) -> bool {
        self.root.join(what).exists()
    }

    /// Whether this is the stream, and not what the villain put in its place.
    fn is_it(&self, stream_id: puro::StreamId) -> bool {
        std::fs::read(self.root.join("id")).unwrap() == stream_id.as_ref()
    }

    fn pause(&mut self) {
        std::thread::sleep(PACE);
    }

    // --- producers

    fn produce(&mut self) {
        let mut number = 0;
        while !self.asked("stop") {
            let options = ProducerOptions::new().create(false).durable(self.id == 1);
            match options.open_in(self.world(), self.dir()) {
                Ok(producer) if self.is_it(producer.stream_id()) => {
                    self.append(producer, &mut number)
                }
                Ok(_) => {}
                Err(error) => self.ledger.error(&error),
            }
            self.pause();
        }
    }

    /// Appends until it is to stop, or an error asks for a new handle.
    fn append(&mut self, mut producer: Producer<World>, number: &mut u64) {
        if self.id == 4 {
            return self.append_buffered(producer, number);
        }
        let mut until_reopened = 200 + self.random.below(2000);
        while !self.asked("stop") && until_reopened > 0 {
            until_reopened -= 1;
            let fine = match self.id {
                2 => self.append_batch(&mut producer, number),
                3 => self.append_held(&mut producer, number),
                5 => self.append_once(&mut producer),
                _ => {
                    let value = self.value(number);
                    let outcome = producer.append(&NewRecord::new("a", &self.bytes(&value)));
                    self.note(&[value], outcome)
                }
            };
            if !fine && self.random.below(2) == 0 {
                return;
            }
            self.pause();
        }
    }

    /// A value that no other record has.
    fn value(&self, number: &mut u64) -> String {
        *number += 1;
        format!("{}.{}.{number}", self.id, self.life)
    }

    /// The same with something behind it, so that segments fill.
    fn bytes(&mut self, value: &str) -> String {
        format!("{value} {}", "x".repeat(self.random.below(300) as usize))
    }

    /// Says what became of values that were to stand next to each other.
    fn note(&mut self, values: &[String], outcome: Result<Appended, AppendError>) -> bool {
        let (first, refused, error) = told(outcome);
        let mut entries = Vec::new();
        for (value, index) in values.iter().zip(0..) {
            let value = value.clone();
            if let Some(first) = first {
                entries.push(Entry::Acknowledged { offset: first + index, value });
            } else if refused {
                entries.push(Entry::Refused { value });
            }
        }
        let fine = error.is_none();
        entries.extend(error.map(|text| Entry::Error { text }));
        self.ledger.say(&entries);
        fine
    }

    fn append_batch(&mut self, producer: &mut Producer<World>, number: &mut u64) -> bool {
        let (mut batch, mut values) = (Batch::new(), Vec::new());
        for _ in 0..=self.random.below(8) {
            let value = self.value(number);
            let bytes = self.bytes(&value);
            match self.random.below(3) {
                0 => batch.push(&NewRecord::new("a", &bytes)),
                1 => batch.push(&NewRecord::new("b", &bytes)),
                _ => batch.push(&NewRecord::new("k", &bytes).key(&key(&value))),
            }
            .unwrap();
            values.push(value);
        }
        let outcome = producer.append_batch(&mut batch);
        self.note(&values, outcome)
    }

    fn append_held(&mut self, producer: &mut Producer<World>, number: &mut u64) -> bool {
        let mut held = match producer.hold() {
            Ok(held) => held,
            Err(error) => {
                self.ledger.error(&error);
                return false;
            }
        };
        for _ in 0..self.random.below(10) {
            let value = self.value(number);
            let outcome = held.append(&NewRecord::new("b", &self.bytes(&value)));
            if !self.note(&[value], outcome) {
                return false;
            }
        }
        true
    }

    /// The same sequence again where a death left open what became of it.
    fn append_once(&mut self, producer: &mut Producer<World>) -> bool {
        let identity = format!("producer-{}", self.id);
        let sequence = producer.last_sequence(&identity).unwrap_or(0) + self.random.below(2);
        let sequence = sequence.max(1);
        // The content must be the same each time, too.
        let value = format!("{identity}/{sequence}");
        let mut batch = Batch::new();
        batch.push(&NewRecord::new("k", &value).key(&key(&value))).unwrap();
        let outcome = producer.transaction(&mut batch).once(&identity, sequence).commit();
        // One that was refused may have been appended before.
        match outcome {
            Err(error) => {
                self.ledger.error(&error);
                false
            }
            fine => self.note(&[value], fine),
        }
    }

    fn append_buffered(&mut self, producer: Producer<World>, number: &mut u64) {
        let options = BufferOptions::new().linger(Some(Duration::from_millis(5)));
        let buffered = BufferedProducer::new(producer, options);
        for _ in 0..2000 {
            if self.asked("stop") {
                break;
            }
            let values: Vec<_> = (0..=self.random.below(5)).map(|_| self.value(number)).collect();
            let records = values.iter().map(|value| NewRecord::new("b", value));
            let tickets: Vec<_> = records.map(|record| buffered.push(&record)).collect();
            for (value, ticket) in values.into_iter().zip(tickets) {
                let outcome = ticket.and_then(|ticket| buffered.wait(ticket));
                match outcome {
                    // It does not tell where: that it is there is what counts.
                    Ok(()) => self.ledger.say(&[Entry::Acknowledged { offset: u64::MAX, value }]),
                    Err(error) => {
                        self.note_buffered(value, &error);
                        return;
                    }
                }
            }
            self.pause();
        }
        if let Err(error) = buffered.close() {
            self.ledger.error(&error);
        }
    }

    /// What is told as lost is never appended; which those are, the error says.
    fn note_buffered(&mut self, value: String, error: &BufferError) {
        let refused = match error {
            BufferError::Append(error) => matches!(**error, AppendError::NotAppended(_)),
            _ => false,
        };
        if refused {
            self.ledger.say(&[Entry::Refused { value }]);
        }
        self.ledger.error(error);
    }

    // --- consumers

    /// Even ones read all topics; odd ones one alone.
    fn options(&self) -> ConsumerOptions {
        let options = ConsumerOptions::new().poll_interval(Duration::from_millis(20));
        match self.id {
            1 => options.topic("a"),
            3 => options.topic("k"),
            _ => options,
        }
    }

    fn consume(&mut self) {
        let told = self.ledger.read();
        let token = told.iter().rev().find_map(|entry| match entry {
            Entry::At { token } => token.parse::<Token>().ok(),
            _ => None,
        });
        let mut start = token.map_or(Start::Beginning, Start::Token);
        loop {
            let opened = self.options().start(start).open_in(self.world(), self.dir());
            let read = match opened {
                Ok(consumer)
                    if consumer.token().is_some_and(|token| !self.is_it(token.stream_id)) =>
                {
                    Ok(false)
                }
                Ok(consumer) => self.follow(consumer, &mut start),
                // Another stream stands there for a while.
                Err(ReadError::Diverged(puro::Diverged::OtherStream { .. })) => Ok(false),
                Err(error) => Err(error),
            };
            match read {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    self.ledger.error(&error);
                    if let ReadError::OffsetOutOfRange { .. } = error {
                        start = Start::Beginning;
                    }
                }
            }
            self.pause();
        }
    }

    /// Reads until the end of all; says what it saw, and where it is.
    fn follow(
        &mut self,
        mut consumer: Consumer<World>,
        start: &mut Start,
    ) -> Result<bool, ReadError> {
        loop {
            // Looked at before the stream is: what was appended before is read.
            let last = self.asked("end");
            let mut seen = Vec::new();
            let read = gather(&mut seen, || consumer.try_next().map(|it| it.as_ref().map(saw)));
            if let Some(token) = consumer.token().filter(|_| !seen.is_empty()) {
                *start = Start::Token(token);
                seen.push(Entry::At { token: token.to_string() });
            }
            let some = !seen.is_empty();
            self.ledger.say(&seen);
            read?;
            if last && !some && consumer.end_state()? == EndState::Clean {
                return Ok(true);
            }
            consumer.wait(Duration::from_millis(50))?;
        }
    }

    fn consume_named(&mut self) {
        let mut lost = false;
        loop {
            let options = NamedOptions::new().auto_commit(AutoCommit::Never);
            let options = options.consumer(self.options()).ignore_stored(lost);
            let name = format!("named-{}", self.id);
            let read = match options.open_in(self.world(), self.dir(), &name) {
                Ok(named) if named.token().is_some_and(|token| !self.is_it(token.stream_id)) => {
                    Ok(false)
                }
                Ok(named) => self.follow_named(named),
                Err(error) => Err(error),
            };
            lost = false;
            match read {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    self.ledger.error(&error);
                    let text = error.to_string();
                    lost = ["out of range", "cannot be reached", "deleted"]
                        .iter()
                        .any(|part| text.contains(part));
                }
            }
            self.pause();
        }
    }

    fn follow_named(&mut self, mut named: NamedConsumer<World>) -> Result<bool, puro::NamedError> {
        loop {
            let last = self.asked("end");
            let mut seen = Vec::new();
            let read = gather(&mut seen, || named.try_next().map(|it| it.as_ref().map(saw)));
            let some = !seen.is_empty();
            self.ledger.say(&seen);
            read?;
            named.commit()?;
            if last && !some && named.consumer_mut().end_state()? == EndState::Clean {
                return Ok(true);
            }
            named.consumer_mut().wait(Duration::from_millis(50))?;
        }
    }

    // --- stewards

    fn maintain(&mut self) {
        while !self.asked("stop") {
            let options = StewardOptions::new().roll(self.id == 1);
            match options.open_in(self.world(), self.dir()) {
                Err(error) => self.ledger.error(&error),
                Ok(mut steward) => {
                    for _ in 0..20 {
                        if self.asked("stop") {
                            return;
                        }
                        if let Err(error) = steward.run_once() {
                            self.ledger.error(&error);
                            break;
                        }
                        std::thread::sleep(20 * PACE);
                    }
                }
            }
            self.pause();
        }
    }
}

/// What an append came to: the offset of the first record where it was appended; else whether it
/// surely was not; and what the error said.
fn told(outcome: Result<Appended, AppendError>) -> (Option<u64>, bool, Option<String>) {
    let error = match outcome {
        Ok(appended) => return (Some(appended.first_offset), false, None),
        Err(error) => error,
    };
    let text = Some(error.to_string());
    match error {
        AppendError::NotDurable { appended, .. } => (Some(appended.first_offset), false, text),
        AppendError::Unknown(_) => (None, false, text),
        _ => (None, true, text),
    }
}

/// One of a few keys for a value.
pub fn key(value: &str) -> String {
    let sum: usize = value.bytes().map(usize::from).sum();
    format!("key-{}", sum % 20)
}

/// A record as the ledger has it; its key, too, where it may be superseded.
pub fn saw(record: &puro::Record<'_>) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = text(record.value.unwrap_or_default());
    let value = value.split(' ').next().unwrap_or_default().to_owned();
    Entry::Saw { offset: record.offset, topic: text(record.topic), value }
}

/// Collects what there is, or a thousand.
fn gather<E>(
    seen: &mut Vec<Entry>,
    mut next: impl FnMut() -> Result<Option<Entry>, E>,
) -> Result<(), E> {
    while seen.len() < 1000 {
        match next()? {
            Some(entry) => seen.push(entry),
            None => break,
        }
    }
    Ok(())
}
