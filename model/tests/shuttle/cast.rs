//! A larger cast under many schedules: two producers, two consumers, one who rolls, one who
//! comes late and repairs; in half of the campaigns they die or have calls fail.
//!
//! `PURO_SHUTTLE_SCHEDULES=1000000` is the long form, `PURO_SEED` other schedules, and
//! `PURO_SHUTTLE_REPLAY=FILE` plays the one schedule that a failure kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use puro::Start;
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Order, Plan};
use puro_model::shuttle_world::{Campaign, Schedules, Shuttle, share_of, spared, tried};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
/// How many campaigns share the schedules.
const CAMPAIGNS: usize = 12;

static LONG: LazyLock<&'static str> = LazyLock::new(|| "x".repeat(3_500).leak());
static BEFORE: LazyLock<&'static [&'static str]> = LazyLock::new(|| vec![*LONG].leak());

/// Every freedom that the assumptions of chapter 1 leave to a system.
const FREE: Manner = Manner {
    writes: Order::Any,
    reads: Order::Any,
    every_look: true,
    watched: true,
    hiccups: true,
    sabotage: puro_model::shared_world::Sabotage::None,
};

fn cast() -> Vec<Role<Shuttle>> {
    vec![
        roles::appends(&[&["a1", "a2"], &["b"], &["c"]]),
        roles::appends(&[&["d"], &["e1", "e2"]]),
        roles::reads(Start::Beginning, 3),
        roles::reads(Start::End, 3),
        roles::opens_and_appends(&["f1", "f2", "f3"]),
    ]
}

/// Where nobody dies, one may wait for all that is to come.
fn waiting_cast() -> Vec<Role<Shuttle>> {
    let mut cast = cast();
    cast[3] = roles::waits_for(Start::End, 10);
    cast
}

fn durable_cast() -> Vec<Role<Shuttle>> {
    vec![
        roles::appends_durably(&[&["a1", "a2"], &["b"], &["c"]]),
        roles::appends(&[&["d"], &["e1", "e2"]]),
        roles::reads(Start::Beginning, 2),
        roles::opens_and_reads(Start::Last(2)),
        roles::appends_durably(&[&["f"]]),
    ]
}

/// Some put zeros ahead, more and fewer; others do not know of it, or open where zeros are the end.
fn zeros_cast() -> Vec<Role<Shuttle>> {
    vec![
        roles::appends_into_zeros(192, &[&["a1", "a2"], &["b"], &["c"]]),
        roles::appends_into_zeros(1024, &[&["d"], &["e"]]),
        roles::appends(&[&["f"]]),
        roles::reads(Start::Beginning, 2),
        roles::opens_and_reads(Start::Last(2)),
        roles::opens_and_appends(&["g1", "g2"]),
    ]
}

fn run(name: &'static str, cast: Vec<Role<Shuttle>>, fate: fn() -> Plan, schedules: Schedules) {
    let campaign = Campaign { name, module: "cast", before: &BEFORE, cast, manner: FREE, fate };
    let done = campaign.run(schedules, share_of(CAMPAIGNS), TARGET);
    done.unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn spared_random() {
    run("spared_random", waiting_cast(), spared, Schedules::Random);
}

#[test]
fn spared_pct3() {
    run("spared_pct3", waiting_cast(), spared, Schedules::Pct(3));
}

#[test]
fn spared_pct5() {
    run("spared_pct5", waiting_cast(), spared, Schedules::Pct(5));
}

#[test]
fn tried_random() {
    run("tried_random", cast(), tried, Schedules::Random);
}

#[test]
fn tried_pct3() {
    run("tried_pct3", cast(), tried, Schedules::Pct(3));
}

#[test]
fn tried_pct5() {
    run("tried_pct5", cast(), tried, Schedules::Pct(5));
}

#[test]
fn durable_random() {
    run("durable_random", durable_cast(), tried, Schedules::Random);
}

#[test]
fn durable_pct3() {
    run("durable_pct3", durable_cast(), tried, Schedules::Pct(3));
}

#[test]
fn durable_pct5() {
    run("durable_pct5", durable_cast(), tried, Schedules::Pct(5));
}

#[test]
fn zeros_random() {
    run("zeros_random", zeros_cast(), tried, Schedules::Random);
}

#[test]
fn zeros_pct3() {
    run("zeros_pct3", zeros_cast(), tried, Schedules::Pct(3));
}

#[test]
fn zeros_pct5() {
    run("zeros_pct5", zeros_cast(), tried, Schedules::Pct(5));
}
