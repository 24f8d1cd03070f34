//! Producer and consumer processes on one stream, producers dying by SIGKILL at random: every
//! acknowledged record is there exactly once, every other at most once and whole, in the
//! order of its producer, and all consumers agree (the promises of protocol.md).
//!
//! `PURO_RECORDS` sets how many records; `PURO_SEED` runs the same choices again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::Duration;

use crate::real::*;
use puro::internals::interpose::{Answer, Interpose};
use puro::internals::os::OsVfs;
use puro::{Batch, ConsumerOptions, NewRecord, ProducerOptions};

const PRODUCERS: usize = 4;
const CONSUMERS: usize = 3;

/// The life of one producer process: appends from its first number on until all are done or
/// it is killed, and says so after each append.
#[test]
#[ignore = "a process that other tests start"]
fn worker_producer() {
    let Ok(job) = std::env::var("PURO_TEST_PRODUCER") else { return };
    let [dir, name, first, count, seed] = job.split('|').collect::<Vec<_>>()[..] else {
        panic!("{job}")
    };
    let (mut next, count): (u64, u64) = (first.parse().unwrap(), count.parse().unwrap());
    let mut random = Random::from(seed.parse::<u64>().unwrap());
    let durable = name.starts_with('3');
    let world = world_with_a_death(&mut random);
    let options = ProducerOptions::new().create(false).durable(durable);
    let mut producer = options.open_in(world, Path::new(dir)).unwrap();
    let mut out = std::io::stdout();
    for repair in producer.repairs() {
        writeln!(out, "repair:{}", repair.label).unwrap();
    }
    let mut batch = Batch::new();
    while next < count {
        batch.clear();
        let padding = "x".repeat(random.below(100) as usize);
        let end = count.min(next + 1 + random.below(8));
        for number in next..end {
            let value = format!("{name} {number}");
            batch.push(&NewRecord::new("t", &value).header("padding", &padding)).unwrap();
        }
        producer.append_batch(&mut batch).unwrap();
        writeln!(out, "ack:{end}").unwrap();
        next = end;
    }
    writeln!(out, "ack:done").unwrap();
}

/// A world in which every other process dies by its own hand: at a call of the seam, and if
/// that is a write, after a part of it. The others are killed from outside.
fn world_with_a_death(random: &mut Random) -> Interpose<OsVfs> {
    let at = if random.below(2) == 0 { random.below(3000) } else { u64::MAX };
    let part = random.next();
    let calls = Calls::default();
    interpose(move |call| {
        if calls.next() != at {
            return Answer::Proceed;
        }
        println!("dies: in {:?}", call.operation);
        Answer::Then((part % (call.length as u64 + 1)) as usize, Box::new(die))
    })
}

/// The life of one consumer process: writes down all records to the one that says "end".
#[test]
#[ignore = "a process that other tests start"]
fn worker_consumer() {
    let Ok(job) = std::env::var("PURO_TEST_CONSUMER") else { return };
    let (dir, notes) = job.split_once('|').unwrap();
    let mut reader = ConsumerOptions::new()
        .durable(notes.ends_with('2'))
        .wait_for_stream(true)
        .poll_interval(Duration::from_millis(20))
        .open(Path::new(dir))
        .unwrap();
    let mut notes = std::io::BufWriter::new(std::fs::File::create(notes).unwrap());
    let mut next = 0;
    loop {
        let Some(record) = reader.poll(Duration::from_secs(60)).unwrap() else {
            panic!("nothing for a minute at offset {next}")
        };
        assert_eq!(record.offset, next);
        next += 1;
        if record.topic == b"end" {
            break;
        }
        notes.write_all(record.value.unwrap()).unwrap();
        notes.write_all(b"\n").unwrap();
    }
    notes.flush().unwrap();
}

/// What one producer process did.
#[derive(Default)]
struct Life {
    /// Its first number.
    first: u64,
    /// Behind the last number that it acknowledged.
    acknowledged: u64,
}

struct Totals {
    lives: HashMap<String, Life>,
    /// Deaths from outside and by their own hand.
    deaths: [u64; 2],
    repairs: HashMap<String, u64>,
}

/// Keeps one producer going, one process after another, and kills them.
fn keep_producing(dir: &Path, slot: usize, count: u64, mut random: Random) -> Totals {
    let mut totals = Totals { lives: HashMap::new(), deaths: [0; 2], repairs: HashMap::new() };
    let mut first = 0;
    for life in 0.. {
        let name = format!("{slot}.{life}");
        let job = format!("{}|{name}|{first}|{count}|{}", dir.display(), random.next());
        let mut child = Reaped(
            again("producers::worker_producer", &[("PURO_TEST_PRODUCER", job)]).spawn().unwrap(),
        );
        // So many appends will it live; killed from outside, wherever it is by then.
        let mut left = 20 + random.below(500);
        let mut done = false;
        let mut this = Life { first, acknowledged: first };
        for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let told = |mark: &str| line.find(mark).map(|at| line[at + mark.len()..].to_owned());
            match (told("ack:").as_deref(), told("repair:")) {
                (Some("done"), _) => done = true,
                (Some(acknowledged), _) => this.acknowledged = acknowledged.parse().unwrap(),
                (None, Some(label)) => *totals.repairs.entry(label).or_default() += 1,
                (None, None) => {
                    totals.deaths[1] += u64::from(line.contains("dies: "));
                    continue;
                }
            }
            left -= 1;
            if left == 0 {
                child.0.kill().unwrap();
                totals.deaths[0] += 1;
                left = u64::MAX; // what it acknowledged before it died is still read
            }
        }
        first = this.acknowledged;
        let status = child.0.wait().unwrap();
        assert!(done || !status.success(), "{name} ended early");
        totals.lives.insert(name, this);
        if done {
            break;
        }
    }
    totals
}

#[test]
fn producers_killed_at_random_lose_nothing_and_repeat_nothing() {
    let mut random = Random::seeded("producers_killed_at_random");
    let records = number("PURO_RECORDS", 100_000);
    let scratch = scratch();
    let dir = scratch.path().join("stream");
    let notes = |id: usize| scratch.path().join(format!("notes-{id}"));
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|id| {
            let job = format!("{}|{}", dir.display(), notes(id).display());
            Reaped(
                again("producers::worker_consumer", &[("PURO_TEST_CONSUMER", job)])
                    .spawn()
                    .unwrap(),
            )
        })
        .collect();
    let mut last = ProducerOptions::new().segment_bytes(64 * 1024).open(&dir).unwrap();

    let count = records / PRODUCERS as u64;
    let totals: Vec<Totals> = std::thread::scope(|scope| {
        let keepers: Vec<_> = (0..PRODUCERS)
            .map(|slot| {
                let (dir, random) = (&dir, Random::from(random.next()));
                scope.spawn(move || keep_producing(dir, slot, count, random))
            })
            .collect();
        keepers.into_iter().map(|keeper| keeper.join().unwrap()).collect()
    });
    last.append(&NewRecord::new("end", "")).unwrap();
    for mut consumer in consumers {
        assert!(consumer.0.wait().unwrap().success());
    }

    let seen = std::fs::read_to_string(notes(0)).unwrap();
    for id in 1..CONSUMERS {
        assert!(std::fs::read_to_string(notes(id)).unwrap() == seen, "consumers disagree");
    }
    let [killed, died] =
        [0, 1].map(|how| totals.iter().map(|totals| totals.deaths[how]).sum::<u64>());
    let mut repairs: HashMap<String, u64> = HashMap::new();
    let mut lives = HashMap::new();
    for totals in totals {
        for (label, count) in totals.repairs {
            *repairs.entry(label).or_default() += count;
        }
        lives.extend(totals.lives);
    }
    check(&seen, &lives, count);
    for repair in last.repairs() {
        *repairs.entry(repair.label.to_owned()).or_default() += 1;
    }
    // Within one boot, nothing that was visible is ever lost.
    assert!(!repairs.contains_key("lost"), "{repairs:?}");
    assert_eq!(epoch(&dir), 1);
    let segments = files(&dir).len() - 1;
    println!("{records} records, {segments} segments, {killed} killed, {died} died: {repairs:?}");
    assert!(killed > 0 && segments > 10);
}

/// Every life's numbers without a gap from its first; all that it acknowledged, and at most
/// one batch more.
fn check(seen: &str, lives: &HashMap<String, Life>, count: u64) {
    let mut next: HashMap<&str, u64> = HashMap::new();
    for line in seen.lines() {
        let (name, number) = line.split_once(' ').unwrap();
        let next = next.entry(name).or_insert(lives[name].first);
        assert_eq!(number.parse::<u64>().unwrap(), *next, "{name}");
        *next += 1;
    }
    for (name, life) in lives {
        let end = next.get(name.as_str()).copied().unwrap_or(life.first);
        let batch = life.acknowledged..=life.acknowledged + 8;
        assert!(batch.contains(&end), "{name}: {end}, acknowledged {}", life.acknowledged);
    }
    for slot in 0..PRODUCERS {
        let of_slot = lives.iter().filter(|(name, _)| name.starts_with(&format!("{slot}.")));
        let acknowledged = of_slot.map(|(_, life)| life.acknowledged - life.first).sum::<u64>();
        assert_eq!(acknowledged, count, "producer {slot}");
    }
}
