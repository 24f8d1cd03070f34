//! Runs of programs under one name that are listened to: each reads inputs and makes an output
//! of each, and commits its position in the same block, or alone. They may interrupt each other
//! before each call of the seam, die, and have the name taken from under them. An operator may set
//! the position by hand.
//!
//! What a program was given is no action of the code, so the programs note it themselves.

use std::path::Path;
use std::sync::Arc;

use puro::internals::change_in;
use puro::internals::dir::Directory;
use puro::internals::vfs::LockWait;
use puro::{AutoCommit, Batch, ConsumerOptions, NamedConsumer, NamedOptions, NewRecord};
use puro::{Producer, Start};

use super::Event;
use super::stage::{Heard, Stage};
use super::turns::{Kind, Part, Turns};
use crate::generate::Rng;
use crate::history::{STREAM, options};
use crate::ledger::{JOB, NAMES, Topic};
use crate::sim::{Fuse, SimVfs};

/// Who and how long.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Records to be processed.
    pub inputs: u32,
    /// How often each program goes about the next step.
    pub steps: u64,
    /// Whether the outputs are kept elsewhere, and positions committed alone.
    pub apart: bool,
    /// One step in so many ends with the death of the program; 0 for none.
    pub deaths: u64,
    /// One step in so many takes the name from whoever has it; 0 for none.
    pub thefts: u64,
    /// One opening in so many sets the position by hand, or removes it, instead; 0 for none.
    pub sets: u64,
    /// Losses of power, each after some calls.
    pub boots: u64,
}

/// Whether programs ask for this input, the first of which is 1. They pass by the others (C-8).
#[must_use]
pub fn is_asked_for(input: u32) -> bool {
    !input.is_multiple_of(3)
}

/// Programs at once.
const PROGRAMS: u32 = 2;

struct Program {
    stage: Stage,
    turns: Arc<Turns>,
    cast: Cast,
    rng: Rng,
    role: String,
    running: Option<Running>,
}

struct Running {
    process: u32,
    vfs: Heard,
    named: NamedConsumer<Heard>,
}

/// Plays a cast; what happened is determined by the seed, and who goes on by what makes turns.
#[must_use]
pub fn play(cast: &Cast, seed: u64, turns: Kind) -> Vec<Event> {
    let stage = Stage::new();
    let (process, vfs) = stage.process("inputs");
    let mut producer = options(1 << 20).durable(true).open_in(vfs, STREAM).expect("a new stream");
    for number in 0..cast.inputs {
        let topic = if is_asked_for(number + 1) { Topic::In.name() } else { "nobody's" };
        let appended = producer.append(&NewRecord::new(topic, &number.to_le_bytes()));
        stage.note(process, "Input", appended.expect("nothing fails here").first_offset, "");
    }
    for boot in 0..=cast.boots {
        let mut rng = Rng::new(seed ^ (boot << 32));
        let calls = (boot < cast.boots).then(|| 60 + rng.below(300));
        let turns = turns(rng.next_u64(), calls);
        let parts = (1..=PROGRAMS).map(|number| {
            let mut program = Program {
                stage: stage.clone(),
                turns: Arc::clone(&turns),
                cast: *cast,
                rng: Rng::new(rng.next_u64()),
                role: format!("program {number}"),
                running: None,
            };
            let part: Part = Box::new(move || program.run());
            part
        });
        let parts = parts.collect();
        stage.play(&turns, parts);
        if boot < cast.boots && !turns.are_over() {
            stage.lose_power(|_, newest| newest);
        }
    }
    stage.events()
}

impl Program {
    fn run(&mut self) {
        for _ in 0..self.cast.steps {
            if self.turns.are_over() {
                return;
            }
            let dead = |running: &Running| self.stage.is_dead(running.process);
            self.running.take_if(|running| dead(running));
            if self.cast.thefts > 0 && self.rng.one_in(self.cast.thefts) {
                self.steal();
            }
            match self.running.take() {
                None if self.cast.sets > 0 && self.rng.one_in(self.cast.sets) => self.set(),
                None => self.open(),
                Some(running) => self.work(running),
            }
        }
        self.end();
    }

    /// Takes the name from whoever has it: its lock's file is gone, against L-4.
    fn steal(&self) {
        let (thief, _) = self.stage.process("thief");
        let locks = Path::new(STREAM).join("consumers");
        let locks = Directory::new(SimVfs::new(self.stage.world(), thief), &locks);
        if locks.remove(&format!("{}.lock", NAMES[JOB]), "remove").is_ok() {
            self.stage.note(thief, "LoseLock", 0, "");
        }
    }

    fn open(&mut self) {
        let (process, vfs) = self.stage.process(&self.role);
        let consumer = ConsumerOptions::new().topic(Topic::In.name()).lock_wait(LockWait::Try);
        let options = NamedOptions::new().consumer(consumer).auto_commit(AutoCommit::Never);
        match options.open_in(vfs.clone(), STREAM, NAMES[JOB]) {
            Ok(named) => self.running = Some(Running { process, vfs, named }),
            // The name is taken, or writer.lock is.
            Err(_) => self.stage.note(process, "Ends", 0, ""),
        }
    }

    /// Does what an operator does.
    fn set(&mut self) {
        let (process, vfs) = self.stage.process(&self.role);
        self.stage.note(process, "Operates", 0, "");
        let to = match self.rng.below(3) {
            0 => None,
            1 => Some(Start::Beginning),
            _ => Some(Start::Offset(self.rng.below(u64::from(self.cast.inputs) + 1))),
        };
        // The name may be taken, or writer.lock.
        let _ = change_in(vfs, STREAM, NAMES[JOB], to);
        self.stage.note(process, "Ends", 0, "");
    }

    fn work(&mut self, mut running: Running) {
        let dies = self.cast.deaths > 0 && self.rng.one_in(self.cast.deaths);
        if dies {
            let bytes = [0, 1, 64, 128][self.rng.below(4) as usize];
            let (process, calls) = (running.process, self.rng.below(25));
            self.stage.world().set_fuse(Fuse { process, calls, bytes });
        }
        let done = self.process_one(&mut running);
        if dies {
            self.stage.kill(running.process);
        }
        self.running = Some(running);
        if !done {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(running) = self.running.take() {
            self.stage.note(running.process, "Ends", 0, "");
        }
    }

    /// Reads an input, makes something of it, and says that it did; `false` if that failed.
    fn process_one(&mut self, running: &mut Running) -> bool {
        let Running { process, vfs, named } = running;
        let input = match named.try_next() {
            Ok(Some(record)) => record.offset,
            // What was passed by is committed, too. Where outputs are in the stream, they are passed by
            // as well, and are no inputs.
            Ok(None) => return !self.cast.apart || named.commit().is_ok(),
            Err(_) => return false,
        };
        self.stage.note(*process, "Process", input, if self.cast.apart { "apart" } else { "" });
        if self.cast.apart {
            return named.commit().is_ok();
        }
        let options = options(1 << 20).create(false).durable(self.rng.one_in(2));
        let Ok(mut producer): Result<Producer<Heard>, _> = options.open_in(vfs.clone(), STREAM)
        else {
            return false;
        };
        let mut output = Batch::new();
        let record = NewRecord::new(Topic::Out.name(), b"made of an input");
        output.push(&record).expect("a small record");
        producer.transaction(&mut output).with_position(named).commit().is_ok()
    }
}
