//! What module Segment sees of a run.
//!
//! # From bytes to the model
//! All blocks of these runs are 128 bytes long, so the model's units are the file's: unit u are
//! the 64 bytes from `base + 64 (u - 1)` on, `base` being the end of the opening checkpoint, and
//! every block has two. Each append has one record, so offsets are the same too. A block is the
//! number of the event that began it (`made`). What is left of a unit after a loss of power is
//! the part of the block whose bytes it has, but for the signal; or zero; or junk.
//!
//! Each process is a writer of its own, unless its appends have sequences: then its role is the
//! writer, which asks again for what the process before may not have got (C-4). A reader
//! is a role always: its token outlives it.
//!
//! # What is added
//! `Deliver`, `ReadAfresh` and `LookBehind` get the `ReadStart` and `ReadBody` that each is made of. A reader
//! that is placed behind blocks has read them. An `Unlock` in a session that appended nothing is
//! `Leave`, or nothing where it did not even look; one after an action that in the model unlocks is left out.
//! The look before `CutZeros` is not told: `Maybe`, twice. Who dies, or has a write
//! fail, may have done the work of that call or not: `Maybe...`.

use std::collections::{BTreeMap, BTreeSet};

use puro_model::trace::Event;

use puro_model::generate::Rng;

use super::event::{ENOUGH, Step, Unit, numbers};
use super::mutate::Meaning;

const UNIT: u64 = 64;
const PARTS: usize = 2;

/// A run as module Segment sees it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub steps: Vec<Step>,
    pub writers: u32,
    pub readers: u32,
    pub units: i64,
    pub made: usize,
}

impl Seen {
    /// Makes room for what another run needs.
    pub fn widen(&mut self, other: &Self) {
        self.writers = self.writers.max(other.writers);
        self.readers = self.readers.max(other.readers);
        self.units = self.units.max(other.units);
    }

    /// The constants of the specification that have room for it.
    pub fn constants(&self) -> Vec<(&'static str, String)> {
        let bounds =
            ["Requests", "MaxMade", "MaxDeaths", "MaxBoots", "MaxFails", "MaxGiveUps", "MaxHarms"];
        let mut constants = vec![
            ("Units", self.units.to_string()),
            ("Writers", numbers(self.writers)),
            ("Readers", numbers(self.readers)),
            ("Sizes", format!("{{{PARTS}}}")),
            ("DurableRead", "FALSE".to_owned()),
            ("MaxZeros", self.units.to_string()),
            ("NearLook", "FALSE".to_owned()),
        ];
        constants.extend(bounds.map(|bound| (bound, ENOUGH.to_owned())));
        constants
    }
}

struct Block {
    unit: i64,
    bytes: Vec<u8>,
}

/// What is still to come of the session of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Session {
    /// Nothing was appended yet.
    Looks,
    /// A block is begun, of which so much is to come.
    Begun,
    Written,
    /// `Unlock` is an action of the model.
    Done,
    /// The model has unlocked.
    Over,
}

struct Converter {
    base: u64,
    seen: Seen,
    blocks: Vec<Block>,
    names: BTreeMap<u32, String>,
    writers: BTreeMap<String, u32>,
    readers: BTreeMap<String, u32>,
    sessions: BTreeMap<u32, Session>,
    /// Processes that have locked: the others were none to the model yet.
    locked: BTreeSet<u32>,
    raising: BTreeMap<u32, bool>,
    named: bool,
}

/// Projects a run without rollover, from the moment at which its segment has its name.
pub fn project(events: &[Event], named: bool) -> Result<Seen, String> {
    let made = events.iter().find(|event| event.name == "SyncName");
    let base = made.ok_or("the run made no segment")?.position;
    let mut converter = Converter {
        base,
        seen: Seen::default(),
        blocks: Vec::new(),
        names: BTreeMap::new(),
        writers: BTreeMap::new(),
        readers: BTreeMap::new(),
        sessions: BTreeMap::new(),
        locked: BTreeSet::new(),
        raising: BTreeMap::new(),
        named,
    };
    let mut begun = false;
    for event in events {
        if event.name == "Begins" {
            converter.names.insert(event.actor, event.label.clone());
        } else if begun {
            converter.take(event)?;
        }
        // The session that made the segment is no matter of this module.
        begun |= event.name == "SyncName";
    }
    let Converter { mut seen, writers, readers, blocks, .. } = converter;
    seen.writers = writers.len() as u32;
    seen.readers = readers.len() as u32;
    seen.made = blocks.len();
    let ends = seen.steps.iter().map(|step| step.position + PARTS as i64);
    seen.units = ends.max().unwrap_or(0).max(2);
    Ok(seen)
}

impl Converter {
    fn unit(&self, position: u64) -> i64 {
        (position as i64 - self.base as i64) / UNIT as i64 + 1
    }

    fn writer(&mut self, process: u32) -> u32 {
        let role = self.names.get(&process).cloned().unwrap_or_default();
        let name = if self.named { role } else { format!("{role} {process}") };
        let next = self.writers.len() as u32 + 1;
        *self.writers.entry(name).or_insert(next)
    }

    fn reader(&mut self, process: u32) -> u32 {
        let role = self.names.get(&process).cloned().unwrap_or_default();
        let next = self.readers.len() as u32 + 1;
        *self.readers.entry(role).or_insert(next)
    }

    fn push(&mut self, step: Step) {
        self.seen.steps.push(step);
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        let place = self.unit(event.position);
        match event.name.as_str() {
            "ReadAfresh" | "Deliver" | "Placed" | "LookBehind" | "Resume" => {
                self.take_reading(event, place);
            }
            "PowerLoss" => self.lose_power(event),
            "Die" => self.die(event),
            "Harm" => self.push(Step::new("Harm", 0).at(place)),
            // A lock that was not had, for zeros to be cut off (Z-8); and the matter of other modules.
            "TimesOut" | "Seek" | "Pin" | "CheckName" | "SyncNamesFirst" | "Finish" => {}
            _ => return self.take_writing(event, place),
        }
        Ok(())
    }

    fn take_writing(&mut self, event: &Event, place: i64) -> Result<(), String> {
        let (process, writer) = (event.actor, self.writer(event.actor));
        let step = Step::new(&event.name, writer).at(place).word(&event.label);
        let session = self.sessions.get(&process).copied();
        let next = match event.name.as_str() {
            "Lock" => {
                self.locked.insert(process);
                Session::Looks
            }
            // The session that made the segment ends in the projection.
            "Unlock" if session.is_none() => return Ok(()),
            // A look at the end that found it changed, or was not had: nothing came of it.
            "Unlock" if session == Some(Session::Looks) && self.only_locked(writer) => {
                self.sessions.remove(&process);
                return Ok(());
            }
            "Unlock" => {
                self.sessions.remove(&process);
                match session {
                    Some(Session::Looks) => self.push(Step::new("Leave", writer)),
                    Some(Session::Over) => {}
                    _ => self.push(Step::new("Unlock", writer)),
                }
                return Ok(());
            }
            "Reserve" | "RaiseEpoch" => {
                self.blocks.push(Block { unit: place, bytes: Vec::new() });
                self.raising.insert(process, event.name == "RaiseEpoch");
                let size = event.value.div_ceil(UNIT);
                if size != PARTS as u64 {
                    return Err(format!("a block of {} bytes", event.value));
                }
                self.push(step.number(size as i64));
                self.sessions.insert(process, Session::Begun);
                return Ok(());
            }
            "WritePart" => {
                if let Some(block) = self.blocks.last_mut() {
                    block.bytes = event.bytes.clone();
                }
                (0..PARTS).for_each(|_| self.push(step.clone()));
                self.sessions.insert(process, Session::Written);
                return Ok(());
            }
            "Commit" if self.raising.get(&process) == Some(&true) => Session::Looks,
            "Commit" | "Duplicate" => Session::Done,
            "GiveUp" => {
                if session == Some(Session::Begun) {
                    (0..PARTS).for_each(|_| self.push(Step::new("MaybeWrite", writer)));
                }
                Session::Over
            }
            "StopDamaged" => Session::Over,
            "SyncFails" | "SyncTells" if event.label == "SyncAgain" => match session {
                Some(Session::Done) => Session::Done,
                _ => Session::Over,
            },
            "Rewrite" if self.is_mending(writer) => Session::Done,
            "PutZeros" => {
                self.push(step.at(self.unit(event.value) - 1));
                return Ok(());
            }
            // After a look that is not told.
            "CutZeros" => {
                (0..2).for_each(|_| self.push(Step::new("Maybe", writer)));
                self.push(step);
                self.sessions.insert(process, Session::Over);
                return Ok(());
            }
            "Sync" | "Return" => {
                self.push(step);
                return Ok(());
            }
            _ => session.unwrap_or(Session::Looks),
        };
        let offset = i64::try_from(event.value).unwrap_or(-1);
        self.push(step.number(offset));
        if self.sessions.contains_key(&process) || event.name == "Lock" {
            self.sessions.insert(process, next);
        }
        Ok(())
    }

    /// Whether the writer did nothing but lock; then it is as if it had not.
    fn only_locked(&mut self, writer: u32) -> bool {
        let of_writer = |step: &Step| step.actor == writer && !READING.contains(&step.op.as_str());
        let last = self.seen.steps.iter().rposition(of_writer);
        let found = last.filter(|at| self.seen.steps[*at].op == "Lock");
        found.map(|at| self.seen.steps.remove(at)).is_some()
    }

    /// Whether the writer has locked only to rewrite.
    fn is_mending(&self, writer: u32) -> bool {
        let mine = self.seen.steps.iter().rev().find(|step| step.actor == writer);
        mine.is_some_and(|step| step.op == "Lock")
    }

    fn take_reading(&mut self, event: &Event, place: i64) {
        let reader = self.reader(event.actor);
        match event.name.as_str() {
            // Opening checkpoints are no blocks of the model.
            "Deliver" if place < 1 => {}
            "Resume" => self.push(Step::new("Resume", reader)),
            "Placed" => {
                for passed in (1..place).step_by(PARTS) {
                    self.push_look(Step::new("Deliver", reader).at(passed).number(-1));
                }
            }
            name => {
                let offset = i64::try_from(event.value).unwrap_or(-1);
                self.push_look(Step::new(name, reader).at(place).number(offset));
            }
        }
    }

    fn push_look(&mut self, step: Step) {
        for op in ["ReadStart", "ReadBody"] {
            self.push(Step::new(op, step.actor).at(step.position));
        }
        self.push(step);
    }

    fn die(&mut self, event: &Event) {
        let role = self.names.get(&event.actor).cloned().unwrap_or_default();
        if role.starts_with("reader") || !self.locked.contains(&event.actor) {
            return;
        }
        let writer = self.writer(event.actor);
        let session = self.sessions.remove(&event.actor);
        match session {
            Some(Session::Begun) => {
                if let Some(block) = self.blocks.last_mut() {
                    block.bytes = event.bytes.clone();
                }
                (0..PARTS).for_each(|_| self.push(Step::new("MaybeWrite", writer)));
            }
            _ => self.push(Step::new("Maybe", writer)),
        }
        self.push(Step::new("Die", writer));
    }

    fn lose_power(&mut self, event: &Event) {
        let bytes = event.bytes.get(self.base as usize..).unwrap_or_default();
        let mut step = Step::new("PowerLoss", 0).at(bytes.len().div_ceil(UNIT as usize) as i64);
        for (index, unit) in bytes.chunks(UNIT as usize).enumerate() {
            step.units.push(self.identify(index as i64 + 1, unit));
        }
        self.sessions.clear();
        self.push(step);
    }

    /// What stands in a unit.
    fn identify(&self, unit: i64, bytes: &[u8]) -> Unit {
        if bytes.iter().all(|byte| *byte == 0) {
            return (0, 0, 0);
        }
        for (index, block) in self.blocks.iter().enumerate().rev() {
            let number = index as u32 + 1;
            let same = |from: usize, skip: usize| {
                let written = block.bytes.get(from..from + UNIT as usize);
                bytes.len() == UNIT as usize && written.map(|b| &b[skip..]) == Some(&bytes[skip..])
            };
            if block.unit == unit && same(0, 1) {
                return (number, 1, u8::from(bytes[0] == puro::internals::layout::SIGNAL_HIGH));
            }
            if block.unit + 1 == unit && same(UNIT as usize, 0) {
                return (number, 2, 0);
            }
        }
        (0, 1, 1)
    }
}

/// What of an event module TraceSegment looks at.
pub struct Judged;

const READING: [&str; 6] =
    ["ReadStart", "ReadBody", "Deliver", "ReadAfresh", "LookBehind", "Resume"];
const WORLD: [&str; 5] = ["Die", "PowerLoss", "Harm", "Maybe", "MaybeWrite"];

fn same_actor(one: &Step, other: &Step) -> bool {
    let reads = |step: &Step| READING.contains(&step.op.as_str());
    one.actor == other.actor && reads(one) == reads(other)
}

impl Meaning for Judged {
    /// Whoever did it does something else later, in the same boot.
    fn matters(&self, steps: &[Step], at: usize) -> bool {
        let step = &steps[at];
        if WORLD.contains(&step.op.as_str()) || step.op == "Resume" {
            return false;
        }
        let later = steps[at + 1..].iter().take_while(|next| next.op != "PowerLoss");
        let mut later = later.filter(|next| same_actor(step, next));
        later.next().is_some_and(|next| !WORLD.contains(&next.op.as_str()) && next.op != step.op)
    }

    fn depend(&self, first: &Step, second: &Step) -> bool {
        let world = |step: &Step| WORLD.contains(&step.op.as_str());
        if world(first) || world(second) {
            return false;
        }
        let hands_over = ["Unlock", "Leave"].contains(&first.op.as_str()) && second.op == "Lock";
        let reads_both = first.op == "ReadStart" && second.op == "ReadBody";
        hands_over || same_actor(first, second) && first.op != second.op && !reads_both
    }

    fn changed(&self, step: &Step, rng: &mut Rng) -> Option<Step> {
        let mut to = step.clone();
        let further = if rng.one_in(2) { PARTS as i64 } else { -(PARTS as i64) };
        match step.op.as_str() {
            "Classify" => {
                let rows = ["clean", "unseen", "lost", "damaged"];
                to.word = rows[rng.below(4) as usize].to_owned();
            }
            "StepOver" | "Commit" if rng.one_in(2) => to.number += further / PARTS as i64,
            "StepOver" | "Commit" | "Reserve" | "RaiseEpoch" | "Truncate" | "SyncCut"
            | "PutZeros" | "SyncRaise" | "SyncEpoch" | "Sync" | "SyncAgain" | "Rewrite"
            | "ReadStart" | "ReadBody" | "Deliver" | "ReadAfresh" => to.position += further,
            _ => return None,
        }
        (to != *step).then_some(to)
    }
}
