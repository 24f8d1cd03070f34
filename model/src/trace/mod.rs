//! Listening to what the code hands to [`Vfs::trace`](puro::internals::vfs::Vfs::trace).
//!
//! A [`Log`] is what happened in one run, in order. In the worlds of this crate only one actor
//! runs at a time, so the order of the calls is the order of the events, but for what shuttle
//! schedules in between: see [`scheduled`]. Among processes each event carries the time at which
//! it was noted, by a clock that all processes of a machine share and that never goes back: see
//! [`processes`]; or one of them at a time is let go: see [`arbitrated`].

pub mod arbitrated;
pub mod contended;
pub mod contents;
pub mod maintained;
pub mod positions;
pub mod processes;
pub mod scheduled;
pub mod simulated;
pub mod stage;
pub mod turns;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use puro::internals::interpose::{Call, Operation};
use puro::internals::trace::Action;

/// What is left of a segment, or of a block.
pub type Bytes = Vec<u8>;

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Who did it; 0 is the world.
    pub actor: u32,
    /// What, by the name that it has in the specification.
    pub name: String,
    /// When the actor's last call before it began: the effect lies between this and `at`.
    pub begun: u64,
    /// When it was noted.
    pub at: u64,
    /// See [`Action`].
    pub segment: u32,
    /// See [`Action`].
    pub position: u64,
    /// See [`Action`].
    pub value: u64,
    /// See [`Action`].
    pub label: String,
    /// For a block that was written, its bytes; for a loss of power, those of the segment.
    pub bytes: Bytes,
    /// For a compaction, the offsets that it holds; for a loss of power, those of each segment.
    pub offsets: Vec<(u32, Vec<u64>)>,
}

impl Event {
    /// What an actor did.
    pub fn of(actor: u32, action: &Action<'_>) -> Self {
        Self {
            actor,
            name: action.name.to_owned(),
            segment: action.segment,
            position: action.position,
            value: action.value,
            label: action.label.to_owned(),
            ..Self::default()
        }
    }

    /// What the world did to an actor, or to all.
    pub fn of_the_world(actor: u32, name: &str) -> Self {
        Self { actor, name: name.to_owned(), ..Self::default() }
    }
}

/// An actor is about to ask for `steward.lock`: it may have it from now on, and die before it
/// tells so, for the name of the lock is looked at first (L-4).
pub const ASKS: &str = "AsksForSteward";

/// Whether this call asks for `steward.lock`.
fn asks_for_steward(call: &Call<'_>) -> bool {
    call.operation == Operation::Lock && call.path.ends_with("steward.lock")
}

/// When an actor began its last calls: what it tells of happened after that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun {
    any: u64,
    open: u64,
    list: u64,
    lock: u64,
}

impl Begun {
    /// A call begins now.
    pub fn call(&mut self, operation: Operation, now: u64) {
        self.any = now;
        match operation {
            Operation::Open => self.open = now,
            Operation::List => self.list = now,
            Operation::Lock => self.lock = now,
            _ => {}
        }
    }

    /// When the call began of which this action tells: what was opened or listed is read a
    /// little later, and a lock is told of when its name was looked at (L-4), had or not.
    #[must_use]
    pub fn of(&self, action: &str) -> u64 {
        match action {
            "Seek" | "HopOpen" => self.open,
            "ListSegments" => self.list,
            "Lock" | "LockSteward" | "TrySteward" | "TimesOut" => self.lock,
            _ => self.any,
        }
    }
}

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Log {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    clock: u64,
    events: Vec<Event>,
}

impl Log {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment of this run.
    pub fn tick(&self) -> u64 {
        let mut notes = self.notes();
        notes.clock += 1;
        notes.clock
    }

    /// Notes an event that happens now.
    pub fn note(&self, event: Event) {
        let mut notes = self.notes();
        notes.clock += 1;
        let at = notes.clock;
        notes.events.push(Event { at, begun: event.begun.min(at), ..event });
    }

    /// All events until now.
    pub fn events(&self) -> Vec<Event> {
        self.notes().events.clone()
    }
}

/// Puts what is told of late where it began: actions of these names, unless their actor told of
/// something else meanwhile.
#[must_use]
pub fn put_back(events: &[Event], is_late: impl Fn(&Event) -> bool) -> Vec<&Event> {
    let mut told: BTreeMap<u32, u64> = BTreeMap::new();
    let mut placed: Vec<(u64, &Event)> = Vec::new();
    for event in events {
        let before = told.insert(event.actor, event.at).unwrap_or_default();
        let late = is_late(event) && event.begun > before;
        placed.push((if late { event.begun } else { event.at }, event));
    }
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, event)| event).collect()
}

/// Puts what readers did where it belongs: they take no lock, so others may have been at work
/// between their look and its event.
///
/// A block that was found may have its `Commit` noted a little later than the reader's event; then
/// the reader is put right behind that. A look that found nothing is put where it began: had
/// the signal been there by then, it would have been found.
#[must_use]
pub fn settle(events: Vec<Event>) -> Vec<Event> {
    let reads = |event: &Event| matches!(event.name.as_str(), "Deliver" | "ReadAfresh" | "Placed");
    let (looks, mut settled): (Vec<Event>, Vec<Event>) = events.into_iter().partition(reads);
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    for look in looks {
        // The block whose end is its own position and length behind what was delivered.
        let after = settled
            .iter()
            .position(|event| event.name == "Commit" && event.position == look.position + 128);
        let place = match (look.name.as_str(), after) {
            ("Deliver", Some(commit)) => {
                let by_line = settled.iter().take_while(|event| event.at < look.at).count();
                by_line.max(commit + 1)
            }
            ("ReadAfresh", _) => settled.iter().take_while(|event| event.at <= look.begun).count(),
            _ => settled.iter().take_while(|event| event.at < look.at).count(),
        };
        let own = last.get(&look.actor).copied();
        // Never before what the same reader did before.
        let place = place.max(own.map_or(0, |own| own + 1));
        last.values_mut().filter(|at| **at >= place).for_each(|at| *at += 1);
        last.insert(look.actor, place);
        // Its line counts from now on where it was put.
        let at = settled.get(place.saturating_sub(1)).map_or(0, |event| event.at);
        settled.insert(place, Event { at, ..look });
    }
    settled
}
