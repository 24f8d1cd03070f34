//! Streams with very many names in them: they roll, and are opened again (F-37, V-1).
//!
//! What is kept in memory, by everyone who opens a stream, is its state: an entry for each
//! position, each producer with an identity, and each setting. Topics that are merely
//! written to are no part of it; there is no index of topics, and none of offsets.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use crate::real::*;
use crate::steward::*;
use puro::internals::block::{BlockBuilder, BlockKind};
use puro::internals::check;
use puro::internals::dir::Directory;
use puro::internals::layout::CHECKPOINT_BODY_BYTES;
use puro::internals::os::OsVfs;
use puro::internals::state::{POSITION, Position, SETTING, State};
use puro::internals::tail::open_tail;
use puro::internals::vfs::{LockWait, OpenMode, Vfs};
use puro::internals::writer::{Writer, WriterLock};
use puro::{Batch, CheckOptions, ConsumerOptions, NamedOptions, NewRecord, StewardOptions};

const MANY: u64 = 100_000;

/// A consumer's name of the usual length.
fn name(number: u64) -> String {
    format!("consumer-of-the-orders-{number:06}")
}

/// Appends entries, a thousand in a block, as any writer may (C-1).
fn set_entries(dir: &Path, kind: &[u8], entry: impl Fn(u64) -> (String, Vec<u8>)) {
    let dir = Directory::new(OsVfs::new(), dir);
    let (tail, _) = open_tail(&dir, OpenMode::Write).unwrap().unwrap();
    let mut lock = WriterLock::open(&dir).unwrap();
    let mut writer = Writer::new(dir, tail);
    let guard = lock.take(LockWait::Forever).unwrap();
    writer.catch_up(&guard).unwrap();
    writer.prepare(&guard).unwrap();
    for thousand in 0..MANY / 1000 {
        let mut builder = BlockBuilder::default();
        for number in thousand * 1000..(thousand + 1) * 1000 {
            let (key, value) = entry(number);
            let mut one = State::default();
            one.set(kind, key.as_bytes(), &value).unwrap();
            one.entries().for_each(|entry| builder.push(&entry).unwrap());
        }
        let now_ms = writer.dir.vfs.now_ms();
        writer.append_block(&guard, &mut builder, BlockKind::Records, now_ms).unwrap();
    }
}

/// The bodies of the opening checkpoints of a segment.
fn checkpoints(dir: &Path, sequence: u32) -> Vec<usize> {
    let all = blocks(&segment(dir, sequence)).into_iter();
    let opening = all.take_while(|(_, start)| start.kind == BlockKind::Checkpoint);
    opening.map(|(_, start)| start.body_len).collect()
}

fn assert_sound(dir: &Path) {
    let report = check(OsVfs::new(), dir, &CheckOptions::new().deep(true), &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

/// Bytes that this process has in memory.
#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Opens a stream in a process of its own, and says what that took.
#[test]
#[ignore = "a process that other tests start"]
fn child_memory() {
    let Ok(dir) = std::env::var("PURO_CHILD_MEMORY") else { return };
    let before = resident_bytes();
    let producer = small_segments().open(Path::new(&dir)).unwrap();
    println!("\n@took {}", resident_bytes() - before);
    assert_eq!(producer.positions().count() as u64, MANY);
}

/// What is in memory for a position: its name and value twice over, and some hundred bytes.
fn assert_bounded_memory(dir: &Path) {
    let variables = [("PURO_CHILD_MEMORY", dir.display().to_string())];
    let output = again("large_state::child_memory", &variables).output().unwrap();
    let took: u64 = marked(&output.stdout, "@took ")[0].parse().unwrap();
    println!("{} bytes in memory for each position", took / MANY);
    assert!((50 * MANY..400 * MANY).contains(&took), "{took} bytes");
}

/// F-37: the checkpoint goes over several blocks, none above its limit, and a segment is not
/// full because of it (V-1).
#[test]
fn a_stream_with_a_hundred_thousand_positions_rolls() {
    let dir = scratch();
    drop(small_segments().open(dir.path()).unwrap());
    let position = Position { epoch: 1, offset: 0, time_ms: OsVfs::new().now_ms() };
    set_entries(dir.path(), POSITION, |number| (name(number), position.encode()));
    assert_bounded_memory(dir.path());
    let mut producer = small_segments().open(dir.path()).unwrap();
    let first = *segments(dir.path()).last().unwrap();
    roll(&mut producer, dir.path(), 3);
    for sequence in first + 1..=first + 3 {
        let bodies = checkpoints(dir.path(), sequence);
        println!("segment {sequence}: checkpoints of {bodies:?} bytes");
        assert!(bodies.len() > 3 && bodies.iter().all(|bytes| *bytes <= CHECKPOINT_BODY_BYTES));
    }
    // Four records fill a segment, however large its checkpoints are.
    let all = values(dir.path()).len();
    assert!((9..=13).contains(&all), "{all} records in four segments");
    drop(producer);
    // Opened again, by everyone.
    let producer = small_segments().open(dir.path()).unwrap();
    assert_eq!(producer.positions().count() as u64, MANY);
    assert_eq!(producer.position(&name(77_777)), Some(position));
    let mut named = NamedOptions::new().open(dir.path(), &name(99_999)).unwrap();
    while named.try_next().unwrap().is_some() {}
    let stored = named.stored().unwrap().offset;
    assert_eq!(stored, all as u64);
    assert_sound(dir.path());
}

/// C-5: they are forgotten over a few rollovers, a block of at most a checkpoint's size each.
#[test]
fn a_hundred_thousand_positions_expire() {
    let (dir, clock) = (scratch(), Clock::at(NOON));
    let mut producer = clock.producer(dir.path());
    let position = Position { epoch: 1, offset: 0, time_ms: NOON };
    set_entries(dir.path(), POSITION, |number| (name(number), position.encode()));
    clock.set(NOON + 8 * DAY);
    roll(&mut producer, dir.path(), 1); // Its opening says what day it is.
    let mut rolls = 0;
    while producer.positions().count() > 0 {
        roll(&mut producer, dir.path(), 1);
        rolls += 1;
        assert!(rolls < 10, "{} positions left", producer.positions().count());
    }
    println!("forgotten after {rolls} rollovers");
    let last = *segments(dir.path()).last().unwrap();
    assert_eq!(checkpoints(dir.path(), last).len(), 1);
    assert_sound(dir.path());
}

/// Topics that are written to cost nothing; a compaction of them all, with room for few keys,
/// leaves the latest record of each.
#[test]
fn a_stream_with_a_hundred_thousand_topics_rolls() {
    let dir = scratch();
    let options = puro::ProducerOptions::new().segment_bytes(1 << 20);
    let mut producer = options.open(dir.path()).unwrap();
    producer.set(&"cleanup=compact".parse().unwrap()).unwrap();
    let mut batch = Batch::new();
    for round in 0..2 {
        for thousand in 0..MANY / 1000 {
            batch.clear();
            for number in thousand * 1000..(thousand + 1) * 1000 {
                let (topic, value) = (format!("topic-{number:06}"), round.to_string());
                batch.push(&NewRecord::new(&topic, &value).key("k")).unwrap();
            }
            producer.append_batch(&mut batch).unwrap();
        }
    }
    let last = *segments(dir.path()).last().unwrap();
    assert!(last > 3);
    let bodies = checkpoints(dir.path(), last);
    assert!(bodies.len() == 1 && bodies[0] < 200, "topics are no part of the state: {bodies:?}");
    let options = StewardOptions::new().roll(true).map_bytes(1 << 20);
    let report = options.open(dir.path()).unwrap().run_once().unwrap();
    let removed: u64 = report.compacted.iter().map(|done| done.records_removed).sum();
    assert_eq!(removed, MANY, "{report:?}");
    let mut one = ConsumerOptions::new().topic("topic-054321").open(dir.path()).unwrap();
    let only: Vec<_> = one.try_iter().map(Result::unwrap).collect();
    assert_eq!(only.len(), 1);
    assert_eq!(only[0].value.as_deref(), Some(b"1".as_slice()));
    assert_sound(dir.path());
}

/// F-34: each topic may have a setting of its own. All of them were worked out anew for each
/// entry that was read, which with so many would have taken the better part of an hour.
#[test]
fn a_hundred_thousand_topics_with_settings_of_their_own() {
    let dir = scratch();
    drop(small_segments().open(dir.path()).unwrap());
    let begun = std::time::Instant::now();
    set_entries(dir.path(), SETTING, |number| {
        (format!("cleanup:topic-{number:06}"), b"compact".to_vec())
    });
    let mut producer = small_segments().open(dir.path()).unwrap();
    roll(&mut producer, dir.path(), 2);
    drop(producer);
    let producer = small_segments().open(dir.path()).unwrap();
    assert!(producer.settings().cleanup(b"topic-099999").compacts());
    assert!(!producer.settings().cleanup(b"topic-100000").compacts());
    let report = StewardOptions::new().roll(true).open(dir.path()).unwrap().run_once().unwrap();
    assert!(report.sealed.is_some());
    assert_sound(dir.path());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(120), "{took:?}");
}

/// Field report D8: twenty thousand entries of epochs took 7.4 s to fold, and a hundred thousand more than
/// any user waits for: all were looked at for each.
#[test]
fn very_many_epochs_are_folded_in_linear_time() {
    let begun = std::time::Instant::now();
    let mut state = State::default();
    for number in 1..=2 * MANY as u32 {
        let epoch = puro::internals::token::Epoch {
            number,
            first_offset: u64::from(number / 2),
            boot_id: None,
            time_ms: 1,
        };
        let (key, value) = puro::internals::state::encode_epoch(&epoch);
        state.set(puro::internals::state::EPOCH, &key, &value).unwrap();
    }
    assert_eq!(state.newest_epoch().unwrap().number, 2 * MANY as u32);
    assert_eq!(state.epochs().len() as u64, 2 * MANY);
    // One that begins before the one below it, or behind the one above it, is malformed (F-32).
    for (number, first_offset) in [(100, 10), (100, 80), (3 * MANY as u32, 0)] {
        let epoch =
            puro::internals::token::Epoch { number, first_offset, boot_id: None, time_ms: 1 };
        let (key, value) = puro::internals::state::encode_epoch(&epoch);
        state.clone().set(puro::internals::state::EPOCH, &key, &value).unwrap_err();
    }
    // Quadratic it takes ten minutes.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// Field report D8: `positions list` looked for each of a hundred thousand names by itself.
#[test]
fn very_many_positions_are_listed_in_one_go() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    for _ in 0..40 {
        producer.append(&NewRecord::new("t", &"v".repeat(300))).unwrap();
    }
    drop(producer);
    set_entries(dir.path(), POSITION, |number| {
        let position = Position { epoch: 1, offset: number % 42, time_ms: u64::MAX };
        (name(number), position.encode())
    });
    std::fs::create_dir_all(dir.path().join("consumers")).unwrap();
    let begun = std::time::Instant::now();
    let reports = puro::Stream::open(dir.path()).unwrap().positions().unwrap();
    let took = begun.elapsed();
    assert_eq!(reports.len() as u64, MANY);
    let mut lengths = Vec::new();
    let mut places = Vec::new();
    for sequence in (0..).take_while(|sequence| segment(dir.path(), *sequence).exists()) {
        let path = segment(dir.path(), sequence);
        for (position, start) in blocks(&path) {
            for _ in 0..start.record_count {
                places.push((sequence as usize, position));
            }
        }
        lengths.push(std::fs::metadata(path).unwrap().len());
    }
    for (number, report) in reports.iter().enumerate() {
        let offset = number % 42;
        assert_eq!(report.name, name(number as u64));
        assert_eq!(
            (report.lag_offsets, report.running),
            (40u64.saturating_sub(offset as u64), false)
        );
        let expected = places
            .get(offset)
            .map(|(sequence, position)| lengths[*sequence..].iter().sum::<u64>() - position);
        // At the end stand the blocks with the positions themselves.
        if offset != 40 {
            assert_eq!(report.lag_bytes, expected, "offset {offset}");
        }
    }
    assert!(took < Duration::from_secs(8), "{took:?}");
}
