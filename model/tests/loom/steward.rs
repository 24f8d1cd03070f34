//! Every interleaving around stewards and named consumers (protocol.md, chapters 9 and 10).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro_model::loom_world::{Exploration, Loom, spawn};
use puro_model::shared_world::{Manner, Plan};
use puro_model::upkeep_roles as roles;
use puro_model::upkeep_shared::{self as upkeep, Role, input, kept, logged, stage};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

/// Names and files are looked at step by step: that is what all of this hangs on.
const LOOKED: Manner = Manner {
    writes: puro_model::shared_world::Order::Forward,
    reads: puro_model::shared_world::Order::Forward,
    every_look: true,
    watched: false,
    hiccups: false,
    sabotage: puro_model::shared_world::Sabotage::None,
};

/// A stream, and what is to be done with it.
struct Scenario {
    name: &'static str,
    bound: usize,
    settings: &'static [(&'static str, &'static str)],
    before: Vec<puro_model::ledger::Entry>,
    cast: Vec<Role<Loom>>,
}

impl Scenario {
    /// Explores it with this fate of the first actor; tells whether it ever met it.
    fn variant(&self, exploration: &Exploration, fate: &Plan) -> bool {
        let stage = stage(self.settings, &self.before);
        let deletes = self.settings.iter().any(|(name, _)| name.starts_with("retention"));
        let plan = |at: usize| if at == 0 { fate.clone() } else { Plan::default() };
        let cast: Vec<_> =
            self.cast.iter().enumerate().map(|(at, role)| (plan(at), role.clone())).collect();
        let explored = exploration.variant(move || {
            let join = |thread: loom::thread::JoinHandle<()>| thread.join().is_ok();
            upkeep::play(&stage, LOOKED, deletes, &cast, spawn, join)
        });
        explored.unwrap_or_else(|what| panic!("{what}\n  with {fate:?}"))
    }

    fn explore(self) {
        let exploration = Exploration::new(self.name, Some(self.bound));
        self.variant(&exploration, &Plan::default());
        exploration.report(TARGET);
    }

    /// The first actor dies at each of its steps in turn.
    fn explore_deaths(self) {
        let exploration = Exploration::new(self.name, Some(self.bound));
        let mut step = 0;
        while self.variant(&exploration, &Plan { dies_at: Some(step), ..Plan::default() }) {
            step += 1;
        }
        assert!(step > 10, "the first actor takes more than {step} steps");
        exploration.report(TARGET);
    }
}

/// V-8, S-6, S-7: a consumer hops from segment to segment while they are compacted; the value
/// that it has read is deleted by a marker whose grace is over.
#[test]
fn hop_against_a_compaction() {
    let before = vec![kept(0, 1), kept(1, 2), kept(0, 0), kept(1, 3), kept(2, 4), kept(1, 5)];
    let cast = vec![roles::follows(1, 1), roles::maintains(1, false)];
    let name = "hop-against-compaction";
    Scenario { name, bound: 2, settings: &[], before, cast }.explore();
}

/// R-2, S-6: one opens while the segments are replaced.
#[test]
fn opening_against_a_compaction() {
    let before = vec![kept(0, 1), kept(1, 2), kept(0, 0), kept(1, 3), kept(2, 4)];
    let cast = vec![roles::opens_and_follows(), roles::maintains(1, false)];
    let name = "opening-against-compaction";
    Scenario { name, bound: 2, settings: &[], before, cast }.explore();
}

/// S-1: two stewards at once.
#[test]
fn two_stewards() {
    let before = vec![kept(0, 1), kept(1, 2), kept(0, 3)];
    let cast = vec![roles::maintains(1, true), roles::maintains(1, false)];
    Scenario { name: "two-stewards", bound: 3, settings: &[], before, cast }.explore();
}

/// S-6, M-3: a steward dies at each of its steps, another one goes on.
#[test]
fn death_of_a_steward() {
    let before = vec![kept(0, 1), kept(1, 2), kept(0, 3)];
    let cast = vec![roles::maintains(1, false), roles::maintains(1, false)];
    Scenario { name: "death-of-a-steward", bound: 2, settings: &[], before, cast }.explore_deaths();
}

/// S-3, R-2, V-8: a steward deletes what a consumer is about to open, or to leave.
#[test]
fn delete_against_opening() {
    let before = (1..6).map(logged).collect();
    let cast = vec![roles::opens_and_follows(), roles::maintains(2, false)];
    let settings = &[("retention_bytes", "5000")];
    Scenario { name: "delete-against-opening", bound: 2, settings, before, cast }.explore();
}

/// S-1, V-3 to V-7: a producer rolls while a steward looks at what is sealed.
#[test]
fn rollover_against_a_steward() {
    let before = vec![kept(0, 1), kept(0, 2), kept(0, 3), kept(1, 4)];
    let append: &[_] = vec![kept(1, 5), kept(0, 6)].leak();
    let cast = vec![roles::appends(append), roles::maintains(1, true)];
    Scenario { name: "rollover-against-steward", bound: 2, settings: &[], before, cast }.explore();
}

/// C-2: the owner of a position dies at each of its steps, another one takes over.
#[test]
fn take_over_of_a_position() {
    let before = vec![kept(0, 1), kept(1, 2)];
    let cast = vec![roles::commits(0, 2), roles::takes_over(0, 2)];
    Scenario { name: "take-over", bound: 2, settings: &[], before, cast }.explore_deaths();
}

/// C-3: one who transforms dies at each of its steps, another one takes over.
#[test]
fn take_over_of_a_transform() {
    let before = vec![input(1), input(2)];
    let cast = vec![roles::commits(2, 2), roles::takes_over(2, 2)];
    let name = "take-over-of-a-transform";
    Scenario { name, bound: 1, settings: &[], before, cast }.explore_deaths();
}
