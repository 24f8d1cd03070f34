//! What module Steward sees of a run: records and rollovers as a whole, the steps of
//! whoever maintains, and one consumer.
//!
//! # From the code to the model
//! Record i of the model has offset i - 1. A control record is no record of the model, and takes no
//! offset either. A rollover is one event, at the moment when the new segment has its name.
//! The segment that a consumer opened is the one that had the name then, a list of segments is
//! as old as the call that made it, and a lock is had before its name is looked at: all three are told
//! of a little later, and put back here.
//!
//! A process dies in a call that may have done its work: of a writer that is the commit of its
//! record, or a rollover; of whoever holds `steward.lock` a step of that.

use std::collections::{BTreeMap, BTreeSet};

use puro_model::generate::Rng;
use puro_model::trace::{ASKS, Event, put_back};

use super::event::Step;
use super::mutate::Meaning;

/// What a process is about to do, as it said.
#[derive(Default)]
struct Process {
    role: String,
    /// The record that it is about to append: the key, and what it is.
    appends: Option<(u32, String)>,
    raises: bool,
    /// The next call may be the commit of that record, or may name the next segment.
    may_commit: bool,
    may_roll: bool,
    holds_lock: bool,
    /// It asked for `steward.lock`, and has not told yet whether it had it.
    asks: bool,
    writes: bool,
}

/// Projects a run.
pub fn project(events: &[Event]) -> Vec<Step> {
    let late = ["Seek", "HopOpen", "ListSegments", "Lock", "LockSteward", "TrySteward"];
    let is_late = |event: &Event| late.contains(&event.name.as_str()) && event.label != "told";
    let events = put_back(events, is_late);
    let mut view = View { silent: silent(&events), ..View::default() };
    for event in events {
        view.take(event);
    }
    view.steps
}

/// Who never told of the last time that it asked for `steward.lock`.
fn silent(events: &[&Event]) -> BTreeSet<u32> {
    let mut silent = BTreeSet::new();
    for event in events {
        match event.name.as_str() {
            ASKS => drop(silent.insert(event.actor)),
            "LockSteward" | "TrySteward" => drop(silent.remove(&event.actor)),
            _ => {}
        }
    }
    silent
}

/// Constants of the module; where it has bounds, they are out of reach.
#[must_use]
pub fn constants() -> Vec<(&'static str, String)> {
    let mut constants = vec![
        ("MaxSeq", "40".to_owned()),
        ("Temps", "{99}".to_owned()),
        ("Keys", "{1, 2}".to_owned()),
        ("Forced", "TRUE".to_owned()),
        ("MayBeAway", "TRUE".to_owned()),
    ];
    let bounds = ["PerSegment", "MaxRecs", "MaxInodes", "MaxBoots"];
    constants.extend(bounds.map(|bound| (bound, "99".to_owned())));
    constants
}

#[derive(Default)]
struct View {
    steps: Vec<Step>,
    processes: BTreeMap<u32, Process>,
    silent: BTreeSet<u32>,
}

impl View {
    /// Whether somebody may have `steward.lock` who dies without a word of it.
    fn is_held_in_silence(&self) -> bool {
        self.processes.iter().any(|(who, process)| process.asks && self.silent.contains(who))
    }

    fn take(&mut self, event: &Event) {
        let held_in_silence = self.is_held_in_silence();
        let process = self.processes.entry(event.actor).or_default();
        let step = Step::new(&event.name, event.actor)
            .at(i64::from(event.segment))
            .number(event.value as i64)
            .word(&event.label);
        let step = match event.name.as_str() {
            "Begins" => return process.role.clone_from(&event.label),
            "Appends" => {
                return process.appends = Some((event.value as u32, event.label.clone()));
            }
            "Lock" | "Unlock" => {
                process.writes = event.name == "Lock";
                Step { op: format!("{}Writer", event.name), ..step }
            }
            "RaiseEpoch" => return process.raises = true,
            "Reserve" => return process.raises = false,
            "WritePart" => return process.may_commit = !process.raises && event.label.is_empty(),
            "SyncMade" => return process.may_roll = true,
            // Entries, an epoch, a checkpoint or a segment end are no records.
            "Commit" if process.raises || !event.label.is_empty() => return,
            "Commit" => {
                process.may_commit = false;
                let Some((key, word)) = process.appends.take() else { return };
                Step { actor: key, ..step.word(&word) }
            }
            "Name" if event.segment == 0 => return,
            "Name" => {
                process.may_roll = false;
                Step { op: "Roll".to_owned(), ..step }
            }
            ASKS => return process.asks = true,
            "TrySteward" | "LockSteward" => {
                process.asks = false;
                process.holds_lock = event.value == 1;
                if event.value == 0 && held_in_silence {
                    return;
                }
                Step { op: "LockSteward".to_owned(), ..step }
            }
            "UnlockSteward" => {
                process.holds_lock = false;
                step
            }
            "Ends" => Step { op: "ConsumerDies".to_owned(), ..step },
            "Die" => return self.die(event.actor),
            "Build" => step.offsets(of_the_model(event)),
            "PowerLoss" => {
                self.processes.clear();
                step.offsets(of_the_model(event))
            }
            "ListSegments" | "BeginPass" | "TryExclusive" | "LockToDelete" | "Delete"
            | "DeleteForced" | "SyncDelete" | "SyncBuilt" | "LockToReplace" | "LeaveAsItIs"
            | "Replace" | "SyncReplace" | "Seek" | "Pin" | "CheckName" | "Read" | "HopOpen"
            | "HopPin" | "HopCheckName" | "LookBack" | "PinTimesOut" | "GoAway" => step,
            _ => return,
        };
        self.steps.push(step);
    }

    fn die(&mut self, who: u32) {
        let Some(process) = self.processes.remove(&who) else { return };
        if process.writes {
            self.steps.push(Step::new("UnlockWriter", who));
        }
        if process.role == "consumer" {
            self.steps.push(Step::new("ConsumerDies", who));
            return;
        }
        if let Some((key, word)) = process.appends.filter(|_| process.may_commit) {
            self.steps.push(Step::new("CommitMay", key).word(&word));
        }
        if process.may_roll {
            self.steps.push(Step::new("RollMay", who));
        }
        if process.holds_lock {
            self.steps.push(Step::new("StewardMay", who));
            self.steps.push(Step::new("StewardDies", who));
        }
    }
}

fn of_the_model(event: &Event) -> Vec<(u32, Vec<u64>)> {
    let records = |offsets: &[u64]| offsets.iter().map(|offset| offset + 1).collect();
    event.offsets.iter().map(|(segment, offsets)| (*segment, records(offsets))).collect()
}

/// What of an event module TraceSteward looks at.
pub struct Judged;

/// Who does a step, as far as the order of steps is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Writer,
    Steward,
    Consumer,
    WriterLock,
    World,
}

fn side(step: &Step) -> Side {
    match step.op.as_str() {
        "Commit" | "Roll" => Side::Writer,
        "LockWriter" | "UnlockWriter" => Side::WriterLock,
        "CommitMay" | "RollMay" | "StewardMay" | "StewardDies" | "ConsumerDies" | "PowerLoss" => {
            Side::World
        }
        "Seek" | "Pin" | "CheckName" | "Read" | "HopOpen" | "HopPin" | "HopCheckName"
        | "LookBack" | "PinTimesOut" | "GoAway" => Side::Consumer,
        _ => Side::Steward,
    }
}

/// A look that changes nothing.
fn is_look(step: &Step) -> bool {
    step.op == "TryExclusive" || step.op == "LockSteward" && step.number == 0
}

impl Meaning for Judged {
    /// The same side goes on with something else, and nobody dies before that.
    fn matters(&self, steps: &[Step], at: usize) -> bool {
        let (step, mine) = (&steps[at], side(&steps[at]));
        if mine == Side::World || is_look(step) {
            return false;
        }
        let later = steps[at + 1..].iter().take_while(|next| side(next) != Side::World);
        let mut later = later.filter(|next| side(next) == mine && !is_look(next));
        match step.op.as_str() {
            "Read" => later.any(|next| ["Read", "HopOpen"].contains(&next.op.as_str())),
            "Commit" => later.any(|next| next.op == "Commit"),
            // A pass that did nothing need not have begun.
            "BeginPass" => later.next().is_some_and(|next| next.op != "UnlockSteward"),
            // Nobody need have listed what nobody goes by.
            "ListSegments" => later.next().is_some_and(|next| next.op == "BeginPass"),
            _ => later.next().is_some(),
        }
    }

    fn depend(&self, first: &Step, second: &Step) -> bool {
        let mine = side(first);
        mine == side(second) && mine != Side::World && !is_look(first) && !is_look(second)
    }

    fn changed(&self, step: &Step, rng: &mut Rng) -> Option<Step> {
        let mut to = step.clone();
        match step.op.as_str() {
            _ if step.word == "told" => return None,
            "TryExclusive" | "LockSteward" | "CheckName" | "HopCheckName" | "LookBack" => {
                to.number = 1 - step.number;
            }
            "Read" => to.number += 1,
            "Commit" | "Roll" | "Build" | "Seek" | "HopOpen" if rng.one_in(2) => to.number += 1,
            "Build" => {
                let (_, records) = to.offsets.first_mut()?;
                records.pop()?;
            }
            "Commit" | "Roll" | "ListSegments" | "BeginPass" | "LockToDelete" | "Delete"
            | "DeleteForced" | "SyncDelete" | "SyncBuilt" | "LockToReplace" | "LeaveAsItIs"
            | "Replace" | "SyncReplace" | "Seek" | "Pin" | "HopOpen" | "HopPin" => to.position += 1,
            _ => return None,
        }
        Some(to)
    }
}
