//! What a rollover does with the state of the stream: all of it goes on in the opening
//! checkpoints (F-37), but for what nobody renewed for too long (C-5).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::real::*;
use puro::internals::block::BlockKind;
use puro::internals::dir::Directory;
use puro::internals::interpose::{Answer, Call, Hook, Interpose};
use puro::internals::os::OsVfs;
use puro::internals::tail::open_tail;
use puro::internals::vfs::OpenMode;
use puro::{Batch, Producer};

/// A clock that is set by hand.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Hook for Clock {
    fn before(&self, _call: &Call<'_>) -> Answer {
        Answer::Proceed
    }
    fn now_ms(&self, _real: u64) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A stream in whose time producers are forgotten that did nothing for 1,000 ms.
struct Stream {
    dir: tempfile::TempDir,
    clock: Clock,
    producer: Producer<Interpose<OsVfs>>,
}

impl Stream {
    fn new() -> Self {
        let (dir, clock) = (scratch(), Clock::default());
        clock.0.store(10_000, Ordering::SeqCst);
        let world = Interpose::new(OsVfs::new(), clock.clone());
        let mut producer = small_segments().open_in(world, dir.path()).unwrap();
        producer.set(&"expiry_ms=1000".parse().unwrap()).unwrap();
        Self { dir, clock, producer }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.clock.0.store(ms, Ordering::SeqCst);
        self
    }

    fn append_as(&mut self, identity: &str, sequence: u64) {
        let mut batch = Batch::new();
        batch.push(&record("x")).unwrap();
        self.producer.transaction(&mut batch).once(identity, sequence).commit().unwrap();
    }

    fn roll(&mut self) {
        let before = files(self.dir.path()).len();
        append(&mut self.producer, &"x".repeat(4000));
        append(&mut self.producer, &"x".repeat(4000));
        assert!(files(self.dir.path()).len() > before);
    }

    fn delete_sealed(&mut self) {
        self.producer.set(&"retention_bytes=1".parse().unwrap()).unwrap();
        puro::Steward::open(self.dir.path()).unwrap().run_once().unwrap();
        assert_eq!(crate::steward::segments(self.dir.path()).len(), 1, "the active one");
        self.producer.unset("retention_bytes").unwrap();
    }

    /// Who of `one`, `two` and `three` is remembered, by whoever opens the stream now.
    fn known(&self) -> Vec<&'static str> {
        let producer = Producer::open(self.dir.path()).unwrap();
        let mut known = vec!["one", "two", "three"];
        known.retain(|identity| producer.last_sequence(identity).is_some());
        known
    }
}

/// C-5: who was silent for longer than expiry_ms is forgotten with the rollover, all of them at
/// once; who came again is not. C-10: nor is anybody whose last records are there.
#[test]
fn who_was_silent_for_too_long_is_forgotten() {
    let mut stream = Stream::new();
    for identity in ["one", "two", "three"] {
        stream.append_as(identity, 1);
    }
    stream.at(10_900).roll();
    assert_eq!(stream.known(), ["one", "two", "three"], "not yet");
    stream.at(15_000).append_as("three", 2);
    stream.roll();
    stream.at(15_001).roll();
    assert_eq!(stream.known(), ["one", "two", "three"], "their records are there");
    stream.delete_sealed();
    stream.roll();
    assert_eq!(stream.known(), ["three"]);
    assert_eq!(stream.producer.last_sequence("one"), None, "its own memory agrees");
    // They begin anew.
    stream.append_as("one", 1);
    assert_eq!(stream.known(), ["one", "three"]);
}

/// C-5: something stood under the name of a consumer's lock that cannot be opened, and the position
/// was old enough to be forgotten. Every rollover failed from then on. Who cannot be asked stays.
#[test]
fn a_lock_that_cannot_be_looked_at_stops_no_rollover() {
    let mut stream = Stream::new();
    stream.append_as("one", 1);
    let mut named = puro::NamedOptions::new().open(stream.dir.path(), "audit").unwrap();
    while named.try_next().unwrap().is_some() {}
    named.commit().unwrap();
    drop(named);
    let lock = stream.dir.path().join("consumers/audit.lock");
    std::fs::remove_file(&lock).unwrap();
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
    stream.at(1 << 41).roll();
    stream.roll();
    let dir = stream.dir.path().to_owned();
    let names = || {
        let listed = puro::Stream::open(&dir).unwrap().positions();
        listed.map(|found| found.into_iter().map(|found| found.name).collect::<Vec<_>>())
    };
    assert!(names().is_err(), "who asks is told that the lock is none");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(names().unwrap(), ["audit"]);
    stream.roll();
    assert!(names().unwrap().is_empty(), "nobody holds it any more");
}

/// C-5: a clock that is ahead for a while forgets nobody, and neither does expiry 0.
#[test]
fn a_clock_that_jumps_ahead_forgets_nobody() {
    let mut stream = Stream::new();
    stream.append_as("one", 1);
    stream.at(1 << 40).roll();
    stream.at(11_000).append_as("two", 1);
    assert_eq!(stream.known(), ["one", "two"]);
    stream.producer.set(&"expiry_ms=0".parse().unwrap()).unwrap();
    stream.at(1 << 40).roll();
    stream.roll();
    assert_eq!(stream.known(), ["one", "two"]);
}

/// A segment whose opening checkpoints hold settings of so many topics that one is not enough.
fn many_settings(dir: &Path) -> usize {
    let mut producer = Producer::open(dir).unwrap();
    for topic in 0..1_200 {
        producer.set(&format!("cleanup:{topic:0>1000}=compact").parse().unwrap()).unwrap();
    }
    producer.set(&"segment_bytes=4096".parse().unwrap()).unwrap();
    append(&mut producer, "begins another segment");
    1_200
}

fn active(dir: &Path) -> u32 {
    let directory = Directory::new(OsVfs::new(), dir);
    *directory.segments().unwrap().unwrap().sequences.last().unwrap()
}

/// F-37: the state goes on in as many checkpoints as it takes, none larger than it may be.
/// F-23: the first of them tells that all were synced, so one that is not valid is damage. One
/// that was cut off altogether was not noticed at first: where the file ended, the first one did,
/// and all settings that stood in the other were gone.
#[test]
fn a_large_state_goes_on_in_several_checkpoints() {
    let dir = scratch();
    let settings = many_settings(dir.path());
    let directory = Directory::new(OsVfs::new(), dir.path());
    let (tail, _) = open_tail(&directory, OpenMode::Read).unwrap().unwrap();
    assert_eq!(tail.state.of_kind(b"setting").count(), settings + 1, "segment_bytes too");
    let path = segment(dir.path(), active(dir.path()));
    let found = blocks(&path);
    let opening: Vec<_> =
        found.iter().take_while(|(_, start)| start.kind == BlockKind::Checkpoint).collect();
    assert_eq!(opening.len(), 2);
    assert!(opening.iter().all(|(_, start)| start.body_len <= 1 << 20));
    assert!(opening[0].1.body_len > (1 << 20) - 2048, "no smaller than they must be");
    let (last, start) = opening[1];
    assert!(opening.iter().all(|(_, other)| other.durable_to == last + start.block_bytes()));

    flip(&path, last + 60, 1);
    let before = files(dir.path());
    let error = Producer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("were synced"), "{error}");
    set_len(&path, *last);
    let error = Producer::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("were synced"), "{error}");
    assert_eq!(files(dir.path()).len(), before.len());
}
