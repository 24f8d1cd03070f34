//! What must come of the runs of CI, and the table of what they cover.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::family::Family;
use super::runs::{self, MUTATIONS, WORLDS};

/// Of all mutations together, so many in a hundred must be refused.
const REFUSED: usize = 99;

/// The modules, in their order on the page.
const MODULES: [&str; 5] = ["Segment", "Stream", "Steward", "State", "Locks"];
/// Actions of the modules that every campaign must show, and those of Segment that only the
/// world does.
const SEGMENT: [&str; 33] = [
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
    "LookBehind",
    "Resume",
    "Die",
    "PowerLoss",
    "StopDamaged",
    "PutZeros",
    "CutZeros",
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

const STATE: [&str; 12] = [
    "LockName",
    "ReadEntry",
    "Process",
    "CommitBoth",
    "CommitPosition",
    "CommitRefused",
    "SetPosition",
    "PassBy",
    "Sync",
    "LoseLock",
    "Die",
    "PowerLoss",
];

const LOCKS: [&str; 26] = [
    "Lock",
    "CheckLockName",
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

/// Actions that no run of the code in these worlds can show, with why: module, action, reason.
pub const UNSHOWN: [(&str, &str, &str); 1] =
    [("Segment", "LookBehind", "what is harmed in these runs is on the disk, and nobody cuts it")];

const INTRODUCTION: &str = "\
# Traces of the real thing

Written by `cargo run -p puro-tla --bin tla-check -- --only-traces --table`: how often each action of the
specification occurs in the runs that CI holds against it. How it is done is told in `src/traces/mod.rs`.
With `--only NAME` it is done for one module. `PURO_TRACE_RUNS` makes more runs of each.

In runs of shuttle of Segment and Stream every part of a read or write is a step that it schedules; in those of
Steward, State and Locks each call to the simulator's disk is, and what happens under no lock is in order too.
Processes run freely in Segment and Stream; in Steward one of them at a time is let go, before each of its calls.

Not held against runs are *StewardTrim*, *Producers* and *Clock*: what goes when is looked at by tests of the library, and
deletions beside each other by worlds of the crash simulator (`tests/crash/trim_worlds.rs`).

One module has no runs of its own: *Tokens* is Segment with a question of its own, the same actions and
the same `Next`; what readers do with their tokens is `Deliver` and `Resume` there.

That the module Locks promises progress no run that ends can show. What its runs show is who takes, tries and gives
back which lock while holding which, and that whoever could not have one was told so just when another had it.
Nobody dies in them: what is left of a lock then is looked at in the runs of the other modules.
`HopBack` needs a steward that deletes what is held (S-4), as in every second of these runs.

Where a mutation of State passes, it changed to what a position was set by hand, and nobody read it any more; or
what was read after a program had died, which may have committed by then that it passed by the rest.

In no run of Locks does a lock file lose its name, so `RemoveLockName` and `KeepLock` are not there.

In the runs of State every third input is of a topic that nobody asks for: whose outputs are kept elsewhere commits that
it passed by the last one (`PassBy`). Nothing is deleted in them, so `Delete` and `GoOnElsewhere` are not there.

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
        check(runs::segments(base)?, &SEGMENT)?;
    }
    if wanted("Stream") {
        check(runs::streams(base)?, &STREAM)?;
    }
    if wanted("Steward") {
        check(runs::stewards(base)?, &STEWARD)?;
    }
    if wanted("State") {
        check(runs::states(), &STATE)?;
    }
    if wanted("Locks") {
        check(runs::contended_locks(), &LOCKS)?;
    }
    Ok(report)
}
