//! Which states are made, and in which order: bounded and exhaustive first, random beyond.
//!
//! A round goes through all places of the trace. The first rounds find what is most often wrong;
//! a round that does not fit into the budget is thinned out evenly, and that is said.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::plan::{Atom, AtomId, Plan};
use super::random::Random;
use super::stage::{Stage, node_of};
use super::state::{State, under_way};
use crate::trace::{Effect, Node};

/// A kind of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Everything at stake is there, or nothing; and what was under way is cut.
    Prefixes,
    /// The bytes of one file are missing, or the names of one directory; all bytes; all names.
    Files,
    /// One call is missing, or only one is there.
    Calls,
    /// Pieces of the last call are missing.
    Pieces,
    /// Every subset of calls, where few are at stake.
    Subsets,
    /// Subsets by chance.
    Random,
}

/// All rounds, in their order.
pub const ROUNDS: [Round; 6] =
    [Round::Prefixes, Round::Files, Round::Calls, Round::Pieces, Round::Subsets, Round::Random];

/// Every subset is tried of so many calls.
const MOST_OF_SUBSETS: usize = 6;
/// A write is cut at so many places.
const CUTS: u64 = 16;
/// Random states for each place of the trace.
const RANDOM_AT_A_PLACE: usize = 8;
/// A trace is long if it has more places.
const MOST_PLACES: usize = 500;

impl Round {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefixes => "prefixes",
            Self::Files => "one file or directory",
            Self::Calls => "one call",
            Self::Pieces => "pieces of the last call",
            Self::Subsets => "all subsets",
            Self::Random => "random",
        }
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug)]
pub struct RoundCount {
    /// Which.
    pub round: Round,
    /// How many states it has.
    pub has: u64,
    /// How many of them were made.
    pub made: u64,
}

/// Makes states until `visit` has enough. `most` bounds how many are made at all.
pub fn explore(
    plan: &Plan<'_>,
    seed: u64,
    most: u64,
    mut visit: impl FnMut(&Stage<'_>, State) -> ControlFlow<()>,
) -> Vec<RoundCount> {
    let mut random = Random::new(seed);
    let mut counts = Vec::new();
    let mut left = most;
    for round in ROUNDS {
        let has = size(plan, round);
        let mut count = RoundCount { round, has, made: 0 };
        let share = left.min(has);
        let mut stage = Stage::new(plan);
        let mut flow = ControlFlow::Continue(());
        for calls in 0..=plan.trace.calls.len() {
            if !is_place(plan, round, calls) {
                continue;
            }
            stage.advance_to(calls);
            let here = variants(plan, &stage, round);
            for variant in 0..here {
                if flow.is_break() || !random.chance(share, has) {
                    continue;
                }
                count.made += 1;
                flow = visit(&stage, state(plan, &stage, round, variant, &mut random));
            }
        }
        left = left.saturating_sub(count.made);
        counts.push(count);
        if flow.is_break() {
            break;
        }
    }
    counts
}

fn size(plan: &Plan<'_>, round: Round) -> u64 {
    let mut stage = Stage::new(plan);
    let places = (0..=plan.trace.calls.len()).filter(|calls| is_place(plan, round, *calls));
    let at = |calls| {
        stage.advance_to(calls);
        variants(plan, &stage, round) as u64
    };
    places.map(at).sum()
}

/// Whether a round looks at this place. Of a long trace the later rounds look at every n-th, and
/// at those that matter: behind a barrier, an acknowledgement, or a change of names.
fn is_place(plan: &Plan<'_>, round: Round, calls: usize) -> bool {
    let all = plan.trace.calls.len();
    if round == Round::Prefixes || calls == all || calls.is_multiple_of(all.div_ceil(MOST_PLACES)) {
        return true;
    }
    let Some(last) = calls.checked_sub(1) else { return true };
    let is_bytes = |effect: &Effect| matches!(effect, Effect::Write { .. });
    plan.is_barrier(last) || !plan.trace.calls[last].effects.iter().any(is_bytes)
}

/// How many states a round has here.
fn variants(plan: &Plan<'_>, stage: &Stage<'_>, round: Round) -> usize {
    let at_stake = stage.at_stake();
    match round {
        Round::Prefixes => 2 + cuts(plan, stage.calls()).len(),
        _ if at_stake.is_empty() => 0,
        Round::Files => groups(plan, at_stake).len(),
        Round::Calls => 2 * stage.calls_at_stake().len(),
        Round::Pieces => pieces(plan, stage).len(),
        Round::Subsets => {
            let calls = stage.calls_at_stake().len();
            if calls <= MOST_OF_SUBSETS { 1 << calls } else { 0 }
        }
        Round::Random => RANDOM_AT_A_PLACE,
    }
}

fn state(
    plan: &Plan<'_>,
    stage: &Stage<'_>,
    round: Round,
    variant: usize,
    random: &mut Random,
) -> State {
    let calls = stage.calls();
    let at_stake = stage.at_stake();
    let without = |missing: Vec<AtomId>| State { calls, missing: stage.close(missing), cut: None };
    let of_calls = |which: &dyn Fn(usize) -> bool| {
        at_stake.iter().copied().filter(|atom| which(plan.atoms[*atom].call)).collect::<Vec<_>>()
    };
    match round {
        Round::Prefixes => match variant {
            0 => State::complete(calls),
            1 => without(at_stake.to_vec()),
            cut => State { cut: Some(cuts(plan, calls)[cut - 2]), ..State::complete(calls) },
        },
        Round::Files => without(groups(plan, at_stake)[variant].of(plan, at_stake)),
        Round::Calls => {
            let call = stage.calls_at_stake()[variant / 2];
            let atoms = of_calls(&|other| other == call);
            if variant.is_multiple_of(2) {
                return without(atoms);
            }
            State { calls, missing: stage.only(atoms), cut: None }
        }
        Round::Pieces => without(pieces(plan, stage).swap_remove(variant)),
        Round::Subsets => {
            let all = stage.calls_at_stake();
            let is_in = |call| all.iter().position(|other| *other == call);
            without(of_calls(&|call| is_in(call).is_some_and(|bit| variant >> bit & 1 == 1)))
        }
        Round::Random => {
            let density = 1 + random.below(9);
            without(at_stake.iter().copied().filter(|_| random.chance(density, 10)).collect())
        }
    }
}

/// Where the write under way may be cut, if only processes die. (Else its pieces are at stake.)
fn cuts(plan: &Plan<'_>, calls: usize) -> Vec<u64> {
    if !plan.profile.completed_survives {
        return Vec::new();
    }
    let Some((_, len)) = under_way(plan, calls) else { return Vec::new() };
    let step = len.div_ceil(CUTS).max(1);
    let inner = (1..len).step_by(step as usize);
    inner
        .chain(len.checked_sub(1).filter(|last| *last > 0))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Atoms that go together.
#[derive(Clone, Copy)]
enum Group {
    BytesOf(Node),
    NamesIn(Node),
    AllBytes,
    AllNames,
}

/// The bytes of each file; the names of each directory; all bytes; all names.
fn groups(plan: &Plan<'_>, at_stake: &[AtomId]) -> Vec<Group> {
    let atoms = || at_stake.iter().map(|atom| &plan.atoms[*atom]);
    let files: BTreeSet<Node> = atoms().filter_map(|atom| node_of(&atom.change)).collect();
    let dirs: BTreeSet<Node> = atoms().flat_map(Atom::dirs).copied().collect();
    let is_any_name = atoms().any(|atom| node_of(&atom.change).is_none());
    let all_bytes = (!files.is_empty()).then_some(Group::AllBytes);
    let all_names = is_any_name.then_some(Group::AllNames);
    let of_files = files.into_iter().map(Group::BytesOf);
    let of_dirs = dirs.into_iter().map(Group::NamesIn);
    of_files.chain(of_dirs).chain(all_bytes).chain(all_names).collect()
}

impl Group {
    /// Those of some atoms that belong to it.
    fn of(self, plan: &Plan<'_>, at_stake: &[AtomId]) -> Vec<AtomId> {
        let is_in = |atom: &Atom| match self {
            Self::BytesOf(node) => node_of(&atom.change) == Some(node),
            Self::NamesIn(dir) => atom.dirs().contains(&dir),
            Self::AllBytes => node_of(&atom.change).is_some(),
            Self::AllNames => node_of(&atom.change).is_none(),
        };
        at_stake.iter().copied().filter(|atom| is_in(&plan.atoms[*atom])).collect()
    }
}

/// Of the last call that wrote: each half, all but the first piece, all but the last.
fn pieces(plan: &Plan<'_>, stage: &Stage<'_>) -> Vec<Vec<AtomId>> {
    let last = plan.atoms_of(stage.calls().saturating_sub(1));
    let is_open = |atom: &AtomId| !plan.atoms[*atom].is_durable(stage.calls());
    let last: Vec<AtomId> = last.filter(is_open).collect();
    let count = last.len();
    if count < 2 {
        return Vec::new();
    }
    let ranges = [0..count / 2, count / 2..count, 1..count, 0..count - 1, 0..1, count - 1..count];
    ranges.into_iter().map(|range| last[range].to_vec()).collect()
}
