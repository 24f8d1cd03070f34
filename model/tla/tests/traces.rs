//! Short runs of the real thing, judged without Java; CI has TLC judge many more.

use puro_model::generate::SEGMENT_BYTES;
use puro_model::shuttle_world::Schedules;
use puro_model::trace::simulated::{Cast, Perils, play, play_harm};
use puro_model::trace::turns::Turns;
use puro_model::trace::{contended, maintained, positions, scheduled};
use puro_tla::config::Config;
use puro_tla::traces::event::Step;
use puro_tla::traces::family::Family;
use puro_tla::traces::mutate::{Edit, Meaning};
use puro_tla::traces::{locks, segment, state, steward, stream};
use puro_tla::{Verdict, inner};
use std::path::Path;

/// Whether a run is a behaviour of the module, to its end.
fn is_behaviour(family: &Family, name: &str) -> bool {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", family.name));
    family.lay_out(&dir, "Unfinished").expect("modules can be written");
    let config = Config {
        name: format!("Trace{}", family.name),
        question: String::new(),
        both: true,
        long: false,
        deadlock: false,
        walk: false,
        invariants: vec!["Unfinished".to_owned()],
        temporal: false,
    };
    let outcome = inner::run(&dir, &config);
    println!("{} {name}: {outcome:?}", family.name);
    match outcome.verdict {
        Verdict::Refuted(_) => true,
        Verdict::Passed => false,
        Verdict::Broken(why) => panic!("{name}: {why}"),
    }
}

/// Judges a run; and what is left of it without one of its events, which must not pass.
fn judge(
    name: &'static str,
    run: &str,
    steps: Vec<Step>,
    constants: Vec<(&'static str, String)>,
    meaning: &dyn Meaning,
) {
    let family = |steps| Family {
        name,
        runs: vec![steps],
        variants: vec![(0, Edit::None)],
        constants: constants.clone(),
        ..Family::default()
    };
    assert!(is_behaviour(&family(steps.clone()), run), "{name} {run} is no behaviour");
    let middle = (steps.len() / 2..steps.len()).find(|at| meaning.matters(&steps, *at));
    let mut less = steps;
    let dropped = less.remove(middle.expect("an event that matters"));
    let harmed = is_behaviour(&family(less), &format!("{run}-less"));
    assert!(!harmed, "{name} {run} passes without {dropped:?}");
}

/// Runs of each kind.
const SEEDS: u64 = 3;

const CAST: Cast = Cast {
    producers: 2,
    readers: 1,
    steps: 8,
    perils: Perils { deaths: 1, late_deaths: 0, power: 1, syncs: 0, writes: 0 },
    durable_one_in: 2,
    bytes: 4,
    zeros_ahead_bytes: 0,
    dies_creating: false,
    named: false,
};

#[test]
fn short_runs_are_behaviours_of_segment() {
    let scheduled = scheduled::Cast {
        producers: 2,
        appends: 1,
        readers: 1,
        looks: 1,
        bytes: 4,
        segment_bytes: 1 << 20,
        zeros_ahead_bytes: 0,
    };
    let mut runs = vec![("harmed".to_owned(), play_harm(1))];
    for (seed, zeros_ahead_bytes) in (1..=SEEDS).flat_map(|seed| [(seed, 0), (seed, 192)]) {
        let cast = Cast { zeros_ahead_bytes, ..CAST };
        runs.push((format!("simulator {seed}, {zeros_ahead_bytes}"), play(&cast, seed)));
        let scheduled = scheduled::Cast { zeros_ahead_bytes, ..scheduled };
        let played = scheduled::play(scheduled, Schedules::Random, seed);
        runs.push((format!("shuttle {seed}, {zeros_ahead_bytes}"), played));
    }
    for (run, events) in &runs {
        let seen = segment::project(events, false).expect("a run of this module");
        let constants = seen.constants();
        judge("Segment", run, seen.steps, constants, &segment::Judged);
    }
}

#[test]
fn short_runs_are_behaviours_of_stream() {
    let cast = Cast { readers: 0, bytes: stream::VALUE_BYTES, ..CAST };
    let scheduled = scheduled::Cast {
        producers: 2,
        appends: 2,
        readers: 0,
        looks: 0,
        bytes: stream::VALUE_BYTES,
        segment_bytes: SEGMENT_BYTES,
        zeros_ahead_bytes: 0,
    };
    let mut runs = Vec::new();
    for seed in 1..=SEEDS {
        runs.push((format!("simulator {seed}"), play(&cast, seed)));
        let played = scheduled::play(scheduled, Schedules::Pct(3), seed);
        runs.push((format!("shuttle {seed}"), played));
    }
    for (run, events) in &runs {
        let seen = stream::project(events);
        let constants = seen.constants();
        judge("Stream", run, seen.steps, constants, &stream::Judged);
    }
}

#[test]
fn short_runs_are_behaviours_of_steward() {
    for seed in 1..=SEEDS {
        let cast = maintained::Cast {
            producers: 1,
            stewards: 1,
            records: 5,
            passes: 2,
            looks: 8,
            keys: 2,
            retention_bytes: Some(9000),
            forced: true,
            lingers: 0,
            deaths: 6,
            boots: seed % 2,
        };
        let steps = steward::project(&maintained::play(&cast, seed, Turns::seeded));
        judge("Steward", &format!("{seed}"), steps, steward::constants(), &steward::Judged);
    }
}

#[test]
fn short_runs_are_behaviours_of_locks() {
    for seed in 1..=SEEDS {
        let cast = contended::Cast {
            producers: 2,
            records: 4,
            stewards: 1,
            passes: 2,
            names: &locks::NAMES,
            looks: 8,
            forced: false,
        };
        let steps = locks::project(&contended::play(&cast, seed, Turns::seeded));
        judge("Locks", &format!("{seed}"), steps, locks::constants(), &locks::Judged);
    }
}

#[test]
fn short_runs_are_behaviours_of_state() {
    for seed in 1..=SEEDS {
        let apart = seed == 3;
        let cast = positions::Cast {
            inputs: 3,
            steps: 6,
            apart,
            deaths: 6,
            thefts: 6,
            sets: 3,
            boots: seed % 2,
        };
        let steps = state::project(&positions::play(&cast, seed, Turns::seeded), apart);
        judge("State", &format!("{seed}"), steps, state::constants(cast.inputs), &state::Judged);
    }
}
