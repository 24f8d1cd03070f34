//! Runs of the crash simulator that are listened to: what two producers and their readers do
//! by a seed, with deaths, failing calls and losses of power.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use puro::interpose::{Call, Hook, Interpose, Operation, Verdict};
use puro::trace::Action;
use puro::vfs::{LockWait, OpenMode, Vfs, VfsFile};
use puro::{AppendError, Batch, Consumer, ConsumerOptions, NewRecord, Producer, Start, Token};

use super::turns::{Part, Turns};
use super::{Event, Log, contents};
use crate::generate::Rng;
use crate::history::STREAM;
use crate::ledger::{JOB, NAMES};
use crate::sim::power::{GRAINS, PowerLoss};
use crate::sim::{Disk, Fault, Fuse, SimVfs, World};

/// The seam that is listened to.
pub type Heard = Interpose<SimVfs>;

/// A machine, and what is noted of it.
#[derive(Clone)]
pub struct Stage {
    world: World,
    log: Log,
    /// Processes that have not died as far as the log knows, with where they write.
    living: Arc<Mutex<Vec<(u32, u64)>>>,
    processes: Arc<AtomicU64>,
    /// The next sync of a segment fails.
    sync_fails: Arc<AtomicBool>,
    /// The next write of a block fails.
    write_fails: Arc<AtomicBool>,
    /// Who dies when it is about to give the lock back; 0 is nobody.
    dies_at_unlock: Arc<AtomicU32>,
    /// Who may make the next call, where actors run on threads of their own.
    turns: Arc<Mutex<Option<Arc<Turns>>>>,
    /// `GivenBack` is noted when writer.lock is: others may act between `Unlock` and that.
    tells_given_back: Arc<AtomicBool>,
}

/// Listens to one process.
struct Listener {
    stage: Stage,
    process: u32,
    begun: AtomicU64,
    /// The same of its last call that opened a segment, and of its last that listed them.
    opened: AtomicU64,
    listed: AtomicU64,
    /// Whether the last call was made to fail.
    failed: AtomicBool,
}

impl Hook for Listener {
    fn before(&self, call: &Call<'_>) -> Verdict {
        self.stage.note_deaths();
        self.stage.pass();
        let now = self.stage.log.tick();
        self.begun.store(now, Ordering::Relaxed);
        if call.operation == Operation::Unlock
            && call.path.ends_with("writer.lock")
            && self.stage.tells_given_back.load(Ordering::Relaxed)
        {
            self.stage.log.note(Event::of_the_world(self.process, "GivenBack"));
        }
        match call.operation {
            Operation::Open => self.opened.store(now, Ordering::Relaxed),
            Operation::List => self.listed.store(now, Ordering::Relaxed),
            _ => {}
        }
        let block = call.operation == Operation::Write && call.length > 1;
        let sync = matches!(call.operation, Operation::SyncData | Operation::SyncAll);
        let segment = call.path.extension().is_some_and(|extension| extension == "puro");
        let fails = segment
            && (sync && self.stage.sync_fails.swap(false, Ordering::Relaxed)
                || block && self.stage.write_fails.swap(false, Ordering::Relaxed));
        if fails {
            self.stage.world.set_fault(0, Fault::Io);
        }
        self.failed.store(fails, Ordering::Relaxed);
        Verdict::Proceed
    }

    fn trace(&self, action: &Action<'_>) {
        let dies = self.stage.dies_at_unlock.load(Ordering::Relaxed) == self.process;
        if dies && action.name == "Unlock" {
            self.stage.world.kill(self.process);
        }
        self.stage.note_deaths();
        if self.stage.world.is_dead(self.process) {
            return;
        }
        let mut event = Event::of(self.process, action);
        // What was opened or listed is read a little later.
        event.begun = match action.name {
            "Seek" | "HopOpen" => self.opened.load(Ordering::Relaxed),
            "ListSegments" => self.listed.load(Ordering::Relaxed),
            _ => self.begun.load(Ordering::Relaxed),
        };
        if action.name == "Build" {
            let name = format!("{:010}.puro.compact", action.segment);
            let kept = contents::offsets_in(&self.stage.world.disk(), &name);
            event.offsets = vec![(action.segment, kept.unwrap_or_default())];
        }
        // Where it did not fail here, it was told of an older failure (M-6).
        if action.name == "SyncFails" && !self.failed.load(Ordering::Relaxed) {
            event.name = "SyncTells".to_owned();
        }
        if action.name == "WritePart" {
            event.bytes = self.stage.bytes(action.segment, action.position);
            event.bytes.truncate(action.value as usize);
        }
        if matches!(action.name, "Reserve" | "RaiseEpoch") {
            self.stage.writes_at(self.process, action.position);
        }
        self.stage.log.note(event);
    }
}

impl Stage {
    /// An empty machine.
    #[must_use]
    pub fn new() -> Self {
        Self {
            world: World::new(Disk::default()),
            log: Log::default(),
            living: Arc::default(),
            processes: Arc::default(),
            sync_fails: Arc::default(),
            write_fails: Arc::default(),
            dies_at_unlock: Arc::default(),
            turns: Arc::default(),
            tells_given_back: Arc::default(),
        }
    }

    /// From now on it is told when `writer.lock` is given back, not only that it will be.
    pub fn tell_given_back(&self) {
        self.tells_given_back.store(true, Ordering::Relaxed);
    }

    /// Lets actors take turns until all have come to their end, or the power goes.
    pub fn play(&self, turns: &Arc<Turns>, parts: Vec<Part>) {
        let take = |turns| *self.turns.lock().unwrap_or_else(PoisonError::into_inner) = turns;
        take(Some(Arc::clone(turns)));
        turns.run(parts);
        take(None);
    }

    /// An actor is about to make a call: others may make theirs before, or the power goes.
    fn pass(&self) {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(turns) = turns
            && turns.pass()
        {
            let mut rng = Rng::new(self.log.tick());
            self.lose_power(|ways, newest| match rng.below(3) {
                0 => newest,
                1 => 0,
                _ => rng.below(ways as u64) as usize,
            });
        }
    }

    /// The machine.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Notes what an actor says itself.
    pub fn note(&self, process: u32, name: &str, value: u64, label: &str) {
        self.note_deaths();
        if !self.world.is_dead(process) {
            let event = Event::of_the_world(process, name);
            let begun = self.log.tick();
            self.log.note(Event { value, label: label.to_owned(), begun, ..event });
        }
    }

    /// What was noted.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.note_deaths();
        self.log.events()
    }

    /// A new process, in a role.
    pub fn process(&self, role: &str) -> (u32, Heard) {
        let process = self.processes.fetch_add(1, Ordering::Relaxed) as u32 + 1;
        self.living.lock().unwrap_or_else(PoisonError::into_inner).push((process, 0));
        let mut event = Event::of_the_world(process, "Begins");
        event.label = role.to_owned();
        self.log.note(event);
        let listener = Listener {
            stage: self.clone(),
            process,
            begun: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        };
        (process, Interpose::new(SimVfs::new(&self.world, process), listener))
    }

    fn writes_at(&self, process: u32, position: u64) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter_mut().filter(|(who, _)| *who == process).for_each(|found| found.1 = position);
    }

    /// The bytes of a segment from a position on.
    fn bytes(&self, segment: u32, position: u64) -> Vec<u8> {
        bytes_of(&self.world.disk(), segment, position)
    }

    /// Notes who died since.
    fn note_deaths(&self) {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = |(process, _): &(u32, u64)| self.world.is_dead(*process);
        let died: Vec<_> = living.iter().copied().filter(|found| dead(found)).collect();
        living.retain(|found| !dead(found));
        drop(living);
        for (process, position) in died {
            let mut event = Event::of_the_world(process, "Die");
            event.position = position;
            event.bytes = if position > 0 { self.bytes(0, position) } else { Vec::new() };
            self.log.note(event);
        }
    }

    /// Loses the power; `keep` says of each decision which of so many ways it goes.
    pub fn lose_power(&self, mut keep: impl FnMut(usize, usize) -> usize) {
        self.note_deaths();
        let disk = self.world.disk();
        let loss = PowerLoss::new(&disk, GRAINS[0]);
        let ways = loss.options().into_iter().zip(loss.newest());
        let choices: Vec<_> = ways.map(|(ways, newest)| keep(ways, newest)).collect();
        let left = loss.apply(&choices);
        let there = left.look_up(Path::new(STREAM)).is_some();
        let mut event = Event::of_the_world(0, if there { "PowerLoss" } else { "LoseDirectory" });
        event.bytes = bytes_of(&left, 0, 0);
        event.offsets = contents::all_offsets(&left);
        event.value = contents::position_in(&left, NAMES[JOB]);
        self.log.note(event);
        self.living.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.world.calm();
        self.world.restart(left, self.processes.load(Ordering::Relaxed) as u32);
    }

    /// Harms a unit of the segment, on the disk too.
    fn harm(&self, position: u64) {
        let bytes: Vec<u8> = (0..64).map(|i| (i * 37) as u8 | 1).collect();
        let path = Path::new(STREAM).join(format!("{:010}.puro", 0));
        let file = SimVfs::new(&self.world, 0).open(&path, OpenMode::Write).expect("a segment");
        file.write_at(&bytes, position).expect("room for what is there");
        file.sync_data().expect("a disk");
        let event = Event { position, ..Event::of_the_world(0, "Harm") };
        self.log.note(event);
    }

    /// The next sync of a segment fails.
    pub fn fail_sync(&self) {
        self.sync_fails.store(true, Ordering::Relaxed);
    }

    /// The next write of a block fails, half done.
    pub fn fail_write(&self) {
        self.write_fails.store(true, Ordering::Relaxed);
    }

    /// Sets the death of a process, in the call after so many more.
    pub fn set_death(&self, process: u32, calls: u64, bytes: usize) {
        self.world.set_fuse(Fuse { process, calls, bytes });
    }

    /// Sets the death of a process, right before it next gives the lock back.
    pub fn set_death_at_unlock(&self, process: u32) {
        self.dies_at_unlock.store(process, Ordering::Relaxed);
    }

    /// Kills a process.
    pub fn kill(&self, process: u32) {
        self.world.defuse();
        self.world.kill(process);
        self.note_deaths();
    }

    /// Whether a process is dead.
    #[must_use]
    pub fn is_dead(&self, process: u32) -> bool {
        self.world.is_dead(process)
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

fn bytes_of(disk: &Disk, segment: u32, position: u64) -> Vec<u8> {
    let path = Path::new(STREAM).join(format!("{segment:010}.puro"));
    let bytes = disk.bytes_of(&path).unwrap_or_default();
    bytes.get(position as usize..).unwrap_or_default().to_vec()
}

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
    let options = crate::history::options(crate::generate::SEGMENT_BYTES);
    let (_, vfs) = stage.process("producer 0");
    let mut producer = options.clone().durable(true).open_in(vfs, STREAM).expect("a new stream");
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
        drop(options.open_in(stage.process(role).1, STREAM));
    }
    let (_, vfs) = stage.process("reader 0");
    let options = ConsumerOptions::new().lock_wait(LockWait::Try);
    let mut consumer = options.open_in(vfs, STREAM).expect("a stream to read");
    while let Ok(Some(_)) = consumer.try_next() {}
    stage.events()
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
        let options = crate::history::options(crate::generate::SEGMENT_BYTES);
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
        let mut value = self.value.get().to_le_bytes().to_vec();
        value.resize(self.cast.bytes.max(value.len()), 0);
        batch.push(&NewRecord::new("t", &value)).expect("a small record");
        let identity = format!("p{who}");
        let done = if self.cast.named {
            producer.append_once(&identity, self.sequences[who], &mut batch)
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
