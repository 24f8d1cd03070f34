//! Runs of the crash simulator that are listened to: what two producers and their readers do
//! by a seed, with deaths, failing calls and losses of power.

use std::cell::Cell;

use puro::Token;
use puro::internals::vfs::LockWait;
use puro::{AppendError, Batch, Consumer, ConsumerOptions, NewRecord, OpenError, Producer, Start};

use super::Event;
use super::stage::{Heard, Stage};
use crate::generate::Rng;
use crate::history::STREAM;

/// What may befall the actors of a run, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Perils {
    /// Deaths of producers, in the middle of what they do.
    pub deaths: u32,
    /// Deaths of producers between commit and answer.
    pub late_deaths: u32,
    /// Losses of power.
    pub power: u32,
    /// Syncs that fail.
    pub syncs: u32,
    /// Writes that fail.
    pub writes: u32,
}

/// Who and how long.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Producers, of which each is opened again when it has died.
    pub producers: usize,
    /// Readers, that go on by their token after a loss of power.
    pub readers: usize,
    /// What is done in all.
    pub steps: u32,
    /// What befalls them.
    pub perils: Perils,
    /// One append in so many is durable.
    pub durable_one_in: u64,
    /// Bytes of a record's value.
    pub bytes: usize,
    /// How many zeros producers put ahead at most (Z-1).
    pub zeros_ahead_bytes: u64,
    /// Whether the one that makes the stream dies at that, and the power goes too.
    pub dies_creating: bool,
    /// Whether producers give their appends a sequence, and try again what failed (C-4).
    pub named: bool,
}

/// Two producers, of which one appends durably until a synced block is harmed, which chapter 1
/// rules out; then the other opens the stream, and a reader reads it.
#[must_use]
pub fn play_harm(seed: u64) -> Vec<Event> {
    let (stage, mut rng) = (Stage::new(), Rng::new(seed));
    let mut producer = open(&stage, "producer 0", true).expect("a new stream");
    for number in 0u32..4 {
        producer.append(&NewRecord::new("t", &number.to_le_bytes())).expect("a small record");
    }
    let events = stage.events();
    let blocks: Vec<_> = events.iter().filter(|event| event.name == "Reserve").collect();
    // The last one is not known to be synced by any that follows.
    let block = blocks[rng.below(blocks.len() as u64 - 1) as usize];
    stage.harm(block.position + 64 * rng.below(2));
    for role in ["producer 1", "producer 2"] {
        // Whether it may, the specification says.
        drop(open(&stage, role, false));
    }
    read_all(&stage);
    stage.events()
}

/// A producer one of whose syncs fails, and who answers later records as durable all the same;
/// then the power goes with all that is not on the disk, and a reader looks what is left.
#[must_use]
pub fn play_failed_sync(seed: u64) -> Vec<Event> {
    let (stage, mut rng) = (Stage::new(), Rng::new(seed));
    let mut producer = open(&stage, "producer 0", true).expect("a new stream");
    let fails = rng.below(3) as u32;
    for number in 0u32..4 {
        if number == fails {
            stage.fail_sync();
        }
        // It is told of the sync that failed.
        let _ = producer.append(&NewRecord::new("t", &number.to_le_bytes()));
    }
    stage.lose_power(|_, _| 0);
    drop(open(&stage, "producer 0", false));
    read_all(&stage);
    stage.events()
}

fn open(stage: &Stage, role: &str, durable: bool) -> Result<Producer<Heard>, OpenError> {
    let options = crate::history::options(crate::generate::SEGMENT_BYTES);
    options.durable(durable).open_in(stage.process(role).1, STREAM)
}

fn read_all(stage: &Stage) {
    let (_, vfs) = stage.process("reader 0");
    let options = ConsumerOptions::new().lock_wait(LockWait::Try);
    let mut consumer = options.open_in(vfs, STREAM).expect("a stream to read");
    while let Ok(Some(_)) = consumer.try_next() {}
}

struct Writing {
    process: u32,
    producer: Producer<Heard>,
}

#[derive(Default)]
struct Reading {
    consumer: Option<Consumer<Heard>>,
    token: Option<Token>,
}

/// Plays a cast; what happened is determined by the seed.
#[must_use]
pub fn play(cast: &Cast, seed: u64) -> Vec<Event> {
    let stage = Stage::new();
    let mut run = Run {
        rng: Rng::new(seed),
        cast: *cast,
        left: cast.perils,
        producers: (0..cast.producers).map(|_| None).collect(),
        readers: (0..cast.readers).map(|_| Reading::default()).collect(),
        sequences: vec![1; cast.producers],
        value: Cell::new(0),
        stage: stage.clone(),
    };
    if cast.dies_creating {
        let (process, vfs) = stage.process("producer 0");
        stage.set_death(process, run.rng.below(20), 1);
        let options = crate::history::options(crate::generate::SEGMENT_BYTES);
        drop(options.open_in(vfs, STREAM));
        stage.kill(process);
        stage.lose_power(|_, _| 0);
    }
    // After a failed sync nobody new is told of it, and nothing is promised then (M-6).
    for who in 0..cast.producers {
        run.open(who);
    }
    for _ in 0..cast.steps {
        run.step();
    }
    stage.events()
}

struct Run {
    rng: Rng,
    cast: Cast,
    left: Perils,
    producers: Vec<Option<Writing>>,
    readers: Vec<Reading>,
    sequences: Vec<u64>,
    value: Cell<u32>,
    stage: Stage,
}

impl Run {
    fn open(&mut self, who: usize) {
        let (process, vfs) = self.stage.process(&format!("producer {who}"));
        let options = crate::history::options(crate::generate::SEGMENT_BYTES)
            .zeros_ahead_bytes(self.cast.zeros_ahead_bytes);
        let producer = options.open_in(vfs, STREAM).ok();
        self.producers[who] = producer.map(|producer| Writing { process, producer });
    }

    /// Takes one of what may still befall them, once in a while.
    fn strikes(&mut self, left: fn(&mut Perils) -> &mut u32) -> bool {
        let strikes = *left(&mut self.left) > 0 && self.rng.one_in(4);
        *left(&mut self.left) -= u32::from(strikes);
        strikes
    }

    fn step(&mut self) {
        if self.strikes(|perils| &mut perils.power) {
            return self.lose_power();
        }
        if !self.readers.is_empty() && self.rng.one_in(3) {
            let who = self.rng.below(self.readers.len() as u64) as usize;
            return self.read(who);
        }
        let who = self.rng.below(self.producers.len() as u64) as usize;
        let dead = |writing: &Writing| self.stage.is_dead(writing.process);
        if self.producers[who].as_ref().is_none_or(dead) {
            return self.open(who);
        }
        let dies = self.strikes(|perils| &mut perils.deaths);
        let dies_late = !dies && self.strikes(|perils| &mut perils.late_deaths);
        if self.strikes(|perils| &mut perils.syncs) {
            self.stage.fail_sync();
        } else if self.strikes(|perils| &mut perils.writes) {
            self.stage.fail_write();
        }
        if let Some(writing) = self.producers[who].as_ref().filter(|_| dies_late) {
            self.stage.set_death_at_unlock(writing.process);
        }
        self.append(who, dies);
    }

    fn lose_power(&mut self) {
        let rng = &mut self.rng;
        let all = rng.below(3);
        self.stage.lose_power(|ways, newest| match all {
            0 => newest,
            1 => 0,
            _ => rng.below(ways as u64) as usize,
        });
        (0..self.producers.len()).for_each(|who| self.open(who));
        self.readers.iter_mut().for_each(|reader| reader.consumer = None);
    }

    fn append(&mut self, who: usize, dies: bool) {
        let durable = self.rng.one_in(self.cast.durable_one_in);
        // With a sequence it is worth most to die late, when the block may be committed.
        let calls = if self.cast.named { 4 + self.rng.below(4) } else { self.rng.below(9) };
        let bytes = [0, 1, 40, 64, 100, 128][self.rng.below(6) as usize];
        let Some(Writing { process, producer }) = &mut self.producers[who] else { return };
        if dies {
            self.stage.set_death(*process, calls, bytes);
        }
        producer.set_durable(durable);
        self.value.set(self.value.get() + 1);
        let mut batch = Batch::new();
        // What is tried again under a sequence is the same (C-4).
        let number = if self.cast.named {
            (who as u64 + 1) << 16 | self.sequences[who]
        } else {
            self.value.get().into()
        };
        let mut value = (number as u32).to_le_bytes().to_vec();
        value.resize(self.cast.bytes.max(value.len()), 0);
        batch.push(&NewRecord::new("t", &value)).expect("a small record");
        let identity = format!("p{who}");
        let done = if self.cast.named {
            producer.transaction(&mut batch).once(&identity, self.sequences[who]).commit()
        } else {
            producer.append_batch(&mut batch)
        };
        let appended = matches!(done, Ok(_) | Err(AppendError::NotDurable { .. }));
        if appended && !self.stage.is_dead(*process) {
            self.sequences[who] += 1;
        }
        if dies {
            self.stage.kill(*process);
            self.producers[who] = None;
        }
    }

    fn read(&mut self, who: usize) {
        let reading = &mut self.readers[who];
        if reading.consumer.is_none() {
            let (_, vfs) = self.stage.process(&format!("reader {who}"));
            let start = reading.token.map_or(Start::Beginning, Start::Token);
            let options = ConsumerOptions::new().start(start).lock_wait(LockWait::Try);
            match options.open_in(vfs, STREAM) {
                Ok(consumer) => reading.consumer = Some(consumer),
                // Its history was lost, or there is no stream: it begins anew.
                Err(_) => reading.token = None,
            }
        }
        let Some(consumer) = &mut reading.consumer else { return };
        while let Ok(Some(_)) = consumer.try_next() {}
        reading.token = consumer.token();
    }
}
