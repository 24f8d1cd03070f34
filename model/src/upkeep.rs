//! Histories of streams that are maintained: producers, named consumers, one who transforms,
//! one who follows along, and stewards, one operation after another, told to the
//! [ledger](crate::ledger).
//!
//! Whoever acts may die in any of its calls while the others live on: so a steward dies under
//! a consumer that holds a segment, and an owner of a position before another one takes over.

use std::collections::BTreeMap;

use puro::internals::vfs::Vfs;
use puro::{
    AppendError, AutoCommit, Consumer, ConsumerOptions, LockWait, NamedConsumer, NamedError,
    NamedOptions, Producer, ReadError, Start, Steward, StewardOptions,
};

use crate::generate::SEGMENT_BYTES;
use crate::history::{STREAM, options};
use crate::ledger::{Block, Entry, JOB, Ledger, NAMES, Topic, note, table};
use crate::oracle::{Crash, Promise, Violation};
use crate::sim::{Fuse, PowerLoss, SimVfs, World};
use crate::upkeep_stream::{batch, entry, find};

/// Something that an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A record is appended; `marker` deletes its key.
    Append { topic: Topic, key: Option<u8>, marker: bool, bytes: usize, durable: bool },
    /// A steward makes a pass; `fresh`, if none is running on.
    Maintain { roll: bool, fresh: bool },
    /// A named consumer reads so many records, and commits its position.
    Commit { who: usize, take: usize },
    /// So many records of topic `in` become ones of topic `out`, with the position.
    Transform { take: usize },
    /// One that was opened at the beginning reads on.
    Follow { take: usize },
    /// Whoever follows ends; the next one begins at the beginning.
    StopFollowing,
    /// A named consumer ends.
    Close { who: usize },
    /// The clock moves on.
    Tick { ms: u64 },
}

/// A running process, and what it is.
struct Actor<T> {
    process: u32,
    is: T,
}

/// A consumer that has read all from the beginning on.
struct Follower<V: Vfs> {
    consumer: Consumer<V>,
    next: u64,
    table: BTreeMap<u8, u32>,
}

/// What was known at some moment, and the time.
pub type Moment = (Ledger, u64);

/// What runs the operations.
pub struct Player<V: Vfs, M: Fn(SimVfs) -> V> {
    world: World,
    seam: M,
    processes: u32,
    producer: Option<Actor<Producer<V>>>,
    named: [Option<Actor<NamedConsumer<V>>>; NAMES.len()],
    follower: Option<Actor<Follower<V>>>,
    steward: Option<Actor<Steward<V>>>,
    /// What was committed.
    pub ledger: Ledger,
    /// The ledger each time something was attempted or answered; their numbers are the marks
    /// of the world's steps.
    pub moments: Vec<Moment>,
    values: u32,
}

pub(crate) fn broken(promise: Promise, what: impl Into<String>) -> Violation {
    Violation::new(promise, what)
}

pub(crate) fn failed(what: &str, error: &dyn std::error::Error) -> Violation {
    broken(Promise::Progress, format!("{what}: {error}"))
}

/// What an operation came to where nobody broke a promise.
enum Done {
    /// It was done.
    Yes,
    /// A call failed, or whoever acted is dead.
    Failed,
}

impl<V: Vfs, M: Fn(SimVfs) -> V> Player<V, M> {
    /// A stream with these settings.
    pub fn new(world: World, seam: M, settings: &[(&str, &str)]) -> Self {
        let vfs = seam(SimVfs::new(&world, 1));
        let mut producer = options(SEGMENT_BYTES).open_in(vfs, STREAM).expect("a new stream");
        for (name, value) in settings {
            producer.set(&format!("{name}={value}").parse().unwrap()).expect("a setting");
        }
        let named = |name: &str| settings.iter().find(|(known, _)| *known == name);
        let number = |name| named(name).and_then(|(_, value)| value.parse().ok());
        let grace_ms = number("marker_grace_ms").unwrap_or(86_400_000);
        let deletes = named("retention_bytes").or(named("retention_ms")).is_some();
        let ledger = Ledger::new(grace_ms, deletes);
        let mut player = Self::resume(world, seam, ledger);
        player.producer = Some(Actor { process: 1, is: producer });
        player.note_moment();
        player
    }

    /// A stream that is there, of which something is known.
    pub fn resume(world: World, seam: M, ledger: Ledger) -> Self {
        Self {
            world,
            seam,
            processes: 1,
            producer: None,
            named: Default::default(),
            follower: None,
            steward: None,
            values: 1_000_000 + ledger.next() as u32,
            ledger,
            moments: Vec::new(),
        }
    }

    /// From now on the steps of the world are judged by what is known now.
    fn note_moment(&mut self) {
        self.moments.push((self.ledger.clone(), self.world.now_ms()));
        self.world.mark(self.moments.len() - 1);
    }

    fn attempt(&mut self, block: Block) {
        self.ledger.attempt(block);
        self.note_moment();
    }

    fn answered(&mut self, first_offset: u64, durable: bool) -> Result<Done, Violation> {
        self.ledger.appended(first_offset, durable)?;
        self.note_moment();
        Ok(Done::Yes)
    }

    fn new_process(&mut self) -> (u32, V) {
        self.processes += 1;
        (self.processes, (self.seam)(SimVfs::new(&self.world, self.processes)))
    }

    /// The process that will do an operation; one that is to be started is the next.
    fn process_of(&self, op: &Op) -> u32 {
        let running = match op {
            Op::Append { .. } => self.producer.as_ref().map(|actor| actor.process),
            Op::Maintain { fresh: false, .. } => self.steward.as_ref().map(|actor| actor.process),
            Op::Commit { who, .. } => self.named[*who].as_ref().map(|actor| actor.process),
            Op::Transform { .. } => self.named[JOB].as_ref().map(|actor| actor.process),
            Op::Follow { .. } => self.follower.as_ref().map(|actor| actor.process),
            _ => None,
        };
        running.unwrap_or(self.processes + 1)
    }

    /// Does one operation, in which nothing fails.
    pub fn play(&mut self, op: &Op) -> Result<(), Violation> {
        match self.try_to_play(op)? {
            Done::Yes => Ok(()),
            Done::Failed => Err(broken(Promise::Progress, format!("{op:?} failed"))),
        }
    }

    /// Begins an operation and dies in it, in the given call with so many bytes done. The
    /// others live on, and look at what is left.
    pub fn play_to_death(&mut self, op: &Op, calls: u64, bytes: usize) -> Result<(), Violation> {
        let process = self.process_of(op);
        self.world.set_fuse(Fuse { process, calls, bytes });
        let played = self.try_to_play(op);
        self.world.defuse();
        if process <= self.processes {
            self.world.kill(process);
        }
        self.bury();
        played?;
        self.look(Crash::Death)
    }

    /// Does an operation in which calls may fail.
    pub fn play_in_trouble(&mut self, op: &Op) -> Result<(), Violation> {
        self.try_to_play(op)?;
        self.world.calm();
        self.look(Crash::Death)
    }

    /// Loses the power with what `choose` keeps.
    pub fn power(
        &mut self,
        grain: usize,
        choose: impl FnOnce(&PowerLoss<'_>) -> Vec<usize>,
    ) -> Result<(), Violation> {
        let disk = self.world.disk();
        let loss = PowerLoss::new(&disk, grain);
        let left = loss.apply(&choose(&loss));
        self.world.calm();
        self.world.restart(left, self.processes);
        self.bury();
        self.recover(Crash::Power)
    }

    /// A producer comes, and repairs what there is to repair; then all is looked at.
    pub fn recover(&mut self, crash: Crash) -> Result<(), Violation> {
        let (_, vfs) = self.new_process();
        let repaired = options(SEGMENT_BYTES).open_in(vfs, STREAM);
        drop(repaired.map_err(|error| failed("open a producer afterwards", &error))?);
        self.look(crash)
    }

    /// Forgets the handles of the dead.
    fn bury(&mut self) {
        let world = self.world.clone();
        let dead = |process: u32| world.is_dead(process);
        self.producer.take_if(|actor| dead(actor.process));
        self.steward.take_if(|actor| dead(actor.process));
        self.follower.take_if(|actor| dead(actor.process));
        for named in &mut self.named {
            named.take_if(|actor| dead(actor.process));
        }
    }

    /// Reads all, and judges it.
    pub fn look(&mut self, crash: Crash) -> Result<(), Violation> {
        let (_, vfs) = self.new_process();
        let found = find(vfs)?;
        self.ledger.settle(&found, crash)?;
        self.note_moment();
        Ok(())
    }

    fn try_to_play(&mut self, op: &Op) -> Result<Done, Violation> {
        match *op {
            Op::Append { topic, key, marker, bytes, durable } => {
                self.append(topic, key, marker, bytes, durable)
            }
            Op::Maintain { roll, fresh } => self.maintain(roll, fresh),
            Op::Commit { who, take } => self.commit(who, take),
            Op::Transform { take } => self.transform(take),
            Op::Follow { take } => self.follow(take),
            Op::StopFollowing => {
                self.follower = None;
                Ok(Done::Yes)
            }
            Op::Close { who } => {
                self.named[who] = None;
                Ok(Done::Yes)
            }
            Op::Tick { ms } => {
                self.world.tick(ms);
                self.note_moment();
                Ok(Done::Yes)
            }
        }
    }

    fn append(
        &mut self,
        topic: Topic,
        key: Option<u8>,
        marker: bool,
        bytes: usize,
        durable: bool,
    ) -> Result<Done, Violation> {
        if self.producer.is_none() {
            let (process, vfs) = self.new_process();
            let Ok(producer) = options(SEGMENT_BYTES).open_in(vfs, STREAM) else {
                return Ok(Done::Failed);
            };
            self.producer = Some(Actor { process, is: producer });
        }
        self.values += 1;
        let value = (!marker).then_some(self.values);
        let entry = Entry { topic, key, value, time_ms: self.world.now_ms() };
        self.attempt(Block { entries: vec![entry], position: None });
        let Some(actor) = &mut self.producer else { return Ok(Done::Failed) };
        actor.is.set_durable(durable);
        let appended = actor.is.append_batch(&mut batch(&[entry], bytes));
        self.take_answer(appended.map(|appended| appended.first_offset), durable)
    }

    fn take_answer(
        &mut self,
        answer: Result<u64, AppendError>,
        durable: bool,
    ) -> Result<Done, Violation> {
        match answer {
            Ok(first_offset) => self.answered(first_offset, durable),
            Err(AppendError::NotDurable { appended, .. }) => {
                self.answered(appended.first_offset, false)?;
                Ok(Done::Failed)
            }
            Err(AppendError::Unknown(_)) => Ok(Done::Failed),
            Err(_) => {
                self.ledger.refused();
                self.note_moment();
                Ok(Done::Failed)
            }
        }
    }

    fn maintain(&mut self, roll: bool, fresh: bool) -> Result<Done, Violation> {
        if fresh || self.steward.is_none() {
            let (process, vfs) = self.new_process();
            let options = StewardOptions::new().roll(roll).map_bytes(400);
            let Ok(steward) = options.open_in(vfs, STREAM) else { return Ok(Done::Failed) };
            self.steward = Some(Actor { process, is: steward });
        }
        self.ledger.maintained_ms = self.ledger.maintained_ms.max(self.world.now_ms());
        self.note_moment();
        let Some(actor) = &mut self.steward else { return Ok(Done::Failed) };
        Ok(if actor.is.run_once().is_ok() { Done::Yes } else { Done::Failed })
    }

    /// Opens a named consumer; while one runs under the name, nobody else can.
    fn open_named(&mut self, who: usize) -> Result<bool, Violation> {
        let mut consumer = ConsumerOptions::new().lock_wait(LockWait::Try);
        if who == JOB {
            consumer = consumer.topic(Topic::In.name());
        }
        let options = NamedOptions::new().consumer(consumer).auto_commit(AutoCommit::Never);
        let (process, vfs) = self.new_process();
        let opened = options.open_in(vfs, STREAM, NAMES[who]);
        if self.named[who].is_some() {
            return match opened {
                Err(NamedError::Busy { .. }) => Ok(true),
                other if self.world.is_dead(process) => Ok(other.is_ok()),
                _ => Err(broken(Promise::PositionsKept, "a name has two owners")),
            };
        }
        match opened {
            Ok(named) => {
                let known = self.ledger.position(who);
                let stored = named.stored().map(|position| position.offset);
                if stored != known {
                    let what = format!("{} is at {stored:?}, not at {known:?}", NAMES[who]);
                    return Err(broken(Promise::PositionsKept, what));
                }
                self.named[who] = Some(Actor { process, is: named });
                Ok(true)
            }
            Err(NamedError::Lost { low, .. }) => {
                self.reset(who, low)?;
                self.open_named(who)
            }
            Err(_) => Ok(false),
        }
    }

    /// What it was to read next is deleted: it goes on where the stream begins now.
    fn reset(&mut self, who: usize, low: u64) -> Result<(), Violation> {
        if !self.ledger.deletes || self.ledger.position(who).is_some_and(|at| at > low) {
            let what = format!("{} is told that {low} is the lowest offset", NAMES[who]);
            return Err(broken(Promise::GapFreeUnderSteward, what));
        }
        self.named[who] = None;
        let (process, vfs) = self.new_process();
        self.attempt(Block { entries: Vec::new(), position: Some((who, low)) });
        let start = Some(Start::Beginning);
        match puro::internals::change_in(vfs, STREAM, NAMES[who], start) {
            Ok(_) => _ = self.answered(self.ledger.next(), true)?,
            Err(_) if self.world.is_dead(process) => {}
            Err(error) => return Err(failed("set a position", &error)),
        }
        Ok(())
    }

    fn commit(&mut self, who: usize, take: usize) -> Result<Done, Violation> {
        if self.named[who].is_some() {
            self.open_named(who)?; // Nobody else gets in.
        } else if !self.open_named(who)? {
            return Ok(Done::Failed);
        }
        let mut from = self.ledger.position(who).unwrap_or(0);
        let all = self.ledger.entries();
        let Some(actor) = &mut self.named[who] else { return Ok(Done::Failed) };
        if let Some(token) = actor.is.token() {
            from = from.max(token.offset);
        }
        for _ in 0..take {
            match actor.is.try_next() {
                Ok(Some(record)) => {
                    from = self.ledger.check_step(&all, from, record.offset, &entry(&record))?;
                }
                Ok(None) => break,
                Err(NamedError::Lost { low, .. }) => {
                    self.reset(who, low)?;
                    return Ok(Done::Yes);
                }
                Err(_) => return Ok(Done::Failed),
            }
        }
        let Some(token) = actor.is.token() else { return Ok(Done::Failed) };
        self.ledger.check_missing(&all, from, token.offset)?;
        if self.ledger.position(who) == Some(token.offset) {
            return Ok(Done::Yes);
        }
        self.attempt(Block { entries: Vec::new(), position: Some((who, token.offset)) });
        let Some(actor) = &mut self.named[who] else { return Ok(Done::Failed) };
        let next = self.ledger.next();
        match actor.is.commit() {
            Ok(_) => self.answered(next, false),
            Err(NamedError::Commit(error)) => {
                self.named[who] = None;
                self.take_answer(Err(error), false)
            }
            Err(_) => Ok(Done::Failed),
        }
    }

    fn transform(&mut self, take: usize) -> Result<Done, Violation> {
        if self.named[JOB].is_none() && !self.open_named(JOB)? {
            return Ok(Done::Failed);
        }
        let now_ms = self.world.now_ms();
        let Some(actor) = &mut self.named[JOB] else { return Ok(Done::Failed) };
        let mut entries = Vec::new();
        for _ in 0..take {
            match actor.is.try_next() {
                Ok(Some(record)) => entries.push(Entry {
                    topic: Topic::Out,
                    key: None,
                    value: Some(record.offset as u32),
                    time_ms: now_ms,
                }),
                Ok(None) => break,
                Err(_) => return Ok(Done::Failed),
            }
        }
        let Some(token) = actor.is.token().filter(|_| !entries.is_empty()) else {
            return Ok(Done::Yes);
        };
        let vfs = (self.seam)(SimVfs::new(&self.world, actor.process));
        let Ok(mut producer) = options(SEGMENT_BYTES).create(false).open_in(vfs, STREAM) else {
            self.named[JOB] = None;
            return Ok(Done::Failed);
        };
        let mut outputs = batch(&entries, 100);
        self.attempt(Block { entries, position: Some((JOB, token.offset)) });
        let Some(actor) = &mut self.named[JOB] else { return Ok(Done::Failed) };
        let appended = producer.transaction(&mut outputs).with_position(&mut actor.is).commit();
        if appended.is_err() {
            self.named[JOB] = None; // What it has read is to be read again.
        }
        self.take_answer(appended.map(|appended| appended.first_offset), false)
    }

    fn follow(&mut self, take: usize) -> Result<Done, Violation> {
        if self.follower.is_none() {
            let (process, vfs) = self.new_process();
            let options = ConsumerOptions::new().lock_wait(LockWait::Try);
            let Ok(consumer) = options.open_in(vfs, STREAM) else { return Ok(Done::Failed) };
            let next = consumer.token().map_or(0, |token| token.offset);
            let is = Follower { consumer, next, table: Default::default() };
            self.follower = Some(Actor { process, is });
        }
        let all = self.ledger.entries();
        let Some(actor) = &mut self.follower else { return Ok(Done::Failed) };
        let follower = &mut actor.is;
        for _ in 0..take {
            match follower.consumer.try_next() {
                Ok(Some(record)) => {
                    let entry = entry(&record);
                    let next = self.ledger.check_step(&all, follower.next, record.offset, &entry);
                    follower.next = next?;
                    note(&mut follower.table, &entry);
                }
                Ok(None) => return self.follower_is_at_the_end(&all),
                Err(ReadError::OffsetOutOfRange { offset, low, .. }) => {
                    self.follower = None;
                    // Just behind the segment that it lost, too: markers may be gone (V-8).
                    let told = self.ledger.deletes && offset <= low;
                    let what = format!("told that {offset} is out of range, {low} the lowest");
                    let wrong = || broken(Promise::GapFreeUnderSteward, what);
                    return if told { Ok(Done::Yes) } else { Err(wrong()) };
                }
                Err(_) => return Ok(Done::Failed),
            }
        }
        Ok(Done::Yes)
    }

    /// It has held a segment all the time, and so missed no marker, however old (S-7).
    fn follower_is_at_the_end(&mut self, all: &[Entry]) -> Result<Done, Violation> {
        let Some(actor) = &mut self.follower else { return Ok(Done::Failed) };
        let follower = &mut actor.is;
        let end = follower.consumer.token().map_or(0, |token| token.offset);
        self.ledger.check_missing(all, follower.next, end)?;
        follower.next = end;
        let (read, expected) = (&follower.table, table(&all[..end as usize]));
        if end != all.len() as u64 || *read != expected {
            let what = format!("all along to {end}: {read:?}, appended: {expected:?}");
            return Err(broken(Promise::CompactionKeepsLatest, what));
        }
        Ok(Done::Yes)
    }
}
