//! What a new user would try, with the built program, at full size. Each run takes a minute or
//! so and some GiB of writing, so they are asked for, best one at a time:
//!
//! ```text
//! cargo test --release --test acceptance -- --ignored --nocapture --test-threads=1
//! ```
//!
//! `PURO_GIB` and `PURO_UPDATES` set other sizes; the figures are printed.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/cli.rs"]
mod cli;
#[path = "../../../tests/common/real.rs"]
mod real;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cli::{Place, signal};
use puro::Consumer;
use real::{Random, number};

const MIB: u64 = 1 << 20;

/// Bytes on disk of all files of a directory, as `du` counts them.
fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    // What goes away between the two looks takes no room.
    entries.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).sum()
}

/// The end of a child's life: its exit code, and what it said on stderr.
fn end_of(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

/// Four processes append 5 GiB to a stream with retention_bytes of 256 MiB; no steward runs,
/// one consumer keeps up. The stream stays below 400 MiB, and the consumer misses nothing.
#[test]
#[ignore = "writes 5 GiB"]
fn retention_holds_without_a_steward() {
    const PRODUCERS: u64 = 4;
    const LINE: usize = 1000;
    let place = Place::new();
    place.puro(&["create", "s"]);
    place.puro(&["config", "s", "set", "retention_bytes", &(256 * MIB).to_string()]);
    let each = number("PURO_GIB", 5) * (1 << 30) / PRODUCERS / (LINE as u64 + 1);
    let begun = Instant::now();
    let mut consumer = place.start(&["consume", "s", "-f", "%o\\n"]);
    let offsets = BufReader::new(consumer.stdout.take().unwrap());
    let producers: Vec<Child> =
        (0..PRODUCERS).map(|_| place.start(&["produce", "s", "-t", "t"])).collect();
    let done = AtomicBool::new(false);
    let (mut highest, mut samples) = (0, 0u64);
    std::thread::scope(|scope| {
        let feeders: Vec<_> = producers
            .into_iter()
            .map(|mut producer| {
                scope.spawn(move || {
                    let mut pipe = BufWriter::new(producer.stdin.take().unwrap());
                    let line = [[b'x'; LINE].as_slice(), b"\n"].concat();
                    (0..each).for_each(|_| pipe.write_all(&line).unwrap());
                    drop(pipe);
                    assert_eq!(end_of(producer), (Some(0), String::new()));
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut next = 0;
            for line in offsets.lines() {
                assert_eq!(line.unwrap(), next.to_string(), "the consumer missed something");
                next += 1;
                if next == PRODUCERS * each {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
            next
        });
        while !done.load(Ordering::Relaxed) && !reader.is_finished() {
            highest = disk_bytes(&place.path("s")).max(highest);
            samples += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        feeders.into_iter().for_each(|feeder| feeder.join().unwrap());
        assert_eq!(reader.join().unwrap(), PRODUCERS * each);
    });
    signal(&consumer, "INT");
    end_of(consumer);
    println!(
        "{} records of {LINE} bytes from {PRODUCERS} processes in {:.1} s; \
         the stream took {} MiB at most ({samples} looks)",
        PRODUCERS * each,
        begun.elapsed().as_secs_f64(),
        highest / MIB
    );
    assert!(highest < 400 * MIB, "{highest} bytes on disk");
}

/// What a consumer from the beginning makes of the stream, and how many records it read.
fn table(dir: &Path) -> (BTreeMap<Vec<u8>, Vec<u8>>, u64) {
    let (mut table, mut records) = (BTreeMap::new(), 0);
    let mut consumer = Consumer::open(dir).unwrap();
    while let Some(record) = consumer.try_next().unwrap() {
        records += 1;
        let key = record.key.unwrap().to_vec();
        match record.value {
            Some(value) => table.insert(key, value.to_vec()),
            None => table.remove(&key),
        };
    }
    (table, records)
}

/// 1,000,000 updates and deletions of 10,000 keys: after a compaction there is exactly the
/// latest value of each, and a consumer from the beginning makes the same table of them.
#[test]
#[ignore = "appends a million records"]
fn compaction_leaves_the_latest_values() {
    let mut random = Random::seeded("compaction_leaves_the_latest_values");
    let place = Place::new();
    let (updates, keys) = (number("PURO_UPDATES", 1_000_000), 10_000);
    place.puro(&["create", "s"]);
    place.puro(&["config", "s", "set", "cleanup", "compact"]);
    let mut expected = BTreeMap::new();
    let mut lines = Vec::new();
    for update in 0..updates {
        let key = format!("user-{}", random.below(keys));
        let deletes = random.below(10) == 0;
        let value = if deletes { String::new() } else { format!("{update:0>60}") };
        writeln!(lines, "{key}={value}").unwrap();
        match deletes {
            true => expected.remove(key.as_bytes()),
            false => expected.insert(key.into_bytes(), value.into_bytes()),
        };
    }
    place.puro_with(&["produce", "s", "-t", "users", "-K", "=", "-Z"], &lines).text();
    let before = table(&place.path("s"));
    assert_eq!(before, (expected.clone(), updates));
    let bytes_before = disk_bytes(&place.path("s"));
    let begun = Instant::now();
    print!("{}", place.puro(&["steward", "s", "--once", "--roll"]).text());
    let took = begun.elapsed().as_secs_f64();
    let (after, records) = table(&place.path("s"));
    assert_eq!(after, expected, "the same table before and after");
    println!(
        "{updates} records ({} MiB) became {records} ({} MiB) in {took:.1} s; {} keys live",
        bytes_before / MIB,
        disk_bytes(&place.path("s")) / MIB,
        after.len()
    );
    assert!(records <= keys, "one record for each key, delete markers among them");
    // Once the grace is over the deleted ones are gone.
    place.puro(&["config", "s", "set", "marker_grace_ms", "0"]);
    print!("{}", place.puro(&["steward", "s", "--once"]).text());
    let (last, records) = table(&place.path("s"));
    assert_eq!((&last, records), (&expected, expected.len() as u64));
    place.puro(&["verify", "s", "--deep"]).text();
}

/// The most memory that a process has had so far, as the system tells.
#[cfg(target_os = "linux")]
fn most_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Ten million keys, more than fit into the 256 MiB that a compaction may take: it goes over
/// the stream once more instead, and misses none of the million that were updated.
#[test]
#[ignore = "appends eleven million records"]
#[cfg(target_os = "linux")]
fn compaction_takes_bounded_memory() {
    let place = Place::new();
    let keys = number("PURO_KEYS", 10_000_000);
    place.puro(&["create", "s"]);
    place.puro(&["config", "s", "set", "cleanup", "compact"]);
    let mut producer = place.start(&["produce", "s", "-t", "users", "-K", "="]);
    let mut pipe = BufWriter::new(producer.stdin.take().unwrap());
    (0..keys).for_each(|key| writeln!(pipe, "user-{key}=first").unwrap());
    (0..keys / 10).for_each(|key| writeln!(pipe, "user-{}=second", key * 10).unwrap());
    drop(pipe);
    assert_eq!(end_of(producer), (Some(0), String::new()));
    let begun = Instant::now();
    let mut steward = place.start(&["steward", "s", "--once", "--roll"]);
    let mut most = 0;
    while steward.try_wait().unwrap().is_none() {
        most = most_memory(steward.id()).unwrap_or(0).max(most);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(end_of(steward), (Some(0), String::new()));
    println!(
        "{keys} keys compacted in {:.1} s with {} MiB at most",
        begun.elapsed().as_secs_f64(),
        most / MIB
    );
    assert!(most > 0 && most < 320 * MIB, "{most} bytes");
    let mut consumer = Consumer::open(place.path("s")).unwrap();
    let (mut records, mut updated) = (0, 0);
    while let Some(record) = consumer.try_next().unwrap() {
        records += 1;
        updated += u64::from(record.value == Some(b"second"));
    }
    assert_eq!((records, updated), (keys, keys / 10));
}

/// A stopped consumer that holds an old segment is shown; after the pin grace the segment
/// goes, and the consumer, continued, is told what happened and what to do.
#[test]
#[ignore = "waits for a grace of two seconds"]
#[cfg(target_os = "linux")]
fn a_stopped_consumer_is_shown_and_told() {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "1048576"]);
    place.puro(&["config", "s", "set", "pin_grace_ms", "2000"]);
    let lines = format!("{}\n", "x".repeat(999)).repeat(10_000);
    place.puro_with(&["produce", "s", "-t", "t"], &lines).text();
    let mut consumer = place.start(&["consume", "s"]);
    let mut printed = BufReader::new(consumer.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();
    // Nobody reads on: it is in the first segment, where its pipe is full.
    signal(&consumer, "STOP");
    place.puro(&["config", "s", "set", "retention_bytes", "3000000"]);
    let held = place.puro(&["steward", "s", "--once"]).text();
    println!("{held}");
    assert!(held.contains("did not delete segment 0: it is held by"), "{held}");
    let shown = place.puro(&["who", "s"]).text();
    println!("{shown}");
    let line = shown.lines().find(|line| line.contains("0000000000")).unwrap();
    let pid = consumer.id().to_string();
    assert!(line.contains(&pid) && line.contains("stopped"), "{line}");
    let begun = Instant::now();
    let gone = loop {
        let said = place.puro(&["steward", "s", "--once"]).text();
        if said.contains("deleted segment 0 ") && !said.contains("did not") {
            break said;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{said}");
        std::thread::sleep(Duration::from_millis(100));
    };
    println!("{gone}after {:.1} s", begun.elapsed().as_secs_f64());
    assert!(gone.contains("the pin grace is over"), "{gone}");
    assert!(!place.segment().exists());
    signal(&consumer, "CONT");
    // It prints what it holds to the end, and is told then.
    let rest = printed.lines().map(Result::unwrap).count();
    let (code, said) = end_of(consumer);
    println!("{} lines, then: {said}", rest + 1);
    assert_ne!(code, Some(0));
    // Where its segment ended, the stream goes on: so it depends on what was deleted beside.
    let why = ["is out of range", "cannot be reached from the segment before"];
    assert!(why.iter().any(|why| said.contains(why)), "{said}");
    assert!(said.contains("start from the beginning"), "{said}");
}
