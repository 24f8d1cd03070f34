//! Every interleaving of durable appends into zeros that were put ahead, with others that put none or
//! take them for the end (protocol.md, chapter 12).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
/// Room for the next append and a part of the one after it.
const AHEAD: u64 = 192;

/// Explores a cast over a stream of one record, with what befalls its first actor.
fn explore(
    name: &'static str,
    bound: Option<usize>,
    like: Manner,
    cast: &[Role<Loom>],
    plan: impl Fn(u32) -> Plan,
) {
    let exploration = Exploration::new(name, bound);
    let steps = exploration.troubles(&stream(&["x"]), &["x"], &manners(like), cast, plan);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 5, "the first actor takes more than {steps} steps");
    exploration.report(TARGET);
}

fn calm(name: &'static str, bound: Option<usize>, cast: &[Role<Loom>]) {
    let exploration = Exploration::new(name, bound);
    let cast: Vec<_> = cast.iter().map(|role| (Plan::default(), role.clone())).collect();
    let manners = manners(Manner::default());
    let explored = exploration.cast(&stream(&["x"]), &["x"], &manners, &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// Z-7: one puts zeros ahead, the other knows nothing of them and appends where they begin.
#[test]
fn zeros_beside_one_who_puts_none() {
    let cast = [roles::appends_into_zeros(AHEAD, &[&["a"], &["b"]]), roles::appends(&[&["c"]])];
    calm("zeros", None, &cast);
}

/// Z-1, Z-6: two put zeros ahead, each over an end that the other may have moved.
#[test]
fn zeros_of_two() {
    let cast = [
        roles::appends_into_zeros(AHEAD, &[&["a"], &["b"]]),
        roles::appends_into_zeros(AHEAD / 2, &[&["c"]]),
    ];
    calm("zeros-of-two", Some(3), &cast);
}

/// R-4, Z-6: to a consumer zeros are the end, whenever it looks.
#[test]
fn zeros_and_a_reader() {
    let cast = [
        roles::appends_into_zeros(AHEAD, &[&["a"], &["b"]]),
        roles::reads(Start::End, 2),
        roles::opens_and_reads(Start::Last(1)),
    ];
    calm("zeros-and-a-reader", Some(2), &cast);
}

/// Z-7, X-3: who puts zeros dies at each of its steps; another one, who puts none, repairs and appends.
#[test]
fn death_among_zeros() {
    let cast = [
        roles::appends_into_zeros(AHEAD, &[&["a", "b"], &["c"]]),
        roles::opens_and_appends(&["d"]),
    ];
    let dies = |step| Plan { dies_at: Some(step), ..Plan::default() };
    explore("death-among-zeros", Some(2), Manner::default(), &cast, dies);
}

/// Z-1, A-14: a call fails, each in turn: of the zeros it is no matter, of a sync the block is written anew.
#[test]
fn failing_calls_among_zeros() {
    let cast = [
        roles::appends_into_zeros(AHEAD, &[&["a"], &["b"]]),
        roles::appends_into_zeros(AHEAD, &[&["c"]]),
    ];
    let fails = |step| Plan { fails: step..step + 1, ..Plan::default() };
    explore("failing-calls-among-zeros", Some(2), Manner::default(), &cast, fails);
}
