//! Every interleaving around the end of a segment (protocol.md, chapters 3, 7, 8).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use puro::Start;
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Image, Manner, Order, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

/// Fills a segment of the smallest size, so that whatever follows goes into the next.
static FULL: LazyLock<&'static str> = LazyLock::new(|| "x".repeat(4_000).leak());
static BEFORE: LazyLock<&'static [&'static str]> = LazyLock::new(|| vec![*FULL].leak());
/// Three segments, the last one full.
static THREE: LazyLock<&'static [&'static str]> = LazyLock::new(|| {
    let value = |letter: &str| &*letter.repeat(4_000).leak();
    vec![value("x"), value("y"), value("z")].leak()
});

fn explore(
    name: &'static str,
    bound: Option<usize>,
    before: &'static [&'static str],
    manners: &[Manner],
    cast: &[Role<Loom>],
) {
    let exploration = Exploration::new(name, bound);
    let cast: Vec<_> = cast.iter().map(|role| (Plan::default(), role.clone())).collect();
    let explored = exploration.cast(&stream(before), before, manners, &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// The scenarios below are about rolling: so there must be some.
#[test]
fn the_next_append_rolls() {
    assert_eq!(segments_after(&BEFORE, &[]), 1);
    assert_eq!(segments_after(&BEFORE, &["a"]), 2);
    assert_eq!(segments_after(&THREE, &[]), 3);
}

fn segments_after(before: &[&str], then: &[&str]) -> usize {
    let names = stream(&[before, then].concat()).names();
    names.iter().filter(|name| name.ends_with(".puro")).count()
}

/// V-3 to V-5: two producers, the first of which rolls; the other finds its end stale.
#[test]
fn two_producers_roll() {
    let cast = [roles::appends(&[&["a"]]), roles::appends(&[&["b", "c"], &["d"]])];
    explore("two-producers-roll", None, &BEFORE, &manners(Manner::default()), &cast);
}

/// V-8: a consumer hops while the next segment is made.
#[test]
fn rollover_against_a_hop() {
    let cast = [roles::appends(&[&["a"]]), roles::reads(Start::End, 2)];
    explore("rollover-against-hop", Some(3), &BEFORE, &manners(Manner::default()), &cast);
}

/// R-8, V-8: a consumer that waits is woken by a rollover too.
#[test]
fn waiting_over_a_rollover() {
    let watched = Manner { watched: true, ..Manner::default() };
    let cast = [roles::waits_for(Start::End, 1), roles::appends(&[&["a"]])];
    explore("waiting-over-rollover", Some(2), &BEFORE, &[watched], &cast);
}

/// O-3: a producer opens while another rolls.
#[test]
fn opening_while_rolling() {
    let cast = [roles::opens_and_appends(&["a"]), roles::appends(&[&["b"]])];
    explore("opening-while-rolling", Some(3), &BEFORE, &[Manner::default()], &cast);
}

/// a consumer opens at the end while a producer rolls.
#[test]
fn consumer_opens_while_rolling() {
    let cast = [roles::opens_and_reads(Start::End), roles::appends(&[&["a"], &["b"]])];
    explore("consumer-opens-while-rolling", Some(3), &BEFORE, &[Manner::default()], &cast);
}

/// a producer that knows an end two segments ago.
#[test]
fn stale_producer() {
    let cast = [roles::appends(&[&["a"]]), roles::fills_two_segments()];
    explore("stale-producer", None, &BEFORE, &[Manner::default()], &cast);
}

/// the same, and the segment that it knows is removed meanwhile: the stream goes on.
#[test]
fn idle_producer() {
    let looked = Manner { every_look: true, ..Manner::default() };
    let cast = [roles::appends(&[&["a"]]), roles::fills_two_segments_and_removes()];
    explore("idle-producer", Some(3), &BEFORE, &[looked], &cast);
}

/// O-1: two make one and the same stream.
#[test]
fn two_creators() {
    let exploration = Exploration::new("two-creators", Some(3));
    let cast = [roles::creates_and_appends(&["a"]), roles::creates_and_appends(&["b"])];
    let cast = cast.map(|role| (Plan::default(), role));
    let explored = exploration.cast(&Image::default(), &[], &[Manner::default()], &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// V-6, V-7: a producer dies at each step of a rollover; another finishes it.
#[test]
fn death_between_segment_end_and_name() {
    let exploration = Exploration::new("death-in-rollover", Some(2));
    let cast = [roles::appends(&[&["a"]]), roles::appends(&[&["b"]]), roles::reads(Start::End, 1)];
    let dies = |step| Plan { dies_at: Some(step), ..Plan::default() };
    let manner = Manner { writes: Order::Backward, ..Manner::default() };
    let steps = exploration.troubles(&stream(&BEFORE), &BEFORE, &[manner], &cast, dies);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 10, "a rollover takes more than {steps} steps");
    exploration.report(TARGET);
}

/// O-1: a creator dies at each step; another makes the stream.
#[test]
fn death_of_a_creator() {
    let exploration = Exploration::new("death-of-a-creator", Some(2));
    let cast = [roles::creates_and_appends(&["a"]), roles::creates_and_appends(&["b"])];
    let dies = |step| Plan { dies_at: Some(step), ..Plan::default() };
    let steps = exploration.troubles(&Image::default(), &[], &[Manner::default()], &cast, dies);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 10, "making a stream takes more than {steps} steps");
    exploration.report(TARGET);
}

/// V-8, V-9, R-2: segments are removed before a consumer that hops from one to the next.
#[test]
fn removal_against_a_hop() {
    let looked = Manner { every_look: true, ..Manner::default() };
    let cast = [roles::reads_what_is_left(), roles::removes(0..2)];
    explore("removal-against-hop", Some(3), &THREE, &[looked], &cast);
}

/// R-2, F-9: a consumer opens at the beginning while the beginning is removed.
#[test]
fn removal_against_opening() {
    let looked = Manner { every_look: true, ..Manner::default() };
    let cast = [roles::opens_and_reads_what_is_left(), roles::removes(0..2)];
    explore("removal-against-opening", Some(3), &THREE, &[looked], &cast);
}
