//! The whole cast as processes of their own: two producers, two stewards at once, and four
//! consumers (one follows, one is slow, one is stopped by SIGSTOP now and then, one is named);
//! retention and compaction are on, and producers, stewards and the named one are killed
//! anywhere and started again. Judged by what all of them said (protocol.md, Promises).
//!
//! `PURO_CAST_ROUNDS` sets how many rounds of kills (5 if not set); `PURO_SEED` the choices.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::real::*;
use crate::steward::*;
use puro::internals::check;
use puro::internals::os::OsVfs;
use puro::{
    AutoCommit, CheckOptions, ConsumerOptions, LockWait, NamedError, NamedOptions, NewRecord,
    Producer, ReadError, Record, Start, StewardError, StewardOptions, Stream,
};

/// Whatever takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What a process of the cast does; it says what it did in lines that begin with `@`.
#[test]
#[ignore = "a process that other tests start"]
fn child() {
    let Ok(job) = std::env::var("PURO_CAST_CHILD") else { return };
    let [role, dir, first] = job.split('|').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let (dir, first) = (Path::new(dir), first.parse().unwrap());
    match role {
        "p0" | "p1" => produce(dir, role, first),
        "rolling" | "compacting" => maintain(dir, role == "rolling"),
        "named" => read_named(dir),
        _ => read(dir, role == "slow"),
    }
}

/// Two of three records are updates or deletions of ten keys of its own, the third is a line
/// of a log.
fn produce(dir: &Path, name: &str, first: u64) {
    let mut producer = Producer::open(dir).unwrap();
    for number in first.. {
        let (key, value) = (format!("{name}-{}", number % 10), format!("{number:0>150}"));
        let (record, told) = match number % 3 {
            0 => (NewRecord::new("log", &value).key(name), ("log", name, Some(number))),
            _ if number % 7 == 0 => {
                (NewRecord::delete_marker("users", &key), ("users", key.as_str(), None))
            }
            _ => (NewRecord::new("users", &value).key(&key), ("users", key.as_str(), Some(number))),
        };
        let offset = producer.append(&record).unwrap().first_offset;
        let told = Told { topic: told.0.into(), key: told.1.into(), value: told.2 };
        println!("\n@ack {offset} {told}");
    }
}

fn maintain(dir: &Path, roll: bool) {
    let mut steward = StewardOptions::new().roll(roll).map_bytes(300).open(dir).unwrap();
    loop {
        match steward.run_once() {
            Ok(_) | Err(StewardError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Says what it got; tells whether that was the last record of all.
fn say(record: &Record<'_>) -> bool {
    let told = Told::of(record.topic, record.key, record.value);
    println!("\n@got {} {told}", record.offset);
    record.topic == b"end"
}

/// Reads from the beginning to the end; where it is told that what it wants is gone, it
/// begins at the beginning again.
fn read(dir: &Path, slow: bool) {
    loop {
        let mut consumer = fast_consumer().open(dir).unwrap();
        println!("\n@open {}", consumer.token().unwrap().offset);
        let told = loop {
            match consumer.poll(LIMIT) {
                Ok(Some(record)) if say(&record) => return,
                Ok(Some(_)) if slow => std::thread::sleep(Duration::from_micros(300)),
                Ok(Some(_)) => {}
                Ok(None) => panic!("nothing came for a minute"),
                Err(error) => break error,
            }
        };
        say_out_of_range(&told);
    }
}

fn say_out_of_range(error: &ReadError) -> u64 {
    let ReadError::OffsetOutOfRange { offset, low, .. } = error else { panic!("{error}") };
    println!("\n@range {offset} {low}");
    *low
}

/// The same under a name: each life goes on where the one before was.
fn read_named(dir: &Path) {
    loop {
        let options = NamedOptions::new().auto_commit(AutoCommit::Records(5));
        let options = options.owner_wait(LockWait::AtMost(LIMIT)).consumer(fast_consumer());
        let told = match options.open(dir, "anna") {
            Ok(mut consumer) => {
                println!("\n@open {}", consumer.token().unwrap().offset);
                loop {
                    match consumer.poll(LIMIT) {
                        Ok(Some(record)) if say(&record) => return,
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("nothing came for a minute"),
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        let NamedError::Read(told) = told else { panic!("{told}") };
        say_out_of_range(&told);
        Stream::open(dir).unwrap().set_position("anna", Start::Beginning).unwrap();
    }
}

/// A record as all tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    topic: String,
    key: String,
    /// `None` for a delete marker.
    value: Option<u64>,
}

impl Told {
    fn of(topic: &[u8], key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let value = value.map(|value| text(value).parse().unwrap());
        Self { topic: text(topic), key: text(key.unwrap_or(b"-")), value }
    }

    fn parse(line: &str) -> Option<(u64, Self)> {
        let [offset, topic, key, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None; // The last line of a life may be cut.
        };
        let told = Self { topic: topic.into(), key: key.into(), value: value.parse().ok() };
        Some((offset.parse().ok()?, told))
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.value.map_or("deleted".to_owned(), |value| format!("{value:0>9}"));
        write!(f, "{} {} {value}", self.topic, self.key)
    }
}

/// Somebody of the cast, who may have had several lives.
struct Player {
    role: &'static str,
    notes: PathBuf,
    process: Option<Reaped>,
    lives: u64,
}

impl Player {
    fn start(&mut self, dir: &Path) {
        let first = self.lives * 1_000_000;
        let job = format!("{}|{}|{first}", self.role, dir.display());
        let notes = File::options().append(true).create(true).open(&self.notes).unwrap();
        let mut command = again("steward_cast::child", &[("PURO_CAST_CHILD", job)]);
        self.process = Some(Reaped(command.stdout(notes).stdin(Stdio::null()).spawn().unwrap()));
        self.lives += 1;
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.0.kill().unwrap();
            process.0.wait().unwrap();
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().unwrap().0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn wait_for_its_end(&mut self) {
        let mut process = self.process.take().unwrap();
        let begun = Instant::now();
        while process.0.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LIMIT, "{} does not end", self.role);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(process.0.wait().unwrap().success(), "{} failed", self.role);
    }

    /// All that it said, line by line.
    fn said(&self) -> Vec<String> {
        marked(&std::fs::read(&self.notes).unwrap(), "@")
    }
}

/// Everything that anybody told of, by offset; two never tell of different records at one.
#[derive(Default)]
struct Known(BTreeMap<u64, Told>);

impl Known {
    fn learn(&mut self, offset: u64, told: Told) {
        let known = self.0.entry(offset).or_insert_with(|| told.clone());
        assert_eq!(*known, told, "at offset {offset}");
    }

    /// A consumer that went from one offset to another missed nothing that stays.
    fn check_skipped(&self, from: u64, to: u64, who: &str) {
        for (offset, told) in self.0.range(from..to.max(from)) {
            let later = self.0.range(offset + 1..).any(|(_, later)| {
                told.topic == "users" && later.topic == told.topic && later.key == told.key
            });
            assert!(later, "{who} missed {told:?} at {offset}, between {from} and {to}");
        }
    }
}

type Table = BTreeMap<String, u64>;

fn note(table: &mut Table, told: &Told) {
    if told.topic == "users" {
        match told.value {
            Some(value) => table.insert(told.key.clone(), value),
            None => table.remove(&told.key),
        };
    }
}

/// Goes through what a consumer said; its table, and how often it was told to begin anew.
fn judge(player: &Player, known: &Known) -> (Table, usize) {
    let (mut table, mut next, mut anew, mut told_anew) = (Table::new(), 0, true, 0);
    for line in player.said() {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "open" if anew => next = rest.parse().unwrap(),
            "open" => {
                let from: u64 = rest.parse().unwrap();
                assert!(from <= next, "{} went on at {from}, had read to {next}", player.role);
                next = from;
            }
            "range" => (anew, told_anew) = (true, told_anew + 1),
            "got" => {
                let Some((offset, told)) = Told::parse(rest) else { continue };
                assert!(offset >= next, "{} got {offset} after {next}", player.role);
                known.check_skipped(next, offset, player.role);
                note(&mut table, &told);
                (next, anew) = (offset + 1, false);
            }
            _ => {}
        }
    }
    (table, told_anew)
}

#[test]
fn the_whole_cast() {
    let mut random = Random::seeded("the_whole_cast");
    let scratch = scratch();
    let dir = scratch.path().join("s");
    let mut own = small_segments().open(&dir).unwrap();
    for (name, value) in
        [("cleanup:users", "compact"), ("retention_bytes", "60000"), ("pin_grace_ms", "200")]
    {
        own.set(&format!("{name}={value}").parse().unwrap()).unwrap();
    }
    let roles = ["p0", "p1", "rolling", "compacting", "named", "follows", "slow", "stopped"];
    let mut cast = roles.map(|role| {
        let notes = scratch.path().join(role);
        Player { role, notes, process: None, lives: 0 }
    });
    cast.iter_mut().for_each(|player| player.start(&dir));
    let mut ahead = fast_consumer().start(Start::End).open(&dir).unwrap();
    for round in 0..number("PURO_CAST_ROUNDS", 5) {
        if round % 2 == 0 {
            cast[7].signal("-STOP");
        }
        // The stream goes on by some hundred records; how many, chance decides.
        let until = ahead.token().unwrap().offset + 200 + random.below(400);
        while ahead.token().unwrap().offset < until {
            match ahead.poll(LIMIT) {
                Ok(record) => assert!(record.is_some(), "nothing came for a minute"),
                Err(ReadError::OffsetOutOfRange { .. }) => {
                    ahead = fast_consumer().start(Start::End).open(&dir).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        for player in &mut cast[..5] {
            if random.below(2) == 0 {
                player.kill();
                player.start(&dir);
            }
        }
        if round % 2 == 1 {
            cast[7].signal("-CONT");
        }
    }
    cast[7].signal("-CONT");
    cast[..4].iter_mut().for_each(Player::kill);
    own.append(&NewRecord::new("end", "0")).unwrap();
    cast[4..].iter_mut().for_each(Player::wait_for_its_end);
    let low = *segments(&dir).first().unwrap();
    judge_all(&dir, &cast);
    let lives: Vec<u64> = cast.iter().map(|player| player.lives).collect();
    println!("lives of {roles:?}: {lives:?}; the lowest segment is {low}");
}

fn judge_all(dir: &Path, cast: &[Player]) {
    let mut known = Known::default();
    for line in cast.iter().flat_map(Player::said) {
        let told = line.strip_prefix("ack ").or(line.strip_prefix("got "));
        if let Some((offset, told)) = told.and_then(Told::parse) {
            known.learn(offset, told);
        }
    }
    // What a reader finds now, after one more pass.
    StewardOptions::new().roll(true).open(dir).unwrap().run_once().unwrap();
    let (mut table, mut found) = (Table::new(), BTreeSet::new());
    let mut consumer = ConsumerOptions::new().open(dir).unwrap();
    let low = consumer.token().unwrap().offset;
    for record in consumer.try_iter().map(Result::unwrap) {
        let told = Told::of(&record.topic, record.key.as_deref(), record.value.as_deref());
        known.learn(record.offset, told.clone());
        note(&mut table, &told);
        found.insert(record.offset);
    }
    let latest = {
        let mut latest = Table::new();
        known.0.values().for_each(|told| note(&mut latest, told));
        latest
    };
    assert_eq!(table, latest, "the latest of all that anybody told of");
    let missing = known.0.range(low..).filter(|(offset, _)| !found.contains(offset));
    missing.for_each(|(offset, _)| known.check_skipped(*offset, offset + 1, "the last reader"));
    for player in &cast[4..] {
        let (read, anew) = judge(player, &known);
        assert_eq!(read, table, "{} has not the latest values", player.role);
        println!("{}: told {anew} times that what it wanted was gone", player.role);
    }
    let deep = CheckOptions::new().deep(true);
    let findings = check(OsVfs::new(), dir, &deep, &mut |_, _| {}).unwrap().findings;
    assert_eq!(findings, []);
    println!("{} records told of, {} left from offset {low}", known.0.len(), found.len());
}
