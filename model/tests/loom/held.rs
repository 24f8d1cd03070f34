//! Every interleaving around a writer that keeps the lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::buffered_roles::{Keep, holds};
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
const A: Keep = Keep::Append(&["a1", "a2"]);
const B: Keep = Keep::Append(&["b"]);

fn explore(name: &'static str, bound: usize, manners: &[Manner], cast: &[Role<Loom>]) {
    let exploration = Exploration::new(name, Some(bound));
    let cast: Vec<_> = cast.iter().map(|role| (Plan::default(), role.clone())).collect();
    let explored = exploration.cast(&stream(&["x"]), &["x"], manners, &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// A held lock keeps the other producer out, lets it in when it gives way, and is given back.
#[test]
fn held_beside_a_producer() {
    let cast = [holds(false, &[A, Keep::GiveWay, B], &["c"]), roles::appends(&[&["d"], &["e"]])];
    explore("held-beside-producer", 3, &manners(Manner::default()), &cast);
}

/// a consumer sees what is appended under a held lock when the append returns.
#[test]
fn held_beside_a_consumer() {
    let cast = [holds(false, &[A, B], &["c"]), roles::reads(Start::End, 2)];
    explore("held-beside-consumer", 2, &manners(Manner::default()), &cast);
}

/// A-17, L-4: the lock file loses its name while the lock is held. Another producer makes a new
/// one, and the holder goes on under that.
#[test]
fn a_lock_file_that_lost_its_name() {
    let looked = Manner { every_look: true, ..Manner::default() };
    let cast = [holds(false, &[A, Keep::LoseName, B], &["c"]), roles::opens_and_appends(&["d"])];
    explore("held-lost-name", 2, &[looked], &cast);
}

/// The same, and the other producer had the old one open.
#[test]
fn a_lock_file_that_lost_its_name_and_is_open() {
    let looked = Manner { every_look: true, ..Manner::default() };
    let cast = [holds(false, &[A, Keep::LoseName, B], &["c"]), roles::appends(&[&["d"], &["e"]])];
    explore("held-lost-name-and-open", 2, &[looked], &cast);
}

/// Whoever holds the lock dies at each of its steps: the system gives the lock back.
#[test]
fn death_of_a_holder() {
    let exploration = Exploration::new("death-of-a-holder", Some(2));
    let cast = [holds(true, &[A, B], &["c"]), roles::appends(&[&["d"]])];
    let dies = |step| Plan { dies_at: Some(step), ..Plan::default() };
    let steps = exploration.troubles(&stream(&["x"]), &["x"], &[Manner::default()], &cast, dies);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 10, "the holder takes more than {steps} steps");
    exploration.report(TARGET);
}

/// each of its calls fails in turn, the syncs among them.
#[test]
fn failing_call_of_a_holder() {
    let exploration = Exploration::new("failing-call-of-a-holder", Some(2));
    let cast = [holds(true, &[A, B], &["c"]), roles::appends(&[&["d"]])];
    let fails = |step| Plan { fails: step..step + 1, ..Plan::default() };
    let steps = exploration.troubles(&stream(&["x"]), &["x"], &[Manner::default()], &cast, fails);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 10, "the holder takes more than {steps} steps");
    exploration.report(TARGET);
}
