//! Processes with several threads, and one that keeps the writer's lock, beside others; in half of
//! the campaigns they die or have calls fail. The seed and the long form are those of `cast`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use puro::Start;
use puro_model::buffered_roles::{Do, End, Keep, Process, holds, shares};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Order, Plan};
use puro_model::shuttle_world::{Campaign, Schedules, Shuttle, share_of, spared, tried};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");
/// So many campaigns would share all schedules: these are slower than those of `cast`, and fewer.
const CAMPAIGNS: usize = 60;

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

/// Three threads, one that lingers, and a buffer that is full now and then.
const HURRIED: Process = Process {
    durable: false,
    lingers: true,
    batch_bytes: 40,
    threads: &[
        &[Do::Push("a1"), Do::Append("a2"), Do::Push("a3"), Do::Flush],
        &[Do::Append("b1"), Do::Append("b2")],
        &[Do::Push("c1"), Do::Push("c2")],
    ],
    end: End::Close("d"),
};

const DURABLE: Process = Process {
    durable: true,
    lingers: false,
    batch_bytes: 1000,
    threads: &[&[Do::Append("e1"), Do::Append("e2")], &[Do::Append("f1"), Do::Push("f2")]],
    end: End::Drop,
};

const KEPT: &[Keep] = &[
    Keep::Append(&["g1", "g2"]),
    Keep::Append(&["h"]),
    Keep::GiveWay,
    Keep::Append(&["i"]),
    Keep::LoseName,
    Keep::Append(&["j"]),
];

fn cast() -> Vec<Role<Shuttle>> {
    vec![
        shares(HURRIED),
        shares(DURABLE),
        roles::appends(&[&["l"], &["m1", "m2"]]),
        roles::reads(Start::Beginning, 3),
    ]
}

/// Two at once must not lose the lock file's name: what that costs is said in A-21.
fn held_cast() -> Vec<Role<Shuttle>> {
    vec![
        holds(true, KEPT, &["k"]),
        roles::appends(&[&["l"], &["m1", "m2"]]),
        roles::reads(Start::Beginning, 3),
    ]
}

fn run(name: &'static str, cast: Vec<Role<Shuttle>>, fate: fn() -> Plan, schedules: Schedules) {
    let campaign = Campaign { name, module: "buffered", before: &BEFORE, cast, manner: FREE, fate };
    let done = campaign.run(schedules, share_of(CAMPAIGNS), TARGET);
    done.unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn threads_spared_random() {
    run("threads_spared_random", cast(), spared, Schedules::Random);
}

#[test]
fn threads_tried_random() {
    run("threads_tried_random", cast(), tried, Schedules::Random);
}

#[test]
fn threads_tried_pct3() {
    run("threads_tried_pct3", cast(), tried, Schedules::Pct(3));
}

#[test]
fn held_spared_random() {
    run("held_spared_random", held_cast(), spared, Schedules::Random);
}

#[test]
fn held_tried_random() {
    run("held_tried_random", held_cast(), tried, Schedules::Random);
}

#[test]
fn held_tried_pct3() {
    run("held_tried_pct3", held_cast(), tried, Schedules::Pct(3));
}
