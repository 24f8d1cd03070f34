//! The runs of CI: which there are, what must come of them, and the table of what they cover.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use puro_model::trace::simulated::{Cast, Perils, play};
use puro_model::trace::{Event, processes};

use super::event::Step;
use super::family::Family;
use super::mutate::{Edit, Meaning, mutations};
use super::{segment, stream};

/// Runs of each family, and mutations of each run.
const RUNS: u64 = 16;
const MUTATIONS: usize = 20;
/// Of all mutations together, so many in a hundred must be refused.
const REFUSED: usize = 99;

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

/// The worlds in which runs are made.
const SIMULATOR: &str = "simulator";
const PROCESSES: &str = "processes";
/// Runs of real processes.
const PROCESS_RUNS: u64 = 4;
/// What this program is called with to be one of them.
pub const WORKER: &str = "--trace-worker";

/// Actions that no run of the code in these worlds can show, with why.
pub const UNSHOWN: [(&str, &str, &str); 2] = [
    (
        "Segment",
        "StopDamaged",
        "synced bytes are harmed by no run that keeps to chapter 1; tests/recovery_table.rs shows it",
    ),
    (
        "Segment",
        "Duplicate",
        "no seed here kills a producer between commit and answer; not shown yet",
    ),
];

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub complaints: Vec<String>,
    pub page: String,
}

fn set(count: u32) -> String {
    let numbers: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(", "))
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
    let (mut writers, mut readers, mut units) = (1, 1, 2);
    for seed in 0..RUNS {
        let perils = match seed % 4 {
            0 => Perils::default(),
            1 => Perils { deaths: 2, power: 1, ..Perils::default() },
            2 => Perils { power: 1, syncs: 2, writes: 1, deaths: 0 },
            _ => Perils { deaths: 1, power: 2, writes: 1, syncs: 0 },
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
        let seen = segment::project(&play(&cast, seed), named)?;
        writers = writers.max(seen.writers);
        readers = readers.max(seen.readers);
        units = units.max(seen.units);
        add(&mut family, SIMULATOR, seen.steps, &segment::Judged, seed);
    }
    for seed in 0..PROCESS_RUNS {
        let scratch = base.join(format!("processes-{seed}"));
        let played = played_by_processes(&scratch, seed).map_err(|error| error.to_string())?;
        let seen = segment::project(&played, false)?;
        writers = writers.max(seen.writers);
        readers = readers.max(seen.readers);
        units = units.max(seen.units);
        add(&mut family, PROCESSES, seen.steps, &segment::Judged, seed);
    }
    let bounds = ["Requests", "MaxMade", "MaxDeaths", "MaxBoots", "MaxFails", "MaxGiveUps"];
    family.constants = vec![
        ("Units", units.to_string()),
        ("Writers", set(writers)),
        ("Readers", set(readers)),
        ("Sizes", "{2}".to_owned()),
        ("DurableRead", "FALSE".to_owned()),
    ];
    family.constants.extend(bounds.map(|bound| (bound, "99".to_owned())));
    Ok(family)
}

fn played_by_processes(scratch: &Path, seed: u64) -> std::io::Result<Vec<Event>> {
    let _ = std::fs::remove_dir_all(scratch);
    std::fs::create_dir_all(scratch)?;
    processes::play(&std::env::current_exe()?, WORKER, scratch, seed)
}

/// Runs with creation and rollover, for module Stream.
fn streams() -> Family {
    let mut family = Family { name: "Stream", ..Family::default() };
    let mut writers = 1;
    for seed in 0..RUNS {
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
        let seen = stream::project(&play(&cast, seed));
        writers = writers.max(seen.writers);
        add(&mut family, SIMULATOR, seen.steps, &stream::Judged, seed);
    }
    family.constants = vec![
        ("MaxSeq", "8".to_owned()),
        ("Temps", "{9}".to_owned()),
        ("Writers", set(writers)),
        ("PerSegment", stream::PER_SEGMENT.to_string()),
    ];
    let bounds = ["MaxRecs", "MaxDeaths", "MaxBoots"];
    family.constants.extend(bounds.map(|bound| (bound, "99".to_owned())));
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
    let count = |world, action| counts.get(&(world, action)).copied().unwrap_or_default();
    let unshown: BTreeSet<_> =
        UNSHOWN.iter().filter(|(of, ..)| *of == name).map(|(_, op, _)| *op).collect();
    for action in actions {
        if count(SIMULATOR, action) + count(PROCESSES, action) == 0 && !unshown.contains(action) {
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
    report.page += "\n| action | simulator | processes |\n|---|---|---|\n";
    for action in actions {
        let (simulated, real) = (count(SIMULATOR, action), count(PROCESSES, action));
        let why = UNSHOWN.iter().find(|(of, op, _)| *of == name && op == action);
        let why = why.map_or(String::new(), |(.., why)| format!(": {why}"));
        let _ = writeln!(report.page, "| {action} | {simulated}{why} | {real} |");
    }
    Ok(())
}

/// Runs all, and writes down what they cover.
///
/// # Errors
/// Where TLC could not do its work.
pub fn run(jar: &Path, base: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    report.page += "# Traces of the real thing\n\nWritten by `cargo run -p puro-tla --bin tla-check -- \
                    --only-traces --table`: how often each action of the\nspecification occurs in the runs that \
                    CI holds against it. How it is done is told in `src/traces/mod.rs`.\n";
    examine(&segments(base)?, &SEGMENT, jar, base, &mut report)?;
    examine(&streams(), &STREAM, jar, base, &mut report)?;
    Ok(report)
}
