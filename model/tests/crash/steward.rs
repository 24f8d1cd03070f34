//! Stewards, named consumers and one who transforms, under deaths and losses of power.
//!
//! - `PURO_STORIES`: how many short histories are cut everywhere (24 if not set);
//!   `PURO_STORY=n` replays one.
//! - `PURO_RUNS`: how many long ones run at random (300 if not set); `PURO_SEED=n` replays one.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use puro::internals::vfs::Vfs;
use puro_model::crash::Bounds;
use puro_model::generate::Rng;
use puro_model::history::STREAM;
use puro_model::ledger::Topic;
use puro_model::oracle::{Crash, Violation};
use puro_model::report::publish;
use puro_model::sim::power::GRAINS;
use puro_model::sim::{Disk, NOW_MS, SimVfs, World};
use puro_model::upkeep::{Op, Player};
use puro_model::upkeep_cuts::{Cuts, LONG, Story, cut_everywhere, long_story, settings, story};
use puro_model::upkeep_stream::find;

const BOUNDS: Bounds = Bounds { decisions: 6, together: 1 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn cut(number: u64) -> Cuts {
    let story = story(number);
    match cut_everywhere(&story, |vfs| vfs, BOUNDS) {
        Ok(cuts) => cuts,
        Err((place, violation)) => {
            let again = "cargo test -p puro-model --test crash steward::every_cut";
            panic!("PURO_STORY={number} {again}\n{story:#?}\n{place}: {violation}")
        }
    }
}

#[test]
fn every_cut_of_short_stories() {
    if let Some(one) = number("PURO_STORY") {
        println!("{:?}", cut(one));
        return;
    }
    let (stories, begun) = (number("PURO_STORIES").unwrap_or(24), Instant::now());
    let (next, total) = (AtomicU64::new(0), Mutex::new(Cuts::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= stories {
                        return;
                    }
                    let done = cut(number);
                    let mut total = total.lock().unwrap();
                    total.stories += done.stories;
                    total.steps += done.steps;
                    total.recoveries += done.recoveries;
                }
            });
        }
    });
    let Cuts { stories, steps, recoveries } = *total.lock().unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    publish(
        "steward cuts",
        &format!(
            "| stories | steps cut | recoveries judged | seconds |\n|---|---|---|---|\n\
             | {stories} | {steps} | {recoveries} | {seconds:.0} |"
        ),
    );
}

/// Appends of one segment each, all of them old, after what is done `first`.
fn old_segments(first: &[Op]) -> Vec<Op> {
    let append =
        Op::Append { topic: Topic::Log, key: None, marker: false, bytes: 2500, durable: true };
    let mut before = vec![append; 2];
    before.extend_from_slice(first);
    before.extend(vec![append; 4]);
    before.push(Op::Tick { ms: 60_000 });
    before
}

/// Plays a story as it is, and cuts it everywhere; the lowest offset that it leaves.
fn play_and_cut(before: Vec<Op>, ops: Vec<Op>) -> u64 {
    let story = Story { number: 0, settings: settings(3), before, ops };
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), |vfs| vfs, story.settings);
    for op in story.before.iter().chain(&story.ops) {
        player.play(op).unwrap_or_else(|violation| panic!("{violation}"));
    }
    let cuts = cut_everywhere(&story, |vfs| vfs, BOUNDS);
    println!("{:?}", cuts.unwrap_or_else(|(place, violation)| panic!("{place}: {violation}")));
    find(SimVfs::new(&world, 1_000_000)).unwrap_or_else(|broken| panic!("{broken}")).low
}

/// S-3: of several segments that go in one pass, none may be gone from the disk before the one below
/// it: a loss of power would leave a hole. (No short story deletes more than one, and in the long
/// ones nobody noticed when the sync between them was left out.)
#[test]
fn a_pass_that_deletes_many_leaves_no_hole() {
    let low = play_and_cut(old_segments(&[]), vec![Op::Maintain { roll: false, fresh: true }]);
    assert!(low > 2, "only what is below offset {low} was deleted");
}

/// S-10: what a named consumer has still to read is kept, however old it is. (Long stories take it
/// for deleted by right.)
#[test]
fn a_pass_keeps_what_is_still_to_be_read() {
    let first = [Op::Commit { who: 0, take: 1 }, Op::Close { who: 0 }];
    let ops = vec![Op::Maintain { roll: false, fresh: true }, Op::Commit { who: 0, take: 99 }];
    let low = play_and_cut(old_segments(&first), ops);
    assert_eq!(low, 1, "what it has read may go, and nothing else");
}

#[test]
fn long_stories_at_random() {
    let (first, runs) = match number("PURO_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("PURO_RUNS").unwrap_or(300)),
    };
    let mut totals = [0; 4];
    for seed in first..first + runs {
        match long_story(seed, |vfs| vfs, number("PURO_SEED").is_some()) {
            Ok(counts) => (0..4).for_each(|at| totals[at] += counts[at]),
            Err(violation) => panic!(
                "PURO_SEED={seed} cargo test -p puro-model --test crash steward::long_stories\n\
                 {violation}"
            ),
        }
    }
    let [passes, deaths, losses, faults] = totals;
    publish(
        "steward runs",
        &format!(
            "| runs | operations | passes of stewards | deaths in a call | losses of power \
             | operations with a failing call |\n|---|---|---|---|---|---|\n\
             | {runs} | {} | {passes} | {deaths} | {losses} | {faults} |",
            runs * LONG
        ),
    );
}

const DAY: u64 = 86_400_000;
/// Some day in 2099.
const FAR: u64 = 47_300 * DAY;
/// Some day in 1995.
const LONG_AGO: u64 = 9_200 * DAY;

/// Retention and rolls by age, and positions that are forgotten.
const YEAR: &[(&str, &str)] = &[
    ("retention_ms", "2592000000"), // 30 days
    ("roll_ms", "604800000"),       // 7 days
    ("expiry_ms", "5184000000"),    // 60 days
    ("cleanup:kept", "compact"),
];

/// Now and then a clock is decades off, as that of a machine that was just started.
fn some_clock(rng: &mut Rng, right: u64) -> u64 {
    match rng.below(200) {
        0 => FAR,
        1 => LONG_AGO,
        _ => right,
    }
}

/// S-8, C-5, F-38: a year of records every six hours, in a topic that is deleted and in one that is
/// compacted, and a pass every day, while clocks jump, stewards die and the power goes.
#[test]
fn a_year_on_the_clock_of_the_simulator() {
    let seed = number("PURO_SEED").unwrap_or(1);
    println!("again with PURO_SEED={seed}");
    let mut rng = Rng::new(seed);
    let world = World::new(Disk::default());
    world.allow_calls(5_000_000);
    let mut player = Player::new(world.clone(), |vfs| vfs, YEAR);
    let mut written = Vec::new();
    let kept = |violation: Violation| panic!("{violation}");
    for day in 1..=365 {
        let morning = NOW_MS + day * DAY;
        for quarter in 0..4 {
            world.set_now_ms(some_clock(&mut rng, morning + quarter * DAY / 4));
            let (topic, key, marker) = (Topic::Log, None, false);
            written.push((player.ledger.next(), morning + quarter * DAY / 4));
            let append = Op::Append { topic, key, marker, bytes: 400, durable: false };
            player.play(&append).unwrap_or_else(kept);
            // Each key again after some days, so that what is compacted holds up nothing for long.
            let (topic, key) = (Topic::Kept, Some(rng.below(8) as u8));
            let compacted = Op::Append { topic, key, marker: false, bytes: 100, durable: false };
            player.play(&compacted).unwrap_or_else(kept);
        }
        // One is renewed daily, the other for the last time on the fifth day, by a clock of 1995.
        world.set_now_ms(some_clock(&mut rng, morning));
        player.play(&Op::Commit { who: 0, take: 9 }).unwrap_or_else(kept);
        if day == 5 {
            world.set_now_ms(LONG_AGO);
            player.play(&Op::Commit { who: 1, take: 3 }).unwrap_or_else(kept);
            player.play(&Op::Close { who: 1 }).unwrap_or_else(kept);
        }
        // Not before 60 days are over, less those between the beginning of its segment and it.
        player.ledger.may_be_forgotten[1] = day > 5 + 60 - 8;
        world.tick(DAY);
        world.set_now_ms(morning + DAY);
        let pass = Op::Maintain { roll: false, fresh: rng.one_in(3) };
        if rng.one_in(5) {
            let (calls, bytes) = (rng.below(80), rng.below(2000) as usize);
            player.play_to_death(&pass, calls, bytes).unwrap_or_else(kept);
        }
        if rng.one_in(40) {
            // Sealed segments are on the disk; what goes is the end of the active one.
            player.power(GRAINS[2], |loss| loss.newest()).unwrap_or_else(kept);
        }
        player.play(&pass).unwrap_or_else(kept);
        player.look(Crash::Death).unwrap_or_else(kept);
        check_ages(&world, &written, morning + DAY);
    }
    let found =
        find(SimVfs::new(&world, 1_000_000)).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{} records, {} left from {}", written.len(), found.records.len(), found.low);
    assert!(found.low > 1000, "{}", found.low);
    assert_eq!(found.positions[1], None, "forgotten in the end (C-5)");
    assert!(found.positions[0].is_some());
}

/// Nothing was deleted that is not older than the retention, and not much is left that is.
fn check_ages(world: &World, written: &[(u64, u64)], now_ms: u64) {
    let found = find(SimVfs::new(world, 1_000_000)).unwrap_or_else(|broken| panic!("{broken}"));
    let youngest_gone = written.iter().rev().find(|(offset, _)| *offset < found.low);
    if let Some((_, time_ms)) = youngest_gone {
        // One written by a clock of 1995 is as old as the one before it, by all that can be told.
        let age_ms = now_ms - time_ms + DAY / 4;
        assert!(age_ms > 30 * DAY, "deleted {} hours too early", (30 * DAY - age_ms) / 3_600_000);
    }
    let oldest = written.iter().find(|(offset, _)| *offset >= found.low).unwrap();
    assert!(now_ms - oldest.1 < 60 * DAY, "deleted too late: {} days", (now_ms - oldest.1) / DAY);
}

/// A consumer of a rare topic kept its old position, however much it passed by; once it was
/// restarted, retention had taken what that pointed to, though it had missed nothing.
#[test]
fn what_a_named_consumer_passes_by_is_committed_too() {
    let world = World::new(Disk::default());
    let vfs = SimVfs::new(&world, 1);
    let mut producer = puro::ProducerOptions::new().open_in(vfs.clone(), STREAM).unwrap();
    let consumer = puro::ConsumerOptions::new().topic("rare");
    let mut named =
        puro::NamedOptions::new().consumer(consumer).open_in(vfs.clone(), STREAM, "anna").unwrap();
    for _ in 0..3 {
        producer.append(&puro::NewRecord::new("other", "x")).unwrap();
        assert!(named.try_next().unwrap().is_none());
    }
    assert_eq!(named.stored(), None, "not at once");
    vfs.sleep(std::time::Duration::from_secs(60));
    assert!(named.try_next().unwrap().is_none());
    assert_eq!(named.stored().map(|position| position.offset), Some(3));
}

/// While a steward compacted, nobody deleted: producers that were fast took the stream far beyond its
/// retention. Here they write all the while, between any two calls of the steward.
#[test]
fn a_compaction_deletes_meanwhile() {
    let settings = &[("cleanup:kept", "compact"), ("expiry_ms", "0")];
    let world = World::new(Disk::default());
    let mut player = Player::new(world.clone(), |vfs| vfs, settings);
    let append = |topic, key| Op::Append { topic, key, marker: false, bytes: 1300, durable: false };
    for number in 0..60 {
        player.play(&append(Topic::Log, None)).unwrap();
        player.play(&append(Topic::Kept, Some(number % 20))).unwrap();
    }
    // All `kept` records are superseded once more, so that the first segments may go.
    (0..20).for_each(|key| player.play(&append(Topic::Kept, Some(key))).unwrap());
    let other = SimVfs::new(&world, 1_000_000);
    let mut producer = puro::ProducerOptions::new().open_in(other.clone(), STREAM).unwrap();
    let options = puro::StewardOptions::new().roll(true).map_bytes(400);
    let mut steward = options.open_in(SimVfs::new(&world, 1_000_001), STREAM).unwrap();
    world.interrupt(1_000_001, 700, move || {
        producer.set(&"retention_bytes=20000".parse().unwrap()).unwrap();
        for _ in 0..10 {
            producer.append(&puro::NewRecord::new("log", &"x".repeat(1300))).unwrap();
        }
        other.sleep(std::time::Duration::from_secs(2));
    });
    let report = steward.run_once().unwrap();
    assert!(!world.has_interruption(), "the pass takes more calls than that");
    assert!(!report.compacted.is_empty() && !report.deleted.is_empty(), "{report:?}");
}

/// S-7: a consumer may have read what is deleted between two looks at who holds what, and have moved
/// up past the looks before. So markers stay in a pass in which that happened, and go in the next.
#[test]
fn markers_stay_where_something_was_deleted_between_two_looks() {
    let settings = &[("cleanup:kept", "compact"), ("marker_grace_ms", "0"), ("expiry_ms", "0")];
    let mut calls = 0;
    for deletes in [false, true] {
        let world = World::new(Disk::default());
        let mut player = Player::new(world.clone(), |vfs| vfs, settings);
        let mut append = |topic, key, marker| {
            player.play(&Op::Append { topic, key, marker, bytes: 1300, durable: false }).unwrap();
        };
        for number in 0..30 {
            append(Topic::Log, None, false);
            append(Topic::Kept, Some(number % 10), false);
        }
        (0..10).for_each(|key| append(Topic::Kept, Some(key), true));
        (0..6).for_each(|_| append(Topic::Log, None, false));
        world.set_now_ms(world.now_ms() + 1000);
        let steward = SimVfs::new(&world, 1_000_000);
        let mut steward = puro::StewardOptions::new().open_in(steward, STREAM).unwrap();
        let before = world.calls();
        if deletes {
            let other = SimVfs::new(&world, 1_000_001);
            let mut producer = puro::ProducerOptions::new().open_in(other.clone(), STREAM).unwrap();
            world.interrupt(1_000_000, calls * 2 / 3, move || {
                producer.set(&"retention_bytes=60000".parse().unwrap()).unwrap();
                other.sleep(std::time::Duration::from_secs(2));
            });
        }
        let report = steward.run_once().unwrap();
        calls = world.calls() - before;
        assert!(!world.has_interruption());
        assert_eq!(!report.deleted.is_empty(), deletes, "{report:?}");
        assert_eq!(markers(&world) > 0, deletes, "{report:?}");
        steward.run_once().unwrap();
        assert_eq!(markers(&world), 0);
    }
}

fn markers(world: &World) -> usize {
    let options = puro::ConsumerOptions::new().topic("kept");
    let mut consumer = options.open_in(SimVfs::new(world, 1_000_002), STREAM).unwrap();
    let records = consumer.try_iter().map(Result::unwrap);
    records.filter(|record| record.value.is_none()).count()
}
