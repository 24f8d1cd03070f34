//! Stewards, producers and consumers as processes of their own (S-1 to S-10, F-40).

#[path = "common/real.rs"]
mod real;
#[path = "common/steward.rs"]
mod steward;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use puro::internals::check;
use puro::internals::hint::Hint;
use puro::internals::os::OsVfs;
use puro::internals::vfs::LockKind;
use puro::steward::Why;
use puro::who::{Holder, who};
use puro::{
    CheckOptions, ConsumerOptions, NamedOptions, NewRecord, ReadError, Steward, StewardError,
};
use real::*;
use steward::*;

fn stream_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The state of a process: `T` when it is stopped.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::yield_now();
    }
}

fn holders_of(dir: &Path, file: &str) -> Vec<Holder> {
    let all = who(dir).unwrap().holders;
    all.into_iter().filter(|holder| holder.file == file && holder.lock.is_some()).collect()
}

/// A consumer that reads one record, says so, and reads on when it is told to.
#[test]
#[ignore = "a process that other tests start"]
fn child_consumer() {
    let Some(dir) = stream_of("PURO_CHILD_CONSUMER") else { return };
    let mut consumer = ConsumerOptions::new().open(&dir).unwrap();
    println!("\n@read {}", consumer.try_next().unwrap().unwrap().offset);
    // It is stopped here, with the segment in its hands.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    loop {
        match consumer.try_next() {
            Ok(Some(_)) => {}
            Ok(None) => println!("\n@end"),
            Err(ReadError::OffsetOutOfRange { offset, low, high }) => {
                println!("\n@out of range {offset} {low} {high}");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// S-4, V-8 and `puro who`: a stopped consumer is shown; its segment goes after the grace; it
/// is told when it goes on.
#[test]
#[cfg(target_os = "linux")]
fn a_stopped_consumer_is_shown_and_loses_its_segment() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    roll(&mut producer, dir.path(), 3);
    let variables = [("PURO_CHILD_CONSUMER", dir.path().display().to_string())];
    let mut child = again("child_consumer", &variables);
    let mut child = Reaped(child.stdin(Stdio::piped()).spawn().unwrap());
    let pid = child.0.id();
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("@read 0") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
    }
    signal(pid, "-STOP");
    wait_until("the stop", || state(pid) == 'T');

    producer.set(&"retention_bytes=5000".parse().unwrap()).unwrap();
    let report = clock.pass(dir.path());
    let Some(Why::Held { file, until_ms, .. }) = report.kept.first().map(|kept| &kept.why) else {
        panic!("{report:?}")
    };
    let (file, until_ms) = (*file, *until_ms);
    assert_eq!(until_ms, Some(NOON + 300_000));
    let found = holders_of(dir.path(), "0000000000.puro");
    let [holder] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((holder.pid, holder.lock, holder.id), (Some(pid), Some(LockKind::Shared), file));
    assert!(holder.stopped && !holder.deleted);
    assert!(holder.process.as_ref().is_some_and(|name| name.starts_with("steward_proc")));

    clock.set(NOON + 300_000);
    let report = clock.pass(dir.path());
    assert!(report.deleted[0].forced, "{report:?}");
    assert_eq!(deleted(&report), [0, 1, 2]);
    let found = holders_of(dir.path(), "0000000000.puro");
    assert!(found.iter().all(|holder| holder.deleted && holder.pid == Some(pid)), "{found:?}");

    drop(child.0.stdin.take());
    signal(pid, "-CONT");
    lines.read_to_string(&mut said).unwrap();
    assert!(child.0.wait().unwrap().success());
    // It has read what it held to the end; the stream begins at what came after segment 2 then.
    let low = fast_consumer().open(dir.path()).unwrap().try_next().unwrap().unwrap().offset;
    let told = marked(said.as_bytes(), "@out of range ");
    let [told] = told.as_slice() else { panic!("{said}") };
    let numbers: Vec<u64> = told.split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[1..], [low, producer.token().offset]);
    assert!(0 < numbers[0] && numbers[0] < low, "where the segment it held ends");
}

/// F-40: lock files say who took them, and since when.
#[test]
#[cfg(target_os = "linux")]
fn hints_tell_who_holds_a_lock_file() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "a");
    Steward::open(dir.path()).unwrap().run_once().unwrap();
    let hint = Hint::parse(&std::fs::read(dir.path().join("steward.lock")).unwrap()).unwrap();
    assert_eq!(hint.pid, std::process::id());
    assert!(holders_of(dir.path(), "steward.lock").is_empty(), "the hint alone means nothing");
    let consumer = NamedOptions::new().open(dir.path(), "anna").unwrap();
    let found = holders_of(dir.path(), "consumers/anna.lock");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pid, Some(std::process::id()));
    assert_eq!(found[0].lock, Some(LockKind::Exclusive));
    drop(consumer);
    // A child that another test is about to start has its files until it runs its program.
    wait_until("it is let go", || holders_of(dir.path(), "consumers/anna.lock").is_empty());
}

/// Runs passes until it is killed.
#[test]
#[ignore = "a process that other tests start"]
fn child_steward() {
    let Some(dir) = stream_of("PURO_CHILD_STEWARD") else { return };
    let mut steward = puro::StewardOptions::new().roll(true).map_bytes(300).open(&dir).unwrap();
    loop {
        match steward.run_once() {
            Ok(_) | Err(StewardError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends updates of 20 keys until it is killed; says what was acknowledged.
#[test]
#[ignore = "a process that other tests start"]
fn child_producer() {
    let Some(dir) = stream_of("PURO_CHILD_PRODUCER") else { return };
    let mut producer = small_segments().open(&dir).unwrap();
    let own = std::process::id();
    for number in 0u64.. {
        let (key, value) = (format!("{own}-{}", number % 10), format!("{number:0>200}"));
        producer.append(&NewRecord::new("t", &value).key(&key)).unwrap();
        println!("\n@done {key} {number}");
    }
}

/// S-1, S-6, M-3: two stewards and two producers, all killed at any time, again and again:
/// the latest of what was acknowledged is there, whoever reads, and the stream is sound.
#[test]
fn kills_anywhere_leave_the_latest_values() {
    let rounds = number("PURO_KILL_ROUNDS", 6);
    let mut random = Random::seeded("kills_anywhere_leave_the_latest_values");
    let dir = scratch();
    let mut first = small_segments().open(dir.path()).unwrap();
    first.set(&"cleanup=compact".parse().unwrap()).unwrap();
    let mut follower = fast_consumer().open(dir.path()).unwrap();
    let mut followed: BTreeMap<String, u64> = BTreeMap::new();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    let stream = dir.path().display().to_string();
    for _ in 0..rounds {
        let child =
            |test, variable| Reaped(again(test, &[(variable, stream.clone())]).spawn().unwrap());
        let mut producers: Vec<_> =
            (0..2).map(|_| child("child_producer", "PURO_CHILD_PRODUCER")).collect();
        let stewards: Vec<_> =
            (0..2).map(|_| child("child_steward", "PURO_CHILD_STEWARD")).collect();
        let until = first.token().offset + 50 + random.below(300);
        wait_until("enough records", || {
            while let Some(record) = follower.try_next().unwrap() {
                note(&mut followed, record.key, record.value);
            }
            follower.token().unwrap().offset > until
        });
        drop(stewards);
        for producer in &mut producers {
            producer.0.kill().unwrap();
            let mut said = Vec::new();
            producer.0.stdout.take().unwrap().read_to_end(&mut said).unwrap();
            for line in marked(&said, "@done ") {
                // The last line may be cut.
                if let Some((key, number)) = line.split_once(' ') {
                    acknowledged.insert(key.to_owned(), number.parse().unwrap_or(0));
                }
            }
        }
        drop(producers);
        append_unkeyed(&mut first);
    }
    // What the dead left half done is done now.
    puro::StewardOptions::new().roll(true).open(dir.path()).unwrap().run_once().unwrap();
    while let Some(record) = follower.try_next().unwrap() {
        note(&mut followed, record.key, record.value);
    }
    let mut read = BTreeMap::new();
    let mut consumer = fast_consumer().open(dir.path()).unwrap();
    while let Some(record) = consumer.try_next().unwrap() {
        note(&mut read, record.key, record.value);
    }
    assert_eq!(read, followed, "read from the beginning or all along");
    for (key, number) in &acknowledged {
        // One more may have been appended than the dead could say.
        assert!((*number..=*number + 10).contains(&read[key]), "{key}: {number}, {}", read[key]);
    }
    let deep = CheckOptions::new().deep(true);
    let findings = check(OsVfs::new(), dir.path(), &deep, &mut |_, _| {}).unwrap().findings;
    assert_eq!(findings, []);
    let compacted = (0..*segments(dir.path()).last().unwrap())
        .filter(|sequence| common_generation(dir.path(), *sequence) > 0);
    assert!(compacted.count() > 3, "something was compacted");
    println!("{} keys, {} segments", read.len(), segments(dir.path()).len());
}

fn common_generation(dir: &Path, sequence: u32) -> u32 {
    let dir = puro::internals::dir::Directory::new(OsVfs::new(), dir);
    let segment =
        dir.open_segment(sequence, puro::internals::vfs::OpenMode::Read).unwrap().unwrap();
    segment.header.generation
}

fn append_unkeyed(producer: &mut puro::Producer) {
    producer.append(&NewRecord::new("other", "x")).unwrap();
}

fn note(table: &mut BTreeMap<String, u64>, key: Option<&[u8]>, value: Option<&[u8]>) {
    let Some(key) = key else { return };
    let number = std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap();
    table.insert(String::from_utf8(key.to_vec()).unwrap(), number);
}
