//! What module Stream sees of a run: creation and rollover, and their syncs.
//!
//! An append is one event here, its `Commit`. Blocks without records (an epoch, a position) are no
//! items of this module: they neither take an offset nor make a segment full. All records are of
//! one size, of which two go into a segment.
//!
//! Whoever makes the stream opens it afterwards, which is another handle with another memory: the
//! session that made it is a writer of its own.

use std::collections::{BTreeMap, BTreeSet};

use puro_model::generate::Rng;
use puro_model::trace::Event;

use super::event::{ENOUGH, Step, numbers};
use super::mutate::Meaning;

/// Records that go into a segment in these runs, and bytes of their values.
pub const PER_SEGMENT: u32 = 2;
/// See [`PER_SEGMENT`].
pub const VALUE_BYTES: usize = 1780;

/// A run as module Stream sees it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub steps: Vec<Step>,
    pub writers: u32,
    pub segments: u32,
}

impl Seen {
    /// Makes room for what another run needs.
    pub fn widen(&mut self, other: &Self) {
        self.writers = self.writers.max(other.writers);
        self.segments = self.segments.max(other.segments);
    }

    /// The constants of the specification that have room for it.
    pub fn constants(&self) -> Vec<(&'static str, String)> {
        let mut constants = vec![
            // Whoever dies may have begun the one after the last.
            ("MaxSeq", (self.segments + 1).to_string()),
            ("Temps", "{99}".to_owned()),
            ("Writers", numbers(self.writers)),
            ("PerSegment", PER_SEGMENT.to_string()),
        ];
        let bounds = ["MaxRecs", "MaxDeaths", "MaxBoots"];
        constants.extend(bounds.map(|bound| (bound, ENOUGH.to_owned())));
        constants
    }
}

/// Projects a run, from its first event on.
pub fn project(events: &[Event]) -> Seen {
    let mut seen = Seen::default();
    let mut writers: BTreeMap<(u32, bool), u32> = BTreeMap::new();
    // Who is creating, and who has appended records in the session that it is in.
    let (mut creating, mut appended, mut raising) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, event) in events.iter().enumerate() {
        let who = event.actor;
        seen.segments = seen.segments.max(event.segment);
        if event.name == "Lock" {
            let finish = events[index..].iter().find(|e| e.actor == who && e.name == "Finish");
            creating.remove(&who);
            creating.extend(finish.filter(|finish| finish.position == 0).map(|_| who));
        }
        let next = writers.len() as u32 + 1;
        let mut writer = |creates| *writers.entry((who, creates)).or_insert(next);
        let mut step = Step::new(&event.name, 0)
            .at(i64::from(event.segment))
            .number(event.value as i64)
            .word(&event.label);
        match event.name.as_str() {
            "PowerLoss" | "LoseDirectory" => {
                (creating, appended, raising) = Default::default();
                seen.steps.push(step);
                continue;
            }
            "Die" => {
                for creates in [true, false] {
                    if let Some(&actor) = writers.get(&(who, creates)) {
                        if creates == creating.contains(&who) {
                            seen.steps.push(Step::new("Maybe", actor));
                        }
                        seen.steps.push(Step::new("Die", actor));
                    }
                }
                continue;
            }
            "Finish" => {
                let unknown = event.position == 0;
                step.number = if unknown { -1 } else { step.number };
            }
            "RaiseEpoch" => {
                raising.insert(who);
                continue;
            }
            "Reserve" => {
                raising.remove(&who);
                continue;
            }
            "Commit" if raising.contains(&who) || event.label == "end" => continue,
            "Commit" => drop(appended.insert(who)),
            "Unlock" => {
                if !appended.remove(&who) {
                    step.op = "Leave".to_owned();
                }
            }
            "Lock" | "SyncParent" | "SyncNamesFirst" | "Seal" | "SyncSeal" | "Make"
            | "SyncMade" | "Name" | "SyncName" | "Sync" | "Return" => {}
            _ => continue,
        }
        step.actor = writer(creating.contains(&who));
        seen.steps.push(step);
    }
    seen.writers = writers.len() as u32;
    seen
}

/// What of an event module TraceStream looks at.
pub struct Judged;

const WORLD: [&str; 4] = ["Die", "PowerLoss", "LoseDirectory", "Maybe"];

impl Meaning for Judged {
    /// Whoever did it does something else later, in the same boot.
    fn matters(&self, steps: &[Step], at: usize) -> bool {
        let step = &steps[at];
        let world = |step: &Step| WORLD.contains(&step.op.as_str());
        let lost = |step: &Step| step.op == "PowerLoss" || step.op == "LoseDirectory";
        let mut later = steps[at + 1..].iter().take_while(|next| !lost(next));
        let next = later.find(|next| next.actor == step.actor);
        !world(step) && next.is_some_and(|next| !world(next))
    }

    fn depend(&self, first: &Step, second: &Step) -> bool {
        let world = |step: &Step| WORLD.contains(&step.op.as_str());
        let hands_over = ["Unlock", "Leave"].contains(&first.op.as_str()) && second.op == "Lock";
        !world(first) && !world(second) && (hands_over || first.actor == second.actor)
    }

    fn changed(&self, step: &Step, rng: &mut Rng) -> Option<Step> {
        let mut to = step.clone();
        match step.op.as_str() {
            "Finish" if step.number < 0 => return None,
            "Finish" if rng.one_in(2) => {
                to.word = (if step.word.is_empty() { "sealed" } else { "" }).to_owned();
            }
            "Finish" | "Seal" | "Make" | "SyncMade" | "Name" | "SyncName" | "Commit"
                if rng.one_in(2) =>
            {
                to.number += 1;
            }
            "Finish" | "SyncNamesFirst" | "Seal" | "SyncSeal" | "Name" | "SyncName" | "Commit" => {
                to.position += 1;
            }
            _ => return None,
        }
        Some(to)
    }
}
