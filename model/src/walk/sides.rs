//! The actors as the driver sees them: where each is, and what its code is about to do,
//! in the words of the model.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::cast::Answer;
use super::gate::{Gate, Leaving, Order, Permit, Place};
use super::picture::{Pc, Reading, Unit};

/// A writer.
pub struct WriterSide {
    /// Where its thread stops.
    pub gate: Arc<Gate>,
    /// The process that lives.
    pub process: u32,
    /// Where it is.
    pub place: Place,
    /// What its code has decided to do next, and perhaps done, where that is to be seen by nobody else.
    pub due: VecDeque<&'static str>,
    /// What came of its last append.
    pub answer: Option<Answer>,
    /// The append it is in.
    pub order: Order,
    /// Whether it found that append to be made already.
    pub duplicate: bool,
    /// `mem`: what it remembers of the stream.
    pub mem: Vec<u8>,
    /// `known`.
    pub known: u8,
    /// `req`: the request it is at.
    pub req: u8,
    /// `job`: the block that it writes, or 0.
    pub job: u8,
    /// Whether it is to raise the epoch after a repair.
    pub must: bool,
    /// The actions that its code says it took and the driver has not come to, with positions.
    told: VecDeque<(&'static str, u64)>,
}

/// The actions of a writer's code that are steps of the model.
const TOLD: [&str; 21] = [
    "Lock",
    "StepOver",
    "Classify",
    "StopDamaged",
    "SaveTail",
    "Truncate",
    "SyncCut",
    "RaiseEpoch",
    "SyncEpoch",
    "Duplicate",
    "Leave",
    "Reserve",
    "WritePart",
    "Commit",
    "PutZeros",
    "CutZeros",
    "GiveUp",
    "SyncRaise",
    "Unlock",
    "Sync",
    "Return",
];

fn go_on(gate: &Gate, permit: Permit) -> Result<Place, String> {
    gate.permit(permit);
    match gate.wait() {
        Place::Lost(why) => Err(why),
        place => Ok(place),
    }
}

/// Whether a block raises the epoch: it holds no record of a user.
pub fn raises(block: &[u8]) -> bool {
    use puro::internals::layout::start::RECORD_COUNT;
    puro::internals::codec::get_u32(block, RECORD_COUNT) == Some(0)
}

impl WriterSide {
    /// A writer whose thread is between two operations.
    pub fn new(gate: Arc<Gate>, process: u32) -> Self {
        let place = gate.wait();
        Self {
            gate,
            process,
            place,
            due: VecDeque::new(),
            answer: None,
            order: Order::default(),
            duplicate: false,
            mem: Vec::new(),
            known: 1,
            req: 1,
            job: 0,
            must: false,
            told: VecDeque::new(),
        }
    }

    /// Lets its code run until it stops again, having done `done`.
    pub fn go(&mut self, permit: Permit, done: &'static str) -> Result<(), String> {
        self.place = go_on(&self.gate, permit)?;
        if let Place::Idle(Some(answer)) = &self.place {
            self.answer = Some(answer.clone());
        }
        let told = std::mem::take(&mut self.gate.inside().told);
        self.told.extend(told.into_iter().filter(|(name, _)| TOLD.contains(name)));
        let classified = (done == "StepOver").then_some("Classify");
        self.due = classified.into_iter().chain(self.ahead(done)).collect();
        Ok(())
    }

    /// What the model calls what the code is about to do, having done `done`.
    fn ahead(&self, done: &str) -> Vec<&'static str> {
        match &self.place {
            Place::Look => vec!["StepOver"],
            Place::Save => vec!["SaveTail"],
            Place::Cut if self.closes() => vec!["CutZeros"],
            Place::Cut => vec!["Truncate"],
            Place::Sync => vec![match done {
                "Truncate" => "SyncCut",
                "Commit" => "SyncRaise",
                "Unlock" => "Sync",
                _ => "SyncEpoch",
            }],
            Place::Write { .. } if done == "WritePart" => vec!["WritePart"],
            Place::Write { block, .. } if raises(block) => vec!["RaiseEpoch", "WritePart"],
            Place::Write { .. } => vec!["Reserve", "WritePart"],
            Place::Signal => vec!["Commit"],
            Place::Unlock if self.order.leaves.is_some() => vec!["Leave"],
            Place::Zeros { .. } => vec!["PutZeros"],
            Place::Unlock if matches!(done, "Commit" | "PutZeros") => vec!["Unlock"],
            Place::Unlock => vec!["Duplicate", "Unlock"],
            Place::Idle(Some(Answer::Damaged)) => vec!["StopDamaged"],
            // What is known to be on disk is synced by doing nothing.
            Place::Idle(Some(Answer::Appended { .. })) if done == "Unlock" => {
                vec![if self.order.durable { "Sync" } else { "Return" }]
            }
            _ => Vec::new(),
        }
    }

    /// The step that its code takes next; `None` between two appends.
    pub fn next(&self) -> Option<&'static str> {
        self.due.front().copied()
    }

    /// `pc`.
    pub fn pc(&self) -> Pc {
        Pc(match self.next() {
            None => "idle",
            Some("StepOver") => "look",
            Some("Classify") => "looked",
            Some("SaveTail") => "save",
            Some("Truncate") => "cut",
            Some("SyncCut") => "cutsync",
            Some("StopDamaged") => "stop",
            Some("WritePart" | "Commit") => "write",
            Some("SyncRaise") => "raised",
            Some("PutZeros" | "Unlock") => "done",
            Some("Sync" | "Return") => "sync",
            Some(_) => "ready",
        })
    }

    /// Whether its producer is being closed.
    fn closes(&self) -> bool {
        self.order.leaves == Some(Leaving::Closes)
    }

    /// `left`: the parts of its block that are to be written.
    pub fn left(&self) -> BTreeSet<u8> {
        match &self.place {
            Place::Write { left, .. } if self.job > 0 => left.iter().copied().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// All that it had in memory is gone.
    pub fn forget(&mut self, process: u32) {
        self.process = process;
        (self.answer, self.duplicate, self.must) = (None, false, false);
        self.mem.clear();
        self.told.clear();
        (self.known, self.job) = (1, 0);
    }

    /// Whether the code says that it took this step, and where.
    pub fn check_told(&mut self, step: &str, end: u64) -> Result<(), String> {
        let whole = !matches!(self.place, Place::Write { .. });
        // Of the look before zeros are cut off (Z-8) nothing is told.
        let unsaid = self.closes() && matches!(step, "StepOver" | "Classify");
        if !TOLD.contains(&step) || (step == "WritePart" && !whole) || unsaid {
            return Ok(());
        }
        let told = self.told.pop_front();
        let fits = told.is_some_and(|(name, at)| {
            name == step && (at == end || matches!(name, "Lock" | "Unlock" | "Leave"))
        });
        if fits { Ok(()) } else { Err(format!("{step} at {end} is told as {told:?}")) }
    }

    /// A-11 where all is known to be on disk: the code tells that it returns, having done nothing.
    pub fn sync_nothing(&mut self) {
        self.due.pop_front();
        if let Some((name @ "Return", _)) = self.told.front_mut() {
            *name = "Sync";
        }
    }

    /// Whether who left without appending was answered so.
    pub fn check_left(&mut self) -> Result<(), String> {
        match self.answer.take() {
            Some(Answer::Opened | Answer::Refused(_)) => Ok(()),
            other => Err(format!("a writer that left is answered {other:?}")),
        }
    }

    /// Whether who was to close did so.
    pub fn check_closed(&mut self) -> Result<(), String> {
        match self.answer.take() {
            Some(Answer::Closed) => Ok(()),
            other => Err(format!("a writer that closes is answered {other:?}")),
        }
    }

    /// Whether the last append was answered as it must be.
    pub fn check_answer(&mut self) -> Result<(), String> {
        let expected = Answer::Appended { duplicate: self.duplicate };
        let answer = self.answer.take();
        if answer.as_ref() != Some(&expected) {
            return Err(format!("an append is answered {answer:?}, not {expected:?}"));
        }
        Ok(())
    }
}

/// A reader.
pub struct ReaderSide {
    /// Where its thread stops.
    pub gate: Arc<Gate>,
    /// Where it is.
    pub place: Place,
    /// What its code made of what it has read.
    pub made_of_it: Option<&'static str>,
    /// What the model knows of it.
    pub reading: Reading,
    /// What was not read yet of the second part: nothing, where blocks have none.
    pub no_rest: Unit,
}

impl ReaderSide {
    /// A reader whose thread is about to read.
    pub fn new(gate: Arc<Gate>) -> Self {
        let place = gate.wait();
        let no_rest = if gate.parts == 1 { Unit::ZERO } else { Unit::NONE };
        let (last, seen) = (Vec::new(), Vec::new());
        let reading = Reading { last, head: Unit::NONE, rest: no_rest, mark: 0, epoch: 0, seen };
        Self { gate, place, made_of_it: None, reading, no_rest }
    }

    /// Lets its code run until it stops again.
    pub fn go(&mut self, permit: Permit) -> Result<(), String> {
        self.place = go_on(&self.gate, permit)?;
        Ok(())
    }

    /// Where it stands, if it is about to read.
    pub fn position(&self) -> Option<u64> {
        if let Place::Read { position, .. } = self.place { Some(position) } else { None }
    }

    /// The steps that its code can take next.
    pub fn offers(&self) -> Vec<&'static str> {
        if let Some(step) = self.made_of_it {
            return vec![step];
        }
        let Place::Read { left, .. } = &self.place else { return Vec::new() };
        let steps = [(1, "ReadStart"), (2, "ReadBody")];
        steps.into_iter().filter(|(part, _)| left.contains(part)).map(|(_, step)| step).collect()
    }
}
