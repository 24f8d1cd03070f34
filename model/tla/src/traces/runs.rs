//! The runs of CI: which there are of each module.

use std::path::Path;
use std::process::Command;

use puro_model::shuttle_world::Schedules;
use puro_model::trace::simulated::{Cast, Perils, play, play_failed_sync, play_harm};
use puro_model::trace::turns::Turns;
use puro_model::trace::{
    Event, arbitrated, contended, maintained, positions, processes, scheduled,
};

use super::event::Step;
use super::family::Family;
use super::mutate::{Edit, Meaning, mutations};
use super::{locks, segment, state, steward, stream};

/// Runs of each family in the simulator, unless `PURO_TRACE_RUNS` says otherwise; and mutations
/// of each run.
const RUNS: u64 = 16;
/// See there.
pub const MUTATIONS: usize = 20;

/// The worlds in which runs are made.
const SIMULATOR: &str = "simulator";
const SHUTTLE: &str = "shuttle";
const PROCESSES: &str = "processes";
pub const WORLDS: [&str; 3] = [SIMULATOR, SHUTTLE, PROCESSES];
/// Runs in which a synced block is harmed.
const HARMED_RUNS: u64 = 2;
/// Runs in which a sync fails, and all goes with the power that is not on the disk.
const FAILED_SYNC_RUNS: u64 = 2;
/// What this program is called with to be one of them: they run freely, or one at a time is let go.
const FREE: &str = "--trace-worker";
const ARBITRATED: &str = "--trace-worker-arbitrated";

fn runs() -> u64 {
    let asked = std::env::var("PURO_TRACE_RUNS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(RUNS)
}

/// Runs of each family in the world of shuttle.
fn shuttle_runs() -> u64 {
    runs() * 3 / 8
}

/// Runs of real processes, of each family that has some.
fn process_runs() -> u64 {
    runs() / 4
}

fn add(
    family: &mut Family,
    world: &'static str,
    steps: Vec<Step>,
    meaning: &dyn Meaning,
    seed: u64,
) {
    let run = family.runs.len();
    family.variants.push((run, Edit::None));
    let edits = mutations(&steps, meaning, MUTATIONS, seed);
    family.variants.extend(edits.into_iter().map(|edit| (run, edit)));
    family.runs.push(steps);
    family.worlds.push(world);
}

/// The life of a process of such a run, if this program was called to be one.
#[must_use]
pub fn work(args: &[String]) -> Option<std::io::Result<()>> {
    let (kind, args) = args.split_first()?;
    match kind.as_str() {
        FREE => Some(processes::work(args)),
        ARBITRATED => Some(arbitrated::work(args)),
        _ => None,
    }
}

/// Room for the next block and a part of the one after it, in half of the runs.
const ZEROS_AHEAD_BYTES: u64 = 192;

/// Runs without rollover, for module Segment.
///
/// # Errors
/// Where processes could not do their work.
pub fn segments(base: &Path) -> Result<Family, String> {
    let mut family = Family { name: "Segment", ..Family::default() };
    let mut all = segment::Seen::default();
    let mut take = |world, events: &[Event], named, seed| {
        let seen = segment::project(events, named)?;
        all.widen(&seen);
        add(&mut family, world, seen.steps, &segment::Judged, seed);
        Ok::<(), String>(())
    };
    for seed in 0..runs() {
        let perils = match seed % 4 {
            0 => Perils { late_deaths: 1, ..Perils::default() },
            1 => Perils { deaths: 2, power: 1, ..Perils::default() },
            2 => Perils { power: 1, syncs: 2, writes: 1, ..Perils::default() },
            _ => Perils { deaths: 1, power: 2, writes: 1, ..Perils::default() },
        };
        let named = seed % 3 != 1;
        let cast = Cast {
            producers: 2,
            readers: 2,
            steps: 18,
            perils,
            named,
            bytes: 4,
            zeros_ahead_bytes: seed / 4 % 2 * ZEROS_AHEAD_BYTES,
            // What is to be lost with the power must not be on disk.
            durable_one_in: if perils.power > 0 { 5 } else { 2 },
            dies_creating: false,
        };
        take(SIMULATOR, &play(&cast, seed), named, seed)?;
    }
    for seed in 0..HARMED_RUNS {
        take(SIMULATOR, &play_harm(seed), false, seed)?;
    }
    for seed in 0..FAILED_SYNC_RUNS {
        take(SIMULATOR, &play_failed_sync(seed), false, seed)?;
    }
    for seed in 0..shuttle_runs() {
        let cast = scheduled::Cast {
            producers: 3,
            appends: 3,
            readers: 2,
            looks: 3,
            bytes: 4,
            segment_bytes: 1 << 20,
            zeros_ahead_bytes: seed / 2 % 2 * ZEROS_AHEAD_BYTES,
        };
        take(SHUTTLE, &scheduled::play(cast, schedules(seed), seed), false, seed)?;
    }
    for seed in 0..process_runs() {
        let cast = processes::Cast { readers: 2, appends: 40, bytes: 4, segment_bytes: 1 << 20 };
        let play = |scratch: &Path| processes::play(&this_program(FREE), scratch, &cast, seed);
        take(PROCESSES, &in_a_folder(base, play)?, false, seed)?;
    }
    family.constants = all.constants();
    Ok(family)
}

fn schedules(seed: u64) -> Schedules {
    if seed.is_multiple_of(2) { Schedules::Random } else { Schedules::Pct(3) }
}

fn this_program(kind: &'static str) -> impl Fn() -> Command {
    let program = std::env::current_exe().expect("a program that runs is somewhere");
    move || {
        let mut command = Command::new(&program);
        command.arg(kind);
        command
    }
}

/// Plays in an empty folder.
fn in_a_folder(
    base: &Path,
    play: impl FnOnce(&Path) -> std::io::Result<Vec<Event>>,
) -> Result<Vec<Event>, String> {
    let scratch = base.join("processes");
    let _ = std::fs::remove_dir_all(&scratch);
    let made = std::fs::create_dir_all(&scratch);
    made.and_then(|()| play(&scratch)).map_err(|error| format!("{}: {error}", scratch.display()))
}

/// Runs with creation and rollover, for module Stream.
///
/// # Errors
/// Where processes could not do their work.
pub fn streams(base: &Path) -> Result<Family, String> {
    let mut family = Family { name: "Stream", ..Family::default() };
    let mut all = stream::Seen::default();
    let mut take = |world, events: &[Event], seed| {
        let seen = stream::project(events);
        all.widen(&seen);
        add(&mut family, world, seen.steps, &stream::Judged, seed);
    };
    for seed in 0..runs() {
        let perils = match seed % 3 {
            0 => Perils::default(),
            1 => Perils { deaths: 4, ..Perils::default() },
            _ => Perils { deaths: 2, power: 1, ..Perils::default() },
        };
        let cast = Cast {
            producers: 2,
            readers: 0,
            steps: 16,
            perils,
            named: false,
            bytes: stream::VALUE_BYTES,
            zeros_ahead_bytes: 0,
            durable_one_in: 2,
            dies_creating: seed % 2 == 1,
        };
        take(SIMULATOR, &play(&cast, seed), seed);
    }
    for seed in 0..shuttle_runs() {
        let cast = scheduled::Cast {
            producers: 3,
            appends: 3,
            readers: 0,
            looks: 0,
            bytes: stream::VALUE_BYTES,
            segment_bytes: puro_model::generate::SEGMENT_BYTES,
            zeros_ahead_bytes: 0,
        };
        take(SHUTTLE, &scheduled::play(cast, schedules(seed), seed), seed);
    }
    for seed in 0..process_runs() {
        let (bytes, segment_bytes) = (stream::VALUE_BYTES, puro_model::generate::SEGMENT_BYTES);
        let cast = processes::Cast { readers: 0, appends: 12, bytes, segment_bytes };
        let play = |scratch: &Path| processes::play(&this_program(FREE), scratch, &cast, seed);
        take(PROCESSES, &in_a_folder(base, play)?, seed);
    }
    family.constants = all.constants();
    Ok(family)
}

/// Runs with stewards and a consumer that hops, for module Steward.
///
/// # Errors
/// Where processes could not do their work.
pub fn stewards(base: &Path) -> Result<Family, String> {
    let mut family = Family { name: "Steward", ..Family::default() };
    let mut take = |world, events: &[Event], seed| {
        add(&mut family, world, steward::project(events), &steward::Judged, seed);
    };
    let cast = |seed: u64| maintained::Cast {
        producers: 1 + seed % 2,
        stewards: 1 + seed / 2 % 2,
        records: 8,
        passes: 5,
        looks: 24,
        keys: 2,
        retention_bytes: (seed % 4 < 3).then_some(9000),
        forced: seed.is_multiple_of(2),
        lingers: if seed.is_multiple_of(2) { 60 } else { 0 },
        deaths: [0, 0, 8, 8][(seed / 4 % 4) as usize],
        boots: [0, 1, 0, 1][(seed / 4 % 4) as usize],
    };
    // Half as many again: a segment that goes by force is rare.
    for seed in 0..runs() * 3 / 2 {
        take(SIMULATOR, &maintained::play(&cast(seed), seed, Turns::seeded), seed);
    }
    for seed in 0..shuttle_runs() {
        let play = move || maintained::play(&cast(seed), seed, Turns::scheduled);
        take(SHUTTLE, &scheduled::in_a_schedule(schedules(seed), seed, play), seed);
    }
    for seed in 0..process_runs() {
        let cast = arbitrated::Cast {
            producers: 1 + seed as u32 % 2,
            stewards: 1 + seed as u32 / 2 % 2,
            lives: 2,
            records: 8,
            passes: 4,
            looks: 12,
            forced: seed == 3,
            deaths: if seed.is_multiple_of(2) { 0 } else { 60 },
        };
        let play = |dir: &Path| arbitrated::play(&this_program(ARBITRATED), dir, &cast, seed);
        take(PROCESSES, &in_a_folder(base, play)?, seed);
    }
    family.constants = steward::constants();
    Ok(family)
}

/// Runs of programs under one name, for module State.
#[must_use]
pub fn states() -> Family {
    let mut family = Family { name: "State", ..Family::default() };
    let mut take = |world, events: &[Event], apart, seed| {
        add(&mut family, world, state::project(events, apart), &state::Judged, seed);
    };
    let inputs = 12;
    let cast = |seed: u64| positions::Cast {
        inputs,
        steps: if seed % 4 > 1 { 26 } else { 22 },
        apart: seed % 4 == 3,
        deaths: if seed % 2 == 1 { 6 } else { 0 },
        thefts: if seed.is_multiple_of(3) { 0 } else { 6 },
        sets: if seed % 4 > 1 { 3 } else { 0 },
        boots: u64::from(seed % 3 == 2),
    };
    for seed in 0..runs() {
        let cast = cast(seed);
        take(SIMULATOR, &positions::play(&cast, seed, Turns::seeded), cast.apart, seed);
    }
    for seed in 0..shuttle_runs() {
        let cast = cast(seed);
        let play = move || positions::play(&cast, seed, Turns::scheduled);
        let played = scheduled::in_a_schedule(schedules(seed), seed, play);
        take(SHUTTLE, &played, cast.apart, seed);
    }
    family.constants = state::constants(inputs);
    family
}

/// Runs in which locks are contended, for module Locks.
#[must_use]
pub fn contended_locks() -> Family {
    let mut family = Family { name: "Locks", ..Family::default() };
    let mut take = |world, events: &[Event], seed| {
        add(&mut family, world, locks::project(events), &locks::Judged, seed);
    };
    let cast = |seed: u64| contended::Cast {
        producers: 2,
        records: 8,
        stewards: 1 + seed % 2,
        passes: 8,
        names: if seed % 4 < 2 { &locks::NAMES } else { &locks::TWICE },
        looks: 20,
        forced: seed % 2 == 1,
    };
    for seed in 0..runs() {
        take(SIMULATOR, &contended::play(&cast(seed), seed, Turns::seeded), seed);
    }
    for seed in 0..shuttle_runs() {
        let play = move || contended::play(&cast(seed), seed, Turns::scheduled);
        take(SHUTTLE, &scheduled::in_a_schedule(schedules(seed), seed, play), seed);
    }
    family.constants = locks::constants();
    family
}
