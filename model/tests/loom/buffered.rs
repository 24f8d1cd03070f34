//! Every interleaving of threads that append through one producer: what they are told
//! is there, or lost for good; deaths and failing calls in the middle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use puro::Start;
use puro_model::buffered_roles::{Do, End, Process, shares};
use puro_model::judge::stream;
use puro_model::loom_world::{Exploration, Loom};
use puro_model::roles::{self, Role};
use puro_model::shared_world::{Manner, Plan};

const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

/// Two threads, each of which waits for what it pushed; nothing lingers.
const TWO: Process = Process {
    durable: false,
    lingers: false,
    batch_bytes: 1000,
    threads: &[&[Do::Append("a")], &[Do::Append("b")]],
    end: End::Close("c"),
};

/// Explores a cast to which nothing untoward happens, over a stream of one record.
fn explore(name: &'static str, bound: Option<usize>, cast: &[Role<Loom>]) {
    explore_in(Manner::default(), name, bound, cast);
}

fn explore_in(manner: Manner, name: &'static str, bound: Option<usize>, cast: &[Role<Loom>]) {
    let exploration = Exploration::new(name, bound);
    let cast: Vec<_> = cast.iter().map(|role| (Plan::default(), role.clone())).collect();
    let explored = exploration.cast(&stream(&["x"]), &["x"], &[manner], &cast);
    explored.unwrap_or_else(|what| panic!("{what}"));
    exploration.report(TARGET);
}

/// Explores it with what is planned for its first actor, at each of its steps in turn.
fn trouble(name: &'static str, bound: usize, cast: &[Role<Loom>], plan: impl Fn(u32) -> Plan) {
    let exploration = Exploration::new(name, Some(bound));
    let manners = [Manner::default()];
    let steps = exploration.troubles(&stream(&["x"]), &["x"], &manners, cast, plan);
    let steps = steps.unwrap_or_else(|what| panic!("{what}"));
    assert!(steps > 5, "the first actor takes more than {steps} steps");
    exploration.report(TARGET);
}

fn dies(step: u32) -> Plan {
    Plan { dies_at: Some(step), ..Plan::default() }
}

fn fails(step: u32) -> Plan {
    Plan { fails: step..step + 1, ..Plan::default() }
}

/// two threads, one of which appends for both, or each for itself.
#[test]
fn two_threads_append() {
    explore("two-threads", None, &[shares(TWO)]);
}

/// the same durably, beside a producer of another process.
#[test]
fn two_threads_append_durably_beside_a_producer() {
    let durable = Process { durable: true, ..TWO };
    explore("two-threads-durably", Some(2), &[shares(durable), roles::appends(&[&["d"]])]);
}

/// A push alone, and a flush: the lingering thread appends, or who flushes does.
#[test]
fn a_flush_against_the_lingering_thread() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a"), Do::Flush], &[Do::Push("b")]];
    explore(
        "flush-against-linger",
        Some(2),
        &[shares(Process { lingers: true, threads: THREADS, ..TWO })],
    );
}

/// What nobody waits for is appended all the same, and who reads is woken by it.
#[test]
fn a_push_that_nobody_waits_for() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a")], &[Do::Await(2)]];
    let watched = Manner { watched: true, ..Manner::default() };
    let process = Process { lingers: true, threads: THREADS, end: End::Drop, ..TWO };
    explore_in(watched, "push-and-linger", Some(2), &[shares(process)]);
}

/// A buffer that is dropped is appended first, whatever the lingering thread is about.
#[test]
fn a_drop_against_the_lingering_thread() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a"), Do::Push("b")]];
    let process = Process { lingers: true, threads: THREADS, end: End::Drop, ..TWO };
    explore("drop-against-linger", Some(2), &[shares(process), roles::reads(Start::End, 2)]);
}

/// A full buffer is appended by who pushes, while others wait for room.
#[test]
fn a_full_buffer() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a"), Do::Append("b")], &[Do::Append("c")]];
    let process = Process { batch_bytes: 1, threads: THREADS, end: End::Drop, ..TWO };
    explore("full-buffer", Some(3), &[shares(process)]);
}

/// A call fails, whichever it is: what was told as lost is never appended.
#[test]
fn a_failing_call() {
    let process = Process { end: End::Drop, ..TWO };
    trouble("failing-call-of-threads", 3, &[shares(process)], fails);
}

/// The same while the lingering thread appends, to whom nobody listens: it tries again.
#[test]
fn a_failing_call_of_the_lingering_thread() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a"), Do::Flush], &[Do::Append("b")]];
    let process = Process { lingers: true, threads: THREADS, end: End::Drop, ..TWO };
    trouble("failing-call-and-linger", 1, &[shares(process)], fails);
}

/// What the lingering thread fails to append while nobody waits is not lost: it goes first, and
/// whoever flushes is told of it.
#[test]
fn a_failure_that_nobody_waits_for() {
    const THREADS: &[&[Do]] = &[&[Do::Push("a"), Do::Push("b"), Do::Flush]];
    let process = Process { lingers: true, threads: THREADS, end: End::Drop, ..TWO };
    trouble("failure-that-nobody-waits-for", 3, &[shares(process)], fails);
}

/// a sync fails, or what comes before it.
#[test]
fn a_failing_sync() {
    let process = Process { durable: true, end: End::Drop, ..TWO };
    trouble("failing-sync-of-threads", 2, &[shares(process)], fails);
}

/// The process dies at each of its steps, and another one appends.
#[test]
fn death_of_a_process() {
    let process = Process { durable: true, end: End::Drop, ..TWO };
    trouble("death-of-threads", 1, &[shares(process), roles::appends(&[&["d"]])], dies);
}
