//! Do the checks of the shuttle world bite? As in the loom world, with the larger cast.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::buffered_roles::{Do, End, Keep, Process, holds, shares};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Order, Plan, Sabotage};
use puro_model::shuttle_world::{Campaign, Schedules, Shuttle, spared, tried};

/// So many schedules at most until the sabotage is noticed.
const ENOUGH: usize = 20_000;

fn failure(sabotage: Sabotage, cast: Vec<Role<Shuttle>>, fate: fn() -> Plan) -> String {
    let (any, default) = (Order::Any, Manner::default());
    let manner =
        Manner { writes: any, reads: any, every_look: true, watched: true, sabotage, ..default };
    let before: &[&str] = vec![&*"x".repeat(3_700).leak()].leak();
    let campaign = Campaign { name: "sabotage", module: "sabotage", before, cast, manner, fate };
    let done = campaign.run(Schedules::Random, ENOUGH, env!("CARGO_TARGET_TMPDIR"));
    done.expect_err("the sabotage goes unnoticed")
}

fn cast() -> Vec<Role<Shuttle>> {
    vec![
        roles::appends(&[&["a1", "a2"], &["b"], &["c"]]),
        roles::appends_durably(&[&["d"], &["e1", "e2"]]),
        roles::reads(Start::Beginning, 3),
        roles::waits_for(Start::End, 9),
        roles::opens_and_appends(&["f1", "f2"]),
    ]
}

fn assert_begins(what: &str, with: &[&str]) {
    assert!(with.iter().any(|prefix| what.starts_with(prefix)), "{what}");
}

#[test]
fn lock_that_excludes_nobody() {
    let mut cast = cast();
    cast.remove(3); // who waits may wait forever for what others have written over
    let what = failure(Sabotage::LockExcludesNobody, cast, spared);
    assert_begins(&what, &["Prefix", "Atomic", "Durable", "Progress", "Quiet"]);
}

#[test]
fn signal_before_body() {
    let mut cast = cast();
    cast.remove(3); // who waits may wait forever for the dead
    assert_begins(&failure(Sabotage::SignalBeforeBody, cast, tried), &["Quiet"]);
}

#[test]
fn watch_that_loses_a_wake_up() {
    assert_begins(&failure(Sabotage::DeafWatch, cast(), spared), &["deadlock"]);
}

#[test]
fn rename_in_two_steps() {
    assert_begins(&failure(Sabotage::TornRename, cast(), spared), &["Progress"]);
}

#[test]
fn sync_that_lies() {
    assert_begins(
        &failure(Sabotage::LyingSync, cast(), spared),
        &["Durable", "Prefix", "Progress"],
    );
}

/// Three threads that append through one producer.
const THREE: Process = Process {
    durable: true,
    lingers: true,
    batch_bytes: 1000,
    threads: &[
        &[Do::Append("a1"), Do::Push("a2")],
        &[Do::Append("b1"), Do::Append("b2")],
        &[Do::Push("c1"), Do::Append("c2")],
    ],
    end: End::Drop,
};

#[test]
fn thread_that_misses_a_wake_up() {
    let what = failure(Sabotage::DeafMonitor, vec![shares(THREE)], spared);
    assert_begins(&what, &["deadlock"]);
}

#[test]
fn threads_that_are_told_before_the_sync() {
    let what = failure(Sabotage::LyingSync, vec![shares(THREE)], spared);
    assert_begins(&what, &["Durable", "Prefix", "Progress"]);
}

#[test]
fn buffer_that_is_not_flushed() {
    let process = Process { lingers: false, end: End::Forget, ..THREE };
    assert_begins(&failure(Sabotage::None, vec![shares(process)], spared), &["Durable"]);
}

#[test]
fn held_lock_that_excludes_nobody() {
    let kept = [Keep::Append(&["a1", "a2"]), Keep::Append(&["b"])];
    let cast = vec![holds(false, kept.to_vec().leak(), &["c"]), roles::appends(&[&["d"], &["e"]])];
    let what = failure(Sabotage::LockExcludesNobody, cast, spared);
    assert_begins(&what, &["Prefix", "Atomic", "Durable", "Progress", "Quiet"]);
}
