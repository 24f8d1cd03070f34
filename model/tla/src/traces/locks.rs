//! What module Locks sees of a run: which locks are taken, tried and given back, for what, and
//! what is done under them.
//!
//! # From the code to the model
//! - Every process of a run is one of the module, numbered by its role; none comes back.
//! - Segments are files: none is compacted in these runs, so a sequence number is a file.
//! - `writer.lock` is given back at `GivenBack`, a little after `Unlock` said that it will be.
//!   A segment that was deleted is let go at `SyncDelete`. Of a hop that failed because the old
//!   segment lost its name, the new one is let go when the consumer is told, which its next event
//!   tells.
//! - Whoever took a lock, or could not have it, looks at its name before it tells so (L-4): that is put
//!   back to where it tried, and `CheckLockName` follows where it has it.
//! - Blocks without records are no commits of the module, but for those of positions.

use std::collections::BTreeMap;

use puro_model::generate::Rng;
use puro_model::trace::{Event, put_back};

use super::event::Step;
use super::mutate::Meaning;

/// What processes a run may have: the role, and the numbers of those in it.
const ROLES: [(&str, std::ops::Range<u32>); 3] =
    [("producer", 1..40), ("steward", 40..50), ("consumer", 50..150)];
/// Segments that a run may have.
const SEGMENTS: u32 = 60;
/// The names of consumers in these runs.
pub const NAMES: [&str; 2] = ["anna", "bert"];
/// Three of which two want the same one.
pub const TWICE: [&str; 3] = ["anna", "anna", "bert"];

/// Projects a run.
#[must_use]
pub fn project(events: &[Event]) -> Vec<Step> {
    let mut view = View::default();
    let late = ["Lock", "LockSteward", "TrySteward", "TimesOut"];
    let is_late = |event: &Event| late.contains(&event.name.as_str());
    for event in put_back(events, is_late) {
        view.take(event);
    }
    view.steps
}

/// Constants of the module; where it has bounds, they are out of reach.
#[must_use]
pub fn constants() -> Vec<(&'static str, String)> {
    let set = |numbers: std::ops::Range<u32>| {
        let numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
        format!("{{{}}}", numbers.join(", "))
    };
    let [writers, stewards, consumers] = ROLES.map(|(_, numbers)| set(numbers));
    vec![
        ("Writers", writers),
        ("Stewards", stewards),
        ("Consumers", consumers),
        ("Names", format!("{NAMES:?}").replace('[', "{").replace(']', "}")),
        ("Segs", set(0..SEGMENTS)),
        ("Appends", "999".to_owned()),
        ("Tries", "999".to_owned()),
        ("Losses", "0".to_owned()),
    ]
}

/// One process, as far as its events do not tell it.
#[derive(Default)]
struct Process {
    role: String,
    /// Its number in the module.
    number: u32,
    /// It is in a pass after a rollover.
    passes: bool,
    /// It made a segment since it took `writer.lock`.
    rolled: bool,
    wants_to_commit: bool,
    /// It holds its name.
    named: bool,
    /// Its hop failed.
    falls_back: bool,
    /// It deleted a segment without its lock.
    forced: bool,
}

#[derive(Default)]
struct View {
    steps: Vec<Step>,
    processes: BTreeMap<u32, Process>,
    /// Processes of each role.
    count: BTreeMap<String, u32>,
    /// Records committed.
    committed: u64,
}

impl View {
    fn begin(&mut self, event: &Event) {
        let numbers = ROLES.into_iter().find(|(role, _)| *role == event.label);
        let (role, mut numbers) = numbers.expect("these runs have no other roles");
        let count = self.count.entry(role.to_owned()).or_default();
        let number = numbers.nth(*count as usize).expect("runs are shorter");
        *count += 1;
        let process = Process { role: role.to_owned(), number, ..Process::default() };
        self.processes.insert(event.actor, process);
    }

    fn take(&mut self, event: &Event) {
        if event.name == "Begins" {
            return self.begin(event);
        }
        let Some(process) = self.processes.get_mut(&event.actor) else { return };
        let step = Step::new(&event.name, process.number)
            .at(i64::from(event.segment))
            .number(event.value as i64)
            .word(&event.label);
        if std::mem::take(&mut process.falls_back) {
            self.steps.push(Step::new("HopBack", process.number));
        }
        let renamed = |op: &str| Step { op: op.to_owned(), ..step.clone() };
        let step = match event.name.as_str() {
            "Lock" => renamed(process.lock()),
            "TimesOut" => renamed(process.times_out()),
            "GivenBack" => renamed("Unlock"),
            "Name" if event.segment > 0 => return process.rolled = true,
            "Commit" if process.role == "producer" && event.value > self.committed => {
                self.committed = event.value;
                process.tell_roll(step)
            }
            "CommitPosition" => {
                process.wants_to_commit = false;
                process.tell_roll(step)
            }
            "WantCommit" => {
                process.wants_to_commit = true;
                step
            }
            // Whoever rolls expires state too: that is a part of its append.
            "Expire" if process.role != "steward" => return,
            "TrySteward" => {
                process.passes = event.value == 1;
                step
            }
            "UnlockSteward" => {
                process.passes = false;
                step
            }
            "DeleteForced" => return process.forced = true,
            "SyncDelete" if std::mem::take(&mut process.forced) => return,
            "SyncDelete" => renamed("Delete"),
            "LockName" => {
                process.named = true;
                step
            }
            "HopCheckName" if event.value == 0 => renamed("HopBack"),
            "LookBack" if event.value == 0 => return process.falls_back = true,
            "Ends" if process.named => renamed("GoAway"),
            "LockSteward" | "Expire" | "TryExclusive" | "Pin" | "PinTimesOut" | "CheckName"
            | "Read" | "HopPin" | "Unpin" => step,
            _ => return,
        };
        let checks = TAKES.contains(&step.op.as_str());
        let check = Step::new("CheckLockName", step.actor);
        self.steps.push(step);
        self.steps.extend(checks.then_some(check));
    }
}

impl Process {
    /// What it takes `writer.lock` for.
    fn lock(&mut self) -> &'static str {
        self.rolled = false;
        match self.role.as_str() {
            _ if self.passes => "HoldUp",
            "producer" => "Lock",
            "steward" => "LockToExpire",
            _ if self.wants_to_commit => "LockToCommit",
            _ => "LockToLook",
        }
    }

    /// What it does without, where it could not have it.
    fn times_out(&mut self) -> &'static str {
        match self.role.as_str() {
            "steward" => "StewardTimesOut",
            "consumer" if !self.passes && std::mem::take(&mut self.wants_to_commit) => {
                "CommitTimesOut"
            }
            _ => "TimesOut",
        }
    }

    fn tell_roll(&self, step: Step) -> Step {
        step.word(if self.rolled { "rolled" } else { "" })
    }
}

/// What takes `writer.lock`, and for what.
const TAKES: [&str; 5] = ["Lock", "LockToExpire", "LockToCommit", "LockToLook", "HoldUp"];

/// What of an event module TraceLocks looks at.
pub struct Judged;

/// A look that changes nothing, or nothing that is asked for later.
fn is_look(step: &Step) -> bool {
    match step.op.as_str() {
        "TryExclusive" | "LockSteward" => step.number == 0,
        "Read" | "TimesOut" | "PinTimesOut" => true,
        _ => false,
    }
}

/// Takes something that another one gave back.
fn is_given(first: &Step, second: &Step) -> bool {
    let (first, second) = (first.op.as_str(), second.op.as_str());
    match first {
        "Unlock" => TAKES.contains(&second),
        "UnlockSteward" => ["LockSteward", "TrySteward"].contains(&second),
        _ => false,
    }
}

impl Meaning for Judged {
    /// Whoever did it does something else later that it could not have done otherwise.
    fn matters(&self, steps: &[Step], at: usize) -> bool {
        let step = &steps[at];
        let mut later = steps[at + 1..].iter();
        match step.op.as_str() {
            _ if is_look(step) => false,
            // Nothing need be expired, and a steward need not seal; a lock may be had for nothing.
            "Expire" | "StewardTimesOut" => false,
            "CommitPosition" if step.word.is_empty() => false,
            "Commit" => later.any(|next| next.op == "Commit"),
            _ => later.any(|next| next.actor == step.actor && !is_look(next)),
        }
    }

    fn depend(&self, first: &Step, second: &Step) -> bool {
        let looks = is_look(first) || is_look(second);
        !looks && (first.actor == second.actor || is_given(first, second))
    }

    fn changed(&self, step: &Step, _rng: &mut Rng) -> Option<Step> {
        let mut to = step.clone();
        match step.op.as_str() {
            "TryExclusive" | "LockSteward" | "TrySteward" => to.number = 1 - step.number,
            "Commit" => to.number += 1,
            "Read" => to.number += 100,
            "Delete" | "Unpin" => to.position += 1,
            _ => return None,
        }
        Some(to)
    }
}
