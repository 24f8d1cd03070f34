//! Do the checks of the loom world bite? Each world here breaks one promise of real systems,
//! and the scenario that depends on it must fail, for the right reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::buffered_roles::{Do, End, Keep, Process, holds, shares};
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom, manners};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Plan, Sabotage};

fn calm(cast: &[Role<Loom>]) -> Vec<(Plan, Role<Loom>)> {
    cast.iter().map(|role| (Plan::default(), role.clone())).collect()
}

/// What a cast in a world that is sabotaged so ends with.
fn failure(before: &'static [&'static str], like: Manner, cast: &[Role<Loom>]) -> String {
    let exploration = Exploration::new("sabotage", Some(2));
    let explored = exploration.cast(&stream(before), before, &manners(like), &calm(cast));
    explored.expect_err("the sabotage goes unnoticed")
}

fn sabotaged(sabotage: Sabotage) -> Manner {
    Manner { sabotage, ..Manner::default() }
}

fn assert_begins(what: &str, with: &[&str]) {
    assert!(with.iter().any(|prefix| what.starts_with(prefix)), "{what}");
}

/// Long enough to have a segment of its own.
fn long(letter: &str) -> &'static str {
    letter.repeat(4_000).leak()
}

/// L-1: without exclusion, two producers write over each other.
#[test]
fn lock_that_excludes_nobody() {
    let cast = [roles::appends(&[&["a"]]), roles::appends(&[&["b", "c"]])];
    let what = failure(&["x"], sabotaged(Sabotage::LockExcludesNobody), &cast);
    assert_begins(&what, &["Prefix", "Atomic", "Durable", "Progress"]);
}

/// a signal that is high before the body is there makes a death look like lost data.
#[test]
fn signal_before_body() {
    let exploration = Exploration::new("sabotage", Some(2));
    let cast = [roles::appends(&[&["a", "b"]]), roles::appends(&[&["c"]])];
    let dies = |step| Plan { dies_at: Some(step), ..Plan::default() };
    let manners = manners(sabotaged(Sabotage::SignalBeforeBody));
    let explored = exploration.troubles(&stream(&["x"]), &["x"], &manners, &cast, dies);
    assert_begins(&explored.expect_err("the sabotage goes unnoticed"), &["Quiet"]);
}

/// a watch that forgets what came just before the wait sleeps on.
#[test]
fn watch_that_loses_a_wake_up() {
    let deaf = Manner { watched: true, ..sabotaged(Sabotage::DeafWatch) };
    let cast = [roles::waits_for(Start::End, 1), roles::appends(&[&["a"]])];
    assert_begins(&failure(&["x"], deaf, &cast), &["deadlock"]);
}

/// V-8, V-9: a consumer that cannot tell files apart takes a removed segment for damage.
#[test]
fn all_files_look_the_same() {
    let same = Manner { every_look: true, ..sabotaged(Sabotage::ConstantId) };
    let cast = [roles::opens_and_reads_what_is_left(), roles::removes(0..2)];
    let before: &[&str] = vec![long("x"), long("y"), long("z")].leak();
    assert_begins(&failure(before, same, &cast), &["Progress"]);
}

/// V-5: a name that leads to an empty file for a moment is met by whoever opens then.
#[test]
fn rename_in_two_steps() {
    let before: &[&str] = vec![long("x")].leak();
    let cast = [roles::appends(&[&["a"]]), roles::reads(Start::End, 2)];
    let what = failure(before, sabotaged(Sabotage::TornRename), &cast);
    assert_begins(&what, &["Progress"]);
}

/// durable is what is on the disk, not what a sync says is.
#[test]
fn sync_that_lies() {
    let cast = [roles::appends_durably(&[&["a"]]), roles::appends(&[&["b"]])];
    let what = failure(&["x"], sabotaged(Sabotage::LyingSync), &cast);
    assert_begins(&what, &["Durable"]);
}

/// Two threads that append through one producer, and wait for it.
const TWO: Process = Process {
    durable: true,
    lingers: false,
    batch_bytes: 1000,
    threads: &[&[Do::Append("a")], &[Do::Append("b")]],
    end: End::Drop,
};

/// Who waits for another thread's append, and misses its end, waits for ever.
#[test]
fn thread_that_misses_a_wake_up() {
    let deaf = sabotaged(Sabotage::DeafMonitor);
    assert_begins(&failure(&["x"], deaf, &[shares(TWO)]), &["deadlock"]);
}

/// what threads are told to be durable is on the disk.
#[test]
fn threads_that_are_told_before_the_sync() {
    let what = failure(&["x"], sabotaged(Sabotage::LyingSync), &[shares(TWO)]);
    assert_begins(&what, &["Durable"]);
}

/// A buffer that is forgotten, not dropped, leaves in memory what nobody waited for.
#[test]
fn buffer_that_is_not_flushed() {
    let process = Process { threads: &[&[Do::Push("a")]], end: End::Forget, ..TWO };
    assert_begins(&failure(&["x"], Manner::default(), &[shares(process)]), &["Durable"]);
}

/// L-1: a lock that is kept, and keeps nobody out.
#[test]
fn held_lock_that_excludes_nobody() {
    let cast = [
        holds(false, &[Keep::Append(&["a"]), Keep::Append(&["b"])], &["c"]),
        roles::appends(&[&["d"]]),
    ];
    let what = failure(&["x"], sabotaged(Sabotage::LockExcludesNobody), &cast);
    assert_begins(&what, &["Prefix", "Atomic", "Durable", "Progress"]);
}

/// whoever cannot tell one lock file from another goes on under one that lost its name.
#[test]
fn held_lock_that_lost_its_name_unseen() {
    let same = Manner { every_look: true, ..sabotaged(Sabotage::ConstantId) };
    let lost = [Keep::Append(&["a"]), Keep::LoseName, Keep::Append(&["b"])];
    let cast = [holds(false, lost.to_vec().leak(), &["c"]), roles::opens_and_appends(&["d"])];
    let what = failure(&["x"], same, &cast);
    assert_begins(&what, &["Prefix", "Atomic", "Durable", "Progress"]);
}
