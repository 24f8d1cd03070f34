//! The whole cast on one maintained stream: two producers, three consumers (one named), two
//! stewards, and one who takes a position over; in half of the campaigns they die or have
//! calls fail.
//!
//! `PURO_SHUTTLE_SCHEDULES=1000000` is the long form, `PURO_SEED` other schedules, and
//! `PURO_SHUTTLE_REPLAY=FILE` plays the one schedule that a failure kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro_model::ledger::{Entry, JOB};
use puro_model::shared_world::{Manner, Order, Plan, Sabotage};
use puro_model::shuttle_world::{Runs, Schedules, Shuttle, share_of, spared, tried};
use puro_model::upkeep_roles as roles;
use puro_model::upkeep_shared::{self as upkeep, Role, input, kept, logged, stage};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
/// The schedules of the other casts, shared; these are longer ones, so there are fewer.
const CAMPAIGNS: usize = 120;

/// Every freedom that the assumptions of chapter 1 leave to a system.
const FREE: Manner = Manner {
    writes: Order::Any,
    reads: Order::Any,
    every_look: true,
    watched: false,
    hiccups: true,
    sabotage: Sabotage::None,
};

fn leak(entries: Vec<Entry>) -> &'static [Entry] {
    entries.leak()
}

/// Some sealed segments; a value in them and, its grace over, the marker that deletes it.
fn before() -> Vec<Entry> {
    vec![logged(7), logged(8), kept(0, 1), kept(1, 2), kept(0, 0), input(1), kept(2, 4)]
}

fn cast() -> Vec<Role<Shuttle>> {
    vec![
        roles::appends(leak(vec![kept(1, 11), kept(0, 12), input(13)])),
        roles::appends(leak(vec![kept(1, 21), kept(2, 0)])),
        roles::follows(1, 2),
        roles::opens_and_follows(),
        roles::commits(0, 3),
        roles::maintains(2, true),
        roles::maintains(2, false),
        roles::takes_over(0, 2),
    ]
}

/// With one who transforms, and its successor.
fn transforming_cast() -> Vec<Role<Shuttle>> {
    let mut cast = cast();
    cast[4] = roles::commits(JOB, 2);
    cast[7] = roles::takes_over(JOB, 2);
    cast
}

const DELETES: &[(&str, &str)] = &[("retention_bytes", "6000"), ("pin_grace_ms", "0")];

fn run(
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
    cast: Vec<Role<Shuttle>>,
    fate: fn() -> Plan,
    schedules: Schedules,
) {
    let runs = Runs { name, module: "steward", keeps_failures: true };
    let stage = stage(settings, &before());
    let done = runs.run(schedules, share_of(CAMPAIGNS), TARGET, move || {
        let cast: Vec<_> = cast.iter().map(|role| (fate(), role.clone())).collect();
        let join = |thread: shuttle::thread::JoinHandle<()>| thread.join().is_ok();
        let deletes = !settings.is_empty();
        upkeep::play(&stage, FREE, deletes, &cast, shuttle::thread::spawn, join).map(drop)
    });
    done.unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn compacted_spared_random() {
    run("compacted_spared_random", &[], cast(), spared, Schedules::Random);
}

#[test]
fn compacted_tried_random() {
    run("compacted_tried_random", &[], cast(), tried, Schedules::Random);
}

#[test]
fn compacted_tried_pct3() {
    run("compacted_tried_pct3", &[], cast(), tried, Schedules::Pct(3));
}

#[test]
fn deleted_spared_pct3() {
    run("deleted_spared_pct3", DELETES, cast(), spared, Schedules::Pct(3));
}

#[test]
fn deleted_tried_random() {
    run("deleted_tried_random", DELETES, cast(), tried, Schedules::Random);
}

#[test]
fn deleted_tried_pct5() {
    run("deleted_tried_pct5", DELETES, cast(), tried, Schedules::Pct(5));
}

#[test]
fn transforming_tried_random() {
    run("transforming_tried_random", &[], transforming_cast(), tried, Schedules::Random);
}

#[test]
fn transforming_tried_pct3() {
    run("transforming_tried_pct3", &[], transforming_cast(), tried, Schedules::Pct(3));
}
