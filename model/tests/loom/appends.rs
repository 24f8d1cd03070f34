//! Every interleaving of appends and reads in one segment (protocol.md, chapters 2, 4, 8).
//!
//! `PURO_LOOM_BOUND=none` (or a number of preemptions) is the long form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

/// Explores a cast to which nothing untoward happens, over a stream of one record.
fn explore(name: &'static str, bound: Option<usize>, like: Manner, cast: &[Role<Loom>]) {
    let exploration = Exploration::new(name, bound);
    let cast: Vec<_> = cast.iter().map(|role| (Plan::default(), role.clone())).collect();
    let explored = exploration.cast(&stream(&["x"]), &["x"], &manners(like), &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// each of two producers knows an end that the other makes old, and steps over.
#[test]
fn two_producers() {
    let cast = [roles::appends(&[&["a"], &["b"]]), roles::appends(&[&["c", "d"], &["e"]])];
    explore("two-producers", None, Manner::default(), &cast);
}

/// three producers, one append each.
#[test]
fn three_producers() {
    let cast =
        [roles::appends(&[&["a"]]), roles::appends(&[&["b", "c"]]), roles::appends(&[&["d"]])];
    explore("three-producers", Some(3), Manner::default(), &cast);
}

/// a consumer sees nothing of a block, or all of it.
#[test]
fn producer_and_consumer() {
    let cast = [roles::appends(&[&["a", "b"]]), roles::reads(Start::End, 2)];
    explore("producer-and-consumer", None, Manner::default(), &cast);
}

/// Prefix: a consumer beside two producers sees the one order that there is.
#[test]
fn two_producers_and_a_reader_at_the_end() {
    let cast =
        [roles::appends(&[&["a", "b"]]), roles::appends(&[&["c"]]), roles::reads(Start::End, 2)];
    explore("reader-at-the-end", Some(2), Manner::default(), &cast);
}

/// of two compare-and-appends with the same token, one wins.
#[test]
fn append_if_by_two() {
    let cast = [roles::appends_if_first(&["a"]), roles::appends_if_first(&["b"])];
    explore("append-if-by-two", None, Manner::default(), &cast);
}

/// O-3, O-4: what is read without the lock while another appends is no more than a hint.
#[test]
fn opening_while_appending() {
    let cast = [roles::opens_and_appends(&["a"]), roles::appends(&[&["b", "c"], &["d"]])];
    explore("opening-while-appending", Some(3), Manner::default(), &cast);
}

/// whoever watches first, reads then, and waits last, is woken.
#[test]
fn waiting_consumer() {
    let watched = Manner { watched: true, ..Manner::default() };
    let cast = [roles::waits_for(Start::End, 2), roles::appends(&[&["a"], &["b"]])];
    explore("waiting-consumer", Some(3), watched, &cast);
}
