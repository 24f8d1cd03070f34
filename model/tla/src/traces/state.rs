//! What module State sees of a run: programs under one name, inputs, and the position.
//!
//! Inputs are counted by their offsets, so a position covers as many of them as lie below it.
//! Programs 3 and 4 are those whose outputs are kept elsewhere. What a program read of the
//! position when it was opened is told a little after it had looked under `writer.lock`; it is
//! put back there. Whoever dies in a call may have committed by that.

use std::collections::{BTreeMap, BTreeSet};

use puro_model::generate::Rng;
use puro_model::trace::Event;
use puro_model::trace::positions::is_asked_for;

use super::event::Step;
use super::mutate::Meaning;

/// Programs whose outputs are kept elsewhere are those above this number.
pub const TOGETHER: u32 = 2;

/// Projects a run.
pub fn project(events: &[Event], apart: bool) -> Vec<Step> {
    let mut looked = BTreeMap::new();
    let mut placed: Vec<(u64, &Event)> = Vec::new();
    for event in events {
        if event.name == "StepOver" {
            looked.insert(event.actor, event.at);
        }
        let read = (event.name == "ReadEntry").then(|| looked.get(&event.actor)).flatten();
        placed.push((read.copied().unwrap_or(event.at), event));
    }
    placed.sort_by_key(|(place, _)| *place);
    let mut view = View { apart, ..View::default() };
    for (_, event) in placed {
        view.take(event);
    }
    view.steps
}

/// Constants of the module; where it has bounds, they are out of reach.
#[must_use]
pub fn constants(inputs: u32) -> Vec<(&'static str, String)> {
    let mine = (1..=inputs).filter(|input| is_asked_for(*input));
    let mine: Vec<_> = mine.map(|input| input.to_string()).collect();
    vec![
        ("Programs", "{1, 2, 3, 4}".to_owned()),
        ("Apart", "{3, 4}".to_owned()),
        ("Inputs", inputs.to_string()),
        ("MaxDeaths", "999".to_owned()),
        ("MaxSets", "999".to_owned()),
        ("Mine", format!("{{{}}}", mine.join(", "))),
        ("MaxLow", "0".to_owned()),
        ("MaxBoots", "999".to_owned()),
    ]
}

#[derive(Default)]
struct View {
    apart: bool,
    steps: Vec<Step>,
    /// Which program a process is.
    programs: BTreeMap<u32, u32>,
    /// Processes that set the position by hand.
    operators: BTreeSet<u32>,
    /// Programs that have made something that they have not committed.
    busy: BTreeSet<u32>,
    inputs: Vec<u64>,
    owner: Option<u32>,
    /// The lock's file was taken: who has that open may still lock it, beside a new one.
    loose: bool,
}

impl View {
    fn below(&self, offset: u64) -> i64 {
        self.inputs.iter().filter(|input| **input < offset).count() as i64
    }

    fn push(&mut self, op: &str, program: u32, number: i64) {
        self.steps.push(Step::new(op, program).number(number));
    }

    fn lose_lock(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.push("LoseLock", owner, 0);
        }
    }

    fn take(&mut self, event: &Event) {
        let program = self.programs.get(&event.actor).copied();
        let (name, covers) = (event.name.as_str(), self.below(event.value));
        match (name, program) {
            ("Begins", _) => {
                let number = event.label.strip_prefix("program ").and_then(|n| n.parse().ok());
                let shift = if self.apart { TOGETHER } else { 0 };
                let number = number.map(|number: u32| number + shift);
                self.programs.extend(number.map(|number| (event.actor, number)));
            }
            ("Input", _) => self.inputs.push(event.value),
            ("Operates", _) => drop(self.operators.insert(event.actor)),
            ("CommitRefused", Some(program)) if self.operators.contains(&event.actor) => {
                self.push("SetRefused", program, 0);
            }
            ("Sync" | "SyncSeal" | "SyncRaise" | "SyncEpoch" | "SyncCut" | "SyncAgain", _) => {
                self.push("Sync", 0, 0);
            }
            ("LoseLock", _) => {
                self.loose = true;
                self.lose_lock();
            }
            ("PowerLoss", _) => {
                let programs = std::mem::take(&mut self.programs);
                self.busy.clear();
                programs.into_values().for_each(|program| self.push("Die", program, 0));
                self.owner = None;
                self.push(name, 0, covers);
            }
            ("LockName", Some(program)) => {
                if self.loose {
                    self.lose_lock();
                }
                self.owner = Some(program);
                self.push(name, program, 0);
            }
            ("Process", Some(program)) => {
                self.busy.insert(program);
                self.push(name, program, covers + 1);
            }
            ("CommitPosition", Some(program)) if !self.busy.contains(&program) => {
                self.push("PassBy", program, covers);
            }
            (
                "ReadEntry" | "CommitBoth" | "CommitPosition" | "CommitRefused" | "SetPosition",
                Some(program),
            ) => {
                self.busy.remove(&program);
                self.push(name, program, covers);
            }
            ("Die" | "Ends", Some(program)) => {
                self.programs.remove(&event.actor);
                self.busy.remove(&program);
                if name == "Die" {
                    self.push("CommitMay", program, 0);
                }
                self.push("Die", program, 0);
                self.owner.take_if(|owner| *owner == program);
            }
            _ => {}
        }
    }
}

/// What of an event module TraceState looks at.
pub struct Judged;

const WORLD: [&str; 5] = ["Sync", "LoseLock", "Die", "PowerLoss", "CommitMay"];

fn is_worlds(step: &Step) -> bool {
    WORLD.contains(&step.op.as_str())
}

impl Meaning for Judged {
    /// The program does something else before it dies.
    fn matters(&self, steps: &[Step], at: usize) -> bool {
        let mut later = steps[at + 1..].iter();
        let next = later.find(|next| next.actor == steps[at].actor && next.op != "LoseLock");
        !is_worlds(&steps[at]) && next.is_some_and(|next| !is_worlds(next))
    }

    fn depend(&self, first: &Step, second: &Step) -> bool {
        !is_worlds(first) && !is_worlds(second) && first.actor == second.actor
    }

    fn changed(&self, step: &Step, rng: &mut Rng) -> Option<Step> {
        let numbered =
            ["ReadEntry", "Process", "CommitBoth", "CommitPosition", "PassBy", "SetPosition"];
        let further = if rng.one_in(2) { 1 } else { -1 };
        let to = Step { number: step.number + further, ..step.clone() };
        numbered.contains(&step.op.as_str()).then_some(to)
    }
}
