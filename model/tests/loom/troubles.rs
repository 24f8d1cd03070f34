//! Every interleaving with an actor that dies, at each of its steps in turn, or of which a
//! call fails, each in turn (protocol.md, chapter 5; ).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Order, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

fn dies(step: u32) -> Plan {
    Plan { dies_at: Some(step), ..Plan::default() }
}

/// Explores a cast over a stream of one record; what is planned befalls its first actor.
fn explore(
    name: &'static str,
    bound: Option<usize>,
    manners: &[Manner],
    cast: &[Role<Loom>],
    plan: impl Fn(u32) -> Plan,
) {
    let exploration = Exploration::new(name, bound);
    let steps = exploration.troubles(&stream(&["x"]), &["x"], manners, cast, plan);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 5, "the first actor takes more than {steps} steps");
    exploration.report(TARGET);
}

/// a producer dies at each step of an append; another repairs and appends.
#[test]
fn append_against_repair() {
    let cast = [roles::appends(&[&["a", "b"]]), roles::appends(&[&["c"], &["d"]])];
    explore("append-against-repair", None, &manners(Manner::default()), &cast, dies);
}

/// Prefix: the same while a consumer reads at the end, in the orders that tear the most.
#[test]
fn death_with_a_second_producer_and_a_reader() {
    let torn = [
        Manner { writes: Order::Backward, reads: Order::Backward, ..Manner::default() },
        Manner { writes: Order::Forward, reads: Order::Backward, ..Manner::default() },
    ];
    let cast =
        [roles::appends(&[&["a", "b"]]), roles::appends(&[&["c"]]), roles::reads(Start::End, 2)];
    explore("death-beside-two", Some(2), &torn, &cast, dies);
}

/// a call of an append fails, whichever it is, and a consumer looks on: what was
/// told to be not appended was never seen.
#[test]
fn failing_call_with_a_reader() {
    let cast = [roles::appends(&[&["a", "b"], &["c"]]), roles::reads(Start::End, 2)];
    let fails = |step| Plan { fails: step..step + 1, ..Plan::default() };
    explore("failing-call", Some(3), &manners(Manner::default()), &cast, fails);
}

/// two calls in a row fail, so that a commit can fail and not be looked at.
#[test]
fn two_failing_calls_with_a_producer() {
    let cast = [roles::appends(&[&["a", "b"], &["c"]]), roles::appends(&[&["d"]])];
    let fails = |step| Plan { fails: step..step + 2, ..Plan::default() };
    explore("two-failing-calls", Some(3), &[Manner::default()], &cast, fails);
}

/// M-6: a sync fails, and the rewriting after it races with another producer.
#[test]
fn durable_append_with_failing_sync() {
    let cast = [roles::appends_durably(&[&["a"], &["b"]]), roles::appends(&[&["c"]])];
    let fails = |step| Plan { fails: step..step + 1, ..Plan::default() };
    explore("failing-sync", Some(3), &[Manner::default()], &cast, fails);
}

/// two durable producers, one of which has each of its calls fail in turn.
#[test]
fn two_durable_appends_with_failing_sync() {
    let cast = [roles::appends_durably(&[&["a"]]), roles::appends_durably(&[&["b"]])];
    let fails = |step| Plan { fails: step..step + 1, ..Plan::default() };
    explore("failing-sync-of-two", Some(3), &[Manner::default()], &cast, fails);
}
