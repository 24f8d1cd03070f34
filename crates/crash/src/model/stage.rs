//! The place in a trace at which a crash is made, moved forwards only.
//!
//! What no crash can lose any more is carried out once, so that a state costs no more than what
//! is still at stake.

use std::collections::{BTreeSet, HashSet};

use super::disk::{Change, Disk};
use super::plan::{AtomId, Plan};
use super::profile::SyncFile;
use super::state::{State, cut_to, under_way};
use super::without::without;
use crate::trace::{Effect, Node, Place};

/// A place in a trace.
pub struct Stage<'a> {
    plan: &'a Plan<'a>,
    calls: usize,
    /// All that is durable and before which nothing is at stake.
    settled: Disk,
    /// The same, with all that was completed.
    whole: Disk,
    /// The other atoms of completed calls, in order. Some are durable.
    open: Vec<AtomId>,
    /// Those of them that a crash here can lose, and their calls.
    at_stake: Vec<AtomId>,
    calls_at_stake: Vec<usize>,
}

impl<'a> Stage<'a> {
    /// The place before the first call.
    #[must_use]
    pub fn new(plan: &'a Plan<'a>) -> Self {
        let settled = Disk::before(plan.trace);
        let whole = settled.clone();
        let (open, at_stake, calls_at_stake) = (Vec::new(), Vec::new(), Vec::new());
        Self { plan, calls: 0, settled, whole, open, at_stake, calls_at_stake }
    }

    /// How many calls are completed here.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Goes on to the place behind the first `calls` calls.
    pub fn advance_to(&mut self, calls: usize) {
        let mut passed_barrier = false;
        while self.calls < calls {
            let atoms = self.plan.atoms_of(self.calls);
            if !atoms.is_empty() {
                self.calls_at_stake.push(self.calls);
            }
            for id in atoms.clone() {
                self.whole.apply(&self.plan.atoms[id].change, self.plan.trace);
            }
            self.open.extend(atoms.clone());
            self.at_stake.extend(atoms);
            passed_barrier |= self.plan.is_barrier(self.calls);
            for effect in &self.plan.trace.calls[self.calls].effects {
                if let Effect::Mode { node, mode } = effect {
                    self.settled.set_mode(*node, *mode);
                    self.whole.set_mode(*node, *mode);
                }
            }
            self.calls += 1;
        }
        // Nothing else makes anything durable.
        if passed_barrier {
            self.settle();
            let (plan, calls) = (self.plan, self.calls);
            self.at_stake.retain(|id| !plan.atoms[*id].is_durable(calls));
            self.calls_at_stake = self.at_stake.iter().map(|id| plan.atoms[*id].call).collect();
            self.calls_at_stake.dedup();
        }
    }

    fn settle(&mut self) {
        let (plan, calls) = (self.plan, self.calls);
        let mut files: HashSet<Node> = HashSet::new();
        let mut places: HashSet<&Place> = HashSet::new();
        let settled = &mut self.settled;
        self.open.retain(|id| {
            let atom = &plan.atoms[*id];
            let waits = match &atom.change {
                Change::Names(names) => names.iter().any(|(place, _)| places.contains(place)),
                other => node_of(other).is_some_and(|node| files.contains(&node)),
            };
            if atom.is_durable(calls) && !waits {
                settled.apply(&atom.change, plan.trace);
                return false;
            }
            match &atom.change {
                Change::Names(names) => places.extend(names.iter().map(|(place, _)| place)),
                other => files.extend(node_of(other)),
            }
            true
        });
    }

    /// What a crash here can lose.
    #[must_use]
    pub fn at_stake(&self) -> &[AtomId] {
        &self.at_stake
    }

    /// The calls of which a crash here can lose something.
    #[must_use]
    pub fn calls_at_stake(&self) -> &[usize] {
        &self.calls_at_stake
    }

    /// Adds to what is missing all that is not there without it.
    #[must_use]
    pub fn close(&self, missing: impl IntoIterator<Item = AtomId>) -> BTreeSet<AtomId> {
        let mut missing: BTreeSet<AtomId> = missing.into_iter().collect();
        if missing.is_empty() {
            return missing;
        }
        // What an atom needs comes before it, so that one pass does.
        for id in self.at_stake.iter().copied() {
            if self.needs(id).any(|need| missing.contains(&need)) {
                missing.insert(id);
            }
        }
        missing
    }

    /// The largest set of missing atoms with which all of `present` are there.
    #[must_use]
    pub fn only(&self, present: impl IntoIterator<Item = AtomId>) -> BTreeSet<AtomId> {
        let at_stake: BTreeSet<AtomId> = self.at_stake.iter().copied().collect();
        let mut waiting: Vec<AtomId> = present.into_iter().collect();
        let mut missing = at_stake;
        while let Some(id) = waiting.pop() {
            if missing.remove(&id) {
                waiting.extend(self.needs(id));
            }
        }
        missing
    }

    /// Without which others an atom is not there.
    fn needs(&self, id: AtomId) -> impl Iterator<Item = AtomId> {
        let atom = &self.plan.atoms[id];
        let mut before = atom.after;
        // Where a sync makes one change durable out of order, the order of the others still holds.
        while let Some(id) = before
            && self.plan.atoms[id].is_durable(self.calls)
        {
            let all_before_are_durable = self.plan.profile.sync_file == SyncFile::Journal;
            before = if all_before_are_durable { None } else { self.plan.atoms[id].after };
        }
        atom.needs.iter().copied().chain(before)
    }

    /// The disk in a state of this place.
    #[must_use]
    pub fn disk(&self, state: &State) -> Disk {
        let mut disk = self.whole.clone();
        if !state.missing.is_empty() {
            without(&mut disk, &self.settled, self.plan, &self.open, &state.missing);
        }
        if let Some(cut) = state.cut
            && let Some((change, _)) = under_way(self.plan, self.calls)
        {
            disk.apply(&cut_to(&change, cut), self.plan.trace);
        }
        disk
    }
}

/// The file whose bytes or length are changed.
#[must_use]
pub fn node_of(change: &Change) -> Option<Node> {
    match change {
        Change::Names(_) => None,
        Change::Bytes { node, .. }
        | Change::Length { node, .. }
        | Change::Growth { node, .. }
        | Change::Zero { node, .. } => Some(*node),
    }
}
