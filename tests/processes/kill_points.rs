//! A process that dies by its own SIGKILL at the n-th call of the seam, and after k bytes of
//! it, for every n of a run of repair, appends and rollovers; judged by fresh processes.
//!
//! `PURO_KILL_STRIDE=N` takes every N-th point only, others each time.

use std::io::Write;
use std::path::Path;

use crate::real::*;
use puro::internals::interpose::{Answer, Operation};
use puro::{Producer, ProducerOptions};

const APPENDS: usize = 8;
/// What a point stands for that is never reached.
const NEVER: u64 = u64::MAX;

fn value(number: usize) -> String {
    format!("{number:01500}")
}

/// Repairs, appends, rolls over; dies at its point, and tells of its calls and appends.
#[test]
#[ignore = "a process that other tests start"]
fn worker() {
    let Ok(job) = std::env::var("PURO_TEST_KILL") else { return };
    let [dir, n, part] = job.split('|').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let (n, part): (u64, usize) = (n.parse().unwrap(), part.parse().unwrap());
    let calls = Calls::default();
    let world = interpose(move |call| {
        let number = calls.next();
        if n == NEVER {
            let length = if call.operation == Operation::Write { call.length } else { 0 };
            println!("call:{number} {length}");
        }
        match number == n {
            true if part > 0 => Answer::Then(part, Box::new(die)),
            true => Answer::Fail(die()),
            false => Answer::Proceed,
        }
    });
    let mut producer = ProducerOptions::new().open_in(world, Path::new(dir)).unwrap();
    for number in 0..APPENDS {
        producer.set_durable(number % 2 == 0);
        append(&mut producer, &value(number));
        println!("ack:{number}");
        std::io::stdout().flush().unwrap();
    }
}

/// Writes and reads as whoever comes next.
#[test]
#[ignore = "a process that other tests start"]
fn judge() {
    let Ok(dir) = std::env::var("PURO_TEST_JUDGE") else { return };
    let dir = Path::new(&dir);
    let before = values(dir);
    let mut producer = Producer::open(dir).unwrap();
    append(&mut producer, "after");
    let after = values(dir);
    assert_eq!(after.split_last().unwrap(), (&"after".to_owned(), &before[..]));
    for value in after {
        println!("read:{value}");
    }
}

/// A stream with a tail that must be saved, cut, and ended by a new epoch.
fn harmed_stream() -> tempfile::TempDir {
    use std::io::Write;
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "a");
    append(&mut producer, "b");
    drop(producer);
    let path = segment(dir.path(), 0);
    std::fs::File::options().append(true).open(path).unwrap().write_all(&[0xA5; 100]).unwrap();
    dir
}

fn run(dir: &Path, n: u64, part: usize) -> std::process::Output {
    let job = format!("{}|{n}|{part}", dir.display());
    again("kill_points::worker", &[("PURO_TEST_KILL", job)]).output().unwrap()
}

fn check(dir: &Path, acknowledged: usize, when: &str) {
    let mut child =
        again("kill_points::judge", &[("PURO_TEST_JUDGE", dir.to_str().unwrap().to_owned())]);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stdout));
    let read = marked(&output.stdout, "read:");
    let expected = |appends: usize| -> Vec<String> {
        let values = (0..appends).map(value);
        let ends = ["a".to_owned(), "b".to_owned()].into_iter();
        ends.chain(values).chain(["after".to_owned()]).collect()
    };
    let fits = read == expected(acknowledged) || read == expected(acknowledged + 1);
    assert!(fits, "{when}: {acknowledged} acknowledged, {} read", read.len());
    // the death of a process alone never looks like lost data. What was saved is the tail
    // that was there before, and nothing else.
    let saved = lost(dir);
    let contents: Vec<_> = saved.iter().map(|(_, bytes)| &bytes[..]).collect();
    assert_eq!(contents, [[0xA5; 100]], "{when}");
}

#[test]
fn a_process_killed_at_any_call_and_byte_loses_nothing() {
    let harmed = harmed_stream();
    let whole = copy(harmed.path());
    let output = run(whole.path(), NEVER, 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(marked(&output.stdout, "ack:").len(), APPENDS);
    assert!(segment(whole.path(), 3).exists(), "three rollovers");
    check(whole.path(), APPENDS, "not killed");

    // Killed before a call, or after a part of a write; after all of it is before the next.
    let mut points = Vec::new();
    for call in marked(&output.stdout, "call:") {
        let (n, length) = call.split_once(' ').unwrap();
        let (n, length): (u64, usize) = (n.parse().unwrap(), length.parse().unwrap());
        let mut parts = vec![0, 1, length / 2, length.saturating_sub(1)];
        parts.retain(|part| *part == 0 || *part < length);
        parts.dedup();
        points.extend(parts.into_iter().map(|part| (n, part)));
    }
    let mut random = Random::seeded("kill_points");
    let stride = number("PURO_KILL_STRIDE", 1) as usize;
    let first = random.below(stride as u64) as usize;
    let mut killed = 0;
    for (n, part) in points.iter().copied().skip(first).step_by(stride) {
        let dir = copy(harmed.path());
        let output = run(dir.path(), n, part);
        assert!(!output.status.success(), "call {n} was reached");
        let when = format!("killed at call {n} after {part} bytes");
        check(dir.path(), marked(&output.stdout, "ack:").len(), &when);
        killed += 1;
    }
    println!("{killed} of {} points", points.len());
    assert!(points.len() > 150 && killed >= points.len() / stride);
}
