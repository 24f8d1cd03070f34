//! Stewards, named consumers and one who transforms, under deaths and losses of power.
//!
//! - `PURO_STORIES`: how many short histories are cut everywhere (24 if not set);
//!   `PURO_STORY=n` replays one.
//! - `PURO_RUNS`: how many long ones run at random (300 if not set); `PURO_SEED=n` replays one.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use puro::vfs::Vfs;
use puro_model::crash::Bounds;
use puro_model::history::STREAM;
use puro_model::ledger::Topic;
use puro_model::report::publish;
use puro_model::sim::{Disk, SimVfs, World};
use puro_model::upkeep::{Op, Player};
use puro_model::upkeep_cuts::{Cuts, LONG, cut_everywhere, long_story, story};

const BOUNDS: Bounds = Bounds { decisions: 6, together: 1 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn cut(number: u64) -> Cuts {
    let story = story(number);
    match cut_everywhere(&story, |vfs| vfs, BOUNDS) {
        Ok(cuts) => cuts,
        Err((place, violation)) => {
            let again = "cargo test -p puro-model --test crash_steward every_cut";
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
                "PURO_SEED={seed} cargo test -p puro-model --test crash_steward long_stories\n\
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
        producer.set_setting("retention_bytes", Some("20000")).unwrap();
        for _ in 0..10 {
            producer.append(&puro::NewRecord::new("log", &"x".repeat(1300))).unwrap();
        }
        other.sleep(std::time::Duration::from_secs(2));
    });
    let report = steward.run_once().unwrap();
    assert!(!world.has_interruption(), "the pass takes more calls than that");
    assert!(!report.compacted.is_empty() && !report.deleted.is_empty(), "{report:?}");
}
