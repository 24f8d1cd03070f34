//! The runs of CI: which there are, what must come of them, and the table of what they cover.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use puro_model::shuttle_world::Schedules;
use puro_model::trace::simulated::{Cast, Perils, play, play_harm};
use puro_model::trace::{Event, contended, maintained, positions, processes, scheduled};

use super::event::Step;
use super::family::Family;
use super::mutate::{Edit, Meaning, mutations};
use super::{locks, segment, state, steward, stream};

/// Runs of each family, unless `PURO_TRACE_RUNS` says otherwise, and mutations of each run.
const RUNS: u64 = 16;
const MUTATIONS: usize = 20;
/// Of all mutations together, so many in a hundred must be refused.
const REFUSED: usize = 99;

/// The modules, in their order on the page.
const MODULES: [&str; 5] = ["Segment", "Stream", "Steward", "State", "Locks"];
/// Actions of the modules that every campaign must show, and those of Segment that only the
/// world does.
const SEGMENT: [&str; 30] = [
    "Lock",
    "StepOver",
    "Classify",
    "SaveTail",
    "Truncate",
    "SyncCut",
    "RaiseEpoch",
    "SyncRaise",
    "SyncEpoch",
    "Duplicate",
    "Leave",
    "Reserve",
    "WritePart",
    "Commit",
    "GiveUp",
    "Unlock",
    "Sync",
    "Return",
    "SyncFails",
    "SyncTells",
    "Rewrite",
    "SyncAgain",
    "ReadStart",
    "ReadBody",
    "Deliver",
    "ReadAfresh",
    "Resume",
    "Die",
    "PowerLoss",
    "StopDamaged",
];
const STREAM: [&str; 17] = [
    "Lock",
    "Finish",
    "SyncParent",
    "SyncNamesFirst",
    "Seal",
    "SyncSeal",
    "Make",
    "SyncMade",
    "Name",
    "SyncName",
    "Commit",
    "Unlock",
    "Leave",
    "Sync",
    "Return",
    "Die",
    "PowerLoss",
];

const STEWARD: [&str; 28] = [
    "Commit",
    "Roll",
    "BeginPass",
    "LockToDelete",
    "Delete",
    "DeleteForced",
    "SyncDelete",
    "Build",
    "SyncBuilt",
    "LockToReplace",
    "LeaveAsItIs",
    "Replace",
    "SyncReplace",
    "UnlockSteward",
    "StewardDies",
    "Seek",
    "Pin",
    "CheckName",
    "Read",
    "HopOpen",
    "HopPin",
    "HopCheckName",
    "LookBack",
    "PinTimesOut",
    "GoAway",
    "ConsumerDies",
    "PowerLoss",
    "LockSteward",
];

const STATE: [&str; 11] = [
    "LockName",
    "ReadEntry",
    "Process",
    "CommitBoth",
    "CommitPosition",
    "CommitRefused",
    "SetPosition",
    "Sync",
    "LoseLock",
    "Die",
    "PowerLoss",
];

const LOCKS: [&str; 25] = [
    "Lock",
    "Commit",
    "Unlock",
    "LockSteward",
    "LockToExpire",
    "Expire",
    "StewardTimesOut",
    "TrySteward",
    "HoldUp",
    "TryExclusive",
    "Delete",
    "UnlockSteward",
    "LockName",
    "LockToLook",
    "Pin",
    "CheckName",
    "Read",
    "HopPin",
    "Unpin",
    "HopBack",
    "WantCommit",
    "LockToCommit",
    "CommitPosition",
    "CommitTimesOut",
    "GoAway",
];

/// The worlds in which runs are made.
const SIMULATOR: &str = "simulator";
const SHUTTLE: &str = "shuttle";
const PROCESSES: &str = "processes";
const WORLDS: [&str; 3] = [SIMULATOR, SHUTTLE, PROCESSES];
/// Runs in the world of shuttle, of each family.
const SHUTTLE_RUNS: u64 = 6;
/// Runs in which a synced block is harmed.
const HARMED_RUNS: u64 = 2;
/// Runs of real processes.
const PROCESS_RUNS: u64 = 4;
/// What this program is called with to be one of them.
pub const WORKER: &str = "--trace-worker";

/// Actions that no run of the code in these worlds can show, with why: module, action, reason.
pub const UNSHOWN: [(&str, &str, &str); 0] = [];

const INTRODUCTION: &str = "\
# Traces of the real thing

Written by `cargo run -p puro-tla --bin tla-check -- --only-traces --table`: how often each action of the
specification occurs in the runs that CI holds against it. How it is done is told in `src/traces/mod.rs`.
With `--only NAME` it is done for one module. `PURO_TRACE_RUNS` makes more runs of each.

One module has no runs of its own: *Tokens* is Segment with a question of its own, the same actions and
the same `Next`; what readers do with their tokens is `Deliver` and `Resume` there.

That the module Locks promises progress no run that ends can show. What its runs show is who takes, tries and gives
back which lock while holding which, and that whoever could not have one was told so just when another had it.
Nobody dies in them: what is left of a lock then is looked at in the runs of the other modules.
`HopBack` needs a steward that deletes what is held (S-4), as in every fourth of these runs.

Where a mutation of State passes, it changed to what a position was set by hand, and nobody read it any more.

Settings (C-6) are set at the beginning of the runs of Steward and Locks: commits like any other, which no module
tells apart.
";

/// The page with the modules that were run, and all others as they were.
#[must_use]
pub fn merged(old: &str, new: &str) -> String {
    let mut page = INTRODUCTION.to_owned();
    for module in MODULES {
        let head = format!("\n## {module}\n");
        let section = [new, old].into_iter().find_map(|page| {
            let (_, rest) = page.split_once(&head)?;
            Some(rest.split("\n## ").next().unwrap_or_default())
        });
        page += &section.map_or(String::new(), |section| format!("{head}{section}"));
    }
    page
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub complaints: Vec<String>,
    pub page: String,
}

fn runs() -> u64 {
    let asked = std::env::var("PURO_TRACE_RUNS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(RUNS)
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

/// Runs without rollover, for module Segment.
fn segments(base: &Path) -> Result<Family, String> {
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
            // What is to be lost with the power must not be on disk.
            durable_one_in: if perils.power > 0 { 5 } else { 2 },
            dies_creating: false,
        };
        take(SIMULATOR, &play(&cast, seed), named, seed)?;
    }
    for seed in 0..HARMED_RUNS {
        take(SIMULATOR, &play_harm(seed), false, seed)?;
    }
    for seed in 0..SHUTTLE_RUNS {
        let cast = scheduled::Cast {
            producers: 3,
            appends: 3,
            readers: 2,
            looks: 3,
            bytes: 4,
            segment_bytes: 1 << 20,
        };
        take(SHUTTLE, &scheduled::play(cast, schedules(seed), seed), false, seed)?;
    }
    for seed in 0..PROCESS_RUNS {
        let scratch = base.join(format!("processes-{seed}"));
        let played = played_by_processes(&scratch, seed).map_err(|error| error.to_string())?;
        take(PROCESSES, &played, false, seed)?;
    }
    family.constants = all.constants();
    Ok(family)
}

fn schedules(seed: u64) -> Schedules {
    if seed.is_multiple_of(2) { Schedules::Random } else { Schedules::Pct(3) }
}

fn played_by_processes(scratch: &Path, seed: u64) -> std::io::Result<Vec<Event>> {
    let _ = std::fs::remove_dir_all(scratch);
    std::fs::create_dir_all(scratch)?;
    processes::play(&std::env::current_exe()?, WORKER, scratch, seed)
}

/// Runs with creation and rollover, for module Stream.
fn streams() -> Family {
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
            durable_one_in: 2,
            dies_creating: seed % 2 == 1,
        };
        take(SIMULATOR, &play(&cast, seed), seed);
    }
    for seed in 0..SHUTTLE_RUNS {
        let cast = scheduled::Cast {
            producers: 3,
            appends: 3,
            readers: 0,
            looks: 0,
            bytes: stream::VALUE_BYTES,
            segment_bytes: puro_model::generate::SEGMENT_BYTES,
        };
        take(SHUTTLE, &scheduled::play(cast, schedules(seed), seed), seed);
    }
    family.constants = all.constants();
    family
}

/// Runs with stewards and a consumer that hops, for module Steward.
fn stewards() -> Family {
    let mut family = Family { name: "Steward", ..Family::default() };
    // Half as many again: a segment that goes by force is rare.
    for seed in 0..runs() * 3 / 2 {
        let cast = maintained::Cast {
            producers: 1 + seed % 2,
            stewards: 1 + seed / 2 % 2,
            records: 8,
            passes: 5,
            looks: 24,
            keys: 2,
            retention_bytes: (seed % 4 < 3).then_some(9000),
            forced: seed % 2 == 0,
            deaths: [0, 0, 8, 8][(seed / 4 % 4) as usize],
            boots: [0, 1, 0, 1][(seed / 4 % 4) as usize],
        };
        let steps = steward::project(&maintained::play(&cast, seed));
        add(&mut family, SIMULATOR, steps, &steward::Judged, seed);
    }
    family.constants = steward::constants();
    family
}

/// Runs of programs under one name, for module State.
fn states() -> Family {
    let mut family = Family { name: "State", ..Family::default() };
    let inputs = 6;
    for seed in 0..runs() {
        let cast = positions::Cast {
            inputs,
            steps: if seed % 4 > 1 { 20 } else { 16 },
            apart: seed % 4 == 3,
            deaths: if seed % 2 == 1 { 6 } else { 0 },
            thefts: if seed % 3 > 0 { 6 } else { 0 },
            sets: if seed % 4 > 1 { 3 } else { 0 },
            boots: u64::from(seed % 3 == 2),
        };
        let steps = state::project(&positions::play(&cast, seed), cast.apart);
        add(&mut family, SIMULATOR, steps, &state::Judged, seed);
    }
    family.constants = state::constants(inputs);
    family
}

/// Runs in which locks are contended, for module Locks.
fn contended_locks() -> Family {
    let mut family = Family { name: "Locks", ..Family::default() };
    for seed in 0..runs() {
        let cast = contended::Cast {
            producers: 2,
            records: 8,
            stewards: 1 + seed % 2,
            passes: 8,
            names: if seed % 4 < 2 { &locks::NAMES } else { &locks::TWICE },
            looks: 20,
            forced: seed % 4 == 3,
        };
        let steps = locks::project(&contended::play(&cast, seed));
        add(&mut family, SIMULATOR, steps, &locks::Judged, seed);
    }
    family.constants = locks::constants();
    family
}

/// Judges one family; adds to the report.
fn examine(
    family: &Family,
    actions: &[&str],
    jar: &Path,
    base: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let name = family.name;
    let judged = family.judge(jar, base)?;
    let (mut tried, mut survived) = (0, Vec::new());
    for (variant, (run, edit)) in family.variants.iter().enumerate() {
        let (steps, ended) = (&family.runs[*run], judged.ended.contains(&variant));
        match edit.place() {
            None if ended => {}
            None => {
                let at = judged.reached[variant];
                let step = steps.get(at).map(|step| step.tla(&[])).unwrap_or_default();
                report
                    .complaints
                    .push(format!("{name}, run {run}: event {} is refused: {step}", at + 1));
            }
            Some(at) => {
                tried += 1;
                if ended {
                    survived.push(format!("run {run}, {edit:?}: {}", steps[at].tla(&[])));
                }
            }
        }
    }
    if tried < family.runs.len() * MUTATIONS {
        report.complaints.push(format!("{name}: {tried} mutations only"));
    }
    let refused = tried - survived.len();
    if refused * 100 < tried * REFUSED {
        report.complaints.push(format!("{name}: {} mutations pass: {survived:#?}", survived.len()));
    }
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (run, world) in family.runs.iter().zip(&family.worlds) {
        for step in run {
            *counts.entry((world, &step.op)).or_default() += 1;
        }
    }
    let count =
        |world: &str, action: &str| counts.get(&(world, action)).copied().unwrap_or_default();
    let unshown: BTreeSet<_> =
        UNSHOWN.iter().filter(|(of, ..)| *of == name).map(|(_, op, _)| *op).collect();
    for action in actions {
        let all = WORLDS.iter().map(|world| count(world, action)).sum::<usize>();
        if all == 0 && !unshown.contains(action) {
            report.complaints.push(format!("{name}: no run shows {action}"));
        }
    }
    let events = family.runs.iter().map(Vec::len).sum::<usize>();
    println!(
        "traces of {name}: {} runs, {events} events, {refused} of {tried} mutations refused, \
         {} states, {:.1} s",
        family.runs.len(),
        judged.states,
        judged.seconds
    );
    let _ = write!(
        report.page,
        "\n## {name}\n\n{} runs with {events} events are behaviours of the module; of {tried} \
         mutations {refused} are refused.\n",
        family.runs.len()
    );
    for passed in &survived {
        let _ = writeln!(report.page, "\nPasses: {passed}");
    }
    let _ = writeln!(report.page, "\n| action | {} |", WORLDS.join(" | "));
    let _ = writeln!(report.page, "|---{}|", "|---".repeat(WORLDS.len()));
    for action in actions {
        let counts = WORLDS.map(|world| count(world, action).to_string()).join(" | ");
        let why = UNSHOWN.iter().find(|(of, op, _)| *of == name && op == action);
        let why = why.map_or(String::new(), |(.., why)| format!(": {why}"));
        let _ = writeln!(report.page, "| {action}{why} | {counts} |");
    }
    Ok(())
}

/// Runs all, or those of one module, and writes down what they cover.
///
/// # Errors
/// Where TLC could not do its work.
pub fn run(jar: &Path, base: &Path, only: Option<&str>) -> Result<Report, String> {
    let mut report = Report::default();
    let wanted = |name| only.is_none_or(|only| only == name);
    let mut check =
        |family: Family, actions: &[&str]| examine(&family, actions, jar, base, &mut report);
    if wanted("Segment") {
        check(segments(base)?, &SEGMENT)?;
    }
    if wanted("Stream") {
        check(streams(), &STREAM)?;
    }
    if wanted("Steward") {
        check(stewards(), &STEWARD)?;
    }
    if wanted("State") {
        check(states(), &STATE)?;
    }
    if wanted("Locks") {
        check(contended_locks(), &LOCKS)?;
    }
    Ok(report)
}
